using System.Text.Json;
using Aura.Orchestra.Jobs;
using Aura.Orchestra.Models;
using Aura.Orchestra.Prds;
using Aura.Orchestra.Storage;
using Aura.Orchestra.Tests.Storage;
using Aura.Testing;
using Npgsql;
using static Aura.Orchestra.Tests.Storage.Seed;

namespace Aura.Orchestra.Tests.Jobs;

public sealed class JobStoreTests(TestDatabase database) : IClassFixture<TestDatabase>
{
    private readonly NpgsqlDataSource _db = database.DataSource;
    private readonly JobStore _jobs = new(database.DataSource);

    [Fact]
    public async Task Insert_PlanWithDependencies_ReadsBackInOrderAndOnlyOnce()
    {
        var prd = await PrdAsync(_db);
        PlannedJob[] plan =
        [
            new() { Key = "c", Title = "C", DependsOn = ["a", "b", "a"], MaxRetries = 0 },
            new() { Key = "a", Title = "A", Payload = JsonElement.Parse("""{"path":"app"}""") },
            new() { Key = "b", Title = "B" },
        ];
        (await _db.CommitAsync([PrdChanges.Planned(prd), JobChanges.Insert(prd, plan)], Cancel)).ShouldBe([1, 3]);
        (await _db.CommitAsync(JobChanges.Insert(prd, [new() { Key = "late", Title = "L" }]), Cancel)).ShouldBe(0);

        var jobs = await _jobs.OfPrdAsync(prd, Cancel);
        jobs.Select(j => j.Key).ShouldBe(["c", "a", "b"]);
        jobs[0].DependsOn.ShouldBe([plan[1].Id, plan[2].Id]);
        jobs[0].MayRetry.ShouldBeFalse();
        jobs[1].Payload.GetProperty("path").GetString().ShouldBe("app");
        jobs[2].Payload.GetRawText().ShouldBe("{}");
        jobs.ShouldAllBe(j => j.Status == JobStatus.Queued && j.ProjectId == "demo" && j.Attempt == 0);
        (await EventTypesAsync(_db, prd)).ShouldBe(["prd.received", "prd.planned", "job.queued", "job.queued", "job.queued"]);
    }

    [Fact]
    public void Insert_UnknownDependency_Throws() => Should.Throw<ArgumentException>(
        () => JobChanges.Insert("prd-22222222", [new() { Key = "a", Title = "A", DependsOn = ["z"] }])).Message.ShouldContain("'z'");

    [Fact]
    public async Task Changes_WithOneRetry_EndCompletedWithEveryEvent()
    {
        var (prd, job) = await RunningJobAsync(_db);
        (await _db.CommitAsync([
            JobChanges.Submitted(job, 1), JobChanges.Validating(job, 1), JobChanges.Tick(job, 1, "tests", false, new { failed = 2 }),
            JobChanges.Requeued(job, 1, "2 tests failed"), JobChanges.Assigned(job, "m1", 2), JobChanges.InProgress(job, 2),
            JobChanges.Submitted(job, 2), JobChanges.Validating(job, 2), JobChanges.Completed(job, 2, 0.9)], Cancel))
            .ShouldAllBe(rows => rows == 1);

        var read = (await _jobs.GetAsync(job, Cancel))!;
        (read.Status, read.Attempt, read.RetryCount, read.Score, read.Model).ShouldBe((JobStatus.Completed, 2, 1, 0.9, "m1"));
        var tick = (await _jobs.TicksAsync(job, Cancel)).ShouldHaveSingleItem();
        (tick.Attempt, tick.Name, tick.Passed, tick.Details.GetProperty("failed").GetInt32()).ShouldBe((1, "tests", false, 2));
        (await EventTypesAsync(_db, prd)).Skip(4).ShouldBe([
            "job.assigned", "job.in_progress", "job.submitted", "job.validating", "job.tick", "job.queued", "job.assigned",
            "job.in_progress", "job.submitted", "job.validating", "job.completed"]);
    }

