using System.Text.Json;
using Aura.Host.Tests.Security;
using Aura.Orchestra.Jobs;
using Aura.Orchestra.Models;
using Aura.Orchestra.Prds;
using Aura.Orchestra.Storage;

namespace Aura.Host.Tests.Api;

/// <summary>What workers are refused, and models. What they do is told end to end.</summary>
public sealed class WorkersApiTests(SignInHost host) : IClassFixture<SignInHost>
{
    private const string Lease = "1.1.00112233445566778899aabbccddeeff.w";

    private static CancellationToken Cancel => SignInHost.Cancel;

    [Theory]
    [InlineData("/jobs/claim", "{}", "backend worker")]
    [InlineData("/jobs/claim", """{"worker":"two words","backend":"scripted"}""", "worker")]
    [InlineData("/jobs/claim", """{"worker":"w","backend":"abacus"}""", "backend")]
    [InlineData("/jobs/claim", """{"worker":"w","backend":"scripted","wait_seconds":56}""", "wait_seconds")]
    [InlineData("/jobs/claim", """{"worker":"w","backend":"scripted","wait_seconds":-1}""", "wait_seconds")]
    [InlineData("/jobs/claim", """{"worker":"w","backend":"scripted","models":"m"}""", "models")]
    [InlineData("/jobs/claim", """{"worker":"w","backend":"scripted","models":[7]}""", "models[0]")]
    [InlineData("/jobs/claim", """{"worker":"w","backend":"scripted","model":"m"}""", "model")]
    [InlineData("/jobs/claim", """{"worker":"w\u0000","backend":"scripted"}""", "worker")]
    [InlineData("/jobs/claim", "[]", "$")]
    [InlineData("/jobs/claim", "{", "$")]
    [InlineData("/jobs/job-22222222/claim", "{}", "worker")]
    [InlineData("/jobs/job-22222222/heartbeat", "{}", "lease")]
    [InlineData("/jobs/job-22222222/heartbeat", """{"lease":"1.1"}""", "lease")]
    [InlineData("/jobs/job-22222222/heartbeat", """{"lease":"1.-1.00112233445566778899aabbccddeeff.w"}""", "lease")]
    [InlineData("/jobs/job-22222222/heartbeat", """{"lease":"1.1.00112233445566778899aabbccddeeff.two words"}""", "lease")]
    [InlineData("/jobs/job-22222222/heartbeat", """{"lease":"1.1.SECRET.w"}""", "lease")]
    [InlineData("/jobs/job-22222222/release", "{}", "lease")]
    [InlineData("/jobs/job-22222222/submit", "{}", "lease result")]
    [InlineData("/jobs/job-22222222/submit", $$"""{"lease":"{{Lease}}","result":[]}""", "result")]
    [InlineData("/jobs/job-22222222/submit", $$"""{"lease":"{{Lease}}","result":{"output":"o"} }""", "result")]
    [InlineData("/jobs/job-22222222/submit", $$"""{"lease":"{{Lease}}","result":{"output":"o","explanation":"e","finish_reason":"Great"} }""", "result.finish_reason")]
    [InlineData("/jobs/job-22222222/submit", $$"""{"lease":"{{Lease}}","result":{"output":"o","explanation":"e","finish_reason":0} }""", "result.finish_reason")]
    [InlineData("/jobs/job-22222222/submit", $$"""{"lease":"{{Lease}}","result":{"output":"o","explanation":"e","finish_reason":"Completed","diff":"x"} }""", "result.diff")]
    [InlineData("/jobs/job-22222222/submit", $$"""{"lease":"{{Lease}}","result":{"output":"o","explanation":"e","finish_reason":"Completed","self_confidence":2} }""", "result.self_confidence")]
    [InlineData("/jobs/job-22222222/submit", $$"""{"lease":"{{Lease}}","result":{"output":null,"explanation":"e","finish_reason":"Completed"} }""", "result.output")]
    [InlineData("/models/m/artifact", "{}", "artifact job_id lease type")]
    [InlineData("/models/m/artifact", $$"""{"job_id":"job-22222222","lease":"{{Lease}}","type":"diff","artifact":{} }""", "type")]
    [InlineData("/models/m/artifact", $$"""{"job_id":"job-22222222","lease":"{{Lease}}","type":"patch","artifact":"text"}""", "artifact")]
    [InlineData("/models/m/artifact", $$"""{"job_id":"job-22222222","lease":"{{Lease}}","type":"patch","artifact":null}""", "artifact")]
    [InlineData("/models/m/register", "{}", "backend")]
    [InlineData("/models/m/register", """{"backend":"abacus"}""", "backend")]
    [InlineData("/models/m/register", """{"backend":"ollama","kind":"alien"}""", "kind")]
    [InlineData("/models/m/register", """{"backend":"ollama","endpoint":"ftp://x"}""", "endpoint")]
    [InlineData("/models/m/register", """{"backend":"ollama","endpoint":"http://user:secret@x"}""", "endpoint")]
    [InlineData("/models/m/register", """{"backend":"ollama","capabilities":[""]}""", "capabilities[0]")]
    [InlineData("/models/m/register", """{"backend":"ollama","cost_per_attempt":-1}""", "cost_per_attempt")]
    [InlineData("/models/%20m/register", """{"backend":"ollama"}""", "name")]
    public async Task Post_BadBody_NamesTheField(string path, string json, string fields)
    {
        var answer = await PostAsync(path, json);

        (answer.Status, answer.Type).ShouldBe((400, "application/problem+json"), answer.Text);
        string.Join(' ', answer.Json.GetProperty("errors").EnumerateObject().Select(e => e.Name)).ShouldBe(fields, answer.Text);
        answer.Text.ShouldNotContain("user:secret");
    }

