using System.Text.Json;
using System.Text.Json.Nodes;
using Aura.Testing;
using Aura.Workflows.Tests.Runtime;
using Microsoft.Extensions.DependencyInjection;
using static Aura.Workflows.Tests.Json;
using static Aura.Workflows.Tests.Runtime.EngineHostQueries;

namespace Aura.Workflows.Tests.Execution;

/// <summary>States are taken from instances that the engine itself has brought there.</summary>
public sealed class StateCodecTests(TestDatabase database) : IClassFixture<TestDatabase>, IAsyncLifetime
{
    private const string Variables = """
        "variables":[{"id":"n","name":"n","typeName":"Int32","value":5},{"id":"m","name":"m","typeName":"Object","storageDriverTypeName":"Memory"}]
        """;

    private EngineHost _engine = null!;

    public async ValueTask InitializeAsync() => _engine = await EngineHost.StartAsync(database.ConnectionString, queue: null);

    public ValueTask DisposeAsync() => _engine.DisposeAsync();

    [Fact]
    public async Task Write_WaitingInLoopsAndTasksAndTimers_SurvivesTheRoundTrip()
    {
        var id = await StartAsync(Sequence(
            Act("Test.Undoable", "u", """ "data":"d" """),
            Act("Elsa.SetVariable", "s", $$""" "variable":{"id":"m","name":"m"},"value":{{Literal("""{"deep":[1,2.5,"x",null,true]}""")}} """),
            Parallel(
                Act("Elsa.ForEach", "each", $$""" "items":{{Literal("""["a",{"b":1}]""")}},"body":{{Block("loop")}} """),
                Act("Elsa.ParallelForEach", "all", $$""" "items":{{Literal("[1,2,3]")}},"body":{{Block("all", "inner")}} """),
                Act("Elsa.Delay", "d", """ "timeSpan":"01:00:00" """),
                Act("Test.Work", "w", """ "label":"x" """))));
        var state = await _engine.SuspendedAsync(id);

        state.Bookmarks.Count.ShouldBe(5);
        state.Compensations.ShouldHaveSingleItem().MethodName.ShouldBe("UndoAsync");
        state.HasTimers.ShouldBeTrue();
        state.Contexts.ShouldContain(c => c.HasTask);
        state.Contexts.SelectMany(c => c.Variables).ShouldContain(v => v.Name == "CurrentIndex");
        await RoundTripAsync(id);
    }

    [Fact]
    public async Task Write_FaultedWithQueuedWork_SurvivesTheRoundTrip()
    {
        var id = await StartAsync(Parallel(Block("f"), Act("Test.Flaky", "f", """ "failures":9 """), Line("later", "l")));
        var state = await _engine.FaultedAsync(id);

        state.Scheduled.ShouldHaveSingleItem().Completed.ShouldBe("OnChildCompletedAsync");
        state.Incidents.ShouldHaveSingleItem();
        await RoundTripAsync(id);
    }

    [Fact]
    public async Task Write_CancelledAndFinished_SurviveTheRoundTrip()
    {
        var cancelled = await StartAsync(Sequence(Act("Test.Undoable", "u", """ "data":"d","fails":true """), Block("c")));
        await _engine.SuspendedAsync(cancelled);
        await _engine.SendAsync(_engine.Client.PrepareCancel(cancelled));
        (await _engine.FinishedAsync(cancelled)).SubStatus.ShouldBe(WorkflowSubStatus.Cancelled);
        await RoundTripAsync(cancelled);

        var finished = await StartAsync(Act("Test.Flaky", "f", """ "result":{"memoryReference":{"id":"Out"} } """), """ "outputs":[{"name":"Out","type":"String"}] """);
        (await _engine.FinishedAsync(finished)).Output["Out"].GetString().ShouldBe("luck");
        await RoundTripAsync(finished);
    }

