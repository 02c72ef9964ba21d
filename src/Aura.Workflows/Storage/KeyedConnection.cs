using System.Diagnostics;
using Npgsql;

namespace Aura.Workflows.Storage;

/// <summary>
/// A connection of its own for statements that find their rows by keys. A plan made while the tables were empty would scan them for
/// ever after, so the planner is left no other way, and one generic plan is kept for each prepared statement. For a while only: where a vacuum
/// has seen an empty table, one index seems as good as another, until a plan is made that sees how much the table has grown.
/// </summary>
/// <param name="patience">How long a transaction may stand idle before the server ends it: a host that stands still must not keep rows from the others.</param>
/// <param name="planAge">How long plans are kept; five seconds unless told.</param>
internal sealed class KeyedConnection(NpgsqlDataSource dataSource, TimeSpan patience, TimeSpan? planAge = null) : IAsyncDisposable
{
    public const string PlannerSettings =
        "SET enable_seqscan = off; SET enable_bitmapscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off; SET enable_sort = off; "
        + "SET plan_cache_mode = force_generic_plan; SET jit = off";

    private static readonly TimeSpan PlanAge = TimeSpan.FromSeconds(5);

    private NpgsqlConnection? _connection;
    private long _plannedAt;

    public bool IsConnected => _connection?.FullState == System.Data.ConnectionState.Open;

    public async ValueTask<NpgsqlConnection> OpenAsync(CancellationToken cancellationToken = default)
    {
        if (_connection is { State: System.Data.ConnectionState.Open } open)
        {
            if (Stopwatch.GetElapsedTime(_plannedAt) >= (planAge ?? PlanAge))
                await ExecuteAsync(open, "DISCARD PLANS", cancellationToken);
            return open;
        }

        if (_connection is not null)
            await _connection.DisposeAsync();
        _connection = await dataSource.OpenConnectionAsync(cancellationToken);
        var limit = Math.Max(1, (long)patience.TotalMilliseconds);
        await ExecuteAsync(_connection, $"{PlannerSettings}; SET idle_in_transaction_session_timeout = {limit}", cancellationToken);
        return _connection;
    }

    /// <summary>Client and server differ on which statements are prepared: says nothing about the statement's values.</summary>
    public static bool IsMixUp(PostgresException exception) =>
        exception.SqlState is PostgresErrorCodes.InvalidSqlStatementName or PostgresErrorCodes.DuplicatePreparedStatement;

    /// <summary>
    /// After a failure: lets go of a connection that has broken, so that the next use starts on one whose state is known. When a batch's
    /// preparation fails on this side (a value that cannot be sent), Npgsql takes the commands before it for prepared though nothing was
    /// sent, and every later use of them would be refused: such a connection prepares all its statements anew.
    /// </summary>
    public async ValueTask RecoverAsync(Exception failure)
    {
        if (_connection is not { } connection)
            return;
        if (IsConnected)
        {
            if (failure is PostgresException e && !IsMixUp(e))
                return;
            try
            {
                // Npgsql offers no asynchronous form.
                connection.UnprepareAll();
                return;
            }
            catch (NpgsqlException)
            {
                // It is broken after all.
            }
        }

        _connection = null;
        await connection.DisposeAsync();
    }

    public async ValueTask DisposeAsync()
    {
        if (_connection is not null)
            await _connection.DisposeAsync();
    }

    private async Task ExecuteAsync(NpgsqlConnection connection, string settings, CancellationToken cancellationToken)
    {
        await using var command = new NpgsqlCommand(settings, connection);
        await command.ExecuteNonQueryAsync(cancellationToken);
        _plannedAt = Stopwatch.GetTimestamp();
    }
}
