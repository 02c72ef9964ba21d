using System.Net;
using System.Text.Json;
using Aura.Orchestra;
using Aura.Orchestra.Jobs;
using Aura.Orchestra.Models;
using Aura.Orchestra.Prds;
using Aura.Orchestra.Storage;

namespace Aura.Host.Tests.Api;

public sealed class JobsApiTests(ApiHost host) : IClassFixture<ApiHost>
{
    [Fact]
    public async Task Show_WorkedJob_TellsEverythingThatHappened()
    {
        var (prd, jobs) = await PlannedAsync();
        var job = jobs[1];
        Directory.CreateDirectory(Path.Combine(host.SandboxBase, job));
        await File.WriteAllTextAsync(Path.Combine(host.SandboxBase, job, "runlog.txt"), "$ pytest\n1 passed\n", ApiHost.Cancel);
        await host.Db.CommitAsync([
            JobChanges.Assigned(job, "m1", 1), JobChanges.InProgress(job, 1), JobChanges.Sandbox(job, 1, "base", "/s"),
            JobChanges.Snapshot(Ids.Sandbox(job, 1), 0, "start", "c0"), JobChanges.Submitted(job, 1), ModelChanges.Diff("m1", job, 1, "+x\n"),
            JobChanges.Validating(job, 1), JobChanges.Tick(job, 1, "tests", true, new { passed = 3 }),
            ModelChanges.Run("m1", job, 1, true, 0.9), JobChanges.Completed(job, 1, 0.9)], ApiHost.Cancel);

        var shown = await host.GetAsync($"/jobs/{job}");
        shown.GetProperty("status").GetString().ShouldBe("COMPLETED");
        shown.GetProperty("prd_id").GetString().ShouldBe(prd);
        shown.GetProperty("depends_on")[0].GetString().ShouldBe(jobs[0]);
        shown.GetProperty("timeline").EnumerateArray().Select(e => e.GetProperty("type").GetString()).ShouldBe([
            "job.queued", "job.assigned", "job.in_progress", "job.snapshot", "job.submitted", "job.validating", "job.tick", "job.scored", "job.completed"]);
        shown.GetProperty("ticks")[0].GetProperty("details").GetProperty("passed").GetInt32().ShouldBe(3);
        shown.GetProperty("snapshots")[0].GetProperty("sandbox_id").GetString().ShouldBe($"{job}-a1");
        shown.GetProperty("diff").GetString().ShouldBe("+x\n");
        shown.GetProperty("runlog").GetString().ShouldBe("$ pytest\n1 passed\n");
        shown.GetProperty("model_runs")[0].GetProperty("score").GetDouble().ShouldBe(0.9);
    }

    [Fact]
    public async Task Show_LongRunLog_SendsItsEndOnly()
    {
        var (_, jobs) = await PlannedAsync();
        Directory.CreateDirectory(Path.Combine(host.SandboxBase, jobs[0]));
        // 'ä' has two bytes and the limit is even: after one leading byte the cut falls inside a character.
        await File.WriteAllTextAsync(Path.Combine(host.SandboxBase, jobs[0], "runlog.txt"), "x" + new string('ä', 100_000) + "END\n\n", ApiHost.Cancel);
        var shown = await host.GetAsync($"/jobs/{jobs[0]}");
        shown.GetProperty("runlog_truncated").GetBoolean().ShouldBeTrue();
        var log = shown.GetProperty("runlog").GetString()!;
        log.ShouldEndWith("END\n\n");
        log.ShouldStartWith("ä");
        System.Text.Encoding.UTF8.GetByteCount(log).ShouldBeInRange(65530, 65536);
    }

    [Fact]
    public async Task Show_RunLogIsALink_IsNotFollowed()
    {
        var (_, jobs) = await PlannedAsync();
        Directory.CreateDirectory(Path.Combine(host.SandboxBase, jobs[0]));
        File.CreateSymbolicLink(Path.Combine(host.SandboxBase, jobs[0], "runlog.txt"), "/etc/passwd");
        (await host.GetAsync($"/jobs/{jobs[0]}")).GetProperty("runlog").ValueKind.ShouldBe(JsonValueKind.Null);
    }

