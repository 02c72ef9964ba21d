using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Aura.Testing;

namespace Aura.Host.Tests.EndToEnd;

/// <summary>Whole PRDs whose employees are processes of their own, which speak HTTP only.</summary>
public sealed class WorkerTests(TestDatabase database) : IClassFixture<TestDatabase>
{
    private const string Honest = "honest.json";
    private const string Counting = "\"\"\"Counting.\"\"\"\n\n\ndef count(items):\n    \"\"\"The number of items.\"\"\"\n    return len(items)\n";

    /// <summary>A host whose own employees stay away.</summary>
    private static readonly (string, string)[] WithoutEmployees = [("AURA_ROLES", "manager,engine,mcp,validator")];

    [Fact]
    public async Task Scripted_WorkerInItsOwnProcess_ThePrdIsProvenAndMerged()
    {
        await using var place = new Workplace();
        await using var host = await ChildHost.StartAsync(place, database, WithoutEmployees);
        var id = await host.SubmitAsync(Workplace.Fixture("prds", Honest));
        await using var worker = ChildWorker.Start(place, host, "scripted", "one", ("AURA_SCRIPTS", Workplace.Fixture("prds")));

        await host.ApproveAsync(id);
        var prd = await host.PrdReachesAsync(id, "ARCHIVED");

        var job = prd.GetProperty("jobs").EnumerateArray().ShouldHaveSingleItem();
        (await OwnersAsync(job)).ShouldBe(["one"]);
        (await host.GetAsync($"/jobs/{Id(job)}")).GetProperty("runlog").GetString()!.ShouldContain("Script honest.script.json");
        (await worker.StopAsync()).ShouldBe(0, worker.Output);
        worker.Output.ShouldNotContain(Workplace.WorkerKey);
        Directory.EnumerateFileSystemEntries(Path.Combine(place.Root, "workers", "one")).ShouldBeEmpty();
    }

    [Theory]
    [InlineData("openai")]
    [InlineData("gemini")]
    [InlineData("ollama")]
    public async Task ModelServer_WorkerInItsOwnProcess_ThePrdIsProvenAndMerged(string backend)
    {
        await using var server = backend == "ollama" ? new KeylessAimockServer() : new AimockServer();
        await server.InitializeAsync();
        (string, string)[] settings = backend switch
        {
            "openai" => [("OPENAI_BASE_URL", new Uri(server.Address, "/v1").AbsoluteUri), ("OPENAI_API_KEY", AimockServer.Key)],
            "gemini" => [("GEMINI_BASE_URL", new Uri(server.Address, "/v1beta/openai/").AbsoluteUri), ("GEMINI_API_KEY", AimockServer.Key)],
            _ => [("OLLAMA_HOST", server.Address.Authority)],
        };
        // A model of one name is of one backend.
        await using var own = new TestDatabase();
        await own.InitializeAsync();
        await using var place = new Workplace();
        await using var host = await ChildHost.StartAsync(place, own, [.. WithoutEmployees, ("AURA_BACKEND", backend)]);
        await using var worker = ChildWorker.Start(place, host, backend, "open", [.. settings, ("AURA_WORKER_MODEL", "counts")]);
        // The host itself has no key and knows no model of that backend: the worker brings it.
        await BackendAsync(own, "counts", backend);
        var id = await host.SubmitAsync(Workplace.Fixture("prds", Honest));

        await host.ApproveAsync(id);
        var prd = await host.PrdReachesAsync(id, "ARCHIVED");

        prd.GetProperty("jobs")[0].GetProperty("model").GetString().ShouldBe("counts");
        (await server.RequestsAsync("counts")).Count.ShouldBeGreaterThanOrEqualTo(2);
        // The worker's calls of the model are in the ledger, though it knows no database.
        (await own.ScalarAsync<long>($"SELECT count(*) FROM aura.model_calls WHERE prd_id = $1 AND model = 'counts' AND backend = '{backend}'", id))
            .ShouldBeGreaterThanOrEqualTo(2);
        (host.Output + worker.Output).ShouldNotContain(AimockServer.Key);
    }

