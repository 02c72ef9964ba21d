using Microsoft.Win32.SafeHandles;

namespace Aura.Orchestra.Sandboxes;

/// <summary>
/// Files below one directory, reached component by component from a directory handle, each opened with O_NOFOLLOW.
/// As no component may be <c>..</c> or a link, no race can lead outside: what is replaced under our feet is either still below
/// the handle we hold or refused. (openat2 with RESOLVE_BENEATH would say the same in one call, but not on every kernel and
/// not under every container's seccomp filter; one way that always holds is better than two.)
/// </summary>
internal sealed class WorkTree(string root, string scratch)
{
    public string Root => root;

    /// <summary>Reads a regular file of at most <paramref name="maxBytes"/>.</summary>
    public async Task<SandboxResult<byte[]>> ReadAsync(SandboxPath path, long maxBytes, CancellationToken cancellationToken)
    {
        var found = OpenParent(path, create: false);
        if (found.Refusal is { } refusal)
            return refusal;
        using var parent = found.Value;
        // O_NONBLOCK: a FIFO that waits for a writer must not hang us.
        var handle = Posix.OpenAt(parent, path.Components[^1], Posix.ReadOnly | Posix.NoFollow | Posix.NonBlocking, 0, out var error);
        if (handle is null)
            return Refused(path, error, Posix.StatAt(parent, path.Components[^1]));
        using (handle)
        {
            var entry = Posix.Stat(handle);
            if (entry.Kind != Posix.Kind.File)
                return NotAFile(path);
            if (entry.Size > maxBytes)
                return new Refusal(RefusalCodes.TooLarge, $"The file '{path}' has {entry.Size} bytes; at most {maxBytes} can be read.");
            var buffer = new byte[entry.Size];
            var length = 0;
            int read;
            while (length < buffer.Length && (read = await RandomAccess.ReadAsync(handle, buffer.AsMemory(length), length, cancellationToken)) > 0)
                length += read;
            return buffer[..length];
        }
    }

    /// <summary>What is at the path, checked for being written: missing, or a regular file with one name.</summary>
    public SandboxResult<bool> CheckWritable(SandboxPath path)
    {
        var found = OpenParent(path, create: false);
        if (found.Refusal is { } refusal)
            return refusal.Code == RefusalCodes.NotFound ? false : refusal;
        using var parent = found.Value;
        var entry = Posix.StatAt(parent, path.Components[^1]);
        return WritableRefusal(path, entry) is { } no ? no : entry.Kind == Posix.Kind.File;
    }

    /// <summary>Writes beside and renames over, so that a reader sees the old or the new file, and a link at the path is never followed.</summary>
    public async Task<SandboxResult<bool>> WriteAsync(SandboxPath path, ReadOnlyMemory<byte> content, CancellationToken cancellationToken)
    {
        var found = OpenParent(path, create: true);
        if (found.Refusal is { } refusal)
            return refusal;
        using var parent = found.Value;
        var name = path.Components[^1];
        var entry = Posix.StatAt(parent, name);
        if (WritableRefusal(path, entry) is { } no)
            return no;

        Directory.CreateDirectory(scratch);
        using var scratchHandle = Posix.OpenAt(null, scratch, Posix.ReadOnly | Posix.DirectoryOnly | Posix.NoFollow, 0, out var error)
            ?? throw new IOException($"The scratch folder {scratch} cannot be opened (errno {error}).");
        var temporary = Guid.NewGuid().ToString("N");
        var executable = entry.Kind == Posix.Kind.File && (entry.Permissions & 0x49) != 0;
        using (var file = Posix.OpenAt(
            scratchHandle, temporary, Posix.WriteOnly | Posix.Create | Posix.Exclusive | Posix.NoFollow, executable ? 0x1ED : 0x1A4, out error))
        {
            if (file is null)
                throw new IOException($"A file cannot be created in {scratch} (errno {error}).");
            await RandomAccess.WriteAsync(file, content, 0, cancellationToken);
        }

        error = Posix.RenameAt(scratchHandle, temporary, parent, name);
        if (error == 0)
            return true;
        _ = Posix.UnlinkAt(scratchHandle, temporary);
        return Refused(path, error, Posix.StatAt(parent, name));
    }

