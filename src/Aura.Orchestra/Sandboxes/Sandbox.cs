using System.Text;
using Aura.Orchestra.Processes;

namespace Aura.Orchestra.Sandboxes;

/// <summary>
/// One attempt's working copy. Every operation answers with a value or a <see cref="Refusal"/>; every write takes a snapshot
/// first. Operations of one sandbox run one at a time, also across processes.
/// </summary>
public sealed class Sandbox
{
    private readonly SnapshotRepository _repository;
    private readonly SandboxOptions _options;
    private readonly TimeProvider _time;
    private readonly string _exports;
    private readonly WorkTree _tree;
    private readonly Glob[] _allowed;

    internal Sandbox(
        SandboxMetadata metadata, string home, SnapshotRepository repository, string exports, SandboxOptions options, TimeProvider time)
    {
        (Metadata, HomeDirectory, _repository, _exports, _options, _time) = (metadata, home, repository, exports, options, time);
        _tree = new(WorkDirectory, Path.Combine(home, "scratch"));
        _allowed = [.. metadata.AllowedPaths.Select(p => new Glob(p))];
    }

    public SandboxMetadata Metadata { get; }

    public string Id => Metadata.SandboxId;

    /// <summary>Absolute; holds <c>metadata.json</c>, <c>work/</c> and the private index.</summary>
    public string HomeDirectory { get; }

    /// <summary>Absolute; the project's files and nothing else.</summary>
    public string WorkDirectory => Path.Combine(HomeDirectory, "work");

    /// <summary>The bare repository that holds this sandbox's snapshots (and, through alternates, the base).</summary>
    public string SnapshotRepositoryPath => _repository.DirectoryPath;

    private string Index => Path.Combine(HomeDirectory, "index");

