using System.Text;
using Aura.Orchestra.Storage;
using Npgsql;
using static Aura.Orchestra.Storage.Statement;

namespace Aura.Orchestra.Models;

/// <summary>Every change of models and of the ledger of what they did, as statements for someone else's transaction.</summary>
public static class ModelChanges
{
    /// <summary>Makes the model known, or brings its kind, endpoint, backend and display up to date. Whether it is active stays as it is.</summary>
    /// <param name="kind"><c>local</c>, <c>cloud</c> or <c>cli</c>.</param>
    /// <param name="display">What people read; the name when null.</param>
    public static NpgsqlBatchCommand Ensure(string name, string kind, string? endpoint, string backend, string? display = null) => Of("""
        INSERT INTO aura.models AS known (name, kind, endpoint, backend, display) VALUES ($1, $2, $3, $4, $5)
        ON CONFLICT (name) DO UPDATE
        SET kind = excluded.kind, endpoint = excluded.endpoint, backend = excluded.backend, display = excluded.display
        WHERE (known.kind, known.endpoint, known.backend, known.display)
            IS DISTINCT FROM (excluded.kind, excluded.endpoint, excluded.backend, excluded.display)
        """, Text(name), Text(kind), Text(endpoint), Text(backend), Text(display ?? name));

    /// <summary>Takes the model into or out of service.</summary>
    public static NpgsqlBatchCommand Active(string name, bool active) =>
        Of("UPDATE aura.models SET is_active = $2 WHERE name = $1 AND is_active <> $2", Text(name), Bool(active));

    /// <summary>
    /// Somebody who serves the model says so, as often as they like. Whoever starts anew clears what stood against it.
    /// </summary>
    /// <param name="by">Who: a worker's or host's name.</param>
    /// <param name="isStart">True when whoever serves it has just started or changed.</param>
    public static NpgsqlBatchCommand Seen(string name, string by, bool isStart = false) => Of("""
        UPDATE aura.models SET seen_at = now(), seen_by = $2, unavailable_until = CASE WHEN $3 THEN NULL ELSE unavailable_until END,
            unavailable_count = CASE WHEN $3 THEN 0 ELSE unavailable_count END
        WHERE name = $1
        """, Text(name), Text(by), Bool(isStart));

    /// <summary>What the model may take, can do and costs; what is null stays as it is.</summary>
    public static NpgsqlBatchCommand Terms(
        string name, IReadOnlyList<string>? roles = null, IReadOnlyList<string>? capabilities = null, double? costPerAttempt = null) => Of("""
        UPDATE aura.models SET roles = coalesce($2, roles), capabilities = coalesce($3, capabilities), cost_per_attempt = coalesce($4, cost_per_attempt)
        WHERE name = $1
        """, Text(name), Texts(roles), Texts(capabilities), Double(costPerAttempt));

    /// <summary>
    /// The model could not be reached or used: it is passed over for a while, 15 s at first, twice as long each time, ten minutes at most.
    /// 0 rows when that is known already.
    /// </summary>
    public static NpgsqlBatchCommand Unavailable(string name, string reason) => Of("""
        UPDATE aura.models SET unavailable_count = unavailable_count + 1, unavailable_reason = $2,
            unavailable_until = now() + least(interval '15 seconds' * power(2, least(unavailable_count, 10)), interval '10 minutes')
        WHERE name = $1 AND (unavailable_until IS NULL OR unavailable_until <= now())
        """, Text(name), Text(reason));

    /// <summary>The model answered: nothing stands against it any more.</summary>
    public static NpgsqlBatchCommand Available(string name) => Of(
        "UPDATE aura.models SET unavailable_until = NULL, unavailable_count = 0 WHERE name = $1 AND unavailable_count > 0", Text(name));

    /// <summary>One attempt's run, with its event <c>job.scored</c>. 0 rows when that attempt is on record.</summary>
    /// <param name="confidence">What the model itself claimed (0–1), when it did.</param>
    /// <param name="score">0–1.</param>
    public static NpgsqlBatchCommand Run(
        string model, string jobId, int attempt, bool success, double score, double? confidence = null, object? details = null) => Of("""
        WITH added AS (
            INSERT INTO aura.model_runs (model_id, job_id, attempt, project_id, success, confidence, score, details)
            SELECT m.id, j.id, $3, j.project_id, $4, $6, $5, $7 FROM aura.models m, aura.jobs j WHERE m.name = $1 AND j.id = $2
            ON CONFLICT (job_id, attempt) DO NOTHING
            RETURNING job_id)
        INSERT INTO aura.job_events (prd_id, job_id, type, data)
        SELECT j.prd_id, j.id, 'job.scored', jsonb_build_object('model', $1, 'attempt', $3, 'success', $4, 'score', $5)
        FROM added JOIN aura.jobs j ON j.id = added.job_id
        """, Text(model), Text(jobId), Int(attempt), Bool(success), Double(score), Double(confidence), Json(details ?? new { }));

    /// <summary>What a model handed in. The first of an attempt and type stays.</summary>
    /// <param name="type">One of <see cref="ArtifactTypes"/>.</param>
    public static NpgsqlBatchCommand Artifact(string model, string jobId, int attempt, string type, object artifact) => Of("""
        INSERT INTO aura.model_artifacts (job_id, model_id, attempt, artifact_type, artifact)
        SELECT j.id, m.id, $3, $4, $5 FROM aura.models m, aura.jobs j WHERE m.name = $1 AND j.id = $2
        ON CONFLICT (job_id, attempt, artifact_type) DO NOTHING
        """, Text(model), Text(jobId), Int(attempt), Text(type), Json(artifact));

    /// <summary>The submitted diff of an attempt; kept to the character, also where it holds what jsonb refuses.</summary>
    public static NpgsqlBatchCommand Diff(string model, string jobId, int attempt, string diff, string? baseCommit = null) =>
        Artifact(model, jobId, attempt, ArtifactTypes.Diff, StorableText.IsStorable(diff)
            ? new { diff, base_commit = baseCommit }
            : (object)new { diff_base64 = Convert.ToBase64String(Encoding.UTF8.GetBytes(diff)), base_commit = baseCommit });

    /// <summary>A model's score over one window. Written again, the later counts stand.</summary>
    public static NpgsqlBatchCommand Score(
        string model, DateTimeOffset windowStart, DateTimeOffset windowEnd, double averageScore, int tasksCompleted, double penalties = 0) => Of("""
        INSERT INTO aura.model_scores (model_id, window_start, window_end, avg_score, tasks_completed, promotions, penalties)
        SELECT m.id, $2, $3, $4, $5,
            (SELECT count(*)::int FROM aura.promotions p
             WHERE p.model_id = m.id AND p.action = 'promote' AND p.performed_at >= $2 AND p.performed_at < $3), $6
        FROM aura.models m WHERE m.name = $1
        ON CONFLICT (model_id, window_start, window_end) DO UPDATE SET avg_score = excluded.avg_score,
            tasks_completed = excluded.tasks_completed, promotions = excluded.promotions, penalties = excluded.penalties
        """, Text(model), Time(windowStart), Time(windowEnd), Double(averageScore), Int(tasksCompleted), Double(penalties));

    /// <summary>A promotion, demotion, restriction or its end.</summary>
    /// <param name="action"><c>promote</c>, <c>demote</c>, <c>restrict</c> or <c>restore</c>.</param>
    public static NpgsqlBatchCommand Promotion(string model, string action, string reason) => Of("""
        INSERT INTO aura.promotions (model_id, action, reason) SELECT id, $2, $3 FROM aura.models WHERE name = $1
        """, Text(model), Text(action), Text(reason));
}
