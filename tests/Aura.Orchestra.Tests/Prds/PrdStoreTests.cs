using System.Text.Json;
using Aura.Orchestra.Archive;
using Aura.Orchestra.Prds;
using Aura.Orchestra.Storage;
using Aura.Orchestra.Tests.Storage;
using Aura.Testing;
using Npgsql;
using static Aura.Orchestra.Tests.Storage.Seed;

namespace Aura.Orchestra.Tests.Prds;

public sealed class PrdStoreTests(TestDatabase database) : IClassFixture<TestDatabase>
{
    private readonly NpgsqlDataSource _db = database.DataSource;
    private readonly PrdStore _prds = new(database.DataSource);

    [Fact]
    public async Task Insert_AllFields_ReadsBackTheSame()
    {
        var prd = new NewPrd
        {
            Id = Ids.NewPrd(),
            ProjectId = "full",
            Title = "Añadir \0 OAuth",
            Description = "line\nline",
            Tasks = [new() { Id = "a", Title = "A", DependsOn = ["b"], Payload = JsonElement.Parse("""{"path":"app"}"""), MaxRetries = 1 }],
            AcceptanceTests = [new("tests/t.py", "assert True\n")],
            AllowTestChanges = ["tests/x.py"],
            Backend = "scripted",
            CreatedBy = "director",
            WorkflowInstanceId = "wf-1",
            IdempotencyKey = "key-1",
            RequestHash = "hash-1",
        };
        (await _db.CommitAsync([PrdChanges.EnsureProject("full"), PrdChanges.Insert(prd)], Cancel)).ShouldBe([1, 1]);

        var read = (await _prds.GetAsync(prd.Id, Cancel))!;
        read.Title.ShouldBe("Añadir \uFFFD OAuth");
        read.Description.ShouldBe("line\nline");
        read.Status.ShouldBe(PrdStatus.Received);
        read.Tasks.ShouldHaveSingleItem().DependsOn.ShouldBe(["b"]);
        read.Tasks[0].Payload!.Value.GetProperty("path").GetString().ShouldBe("app");
        read.Tasks[0].MaxRetries.ShouldBe(1);
        read.AcceptanceTests.ShouldBe([new("tests/t.py", "assert True\n")]);
        read.AllowTestChanges.ShouldBe(["tests/x.py"]);
        read.Backend.ShouldBe("scripted");
        read.WorkflowInstanceId.ShouldBe("wf-1");
        (await _prds.FindByIdempotencyKeyAsync("key-1", Cancel)).ShouldBe((prd.Id, "hash-1"));
        (await _prds.FindByIdempotencyKeyAsync("key-2", Cancel)).ShouldBeNull();
        (await _db.CommitAsync(PrdChanges.Insert(prd with { Id = Ids.NewPrd() }), Cancel)).ShouldBe(0);
        (await EventTypesAsync(_db, prd.Id)).ShouldBe(["prd.received"]);
    }

    [Fact]
    public async Task Changes_FromReceivedToArchived_EachWritesItsEventOnce()
    {
        var id = await PrdAsync(_db);
        NpgsqlBatchCommand[][] steps =
        [
            [PrdChanges.Planned(id, "feat/x", "base")], [PrdChanges.Running(id)],
            [PrdChanges.AwaitingApproval(id, "head", "a\0diff", "hash", new(12, 2, 0), new(14, 0, 1))],
            [PrdChanges.Approve(id, "hash", "director")], [PrdChanges.Merged(id, "merge")], [.. ArchiveStore.Archive(id)],
        ];
        foreach (var step in steps)
            (await _db.CommitAsync(step, Cancel))[0].ShouldBe(1);

        (await EventTypesAsync(_db, id)).ShouldBe(
            ["prd.received", "prd.planned", "prd.running", "prd.awaiting_approval", "prd.merging", "prd.merged", "prd.archived"]);
        var prd = (await _prds.GetAsync(id, Cancel))!;
        prd.Status.ShouldBe(PrdStatus.Archived);
        (prd.Branch, prd.BaseCommit, prd.HeadCommit, prd.MergeCommit, prd.DiffHash).ShouldBe(("feat/x", "base", "head", "merge", "hash"));
        prd.Diff.ShouldBe("a\0diff");
        prd.TestsBefore.ShouldBe(new(12, 2, 0));
        prd.TestsAfter.ShouldBe(new(14, 0, 1));
        prd.DecidedBy.ShouldBe("director");
    }

