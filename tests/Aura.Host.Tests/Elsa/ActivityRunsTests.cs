using System.Text.Json;
using Aura.Testing;
using static Aura.Host.Tests.Elsa.Act;

namespace Aura.Host.Tests.Elsa;

/// <summary>Node badges, execution records, call stacks and changes by hand.</summary>
public sealed class ActivityRunsTests(TestDatabase database) : IClassFixture<TestDatabase>, IAsyncLifetime
{
    private InstanceHost _host = null!;

    // Nobody works on durable tasks here: they stay under way.
    public async ValueTask InitializeAsync() => _host = await InstanceHost.StartAsync(database.ConnectionString, runsTasks: false);

    public ValueTask DisposeAsync() => _host.DisposeAsync();

    [Fact]
    public async Task Report_LoopThatWaits_CountsItsRounds()
    {
        var id = await _host.DispatchAsync(await _host.PublishAsync(ForEach("[1,2,3]", Sequence(Line("x", "x"), Event("next", "e")))));
        for (var round = 1; round <= 2; round++)
        {
            await Until.TrueAsync(
                async () => (await _host.BadgesAsync(id)).GetValueOrDefault("e") == $"{round}/{round - 1}/1 blocked", () => $"Round {round} has not begun.", 30);
            await _host.PostAsync("events/next/trigger", $$"""{"workflowInstanceId":"{{id}}"}""");
        }

        await Until.TrueAsync(async () => (await _host.BadgesAsync(id))["e"] == "3/2/1 blocked", () => "Round 3 has not begun.", 30);
        var badges = await _host.BadgesAsync(id);
        (badges["x"], badges["loop"], badges["Workflow1"]).ShouldBe(("3/3/0", "1/0/1", "1/0/1"));
        await _host.PostAsync("events/next/trigger", $$"""{"workflowInstanceId":"{{id}}"}""");
        await _host.ReachesAsync(id, "Finished");
        badges = await _host.BadgesAsync(id);
        (badges["e"], badges["loop"], badges["Workflow1"]).ShouldBe(("3/3/0", "1/1/0", "1/1/0"));

        var runs = await _host.GetAsync($"activity-executions/list?WorkflowInstanceId={id}&ActivityNodeId=Workflow1:loop:seq:x");
        runs.GetProperty("count").GetInt32().ShouldBe(3);
        (await _host.GetAsync($"activity-execution-summaries/list?WorkflowInstanceId={id}&ActivityNodeId=Workflow1:loop:seq:e&completed=false"))
            .GetProperty("items").GetArrayLength().ShouldBe(0);
        var only = await _host.PostAsync("activity-executions/report", $$"""{"workflowInstanceId":"{{id}}","activityNodeIds":["Workflow1:loop:seq:x"]}""");
        only.GetProperty("stats").GetArrayLength().ShouldBe(1);
    }

    [Fact]
    public async Task Report_DurableTaskUnderWay_IsRunningAndNotBlocked()
    {
        var id = await _host.DispatchAsync(await _host.PublishAsync(Sequence(
            """{"type":"Elsa.SendHttpRequest","id":"send","customProperties":{"runAsynchronously":true},"url":{"typeName":"Uri","expression":{"type":"Literal","value":"http://127.0.0.1:9"} }, "authorization":{"typeName":"String","expression":{"type":"Literal","value":"Bearer top-secret"} } }""")));
        await _host.ReachesAsync(id, "Suspended");

        (await _host.BadgesAsync(id))["send"].ShouldBe("1/0/1");
        // The task needs the secret; nothing that people read holds it.
        (await _host.ScalarAsync<long>($"SELECT count(*) FROM wf.tasks WHERE instance_id = '{id}' AND input::text LIKE '%top-secret%'")).ShouldBe(1);
        (await _host.ScalarAsync<long>(
            $"SELECT count(*) FROM wf.instances i JOIN wf.history h ON h.instance_id = i.id WHERE i.id = '{id}' AND (i.state::text LIKE '%top-secret%' OR h.entries::text LIKE '%top-secret%')"))
            .ShouldBe(0);
    }

    [Fact]
    public async Task Retry_Faulted_RunsAgainAndBadgeFollows()
    {
        var id = await _host.DispatchAsync(await _host.PublishAsync(Sequence(Line("a", "a"), Fault("f"))));
        await _host.ReachesAsync(id, "Faulted");
        (await _host.BadgesAsync(id))["f"].ShouldBe("1/0/1 faulted");
        // What holds it is not running any more, either.
        (await _host.BadgesAsync(id))["Workflow1"].ShouldBe("1/0/1 faulted");
        var held = (await _host.GetAsync($"activity-executions/list?WorkflowInstanceId={id}")).GetProperty("items").EnumerateArray()
            .Select(r => $"{r.GetProperty("activityId")} {r.GetProperty("status")} {r.GetProperty("aggregateFaultCount")}");
        held.ShouldBe(["Workflow1 Faulted 1", "seq Faulted 1", "a Completed 0", "f Faulted 1"], ignoreOrder: true);
        var before = await _host.GetAsync($"workflow-instances/{id}/execution-state");

        var results = (await _host.PostAsync("alterations/workflows/retry", $$"""{"workflowInstanceIds":["{{id}}","nobody"],"activityIds":null}""")).GetProperty("results");
        (results[0].GetProperty("isSuccessful").GetBoolean(), results[1].GetProperty("isSuccessful").GetBoolean()).ShouldBe((true, false));
        results[1].ToString().ShouldContain("no such instance");
        await Until.TrueAsync(async () =>
        {
            var now = await _host.GetAsync($"workflow-instances/{id}/execution-state");
            return now.GetProperty("subStatus").GetString() == "Faulted" && now.GetProperty("updatedAt").GetDateTimeOffset() > before.GetProperty("updatedAt").GetDateTimeOffset();
        }, () => "It was not run again.", 30);
        (await _host.PostAsync($"workflow-instances/{id}/journal", """{"filter":{"eventNames":["Retried"]}}""")).GetProperty("items")[0]
            .GetProperty("message").GetString().ShouldBe("Retried by someone.");
        (await _host.BadgesAsync(id))["f"].ShouldBe("1/0/1 faulted");

        // What cannot be put right is passed over by hand.
        var skipped = await _host.PostAsync("alterations/run", $$"""{"workflowInstanceIds":["{{id}}"],"alterations":[{"type":"SkipActivity","activityId":"f"}]}""");
        skipped.GetProperty("results")[0].GetProperty("isSuccessful").GetBoolean().ShouldBeTrue(skipped.ToString());
        await _host.ReachesAsync(id, "Finished");
        (await _host.BadgesAsync(id))["f"].ShouldBe("1/1/0");
    }

