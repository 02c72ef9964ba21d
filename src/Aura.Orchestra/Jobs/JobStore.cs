using System.Text.Json;
using Aura.Orchestra.Storage;
using Npgsql;
using static Aura.Orchestra.Storage.Statement;

namespace Aura.Orchestra.Jobs;

/// <summary>Reads jobs and what hangs on them. Changes are in <see cref="JobChanges"/>.</summary>
public sealed class JobStore(NpgsqlDataSource dataSource)
{
    private const string Select = """
        SELECT j.id, j.seq, j.prd_id, j.project_id, j.task_key, j.title, j.type, j.role, j.description, j.payload, j.position, j.status,
            j.status_reason, j.model, j.pinned_model, j.attempt, j.retry_count, j.max_retries, j.score, j.workflow_instance_id,
            j.created_at, j.updated_at,
            ARRAY(SELECT d.depends_on FROM aura.job_dependencies d JOIN aura.jobs o ON o.id = d.depends_on
                WHERE d.job_id = j.id ORDER BY o.position)
        FROM aura.jobs j
        """;

    /// <summary>The job, or null.</summary>
    public Task<Job?> GetAsync(string jobId, CancellationToken cancellationToken = default) =>
        dataSource.ReadOneAsync(Select + " WHERE j.id = $1", Read, [Text(jobId)], cancellationToken);

    /// <summary>All jobs of a PRD in the plan's order.</summary>
    public Task<IReadOnlyList<Job>> OfPrdAsync(string prdId, CancellationToken cancellationToken = default) =>
        dataSource.ReadAsync(Select + " WHERE j.prd_id = $1 ORDER BY j.position", Read, [Text(prdId)], cancellationToken);

    /// <summary>One page, newest first.</summary>
    /// <param name="before">Only jobs whose <see cref="Job.Seq"/> is below this one (the last of the page before).</param>
    public Task<IReadOnlyList<Job>> ListAsync(
        int limit, long? before = null, string? prdId = null, JobStatus? status = null, CancellationToken cancellationToken = default) =>
        dataSource.ReadAsync(Select + """
             WHERE j.seq < coalesce($1, 9223372036854775807) AND ($2 IS NULL OR j.prd_id = $2) AND ($3 IS NULL OR j.status = $3)
            ORDER BY j.seq DESC LIMIT $4
            """, Read, [Long(before), Text(prdId), Text(status?.ToName()), Int(limit)], cancellationToken);

    /// <summary>The verdicts on all attempts, oldest first.</summary>
    public Task<IReadOnlyList<ValidationTick>> TicksAsync(string jobId, CancellationToken cancellationToken = default) =>
        dataSource.ReadAsync(
            "SELECT attempt, name, passed, details, created_at FROM aura.job_validation_ticks WHERE job_id = $1 ORDER BY attempt, created_at, name",
            r => new ValidationTick(r.GetInt32(0), r.GetString(1), r.GetBoolean(2), r.Json<JsonElement>(3), r.Time(4)),
            [Text(jobId)], cancellationToken);

    /// <summary>The snapshots of all attempts, oldest first.</summary>
    public Task<IReadOnlyList<SnapshotRecord>> SnapshotsAsync(string jobId, CancellationToken cancellationToken = default) =>
        dataSource.ReadAsync("""
            SELECT s.sandbox_id, b.attempt, s.sequence, s.label, s.commit, s.created_at
            FROM aura.snapshots s JOIN aura.sandboxes b ON b.id = s.sandbox_id WHERE b.job_id = $1 ORDER BY b.attempt, s.sequence
            """,
            r => new SnapshotRecord(r.GetString(0), r.GetInt32(1), r.GetInt32(2), r.GetString(3), r.GetString(4), r.Time(5)),
            [Text(jobId)], cancellationToken);

    /// <summary>How many jobs there are in each state that has any.</summary>
    public async Task<IReadOnlyDictionary<JobStatus, long>> CountAsync(CancellationToken cancellationToken = default) =>
        (await dataSource.ReadAsync("SELECT status, count(*) FROM aura.jobs GROUP BY status",
            r => (Status: JobStatuses.FromName(r.GetString(0)), Count: r.GetInt64(1)), [], cancellationToken))
        .ToDictionary(c => c.Status, c => c.Count);

    private static Job Read(NpgsqlDataReader r) => new()
    {
        Id = r.GetString(0),
        Seq = r.GetInt64(1),
        PrdId = r.GetString(2),
        ProjectId = r.GetString(3),
        Key = r.GetString(4),
        Title = r.GetString(5),
        Type = r.GetString(6),
        Role = r.GetString(7),
        Description = r.GetString(8),
        Payload = r.Json<JsonElement>(9),
        Position = r.GetInt32(10),
        Status = JobStatuses.FromName(r.GetString(11)),
        StatusReason = r.TextOrNull(12),
        Model = r.TextOrNull(13),
        PinnedModel = r.TextOrNull(14),
        Attempt = r.GetInt32(15),
        RetryCount = r.GetInt32(16),
        MaxRetries = r.GetInt32(17),
        Score = r.DoubleOrNull(18),
        WorkflowInstanceId = r.TextOrNull(19),
        CreatedAt = r.Time(20),
        UpdatedAt = r.Time(21),
        DependsOn = r.GetFieldValue<string[]>(22),
    };
}
