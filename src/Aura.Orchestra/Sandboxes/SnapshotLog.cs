using System.Security.Cryptography;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Aura.Orchestra.Sandboxes;

/// <summary>What stands at a path.</summary>
/// <param name="Object">The content's SHA-256.</param>
internal sealed record FileState(string Object, bool Executable);

/// <summary>A path with what a write found there and what it leaves; null stands for no file.</summary>
internal sealed record PathChange(string Path, FileState? Before, FileState? After);

/// <summary>The log's first line: what the sandbox began with.</summary>
internal sealed record LogHead
{
    public required string SandboxId { get; init; }
    public required string ProjectName { get; init; }
    public required string RepositoryPath { get; init; }
    public required string BaseCommit { get; init; }
    public required int Files { get; init; }
    public required DateTimeOffset CreatedAt { get; init; }
}

/// <summary>One line: a snapshot with the changes that follow it, or word that those were done or taken back.</summary>
internal sealed record LogLine
{
    public LogHead? Head { get; init; }

    /// <summary>A snapshot's number, from 1.</summary>
    public int? Snapshot { get; init; }

    public DateTimeOffset? At { get; init; }
    public string? Label { get; init; }

    /// <summary>What a scan found changed by other hands: it belongs to the snapshot's state.</summary>
    public IReadOnlyList<PathChange>? Found { get; init; }

    /// <summary>What is changed after the snapshot.</summary>
    public IReadOnlyList<PathChange>? Changes { get; init; }

    /// <summary>How many files there are after this line.</summary>
    public int? Files { get; init; }

    /// <summary>The changes of this snapshot are in the working copy.</summary>
    public int? Done { get; init; }

    /// <summary>The changes of this snapshot could not be made and are taken back.</summary>
    public int? Undone { get; init; }
}

/// <summary>The end of a log: all that a write has to know.</summary>
/// <param name="Length">Where the next line goes; what stands behind it is the torn rest of a line that was never finished.</param>
/// <param name="Hash">Of the last line.</param>
/// <param name="Pending">The last snapshot, when nothing says that its changes are done or taken back.</param>
internal sealed record LogTail(long Length, string Hash, int Snapshot, int Files, LogLine? Pending);

/// <summary>
/// A sandbox's undo log: one line a snapshot, <c>&lt;hash&gt; &lt;JSON&gt;</c>. A hash covers its line and the hash before it, so that a torn
/// line, a changed one and a missing one all show. Lines are only appended, and are on the disk before the files follow.
/// </summary>
internal sealed class SnapshotLog(string path)
{
    private const int HashLength = 64;

