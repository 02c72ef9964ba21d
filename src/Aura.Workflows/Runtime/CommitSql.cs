using Aura.Workflows.Storage;
using Npgsql;

namespace Aura.Workflows.Runtime;

/// <summary>
/// The statements that write instances and what hangs on them, each for any number of rows. Pure: they run in whoever's
/// transaction. Lock order: instances, tasks, then rows that nobody else writes.
/// </summary>
internal static class CommitSql
{
    /// <summary>A checkpoint leaves the count of failed commits: what it stands before may be what is refused, again and again.</summary>
    public const string UpdateInstances = """
        UPDATE wf.instances i SET status = d.status, sub_status = d.sub_status, name = coalesce(d.name, i.name), correlation_id = d.correlation_id,
               incident_count = d.incidents, is_faulted = d.sub_status = 'Faulted', state = d.state, owner = CASE WHEN d.keep THEN i.owner END,
               failed_commits = CASE WHEN d.keep THEN i.failed_commits ELSE 0 END, updated_at = now(), finished_at = CASE WHEN d.status = 'Finished' THEN now() END
        FROM unnest($1::text[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[], $7::int[], $8::json[], $9::boolean[], $10::text[])
             AS d(id, fence, status, sub_status, name, correlation_id, incidents, state, keep, owner)
        WHERE i.id = d.id AND i.fence = d.fence AND i.owner = d.owner AND i.status = 'Running'
        RETURNING i.id, i.fence
        """;

    public const string AnswerTasks = """
        DELETE FROM wf.tasks t USING unnest($1::bigint[], $2::bigint[]) AS d(id, fence) WHERE t.id = d.id AND t.fence = d.fence RETURNING t.id, t.fence
        """;

    public const string DeleteMessages = "DELETE FROM wf.messages WHERE id = ANY($1)";

    public const string InsertHistory =
        "INSERT INTO wf.history (instance_id, sequence, entries) SELECT * FROM unnest($1::text[], $2::bigint[], $3::json[])";

    public const string DeleteBookmarks = "DELETE FROM wf.bookmarks WHERE id = ANY($1)";

    /// <summary>
    /// New bookmarks; those that a kept stimulus has waited for get it: one stimulus each, the oldest that nobody else takes at this moment.
    /// Stimuli come and go: whatever the planner believes of their number, they are found by their hash (the sum hides the time from the other
    /// index) and deleted by their key.
    /// </summary>
    public const string InsertBookmarks = """
        WITH added AS (
            INSERT INTO wf.bookmarks (id, instance_id, name, hash, payload, correlation_id, activity_id, activity_node_id, activity_instance_id, created_at)
            SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::json[], $6::text[], $7::text[], $8::text[], $9::text[], $10::timestamptz[])
            RETURNING id, instance_id, hash, correlation_id
        ), met AS MATERIALIZED (
            SELECT DISTINCT ON (kept.id) kept.id AS stimulus_id, kept.payload, b.instance_id, b.id FROM added b CROSS JOIN LATERAL (
                SELECT k.id, k.payload FROM wf.stimuli k
                WHERE k.hash = b.hash AND (k.correlation_id IS NULL OR k.correlation_id = b.correlation_id) AND k.expires_at + interval '0' > now()
                ORDER BY k.created_at, k.id LIMIT 1 FOR UPDATE SKIP LOCKED) kept
            ORDER BY kept.id, b.id
        ), used AS (
            DELETE FROM wf.stimuli WHERE id = ANY(ARRAY(SELECT stimulus_id FROM met))
        )
        INSERT INTO wf.messages (instance_id, kind, target, payload) SELECT instance_id, 'Resume', id, payload FROM met
        """;

    public const string CancelTasks = """
        WITH gone AS (DELETE FROM wf.tasks WHERE activity_instance_id = ANY($1) RETURNING id)
        SELECT pg_notify('wf_cancel', id::text) FROM gone
        """;

    public const string InsertTasks = """
        INSERT INTO wf.tasks (instance_id, activity_instance_id, node_id, activity_type, queue, input, max_attempts, timeout_seconds, priority,
                              concurrency_key, concurrency_limit)
        SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::json[], $7::int[], $8::double precision[], $9::int[],
                             $10::text[], $11::int[])
        """;

