using System.Net;
using System.Net.Http.Json;
using Aura.Testing;
using Aura.Workflows.Runtime;
using Aura.Workflows.Storage;
using Microsoft.Extensions.DependencyInjection;
using static Aura.Workflows.Tests.Http.HttpJson;
using static Aura.Workflows.Tests.Json;

namespace Aura.Workflows.Tests.Http;

/// <summary>Endpoints in the middle of a workflow, answers, and what happens without one.</summary>
public sealed class HttpWaitingTests(TestDatabase database) : IClassFixture<TestDatabase>, IAsyncLifetime
{
    private readonly string _path = Guid.NewGuid().ToString("N");
    private HttpHost _host = null!;

    public async ValueTask InitializeAsync() => _host = await HttpHost.StartAsync(database.ConnectionString);

    public ValueTask DisposeAsync() => _host.DisposeAsync();

    [Fact]
    public async Task Wait_NextRequestAtOnce_FindsTheNewPath()
    {
        var steps = Enumerable.Range(0, 5).SelectMany(i => new[] { Wait($"{_path}/{i}", id: $"w{i}"), Answer(Text($"step {i}")) });
        await _host.PublishAsync(Sequence([Endpoint(_path), Answer(Text("start")), .. steps]));

        (await _host.Client.GetStringAsync(_path)).ShouldBe("start");
        for (var i = 0; i < 5; i++)
            (await _host.Client.GetStringAsync($"{_path}/{i}")).ShouldBe($"step {i}");
    }

    [Fact]
    public async Task Wait_RuleBroken_IsAnsweredAndTheWorkflowWaitsOn()
    {
        await _host.PublishAsync(Sequence(
            Endpoint(_path), Answer(Text("start")), Wait(_path + "/up", Methods("POST") + ""","requestSizeLimit":5"""), Answer(Text("taken"))));
        await _host.Client.GetAsync(_path);

        (await _host.Client.PostAsync(_path + "/up", new StringContent("too large"))).StatusCode.ShouldBe(HttpStatusCode.RequestEntityTooLarge);
        (await _host.Client.PostAsync(_path + "/up", JsonContent.Create("x"))).StatusCode.ShouldBe(HttpStatusCode.OK);
    }

    [Fact]
    public async Task Wait_AnyOfItsMethods_ResumesOnce()
    {
        var id = await _host.PublishAsync(Sequence(Endpoint(_path), Answer(Text("start")), Wait(_path + "/m", Methods("PUT", "DELETE")), Answer(Text("done"))));
        await _host.Client.GetAsync(_path);

        (await (await _host.Client.DeleteAsync(_path + "/m")).Content.ReadAsStringAsync()).ShouldBe("done");
        (await _host.Client.PutAsync(_path + "/m", null)).StatusCode.ShouldBe(HttpStatusCode.NotFound);
        (await _host.ReachAsync(id, s => s.Status == WorkflowStatus.Finished)).SubStatus.ShouldBe(WorkflowSubStatus.Finished);
    }

    [Fact]
    public async Task Wait_ManyRequestsAtOnce_OneGetsThrough()
    {
        await _host.PublishAsync(Sequence(Endpoint(_path), Answer(Text("start")), Wait(_path + "/go"), Answer(Text("mine"))));
        await _host.Client.GetAsync(_path);

        var answers = await Task.WhenAll(Enumerable.Range(0, 8).Select(async _ =>
        {
            var response = await _host.Client.GetAsync(_path + "/go");
            return response.StatusCode == HttpStatusCode.OK ? await response.Content.ReadAsStringAsync() : response.StatusCode.ToString();
        }));

        answers.Count(a => a == "mine").ShouldBe(1);
        answers.Count(a => a == "NotFound").ShouldBe(7);
    }