    [Theory]
    [InlineData($$"""{"lease":"{{Lease}}"}""", "is missing.")]
    [InlineData($$"""{"lease":"{{Lease}}","result":null}""", "is missing.")]
    [InlineData($$"""{"lease":"{{Lease}}","result":[]}""", "must be an object, not an array.")]
    public async Task Submit_WithoutAResult_IsOneMistake(string json, string message) =>
        (await PostAsync("/jobs/job-22222222/submit", json)).Json.GetProperty("errors").GetProperty("result").EnumerateArray().Select(e => e.GetString())
            .ShouldBe([message]);

    [Theory]
    [InlineData("/jobs/claim")]
    [InlineData("/jobs/job-22222222/submit")]
    [InlineData("/models/m/register")]
    public async Task Post_NotJson_IsUnsupported(string path)
    {
        (await host.SendAsync("POST", path, null, SignInHost.WorkerKey)).Status.ShouldBe(415);
        (await host.SendAsync("POST", path, "{}", "not-the-workers-key")).Status.ShouldBe(401);
    }

    [Theory]
    [InlineData("/jobs/job-22222222/claim", """{"worker":"w"}""")]
    [InlineData("/jobs/job-22222222/heartbeat", $$"""{"lease":"{{Lease}}"}""")]
    [InlineData("/jobs/job-22222222/release", $$"""{"lease":"{{Lease}}"}""")]
    [InlineData("/jobs/nothing/heartbeat", $$"""{"lease":"{{Lease}}"}""")]
    [InlineData("/jobs/job-22222222/submit", $$"""{"lease":"{{Lease}}","result":{"output":"o","explanation":"e","finish_reason":"Completed"} }""")]
    [InlineData("/jobs/claim", """{"worker":"w","backend":"ollama","models":["nobody-knows"]}""")]
    public async Task Post_UnknownJobOrModel_IsNotFound(string path, string json) => (await PostAsync(path, json)).Status.ShouldBe(404);

    [Fact]
    public async Task Claim_NothingToDo_IsNoContentAndTheModelIsSeen()
    {
        await PostAsync("/models/idle/register", """{"backend":"ollama"}""");
        await host.ExecuteAsync("UPDATE aura.models SET seen_at = now() - interval '1 hour' WHERE name = 'idle'");
        (await ModelAsync("idle")).GetProperty("down").GetString()!.ShouldContain("nobody has served it since");

        (await PostAsync("/jobs/claim", """{"worker":"w7","backend":"ollama","models":["idle"]}""")).Status.ShouldBe(204);

        var model = await ModelAsync("idle");
        (model.GetProperty("down").ValueKind, model.GetProperty("seen_by").GetString()).ShouldBe((JsonValueKind.Null, "w7"));
        (await PostAsync("/jobs/claim", """{"worker":"w7","backend":"openai","models":["idle"]}""")).Status.ShouldBe(409);
    }