    [Fact]
    public async Task CommandLineAgent_WorkerInItsOwnProcess_ThePrdIsProvenAndMerged()
    {
        await using var place = new Workplace();
        var employees = await AgentAsync(place, "no mark", "counts");
        await using var host = await ChildHost.StartAsync(place, database, [.. WithoutEmployees, ("AURA_BACKEND", "cli")]);
        await using var worker = ChildWorker.Start(place, host, "cli", "agents", ("AURA_EMPLOYEES", employees));
        await BackendAsync(database, "counter", "cli");
        var id = await host.SubmitAsync(Workplace.Fixture("prds", Honest));

        await host.ApproveAsync(id);
        var prd = await host.PrdReachesAsync(id, "ARCHIVED", "ESCALATED");

        prd.GetProperty("status").GetString().ShouldBe("ARCHIVED", host.Output + worker.Output);
        (await OwnersAsync(prd.GetProperty("jobs").EnumerateArray().ShouldHaveSingleItem())).ShouldBe(["agents"]);
        (await database.ScalarAsync<long>("SELECT count(*) FROM aura.model_calls WHERE prd_id = $1 AND backend = 'cli' AND finish = 'stop'", id)).ShouldBe(1);
    }

    [Fact]
    public async Task CommandLineAgent_LeaseLostInMidRun_ItsWholeProcessTreeEndsAndAnotherFinishesTheJobOnce()
    {
        // A model of one name is in one state.
        await using var own = new TestDatabase();
        await own.InitializeAsync();
        await using var place = new Workplace();
        await using var host = await ChildHost.StartAsync(place, own, [.. WithoutEmployees, ("AURA_BACKEND", "cli"), ("AURA_LEASE_SECONDS", "6")]);
        var mark = $"mark-{Guid.NewGuid():N}";
        await using var first = ChildWorker.Start(
            place, host, "cli", "first", ("AURA_EMPLOYEES", await AgentAsync(place, mark, "lingers", "{prompt_file}", mark)));
        await BackendAsync(own, "counter", "cli");
        var id = await host.SubmitAsync(Workplace.Fixture("prds", Honest));
        await Until.TrueAsync(() => Task.FromResult(Workplace.ProcessesWith(mark).Any(c => c.Contains($"detached-{mark}", StringComparison.Ordinal))),
            () => host.Output + first.Output, 60);

        // As if another process had taken the job over; the worker itself lives on.
        await own.ExecuteAsync(
            "UPDATE wf.tasks SET fence = fence + 1, owner = 'elsewhere', lease_until = now() + interval '1 hour' WHERE queue = 'employee:cli'");

        await Until.TrueAsync(() => Task.FromResult(Workplace.ProcessesWith(mark).Count == 0),
            () => string.Join('\n', Workplace.ProcessesWith(mark)) + first.Output, 60);
        await Until.TrueAsync(() => Task.FromResult(first.Output.Contains("its result discarded", StringComparison.Ordinal)), () => first.Output, 60);
        (await CountAsync(own, id, "job.submitted")).ShouldBe(0);
        (await first.StopAsync()).ShouldBe(0, first.Output);

        await ExpireAsync(own);
        await using var second = ChildWorker.Start(place, host, "cli", "second", ("AURA_EMPLOYEES", await AgentAsync(place, mark, "counts")));
        await host.ApproveAsync(id);
        var prd = await host.PrdReachesAsync(id, "ARCHIVED");
        prd.GetProperty("jobs")[0].GetProperty("attempt").GetInt32().ShouldBe(1);
        await CountedOnceAsync(own, id);
        prd.ToString().ShouldNotContain("left_behind");
        Workplace.ProcessesWith(mark).ShouldBeEmpty();
    }