    [Fact]
    public async Task Changes_OfAPastAttempt_WriteNothing()
    {
        var (_, job) = await RunningJobAsync(_db);
        await _db.CommitAsync([JobChanges.Requeued(job, 1, "lease lost"), JobChanges.Assigned(job, "m1", 2), JobChanges.InProgress(job, 2)], Cancel);
        (await _db.CommitAsync([JobChanges.Submitted(job, 1), JobChanges.Requeued(job, 1, "late"), JobChanges.Assigned(job, "m1", 2)], Cancel))
            .ShouldBe([0, 0, 0]);
        (await _jobs.GetAsync(job, Cancel))!.RetryCount.ShouldBe(1);
    }

    [Fact]
    public async Task Requeued_NoRetryLeft_WritesNothing()
    {
        var (_, job) = await RunningJobAsync(_db);
        for (var attempt = 1; attempt <= 2; attempt++)
        {
            (await _db.CommitAsync([JobChanges.Requeued(job, attempt, "again"), JobChanges.Assigned(job, "m1", attempt + 1)], Cancel))
                .ShouldBe([1, 1]);
        }

        (await _db.CommitAsync(JobChanges.Requeued(job, 3, "again"), Cancel)).ShouldBe(0);
        (await _db.CommitAsync(JobChanges.Escalated(job, "retries used up"), Cancel)).ShouldBe(1);
        var read = (await _jobs.GetAsync(job, Cancel))!;
        (read.RetryCount, read.MayRetry, read.Status).ShouldBe((2, false, JobStatus.Escalated));
    }

    [Fact]
    public async Task Requeued_AfterCompletion_BringsBackAConflict()
    {
        var (_, job) = await RunningJobAsync(_db);
        (await _db.CommitAsync([
            JobChanges.Submitted(job, 1), JobChanges.Validating(job, 1), JobChanges.Completed(job, 1, 1),
            JobChanges.Requeued(job, 1, "conflict in app.py")], Cancel)).ShouldAllBe(rows => rows == 1);
        var read = (await _jobs.GetAsync(job, Cancel))!;
        (read.Status, read.Score, read.StatusReason).ShouldBe((JobStatus.Queued, null, "conflict in app.py"));
    }

    [Fact]
    public async Task Assigned_UnknownModel_WritesNothing()
    {
        var (_, jobs) = await PlannedAsync(_db, "a");
        (await _db.CommitAsync(JobChanges.Assigned(jobs[0], "no such model", 1), Cancel)).ShouldBe(0);
    }

    [Fact]
    public async Task Pinned_OpenJob_HoldsForOneAssignment()
    {
        var (_, job) = await RunningJobAsync(_db);
        await _db.CommitAsync(ModelChanges.Ensure("m2", "cloud", "https://example.test", "openai"), Cancel);
        (await _db.CommitAsync([JobChanges.Pinned(job, "m2", "director"), JobChanges.Pinned(job, "none", "director")], Cancel)).ShouldBe([1, 0]);
        (await _jobs.GetAsync(job, Cancel))!.PinnedModel.ShouldBe("m2");
        await _db.CommitAsync([JobChanges.Requeued(job, 1, "r"), JobChanges.Assigned(job, "m2", 2)], Cancel);
        var read = (await _jobs.GetAsync(job, Cancel))!;
        (read.PinnedModel, read.Model).ShouldBe((null, "m2"));
        (await _db.CommitAsync([JobChanges.Cancelled(job, "stop"), JobChanges.Pinned(job, "m2", "d")], Cancel)).ShouldBe([1, 0]);
    }

    [Fact]
    public async Task Tick_SameNameTwice_FirstStays()
    {
        var (prd, job) = await RunningJobAsync(_db);
        (await _db.CommitAsync([JobChanges.Tick(job, 1, "lint", true), JobChanges.Tick(job, 1, "lint", false)], Cancel)).ShouldBe([1, 0]);
        (await _jobs.TicksAsync(job, Cancel)).ShouldHaveSingleItem().Passed.ShouldBeTrue();
        (await EventTypesAsync(_db, prd)).Count(t => t == "job.tick").ShouldBe(1);
    }