    [Fact]
    public async Task CallStack_OfAnActivity_IsItsHoldersFromTheOutside()
    {
        var id = await _host.DispatchAsync(await _host.PublishAsync(Sequence(Event("stack", "e"))));
        await _host.ReachesAsync(id, "Suspended");
        var run = (await _host.GetAsync($"activity-execution-summaries/list?workflowInstanceId={id}&activityNodeId=Workflow1:seq:e")).GetProperty("items")[0];
        (run.GetProperty("hasBookmarks").GetBoolean(), run.GetProperty("schedulingActivityId").GetString()).ShouldBe((true, "seq"));
        run.TryGetProperty("activityState", out _).ShouldBeFalse();

        var stack = await _host.GetAsync($"activity-executions/{run.GetProperty("id")}/call-stack?includeCrossWorkflowChain=True");
        stack.GetProperty("items").EnumerateArray().Select(i => i.GetProperty("activityId").GetString()).ShouldBe(["Workflow1", "seq", "e"]);
        stack.GetProperty("items")[2].GetProperty("schedulingActivityExecutionId").GetString().ShouldBe(stack.GetProperty("items")[1].GetProperty("id").GetString());
    }

    [Fact]
    public async Task Alterations_Plan_IsMadeForAllThatTheFilterSelects()
    {
        var definition = await _host.PublishAsync(Sequence(Event("plan", "e")), """ "variables":[{"id":"n","name":"n","typeName":"Int32","value":1}] """);
        string[] ids = [await _host.DispatchAsync(definition), await _host.DispatchAsync(definition)];
        foreach (var id in ids)
            await _host.ReachesAsync(id, "Suspended");
        var filter = $$"""{"definitionIds":["{{definition}}"],"statuses":["Running"]}""";
        var selected = (await _host.PostAsync("alterations/dry-run", $$"""{"filter":{{filter}} }""")).GetProperty("workflowInstanceIds");
        selected.EnumerateArray().Select(i => i.GetString()).ShouldBe(ids, ignoreOrder: true);
        (await _host.PostAsync("alterations/dry-run", "{}")).GetProperty("workflowInstanceIds").GetArrayLength().ShouldBe(0);

        var plan = (await _host.PostAsync("alterations/submit",
            $$"""{"alterations":[{"type":"ModifyVariable","variableId":"n","value":3},{"type":"CancelActivity","activityId":"nobody"}],"filter":{{filter}} }""")).GetProperty("planId").GetString();

        JsonElement read = default;
        await Until.TrueAsync(async () =>
        {
            read = await _host.GetAsync($"alterations/{plan}");
            return read.GetProperty("plan").GetProperty("status").GetString() == "Completed";
        }, () => read.ToString(), 30);
        var jobs = read.GetProperty("jobs").EnumerateArray().ToList();
        jobs.Select(j => j.GetProperty("status").GetString()).ShouldBe(["Failed", "Failed"]);
        jobs[0].GetProperty("log").GetArrayLength().ShouldBe(2);
        read.GetProperty("plan").GetProperty("actor").GetString().ShouldBe("someone");
        (await _host.GetAsync($"workflow-instances/{ids[0]}/variables")).GetProperty("items")[0].GetProperty("value").GetInt32().ShouldBe(3);
    }

    [Theory]
    [InlineData("alterations/run", """{"workflowInstanceIds":["x"],"alterations":[{"type":"Explode"}]}""", "alterations: An alteration's 'type' must be one of")]
    [InlineData("alterations/run", """{"workflowInstanceIds":[],"alterations":[{"type":"Cancel"}]}""", "workflowInstanceIds: names 0")]
    [InlineData("alterations/run", """{"workflowInstanceIds":["x"],"alterations":[]}""", "alterations: is missing")]
    [InlineData("alterations/submit", """{"alterations":[{"type":"Cancel"}]}""", "filter: is missing")]
    [InlineData("alterations/submit", """{"alterations":[{"type":"Cancel"}],"filter":{"activityFilters":[{}]}}""", "filter.activityFilters: are not supported")]
    [InlineData("alterations/workflows/retry", "{}", "workflowInstanceIds: names 0")]
    [InlineData("activity-executions/report", "{}", "workflowInstanceId: is missing")]
    public async Task Bad_Request_IsRefusedByName(string path, string body, string message) =>
        (await _host.PostAsync(path, body, 400)).GetProperty("errors").GetProperty("generalErrors")[0].GetString()!.ShouldStartWith(message);
}
