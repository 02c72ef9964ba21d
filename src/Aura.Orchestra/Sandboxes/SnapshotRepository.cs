using System.Globalization;
using System.IO.Compression;
using Aura.Orchestra.Processes;

namespace Aura.Orchestra.Sandboxes;

/// <summary>
/// The bare repository <c>&lt;snapshots&gt;/&lt;project&gt;.git</c>: every saved state of every sandbox of a project as git objects.
/// Base objects are reached through alternates, so only what an employee changed takes room.
/// </summary>
internal sealed class SnapshotRepository(Git git, string path, TimeProvider time)
{
    /// <summary>What no snapshot and no diff holds: caches that tools leave behind.</summary>
    private static readonly string[] Everything =
        [".", ":(exclude,glob)**/__pycache__/**", ":(exclude,glob)**/.pytest_cache/**", ":(exclude,glob)**/*.pyc"];

    public string DirectoryPath => path;

    public Git Git => git;

    /// <summary>Creates the repository when it is not there and links it to the project's objects.</summary>
    public async Task EnsureAsync(string projectRepository, CancellationToken cancellationToken)
    {
        using var gate = await FileLock.AcquireAsync(path + ".lock", time, cancellationToken);
        if (!File.Exists(Path.Combine(path, "HEAD")))
        {
            Directory.CreateDirectory(path);
            await git.RunAsync(path, ["init", "--bare", "--quiet", "--initial-branch=main", "--template=", "."], cancellationToken: cancellationToken);
        }

        Directory.CreateDirectory(Path.Combine(path, "info"));
        // Highest precedence: no .gitattributes that an employee writes may change what is stored, checked out or exported.
        await File.WriteAllTextAsync(
            Path.Combine(path, "info", "attributes"), "* -text !eol -ident -filter !working-tree-encoding !export-ignore !export-subst\n", cancellationToken);

        var alternates = Path.Combine(path, "objects", "info", "alternates");
        var objects = Path.GetFullPath(Path.Combine(projectRepository, "objects"));
        Directory.CreateDirectory(Path.GetDirectoryName(alternates)!);
        var known = File.Exists(alternates) ? await File.ReadAllLinesAsync(alternates, cancellationToken) : [];
        if (!known.Contains(objects, StringComparer.Ordinal))
            await File.WriteAllLinesAsync(alternates, [.. known.Where(Directory.Exists), objects], cancellationToken);
    }

    public Task<string> RunAsync(IReadOnlyList<string> arguments, CancellationToken cancellationToken) =>
        git.RunAsync(path, arguments, cancellationToken: cancellationToken);

    /// <summary>git with a sandbox's files and its own index; the work tree holds no <c>.git</c> of any kind.</summary>
    public Task<string> RunAsync(string work, string index, IReadOnlyList<string> arguments, CancellationToken cancellationToken) =>
        git.RunAsync(work, arguments, null, Environment(work, index), cancellationToken);

    public Task<ProcessResult> TryAsync(
        string work, string index, IReadOnlyList<string> arguments, string? input, CancellationToken cancellationToken) =>
        git.TryAsync(work, arguments, input, Environment(work, index), cancellationToken);

    /// <summary>The tree of the files as they are. The index remembers what it has seen, so only changed files are read.</summary>
    public async Task<string> WriteTreeAsync(string work, string index, CancellationToken cancellationToken)
    {
        await RunAsync(work, index, ["add", "--all", "--force", "--", .. Everything], cancellationToken);
        return await RunAsync(work, index, ["write-tree"], cancellationToken);
    }

    public async Task<Snapshot> SaveAsync(string sandboxId, int sequence, string label, string tree, string parent, CancellationToken cancellationToken)
    {
        var at = DateTimeOffset.FromUnixTimeSeconds(time.GetUtcNow().ToUnixTimeSeconds());
        var date = $"{at.ToUnixTimeSeconds()} +0000";
        var subject = string.Join(' ', label.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries));
        var commit = await git.RunAsync(
            path, ["commit-tree", tree, "-p", parent, "-F", "-"], subject.Length == 0 ? "snapshot" : subject,
            new Dictionary<string, string?> { ["GIT_AUTHOR_DATE"] = date, ["GIT_COMMITTER_DATE"] = date }, cancellationToken);
        await RunAsync(["update-ref", $"{Prefix(sandboxId)}{sequence}", commit, ""], cancellationToken);
        return new(sandboxId, sequence, subject.Length == 0 ? "snapshot" : subject, commit, tree, at);
    }

    public async Task<IReadOnlyList<Snapshot>> ListAsync(string sandboxId, CancellationToken cancellationToken)
    {
        var lines = await RunAsync(
            ["for-each-ref", "--format=%(refname)%09%(objectname)%09%(tree)%09%(committerdate:unix)%09%(contents:subject)", Prefix(sandboxId)], cancellationToken);
        return [.. lines.Split('\n', StringSplitOptions.RemoveEmptyEntries)
            .Select(line => line.Split('\t', 5))
            .Select(f => new Snapshot(
                sandboxId, int.Parse(f[0][(f[0].LastIndexOf('/') + 1)..]), f[4], f[1], f[2], DateTimeOffset.FromUnixTimeSeconds(long.Parse(f[3]))))
            .OrderBy(s => s.Sequence)];
    }

    /// <summary>Lets go of every snapshot of a sandbox. The objects stay until somebody collects them.</summary>
    public async Task ForgetAsync(string sandboxId, CancellationToken cancellationToken)
    {
        if (!File.Exists(Path.Combine(path, "HEAD")))
            return;
        var refs = await RunAsync(["for-each-ref", "--format=delete %(refname)", Prefix(sandboxId)], cancellationToken);
        if (refs.Length > 0)
            await git.RunAsync(path, ["update-ref", "--stdin"], refs + "\n", cancellationToken: cancellationToken);
    }

    /// <summary>Writes the snapshot's files as <c>snap-YYYYMMDD-HHMMSS.zip</c> and returns the file's path; the same snapshot gives the same file.</summary>
    public async Task<string> ExportAsync(Snapshot snapshot, string directory, CancellationToken cancellationToken)
    {
        Directory.CreateDirectory(directory);
        var name = string.Create(CultureInfo.InvariantCulture, $"snap-{snapshot.CreatedAt.UtcDateTime:yyyyMMdd-HHmmss}");
        var target = Path.Combine(directory, name + ".zip");
        // git puts the commit into the archive's comment: two snapshots of one second are told apart by it.
        if (File.Exists(target))
        {
            if (CommentOf(target) == snapshot.Commit)
                return target;
            target = Path.Combine(directory, $"{name}-{snapshot.Sequence}.zip");
        }

        var temporary = Path.Combine(directory, $".{Guid.NewGuid():N}.tmp");
        await RunAsync(["archive", "--format=zip", "-o", temporary, snapshot.Commit], cancellationToken);
        File.Move(temporary, target, overwrite: true);
        return target;
    }

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

    private static string Prefix(string sandboxId) => $"refs/snapshots/{sandboxId}/";

    private Dictionary<string, string?> Environment(string work, string index) => new()
    {
        ["GIT_DIR"] = path,
        ["GIT_WORK_TREE"] = work,
        ["GIT_INDEX_FILE"] = index,
    };
}
