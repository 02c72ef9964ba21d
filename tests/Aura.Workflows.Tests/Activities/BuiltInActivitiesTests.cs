using Aura.Testing;
using static Aura.Workflows.Tests.Json;

namespace Aura.Workflows.Tests.Activities;

public sealed class BuiltInActivitiesTests(TestDatabase database) : IClassFixture<TestDatabase>, IAsyncLifetime
{
    private EngineHost _engine = null!;

    public async ValueTask InitializeAsync() => _engine = await EngineHost.StartAsync(database.ConnectionString);

    public ValueTask DisposeAsync() => _engine.DisposeAsync();

    [Fact]
    public async Task Sequence_ThreeLines_RunsInOrder() =>
        (await _engine.LinesOfAsync(Sequence(Line("a"), Line("b"), Line("c")))).ShouldBe("a b c");

    [Fact]
    public async Task Parallel_TwoSequences_TakesTurnsStepByStep() => (await _engine.LinesOfAsync(
        $$"""{"type":"Elsa.Parallel","activities":[{{Sequence(Line("a1"), Line("a2"))}},{{Sequence(Line("b1"), Line("b2"))}}]}""")).ShouldBe("a1 b1 a2 b2");

    [Theory]
    [InlineData("true", "yes")]
    [InlineData("false", "no")]
    [InlineData("\"True\"", "yes")]
    public async Task If_Condition_RunsOneBranch(string condition, string expected) => (await _engine.LinesOfAsync(
        $$"""{"type":"Elsa.If","condition":{{Literal(condition)}},"then":{{Line("yes")}},"else":{{Line("no")}}}""")).ShouldBe(expected);

    [Fact]
    public async Task ForEach_Items_RunsBodyWithCurrentValue() => (await _engine.LinesOfAsync(
        $$"""{"type":"Elsa.ForEach","items":{{Object("""["x","y"]""")}},"body":{"type":"Elsa.WriteLine","text":{{Variable("CurrentValue")}} } }""")).ShouldBe("x y");

    [Fact]
    public async Task ForEach_NullItems_Faults()
    {
        var state = await _engine.RunAsync("""{"type":"Elsa.ForEach","id":"loop","body":{"type":"Elsa.WriteLine"}}""");

        state.SubStatus.ShouldBe(WorkflowSubStatus.Faulted);
        state.Incidents.ShouldHaveSingleItem().ActivityId.ShouldBe("loop");
    }

    [Fact]
    public async Task ParallelForEach_TwoStepBody_TakesTurns()
    {
        var second = """{"type":"Elsa.WriteLine","text":{"typeName":"String","expression":{"type":"Variable","value":"CurrentIndex"}}}""";
        var body = $$"""{"type":"Elsa.Sequence","activities":[{"type":"Elsa.WriteLine","text":{{Variable("CurrentValue")}}},{{second}}]}""";

        var lines = await _engine.LinesOfAsync($$"""{"type":"Elsa.ParallelForEach","items":{{Object("""["a","b","c"]""")}},"body":{{body}}}""");

        lines.ShouldBe("a b c 0 1 2");
    }

    [Fact]
    public async Task SetVariable_ThenRead_SeesTheValue()
    {
        var root = Sequence(
            $$"""{"type":"Elsa.SetVariable","variable":{"id":"v1","name":"Total"},"value":{{Literal("\"41\"")}}}""",
            $$"""{"type":"Elsa.WriteLine","text":{{Variable("v1")}}}""");

        (await _engine.LinesOfAsync(root, more: """ "variables":[{"id":"v1","name":"Total","typeName":"Int32","value":"7"}] """)).ShouldBe("41");
    }

    [Fact]
    public async Task Finish_BetweenSiblings_StopsTheRest() => (await _engine.LinesOfAsync(
        $$"""{"type":"Elsa.Parallel","activities":[{{Line("a")}},{"type":"Elsa.Finish"},{{Line("b")}}]}""")).ShouldBe("a");

    [Fact]
    public async Task Fault_WithSiblingQueued_StopsAndKeepsTheStack()
    {
        var id = await _engine.StartWorkflowAsync(await _engine.DefineAsync(
            $$"""{"type":"Elsa.Parallel","activities":[{"type":"Elsa.Fault","id":"boom","message":"No way"},{{Line("b")}}]}"""));

        var state = await _engine.FinishedAsync(id);

        var incident = state.Incidents.ShouldHaveSingleItem();
        incident.Message.ShouldBe("No way");
        incident.ActivityNodeId.ShouldEndWith(":boom");
        incident.Exception!.StackTrace.ShouldNotBeNullOrWhiteSpace();
        (await _engine.LinesAsync(id)).ShouldBe("");
    }

