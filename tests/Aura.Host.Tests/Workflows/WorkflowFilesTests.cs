using System.Text.Json;
using Aura.Host.Cli;
using Aura.Host.Configuration;
using Aura.Testing;
using Aura.Workflows.Definitions;
using Aura.Workflows.Expressions;
using Microsoft.Extensions.DependencyInjection;

namespace Aura.Host.Tests.Workflows;

/// <summary>What every file in <c>workflows/</c> must be: valid without a warning, in its stable form, and drawn so that a person can read it.</summary>
public sealed class WorkflowFilesTests
{
    /// <summary>The distance at which the designer's router leads an arrow round a node.</summary>
    private const double RouterMargin = 10;

    public static TheoryData<string> Files => [.. Directory.EnumerateFiles(Repository.Path("workflows"), "*.json").Select(f => Path.GetFileName(f)).Order()];

    [Fact]
    public async Task Folder_Validated_GivesNoFinding()
    {
        var files = new WorkflowFolder(Repository.Path("workflows")).Read();

        files.Count.ShouldBeGreaterThanOrEqualTo(2);
        var findings = await WorkflowValidateCommand.CheckAsync(files, files, TestContext.Current.CancellationToken);
        findings.SelectMany(f => f).Select(f => $"{f.Severity} {f.Message}").ShouldBeEmpty();
    }

    [Theory, MemberData(nameof(Files))]
    public void File_WrittenAgain_HasTheSameBytes(string file)
    {
        var text = File.ReadAllText(Repository.Path("workflows", file));

        DefinitionFile.Write(WorkflowDefinition.Parse(text, file)).ShouldBe(text);
        file.ShouldBe(DefinitionFile.NameOf(WorkflowDefinition.Parse(text, file).DefinitionId));
    }

    [Theory, MemberData(nameof(Files))]
    public void Activities_EachOne_SaysWhatItDoes(string file)
    {
        foreach (var activity in ChartDrawing.ActivitiesOf(Document(file).GetProperty("root")).Where(a => a.GetProperty("type").GetString() != "Elsa.Flowchart"))
        {
            var (id, metadata) = (activity.GetProperty("id").GetString(), activity.GetProperty("metadata"));
            metadata.GetProperty("displayText").GetString().ShouldNotBeNullOrWhiteSpace(id);
            metadata.GetProperty("description").GetString().ShouldNotBeNullOrWhiteSpace(id);
            metadata.GetProperty("showDescription").GetBoolean().ShouldBeTrue(id);
        }
    }

    [Theory, MemberData(nameof(Files))]
    public void VariablesAndInputs_EachOne_IsNamedAndTyped(string file)
    {
        var document = Document(file);
        var variables = ChartDrawing.ActivitiesOf(document.GetProperty("root")).Where(a => a.TryGetProperty("variables", out _))
            .SelectMany(a => a.GetProperty("variables").EnumerateArray()).Concat(document.GetProperty("variables").EnumerateArray()).ToList();

        variables.ShouldNotBeEmpty();
        variables.ShouldAllBe(v => v.GetProperty("name").GetString()!.Length > 0 && IsType(v.GetProperty("typeName")));
        variables.Select(v => v.GetProperty("id").GetString()).ShouldBeUnique();
        document.GetProperty("inputs").EnumerateArray().ShouldAllBe(i =>
            i.GetProperty("description").GetString()!.Length > 0 && IsType(i.GetProperty("type")));
    }

    [Theory, MemberData(nameof(Files))]
    public void Containers_EachOne_CanBeShownByTheDesigner(string file)
    {
        // A container in a chart is a node without a canvas; what stands in the port of a loop has one.
        var all = ChartDrawing.ActivitiesOf(Document(file).GetProperty("root")).ToList();
        all.Where(a => a.TryGetProperty("activities", out _)).Select(a => a.GetProperty("type").GetString())
            .ShouldAllBe(type => type == "Elsa.Flowchart" || type == "Elsa.Sequence");
        all.Where(a => a.TryGetProperty("activities", out _)).SelectMany(a => a.GetProperty("activities").EnumerateArray())
            .Where(a => a.TryGetProperty("activities", out _)).ShouldBeEmpty();
    }

