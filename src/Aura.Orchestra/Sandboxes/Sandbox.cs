using System.Text;
using Aura.Orchestra.Processes;

namespace Aura.Orchestra.Sandboxes;

/// <summary>
/// One attempt's working copy. Every operation answers with a value or a <see cref="Refusal"/>; every write takes a snapshot
/// first. Operations of one sandbox run one at a time, also across processes.
/// </summary>
public sealed class Sandbox
{
    private readonly SandboxGit _git;
    private readonly ObjectStore _objects;
    private readonly SandboxOptions _options;
    private readonly TimeProvider _time;
    private readonly string _exports;
    private readonly WorkTree _tree;
    private readonly SnapshotLog _log;
    private readonly SnapshotWriter _writer;
    private readonly Lazy<Glob[]> _allowed;

    internal Sandbox(SandboxMetadata metadata, string home, string exports, ObjectStore objects, Git git, SandboxOptions options, TimeProvider time)
    {
        (Metadata, HomeDirectory, _exports, _objects, _options, _time) = (metadata, home, exports, objects, options, time);
        _git = new(git, home);
        _tree = new(WorkDirectory, Path.Combine(home, "scratch"));
        _log = new(Path.Combine(exports, metadata.SnapshotLog));
        _writer = new(metadata.SandboxId, _log, _tree, objects, options, time);
        // Only writes ask for them, and building them costs more than reading a file.
        _allowed = new(() => [.. metadata.AllowedPaths.Select(p => new Glob(p))]);
    }

    public SandboxMetadata Metadata { get; }

    public string Id => Metadata.SandboxId;

    /// <summary>Absolute; holds <c>metadata.json</c>, <c>work/</c> and the private git directory.</summary>
    public string HomeDirectory { get; }

    /// <summary>Absolute; the project's files and nothing else.</summary>
    public string WorkDirectory => Path.Combine(HomeDirectory, "work");

    /// <summary>Files whose path matches, in path order, at most <see cref="SandboxOptions.MaxFiles"/>.</summary>
    public IReadOnlyList<SandboxFile> ListFiles(string pattern) => ListFiles(new Glob(pattern));

    /// <inheritdoc cref="ListFiles(string)"/>
    /// <param name="glob">Null for all.</param>
    public IReadOnlyList<SandboxFile> ListFiles(Glob? glob = null)
    {
        glob ??= Glob.Everything;
        return [.. _tree.Files().Where(f => glob.Matches(f.Path)).Take(_options.MaxFiles).OrderBy(f => f.Path, StringComparer.Ordinal)];
    }

    /// <summary>The text of a file; <c>not_text</c> when it is not UTF-8.</summary>
    public async Task<SandboxResult<string>> ReadFileAsync(string path, CancellationToken cancellationToken = default)
    {
        var parsed = SandboxPath.Parse(path);
        if (parsed.Refusal is { } refusal)
            return refusal;
        var bytes = await _tree.ReadAsync(parsed.Value, _options.MaxFileBytes, cancellationToken);
        if (bytes.Refusal is { } no)
            return no;
        try
        {
            return StrictUtf8.GetString(bytes.Value);
        }
        catch (DecoderFallbackException)
        {
            return new Refusal(RefusalCodes.NotText, $"The file '{parsed.Value}' is not UTF-8 text.");
        }
    }

    /// <summary>Creates or replaces a file with this text, in UTF-8.</summary>
    public async Task<SandboxResult<SandboxChange>> WriteFileAsync(string path, string content, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(content);
        try
        {
            return await WriteFileAsync(path, StrictUtf8.GetBytes(content), cancellationToken);
        }
        catch (EncoderFallbackException)
        {
            return new Refusal(RefusalCodes.NotText, "The text holds half of a surrogate pair, which no encoding can write. Send whole characters.");
        }
    }

    /// <summary>Creates or replaces a file with these bytes.</summary>
    public async Task<SandboxResult<SandboxChange>> WriteFileAsync(
        string path, ReadOnlyMemory<byte> content, CancellationToken cancellationToken = default)
    {
        var parsed = InScope(path);
        if (parsed.Refusal is { } refusal)
            return refusal;
        if (content.Length > _options.MaxFileBytes)
            return new Refusal(
                RefusalCodes.TooLarge, $"'{parsed.Value}' would have {content.Length} bytes; at most {_options.MaxFileBytes} can be written.");
        using var gate = await LockAsync(cancellationToken);
        return await _writer.ChangeAsync($"before write {parsed.Value}", [new(parsed.Value, content, Executable: null)], cancellationToken);
    }

