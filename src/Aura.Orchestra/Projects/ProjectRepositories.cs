using System.Globalization;
using System.Text.RegularExpressions;
using Aura.Orchestra.Processes;
using Aura.Orchestra.Sandboxes;

namespace Aura.Orchestra.Projects;

/// <summary>
/// Aura's own bare repository of each project. <c>main</c> is what <c>real_projects/&lt;name&gt;</c> held at the last import;
/// a PRD works on <c>refs/aura/&lt;prd-id&gt;</c>. Any number of processes may use it at once: see the README beside this file.
/// </summary>
public sealed partial class ProjectRepositories(ProjectOptions options, Git git, TimeProvider time)
{
    private const string Main = "refs/heads/main";
    private const string NoObject = "0000000000000000000000000000000000000000";

    /// <summary>Any fixed moment does; the same tree must give the same commit on every machine.</summary>
    private static readonly DateTimeOffset FirstCommit = new(2025, 1, 1, 0, 0, 0, TimeSpan.Zero);

    /// <summary>Results of running the project, not parts of it.</summary>
    private static readonly string[] NotImported = [".git", "__pycache__", ".pytest_cache", ".coverage"];

    private readonly string _projects = Path.GetFullPath(options.ProjectsDirectory);
    private readonly string _repositories = Path.Combine(Path.GetFullPath(options.StateDirectory), "repositories");

    /// <summary>The projects that can be worked on, in the order of their names.</summary>
    public IReadOnlyList<Project> List() => !Directory.Exists(_projects)
        ? []
        : [.. new DirectoryInfo(_projects).EnumerateDirectories().Select(d => Find(d.Name)).OfType<Project>().OrderBy(p => p.Name, StringComparer.Ordinal)];

    /// <summary>The project of this name, or null.</summary>
    public Project? Find(string name)
    {
        if (!IsName(name))
            return null;
        var directory = new DirectoryInfo(Path.Combine(_projects, name));
        // ".git" is a file in a linked worktree.
        return directory.Exists ? new(name, directory.FullName, Path.Exists(Path.Combine(directory.FullName, ".git"))) : null;
    }

    /// <summary>The project's bare repository; it exists after the first <see cref="ImportAsync"/>.</summary>
    public string RepositoryPath(string name) => IsName(name)
        ? Path.Combine(_repositories, name + ".git")
        : throw new ArgumentException($"'{name}' cannot be the name of a project.", nameof(name));

    /// <summary>Brings <c>main</c> up to what the project's folder holds and returns its commit. The same content gives the same commit.</summary>
    /// <exception cref="ProjectException">There is no such project, or its content cannot be imported.</exception>
    public async Task<string> ImportAsync(string name, CancellationToken cancellationToken = default)
    {
        var project = Find(name) ?? throw new ProjectException(
            $"There is no project '{name}' in {_projects}. Known: {(List() is { Count: > 0 } all ? string.Join(", ", all.Select(p => p.Name)) : "none")}.");
        var repository = RepositoryPath(name);
        using var gate = await FileLock.AcquireAsync(Path.Combine(_repositories, $".{name}.lock"), time, cancellationToken);
        await CreateAsync(repository, cancellationToken);
        return project.IsGitRepository
            ? await FetchAsync(project, repository, cancellationToken)
            : await CommitFolderAsync(project, repository, cancellationToken);
    }

    /// <summary>The commit new PRDs start from: the head of <c>main</c> as last imported.</summary>
    /// <exception cref="ProjectException">The project was never imported.</exception>
    public async Task<string> BaseCommitAsync(string name, CancellationToken cancellationToken = default) =>
        (Directory.Exists(RepositoryPath(name)) ? await ResolveAsync(RepositoryPath(name), Main, cancellationToken) : null)
        ?? throw new ProjectException($"Project '{name}' was not imported yet: there is no branch 'main' in {RepositoryPath(name)}.");

    /// <summary>The project's files as they are now, in path order; imports it first.</summary>
    /// <exception cref="ProjectException">There is no such project, or its content cannot be imported.</exception>
    public async Task<IReadOnlyList<string>> ListFilesAsync(string name, CancellationToken cancellationToken = default)
    {
        var commit = await ImportAsync(name, cancellationToken);
        var listed = await git.RunAsync(RepositoryPath(name), ["ls-tree", "-r", "-z", "--name-only", commit], cancellationToken: cancellationToken);
        return listed.Split('\0', StringSplitOptions.RemoveEmptyEntries);
    }

    private async Task CreateAsync(string repository, CancellationToken cancellationToken)
    {
        if (Directory.Exists(repository))
            return;
        var temporary = $"{repository}.{Guid.NewGuid():N}.new";
        try
        {
            Directory.CreateDirectory(temporary);
            await git.RunAsync(temporary, ["init", "--bare", "--quiet", "--initial-branch=main", "--template=", "."], cancellationToken: cancellationToken);
            // Bytes are kept as they are, whatever a project's own .gitattributes say.
            Directory.CreateDirectory(Path.Combine(temporary, "info"));
            await File.WriteAllTextAsync(
                Path.Combine(temporary, "info", "attributes"), "* -text !eol -ident -filter !working-tree-encoding\n", cancellationToken);
            // Half a repository must never be seen under the final name.
            Directory.Move(temporary, repository);
        }
        finally
        {
            SandboxStore.DeleteTree(temporary);
        }
    }

