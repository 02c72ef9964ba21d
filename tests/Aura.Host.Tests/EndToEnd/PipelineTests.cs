using System.Text.Json;
using Aura.Testing;

namespace Aura.Host.Tests.EndToEnd;

/// <summary>Whole PRDs through real hosts: two at once, conflicts, refusals, and a tree without tasks.</summary>
public sealed class PipelineTests(TestDatabase database) : IClassFixture<TestDatabase>
{
    [Fact]
    public async Task TwoHosts_TwentyPrds_AllArchivedAndNoJobUnderTwoLeases()
    {
        const int Count = 20;
        await using var place = new Workplace();
        await WatchClaimsAsync();
        var scripts = ("AURA_SCRIPTS", Workplace.Fixture("prds"));
        await using var one = await ChildHost.StartAsync(place, database, scripts);
        await using var two = await ChildHost.StartAsync(place, database, scripts);
        var ids = new List<string>();
        for (var i = 0; i < Count; i++)
            ids.Add(await (i % 2 == 0 ? one : two).SubmitAsync(Workplace.Fixture("prds", "honest.json")));

        foreach (var (id, index) in ids.Select((id, index) => (id, index)))
            await (index % 2 == 0 ? two : one).ApproveAsync(id);
        foreach (var id in ids)
            (await one.PrdReachesAsync(id, "ARCHIVED", "ESCALATED")).GetProperty("status").GetString().ShouldBe("ARCHIVED");

        object all = ids.ToArray();
        // A claim while the lease before it was still good would be two workers on one job.
        (await database.ScalarAsync<long>("SELECT count(*) FROM claims WHERE was_leased")).ShouldBe(0);
        (await database.ScalarAsync<long>("SELECT count(DISTINCT owner) FROM claims WHERE type = 'Aura.EmployeeWork'")).ShouldBe(2);
        (await database.ScalarAsync<long>("SELECT count(*) FROM claims WHERE type = 'Aura.EmployeeWork'")).ShouldBe(Count);
        (await database.ScalarAsync<long>(
            "SELECT count(*) FROM aura.model_runs r JOIN aura.jobs j ON j.id = r.job_id WHERE j.prd_id = ANY($1)", all)).ShouldBe(Count);
        (await database.ScalarAsync<long>("SELECT count(*) FROM aura.job_events WHERE prd_id = ANY($1) AND type = 'job.submitted'", all)).ShouldBe(Count);
    }

    [Fact]
    public async Task TwoJobsWithTheSameLines_OneWorksOnceMoreWithTheConflict()
    {
        await using var place = new Workplace();
        await using var host = await ChildHost.StartAsync(place, database, ("AURA_SCRIPTS", Workplace.Fixture("prds")));
        var id = await host.SubmitAsync(Workplace.Fixture("prds", "conflict.json"));

        await host.ApproveAsync(id);
        var prd = await host.PrdReachesAsync(id, "ARCHIVED", "ESCALATED");

        prd.GetProperty("status").GetString().ShouldBe("ARCHIVED");
        prd.GetProperty("jobs").EnumerateArray().Select(j => j.GetProperty("attempt").GetInt32()).Order().ShouldBe([1, 2]);
        (await database.ScalarAsync<long>("SELECT count(*) FROM aura.job_events WHERE prd_id = $1 AND type = 'job.conflict'", id)).ShouldBe(1);
    }

    [Fact]
    public async Task OpenAiCompatibleServer_WorksOnAJob_TheResultIsProvenAndMerged()
    {
        await using var server = new AimockServer();
        await server.InitializeAsync();
        await using var place = new Workplace();
        await using var host = await ChildHost.StartAsync(
            place, database, ("AURA_BACKEND", "openai"), ("OPENAI_BASE_URL", new Uri(server.Address, "/v1").AbsoluteUri),
            ("OPENAI_API_KEY", AimockServer.Key), ("OPENAI_MODEL", "counts"));
        var id = await host.SubmitAsync(Workplace.Fixture("prds", "honest.json"));

        await host.ApproveAsync(id);
        var prd = await host.PrdReachesAsync(id, "ARCHIVED");

        var job = prd.GetProperty("jobs").EnumerateArray().ShouldHaveSingleItem();
        job.GetProperty("model").GetString().ShouldBe("counts");
        (await server.RequestsAsync("counts")).Count.ShouldBeGreaterThanOrEqualTo(2);
        host.Output.ShouldNotContain(AimockServer.Key);
        (await database.ScalarAsync<long>(
            "SELECT count(*) FROM aura.model_calls WHERE job_id = $1 AND backend = 'openai' AND finish = 'tool_calls' AND error_code IS NULL",
            job.GetProperty("id").GetString()!)).ShouldBe(2);
    }