    [Fact]
    public async Task Snapshot_DeliveredAgain_IsOneRowAndOneEvent()
    {
        var (prd, job) = await RunningJobAsync(_db);
        var sandbox = Ids.Sandbox(job, 1);
        await _db.CommitAsync([
            JobChanges.Sandbox(job, 1, "base", "/sandbox"), JobChanges.Sandbox(job, 1, "base", "/sandbox"),
            JobChanges.Snapshot(sandbox, 0, "start", "c0"), JobChanges.Snapshot(sandbox, 0, "start", "c0"),
            JobChanges.Snapshot(sandbox, 1, "before write", "c1")], Cancel);
        (await _jobs.SnapshotsAsync(job, Cancel)).Select(s => (s.SandboxId, s.Attempt, s.Sequence, s.Label, s.Commit))
            .ShouldBe([(sandbox, 1, 0, "start", "c0"), (sandbox, 1, 1, "before write", "c1")]);
        (await EventTypesAsync(_db, prd)).Count(t => t == "job.snapshot").ShouldBe(2);
    }

    [Fact]
    public async Task CancelledOfPrd_SomeDone_OnlyOpenJobsAreCancelled()
    {
        var (prd, jobs) = await PlannedAsync(_db, "a", "b", "c");
        await _db.CommitAsync(JobChanges.Failed(jobs[0], "broken"), Cancel);
        (await _db.CommitAsync(JobChanges.CancelledOfPrd(prd, "rejected"), Cancel)).ShouldBe(2);
        (await _jobs.OfPrdAsync(prd, Cancel)).Select(j => j.Status).ShouldBe([JobStatus.Failed, JobStatus.Cancelled, JobStatus.Cancelled]);
    }

    [Theory]
    [InlineData("UPDATE aura.jobs SET retry_count = max_retries + 1 WHERE id = '{0}'", "jobs_retries_are_bounded")]
    [InlineData("UPDATE aura.jobs SET status = 'COMPLETED' WHERE id = '{0}'", "jobs_completion_needs_score")]
    [InlineData("UPDATE aura.jobs SET status = 'QUEUED', score = 1.1 WHERE id = '{0}'", "jobs_score_check")]
    [InlineData("UPDATE aura.jobs SET model = NULL WHERE id = '{0}'", "jobs_work_needs_model")]
    public async Task Table_WrongState_IsRefused(string sql, string constraint)
    {
        var (_, job) = await RunningJobAsync(_db);
        await using var command = _db.CreateCommand(string.Format(null, sql, job));
        (await Should.ThrowAsync<PostgresException>(() => command.ExecuteNonQueryAsync(Cancel))).ConstraintName.ShouldBe(constraint);
    }

    [Fact]
    public async Task List_FilteredByPages_EveryOneOnce()
    {
        var (prd, ids) = await PlannedAsync(_db, "a", "b", "c");
        var first = await _jobs.ListAsync(2, prdId: prd, status: JobStatus.Queued, cancellationToken: Cancel);
        var second = await _jobs.ListAsync(2, first[^1].Seq, prd, JobStatus.Queued, Cancel);
        first.Concat(second).Select(j => j.Id).ShouldBe([ids[2], ids[1], ids[0]]);
        (await _jobs.ListAsync(2, prdId: prd, status: JobStatus.Failed, cancellationToken: Cancel)).ShouldBeEmpty();
        (await _jobs.CountAsync(Cancel))[JobStatus.Queued].ShouldBeGreaterThanOrEqualTo(3);
    }

    [Fact]
    public async Task Completed_ByManyAtOnce_CountsOnce()
    {
        var (prd, job) = await RunningJobAsync(_db);
        await _db.CommitAsync([JobChanges.Submitted(job, 1), JobChanges.Validating(job, 1)], Cancel);
        var rows = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => _db.CommitAsync(JobChanges.Completed(job, 1, 0.5), Cancel)));
        rows.Sum().ShouldBe(1);
        (await EventTypesAsync(_db, prd)).Count(t => t == "job.completed").ShouldBe(1);
    }
}
