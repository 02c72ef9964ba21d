namespace Aura.Workflows.Tests.Activities.Flowcharts;

/// <summary>
/// The oracle against traces that Elsa's own tests assert, or that were observed on Elsa. The same charts then run through
/// the engine with Elsa's exact rules, so that both stand on the same ground.
/// </summary>
public sealed class FlowModelTests
{
    private static readonly string[] JoinModes = ["WaitAll", "WaitAllActive", "WaitAny"];

    private static readonly string[] Braid = ["1->2", "1->3", "2->4", "2->5", "3->5", "3->6", "4->7", "5->7", "6->7"];

    public static TheoryData<string, bool, string> Traces()
    {
        var data = new TheoryData<string, bool, string>();
        foreach (var chart in AllCharts())
            data.Add(chart.Name, chart.Token, chart.Expected);
        return data;
    }

    [Theory]
    [MemberData(nameof(Traces))]
    public void Model_KnownChart_GivesElsasTrace(string name, bool token, string expected)
    {
        var chart = AllCharts().Single(c => c.Name == name && c.Token == token);

        Show(chart.ToModel()).ShouldBe(expected);
    }

    [Theory]
    [MemberData(nameof(Traces))]
    public async Task Engine_KnownChartWithExactRules_GivesElsasTrace(string name, bool token, string expected)
    {
        var chart = AllCharts().Single(c => c.Name == name && c.Token == token);

        var run = await FlowRun.StartAsync(chart.Chart, token, exact: true);

        run.Show().ShouldBe(expected);
    }

    internal static string Show(FlowModel model) => FlowRun.Show(
        model.Lines, model.Fault is not null ? "fault" : model.Done ? "done" : "waits", model.Blocked);

    internal static IEnumerable<KnownChart> AllCharts()
    {
        // A diamond of three legs with a decision in one of them, before a join.
        foreach (var (decision, join, lines) in new[]
        {
            (false, "WaitAll", "ABCDF"), (false, "WaitAllActive", "ABCDEF"), (false, "WaitAny", "ABCDEF"),
            (true, "WaitAll", "ABCEF"), (true, "WaitAllActive", "ABCEF"), (true, "WaitAny", "ABCEF"),
        })
        {
            yield return new($"join behind a decision {decision} {join}", false, lines + " done", TestChart.Of(
                "S do; Q switch; J join " + join, ["S->A", "S->B", "S->C", "A->Q", "Q:True->J", "Q:False->D", "B->J", "C->J", "D->F", "J->E", "E->F"],
                ("Q", [[decision ? "True" : "False"]])));
        }

        foreach (var join in JoinModes)
        {
            yield return new($"join in a loop {join}", false, "ABCDABCDABCD done", TestChart.Of(
                "S do; I do; X switch; End end; J join " + join,
                ["S->A", "A->B", "A->C", "A->D", "B->J", "C->J", "D->J", "J->I", "I->X", "X:LT->A", "X:Default->End"],
                ("X", [["LT"], ["LT"], ["Default"]])));
            yield return new($"switch that starts a loop into a join {join}", false, "AAAB done", TestChart.Of(
                "S do; I do; X switch; End end; J join " + join,
                ["S->X", "X:L->A", "X:L->I", "X:Default->B", "A->J", "I->J", "J->X", "B->End"],
                ("X", [["L"], ["L"], ["L"], ["Default"]])));
        }

        yield return new("backward and dangling arrows", false, "ABDEABEEF done", TestChart.Of(
            "S do; I do; W switch; X switch; End end",
            [
                "S->W", "dang->W", "W:LT3->A", "W:LT3->B", "W:Default->I", "A->I", "B->I", "I->X", "X:E1->D", "D->I", "X:LT4->E", "E->W",
                "X:E3->F", "F->End",
            ],
            ("W", [["LT3"], ["LT3"], ["Default"], ["Default"]]),
            ("X", [["E1", "LT4"], ["LT4"], ["LT4", "E3"], ["Default"], ["Default"]])));
        yield return new("invalid backward arrow", false, "ABCDE fault", TestChart.Of(
            "S do", ["S->A", "A->B", "B->C", "B->D", "C->E", "D->E", "E->C"]));
        foreach (var token in new[] { false, true })
            yield return new("braid", token, "1234567 done", TestChart.Of("", Braid));
        foreach (var (merge, trace) in new[] { ("Stream", "AC done"), ("Merge", "A hangs"), ("Converge", "A hangs") })
        {
            yield return new($"fork with a decision into {merge}", true, trace, TestChart.Of(
                "S do; Q switch; C line " + merge, ["A->C", "B->C", "S->A", "S->Q", "Q:True->B"], ("Q", [["False"]]), start: "S"));
        }

        yield return new("fork with a fault before a join WaitAll", true, "ACBD fault", TestChart.Of(
            "J join WaitAll; Q switch; X fault",
            ["A->C", "A->B", "A->D", "Q:True->E", "D->Q", "Q:False->X", "B->J", "J->F", "C->J", "E->J"], ("Q", [["False"]])));
        yield return new("WaitAny cancels a blocked branch, the tail runs twice", false, "SAZZ done", TestChart.Of(
            "B block; J join WaitAny", ["S->A", "S->B", "A->J", "B->J", "J->Z"]));
        yield return new("WaitAny, branch already blocked", false, "SAZ done", TestChart.Of(
            "B block; J join WaitAny", ["S->B", "S->A", "A->J", "B->J", "J->Z"]));
        foreach (var (token, trace) in new[] { (false, "SABCZ done"), (true, "SABZCZ done") })
            yield return new("implicit merge of unequal legs", token, trace, TestChart.Of("", ["S->A", "S->B", "A->Z", "B->C", "C->Z"]));
        foreach (var (token, trace) in new[] { (false, "SABCZ done"), (true, "SABCZ hangs") })
        {
            yield return new("WaitAny over unequal legs", token, trace, TestChart.Of(
                "J join WaitAny", ["S->A", "S->B", "A->J", "B->C", "C->J", "J->Z"]));
        }
    }

    internal sealed record KnownChart(string Name, bool Token, string Expected, TestChart Chart)
    {
        // The model goes on after a fault as Elsa does; what it then runs is the same in these charts.
        public FlowModel ToModel() => Chart.ToModel(Token, stopsAtFault: false).Go();
    }
}
