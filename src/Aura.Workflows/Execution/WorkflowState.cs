using System.Text.Json;

namespace Aura.Workflows;

public enum WorkflowStatus
{
    Running,
    Finished,
}

/// <summary>Pending, Executing and Suspended belong to Running; the rest to Finished.</summary>
public enum WorkflowSubStatus
{
    Pending,
    Executing,
    Suspended,
    Finished,
    Cancelled,
    Faulted,
}

public enum ActivityStatus
{
    Pending,
    Running,
    Completed,
    Canceled,
    Faulted,
}

/// <summary>Everything an instance needs to go on, as stored between bursts. Values are in plain JSON form.</summary>
public sealed record WorkflowState
{
    public WorkflowStatus Status { get; init; }
    public WorkflowSubStatus SubStatus { get; init; } = WorkflowSubStatus.Pending;
    public string? Name { get; init; }
    public string? TriggerActivityId { get; init; }
    public IReadOnlyList<ActivityContextState> Contexts { get; init; } = [];
    public IReadOnlyList<WorkItemState> Scheduled { get; init; } = [];

    /// <summary>As instances of earlier versions stored them; now each context and work item holds its own.</summary>
    public IReadOnlyList<CompletionCallbackState> Callbacks { get; init; } = [];

    public IReadOnlyList<Bookmark> Bookmarks { get; init; } = [];
    public IReadOnlyList<Incident> Incidents { get; init; } = [];
    public IReadOnlyDictionary<string, JsonElement> Input { get; init; } = new Dictionary<string, JsonElement>();
    public IReadOnlyDictionary<string, JsonElement> Output { get; init; } = new Dictionary<string, JsonElement>();

    /// <summary>By activity id, then output name. Unlike Elsa's register it survives a suspend.</summary>
    public IReadOnlyDictionary<string, IReadOnlyDictionary<string, JsonElement>> ActivityOutputs { get; init; } =
        new Dictionary<string, IReadOnlyDictionary<string, JsonElement>>();

    public JsonElement? LastResult { get; init; }

    /// <summary>What is undone when the instance is cancelled, in the order in which it was done.</summary>
    public IReadOnlyList<CompensationState> Compensations { get; init; } = [];

    public bool HasTimers { get; init; }

    /// <summary>The last journal sequence number used.</summary>
    public long LogSequence { get; init; }
}

/// <summary>One activity that has started and is not done (or is the root).</summary>
public sealed record ActivityContextState
{
    public required string Id { get; init; }
    public string? ParentId { get; init; }
    public required string NodeId { get; init; }
    public required ActivityStatus Status { get; init; }
    public string? Tag { get; init; }

    /// <summary>The method of the parent's activity to call at completion.</summary>
    public string? Completed { get; init; }

    /// <summary>Of a completed activity that its faulted parent has not heard of yet; null for the default outcome.</summary>
    public IReadOnlyList<string>? Outcomes { get; init; }

    /// <summary>Set while the activity's body is a durable task that has not answered yet.</summary>
    public bool HasTask { get; init; }

    public DateTimeOffset StartedAt { get; init; }
    public IReadOnlyDictionary<string, JsonElement> Properties { get; init; } = new Dictionary<string, JsonElement>();
    public IReadOnlyDictionary<string, JsonElement> ActivityState { get; init; } = new Dictionary<string, JsonElement>();

    /// <summary>What it has put out and recorded so far: its execution record is written whole at each commit that touches it.</summary>
    public IReadOnlyDictionary<string, JsonElement> Outputs { get; init; } = new Dictionary<string, JsonElement>();

    public IReadOnlyDictionary<string, JsonElement> JournalData { get; init; } = new Dictionary<string, JsonElement>();
    public IReadOnlyList<VariableSlotState> Variables { get; init; } = [];
}

/// <param name="IsTransient">The value is lost whenever the instance leaves memory.</param>
public sealed record VariableSlotState(string Id, string Name, string TypeName, JsonElement Value, bool IsTransient = false);

/// <summary>An activity that is due to run, in the order of the queue.</summary>
/// <param name="ExistingId">The context to run again, for a retry.</param>
public sealed record WorkItemState(
    string NodeId, string? OwnerId, string? Tag, IReadOnlyList<VariableSlotState>? Variables, string? Completed = null, string? ExistingId = null);

/// <summary>A method of an activity that undoes it, with its data.</summary>
public sealed record CompensationState(string NodeId, string MethodName, JsonElement? Data);

/// <summary>What an owner wants to be called with when a child completes: a method of the owner's activity, by name.</summary>
public sealed record CompletionCallbackState(string OwnerId, string ChildNodeId, string MethodName, string? Tag);

/// <summary>A place where an instance waits for a stimulus.</summary>
public sealed record Bookmark
{
    public required string Id { get; init; }
    public required string Name { get; init; }

    /// <summary>Upper-case hex SHA-256 over name and payload; stimuli are matched by it.</summary>
    public required string Hash { get; init; }

    public JsonElement? Payload { get; init; }
    public required string ActivityId { get; init; }
    public required string ActivityNodeId { get; init; }
    public required string ActivityInstanceId { get; init; }
    public required DateTimeOffset CreatedAt { get; init; }
    public bool AutoBurn { get; init; } = true;
    public string? CallbackMethodName { get; init; }
    public bool AutoComplete { get; init; } = true;
}

/// <summary>What went wrong, where, with its stack.</summary>
public sealed record Incident
{
    public required string ActivityId { get; init; }
    public required string ActivityNodeId { get; init; }
    public required string ActivityInstanceId { get; init; }
    public required string ActivityType { get; init; }
    public required string Message { get; init; }
    public ExceptionState? Exception { get; init; }
    public required DateTimeOffset Timestamp { get; init; }
}

public sealed record ExceptionState(string Type, string Message, string? StackTrace, ExceptionState? InnerException)
{
    internal static ExceptionState? From(Exception? exception) => exception is null
        ? null
        : new(exception.GetType().FullName!, exception.Message, exception.StackTrace, From(exception.InnerException));
}