    [Fact]
    public async Task Write_InTheMiddleOfABurst_SurvivesTheRoundTrip()
    {
        var id = await StartAsync(
            Parallel(Act("Test.Gate", "g"), Act("Elsa.ForEach", "each", $$""" "items":{{Literal("[1,2]")}},"body":{{Line("x", "x")}} """)),
            Options("commitStrategyName", "ActivityExecuting"));
        await WaitForAsync(() => !_engine.Probe.Seen.IsEmpty);

        var state = await _engine.ReachAsync(id, s => s.Scheduled.Count > 0);
        state.SubStatus.ShouldBe(WorkflowSubStatus.Executing);
        state.Scheduled.Select(s => s.NodeId).ShouldBe(["Workflow1:par:g", "Workflow1:par:each"]);
        await RoundTripAsync(id);
        _engine.Probe.Gate.SetResult();
        await _engine.FinishedAsync(id);
    }

    [Fact]
    public async Task Restore_StateOfAnEarlierVersion_GoesOnInLoopsAndSequences()
    {
        var id = await StartAsync(Sequence(
            Line("a"),
            Act("Elsa.ForEach", "each", $$""" "items":{{Literal("[1,2]")}},"body":{{Sequence(Block("old"), Line("b"))}} """),
            Line("c")));
        await _engine.SuspendedAsync(id);
        await MakeEarlierAsync(id);

        await _engine.UnblockAsync("old");
        await WaitForAsync(async () => await _engine.LinesAsync(id) == "a b");
        await _engine.SuspendedAsync(id);
        await _engine.UnblockAsync("old");

        (await _engine.FinishedAsync(id)).SubStatus.ShouldBe(WorkflowSubStatus.Finished);
        (await _engine.LinesAsync(id)).ShouldBe("a b b c");
    }

    [Fact]
    public async Task Restore_QueueOfAnEarlierVersion_GoesOnAfterARetry()
    {
        var id = await StartAsync(Sequence(Parallel(Act("Test.Flaky", "f", """ "failures":1 """), Line("b")), Line("c")));
        (await _engine.FaultedAsync(id)).Scheduled.Count.ShouldBe(1);
        await MakeEarlierAsync(id);

        await _engine.SendAsync(_engine.Client.PrepareRetry(id));

        (await _engine.ReachAsync(id, s => s.SubStatus == WorkflowSubStatus.Finished)).Incidents.ShouldBeEmpty();
        (await _engine.LinesAsync(id)).ShouldBe("b c");
    }

    [Fact]
    public async Task Suspend_MemoryVariable_IsLostAndOthersAreNot()
    {
        var id = await StartAsync(Sequence(
            Set("m", "1"), Set("n", "7"), Show("m"), Show("n"), Block("mem"), Show("m"), Show("n")));
        await _engine.SuspendedAsync(id);
        (await _engine.LinesAsync(id)).ShouldBe("1 7");

        await _engine.UnblockAsync("mem");

        await _engine.FinishedAsync(id);
        (await ShownAsync(id)).ShouldBe(["1", "7", null, "7"]);
    }

    [Fact]
    public async Task Suspend_OutputsAndLastResult_Survive()
    {
        var id = await StartAsync(Sequence(Act("Test.Flaky", "f"), Block("one"), Block("two", "b2"), Block("three", "b3")));
        foreach (var label in (string[])["one", "two"])
        {
            await _engine.ReachAsync(id, s => s.Bookmarks.Count == 1 && s.Bookmarks[0].Payload!.Value.GetProperty("label").GetString() == label);
            await _engine.UnblockAsync(label, label + "!");
        }

        var state = await _engine.ReachAsync(id, s => s.ActivityOutputs.ContainsKey("b2"));
        state.ActivityOutputs["f"]["Result"].GetString().ShouldBe("luck");
        state.ActivityOutputs["b"]["Result"].GetString().ShouldBe("one!");
        state.LastResult!.Value.GetString().ShouldBe("two!");
    }

    [Fact]
    public async Task Suspend_LambdaAsCallback_FaultsWithAClearMessage()
    {
        var id = await StartAsync(Act("Test.Nameless", "n", $$""" "body":{{Block("never")}} """));

        (await _engine.FaultedAsync(id)).Incidents.ShouldHaveSingleItem().Message.ShouldBe(
            "A callback must be a method of Nameless, not a lambda: it is stored by name.");
        (await _engine.CountAsync("bookmarks", id)).ShouldBe(0);
    }