    public async Task<SandboxResult<SandboxChange>> DeleteFileAsync(string path, CancellationToken cancellationToken = default)
    {
        var parsed = InScope(path);
        if (parsed.Refusal is { } refusal)
            return refusal;
        using var gate = await LockAsync(cancellationToken);
        var exists = _tree.CheckWritable(parsed.Value);
        if (exists.Refusal is { } no)
            return no;
        if (!exists.Value)
            return new Refusal(RefusalCodes.NotFound, $"There is no file '{parsed.Value}'.");
        return await _writer.ChangeAsync($"before delete {parsed.Value}", [new(parsed.Value, null, Executable: null)], cancellationToken);
    }

    /// <summary>
    /// Applies a unified diff as a whole or not at all: it is worked out in memory, checked path by path, and only then do the files
    /// follow. A refusal names the hunk that does not apply and what the file holds there.
    /// </summary>
    public async Task<SandboxResult<SandboxChange>> ApplyPatchAsync(string patch, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(patch);
        if (Encoding.UTF8.GetByteCount(patch) > _options.MaxPatchBytes)
            return new Refusal(RefusalCodes.TooLarge, $"The patch is larger than {_options.MaxPatchBytes} bytes.");
        using var gate = await LockAsync(cancellationToken);
        var changes = await new PatchPlan(_tree, InScope, _options.MaxFileBytes).MakeAsync(patch, cancellationToken);
        return changes.Refusal is { } refusal ? refusal : await _writer.ChangeAsync("before patch", changes.Value, cancellationToken);
    }

    /// <summary>Saves the files as they are, what other hands than this sandbox's changed included.</summary>
    public async Task<SandboxResult<Snapshot>> CreateSnapshotAsync(string label, CancellationToken cancellationToken = default)
    {
        using var gate = await LockAsync(cancellationToken);
        using var objects = await _objects.EnterAsync(cancellationToken);
        var found = await ScanAsync(cancellationToken);
        return found.Refusal is { } refusal ? refusal : await _writer.SaveAsync(label, found.Value.Found, found.Value.Files, cancellationToken);
    }

    /// <summary>Makes the files what they were at a snapshot, after saving what they are now.</summary>
    public async Task<SandboxResult<SandboxChange>> RestoreSnapshotAsync(int sequence, CancellationToken cancellationToken = default)
    {
        using var gate = await LockAsync(cancellationToken);
        if ((await HistoryAsync(cancellationToken)).Snapshots.All(s => s.Sequence != sequence))
            return NoSnapshot(sequence);
        using (await _objects.EnterAsync(cancellationToken))
        {
            var scan = await ScanAsync(cancellationToken);
            if (scan.Refusal is { } refusal)
                return refusal;
            if (scan.Value.Found.Count > 0
                && (await _writer.SaveAsync($"before restore {sequence}: found", scan.Value.Found, scan.Value.Files, cancellationToken))
                    .Refusal is { } full)
                return full;
        }

        var history = await HistoryAsync(cancellationToken);
        var (now, then) = (history.At(), history.At(sequence));
        var changes = new List<PlannedChange>();
        foreach (var (path, state) in then.OrderBy(s => s.Key, StringComparer.Ordinal))
        {
            if (state == now.GetValueOrDefault(path))
                continue;
            // Paths of the log were once accepted, or found by a scan: those are refused as any other would be.
            var parsed = SandboxPath.Parse(path);
            if (parsed.Refusal is { } no)
                return no;
            changes.Add(PlannedChange.Of(
                parsed.Value, state is null ? null : await _objects.ReadAsync(state.Object, cancellationToken), state?.Executable));
        }

        return await _writer.ChangeAsync($"before restore {sequence}", changes, cancellationToken);
    }

    /// <summary>In order of their sequence.</summary>
    public async Task<IReadOnlyList<Snapshot>> ListSnapshotsAsync(CancellationToken cancellationToken = default) =>
        (await HistoryAsync(cancellationToken)).Snapshots;

