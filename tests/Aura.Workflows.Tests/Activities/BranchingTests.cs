using Aura.Testing;
using static Aura.Workflows.Tests.Json;

namespace Aura.Workflows.Tests.Activities;

public sealed class BranchingTests(TestDatabase database) : ActivityTests(database)
{
    private static string Case(string label, string condition, string activity) =>
        $$"""{"label":"{{label}}","condition":{{condition}},"activity":{{activity}} }""";

    private static string Is(string json) => $$"""{"type":"Literal","value":{{json}} }""";

    private static string Of(string variable) => $$"""{"type":"Variable","value":{"id":"{{variable}}","name":"{{variable}}"} }""";

    private static string Switch(string more, params string[] cases) => $$"""{"type":"Elsa.Switch","id":"choice",{{more}}"cases":[{{string.Join(',', cases)}}]}""";

    private static string Mode(string mode) => $$""" "mode":{"typeName":"SwitchMode","expression":{"type":"Literal","value":"{{mode}}"} }, """;

    [Theory]
    [InlineData("MatchFirst", "two after")]
    [InlineData("MatchAny", "two three after")]
    public async Task Switch_SeveralMatch_ModeDecides(string mode, string expected) => (await Engine.LinesOfAsync(Sequence(
        Switch(Mode(mode), Case("1", Is("false"), Line("one")), Case("2", Is("\"true\""), Line("two")), Case("3", Is("true"), Line("three"))),
        Line("after")))).ShouldBe(expected);

    [Fact]
    public async Task Switch_NoMode_TakesTheFirstMatch() => (await Engine.LinesOfAsync(
        Switch("", Case("1", Of("yes"), Line("one")), Case("2", Is("true"), Line("two"))), more: Variables("yes=true"))).ShouldBe("one");

    [Fact]
    public async Task Switch_NoneMatches_RunsTheDefault() => (await Engine.LinesOfAsync(
        Switch($$""" "default":{{Line("else")}}, """, Case("1", Is("false"), Line("one")), Case("2", "null", Line("two")), Case("3", Is("null"), Line("three"))))).ShouldBe("else");

    [Theory]
    [InlineData("")]
    [InlineData("""{"label":"a","condition":{"type":"Literal","value":false},"activity":{"type":"Elsa.Finish"} }""")]
    [InlineData("""{"label":"a","condition":{"type":"Literal","value":true} }""")]
    [InlineData("""{"label":"a","condition":{"type":"Literal","value":true},"activity":null}""")]
    public async Task Switch_NothingToRun_Completes(string cases) => (await Engine.LinesOfAsync(Sequence(Switch("", cases), Line("after")))).ShouldBe("after");

    [Fact]
    public async Task Switch_ConditionIsNoBoolean_FaultsAndNamesTheCase() =>
        (await Engine.RunAsync(Switch("", Case("odd", Is("\"perhaps\""), Line("x"))))).Incidents.ShouldHaveSingleItem().Message.ShouldContain("Cases[odd]");

    [Fact]
    public async Task Switch_CasesWait_CompletesWhenAllAreDone()
    {
        var id = await StartAsync(Sequence(
            Switch(Mode("MatchAny"), Case("1", Is("true"), Sequence(Wait("one"), Line("1"))), Case("2", Is("true"), Sequence(Wait("two"), Line("2")))),
            Line("after")));

        await ResumeOnAnotherHostAsync(id, "two");
        (await Engine.LinesAsync(id)).ShouldBe("2");
        await ResumeOnAnotherHostAsync(id, "one");

        await Engine.FinishedAsync(id);
        (await Engine.LinesAsync(id)).ShouldBe("2 1 after");
    }

    [Fact]
    public async Task Switch_BreakInACase_EndsTheLoopAroundIt() => (await Engine.LinesOfAsync(Sequence(
        ForEach("[1,2]", Sequence(Switch(Mode("MatchAny"), Case("1", Is("true"), Break), Case("2", Is("true"), Line("x"))), Line("y"))),
        Line("after")))).ShouldBe("after");

    [Fact]
    public async Task If_WaitsInABranch_GoesOnAfterIt()
    {
        var id = await StartAsync(Sequence(If("yes", Sequence(Wait("tick"), Line("then"))), Line("after")), Variables("yes=true"));

        await ResumeOnAnotherHostAsync(id, "tick");

        await Engine.FinishedAsync(id);
        (await Engine.LinesAsync(id)).ShouldBe("then after");
    }

    [Fact]
    public async Task Fork_WaitAll_GoesOnWhenAllBranchesAreDone()
    {
        var id = await StartAsync(Sequence(Fork("WaitAll", Line("a"), Sequence(Wait("b"), Line("b")), Sequence(Wait("c"), Line("c"))), Line("after")));

        await ResumeOnAnotherHostAsync(id, "c");
        (await Engine.LinesAsync(id)).ShouldBe("a c");
        await ResumeOnAnotherHostAsync(id, "b");

        await Engine.FinishedAsync(id);
        (await Engine.LinesAsync(id)).ShouldBe("a c b after");
    }

    [Fact]
    public async Task Fork_WaitAny_FirstBranchEndsTheOthers()
    {
        var id = await StartAsync(Sequence(
            Fork("WaitAny", """{"type":"Elsa.Event","id":"loser","eventName":"never"}""", Sequence(Wait("b"), Line("b"))), Wait("end"), Line("after")));

        var state = await ResumeOnAnotherHostAsync(id, "b");

        state.Bookmarks.Count.ShouldBe(1);
        (await StatusesAsync(id, "loser")).ShouldBe("Canceled");
        await ResumeOnAnotherHostAsync(id, "end");
        await Engine.FinishedAsync(id);
        (await Engine.LinesAsync(id)).ShouldBe("b after");
    }

    [Fact]
    public async Task Fork_WaitAnyTwoSteps_TakesTurnsUntilOneIsDone() => (await Engine.LinesOfAsync(
        Fork("WaitAny", Sequence(Line("a1"), Line("a2")), Sequence(Line("b1"), Line("b2"))))).ShouldBe("a1 b1 a2");

    [Fact]
    public async Task Fork_NoBranches_Completes() => (await Engine.LinesOfAsync(Sequence(Fork("WaitAll"), Line("after")))).ShouldBe("after");

    [Fact]
    public async Task Sequence_WaitsInTheMiddle_KeepsItsPlace()
    {
        var id = await StartAsync(Sequence(Line("a"), Wait("tick"), Line("b")));

        await ResumeOnAnotherHostAsync(id, "tick");

        await Engine.FinishedAsync(id);
        (await Engine.LinesAsync(id)).ShouldBe("a b");
    }

    [Fact]
    public async Task Parallel_OneWaits_GoesOnWhenItIsDone()
    {
        var id = await StartAsync(Sequence(Parallel(Line("a"), Sequence(Wait("tick"), Line("b"))), Line("after")));

        await ResumeOnAnotherHostAsync(id, "tick");

        await Engine.FinishedAsync(id);
        (await Engine.LinesAsync(id)).ShouldBe("a b after");
    }
}
