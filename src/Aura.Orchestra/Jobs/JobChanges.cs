using Npgsql;
using static Aura.Orchestra.Storage.Statement;

namespace Aura.Orchestra.Jobs;

/// <summary>
/// Every change of a job, as a statement for someone else's transaction. A status change writes its event (<c>job.&lt;status&gt;</c>)
/// in the same statement, and only where the row is in a state that allows it and still at that attempt; otherwise it writes nothing
/// (0 rows): a second delivery does no harm and an answer of a past attempt changes nothing.
/// </summary>
public static class JobChanges
{
    /// <summary>
    /// The jobs of a plan with their dependencies and their <c>job.queued</c> events, in the plan's order. Nothing when the PRD has jobs.
    /// The plan must be sound: unique keys, known dependencies, no cycle.
    /// </summary>
    /// <exception cref="ArgumentException">A dependency is not a key of the plan.</exception>
    public static NpgsqlBatchCommand Insert(string prdId, IReadOnlyList<PlannedJob> plan)
    {
        ArgumentNullException.ThrowIfNull(plan);
        var ids = plan.ToDictionary(j => j.Key, j => j.Id);
        var jobs = plan.Select((j, position) => new
        {
            id = j.Id,
            task_key = j.Key,
            title = j.Title,
            type = j.Type,
            role = j.Role,
            description = j.Description,
            payload = (object?)j.Payload ?? new { },
            position,
            max_retries = j.MaxRetries,
        });
        var edges = plan.SelectMany(j => j.DependsOn.Distinct().Select(key => new
        {
            job_id = j.Id,
            depends_on = ids.TryGetValue(key, out var id)
                ? id
                : throw new ArgumentException($"Job '{j.Key}' depends on '{key}', which is not in the plan.", nameof(plan)),
        }));
        // Foreign keys are checked at the end of the statement, when all of its rows are there.
        return Of("""
            WITH prd AS (
                SELECT id, project_id FROM aura.prds WHERE id = $1 AND NOT EXISTS (SELECT FROM aura.jobs WHERE prd_id = $1)),
            added AS (
                INSERT INTO aura.jobs (id, prd_id, project_id, task_key, title, type, role, description, payload, position, max_retries)
                SELECT j.id, prd.id, prd.project_id, j.task_key, j.title, j.type, j.role, j.description, j.payload, j.position, j.max_retries
                FROM prd, jsonb_to_recordset($2) AS j(id text, task_key text, title text, type text, role text, description text,
                    payload jsonb, position int, max_retries int)
                ORDER BY j.position
                RETURNING id, prd_id, title, position),
            linked AS (
                INSERT INTO aura.job_dependencies (job_id, depends_on)
                SELECT d.job_id, d.depends_on FROM prd, jsonb_to_recordset($3) AS d(job_id text, depends_on text))
            INSERT INTO aura.job_events (prd_id, job_id, type, data)
            SELECT prd_id, id, 'job.queued', jsonb_build_object('title', title) FROM added ORDER BY position
            """, Text(prdId), Json(jobs.ToArray()), Json(edges.ToArray()));
    }

    /// <summary>QUEUED → ASSIGNED with the attempt's model; the Director's pin is used up. 0 rows also for an unknown model or an attempt that was.</summary>
    public static NpgsqlBatchCommand Assigned(string jobId, string model, int attempt) =>
        Change(jobId, JobStatus.Assigned, attempt,
            ", model = $6, attempt = $5, pinned_model = NULL, status_reason = NULL, score = NULL",
            " AND attempt < $5 AND EXISTS (SELECT FROM aura.models WHERE name = $6)", new { model, attempt }, Text(model));

    /// <summary>ASSIGNED → IN_PROGRESS.</summary>
    public static NpgsqlBatchCommand InProgress(string jobId, int attempt) =>
        Change(jobId, JobStatus.InProgress, attempt, "", Current, new { attempt });

    /// <summary>IN_PROGRESS → SUBMITTED. The result itself goes to <c>ModelChanges.Diff</c>.</summary>
    public static NpgsqlBatchCommand Submitted(string jobId, int attempt, object? data = null) =>
        Change(jobId, JobStatus.Submitted, attempt, "", Current, data ?? new { attempt });

