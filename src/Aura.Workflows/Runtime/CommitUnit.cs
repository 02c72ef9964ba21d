using Npgsql;

namespace Aura.Workflows.Runtime;

/// <summary>The row of an instance as a burst leaves it. Written only where owner and fence still match.</summary>
/// <param name="KeepLease">True in the middle of a burst: the host goes on with it.</param>
internal sealed record InstanceUpdate(
    string Id, string Owner, long Fence, WorkflowStatus Status, WorkflowSubStatus SubStatus, string? Name, string? CorrelationId, int Incidents, byte[] State, bool KeepLease);

/// <summary>A durable task that is answered. Deleted only where the fence still matches.</summary>
internal sealed record TaskAnswer(long Id, long Fence, string ActivityType);

/// <summary>
/// What must happen together or not at all: a checkpoint or the end of a burst, the answer of a task, a start, a stimulus.
/// Values only; the committer merges those of many units into a few statements.
/// </summary>
internal sealed class CommitUnit
{
    public InstanceUpdate? Instance { get; init; }
    public TaskAnswer? Task { get; init; }
    public (long Sequence, byte[] Entries)? History { get; init; }
    public IReadOnlyList<long> Consumed { get; init; } = [];
    public IReadOnlyList<Bookmark> BookmarksAdded { get; init; } = [];
    public IReadOnlyList<string> BookmarksRemoved { get; init; } = [];
    public IReadOnlyList<NewTask> Tasks { get; init; } = [];
    public IReadOnlyList<string> CancelledTaskOwners { get; init; } = [];
    public IReadOnlyList<NewInstance> Instances { get; init; } = [];
    public IReadOnlyList<OutgoingMessage> Messages { get; init; } = [];
    public IReadOnlyList<OutgoingStimulus> Stimuli { get; init; } = [];

    /// <summary>Statements that activities or whoever starts an instance handed in, and those for the end of the instance.</summary>
    public IReadOnlyList<NpgsqlBatchCommand> Effects { get; init; } = [];

    /// <summary>The instance is over and excluded others until now.</summary>
    public bool ReleasesActivation { get; init; }

    /// <summary>The instance is over and timers of it may be left.</summary>
    public bool DropsMessages { get; init; }

    /// <summary>The instance was cancelled: so are its children.</summary>
    public bool CancelsChildren { get; init; }

    /// <summary>Other loops, here or elsewhere, have something to do after this.</summary>
    public bool Wakes => Tasks.Count > 0 || Stimuli.Count > 0 || CancelsChildren || CancelledTaskOwners.Count > 0
        || Instances.Any(i => i.Owner is null) || Messages.Any(m => m.Delay <= TimeSpan.Zero);

    /// <summary>Everything that a burst has decided since its last commit.</summary>
    /// <param name="claimed">The claim under which it runs.</param>
    /// <param name="effects">Statements that go along, for the end of the instance too.</param>
    public static CommitUnit Of(ClaimedInstance claimed, WorkflowExecutionContext workflow, IReadOnlyList<NpgsqlBatchCommand> effects, bool keepLease)
    {
        var outbox = workflow.Outbox;
        var isOver = workflow.Status == WorkflowStatus.Finished;
        // A faulted instance keeps what comes for it, for its retry; one that is over otherwise has no use for its own timers.
        var messages = outbox.Messages.Where(m => !isOver || workflow.SubStatus == WorkflowSubStatus.Faulted || m.InstanceId != workflow.Id).ToList();
        if (workflow.HasEnded && isOver && claimed is { ParentInstanceId: { } parent, ParentBookmarkId: { } bookmark })
        {
            messages.Add(Activities.ChildWorkflow.Finished(
                workflow.Id, workflow.Status, workflow.SubStatus, workflow.Output, workflow.Incidents, parent, bookmark));
        }

        return new()
        {
            Instance = new(
                workflow.Id, claimed.Owner, claimed.Fence, workflow.Status, workflow.SubStatus, workflow.Name, workflow.CorrelationId, workflow.Incidents.Count,
                StateCodec.Write(workflow), keepLease),
            History = outbox.Journal.Count > 0 ? (workflow.LogSequence, Workflows.History.Render(workflow, keepLease)) : null,
            Consumed = [.. outbox.Consumed],
            BookmarksAdded = [.. outbox.BookmarksAdded],
            BookmarksRemoved = [.. outbox.BookmarksRemoved],
            Tasks = [.. outbox.Tasks.Where(t => !outbox.CancelledTaskOwners.Contains(t.ActivityInstanceId))],
            CancelledTaskOwners = [.. outbox.CancelledTaskOwners],
            Instances = [.. outbox.Instances],
            Messages = messages,
            Stimuli = [.. outbox.Stimuli],
            Effects = effects,
            ReleasesActivation = isOver && claimed.ActivationKey is not null,
            // A faulted instance keeps its tasks and messages: a retry goes on from them.
            DropsMessages = isOver && workflow.HasTimers && workflow.SubStatus != WorkflowSubStatus.Faulted,
            CancelsChildren = workflow.SubStatus == WorkflowSubStatus.Cancelled,
        };
    }
}

/// <summary>An instance that this host holds the lease of, with the messages that woke it.</summary>
internal sealed record ClaimedInstance(
    string Id, string DefinitionId, string DefinitionVersionId, string? CorrelationId, string? ParentInstanceId, string? ParentBookmarkId,
    string? ActivationKey, string Owner, long Fence, int FailedCommits, byte[] State)
{
    public IReadOnlyList<Message> Messages { get; init; } = [];
}
