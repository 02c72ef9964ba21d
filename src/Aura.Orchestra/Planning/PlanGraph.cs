using System.Collections.Frozen;
using Aura.Orchestra.Sandboxes;

namespace Aura.Orchestra.Planning;

/// <summary>One task of a plan, before it becomes a job.</summary>
public sealed record PlanTask
{
    public required string Id { get; init; }
    public required string Title { get; init; }
    public string Description { get; init; } = "";

    /// <summary>Ids of tasks that must be integrated before this one starts.</summary>
    public IReadOnlyList<string> DependsOn { get; init; } = [];

    /// <summary>Globs of the paths the task may write; empty means the whole project.</summary>
    public IReadOnlyList<string> AllowedPaths { get; init; } = [];
}

/// <summary>What came of checking a plan: a graph that can be run, or every reason why not.</summary>
public abstract record PlanOutcome
{
    private PlanOutcome()
    {
    }

    public sealed record Planned(PlanGraph Graph) : PlanOutcome;

    /// <param name="Reasons">At least one; each a full sentence for the Director.</param>
    public sealed record PlanRefused(IReadOnlyList<string> Reasons) : PlanOutcome;
}

/// <summary>Tasks whose dependencies form no cycle. Pure and immutable; only <see cref="Create"/> makes one.</summary>
public sealed class PlanGraph
{
    /// <summary>More tasks than this are no plan that a person can oversee.</summary>
    public const int DefaultMaxTasks = 100;

    private readonly FrozenDictionary<string, FrozenSet<string>> _ancestors;

    private PlanGraph(IReadOnlyList<PlanTask> ordered)
    {
        Tasks = ordered;
        var ancestors = new Dictionary<string, FrozenSet<string>>(StringComparer.Ordinal);
        foreach (var task in ordered)
            ancestors[task.Id] = task.DependsOn.Concat(task.DependsOn.SelectMany(d => ancestors[d])).ToFrozenSet(StringComparer.Ordinal);
        _ancestors = ancestors.ToFrozenDictionary(StringComparer.Ordinal);
    }

    /// <summary>In an order in which every task stands behind all it depends on; otherwise as they were given.</summary>
    public IReadOnlyList<PlanTask> Tasks { get; }

    /// <summary>All that the task depends on, directly or not.</summary>
    public IReadOnlySet<string> AncestorsOf(string taskId) => _ancestors[taskId];

    /// <summary>True when the task depends, directly or not, on every other one: its result is the whole PRD's.</summary>
    public bool CompletesPlan(string taskId) => _ancestors[taskId].Count == Tasks.Count - 1;

    /// <summary>
    /// Whether a job can be held to an acceptance test: to one of its own task and of those it builds on, and to one of the
    /// whole PRD (<paramref name="testTask"/> null) when nothing is missing any more.
    /// </summary>
    /// <exception cref="KeyNotFoundException">There is no task <paramref name="taskId"/>.</exception>
    public bool MustPass(string taskId, string? testTask) =>
        testTask is null ? CompletesPlan(taskId) : testTask == taskId || _ancestors[taskId].Contains(testTask);

    /// <summary>Checks the tasks; all problems are reported together.</summary>
    public static PlanOutcome Create(IReadOnlyList<PlanTask> tasks, int maxTasks = DefaultMaxTasks)
    {
        ArgumentNullException.ThrowIfNull(tasks);
        if (tasks.Count == 0)
            return new PlanOutcome.PlanRefused(["The plan has no tasks."]);
        if (tasks.Count > maxTasks)
            return new PlanOutcome.PlanRefused([$"The plan has {tasks.Count} tasks; at most {maxTasks} are accepted."]);

        var reasons = new List<string>();
        var ids = new HashSet<string>(StringComparer.Ordinal);
        for (var i = 0; i < tasks.Count; i++)
        {
            if (string.IsNullOrWhiteSpace(tasks[i].Id))
                reasons.Add($"Task {i + 1} has no id.");
            else if (!ids.Add(tasks[i].Id))
                reasons.Add($"Two tasks have the id '{tasks[i].Id}'.");
            if (string.IsNullOrWhiteSpace(tasks[i].Title))
                reasons.Add($"Task '{tasks[i].Id}' has no title.");
        }

        foreach (var task in tasks)
        {
            if (task.DependsOn.Contains(task.Id, StringComparer.Ordinal))
                reasons.Add($"Task '{task.Id}' depends on itself.");
            reasons.AddRange(task.DependsOn.Where(d => !ids.Contains(d)).Distinct(StringComparer.Ordinal)
                .Select(d => $"Task '{task.Id}' depends on '{d}', which is not in the plan."));
            reasons.AddRange(task.AllowedPaths.Where(p => Glob.TryCreate(p) is null)
                .Select(p => $"Task '{task.Id}' may write '{p}', which cannot be read as a glob. Use *, **, ?, {{a,b}} and [ab]."));
        }

        // Edges that lead nowhere make a search for cycles meaningless.
        if (reasons.Count == 0 && FindCycle(tasks) is { } cycle)
            reasons.Add($"The tasks depend on each other in a circle: {string.Join(" → ", cycle)}.");
        return reasons.Count > 0
            ? new PlanOutcome.PlanRefused(reasons)
            : new PlanOutcome.Planned(new(Order([.. tasks.Select(t => t with { DependsOn = [.. t.DependsOn.Distinct(StringComparer.Ordinal)] })])));
    }

    // Takes, again and again, the first task as given whose dependencies are all taken: stable, so people recognise their plan.
    private static List<PlanTask> Order(IReadOnlyList<PlanTask> tasks)
    {
        var ordered = new List<PlanTask>(tasks.Count);
        var taken = new HashSet<string>(StringComparer.Ordinal);
        while (ordered.Count < tasks.Count)
        {
            var next = tasks.First(t => !taken.Contains(t.Id) && t.DependsOn.All(taken.Contains));
            taken.Add(next.Id);
            ordered.Add(next);
        }

        return ordered;
    }

    /// <summary>A circle, first = last, each task depending on the next; null when there is none. Iterative: a long chain must not exhaust the stack.</summary>
    private static List<string>? FindCycle(IReadOnlyList<PlanTask> tasks)
    {
        var byId = tasks.ToDictionary(t => t.Id, StringComparer.Ordinal);
        var done = new HashSet<string>(StringComparer.Ordinal);
        foreach (var root in tasks)
        {
            var path = new List<string>();
            var onPath = new HashSet<string>(StringComparer.Ordinal);
            var open = new Stack<IEnumerator<string>>();
            if (!Enter(root.Id))
                continue;
            while (open.Count > 0)
            {
                if (!open.Peek().MoveNext())
                {
                    open.Pop().Dispose();
                    onPath.Remove(path[^1]);
                    path.RemoveAt(path.Count - 1);
                    continue;
                }

                var next = open.Peek().Current;
                if (onPath.Contains(next))
                    return [.. path[path.IndexOf(next)..], next];
                Enter(next);
            }

            bool Enter(string id)
            {
                if (!done.Add(id))
                    return false;
                path.Add(id);
                onPath.Add(id);
                open.Push(byId[id].DependsOn.GetEnumerator());
                return true;
            }
        }

        return null;
    }
}
