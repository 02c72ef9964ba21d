using System.Text.Json;
using Aura.Testing;

namespace Aura.Host.Tests.EndToEnd;

/// <summary>Employees that misbehave on purpose: each is contained, each fails with its own reason, nothing outside changes.</summary>
public sealed class MaliciousTests(TestDatabase database) : IClassFixture<TestDatabase>
{
    [Theory]
    [InlineData("outside-scope", "submission", "Nothing was changed")]
    [InlineData("symlink-out", "tests", "failed")]
    [InlineData("edit-protected-test", "protected_tests", "changed by the job")]
    [InlineData("skip-in-code", "protected_tests", "missing")]
    [InlineData("skip-in-conftest", "tests", "failed")]
    [InlineData("forge-report", "tests", "ended before pytest was done")]
    [InlineData("open-socket", "tests", "failed")]
    [InlineData("fork-bomb", "duration", "")]
    [InlineData("run-forever", "tests", "time")]
    [InlineData("flood-output", "tests", "")]
    [InlineData("flood-pipes", "tests", "")]
    public async Task Script_Misbehaves_IsContainedWithItsOwnReason(string name, string tick, string reason)
    {
        await using var place = new Workplace();
        await using var host = await ChildHost.StartAsync(
            place, database, ("AURA_SCRIPTS", Workplace.Fixture("malicious")), ("AURA_VALIDATION_SECONDS", "12"));
        var before = Outside(place);
        var id = await host.SubmitAsync(Workplace.Fixture("malicious", name + ".json"));

        var prd = await host.PrdReachesAsync(id, "ESCALATED", "AWAITING_APPROVAL");

        prd.GetProperty("status").GetString().ShouldBe("ESCALATED", prd.ToString());
        var job = await host.GetAsync($"/jobs/{prd.GetProperty("jobs")[0].GetProperty("id").GetString()}");
        job.GetProperty("status").GetString().ShouldBe("ESCALATED");
        var failed = job.GetProperty("ticks").EnumerateArray().Where(t => !t.GetProperty("passed").GetBoolean())
            .ToDictionary(t => t.GetProperty("name").GetString()!, t => t.GetProperty("details").GetProperty("detail").GetString()!);
        failed.Keys.ShouldContain(tick, JsonSerializer.Serialize(failed));
        failed[tick].ShouldContain(reason, Case.Insensitive, JsonSerializer.Serialize(failed));
        Outside(place).ShouldBe(before);
    }

    [Fact]
    public async Task Script_WritesOutsideItsScope_EveryCallIsRefusedWithACode()
    {
        await using var place = new Workplace();
        await using var host = await ChildHost.StartAsync(place, database, ("AURA_SCRIPTS", Workplace.Fixture("malicious")));
        var id = await host.SubmitAsync(Workplace.Fixture("malicious", "outside-scope.json"));
        await host.PrdReachesAsync(id, "ESCALATED");

        var refusals = await database.ListAsync<string>(
            "SELECT data->>'refused' FROM aura.job_events WHERE prd_id = $1 AND type = 'job.tool' AND data->>'refused' IS NOT NULL", id);

        refusals.Count.ShouldBeGreaterThanOrEqualTo(10);
        refusals.ShouldContain("outside_sandbox");
        refusals.ShouldContain("outside_scope");
        refusals.ShouldContain("git_directory");
    }

    /// <summary>Everything near the sandboxes that no employee may change: the project, its mirror's main, and what lies beside the sandboxes.</summary>
    private static string Outside(Workplace place)
    {
        var project = Repository.Path("real_projects", "demo_flask");
        var files = Directory.EnumerateFiles(project, "*", SearchOption.AllDirectories)
            .Where(f => !f.Contains("__pycache__", StringComparison.Ordinal))
            .Order(StringComparer.Ordinal)
            .Select(f => $"{f} {File.GetLastWriteTimeUtc(f):O} {new FileInfo(f).Length}");
        var beside = Directory.EnumerateFileSystemEntries(place.Root).Select(Path.GetFileName)
            .Where(n => n is not ("sandboxes" or "snapshots" or "state" or "logs")).Order(StringComparer.Ordinal);
        var temporary = Directory.EnumerateFileSystemEntries(Path.GetTempPath(), "*aura-escaped*");
        return string.Join('\n', files.Concat(beside!).Concat(temporary));
    }
}
