using Aura.Testing;
using Aura.Workflows.Activities;
using static Aura.Workflows.Tests.Json;

namespace Aura.Workflows.Tests.Activities;

public sealed class CompositeTests(TestDatabase database) : ActivityTests(database)
{
    private static string Complete(string outcomes = "null") => $$"""{"type":"Elsa.Complete","outcomes":{{outcomes}} }""";

    [Fact]
    public async Task Composite_Runs_SetsVariablesBeforeAndOutputsAfterItsRoot()
    {
        var id = await StartAsync(
            Sequence("""{"type":"Test.Greeting","whom":"world","result":{"memoryReference":{"id":"text"} } }""", Show("text")), Variables("text=null"));

        await Engine.FinishedAsync(id);

        (await Engine.LinesAsync(id)).ShouldBe("greeting... hello world");
    }

    [Fact]
    public async Task Composite_WaitsInside_KeepsItsVariables()
    {
        var id = await StartAsync(
            Sequence("""{"type":"Test.Greeting","whom":"moon","event":"tick","result":{"memoryReference":{"id":"text"} } }""", Show("text")), Variables("text=null"));
        (await Engine.LinesAsync(id)).ShouldBe("greeting...");

        await ResumeOnAnotherHostAsync(id, "tick");

        await Engine.FinishedAsync(id);
        (await Engine.LinesAsync(id)).ShouldBe("greeting... hello moon");
    }

    [Theory]
    [InlineData("null", "Done")]
    [InlineData("\"Left\"", "Left")]
    [InlineData("""{"typeName":"Object","expression":{"type":"Literal","value":["Left","Right"]} }""", "Left Right")]
    [InlineData("""{"typeName":"Object","expression":{"type":"Object","value":"[\"Right\"]"} }""", "Right")]
    [InlineData("""{"typeName":"Object","expression":{"type":"Literal","value":"[\"Right\"]"} }""", "Right")]
    public async Task Complete_Outcomes_AreThoseOfTheComposite(string outcomes, string expected)
    {
        var id = await StartAsync(Flow(
            [$$"""{"type":"Test.Box","id":"box","body":{{Sequence(Complete(outcomes), Line("never"))}} }""", Line("Done", "d"), Line("Left", "l"), Line("Right", "r")],
            "box:Done->d", "box:Left->l", "box:Right->r"));

        await Engine.FinishedAsync(id);

        (await Engine.LinesAsync(id)).ShouldBe(expected);
    }

    [Fact]
    public async Task Complete_DeepInside_CompletesOnlyItsComposite() => (await Engine.LinesOfAsync(
        $$"""{"type":"Test.Box","body":{{Sequence($$"""{"type":"Test.Box","body":{{Sequence(While("true", If("yes", Sequence(Complete(), Line("1")))), Line("2"))}} }""", Line("outer"))}} }""",
        more: Variables("yes=true"))).ShouldBe("outer");

    [Fact]
    public async Task Complete_BesideAWaitingBranch_CancelsIt()
    {
        var id = await StartAsync(Sequence(
            $$"""{"type":"Test.Box","id":"box","body":{{Parallel(Sequence(Line("a"), Wait("never")), Sequence(Wait("go"), Complete()), Wait("never"))}} }""",
            Wait("end"), Line("after")));

        (await ResumeOnAnotherHostAsync(id, "go")).Bookmarks.Count.ShouldBe(1);

        (await StatusesAsync(id, "box")).ShouldBe("Completed");
        await ResumeOnAnotherHostAsync(id, "end");
        await Engine.FinishedAsync(id);
        (await Engine.LinesAsync(id)).ShouldBe("a after");
    }

    [Fact]
    public async Task Complete_SiblingsQueued_DoNotRun() => (await Engine.LinesOfAsync(Sequence(
        $$"""{"type":"Test.Box","body":{{Fork("WaitAll", Sequence(Line("a"), Complete(), Line("x")), Sequence(Line("b"), Line("c"), Line("d")))}} }""", Line("after")))).ShouldBe("a b after");

    [Fact]
    public async Task Complete_OutsideAComposite_CompletesTheWorkflow()
    {
        var state = await Engine.RunAsync(Sequence(Parallel(Wait("never"), Complete()), Line("never")));

        state.SubStatus.ShouldBe(WorkflowSubStatus.Finished);
        state.Bookmarks.ShouldBeEmpty();
    }