    [Fact]
    public async Task Kill_WorkerInMidJob_AnotherFinishesItOnce()
    {
        await using var place = new Workplace();
        await using var host = await ChildHost.StartAsync(place, database, WithoutEmployees);
        var id = await host.SubmitAsync(Workplace.Fixture("prds", Honest));
        await using var first = ChildWorker.Start(place, host, "scripted", "first", ("AURA_SCRIPTS", EndlessScript(place)));
        await EventAsync(id, "job.tool", () => first.Output + host.Output);

        await first.KillAsync();
        await ExpireAsync();
        await using var second = ChildWorker.Start(place, host, "scripted", "second", ("AURA_SCRIPTS", Workplace.Fixture("prds")));
        await host.ApproveAsync(id);
        var prd = await host.PrdReachesAsync(id, "ARCHIVED");

        var job = prd.GetProperty("jobs").EnumerateArray().ShouldHaveSingleItem();
        (job.GetProperty("attempt").GetInt32(), job.GetProperty("retry_count").GetInt32()).ShouldBe((1, 0));
        (await OwnersAsync(job)).ShouldBe(["first", "second"]);
        await CountedOnceAsync(id);
        (await CountAsync(id, "job.lease_lost")).ShouldBe(1);
        // Nothing of what the dead one wrote is in the result.
        (await host.Http.GetStringAsync($"/prds/{id}")).ShouldNotContain("left_behind");
    }

    [Fact]
    public async Task Stop_WorkerInMidJob_HandsTheJobBackAtOnce()
    {
        await using var place = new Workplace();
        await using var host = await ChildHost.StartAsync(place, database, WithoutEmployees);
        var id = await host.SubmitAsync(Workplace.Fixture("prds", Honest));
        await using var first = ChildWorker.Start(place, host, "scripted", "first", ("AURA_SCRIPTS", EndlessScript(place)));
        await EventAsync(id, "job.tool", () => first.Output + host.Output);

        (await first.StopAsync()).ShouldBe(0, first.Output);

        (await database.ScalarAsync<bool>("SELECT bool_and(owner IS NULL AND attempt = 0) FROM wf.tasks WHERE queue = 'employee:scripted'")).ShouldBeTrue();
        await using var second = ChildWorker.Start(place, host, "scripted", "second", ("AURA_SCRIPTS", Workplace.Fixture("prds")));
        await host.ApproveAsync(id);
        var prd = await host.PrdReachesAsync(id, "ARCHIVED");
        prd.GetProperty("jobs")[0].GetProperty("attempt").GetInt32().ShouldBe(1);
        (await CountAsync(id, "job.lease_lost")).ShouldBe(0);
        await CountedOnceAsync(id);
        prd.ToString().ShouldNotContain("left_behind");
    }

    [Fact]
    public async Task Once_JobHandedIn_EndsWithZero()
    {
        await using var place = new Workplace();
        await using var host = await ChildHost.StartAsync(place, database, WithoutEmployees);
        await using var worker = ChildWorker.StartOnce(place, host, "scripted", "once", ("AURA_SCRIPTS", Workplace.Fixture("prds")));
        var id = await host.SubmitAsync(Workplace.Fixture("prds", Honest));

        (await worker.EndedAsync(seconds: 120)).ShouldBe(0, worker.Output + host.Output);

        await host.PrdReachesAsync(id, "AWAITING_APPROVAL");
        await CountedOnceAsync(id);
    }

