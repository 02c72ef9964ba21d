using Aura.Workflows.Activities;

namespace Aura.Workflows.Definitions;

/// <summary>Arrows: those that lead nowhere, activities that no arrow leads to, and cycles without a way out.</summary>
internal static class FlowchartChecks
{
    public static void Check(Flowchart chart, WorkflowGraph graph, ValidationFindings findings)
    {
        var activities = new Dictionary<string, IActivity>(StringComparer.Ordinal);
        foreach (var activity in chart.Activities)
            activities.TryAdd(activity.Id, activity);
        var outcomes = activities.Values.ToDictionary(a => a.Id, a => FlowOutcomes.Of(graph.NodeOf(a)), StringComparer.Ordinal);
        CheckArrows(chart, activities, outcomes, findings);
        if (chart.Activities.Count == 0)
            return;

        var routes = new FlowRoutes(
            [.. activities.Keys],
            [.. chart.Connections.Where(c => activities.ContainsKey(c.Source) && activities.ContainsKey(c.Target) && outcomes[c.Source].MayFollow(c.Port))
                .Select(c => (c.Source, c.Target))]);
        var starts = StartsOf(chart, findings);
        var reachable = routes.From(starts);
        foreach (var activity in chart.Activities.Where(a => !reachable.Contains(a.Id)))
        {
            findings.Warning(
                ValidationCodes.Unreachable, activity,
                $"It never runs: no way leads to it from {string.Join(" or ", starts.Select(s => findings.NameOf(activities[s])))}. Connect it, or remove it.");
        }

        var ends = activities.Values.Where(a => IsEnd(a, chart, outcomes[a.Id], graph)).Select(a => a.Id);
        foreach (var cycle in routes.Traps(reachable, ends))
            Report([.. chart.Activities.Where(a => cycle.Contains(a.Id))], IsSingleTrack(chart, graph), findings);
    }

    private static void CheckArrows(
        Flowchart chart, Dictionary<string, IActivity> activities, Dictionary<string, FlowOutcomes> outcomes, ValidationFindings findings)
    {
        foreach (var connection in chart.Connections)
        {
            if (!activities.TryGetValue(connection.Source, out var source) || !activities.ContainsKey(connection.Target))
            {
                var missing = source is null ? connection.Source : connection.Target;
                findings.Error(
                    ValidationCodes.UnknownConnection, chart,
                    $"The connection from '{connection.Source}' to '{connection.Target}' names '{missing}', which is not in the flowchart. "
                    + "Remove the connection, or draw it to an activity.");
                continue;
            }

            var known = outcomes[connection.Source];
            if (known.Has(connection.Port))
                continue;
            findings.Add(
                known.IsClosed ? ValidationSeverity.Error : ValidationSeverity.Warning, ValidationCodes.UnknownPort, source,
                known.Names.Count == 0
                    ? $"The connection to {findings.NameOf(activities[connection.Target])} is never followed: this activity ends the flowchart. Remove it."
                    : $"The connection to {findings.NameOf(activities[connection.Target])} leaves from '{connection.Port}', which is not among the "
                        + $"activity's outcomes {string.Join(", ", known.Names)}. Draw it from one of them.");
        }
    }

    /// <summary>Where a run may begin: at a trigger, or where the flowchart begins by itself.</summary>
    private static IReadOnlyList<string> StartsOf(Flowchart chart, ValidationFindings findings)
    {
        var begin = chart.DefaultStart!;
        var targets = chart.Connections.Select(c => c.Target).ToHashSet(StringComparer.Ordinal);
        if (begin is not Start && begin != chart.Start && !Flowchart.CanStart(begin) && targets.Contains(begin.Id))
        {
            findings.Warning(
                ValidationCodes.NoStart, chart,
                $"Nothing says where it begins: an arrow leads into every activity. It begins at {findings.NameOf(begin)}, the first one. "
                + "Add a Start activity that leads to the right one.");
        }

        return [.. chart.Activities.Where(Flowchart.CanStart).Prepend(begin).Select(a => a.Id).Distinct(StringComparer.Ordinal)];
    }

    /// <summary>Whether the flowchart may be over when the activity has run: it ends more than itself, or an outcome leads nowhere.</summary>
    private static bool IsEnd(IActivity activity, Flowchart chart, FlowOutcomes outcomes, WorkflowGraph graph)
    {
        if (activity is ITerminal || LoopChecks.CanLeave(graph.NodeOf(activity), graph))
            return true;
        var ids = chart.Activities.Select(a => a.Id).ToHashSet(StringComparer.Ordinal);
        var ports = chart.Connections.Where(c => c.Source == activity.Id && ids.Contains(c.Target)).Select(c => c.Port ?? "Done").ToHashSet(StringComparer.Ordinal);
        return !outcomes.IsClosed || outcomes.Names.Any(o => !ports.Contains(o));
    }

    private static void Report(IReadOnlyList<IActivity> cycle, bool isSingleTrack, ValidationFindings findings)
    {
        var way = string.Join(", ", cycle.Take(6).Select(findings.NameOf)) + (cycle.Count > 6 ? " …" : "");
        // Without a wait and without another branch that could end the flowchart it is certain: the engine stops such a run with a fault.
        var spins = isSingleTrack && cycle.All(NeverWaits);
        findings.Add(
            spins ? ValidationSeverity.Error : ValidationSeverity.Warning, ValidationCodes.EndlessCycle, cycle[0],
            spins
                ? $"The arrows lead round for ever, without a wait and without a way out: {way}. Leave one of the outcomes unconnected, or lead it to an End."
                : $"The arrows lead round for ever: {way}. If the workflow is to end some day, leave one of the outcomes unconnected, or lead it to an End.");
    }

    private static bool NeverWaits(IActivity activity) => activity
        is WriteLine or SetVariable or SetName or Correlate or FlowDecision or Start or PublishEvent or SetOutput;

    /// <summary>True: only one branch runs at a time, and nothing runs around the flowchart that could end it.</summary>
    private static bool IsSingleTrack(Flowchart chart, WorkflowGraph graph) =>
        graph.NodeOf(chart).Parent == graph.Root
        && !chart.Activities.Any(a => a is FlowFork or FlowSwitch)
        && chart.Connections.GroupBy(c => (c.Source, c.Port ?? "Done")).All(g => g.Count() == 1);
}
