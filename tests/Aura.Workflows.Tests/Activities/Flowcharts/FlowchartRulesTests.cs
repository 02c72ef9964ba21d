namespace Aura.Workflows.Tests.Activities.Flowcharts;

/// <summary>What the product's rules do where Elsa's hang, run twice or lose something; one chart each.</summary>
public sealed class FlowchartRulesTests
{
    public static TheoryData<bool> BothModes => [true, false];

    [Theory]
    [MemberData(nameof(BothModes))]
    public async Task ImplicitMerge_UnequalLegs_RunsItsTailOnce(bool token) =>
        (await ShowAsync(token, "", ["S->A", "S->B", "A->Z", "B->C", "C->Z"])).ShouldBe("SABCZ done");

    [Fact]
    public async Task Stream_UnequalLegs_RunsItsTailForEachArrival() =>
        (await ShowAsync(true, "Z line Stream", ["S->A", "S->B", "A->Z", "B->C", "C->Z"])).ShouldBe("SABZCZ done");

    [Fact]
    public async Task Stream_DirectSourceLeavesElsewhere_GoesOn() =>
        (await ShowAsync(true, "Q switch; Z line Stream", ["S->A", "S->Q", "A->Z", "Q:Yes->Z"], ("Q", [["No"]]))).ShouldBe("SAZ done");

    [Theory]
    [InlineData("Z line Merge")]
    [InlineData("Z line Converge")]
    [InlineData("Z line NoSuchMode")]
    [InlineData("Z line None")]
    [InlineData("Z line")]
    public async Task Merge_DeadPath_GoesOnWithWhatArrived(string merge) => (await ShowAsync(
        true, "Q switch; " + merge, ["S->A", "S->Q", "A->Z", "Q:Yes->B", "B->Z", "Z->Y"], ("Q", [["No"]]))).ShouldBe("SAZY done");

    [Theory]
    [InlineData(true, "WaitAll", "SAZ done")]
    [InlineData(true, "WaitAllActive", "SAZ done")]
    [InlineData(false, "WaitAll", "SA done")]
    [InlineData(false, "WaitAllActive", "SAZ done")]
    public async Task Join_DeadPath_GoesOnOrIsSkipped(bool token, string mode, string expected) => (await ShowAsync(
        token, "Q switch; J join " + mode, ["S->A", "S->Q", "A->J", "Q:Yes->J", "J->Z"], ("Q", [["No"]]))).ShouldBe(expected);

    [Fact]
    public async Task Converge_LoopBack_DoesNotWaitForTheLoopThatItFeeds() => (await ShowAsync(
        true, "Q switch; Z line Converge", ["S->A", "S->B", "A->Z", "B->Z", "Z->Q", "Q:again->Z", "Q:Done->Y"], ("Q", [["again"], ["Done"]])))
        .ShouldBe("SABZZY done");

    [Theory]
    [MemberData(nameof(BothModes))]
    public async Task WaitAny_UnequalLegs_EndsAndStopsTheLegThatLost(bool token) =>
        (await ShowAsync(token, "J join WaitAny", ["S->A", "S->B", "A->J", "B->C", "C->J", "J->Z"])).ShouldBe("SABZ done");

    [Theory]
    [MemberData(nameof(BothModes))]
    public async Task WaitAny_SiblingBlocksAfterwards_RunsTheTailOnce(bool token) =>
        (await ShowAsync(token, "B block; J join WaitAny", ["S->A", "S->B", "A->J", "B->J", "J->Z"])).ShouldBe("SAZ done");

    [Theory]
    [MemberData(nameof(BothModes))]
    public async Task WaitAny_LostLegLeadsToAWait_DoesNotWaitThere(bool token) => (await ShowAsync(
        token, "C block; J join WaitAny", ["S->A", "S->B", "A->J", "B->C", "C->J", "J->Z"])).ShouldBe("SABZ done");

    [Theory]
    [MemberData(nameof(BothModes))]
    public async Task WaitAny_LostLegLoops_LeavesTheLoop(bool token) => (await ShowAsync(
        token, "Q switch; J join WaitAny", ["S->A", "S->B", "A->J", "B->Q", "Q:again->B", "Q:Done->J", "J->Z"],
        ("Q", [["again"], ["again"], ["Done"]])))
        .ShouldBe("SABZ done");

    [Theory]
    [MemberData(nameof(BothModes))]
    public async Task WaitAny_NestedFlowchartLoses_IsCancelledAndDoesNotGoOn(bool token)
    {
        var inner = Json.Flow(["""{"type":"Test.Block","id":"wait"}""", Step("X")], "wait->X")
            .Replace("\"flow\"", "\"inner\"", StringComparison.Ordinal);
        var root = Json.Flow(
            [Step("S"), Step("A"), Step("B"), inner, """{"type":"Elsa.FlowJoin","id":"J"}""", Step("Z")],
            "S->inner", "S->A", "A->B", "B->J", "inner->J", "J->Z");

        var run = await FlowRun.StartAsync(Definition(root), o => o.DefaultExecutionMode = ModeOf(token));

        run.Show().ShouldBe("SABZ done");
        run.Started.ShouldContain("wait");
        run.Completed.ShouldNotContain(c => c.Id == "inner");
    }

