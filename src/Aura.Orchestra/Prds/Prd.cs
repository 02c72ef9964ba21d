using System.Text.Json;

namespace Aura.Orchestra.Prds;

/// <summary>A task as the Director wrote it. <see cref="DependsOn"/> holds ids of other tasks of the same PRD.</summary>
public sealed record PrdTask
{
    public required string Id { get; init; }
    public required string Title { get; init; }
    public string Type { get; init; } = "IMPLEMENT";
    public string Role { get; init; } = "Employee";
    public string Description { get; init; } = "";
    public IReadOnlyList<string> DependsOn { get; init; } = [];
    /// <summary>A JSON object, for example <c>{"path":"app","allowed_paths":["app/**"]}</c>; an undefined element when absent.</summary>
    public JsonElement? Payload { get; init; }
    public int MaxRetries { get; init; } = 2;
}

/// <summary>A test file that must pass before the PRD is done. <see cref="Path"/> is relative to the project.</summary>
/// <param name="Task">
/// The id of the task it belongs to: it then binds that job and those that build on it. Without one it binds the integrated
/// result and jobs that depend on all others.
/// </param>
public sealed record AcceptanceTest(string Path, string Content, string? Task = null);

/// <summary>Counts of one test run.</summary>
public sealed record TestCounts(int Passed, int Failed, int Skipped);

/// <summary>What the Director hands in.</summary>
public sealed record NewPrd
{
    public required string Id { get; init; }
    public required string ProjectId { get; init; }
    public required string Title { get; init; }
    public string Description { get; init; } = "";
    public IReadOnlyList<PrdTask> Tasks { get; init; } = [];
    public IReadOnlyList<AcceptanceTest> AcceptanceTests { get; init; } = [];
    /// <summary>Protected test files that this PRD may change.</summary>
    public IReadOnlyList<string> AllowTestChanges { get; init; } = [];
    public string? Backend { get; init; }
    public required string CreatedBy { get; init; }
    public string? WorkflowInstanceId { get; init; }
    /// <summary>The caller's Idempotency-Key, with <see cref="RequestHash"/> or not at all.</summary>
    public string? IdempotencyKey { get; init; }
    public string? RequestHash { get; init; }
}

/// <summary>A PRD as lists show it.</summary>
/// <param name="Seq">Its place in the order of arrival; pages go by it.</param>
public sealed record PrdSummary(
    string Id, long Seq, string ProjectId, string Title, PrdStatus Status, DateTimeOffset CreatedAt, DateTimeOffset UpdatedAt);

/// <summary>A PRD with everything but its jobs.</summary>
public sealed record Prd
{
    public required string Id { get; init; }
    public required string ProjectId { get; init; }
    public required string Title { get; init; }
    public required string Description { get; init; }
    public required PrdStatus Status { get; init; }
    public string? StatusReason { get; init; }
    public required IReadOnlyList<PrdTask> Tasks { get; init; }
    public required IReadOnlyList<AcceptanceTest> AcceptanceTests { get; init; }
    public required IReadOnlyList<string> AllowTestChanges { get; init; }
    public string? Backend { get; init; }
    public string? Branch { get; init; }
    public string? BaseCommit { get; init; }
    public string? HeadCommit { get; init; }
    public string? MergeCommit { get; init; }
    /// <summary>The unified diff of <see cref="HeadCommit"/> against <see cref="BaseCommit"/> that the Director decides on.</summary>
    public string? Diff { get; init; }
    public string? DiffHash { get; init; }
    public TestCounts? TestsBefore { get; init; }
    public TestCounts? TestsAfter { get; init; }
    public string? WorkflowInstanceId { get; init; }
    public required string CreatedBy { get; init; }
    public string? DecidedBy { get; init; }
    public DateTimeOffset? DecidedAt { get; init; }
    public required DateTimeOffset CreatedAt { get; init; }
    public required DateTimeOffset UpdatedAt { get; init; }
}
