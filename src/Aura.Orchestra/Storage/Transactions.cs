using Npgsql;

namespace Aura.Orchestra.Storage;

/// <summary>Runs the statements that stores return.</summary>
public static class Transactions
{
    // Off for one transaction. PostgreSQL looks at it when the transaction commits.
    private const string NotWaiting = "SELECT set_config('synchronous_commit', 'off', true)";

    /// <summary>Commits the statements as one transaction, in order.</summary>
    /// <param name="isDurable">
    /// False does not wait for the disk: a crash of the server may lose the last moments' transactions of this kind, whole, and nothing else.
    /// For statements whose texts are always the same: each stays prepared.
    /// </param>
    /// <returns>How many rows each statement wrote. 0 from a guarded change means that the row was not in a state that allows it.</returns>
    /// <exception cref="PostgresException">A constraint refused one of them; then none took place.</exception>
    public static async Task<IReadOnlyList<long>> CommitAsync(
        this NpgsqlDataSource dataSource, IReadOnlyList<NpgsqlBatchCommand> statements, CancellationToken cancellationToken = default,
        bool isDurable = true)
    {
        ArgumentNullException.ThrowIfNull(dataSource);
        ArgumentNullException.ThrowIfNull(statements);
        if (statements.Count == 0)
            return [];
        // A batch is one transaction without BEGIN and COMMIT, and so one round trip: all of it stands before the only Sync.
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        await using var batch = new NpgsqlBatch(connection);
        if (!isDurable)
            batch.BatchCommands.Add(new(NotWaiting));
        foreach (var statement in statements)
            batch.BatchCommands.Add(statement);
        // Where nobody waits for the disk, parsing and planning are what is left. Once a connection: the texts are few and always the same.
        if (!isDurable)
            await batch.PrepareAsync(cancellationToken);
        await batch.ExecuteNonQueryAsync(cancellationToken);
        return [.. statements.Select(s => (long)s.RecordsAffected)];
    }

    /// <summary>Commits one statement. Returns the number of rows it wrote.</summary>
    public static async Task<long> CommitAsync(
        this NpgsqlDataSource dataSource, NpgsqlBatchCommand statement, CancellationToken cancellationToken = default) =>
        (await CommitAsync(dataSource, [statement], cancellationToken))[0];

    /// <summary>Commits the guard and the rest as one transaction, or nothing when the guard writes no row.</summary>
    /// <returns>Whether it was committed.</returns>
    public static async Task<bool> CommitIfAsync(
        this NpgsqlDataSource dataSource, NpgsqlBatchCommand guard, IReadOnlyList<NpgsqlBatchCommand> rest,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(dataSource);
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        if ((await ExecuteAsync(connection, transaction, [guard], cancellationToken))[0] == 0)
            return false;
        await ExecuteAsync(connection, transaction, rest, cancellationToken);
        await transaction.CommitAsync(cancellationToken);
        return true;
    }

    private static async Task<IReadOnlyList<long>> ExecuteAsync(
        NpgsqlConnection connection, NpgsqlTransaction transaction, IReadOnlyList<NpgsqlBatchCommand> statements, CancellationToken cancellationToken)
    {
        if (statements.Count == 0)
            return [];
        await using var batch = new NpgsqlBatch(connection, transaction);
        foreach (var statement in statements)
            batch.BatchCommands.Add(statement);
        await batch.ExecuteNonQueryAsync(cancellationToken);
        return [.. statements.Select(s => (long)s.RecordsAffected)];
    }
}