    [Theory, MemberData(nameof(Files))]
    public void Nodes_OnTheCanvas_StandApartAndOnTheGrid(string file)
    {
        foreach (var chart in Drawings(file))
        {
            foreach (var (node, index) in chart.Nodes.Select((n, i) => (n, i)))
            {
                (node.X % 10, node.Y % 10, node.Width >= 240, node.Height >= node.LeastHeight).ShouldBe((0, 0, true, true), node.Id);
                chart.Nodes.Skip(index + 1).ShouldAllBe(other => !node.Overlaps(other, 2 * RouterMargin), node.Id);
            }
        }
    }

    [Theory, MemberData(nameof(Files))]
    public void Connections_Drawn_AreDeterminedByTheFileAndKeepClearOfNodes(string file)
    {
        foreach (var chart in Drawings(file))
        {
            foreach (var connection in chart.Connections)
            {
                connection.Segments.ShouldAllBe(s => s.IsStraight, connection.ToString());
                foreach (var (segment, index) in connection.Segments.Select((s, i) => (s, i)))
                {
                    var near = chart.Nodes.Where(n => n.IsTouchedBy(segment, RouterMargin))
                        .Where(n => !(index == 0 && n.Id == connection.Source) && !(index == connection.Segments.Count - 1 && n.Id == connection.Target));
                    near.Select(n => n.Id).ShouldBeEmpty(connection.ToString());
                }
            }
        }
    }

    [Theory, MemberData(nameof(Files))]
    public void Connections_AnyTwo_DoNotCross(string file)
    {
        foreach (var chart in Drawings(file))
        {
            for (var i = 0; i < chart.Connections.Count; i++)
            {
                for (var j = i + 1; j < chart.Connections.Count; j++)
                {
                    var (one, two) = (chart.Connections[i], chart.Connections[j]);
                    var pairs = one.Segments.SelectMany(a => two.Segments.Select(b => (A: a, B: b)));
                    // Arrows into one port may run together on their last stretch, as rails do.
                    pairs.Any(p => one.Target == two.Target ? p.A.Crosses(p.B) : p.A.Touches(p.B)).ShouldBeFalse($"{one} and {two} in {chart.Id}");
                }
            }
        }
    }

    [Theory, MemberData(nameof(Files))]
    public void Connections_ThatAreNoLoop_LeadFromLeftToRight(string file)
    {
        foreach (var chart in Drawings(file))
        {
            var byId = chart.Nodes.ToDictionary(n => n.Id);
            var next = chart.Connections.ToLookup(c => c.Source, c => c.Target);
            foreach (var connection in chart.Connections.Where(c => byId[c.Target].X <= byId[c.Source].X))
                Reaches(connection.Target, connection.Source, next, []).ShouldBeTrue($"{connection} leads back and is no loop");
        }
    }

    private static bool IsType(JsonElement name) => TypeAliases.TryTypeOf(name.GetString(), out _);

    private static bool Reaches(string from, string to, ILookup<string, string> next, HashSet<string> visited) =>
        from == to || (visited.Add(from) && next[from].Any(n => Reaches(n, to, next, visited)));

    private static List<ChartDrawing> Drawings(string file)
    {
        using var services = Composition.WorkflowChecks(AuraOptions.Load(_ => null));
        var charts = ChartDrawing.AllOf(Document(file), services.GetRequiredService<ActivityRegistry>()).ToList();
        charts.ShouldNotBeEmpty();
        return charts;
    }

    private static JsonElement Document(string file) => JsonSerializer.Deserialize<JsonElement>(File.ReadAllText(Repository.Path("workflows", file)));
}
