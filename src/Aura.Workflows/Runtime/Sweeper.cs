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

    /// <summary>A stimulus and a bookmark that came at the same moment have not seen each other: here they meet.</summary>
    private const string MeetSql = """
        WITH met AS (
            DELETE FROM wf.stimuli s USING wf.bookmarks b
            WHERE s.hash = b.hash AND (s.correlation_id IS NULL OR s.correlation_id = b.correlation_id) AND s.expires_at > now()
            RETURNING b.instance_id, b.id, s.payload)
        INSERT INTO wf.messages (instance_id, kind, target, payload) SELECT instance_id, 'Resume', id, payload FROM met
        """;

    private static readonly string[] Debris =
    [
        "DELETE FROM wf.stimuli WHERE id IN (SELECT id FROM wf.stimuli WHERE expires_at < now() LIMIT $1)",
        // The longest that a client may wait, and that a workflow may take to answer one that has left.
        "DELETE FROM wf.http_responses WHERE request_id IN (SELECT request_id FROM wf.http_responses WHERE created_at < now() - interval '1 day' LIMIT $1)",
        // What is due for an instance that is over will never be heard; what a faulted one kept waits for its retry.
        """
        DELETE FROM wf.messages WHERE id IN (
            SELECT m.id FROM wf.messages m LEFT JOIN wf.instances i ON i.id = m.instance_id
            WHERE m.due_at < now() - interval '10 seconds' AND (i.id IS NULL OR (i.status = 'Finished' AND NOT i.is_faulted)) LIMIT $1)
        """,
    ];

    private const string PruneByAgeSql = """
        SELECT id FROM wf.instances WHERE created_at < now() - $2 AND status = 'Finished' AND finished_at < now() - $2 ORDER BY created_at LIMIT $1
        """;

    private const string PruneByCountSql = """
        SELECT i.id FROM (SELECT DISTINCT definition_id FROM wf.definitions) d
        CROSS JOIN LATERAL (
            SELECT id FROM wf.instances WHERE definition_id = d.definition_id AND status = 'Finished' ORDER BY created_at DESC OFFSET $2 LIMIT $1) i
        LIMIT $1
        """;

    public string Name => "sweeper";

    public TimeSpan Interval => TimeSpan.FromSeconds(5);

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
            most = Math.Max(most, await PruneAsync(connection, PruneByAgeSql, retention.BatchSize, age, cancellationToken));
        if (retention.MaxCount is { } count)
            most = Math.Max(most, await PruneAsync(connection, PruneByCountSql, retention.BatchSize, count, cancellationToken));
        await transaction.CommitAsync(cancellationToken);
        // A full batch: there is more. The pause is for the others.
        return most >= retention.BatchSize ? most : 0;
    }

    /// <summary>Deletes the instances that a query gives, with all that hangs on them; those that run stay.</summary>
    public static string DeleteSql(string select) => $"""
        WITH old AS MATERIALIZED ({select}),
        h AS (DELETE FROM wf.history WHERE instance_id IN (SELECT id FROM old)),
        b AS (DELETE FROM wf.bookmarks WHERE instance_id IN (SELECT id FROM old)),
        t AS (DELETE FROM wf.tasks WHERE instance_id IN (SELECT id FROM old)),
        m AS (DELETE FROM wf.messages WHERE instance_id IN (SELECT id FROM old)),
        a AS (DELETE FROM wf.activations WHERE instance_id IN (SELECT id FROM old))
        DELETE FROM wf.instances WHERE id IN (SELECT id FROM old) AND status = 'Finished'
        """;

    private static Task<int> PruneAsync(NpgsqlConnection connection, string select, int batch, object limit, CancellationToken cancellationToken) =>
        ExecuteAsync(connection, DeleteSql(select), cancellationToken, batch, limit);

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