    [Fact]
    public async Task Wait_ResumedWithoutARequest_WaitsAgain()
    {
        var id = await _host.PublishAsync(Sequence(Endpoint(_path), Answer(Text("start")), Wait(_path + "/go"), Answer(Text("done"))));
        await _host.Client.GetAsync(_path);
        var bookmark = (await _host.ReachAsync(id, s => s.SubStatus == WorkflowSubStatus.Suspended)).Bookmarks.ShouldHaveSingleItem();

        await _host.CountAsync(
            """
            WITH sent AS (
                INSERT INTO wf.messages (instance_id, kind, target) SELECT instance_id, 'Resume', id FROM wf.bookmarks WHERE id = $1 RETURNING 1)
            SELECT count(*) FROM sent
            """, bookmark.Id);
        await _host.ReachAsync(id, s => s.Bookmarks.Count == 1 && s.Bookmarks[0].Id != bookmark.Id);

        (await _host.Client.GetStringAsync(_path + "/go")).ShouldBe("done");
    }

    [Fact]
    public async Task Trigger_ReachedAgainInALoop_WaitsForTheNextRequest()
    {
        await _host.PublishAsync(
            Flow([Endpoint(_path, Out("queryStringData", "v")), Answer(Variable("v"), id: "out")], "in->out", "out->in"), Variables("v"));

        (await _host.Client.GetStringAsync(_path + "?workflowInstanceId=" + _path)).ShouldBe($$"""{"workflowInstanceId":"{{_path}}"}""");
        (await _host.Client.GetStringAsync($"{_path}?workflowInstanceId={_path}&n=2")).ShouldContain("\"n\":\"2\"");
        (await _host.Client.GetStringAsync($"{_path}?workflowInstanceId={_path}&n=3")).ShouldContain("\"n\":\"3\"");
    }

