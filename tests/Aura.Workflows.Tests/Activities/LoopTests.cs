using Aura.Testing;
using static Aura.Workflows.Tests.Json;

namespace Aura.Workflows.Tests.Activities;

public sealed class LoopTests(TestDatabase database) : ActivityTests(database)
{
    private const string Forever = """{"typeName":"Boolean","expression":{"type":"Literal","value":true} }""";

    [Fact]
    public async Task While_ConditionTurnsFalse_EvaluatesItBeforeEachIteration()
    {
        var root = Sequence(While(Variable("go"), Sequence(Line("once"), Set("go", "false"))), Line("after"));

        (await Engine.LinesOfAsync(root, more: Variables("go=true"))).ShouldBe("once after");
    }

    [Theory]
    [InlineData("false", "\"body\":{\"type\":\"Elsa.WriteLine\",\"text\":\"never\"}")]
    [InlineData("true", "\"body\":null")]
    [InlineData("null", "\"body\":{\"type\":\"Elsa.WriteLine\",\"text\":\"never\"}")]
    public async Task While_FalseOrWithoutBody_CompletesAtOnce(string condition, string body) => (await Engine.LinesOfAsync(
        Sequence($$"""{"type":"Elsa.While","condition":{{condition}},{{body}} }""", Line("after")))).ShouldBe("after");

    [Fact]
    public async Task While_WaitsInBody_GoesOnWhereItStood()
    {
        var id = await StartAsync(
            Sequence(While(Variable("go"), Sequence(Line("a"), Wait("tick"), Line("b"), If("last", Set("go", "false"), Set("last", "true")))), Line("after")),
            Variables("go=true", "last=false"));
        (await Engine.LinesAsync(id)).ShouldBe("a");

        await ResumeOnAnotherHostAsync(id, "tick");
        (await Engine.LinesAsync(id)).ShouldBe("a b a");
        await ResumeOnAnotherHostAsync(id, "tick");

        (await Engine.FinishedAsync(id)).SubStatus.ShouldBe(WorkflowSubStatus.Finished);
        (await Engine.LinesAsync(id)).ShouldBe("a b a b after");
    }

    [Theory]
    [InlineData(""" "start":0,"end":3 """, "0 1 2 3")]
    [InlineData(""" "start":0,"end":3,"outerBoundInclusive":false """, "0 1 2")]
    [InlineData(""" "start":3,"end":0,"step":-1 """, "3 2 1 0")]
    [InlineData(""" "start":3,"end":0,"step":-2,"outerBoundInclusive":false """, "3 1")]
    [InlineData(""" "start":1,"end":8,"step":3 """, "1 4 7")]
    [InlineData(""" "start":3,"end":0 """, "")]
    [InlineData(""" "start":0,"end":3,"step":-1 """, "")]
    [InlineData(""" "start":2,"end":2 """, "2")]
    [InlineData(""" "start":2147483646,"end":2147483647 """, "2147483646 2147483647")]
    public async Task For_Bounds_CountsFromStartToEnd(string inputs, string expected) => (await Engine.LinesOfAsync(
        $$"""{"type":"Elsa.For",{{inputs}},"body":{{Show("CurrentValue")}} }""")).ShouldBe(expected);

    [Fact]
    public async Task For_WithoutBody_Completes() => (await Engine.LinesOfAsync(
        Sequence("""{"type":"Elsa.For","start":0,"end":3}""", Line("after")))).ShouldBe("after");

    [Fact]
    public async Task For_StepZero_FaultsInsteadOfLoopingForEver()
    {
        var state = await Engine.RunAsync($$"""{"type":"Elsa.For","id":"loop","start":0,"end":3,"step":0,"body":{{Line("x")}} }""");

        state.Incidents.ShouldHaveSingleItem().Message.ShouldContain("step of 'loop' is 0");
    }

    [Fact]
    public async Task For_WaitsInBody_KeepsItsNumberAndItsOutput()
    {
        var id = await StartAsync(
            Sequence(
                $$"""{"type":"Elsa.For","start":1,"end":2,"currentValue":{"memoryReference":{"id":"n"} },"body":{{Sequence(Wait("tick"), Show("CurrentValue"))}} }""",
                Show("n")),
            Variables("n=0"));

        await ResumeOnAnotherHostAsync(id, "tick");
        (await Engine.LinesAsync(id)).ShouldBe("1");
        await ResumeOnAnotherHostAsync(id, "tick");

        await Engine.FinishedAsync(id);
        (await Engine.LinesAsync(id)).ShouldBe("1 2 2");
    }

