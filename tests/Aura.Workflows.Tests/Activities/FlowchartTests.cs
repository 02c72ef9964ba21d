using Aura.Testing;
using Aura.Workflows.Activities;
using static Aura.Workflows.Tests.Json;

namespace Aura.Workflows.Tests.Activities;

public sealed class FlowchartTests(TestDatabase database) : IClassFixture<TestDatabase>, IAsyncLifetime
{
    private EngineHost _engine = null!;

    public async ValueTask InitializeAsync() => _engine = await EngineHost.StartAsync(database.ConnectionString);

    public ValueTask DisposeAsync() => _engine.DisposeAsync();

    [Fact]
    public async Task Flowchart_BraidedGraph_RunsEachOnce() => (await _engine.LinesOfAsync(Flow(
        [.. "1234567".Select(c => Line(c.ToString(), c.ToString()))],
        "1->2", "1->3", "2->4", "2->5", "3->5", "3->6", "4->7", "5->7", "6->7"))).ShouldBe("1 2 3 4 5 6 7");

    [Theory]
    [InlineData("true", "a")]
    [InlineData("false", "b")]
    public async Task FlowDecision_Outcome_FollowsItsArrow(string condition, string expected) => (await _engine.LinesOfAsync(Flow(
        [$$"""{"type":"Elsa.FlowDecision","id":"d","condition":{{condition}}}""", Line("a", "a"), Line("b", "b")], "d:True->a", "d:False->b"))).ShouldBe(expected);

    [Fact]
    public async Task Flowchart_UnequalLegs_RunTheirMergeOnce() => (await _engine.LinesOfAsync(Flow(
        [.. "SABCZ".Select(c => Line(c.ToString(), c.ToString()))], "S->A", "S->B", "A->Z", "B->C", "C->Z"))).ShouldBe("S A B C Z");

    [Fact]
    public async Task Flowchart_UnequalLegsIntoMerge_RunsTheTargetOnce()
    {
        var merge = """{"type":"Elsa.WriteLine","id":"Z","text":"Z","customProperties":{"mergeMode":"Merge"} }""";

        (await _engine.LinesOfAsync(Flow([.. "SABC".Select(c => Line(c.ToString(), c.ToString())), merge], "S->A", "S->B", "A->Z", "B->C", "C->Z")))
            .ShouldBe("S A B C Z");
    }

    [Fact]
    public async Task Flowchart_MergeOnADeadPath_GoesOnWithWhatArrived()
    {
        var merge = """{"type":"Elsa.WriteLine","id":"C","text":"C","customProperties":{"mergeMode":"Merge"} }""";

        (await _engine.LinesOfAsync(Flow(
            [Line("S", "S"), """{"type":"Elsa.FlowDecision","id":"Q","condition":false}""", Line("A", "A"), Line("B", "B"), merge],
            "S->A", "S->Q", "A->C", "B->C", "Q:True->B"))).ShouldBe("S A C");
    }

    [Fact]
    public async Task Flowchart_LoopBack_RunsAgainUntilTheDecisionLeaves()
    {
        // The second pass takes the other branch because the first one set the variable.
        var root = Flow(
            [
                Line("work", "work"),
                $$"""{"type":"Elsa.FlowDecision","id":"again","condition":{{Variable("again")}}}""",
                """{"type":"Elsa.SetVariable","id":"set","variable":{"id":"again","name":"again"},"value":false}""",
                Line("end", "end"),
            ],
            "work->again", "again:True->set", "set->work", "again:False->end");

        (await _engine.LinesOfAsync(root, more: """ "variables":[{"id":"again","name":"again","typeName":"Boolean","value":"True"}] """)).ShouldBe("work work end");
    }

    [Fact]
    public async Task Flowchart_Race_CancelsTheWaitingBranch()
    {
        var race = """{"type":"Elsa.WriteLine","id":"Z","text":"Z","customProperties":{"mergeMode":"Race"} }""";

        var state = await _engine.RunAsync(Flow(
            [Line("S", "S"), Line("A", "A"), """{"type":"Test.Block","id":"B","label":"never"}""", race], "S->B", "S->A", "A->Z", "B->Z"));

        state.SubStatus.ShouldBe(WorkflowSubStatus.Finished);
        state.Bookmarks.ShouldBeEmpty();
    }

    [Fact]
    public void Read_FlatConnection_IsUnderstood()
    {
        var json = System.Text.Json.JsonSerializer.Deserialize<System.Text.Json.JsonElement>("""{"source":"a","target":"b","sourcePort":"X"}""");

        Connection.Read(json).ShouldBe(new("a", "X", "b"));
    }
}
