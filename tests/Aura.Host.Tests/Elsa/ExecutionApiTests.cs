using System.Text;
using System.Text.Json;
using Aura.Testing;
using static Aura.Host.Tests.Elsa.Act;

namespace Aura.Host.Tests.Elsa;

public sealed class ExecutionApiTests(HostFixture fixture) : IClassFixture<HostFixture>
{
    private readonly InstanceHost _host = fixture.Host;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Execute_StudiosBody_RunsToTheEndAndNamesTheInstance()
    {
        var definition = await _host.PublishAsync(Sequence(Line("a", "a")));
        var (response, body) = await ExecuteAsync(definition, """{"correlationId":"c-1","triggerActivityId":null,"versionOptions":"Latest","input":null}""");

        Header(response, "x-elsa-workflow-cannot-start").ShouldBe("False");
        var state = body.GetProperty("workflowState");
        (state.GetProperty("id").GetString(), state.GetProperty("subStatus").GetString(), state.GetProperty("correlationId").GetString())
            .ShouldBe((Header(response, "x-elsa-workflow-instance-id"), "Finished", "c-1"));
        state.GetProperty("input").EnumerateObject().ShouldBeEmpty();
        (await _host.ScalarAsync<string>($"SELECT actor FROM aura.audit_logs WHERE action = 'workflow.execute' AND details->>'definition_id' = '{definition}'")).ShouldBe("someone");
    }

    [Fact]
    public async Task Execute_ByGetOrWithoutBody_Runs()
    {
        var definition = await _host.PublishAsync(Sequence(Event("wait", "e")));
        (await _host.PostAsync($"workflow-definitions/{definition}/execute")).GetProperty("workflowState").GetProperty("subStatus").GetString().ShouldBe("Suspended");
        var state = (await _host.GetAsync($"workflow-definitions/{definition}/execute?correlationId=q&input=%7B%22n%22%3A1%7D")).GetProperty("workflowState");
        (state.GetProperty("correlationId").GetString(), state.GetProperty("input").GetProperty("n").GetInt32()).ShouldBe(("q", 1));
    }

    [Fact]
    public async Task Execute_Faulted_Is500WithItsState()
    {
        var (_, body) = await ExecuteAsync(await _host.PublishAsync(Fault("f")), "{}", 500);
        body.GetProperty("workflowState").GetProperty("incidents")[0].GetProperty("message").GetString().ShouldBe("broken");
    }

    [Fact]
    public async Task Execute_WorkflowThatAnswers_AnswersTheCaller()
    {
        using var response = await _host.Client.PostAsync(
            $"workflow-definitions/{await _host.PublishAsync(Sequence(Answer("hello"), Event("after", "e")))}/execute", null, Cancel);
        (await response.Content.ReadAsStringAsync(Cancel)).ShouldBe("hello");
        (await _host.ScalarAsync<long>("SELECT count(*) FROM wf.http_responses")).ShouldBe(0);
    }

    [Fact]
    public async Task Execute_Draft_RunsWhatStudioShows()
    {
        var definition = await _host.PublishAsync(Line("published", "a"));
        await _host.Definitions.SaveDraftAsync(
            JsonElement.Parse($$"""{"definitionId":"{{definition}}","name":"Test","root":{{Line("draft", "b")}}}"""), cancellationToken: Cancel);

        var latest = await _host.PostAsync($"workflow-definitions/{definition}/execute", """{"versionOptions":"Latest"}""");
        latest.GetProperty("workflowState").GetProperty("definitionVersion").GetInt32().ShouldBe(2);
        (await _host.BadgesAsync(latest.GetProperty("workflowState").GetProperty("id").GetString()!)).ShouldContainKey("b");
        var published = await _host.PostAsync($"workflow-definitions/{definition}/execute", """{"versionOptions":"Published"}""");
        published.GetProperty("workflowState").GetProperty("definitionVersion").GetInt32().ShouldBe(1);
    }

    [Fact]
    public async Task Execute_KeptOutByItsStrategy_SaysItCannotStart()
    {
        var definition = await _host.PublishAsync(Sequence(Event("single", "e")), """ "options":{"activationStrategyType":"Singleton"} """);
        await _host.PostAsync($"workflow-definitions/{definition}/execute");

        var (response, _) = await ExecuteAsync(definition, "{}");
        Header(response, "x-elsa-workflow-cannot-start").ShouldBe("True");
        (await _host.PostAsync($"workflow-definitions/{definition}/dispatch", "{}", 409)).ToString().ShouldContain("activation strategy");
    }

