using Microsoft.Win32.SafeHandles;

namespace Aura.Orchestra.Sandboxes;

/// <summary>
/// Files below one directory, reached component by component from a directory handle, each opened with O_NOFOLLOW.
/// As no component may be <c>..</c> or a link, no race can lead outside: what is replaced under our feet is either still below
/// the handle we hold or refused. (openat2 with RESOLVE_BENEATH would say the same in one call, but not on every kernel and
/// not under every container's seccomp filter; one way that always holds is better than two.) Nothing is decided by a check and
/// then done by a path: what is read is checked through the handle it is read from, and renaming and unlinking act on the name
/// itself, never on what a link at that name points to.
/// </summary>
internal sealed class WorkTree(string root, string scratch)
{
    private const int MaxDepth = 256;
    private const int ReadWriteExecute = 0x1ED;
    private const int ReadWrite = 0x1A4;
    private const int ExecuteBits = 0x49;
    private static readonly int DirectoryFlags = Posix.ReadOnly | Posix.DirectoryOnly | Posix.NoFollow;

    /// <summary>Reads a regular file of at most <paramref name="maxBytes"/>.</summary>
    public async Task<SandboxResult<byte[]>> ReadAsync(SandboxPath path, long maxBytes, CancellationToken cancellationToken)
    {
        var opened = Open(path);
        if (opened.Refusal is { } refusal)
            return refusal;
        using var file = opened.Value;
        if (file.Size > maxBytes)
            return new Refusal(RefusalCodes.TooLarge, $"The file '{path}' has {file.Size} bytes; at most {maxBytes} can be read.");
        var buffer = new byte[file.Size];
        var length = 0;
        int read;
        while (length < buffer.Length && (read = await RandomAccess.ReadAsync(file.Handle, buffer.AsMemory(length), length, cancellationToken)) > 0)
            length += read;
        // Shorter only when somebody cut the file meanwhile.
        return length == buffer.Length ? buffer : buffer[..length];
    }

    /// <summary>Opens a regular file with one name for reading.</summary>
    public SandboxResult<OpenFile> Open(SandboxPath path)
    {
        var found = OpenParent(path, create: false);
        if (found.Refusal is { } refusal)
            return refusal;
        using var parent = found.Value;
        // O_NONBLOCK: a FIFO that waits for a writer must not hang us.
        var handle = Posix.OpenAt(parent, path.Components[^1], Posix.ReadOnly | Posix.NoFollow | Posix.NonBlocking, 0, out var error);
        if (handle is null)
            return Refused(path, error, Posix.StatAt(parent, path.Components[^1]));
        var entry = Posix.Stat(handle);
        if (entry.Kind == Posix.Kind.File && entry.Links <= 1)
            return new OpenFile(handle, entry.Size, (entry.Permissions & ExecuteBits) != 0);
        handle.Dispose();
        // A second name may lie outside: then this one shows what is written there.
        return entry.Kind == Posix.Kind.File ? HardLink(path, entry) : NotAFile(path);
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

    /// <summary>
    /// Writes beside and renames over, so that a reader sees the old or the new file, and a link at the path is never followed.
    /// Nothing of the old file's mode stays but whether it may be executed.
    /// </summary>
    /// <param name="executable">Null keeps what the file has.</param>
    public async Task<SandboxResult<bool>> WriteAsync(
        SandboxPath path, ReadOnlyMemory<byte> content, CancellationToken cancellationToken, bool? executable = null)
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
        using var scratchHandle = Posix.OpenAt(null, scratch, DirectoryFlags, 0, out var error)
            ?? throw new IOException($"The scratch folder {scratch} cannot be opened (errno {error}).");
        var temporary = Guid.NewGuid().ToString("N");
        var execute = executable ?? (entry.Kind == Posix.Kind.File && (entry.Permissions & ExecuteBits) != 0);
        using (var file = Posix.OpenAt(
            scratchHandle, temporary, Posix.WriteOnly | Posix.Create | Posix.Exclusive | Posix.NoFollow,
            execute ? ReadWriteExecute : ReadWrite, out error))
        {
            if (file is null)
                throw new IOException($"A file cannot be created in {scratch} (errno {error}).");
            await RandomAccess.WriteAsync(file, content, 0, cancellationToken);
            Posix.Flush(file);
        }

        error = Posix.RenameAt(scratchHandle, temporary, parent, name);
        if (error == 0)
        {
            Posix.Flush(parent);
            return true;
        }

        _ = Posix.UnlinkAt(scratchHandle, temporary);
        return Refused(path, error, Posix.StatAt(parent, name));
    }

    /// <summary>Deletes a file, and the folders above it that hold nothing else.</summary>
    public SandboxResult<bool> Delete(SandboxPath path)
    {
        var found = OpenParent(path, create: false);
        if (found.Refusal is { } refusal)
            return refusal;
        using (var parent = found.Value)
        {
            var entry = Posix.StatAt(parent, path.Components[^1]);
            if (entry.Kind == Posix.Kind.Missing)
                return NotFound(path);
            if (WritableRefusal(path, entry) is { } no)
                return no;
            var error = Posix.UnlinkAt(parent, path.Components[^1]);
            if (error != 0)
                return Refused(path, error, entry);
            Posix.Flush(parent);
        }

        for (var folder = path.Parent; folder is not null; folder = folder.Parent)
        {
            var above = OpenParent(folder, create: false);
            if (above.IsRefused)
                break;
            using var parent = above.Value;
            if (Posix.RemoveDirectoryAt(parent, folder.Components[^1]) != 0)
                break;
        }

        return true;
    }

