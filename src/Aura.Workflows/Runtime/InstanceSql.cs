using Aura.Workflows.Storage;
using Npgsql;

namespace Aura.Workflows.Runtime;

/// <summary>The statements that write instances and what hangs on them. Pure: they run in whoever's transaction.</summary>
internal static class InstanceSql
{
    public static IEnumerable<NpgsqlBatchCommand> Start(NewInstance instance)
    {
        yield return Sql.Batch("""
            INSERT INTO wf.instances (id, definition_id, definition_version_id, version, status, sub_status, correlation_id, name,
                                      parent_instance_id, parent_bookmark_id, state)
            VALUES ($1, $2, $3, $4, 'Running', 'Pending', $5, $6, $7, $8, $9)
            """,
            instance.Id, instance.DefinitionId, instance.DefinitionVersionId, instance.Version, instance.CorrelationId, instance.Name,
            instance.ParentInstanceId, instance.ParentBookmarkId, JsonValue.Of(instance.State));
        yield return Send(new(instance.Id, MessageKind.Start, null, null));
    }

    public static NpgsqlBatchCommand Send(OutgoingMessage message) => Sql.Batch(
        "INSERT INTO wf.messages (instance_id, kind, target, payload, due_at) VALUES ($1, $2, $3, $4, now() + $5)",
        message.InstanceId, message.Kind.ToString(), message.Target, JsonValue.Of(message.Payload), message.Delay);

    public static NpgsqlBatchCommand Stimulus(OutgoingStimulus stimulus) => Sql.Batch("""
        INSERT INTO wf.messages (instance_id, kind, target, payload)
        SELECT instance_id, 'Resume', id, $3 FROM wf.bookmarks WHERE hash = $1 AND ($2::text IS NULL OR correlation_id = $2)
        """, stimulus.Hash, stimulus.CorrelationId, JsonValue.Of(stimulus.Payload));

    /// <summary>Everything a burst leaves behind. The first statement must hit one row; otherwise the lease was lost and nothing may stay.</summary>
    public static List<NpgsqlBatchCommand> Commit(BurstResult burst)
    {
        var workflow = burst.Workflow;
        var outbox = workflow.Outbox;
        var isOver = workflow.Status == WorkflowStatus.Finished;
        List<NpgsqlBatchCommand> statements =
        [
            Sql.Batch("""
                UPDATE wf.instances SET status = $3, sub_status = $4, name = coalesce($5, name), correlation_id = $6, incident_count = $7, state = $8,
                       owner = NULL, lease_until = NULL, failed_commits = 0, updated_at = now(),
                       finished_at = CASE WHEN $3 = 'Finished' THEN now() END
                WHERE id = $1 AND fence = $2 AND status = 'Running'
                """,
                workflow.Id, burst.Claimed.Fence, workflow.Status.ToString(), workflow.SubStatus.ToString(), workflow.Name, workflow.CorrelationId,
                workflow.Incidents.Count, JsonValue.Of(workflow.ToState())),
            Sql.Batch("DELETE FROM wf.messages WHERE id = ANY($1)", burst.Claimed.Messages.Select(m => m.Id).ToArray()),
        ];

        AddBookmarks(statements, workflow);
        AddExecutions(statements, workflow);
        AddJournal(statements, workflow.Id, outbox.Journal);
        foreach (var task in outbox.Tasks.Where(t => !outbox.CancelledTaskOwners.Contains(t.ActivityInstanceId)))
        {
            statements.Add(Sql.Batch("""
                INSERT INTO wf.tasks (instance_id, activity_instance_id, node_id, activity_type, queue, input, max_attempts, timeout_seconds)
                VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
                """,
                workflow.Id, task.ActivityInstanceId, task.NodeId, task.ActivityType, task.Queue, JsonValue.Of(task.Input), task.MaxAttempts,
                task.Timeout.TotalSeconds));
        }

        if (outbox.CancelledTaskOwners.Count > 0)
            statements.Add(Sql.Batch("DELETE FROM wf.tasks WHERE activity_instance_id = ANY($1)", (object)outbox.CancelledTaskOwners.ToArray()));
        statements.AddRange(outbox.Instances.SelectMany(Start));
        statements.AddRange(outbox.Messages.Select(Send));
        statements.AddRange(outbox.Stimuli.Select(Stimulus));
        statements.AddRange(burst.Effects);
        if (isOver)
            AddEnd(statements, burst);
        if (burst.WakesOthers)
            statements.Add(WorkflowClient.Wake());
        return statements;
    }

    /// <summary>Sets an instance aside whose bursts cannot be committed or run: a fault on the state it was loaded with.</summary>
    public static NpgsqlBatchCommand SetAside(ClaimedInstance claimed, WorkflowState state) => Sql.Batch("""
        UPDATE wf.instances SET status = 'Finished', sub_status = 'Faulted', incident_count = $3, state = $4, owner = NULL, lease_until = NULL,
               updated_at = now(), finished_at = now()
        WHERE id = $1 AND fence = $2 AND status = 'Running'
        """, claimed.Id, claimed.Fence, state.Incidents.Count, JsonValue.Of(state));