    private async Task<string> FetchAsync(Project project, string repository, CancellationToken cancellationToken)
    {
        var head = await git.TryAsync(project.Directory, ["rev-parse", "--verify", "--quiet", "HEAD^{commit}"], cancellationToken: cancellationToken);
        if (!head.Succeeded)
            throw new ProjectException($"The git repository {project.Directory} has no commit yet. Commit something there first.");
        // What counts is what was fetched: HEAD there may move on at any moment.
        await git.RunAsync(
            repository, ["fetch", "--quiet", "--no-tags", "--no-write-fetch-head", $"--upload-pack={Trusting("upload-pack")}", project.Directory, $"+HEAD:{Main}"],
            cancellationToken: cancellationToken);
        return await BaseCommitAsync(project.Name, cancellationToken);
    }

    private async Task<string> CommitFolderAsync(Project project, string repository, CancellationToken cancellationToken)
    {
        var scratch = Directory.CreateDirectory(Path.Combine(_repositories, $".{project.Name}.import-{Guid.NewGuid():N}")).FullName;
        try
        {
            var place = new Dictionary<string, string?>
            {
                ["GIT_DIR"] = repository,
                ["GIT_WORK_TREE"] = project.Directory,
                ["GIT_INDEX_FILE"] = Path.Combine(scratch, "index"),
            };
            // The project's own .gitignore counts (it keeps virtual environments and secrets out), the user's does not.
            await git.RunAsync(
                project.Directory, ["-c", "core.excludesFile=/dev/null", "-c", "core.fileMode=true", "add", "--all", "--", ".", .. NotImported.SelectMany(Excluded)],
                environment: place, cancellationToken: cancellationToken);
            var nested = await git.RunAsync(project.Directory, ["ls-files", "--stage", "-z"], environment: place, cancellationToken: cancellationToken);
            if (nested.Split('\0').FirstOrDefault(l => l.StartsWith("160000 ", StringComparison.Ordinal)) is { } link)
                throw new ProjectException($"Project '{project.Name}' holds the git repository '{link[(link.IndexOf('\t', StringComparison.Ordinal) + 1)..]}' inside it. Remove its .git folder, or move it elsewhere.");
            var tree = await git.RunAsync(project.Directory, ["write-tree"], environment: place, cancellationToken: cancellationToken);
            var main = await ResolveAsync(repository, Main, cancellationToken);
            if (main is not null && await git.RunAsync(repository, ["rev-parse", $"{main}^{{tree}}"], cancellationToken: cancellationToken) == tree)
                return main;
            var commit = await CommitAsync(repository, tree, main, $"Import {project.Name}\n", cancellationToken);
            await git.RunAsync(repository, ["update-ref", Main, commit, main ?? NoObject], cancellationToken: cancellationToken);
            return commit;
        }
        finally
        {
            SandboxStore.DeleteTree(scratch);
        }
    }

    /// <summary>A commit whose id depends on nothing but its arguments: its time is its parent's plus one second.</summary>
    private async Task<string> CommitAsync(string repository, string tree, string? parent, string message, CancellationToken cancellationToken)
    {
        var date = FirstCommit;
        if (parent is not null)
        {
            var seconds = await git.RunAsync(repository, ["show", "--no-patch", "--format=%ct", parent], cancellationToken: cancellationToken);
            date = DateTimeOffset.FromUnixTimeSeconds(long.Parse(seconds, CultureInfo.InvariantCulture) + 1);
        }

        var stamp = $"{date.ToUnixTimeSeconds()} +0000";
        return await git.RunAsync(
            repository, ["commit-tree", tree, .. parent is null ? Array.Empty<string>() : ["-p", parent], "-F", "-"], message,
            new Dictionary<string, string?> { ["GIT_AUTHOR_DATE"] = stamp, ["GIT_COMMITTER_DATE"] = stamp }, cancellationToken);
    }

    private async Task<string?> ResolveAsync(string repository, string reference, CancellationToken cancellationToken)
    {
        var found = await git.TryAsync(repository, ["rev-parse", "--verify", "--quiet", $"{reference}^{{commit}}"], cancellationToken: cancellationToken);
        return found.Succeeded ? found.StandardOutput.Trim() : null;
    }

    // git hands none of our -c settings to the program at the other end, and that one too may meet files of another user.
    private static string Trusting(string program) => $"git -c core.hooksPath=/dev/null -c safe.directory='*' {program}";

    private static string[] Excluded(string name) => [$":(exclude,glob)**/{name}", $":(exclude,glob)**/{name}/**"];

    private static bool IsName(string name) => name is { Length: > 0 and <= 64 } && NamePattern().IsMatch(name);

    [GeneratedRegex(@"\A[A-Za-z0-9][A-Za-z0-9._-]*\z", RegexOptions.None, matchTimeoutMilliseconds: 1000)]
    private static partial Regex NamePattern();
}
