using System.Text.Json;
using static Aura.Workflows.Tests.Json;

namespace Aura.Workflows.Tests.Activities.Flowcharts;

/// <summary>A chart in a form that both the oracle and the engine can run.</summary>
internal sealed record TestChart
{
    /// <summary>The kinds are line, do, switch, join, end, block and fault; the setting is a join mode or a merge mode.</summary>
    public required IReadOnlyList<(string Id, string Kind, string? Setting)> Activities { get; init; }

    public required IReadOnlyList<(string S, string P, string T)> Arrows { get; init; }

    public required string Start { get; init; }

    /// <summary>The outcomes of each switch, run by run.</summary>
    public required IReadOnlyDictionary<string, IReadOnlyList<IReadOnlyList<string>>> Scripts { get; init; }

    /// <param name="special">Activities that are not plain lines: <c>J join WaitAny; Q switch</c>.</param>
    /// <param name="arrows">As <c>a-&gt;b</c> or <c>a:Port-&gt;b</c>. Activities are listed in the order in which arrows name them.</param>
    /// <param name="script">The outcomes of one switch.</param>
    /// <param name="script2">The outcomes of another one.</param>
    /// <param name="start">The first source when null.</param>
    public static TestChart Of(
        string special, string[] arrows, (string Switch, string[][] Outcomes) script = default,
        (string Switch, string[][] Outcomes) script2 = default, string? start = null)
    {
        var kinds = special.Split(';', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries)
            .Select(s => s.Split(' '))
            .ToDictionary(p => p[0], p => (Kind: p[1], Setting: p.ElementAtOrDefault(2)));
        var read = arrows.Select(arrow =>
        {
            var ends = arrow.Split("->");
            var source = ends[0].Split(':');
            return (S: source[0], P: source.ElementAtOrDefault(1) ?? "Done", T: ends[1]);
        }).ToList();
        var ids = read.SelectMany(a => new[] { a.S, a.T }).Distinct().ToList();
        var first = start ?? read[0].S;
        return new()
        {
            // The first activity without an arrow into it is where the engine begins: the start must come before others like it.
            Activities =
            [
                .. ids.OrderBy(id => id != first).Select(id => kinds.TryGetValue(id, out var k) ? (id, k.Kind, k.Setting) : (id, "line", null)),
            ],
            Arrows = read,
            Start = first,
            Scripts = new[] { script, script2 }.Where(s => s.Switch is not null)
                .ToDictionary(s => s.Switch, s => (IReadOnlyList<IReadOnlyList<string>>)s.Outcomes),
        };
    }

    public FlowModel ToModel(bool token, bool stopsAtFault = true)
    {
        var scripts = new ScriptedOutcomes(Scripts);
        return new(Activities.Select(a => new ModelActivity(a.Id, a.Kind switch
        {
            "switch" or "do" => ModelKind.Switch,
            "join" => ModelKind.Join,
            "end" => ModelKind.End,
            "block" => ModelKind.Block,
            "fault" => ModelKind.Fault,
            _ => ModelKind.Line,
        })
        {
            Choose = a.Kind == "do" ? () => ["Done"] : () => scripts.Next(a.Id),
            Join = a.Kind == "join" ? a.Setting : null,
            Merge = a.Kind == "join" ? null : a.Setting,
        }), Arrows, Start, token, stopsAtFault);
    }

    public string ToDefinition()
    {
        var activities = Activities.Select(a => a.Kind switch
        {
            "do" => Plain("Test.Quiet", a),
            "switch" => Plain("Test.Scripted", a),
            "join" => $$"""{"type":"Elsa.FlowJoin","id":"{{a.Id}}","mode":{{Literal(JsonSerializer.Serialize(a.Setting))}} }""",
            "end" => Plain("Elsa.End", a),
            "block" => Plain("Test.Block", a),
            "fault" => Plain("Elsa.Fault", a),
            _ => Plain("Test.Step", a),
        });
        // The start is said aloud: in a chart with loops every activity may have an arrow into it.
        var root = Flow([.. activities], [.. Arrows.Select(a => $"{a.S}:{a.P}->{a.T}")]);
        return $$"""{"definitionId":"chart","root":{{root}} }""";
    }

    public override string ToString() =>
        $"start {Start}; {string.Join(' ', Activities.Select(a => $"{a.Id}:{a.Kind}{(a.Setting is null ? "" : "=" + a.Setting)}"))}; "
        + $"{string.Join(' ', Arrows.Select(a => $"{a.S}:{a.P}->{a.T}"))}; {JsonSerializer.Serialize(Scripts)}";

    private string Plain(string type, (string Id, string Kind, string? Setting) activity)
    {
        var custom = new Dictionary<string, object>();
        if (activity.Setting is not null)
            custom["mergeMode"] = activity.Setting;
        if (activity.Id == Start)
            custom["canStartWorkflow"] = true;
        return $$"""{"type":"{{type}}","id":"{{activity.Id}}","customProperties":{{JsonSerializer.Serialize(custom)}} }""";
    }
}
