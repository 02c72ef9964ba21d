using System.Text;
using System.Text.Json;
using Aura.Orchestra.Storage;
using Npgsql;
using static Aura.Orchestra.Storage.Statement;

namespace Aura.Orchestra.Prds;

/// <summary>Reads PRDs. Changes are in <see cref="PrdChanges"/>.</summary>
public sealed class PrdStore(NpgsqlDataSource dataSource)
{
    /// <summary>The PRD, or null.</summary>
    public Task<Prd?> GetAsync(string prdId, CancellationToken cancellationToken = default) => dataSource.ReadOneAsync("""
        SELECT id, project_id, title, description, status, status_reason, tasks, acceptance_tests, allow_test_changes, backend, branch,
            base_commit, head_commit, merge_commit, diff, diff_hash, tests_before, tests_after, workflow_instance_id, created_by,
            decided_by, decided_at, created_at, updated_at
        FROM aura.prds WHERE id = $1
        """, Read, [Text(prdId)], cancellationToken);

    /// <summary>One page, newest first.</summary>
    /// <param name="before">Only PRDs whose <see cref="PrdSummary.Seq"/> is below this one (the last of the page before).</param>
    public Task<IReadOnlyList<PrdSummary>> ListAsync(
        int limit, long? before = null, PrdStatus? status = null, string? projectId = null, CancellationToken cancellationToken = default) =>
        dataSource.ReadAsync("""
            SELECT id, seq, project_id, title, status, created_at, updated_at FROM aura.prds
            WHERE seq < coalesce($1, 9223372036854775807) AND ($2 IS NULL OR status = $2) AND ($3 IS NULL OR project_id = $3)
            ORDER BY seq DESC LIMIT $4
            """,
            r => new PrdSummary(
                r.GetString(0), r.GetInt64(1), r.GetString(2), r.GetString(3), PrdStatuses.FromName(r.GetString(4)), r.Time(5), r.Time(6)),
            [Long(before), Text(status?.ToName()), Text(projectId), Int(limit)], cancellationToken);

    /// <summary>The PRD that was handed in under this idempotency key, with the hash of its request, or null.</summary>
    public async Task<(string PrdId, string RequestHash)?> FindByIdempotencyKeyAsync(string key, CancellationToken cancellationToken = default)
    {
        var found = await dataSource.ReadAsync("SELECT id, request_hash FROM aura.prds WHERE idempotency_key = $1",
            r => (r.GetString(0), r.GetString(1)), [Text(key)], cancellationToken);
        return found.Count == 0 ? null : found[0];
    }

    /// <summary>How many PRDs there are in each state that has any.</summary>
    public async Task<IReadOnlyDictionary<PrdStatus, long>> CountAsync(CancellationToken cancellationToken = default) =>
        (await dataSource.ReadAsync("SELECT status, count(*) FROM aura.prds GROUP BY status",
            r => (Status: PrdStatuses.FromName(r.GetString(0)), Count: r.GetInt64(1)), [], cancellationToken))
        .ToDictionary(c => c.Status, c => c.Count);

    private static Prd Read(NpgsqlDataReader r) => new()
    {
        Id = r.GetString(0),
        ProjectId = r.GetString(1),
        Title = r.GetString(2),
        Description = r.GetString(3),
        Status = PrdStatuses.FromName(r.GetString(4)),
        StatusReason = r.TextOrNull(5),
        Tasks = r.Json<PrdTask[]>(6)!,
        AcceptanceTests = r.Json<AcceptanceTest[]>(7)!,
        AllowTestChanges = r.Json<string[]>(8)!,
        Backend = r.TextOrNull(9),
        Branch = r.TextOrNull(10),
        BaseCommit = r.TextOrNull(11),
        HeadCommit = r.TextOrNull(12),
        MergeCommit = r.TextOrNull(13),
        Diff = r.IsDBNull(14) ? null : Encoding.UTF8.GetString(r.GetFieldValue<byte[]>(14)),
        DiffHash = r.TextOrNull(15),
        TestsBefore = r.Json<TestCounts>(16),
        TestsAfter = r.Json<TestCounts>(17),
        WorkflowInstanceId = r.TextOrNull(18),
        CreatedBy = r.GetString(19),
        DecidedBy = r.TextOrNull(20),
        DecidedAt = r.IsDBNull(21) ? null : r.Time(21),
        CreatedAt = r.Time(22),
        UpdatedAt = r.Time(23),
    };
}