    [Fact]
    public async Task Once_JobLost_EndsWithOne()
    {
        await using var place = new Workplace();
        // A third of the lease is the time between two heartbeats.
        await using var host = await ChildHost.StartAsync(place, database, [.. WithoutEmployees, ("AURA_LEASE_SECONDS", "6")]);
        await using var worker = ChildWorker.StartOnce(place, host, "scripted", "loser", ("AURA_SCRIPTS", EndlessScript(place)));
        var id = await host.SubmitAsync(Workplace.Fixture("prds", Honest));
        await Until.TrueAsync(
            () => Task.FromResult(worker.Output.Contains("Claimed job-", StringComparison.Ordinal)), () => worker.Output + host.Output, 60);

        await database.ExecuteAsync("DELETE FROM wf.tasks WHERE queue = 'employee:scripted'");

        (await worker.EndedAsync(seconds: 120)).ShouldBe(1, worker.Output + host.Output);
        (await CountAsync(id, "job.submitted")).ShouldBe(0);
    }

    [Fact]
    public async Task Once_WrongKey_EndsWithSixtyNineAndSaysWhatToSet()
    {
        await using var place = new Workplace();
        await using var host = await ChildHost.StartAsync(place, database, WithoutEmployees);
        await using var worker = ChildWorker.StartOnce(place, host, "scripted", "stranger", ("AURA_WORKER_KEY", "a-key-of-another-house"));

        (await worker.EndedAsync()).ShouldBe(69, worker.Output);

        worker.Output.ShouldContain("Set AURA_WORKER_KEY to the manager's workers' key.");
        worker.Output.ShouldNotContain("a-key-of-another-house");
    }

    [Fact]
    public async Task Manager_AwayForAWhile_TheWorkerComesBackByItself()
    {
        await using var place = new Workplace();
        var host = await ChildHost.StartAsync(place, database, WithoutEmployees);
        var (port, mcp) = (host.Http.BaseAddress!.Port, new Uri(host.Mcp!).Port);
        await using var worker = ChildWorker.Start(place, host, "scripted", "patient", ("AURA_SCRIPTS", Workplace.Fixture("prds")));
        await Until.TrueAsync(() => Task.FromResult(worker.Output.Contains("serves scripted", StringComparison.Ordinal)), () => worker.Output, 60);

        await host.KillAsync();
        await Until.TrueAsync(() => Task.FromResult(worker.Output.Contains("The manager is away", StringComparison.Ordinal)), () => worker.Output, 60);
        await using var again = await ChildHost.StartAsync(
            place, database, [.. WithoutEmployees, ("MANAGER_PORT", $"{port}"), ("MCP_PORT", $"{mcp}")]);

        var id = await again.SubmitAsync(Workplace.Fixture("prds", Honest));
        await again.PrdReachesAsync(id, "AWAITING_APPROVAL");
    }

