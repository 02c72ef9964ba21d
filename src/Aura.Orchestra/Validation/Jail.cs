using System.Globalization;
using Aura.Orchestra.Processes;
using Aura.Orchestra.Sandboxes;

namespace Aura.Orchestra.Validation;

/// <summary>
/// Runs code that nobody trusts: no network, a read-only system, namespaces of its own, an unprivileged user, limits on
/// everything that could run out, and nothing of it left afterwards. See the README beside this file.
/// </summary>
public sealed class Jail(JailOptions options, ProcessRunner processes, TimeProvider time)
{
    // Directories of the system that programs need; a link (merged /usr) is made again as a link.
    private static readonly string[] System = ["/bin", "/sbin", "/lib", "/lib32", "/lib64"];

    private static readonly Dictionary<string, string?> CleanEnvironment = new()
    {
        ["PATH"] = "/usr/bin:/bin",
        ["HOME"] = "/tmp",
        ["TMPDIR"] = "/tmp",
        ["LANG"] = "C.UTF-8",
        ["PYTHONDONTWRITEBYTECODE"] = "1",
    };

    // Names and certificates, without which a network is of no use.
    private static readonly string[] NetworkFiles =
        ["/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf", "/etc/gai.conf", "/etc/ssl", "/etc/pki", "/etc/ca-certificates",
            "/etc/ca-certificates.conf"];

    private readonly SemaphoreSlim _probing = new(1, 1);
    private bool _works;

    /// <summary>Null when jails can be built here; else what is missing and how to mend it.</summary>
    public async Task<string?> ProbeAsync(CancellationToken cancellationToken = default)
    {
        if (options.Isolation == Isolation.None || _works)
            return null;
        await _probing.WaitAsync(cancellationToken);
        try
        {
            var missing = new[] { "/usr/bin/bwrap", "/usr/bin/prlimit", "/usr/bin/setpriv" }.FirstOrDefault(p => !File.Exists(p));
            if (missing is not null)
            {
                return $"The jail cannot be built: {missing} is missing. Install it ('apt-get install bubblewrap util-linux'), "
                    + "or set Aura:Sandbox:Isolation=none on a machine that is itself thrown away.";
            }

            var result = await RunAsync(new() { Command = _ => ["/usr/bin/true"] }, new(Directory.GetCurrentDirectory(), new Dictionary<string, string>()), cancellationToken);
            _works = result is { End: JailEnd.Exited, ExitCode: 0 };
            return _works ? null : $"The jail cannot be built here: {result.StandardError.Trim()} {result.Detail} "
                + "Bubblewrap needs root or unprivileged user namespaces (sysctl kernel.unprivileged_userns_clone=1, kernel.apparmor_restrict_unprivileged_userns=0).";
        }
        finally
        {
            _probing.Release();
        }
    }

    /// <summary>Runs one command to its end and kills everything it started.</summary>
    public async Task<JailResult> RunAsync(JailRequest request, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(request);
        if (await ProbeAsync(cancellationToken) is { } unavailable)
            return new(JailEnd.Unavailable, -1, "", "", false, TimeSpan.Zero, unavailable);
        if (options.Isolation == Isolation.Bubblewrap)
            return await RunAsync(request, new("/workspace", request.Mounts.ToDictionary(m => m.Name, m => "/" + m.Name)), cancellationToken);

        var workspace = Directory.CreateTempSubdirectory("aura-workspace-");
        try
        {
            return await RunAsync(request, new(workspace.FullName, request.Mounts.ToDictionary(m => m.Name, m => m.HostPath)), cancellationToken);
        }
        finally
        {
            SandboxStore.DeleteTree(workspace.FullName);
        }
    }

