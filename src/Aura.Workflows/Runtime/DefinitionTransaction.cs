using Aura.Workflows.Definitions;
using Aura.Workflows.Storage;
using Npgsql;

namespace Aura.Workflows.Runtime;

/// <summary>What else happens in the transaction that publishes, retracts or deletes a definition: for example its schedules.</summary>
public interface IPublicationEffect
{
    /// <param name="triggers">The activities that start the workflow, with the payloads that were indexed.</param>
    IEnumerable<NpgsqlBatchCommand> Published(WorkflowDefinition definition, IReadOnlyList<(string ActivityId, TriggerPayload Payload)> triggers);

    IEnumerable<NpgsqlBatchCommand> Retracted(string definitionId);
}

/// <summary>
/// A transaction over definitions. Lock order: the definitions (by the hash of their ids), then the route lock. Whoever changes a
/// definition holds its lock, so that two hosts change it one after the other.
/// </summary>
internal sealed class DefinitionTransaction : IAsyncDisposable
{
    private readonly NpgsqlConnection _connection;
    private readonly NpgsqlTransaction _transaction;
    private readonly CancellationToken _cancellationToken;

    private DefinitionTransaction(NpgsqlConnection connection, NpgsqlTransaction transaction, CancellationToken cancellationToken)
    {
        _connection = connection;
        _transaction = transaction;
        _cancellationToken = cancellationToken;
    }

    public static async Task<DefinitionTransaction> BeginAsync(
        NpgsqlDataSource dataSource, IReadOnlyCollection<string> definitionIds, CancellationToken cancellationToken)
    {
        var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        try
        {
            var transaction = new DefinitionTransaction(connection, await connection.BeginTransactionAsync(cancellationToken), cancellationToken);
            await transaction.ExecuteAsync(Sql.Batch(
                "SELECT pg_advisory_xact_lock(987654301, h) FROM (SELECT DISTINCT hashtext(id) AS h FROM unnest($1::text[]) id ORDER BY h) locks",
                (object)definitionIds.ToArray()));
            return transaction;
        }
        catch
        {
            await connection.DisposeAsync();
            throw;
        }
    }

    /// <summary>Only one definition with HTTP endpoints is published at a time: two must not take the same route.</summary>
    public Task LockRoutesAsync() => ExecuteAsync(Sql.Batch("SELECT pg_advisory_xact_lock(987654302)"));

    public async Task<List<T>> QueryAsync<T>(string sql, object?[] values, Func<NpgsqlDataReader, T> read)
    {
        await using var batch = new NpgsqlBatch(_connection, _transaction) { BatchCommands = { Sql.Batch(sql, values) } };
        await using var reader = await batch.ExecuteReaderAsync(_cancellationToken);
        var rows = new List<T>();
        while (await reader.ReadAsync(_cancellationToken))
            rows.Add(read(reader));
        return rows;
    }

    /// <returns>The number of rows that the last statement touched.</returns>
    public async Task<int> ExecuteAsync(params NpgsqlBatchCommand[] statements)
    {
        if (statements.Length == 0)
            return 0;
        await using var batch = new NpgsqlBatch(_connection, _transaction);
        foreach (var statement in statements)
            batch.BatchCommands.Add(statement);
        await batch.ExecuteNonQueryAsync(_cancellationToken);
        return (int)statements[^1].RecordsAffected;
    }

    /// <summary>Executes the record of a change, when one is wanted.</summary>
    public async Task RecordAsync(
        Func<DefinitionChange, NpgsqlBatchCommand>? along, DefinitionAct act, WorkflowDefinition definition, IReadOnlyList<string>? consumers = null)
    {
        if (along is not null)
            await ExecuteAsync(along(new(act, definition, consumers ?? [])));
    }

    public Task CommitAsync() => _transaction.CommitAsync(_cancellationToken);

    public async ValueTask DisposeAsync()
    {
        await _transaction.DisposeAsync();
        await _connection.DisposeAsync();
    }
}
