namespace Aura.Workflows.Activities;

/// <summary>A mark on an arrow: the source has completed and the target has not consumed it yet.</summary>
internal sealed record FlowToken(string From, string? Outcome, string To, bool Blocked = false);

/// <summary>How an activity with several arrows into it waits for them (<c>customProperties.mergeMode</c>).</summary>
internal enum MergeMode
{
    /// <summary>Run for each arrival, unless a source of it is still about to run.</summary>
    Stream,

    /// <summary>Wait for all forward arrows.</summary>
    Merge,

    /// <summary>Wait for all arrows, backward ones too.</summary>
    Converge,

    /// <summary>Run at the first arrival, ignore the others.</summary>
    Cascade,

    /// <summary>Run at the first arrival and cancel what leads to the others.</summary>
    Race,
}

/// <param name="Tokens">The tokens after the step.</param>
/// <param name="Schedule">Activities to schedule, in order.</param>
/// <param name="CancelAncestorsOf">Activities whose running forward ancestors are cancelled.</param>
internal sealed record FlowStep(IReadOnlyList<FlowToken> Tokens, IReadOnlyList<string> Schedule, IReadOnlyList<string> CancelAncestorsOf)
{
    public bool HasLiveTokens => Tokens.Any(t => !t.Blocked);
}

/// <summary>
/// Elsa's token flow, the mode its server runs: what a flowchart does when a child has completed.
/// A pure function of graph, tokens and outcomes.
/// </summary>
internal static class TokenFlow
{
    public static FlowStep Complete(
        FlowGraph graph, IReadOnlyList<FlowToken> before, string completed, Outcomes outcomes, Func<string, MergeMode> mergeModeOf)
    {
        var followed = graph.Outbound(completed).Where(c => outcomes.Follows(c.Port)).ToList();
        // Tokens to the completed activity are consumed; its followed arrows get one each.
        var tokens = before.Where(t => t.To != completed || t.Blocked)
            .Concat(followed.Select(c => new FlowToken(c.Source, c.Port, c.Target)))
            .ToList();
        var schedule = new List<string>();
        var cancel = new List<string>();
        foreach (var connection in followed)
        {
            var target = connection.Target;
            switch (mergeModeOf(target))
            {
                case MergeMode.Merge when AllArrived(graph.ForwardInbound(target)):
                case MergeMode.Converge when AllArrived(graph.Inbound(target)):
                    schedule.Add(target);
                    break;
                case MergeMode.Merge or MergeMode.Converge:
                    break;
                case MergeMode.Race or MergeMode.Cascade:
                    if (mergeModeOf(target) == MergeMode.Race)
                        cancel.Add(target);
                    Arrive(connection);
                    break;
                default:
                    var sources = graph.ForwardInbound(target).Select(c => c.Source).ToHashSet(StringComparer.Ordinal);
                    if (!tokens.Exists(t => !t.Blocked && sources.Contains(t.To)))
                        schedule.Add(target);
                    break;
            }
        }

        return new(tokens, schedule, cancel);

        bool AllArrived(IEnumerable<Connection> inbound)
        {
            var needed = inbound.ToList();
            return needed.Count <= 1 || needed.TrueForAll(c => tokens.Contains(new(c.Source, c.Port, c.Target)));
        }

        void Arrive(Connection connection)
        {
            // A blocked token says that the target has run for an earlier arrival: this one is swallowed with its own mark.
            var blocked = new FlowToken(connection.Source, connection.Port, connection.Target, Blocked: true);
            if (tokens.Remove(blocked))
            {
                tokens.Remove(blocked with { Blocked = false });
                return;
            }

            schedule.Add(connection.Target);
            tokens.AddRange(graph.ForwardInbound(connection.Target)
                .Where(c => c.Source != connection.Source)
                .Select(c => new FlowToken(c.Source, c.Port, c.Target, Blocked: true)));
        }
    }

    /// <summary>A cancelled activity neither sends nor receives.</summary>
    public static IReadOnlyList<FlowToken> Cancel(IReadOnlyList<FlowToken> tokens, string cancelled) =>
        [.. tokens.Where(t => t.From != cancelled && t.To != cancelled)];
}