    private const string NewInstanceRows = """
        unnest($1::text[], $2::text[], $3::text[], $4::int[], $5::text[], $6::text[], $7::text[], $8::text[], $9::json[], $10::text[])
             AS d(id, definition_id, version_id, version, correlation_id, name, parent_id, parent_bookmark_id, state, owner)
        """;

    /// <summary>
    /// Instances that nothing keeps out. With an owner they run under fence 1 at once, else they get a start message. So does one
    /// whose host has been taken for dead: nobody would ever free it again.
    /// </summary>
    public const string InsertInstances = $"""
        WITH alive AS MATERIALIZED (
            SELECT id FROM wf.hosts WHERE id = ANY($10) FOR KEY SHARE
        ), added AS (
            INSERT INTO wf.instances (id, definition_id, definition_version_id, version, status, sub_status, correlation_id, name,
                                      parent_instance_id, parent_bookmark_id, state, owner, fence)
            SELECT d.id, d.definition_id, d.version_id, d.version, 'Running', 'Pending', d.correlation_id, d.name, d.parent_id, d.parent_bookmark_id, d.state,
                   a.id, CASE WHEN a.id IS NULL THEN 0 ELSE 1 END
            FROM {NewInstanceRows} LEFT JOIN alive a ON a.id = d.owner
            RETURNING id, owner
        ), told AS (
            INSERT INTO wf.messages (instance_id, kind) SELECT id, 'Start' FROM added WHERE owner IS NULL
        )
        SELECT id, owner FROM added
        """;

    /// <summary>
    /// Instances with activation keys. One whose key is taken is not started; a parent that would wait for it is told so.
    /// Keys are taken in order, so that two groups with the same ones do not wait for each other.
    /// </summary>
    public const string InsertExclusiveInstances = """
        WITH alive AS MATERIALIZED (
            SELECT id FROM wf.hosts WHERE id = ANY($10) FOR KEY SHARE
        ), d AS (
            SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::int[], $5::text[], $6::text[], $7::text[], $8::text[], $9::json[], $10::text[], $11::text[])
                 AS d(id, definition_id, version_id, version, correlation_id, name, parent_id, parent_bookmark_id, state, owner, activation_key)
        ), activated AS (
            INSERT INTO wf.activations (key, instance_id) SELECT activation_key, id FROM d ORDER BY 1, 2 ON CONFLICT DO NOTHING RETURNING instance_id
        ), added AS (
            INSERT INTO wf.instances (id, definition_id, definition_version_id, version, status, sub_status, correlation_id, name,
                                      parent_instance_id, parent_bookmark_id, state, owner, fence, activation_key)
            SELECT d.id, d.definition_id, d.version_id, d.version, 'Running', 'Pending', d.correlation_id, d.name, d.parent_id, d.parent_bookmark_id, d.state,
                   h.id, CASE WHEN h.id IS NULL THEN 0 ELSE 1 END, d.activation_key
            FROM d JOIN activated a ON a.instance_id = d.id LEFT JOIN alive h ON h.id = d.owner
            RETURNING id, owner
        ), told AS (
            INSERT INTO wf.messages (instance_id, kind) SELECT id, 'Start' FROM added WHERE owner IS NULL
        ), refused AS (
            INSERT INTO wf.messages (instance_id, kind, target, payload)
            SELECT d.parent_id, 'Resume', d.parent_bookmark_id, json_build_object(
                '__ChildInstanceId', d.id, '__ChildStatus', 'Finished', '__ChildSubStatus', 'Refused',
                '__ChildIncident', 'Not started: ''' || d.activation_key || ''' is taken by a running instance.')
            FROM d WHERE d.parent_bookmark_id IS NOT NULL AND d.id NOT IN (SELECT instance_id FROM activated)
        )
        SELECT id, owner FROM added
        """;

    public const string InsertMessages = """
        INSERT INTO wf.messages (instance_id, kind, target, payload, due_at)
        SELECT instance_id, kind, target, payload, now() + delay
        FROM unnest($1::text[], $2::text[], $3::text[], $4::json[], $5::interval[]) AS d(instance_id, kind, target, payload, delay)
        """;

