using System.Text.Json;
using Aura.Orchestra.Events;
using Aura.Orchestra.Storage;
using Npgsql;
using NpgsqlTypes;
using static Aura.Orchestra.Storage.Statement;

namespace Aura.Orchestra.Audit;

/// <summary>Who did what to what. Rows are only ever added.</summary>
public sealed record AuditEntry(
    EventCursor Id, string Actor, string Action, string? PrdId, string? JobId, JsonElement Details, DateTimeOffset CreatedAt);

/// <summary>The record of every act.</summary>
public sealed class AuditLog(NpgsqlDataSource dataSource)
{
    /// <summary>One act, for the transaction that carries it out.</summary>
    /// <param name="actor">Who, for example <c>director</c>.</param>
    /// <param name="action">What, for example <c>prd.approve</c>.</param>
    public static NpgsqlBatchCommand Record(string actor, string action, string? prdId = null, string? jobId = null, object? details = null) =>
        Of("INSERT INTO aura.audit_logs (actor, action, prd_id, job_id, details) VALUES ($1, $2, $3, $4, $5)",
            Text(actor), Text(action), Text(prdId), Text(jobId), Json(details ?? new { }));

    /// <summary>
    /// The start of a workflow instance, for the transaction that starts it. Where the definition's activation strategy keeps the instance
    /// out, nothing has happened and nothing is recorded.
    /// </summary>
    public static NpgsqlBatchCommand RecordStart(string actor, string action, string instanceId, object details) =>
        Of("""
            INSERT INTO aura.audit_logs (actor, action, details)
            SELECT $1, $2, $3 WHERE EXISTS (SELECT FROM wf.instances WHERE id = $4 AND created_at = now())
            """, Text(actor), Text(action), Json(details), Text(instanceId));

    /// <summary>The acts after <paramref name="after"/> in an order that never changes behind a reader (as in the event feed).</summary>
    public Task<IReadOnlyList<AuditEntry>> ReadAsync(EventCursor after, int limit = 500, CancellationToken cancellationToken = default) =>
        dataSource.ReadAsync("""
            SELECT xid, id, actor, action, prd_id, job_id, details, created_at FROM aura.audit_logs
            WHERE (xid, id) > ($1, $2) AND xid < pg_snapshot_xmin(pg_current_snapshot()) ORDER BY xid, id LIMIT $3
            """,
            r => new AuditEntry(new(r.GetFieldValue<ulong>(0), r.GetInt64(1)), r.GetString(2), r.GetString(3), r.TextOrNull(4),
                r.TextOrNull(5), r.Json<JsonElement>(6), r.Time(7)),
            [new NpgsqlParameter { Value = after.Transaction, NpgsqlDbType = NpgsqlDbType.Xid8 }, Long(after.Number), Int(limit)],
            cancellationToken);
}
