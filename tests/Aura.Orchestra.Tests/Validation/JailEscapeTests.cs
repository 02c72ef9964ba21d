using System.Net.Sockets;
using Aura.Orchestra.Processes;
using Aura.Orchestra.Validation;

namespace Aura.Orchestra.Tests.Validation;

/// <summary>
/// The jail's part of the escape table: ways out that a program may try, each refused by the kernel with its own error. What runs out
/// (processes, memory, time, disk, output) and what outlives its parent is in <see cref="JailTests"/>.
/// </summary>
public sealed class JailEscapeTests : IDisposable
{
    private const int EPERM = 1;
    private const int ENOENT = 2;
    private const int ESRCH = 3;
    private const int EACCES = 13;
    private const int EXDEV = 18;
    private const int EFBIG = 27;
    private const int EROFS = 30;
    private const int ENETUNREACH = 101;
    private const int ECONNREFUSED = 111;

    private readonly ProcessRunner _processes = new();

    public void Dispose() => _processes.Dispose();

    public static TheoryData<string, string, int[]> Ways => new()
    {
        { "become root", "os.setuid(0)", [EPERM] },
        { "become root's group", "os.setgroups([0])", [EPERM] },
        { "mount", "check(libc.mount(b'none', b'/tmp', b'tmpfs', 0, None))", [EPERM] },
        { "mount writable", "check(libc.mount(b'none', b'/usr', None, 32, None))", [EPERM] },
        { "unmount", "check(libc.umount2(b'/usr', 2))", [EPERM] },
        { "change the root", "os.chroot('/workspace')", [EPERM] },
        { "make a device", "os.mknod('/workspace/d', stat.S_IFCHR | 0o666, os.makedev(1, 3))", [EPERM] },
        { "packets", "socket.socket(socket.AF_PACKET, socket.SOCK_RAW)", [EPERM] },
        { "raw sockets", "socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)", [EPERM] },
        { "the host's abstract sockets", "socket.socket(socket.AF_UNIX).connect('\\0{abstract}')", [ECONNREFUSED] },
        { "the network", "socket.create_connection(('192.0.2.1', 80), 2)", [ENETUNREACH] },
        { "the first process's memory", "open('/proc/1/mem', 'rb')", [EACCES, ENOENT] },
        { "the first process's root", "open('/proc/1/root/etc/shadow')", [EACCES, ENOENT] },
        { "the first process's open files", "open('/proc/1/cwd/../../etc/shadow')", [EACCES, ENOENT] },
        { "the host's processes", "os.kill({pid}, 0)", [ESRCH] },
        { "trace the first process", "check(libc.ptrace(16, 1, 0, 0))", [EPERM] },
        { "the host's name", "socket.sethostname('x')", [EPERM] },
        { "kernel settings", "open('/proc/sys/kernel/core_pattern', 'w').write('|/workspace/x')", [EACCES, EROFS] },
        { "another priority", "os.nice(-5)", [EPERM, EACCES] },
        { "not to be killed first", "open('/proc/self/oom_score_adj', 'wb', 0).write(b'-1000')", [EACCES] },
        { "the kernel's log", "open('/dev/kmsg')", [ENOENT] },
        { "the disk", "open('/dev/vda', 'rb')", [ENOENT] },
        { "through a link", "os.symlink('/etc/shadow', '/workspace/l'); open('/workspace/l')", [ENOENT, EACCES] },
        { "up and away", "open('/workspace/../../../../etc/shadow')", [ENOENT, EACCES] },
        { "a hard link to the system", "os.link('/usr/bin/python3', '/workspace/p')", [EXDEV, EPERM] },
        { "the system's files", "open('/usr/bin/env', 'ab')", [EROFS, EACCES] },
        { "a decompression bomb", "f = open('/workspace/b', 'wb', 0); d = zlib.decompressobj(); p = zlib.compress(bytes(64 << 20))\nwhile p: f.write(d.decompress(p, 1 << 20)); p = d.unconsumed_tail", [EFBIG] },
        { "more processes than allowed", "resource.prlimit(0, resource.RLIMIT_NPROC, (10000, 10000))", [EPERM] },
    };

    [Theory]
    [MemberData(nameof(Ways))]
    public async Task RunAsync_WayOut_IsRefusedByTheKernelWithItsReason(string way, string code, int[] errors)
    {
        var name = $"aura-{Guid.NewGuid():N}";
        using var listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        listener.Bind(new UnixDomainSocketEndPoint("\0" + name));
        listener.Listen();
        var tried = code.Replace("{abstract}", name, StringComparison.Ordinal).Replace("{pid}", $"{Environment.ProcessId}", StringComparison.Ordinal);
        var program = $$"""
            import ctypes, os, resource, socket, stat, zlib
            libc = ctypes.CDLL(None, use_errno=True)
            def check(result):
                if result != 0: raise OSError(ctypes.get_errno(), "refused")
            try:
            {{string.Join('\n', tried.Split('\n').Select(l => "    " + l))}}
                print("did it")
            except OSError as error: print("errno", error.errno)
            except ValueError as error: print("errno 1")
            """;
        var result = await new Jail(JailTests.Small, _processes, TimeProvider.System)
            .RunAsync(new() { Command = _ => ["/usr/bin/python3", "-I", "-c", program] });

        result.End.ShouldBe(JailEnd.Exited, way);
        errors.Select(e => $"errno {e}").ShouldContain(result.StandardOutput.Trim(), $"{way}: {result.StandardOutput}{result.StandardError}");
    }
}