    [Fact]
    public async Task ForEach_WaitsInBody_GoesOnWithTheNextItem()
    {
        var id = await StartAsync(ForEach("""["x",{"k":1},"z"]""", Sequence(Wait("tick"), Show("CurrentValue"), Show("CurrentIndex"))));

        await ResumeOnAnotherHostAsync(id, "tick");
        await ResumeOnAnotherHostAsync(id, "tick");
        await ResumeOnAnotherHostAsync(id, "tick");

        await Engine.FinishedAsync(id);
        (await Engine.LinesAsync(id)).ShouldBe("""x 0 {"k":1} 1 z 2""");
    }

    [Fact]
    public async Task ForEach_BodyChangesTheVariable_SeesTheNewItems() => (await Engine.LinesOfAsync(
        $$"""{"type":"Elsa.ForEach","items":{{Variable("list")}},"body":{{Sequence(Show("CurrentValue"), Set("list", """["a","b"]"""))}} }""",
        more: Variables("list=[\"a\"]"))).ShouldBe("a b");

    [Theory]
    [InlineData("ForEach", "[]")]
    [InlineData("ParallelForEach", "[]")]
    [InlineData("ParallelForEach", "null")]
    public async Task ForEach_NoItems_Completes(string type, string items) => (await Engine.LinesOfAsync(
        Sequence($$"""{"type":"Elsa.{{type}}","items":{{(items == "null" ? items : Object(items))}},"body":{{Line("x")}} }""", Line("after")))).ShouldBe("after");

    [Theory]
    [InlineData("ForEach")]
    [InlineData("ParallelForEach")]
    public async Task ForEach_WithoutBody_Completes(string type) => (await Engine.LinesOfAsync(
        Sequence(ForEach("[1]", "null", type), Line("after")))).ShouldBe("after");

    [Theory]
    [InlineData("ForEach", "{\"a\":1}")]
    [InlineData("ParallelForEach", "7")]
    public async Task ForEach_ItemsAreNoList_FaultsAndNamesTheInput(string type, string items) =>
        (await Engine.RunAsync(ForEach(items, Line("x"), type))).Incidents.ShouldHaveSingleItem().Message.ShouldContain("'Items'");

    [Fact]
    public async Task ForEach_NullAmongItems_RunsTheBodyForIt() => (await Engine.LinesOfAsync(
        ForEach("[null,1]", Show("CurrentIndex")))).ShouldBe("0 1");

    [Fact]
    public async Task ForEach_Break_EndsAfterTheChild() => (await Engine.LinesOfAsync(Sequence(
        ForEach("[true,false]", Sequence(Show("CurrentIndex"), If("CurrentValue", Line("keep"), Sequence(Line("stop"), Break, Line("never"))), Line("next"))),
        Line("after")))).ShouldBe("0 keep next 1 stop after");

    [Fact]
    public async Task Break_InNestedLoops_EndsOnlyTheNearest() => (await Engine.LinesOfAsync(
        ForEach("""["a","b"]""", Sequence(Show("CurrentValue"), ForEach("[1,2]", Sequence(Show("CurrentValue"), Break)), Line("out"))))).ShouldBe("a 1 out b 1 out");

    [Theory]
    [InlineData("Elsa.While", "\"condition\":true")]
    [InlineData("Elsa.For", "\"start\":0,\"end\":9")]
    [InlineData("Elsa.ForEach", "\"items\":[1,2,3]")]
    [InlineData("Elsa.ParallelForEach", "\"items\":[1,2,3]")]
    public async Task Break_AnyLoop_EndsIt(string type, string inputs) => (await Engine.LinesOfAsync(
        Sequence($$"""{"type":"{{type}}",{{inputs}},"body":{{Sequence(Line("x"), Break, Line("never"))}} }""", Line("after")))).ShouldBe(
            type == "Elsa.ParallelForEach" ? "x x x after" : "x after");

    [Fact]
    public async Task Break_BareInALoop_EvaluatesNothingMore() => (await Engine.LinesOfAsync(Sequence(While(Forever, Break), Line("after")))).ShouldBe("after");

    [Fact]
    public async Task Break_InAFlowchartBody_EndsTheLoop() => (await Engine.LinesOfAsync(Sequence(
        While(Forever, Flow([Line("1", "a"), """{"type":"Elsa.If","id":"b","condition":true,"then":{"type":"Elsa.Break"} }""", Line("3", "c")], "a->b", "b->c")),
        Line("after")))).ShouldBe("1 after");

