using Aura.Orchestra.Processes;

namespace Aura.Orchestra.Sandboxes;

/// <param name="Logs">Undo logs that were read.</param>
/// <param name="Objects">Objects that were read and compared with their names.</param>
/// <param name="Problems">What is missing or damaged, one sentence each, with the file's path.</param>
public sealed record SnapshotReport(int Logs, int Snapshots, int Objects, long Bytes, IReadOnlyList<string> Problems);

/// <param name="Objects">Files that were removed.</param>
/// <param name="Bytes">What they took.</param>
/// <param name="Kept">Objects that some snapshot needs.</param>
public sealed record CollectedSnapshots(int Objects, long Bytes, int Kept);

/// <summary>Proves the saved states of all sandboxes, and removes contents that none needs any more. Safe while others write.</summary>
public sealed class SnapshotKeeper(SandboxOptions options, TimeProvider time)
{
    private const string Prefix = "session-";

    private readonly string _snapshots = Path.GetFullPath(options.SnapshotDirectory);
    private readonly ObjectStore _objects = new(Path.GetFullPath(options.SnapshotDirectory), time);

    /// <summary>Reads every log and every object that one names.</summary>
    /// <param name="sandboxId">Only this sandbox's; null for all.</param>
    /// <param name="cancellationToken">Stops between two objects.</param>
    public async Task<SnapshotReport> VerifyAsync(string? sandboxId = null, CancellationToken cancellationToken = default)
    {
        var problems = new List<string>();
        var needed = new Dictionary<string, string>(StringComparer.Ordinal);
        var (logs, snapshots, bytes) = (0, 0, 0L);
        foreach (var (session, path) in Logs().Where(l => sandboxId is null || l.Session == sandboxId))
        {
            logs++;
            try
            {
                var history = new SnapshotHistory(session, await new SnapshotLog(path).ReadAsync(cancellationToken));
                if (history.Head.SandboxId != session)
                    problems.Add($"The log {path} is of sandbox '{history.Head.SandboxId}'.");
                snapshots += history.Snapshots.Count;
                foreach (var hash in history.Objects)
                    needed.TryAdd(hash, path);
            }
            catch (InvalidDataException e)
            {
                // A log that is not there any more went with its sandbox while we looked.
                if (File.Exists(path))
                    problems.Add(e.Message);
            }
        }

        foreach (var (hash, log) in needed)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var problem = await _objects.CheckAsync(hash, cancellationToken);
            if (problem is null)
                bytes += new FileInfo(_objects.PathOf(hash)).Length;
            else if (File.Exists(log))
                problems.Add($"The object {_objects.PathOf(hash)} {problem}; the log {log} needs it.");
        }

        return new(logs, snapshots, needed.Count, bytes, problems);
    }

    /// <summary>How many snapshots a sandbox has; 0 when its log cannot be read.</summary>
    public async Task<int> CountAsync(string sandboxId, CancellationToken cancellationToken = default)
    {
        var count = 0;
        foreach (var (_, path) in LogsOf(sandboxId))
        {
            try
            {
                count = (await new SnapshotLog(path).TailAsync(cancellationToken)).Snapshot;
            }
            catch (InvalidDataException)
            {
                // 'verify' tells what is wrong with it.
            }
        }

        return count;
    }

    /// <summary>Removes what no log names, and what dead processes left half-written.</summary>
    /// <exception cref="InvalidDataException">A log is damaged: what it needs cannot be known, so nothing is removed.</exception>
    public async Task<CollectedSnapshots> CollectAsync(CancellationToken cancellationToken = default)
    {
        // A first look without the gate finds the candidates; only they, and the logs written since, are looked at again while nobody can write.
        var needed = new HashSet<string>(StringComparer.Ordinal);
        var read = new Dictionary<string, long>(StringComparer.Ordinal);
        await ReadNeededAsync(needed, read, cancellationToken);
        var candidates = _objects.All().Where(o => o.Hash is null || !needed.Contains(o.Hash)).ToList();
        if (candidates.Count == 0)
            return new(0, 0, needed.Count);
        using var alone = await _objects.EnterAloneAsync(cancellationToken);
        await ReadNeededAsync(needed, read, cancellationToken);
        var (removed, bytes) = (0, 0L);
        foreach (var (hash, file) in candidates.Where(o => o.Hash is null || !needed.Contains(o.Hash)))
        {
            file.Refresh();
            if (!file.Exists)
                continue;
            bytes += file.Length;
            file.Delete();
            removed++;
        }

        return new(removed, bytes, needed.Count);
    }

    /// <summary>The sandboxes that have snapshots, with or without a working copy.</summary>
    public IReadOnlyList<string> Sessions() => [.. Logs().Select(l => l.Session).Distinct().Order(StringComparer.Ordinal)];

    /// <summary>When a sandbox's log was last written; null when it has none.</summary>
    internal DateTimeOffset? LastChange(string sandboxId) =>
        LogsOf(sandboxId).Select(l => (DateTimeOffset?)new DateTimeOffset(File.GetLastWriteTimeUtc(l.Path))).Max();

    /// <summary>Adds what the logs name.</summary>
    /// <param name="read">How far each log was read; one that is no longer than that is not read again.</param>
    private async Task ReadNeededAsync(HashSet<string> needed, Dictionary<string, long> read, CancellationToken cancellationToken)
    {
        foreach (var (session, path) in Logs())
        {
            try
            {
                if (read.TryGetValue(path, out var known) && new FileInfo(path) is { Exists: true } file && file.Length == known)
                    continue;
                var (lines, end) = await new SnapshotLog(path).ReadToEndAsync(cancellationToken);
                needed.UnionWith(new SnapshotHistory(session, lines).Objects);
                read[path] = end;
            }
            catch (InvalidDataException) when (!File.Exists(path))
            {
                // Its sandbox went while we looked, and its contents with it.
            }
        }
    }

    private IEnumerable<(string Session, string Path)> Logs()
    {
        if (!Directory.Exists(_snapshots))
            return [];
        return Directory.EnumerateDirectories(_snapshots, Prefix + "*").SelectMany(LogsIn)
            .OrderBy(l => l.Path, StringComparer.Ordinal).ToList();
    }

    private IEnumerable<(string Session, string Path)> LogsOf(string sandboxId) => LogsIn(Path.Combine(_snapshots, Prefix + sandboxId));

    private static IEnumerable<(string Session, string Path)> LogsIn(string folder)
    {
        try
        {
            return Directory.GetFiles(folder, "snapshots-*.log").Select(f => (Path.GetFileName(folder)[Prefix.Length..], f));
        }
        catch (DirectoryNotFoundException)
        {
            return [];
        }
    }
}
