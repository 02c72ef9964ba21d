using System.Text.Json;

namespace Aura.Workflows;

/// <summary>What wakes an instance.</summary>
public enum MessageKind
{
    Start,

    /// <summary>Resumes one bookmark by id.</summary>
    Resume,

    /// <summary>Resumes the instance's bookmarks with a hash.</summary>
    Stimulus,

    /// <summary>A durable task has completed or failed for good.</summary>
    Task,

    Cancel,
}

/// <summary>A message that goes out with the burst.</summary>
/// <param name="Target">A bookmark id, a hash or an activity instance id, by kind.</param>
/// <param name="Delay">Due this long after the commit, by the database's clock.</param>
internal sealed record OutgoingMessage(string InstanceId, MessageKind Kind, string? Target, object? Payload, TimeSpan Delay = default);

internal sealed record NewTask(
    string ActivityInstanceId, string NodeId, string ActivityType, string Queue, JsonElement Input, int MaxAttempts, TimeSpan Timeout);

internal sealed record NewInstance(
    string Id, string DefinitionId, string DefinitionVersionId, int Version, string? CorrelationId, string? Name,
    string? ParentInstanceId, string? ParentBookmarkId, WorkflowState State);

internal sealed record JournalEntry(
    string Id, long Sequence, string ActivityInstanceId, string? ParentActivityInstanceId, string ActivityId, string NodeId, string ActivityType,
    string? ActivityName, string EventName, string? Message, JsonElement? Payload, DateTimeOffset Timestamp);

/// <summary>Sends a stimulus to whatever waits for it in other instances.</summary>
internal sealed record OutgoingStimulus(string Hash, string? CorrelationId, object? Payload);

/// <summary>All that a burst wants to happen besides its own state; it goes out in the same commit.</summary>
internal sealed class Outbox
{
    public List<OutgoingMessage> Messages { get; } = [];
    public List<OutgoingStimulus> Stimuli { get; } = [];
    public List<NewTask> Tasks { get; } = [];
    public List<NewInstance> Instances { get; } = [];
    public List<JournalEntry> Journal { get; } = [];
    public List<string> CancelledTaskOwners { get; } = [];
}
