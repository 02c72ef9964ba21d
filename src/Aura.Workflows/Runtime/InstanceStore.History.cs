using System.Text.Json;
using Aura.Workflows.Definitions;
using Aura.Workflows.Storage;
using Npgsql;

namespace Aura.Workflows.Runtime;

/// <summary>Which lines of a journal are meant. Null or empty members do not filter.</summary>
public sealed record JournalFilter
{
    public IReadOnlyCollection<string>? ActivityIds { get; init; }
    public IReadOnlyCollection<string>? NodeIds { get; init; }
    public IReadOnlyCollection<string>? EventNames { get; init; }
    public IReadOnlyCollection<string>? ExcludedTypes { get; init; }
}

/// <summary>A line of an instance's journal.</summary>
public sealed record JournalLine(
    string Id, long Sequence, string ActivityInstanceId, string? ParentActivityInstanceId, string ActivityId, string ActivityNodeId, string ActivityType,
    string? ActivityName, string EventName, string? Message, JsonElement? Payload, DateTimeOffset Timestamp);

/// <summary>One run of an activity, as it stood at the last commit that touched it.</summary>
/// <param name="Status">Of what holds a faulted run in an instance that has faulted, too: Faulted. It is not running any more.</param>
/// <param name="Faults">How many faulted runs it holds, at any depth, itself included.</param>
public sealed record ActivityExecution(
    string Id, string InstanceId, string? ParentId, string ActivityId, string ActivityNodeId, string ActivityType, string? ActivityName, ActivityStatus Status,
    bool HasBookmarks, JsonElement? ActivityState, JsonElement? Outputs, JsonElement? Payload, ExceptionState? Exception, DateTimeOffset StartedAt,
    DateTimeOffset? CompletedAt, int Faults);

/// <summary>How the runs of one activity of an instance stand.</summary>
/// <param name="Uncompleted">Runs that are under way, wait or have faulted; cancelled ones count neither here nor as completed.</param>
/// <param name="IsBlocked">One of them waits for a bookmark.</param>
/// <param name="IsFaulted">One of them has faulted, or holds a faulted one in an instance that has faulted.</param>
public sealed record ActivityStats(
    string ActivityId, string ActivityNodeId, long Started, long Completed, long Uncompleted, bool IsBlocked, bool IsFaulted);

/// <summary>A mark of an instance that is another after each of its commits.</summary>
public sealed record InstanceRevision(string Id, WorkflowStatus Status, DateTimeOffset UpdatedAt);

/// <content>What an instance has done: its journal and the runs of its activities.</content>
public sealed partial class InstanceStore
{
    private const string ExecutionColumns = """
        id, instance_id, parent_id, activity_id, node_id, activity_type, activity_name, status, has_bookmarks, activity_state, outputs, payload, exception,
        started_at, completed_at, faults
        """;

    // The runs of instance $1. Nothing tells a container that its instance has faulted: it could not be retried then. So it is worked
    // out here who holds a faulted run, and only for instances that have had an incident.
    private const string Runs = """
        WITH RECURSIVE links AS MATERIALIZED (
            SELECT id, parent_id, status FROM wf.activity_executions
            WHERE instance_id = $1 AND EXISTS (SELECT FROM wf.instances WHERE id = $1 AND incident_count > 0)
        ), holders AS (
            SELECT id, id AS fault FROM links WHERE status = 'Faulted'
            UNION SELECT l.parent_id, h.fault FROM holders h JOIN links l ON l.id = h.id WHERE l.parent_id IS NOT NULL
        ), faults AS (SELECT id, count(*)::int AS faults FROM holders GROUP BY id
        ), runs AS (
            SELECT id, instance_id, parent_id, activity_id, node_id, activity_type, activity_name, has_bookmarks, activity_state, outputs, payload,
                exception, started_at, completed_at, coalesce(faults, 0) AS faults,
                CASE WHEN status = 'Running' AND faults > 0 AND (SELECT is_faulted FROM wf.instances WHERE id = $1) THEN 'Faulted'
                     ELSE status END AS status
            FROM wf.activity_executions LEFT JOIN faults USING (id) WHERE instance_id = $1
        )
        """;