    [Fact]
    public async Task Submit_AfterTheLeaseWasLost_IsRefusedAndWritesNothing()
    {
        await using var place = new Workplace();
        await using var host = await ChildHost.StartAsync(place, database, WithoutEmployees);
        using var hands = new Hands(host);
        var id = await host.SubmitAsync(Workplace.Fixture("prds", Honest));
        var lost = await hands.ClaimAsync();
        (await hands.ToolAsync(lost, "write_file", new { path = "app/counting.py", content = "left_behind = 1\n" })).StatusCode.ShouldBe(HttpStatusCode.OK);
        await ExpireAsync();
        // The tools believe for two seconds at most that a lease is held.
        await Until.TrueAsync(
            async () => (await hands.ToolAsync(lost, "list_files", new { })).StatusCode == HttpStatusCode.Unauthorized, () => host.Output, 30);
        var held = await hands.ClaimAsync();

        // The one that was late gets nothing through any more, by no way.
        (Text(held, "job_id"), held.GetProperty("delivery").GetInt32()).ShouldBe((Text(lost, "job_id"), 2));
        (await hands.SubmitAsync(lost)).ShouldBe((409, "lease_lost"));
        (await hands.PostAsync($"/jobs/{Text(lost, "job_id")}/heartbeat", new { lease = Text(lost, "lease") })).ShouldBe((409, "lease_lost"));
        (await hands.PostAsync($"/jobs/{Text(lost, "job_id")}/release", new { lease = Text(lost, "lease") })).ShouldBe((409, "lease_lost"));
        (await hands.PostAsync($"/models/{Text(lost, "model")}/artifact", new
        {
            job_id = Text(lost, "job_id"),
            lease = Text(lost, "lease"),
            type = "transcript",
            artifact = new { text = "late" },
        })).ShouldBe((409, "lease_lost"));
        (await hands.ToolAsync(lost, "write_file", new { path = "app/counting.py", content = "left_behind = 2\n" })).StatusCode.ShouldBe(HttpStatusCode.Unauthorized);
        (await CountAsync(id, "job.submitted")).ShouldBe(0);
        (await database.ScalarAsync<long>("SELECT count(*) FROM aura.model_artifacts a JOIN aura.jobs j ON j.id = a.job_id WHERE j.prd_id = $1", id)).ShouldBe(0);

        // The other one begins with a clean sandbox, and what it hands in counts: once, however often it is sent.
        (await (await hands.ToolAsync(held, "list_files", new { pattern = "app/counting.py" })).Content.ReadAsStringAsync()).ShouldNotContain("counting.py");
        await hands.ToolAsync(held, "write_file", new { path = "app/counting.py", content = Counting });
        (await hands.PostAsync($"/models/{Text(held, "model")}/artifact", new
        {
            job_id = Text(held, "job_id"),
            lease = Text(held, "lease"),
            type = "transcript",
            artifact = new { text = "in time" },
        })).Status.ShouldBe(200);
        var answers = await Task.WhenAll(Enumerable.Range(0, 5).Select(_ => hands.SubmitAsync(held)));
        answers.ShouldAllBe(a => a.Status == 200);
        (await hands.SubmitAsync(held, "another word")).ShouldBe((409, "contradicted"));
        await host.PrdReachesAsync(id, "AWAITING_APPROVAL");
        await CountedOnceAsync(id);
        (await hands.SubmitAsync(held)).Status.ShouldBe(200);
        (await hands.SubmitAsync(lost)).ShouldBe((409, "lease_lost"));
        (await database.ScalarAsync<long>("SELECT count(*) FROM aura.audit_logs WHERE actor = 'worker' AND action = 'job.submit' AND job_id = $1", Text(held, "job_id"))).ShouldBe(1);
    }

    [Fact]
    public async Task Submit_ModelWasUnavailable_CountsNoRetryAndTheJobWaitsForItsReturn()
    {
        await using var place = new Workplace();
        await using var host = await ChildHost.StartAsync(place, database, WithoutEmployees);
        using var hands = new Hands(host);
        var id = await host.SubmitAsync(Workplace.Fixture("prds", Honest));
        var first = await hands.ClaimAsync();
        (await hands.SubmitAsync(first, "The endpoint answers 503.", "Unavailable")).Status.ShouldBe(200);

        await EventAsync(id, "job.waiting", () => host.Output);
        (await CountAsync(id, "job.model_unavailable")).ShouldBe(1);
        (await host.GetAsync("/models")).GetProperty("items").EnumerateArray().Single(m => Text(m, "name") == Text(first, "model"))
            .GetProperty("down").GetString()!.ShouldContain("The endpoint answers 503.");
        // Somebody who serves it starts anew: nothing stands against it any more.
        (await hands.PostAsync($"/models/{Text(first, "model")}/register", new { backend = "scripted" })).Status.ShouldBe(200);

        var second = await hands.ClaimAsync();
        second.GetProperty("attempt").GetInt32().ShouldBe(2);
        await hands.ToolAsync(second, "write_file", new { path = "app/counting.py", content = Counting });
        (await hands.SubmitAsync(second)).Status.ShouldBe(200);
        var prd = await host.PrdReachesAsync(id, "AWAITING_APPROVAL");
        prd.GetProperty("jobs")[0].GetProperty("retry_count").GetInt32().ShouldBe(0);
        await CountedOnceAsync(id);
    }

