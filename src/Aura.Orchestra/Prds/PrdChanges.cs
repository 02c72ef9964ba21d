using System.Text;
using Npgsql;
using static Aura.Orchestra.Storage.Statement;

namespace Aura.Orchestra.Prds;

/// <summary>
/// Every change of a PRD, as a statement for someone else's transaction. A status change writes its event (<c>prd.&lt;status&gt;</c>)
/// in the same statement and only where the row is in a state that allows it; otherwise it writes nothing (0 rows), so that
/// running it a second time does no harm.
/// </summary>
public static class PrdChanges
{
    /// <summary>Makes the project known. Nothing happens when it is.</summary>
    public static NpgsqlBatchCommand EnsureProject(string projectId) =>
        Of("INSERT INTO aura.projects (id) VALUES ($1) ON CONFLICT DO NOTHING", Text(projectId));

    /// <summary>A new PRD in state RECEIVED, with its event. 0 rows when its id or its idempotency key is taken.</summary>
    public static NpgsqlBatchCommand Insert(NewPrd prd)
    {
        ArgumentNullException.ThrowIfNull(prd);
        return Of("""
            WITH added AS (
                INSERT INTO aura.prds (id, project_id, title, description, tasks, acceptance_tests, allow_test_changes, backend,
                    created_by, workflow_instance_id, idempotency_key, request_hash)
                VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
                ON CONFLICT DO NOTHING
                RETURNING id, title, project_id)
            INSERT INTO aura.job_events (prd_id, type, data)
            SELECT id, 'prd.received', jsonb_build_object('title', title, 'project_id', project_id) FROM added
            """,
            Text(prd.Id), Text(prd.ProjectId), Text(prd.Title), Text(prd.Description), Json(prd.Tasks), Json(prd.AcceptanceTests),
            Json(prd.AllowTestChanges), Text(prd.Backend), Text(prd.CreatedBy), Text(prd.WorkflowInstanceId),
            Text(prd.IdempotencyKey), Text(prd.RequestHash));
    }

    /// <summary>RECEIVED → PLANNED. Put <c>JobChanges.Insert</c> behind it.</summary>
    public static NpgsqlBatchCommand Planned(string prdId, string? branch = null, string? baseCommit = null) =>
        Change(prdId, PrdStatus.Planned, ", branch = coalesce($5, branch), base_commit = coalesce($6, base_commit)", "",
            new { branch, base_commit = baseCommit }, Text(branch), Text(baseCommit));

    /// <summary>PLANNED → RUNNING.</summary>
    public static NpgsqlBatchCommand Running(string prdId, string? branch = null, string? baseCommit = null) =>
        Change(prdId, PrdStatus.Running, ", branch = coalesce($5, branch), base_commit = coalesce($6, base_commit)", "",
            new { branch, base_commit = baseCommit }, Text(branch), Text(baseCommit));

    /// <summary>RUNNING → AWAITING_APPROVAL: the decision is about this very diff.</summary>
    public static NpgsqlBatchCommand AwaitingApproval(
        string prdId, string headCommit, string diff, string diffHash, TestCounts testsBefore, TestCounts testsAfter)
    {
        ArgumentNullException.ThrowIfNull(diff);
        return Change(prdId, PrdStatus.AwaitingApproval,
            ", head_commit = $5, diff = $6, diff_hash = $7, tests_before = $8, tests_after = $9", "",
            new { head_commit = headCommit, diff_hash = diffHash, tests_before = testsBefore, tests_after = testsAfter },
            Text(headCommit), Bytes(Encoding.UTF8.GetBytes(diff)), Text(diffHash), Json(testsBefore), Json(testsAfter));
    }

    /// <summary>AWAITING_APPROVAL → MERGING, only for the diff that was shown. 0 rows: another diff, or no longer open.</summary>
    public static NpgsqlBatchCommand Approve(string prdId, string diffHash, string actor) =>
        Change(prdId, PrdStatus.Merging, ", decided_by = $5, decided_at = now()", " AND diff_hash = $6",
            new { actor, diff_hash = diffHash }, Text(actor), Text(diffHash));

    /// <summary>AWAITING_APPROVAL → REJECTED. With a hash, only for that diff.</summary>
    public static NpgsqlBatchCommand Reject(string prdId, string? diffHash, string actor, string reason) =>
        Change(prdId, PrdStatus.Rejected, ", decided_by = $5, decided_at = now(), status_reason = $6", " AND diff_hash = coalesce($7, diff_hash)",
            new { actor, reason }, Text(actor), Text(reason), Text(diffHash));

    /// <summary>The merge took place: keeps its commit, state stays MERGING, event <c>prd.merged</c>. 0 rows when a merge is already on record.</summary>
    public static NpgsqlBatchCommand Merged(string prdId, string mergeCommit) => Of("""
        WITH changed AS (
            UPDATE aura.prds SET merge_commit = $2, updated_at = now()
            WHERE id = $1 AND status = 'MERGING' AND merge_commit IS NULL RETURNING id, branch)
        INSERT INTO aura.job_events (prd_id, type, data)
        SELECT id, 'prd.merged', jsonb_build_object('merge_commit', $2, 'branch', branch) FROM changed
        """, Text(prdId), Text(mergeCommit));

    /// <summary>Any open state → ESCALATED: people must look.</summary>
    public static NpgsqlBatchCommand Escalated(string prdId, string reason) => Stop(prdId, PrdStatus.Escalated, reason);

    /// <summary>Any open state but MERGING → CANCELLED.</summary>
    public static NpgsqlBatchCommand Cancelled(string prdId, string reason) => Stop(prdId, PrdStatus.Cancelled, reason);

    /// <summary>Remembers which workflow instance carries the PRD.</summary>
    public static NpgsqlBatchCommand CarriedBy(string prdId, string workflowInstanceId) =>
        Of("UPDATE aura.prds SET workflow_instance_id = $2 WHERE id = $1", Text(prdId), Text(workflowInstanceId));

    // ArchiveStore hands this out together with the copy, so that no PRD is ARCHIVED without its records.
    internal static NpgsqlBatchCommand Archived(string prdId, string archiveId) =>
        Change(prdId, PrdStatus.Archived, "", " AND merge_commit IS NOT NULL", new { archive_id = archiveId });

    private static NpgsqlBatchCommand Stop(string prdId, PrdStatus to, string reason) =>
        Change(prdId, to, ", status_reason = $5", "", new { reason }, Text(reason));

    private static NpgsqlBatchCommand Change(
        string prdId, PrdStatus to, string set, string and, object data, params ReadOnlySpan<NpgsqlParameter> more)
    {
        var command = Of($"""
            WITH changed AS (
                UPDATE aura.prds SET status = $2, updated_at = now(){set}
                WHERE id = $1 AND status = ANY($3){and} RETURNING id)
            INSERT INTO aura.job_events (prd_id, type, data) SELECT id, 'prd.' || lower($2), $4 FROM changed
            """,
            Text(prdId), Text(to.ToName()), Texts(PrdStatuses.Before(to).Select(s => s.ToName())), Json(data));
        foreach (var parameter in more)
            command.Parameters.Add(parameter);
        return command;
    }
}
