using System.Text.Json;
using Aura.Orchestra.Archive;
using Aura.Orchestra.Events;
using Aura.Orchestra.Jobs;
using Aura.Orchestra.Models;
using Aura.Orchestra.Prds;

namespace Aura.Host.Api;

// The shapes of the API's JSON. Nothing but renaming happens here.

internal sealed record PrdItem(string Id, string ProjectId, string Title, string Status, DateTimeOffset CreatedAt, DateTimeOffset UpdatedAt)
{
    public static PrdItem Of(PrdSummary p) => new(p.Id, p.ProjectId, p.Title, p.Status.ToName(), p.CreatedAt, p.UpdatedAt);

    public static PrdItem Of(Prd p) => new(p.Id, p.ProjectId, p.Title, p.Status.ToName(), p.CreatedAt, p.UpdatedAt);
}

internal sealed record ArchiveRef(string Id, DateTimeOffset RetentionUntil);

internal sealed record PrdView(
    string Id, string ProjectId, string Title, string Status, DateTimeOffset CreatedAt, DateTimeOffset UpdatedAt, string Description,
    IReadOnlyList<PrdTask> Tasks, IReadOnlyList<AcceptanceTest> AcceptanceTests, IReadOnlyList<string> AllowTestChanges, string? Backend,
    IReadOnlyList<JobItem> Jobs, string? Branch, string? BaseCommit, string? HeadCommit, string? MergeCommit, string? DiffHash, string? Diff,
    TestCounts? TestsBefore, TestCounts? TestsAfter, string? StatusReason, string CreatedBy, string? DecidedBy, DateTimeOffset? DecidedAt,
    ArchiveRef? Archive, string? WorkflowInstanceId)
{
    public static PrdView Of(Prd p, IReadOnlyList<Job> jobs, ArchivedPrd? archive) => new(
        p.Id, p.ProjectId, p.Title, p.Status.ToName(), p.CreatedAt, p.UpdatedAt, p.Description, p.Tasks, p.AcceptanceTests,
        p.AllowTestChanges, p.Backend, [.. jobs.Select(JobItem.Of)], p.Branch, p.BaseCommit, p.HeadCommit, p.MergeCommit, p.DiffHash,
        p.Diff, p.TestsBefore, p.TestsAfter, p.StatusReason, p.CreatedBy, p.DecidedBy, p.DecidedAt,
        archive is null ? null : new(archive.Id, archive.RetentionUntil), p.WorkflowInstanceId);
}

internal sealed record JobItem(
    string Id, string PrdId, string Title, string Status, string? Model, int Attempt, int RetryCount, int MaxRetries, double? Score,
    IReadOnlyList<string> DependsOn, DateTimeOffset CreatedAt, DateTimeOffset UpdatedAt)
{
    public static JobItem Of(Job j) => new(
        j.Id, j.PrdId, j.Title, j.Status.ToName(), j.Model, j.Attempt, j.RetryCount, j.MaxRetries, j.Score, j.DependsOn, j.CreatedAt, j.UpdatedAt);
}

internal sealed record ModelRunView(string Model, int Attempt, bool Success, double? Confidence, double Score, JsonElement Details, DateTimeOffset CreatedAt);

internal sealed record JobView(
    string Id, string PrdId, string ProjectId, string TaskId, string Title, string Type, string Role, string Status, string? StatusReason,
    string? Model, string? PinnedModel, int Attempt, int RetryCount, int MaxRetries, double? Score, IReadOnlyList<string> DependsOn,
    DateTimeOffset CreatedAt, DateTimeOffset UpdatedAt, string Description, JsonElement Payload, IReadOnlyList<EventView> Timeline,
    IReadOnlyList<ValidationTick> Ticks, IReadOnlyList<SnapshotRecord> Snapshots, string? Diff, string? Runlog, bool RunlogTruncated,
    IReadOnlyList<ModelRunView> ModelRuns, string? WorkflowInstanceId)
{
    public static JobView Of(
        Job j, IReadOnlyList<OrganisationEvent> timeline, IReadOnlyList<ValidationTick> ticks, IReadOnlyList<SnapshotRecord> snapshots,
        string? diff, RunLogTail? log, IReadOnlyList<ModelRun> runs) => new(
        j.Id, j.PrdId, j.ProjectId, j.Key, j.Title, j.Type, j.Role, j.Status.ToName(), j.StatusReason, j.Model, j.PinnedModel, j.Attempt,
        j.RetryCount, j.MaxRetries, j.Score, j.DependsOn, j.CreatedAt, j.UpdatedAt, j.Description, j.Payload,
        [.. timeline.Select(EventView.Of)], ticks, snapshots, diff, log?.Text, log?.Truncated ?? false,
        [.. runs.Select(r => new ModelRunView(r.Model, r.Attempt, r.Success, r.Confidence, r.Score, r.Details, r.CreatedAt))],
        j.WorkflowInstanceId);
}

internal sealed record EventView(string Id, string? PrdId, string? JobId, string Type, JsonElement Data, DateTimeOffset CreatedAt)
{
    public static EventView Of(OrganisationEvent e) => new(e.Id.ToString(), e.PrdId, e.JobId, e.Type, e.Data, e.CreatedAt);
}

internal sealed record ArchiveItem(
    string Id, string PrdId, string ProjectId, string Title, string Status, int Jobs, DateTimeOffset ArchivedAt, DateTimeOffset RetentionUntil)
{
    public static ArchiveItem Of(ArchivedPrd a) => new(a.Id, a.PrdId, a.ProjectId, a.Title, a.Status, a.Jobs, a.ArchivedAt, a.RetentionUntil);
}

internal sealed record ModelItem(
    string Name, string Kind, string? Endpoint, string Backend, string Display, bool IsActive, int Runs, double? AverageScore, DateTimeOffset CreatedAt,
    IReadOnlyList<string> Roles, IReadOnlyList<string> Capabilities, double? CostPerAttempt, DateTimeOffset? SeenAt, string? SeenBy, string? Down,
    DateTimeOffset? UnavailableUntil)
{
    public static ModelItem Of(Model m) => new(
        m.Name, m.Kind, m.Endpoint, m.Backend, m.Display, m.IsActive, m.Runs, m.AverageScore, m.CreatedAt, m.Roles, m.Capabilities, m.CostPerAttempt,
        m.SeenAt, m.SeenBy, m.Down, m.UnavailableUntil);
}
