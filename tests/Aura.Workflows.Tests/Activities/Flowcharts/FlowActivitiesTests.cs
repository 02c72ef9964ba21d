using Aura.Workflows.Activities;
using static Aura.Workflows.Tests.Json;

namespace Aura.Workflows.Tests.Activities.Flowcharts;

public sealed class FlowActivitiesTests
{
    private const string Yes = """{"type":"Literal","value":"true"}""";
    private const string No = """{"type":"Literal","value":false}""";

    [Theory]
    [InlineData("""["x","y"]""", "xy")]
    [InlineData("""["y"]""", "y")]
    [InlineData("[]", "d")]
    public async Task FlowFork_Branches_AreItsOutcomes(string branches, string expected) => (await LinesAsync(
        $$"""{"type":"Elsa.FlowFork","id":"f","branches":{{Object(branches)}} }""", "f:x->x", "f:y->y", "f:Done->d")).ShouldBe(expected);

    [Theory]
    [InlineData(Yes, Yes, "MatchFirst", "x")]
    [InlineData(Yes, Yes, "MatchAny", "xy")]
    [InlineData(No, Yes, "MatchFirst", "y")]
    [InlineData(No, No, "MatchAny", "d")]
    [InlineData("null", No, "MatchFirst", "d")]
    [InlineData("""{"type":"Variable","value":{"id":"v","name":"v"} }""", Yes, "MatchAny", "xy")]
    public async Task FlowSwitch_Cases_AreItsOutcomes(string first, string second, string mode, string expected) => (await LinesAsync(
        $$"""
        {"type":"Elsa.FlowSwitch","id":"f","mode":{{Literal($"\"{mode}\"")}},
         "cases":[{"label":"x","condition":{{first}} },{"label":"y","condition":{{second}} }]}
        """, "f:x->x", "f:y->y", "f:Default->d")).ShouldBe(expected);

    [Fact]
    public async Task FlowSwitch_MatchFirst_DoesNotEvaluateWhatFollows() => (await LinesAsync(
        $$"""
        {"type":"Elsa.FlowSwitch","id":"f",
         "cases":[{"label":"x","condition":{{Yes}} },{"label":"y","condition":{"type":"NoSuchLanguage","value":"1"} }]}
        """,
        "f:x->x")).ShouldBe("x");

    [Theory]
    [InlineData("", "d")]
    [InlineData(""","body":{"type":"Test.Step","id":"B"}""", "Bd")]
    public async Task FlowNode_Body_RunsBeforeItGoesOn(string body, string expected) =>
        (await LinesAsync($$"""{"type":"Elsa.FlowNode","id":"f"{{body}} }""", "f->d")).ShouldBe(expected);

    [Fact]
    public async Task FlowJoin_NoMode_WaitsForAny() => (await LinesAsync(
        """{"type":"Elsa.FlowFork","id":"f","branches":["x","y"]},{"type":"Elsa.FlowJoin","id":"j"},{"type":"Test.Block","id":"b"}""",
        "f:x->b", "f:y->y", "b->j", "y->j", "j->d")).ShouldBe("yd");

    [Theory]
    [InlineData("a b", "", "", null, "a")]
    [InlineData("a b", "a", "", null, "b")]
    [InlineData("a b", "", "b", null, "b")]
    [InlineData("a Start:b", "", "a", null, "b")]
    [InlineData("a Start:b", "", "a", "a", "a")]
    public async Task Start_SeveralCandidates_TakesThemInElsasOrder(
        string activities, string withInbound, string canStart, string? trigger, string expected)
    {
        var ids = activities.Split(' ').Select(a => a.Split(':')).ToList();
        var root = Flow(
            [.. ids.Select(i => $$"""
                {"type":"{{(i.Length > 1 ? "Elsa.Start" : "Test.Step")}}","id":"{{i[^1]}}",
                 "customProperties":{"canStartWorkflow":{{(i[^1] == canStart ? "true" : "false")}} } }
                """)],
            withInbound.Length > 0 ? [$"b->{withInbound}"] : []);

        var run = await FlowRun.StartAsync(Definition(root), trigger: trigger);

        run.Started[0].ShouldBe(expected);
    }

