using System.Globalization;
using System.IO.Compression;
using System.Text;
using Aura.Orchestra.Processes;

namespace Aura.Orchestra.Sandboxes;

/// <summary>
/// What a sandbox needs git for: its first checkout, its diff, the scan for changes by other hands and the zip export. The git
/// directory is the sandbox's own, stands beside its files and goes with it; the project's objects are reached through alternates.
/// </summary>
internal sealed class SandboxGit(Git git, string home)
{
    /// <summary>What no scan and no diff holds: caches that tools leave behind.</summary>
    private static readonly string[] Everything =
        [".", ":(exclude,glob)**/__pycache__/**", ":(exclude,glob)**/.pytest_cache/**", ":(exclude,glob)**/*.pyc"];

    private readonly string _directory = Path.Combine(home, "git");
    private readonly string _work = Path.Combine(home, "work");

    /// <summary>Makes the git directory and checks the commit out; returns its full id.</summary>
    /// <exception cref="GitException">The repository or the commit is not there.</exception>
    public async Task<string> CheckOutAsync(string projectRepository, string commit, CancellationToken cancellationToken)
    {
        // By hand: "git init" would cost a process and take templates.
        foreach (var folder in new[] { "objects/info", "objects/pack", "refs", "info" })
            Directory.CreateDirectory(Path.Combine(_directory, folder));
        await File.WriteAllTextAsync(Path.Combine(_directory, "HEAD"), "ref: refs/heads/main\n", cancellationToken);
        await File.WriteAllTextAsync(Path.Combine(_directory, "config"), "[core]\n\trepositoryformatversion = 0\n\tbare = true\n", cancellationToken);
        // Highest precedence: no .gitattributes that an employee writes may change what is stored, checked out or exported.
        await File.WriteAllTextAsync(
            Path.Combine(_directory, "info", "attributes"),
            "* -text !eol -ident -filter !working-tree-encoding !export-ignore !export-subst\n", cancellationToken);
        await File.WriteAllTextAsync(
            Path.Combine(_directory, "objects", "info", "alternates"),
            Path.GetFullPath(Path.Combine(projectRepository, "objects")) + "\n", cancellationToken);

        // "^{commit}" also refuses a commit whose objects are missing.
        var id = await RunAsync(["rev-parse", "--verify", "--quiet", $"{commit}^{{commit}}"], cancellationToken);
        Directory.CreateDirectory(_work);
        await InWorkAsync(["read-tree", "-u", "--reset", id], cancellationToken);
        return id;
    }

    /// <summary>The tree of the files as they are. The index remembers what it has seen, so only changed files are read.</summary>
    public async Task<string> WriteTreeAsync(CancellationToken cancellationToken)
    {
        await InWorkAsync(["add", "--all", "--force", "--", .. Everything], cancellationToken);
        return await InWorkAsync(["write-tree"], cancellationToken);
    }

    public Task<UnifiedDiff> DiffAsync(string from, string to, CancellationToken cancellationToken) =>
        UnifiedDiff.BetweenAsync(git, _directory, from, to, cancellationToken: cancellationToken);

    public Task<IReadOnlyList<ChangedFile>> ChangedAsync(string from, string to, CancellationToken cancellationToken) =>
        ChangedFile.BetweenAsync(git, _directory, from, to, null, cancellationToken);

    /// <summary>The bytes and the mode of a file of a commit; null when it has none of that name.</summary>
    public async Task<(byte[] Content, bool Executable)?> FileAsync(string commit, string path, CancellationToken cancellationToken)
    {
        var entry = await RunAsync(["--literal-pathspecs", "ls-tree", "-z", commit, "--", path], cancellationToken);
        if (entry.Length == 0)
            return null;
        var fields = entry.Split('\t')[0].Split(' ');
        var result = await git.TryAsync(_directory, ["cat-file", "blob", fields[2]], cancellationToken: cancellationToken);
        return result.Succeeded && !result.OutputTruncated
            ? (result.OutputBytes.ToArray(), fields[0] == "100755")
            : throw new GitException($"The file {path} of {commit} cannot be read from {_directory}: {result.StandardError.Trim()}");
    }