    /// <summary>SUBMITTED → VALIDATING.</summary>
    public static NpgsqlBatchCommand Validating(string jobId, int attempt) =>
        Change(jobId, JobStatus.Validating, attempt, "", Current, new { attempt });

    /// <summary>VALIDATING → COMPLETED with its score (0–1).</summary>
    public static NpgsqlBatchCommand Completed(string jobId, int attempt, double score) =>
        Change(jobId, JobStatus.Completed, attempt, ", score = $6", Current, new { attempt, score }, Double(score));

    /// <summary>Back to QUEUED with one more retry counted. 0 rows when none is left.</summary>
    /// <param name="attempt">The attempt that failed (or whose result did not integrate).</param>
    public static NpgsqlBatchCommand Requeued(string jobId, int attempt, string reason) =>
        Change(jobId, JobStatus.Queued, attempt, ", retry_count = retry_count + 1, status_reason = $6, score = NULL",
            Current + " AND retry_count < max_retries", new { attempt, reason }, Text(reason));

    /// <summary>Back to QUEUED without counting a retry: nothing was wrong with the work, the model could not be reached or used.</summary>
    public static NpgsqlBatchCommand HandedBack(string jobId, int attempt, string model, string reason) =>
        Change(jobId, JobStatus.Queued, attempt, ", status_reason = $6, score = NULL", Current, new { attempt, model, unavailable = reason }, Text(reason));

    /// <summary>Any open state, or COMPLETED (does not integrate) → ESCALATED.</summary>
    public static NpgsqlBatchCommand Escalated(string jobId, string reason) => Stop(jobId, JobStatus.Escalated, reason);

    /// <summary>Any open state → FAILED: the machinery gave up, not the work.</summary>
    public static NpgsqlBatchCommand Failed(string jobId, string reason) => Stop(jobId, JobStatus.Failed, reason);

    /// <summary>Any open state → CANCELLED.</summary>
    public static NpgsqlBatchCommand Cancelled(string jobId, string reason) => Stop(jobId, JobStatus.Cancelled, reason);

    /// <summary>Every open job of the PRD → CANCELLED.</summary>
    public static NpgsqlBatchCommand CancelledOfPrd(string prdId, string reason) => Of("""
        WITH changed AS (
            UPDATE aura.jobs SET status = 'CANCELLED', status_reason = $3, updated_at = now()
            WHERE prd_id = $1 AND status = ANY($2) RETURNING prd_id, id)
        INSERT INTO aura.job_events (prd_id, job_id, type, data)
        SELECT prd_id, id, 'job.cancelled', jsonb_build_object('reason', $3) FROM changed
        """, Text(prdId), Texts(JobStatuses.Before(JobStatus.Cancelled).Select(s => s.ToName())), Text(reason));

    /// <summary>The next attempt takes this model; event <c>job.pinned</c>. 0 rows when the job is terminal or the model unknown.</summary>
    public static NpgsqlBatchCommand Pinned(string jobId, string model, string actor) => Of("""
        WITH changed AS (
            UPDATE aura.jobs SET pinned_model = $3, updated_at = now()
            WHERE id = $1 AND status = ANY($2) AND EXISTS (SELECT FROM aura.models WHERE name = $3) RETURNING prd_id, id)
        INSERT INTO aura.job_events (prd_id, job_id, type, data)
        SELECT prd_id, id, 'job.pinned', jsonb_build_object('model', $3, 'actor', $4) FROM changed
        """, Text(jobId), Texts(Enum.GetValues<JobStatus>().Where(s => !s.IsTerminal()).Select(s => s.ToName())), Text(model), Text(actor));

    /// <summary>One named verdict, with its event <c>job.tick</c>. The first one of an attempt and name stays.</summary>
    public static NpgsqlBatchCommand Tick(string jobId, int attempt, string name, bool passed, object? details = null) => Of("""
        WITH job AS (SELECT id, prd_id FROM aura.jobs WHERE id = $1),
        added AS (
            INSERT INTO aura.job_validation_ticks (job_id, attempt, name, passed, details)
            SELECT id, $2, $3, $4, $5 FROM job ON CONFLICT DO NOTHING RETURNING job_id)
        INSERT INTO aura.job_events (prd_id, job_id, type, data)
        SELECT job.prd_id, job.id, 'job.tick', jsonb_build_object('attempt', $2, 'name', $3, 'passed', $4)
        FROM job JOIN added ON added.job_id = job.id
        """, Text(jobId), Int(attempt), Text(name), Bool(passed), Json(details ?? new { }));

