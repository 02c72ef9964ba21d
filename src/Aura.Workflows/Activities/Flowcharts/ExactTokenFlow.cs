namespace Aura.Workflows.Activities;

/// <summary>
/// Token mode exactly as Elsa has it, hangs and double runs included: for hosts that must show Elsa's very traces
/// (<see cref="FlowchartOptions.ExactElsa"/>), and to know where <see cref="TokenFlow"/> differs.
/// A pure function of graph, tokens and what is under way.
/// </summary>
internal sealed class ExactTokenFlow
{
    private readonly FlowGraph _graph;
    private readonly FlowRules _rules;
    private readonly FlowDraft _draft;
    private readonly List<FlowToken> _tokens;
    private bool _completes;

    private ExactTokenFlow(FlowGraph graph, FlowRules rules, FlowView view, IReadOnlyList<FlowToken> tokens)
    {
        _graph = graph;
        _rules = rules;
        _draft = new(view);
        _tokens = [.. tokens];
    }

    public static FlowStep<IReadOnlyList<FlowToken>> Complete(
        FlowGraph graph, FlowRules rules, FlowView view, IReadOnlyList<FlowToken> tokens, string completed, Outcomes outcomes)
    {
        var flow = new ExactTokenFlow(graph, rules, view, tokens);
        var followed = graph.Outbound(completed).Where(c => outcomes.Follows(c.Port)).ToList();
        flow._tokens.AddRange(followed.Select(c => FlowToken.On(c)));
        flow._tokens.RemoveAll(t => t.To == completed && IsLive(t));
        foreach (var connection in followed)
            flow.Arrive(connection, completed);
        flow.CompleteWhenIdle();
        flow._tokens.RemoveAll(t => t.To == completed && t.Consumed);
        return flow.ToStep();
    }

    public static FlowStep<IReadOnlyList<FlowToken>> Cancelled(
        FlowGraph graph, FlowRules rules, FlowView view, IReadOnlyList<FlowToken> tokens, string cancelled)
    {
        var flow = new ExactTokenFlow(graph, rules, view, tokens);
        flow.Forget(cancelled);
        return flow.ToStep();
    }

    public static FlowStep<IReadOnlyList<FlowToken>> JoinStarted(
        FlowGraph graph, FlowRules rules, FlowView view, IReadOnlyList<FlowToken> tokens, string join)
    {
        var flow = new ExactTokenFlow(graph, rules, view, tokens);
        flow._draft.Cancel(graph.Ancestors(join), flow.Forget);
        return flow.ToStep();
    }

    private void Arrive(Connection arrow, string completed)
    {
        var target = arrow.Target;
        var forward = _graph.ForwardInbound(target);
        switch (_rules.MergeModeOf(target))
        {
            case MergeMode.Race:
                _draft.Cancel(_graph.Ancestors(target), Forget);
                Cascade();
                break;
            case MergeMode.Cascade:
                Cascade();
                break;
            case MergeMode.Merge:
                RunWhenAll(forward);
                break;
            case MergeMode.Converge:
                RunWhenAll(_graph.Inbound(target));
                break;
            default:
                var sources = forward.Select(c => c.Source).ToHashSet(StringComparer.Ordinal);
                if (!_tokens.Exists(t => IsLive(t) && sources.Contains(t.To)))
                    _draft.Schedule(target);
                break;
        }

        void Cascade()
        {
            // A blocked mark stays until its target completes, so it may swallow more than one arrival.
            var blocked = _tokens.FindIndex(t => t.Blocked && t.IsOn(arrow));
            if (blocked >= 0)
            {
                _tokens[blocked] = _tokens[blocked] with { Consumed = true };
                return;
            }

            _draft.Schedule(target);
            _tokens.AddRange(forward.Where(c => c.Source != completed).Select(c => FlowToken.On(c, blocked: true)));
        }

        void RunWhenAll(IEnumerable<Connection> inbound)
        {
            var needed = inbound.ToList();
            if (needed.Count <= 1 || needed.TrueForAll(c => _tokens.Exists(t => IsLive(t) && t.IsOn(c))))
                _draft.Schedule(target);
        }
    }

    private void Forget(string cancelled)
    {
        _tokens.RemoveAll(t => t.From == cancelled || t.To == cancelled);
        CompleteWhenIdle();
    }

    private void CompleteWhenIdle() => _completes |= _draft.IsIdle && !_tokens.Exists(IsLive);

    private FlowStep<IReadOnlyList<FlowToken>> ToStep() => new(_tokens, _draft.Actions, _completes);

    private static bool IsLive(FlowToken token) => !token.Blocked && !token.Consumed;
}
