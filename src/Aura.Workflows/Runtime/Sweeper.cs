using Aura.Workflows.Storage;
using Microsoft.Extensions.Options;
using Npgsql;

namespace Aura.Workflows.Runtime;

/// <summary>How long finished instances are kept. Null members set no limit.</summary>
public sealed class RetentionOptions
{
    /// <summary>Finished instances older than this go.</summary>
    public TimeSpan? MaxAge { get; set; }

    /// <summary>Of the finished instances of a definition only the newest so many stay.</summary>
    public int? MaxCount { get; set; }

    /// <summary>Rows that one statement deletes at most; small, so that nobody waits for it.</summary>
    public int BatchSize { get; set; } = 500;
}

/// <summary>
/// Clears away what nobody waits for any more, in small batches: messages of instances that have ended, stimuli and HTTP answers past
/// their time, and finished instances by age and count. One host at a time, whichever holds the lock; a batch is a transaction.
/// </summary>
internal sealed class Sweeper(NpgsqlDataSource dataSource, IOptions<WorkflowsOptions> options) : ILoop
{
    private const int LockKey = 987_654_304;

    /// <summary>A host that stands still in the middle of a batch must not keep the others from its rows.</summary>
    private const string LockSql = "SELECT pg_try_advisory_xact_lock($1) FROM set_config('idle_in_transaction_session_timeout', '5s', true)";

    /// <summary>
    /// A stimulus and a bookmark that came at the same moment have not seen each other: here they meet, one to one. A bookmark that is
    /// about to be resumed may be gone then: its turn comes later, if it is still there.
    /// </summary>
    private const string MeetSql = """
        WITH first AS (
            SELECT DISTINCT ON (s.id) s.id AS stimulus_id, b.id, b.instance_id FROM wf.stimuli s JOIN wf.bookmarks b ON left(b.hash, 8) = left(s.hash, 8)
            WHERE b.hash = s.hash AND (s.correlation_id IS NULL OR s.correlation_id = b.correlation_id) AND s.expires_at > now()
              AND NOT EXISTS (SELECT FROM wf.messages m WHERE m.instance_id = b.instance_id AND m.target = b.id AND m.due_at <= now())
            ORDER BY s.id, b.created_at, b.id
        ), pair AS (
            SELECT DISTINCT ON (id) stimulus_id, id, instance_id FROM first ORDER BY id, stimulus_id
        ), met AS (
            DELETE FROM wf.stimuli s USING pair WHERE s.id = pair.stimulus_id RETURNING pair.instance_id, pair.id, s.payload)
        INSERT INTO wf.messages (instance_id, kind, target, payload) SELECT instance_id, 'Resume', id, payload FROM met
        """;

    private static readonly string[] Debris =
    [
        "DELETE FROM wf.stimuli WHERE id IN (SELECT id FROM wf.stimuli WHERE expires_at < now() LIMIT $1)",
        // The longest that a client may wait, and that a workflow may take to answer one that has left.
        "DELETE FROM wf.http_responses WHERE request_id IN (SELECT request_id FROM wf.http_responses WHERE created_at < now() - interval '1 day' LIMIT $1)",
        // Long after the last worker has stopped asking whether its answer was taken.
        "DELETE FROM wf.task_answers WHERE (task_id, fence) IN (SELECT task_id, fence FROM wf.task_answers WHERE answered_at < now() - interval '7 days' LIMIT $1)",
        "DELETE FROM wf.alteration_plans WHERE id IN (SELECT id FROM wf.alteration_plans WHERE created_at < now() - interval '30 days' LIMIT $1)",
        // What is due for an instance that is over will never be heard; what a faulted one kept waits for its retry.
        """
        DELETE FROM wf.messages WHERE id IN (
            SELECT m.id FROM wf.messages m LEFT JOIN wf.instances i ON i.id = m.instance_id
            WHERE m.due_at < now() - interval '10 seconds' AND (i.id IS NULL OR (i.status = 'Finished' AND NOT i.is_faulted)) LIMIT $1)
        """,
    ];