    [Theory]
    [InlineData("execute", false)]
    [InlineData("dispatch", false)]
    [InlineData("bulk-dispatch", false)]
    [InlineData("dispatch", true)]
    public async Task Start_Record_IsPartOfTheStartAndMissingWithoutOne(string verb, bool elsewhere)
    {
        await using var front = await InstanceHost.StartAsync(fixture.ConnectionString, runsWorkflows: false);
        var host = elsewhere ? front : _host;
        // Nothing writes the row of a single instance's activation again: it shows the transaction of the start.
        var definition = await _host.PublishAsync(Sequence(Event("single", "e")), """ "options":{"activationStrategyType":"Singleton"} """);
        await host.PostAsync($"workflow-definitions/{definition}/{verb}");
        await host.PostAsync($"workflow-definitions/{definition}/{verb}", "{}", verb == "execute" ? 200 : 409);

        (await _host.ScalarAsync<string>($"""
            SELECT string_agg(concat_ws(' ', l.actor, l.action, l.xmin = a.xmin), ', ') FROM aura.audit_logs l
            JOIN wf.activations a ON a.instance_id = l.details->'instance_ids'->>0 WHERE l.details->>'definition_id' = '{definition}'
            """)).ShouldBe($"someone workflow.{verb.Replace("bulk-", "", StringComparison.Ordinal)} t");
        (await _host.ScalarAsync<long>($"SELECT count(*) FROM aura.audit_logs WHERE details->>'definition_id' = '{definition}'")).ShouldBe(1);
    }

    [Theory]
    [InlineData("""{"triggerActivityId":"nobody"}""", 400, "triggerActivityId: ")]
    [InlineData("""{"versionOptions":"Newest"}""", 400, "versionOptions: 'Newest'")]
    [InlineData("""{"versionOptions":"9"}""", 404, "no version '9'")]
    [InlineData("""{"versionOptions":"Draft"}""", 404, "no version 'Draft'")]
    [InlineData("""{"input":[1]}""", 400, "input: must be an object.")]
    [InlineData("""{"variables":{"a":1}}""", 400, "variables: is not supported")]
    [InlineData("""{"input":""", 400, "not well-formed")]
    public async Task Execute_BadRequest_IsRefusedByName(string body, int status, string message) =>
        (await _host.PostAsync($"workflow-definitions/{await _host.PublishAsync(Line("a", "a"))}/execute", body, status)).GetProperty("detail").GetString()!
            .ShouldContain(message);

    [Fact]
    public async Task Dispatch_OwnId_IsTakenOnce()
    {
        var definition = await _host.PublishAsync(Line("a", "a"));
        (await _host.DispatchAsync(definition, """{"instanceId":"my-own.1"}""")).ShouldBe("my-own.1");
        (await _host.PostAsync($"workflow-definitions/{definition}/dispatch", """{"instanceId":"my-own.1"}""", 409)).ToString().ShouldContain("my-own.1");
        await _host.PostAsync($"workflow-definitions/{definition}/dispatch", """{"instanceId":"a/b"}""", 400);
        await _host.PostAsync("workflow-definitions/nobody/dispatch", "{}", 404);
    }

    [Fact]
    public async Task BulkDispatch_Count_StartsSoMany()
    {
        var definition = await _host.PublishAsync(Line("a", "a"));
        var ids = (await _host.PostAsync($"workflow-definitions/{definition}/bulk-dispatch", """{"count":25}""")).GetProperty("workflowInstanceIds");
        ids.EnumerateArray().Select(i => i.GetString()).Distinct().Count().ShouldBe(25);
        (await _host.ScalarAsync<long>($"SELECT count(DISTINCT details->'instance_ids'->>0) FROM aura.audit_logs WHERE action = 'workflow.dispatch' AND details->>'definition_id' = '{definition}'"))
            .ShouldBe(25);
        await _host.PostAsync($"workflow-definitions/{definition}/bulk-dispatch", """{"count":1001}""", 400);
    }

