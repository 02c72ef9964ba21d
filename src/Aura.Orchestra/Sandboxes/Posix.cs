using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Aura.Orchestra.Sandboxes;

/// <summary>The few system calls that take a directory handle instead of a path: .NET offers none of them.</summary>
internal static partial class Posix
{
    public const int ENOENT = 2;
    public const int EEXIST = 17;
    public const int ENOTDIR = 20;
    public const int ELOOP = 40;

    public const int ReadOnly = 0;
    public const int WriteOnly = 1;
    public const int Create = 0x40;
    public const int Exclusive = 0x80;
    public const int NonBlocking = 0x800;
    public const int CloseOnExec = 0x80000;

    /// <summary>The two flags whose value differs between x86 and ARM.</summary>
    public static readonly int DirectoryOnly = IsArm ? 0x4000 : 0x10000;
    public static readonly int NoFollow = IsArm ? 0x8000 : 0x20000;

    private const int AtCurrentDirectory = -100;
    private const int AtSymlinkNoFollow = 0x100;
    private const int AtRemoveDirectory = 0x200;
    private const int AtEmptyPath = 0x1000;
    private const uint StatxBasic = 0x7ff;

    private static bool IsArm => RuntimeInformation.ProcessArchitecture is Architecture.Arm64 or Architecture.Arm;

    public enum Kind
    {
        Missing,
        File,
        Directory,
        Symlink,
        Other,
    }

    [StructLayout(LayoutKind.Auto)]
    public readonly record struct Entry(Kind Kind, long Size, uint Links, int Permissions, ulong Inode);

    /// <summary>Opens <paramref name="name"/> in a directory; null directory means the process's own. Returns null and the error on failure.</summary>
    public static SafeFileHandle? OpenAt(SafeFileHandle? directory, string name, int flags, int mode, out int error)
    {
        var handle = OpenAtNative(Number(directory), name, flags | CloseOnExec, mode);
        error = handle < 0 ? Marshal.GetLastPInvokeError() : 0;
        return handle < 0 ? null : new SafeFileHandle(handle, ownsHandle: true);
    }

    public static Entry StatAt(SafeFileHandle directory, string name) => Stat(directory, name, AtSymlinkNoFollow);

    public static Entry Stat(SafeFileHandle handle) => Stat(handle, "", AtEmptyPath);

    /// <summary>What an absolute path names itself, without following a link at its end.</summary>
    public static Entry Stat(string path) => Stat(null, path, AtSymlinkNoFollow);

    /// <summary>0, or the error number.</summary>
    public static int MakeDirectoryAt(SafeFileHandle directory, string name, int mode) =>
        MkdirAtNative(Number(directory), name, mode) == 0 ? 0 : Marshal.GetLastPInvokeError();

    public static int UnlinkAt(SafeFileHandle directory, string name) =>
        UnlinkAtNative(Number(directory), name, 0) == 0 ? 0 : Marshal.GetLastPInvokeError();

    /// <summary>Removes an empty directory. 0, or the error number.</summary>
    public static int RemoveDirectoryAt(SafeFileHandle directory, string name) =>
        UnlinkAtNative(Number(directory), name, AtRemoveDirectory) == 0 ? 0 : Marshal.GetLastPInvokeError();

    /// <summary>Returns when a file's bytes, or a directory's names, are on the disk.</summary>
    /// <exception cref="IOException">The disk did not take them.</exception>
    public static void Flush(SafeFileHandle handle)
    {
        if (FsyncNative(Number(handle)) != 0)
            throw new IOException($"The disk did not take what was written (errno {Marshal.GetLastPInvokeError()}).");
    }

    /// <summary>Makes the names of a directory durable.</summary>
    public static void FlushDirectory(string path)
    {
        using var handle = OpenAt(null, path, ReadOnly | DirectoryOnly, 0, out var error)
            ?? throw new IOException($"The folder {path} cannot be opened (errno {error}).");
        Flush(handle);
    }

    public static int RenameAt(SafeFileHandle fromDirectory, string from, SafeFileHandle toDirectory, string to) =>
        RenameAtNative(Number(fromDirectory), from, Number(toDirectory), to) == 0 ? 0 : Marshal.GetLastPInvokeError();

    public static uint UserId() => GetEffectiveUserId();

    private static Entry Stat(SafeFileHandle? handle, string name, int flags)
    {
        if (StatxNative(Number(handle), name, flags, StatxBasic, out var buffer) != 0)
            return default;
        var kind = (buffer.Mode & 0xF000) switch
        {
            0x8000 => Kind.File,
            0x4000 => Kind.Directory,
            0xA000 => Kind.Symlink,
            _ => Kind.Other,
        };
        return new(kind, (long)buffer.Size, buffer.Links, buffer.Mode & 0xFFF, buffer.Inode);
    }

    private static int Number(SafeFileHandle? handle) => handle is null ? AtCurrentDirectory : (int)handle.DangerousGetHandle();

    // struct statx has the same layout on every architecture, which struct stat has not.
    [StructLayout(LayoutKind.Explicit, Size = 256)]
    private struct StatxBuffer
    {
        [FieldOffset(0x10)]
        public uint Links;

        [FieldOffset(0x1c)]
        public ushort Mode;

        [FieldOffset(0x20)]
        public ulong Inode;

        [FieldOffset(0x28)]
        public ulong Size;
    }

    [LibraryImport("libc", EntryPoint = "openat", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int OpenAtNative(int directory, string name, int flags, int mode);

    [LibraryImport("libc", EntryPoint = "statx", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int StatxNative(int directory, string name, int flags, uint mask, out StatxBuffer buffer);

    [LibraryImport("libc", EntryPoint = "mkdirat", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int MkdirAtNative(int directory, string name, int mode);

    [LibraryImport("libc", EntryPoint = "unlinkat", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int UnlinkAtNative(int directory, string name, int flags);

    [LibraryImport("libc", EntryPoint = "renameat", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int RenameAtNative(int fromDirectory, string from, int toDirectory, string to);

    [LibraryImport("libc", EntryPoint = "fsync", SetLastError = true)]
    private static partial int FsyncNative(int file);

    [LibraryImport("libc", EntryPoint = "geteuid")]
    private static partial uint GetEffectiveUserId();
}
