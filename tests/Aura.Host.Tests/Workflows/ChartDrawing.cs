using System.Text.Json;
using Aura.Workflows.Definitions;

namespace Aura.Host.Tests.Workflows;

/// <summary>A point of the canvas.</summary>
internal sealed record Spot(double X, double Y);

/// <summary>A node with its ports as the designer draws them: in on the left, outcomes down the right side.</summary>
internal sealed record DrawnNode(string Id, string Type, double X, double Y, double Width, double Height, IReadOnlyList<string> Outcomes, bool HasSlot)
{
    /// <summary>Smaller ones grow when the designer opens them, away from where the file says: a slot for a body needs its own line.</summary>
    public double LeastHeight => Math.Max(HasSlot ? 165 : 90, 35 * Outcomes.Count);

    public Spot In => new(X, Y + (Height / 2));

    public Spot Out(string port)
    {
        var index = Outcomes.ToList().IndexOf(port);
        index.ShouldBeGreaterThanOrEqualTo(0, $"{Id} has no outcome '{port}'");
        return new(X + Width, Y + (Height * (index + 0.5) / Outcomes.Count));
    }

    public bool Overlaps(DrawnNode other, double margin) =>
        X - margin < other.X + other.Width && other.X - margin < X + Width && Y - margin < other.Y + other.Height && other.Y - margin < Y + Height;

    /// <summary>Whether a horizontal or vertical line comes nearer than the margin within which the designer's router gives way.</summary>
    public bool IsTouchedBy(DrawnSegment line, double margin) =>
        line.Left < X + Width + margin && line.Right > X - margin && line.Top < Y + Height + margin && line.Bottom > Y - margin;
}

/// <summary>One straight piece of a connection.</summary>
internal sealed record DrawnSegment(Spot From, Spot To)
{
    public double Left => Math.Min(From.X, To.X);
    public double Right => Math.Max(From.X, To.X);
    public double Top => Math.Min(From.Y, To.Y);
    public double Bottom => Math.Max(From.Y, To.Y);
    public bool IsStraight => From.X == To.X || From.Y == To.Y;
    public bool IsHorizontal => From.Y == To.Y;

    public bool Touches(DrawnSegment other) => Left <= other.Right && other.Left <= Right && Top <= other.Bottom && other.Top <= Bottom;

    /// <summary>Crosses it in the middle of both; one that ends on the other only joins it.</summary>
    public bool Crosses(DrawnSegment other)
    {
        if (IsHorizontal == other.IsHorizontal)
            return false;
        var (flat, steep) = IsHorizontal ? (this, other) : (other, this);
        return steep.Left > flat.Left && steep.Left < flat.Right && flat.Top > steep.Top && flat.Top < steep.Bottom;
    }
}

/// <summary>A connection from its outcome over its vertices to the target's in-port.</summary>
internal sealed record DrawnConnection(string Source, string Port, string Target, IReadOnlyList<DrawnSegment> Segments)
{
    public override string ToString() => $"{Source}:{Port} → {Target}";
}

/// <summary>One flowchart of a file as the designer draws it.</summary>
internal sealed class ChartDrawing
{
    private ChartDrawing(string id, IReadOnlyList<DrawnNode> nodes, IReadOnlyList<DrawnConnection> connections) =>
        (Id, Nodes, Connections) = (id, nodes, connections);

    public string Id { get; }
    public IReadOnlyList<DrawnNode> Nodes { get; }
    public IReadOnlyList<DrawnConnection> Connections { get; }

    /// <summary>All flowcharts of a document, those in the bodies of loops included.</summary>
    public static IEnumerable<ChartDrawing> AllOf(JsonElement document, ActivityRegistry registry) =>
        ActivitiesOf(document.GetProperty("root")).Where(a => a.GetProperty("type").GetString() == "Elsa.Flowchart").Select(a => Of(a, registry));

    /// <summary>The activity and all that it holds.</summary>
    public static IEnumerable<JsonElement> ActivitiesOf(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Array => value.EnumerateArray().SelectMany(ActivitiesOf),
        JsonValueKind.Object => (IsActivity(value) ? [value] : Enumerable.Empty<JsonElement>())
            .Concat(value.EnumerateObject().Where(m => m.Name is not ("metadata" or "customProperties")).SelectMany(m => ActivitiesOf(m.Value))),
        _ => [],
    };

    private static bool IsActivity(JsonElement value) => value.TryGetProperty("type", out _) && value.TryGetProperty("nodeId", out _);

    private static ChartDrawing Of(JsonElement chart, ActivityRegistry registry)
    {
        var nodes = chart.GetProperty("activities").EnumerateArray().Select(a => NodeOf(a, registry)).ToList();
        var byId = nodes.ToDictionary(n => n.Id);
        return new(chart.GetProperty("id").GetString()!, nodes, [.. chart.GetProperty("connections").EnumerateArray().Select(c => ConnectionOf(c, byId))]);
    }

    private static DrawnNode NodeOf(JsonElement activity, ActivityRegistry registry)
    {
        var designer = activity.GetProperty("metadata").GetProperty("designer");
        var (position, size) = (designer.GetProperty("position"), designer.GetProperty("size"));
        var type = activity.GetProperty("type").GetString()!;
        // The names of a fork's branches are its outcomes.
        var outcomes = type == "Elsa.FlowFork"
            ? JsonSerializer.Deserialize<string[]>(activity.GetProperty("branches").GetProperty("expression").GetProperty("value").GetString()!)!
            : [.. registry.Find(type)!.Ports.Where(p => p.Type == PortType.Flow).Select(p => p.Name)];
        return new(
            activity.GetProperty("id").GetString()!, type, position.GetProperty("x").GetDouble(), position.GetProperty("y").GetDouble(),
            size.GetProperty("width").GetDouble(), size.GetProperty("height").GetDouble(), outcomes, registry.Find(type)!.Ports.Any(p => p.Type == PortType.Embedded));
    }

    private static DrawnConnection ConnectionOf(JsonElement connection, Dictionary<string, DrawnNode> nodes)
    {
        var (source, target) = (connection.GetProperty("source"), connection.GetProperty("target"));
        var (from, to) = (nodes[source.GetProperty("activity").GetString()!], nodes[target.GetProperty("activity").GetString()!]);
        var port = source.GetProperty("port").GetString()!;
        target.GetProperty("port").GetString().ShouldBe("In");
        Spot[] spots =
        [
            from.Out(port),
            .. connection.GetProperty("vertices").EnumerateArray().Select(v => new Spot(v.GetProperty("x").GetDouble(), v.GetProperty("y").GetDouble())),
            to.In,
        ];
        return new(from.Id, port, to.Id, [.. spots.Zip(spots.Skip(1), (a, b) => new DrawnSegment(a, b)).Where(s => s.From != s.To)]);
    }
}
