using Aura.Workflows.Activities;

namespace Aura.Workflows.Tests.Activities.Flowcharts;

/// <summary>What the deciders say where no chart in these tests can lead: a child cancelled from outside, a child that should not have run.</summary>
public sealed class FlowDecidersTests
{
    private static readonly FlowGraph Graph = new([new("S", "Done", "A"), new("S", "Done", "B"), new("A", "Done", "Z"), new("B", "Done", "Z")], "S");

    private static readonly FlowRules NoJoins = new(_ => null, _ => MergeMode.None);

    [Fact]
    public void CounterFlow_LastWaitCancelledFromOutside_LetsTheMergeGoOn()
    {
        var step = CounterFlow.Cancelled(Graph, NoJoins, new([], []), AfterA(exact: false), "B", exact: false);

        step.Actions.ShouldBe([new FlowAction.Schedule("Z", false)]);
        step.Completes.ShouldBeFalse();
    }

    [Fact]
    public void CounterFlow_LastWaitCancelledFromOutsideByElsasRules_Completes()
    {
        var step = CounterFlow.Cancelled(Graph, NoJoins, new([], []), AfterA(exact: true), "B", exact: true);

        step.Actions.ShouldBeEmpty();
        step.Completes.ShouldBeTrue();
    }

    [Fact]
    public void TokenFlow_LastWaitCancelledFromOutside_LetsTheMergeGoOn()
    {
        var before = TokenFlow.Complete(Graph, NoJoins, new(["B"], []), [], "A", Outcomes.Default);
        before.Actions.ShouldBeEmpty();

        var step = TokenFlow.Cancelled(Graph, NoJoins, new([], []), before.State);

        step.Actions.ShouldBe([new FlowAction.Schedule("Z", false)]);
        step.State.ShouldBeEmpty();
    }

    [Fact]
    public void ExactTokenFlow_WaitCancelledFromOutside_ForgetsItsMarks()
    {
        var step = ExactTokenFlow.Cancelled(Graph, NoJoins, new([], []), [new("S", "Done", "B")], "B");

        step.State.ShouldBeEmpty();
        step.Completes.ShouldBeTrue();
    }

    [Fact]
    public void CounterFlow_UnreachableActivityCompletes_Throws() =>
        Should.Throw<InvalidOperationException>(() =>
            CounterFlow.Complete(Graph, NoJoins, new([], []), new(), "elsewhere", Outcomes.Default, backward: false, exact: false))
            .Message.ShouldContain("'elsewhere' is not reachable");

    [Fact]
    public void FlowScope_AsJson_HasElsasForm()
    {
        var scope = CounterFlow.Complete(Graph, NoJoins, new([], []), new(), "B", new Outcomes("Other"), backward: false, exact: false).State;

        System.Text.Json.JsonSerializer.Serialize(scope, WorkflowJson.Options).ShouldBe(
            """{"activitiesVisitCount":{"B":1},"connectionVisitCount":{"B:Done->Z":1},"connectionLastVisitFollowed":{"B:Done->Z":false}}""");
    }

    [Fact]
    public void Complete_StateGivenIn_IsNotChanged()
    {
        var scope = new FlowScope();
        List<FlowToken> tokens = [];

        CounterFlow.Complete(Graph, NoJoins, new([], []), scope, "A", Outcomes.Default, backward: false, exact: false).State.Visits("A").ShouldBe(1);
        TokenFlow.Complete(Graph, NoJoins, new(["B"], []), tokens, "A", Outcomes.Default).State.ShouldHaveSingleItem();

        scope.Visits("A").ShouldBe(0);
        tokens.ShouldBeEmpty();
    }

    private static FlowScope AfterA(bool exact)
    {
        var scope = CounterFlow.Complete(Graph, NoJoins, new([], []), new(), "S", Outcomes.Default, backward: false, exact).State;
        return CounterFlow.Complete(Graph, NoJoins, new(["B"], []), scope, "A", Outcomes.Default, backward: false, exact).State;
    }
}
