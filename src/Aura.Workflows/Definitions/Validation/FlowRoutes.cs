namespace Aura.Workflows.Definitions;

/// <summary>Which activity leads to which. Pure: ids and arrows only.</summary>
internal sealed class FlowRoutes(IReadOnlyList<string> activities, IReadOnlyList<(string Source, string Target)> arrows)
{
    private readonly ILookup<string, string> _next = arrows.ToLookup(a => a.Source, a => a.Target, StringComparer.Ordinal);
    private readonly ILookup<string, string> _previous = arrows.ToLookup(a => a.Target, a => a.Source, StringComparer.Ordinal);

    /// <summary>What can be reached, the starts included.</summary>
    public HashSet<string> From(IEnumerable<string> starts) => Closure(starts, _next);

    /// <summary>
    /// The cycles that a run may come into and not out of: from none of their activities a way leads to an end. Of several that lead into
    /// one another only the last, in the order of the activities.
    /// </summary>
    public IReadOnlyList<IReadOnlySet<string>> Traps(IReadOnlySet<string> reachable, IEnumerable<string> ends)
    {
        var leaving = Closure(ends, _previous);
        var trapped = activities.Where(a => reachable.Contains(a) && !leaving.Contains(a)).ToList();
        var traps = new List<IReadOnlySet<string>>();
        foreach (var activity in trapped.Where(a => !traps.Exists(t => t.Contains(a))))
        {
            // A last cycle is what all that it leads to leads back to.
            var ahead = From([activity]);
            if (ahead.IsSubsetOf(Closure([activity], _previous)))
                traps.Add(ahead);
        }

        return traps;
    }

    private static HashSet<string> Closure(IEnumerable<string> from, ILookup<string, string> next)
    {
        var found = new HashSet<string>(from, StringComparer.Ordinal);
        var todo = new Queue<string>(found);
        while (todo.TryDequeue(out var activity))
        {
            foreach (var other in next[activity])
            {
                if (found.Add(other))
                    todo.Enqueue(other);
            }
        }

        return found;
    }
}