    /// <summary>
    /// Delivers stimuli: each to every bookmark and trigger with its hash. One that meets nobody is kept for a while. The count at the end makes
    /// sure that all starts happen, also when nothing is to be kept.
    /// </summary>
    public const string SendStimuli = """
        WITH sent AS MATERIALIZED (
            SELECT * FROM unnest($1::text[], $2::text[], $3::json[]) WITH ORDINALITY AS s(hash, correlation_id, payload, place)
        ), met AS MATERIALIZED (
            SELECT s.place, b.instance_id, b.id, s.payload FROM sent s CROSS JOIN LATERAL (
                SELECT b.instance_id, b.id FROM wf.bookmarks b
                WHERE left(b.hash, 8) = left(s.hash, 8) AND b.hash = s.hash AND (s.correlation_id IS NULL OR b.correlation_id = s.correlation_id)
                OFFSET 0) b
        ), resumed AS (
            INSERT INTO wf.messages (instance_id, kind, target, payload) SELECT instance_id, 'Resume', id, payload FROM met
        ), started AS MATERIALIZED (
            SELECT s.place, wf.start_from_trigger(t, s.correlation_id, s.payload) AS id FROM sent s CROSS JOIN LATERAL (
                SELECT * FROM wf.triggers t WHERE t.hash = s.hash OFFSET 0) t
        ), reached AS MATERIALIZED (
            SELECT place FROM met UNION ALL SELECT place FROM started WHERE id IS NOT NULL
        ), kept AS (
            INSERT INTO wf.stimuli (hash, correlation_id, payload, expires_at)
            SELECT hash, correlation_id, payload, now() + $4 FROM sent WHERE $4 > interval '0' AND place NOT IN (SELECT place FROM reached)
        )
        SELECT count(*) FROM started
        """;

    public const string ReleaseActivations = "DELETE FROM wf.activations WHERE instance_id = ANY($1)";

    public const string DropMessages = "DELETE FROM wf.messages WHERE instance_id = ANY($1)";

    public const string CancelChildren =
        "INSERT INTO wf.messages (instance_id, kind) SELECT id, 'Cancel' FROM wf.instances WHERE parent_instance_id = ANY($1) AND status = 'Running'";

    public const string Wake = "SELECT pg_notify('wf', '')";

    /// <summary>A start as statements for a caller's own transaction.</summary>
    public static NpgsqlBatchCommand Start(NewInstance instance) => instance.ActivationKey is null
        ? Sql.Batch(InsertInstances, InstanceColumns([instance]))
        : Sql.Batch(InsertExclusiveInstances, [.. InstanceColumns([instance]), new[] { instance.ActivationKey }]);

    public static NpgsqlBatchCommand Send(params OutgoingMessage[] messages) => Sql.Batch(InsertMessages, MessageColumns(messages));

    public static object[] InstanceColumns(IReadOnlyList<NewInstance> instances) =>
    [
        Column(instances, i => i.Id), Column(instances, i => i.DefinitionId), Column(instances, i => i.DefinitionVersionId), Column(instances, i => i.Version),
        Column(instances, i => i.CorrelationId), Column(instances, i => i.Name), Column(instances, i => i.ParentInstanceId),
        Column(instances, i => i.ParentBookmarkId), JsonColumn.Of(instances, i => JsonColumn.Serialize(i.State)), Column(instances, i => i.Owner),
    ];

    public static object[] MessageColumns(IReadOnlyList<OutgoingMessage> messages) =>
    [
        Column(messages, m => m.InstanceId), Column(messages, m => m.Kind.ToString()), Column(messages, m => m.Target),
        JsonColumn.Of(messages, m => JsonColumn.Serialize(m.Payload)), Column(messages, m => m.Delay),
    ];

    public static T[] Column<TRow, T>(IReadOnlyList<TRow> rows, Func<TRow, T> value)
    {
        var column = new T[rows.Count];
        for (var i = 0; i < column.Length; i++)
            column[i] = value(rows[i]);
        return column;
    }

    /// <summary>Sets an instance aside whose bursts cannot be committed or run: a fault on the state it was last committed with.</summary>
    public static NpgsqlBatchCommand SetAside(ClaimedInstance claimed, WorkflowState state) => Sql.Batch("""
        UPDATE wf.instances SET status = 'Finished', sub_status = 'Faulted', is_faulted = true, incident_count = $3, state = $4, owner = NULL,
               updated_at = now(), finished_at = now()
        WHERE id = $1 AND fence = $2 AND owner = $5 AND status = 'Running'
        """, claimed.Id, claimed.Fence, state.Incidents.Count, JsonValue.Of(state), claimed.Owner);
}
