using Aura.Orchestra.Prds;
using Aura.Orchestra.Storage;
using Npgsql;
using static Aura.Orchestra.Storage.Statement;

namespace Aura.Orchestra.Archive;

/// <summary>An archived PRD as lists show it.</summary>
public sealed record ArchivedPrd(
    string Id, long Seq, string PrdId, string ProjectId, string Title, string Status, int Jobs, DateTimeOffset ArchivedAt,
    DateTimeOffset RetentionUntil);

/// <summary>The archive: a record of every finished PRD and of each of its jobs, complete in itself, kept for a year by the database.</summary>
public sealed class ArchiveStore(NpgsqlDataSource dataSource)
{
    private static readonly string CopySql = EmbeddedSql.Read("Archive.archive_prd.sql");

    private const string Select = """
        SELECT a.id, a.seq, a.prd_id, a.project_id, a.title, a.status,
            (SELECT count(*)::int FROM aura.archived_jobs j WHERE j.prd_id = a.prd_id AND j.job_id IS NOT NULL), a.archived_at, a.retention_until
        FROM aura.archived_jobs a WHERE a.job_id IS NULL
        """;

    /// <summary>The id of a PRD's record, known beforehand: <c>arc-</c> and the PRD's id.</summary>
    public static string IdOf(string prdId) => "arc-" + prdId;

    /// <summary>
    /// MERGING → ARCHIVED (only with a merge on record) and the copy of the PRD with all that belongs to it. For a PRD that ended
    /// REJECTED, ESCALATED or CANCELLED only the copy. Done before, it writes nothing.
    /// </summary>
    public static IReadOnlyList<NpgsqlBatchCommand> Archive(string prdId) =>
    [
        PrdChanges.Archived(prdId, IdOf(prdId)),
        Of(CopySql, Text(prdId), Texts(Enum.GetValues<PrdStatus>().Where(s => s.IsTerminal()).Select(s => s.ToName()))),
    ];

    /// <summary>One page, newest first.</summary>
    /// <param name="before">Only records whose <see cref="ArchivedPrd.Seq"/> is below this one (the last of the page before).</param>
    public Task<IReadOnlyList<ArchivedPrd>> ListAsync(int limit, long? before = null, CancellationToken cancellationToken = default) =>
        dataSource.ReadAsync(Select + " AND a.seq < coalesce($1, 9223372036854775807) ORDER BY a.seq DESC LIMIT $2",
            Read, [Long(before), Int(limit)], cancellationToken);

    /// <summary>The PRD's record, or null.</summary>
    public Task<ArchivedPrd?> OfPrdAsync(string prdId, CancellationToken cancellationToken = default) =>
        dataSource.ReadOneAsync(Select + " AND a.prd_id = $1", Read, [Text(prdId)], cancellationToken);

    private static ArchivedPrd Read(NpgsqlDataReader r) => new(
        r.GetString(0), r.GetInt64(1), r.GetString(2), r.GetString(3), r.GetString(4), r.GetString(5), r.GetInt32(6), r.Time(7), r.Time(8));
}