    [Fact]
    public async Task AnyBackend_TheModelOfOneIsMisconfigured_OneOfAnotherDoesTheJob()
    {
        await using var server = new AimockServer();
        await server.InitializeAsync();
        // Models that other tests have brought would be asked, too.
        await using var own = new TestDatabase();
        await own.InitializeAsync();
        await using var place = new Workplace();
        await using var host = await ChildHost.StartAsync(
            place, own, ("AURA_BACKEND", "any"), ("OPENAI_BASE_URL", new Uri(server.Address, "/v1").AbsoluteUri),
            ("OPENAI_API_KEY", "a-wrong-key-of-somebody"), ("OPENAI_MODEL", "a-model-without-a-key"),
            ("GEMINI_BASE_URL", new Uri(server.Address, "/v1beta/openai/").AbsoluteUri), ("GEMINI_API_KEY", AimockServer.Key), ("GEMINI_MODEL", "counts"));
        var id = await host.SubmitAsync(Workplace.Fixture("prds", "honest.json"));

        await host.ApproveAsync(id);
        var prd = await host.PrdReachesAsync(id, "ARCHIVED", "ESCALATED");

        prd.GetProperty("status").GetString().ShouldBe("ARCHIVED", host.Output);
        prd.GetProperty("jobs").EnumerateArray().ShouldHaveSingleItem().GetProperty("model").GetString().ShouldBe("counts");
        (await own.ScalarAsync<long>("SELECT count(*) FROM aura.model_calls WHERE prd_id = $1 AND backend = 'gemini' AND finish = 'tool_calls'", id))
            .ShouldBe(2);
        // A wrong key says nothing about a model.
        (await own.ScalarAsync<long>("SELECT count(*) FROM aura.model_runs WHERE model_id IN (SELECT id FROM aura.models WHERE backend = 'openai')")).ShouldBe(0);
    }

    [Fact]
    public async Task CommandLineAgent_WorksOnAJobInTheJail_TheResultIsProvenAndMerged()
    {
        await using var place = new Workplace();
        var tools = Directory.CreateDirectory(Path.Combine(place.Root, "agent"), (UnixFileMode)0b111_101_101);
        var agent = Path.Combine(tools.FullName, "agent.py");
        File.Copy(Workplace.Fixture("agent.py"), agent);
        File.SetUnixFileMode(agent, (UnixFileMode)0b111_101_101);
        await File.WriteAllTextAsync(Path.Combine(place.Root, "employees.json"), JsonSerializer.Serialize(new
        {
            agents = new { counter = new { command = agent, arguments = new[] { "counts" }, mounts = new[] { tools.FullName } } },
        }));
        await using var host = await ChildHost.StartAsync(place, database, ("AURA_BACKEND", "cli"));
        var id = await host.SubmitAsync(Workplace.Fixture("prds", "honest.json"));

        await host.ApproveAsync(id);
        var prd = await host.PrdReachesAsync(id, "ARCHIVED", "ESCALATED");

        prd.GetProperty("status").GetString().ShouldBe("ARCHIVED", host.Output);
        var job = prd.GetProperty("jobs").EnumerateArray().ShouldHaveSingleItem();
        (job.GetProperty("model").GetString(), job.GetProperty("attempt").GetInt32()).ShouldBe(("counter", 1));
        (await File.ReadAllTextAsync(Path.Combine(place.Root, "sandboxes", job.GetProperty("id").GetString()!, "runlog.txt")))
            .ShouldContain("  > A helper with a docstring.");
        (await database.ScalarAsync<long>("SELECT count(*) FROM aura.model_calls WHERE backend = 'cli' AND cost IS NULL AND finish = 'stop'"))
            .ShouldBe(1);
    }

