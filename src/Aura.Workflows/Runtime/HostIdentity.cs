using Aura.Workflows.Storage;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Npgsql;

namespace Aura.Workflows.Runtime;

/// <summary>The id under which this process holds leases.</summary>
public sealed class HostIdentity(IOptions<WorkflowsOptions> options)
{
    public string Id { get; } = $"{options?.Value.HostName}-{WorkflowExecutionContext.NewId()[..8]}";
}

/// <summary>
/// Keeps this host's row in <c>wf.hosts</c> with a session advisory lock on its number, and frees the leases of hosts whose
/// lock is free (their process is gone, so nobody has to wait) or whose lease has run out. The fence keeps this safe
/// also when such a host was only cut off or stopped for a while.
/// </summary>
internal sealed partial class HostLiveness(
    NpgsqlDataSource dataSource, HostIdentity host, Pulse pulse, IOptions<WorkflowsOptions> options, ILogger<HostLiveness> logger) : ILoop, IAsyncDisposable
{
    private const int LockClass = 987_654_302;

    /// <summary>A host that stands still in the middle of reaping must not keep the others from it for long.</summary>
    private const string Patience = "5s";

    /// <summary>Row and lock become visible together: no one may see the row before the lock is held.</summary>
    internal const string RegisterSql = """
        WITH mine AS (
            INSERT INTO wf.hosts (id, name, lease_until) VALUES ($1, $2, now() + $4)
            ON CONFLICT (id) DO UPDATE SET seen_at = now(), lease_until = excluded.lease_until RETURNING number)
        SELECT pg_advisory_lock($3, number) FROM mine
        """;

    internal const string HeartbeatSql = "UPDATE wf.hosts SET seen_at = now(), lease_until = now() + $2 WHERE id = $1";

    /// <summary>
    /// Dead: nobody holds its lock. Or silent for longer than its lease: stopped, cut off, too slow. Passed over while a claim or a start
    /// of it is under way.
    /// </summary>
    internal const string LockGoneSql = """
        SELECT id FROM wf.hosts WHERE id = $3 AND (lease_until < now() OR pg_try_advisory_xact_lock($1, $2)) FOR UPDATE SKIP LOCKED
        """;

    internal const string FreeTasksSql = """
        UPDATE wf.tasks SET owner = NULL, lease_until = NULL, fence = fence + 1, last_error = 'The process that worked on it is gone.'
        WHERE owner = $1
        """;

    internal const string ForgetSql = "DELETE FROM wf.hosts WHERE id = $1";

    private NpgsqlConnection? _held;

    public string Name => "host-liveness";

    public TimeSpan Interval => TimeSpan.FromSeconds(1);

    public bool HearsPulse => false;

    /// <summary>Frees a host's instances; their fence moves on, so that nothing the host still does to them is accepted.</summary>
    internal const string FreeInstancesSql =
        "WITH freed AS (UPDATE wf.instances SET owner = NULL, fence = fence + 1 WHERE owner = $1 AND status = 'Running'";

    /// <summary>What woke them may be used up: a start message makes sure that somebody goes on.</summary>
    internal const string TellFreedSql = "INSERT INTO wf.messages (instance_id, kind) SELECT id, 'Start' FROM freed";

    public async Task<int> RunOnceAsync(CancellationToken cancellationToken)
    {
        await HoldAsync(cancellationToken);
        var rows = await dataSource.ExecuteAsync(
            HeartbeatSql, [host.Id, options.Value.HostLease], cancellationToken);
        if (rows == 0)
            // Taken for dead (the machine slept, the database was out of reach): its leases are gone, it begins anew.
            await ForgetAsync();
        var others = await dataSource.QueryAsync(
            "SELECT id, number FROM wf.hosts WHERE id <> $1", [host.Id], r => (Id: r.GetString(0), Number: r.GetInt32(1)), cancellationToken);
        foreach (var other in others)
            await ReapAsync(other.Id, other.Number, cancellationToken);
        return 0;
    }

    public async ValueTask DisposeAsync()
    {
        if (_held is not { } held)
            return;
        try
        {
            // A claim that the stop cut off may have been carried out: with the row would go the only trace of it.
            // A task that did not listen to the stop may still run: its lease runs out by itself.
            await using var batch = new NpgsqlBatch(held)
            {
                BatchCommands = { Sql.Batch(FreeInstancesSql + " RETURNING id) " + TellFreedSql, host.Id), Sql.Batch(ForgetSql, host.Id), Sql.Batch(CommitSql.Wake) },
            };
            await batch.ExecuteNonQueryAsync();
        }
        catch (NpgsqlException)
        {
            // The database is gone before us: the next host that starts finds the row and its free lock.
        }

        await held.DisposeAsync();
    }

    private async Task HoldAsync(CancellationToken cancellationToken)
    {
        if (_held is { State: System.Data.ConnectionState.Open })
        {
            // A query notices a dead connection; the state alone does not.
            await using var ping = new NpgsqlCommand("SELECT 1", _held);
            try
            {
                await ping.ExecuteScalarAsync(cancellationToken);
                return;
            }
            catch (NpgsqlException)
            {
                await _held.DisposeAsync();
                _held = null;
            }
        }

        var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        try
        {
            await RegisterAsync(connection, cancellationToken);
        }
        catch
        {
            await connection.DisposeAsync();
            throw;
        }

        _held = connection;
        // From now on this host may own something.
        pulse.Beat();
    }

    private async Task RegisterAsync(NpgsqlConnection connection, CancellationToken cancellationToken)
    {
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        await using var command = new NpgsqlCommand(RegisterSql, connection, transaction);
        command.Parameters.Add(new() { Value = host.Id });
        command.Parameters.Add(new() { Value = options.Value.HostName });
        command.Parameters.Add(new() { Value = LockClass });
        command.Parameters.Add(new() { Value = options.Value.HostLease });
        await command.ExecuteNonQueryAsync(cancellationToken);
        await transaction.CommitAsync(cancellationToken);
    }

    private async Task ForgetAsync()
    {
        if (_held is { } held)
            await held.DisposeAsync();
        _held = null;
    }

    private async Task ReapAsync(string id, int number, CancellationToken cancellationToken)
    {
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        await using var patience = new NpgsqlCommand($"SET LOCAL idle_in_transaction_session_timeout = '{Patience}'", connection, transaction);
        await patience.ExecuteNonQueryAsync(cancellationToken);
        await using var isGone = new NpgsqlCommand(LockGoneSql, connection, transaction);
        isGone.Parameters.Add(new() { Value = LockClass });
        isGone.Parameters.Add(new() { Value = number });
        isGone.Parameters.Add(new() { Value = id });
        if (await isGone.ExecuteScalarAsync(cancellationToken) is null)
            return;
        await using var batch = new NpgsqlBatch(connection, transaction)
        {
            BatchCommands =
            {
                Sql.Batch(FreeInstancesSql + " RETURNING id) " + TellFreedSql, id),
                Sql.Batch(FreeTasksSql, id),
                Sql.Batch(ForgetSql, id),
                Sql.Batch(CommitSql.Wake),
            },
        };
        await batch.ExecuteNonQueryAsync(cancellationToken);
        await transaction.CommitAsync(cancellationToken);
        LogReaped(logger, id);
        pulse.Beat();
    }

    [LoggerMessage(1110, LogLevel.Warning, "Host {Host} is gone; its leases are free again.")]
    private static partial void LogReaped(ILogger logger, string host);
}

/// <summary>Turns other hosts' notifications into pulses, and tells this host's tasks that they are cancelled.</summary>
internal sealed class WakeListener(NpgsqlDataSource dataSource, Pulse pulse, RunningTasks tasks) : ILoop
{
    public string Name => "wake-listener";

    public TimeSpan Interval => TimeSpan.FromSeconds(1);

    public bool HearsPulse => false;

    public async Task<int> RunOnceAsync(CancellationToken cancellationToken)
    {
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        connection.Notification += (_, notification) =>
        {
            if (notification.Channel == "wf_cancel")
                tasks.Cancel(notification.Payload);
            else
                pulse.Beat();
        };
        await using (var listen = new NpgsqlCommand("LISTEN wf; LISTEN wf_cancel", connection))
            await listen.ExecuteNonQueryAsync(cancellationToken);
        pulse.Beat();
        while (await connection.WaitAsync(TimeSpan.FromSeconds(10), cancellationToken) || connection.State == System.Data.ConnectionState.Open)
        {
            // Returning now and then lets the runner see that this loop is alive.
            if (cancellationToken.IsCancellationRequested)
                break;
        }

        return 0;
    }
}
