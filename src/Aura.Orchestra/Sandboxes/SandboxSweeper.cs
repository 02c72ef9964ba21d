using Aura.Orchestra.Jobs;
using Aura.Orchestra.Storage;
using Npgsql;

namespace Aura.Orchestra.Sandboxes;

/// <param name="Sandboxes">Working copies removed.</param>
/// <param name="Forgotten">Sandboxes whose snapshots were let go.</param>
/// <param name="Leftovers">What dead processes left: half-built or half-removed copies, lock files, empty folders.</param>
public sealed record SweptSandboxes(int Sandboxes, int Forgotten, int Leftovers, CollectedSnapshots Collected)
{
    public static SweptSandboxes Nothing { get; } = new(0, 0, 0, new(0, 0, 0));
}

/// <summary>
/// Removes the working copies of jobs that have ended, some days after; their snapshots stay as long as the archive keeps the job.
/// One host at a time: whichever holds the lock. Every single step can be repeated and takes the sandbox's own lock.
/// </summary>
public sealed class SandboxSweeper(
    NpgsqlDataSource dataSource, SandboxStore sandboxes, SnapshotKeeper snapshots, SandboxOptions options, TimeProvider time)
{
    private const int LockKey = 987_654_306;

    /// <summary>A job that nobody archived goes by this age of its snapshots.</summary>
    private static readonly TimeSpan LongestUnknown = TimeSpan.FromDays(365);

    /// <summary>One sweep. Nothing when another host is at it.</summary>
    public async Task<SweptSandboxes> RunOnceAsync(CancellationToken cancellationToken = default)
    {
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        if (!await AskAsync(connection, "SELECT pg_try_advisory_lock($1)", cancellationToken))
            return SweptSandboxes.Nothing;
        try
        {
            var (all, sessions) = (sandboxes.List(), snapshots.Sessions());
            var jobs = await JobsAsync(all.Select(s => s.JobId).Concat(sessions.Select(SandboxStore.JobOf)).Distinct(), cancellationToken);
            var removed = 0;
            foreach (var sandbox in all)
            {
                if (IsOver(jobs, sandbox) && await sandboxes.RemoveAsync(sandbox.SandboxId, cancellationToken: cancellationToken))
                    removed++;
            }

            var living = sandboxes.List().Select(s => s.SandboxId).ToHashSet(StringComparer.Ordinal);
            var forgotten = 0;
            foreach (var id in sessions.Where(id => !living.Contains(id) && IsForgettable(jobs, id)))
                forgotten += await sandboxes.ForgetAsync(id, cancellationToken) ? 1 : 0;
            return new(removed, forgotten, sandboxes.RemoveLeftovers(), await snapshots.CollectAsync(cancellationToken));
        }
        finally
        {
            await AskAsync(connection, "SELECT pg_advisory_unlock($1)", CancellationToken.None);
        }
    }

    /// <summary>When a job came to its end, and until when the archive keeps it; null for what is not so.</summary>
    private sealed record Known(DateTimeOffset? EndedAt, DateTimeOffset? KeptUntil);

    private bool IsOver(IReadOnlyDictionary<string, Known> jobs, SandboxMetadata sandbox) => jobs.TryGetValue(sandbox.JobId, out var job)
        ? IsPast(job.EndedAt, options.Retention)
        // Nobody's job: a database that was made anew, or a sandbox that was opened by hand. Its last write tells whether it is in use.
        : IsPast(Latest(sandbox.CreatedAt, snapshots.LastChange(sandbox.SandboxId)), options.Retention);

    private bool IsForgettable(IReadOnlyDictionary<string, Known> jobs, string sandboxId)
    {
        if (!jobs.TryGetValue(SandboxStore.JobOf(sandboxId), out var job))
            return IsPast(snapshots.LastChange(sandboxId), LongestUnknown);
        // A job that has ended but is not archived yet will be.
        return job.KeptUntil is { } until && until < time.GetUtcNow() && job.EndedAt is not null;
    }

    private bool IsPast(DateTimeOffset? at, TimeSpan age) => at is { } moment && time.GetUtcNow() - moment > age;

    private static DateTimeOffset Latest(DateTimeOffset one, DateTimeOffset? other) => other > one ? other.Value : one;

    private async Task<IReadOnlyDictionary<string, Known>> JobsAsync(IEnumerable<string> ids, CancellationToken cancellationToken)
    {
        const string Sql = """
            SELECT coalesce(j.id, a.job_id),
                CASE WHEN j.id IS NULL THEN a.archived_at WHEN j.status = ANY($1) THEN j.updated_at END, a.retention_until
            FROM (SELECT * FROM aura.jobs WHERE id = ANY($2)) j FULL JOIN (SELECT * FROM aura.archived_jobs WHERE job_id = ANY($2)) a ON a.job_id = j.id
            """;
        var ended = Enum.GetValues<JobStatus>().Where(s => s.IsTerminal()).Select(s => s.ToName());
        var rows = await dataSource.ReadAsync(
            Sql,
            r => (Id: r.GetString(0), Job: new Known(r.IsDBNull(1) ? null : r.Time(1), r.IsDBNull(2) ? null : r.Time(2))), [Statement.Texts(ended), Statement.Texts(ids)],
            cancellationToken);
        return rows.ToDictionary(r => r.Id, r => r.Job, StringComparer.Ordinal);
    }

    private static async Task<bool> AskAsync(NpgsqlConnection connection, string sql, CancellationToken cancellationToken)
    {
        await using var command = new NpgsqlCommand(sql, connection);
        command.Parameters.Add(Statement.Int(LockKey));
        return await command.ExecuteScalarAsync(cancellationToken) is true;
    }
}