    [Fact]
    public async Task EmployeesThatAreMisconfigured_EscalateWithoutARetryAndCountAgainstNoModel()
    {
        await using var server = new AimockServer();
        await server.InitializeAsync();
        await using var place = new Workplace();
        await using var host = await ChildHost.StartAsync(
            place, database, ("AURA_BACKEND", "openai"), ("OPENAI_BASE_URL", new Uri(server.Address, "/v1").AbsoluteUri),
            ("OPENAI_API_KEY", "a-wrong-key-of-somebody"), ("OPENAI_MODEL", "misconfigured"));

        var prd = await host.PrdReachesAsync(await host.SubmitAsync(Workplace.Fixture("prds", "honest.json")), "ESCALATED", "AWAITING_APPROVAL");

        var job = prd.GetProperty("jobs").EnumerateArray().ShouldHaveSingleItem();
        job.GetProperty("status").GetString().ShouldBe("ESCALATED");
        var id = job.GetProperty("id").GetString()!;
        (await database.ScalarAsync<long>(
            "SELECT count(*) FROM aura.jobs WHERE id = $1 AND retry_count = 0 AND status_reason LIKE '%Check the key of backend%'", id)).ShouldBe(1);
        (await database.ScalarAsync<long>("SELECT count(*) FROM aura.model_runs WHERE job_id = $1", id)).ShouldBe(0);
        (await database.ScalarAsync<long>("SELECT count(*) FROM aura.job_events WHERE job_id = $1 AND type = 'job.escalated'", id)).ShouldBe(1);
        host.Output.ShouldNotContain("a-wrong-key-of-somebody");
    }

    [Fact]
    public async Task NoTasksAndNoPlanner_IsEscalatedWithTheReason()
    {
        await using var place = new Workplace();
        await using var host = await ChildHost.StartAsync(place, database);
        var file = Path.Combine(place.Root, "prd.json");
        await File.WriteAllTextAsync(file, """{"project_id":"demo_flask","title":"Do something"}""");

        var prd = await host.PrdReachesAsync(await host.SubmitAsync(file), "ESCALATED", "AWAITING_APPROVAL");

        prd.GetProperty("status").GetString().ShouldBe("ESCALATED");
        prd.GetProperty("status_reason").GetString()!.ShouldContain("tasks");
    }

    [Fact]
    public async Task Reject_WithReason_EndsRejectedAndArchivedWithoutABranch()
    {
        await using var place = new Workplace();
        await using var host = await ChildHost.StartAsync(place, database, ("AURA_SCRIPTS", Workplace.Fixture("prds")));
        var id = await host.SubmitAsync(Workplace.Fixture("prds", "honest.json"));
        await host.PrdReachesAsync(id, "AWAITING_APPROVAL");

        using var content = new StringContent("""{"reason":"Not this way."}""", System.Text.Encoding.UTF8, "application/json");
        (await host.Http.PostAsync($"/prds/{id}/reject", content)).IsSuccessStatusCode.ShouldBeTrue();
        await Until.TrueAsync(
            async () => (await host.GetAsync($"/prds/{id}")).GetProperty("archive").ValueKind == JsonValueKind.Object, () => host.Output, 30);

        (await host.GetAsync($"/prds/{id}")).GetProperty("status").GetString().ShouldBe("REJECTED");
        Directory.Exists(Path.Combine(place.MirrorOf("demo_flask"), "refs", "heads", "feat")).ShouldBeFalse();
    }

    /// <summary>A trigger keeps every claim of a task, with whether the lease before it was still good.</summary>
    private async Task WatchClaimsAsync()
    {
        await using var command = database.DataSource.CreateCommand("""
            CREATE TABLE claims (task_id bigint, type text, owner text, was_leased boolean);
            CREATE FUNCTION note_claim() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                IF NEW.fence > OLD.fence THEN
                    INSERT INTO claims VALUES (NEW.id, NEW.activity_type, NEW.owner, OLD.owner IS NOT NULL AND OLD.lease_until > clock_timestamp());
                END IF;
                RETURN NEW;
            END $$;
            CREATE TRIGGER note_claim AFTER UPDATE ON wf.tasks FOR EACH ROW EXECUTE FUNCTION note_claim();
            """);
        await command.ExecuteNonQueryAsync();
    }
}