    /// <summary>Files whose path matches, in path order, at most <see cref="SandboxOptions.MaxFiles"/>.</summary>
    public IReadOnlyList<SandboxFile> ListFiles(string pattern = "**")
    {
        var glob = new Glob(pattern);
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
            return new UTF8Encoding(false, throwOnInvalidBytes: true).GetString(bytes.Value);
        }
        catch (DecoderFallbackException)
        {
            return new Refusal(RefusalCodes.NotText, $"The file '{parsed.Value}' is not UTF-8 text.");
        }
    }

    /// <summary>Creates or replaces a file with this text, in UTF-8.</summary>
    public Task<SandboxResult<SandboxChange>> WriteFileAsync(string path, string content, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(content);
        return WriteFileAsync(path, Encoding.UTF8.GetBytes(content), cancellationToken);
    }

    /// <summary>Creates or replaces a file with these bytes.</summary>
    public async Task<SandboxResult<SandboxChange>> WriteFileAsync(string path, ReadOnlyMemory<byte> content, CancellationToken cancellationToken = default)
    {
        var parsed = InScope(path);
        if (parsed.Refusal is { } refusal)
            return refusal;
        if (content.Length > _options.MaxFileBytes)
            return new Refusal(RefusalCodes.TooLarge, $"'{parsed.Value}' would have {content.Length} bytes; at most {_options.MaxFileBytes} can be written.");
        using var gate = await LockAsync(cancellationToken);
        var exists = _tree.CheckWritable(parsed.Value);
        if (exists.Refusal is { } no)
            return no;
        if (!exists.Value && _tree.Files().Take(_options.MaxFiles).Count() >= _options.MaxFiles)
            return new Refusal(RefusalCodes.TooMany, $"The sandbox already holds {_options.MaxFiles} files.");
        return await ChangeAsync($"before write {parsed.Value}", async () => await _tree.WriteAsync(parsed.Value, content, cancellationToken), parsed.Value, cancellationToken);
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
        return await ChangeAsync($"before delete {parsed.Value}", () => Task.FromResult(_tree.Delete(parsed.Value)), parsed.Value, cancellationToken);
    }

    /// <summary>
    /// Applies a unified diff as a whole or not at all. It is first applied to the index alone; what that changes is checked
    /// path by path, and only then do the files follow.
    /// </summary>
    public async Task<SandboxResult<SandboxChange>> ApplyPatchAsync(string patch, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(patch);
        if (Encoding.UTF8.GetByteCount(patch) > _options.MaxPatchBytes)
            return new Refusal(RefusalCodes.TooLarge, $"The patch is larger than {_options.MaxPatchBytes} bytes.");
        using var gate = await LockAsync(cancellationToken);
        var saved = await SaveAsync("before patch", cancellationToken);
        if (saved.Refusal is { } refusal)
            return refusal;

        var trial = Path.Combine(HomeDirectory, "index.patch");
        try
        {
            File.Copy(Index, trial, overwrite: true);
            var rejected = await PatchIndexAsync(trial, patch.EndsWith('\n') ? patch : patch + "\n", cancellationToken);
            if (rejected is not null)
                return rejected;
            var tree = await _repository.RunAsync(WorkDirectory, trial, ["write-tree"], cancellationToken);
            var changes = await UnifiedDiffFilesAsync(saved.Value.Tree, tree, cancellationToken);
            foreach (var change in changes)
            {
                if (await CheckAsync(change, cancellationToken) is { } no)
                    return no;
            }

            await _repository.RunAsync(WorkDirectory, Index, ["read-tree", "-u", "--reset", tree], cancellationToken);
            return new SandboxChange(saved.Value, [.. changes.Select(c => c.Path)]);
        }
        finally
        {
            File.Delete(trial);
        }
    }

    /// <summary>Saves the files as they are.</summary>
    public async Task<SandboxResult<Snapshot>> CreateSnapshotAsync(string label, CancellationToken cancellationToken = default)
    {
        using var gate = await LockAsync(cancellationToken);
        return await SaveAsync(label, cancellationToken);
    }

    /// <summary>Makes the files what they were at a snapshot, after saving what they are now.</summary>
    public async Task<SandboxResult<SandboxChange>> RestoreSnapshotAsync(int sequence, CancellationToken cancellationToken = default)
    {
        using var gate = await LockAsync(cancellationToken);
        var wanted = (await _repository.ListAsync(Id, cancellationToken)).FirstOrDefault(s => s.Sequence == sequence);
        if (wanted is null)
            return NoSnapshot(sequence);
        var saved = await SaveAsync($"before restore {sequence}", cancellationToken);
        if (saved.Refusal is { } refusal)
            return refusal;
        var changes = await UnifiedDiffFilesAsync(saved.Value.Tree, wanted.Tree, cancellationToken);
        await _repository.RunAsync(WorkDirectory, Index, ["read-tree", "-u", "--reset", wanted.Tree], cancellationToken);
        return new SandboxChange(saved.Value, [.. changes.Select(c => c.Path)]);
    }

    /// <summary>In order of their sequence.</summary>
    public Task<IReadOnlyList<Snapshot>> ListSnapshotsAsync(CancellationToken cancellationToken = default) => _repository.ListAsync(Id, cancellationToken);

    /// <summary>What the employee changed: the files against the base commit, new and ignored files included.</summary>
    public async Task<SandboxResult<UnifiedDiff>> DiffAsync(CancellationToken cancellationToken = default)
    {
        using var gate = await LockAsync(cancellationToken);
        if (NestedRepository() is { } refusal)
            return refusal;
        var tree = await _repository.WriteTreeAsync(WorkDirectory, Index, cancellationToken);
        return await UnifiedDiff.BetweenAsync(_repository.Git, _repository.DirectoryPath, Metadata.BaseCommit, tree, cancellationToken: cancellationToken);
    }

    /// <summary>Writes a snapshot as <c>snap-YYYYMMDD-HHMMSS.zip</c> and returns the file's absolute path.</summary>
    public async Task<SandboxResult<string>> ExportZipAsync(int sequence, CancellationToken cancellationToken = default)
    {
        var wanted = (await _repository.ListAsync(Id, cancellationToken)).FirstOrDefault(s => s.Sequence == sequence);
        return wanted is null ? NoSnapshot(sequence) : await _repository.ExportAsync(wanted, _exports, cancellationToken);
    }

    private Refusal NoSnapshot(int sequence) => new(RefusalCodes.NotFound, $"Sandbox '{Id}' has no snapshot {sequence}.");

    private Task<FileLock> LockAsync(CancellationToken cancellationToken) =>
        FileLock.AcquireAsync(SandboxStore.LockOf(HomeDirectory), _time, cancellationToken);

    private Task<IReadOnlyList<ChangedFile>> UnifiedDiffFilesAsync(string from, string to, CancellationToken cancellationToken) =>
        ChangedFile.BetweenAsync(_repository.Git, _repository.DirectoryPath, from, to, null, cancellationToken);

    private SandboxResult<SandboxPath> InScope(string path)
    {
        var parsed = SandboxPath.Parse(path);
        return parsed.IsRefused || _allowed.Any(g => g.Matches(parsed.Value.ToString())) ? parsed : OutOfScope(parsed.Value.ToString());
    }

    private Refusal OutOfScope(string path) => new(
        RefusalCodes.OutsideScope, $"'{path}' is outside this job's scope. It may write: {string.Join(", ", Metadata.AllowedPaths)}.");

    private async Task<SandboxResult<SandboxChange>> ChangeAsync(
        string label, Func<Task<SandboxResult<bool>>> change, SandboxPath path, CancellationToken cancellationToken)
    {
        var saved = await SaveAsync(label, cancellationToken);
        if (saved.Refusal is { } refusal)
            return refusal;
        var done = await change();
        return done.Refusal is { } no ? no : new SandboxChange(saved.Value, [path.ToString()]);
    }

    private async Task<SandboxResult<Snapshot>> SaveAsync(string label, CancellationToken cancellationToken)
    {
        if (NestedRepository() is { } refusal)
            return refusal;
        var earlier = await _repository.ListAsync(Id, cancellationToken);
        if (earlier.Count >= _options.MaxSnapshots)
            return new Refusal(RefusalCodes.TooMany, $"Sandbox '{Id}' already has {earlier.Count} snapshots, one for each write; no more writes are possible.");
        var tree = await _repository.WriteTreeAsync(WorkDirectory, Index, cancellationToken);
        var last = earlier.Count == 0 ? null : earlier[^1];
        return await _repository.SaveAsync(Id, (last?.Sequence ?? 0) + 1, label, tree, last?.Commit ?? Metadata.BaseCommit, cancellationToken);
    }

    // "git add" would store a nested repository as a bare reference and lose its files.
    private Refusal? NestedRepository()
    {
        var options = new EnumerationOptions { RecurseSubdirectories = true, AttributesToSkip = FileAttributes.ReparsePoint, MatchCasing = MatchCasing.CaseInsensitive };
        var found = Directory.EnumerateFileSystemEntries(WorkDirectory, ".git", options).FirstOrDefault();
        return found is null ? null : new(
            RefusalCodes.GitDirectory, $"'{Path.GetRelativePath(WorkDirectory, found)}' is a git directory inside the sandbox. Remove it.");
    }

    private async Task<Refusal?> PatchIndexAsync(string index, string patch, CancellationToken cancellationToken)
    {
        // Models count lines badly and forget the a/ b/ prefixes: strict first, then forgiving. Context must match always.
        string? first = null;
        foreach (string[] mode in (string[][])[[], ["--recount"], ["--recount", "-p0"]])
        {
            var result = await _repository.TryAsync(
                WorkDirectory, index, ["apply", "--cached", "--whitespace=nowarn", .. mode, "-"], patch, cancellationToken);
            if (result.Succeeded)
                return null;
            first ??= result.StandardError.Trim();
        }

        return new(RefusalCodes.PatchRejected, $"The patch does not apply: {first}. Read the file again and make the patch against what it holds now.");
    }

    private async Task<Refusal?> CheckAsync(ChangedFile change, CancellationToken cancellationToken)
    {
        var parsed = InScope(change.Path);
        if (parsed.Refusal is { } refusal)
            return refusal;
        if (change.TouchesLink)
            return new(RefusalCodes.Symlink, $"The patch would make or change the symbolic link '{change.Path}'.");
        if (change.TouchesSubmodule)
            return new(RefusalCodes.GitDirectory, $"The patch would make or change the submodule '{change.Path}'.");
        if (!change.IsAdded && _tree.CheckWritable(parsed.Value).Refusal is { } no)
            return no;
        if (change.IsDeleted)
            return null;
        var size = long.Parse(await _repository.RunAsync(["cat-file", "-s", change.NewObject], cancellationToken));
        return size > _options.MaxFileBytes
            ? new(RefusalCodes.TooLarge, $"The patch would make '{change.Path}' {size} bytes long; at most {_options.MaxFileBytes} can be written.")
            : null;
    }
}