    [Fact]
    public async Task Finish_LambdaAsCallback_IsCalledWhenNothingHasToBeStored() =>
        (await _engine.RunAsync(Act("Test.Nameless", "n", $$""" "body":{{Line("x")}} """))).SubStatus.ShouldBe(WorkflowSubStatus.Finished);

    private static string Block(string label, string id = "b") => Act("Test.Block", id, $$""" "label":"{{label}}" """);

    private static string Set(string variable, string json) =>
        Act("Elsa.SetVariable", "set-" + variable, $$""" "variable":{"id":"{{variable}}","name":"{{variable}}"},"value":{{Literal(json)}} """);

    private static string Show(string variable) => $$"""{"type":"Elsa.WriteLine","text":{{Variable(variable)}}}""";

    private async Task<string> StartAsync(string root, string more = "") =>
        await _engine.StartWorkflowAsync(await _engine.DefineAsync(root, more.Length > 0 ? Variables + "," + more : Variables), new { Given = "in" });

    private async Task<List<string?>> ShownAsync(string id)
    {
        await using var command = _engine.DataSource.CreateCommand("""
            SELECT e.activity_state->>'Text' FROM wf.journal j JOIN wf.activity_executions e ON e.id = j.activity_instance_id
            WHERE j.instance_id = $1 AND j.event_name = 'Started' AND e.activity_type = 'Elsa.WriteLine' ORDER BY j.sequence
            """);
        command.Parameters.Add(new() { Value = id });
        await using var reader = await command.ExecuteReaderAsync();
        var shown = new List<string?>();
        while (await reader.ReadAsync())
            shown.Add(await reader.IsDBNullAsync(0) ? null : reader.GetString(0));
        return shown;
    }

    /// <summary>The stored text, and the same through its record, give the same text again.</summary>
    private async Task RoundTripAsync(string id)
    {
        var stored = await _engine.ScalarAsync<string>("SELECT state::text FROM wf.instances WHERE id = $1", id);
        var record = JsonSerializer.Serialize(JsonSerializer.Deserialize<WorkflowState>(stored, WorkflowJson.Options), WorkflowJson.Options);
        foreach (var text in (string[])[stored, record])
        {
            var rewritten = JsonNode.Parse(await RewriteAsync(id, text))!;
            JsonNode.DeepEquals(rewritten, JsonNode.Parse(stored)).ShouldBeTrue($"{stored}\nbecame\n{rewritten.ToJsonString()}");
        }
    }

    private async Task<byte[]> RewriteAsync(string id, string text)
    {
        var version = await _engine.ScalarAsync<string>("SELECT definition_version_id FROM wf.instances WHERE id = $1", id);
        await using var services = new ServiceCollection().BuildServiceProvider();
        var workflow = new WorkflowExecutionContext(
            id, await _engine.Definitions.GraphAsync(version), null, services, CancellationToken.None, TimeProvider.System);
        using var document = JsonDocument.Parse(text);
        StateCodec.Restore(workflow, document.RootElement);
        return StateCodec.Write(workflow);
    }

    /// <summary>Rewrites a state to the form in which callbacks stood in a list of their own.</summary>
    private async Task MakeEarlierAsync(string id)
    {
        var state = JsonNode.Parse(await _engine.ScalarAsync<string>("SELECT state::text FROM wf.instances WHERE id = $1", id))!.AsObject();
        var callbacks = new JsonArray();
        foreach (var context in state["contexts"]!.AsArray())
            Move(context!.AsObject(), "parentId");
        foreach (var item in state["scheduled"]?.AsArray() ?? [])
            Move(item!.AsObject(), "ownerId");
        state["callbacks"] = callbacks;
        callbacks.Count.ShouldBeGreaterThan(0);
        await _engine.ExecuteAsync("UPDATE wf.instances SET state = $2::json WHERE id = $1", id, state.ToJsonString());

        void Move(JsonObject from, string owner)
        {
            if (from["completed"] is not { } method)
                return;
            callbacks.Add(new JsonObject
            {
                ["ownerId"] = from[owner]!.DeepClone(),
                ["childNodeId"] = from["nodeId"]!.DeepClone(),
                ["methodName"] = method.DeepClone(),
                ["tag"] = from["tag"]?.DeepClone(),
            });
            from.Remove("completed");
        }
    }
}