    [Fact]
    public async Task Event_ByCorrelationAndByActivity_ReachesThatOne()
    {
        var definition = await _host.PublishAsync(Sequence(Event("paid", "e", """ "result":{"typeName":"Object","memoryReference":{"id":"v"} }, """)),
            """ "variables":[{"id":"v","name":"v","typeName":"Object"}] """);
        var one = await _host.DispatchAsync(definition, """{"correlationId":"1"}""");
        var two = await _host.DispatchAsync(definition, """{"correlationId":"2"}""");
        await _host.ReachesAsync(one, "Suspended");
        await _host.ReachesAsync(two, "Suspended");

        await _host.PostAsync("events/paid/trigger", """{"correlationId":"2","input":{"amount":7}}""");
        await _host.ReachesAsync(two, "Finished");
        (await _host.GetAsync($"workflow-instances/{two}/variables")).GetProperty("items")[0].GetProperty("value").GetProperty("amount").GetInt32().ShouldBe(7);
        (await _host.GetAsync($"workflow-instances/{one}")).GetProperty("status").GetString().ShouldBe("Running");

        var run = (await _host.GetAsync($"activity-executions/list?workflowInstanceId={one}&activityNodeId=Workflow1:seq:e")).GetProperty("items")[0].GetProperty("id");
        await _host.PostAsync("events/other/trigger", $$"""{"activityInstanceId":"{{run}}"}""", 404);
        await _host.PostAsync("events/paid/trigger", $$"""{"activityInstanceId":"{{run}}","workflowExecutionMode":"Synchronous"}""");
        await _host.ReachesAsync(one, "Finished");
        await _host.PostAsync("events/paid/trigger", """{"workflowInstanceId":"nobody"}""", 404);
        await _host.PostAsync("events/paid/trigger", """{"workflowExecutionMode":"Later"}""", 400);
    }

    [Fact]
    public async Task TaskAndBookmark_AreAnsweredOnce()
    {
        var definition = await _host.PublishAsync(Sequence("""{"type":"Elsa.RunTask","id":"t","taskName":{"typeName":"String","expression":{"type":"Literal","value":"Mail"} } }""", Event("e", "e")));
        var id = await _host.DispatchAsync(definition);
        await _host.ReachesAsync(id, "Suspended");
        var bookmark = (await _host.GetAsync($"workflow-instances/{id}")).GetProperty("workflowState").GetProperty("bookmarks")[0];
        var taskId = bookmark.GetProperty("payload").GetProperty("taskId").GetString();

        await _host.PostAsync($"tasks/{taskId}/complete", """{"result":{"sent":true}}""");
        await Until.TrueAsync(async () => (await _host.BadgesAsync(id)).GetValueOrDefault("e") == "1/0/1 blocked", () => "It does not wait at e.", 30);
        await _host.PostAsync($"tasks/{taskId}/complete", "{}", 404);

        // The request that was recorded before the wait is still in the record that was written after it.
        var run = (await _host.GetAsync($"activity-executions/list?workflowInstanceId={id}&activityNodeId=Workflow1:seq:t")).GetProperty("items")[0];
        (run.GetProperty("payload").GetProperty("TaskName").GetString(), run.GetProperty("outputs").GetProperty("Result").GetProperty("sent").GetBoolean()).ShouldBe(("Mail", true));

        var waiting = (await _host.GetAsync($"workflow-instances/{id}")).GetProperty("workflowState").GetProperty("bookmarks")[0].GetProperty("id").GetString();
        await _host.PostAsync("bookmarks/resume", $$"""{"bookmarkId":"{{waiting}}","input":{} }""");
        await _host.ReachesAsync(id, "Finished");
        await _host.PostAsync("bookmarks/resume", $$"""{"bookmarkId":"{{waiting}}"}""", 404);
        await _host.PostAsync("bookmarks/resume?t=abc", "{}", 400);
    }

    private async Task<(HttpResponseMessage Response, JsonElement Body)> ExecuteAsync(string definition, string body, int status = 200)
    {
        var response = await _host.Client.PostAsync(
            $"workflow-definitions/{definition}/execute", new StringContent(body, Encoding.UTF8, "application/json"), Cancel);
        return (response, await InstanceHost.ReadAsync(response, status));
    }

    private static string Header(HttpResponseMessage response, string name) => response.Headers.GetValues(name).Single();
}
