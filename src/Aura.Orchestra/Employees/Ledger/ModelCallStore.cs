using Aura.Orchestra.Storage;
using Npgsql;
using static Aura.Orchestra.Storage.Statement;

namespace Aura.Orchestra.Employees.Ledger;

/// <summary>A ledger row as it is read.</summary>
public sealed record RecordedCall(long Id, ModelCall Call);

/// <summary>The ledger in the database. Rows are only ever added.</summary>
public sealed class ModelCallStore(NpgsqlDataSource dataSource) : IModelLedger
{
    private const string Columns =
        "purpose, prd_id, job_id, attempt, backend, model, prompt_tokens, cached_tokens, completion_tokens, cost, price_table, latency, first_token, "
        + "retries, finish, error_code, started_at";

    /// <inheritdoc/>
    public Task RecordAsync(ModelCall call, CancellationToken cancellationToken) => dataSource.CommitAsync(Insert(call), cancellationToken);

    /// <summary>The row, for someone else's transaction.</summary>
    public static NpgsqlBatchCommand Insert(ModelCall call)
    {
        ArgumentNullException.ThrowIfNull(call);
        return Of(
            $"INSERT INTO aura.model_calls ({Columns}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)",
            Text(call.Purpose), Text(call.PrdId), Text(call.JobId), Int(call.Attempt), Text(call.Backend), Text(call.Model),
            Long(call.Usage?.Prompt), Long(call.Usage?.Cached), Long(call.Usage?.Completion), Decimal(call.Cost), Text(call.PriceTable),
            Span(call.Latency), Span(call.FirstToken), Int(call.Retries), Text(call.Finish), Text(call.ErrorCode), Time(call.StartedAt));
    }

    /// <summary>A model's calls, the newest first.</summary>
    /// <param name="model">Its name.</param>
    /// <param name="before">Only ids below this one (the next page); null from the newest.</param>
    /// <param name="limit">At most so many.</param>
    /// <param name="cancellationToken">Ends the reading.</param>
    public Task<IReadOnlyList<RecordedCall>> OfModelAsync(string model, long? before = null, int limit = 100,
        CancellationToken cancellationToken = default) =>
        dataSource.ReadAsync(
            $"SELECT id, {Columns} FROM aura.model_calls WHERE model = $1 AND ($2 IS NULL OR id < $2) ORDER BY id DESC LIMIT $3",
            Read, [Text(model), Long(before), Int(limit)], cancellationToken);

    /// <summary>A job's calls in their order.</summary>
    public Task<IReadOnlyList<RecordedCall>> OfJobAsync(string jobId, CancellationToken cancellationToken = default) =>
        dataSource.ReadAsync($"SELECT id, {Columns} FROM aura.model_calls WHERE job_id = $1 ORDER BY id", Read, [Text(jobId)], cancellationToken);

    private static RecordedCall Read(NpgsqlDataReader r) => new(r.GetInt64(0), new()
    {
        Purpose = r.GetString(1),
        PrdId = r.TextOrNull(2),
        JobId = r.TextOrNull(3),
        Attempt = r.IsDBNull(4) ? null : r.GetInt32(4),
        Backend = r.GetString(5),
        Model = r.GetString(6),
        Usage = r.IsDBNull(7) ? null : new(r.GetInt64(7), r.GetInt64(8), r.GetInt64(9)),
        Cost = r.IsDBNull(10) ? null : r.GetDecimal(10),
        PriceTable = r.TextOrNull(11),
        Latency = r.GetFieldValue<TimeSpan>(12),
        FirstToken = r.IsDBNull(13) ? null : r.GetFieldValue<TimeSpan>(13),
        Retries = r.GetInt32(14),
        Finish = r.GetString(15),
        ErrorCode = r.TextOrNull(16),
        StartedAt = r.Time(17),
    });
}