    /// <summary>What the employee changed: the files against the base commit, new and ignored files included.</summary>
    public async Task<SandboxResult<UnifiedDiff>> DiffAsync(CancellationToken cancellationToken = default)
    {
        using var gate = await LockAsync(cancellationToken);
        if (_tree.Survey(_options.MaxFiles, _options.MaxHeldFileBytes, out _) is { } refusal)
            return refusal;
        return await _git.DiffAsync(Metadata.BaseCommit, await _git.WriteTreeAsync(cancellationToken), cancellationToken);
    }

    /// <summary>Writes a snapshot as <c>snap-YYYYMMDD-HHMMSS.zip</c> and returns the file's absolute path.</summary>
    public async Task<SandboxResult<string>> ExportZipAsync(int sequence, CancellationToken cancellationToken = default)
    {
        using var gate = await LockAsync(cancellationToken);
        var history = await HistoryAsync(cancellationToken);
        return history.Snapshots.FirstOrDefault(s => s.Sequence == sequence) is { } wanted
            ? await _git.ExportAsync(wanted, Metadata.BaseCommit, history.At(sequence), _objects, _exports, cancellationToken)
            : NoSnapshot(sequence);
    }

    private static UTF8Encoding StrictUtf8 { get; } = new(false, throwOnInvalidBytes: true);

    private Refusal NoSnapshot(int sequence) => new(RefusalCodes.NotFound, $"Sandbox '{Id}' has no snapshot {sequence}.");

    /// <summary>The sandbox for one operation alone; what a dead process began in it is finished first.</summary>
    private async Task<FileLock> LockAsync(CancellationToken cancellationToken)
    {
        var gate = await FileLock.AcquireAsync(SandboxStore.LockOf(HomeDirectory), _time, cancellationToken);
        try
        {
            await _writer.BeginAsync(cancellationToken);
            return gate;
        }
        catch
        {
            gate.Dispose();
            throw;
        }
    }

    private async Task<SnapshotHistory> HistoryAsync(CancellationToken cancellationToken) => new(Id, await _log.ReadAsync(cancellationToken));

    private SandboxResult<SandboxPath> InScope(string? path)
    {
        var parsed = SandboxPath.Parse(path);
        return parsed.IsRefused || _allowed.Value.Any(g => g.Matches(parsed.Value.ToString())) ? parsed : OutOfScope(parsed.Value.ToString());
    }

    private Refusal OutOfScope(string path) => new(
        RefusalCodes.OutsideScope, $"'{path}' is outside this job's scope. It may write: {string.Join(", ", Metadata.AllowedPaths)}.");

    /// <summary>What differs from what the log says: changes by other hands. Looks at every file.
    /// The caller holds the store's gate.</summary>
    private async Task<SandboxResult<(IReadOnlyList<PathChange> Found, int Files)>> ScanAsync(CancellationToken cancellationToken)
    {
        if (_tree.Survey(_options.MaxFiles, _options.MaxHeldFileBytes, out var files) is { } refusal)
            return refusal;
        var expected = (await HistoryAsync(cancellationToken)).At();
        var tree = await _git.WriteTreeAsync(cancellationToken);
        var changed = await _git.ChangedAsync(Metadata.BaseCommit, tree, cancellationToken);
        if (changed.FirstOrDefault(c => c.TouchesLink && !c.IsDeleted) is { } link)
            return new Refusal(
                RefusalCodes.Symlink, $"'{link.Path}' is a symbolic link that the project does not have. Links are not saved; remove it.");

        var found = new List<PathChange>();
        foreach (var path in changed.Where(c => !c.TouchesLink).Select(c => c.Path).Union(expected.Keys).Order(StringComparer.Ordinal))
        {
            var parsed = SandboxPath.Parse(path);
            if (parsed.Refusal is { } no)
                return no;
            var now = await _writer.StateAsync(parsed.Value, cancellationToken);
            if (now.Refusal is { } not)
                return not;
            var before = expected.TryGetValue(path, out var known) ? known : await BaseStateAsync(path, cancellationToken);
            if (now.Value.State != before)
                found.Add(new(path, before, now.Value.State));
        }

        return (found, files);
    }

    private async Task<FileState?> BaseStateAsync(string path, CancellationToken cancellationToken) =>
        await _git.FileAsync(Metadata.BaseCommit, path, cancellationToken) is { } file
            ? new(await _objects.PutAsync(file.Content, cancellationToken), file.Executable) : null;
}