    [Fact]
    public async Task JobThatNobodyMayWorkOn_SaysWhy()
    {
        var job = await QueuedJobAsync();

        var claim = await PostAsync($"/jobs/{job}/claim", """{"worker":"w"}""");
        (claim.Status, claim.Json.GetProperty("code").GetString()).ShouldBe((409, "not_claimable"));
        var heartbeat = await PostAsync($"/jobs/{job}/heartbeat", $$"""{"lease":"{{Lease}}"}""");
        (heartbeat.Status, heartbeat.Json.GetProperty("code").GetString()).ShouldBe((409, "lease_lost"));
        await host.Database.DataSource.CommitAsync(JobChanges.Cancelled(job, "Not needed."), Cancel);
        heartbeat = await PostAsync($"/jobs/{job}/heartbeat", $$"""{"lease":"{{Lease}}"}""");
        (heartbeat.Status, heartbeat.Json.GetProperty("code").GetString()).ShouldBe((409, "cancelled"));
        heartbeat.Json.GetProperty("detail").GetString()!.ShouldContain("Not needed.");
        (await PostAsync($"/jobs/{job}/submit", $$"""{"lease":"{{Lease}}","result":{"output":"o","explanation":"e","finish_reason":"Completed"} }"""))
            .Json.GetProperty("code").GetString().ShouldBe("cancelled");
    }

    [Fact]
    public async Task Register_AgainAndAgain_IsOneModelThatTheManagerMaySwitchOff()
    {
        const string Body = """{"backend":"ollama","endpoint":"http://gpu:11434","capabilities":["tools"],"roles":["Employee"],"cost_per_attempt":0.5,"worker":"gpu"}""";
        (await PostAsync("/models/org%2Fcoder/register", Body)).Status.ShouldBe(200);
        (await PostAsync("/models/org%2Fcoder/register", Body)).Status.ShouldBe(200);
        var model = await ModelAsync("org/coder");
        (model.GetProperty("kind").GetString(), model.GetProperty("is_active").GetBoolean(), model.GetProperty("cost_per_attempt").GetDouble()).ShouldBe(("local", true, 0.5));
        model.GetProperty("capabilities")[0].GetString().ShouldBe("tools");

        (await PostAsync("/models/org%2Fcoder/register", """{"backend":"openai"}""")).Status.ShouldBe(409);
        (await PatchAsync("/models/org%2Fcoder", """{"is_active":false}""")).Status.ShouldBe(200);
        // A worker that starts again does not undo it.
        await PostAsync("/models/org%2Fcoder/register", Body);
        (await ModelAsync("org/coder")).GetProperty("is_active").GetBoolean().ShouldBeFalse();

        await host.Database.DataSource.CommitAsync(ModelChanges.Unavailable("org/coder", "It does not answer."), Cancel);
        (await ModelAsync("org/coder")).GetProperty("down").GetString().ShouldBe("It does not answer.");
        (await PatchAsync("/models/org%2Fcoder", """{"is_active":true}""")).Json.GetProperty("down").ValueKind.ShouldBe(JsonValueKind.Null);
        (await host.ScalarAsync<long>("SELECT count(*) FROM aura.audit_logs WHERE action IN ('model.register', 'model.change') AND details->>'model' = 'org/coder'")).ShouldBe(5);
    }

    [Theory]
    [InlineData("{}", 400)]
    [InlineData("""{"is_active":"yes"}""", 400)]
    [InlineData("""{"backend":"openai"}""", 400)]
    [InlineData("""{"is_active":true}""", 404)]
    public async Task Patch_BadBodyOrUnknownModel_IsRefused(string json, int status) => (await PatchAsync("/models/nobody-knows", json)).Status.ShouldBe(status);

    private Task<Answer> PostAsync(string path, string json) => host.SendAsync("POST", path, json, SignInHost.WorkerKey);

    private Task<Answer> PatchAsync(string path, string json) => host.SendAsync("PATCH", path, json, SignInHost.Key);

    private async Task<JsonElement> ModelAsync(string name) => (await host.SendAsync("GET", "/models", null, SignInHost.WorkerKey)).Json
        .GetProperty("items").EnumerateArray().Single(m => m.GetProperty("name").GetString() == name);

    private async Task<string> QueuedJobAsync()
    {
        var prd = Orchestra.Ids.NewPrd();
        var plan = new PlannedJob { Key = "a", Title = "A" };
        await host.Database.DataSource.CommitAsync([
            PrdChanges.EnsureProject("demo"), PrdChanges.Insert(new() { Id = prd, ProjectId = "demo", Title = "T", CreatedBy = "director" }),
            PrdChanges.Planned(prd), JobChanges.Insert(prd, [plan]), PrdChanges.Running(prd)], Cancel);
        return plan.Id;
    }
}