    [Fact]
    public async Task Complete_InACompositesForEach_RunsItsHookOnce()
    {
        var id = await StartAsync($$"""{"type":"Test.Box","body":{{ForEach("[1,2,3]", Complete())}} }""");

        await Engine.FinishedAsync(id);

        (await Engine.ScalarAsync<long>("SELECT count(*) FROM wf.journal WHERE instance_id = $1 AND event_name = 'Box ends'", id)).ShouldBe(1);
    }

    [Fact]
    public async Task SetOutput_InACompositeWithThatOutput_SetsItsOutput()
    {
        var id = await StartAsync(
            Sequence($$"""{"type":"Test.Box","body":{{Sequence(SetOutput("Completions", "7"), SetOutput("Total", "9"))}},"completions":{"memoryReference":{"id":"n"} } }""", Show("n")),
            Variables("n=0"));

        var state = await Engine.FinishedAsync(id);

        (await Engine.LinesAsync(id)).ShouldBe("7");
        state.Output.ShouldHaveSingleItem().Key.ShouldBe("Total");
        state.Output["Total"].GetInt32().ShouldBe(9);
    }

    [Fact]
    public async Task SetOutput_InAForEach_DoesNotTakeTheLoopsOutput() =>
        (await Engine.RunAsync(ForEach("[1]", SetOutput("CurrentValue", "5")))).Output["CurrentValue"].GetInt32().ShouldBe(5);

    [Fact]
    public async Task WorkflowAsActivity_CompleteAndSetOutputInside_EndOnlyItself()
    {
        var child = await Engine.DefineAsync(
            Parallel(Wait("never"), Sequence(SetOutput("Word", "\"hi\""), Wait("go"), Complete("\"Left\""), Line("x"))),
            """ "outputs":[{"name":"Word","type":"String"}],"outcomes":["Left"],"options":{"usableAsActivity":true} """);
        var id = await StartAsync(
            Flow(
                [
                    $$"""{"type":"Test","id":"used","workflowDefinitionId":"{{child}}","word":{"typeName":"String","memoryReference":{"id":"w"} } }""",
                    $$"""{"type":"Elsa.WriteLine","id":"show","text":{{Variable("w")}} }""",
                ],
                "used:Left->show"),
            Variables("w=null"));

        await ResumeOnAnotherHostAsync(id, "go");

        var state = await Engine.FinishedAsync(id);
        state.SubStatus.ShouldBe(WorkflowSubStatus.Finished);
        state.Output.ShouldBeEmpty();
        (await Engine.LinesAsync(id)).ShouldBe("hi");
        (await StatusesAsync(id, "used")).ShouldBe("Completed");
    }

    private static string SetOutput(string name, string json) => $$"""{"type":"Elsa.SetOutput","outputName":"{{name}}","outputValue":{{Literal(json)}} }""";
}

/// <summary>A composite that is written in code: a variable set from an input, a step that may wait, an output at the end.</summary>
[Activity("Test")]
public sealed class Greeting : Composite<string>
{
    public Greeting() => Root = new Sequence
    {
        Activities = [new WriteLine("greeting..."), new If { Condition = new(new Variable<bool>("Waits")), Then = new Event { EventName = new(new Variable<string>("Name")) } }],
    };

    public Input<string>? Whom { get; set; }

    public Input<string>? Event { get; set; }

    protected override void ConfigureActivities(ActivityExecutionContext context)
    {
        context.Properties["Whom"] = context.Get(Whom);
        context.SetVariable("Name", context.Get(Event));
        context.SetVariable("Waits", context.Get(Event) is not null);
    }

    protected override void OnCompleted(ActivityCompletedContext context) =>
        context.TargetContext.Set(Result, $"hello {context.TargetContext.GetProperty<string>("Whom")}");
}

/// <summary>A composite whose root comes from the definition.</summary>
[Activity("Test")]
public sealed class Box : Composite
{
    [Port]
    public IActivity? Body
    {
        get => null;
        set => Root = value;
    }

    public Output<object>? Completions { get; set; }

    protected override void OnCompleted(ActivityCompletedContext context) => context.TargetContext.AddExecutionLogEntry("Box ends");
}