    [Theory]
    [InlineData(false, null, 401)]
    [InlineData(false, "ann", 200)]
    [InlineData(true, null, 401)]
    [InlineData(true, "ann", 403)]
    [InlineData(true, "admin", 200)]
    public async Task Authorize_TriggerAndWait_AreBothGuarded(bool withPolicy, string? user, int status)
    {
        var guard = withPolicy ? """ "authorize":true,"policy":"admins" """ : """ "authorize":true """;
        var guarded = await _host.PublishAsync(Sequence(Endpoint(_path + "/trigger", guard + "," + Out("headers", "v")), Answer(Variable("v"))), Variables("v"));
        await _host.PublishAsync(Sequence(Endpoint(_path), Answer(Text("start")), Wait(_path + "/wait", guard), Answer(Text("in"))));
        await _host.Client.GetAsync(_path);

        foreach (var path in new[] { "/trigger", "/wait" })
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, _path + path);
            request.Headers.Add("Authorization", "Bearer secret");
            if (user is not null)
                request.Headers.Add("X-Test-User", user);
            var response = await _host.Client.SendAsync(request);
            ((int)response.StatusCode).ShouldBe(status);
            // The credentials are the host's: no workflow, hence no database, sees them.
            (await response.Content.ReadAsStringAsync()).ShouldNotContain("secret");
            response.Headers.Contains("WWW-Authenticate").ShouldBe(status == 401);
        }

        (await _host.CountInstancesAsync(guarded)).ShouldBe(status == 200 ? 1 : 0);
    }

    [Fact]
    public async Task Silence_WorkflowEndsOrWaits_Is200Empty()
    {
        await _host.PublishAsync(Sequence(Endpoint(_path + "/end"), Line("x")));
        await _host.PublishAsync(Sequence(Endpoint(_path + "/wait"), """{"type":"Test.Block","label":"never"}"""));

        var before = await _host.CountAsync("SELECT count(*) FROM wf.http_responses");

        foreach (var path in new[] { "/end", "/wait" })
        {
            var response = await _host.Client.GetAsync(_path + path);
            response.StatusCode.ShouldBe(HttpStatusCode.OK);
            (await response.Content.ReadAsStringAsync()).ShouldBe("");
        }

        (await _host.CountAsync("SELECT count(*) FROM wf.http_responses")).ShouldBe(before);
    }

    [Theory]
    [InlineData("System.InvalidOperationException", 500)]
    [InlineData("System.TimeoutException", 408)]
    [InlineData("Microsoft.AspNetCore.Http.BadHttpRequestException", 400)]
    public async Task Silence_WorkflowFaults_IsMappedWithoutItsSecrets(string exception, int status)
    {
        await _host.PublishAsync(Sequence(Endpoint(_path), $$"""{"type":"Test.ThrowNamed","exception":"{{exception}}"}"""));

        var response = await _host.Client.GetAsync(_path);

        ((int)response.StatusCode).ShouldBe(status);
        var problem = await response.Content.ReadAsStringAsync();
        problem.ShouldContain("workflowInstanceId");
        problem.ShouldNotContain("inner secret");
    }

    [Fact]
    public async Task Answer_BeforeAFault_IsStillSent()
    {
        await _host.PublishAsync(Sequence(Endpoint(_path), Answer(Text("fine")), """{"type":"Test.ThrowNamed","exception":"System.InvalidOperationException"}"""));

        (await _host.Client.GetStringAsync(_path)).ShouldBe("fine");
    }

    [Fact]
    public async Task Answer_BehindATaskAndAChildWorkflow_IsWaitedFor()
    {
        var child = await _host.PublishAsync(Line("child"));
        await _host.PublishAsync(Sequence(
            Endpoint(_path), """{"type":"Test.Slow"}""", $$"""{"type":"Elsa.ExecuteWorkflow","workflowDefinitionId":"{{child}}"}""", Answer(Text("at last"))));

        (await _host.Client.GetStringAsync(_path)).ShouldBe("at last");
    }

    [Fact]
    public async Task Answer_AfterAnEmptyAnswerWasSent_IsAnIncident()
    {
        var id = await _host.PublishAsync(Sequence(Endpoint(_path), $$"""{"type":"Test.Block","label":"{{_path}}"}""", Answer(Text("too late"))));
        (await _host.Client.GetStringAsync(_path)).ShouldBe("");

        await Workflows.SendStimulusAsync("Test.Block", new { Label = _path });

        (await _host.ReachAsync(id, s => s.Status == WorkflowStatus.Finished)).Incidents.ShouldHaveSingleItem().Message.ShouldContain("HTTP context was lost");
    }

    [Fact]
    public async Task Answer_WithoutAnyRequest_IsAnIncident()
    {
        var id = await _host.PublishAsync(Answer(Text("nobody")));
        await Workflows.StartAsync(id);

        (await _host.ReachAsync(id, s => s.Status == WorkflowStatus.Finished)).Incidents.ShouldHaveSingleItem().Message.ShouldContain("HTTP context was lost");
    }

    [Fact]
    public async Task Timeout_WorkflowIsBusy_Is504AndItGoesOn()
    {
        var id = await _host.PublishAsync(Sequence(
            Endpoint(_path, """ "requestTimeout":"00:00:00.2" """), """{"type":"Test.Work","label":"slow","waitForGate":true,"failures":0}""", Answer(Text("late"))));
        await CreateEffectsAsync();

        var response = await _host.Client.GetAsync(_path);

        response.StatusCode.ShouldBe(HttpStatusCode.GatewayTimeout);
        _host.Services.GetRequiredService<Probe>().Gate.SetResult();
        (await _host.ReachAsync(id, s => s.Status == WorkflowStatus.Finished)).SubStatus.ShouldBe(WorkflowSubStatus.Finished);
    }

    [Fact]
    public async Task Client_Disconnects_TheWorkflowGoesOn()
    {
        await CreateEffectsAsync();
        var id = await _host.PublishAsync(Sequence(
            Endpoint(_path), """{"type":"Test.Work","label":"gone","waitForGate":true,"failures":0}""", Answer(Text("to nobody"))));
        using var leave = new CancellationTokenSource();
        var request = _host.Client.GetAsync(_path, leave.Token);
        await HttpHost.WaitForAsync(async () => await _host.CountAsync("SELECT count(*) FROM wf.tasks") == 1);

        await leave.CancelAsync();
        await Should.ThrowAsync<OperationCanceledException>(request);
        _host.Services.GetRequiredService<Probe>().Gate.SetResult();

        (await _host.ReachAsync(id, s => s.Status == WorkflowStatus.Finished)).SubStatus.ShouldBe(WorkflowSubStatus.Finished);
    }

    [Fact]
    public async Task Answer_CommittedAtOnce_DoesNotWaitForTheActivitiesBehindIt()
    {
        var atOnce = """ "customProperties":{"commitStrategyName":"ExecutedActivity"} """;
        var id = await _host.PublishAsync(Sequence(Endpoint(_path), Answer(Text("early"), atOnce), """{"type":"Test.HttpGate"}"""));

        (await _host.Client.GetStringAsync(_path)).ShouldBe("early");

        _host.Services.GetRequiredService<Probe>().Gate.SetResult();
        (await _host.ReachAsync(id, s => s.Status == WorkflowStatus.Finished)).SubStatus.ShouldBe(WorkflowSubStatus.Finished);
    }

    [Fact]
    public async Task Host_Stopping_Is503AndStartsNothing()
    {
        var id = await _host.PublishAsync(Sequence(Endpoint(_path), Answer(Text("ok"))));
        (await _host.Client.GetStringAsync(_path)).ShouldBe("ok");

        _host.BeginStop();

        var response = await _host.Client.GetAsync(_path);
        response.StatusCode.ShouldBe(HttpStatusCode.ServiceUnavailable);
        response.Headers.RetryAfter!.Delta.ShouldBe(TimeSpan.FromSeconds(5));
        (await _host.CountInstancesAsync(id)).ShouldBe(1);
    }

    [Fact]
    public async Task Sweep_AnswerNobodyTook_IsRemoved()
    {
        await _host.DataSource.ExecuteAsync(
            "INSERT INTO wf.http_responses (request_id, status, headers, created_at) VALUES ($1, 200, '{}', now() - interval '2 days'), ($2, 200, '{}', now())",
            ["old", "new"], default);

        await HttpHost.WaitForAsync(async () => await _host.CountAsync("SELECT count(*) FROM wf.http_responses WHERE request_id = 'old'") == 0);

        (await _host.CountAsync("SELECT count(*) FROM wf.http_responses WHERE request_id = 'new'")).ShouldBe(1);
        await _host.DataSource.ExecuteAsync("DELETE FROM wf.http_responses", [], default);
    }

    private WorkflowClient Workflows => _host.Services.GetRequiredService<WorkflowClient>();

    private Task<int> CreateEffectsAsync() => _host.DataSource.ExecuteAsync("CREATE TABLE IF NOT EXISTS effects (label text NOT NULL)", [], default);
}

/// <summary>Fails with an exception of a type.</summary>
[Activity("Test")]
public sealed class ThrowNamed : CodeActivity
{
    public Input<string>? Exception { get; set; }

    protected override void Execute(ActivityExecutionContext context) => throw context.Get(Exception) switch
    {
        "System.TimeoutException" => new TimeoutException("inner secret"),
        "Microsoft.AspNetCore.Http.BadHttpRequestException" => new Microsoft.AspNetCore.Http.BadHttpRequestException("inner secret"),
        _ => new InvalidOperationException("inner secret"),
    };
}

/// <summary>Holds its burst until the test opens the gate.</summary>
[Activity("Test")]
public sealed class HttpGate : CodeActivity
{
    protected override async ValueTask ExecuteAsync(ActivityExecutionContext context) =>
        await context.GetRequiredService<Probe>().Gate.Task.WaitAsync(context.CancellationToken);
}

/// <summary>A durable task that does nothing.</summary>
[Activity("Test", Kind = ActivityKind.Job)]
public sealed class Slow : CodeActivity;