    private async Task<JailResult> RunAsync(JailRequest request, JailPaths paths, CancellationToken cancellationToken)
    {
        var jailed = options.Isolation == Isolation.Bubblewrap;
        var root = jailed && Posix.UserId() == 0;
        // A user id of its own makes the process limit this jail's alone: the kernel counts it per user.
        using var slot = root ? await JailSlot.TakeAsync(options, time, cancellationToken) : null;
        await using var memory = MemoryGroup.TryCreate(request.MemoryBytes ?? options.MemoryBytes, time);

        List<string> command =
        [
            .. memory is null ? Array.Empty<string>() : ["/bin/sh", "-c", "echo $$ > \"$1\" || exit 97; shift; exec \"$@\"", "sh", memory.ProcessFile],
            .. jailed ? Bubblewrap(request, root) : [],
            .. root ? Unprivileged(slot!.UserId) : [],
            .. Limits(request, memory is not null),
            .. request.Command(paths),
        ];
        var result = await processes.RunAsync(
            new()
            {
                FileName = command[0],
                Arguments = command[1..],
                WorkingDirectory = jailed ? "/" : paths.Workspace,
                ClearEnvironment = true,
                Environment = EnvironmentOf(request),
                StandardInput = request.StandardInput,
                Timeout = request.WallTime ?? options.WallTime,
                MaxOutputBytes = options.MaxOutputBytes,
                MaxTotalOutputBytes = options.MaxTotalOutputBytes,
                OnOutput = request.OnOutput,
            },
            cancellationToken);
        var (end, detail) = Classify(request, result, memory?.WasExceeded() ?? false);
        return new(end, result.ExitCode, result.StandardOutput, result.StandardError, result.OutputTruncated, result.Duration, detail);
    }

    private (JailEnd End, string Detail) Classify(JailRequest request, ProcessResult result, bool outOfMemory) => result switch
    {
        { Flooded: true } => (JailEnd.OutputFlood, $"It was killed after it had written more than {options.MaxTotalOutputBytes >> 20} MB of output."),
        { TimedOut: true } => (JailEnd.TimedOut, $"It was killed at its time limit of {(request.WallTime ?? options.WallTime).TotalSeconds:0.#} s."),
        _ when outOfMemory => (JailEnd.OutOfMemory, $"It needed more than {(request.MemoryBytes ?? options.MemoryBytes) >> 20} MB of memory."),
        // 128 + SIGXCPU.
        { ExitCode: 152 } => (JailEnd.CpuTimeExceeded, $"It used more than {(request.CpuTime ?? options.CpuTime).TotalSeconds:0.#} s of processor time."),
        _ => (JailEnd.Exited, $"It ended with exit code {result.ExitCode}."),
    };

    private List<string> Bubblewrap(JailRequest request, bool root)
    {
        List<string> arguments =
        [
            "/usr/bin/bwrap", "--die-with-parent", "--new-session",
            // With variables of its own the process starts clean already; on this command line they would stand for all to read.
            .. request.Environment.Count == 0 ? ["--clearenv"] : Array.Empty<string>(),
            .. request.HostNetwork ? Array.Empty<string>() : ["--unshare-net"],
            "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try", "--hostname", "jail",
            // Without root the user namespace is what gives bwrap its powers; further ones are then forbidden inside.
            .. root ? Array.Empty<string>() : ["--unshare-user", "--disable-userns", "--uid", Text(options.FirstUserId), "--gid", Text(options.FirstUserId)],
            "--ro-bind", "/usr", "/usr",
        ];
        foreach (var directory in System)
        {
            var info = new DirectoryInfo(directory);
            if (info.LinkTarget is { } target)
                arguments.AddRange(["--symlink", target, directory]);
            else if (info.Exists)
                arguments.AddRange(["--ro-bind", directory, directory]);
        }

        arguments.AddRange(["--perms", "0755", "--dir", "/etc"]);
        // Of /etc only what the loader and Debian's alternatives need: no passwords, no keys, no host names.
        foreach (var path in new[] { "/etc/ld.so.cache", "/etc/alternatives", "/etc/localtime" })
            arguments.AddRange(["--ro-bind-try", path, path]);
        foreach (var path in request.HostNetwork ? NetworkFiles : [])
            arguments.AddRange(["--ro-bind-try", path, path]);
        arguments.AddRange(["--proc", "/proc", "--dev", "/dev"]);
        arguments.AddRange(["--perms", "1777", "--size", Text(16 << 20), "--tmpfs", "/dev/shm", "--remount-ro", "/dev"]);
        arguments.AddRange(["--perms", "1777", "--size", Text(options.TemporaryBytes), "--tmpfs", "/tmp"]);
        arguments.AddRange(["--perms", "0777", "--size", Text(options.WorkspaceBytes), "--tmpfs", "/workspace"]);
        foreach (var mount in request.Mounts)
            arguments.AddRange(["--ro-bind", Path.GetFullPath(mount.HostPath), "/" + mount.Name]);
        foreach (var path in request.SystemPaths)
        {
            // What bubblewrap makes on the way by itself only its owner can enter.
            arguments.AddRange(Parents(path).SelectMany(p => new[] { "--perms", "0755", "--dir", p }));
            arguments.AddRange(["--ro-bind", path, path]);
        }

        // The root itself is a file system in memory without a size: closed last.
        arguments.AddRange(["--remount-ro", "/", "--chdir", "/workspace"]);
        foreach (var (name, value) in CleanEnvironment.Where(v => !request.Environment.ContainsKey(v.Key)))
            arguments.AddRange(["--setenv", name, value!]);
        return arguments;
    }