    // An instance goes with all that hangs on it, unless it is being retried at the moment; children of another instance stay until their
    // own time.
    private const string PruneHead = "WITH old AS MATERIALIZED (SELECT id FROM wf.instances WHERE id IN (";

    private const string PruneTail = """
        ) AND status = 'Finished' FOR UPDATE SKIP LOCKED),
        h AS (DELETE FROM wf.history WHERE instance_id IN (SELECT id FROM old)),
        b AS (DELETE FROM wf.bookmarks WHERE instance_id IN (SELECT id FROM old)),
        t AS (DELETE FROM wf.tasks WHERE instance_id IN (SELECT id FROM old)),
        m AS (DELETE FROM wf.messages WHERE instance_id IN (SELECT id FROM old)),
        a AS (DELETE FROM wf.activations WHERE instance_id IN (SELECT id FROM old))
        DELETE FROM wf.instances WHERE id IN (SELECT id FROM old)
        """;

    /// <summary>Deletes those of the given instances that have ended, with all that hangs on them.</summary>
    public const string DeleteEndedSql = PruneHead + "SELECT id FROM wf.instances WHERE id = ANY($1) AND status = 'Finished'" + PruneTail;

    private const string PruneByAgeSql = PruneHead + """
        SELECT id FROM wf.instances WHERE created_at < now() - $2 AND status = 'Finished' AND finished_at < now() - $2 ORDER BY created_at LIMIT $1
        """ + PruneTail;

    private const string PruneByCountSql = PruneHead + """
        SELECT i.id FROM (SELECT DISTINCT definition_id FROM wf.definitions) d
        CROSS JOIN LATERAL (
            SELECT id FROM wf.instances WHERE definition_id = d.definition_id AND status = 'Finished' ORDER BY created_at DESC OFFSET $2 LIMIT $1) i
        LIMIT $1
        """ + PruneTail;

    public string Name => "sweeper";

    public TimeSpan Interval => TimeSpan.FromSeconds(5);

    public bool HearsPulse => false;

    public async Task<int> RunOnceAsync(CancellationToken cancellationToken)
    {
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        if (await ScalarAsync(connection, LockSql, cancellationToken, LockKey) is not true)
            return 0;
        await ExecuteAsync(connection, MeetSql, cancellationToken);
        var retention = options.Value.Retention;
        var most = 0;
        foreach (var sql in Debris)
            most = Math.Max(most, await ExecuteAsync(connection, sql, cancellationToken, retention.BatchSize));
        if (retention.MaxAge is { } age)
            most = Math.Max(most, await ExecuteAsync(connection, PruneByAgeSql, cancellationToken, retention.BatchSize, age));
        if (retention.MaxCount is { } count)
            most = Math.Max(most, await ExecuteAsync(connection, PruneByCountSql, cancellationToken, retention.BatchSize, count));
        await transaction.CommitAsync(cancellationToken);
        // A full batch: there is more. The pause is for the others.
        return most >= retention.BatchSize ? most : 0;
    }

    private static async Task<int> ExecuteAsync(NpgsqlConnection connection, string sql, CancellationToken cancellationToken, params object[] values)
    {
        await using var command = Command(connection, sql, values);
        return await command.ExecuteNonQueryAsync(cancellationToken);
    }

    private static async Task<object?> ScalarAsync(NpgsqlConnection connection, string sql, CancellationToken cancellationToken, params object[] values)
    {
        await using var command = Command(connection, sql, values);
        return await command.ExecuteScalarAsync(cancellationToken);
    }

    private static NpgsqlCommand Command(NpgsqlConnection connection, string sql, object[] values)
    {
        var command = new NpgsqlCommand(sql, connection);
        foreach (var value in values)
            command.Parameters.Add(new() { Value = value });
        return command;
    }
}
