using System.Text.Json;

namespace Aura.Workflows;

/// <summary>What wakes an instance.</summary>
public enum MessageKind
{
    /// <summary>Goes on with what the state holds: from the very start, or where a host died in the middle.</summary>
    Start,

    /// <summary>Resumes one bookmark by id.</summary>
    Resume,

    /// <summary>Resumes the instance's bookmarks with a hash.</summary>
    Stimulus,

    /// <summary>A durable task has completed or failed for good.</summary>
    Task,

    Cancel,

    /// <summary>Runs faulted activities again.</summary>
    Retry,

    /// <summary>Changes the instance by hand: a variable, an activity, its version.</summary>
    Alter,
}

/// <summary>What a retry asks for.</summary>
/// <param name="ActivityIds">Ids of activities or of their runs; null for all that faulted, and for an instance that was set aside.</param>
/// <param name="By">The person who wants it, for the journal.</param>
internal sealed record RetryRequest(IReadOnlyCollection<string>? ActivityIds, string? By = null)
{
    /// <summary>Reads a message's payload: an object, or as earlier hosts sent it the bare array of ids.</summary>
    public static RetryRequest Read(JsonElement? payload) => payload switch
    {
        { ValueKind: JsonValueKind.Array } ids => new(IdsOf(ids)),
        { ValueKind: JsonValueKind.Object } request => new(
            request.TryGetProperty("activityIds", out var ids) && ids.ValueKind == JsonValueKind.Array ? IdsOf(ids) : null,
            request.TryGetProperty("by", out var by) ? by.GetString() : null),
        _ => new((IReadOnlyCollection<string>?)null),
    };

    private static List<string> IdsOf(JsonElement ids) => [.. ids.EnumerateArray().Select(i => i.GetString() ?? "")];
}

/// <summary>A message that goes out with the burst.</summary>
/// <param name="Target">A bookmark id, a hash or an activity instance id, by kind.</param>
/// <param name="Delay">Due this long after the commit, by the database's clock.</param>
internal sealed record OutgoingMessage(string InstanceId, MessageKind Kind, string? Target, object? Payload, TimeSpan Delay = default);

internal sealed record NewTask(
    string InstanceId, string ActivityInstanceId, string NodeId, string ActivityType, string Queue, JsonElement Input, TaskPolicy Policy);

internal sealed record NewInstance(
    string Id, string DefinitionId, string DefinitionVersionId, int Version, string? CorrelationId, string? Name,
    string? ParentInstanceId, string? ParentBookmarkId, WorkflowState State)
{
    /// <summary>The host that runs it at once, under fence 1; null: it waits for whoever claims its start message.</summary>
    public string? Owner { get; init; }

    /// <summary>Instances with the same key exclude each other.</summary>
    public string? ActivationKey { get; init; }
}

/// <summary>A line of the journal; rendered when it is committed.</summary>
internal readonly record struct JournalEntry(
    long Sequence, ActivityExecutionContext Context, string EventName, string? Message, object? Payload, DateTimeOffset Timestamp);

/// <summary>Sends a stimulus to whatever waits for it in other instances, and starts what it triggers.</summary>
internal sealed record OutgoingStimulus(string Hash, string? CorrelationId, object? Payload);

/// <summary>All that a burst wants to happen besides its own state, since the last commit; it goes out in the next one.</summary>
internal sealed class Outbox
{
    public List<OutgoingMessage> Messages { get; } = [];
    public List<OutgoingStimulus> Stimuli { get; } = [];
    public List<NewTask> Tasks { get; } = [];
    public List<NewInstance> Instances { get; } = [];
    public List<JournalEntry> Journal { get; } = [];
    public List<ActivityExecutionContext> Touched { get; } = [];
    public List<Bookmark> BookmarksAdded { get; } = [];
    public List<string> BookmarksRemoved { get; } = [];
    public List<string> CancelledTaskOwners { get; } = [];

    /// <summary>Messages that the burst has applied.</summary>
    public List<long> Consumed { get; } = [];

    public void Clear()
    {
        foreach (var context in Touched)
            context.IsTouched = context.IsLogged = false;
        Messages.Clear();
        Stimuli.Clear();
        Tasks.Clear();
        Instances.Clear();
        Journal.Clear();
        Touched.Clear();
        BookmarksAdded.Clear();
        BookmarksRemoved.Clear();
        CancelledTaskOwners.Clear();
        Consumed.Clear();
    }
}
