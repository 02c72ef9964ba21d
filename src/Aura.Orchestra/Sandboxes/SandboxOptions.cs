namespace Aura.Orchestra.Sandboxes;

/// <summary>Where sandboxes and snapshots live and how large they may grow.</summary>
public sealed class SandboxOptions
{
    /// <summary>Holds <c>&lt;job&gt;/attempt-&lt;n&gt;/</c> and <c>&lt;job&gt;/runlog.txt</c>.</summary>
    public string BaseDirectory { get; set; } = "./sandboxes";

    /// <summary>Holds the contents that snapshots need (<c>objects/</c>) and, per sandbox, its undo log and zip exports (<c>session-&lt;id&gt;/</c>).</summary>
    public string SnapshotDirectory { get; set; } = "./snapshots";

    /// <summary>Largest file that is read or written, in bytes.</summary>
    public long MaxFileBytes { get; set; } = 1024 * 1024;

    /// <summary>Largest patch that is applied, in bytes.</summary>
    public long MaxPatchBytes { get; set; } = 4 * 1024 * 1024;

    /// <summary>Most files a working copy may hold.</summary>
    public int MaxFiles { get; set; } = 50_000;

    /// <summary>
    /// Largest file that a working copy may hold when it is compared with its base, in bytes: what other hands than the sandbox's left there.
    /// </summary>
    public long MaxHeldFileBytes { get; set; } = 256L << 20;

    /// <summary>Most snapshots one attempt may take; each write takes one, so this also bounds the writes.</summary>
    public int MaxSnapshots { get; set; } = 2_000;

    /// <summary>How long the working copy of a job that has ended stays.</summary>
    public TimeSpan Retention { get; set; } = TimeSpan.FromDays(7);

    /// <summary>Tests only: called at named places of a write, where a process may die.</summary>
    internal Action<string>? FaultPoint { get; set; }
}

/// <summary>What a new sandbox is made from.</summary>
public sealed record SandboxRequest
{
    /// <summary><c>&lt;job-id&gt;-a&lt;attempt&gt;</c>, as <see cref="SandboxStore.IdOf"/> gives it.</summary>
    public required string SandboxId { get; init; }

    public required string JobId { get; init; }

    /// <summary>From 1.</summary>
    public required int Attempt { get; init; }

    public required string ProjectName { get; init; }

    /// <summary>The project's bare git repository; only read.</summary>
    public required string RepositoryPath { get; init; }

    /// <summary>A commit of that repository.</summary>
    public required string BaseCommit { get; init; }

    /// <summary>Globs of the paths that may be written; none means all.</summary>
    public IReadOnlyList<string> AllowedPaths { get; init; } = [];
}

/// <summary>What <c>metadata.json</c> of a sandbox says.</summary>
public sealed record SandboxMetadata
{
    public required string SandboxId { get; init; }
    public required string JobId { get; init; }
    public required int Attempt { get; init; }
    public required string ProjectName { get; init; }
    public required string RepositoryPath { get; init; }
    public required string BaseCommit { get; init; }
    public required IReadOnlyList<string> AllowedPaths { get; init; }
    public required DateTimeOffset CreatedAt { get; init; }

    /// <summary>The name of its undo log, below <c>session-&lt;id&gt;/</c> of the snapshots.</summary>
    public required string SnapshotLog { get; init; }
}

/// <param name="Path">Relative to the sandbox's root, with <c>/</c>.</param>
public sealed record SandboxFile(string Path, long Size);

/// <summary>One saved state of a sandbox.</summary>
/// <param name="Sequence">From 1, without gaps.</param>
/// <param name="Commit">Hash of the log's line: it covers the base commit and every change up to here.</param>
public sealed record Snapshot(string SandboxId, int Sequence, string Label, string Commit, DateTimeOffset CreatedAt);

/// <summary>What a write did.</summary>
/// <param name="Before">The snapshot taken just before.</param>
/// <param name="Paths">The files that changed.</param>
public sealed record SandboxChange(Snapshot Before, IReadOnlyList<string> Paths);
