using Aura.Orchestra.Processes;
using Aura.Orchestra.Projects;
using Aura.Orchestra.Sandboxes;

namespace Aura.Orchestra.Tests.Projects;

/// <summary>A folder of projects and a state folder, with real git; gone afterwards.</summary>
internal sealed class TestProjects : IDisposable
{
    public const string Name = "demo";
    public const string Prd = "prd-aaaa2222";

    private readonly ProcessRunner _processes = new();

    public TestProjects()
    {
        Root = Directory.CreateTempSubdirectory("aura-projects-").FullName;
        Git = new(_processes);
        Repositories = Another();
    }

    public string Root { get; }
    public Git Git { get; }
    public ProcessRunner Processes => _processes;
    public ProjectRepositories Repositories { get; }
    public string ProjectsDirectory => Path.Combine(Root, "real_projects");
    public string State => Path.Combine(Root, "state");
    public string Repository => Repositories.RepositoryPath(Name);

    /// <summary>What another process would hold: nothing in memory is shared.</summary>
    public ProjectRepositories Another() => new(
        new() { ProjectsDirectory = ProjectsDirectory, StateDirectory = State, MaxCompareAndSwapRetries = 500 }, Git, TimeProvider.System);

    public void Write(string path, string content)
    {
        var full = Path.Combine(ProjectsDirectory, Name, path);
        Directory.CreateDirectory(Path.GetDirectoryName(full)!);
        File.WriteAllText(full, content);
    }

    public Task<string> OfProjectAsync(params string[] arguments) => Git.RunAsync(Path.Combine(ProjectsDirectory, Name), arguments);

    public Task<string> OfMirrorAsync(params string[] arguments) => Git.RunAsync(Repository, arguments);

    /// <summary>Imports the files and starts the PRD's branch; returns the base.</summary>
    public async Task<string> StartAsync(params (string Path, string Content)[] files)
    {
        foreach (var (path, content) in files)
            Write(path, content);
        var commit = await Repositories.ImportAsync(Name);
        await Repositories.CreatePrdBranchAsync(Name, Prd, commit);
        return commit;
    }

    /// <summary>The diff an employee would submit: through a real sandbox on the base.</summary>
    public async Task<string> DiffOfAsync(string baseCommit, string job, params (string Path, string? Content)[] changes)
    {
        var store = new SandboxStore(
            new() { BaseDirectory = Path.Combine(Root, "sandboxes"), SnapshotDirectory = Path.Combine(Root, "snapshots") }, Git, TimeProvider.System);
        var sandbox = await store.CreateAsync(new()
        {
            SandboxId = SandboxStore.IdOf(job, 1),
            JobId = job,
            Attempt = 1,
            ProjectName = Name,
            RepositoryPath = Repository,
            BaseCommit = baseCommit,
        });
        foreach (var (path, content) in changes)
        {
            var done = content is null ? await sandbox.DeleteFileAsync(path) : await sandbox.WriteFileAsync(path, content);
            done.IsRefused.ShouldBeFalse(done.Refusal?.Message);
        }

        return (await sandbox.DiffAsync()).Value.Text;
    }

    public async Task<IntegrationRequest> RequestAsync(string baseCommit, string job, params (string Path, string? Content)[] changes) => new()
    {
        ProjectName = Name,
        PrdId = Prd,
        JobId = job,
        Attempt = 1,
        Title = $"Work of {job}",
        BaseCommit = baseCommit,
        Patch = await DiffOfAsync(baseCommit, job, changes),
    };

    public Task<string> FileAtAsync(string commit, string path) => OfMirrorAsync("show", $"{commit}:{path}");

    public void Dispose()
    {
        _processes.Dispose();
        SandboxStore.DeleteTree(Root);
    }
}
