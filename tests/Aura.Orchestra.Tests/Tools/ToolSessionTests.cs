using System.Text.Json;
using Aura.Orchestra.Employees;
using Aura.Orchestra.Events;
using Aura.Orchestra.Jobs;
using Aura.Orchestra.Prds;
using Aura.Orchestra.Sandboxes;
using Aura.Orchestra.Storage;
using Aura.Orchestra.Tests.Sandboxes;
using Aura.Orchestra.Tools;
using Aura.Orchestra.Validation;
using Aura.Testing;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;
using static Aura.Orchestra.Tests.Storage.Seed;

namespace Aura.Orchestra.Tests.Tools;

/// <summary>What a call leaves on record, also when its caller does not wait for it.</summary>
public sealed class ToolSessionTests(TestDatabase database) : IClassFixture<TestDatabase>
{
    private readonly NpgsqlDataSource _db = database.DataSource;

    [Theory]
    [InlineData(ToolNames.WriteFile, """{"path":"a.txt","content":"two\n"}""")]
    [InlineData(ToolNames.DeleteFile, """{"path":"a.txt"}""")]
    [InlineData(ToolNames.ApplyPatch, """{"patch":"--- a/a.txt\n+++ b/a.txt\n@@ -1 +1 @@\n-one\n+two\n"}""")]
    public async Task CallAsync_CallerHangsUpOnceTheFileIsWritten_LeavesItsRecord(string tool, string arguments)
    {
        using var caller = new CancellationTokenSource();
        await using var project = await TestProject.CreateAsync(("a.txt", "one\n"));
        var options = project.Options;
        options.FaultPoint = point =>
        {
            if (point == "file")
                caller.Cancel();
        };
        var (job, session) = await SessionAsync(project, options);

        (await session.CallAsync(tool, JsonElement.Parse(arguments), null, caller.Token)).IsRefused.ShouldBeFalse();

        caller.IsCancellationRequested.ShouldBeTrue();
        (await RecordAsync(job)).ShouldBe([("job.snapshot", null), ("job.tool", tool)]);
        (await ScalarAsync<long>(_db, $"SELECT count(*) FROM aura.snapshots WHERE sandbox_id = '{job}-a1'")).ShouldBe(1);
    }

    [Fact]
    public async Task CallAsync_Change_IsRecordedInOneTransaction()
    {
        await using var project = await TestProject.CreateAsync(("a.txt", "one\n"));
        var (job, session) = await SessionAsync(project, project.Options);
        await session.CallAsync(ToolNames.WriteFile, JsonElement.Parse("""{"path":"a.txt","content":"two\n"}"""), null, Cancel);
        (await ScalarAsync<long>(_db, $"SELECT count(DISTINCT xid) FROM aura.job_events WHERE job_id = '{job}' AND type IN ('job.snapshot', 'job.tool')")).ShouldBe(1);
    }

    [Theory]
    [InlineData(ToolNames.WriteFile, """{"path":"../x","content":""}""", RefusalCodes.OutsideSandbox)]
    [InlineData("format_disk", "{}", ToolCodes.UnknownTool)]
    public async Task CallAsync_RefusedToOneWhoHungUp_LeavesItsRecord(string tool, string arguments, string code)
    {
        await using var project = await TestProject.CreateAsync(("a.txt", "one\n"));
        var (job, session) = await SessionAsync(project, project.Options);
        (await session.CallAsync(tool, JsonElement.Parse(arguments), null, new(canceled: true))).RefusalCode.ShouldBe(code);
        (await ScalarAsync<string>(_db, $"SELECT data->>'refused' FROM aura.job_events WHERE job_id = '{job}' AND type = 'job.tool'")).ShouldBe(code);
    }