    [Fact]
    public async Task Claim_MoreThanTheLimitAtOnce_OnlySoManyWork()
    {
        await using var place = new Workplace();
        await using var host = await ChildHost.StartAsync(place, database, [.. WithoutEmployees, ("AURA_MAX_EMPLOYEES", "2")]);
        using var hands = new Hands(host);
        for (var i = 0; i < 3; i++)
            await host.SubmitAsync(Workplace.Fixture("prds", Honest));
        var first = await hands.ClaimAsync();
        await hands.ClaimAsync();
        await Until.TrueAsync(
            async () => await database.ScalarAsync<long>("SELECT count(*) FROM wf.tasks WHERE queue = 'employee:scripted'") == 3, () => host.Output, 60);

        (await hands.PostAsync("/jobs/claim", new { worker = "third", backend = "scripted" })).Status.ShouldBe(204);
        (await hands.PostAsync($"/jobs/{Text(first, "job_id")}/release", new { lease = Text(first, "lease") })).Status.ShouldBe(200);
        (await hands.PostAsync($"/jobs/{Text(first, "job_id")}/claim", new { worker = "third" })).Status.ShouldBe(200);
        await database.ExecuteAsync("DELETE FROM wf.tasks");
    }

    /// <summary>Waits until somebody serves the model under that backend.</summary>
    private static async Task BackendAsync(TestDatabase database, string model, string backend) => await Until.TrueAsync(
        async () => await database.ScalarAsync<long>($"SELECT count(*) FROM aura.models WHERE name = $1 AND backend = '{backend}'", model) == 1,
        () => $"No model '{model}' of backend '{backend}' was registered.", 60);

    private Task ExpireAsync() => ExpireAsync(database);

    /// <summary>As if nothing had been heard of any holder for as long as a lease lasts.</summary>
    private static Task ExpireAsync(TestDatabase database) => database.ExecuteAsync(
        "UPDATE wf.tasks SET lease_until = now() - interval '1 second' WHERE queue LIKE 'employee:%' AND owner IS NOT NULL");

    /// <summary>An employees.json whose agent <c>counter</c> does one thing of the fixture; the mark is in the environment of all its processes.</summary>
    private static async Task<string> AgentAsync(Workplace place, string mark, params string[] arguments)
    {
        const UnixFileMode Everybody = (UnixFileMode)0b111_101_101;
        var tools = Directory.CreateDirectory(Path.Combine(place.Root, "agent"), Everybody).FullName;
        var command = Path.Combine(tools, "agent.py");
        File.Copy(Workplace.Fixture("agent.py"), command, overwrite: true);
        File.SetUnixFileMode(command, Everybody);
        var employees = Path.Combine(place.Root, $"employees-{arguments[0]}.json");
        await File.WriteAllTextAsync(employees, JsonSerializer.Serialize(new
        {
            agents = new { counter = new { command, arguments, mounts = new[] { tools }, environment = new { MARK = mark } } },
        }));
        return employees;
    }

    private Task EventAsync(string prdId, string type, Func<string> story) => Until.TrueAsync(async () => await CountAsync(prdId, type) > 0, story, 60);

    private Task CountedOnceAsync(string prdId) => CountedOnceAsync(database, prdId);

    private static async Task CountedOnceAsync(TestDatabase database, string prdId)
    {
        (await CountAsync(database, prdId, "job.submitted")).ShouldBe(1);
        (await CountAsync(database, prdId, "job.scored")).ShouldBe(1);
        (await database.ScalarAsync<long>(
            "SELECT count(*) FROM aura.model_runs r JOIN aura.jobs j ON j.id = r.job_id WHERE j.prd_id = $1", prdId)).ShouldBe(1);
        (await database.ScalarAsync<long>(
            "SELECT count(*) FROM aura.model_artifacts a JOIN aura.jobs j ON j.id = a.job_id WHERE j.prd_id = $1 AND artifact_type = 'diff'", prdId)).ShouldBe(1);
    }