    [Fact]
    public async Task Break_InParallelForEach_CancelsTheSiblings()
    {
        var id = await StartAsync(Sequence(
            ForEach("[false,true,false]", Sequence(If("CurrentValue", Break, $$"""{"type":"Elsa.Event","id":"wait","eventName":"never"}"""), Line("x")), "ParallelForEach"),
            Wait("end"), Line("after")));

        (await BookmarksAsync(id)).ShouldBe(1);
        (await StatusesAsync(id, "wait")).ShouldBe("Canceled");
        await ResumeOnAnotherHostAsync(id, "end");
        await Engine.FinishedAsync(id);
        (await Engine.LinesAsync(id)).ShouldBe("after");
    }

    [Fact]
    public async Task Break_InForkInWhile_RemovesTheOtherBranchsBookmarks()
    {
        var id = await StartAsync(Sequence(While(Forever, Fork("WaitAll", Wait("never"), Sequence(Wait("stop"), Break))), Wait("end"), Line("after")));
        (await BookmarksAsync(id)).ShouldBe(2);

        await ResumeOnAnotherHostAsync(id, "stop");

        (await StateAsync(id)).Bookmarks.Count.ShouldBe(1);
        (await BookmarksAsync(id)).ShouldBe(1);
        await ResumeOnAnotherHostAsync(id, "end");
        await Engine.FinishedAsync(id);
        (await Engine.LinesAsync(id)).ShouldBe("after");
    }

    [Fact]
    public async Task Break_InParallelInALoop_WithdrawsWhatIsQueued() => (await Engine.LinesOfAsync(Sequence(
        While(Forever, Parallel(Line("a"), Break, Line("b"))), Line("after")))).ShouldBe("a after");

    [Fact]
    public async Task Break_OutsideALoop_EndsAllEnclosingSequences() => (await Engine.LinesOfAsync(
        Parallel(Sequence(Line("a"), Sequence(Line("b"), Break, Line("c")), Line("d")), Line("e")))).ShouldBe("e a b");

    [Fact]
    public async Task ParallelForEach_WaitsInBodies_EachGoesOnWithItsOwnItem()
    {
        var id = await StartAsync(Sequence(ForEach("""["x","y"]""", Sequence(Wait("tick"), Show("CurrentValue"), Show("CurrentIndex")), "ParallelForEach"), Line("after")));
        (await BookmarksAsync(id)).ShouldBe(2);

        await ResumeOnAnotherHostAsync(id, "tick");

        await Engine.FinishedAsync(id);
        (await Engine.LinesAsync(id)).ShouldBe("x y 0 1 after");
    }

    [Fact]
    public async Task ParallelForEach_MaxDegree_KeepsAtMostThatManyInFlight()
    {
        var id = await StartAsync(Sequence(
            ForEach("""["v","w","x","y","z"]""", Sequence(Show("CurrentValue"), Wait("tick")), "ParallelForEach", """ "maxDegreeOfParallelism":2, """), Line("after")));
        (await Engine.LinesAsync(id)).ShouldBe("v w");
        (await BookmarksAsync(id)).ShouldBe(2);

        (await ResumeOnAnotherHostAsync(id, "tick")).Bookmarks.Count.ShouldBe(2);
        (await Engine.LinesAsync(id)).ShouldBe("v w x y");
        (await ResumeOnAnotherHostAsync(id, "tick")).Bookmarks.Count.ShouldBe(1);
        await ResumeOnAnotherHostAsync(id, "tick");

        await Engine.FinishedAsync(id);
        (await Engine.LinesAsync(id)).ShouldBe("v w x y z after");
    }

    [Fact]
    public async Task ParallelForEach_MaxDegreeOne_RunsOneAfterTheOther() => (await Engine.LinesOfAsync(
        ForEach("""["a","b"]""", Sequence(Show("CurrentValue"), Show("CurrentIndex")), "ParallelForEach", """ "maxDegreeOfParallelism":1, """))).ShouldBe("a 0 b 1");

    [Fact]
    public async Task ParallelForEach_NegativeDegree_Faults() =>
        (await Engine.RunAsync(ForEach("[1]", Line("x"), "ParallelForEach", """ "maxDegreeOfParallelism":-1, """))).Incidents.ShouldHaveSingleItem().Message.ShouldContain("-1");
}
