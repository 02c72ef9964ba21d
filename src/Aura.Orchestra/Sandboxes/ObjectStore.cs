using System.Security.Cryptography;
using Aura.Orchestra.Processes;
using Microsoft.Win32.SafeHandles;

namespace Aura.Orchestra.Sandboxes;

/// <summary>
/// Contents by their SHA-256, each kept once, whoever wrote it: <c>objects/ab/cdef…</c>. An object is complete and on the disk
/// before it has its name. Who writes holds the gate shared from the first object to the record that names it; who removes holds it alone.
/// </summary>
internal sealed class ObjectStore(string snapshots, TimeProvider time)
{
    // Up to here a content is hashed in memory first and written only when it is new; a larger one is written while it is hashed.
    private const int InMemory = 4 << 20;
    private readonly string _root = Path.Combine(snapshots, "objects");

    private string Gate => Path.Combine(_root, ".gate");

    // Held by a collector that waits for the gate: without it a steady stream of writers would keep the collector out.
    private string Door => Path.Combine(_root, ".door");

    /// <summary>Nothing is removed while this is held.</summary>
    public async Task<FileLock> EnterAsync(CancellationToken cancellationToken)
    {
        (await FileLock.AcquireAsync(Door, time, cancellationToken, shared: true)).Dispose();
        return await FileLock.AcquireAsync(Gate, time, cancellationToken, shared: true);
    }

    /// <summary>Nobody writes while this is held.</summary>
    public async Task<FileLock> EnterAloneAsync(CancellationToken cancellationToken)
    {
        using var door = await FileLock.AcquireAsync(Door, time, cancellationToken);
        return await FileLock.AcquireAsync(Gate, time, cancellationToken);
    }

    public static string HashOf(ReadOnlySpan<byte> content) => Convert.ToHexStringLower(SHA256.HashData(content));

    /// <summary>Keeps a content and returns its hash.</summary>
    public async Task<string> PutAsync(ReadOnlyMemory<byte> content, CancellationToken cancellationToken)
    {
        var hash = HashOf(content.Span);
        if (SizeOf(hash) == content.Length)
            return hash;
        var temporary = Temporary();
        using (var file = File.OpenHandle(temporary, FileMode.CreateNew, FileAccess.Write, preallocationSize: content.Length))
        {
            await RandomAccess.WriteAsync(file, content, 0, cancellationToken);
            Posix.Flush(file);
        }

        Name(temporary, hash);
        return hash;
    }

    /// <summary>Keeps what an open file holds and returns its hash.</summary>
    public async Task<string> PutAsync(SafeFileHandle source, long size, CancellationToken cancellationToken)
    {
        if (size <= InMemory)
        {
            var content = new byte[size];
            return await PutAsync(content.AsMemory(0, await ReadAsync(source, content, 0, cancellationToken)), cancellationToken);
        }

        var temporary = Temporary();
        using var hasher = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        using (var file = File.OpenHandle(temporary, FileMode.CreateNew, FileAccess.Write))
        {
            var buffer = new byte[1 << 20];
            long at = 0;
            int read;
            while ((read = await ReadAsync(source, buffer, at, cancellationToken)) > 0)
            {
                hasher.AppendData(buffer, 0, read);
                await RandomAccess.WriteAsync(file, buffer.AsMemory(0, read), at, cancellationToken);
                at += read;
            }

            Posix.Flush(file);
        }

        var hash = Convert.ToHexStringLower(hasher.GetHashAndReset());
        Name(temporary, hash);
        return hash;
    }

    /// <summary>A content, proven to be what its name says.</summary>
    /// <exception cref="InvalidDataException">The object is missing or damaged.</exception>
    public async Task<byte[]> ReadAsync(string hash, CancellationToken cancellationToken)
    {
        byte[] content;
        try
        {
            content = await File.ReadAllBytesAsync(PathOf(hash), cancellationToken);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new InvalidDataException($"The snapshot object {hash} is missing from {_root}. 'aura snapshots verify' names all that are.", e);
        }

        return HashOf(content) == hash
            ? content
            : throw new InvalidDataException($"The snapshot object {PathOf(hash)} is damaged. 'aura snapshots verify' names all that are.");
    }

    /// <summary>Null when the object is whole, else what is wrong with it.</summary>
    public async Task<string?> CheckAsync(string hash, CancellationToken cancellationToken)
    {
        if (!IsHash(hash))
            return "is no object's name";
        try
        {
            await using var file = File.OpenRead(PathOf(hash));
            return Convert.ToHexStringLower(await SHA256.HashDataAsync(file, cancellationToken)) == hash ? null : "is damaged";
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            return "is missing";
        }
    }

    public string PathOf(string hash) => Path.Combine(_root, hash[..2], hash[2..]);

    /// <summary>Every object, and every unfinished one (without a hash) that a dead process left.</summary>
    public IEnumerable<(string? Hash, FileInfo File)> All()
    {
        if (!Directory.Exists(_root))
            yield break;
        foreach (var folder in new DirectoryInfo(_root).EnumerateDirectories())
        {
            foreach (var file in folder.EnumerateFiles())
                yield return (IsHash(folder.Name + file.Name) ? folder.Name + file.Name : null, file);
        }
    }

    private static bool IsHash(string text) => text.Length == 64 && text.All(char.IsAsciiHexDigitLower);

    private static async Task<int> ReadAsync(SafeFileHandle source, byte[] buffer, long at, CancellationToken cancellationToken)
    {
        var length = 0;
        int read;
        while (length < buffer.Length && (read = await RandomAccess.ReadAsync(source, buffer.AsMemory(length), at + length, cancellationToken)) > 0)
            length += read;
        return length;
    }

    private long SizeOf(string hash) => Posix.Stat(PathOf(hash)) is { Kind: Posix.Kind.File } entry ? entry.Size : -1;

    private string Temporary()
    {
        var folder = Path.Combine(_root, "new");
        Directory.CreateDirectory(folder);
        return Path.Combine(folder, Guid.NewGuid().ToString("N"));
    }

    private void Name(string temporary, string hash)
    {
        var path = PathOf(hash);
        var folder = Path.GetDirectoryName(path)!;
        if (!Directory.Exists(folder))
        {
            Directory.CreateDirectory(folder);
            Posix.FlushDirectory(_root);
        }

        // Over an equal one that another process has just made, or over one that a broken disk cut short.
        File.Move(temporary, path, overwrite: true);
        Posix.FlushDirectory(folder);
    }
}