    public SandboxResult<bool> Delete(SandboxPath path)
    {
        var found = OpenParent(path, create: false);
        if (found.Refusal is { } refusal)
            return refusal;
        using var parent = found.Value;
        var entry = Posix.StatAt(parent, path.Components[^1]);
        if (entry.Kind == Posix.Kind.Missing)
            return NotFound(path);
        if (WritableRefusal(path, entry) is { } no)
            return no;
        var error = Posix.UnlinkAt(parent, path.Components[^1]);
        return error == 0 ? true : Refused(path, error, entry);
    }

    /// <summary>Regular files in path order, links and git directories left out.</summary>
    public IEnumerable<SandboxFile> Files()
    {
        var pending = new Stack<string>(["."]);
        while (pending.TryPop(out var folder))
        {
            var full = Path.Combine(root, folder);
            foreach (var info in new DirectoryInfo(full).EnumerateFileSystemInfos().OrderBy(i => i.Name, StringComparer.Ordinal))
            {
                if (info.LinkTarget is not null || info.Name.Equals(".git", StringComparison.OrdinalIgnoreCase))
                    continue;
                var relative = folder == "." ? info.Name : $"{folder}/{info.Name}";
                if (info is DirectoryInfo)
                    pending.Push(relative);
                else if (info is FileInfo file && file.Exists)
                    yield return new(relative, file.Length);
            }
        }
    }

    private SandboxResult<SafeFileHandle> OpenParent(SandboxPath path, bool create)
    {
        var flags = Posix.ReadOnly | Posix.DirectoryOnly | Posix.NoFollow;
        var current = Posix.OpenAt(null, root, flags, 0, out var error)
            ?? throw new IOException($"The sandbox's work folder {root} cannot be opened (errno {error}).");
        foreach (var component in path.Components.SkipLast(1))
        {
            var next = Posix.OpenAt(current, component, flags, 0, out error);
            if (next is null && error == Posix.ENOENT && create
                && Posix.MakeDirectoryAt(current, component, 0x1ED) is 0 or Posix.EEXIST)
                next = Posix.OpenAt(current, component, flags, 0, out error);
            if (next is null)
            {
                // A link opened as a directory without following gives ENOTDIR: look at it to name the true reason.
                var refusal = Refused(path, error, Posix.StatAt(current, component));
                current.Dispose();
                return refusal;
            }

            current.Dispose();
            current = next;
        }

        return current;
    }

    private static Refusal? WritableRefusal(SandboxPath path, Posix.Entry entry) => entry.Kind switch
    {
        Posix.Kind.Missing => null,
        Posix.Kind.Symlink => Symlink(path),
        Posix.Kind.File when entry.Links > 1 => new(RefusalCodes.HardLink, $"The file '{path}' has {entry.Links} names (hard links); it is not written."),
        Posix.Kind.File => null,
        _ => NotAFile(path),
    };

    private static Refusal Refused(SandboxPath path, int error, Posix.Entry entry) => (error, entry.Kind) switch
    {
        (_, Posix.Kind.Symlink) or (Posix.ELOOP, _) => Symlink(path),
        (Posix.ENOENT, _) => NotFound(path),
        (Posix.ENOTDIR, _) => NotAFile(path),
        (_, Posix.Kind.Directory or Posix.Kind.Other) => NotAFile(path),
        _ => throw new IOException($"The file '{path}' cannot be used (errno {error})."),
    };

    private static Refusal NotFound(SandboxPath path) => new(RefusalCodes.NotFound, $"There is no file '{path}'.");

    private static Refusal NotAFile(SandboxPath path) => new(RefusalCodes.NotAFile, $"'{path}' is not a regular file, or one of its folders is a file.");

    private static Refusal Symlink(SandboxPath path) => new(RefusalCodes.Symlink, $"'{path}' is or passes through a symbolic link. Links are never followed.");
}