    [Fact]
    public async Task List_OfAPrd_ByPages()
    {
        var (prd, jobs) = await PlannedAsync();
        var first = await host.GetAsync($"/jobs?prd_id={prd}&limit=1&status=QUEUED");
        var second = await host.GetAsync($"/jobs?prd_id={prd}&limit=1&status=QUEUED&cursor={first.GetProperty("next_cursor").GetString()}");
        second.GetProperty("next_cursor").ValueKind.ShouldBe(JsonValueKind.Null);
        new[] { first, second }.Select(p => p.GetProperty("items")[0].GetProperty("id").GetString()).ShouldBe([jobs[1], jobs[0]]);
    }

    [Fact]
    public async Task Assign_KnownModel_PinsItAndIsAudited()
    {
        var (_, jobs) = await PlannedAsync();
        var (response, body) = await host.PostAsync($"/jobs/{jobs[0]}/assign", """{"model":"m1"}""");
        response.StatusCode.ShouldBe(HttpStatusCode.OK);
        body.GetProperty("pinned_model").GetString().ShouldBe("m1");
        (await host.ScalarAsync<string>($"SELECT details->>'model' FROM aura.audit_logs WHERE job_id = '{jobs[0]}'")).ShouldBe("m1");
    }

    [Fact]
    public async Task Assign_NotPossible_SaysWhy()
    {
        var (_, jobs) = await PlannedAsync();
        (await host.PostAsync("/jobs/job-22222222/assign", """{"model":"m1"}""")).Response.StatusCode.ShouldBe(HttpStatusCode.NotFound);
        var (unknown, problem) = await host.PostAsync($"/jobs/{jobs[0]}/assign", """{"model":"nobody"}""");
        unknown.StatusCode.ShouldBe(HttpStatusCode.NotFound);
        problem.GetProperty("detail").GetString()!.ShouldContain("nobody");
        (await host.PostAsync($"/jobs/{jobs[0]}/assign", """{"model":null}""")).Response.StatusCode.ShouldBe(HttpStatusCode.BadRequest);
        await host.Db.CommitAsync(JobChanges.Cancelled(jobs[0], "stop"), ApiHost.Cancel);
        (await host.PostAsync($"/jobs/{jobs[0]}/assign", """{"model":"m1"}""")).Response.StatusCode.ShouldBe(HttpStatusCode.Conflict);
        (await host.ScalarAsync<long>($"SELECT count(*) FROM aura.audit_logs WHERE job_id = '{jobs[0]}'")).ShouldBe(0);
    }

    [Fact]
    public async Task Models_List_TellsStanding()
    {
        await PlannedAsync();
        var model = (await host.GetAsync("/models")).GetProperty("items").EnumerateArray().Single(m => m.GetProperty("name").GetString() == "m1");
        (model.GetProperty("backend").GetString(), model.GetProperty("is_active").GetBoolean()).ShouldBe(("scripted", true));
    }

    [Fact]
    public async Task Unknown_Job_Is404() => (await host.GetAsync("/jobs/job-22222222", 404)).GetProperty("title").GetString().ShouldBe("job not found");

    private async Task<(string Prd, string[] Jobs)> PlannedAsync()
    {
        var prd = await host.SubmitAsync();
        PlannedJob[] plan = [new() { Key = "a", Title = "A" }, new() { Key = "b", Title = "B", DependsOn = ["a"] }];
        await host.Db.CommitAsync([ModelChanges.Ensure("m1", "local", null, "scripted"), PrdChanges.Planned(prd), JobChanges.Insert(prd, plan),
            PrdChanges.Running(prd)], ApiHost.Cancel);
        return (prd, [.. plan.Select(j => j.Id)]);
    }
}