    private static readonly JsonSerializerOptions Json = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
    };

    public static async Task CreateAsync(string path, LogHead head, CancellationToken cancellationToken)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        await using (var file = new FileStream(path, FileMode.CreateNew, FileAccess.Write))
        {
            await file.WriteAsync(Encode("", new() { Head = head }).Bytes, cancellationToken);
            file.Flush(flushToDisk: true);
        }

        Posix.FlushDirectory(Path.GetDirectoryName(path)!);
    }

    /// <summary>Reads the end of the log; the cost does not depend on the log's length.</summary>
    /// <exception cref="InvalidDataException">The log is damaged before its last line.</exception>
    public async Task<LogTail> TailAsync(CancellationToken cancellationToken)
    {
        await using var file = Open();
        for (long window = 64 << 10; ; window *= 8)
        {
            var start = Math.Max(0, file.Length - window);
            var bytes = new byte[file.Length - start];
            file.Seek(start, SeekOrigin.Begin);
            await file.ReadExactlyAsync(bytes, cancellationToken);
            if (TailOf(bytes, start) is { } tail)
                return tail;
            if (start == 0)
                throw Damaged(1);
        }
    }

    /// <summary>Appends a line; what a dead writer left half-written behind <paramref name="tail"/> is cut off first.</summary>
    /// <param name="durable">Whether it must be on the disk when this returns.</param>
    public async Task<LogTail> AppendAsync(LogTail tail, LogLine line, bool durable, CancellationToken cancellationToken)
    {
        var (bytes, hash) = Encode(tail.Hash, line);
        await using var file = new FileStream(path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite);
        if (file.Length > tail.Length)
            file.SetLength(tail.Length);
        file.Seek(tail.Length, SeekOrigin.Begin);
        await file.WriteAsync(bytes, cancellationToken);
        file.Flush(durable);
        var pending = line is { Snapshot: not null, Changes.Count: > 0 } ? line : null;
        return new(tail.Length + bytes.Length, hash, line.Snapshot ?? tail.Snapshot, line.Files ?? tail.Files, pending);
    }

    /// <summary>Every whole line with its hash. A torn last line is left out: its write never happened.</summary>
    /// <exception cref="InvalidDataException">A line before the last one is damaged.</exception>
    public async Task<IReadOnlyList<(string Hash, LogLine Line)>> ReadAsync(CancellationToken cancellationToken) =>
        (await ReadToEndAsync(cancellationToken)).Lines;

    /// <summary>The same, and where the last whole line ends. While the file is just as long, these are its lines: lines are only appended,
    /// and nothing but the rest of a torn one is ever cut off.</summary>
    /// <exception cref="InvalidDataException">A line before the last one is damaged.</exception>
    public async Task<(IReadOnlyList<(string Hash, LogLine Line)> Lines, long End)> ReadToEndAsync(CancellationToken cancellationToken)
    {
        byte[] bytes;
        await using (var file = Open())
        {
            bytes = new byte[file.Length];
            bytes = bytes[..await file.ReadAtLeastAsync(bytes, bytes.Length, throwOnEndOfStream: false, cancellationToken)];
        }

        var lines = new List<(string, LogLine)>();
        var (at, end, before) = (0, 0, "");
        while (bytes.AsSpan(at).IndexOf((byte)'\n') is var length and >= 0)
        {
            var raw = bytes.AsSpan(at, length);
            at += length + 1;
            if (Decode(before, raw) is not { } line)
            {
                if (at < bytes.Length || lines.Count == 0)
                    throw Damaged(lines.Count + 1);
                break;
            }

            before = Encoding.ASCII.GetString(raw[..HashLength]);
            lines.Add((before, line));
            end = at;
        }

        return lines.Count > 0 && lines[0].Item2.Head is not null ? (lines, end) : throw Damaged(1);
    }

    private FileStream Open()
    {
        try
        {
            return new(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new InvalidDataException($"The snapshot log {path} is missing.", e);
        }
    }

    // Null when the window does not hold enough lines. The lines that matter: the last one, the one before it (its hash is covered),
    // and, for the numbers, the last that says them.
    private static LogTail? TailOf(byte[] bytes, long start)
    {
        var ends = new List<int>();
        for (var i = 0; i < bytes.Length; i++)
        {
            if (bytes[i] == '\n')
                ends.Add(i);
        }

        // A window that does not begin at the file's start begins somewhere in a line.
        var first = start == 0 ? 0 : 1;
        for (var last = ends.Count - 1; last >= first; last--)
        {
            var before = last == 0 ? "" : HashAt(bytes, ends, last - 1, start);
            if (before is null)
                return null;
            if (Decode(before, Raw(bytes, ends, last)) is { } line)
                return Finish(bytes, ends, last, line, start);
            // Only the very last line may be torn, and then nothing whole stands behind it.
            if (last < ends.Count - 1)
                return null;
        }

        return null;
    }

    private static LogTail? Finish(byte[] bytes, List<int> ends, int last, LogLine line, long start)
    {
        var (said, at) = (line, last);
        while (said is { Snapshot: null, Head: null })
        {
            if (--at < (start == 0 ? 0 : 1) || JsonOf(Raw(bytes, ends, at)) is not { } earlier)
                return null;
            said = earlier;
        }

        return new(
            start + ends[last] + 1, Encoding.ASCII.GetString(Raw(bytes, ends, last)[..HashLength]), said.Snapshot ?? 0,
            line.Files ?? said.Files ?? said.Head?.Files ?? 0,
            line is { Snapshot: not null, Changes.Count: > 0 } ? line : null);
    }

    private static ReadOnlySpan<byte> Raw(byte[] bytes, List<int> ends, int line)
    {
        var from = line == 0 ? 0 : ends[line - 1] + 1;
        return bytes.AsSpan(from, ends[line] - from);
    }

    private static string? HashAt(byte[] bytes, List<int> ends, int line, long start) =>
        (line == 0 && start > 0) || Raw(bytes, ends, line).Length < HashLength
            ? null : Encoding.ASCII.GetString(Raw(bytes, ends, line)[..HashLength]);

    private static (byte[] Bytes, string Hash) Encode(string before, LogLine line)
    {
        var json = JsonSerializer.SerializeToUtf8Bytes(line, Json);
        var hash = HashOf(before, json);
        return ([.. Encoding.ASCII.GetBytes(hash), (byte)' ', .. json, (byte)'\n'], hash);
    }

    private static LogLine? Decode(string before, ReadOnlySpan<byte> raw) =>
        raw.Length > HashLength + 1 && raw[HashLength] == ' '
            && Encoding.ASCII.GetBytes(HashOf(before, raw[(HashLength + 1)..])).AsSpan().SequenceEqual(raw[..HashLength]) ? JsonOf(raw) : null;

    private static LogLine? JsonOf(ReadOnlySpan<byte> raw)
    {
        try
        {
            return raw.Length > HashLength + 1 ? JsonSerializer.Deserialize<LogLine>(raw[(HashLength + 1)..], Json) : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private static string HashOf(string before, ReadOnlySpan<byte> json)
    {
        using var hasher = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hasher.AppendData(Encoding.ASCII.GetBytes(before));
        hasher.AppendData(json);
        return Convert.ToHexStringLower(hasher.GetHashAndReset());
    }

    private InvalidDataException Damaged(int line) => new($"The snapshot log {path} is damaged in line {line}. 'aura snapshots verify' tells more.");
}

/// <summary>What the lines of a log say together: the snapshots, and what stood at each path at each of them.</summary>
internal sealed class SnapshotHistory
{
    private readonly List<LogLine> _lines = [];

    public SnapshotHistory(string sandboxId, IReadOnlyList<(string Hash, LogLine Line)> lines)
    {
        var undone = lines.Select(l => l.Line.Undone).OfType<int>().ToHashSet();
        var snapshots = new List<Snapshot>();
        foreach (var (hash, line) in lines)
        {
            if (line.Head is { } head)
                Head = head;
            if (line.Snapshot is not { } sequence)
                continue;
            snapshots.Add(new(sandboxId, sequence, line.Label ?? "snapshot", hash, line.At ?? default));
            _lines.Add(undone.Contains(sequence) ? line with { Changes = null } : line);
        }

        Snapshots = snapshots;
    }

    public LogHead Head { get; } = null!;

    /// <summary>In order of their numbers.</summary>
    public IReadOnlyList<Snapshot> Snapshots { get; }

    /// <summary>Every object that some state needs.</summary>
    public IEnumerable<string> Objects => _lines
        .SelectMany(l => (l.Found ?? []).Concat(l.Changes ?? [])).SelectMany(c => new[] { c.Before?.Object, c.After?.Object }).OfType<string>();

    /// <summary>
    /// Every path that was ever changed, with its state at a snapshot; without a number, as it should be now. A path that is not
    /// named here stands as in the base commit.
    /// </summary>
    public Dictionary<string, FileState?> At(int? sequence = null)
    {
        var states = new Dictionary<string, FileState?>(StringComparer.Ordinal);
        foreach (var line in _lines)
        {
            var before = sequence is null || line.Snapshot < sequence;
            foreach (var change in line.Found ?? [])
            {
                if (before || line.Snapshot == sequence)
                    states[change.Path] = change.After;
                else
                    states.TryAdd(change.Path, change.Before);
            }

            foreach (var change in line.Changes ?? [])
            {
                if (before)
                    states[change.Path] = change.After;
                // What a write finds is what the snapshot before it holds, whoever put it there.
                else if (line.Snapshot == sequence)
                    states[change.Path] = change.Before;
                else
                    states.TryAdd(change.Path, change.Before);
            }
        }

        return states;
    }
}
