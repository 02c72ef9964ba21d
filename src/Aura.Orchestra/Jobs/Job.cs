using System.Text.Json;

namespace Aura.Orchestra.Jobs;

/// <summary>A job of a plan that is not stored yet.</summary>
public sealed record PlannedJob
{
    public string Id { get; init; } = Ids.NewJob();
    /// <summary>The task's id within the PRD; unique there. <see cref="DependsOn"/> refers to it.</summary>
    public required string Key { get; init; }
    public required string Title { get; init; }
    public string Type { get; init; } = "IMPLEMENT";
    public string Role { get; init; } = "Employee";
    public string Description { get; init; } = "";
    /// <summary>A JSON object; null means <c>{}</c>.</summary>
    public JsonElement? Payload { get; init; }
    /// <summary>Keys of jobs of the same plan that must be COMPLETED first.</summary>
    public IReadOnlyList<string> DependsOn { get; init; } = [];
    /// <summary>0–10.</summary>
    public int MaxRetries { get; init; } = 2;
}

/// <summary>A job as it stands.</summary>
public sealed record Job
{
    public required string Id { get; init; }
    /// <summary>Its place in the order of arrival; pages go by it.</summary>
    public required long Seq { get; init; }
    public required string PrdId { get; init; }
    public required string ProjectId { get; init; }
    public required string Key { get; init; }
    public required string Title { get; init; }
    public required string Type { get; init; }
    public required string Role { get; init; }
    public required string Description { get; init; }
    public required JsonElement Payload { get; init; }
    public required int Position { get; init; }
    public required JobStatus Status { get; init; }
    public string? StatusReason { get; init; }
    /// <summary>The model of the current attempt.</summary>
    public string? Model { get; init; }
    /// <summary>The model that the Director chose for the next attempt.</summary>
    public string? PinnedModel { get; init; }
    /// <summary>The current attempt; 0 before the first.</summary>
    public required int Attempt { get; init; }
    public required int RetryCount { get; init; }
    public required int MaxRetries { get; init; }
    public double? Score { get; init; }
    /// <summary>Ids of the jobs that must be COMPLETED first, in their order in the plan.</summary>
    public required IReadOnlyList<string> DependsOn { get; init; }
    public string? WorkflowInstanceId { get; init; }
    public required DateTimeOffset CreatedAt { get; init; }
    public required DateTimeOffset UpdatedAt { get; init; }

    /// <summary>Whether one more attempt is allowed.</summary>
    public bool MayRetry => RetryCount < MaxRetries;
}

/// <summary>One named verdict on one attempt.</summary>
public sealed record ValidationTick(int Attempt, string Name, bool Passed, JsonElement Details, DateTimeOffset CreatedAt);

/// <summary>A snapshot of an attempt's sandbox.</summary>
public sealed record SnapshotRecord(string SandboxId, int Attempt, int Sequence, string Label, string Commit, DateTimeOffset CreatedAt);
