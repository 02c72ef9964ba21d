using Aura.Orchestra.Planning;

namespace Aura.Orchestra.Tests.Planning;

public sealed class PlanGraphTests
{
    private static PlanTask Task(string id, params string[] dependsOn) => new() { Id = id, Title = $"Task {id}", DependsOn = dependsOn };

    private static PlanGraph Planned(params PlanTask[] tasks) => PlanGraph.Create(tasks).ShouldBeOfType<PlanOutcome.Planned>().Graph;

    private static IReadOnlyList<string> Refused(params PlanTask[] tasks) => PlanGraph.Create(tasks).ShouldBeOfType<PlanOutcome.PlanRefused>().Reasons;

    [Fact]
    public void Create_DependencyGivenLater_IsOrderedFirst() =>
        Planned(Task("c", "a", "b"), Task("a"), Task("d"), Task("b", "a")).Tasks.Select(t => t.Id).ShouldBe(["a", "d", "b", "c"]);

    [Fact]
    public void Create_NoTasks_IsRefused() => Refused().ShouldBe(["The plan has no tasks."]);

    [Fact]
    public void Create_Cycle_IsNamedWithItsPath() =>
        Refused(Task("x", "a"), Task("a", "b"), Task("b", "c"), Task("c", "a")).ShouldBe(["The tasks depend on each other in a circle: a → b → c → a."]);

    [Fact]
    public void Create_SelfDependency_IsRefused() => Refused(Task("a", "a")).ShouldBe(["Task 'a' depends on itself."]);

    [Fact]
    public void Create_PathsThatAreNoGlob_AreNamed() =>
        Refused(Task("a"), Task("b") with { AllowedPaths = ["app/**", "[z-a]"] })
            .ShouldBe(["Task 'b' may write '[z-a]', which cannot be read as a glob. Use *, **, ?, {a,b} and [ab]."]);

    [Fact]
    public void Create_SeveralProblems_AreAllReported() =>
        Refused(Task("a", "z", "z"), Task("a"), Task("b", "b"), new PlanTask { Id = " ", Title = "" }).ShouldBe(
        [
            "Two tasks have the id 'a'.", "Task 4 has no id.", "Task ' ' has no title.",
            "Task 'a' depends on 'z', which is not in the plan.", "Task 'b' depends on itself.",
        ]);

    [Fact]
    public void Create_TooManyTasks_IsRefused() =>
        PlanGraph.Create([.. Enumerable.Range(0, 4).Select(i => Task($"t{i}"))], maxTasks: 3)
            .ShouldBeOfType<PlanOutcome.PlanRefused>().Reasons.ShouldBe(["The plan has 4 tasks; at most 3 are accepted."]);

    [Fact]
    public void Create_VeryLongChain_DoesNotExhaustTheStack()
    {
        const int length = 3000;
        var chain = Enumerable.Range(0, length).Select(i => i == length - 1 ? Task($"t{i}", "t0") : Task($"t{i}", $"t{i + 1}")).ToList();

        PlanGraph.Create(chain, length).ShouldBeOfType<PlanOutcome.PlanRefused>().Reasons[0].ShouldStartWith("The tasks depend on each other in a circle: t0 → t1");
    }

    [Fact]
    public void MustPass_TestsOfTasks_BindTheTaskAndThoseThatBuildOnIt()
    {
        var graph = Planned(Task("a"), Task("b"), Task("c", "a"), Task("d", "c", "b"));

        graph.MustPass("a", "a").ShouldBeTrue();
        graph.MustPass("b", "a").ShouldBeFalse();
        graph.MustPass("c", "a").ShouldBeTrue();
        graph.MustPass("d", "a").ShouldBeTrue();
        graph.MustPass("a", "c").ShouldBeFalse();
    }

    [Fact]
    public void MustPass_TestOfTheWholePrd_BindsOnlyWhatCompletesThePlan()
    {
        var graph = Planned(Task("a"), Task("b"), Task("c", "a", "b"));
        graph.Tasks.Where(t => graph.MustPass(t.Id, null)).Select(t => t.Id).ShouldBe(["c"]);

        // Two ends: neither holds the whole, only the integrated result does.
        var open = Planned(Task("a"), Task("b", "a"), Task("c", "a"));
        open.Tasks.Any(t => open.MustPass(t.Id, null)).ShouldBeFalse();
        Planned(Task("only")).MustPass("only", null).ShouldBeTrue();
    }
}
