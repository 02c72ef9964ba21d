using Npgsql;
using static Aura.Orchestra.Storage.Statement;

namespace Aura.Orchestra.Events;

/// <summary>Events of progress. Status events are written by the status changes themselves.</summary>
public static class EventChanges
{
    /// <summary>An event of a job, for example <c>job.tool</c>. 0 rows for an unknown job.</summary>
    /// <param name="type">Lower case words joined by dots, at least two.</param>
    /// <param name="data">Becomes a JSON object.</param>
    public static NpgsqlBatchCommand OfJob(string jobId, string type, object? data = null) => Of("""
        INSERT INTO aura.job_events (prd_id, job_id, type, data) SELECT prd_id, id, $2, $3 FROM aura.jobs WHERE id = $1
        """, Text(jobId), Text(type), Json(data ?? new { }));

    /// <summary>An event of a PRD, for example <c>prd.tests_started</c>. 0 rows for an unknown PRD.</summary>
    public static NpgsqlBatchCommand OfPrd(string prdId, string type, object? data = null) => Of("""
        INSERT INTO aura.job_events (prd_id, type, data) SELECT id, $2, $3 FROM aura.prds WHERE id = $1
        """, Text(prdId), Text(type), Json(data ?? new { }));

    /// <summary>An event of a sandbox that belongs to no job, for example <c>sandbox.tool</c>.</summary>
    public static NpgsqlBatchCommand OfSandbox(string sandboxId, string actor, string type, object data) => Of("""
        INSERT INTO aura.job_events (type, data) VALUES ($3, jsonb_build_object('sandbox_id', $1, 'actor', $2) || $4)
        """, Text(sandboxId), Text(actor), Text(type), Json(data));

    /// <summary>An event of nobody's in particular, for example a call that was refused before it was known whose it is.</summary>
    public static NpgsqlBatchCommand OfNobody(string type, object data) => Of(
        "INSERT INTO aura.job_events (type, data) VALUES ($1, $2)", Text(type), Json(data));
}