    [Fact]
    public async Task UnknownActivityType_Runs_FaultsAndNamesTheType()
    {
        var state = await _engine.RunAsync("""{"type":"Acme.Gone","id":"gone"}""");

        state.Incidents.ShouldHaveSingleItem().Message.ShouldContain("Acme.Gone");
    }

    [Fact]
    public async Task UnknownExpressionType_Runs_FaultsAndNamesTheInput()
    {
        var state = await _engine.RunAsync("""{"type":"Elsa.WriteLine","text":{"typeName":"String","expression":{"type":"Liquid","value":"{{x}}"}}}""");

        state.Incidents.ShouldHaveSingleItem().Message.ShouldContain("Text");
    }

    [Fact]
    public async Task Delay_Elapses_GoesOn()
    {
        var id = await _engine.StartWorkflowAsync(await _engine.DefineAsync(
            Sequence("""{"type":"Elsa.Delay","timeSpan":"00:00:00.2"}""", Line("after"))));

        await _engine.FinishedAsync(id);

        (await _engine.LinesAsync(id)).ShouldBe("after");
    }

    [Fact]
    public async Task PublishEvent_OtherInstanceWaits_ItGoesOnWithThePayload()
    {
        var name = Guid.NewGuid().ToString("N");
        var waiting = await _engine.StartWorkflowAsync(await _engine.DefineAsync(
            Sequence($$"""{"type":"Elsa.Event","eventName":"{{name}}","result":{"typeName":"Object","memoryReference":{"id":"v"} } }""",
                $$"""{"type":"Elsa.WriteLine","text":{{Variable("v")}}}"""),
            """ "variables":[{"id":"v","name":"v","typeName":"Object"}] """));
        await _engine.SuspendedAsync(waiting);

        await _engine.RunAsync($$"""{"type":"Elsa.PublishEvent","eventName":"{{name}}","payload":"news"}""");

        await _engine.FinishedAsync(waiting);
        (await _engine.LinesAsync(waiting)).ShouldBe("news");
    }

    [Fact]
    public async Task ExecuteWorkflow_ChildEnds_ParentGetsItsOutputAndStatus()
    {
        var child = await _engine.DefineAsync($$"""{"type":"Elsa.WriteLine","text":{"typeName":"String","expression":{"type":"Input","value":{"name":"Word"} } } }""");
        var parent = await _engine.DefineAsync(
            $$"""{"type":"Elsa.ExecuteWorkflow","workflowDefinitionId":"{{child}}","input":{{Object("""{"Word":"hello"}""")}},"result":{"memoryReference":{"id":"Out"} } }""",
            """ "outputs":[{"name":"Out","type":"Object"}] """);

        var state = await _engine.FinishedAsync(await _engine.StartWorkflowAsync(parent));

        var result = state.Output["Out"];
        result.GetProperty("subStatus").GetString().ShouldBe("Finished");
        (await _engine.LinesAsync(result.GetProperty("workflowInstanceId").GetString()!)).ShouldBe("hello");
    }

    [Fact]
    public async Task ExecuteWorkflow_ChildFaults_ParentIsTold()
    {
        var child = await _engine.DefineAsync("""{"type":"Elsa.Fault","message":"child broke"}""");

        var state = await _engine.RunAsync(
            $$"""{"type":"Elsa.ExecuteWorkflow","workflowDefinitionId":"{{child}}","result":{"memoryReference":{"id":"Out"} } }""",
            more: """ "outputs":[{"name":"Out","type":"Object"}] """);

        state.Output["Out"].GetProperty("subStatus").GetString().ShouldBe("Faulted");
    }

    [Fact]
    public async Task DispatchWorkflow_NotWaiting_ParentEndsFirst()
    {
        var child = await _engine.DefineAsync("""{"type":"Test.Block","label":"never"}""");

        var state = await _engine.RunAsync($$"""{"type":"Elsa.DispatchWorkflow","workflowDefinitionId":"{{child}}"}""");

        state.SubStatus.ShouldBe(WorkflowSubStatus.Finished);
    }

    [Fact]
    public async Task DispatchWorkflow_UnknownDefinition_Faults() => (await _engine.RunAsync(
        """{"type":"Elsa.DispatchWorkflow","workflowDefinitionId":"nobody"}""")).Incidents.ShouldHaveSingleItem().Message.ShouldContain("nobody");
}