    private static Dictionary<string, string?> EnvironmentOf(JailRequest request)
    {
        var environment = new Dictionary<string, string?>(CleanEnvironment);
        foreach (var (name, value) in request.Environment)
            environment[name] = value;
        return environment;
    }

    private static IEnumerable<string> Parents(string path)
    {
        for (var i = path.IndexOf('/', 1); i > 0; i = path.IndexOf('/', i + 1))
            yield return path[..i];
    }

    private static string[] Unprivileged(int userId) =>
    [
        "/usr/bin/setpriv", "--reuid", Text(userId), "--regid", Text(userId), "--clear-groups", "--no-new-privs", "--inh-caps=-all", "--bounding-set=-all",
    ];

    private List<string> Limits(JailRequest request, bool memoryIsLimited)
    {
        var seconds = (long)Math.Ceiling((request.CpuTime ?? options.CpuTime).TotalSeconds);
        List<string> limits =
        [
            // The soft limit's SIGXCPU tells the reason; the hard one kills who ignores it.
            "/usr/bin/prlimit", $"--cpu={seconds}:{seconds + 2}", $"--nproc={request.MaxProcesses ?? options.MaxProcesses}",
            $"--fsize={options.MaxFileBytes}", $"--nofile={options.MaxOpenFiles}", "--core=0",
        ];
        if (!memoryIsLimited)
            limits.Add($"--as={request.MemoryBytes ?? options.MemoryBytes}");
        return limits;
    }

    private static string Text(long number) => number.ToString(CultureInfo.InvariantCulture);
}

/// <summary>A user id that no other jail of this machine has at the moment, held through a lock file.</summary>
internal sealed class JailSlot : IDisposable
{
    private readonly FileLock _lock;

    private JailSlot(FileLock held, int userId) => (_lock, UserId) = (held, userId);

    public int UserId { get; }

    /// <summary>Waits while every slot is taken.</summary>
    public static async Task<JailSlot> TakeAsync(JailOptions options, TimeProvider time, CancellationToken cancellationToken)
    {
        while (true)
        {
            for (var i = 0; i < options.MaxConcurrent; i++)
            {
                if (FileLock.TryAcquire(Path.Combine(options.SlotDirectory, $"slot-{i}.lock")) is { } taken)
                    return new(taken, options.FirstUserId + i);
            }

            await Task.Delay(TimeSpan.FromMilliseconds(100), time, cancellationToken);
        }
    }

    public void Dispose() => _lock.Dispose();
}