    private static void AddEnd(List<NpgsqlBatchCommand> statements, BurstResult burst)
    {
        var workflow = burst.Workflow;
        // A faulted instance keeps its tasks and messages: a retry goes on from them.
        if (workflow.SubStatus != WorkflowSubStatus.Faulted)
        {
            statements.Add(Sql.Batch("DELETE FROM wf.tasks WHERE instance_id = $1", workflow.Id));
            statements.Add(Sql.Batch("DELETE FROM wf.messages WHERE instance_id = $1", workflow.Id));
        }

        if (workflow.SubStatus == WorkflowSubStatus.Cancelled)
        {
            statements.Add(Sql.Batch(
                "INSERT INTO wf.messages (instance_id, kind) SELECT id, 'Cancel' FROM wf.instances WHERE parent_instance_id = $1 AND status = 'Running'",
                workflow.Id));
        }

        if (burst.Claimed is { ParentInstanceId: { } parent, ParentBookmarkId: { } bookmark })
            statements.Add(Send(Activities.ChildWorkflow.Finished(workflow.Id, workflow.Status, workflow.SubStatus, workflow.Output, workflow.Incidents, parent, bookmark)));
        statements.AddRange(burst.EndEffects);
    }

    private static void AddBookmarks(List<NpgsqlBatchCommand> statements, WorkflowExecutionContext workflow)
    {
        var gone = workflow.BookmarksBefore.Except(workflow.Bookmarks).Select(b => b.Id).ToArray();
        if (gone.Length > 0)
            statements.Add(Sql.Batch("DELETE FROM wf.bookmarks WHERE id = ANY($1)", (object)gone));
        foreach (var bookmark in workflow.Bookmarks.Except(workflow.BookmarksBefore))
        {
            statements.Add(Sql.Batch("""
                INSERT INTO wf.bookmarks (id, instance_id, name, hash, payload, correlation_id, activity_id, activity_node_id, activity_instance_id, created_at)
                VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
                """,
                bookmark.Id, workflow.Id, bookmark.Name, bookmark.Hash, JsonValue.Of(bookmark.Payload), workflow.CorrelationId, bookmark.ActivityId,
                bookmark.ActivityNodeId, bookmark.ActivityInstanceId, bookmark.CreatedAt));
        }
    }

    private static void AddExecutions(List<NpgsqlBatchCommand> statements, WorkflowExecutionContext workflow)
    {
        foreach (var context in workflow.Touched)
        {
            statements.Add(Sql.Batch("""
                INSERT INTO wf.activity_executions (id, instance_id, parent_id, activity_id, node_id, activity_type, activity_name, status, has_bookmarks,
                                                    activity_state, outputs, payload, exception, started_at, completed_at)
                VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15::timestamptz)
                ON CONFLICT (id) DO UPDATE SET status = excluded.status, has_bookmarks = excluded.has_bookmarks, activity_state = excluded.activity_state,
                    outputs = excluded.outputs, payload = excluded.payload, exception = excluded.exception, completed_at = excluded.completed_at
                """,
                context.Id, workflow.Id, context.ParentActivityExecutionContext?.Id, context.Activity.Id, context.NodeId, context.Activity.Type,
                context.Activity.Name, context.Status.ToString(), context.HasTask || workflow.Bookmarks.Any(b => b.ActivityInstanceId == context.Id),
                JsonValue.Of(context.ActivityState), JsonValue.Of(context.Outputs), JsonValue.Of(context.JournalData), JsonValue.Of(context.Exception),
                context.StartedAt, context.CompletedAt?.ToString("O")));
        }
    }

    private static void AddJournal(List<NpgsqlBatchCommand> statements, string instanceId, IReadOnlyList<JournalEntry> journal)
    {
        foreach (var entry in journal)
        {
            statements.Add(Sql.Batch("""
                INSERT INTO wf.journal (instance_id, sequence, id, activity_instance_id, parent_activity_instance_id, activity_id, node_id, activity_type,
                                        activity_name, event_name, message, payload, created_at)
                VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
                """,
                instanceId, entry.Sequence, entry.Id, entry.ActivityInstanceId, entry.ParentActivityInstanceId, entry.ActivityId, entry.NodeId,
                entry.ActivityType, entry.ActivityName, entry.EventName, entry.Message, JsonValue.Of(entry.Payload), entry.Timestamp));
        }
    }
}

/// <summary>An instance that this host holds the lease of, with the messages that woke it.</summary>
internal sealed record ClaimedInstance(
    string Id, string DefinitionId, string DefinitionVersionId, string? CorrelationId, string? ParentInstanceId, string? ParentBookmarkId, long Fence,
    int FailedCommits, string State)
{
    public IReadOnlyList<Message> Messages { get; init; } = [];
}

/// <summary>A burst that wants to be committed.</summary>
/// <param name="Effects">Statements that activities of the burst handed in.</param>
/// <param name="EndEffects">Statements for the end of the instance.</param>
internal sealed record BurstResult(
    ClaimedInstance Claimed, WorkflowExecutionContext Workflow, IReadOnlyList<NpgsqlBatchCommand> Effects, IReadOnlyList<NpgsqlBatchCommand> EndEffects)
{
    public bool WakesOthers => Workflow.Outbox is { Tasks.Count: > 0 } or { Instances.Count: > 0 } or { Stimuli.Count: > 0 }
        || Workflow.Outbox.Messages.Exists(m => m.Delay == TimeSpan.Zero)
        || (Workflow.Status == WorkflowStatus.Finished && Claimed.ParentInstanceId is not null);
}
