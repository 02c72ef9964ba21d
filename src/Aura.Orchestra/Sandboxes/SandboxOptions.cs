namespace Aura.Orchestra.Sandboxes;

/// <summary>Where sandboxes and snapshots live and how large they may grow.</summary>
public sealed class SandboxOptions
{
    /// <summary>Holds <c>&lt;job&gt;/attempt-&lt;n&gt;/</c> and <c>&lt;job&gt;/runlog.txt</c>.</summary>
    public string BaseDirectory { get; set; } = "./sandboxes";

    /// <summary>Holds <c>&lt;project&gt;.git</c> and the zip exports.</summary>
    public string SnapshotDirectory { get; set; } = "./snapshots";

    /// <summary>Largest file that is read or written, in bytes.</summary>
    public long MaxFileBytes { get; set; } = 1024 * 1024;

    /// <summary>Largest patch that is applied, in bytes.</summary>
    public long MaxPatchBytes { get; set; } = 4 * 1024 * 1024;

    /// <summary>Most files a working copy may hold.</summary>
    public int MaxFiles { get; set; } = 20_000;

    /// <summary>Most snapshots one attempt may take; each write takes one, so this also bounds the writes.</summary>
    public int MaxSnapshots { get; set; } = 2_000;
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
}

/// <param name="Path">Relative to the sandbox's root, with <c>/</c>.</param>
public sealed record SandboxFile(string Path, long Size);

/// <summary>One saved state of a sandbox: a commit in the project's snapshot repository under <c>refs/snapshots/&lt;sandbox&gt;/&lt;sequence&gt;</c>.</summary>
/// <param name="Sequence">From 1, without gaps.</param>
public sealed record Snapshot(string SandboxId, int Sequence, string Label, string Commit, string Tree, DateTimeOffset CreatedAt);

/// <summary>What a write did.</summary>
/// <param name="Before">The snapshot taken just before.</param>
/// <param name="Paths">The files that changed.</param>
public sealed record SandboxChange(Snapshot Before, IReadOnlyList<string> Paths);