    /// <summary>Remembers which workflow instance carries the job.</summary>
    public static NpgsqlBatchCommand CarriedBy(string jobId, string workflowInstanceId) =>
        Of("UPDATE aura.jobs SET workflow_instance_id = $2 WHERE id = $1", Text(jobId), Text(workflowInstanceId));

    /// <summary>An attempt's sandbox. Delivered again, it is the same sandbox, made anew.</summary>
    public static NpgsqlBatchCommand Sandbox(string jobId, int attempt, string baseCommit, string path) => Of("""
        INSERT INTO aura.sandboxes (id, job_id, attempt, project_id, base_commit, path)
        SELECT id || '-a' || $2, id, $2, project_id, $3, $4 FROM aura.jobs WHERE id = $1
        ON CONFLICT (id) DO UPDATE SET base_commit = excluded.base_commit, path = excluded.path
        """, Text(jobId), Int(attempt), Text(baseCommit), Text(path));

    /// <summary>A snapshot of an attempt's sandbox, with its event <c>job.snapshot</c>. A second delivery of the work overwrites it.</summary>
    public static NpgsqlBatchCommand Snapshot(string sandboxId, int sequence, string label, string commit) => Of("""
        WITH sandbox AS (
            SELECT s.id, s.attempt, j.id AS job_id, j.prd_id FROM aura.sandboxes s JOIN aura.jobs j ON j.id = s.job_id WHERE s.id = $1),
        added AS (
            INSERT INTO aura.snapshots AS kept (sandbox_id, sequence, label, commit) SELECT id, $2, $3, $4 FROM sandbox
            ON CONFLICT (sandbox_id, sequence) DO UPDATE SET label = excluded.label, commit = excluded.commit, created_at = excluded.created_at
            WHERE (kept.label, kept.commit) IS DISTINCT FROM (excluded.label, excluded.commit)
            RETURNING sandbox_id)
        INSERT INTO aura.job_events (prd_id, job_id, type, data)
        SELECT s.prd_id, s.job_id, 'job.snapshot',
            jsonb_build_object('sandbox_id', s.id, 'attempt', s.attempt, 'sequence', $2, 'label', $3, 'commit', $4)
        FROM sandbox s JOIN added ON added.sandbox_id = s.id
        """, Text(sandboxId), Int(sequence), Text(label), Text(commit));

    private const string Current = " AND attempt = $5";

    private static NpgsqlBatchCommand Stop(string jobId, JobStatus to, string reason) => Of("""
        WITH changed AS (
            UPDATE aura.jobs SET status = $2, status_reason = $4, updated_at = now()
            WHERE id = $1 AND status = ANY($3) RETURNING prd_id, id, attempt)
        INSERT INTO aura.job_events (prd_id, job_id, type, data)
        SELECT prd_id, id, 'job.' || lower($2), jsonb_build_object('reason', $4, 'attempt', attempt) FROM changed
        """, Text(jobId), Text(to.ToName()), Texts(JobStatuses.Before(to).Select(s => s.ToName())), Text(reason));

    private static NpgsqlBatchCommand Change(
        string jobId, JobStatus to, int attempt, string set, string and, object data, params ReadOnlySpan<NpgsqlParameter> more)
    {
        var command = Of($"""
            WITH changed AS (
                UPDATE aura.jobs SET status = $2, updated_at = now(){set}
                WHERE id = $1 AND status = ANY($3){and} RETURNING prd_id, id)
            INSERT INTO aura.job_events (prd_id, job_id, type, data) SELECT prd_id, id, 'job.' || lower($2), $4 FROM changed
            """,
            Text(jobId), Text(to.ToName()), Texts(JobStatuses.Before(to).Select(s => s.ToName())), Json(data), Int(attempt));
        foreach (var parameter in more)
            command.Parameters.Add(parameter);
        return command;
    }
}
