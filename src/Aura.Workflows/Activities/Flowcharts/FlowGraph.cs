using System.Text.Json;
using Aura.Workflows.Definitions;

namespace Aura.Workflows.Activities;

/// <summary>An arrow of a flowchart. A null port follows default completion only.</summary>
public sealed record Connection(string Source, string? Port, string Target)
{
    public Connection(IActivity source, IActivity target, string port = "Done")
        : this(source?.Id ?? "", port, target?.Id ?? "")
    {
    }

    /// <summary>Reads both forms: {source:{activity,port},target:{activity}} and the old flat one. Null when an end is missing.</summary>
    internal static Connection? Read(JsonElement json)
    {
        var source = json.Member("source");
        var target = json.Member("target");
        if (source is { ValueKind: JsonValueKind.String } && target is { ValueKind: JsonValueKind.String })
            return new(source.Value.GetString()!, json.Text("sourcePort"), target.Value.GetString()!);
        var from = source?.Text("activity");
        var to = target?.Text("activity");
        return from is null || to is null ? null : new(from, source?.Text("port"), to);
    }
}

/// <summary>
/// A flowchart's arrows sorted into forward and backward ones: breadth first from the start, an arrow is forward
/// unless a forward path already leads from its target to its source.
/// </summary>
internal sealed class FlowGraph
{
    private readonly ILookup<string, Connection> _outbound;
    private readonly ILookup<string, Connection> _inbound;
    private readonly ILookup<string, Connection> _forwardInbound;

    public FlowGraph(IEnumerable<Connection> connections, string start)
    {
        var all = connections.Distinct().ToList();
        _outbound = all.ToLookup(c => c.Source);
        _inbound = all.ToLookup(c => c.Target);
        var edges = ForwardEdges(start);
        _forwardInbound = all.Where(c => edges.Contains((c.Source, c.Target))).ToLookup(c => c.Target);
    }

    public IEnumerable<Connection> Outbound(string activity) => _outbound[activity];

    public IEnumerable<Connection> Inbound(string activity) => _inbound[activity];

    public IEnumerable<Connection> ForwardInbound(string activity) => _forwardInbound[activity];

    /// <summary>All activities from which a forward path leads to this one.</summary>
    public HashSet<string> Ancestors(string activity)
    {
        var found = new HashSet<string>(StringComparer.Ordinal);
        var todo = new Queue<string>([activity]);
        while (todo.TryDequeue(out var next))
        {
            foreach (var connection in _forwardInbound[next])
            {
                if (found.Add(connection.Source))
                    todo.Enqueue(connection.Source);
            }
        }

        return found;
    }

    private HashSet<(string Source, string Target)> ForwardEdges(string start)
    {
        var edges = new HashSet<(string, string)>();
        var visited = new HashSet<string>(StringComparer.Ordinal);
        var todo = new Queue<string>([start]);
        while (todo.TryDequeue(out var source))
        {
            visited.Add(source);
            foreach (var target in _outbound[source].Select(c => c.Target))
            {
                if (edges.Contains((source, target)) || Leads(edges, target, source))
                    continue;
                edges.Add((source, target));
                if (!visited.Contains(target))
                    todo.Enqueue(target);
            }
        }

        return edges;
    }

    private static bool Leads(HashSet<(string Source, string Target)> edges, string from, string to)
    {
        var seen = new HashSet<string>(StringComparer.Ordinal);
        var todo = new Stack<string>([from]);
        while (todo.TryPop(out var next))
        {
            if (next == to)
                return true;
            if (!seen.Add(next))
                continue;
            foreach (var (_, target) in edges.Where(e => e.Source == next))
                todo.Push(target);
        }

        return false;
    }
}
