using Aura.Orchestra.Sandboxes;

namespace Aura.Orchestra.Processes;

/// <summary>A lock on a file that holds between threads and between processes, and ends with the process that holds it.</summary>
public sealed class FileLock : IDisposable
{
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(10);
    private readonly FileStream _file;

    private FileLock(FileStream file) => _file = file;

    /// <summary>Takes the lock, or returns null when somebody else has it. The lock file is created and stays.</summary>
    /// <param name="path">Where the lock file stands; its folder is made.</param>
    /// <param name="shared">Together with others that share it, but with nobody who wants it alone.</param>
    public static FileLock? TryAcquire(string path, bool shared = false)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        FileStream file;
        try
        {
            // FileShare.None is flock(LOCK_EX | LOCK_NB) here, FileShare.Read of a reader LOCK_SH: per open file, so it also keeps
            // two threads of one process apart.
            file = shared
                ? new(path, FileMode.OpenOrCreate, FileAccess.Read, FileShare.Read)
                : new(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
        }
        catch (IOException e) when (e is DirectoryNotFoundException || File.Exists(path))
        {
            // Held, or the folder went with the last lock in it: the next try finds out.
            return null;
        }

        // Its last holder may have deleted the file while we waited: then others lock another file of that name.
        if (OperatingSystem.IsLinux() && Posix.Stat(path).Inode != Posix.Stat(file.SafeFileHandle).Inode)
        {
            file.Dispose();
            return null;
        }

        return new(file);
    }

    /// <summary>Waits until the lock is free.</summary>
    public static async Task<FileLock> AcquireAsync(
        string path, TimeProvider time, CancellationToken cancellationToken = default, bool shared = false)
    {
        while (true)
        {
            if (TryAcquire(path, shared) is { } taken)
                return taken;
            await Task.Delay(Pause, time, cancellationToken);
        }
    }

    /// <summary>Removes the lock file; the lock itself holds until this is disposed. Only for who holds it alone.</summary>
    public void Delete() => File.Delete(_file.Name);

    public void Dispose() => _file.Dispose();
}
