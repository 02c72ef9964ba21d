using System.Collections.Concurrent;
using System.Text.Json;
using Aura.Workflows.Storage;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Npgsql;

namespace Aura.Workflows.Runtime;

/// <summary>A queue that this host works on, and how many tasks of it at a time.</summary>
/// <param name="Queue">A queue's name; a trailing <c>*</c> takes all queues that begin so.</param>
public sealed record TaskQueue(string Queue, int Concurrency);

internal sealed record ClaimedTask(
    long Id, string InstanceId, string DefinitionVersionId, string? CorrelationId, string ActivityInstanceId, string NodeId, string ActivityType,
    JsonElement Input, int Attempt, int MaxAttempts, TimeSpan Timeout, long Fence, string? LastError);

/// <summary>Claims durable tasks of one queue, the most urgent first, and keeps a bounded number of attempts under way.</summary>
internal sealed partial class TaskLoop(
    TaskQueue queue, NpgsqlDataSource dataSource, TaskAttempts attempts, HostIdentity host, TimeProvider time, IOptions<WorkflowsOptions> options,
    ILogger<TaskLoop> logger) : ILoop, IAsyncDisposable
{
    /// <summary>
    /// Tasks that <c>wf.claim_keyed_tasks</c> has let through; those without a concurrency key take the room that is left. Of one queue they
    /// come in the order of an index.
    /// </summary>
    internal static readonly string ClaimOneSql = Claim("t.queue = $2 AND $3::text IS NOT NULL");

    /// <summary>The same for all queues between two names.</summary>
    internal static readonly string ClaimSql = Claim("t.queue >= $2 AND t.queue <= $3");

    private readonly ConcurrentDictionary<long, Task> _inFlight = new();
    private readonly (string From, string To) _range = RangeOf(queue.Queue);
    private readonly CancellationTokenSource _abandon = new();
    private readonly KeyedConnection _connection = new(dataSource, options.Value.HostLease);

    /// <summary>The same of those tasks alone whose inputs hold one of the given values: for a worker outside the hosts.</summary>
    internal static readonly string ClaimMatchingSql = Claim("t.queue >= $2 AND t.queue <= $3 AND wf.task_matches(t.input, $6)")
        .Replace("$4, $5))", "$4, $5, $6))", StringComparison.Ordinal);

    /// <summary>What <see cref="Read"/> reads, of a task <c>t</c> and its instance <c>i</c>.</summary>
    internal const string Columns = """
        SELECT t.id, t.instance_id, i.definition_version_id, i.correlation_id, t.activity_instance_id, t.node_id, t.activity_type, t.input, t.attempt,
               t.max_attempts, t.timeout_seconds, t.fence, t.last_error
        """;

    private static string Claim(string inQueue) => $"""
        WITH keyed AS MATERIALIZED (SELECT * FROM wf.claim_keyed_tasks($1, $2, $3, $4, $5)),
        next AS MATERIALIZED (
            SELECT t.id FROM wf.tasks t
            WHERE {inQueue} AND t.available_at <= now() AND (t.lease_until IS NULL OR t.lease_until < now())
              AND t.concurrency_key IS NULL
            ORDER BY t.priority DESC, t.available_at, t.id LIMIT $4 - (SELECT count(*) FROM keyed) FOR UPDATE SKIP LOCKED
        ), claimed AS (
            UPDATE wf.tasks t SET owner = $1, fence = t.fence + 1, attempt = t.attempt + 1, lease_until = now() + $5, started_at = now()
            FROM next WHERE t.id = next.id
            RETURNING t.*
        )
        {Columns}
        FROM (SELECT * FROM keyed UNION ALL SELECT * FROM claimed) t
        CROSS JOIN LATERAL (SELECT * FROM wf.instances i WHERE i.id = t.instance_id OFFSET 0) i
        """;

    public string Name => $"tasks:{queue.Queue}";

    public TimeSpan Interval => options.Value.PollInterval;

    public async Task<int> RunOnceAsync(CancellationToken cancellationToken)
    {
        var room = queue.Concurrency - _inFlight.Count;
        if (room <= queue.Concurrency / 8)
        {
            // Not at every task that ends: a claim costs the same for one task as for many.
            await Task.WhenAny(_inFlight.Values).WaitAsync(cancellationToken);
            await Task.Delay(TimeSpan.FromMilliseconds(1), time, cancellationToken);
            return 1;
        }

        var claimed = await ClaimAsync(
            _connection, _range.From == _range.To ? ClaimOneSql : ClaimSql,
            [host.Id, _range.From, _range.To, room, options.Value.TaskLease], cancellationToken);
        foreach (var task in claimed)
        {
            var done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            _inFlight[task.Id] = done.Task;
            _ = Task.Run(async () =>
            {
                try
                {
                    await attempts.RunAsync(task, _abandon.Token);
                }
                finally
                {
                    _inFlight.TryRemove(new(task.Id, done.Task));
                    done.SetResult();
                }
            }, CancellationToken.None);
        }

        return claimed.Count;
    }

    /// <summary>
    /// Attempts in flight may finish for a while; then they are cancelled and handed back. One that does not listen is left
    /// behind: its lease runs out.
    /// </summary>
    public async Task DrainAsync()
    {
        var all = Task.WhenAll(_inFlight.Values);
        if (await Task.WhenAny(all, Task.Delay(options.Value.DrainTimeout, time)) == all)
            return;
        await _abandon.CancelAsync();
        if (await Task.WhenAny(all, Task.Delay(options.Value.DrainTimeout, time)) != all)
            LogLeftBehind(logger, _inFlight.Count, queue.Queue);
    }

    public ValueTask DisposeAsync()
    {
        _abandon.Dispose();
        return _connection.DisposeAsync();
    }

    /// <summary>Carries out one of the claims, for whoever works on what comes of it.</summary>
    internal static async Task<List<ClaimedTask>> ClaimAsync(
        KeyedConnection connection, string sql, IEnumerable<object> values, CancellationToken cancellationToken)
    {
        try
        {
            await using var command = new NpgsqlCommand(sql, await connection.OpenAsync(cancellationToken));
            foreach (var value in values)
                command.Parameters.Add(value as NpgsqlParameter ?? new() { Value = value });
            await command.PrepareAsync(cancellationToken);
            // Not cancellable from here on: a claim that was carried out must not go unnoticed.
            await using var reader = await command.ExecuteReaderAsync(CancellationToken.None);
            var claimed = new List<ClaimedTask>();
            while (await reader.ReadAsync(CancellationToken.None))
                claimed.Add(Read(reader));
            return claimed;
        }
        catch (Exception e)
        {
            await connection.RecoverAsync(e);
            throw;
        }
    }

    internal static ClaimedTask Read(NpgsqlDataReader r) => new(
        r.GetInt64(0), r.GetString(1), r.GetString(2), r.Text(3), r.GetString(4), r.GetString(5), r.GetString(6), r.Json(7)!.Value,
        r.GetInt32(8), r.GetInt32(9), TimeSpan.FromSeconds(r.GetDouble(10)), r.GetInt64(11), r.Text(12));

    /// <summary>The names from which to which the queue reaches: itself, or all that begin with what stands before the star.</summary>
    internal static (string From, string To) RangeOf(string name) => name.EndsWith('*') ? (name[..^1], name[..^1] + "\uffff") : (name, name);

    [LoggerMessage(1134, LogLevel.Warning, "{Count} tasks of queue {Queue} did not listen to the stop; they are delivered again when their leases run out.")]
    private static partial void LogLeftBehind(ILogger logger, int count, string queue);
}
