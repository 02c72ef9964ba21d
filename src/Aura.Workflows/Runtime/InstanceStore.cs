using System.Globalization;
using System.Text.Json;
using Aura.Workflows.Definitions;
using Aura.Workflows.Storage;
using Npgsql;

namespace Aura.Workflows.Runtime;

/// <summary>Reads instances and their history. Lists never touch the state, and cost the same however many instances there are.</summary>
public sealed partial class InstanceStore(NpgsqlDataSource dataSource)
{
    /// <summary>Above this a list's total is an estimate: an exact one would mean reading all that is counted.</summary>
    public const int ExactCount = 1000;

    /// <summary>A list looks no longer than this; then its filter is to blame.</summary>
    private static readonly TimeSpan LongestList = TimeSpan.FromSeconds(15);

    /// <param name="skip">Rows to pass over. Deep pages of a long list cost their depth.</param>
    /// <remarks>
    /// In another order than by creation a list is of the newest (or, ascending, the oldest) <see cref="InstanceQuery.Window"/> instances that
    /// the filter lets through, and its total is their number.
    /// </remarks>
    /// <exception cref="ListTooExpensiveException">The filter leaves too much to look through.</exception>
    public async Task<Page<InstanceSummary>> ListAsync(
        InstanceFilter filter, int skip = 0, int take = 50, InstanceOrder order = InstanceOrder.Created, bool descending = true,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(filter);
        (skip, take) = (Math.Max(skip, 0), Math.Clamp(take, 0, 1000));
        var query = new InstanceQuery(filter, await SystemDefinitionsAsync(filter, cancellationToken));
        if (await IsFewAsync(query, cancellationToken))
            return await CountedPageAsync(query, query.PageOfFew, cancellationToken);
        if (order != InstanceOrder.Created)
            return await CountedPageAsync(query, query.PageOfWindow, cancellationToken);
        var items = await ListingAsync(query.Page(descending, skip, take), query.Values, ReadSummary, cancellationToken);
        return new(items, await CountAsync(query, cancellationToken));

        async Task<Page<InstanceSummary>> CountedPageAsync(
            InstanceQuery query, Func<InstanceOrder, bool, int, int, string> page, CancellationToken cancellationToken)
        {
            var rows = await ListingAsync(
                page(order, descending, skip, Math.Max(take, 1)), query.Values, r => (Row: ReadSummary(r), Total: r.GetInt64(14)), cancellationToken);
            // A page beyond the end has no row to carry the count.
            if (rows.Count == 0 && skip > 0)
                return new([], (await ListAsync(filter, 0, 1, order, descending, cancellationToken)).TotalCount);
            return new([.. rows.Take(take).Select(r => r.Row)], rows.Count > 0 ? rows[0].Total : 0);
        }
    }

    /// <summary>The ids of what a filter lets through, the newest first, at most <paramref name="limit"/>.</summary>
    public async Task<IReadOnlyList<string>> ListIdsAsync(InstanceFilter filter, int limit, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(filter);
        var query = new InstanceQuery(filter, await SystemDefinitionsAsync(filter, cancellationToken));
        return await ListingAsync(
            await IsFewAsync(query, cancellationToken) ? query.IdsOfFew(limit) : query.Ids(limit), query.Values, r => r.GetString(0), cancellationToken);
    }

    public async Task<InstanceSummary?> FindAsync(string id, CancellationToken cancellationToken = default) => (await dataSource.QueryAsync(
        $"SELECT {InstanceQuery.Columns} FROM wf.instances i WHERE i.id = $1", [id], ReadSummary, cancellationToken)).FirstOrDefault();

    /// <summary>An instance with its state, both of one moment; null when there is no such instance.</summary>
    public async Task<InstanceDetails?> FindDetailsAsync(string id, CancellationToken cancellationToken = default) => (await dataSource.QueryAsync(
        $"SELECT {InstanceQuery.Columns}, state FROM wf.instances i WHERE i.id = $1", [id],
        r => new InstanceDetails(ReadSummary(r), JsonSerializer.Deserialize<WorkflowState>(r.GetString(14), WorkflowJson.Options)!), cancellationToken))
        .FirstOrDefault();

