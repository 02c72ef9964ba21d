using System.Text.Json;
using Aura.Workflows.Definitions;

namespace Aura.Workflows.Tests.Definitions;

/// <summary>The difference between two definitions, in parts and words.</summary>
public sealed class DefinitionDiffTests
{
    private const string Chart = """
        {"definitionId":"d","name":"Orders","description":"","variables":[{"id":"v1","name":"Total","typeName":"Int32"}],
         "inputs":[{"name":"OrderId","type":"String"}],"options":{"usableAsActivity":false},
         "root":{"id":"f","type":"Elsa.Flowchart","activities":[
           {"id":"a","type":"Elsa.WriteLine","metadata":{"designer":{"position":{"x":0,"y":0} },"displayText":"Say it"},
            "customProperties":{"canStartWorkflow":false},"text":{"typeName":"String","expression":{"type":"Literal","value":"hello"} } },
           {"id":"b","type":"Elsa.ForEach","items":{"typeName":"Object","expression":{"type":"Variable","value":{"id":"v1","name":"Total"} } },
            "body":{"id":"inner","type":"Elsa.WriteLine","text":{"typeName":"String","expression":{"type":"JavaScript","value":"1 + 1"} } } }],
         "connections":[{"source":{"activity":"a","port":"Done"},"target":{"activity":"b","port":"In"},"vertices":[] }]} }
        """;

    [Fact]
    public void Compare_Itself_IsEmpty()
    {
        Compare(Chart).IsEmpty.ShouldBeTrue();
        var indented = JsonSerializer.Serialize(JsonSerializer.Deserialize<JsonElement>(Chart), new JsonSerializerOptions { WriteIndented = true });
        Compare(indented.Replace("\"x\": 0", "\"x\": 0.0", StringComparison.Ordinal)).IsEmpty.ShouldBeTrue();
        // What means the same as nothing, and what the server sets, is no difference.
        Compare("\"description\":\"\"", "\"version\":9,\"links\":[{}],\"description\":null").IsEmpty.ShouldBeTrue();
    }

    [Theory]
    [InlineData("\"hello\"", "\"good bye\"", "Changed activity a 'Say it' in f: text hello=>good bye")]
    [InlineData("\"1 + 1\"", "\"2\"", "Changed activity inner 'Elsa.WriteLine' in b: text JavaScript: 1 + 1=>JavaScript: 2")]
    [InlineData("{\"type\":\"JavaScript\",\"value\":\"1 + 1\"}", "{\"type\":\"Input\",\"value\":{\"name\":\"OrderId\"} }", "Changed activity inner 'Elsa.WriteLine' in b: text JavaScript: 1 + 1=>Input OrderId")]
    [InlineData("\"displayText\":\"Say it\"", "\"displayText\":\"Tell it\"", "Changed activity a 'Tell it' in f: displayText Say it=>Tell it")]
    [InlineData("\"canStartWorkflow\":false", "\"canStartWorkflow\":true", "Changed activity a 'Say it' in f: canStartWorkflow (none)=>True")]
    [InlineData("\"Int32\"", "\"String\"", "Changed variable v1 'Total': typeName Int32=>String")]
    [InlineData("\"name\":\"OrderId\",", "\"name\":\"Id\",", "Removed input OrderId 'OrderId': name OrderId=>(none), type String=>(none)", "Added input Id 'Id': name (none)=>Id, type (none)=>String")]
    [InlineData("\"Orders\"", "\"Sales\"", "Changed setting name: value Orders=>Sales")]
    [InlineData("\"usableAsActivity\":false", "\"usableAsActivity\":true", "Changed setting options.usableAsActivity: value False=>True")]
    [InlineData("\"port\":\"Done\"", "\"port\":\"Failed\"", "Removed connection a:Done → b in f: ", "Added connection a:Failed → b in f: ")]
    public void Compare_OneChange_SaysItInWords(string from, string to, params string[] expected) =>
        Compare(from, to).Changes.Select(Text).ShouldBe(expected);

    [Fact]
    public void Compare_AddedAndRemovedActivity_NamesBothWithTheirConnections()
    {
        var diff = Compare(
            Chart.Replace("\"connections\":[", "\"connections\":[{\"source\":{\"activity\":\"b\"},\"target\":{\"activity\":\"c\"} },", StringComparison.Ordinal)
                .Replace("{\"id\":\"b\",\"type\":\"Elsa.ForEach\"", "{\"id\":\"c\",\"type\":\"Elsa.Finish\"},{\"id\":\"b\",\"type\":\"Elsa.ForEach\"", StringComparison.Ordinal));

        diff.Changes.Select(Text).ShouldBe(["Added activity c 'Elsa.Finish' in f: type (none)=>Elsa.Finish", "Added connection b:Done → c in f: "], ignoreOrder: true);
    }

    [Fact]
    public void Compare_LayoutOnly_IsCountedAndNotListed()
    {
        var moved = Compare("\"x\":0", "\"x\":20");
        moved.IsLayoutOnly.ShouldBeTrue();
        moved.Moved.ShouldBe(["a"]);

        var redrawn = Compare("\"vertices\":[]", "\"vertices\":[{\"x\":1,\"y\":1}]");
        redrawn.Changes.ShouldBeEmpty();
        redrawn.Redrawn.ShouldHaveSingleItem().ShouldBe("a:Done → b");
    }

    [Fact]
    public void Compare_OrderInASequence_IsAChange()
    {
        const string Sequence = """{"definitionId":"d","root":{"id":"s","type":"Elsa.Sequence","activities":[{"id":"a","type":"T"},{"id":"b","type":"T"}]} }""";

        var diff = Diff(Sequence, """{"definitionId":"d","root":{"id":"s","type":"Elsa.Sequence","activities":[{"id":"b","type":"T"},{"id":"a","type":"T"}]} }""");

        diff.Changes.Select(Text).ShouldBe(["Changed activity s 'Elsa.Sequence': order a, b=>b, a"]);
    }

    [Fact]
    public void Compare_ConditionOfACase_IsAChange()
    {
        const string Switch = """{"definitionId":"d","root":{"id":"s","type":"Elsa.Switch","cases":[{"label":"A","condition":"x","activity":{"id":"a","type":"T"} }]} }""";

        var diff = Diff(Switch, Switch.Replace("\"x\"", "\"y\"", StringComparison.Ordinal));

        diff.Changes.Select(Text).ShouldBe(["Changed activity s 'Elsa.Switch': cases label A, condition x=>label A, condition y"]);
    }

    private static DefinitionDiff Compare(string after) => Diff(Chart, after);

    private static DefinitionDiff Compare(string from, string to)
    {
        Chart.ShouldContain(from, Case.Sensitive);
        return Diff(Chart, Chart.Replace(from, to, StringComparison.Ordinal));
    }

    private static DefinitionDiff Diff(string before, string after) =>
        DefinitionDiff.Compare(WorkflowDefinition.Parse(before, "before"), WorkflowDefinition.Parse(after, "after"));

    private static string Text(PartChange change) =>
        $"{change.Kind} {change.Part} {change.Id}{(change.Label is { } label ? $" '{label}'" : "")}{(change.Inside is { } inside ? $" in {inside}" : "")}: "
        + string.Join(", ", change.Members.Select(m => $"{m.Member} {m.Before ?? "(none)"}=>{m.After ?? "(none)"}"));
}
