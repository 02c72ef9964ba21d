using System.Collections.Concurrent;

namespace Aura.Workflows.Activities;

/// <summary>
/// A flowchart's arrows sorted into forward and backward ones: breadth first from the start, an arrow is forward
/// unless a forward path already leads from its target to its source. Immutable, shared by all runs.
/// </summary>
internal sealed class FlowGraph
{
    private readonly string _start;
    private readonly ILookup<string, Connection> _outbound;
    private readonly ILookup<string, Connection> _inbound;
    private readonly ILookup<string, Connection> _forwardOutbound;
    private readonly ILookup<string, Connection> _forwardInbound;
    private readonly HashSet<Connection> _forward;
    private readonly ConcurrentDictionary<string, IReadOnlySet<string>> _ancestors = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<(string, string), bool> _dominates = new();
    private readonly ConcurrentDictionary<(string, string), IReadOnlySet<string>> _leadingTo = new();

    public FlowGraph(IEnumerable<Connection> connections, string start)
    {
        _start = start;
        var all = connections.Distinct().ToList();
        _outbound = all.ToLookup(c => c.Source);
        _inbound = all.ToLookup(c => c.Target);
        var edges = ForwardEdges(start);
        _forward = [.. all.Where(c => edges.Contains((c.Source, c.Target)))];
        _forwardOutbound = _forward.ToLookup(c => c.Source);
        _forwardInbound = _forward.ToLookup(c => c.Target);
    }

    public IEnumerable<Connection> Outbound(string activity) => _outbound[activity];

    public IEnumerable<Connection> Inbound(string activity) => _inbound[activity];

    public IEnumerable<Connection> ForwardInbound(string activity) => _forwardInbound[activity];

    public bool IsForward(Connection connection) => _forward.Contains(connection);

    /// <summary>False: no forward arrow leads to the activity, so it should never have run.</summary>
    public bool IsReachable(string activity) => activity == _start || _forwardInbound.Contains(activity);

    /// <summary>A backward arrow may only lead to where all forward paths to its source have passed.</summary>
    public bool IsValidBackward(Connection connection) => Dominates(connection.Target, connection.Source);

    /// <summary>All activities from which a forward path leads to this one.</summary>
    public IReadOnlySet<string> Ancestors(string activity) =>
        _ancestors.GetOrAdd(activity, a => Closure(_forwardInbound[a].Select(c => c.Source), x => _forwardInbound[x].Select(c => c.Source)));

    /// <summary>Whether every forward path from the start to <paramref name="activity"/> leads through <paramref name="gate"/>.</summary>
    public bool Dominates(string gate, string activity) => gate == activity || _dominates.GetOrAdd((gate, activity), key =>
        key.Item1 == _start
        || !Closure([_start], x => _forwardOutbound[x].Select(c => c.Target).Where(t => t != key.Item1)).Contains(key.Item2));

    /// <summary>
    /// The activities which, while they are pending, may still bring an arrival from <paramref name="source"/> to a waiting
    /// <paramref name="merge"/>. Loops inside one leg count. A loop that goes back before the whole merge does not: what it
    /// brings belongs to the next pass.
    /// </summary>
    public IReadOnlySet<string> LeadingTo(string source, string merge) => _leadingTo.GetOrAdd((source, merge), key => Closure(
        key.Item1 == key.Item2 ? [] : [key.Item1],
        x => _inbound[x].Where(c => c.Source != key.Item2 && (IsForward(c) || !Dominates(x, key.Item2))).Select(c => c.Source)));

    private static HashSet<string> Closure(IEnumerable<string> from, Func<string, IEnumerable<string>> next)
    {
        var found = new HashSet<string>(from, StringComparer.Ordinal);
        var todo = new Queue<string>(found);
        while (todo.TryDequeue(out var activity))
        {
            foreach (var other in next(activity))
            {
                if (found.Add(other))
                    todo.Enqueue(other);
            }
        }

        return found;
    }

    private HashSet<(string Source, string Target)> ForwardEdges(string start)
    {
        var edges = new HashSet<(string, string)>();
        var targets = new Dictionary<string, List<string>>(StringComparer.Ordinal);
        var visited = new HashSet<string>(StringComparer.Ordinal);
        var todo = new Queue<string>([start]);
        while (todo.TryDequeue(out var source))
        {
            visited.Add(source);
            foreach (var target in _outbound[source].Select(c => c.Target))
            {
                if (edges.Contains((source, target)) || Closure([target], x => targets.GetValueOrDefault(x) ?? []).Contains(source))
                    continue;
                edges.Add((source, target));
                if (!targets.TryAdd(source, [target]))
                    targets[source].Add(target);
                if (!visited.Contains(target))
                    todo.Enqueue(target);
            }
        }

        return edges;
    }
}