    /// <summary>Writes the base with these states over it as <c>snap-YYYYMMDD-HHMMSS.zip</c>; the same snapshot gives the same file.</summary>
    public async Task<string> ExportAsync(
        Snapshot snapshot, string baseCommit, IReadOnlyDictionary<string, FileState?> states, ObjectStore objects, string directory,
        CancellationToken cancellationToken)
    {
        Directory.CreateDirectory(directory);
        var index = Path.Combine(directory, $".{Guid.NewGuid():N}.index");
        var temporary = Path.ChangeExtension(index, ".tmp");
        try
        {
            var environment = new Dictionary<string, string?> { ["GIT_INDEX_FILE"] = index };
            var commit = await CommitAsync(snapshot, baseCommit, states, objects, environment, cancellationToken);
            var name = string.Create(CultureInfo.InvariantCulture, $"snap-{snapshot.CreatedAt.UtcDateTime:yyyyMMdd-HHmmss}");
            var target = Path.Combine(directory, name + ".zip");
            // git puts the commit into the archive's comment: two snapshots of one second are told apart by it.
            if (File.Exists(target) && CommentOf(target) != commit)
                target = Path.Combine(directory, $"{name}-{snapshot.Sequence}.zip");
            if (File.Exists(target) && CommentOf(target) == commit)
                return target;
            await RunAsync(["archive", "--format=zip", "-o", temporary, commit], cancellationToken);
            File.Move(temporary, target, overwrite: true);
            return target;
        }
        finally
        {
            File.Delete(index);
            File.Delete(temporary);
        }
    }

    private async Task<string> CommitAsync(
        Snapshot snapshot, string baseCommit, IReadOnlyDictionary<string, FileState?> states, ObjectStore objects,
        Dictionary<string, string?> environment, CancellationToken cancellationToken)
    {
        var kept = states.Where(s => s.Value is not null).Select(s => (s.Key, State: s.Value!)).ToList();
        foreach (var hash in kept.Select(k => k.State.Object).Distinct())
        {
            if (await objects.CheckAsync(hash, cancellationToken) is { } damage)
                throw new InvalidDataException($"The snapshot object {hash} {damage}. 'aura snapshots verify' names all that are.");
        }

        var paths = string.Concat(kept.Select(k => objects.PathOf(k.State.Object) + "\n"));
        var blobs = paths.Length == 0 ? [] : (await git.RunAsync(
            _directory, ["hash-object", "-w", "--no-filters", "--stdin-paths"], paths, environment, cancellationToken)).Split('\n');
        var lines = new StringBuilder();
        foreach (var (path, _) in states.Where(s => s.Value is null))
            lines.Append($"0 {new string('0', baseCommit.Length)}\t{path}\0");
        for (var i = 0; i < kept.Count; i++)
            lines.Append($"{(kept[i].State.Executable ? "100755" : "100644")} {blobs[i]}\t{kept[i].Key}\0");
        await git.RunAsync(_directory, ["read-tree", baseCommit], null, environment, cancellationToken);
        await git.RunAsync(_directory, ["update-index", "-z", "--index-info"], lines.ToString(), environment, cancellationToken);
        var tree = await git.RunAsync(_directory, ["write-tree"], null, environment, cancellationToken);
        // The same date, parent and message always: the same snapshot is the same commit.
        environment["GIT_AUTHOR_DATE"] = environment["GIT_COMMITTER_DATE"] = $"{snapshot.CreatedAt.ToUnixTimeSeconds()} +0000";
        return await git.RunAsync(
            _directory, ["commit-tree", tree, "-p", baseCommit, "-F", "-"],
            $"{snapshot.Label}\n\n{snapshot.Commit}\n", environment, cancellationToken);
    }

    private Task<string> RunAsync(IReadOnlyList<string> arguments, CancellationToken cancellationToken) =>
        git.RunAsync(_directory, arguments, cancellationToken: cancellationToken);

    /// <summary>git with the sandbox's files and its index; the work tree holds no <c>.git</c> of any kind.</summary>
    private Task<string> InWorkAsync(IReadOnlyList<string> arguments, CancellationToken cancellationToken) => git.RunAsync(
        _work, arguments, null, new Dictionary<string, string?>
        {
            ["GIT_DIR"] = _directory,
            ["GIT_WORK_TREE"] = _work,
            ["GIT_INDEX_FILE"] = Path.Combine(_directory, "index"),
        }, cancellationToken);

    private static string CommentOf(string zip)
    {
        try
        {
            using var archive = ZipFile.OpenRead(zip);
            return archive.Comment;
        }
        catch (InvalidDataException)
        {
            return "";
        }
    }
}
