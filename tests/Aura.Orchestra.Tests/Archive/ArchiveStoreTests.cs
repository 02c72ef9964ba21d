using Aura.Orchestra.Archive;
using Aura.Orchestra.Jobs;
using Aura.Orchestra.Models;
using Aura.Orchestra.Prds;
using Aura.Orchestra.Storage;
using Aura.Orchestra.Tests.Storage;
using Aura.Testing;
using Npgsql;
using static Aura.Orchestra.Tests.Storage.Seed;

namespace Aura.Orchestra.Tests.Archive;

public sealed class ArchiveStoreTests(TestDatabase database) : IClassFixture<TestDatabase>
{
    private readonly NpgsqlDataSource _db = database.DataSource;
    private readonly ArchiveStore _archive = new(database.DataSource);

    [Fact]
    public async Task Archive_MergedPrd_KeepsItWithItsJobsForAYear()
    {
        var (prd, job) = await RunningJobAsync(_db);
        await _db.CommitAsync([
            ModelChanges.Diff("m1", job, 1, "+x"), JobChanges.Tick(job, 1, "tests", true), ModelChanges.Run("m1", job, 1, true, 0.9),
            JobChanges.Sandbox(job, 1, "base", "/s"), JobChanges.Snapshot(Ids.Sandbox(job, 1), 0, "start", "c0"),
            PrdChanges.AwaitingApproval(prd, "head", "+x", "h", new(1, 1, 0), new(2, 0, 0)), PrdChanges.Approve(prd, "h", "director"),
            PrdChanges.Merged(prd, "merge")], Cancel);
        (await _db.CommitAsync(ArchiveStore.Archive(prd), Cancel)).ShouldBe([1, 2]);
        (await _db.CommitAsync(ArchiveStore.Archive(prd), Cancel)).ShouldBe([0, 0]);

        var record = (await _archive.OfPrdAsync(prd, Cancel))!;
        (record.Id, record.Status, record.Jobs, record.ProjectId).ShouldBe((ArchiveStore.IdOf(prd), "ARCHIVED", 1, "demo"));
        (record.RetentionUntil - record.ArchivedAt).ShouldBe(TimeSpan.FromDays(365));
        (await ScalarAsync<string>(_db, $"""
            SELECT concat_ws(' ', record->'ticks'->0->>'name', record->'runs'->0->>'model', record->'artifacts'->0->'artifact'->>'diff',
                record->'snapshots'->0->>'commit', record->'events'->0->>'type') FROM aura.archived_jobs WHERE job_id = '{job}'
            """)).ShouldBe("tests m1 +x c0 job.queued");
        (await ScalarAsync<string>(_db, $"""
            SELECT concat_ws(' ', record->>'status', convert_from(decode(record->>'diff_base64', 'base64'), 'UTF8'), record->'events'->0->>'type')
            FROM aura.archived_jobs WHERE prd_id = '{prd}' AND job_id IS NULL
            """)).ShouldBe("ARCHIVED +x prd.received");
    }

    [Fact]
    public async Task Archive_WithoutAMerge_WritesNothing()
    {
        var prd = await AwaitingAsync(_db);
        await _db.CommitAsync(PrdChanges.Approve(prd, "h1", "d"), Cancel);
        (await _db.CommitAsync(ArchiveStore.Archive(prd), Cancel)).ShouldBe([0, 0]);
        (await _archive.OfPrdAsync(prd, Cancel)).ShouldBeNull();
    }

    [Fact]
    public async Task Archive_RejectedPrd_IsKeptAsRejected()
    {
        var prd = await AwaitingAsync(_db);
        await _db.CommitAsync([PrdChanges.Reject(prd, null, "d", "no"), .. ArchiveStore.Archive(prd)], Cancel);
        (await _archive.OfPrdAsync(prd, Cancel))!.Status.ShouldBe("REJECTED");
    }

    [Theory]
    [InlineData("DELETE FROM aura.archived_jobs WHERE prd_id = '{0}'")]
    [InlineData("UPDATE aura.archived_jobs SET retention_until = now() WHERE prd_id = '{0}'")]
    [InlineData("TRUNCATE aura.archived_jobs")]
    public async Task Table_BeforeRetentionEnds_KeepsItsRows(string sql)
    {
        var prd = await AwaitingAsync(_db);
        await _db.CommitAsync([PrdChanges.Reject(prd, null, "d", "no"), .. ArchiveStore.Archive(prd)], Cancel);
        await using var command = _db.CreateCommand(string.Format(null, sql, prd));
        (await Should.ThrowAsync<PostgresException>(() => command.ExecuteNonQueryAsync(Cancel))).MessageText.ShouldContain("is refused");
        (await _archive.OfPrdAsync(prd, Cancel)).ShouldNotBeNull();
    }

    [Fact]
    public async Task Table_AfterRetention_LetsARowGo()
    {
        await using var insert = _db.CreateCommand("""
            INSERT INTO aura.archived_jobs (id, prd_id, project_id, title, status, record, archived_at, retention_until)
            VALUES ('arc-old', 'prd-old', 'demo', 'Old', 'ARCHIVED', '{}', now() - interval '9000 hours', now() - interval '10 hours')
            """);
        await insert.ExecuteNonQueryAsync(Cancel);
        await using var delete = _db.CreateCommand("DELETE FROM aura.archived_jobs WHERE id = 'arc-old'");
        (await delete.ExecuteNonQueryAsync(Cancel)).ShouldBe(1);
    }

    [Fact]
    public async Task Table_RetentionShorterThanAYear_IsRefused()
    {
        await using var insert = _db.CreateCommand("""
            INSERT INTO aura.archived_jobs (id, prd_id, project_id, title, status, record, retention_until)
            VALUES ('arc-short', 'prd-short', 'demo', 'Short', 'ARCHIVED', '{}', now() + interval '364 days')
            """);
        (await Should.ThrowAsync<PostgresException>(() => insert.ExecuteNonQueryAsync(Cancel))).ConstraintName.ShouldBe("archived_jobs_kept_a_year");
    }

    [Fact]
    public async Task List_ByPages_NewestFirst()
    {
        var ids = new List<string>();
        for (var i = 0; i < 3; i++)
        {
            var prd = await AwaitingAsync(_db);
            await _db.CommitAsync([PrdChanges.Reject(prd, null, "d", "no"), .. ArchiveStore.Archive(prd)], Cancel);
            ids.Insert(0, prd);
        }

        var first = await _archive.ListAsync(2, cancellationToken: Cancel);
        var second = await _archive.ListAsync(1, first[^1].Seq, Cancel);
        first.Concat(second).Select(a => a.PrdId).ShouldBe(ids);
    }
}
