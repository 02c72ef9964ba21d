namespace Aura.Orchestra.Sandboxes;

/// <summary>A file to write, or to delete when there is no content.</summary>
/// <param name="Executable">Null keeps what the file has.</param>
internal sealed record PlannedChange(SandboxPath Path, ReadOnlyMemory<byte>? Content, bool? Executable)
{
    // Not "content": a null array would silently become an empty file.
    public static PlannedChange Of(SandboxPath path, byte[]? content, bool? executable) =>
        new(path, content is null ? default(ReadOnlyMemory<byte>?) : content.AsMemory(), executable);
}

/// <summary>What stands at a path; wrapped, because a result cannot hold null.</summary>
internal sealed record Found(FileState? State);

/// <summary>
/// Changes files, with the snapshot before: contents into the object store, then the line into the log, then the files, then
/// the word that they are done. What dies before the line has changed nothing; what dies after it is finished by the next who
/// holds the sandbox's lock. The cost is that of the files changed, however large the project is. Needs the sandbox's lock, and
/// <see cref="BeginAsync"/> each time it was taken.
/// </summary>
internal sealed class SnapshotWriter(
    string sandboxId, SnapshotLog log, WorkTree tree, ObjectStore objects, SandboxOptions options, TimeProvider time)
{
    // True while the lock is held: nobody else writes to the log then.
    private LogTail? _tail;

    /// <summary>Makes the changes as a whole, or none.</summary>
    public async Task<SandboxResult<SandboxChange>> ChangeAsync(
        string label, IReadOnlyList<PlannedChange> planned, CancellationToken cancellationToken)
    {
        var deleted = planned.Where(p => p.Content is null).Select(p => p.Path.ToString()).ToHashSet(StringComparer.Ordinal);
        // A file may give way to a folder of its name.
        if (planned.Where(p => !BelowDeleted(p.Path, deleted)).Select(p => tree.CheckWritable(p.Path).Refusal)
            .FirstOrDefault(r => r is not null) is { } refused)
            return refused;
        var tail = Tail;
        if (tail.Snapshot >= options.MaxSnapshots)
            return NoMore(tail.Snapshot);

        LogLine line;
        using (await objects.EnterAsync(cancellationToken))
        {
            var changes = new List<PathChange>();
            foreach (var change in planned)
            {
                var before = BelowDeleted(change.Path, deleted) ? new Found(null) : await StateAsync(change.Path, cancellationToken);
                if (before.Refusal is { } no)
                    return no;
                var after = change.Content is { } content
                    ? new FileState(await objects.PutAsync(content, cancellationToken), change.Executable ?? before.Value.State?.Executable ?? false)
                    : null;
                changes.Add(new(change.Path.ToString(), before.Value.State, after));
            }

            Fault("objects");
            var files = tail.Files + changes.Sum(c => (c.After is null ? 0 : 1) - (c.Before is null ? 0 : 1));
            if (files > options.MaxFiles && files > tail.Files)
                return new Refusal(RefusalCodes.TooMany, $"The sandbox would hold {files} files; at most {options.MaxFiles} are possible.");
            line = Line(tail, label) with { Changes = changes, Files = files };
            _tail = tail = await log.AppendAsync(tail, line, durable: true, cancellationToken);
        }

        Fault("logged");
        var snapshot = SnapshotOf(line, tail);
        // From here on nothing stops half-way: not even the caller going away.
        var contents = planned.ToDictionary(p => p.Path.ToString(), p => p.Content, StringComparer.Ordinal);
        (_tail, var problem) = await FinishAsync(tail, line, contents);
        return problem is not null ? problem : new SandboxChange(snapshot, [.. planned.Select(p => p.Path.ToString())]);
    }

    /// <summary>A snapshot without a change, with what a scan found.</summary>
    public async Task<SandboxResult<Snapshot>> SaveAsync(
        string label, IReadOnlyList<PathChange> found, int files, CancellationToken cancellationToken)
    {
        var tail = Tail;
        if (tail.Snapshot >= options.MaxSnapshots)
            return NoMore(tail.Snapshot);
        var line = Line(tail, label) with { Found = found.Count > 0 ? found : null, Files = files };
        _tail = await log.AppendAsync(tail, line, durable: true, cancellationToken);
        return SnapshotOf(line, _tail);
    }

    /// <summary>Finishes what a dead process began. The first thing to do whenever the lock was taken: others have written since the last time.</summary>
    public async Task BeginAsync(CancellationToken cancellationToken)
    {
        _tail = null;
        var tail = await log.TailAsync(cancellationToken);
        if (tail.Pending is { } line)
        {
            tree.ClearScratch();
            (tail, _) = await FinishAsync(tail, line, []);
        }

        _tail = tail;
    }

    private LogTail Tail => _tail ?? throw new InvalidOperationException("The end of the log is known only after the lock was taken.");

    /// <summary>What stands at a path, its content kept in the object store. The caller holds the store's gate.</summary>
    public async Task<SandboxResult<Found>> StateAsync(SandboxPath path, CancellationToken cancellationToken)
    {
        var opened = tree.Open(path);
        if (opened.Refusal is { } refusal)
            return refusal.Code == RefusalCodes.NotFound ? new Found(null) : refusal;
        using var file = opened.Value;
        return file.Size > options.MaxHeldFileBytes
            ? new Refusal(RefusalCodes.TooLarge, $"The file '{path}' has {file.Size} bytes; at most {options.MaxHeldFileBytes} can be saved.")
            : new Found(new(await objects.PutAsync(file.Handle, file.Size, cancellationToken), file.Executable));
    }

    private async Task<(LogTail Tail, Refusal? Problem)> FinishAsync(
        LogTail tail, LogLine line, Dictionary<string, ReadOnlyMemory<byte>?> contents)
    {
        var changes = line.Changes ?? [];
        if (changes.Count == 0)
            return (tail, null);
        var problem = await ApplyAsync(changes.Select(c => (c.Path, c.After)), contents);
        if (problem is null)
            return (await log.AppendAsync(tail, new() { Done = line.Snapshot }, durable: false, CancellationToken.None), null);

        // Somebody put a link or a folder in the way after the check: all is put back, as far as that can be reached.
        _ = await ApplyAsync(changes.Select(c => (c.Path, c.Before)), []);
        var files = tail.Files - changes.Sum(c => (c.After is null ? 0 : 1) - (c.Before is null ? 0 : 1));
        return (await log.AppendAsync(tail, new() { Undone = line.Snapshot, Files = files }, durable: true, CancellationToken.None), problem);
    }

    private async Task<Refusal?> ApplyAsync(IEnumerable<(string Path, FileState? State)> states, Dictionary<string, ReadOnlyMemory<byte>?> contents)
    {
        Refusal? problem = null;
        // Deletions first: a folder may take the place of a file.
        foreach (var (text, state) in states.OrderBy(s => s.State is null ? 0 : 1))
        {
            var path = SandboxPath.Parse(text).Value;
            if (state is null)
            {
                if (tree.Delete(path).Refusal is { Code: not RefusalCodes.NotFound } no)
                    problem ??= no;
            }
            else
            {
                var content = contents.GetValueOrDefault(text) ?? await objects.ReadAsync(state.Object, CancellationToken.None);
                var written = await tree.WriteAsync(path, content, CancellationToken.None, state.Executable);
                problem ??= written.Refusal;
            }

            Fault("file");
        }

        return problem;
    }

    private LogLine Line(LogTail tail, string label) => new()
    {
        Snapshot = tail.Snapshot + 1,
        At = DateTimeOffset.FromUnixTimeMilliseconds(time.GetUtcNow().ToUnixTimeMilliseconds()),
        Label = string.Join(' ', label.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries)) is { Length: > 0 } subject ? subject : "snapshot",
    };

    private Snapshot SnapshotOf(LogLine line, LogTail tail) => new(sandboxId, line.Snapshot!.Value, line.Label!, tail.Hash, line.At!.Value);

    private Refusal NoMore(int snapshots) => new(
        RefusalCodes.TooMany, $"Sandbox '{sandboxId}' already has {snapshots} snapshots, one for each write; no more writes are possible.");

    private static bool BelowDeleted(SandboxPath path, HashSet<string> deleted)
    {
        for (var folder = path.Parent; folder is not null; folder = folder.Parent)
        {
            if (deleted.Contains(folder.ToString()))
                return true;
        }

        return false;
    }

    private void Fault(string point) => options.FaultPoint?.Invoke(point);
}