    /// <summary>Lines in their order.</summary>
    public async Task<Page<JournalLine>> ReadJournalAsync(
        string instanceId, JournalFilter? filter = null, int skip = 0, int take = 100, CancellationToken cancellationToken = default)
    {
        const string Where = """
            WHERE instance_id = $1 AND ($2::text[] IS NULL OR node_id = ANY($2::text[])) AND ($3::text[] IS NULL OR event_name = ANY($3::text[]))
              AND ($4::text[] IS NULL OR activity_type <> ALL($4::text[])) AND ($5::text[] IS NULL OR activity_id = ANY($5::text[]))
            """;
        object?[] values =
            [instanceId, ArrayOf(filter?.NodeIds), ArrayOf(filter?.EventNames), ArrayOf(filter?.ExcludedTypes), ArrayOf(filter?.ActivityIds)];
        var total = 0L;
        var lines = await dataSource.QueryAsync(
            $"SELECT {JournalColumns}, count(*) OVER () FROM wf.journal {Where} ORDER BY sequence LIMIT $6 OFFSET $7", [.. values, take, skip],
            r =>
            {
                total = r.GetInt64(12);
                return ReadLine(r);
            }, cancellationToken);
        // A page beyond the end has no row to carry the count.
        if (lines.Count == 0 && (skip > 0 || take == 0))
            total = (await dataSource.QueryAsync($"SELECT count(*) FROM wf.journal {Where}", values, r => r.GetInt64(0), cancellationToken))[0];
        return new(lines, total);
    }

    /// <summary>The last line of an activity, by its id or node id; null when it has none.</summary>
    public async Task<JournalLine?> FindLastLineAsync(string instanceId, string activityId, CancellationToken cancellationToken = default) =>
        (await dataSource.QueryAsync(
            $"SELECT {JournalColumns} FROM wf.journal WHERE instance_id = $1 AND (activity_id = $2 OR node_id = $2) ORDER BY sequence DESC LIMIT 1",
            [instanceId, activityId], ReadLine, cancellationToken)).FirstOrDefault();

    /// <summary>The runs in the order in which they began; of more than <paramref name="take"/> the latest.</summary>
    /// <param name="nodeIds">Only runs of these activities; null for all.</param>
    /// <param name="completed">Only runs that are over, or only those that are not.</param>
    public async Task<Page<ActivityExecution>> ReadExecutionsAsync(
        string instanceId, IReadOnlyCollection<string>? nodeIds = null, bool? completed = null, int take = 1000, CancellationToken cancellationToken = default)
    {
        var total = 0L;
        var runs = await dataSource.QueryAsync($"""
            {Runs} SELECT {ExecutionColumns}, count(*) OVER () FROM runs
            WHERE ($2::text[] IS NULL OR node_id = ANY($2::text[])) AND ($3::boolean IS NULL OR (completed_at IS NOT NULL) = $3::boolean)
            ORDER BY started_at DESC, id DESC LIMIT $4
            """, [instanceId, ArrayOf(nodeIds), completed is { } wanted ? wanted : null, Math.Clamp(take, 1, 10_000)],
            r =>
            {
                total = r.GetInt64(16);
                return ReadExecution(r);
            }, cancellationToken);
        runs.Reverse();
        return new(runs, total);
    }

    /// <param name="executionId">The id of the activity's run.</param>
    public async Task<ActivityExecution?> FindExecutionAsync(string instanceId, string executionId, CancellationToken cancellationToken = default) =>
        (await dataSource.QueryAsync(
            $"{Runs} SELECT {ExecutionColumns} FROM runs WHERE id = $2", [instanceId, executionId], ReadExecution,
            cancellationToken)).FirstOrDefault();

    /// <summary>A run with all that holds it, the outermost first; empty when there is no such run.</summary>
    public async Task<IReadOnlyList<ActivityExecution>> ReadCallStackAsync(
        string instanceId, string executionId, CancellationToken cancellationToken = default) => await dataSource.QueryAsync($"""
        {Runs}, chain AS (
            SELECT r.*, 0 AS depth FROM runs r WHERE r.id = $2
            UNION ALL SELECT r.*, c.depth + 1 FROM chain c JOIN runs r ON r.id = c.parent_id WHERE c.depth < 1000
        )
        SELECT {ExecutionColumns} FROM chain ORDER BY depth DESC
        """, [instanceId, executionId], ReadExecution, cancellationToken);