    [Fact]
    public async Task Start_PropertyInCode_BeatsAStartActivity()
    {
        var chosen = new Step { Id = "chosen" };

        var run = await FlowRun.StartAsync(new Flowchart { Activities = { new Start { Id = "start" }, chosen }, Start = chosen });

        run.Started.ShouldBe(["chosen"]);
    }

    [Fact]
    public async Task Flowchart_Empty_Completes() => (await FlowRun.StartAsync(Definition(Flow([])))).IsDone.ShouldBeTrue();

    [Theory]
    [InlineData("\"TokenBased\"", FlowchartExecutionMode.CounterBased, "AZ")]
    [InlineData("\"CounterBased\"", FlowchartExecutionMode.TokenBased, "A")]
    [InlineData("1", FlowchartExecutionMode.CounterBased, "AZ")]
    [InlineData("2", FlowchartExecutionMode.TokenBased, "A")]
    [InlineData("\"Default\"", FlowchartExecutionMode.CounterBased, "A")]
    [InlineData("\"nonsense\"", FlowchartExecutionMode.TokenBased, "AZ")]
    [InlineData("null", FlowchartExecutionMode.Default, "AZ")]
    public async Task ExecutionMode_CustomPropertyThenHost_Decides(string property, FlowchartExecutionMode host, string expected)
    {
        // A leg that never comes: WaitAll goes on in token mode and is skipped in counter mode.
        var root = Flow(
            ["""{"type":"Elsa.Start","id":"S"}""", Step("A"), """{"type":"Elsa.FlowDecision","id":"Q"}""", Join("WaitAll"), Step("Z")],
            "S->A", "S->Q", "A->J", "Q:True->J", "J->Z");

        var run = await FlowRun.StartAsync(
            $$"""{"definitionId":"test","customProperties":{"Flowchart:ExecutionMode":{{property}} },"root":{{root}} }""",
            options => options.DefaultExecutionMode = host);

        run.Lines.ShouldBe(expected);
        run.IsDone.ShouldBeTrue();
    }

    [Fact]
    public async Task ExecutionMode_HostChangesItMeanwhile_StaysAsItBegan()
    {
        FlowchartOptions host = null!;
        var chart = TestChart.Of(
            "B block; Q switch; J join WaitAll", ["S->A", "S->B", "A->J", "B->Q", "Q:Yes->J", "J->Z"], ("Q", [["No"]]));
        var run = await FlowRun.StartAsync(chart.ToDefinition(), options => host = options, chart.Scripts);
        host.DefaultExecutionMode = FlowchartExecutionMode.CounterBased;

        await run.ResumeAsync("B");

        run.Show().ShouldBe("SAZ done");
    }

    [Fact]
    public async Task Join_ModeIsAnExpression_IsEvaluatedWhenItMatters()
    {
        var root = Flow(
            [
                """{"type":"Elsa.Start","id":"S"}""", Step("A"), """{"type":"Test.Block","id":"B"}""",
                $$"""{"type":"Elsa.FlowJoin","id":"J","mode":{{Variable("mode")}} }""", Step("Z"),
            ],
            "S->A", "S->B", "A->J", "B->J", "J->Z");

        var run = await FlowRun.StartAsync(
            $$"""{"definitionId":"test","variables":[{"id":"mode","name":"mode","typeName":"String","value":"WaitAll"}],"root":{{root}} }""");

        run.Show().ShouldBe("A waits for B");
    }

    private static async Task<string> LinesAsync(string activities, params string[] arrows)
    {
        var root = Flow([activities, Step("x"), Step("y"), Step("d")], arrows);
        var run = await FlowRun.StartAsync(
            $$"""{"definitionId":"test","variables":[{"id":"v","name":"v","typeName":"Boolean","value":"True"}],"root":{{root}} }""");
        run.IsDone.ShouldBeTrue(run.Show());
        return run.Lines;
    }

    private static string Definition(string root) => $$"""{"definitionId":"test","root":{{root}} }""";

    private static string Step(string id) => $$"""{"type":"Test.Step","id":"{{id}}"}""";

    private static string Join(string mode) => $$"""{"type":"Elsa.FlowJoin","id":"J","mode":{{Literal($"\"{mode}\"")}} }""";
}
