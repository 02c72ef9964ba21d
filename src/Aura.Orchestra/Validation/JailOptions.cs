namespace Aura.Orchestra.Validation;

/// <summary>What keeps code of a model apart from the machine.</summary>
public enum Isolation
{
    Bubblewrap,

    /// <summary>Nothing but resource limits. Only for a machine that is itself thrown away; never chosen by Aura.</summary>
    None,
}

/// <summary>The jail's limits. Sizes in bytes.</summary>
public sealed class JailOptions
{
    public Isolation Isolation { get; set; } = Isolation.Bubblewrap;

    /// <summary>From start to end; the whole process tree is killed when it has passed.</summary>
    public TimeSpan WallTime { get; set; } = TimeSpan.FromSeconds(120);

    /// <summary>Processor time of each single process.</summary>
    public TimeSpan CpuTime { get; set; } = TimeSpan.FromSeconds(90);

    /// <summary>Memory of the whole tree, its temporary file systems included, where a cgroup can be made; else address space of each process.</summary>
    public long MemoryBytes { get; set; } = 1L << 30;

    public int MaxProcesses { get; set; } = 96;

    public long MaxFileBytes { get; set; } = 64L << 20;

    public int MaxOpenFiles { get; set; } = 512;

    /// <summary>Kept of each output stream.</summary>
    public int MaxOutputBytes { get; set; } = 16 << 20;

    /// <summary>The tree is killed when it writes more than this to its output.</summary>
    public long MaxTotalOutputBytes { get; set; } = 64L << 20;

    /// <summary>Size of <c>/workspace</c>, which lives in memory and ends with the jail.</summary>
    public long WorkspaceBytes { get; set; } = 256L << 20;

    /// <summary>Size of <c>/tmp</c> in the jail.</summary>
    public long TemporaryBytes { get; set; } = 64L << 20;

    /// <summary>Lock files that give each jail on this machine a user id of its own. Shared by all processes of the machine.</summary>
    public string SlotDirectory { get; set; } = "/run/aura/jail";

    /// <summary>The first of <see cref="MaxConcurrent"/> user ids that nothing else on the machine may use.</summary>
    public int FirstUserId { get; set; } = 210_000;

    /// <summary>Most jails at once on this machine.</summary>
    public int MaxConcurrent { get; set; } = 64;
}

/// <summary>Why a jailed run ended.</summary>
public enum JailEnd
{
    /// <summary>By itself; see the exit code.</summary>
    Exited,
    TimedOut,
    CpuTimeExceeded,
    OutOfMemory,
    OutputFlood,

    /// <summary>A file system of the jail was full at the end.</summary>
    TreeTooLarge,

    /// <summary>It did not start, because the jail cannot be built here; the detail says how to mend that.</summary>
    Unavailable,
}

/// <param name="Name">Where it stands in the jail: <c>/&lt;name&gt;</c>.</param>
public sealed record JailMount(string HostPath, string Name);

/// <summary>The jail's paths, as the command must use them.</summary>
public sealed record JailPaths(string Workspace, IReadOnlyDictionary<string, string> Mounts);

/// <summary>One command in a jail.</summary>
public sealed record JailRequest
{
    /// <summary>Read-only parts of this machine, besides the system itself.</summary>
    public IReadOnlyList<JailMount> Mounts { get; init; } = [];

    /// <summary>Further read-only parts of this machine, shown at their own absolute paths.</summary>
    public IReadOnlyList<string> SystemPaths { get; init; } = [];

    /// <summary>Added to the clean environment. Handed over as environment, never on a command line that others can see.</summary>
    public IReadOnlyDictionary<string, string> Environment { get; init; } = new Dictionary<string, string>();

    /// <summary>True: this machine's network, its loopback included. For agents whose configuration says so; never for code under test.</summary>
    public bool HostNetwork { get; init; }

    /// <summary>Program and arguments. The program starts in the empty, writable workspace.</summary>
    public required Func<JailPaths, IReadOnlyList<string>> Command { get; init; }

    public string? StandardInput { get; init; }

    /// <summary>Instead of <see cref="JailOptions.WallTime"/>.</summary>
    public TimeSpan? WallTime { get; init; }

    /// <summary>Instead of <see cref="JailOptions.MemoryBytes"/>.</summary>
    public long? MemoryBytes { get; init; }

    /// <summary>Instead of <see cref="JailOptions.CpuTime"/>.</summary>
    public TimeSpan? CpuTime { get; init; }

    /// <summary>Instead of <see cref="JailOptions.MaxProcesses"/>.</summary>
    public int? MaxProcesses { get; init; }

    /// <summary>Each piece of output as it comes, for live display.</summary>
    public Action<ReadOnlyMemory<byte>>? OnOutput { get; init; }
}

/// <param name="Detail">A sentence on why it ended, for people and prompts.</param>
public sealed record JailResult(
    JailEnd End, int ExitCode, string StandardOutput, string StandardError, bool OutputTruncated, TimeSpan Duration, string Detail);