    /// <summary>The merge must wait for a leg that goes round a loop of its own, even while it is on its way back.</summary>
    [Fact]
    public async Task Merge_LoopInsideOneLeg_WaitsForTheLoop()
    {
        var run = await StartAsync(
            true, "R block; Q switch", ["S->A", "S->B", "A->Z", "B->Q", "Q:again->R", "R->B", "Q:Done->Z"], ("Q", [["again"], ["Done"]]));

        run.Show().ShouldBe("SAB waits for R");
        await run.ResumeAsync("R");
        run.Show().ShouldBe("SABBZ done");
    }

    /// <summary>A loop that starts everything anew brings arrivals of the next pass: this pass need not wait for it.</summary>
    [Fact]
    public async Task Merge_LoopAroundTheWholeFork_IsNotWaitedFor()
    {
        var run = await StartAsync(
            true, "X block; D switch", ["S->T", "T->X", "X->T", "T->D", "T->B", "D:Yes->Y", "B->Y"], ("D", [["No"], ["Yes"]]));

        run.Show().ShouldBe("STBY waits for X");
        await run.ResumeAsync("X");
        run.Show().ShouldBe("STBYTBY waits for X");
    }

    /// <summary>What the first pass would have ignored must not be ignored in the second.</summary>
    [Fact]
    public async Task Cascade_OtherLegInTheNextPass_RunsAgain() => (await ShowAsync(
        true, "Q switch; N switch; Y line Cascade",
        ["S->L", "L->Q", "Q:P->A", "A->Y", "Q:Q->B", "B->Y", "Y->N", "N:again->L", "N:Done->Z"],
        ("Q", [["P"], ["Q"]]), ("N", [["again"], ["Done"]]))).ShouldBe("SLAYLBYZ done");

    [Fact]
    public async Task Cascade_LaterArrival_IsIgnoredAndNothingCancelled()
    {
        var run = await StartAsync(true, "B block; Y line Cascade", ["S->A", "S->B", "A->Y", "B->Y", "B->C"]);

        run.Show().ShouldBe("SAY waits for B");
        await run.ResumeAsync("B");
        run.Show().ShouldBe("SAYC done");
    }

    [Theory]
    [InlineData(true, "join WaitAll")]
    [InlineData(true, "join WaitAllActive")]
    [InlineData(true, "line Merge")]
    [InlineData(true, "line")]
    [InlineData(false, "join WaitAll")]
    [InlineData(false, "join WaitAllActive")]
    [InlineData(false, "line")]
    public async Task Join_ResumedHalfWay_StillKnowsWhatHasArrived(bool token, string join)
    {
        var run = await StartAsync(token, "A block; B block; C block; J " + join, ["S->A", "S->B", "S->C", "A->J", "B->J", "C->J", "J->Z"]);
        await run.ResumeAsync("B");
        run.Started.ShouldNotContain("J");
        await run.ResumeAsync("A");
        run.Started.ShouldNotContain("J");

        await run.ResumeAsync("C");

        run.IsDone.ShouldBeTrue();
        run.Started.Count(id => id == "Z").ShouldBe(1);
    }

    [Theory]
    [MemberData(nameof(BothModes))]
    public async Task WaitAny_ResumedOne_CancelsTheOtherWaits(bool token)
    {
        var run = await StartAsync(token, "A block; B block; C block; J join WaitAny", ["S->A", "S->B", "S->C", "A->J", "B->J", "C->J", "J->Z"]);

        await run.ResumeAsync("B");

        run.Show().ShouldBe("SZ done");
    }

    [Theory]
    [MemberData(nameof(BothModes))]
    public async Task End_OthersWait_CancelsThemAndCompletesOnce(bool token)
    {
        var run = await StartAsync(token, "B block; E end", ["S->B", "S->A", "A->E", "B->C"]);

        run.Show().ShouldBe("SA done");
        run.Completed.Count(c => c.Id == "flow").ShouldBe(1);
    }

    [Fact]
    public async Task CounterMode_InvalidLoop_FaultsAndSaysWhy()
    {
        var run = await StartAsync(false, "", ["S->A", "A->B", "B->C", "B->D", "C->E", "D->E", "E->C"]);

        run.State.Incidents.ShouldHaveSingleItem().Message
            .ShouldBe("Invalid backward connection: every path from 'E' back to the start must go through 'C'.");
    }

    private static async Task<string> ShowAsync(
        bool token, string special, string[] arrows, (string, string[][]) script = default, (string, string[][]) script2 = default) =>
        (await StartAsync(token, special, arrows, script, script2)).Show();

    private static Task<FlowRun> StartAsync(
        bool token, string special, string[] arrows, (string, string[][]) script = default, (string, string[][]) script2 = default) =>
        FlowRun.StartAsync(TestChart.Of(special, arrows, script, script2), token);

    private static string Definition(string root) => $$"""{"definitionId":"test","root":{{root}} }""";

    private static string Step(string id) => $$"""{"type":"Test.Step","id":"{{id}}"}""";

    private static Workflows.Activities.FlowchartExecutionMode ModeOf(bool token) =>
        token ? Workflows.Activities.FlowchartExecutionMode.TokenBased : Workflows.Activities.FlowchartExecutionMode.CounterBased;
}
