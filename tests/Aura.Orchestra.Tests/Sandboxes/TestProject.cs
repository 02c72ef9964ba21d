using Aura.Orchestra.Processes;
using Aura.Orchestra.Sandboxes;

namespace Aura.Orchestra.Tests.Sandboxes;

/// <summary>A bare repository with one commit, and a folder of its own for everything a test makes of it.</summary>
internal sealed class TestProject : IAsyncDisposable
{
    private readonly ProcessRunner _processes = new();

    private TestProject(string root)
    {
        Root = root;
        Git = new(_processes);
    }

    public string Root { get; }
    public ProcessRunner Processes => _processes;
    public Git Git { get; }
    public string Repository => Path.Combine(Root, "project.git");
    public string Commit { get; private set; } = "";
    public SandboxOptions Options => new() { BaseDirectory = Path.Combine(Root, "sandboxes"), SnapshotDirectory = Path.Combine(Root, "snapshots") };

    public static Task<TestProject> CreateAsync(params (string Path, string Content)[] files) =>
        CreateAsync(files.ToDictionary(f => f.Path, f => System.Text.Encoding.UTF8.GetBytes(f.Content)));

    public static async Task<TestProject> CreateAsync(IReadOnlyDictionary<string, byte[]> files, Action<string>? more = null)
    {
        var project = new TestProject(Directory.CreateTempSubdirectory("aura-proof-").FullName);
        var source = Path.Combine(project.Root, "source");
        foreach (var (path, content) in files)
        {
            var full = Path.Combine(source, path);
            Directory.CreateDirectory(Path.GetDirectoryName(full)!);
            await File.WriteAllBytesAsync(full, content);
        }

        Directory.CreateDirectory(source);
        more?.Invoke(source);
        await project.Git.RunAsync(project.Root, ["init", "--bare", "--quiet", "--initial-branch=main", project.Repository]);
        var place = new Dictionary<string, string?> { ["GIT_DIR"] = project.Repository, ["GIT_WORK_TREE"] = source };
        await project.Git.RunAsync(source, ["add", "--all", "--force", "."], environment: place);
        await project.Git.RunAsync(source, ["commit", "--quiet", "--allow-empty", "-m", "base"], environment: place);
        project.Commit = await project.Git.RunAsync(project.Repository, ["rev-parse", "HEAD"]);
        return project;
    }

    public SandboxStore Store(SandboxOptions? options = null) => new(options ?? Options, Git, TimeProvider.System);

    public SnapshotKeeper Keeper() => new(Options, TimeProvider.System);

    public Task<Sandbox> SandboxAsync(string job = "job-1", int attempt = 1, SandboxOptions? options = null, params string[] allowed) =>
        Store(options).CreateAsync(new()
        {
            SandboxId = SandboxStore.IdOf(job, attempt),
            JobId = job,
            Attempt = attempt,
            ProjectName = "demo",
            RepositoryPath = Repository,
            BaseCommit = Commit,
            AllowedPaths = allowed,
        });

    public ValueTask DisposeAsync()
    {
        _processes.Dispose();
        Directory.Delete(Root, recursive: true);
        return ValueTask.CompletedTask;
    }
}
