namespace Aura.Workflows.Activities;

/// <summary>The counts of counter mode, in Elsa's form. Keys of connections are <c>source:port-&gt;target</c>.</summary>
internal sealed record FlowScope
{
    public Dictionary<string, int> ActivitiesVisitCount { get; init; } = new(StringComparer.Ordinal);
    public Dictionary<string, int> ConnectionVisitCount { get; init; } = new(StringComparer.Ordinal);
    public Dictionary<string, bool> ConnectionLastVisitFollowed { get; init; } = new(StringComparer.Ordinal);

    public FlowScope Copy() => new()
    {
        ActivitiesVisitCount = new(ActivitiesVisitCount, StringComparer.Ordinal),
        ConnectionVisitCount = new(ConnectionVisitCount, StringComparer.Ordinal),
        ConnectionLastVisitFollowed = new(ConnectionLastVisitFollowed, StringComparer.Ordinal),
    };

    public int Visits(string activity) => ActivitiesVisitCount.GetValueOrDefault(activity);

    public int Visits(Connection connection) => ConnectionVisitCount.GetValueOrDefault(KeyOf(connection));

    public bool WasFollowed(Connection connection) => ConnectionLastVisitFollowed.GetValueOrDefault(KeyOf(connection));

    public void Visit(string activity) => ActivitiesVisitCount[activity] = Visits(activity) + 1;

    public void Visit(Connection connection, bool followed)
    {
        ConnectionVisitCount[KeyOf(connection)] = Visits(connection) + 1;
        ConnectionLastVisitFollowed[KeyOf(connection)] = followed;
    }

    private static string KeyOf(Connection connection) => $"{connection.Source}:{connection.Port}->{connection.Target}";
}

/// <summary>
/// Counter mode: each completion visits all arrows that leave the activity, followed or not. A target runs when all its
/// forward arrows have been visited once more than it has run, and enough of them were followed; else it is skipped, and its
/// own arrows are visited as not followed (dead-path elimination).
/// A pure function of graph, counts and what is under way.
/// </summary>
internal sealed class CounterFlow
{
    private readonly FlowGraph _graph;
    private readonly FlowRules _rules;
    private readonly FlowDraft _draft;
    private readonly FlowScope _scope;
    private readonly bool _exact;
    private bool _completes;

    private CounterFlow(FlowGraph graph, FlowRules rules, FlowView view, FlowScope scope, bool exact)
    {
        _graph = graph;
        _rules = rules;
        _draft = new(view);
        _scope = scope.Copy();
        _exact = exact;
    }

    /// <param name="backward">The activity ran because of a backward arrow; such a run is not counted.</param>
    /// <param name="exact">Elsa's rules to the letter; else a race that is won stays won.</param>
    /// <exception cref="InvalidOperationException">The chart leads where it must not: an unreachable activity, an invalid loop.</exception>
    public static FlowStep<FlowScope> Complete(
        FlowGraph graph, FlowRules rules, FlowView view, FlowScope scope, string completed, Outcomes outcomes, bool backward, bool exact)
    {
        var flow = new CounterFlow(graph, rules, view, scope, exact);
        if (!flow.Leave(completed, outcomes, backward))
            flow.CompleteWhenIdle();
        return flow.ToStep();
    }

    /// <summary>A child was cancelled by someone else: its arrows are visited as not followed.</summary>
    public static FlowStep<FlowScope> Cancelled(FlowGraph graph, FlowRules rules, FlowView view, FlowScope scope, string cancelled, bool exact)
    {
        var flow = new CounterFlow(graph, rules, view, scope, exact);
        flow.OnCancelled(cancelled);
        return flow.ToStep();
    }

    /// <summary>A join has begun. One that waits for any (Elsa: each) stops what leads to it.</summary>
    public static FlowStep<FlowScope> JoinStarted(FlowGraph graph, FlowRules rules, FlowView view, FlowScope scope, string join, bool exact)
    {
        var flow = new CounterFlow(graph, rules, view, scope, exact);
        if (exact || rules.JoinModeOf(join) == FlowJoinMode.WaitAny)
            flow._draft.Cancel(graph.Ancestors(join), flow.OnCancelled);
        return flow.ToStep();
    }

    /// <returns>Whether anything was scheduled.</returns>
    private bool Leave(string activity, Outcomes? outcomes, bool backward = false)
    {
        if (!_graph.IsReachable(activity))
            throw new InvalidOperationException($"Activity '{activity}' is not reachable from the start of its flowchart.");
        if (!backward)
            _scope.Visit(activity);
        var scheduled = false;
        foreach (var connection in _graph.Outbound(activity))
        {
            var followed = outcomes?.Follows(connection.Port) == true;
            _scope.Visit(connection, followed);
            if (_graph.IsForward(connection))
                scheduled |= Arrive(connection);
            else if (followed)
                scheduled |= GoBack(connection);
        }

        return scheduled;
    }

    private bool GoBack(Connection connection)
    {
        if (!_graph.IsValidBackward(connection))
        {
            throw new InvalidOperationException(
                $"Invalid backward connection: every path from '{connection.Source}' back to the start must go through '{connection.Target}'.");
        }

        if (LosesRace(connection.Target, backward: true))
            return false;
        _draft.Schedule(connection.Target, backward: true);
        return true;
    }

    private bool Arrive(Connection connection)
    {
        var target = connection.Target;
        var arrows = _graph.ForwardInbound(target).ToList();
        var runs = _scope.Visits(target);
        var most = arrows.Max(_scope.Visits);
        var allVisited = arrows.Min(_scope.Visits) > runs;
        var anyFollowed = most > runs && arrows.Exists(a => _scope.Visits(a) == most && _scope.WasFollowed(a));
        var allFollowed = most > runs && arrows.TrueForAll(a => _scope.Visits(a) == most && _scope.WasFollowed(a));
        var mode = _rules.JoinModeOf(target) ?? FlowJoinMode.WaitAllActive;
        if (mode != FlowJoinMode.WaitAny)
            return allVisited && RunOrSkip(target, mode == FlowJoinMode.WaitAll ? allFollowed : anyFollowed);

        // The join is about to run for this pass. Elsa forgets it once it runs, and then lets a late arrival run it again.
        if (_scope.Visits(connection) <= runs || (_exact ? _draft.IsDue(target) : _draft.IsActive(target)))
            return false;
        if (!anyFollowed)
            return allVisited && RunOrSkip(target, false);
        var scheduled = RunOrSkip(target, true);
        if (_draft.IsDue(target))
            _draft.Cancel(_graph.Ancestors(target), OnCancelled);
        return scheduled;
    }

    private bool RunOrSkip(string target, bool run)
    {
        if (!run || LosesRace(target, backward: false))
            return Leave(target, null);
        _draft.Schedule(target);
        return true;
    }

    private void OnCancelled(string activity)
    {
        // Elsa looks first whether all is done, and then forgets the merge that waits for the cancelled one.
        if (_exact)
            CompleteWhenIdle();
        if (!_completes && !Leave(activity, null) && !_exact)
            CompleteWhenIdle();
    }

    /// <summary>Whether the activity only leads on to a race that is already won and about to run.</summary>
    private bool LosesRace(string activity, bool backward) => !_exact && _draft.Active.Any(race =>
        race != activity && _rules.JoinModeOf(race) == FlowJoinMode.WaitAny && _graph.Ancestors(race).Contains(activity)
        && (!backward || !_graph.Dominates(activity, race)));

    private void CompleteWhenIdle() => _completes |= _draft.IsIdle;

    private FlowStep<FlowScope> ToStep() => new(_scope, _draft.Actions, _completes);
}