    [Fact]
    public async Task Changes_RunTwice_SecondWritesNothing()
    {
        var id = await AwaitingAsync(_db);
        (await _db.CommitAsync(PrdChanges.Running(id), Cancel)).ShouldBe(0);
        (await _db.CommitAsync([PrdChanges.Approve(id, "h1", "d"), PrdChanges.Approve(id, "h1", "d")], Cancel)).ShouldBe([1, 0]);
        (await _db.CommitAsync([PrdChanges.Merged(id, "m"), PrdChanges.Merged(id, "other")], Cancel)).ShouldBe([1, 0]);
        (await _prds.GetAsync(id, Cancel))!.MergeCommit.ShouldBe("m");
        (await EventTypesAsync(_db, id)).Count(t => t == "prd.merging").ShouldBe(1);
    }

    [Fact]
    public async Task Approve_AnotherDiff_WritesNothing()
    {
        var id = await AwaitingAsync(_db);
        (await _db.CommitAsync(PrdChanges.Approve(id, "other", "d"), Cancel)).ShouldBe(0);
        (await _db.CommitAsync(PrdChanges.Reject(id, "other", "d", "no"), Cancel)).ShouldBe(0);
        (await _db.CommitAsync(PrdChanges.Reject(id, null, "d", "no"), Cancel)).ShouldBe(1);
        var prd = (await _prds.GetAsync(id, Cancel))!;
        (prd.Status, prd.StatusReason, prd.DecidedBy).ShouldBe((PrdStatus.Rejected, "no", "d"));
    }

    [Fact]
    public async Task CommitIf_GuardRefuses_RestIsNotCommitted()
    {
        var id = await AwaitingAsync(_db);
        (await _db.CommitIfAsync(PrdChanges.Approve(id, "other", "d"), [PrdChanges.Escalated(id, "must not happen")], Cancel)).ShouldBeFalse();
        (await _prds.GetAsync(id, Cancel))!.Status.ShouldBe(PrdStatus.AwaitingApproval);
        (await _db.CommitIfAsync(PrdChanges.Approve(id, "h1", "d"), [PrdChanges.Merged(id, "m")], Cancel)).ShouldBeTrue();
        (await _prds.GetAsync(id, Cancel))!.MergeCommit.ShouldBe("m");
    }

    [Fact]
    public async Task Cancelled_DuringMerge_IsRefused()
    {
        var id = await AwaitingAsync(_db);
        await _db.CommitAsync(PrdChanges.Approve(id, "h1", "d"), Cancel);
        (await _db.CommitAsync(PrdChanges.Cancelled(id, "stop"), Cancel)).ShouldBe(0);
        (await _db.CommitAsync(PrdChanges.Escalated(id, "push refused"), Cancel)).ShouldBe(1);
        (await _db.CommitAsync(PrdChanges.Escalated(id, "again"), Cancel)).ShouldBe(0);
        (await _prds.GetAsync(id, Cancel))!.StatusReason.ShouldBe("push refused");
    }

    [Theory]
    [InlineData("UPDATE aura.prds SET status = 'AWAITING_APPROVAL' WHERE id = '{0}'", "prds_approval_needs_diff")]
    [InlineData("UPDATE aura.prds SET status = 'ESCALATED' WHERE id = '{0}'", "prds_stop_needs_reason")]
    [InlineData("UPDATE aura.prds SET status = 'DONE' WHERE id = '{0}'", "prds_status_check")]
    public async Task Table_StateWithoutItsEvidence_IsRefused(string sql, string constraint)
    {
        var id = await PrdAsync(_db);
        await using var command = _db.CreateCommand(string.Format(null, sql, id));
        (await Should.ThrowAsync<PostgresException>(() => command.ExecuteNonQueryAsync(Cancel))).ConstraintName.ShouldBe(constraint);
    }

    [Fact]
    public async Task List_ByPages_EveryOneOnceNewestFirst()
    {
        var ids = new List<string>();
        for (var i = 0; i < 5; i++)
            ids.Insert(0, await PrdAsync(_db, "paged"));
        var seen = new List<string>();
        long? before = null;
        while (await _prds.ListAsync(2, before, projectId: "paged", cancellationToken: Cancel) is { Count: > 0 } page)
        {
            seen.AddRange(page.Select(p => p.Id));
            before = page[^1].Seq;
        }

        seen.ShouldBe(ids);
        (await _prds.ListAsync(10, status: PrdStatus.Archived, projectId: "paged", cancellationToken: Cancel)).ShouldBeEmpty();
        (await _prds.CountAsync(Cancel))[PrdStatus.Received].ShouldBeGreaterThanOrEqualTo(5);
    }

    [Fact]
    public async Task Get_UnknownId_IsNull() => (await _prds.GetAsync("prd-22222222", Cancel)).ShouldBeNull();
}