    /// <summary>Deletes instances that have ended, with all that hangs on them. Running ones stay: cancel them first.</summary>
    /// <param name="along">Statements that go out with it when any was deleted.</param>
    /// <returns>How many were deleted.</returns>
    public async Task<int> DeleteAsync(
        IReadOnlyCollection<string> ids, IReadOnlyList<NpgsqlBatchCommand>? along = null, CancellationToken cancellationToken = default)
    {
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        await using var batch = new NpgsqlBatch(connection, transaction) { BatchCommands = { Sql.Batch(Sweeper.DeleteEndedSql, (object)ids.ToArray()) } };
        var deleted = await batch.ExecuteNonQueryAsync(cancellationToken);
        if (deleted > 0 && along is { Count: > 0 })
        {
            batch.BatchCommands.Clear();
            foreach (var statement in along)
                batch.BatchCommands.Add(statement);
            await batch.ExecuteNonQueryAsync(cancellationToken);
        }

        await transaction.CommitAsync(cancellationToken);
        return deleted;
    }

    private async Task<bool> IsFewAsync(InstanceQuery query, CancellationToken cancellationToken) => query.MayBeFew
        && (await ListingAsync(query.CountFew, query.Values, r => r.GetInt64(0), cancellationToken))[0] <= InstanceQuery.Few;

    private async Task<IReadOnlyCollection<string>> SystemDefinitionsAsync(InstanceFilter filter, CancellationToken cancellationToken) =>
        filter.IsSystem is null
            ? []
            : await dataSource.QueryAsync("SELECT DISTINCT definition_id FROM wf.definitions WHERE is_system", [], r => r.GetString(0), cancellationToken);

    private async Task<long> CountAsync(InstanceQuery query, CancellationToken cancellationToken)
    {
        var counted = (await ListingAsync(query.CountUpTo(ExactCount), query.Values, r => r.GetInt64(0), cancellationToken))[0];
        if (counted <= ExactCount || query.Estimate is not { } explain)
            return counted;
        var plan = await ListingAsync(explain, query.Values, r => r.GetString(0), cancellationToken);
        using var json = JsonDocument.Parse(plan[0]);
        return Math.Max(counted, (long)json.RootElement[0].GetProperty("Plan").GetProperty("Plan Rows").GetDouble());
    }

    /// <summary>A statement for a list: not compiled (that would take longer than to run it), and ended when it takes too long.</summary>
    private async Task<List<T>> ListingAsync<T>(string sql, object?[] values, Func<NpgsqlDataReader, T> read, CancellationToken cancellationToken)
    {
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        await using var batch = new NpgsqlBatch(connection)
        {
            BatchCommands =
            {
                Sql.Batch("SELECT set_config('jit', 'off', true), set_config('statement_timeout', $1, true)",
                    ((long)LongestList.TotalMilliseconds).ToString(CultureInfo.InvariantCulture)),
                Sql.Batch(sql, values),
            },
        };
        try
        {
            await using var reader = await batch.ExecuteReaderAsync(cancellationToken);
            await reader.NextResultAsync(cancellationToken);
            var rows = new List<T>();
            while (await reader.ReadAsync(cancellationToken))
                rows.Add(read(reader));
            return rows;
        }
        catch (PostgresException e) when (e.SqlState == PostgresErrorCodes.QueryCanceled && !cancellationToken.IsCancellationRequested)
        {
            throw new ListTooExpensiveException(e);
        }
    }

    private static InstanceSummary ReadSummary(NpgsqlDataReader r) => new(
        r.GetString(0), r.GetString(1), r.GetString(2), r.GetInt32(3), Enum.Parse<WorkflowStatus>(r.GetString(4)), Enum.Parse<WorkflowSubStatus>(r.GetString(5)),
        r.Text(6), r.Text(7), r.Text(8), r.GetInt32(9), r.GetBoolean(10), r.GetFieldValue<DateTimeOffset>(11), r.GetFieldValue<DateTimeOffset>(12),
        r.IsDBNull(13) ? null : r.GetFieldValue<DateTimeOffset>(13));
}
