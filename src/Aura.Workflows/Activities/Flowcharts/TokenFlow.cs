namespace Aura.Workflows.Activities;

/// <summary>
/// A mark on an arrow: its source has completed, its target has not been scheduled for it yet. Blocked: an arrival that is
/// to be ignored, because the target has already run for another one.
/// </summary>
/// <param name="Consumed">Used by <see cref="ExactTokenFlow"/> only.</param>
internal sealed record FlowToken(string From, string? Outcome, string To, bool Blocked = false, bool Consumed = false)
{
    public static FlowToken On(Connection arrow, bool blocked = false) => new(arrow.Source, arrow.Port, arrow.Target, blocked);

    public bool IsOn(Connection arrow) => From == arrow.Source && To == arrow.Target && Outcome == arrow.Port;
}

/// <summary>
/// Token mode, the product's rules: a merge waits only for what can still arrive, so it neither hangs nor runs twice for one
/// fork. Where they differ from Elsa's (<see cref="ExactTokenFlow"/>) is listed in docs/elsa-differences.md.
/// A pure function of graph, tokens and what is under way.
/// </summary>
internal sealed class TokenFlow
{
    private readonly FlowGraph _graph;
    private readonly FlowRules _rules;
    private readonly FlowDraft _draft;
    private readonly List<FlowToken> _tokens;

    private TokenFlow(FlowGraph graph, FlowRules rules, FlowView view, IReadOnlyList<FlowToken> tokens)
    {
        _graph = graph;
        _rules = rules;
        _draft = new(view);
        _tokens = [.. tokens];
    }

    public static FlowStep<IReadOnlyList<FlowToken>> Complete(
        FlowGraph graph, FlowRules rules, FlowView view, IReadOnlyList<FlowToken> tokens, string completed, Outcomes outcomes)
    {
        var flow = new TokenFlow(graph, rules, view, tokens);
        // Whoever was queued before a race was won may have begun to wait since.
        if (rules.MergeModeOf(completed) == MergeMode.Race)
            flow.StopLosers(completed);
        var followed = graph.Outbound(completed).Where(c => outcomes.Follows(c.Port)).ToList();
        // All marks come first: a merge must see that its neighbour's arrow is on its way too.
        flow._tokens.AddRange(followed.Select(c => FlowToken.On(c)));
        foreach (var connection in followed)
            flow.Arrive(connection);
        return flow.Settle();
    }

    /// <summary>A child was cancelled by someone else: nothing will come from it.</summary>
    public static FlowStep<IReadOnlyList<FlowToken>> Cancelled(FlowGraph graph, FlowRules rules, FlowView view, IReadOnlyList<FlowToken> tokens) =>
        new TokenFlow(graph, rules, view, tokens).Settle();

    /// <summary>A join has begun. One that waits for any stops what leads to the others.</summary>
    public static FlowStep<IReadOnlyList<FlowToken>> JoinStarted(
        FlowGraph graph, FlowRules rules, FlowView view, IReadOnlyList<FlowToken> tokens, string join)
    {
        var flow = new TokenFlow(graph, rules, view, tokens);
        if (rules.MergeModeOf(join) == MergeMode.Race)
            flow.StopLosers(join);
        return flow.Settle();
    }

    private void Arrive(Connection arrow)
    {
        // Gone: taken along by an earlier arrow of this step, or lost to a race that an earlier arrow has won.
        var token = FlowToken.On(arrow);
        if (!_tokens.Contains(token))
            return;
        var target = arrow.Target;
        var backward = !_graph.IsForward(arrow);
        if (LosesRace(target, backward))
        {
            _tokens.Remove(token);
            return;
        }

        var mode = _rules.MergeModeOf(target);
        switch (mode)
        {
            case MergeMode.Converge:
                TryRun(target, mode);
                break;
            // A loop comes back: nothing that belongs to this pass is still to be waited for.
            case var _ when backward:
                _tokens.Remove(token);
                _draft.Schedule(target);
                break;
            case MergeMode.Race:
                _tokens.Remove(token);
                if (_draft.IsActive(target))
                    break;
                _draft.Schedule(target);
                StopLosers(target);
                break;
            case MergeMode.Cascade:
                _tokens.Remove(token);
                if (_tokens.Remove(FlowToken.On(arrow, blocked: true)))
                    break;
                _draft.Schedule(target);
                // Another port of the same source brings no second arrival, arrows from elsewhere are ignored when they come.
                _tokens.RemoveAll(t => !t.Blocked && t.To == target && t.From == arrow.Source);
                _tokens.AddRange(_graph.ForwardInbound(target).Where(c => c.Source != arrow.Source).Select(c => FlowToken.On(c, blocked: true)));
                break;
            default:
                TryRun(target, mode);
                break;
        }
    }

    /// <summary>Lets go what waits in vain, forgets what need not be ignored any more, and says whether all is done.</summary>
    private FlowStep<IReadOnlyList<FlowToken>> Settle()
    {
        while (Waiting().Any(target => TryRun(target, _rules.MergeModeOf(target))))
        {
            // One that is let go may be what the next one waits for.
        }

        _tokens.RemoveAll(t => t.Blocked && !CanStillArrive(new(t.From, t.Outcome, t.To)));
        return new(_tokens, _draft.Actions, _draft.IsIdle && _tokens.TrueForAll(t => t.Blocked));
    }

    private List<string> Waiting() => [.. _tokens.Where(t => !t.Blocked).Select(t => t.To).Distinct(StringComparer.Ordinal)];

    private bool TryRun(string target, MergeMode mode)
    {
        var arrows = (mode == MergeMode.Converge ? _graph.Inbound(target) : _graph.ForwardInbound(target)).ToList();
        var mustWait = mode == MergeMode.Stream
            ? arrows.Exists(a => a.Source != target && (_draft.IsActive(a.Source) || Waits(a.Source)))
            : arrows.Exists(a => !_tokens.Contains(FlowToken.On(a)) && CanStillArrive(a));
        if (mustWait)
            return false;
        if (mode == MergeMode.Stream)
        {
            _tokens.RemoveAll(t => !t.Blocked && t.To == target);
        }
        else
        {
            foreach (var arrow in _graph.Inbound(target))
                _tokens.Remove(FlowToken.On(arrow));
        }

        _draft.Schedule(target);
        return true;
    }

    private bool CanStillArrive(Connection arrow)
    {
        var leading = _graph.LeadingTo(arrow.Source, arrow.Target);
        if (_draft.Active.Any(a => a != arrow.Target && leading.Contains(a)))
            return true;
        // Of two that wait, the one further up goes first. A backward arrow comes from further down: it waits for nobody who waits.
        return _graph.IsForward(arrow)
            && _tokens.Exists(t => !t.Blocked && t.To != arrow.Target
                && (t.To == arrow.Source || _graph.Ancestors(arrow.Source).Contains(t.To)));
    }

    private bool Waits(string activity) => _tokens.Exists(t => !t.Blocked && t.To == activity);

    /// <summary>Whether the activity only leads on to a race that is already won and about to run.</summary>
    private bool LosesRace(string activity, bool backward) => _draft.Active.Any(race =>
        race != activity && _graph.Ancestors(race).Contains(activity) && _rules.MergeModeOf(race) == MergeMode.Race
        && (!backward || !_graph.Dominates(activity, race)));

    private void StopLosers(string race)
    {
        var ancestors = _graph.Ancestors(race);
        _tokens.RemoveAll(t => !t.Blocked && ancestors.Contains(t.To));
        _draft.Cancel(ancestors, static _ => { });
    }
}