    private Task<long> CountAsync(string prdId, string type) => CountAsync(database, prdId, type);

    private static async Task<long> CountAsync(TestDatabase database, string prdId, string type) =>
        await database.ScalarAsync<long>("SELECT count(*) FROM aura.job_events WHERE prd_id = $1 AND type = $2", prdId, type);

    /// <summary>Who claimed the job, in order.</summary>
    private Task<List<string>> OwnersAsync(JsonElement job) => database.ListAsync<string>(
        "SELECT details->>'worker' FROM aura.audit_logs WHERE action = 'job.claim' AND job_id = $1 ORDER BY id", Id(job));

    private static string Id(JsonElement job) => job.GetProperty("id").GetString()!;

    private static string Text(JsonElement element, string name) => element.GetProperty(name).GetString()!;

    /// <summary>An employee that writes something and then never ends.</summary>
    private static string EndlessScript(Workplace place)
    {
        var folder = Directory.CreateDirectory(Path.Combine(place.Root, "endless"));
        File.WriteAllText(Path.Combine(folder.FullName, "endless.script.json"), """
            {"jobs":{"Add a counting helper":{"attempts":[{"explanation":"Never told.","calls":[
                {"tool":"write_file","arguments":{"path":"app/left_behind.py","content":"left_behind = 1\n"}},
                {"tool":"sleep","arguments":{"seconds":600}}]}]}}}
            """);
        return folder.FullName;
    }

    /// <summary>A worker made of single requests, so that a test decides when each one comes.</summary>
    private sealed class Hands(ChildHost host) : IDisposable
    {
        private readonly HttpClient _manager = ClientOf(host.Http.BaseAddress!, Workplace.WorkerKey);

        public async Task<JsonElement> ClaimAsync()
        {
            JsonElement job = default;
            await Until.TrueAsync(async () =>
            {
                using var response = await _manager.PostAsync("/jobs/claim", Json(new { worker = "hands", backend = "scripted", wait_seconds = 20 }));
                var text = await response.Content.ReadAsStringAsync();
                response.IsSuccessStatusCode.ShouldBeTrue(text);
                job = text.Length == 0 ? default : JsonElement.Parse(text);
                return response.StatusCode == HttpStatusCode.OK;
            }, () => host.Output, 60);
            return job;
        }

        public Task<(int Status, string? Code)> SubmitAsync(JsonElement job, string explanation = "Done by hand.", string finish = "Completed") => PostAsync(
            $"/jobs/{Text(job, "job_id")}/submit",
            new { lease = Text(job, "lease"), result = new { output = "By hand.", explanation, finish_reason = finish, self_confidence = 0.8 } });

        public async Task<(int Status, string? Code)> PostAsync(string path, object body)
        {
            using var response = await _manager.PostAsync(path, Json(body));
            var text = await response.Content.ReadAsStringAsync();
            var answer = JsonElement.Parse(text.Length == 0 ? "{}" : text);
            return ((int)response.StatusCode, answer.TryGetProperty("code", out var code) ? code.GetString() : null);
        }

        public async Task<HttpResponseMessage> ToolAsync(JsonElement job, string tool, object arguments)
        {
            using var mcp = ClientOf(new Uri(host.Mcp!), Text(job, "job_token"));
            var body = JsonSerializer.SerializeToNode(arguments)!.AsObject();
            body["session_id"] = Text(job, "sandbox_id");
            return await mcp.PostAsync($"/mcp/{tool}", new StringContent(body.ToJsonString(), Encoding.UTF8, "application/json"));
        }

        public void Dispose() => _manager.Dispose();

        private static HttpClient ClientOf(Uri address, string key)
        {
            var client = new HttpClient { BaseAddress = address };
            client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", key);
            return client;
        }

        private static StringContent Json(object body) => new(JsonSerializer.Serialize(body), Encoding.UTF8, "application/json");
    }
}
