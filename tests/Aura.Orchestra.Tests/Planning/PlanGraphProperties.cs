using Aura.Orchestra.Planning;
using FsCheck;
using FsCheck.Fluent;

namespace Aura.Orchestra.Tests.Planning;

/// <summary>What must hold for every graph there is, not only for those that somebody thought of.</summary>
public sealed class PlanGraphProperties
{
    /// <summary>Any edges at all among up to nine tasks, also to tasks that do not exist.</summary>
    private static readonly Arbitrary<IReadOnlyList<PlanTask>> AnyPlan = Graphs((_, count) => Gen.Choose(0, count));

    /// <summary>Edges only to tasks with a smaller number, given in any order: never a cycle.</summary>
    private static readonly Arbitrary<IReadOnlyList<PlanTask>> AcyclicPlan = Graphs((task, _) => Gen.Choose(-1, task - 1));

    private static Arbitrary<IReadOnlyList<PlanTask>> Graphs(Func<int, int, Gen<int>> target) => (
        from count in Gen.Choose(1, 9)
        from edges in Gen.ListOf(EdgeOf(count, target), count * 2)
        from order in Gen.Shuffle(Enumerable.Range(0, count).ToArray())
        select (IReadOnlyList<PlanTask>)[.. order.Select(i => new PlanTask
        {
            Id = $"t{i}",
            Title = $"T{i}",
            DependsOn = [.. edges.Where(e => e.From == i && e.To >= 0).Select(e => $"t{e.To}")],
        })]).ToArbitrary();

    // Below zero means no edge; that is what the first task of an acyclic plan gets.
    private static Gen<(int From, int To)> EdgeOf(int count, Func<int, int, Gen<int>> target) =>
        from task in Gen.Choose(0, count - 1)
        from to in target(task, count)
        from kept in Gen.Elements(true, true, false)
        select (task, kept ? to : -1);

    [Fact]
    public void Create_AcyclicGraph_IsAcceptedWhole() => Law.Holds(AcyclicPlan, tasks =>
        PlanGraph.Create(tasks) is PlanOutcome.Planned { Graph: var graph }
        && graph.Tasks.Select(t => t.Id).Order().SequenceEqual(tasks.Select(t => t.Id).Order()));

    [Fact]
    public void Create_AnyGraph_IsOrderedOrRefusedWithATrueReason() => Law.Holds(AnyPlan, tasks =>
        PlanGraph.Create(tasks) switch
        {
            PlanOutcome.Planned planned => EachStandsBehindItsDependencies(planned.Graph),
            PlanOutcome.PlanRefused refused => refused.Reasons.Count > 0 && refused.Reasons.All(r => IsTrue(r, tasks)),
            _ => false,
        }, cases: 2000);

    [Fact]
    public void Create_OrderOfTheTasks_DoesNotDecideWhetherItIsAccepted() => Law.Holds(AnyPlan, tasks =>
        PlanGraph.Create(tasks).GetType() == PlanGraph.Create([.. tasks.Reverse()]).GetType());

    [Fact]
    public void AncestorsOf_AnyGraph_IsTheClosureOfItsDependencies() => Law.Holds(AcyclicPlan, tasks =>
    {
        var graph = ((PlanOutcome.Planned)PlanGraph.Create(tasks)).Graph;
        var byId = tasks.ToDictionary(t => t.Id);
        return tasks.All(t => graph.AncestorsOf(t.Id).SetEquals(Reachable(t)));

        HashSet<string> Reachable(PlanTask task)
        {
            var found = new HashSet<string>();
            var open = new Stack<string>(task.DependsOn);
            while (open.TryPop(out var id))
            {
                if (found.Add(id))
                    byId[id].DependsOn.ToList().ForEach(open.Push);
            }

            return found;
        }
    });

    private static bool EachStandsBehindItsDependencies(PlanGraph graph)
    {
        var seen = new HashSet<string>();
        return graph.Tasks.All(t => t.DependsOn.All(seen.Contains) && seen.Add(t.Id));
    }

    private static bool IsTrue(string reason, IReadOnlyList<PlanTask> tasks)
    {
        var words = reason.Split('\'');
        if (reason.Contains("itself", StringComparison.Ordinal))
            return tasks.Any(t => t.Id == words[1] && t.DependsOn.Contains(t.Id));
        if (reason.Contains("not in the plan", StringComparison.Ordinal))
            return tasks.Any(t => t.Id == words[1] && t.DependsOn.Contains(words[3])) && tasks.All(t => t.Id != words[3]);
        const string circle = "circle: ";
        var path = reason[(reason.IndexOf(circle, StringComparison.Ordinal) + circle.Length)..].TrimEnd('.').Split(" → ");
        return path.Length > 2 && path[0] == path[^1] && path[..^1].Distinct().Count() == path.Length - 1
            && path.Zip(path.Skip(1)).All(edge => tasks.Single(t => t.Id == edge.First).DependsOn.Contains(edge.Second));
    }
}