    [Theory]
    [InlineData(ToolNames.ReadFile, """{"path":"a.txt"}""", "off")]
    [InlineData(ToolNames.ReadFile, """{"path":"../a.txt"}""", "on")]
    [InlineData(ToolNames.WriteFile, """{"path":"a.txt","content":""}""", "on")]
    public async Task CallAsync_ThatOnlyReads_DoesNotWaitForTheDiskAndAllElseDoes(string tool, string arguments, string expected)
    {
        await using var project = await TestProject.CreateAsync(("a.txt", "one\n"));
        var (job, session) = await SessionAsync(project, project.Options);
        await using (var note = _db.CreateCommand($"""
            CREATE FUNCTION aura.note_commit() RETURNS trigger LANGUAGE plpgsql AS $f$
            BEGIN NEW.data := NEW.data || jsonb_build_object('commit', current_setting('synchronous_commit')); RETURN NEW; END $f$;
            CREATE TRIGGER note_commit BEFORE INSERT ON aura.job_events FOR EACH ROW WHEN (NEW.job_id = '{job}') EXECUTE FUNCTION aura.note_commit();
            """))
            await note.ExecuteNonQueryAsync(Cancel);
        await session.CallAsync(tool, JsonElement.Parse(arguments), null, Cancel);
        (await ScalarAsync<string>(_db, $"SELECT data->>'commit' FROM aura.job_events WHERE job_id = '{job}' AND type = 'job.tool'")).ShouldBe(expected);
        await using var away = _db.CreateCommand("DROP TRIGGER note_commit ON aura.job_events; DROP FUNCTION aura.note_commit()");
        await away.ExecuteNonQueryAsync(Cancel);
    }

    [Fact]
    public async Task CallAsync_InASandboxWithoutAJob_LeavesItsEventAndNoRowOfASnapshot()
    {
        await using var project = await TestProject.CreateAsync(("a.txt", "one\n"));
        var sandbox = await project.SandboxAsync("mine");
        var session = Sessions(project, project.Options).Over(sandbox, new("ada", null, 1));
        foreach (var tool in (string[])[ToolNames.CreateSnapshot, ToolNames.Diff])
            (await session.CallAsync(tool, JsonElement.Parse("{}"), null, Cancel)).IsRefused.ShouldBeFalse();
        (await ScalarAsync<long>(_db, "SELECT count(*) FROM aura.job_events WHERE type = 'sandbox.tool' AND data->>'sandbox_id' = 'mine-a1'")).ShouldBe(2);
    }

    [Fact]
    public async Task JobBrief_OfALaterAttempt_TellsTheLastReason()
    {
        await using var project = await TestProject.CreateAsync(("a.txt", "one\n"));
        var (_, job) = await RunningJobAsync(_db);
        await _db.CommitAsync([
            JobChanges.Requeued(job, 1, "the first reason"), JobChanges.Assigned(job, "m1", 2), JobChanges.InProgress(job, 2),
            JobChanges.Requeued(job, 2, "the second reason"), JobChanges.Assigned(job, "m1", 3), JobChanges.InProgress(job, 3),
            EventChanges.OfJob(job, "job.queued", new { attempt = 3 }),
        ], Cancel);
        var sessions = Sessions(project, project.Options);
        (await BriefAsync(sessions.Over(await project.SandboxAsync(job, 3), new("m1", job, 3)))).ShouldBe("the second reason");
        (await BriefAsync(sessions.Over(await project.SandboxAsync(job), new("m1", job, 1)))).ShouldBeNull();

        async Task<string?> BriefAsync(ToolSession session) =>
            (await session.CallAsync(ToolNames.JobBrief, JsonElement.Parse("{}"), null, Cancel)).Structured is { } brief
                && brief.TryGetProperty("previous_failure", out var reason) ? reason.GetString() : null;
    }

    private ToolSessions Sessions(TestProject project, SandboxOptions options)
    {
        var trees = new ValidationTreeBuilder(Path.Combine(project.Root, "trees"), project.Git, TimeProvider.System);
        var pytest = new PytestRunner(new(new(), project.Processes, TimeProvider.System), trees, Path.Combine(project.Root, "state"));
        var feed = new EventFeed(_db, new(_db, new(), TimeProvider.System, NullLogger<EventSignal>.Instance));
        return new(project.Store(options), new(_db), new(_db), feed, new(pytest, trees, TimeProvider.System), _db, TimeProvider.System);
    }

    private async Task<(string Job, ToolSession Session)> SessionAsync(TestProject project, SandboxOptions options)
    {
        var (_, job) = await RunningJobAsync(_db);
        var sandbox = await project.SandboxAsync(job, options: options);
        await _db.CommitAsync(JobChanges.Sandbox(job, 1, project.Commit, sandbox.WorkDirectory), Cancel);
        return (job, Sessions(project, options).Over(sandbox, new("m1", job, 1)));
    }

    private async Task<IReadOnlyList<(string Type, string? Tool)>> RecordAsync(string job) => await _db.ReadAsync(
        "SELECT type, data->>'tool' FROM aura.job_events WHERE job_id = $1 AND type IN ('job.snapshot', 'job.tool') ORDER BY xid, id",
        r => (r.GetString(0), r.IsDBNull(1) ? null : r.GetString(1)), [Statement.Text(job)], Cancel);
}