    /// <summary>The run of an activity of the parent instance that waits for this one, as long as it waits.</summary>
    public async Task<(string InstanceId, string ExecutionId)?> FindWaitingParentAsync(string instanceId, CancellationToken cancellationToken = default) =>
        (await dataSource.QueryAsync("""
            SELECT b.instance_id, b.activity_instance_id FROM wf.instances i JOIN wf.bookmarks b ON b.id = i.parent_bookmark_id WHERE i.id = $1
            """, [instanceId], r => ((string, string)?)(r.GetString(0), r.GetString(1)), cancellationToken)).FirstOrDefault();

    /// <summary>How each activity stands that has run.</summary>
    /// <param name="nodeIds">Only these activities; null for all.</param>
    public async Task<IReadOnlyList<ActivityStats>> ReadStatsAsync(
        string instanceId, IReadOnlyCollection<string>? nodeIds = null, CancellationToken cancellationToken = default) => await dataSource.QueryAsync($"""
        {Runs} SELECT activity_id, node_id, count(*), count(*) FILTER (WHERE status = 'Completed'),
               count(*) FILTER (WHERE status IN ('Pending', 'Running', 'Faulted')),
               coalesce(bool_or(has_bookmarks AND status = 'Running'), false), coalesce(bool_or(status = 'Faulted'), false)
        FROM runs WHERE $2::text[] IS NULL OR node_id = ANY($2::text[])
        GROUP BY activity_id, node_id ORDER BY min(started_at), node_id
        """, [instanceId, ArrayOf(nodeIds)],
        r => new ActivityStats(r.GetString(0), r.GetString(1), r.GetInt64(2), r.GetInt64(3), r.GetInt64(4), r.GetBoolean(5), r.GetBoolean(6)), cancellationToken);

    internal const string RevisionsSql = "SELECT id, status, updated_at FROM wf.instances WHERE id = ANY($1)";

    /// <summary>The marks of those of the instances that exist: one look by their keys, without a lock.</summary>
    public async Task<IReadOnlyList<InstanceRevision>> ReadRevisionsAsync(
        IReadOnlyCollection<string> ids, CancellationToken cancellationToken = default) => await dataSource.QueryAsync(
        RevisionsSql, [ids.ToArray()],
        r => new InstanceRevision(r.GetString(0), Enum.Parse<WorkflowStatus>(r.GetString(1)), r.GetFieldValue<DateTimeOffset>(2)), cancellationToken);

    private const string JournalColumns = """
        id, sequence, activity_instance_id, parent_activity_instance_id, activity_id, node_id, activity_type, activity_name, event_name, message, payload,
        created_at
        """;

    private static string[]? ArrayOf(IReadOnlyCollection<string>? values) => values is { Count: > 0 } ? [.. values] : null;

    private static JournalLine ReadLine(NpgsqlDataReader r) => new(
        r.GetString(0), r.GetInt64(1), r.GetString(2), r.Text(3), r.GetString(4), r.GetString(5), r.GetString(6), r.Text(7), r.GetString(8), r.Text(9),
        r.Json(10), r.GetFieldValue<DateTimeOffset>(11));

    private static ActivityExecution ReadExecution(NpgsqlDataReader r) => new(
        r.GetString(0), r.GetString(1), r.Text(2), r.GetString(3), r.GetString(4), r.GetString(5), r.Text(6), Enum.Parse<ActivityStatus>(r.GetString(7)),
        r.GetBoolean(8), r.Json(9), r.Json(10), r.Json(11), r.Json(12)?.Deserialize<ExceptionState>(WorkflowJson.Options),
        r.GetFieldValue<DateTimeOffset>(13), r.IsDBNull(14) ? null : r.GetFieldValue<DateTimeOffset>(14), r.GetInt32(15));
}
