using System.Diagnostics;
using Aura.Testing;

namespace Aura.Host.Tests.EndToEnd;

/// <summary>The demo's PRD, with the host killed in the middle: it must end as if nothing had happened.</summary>
public sealed class CrashTests(TestDatabase database) : IClassFixture<TestDatabase>
{
    private static readonly string Prd = Repository.Path("real_projects", "demo_flask", "prds", "find-notes.json");

    [Fact]
    public async Task Kill_DuringAnEmployeesWork_EndsArchivedAndCountedOnce()
    {
        await using var place = new Workplace();
        var host = await ChildHost.StartAsync(place, database);
        var id = await host.SubmitAsync(Prd);
        await EventAsync(id, "job.tool");
        await host.KillAsync();

        await ResumeAndCheckAsync(place, id);
    }

    [Fact]
    public async Task Kill_DuringPytest_EndsArchivedAndNoJailSurvives()
    {
        await using var place = new Workplace();
        var host = await ChildHost.StartAsync(place, database);
        var id = await host.SubmitAsync(Prd);
        await EventAsync(id, "job.validating");
        await Until.TrueAsync(() => Task.FromResult(JailsOf(place).Count > 0), () => "No jail was seen.", 30);
        await host.KillAsync();
        await Until.TrueAsync(() => Task.FromResult(JailsOf(place).Count == 0), () => $"Jails live on: {string.Join(' ', JailsOf(place))}", 15);

        await ResumeAndCheckAsync(place, id);
    }

    [Theory]
    [InlineData("burst-commit@2")]
    [InlineData("burst-committed@3")]
    [InlineData("burst-commit@9")]
    [InlineData("task-commit:Aura.EmployeeWork")]
    [InlineData("task-committed:Aura.RunPytest@2")]
    [InlineData("task-commit:Aura.IntegrateJobs@2")]
    public async Task Kill_BetweenCommits_EndsArchivedAndCountedOnce(string point)
    {
        await using var place = new Workplace();
        var host = await ChildHost.StartAsync(place, database, ("AURA_FAULT_POINT", point));
        var id = await host.SubmitAsync(Prd);
        await host.DiedAsync();

        await ResumeAndCheckAsync(place, id);
    }

    [Fact]
    public async Task Kill_WhileWaitingForApproval_TheDecisionStillCounts()
    {
        await using var place = new Workplace();
        var host = await ChildHost.StartAsync(place, database);
        var id = await host.SubmitAsync(Prd);
        await host.PrdReachesAsync(id, "AWAITING_APPROVAL");
        await host.KillAsync();

        await ResumeAndCheckAsync(place, id);
    }

    [Theory]
    [InlineData("task-commit:Aura.MergePrd")]
    [InlineData("task-committed:Aura.MergePrd")]
    public async Task Kill_DuringMerge_MergesOnce(string point)
    {
        await using var place = new Workplace();
        var host = await ChildHost.StartAsync(place, database, ("AURA_FAULT_POINT", point));
        var id = await host.SubmitAsync(Prd);
        await host.ApproveAsync(id);
        await host.DiedAsync();

        await ResumeAndCheckAsync(place, id, isApproved: true);
    }

    private async Task ResumeAndCheckAsync(Workplace place, string id, bool isApproved = false)
    {
        await using var host = await ChildHost.StartAsync(place, database);
        if (!isApproved)
            await host.ApproveAsync(id);
        var prd = await host.PrdReachesAsync(id, "ARCHIVED", "ESCALATED");

        prd.GetProperty("status").GetString().ShouldBe("ARCHIVED", prd.ToString() + host.Output);
        prd.GetProperty("tests_after").GetProperty("failed").GetInt32().ShouldBe(0);
        var jobs = prd.GetProperty("jobs").EnumerateArray().ToList();
        jobs.Count.ShouldBe(3);
        jobs.ShouldAllBe(j => j.GetProperty("status").GetString() == "COMPLETED");
        // One job needs its second attempt, by its script; a crash adds none.
        var attempts = jobs.Sum(j => j.GetProperty("attempt").GetInt32());
        attempts.ShouldBe(4);
        (await database.ScalarAsync<long>(
            "SELECT count(*) FROM aura.model_runs r JOIN aura.jobs j ON j.id = r.job_id WHERE j.prd_id = $1", id)).ShouldBe(attempts);
        (await CountAsync(id, "job.completed")).ShouldBe(3);
        (await CountAsync(id, "job.integrated")).ShouldBe(3);
        (await CountAsync(id, "prd.merged")).ShouldBe(1);
        (await CountAsync(id, "prd.archived")).ShouldBe(1);
        (await database.ScalarAsync<long>("SELECT count(*) FROM aura.archived_jobs WHERE prd_id = $1 AND job_id IS NULL", id)).ShouldBe(1);
        (await database.ScalarAsync<long>("SELECT count(*) FROM wf.tasks")).ShouldBe(0);
        (await database.ScalarAsync<long>("SELECT count(*) FROM wf.instances WHERE status = 'Running'")).ShouldBe(0);
        (await GitAsync(place, "rev-list", "--count", $"main..{prd.GetProperty("branch").GetString()}")).ShouldBe("3");
        (await GitAsync(place, "rev-parse", prd.GetProperty("branch").GetString()!)).ShouldBe(prd.GetProperty("merge_commit").GetString());
    }

    private Task EventAsync(string prdId, string type) =>
        Until.TrueAsync(async () => await CountAsync(prdId, type) > 0, () => $"No {type} was seen.", 60);

    private async Task<long> CountAsync(string prdId, string type) =>
        await database.ScalarAsync<long>("SELECT count(*) FROM aura.job_events WHERE prd_id = $1 AND type = $2", prdId, type);

    private static List<string> JailsOf(Workplace place) => [.. place.Processes().Where(p => p.Contains("bwrap", StringComparison.Ordinal))];

    private static async Task<string> GitAsync(Workplace place, params string[] arguments)
    {
        var info = new ProcessStartInfo("git", ["-c", "safe.directory=*", "--git-dir", place.MirrorOf("demo_flask"), .. arguments])
        {
            RedirectStandardOutput = true,
            UseShellExecute = false,
        };
        using var git = Process.Start(info)!;
        var output = await git.StandardOutput.ReadToEndAsync();
        await git.WaitForExitAsync();
        return output.Trim();
    }
}