    /// <summary>Regular files, folder by folder, in path order within each. Links, special files and git directories are left out.</summary>
    public IEnumerable<SandboxFile> Files() => Walk().Where(e => e.Kind == Posix.Kind.File).Select(e => new SandboxFile(e.Path, e.Size));

    /// <summary>Why the files as a whole cannot be saved or compared; null when they can.</summary>
    public Refusal? Survey(int maxFiles, long maxFileBytes, out int files)
    {
        files = 0;
        foreach (var (path, kind, size) in Walk())
        {
            // "git add" would store a nested repository as a bare reference and lose its files.
            if (IsGit(path))
                return new(RefusalCodes.GitDirectory, $"'{path}' is a git directory inside the sandbox. Remove it.");
            if (kind == Posix.Kind.Other)
                return new(RefusalCodes.NotAFile, $"'{path}' is a pipe, a socket or a device. Remove it.");
            if (kind != Posix.Kind.File)
                continue;
            // Of a sparse file only the size tells: reading terabytes of nothing takes as long as reading terabytes.
            if (size > maxFileBytes)
                return new(
                    RefusalCodes.TooLarge, $"The file '{path}' has {size} bytes; a sandbox may hold files of at most {maxFileBytes}. Remove it.");
            if (++files > maxFiles)
                return new(RefusalCodes.TooMany, $"The sandbox holds more than {maxFiles} files.");
        }

        return null;
    }

    /// <summary>Removes what a dead process left half-written.</summary>
    public void ClearScratch()
    {
        if (!Directory.Exists(scratch))
            return;
        foreach (var file in Directory.EnumerateFiles(scratch))
            File.Delete(file);
    }

    /// <summary>All there is but folders, each found through the handle of the folder it is in; a git directory is named, not entered.</summary>
    private IEnumerable<(string Path, Posix.Kind Kind, long Size)> Walk()
    {
        var open = new Stack<(SafeFileHandle Handle, string Path, Queue<string> Names)>();
        try
        {
            open.Push(Listed(OpenRoot(), ""));
            while (open.TryPeek(out var folder))
            {
                if (!folder.Names.TryDequeue(out var name))
                {
                    open.Pop().Handle.Dispose();
                    continue;
                }

                var path = folder.Path + name;
                var entry = Posix.StatAt(folder.Handle, name);
                if (IsGit(name) || entry.Kind is Posix.Kind.File or Posix.Kind.Symlink or Posix.Kind.Other)
                    yield return (path, IsGit(name) ? Posix.Kind.Directory : entry.Kind, entry.Size);
                else if (entry.Kind == Posix.Kind.Directory && open.Count < MaxDepth
                    && Posix.OpenAt(folder.Handle, name, DirectoryFlags, 0, out _) is { } inner)
                    open.Push(Listed(inner, path + "/"));
            }
        }
        finally
        {
            foreach (var (handle, _, _) in open)
                handle.Dispose();
        }
    }

    // The names come through the handle, too: a folder swapped for a link lists nothing foreign.
    private static (SafeFileHandle Handle, string Path, Queue<string> Names) Listed(SafeFileHandle folder, string path)
    {
        var names = Directory.EnumerateFileSystemEntries($"/proc/self/fd/{folder.DangerousGetHandle()}").Select(p => Path.GetFileName(p));
        return (folder, path, new(names.Order(StringComparer.Ordinal)));
    }

    private static bool IsGit(string path) => Path.GetFileName(path).Equals(".git", StringComparison.OrdinalIgnoreCase);

    private SafeFileHandle OpenRoot() =>
        Posix.OpenAt(null, root, DirectoryFlags, 0, out var error)
            ?? throw new IOException($"The sandbox's work folder {root} cannot be opened (errno {error}).");

    private SandboxResult<SafeFileHandle> OpenParent(SandboxPath path, bool create)
    {
        var current = OpenRoot();
        foreach (var component in path.Components.SkipLast(1))
        {
            var next = Posix.OpenAt(current, component, DirectoryFlags, 0, out var error);
            if (next is null && error == Posix.ENOENT && create
                && Posix.MakeDirectoryAt(current, component, ReadWriteExecute) is 0 or Posix.EEXIST)
                next = Posix.OpenAt(current, component, DirectoryFlags, 0, out error);
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
        Posix.Kind.File when entry.Links > 1 => HardLink(path, entry),
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

    private static Refusal HardLink(SandboxPath path, Posix.Entry entry) =>
        new(RefusalCodes.HardLink, $"The file '{path}' has {entry.Links} names (hard links); it is neither read nor written.");

    private static Refusal Symlink(SandboxPath path) => new(RefusalCodes.Symlink, $"'{path}' is or passes through a symbolic link. Links are never followed.");
}

/// <summary>An open regular file of the working copy.</summary>
internal sealed class OpenFile(SafeFileHandle handle, long size, bool executable) : IDisposable
{
    public SafeFileHandle Handle => handle;

    public long Size => size;

    public bool Executable => executable;

    public void Dispose() => handle.Dispose();
}
