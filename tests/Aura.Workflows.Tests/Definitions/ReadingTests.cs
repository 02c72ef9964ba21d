using System.Text.Json;
using System.Text.Json.Nodes;
using Aura.Testing;
using Aura.Workflows.Activities;
using Aura.Workflows.Definitions;

namespace Aura.Workflows.Tests.Definitions;

/// <summary>Definition files are read as they come in the wild, and shown to Studio without losing anything.</summary>
public sealed class ReadingTests
{
    private readonly ActivityRegistry _registry = new ActivityRegistry().AddFrom(typeof(ReadingTests).Assembly);

    public static TheoryData<string> Files => [.. Directory
        .EnumerateFiles(Path.Combine(Repository.Root, "tests", "fixtures", "definitions"), "*.json")
        .Concat(Directory.EnumerateFiles(Path.Combine(Repository.Root, "workflows"), "*.json"))
        .Select(f => Path.GetRelativePath(Repository.Root, f))];

    [Theory]
    [MemberData(nameof(Files))]
    public void Parse_File_KeepsItsTextAndBuilds(string file)
    {
        var text = File.ReadAllText(Path.Combine(Repository.Root, file));

        var definition = WorkflowDefinition.Parse(text, file);

        definition.Json.GetRawText().ShouldBe(text.Trim());
        Read(definition).Graph.Root.Activity.ShouldBeOfType<Workflow>().Root.ShouldNotBeNull();
    }

    [Theory]
    [MemberData(nameof(Files))]
    public void View_SavedBack_HoldsTheSameActivities(string file)
    {
        var definition = WorkflowDefinition.Parse(File.ReadAllText(Path.Combine(Repository.Root, file)), file);
        var view = DefinitionView.Of(definition, Read(definition), _registry);

        var stored = DefinitionIntake.ToStored(view, _registry, "new");

        // What a designer gets and sends back unchanged is shown to it again as it was.
        var again = DefinitionView.Of(stored with { Id = definition.Id }, Read(stored), _registry);
        JsonNode.DeepEquals(JsonNode.Parse(again.GetRawText()), JsonNode.Parse(view.GetRawText())).ShouldBeTrue(again.GetRawText());
        Read(stored).Paths.Keys.Select(a => (a.Id, a.Type)).ShouldBe(Read(definition).Paths.Keys.Select(a => (a.Id, a.Type)));
    }

    [Fact]
    public void Read_Legacy_TakesEveryOldForm()
    {
        var read = Read(Legacy());
        var workflow = (Workflow)read.Graph.Root.Activity;
        var chart = workflow.Root.ShouldBeOfType<Flowchart>();

        chart.Activities.Select(a => a.Id).ShouldBe(["a", "b", "WriteLine2", "WriteLine1", "u"]);
        var lines = chart.Activities.OfType<WriteLine>().Select(l => l.Text?.Expression?.Value.ToString());
        lines.ShouldBe(["raw", null, null, "typed"]);
        chart.Connections.ShouldBe([new("a", "Done", "b"), new("b", "Done", "gone")]);
        workflow.Variables.Select(v => (v.Name, v.TypeName, v.IsArray, v.IsPersisted)).ShouldBe(
            [("Count", "Int32", false, true), ("Names", "String", true, true), ("Strange", "Object", false, true), ("Bad", "Int32", false, false)]);
        workflow.Variables.First().Value.ShouldBe(7);
        workflow.Variables.ElementAt(1).Value.ShouldBe(new[] { "a", "b" });
        workflow.Variables.Last().Value.ShouldBeNull();
        read.Warnings.Count.ShouldBe(2);
        read.Warnings[0].ShouldContain("Acme.Unknown");
        read.Warnings[1].ShouldContain("'Bad'");
    }

    [Fact]
    public void Read_UnknownType_KeepsTheActivityAsItStood()
    {
        var activity = Read(Legacy()).Paths.Keys.OfType<NotFoundActivity>().ShouldHaveSingleItem();

        activity.Type.ShouldBe("Acme.Unknown");
        activity.MissingTypeVersion.ShouldBe(2);
        JsonNode.DeepEquals(
            JsonNode.Parse(activity.OriginalActivityJson!),
            JsonNode.Parse("""{ "Type": "Acme.Unknown", "Version": 2, "Id": "u", "Secret": { "Inner": true } }""")).ShouldBeTrue();
    }

    [Fact]
    public void View_Legacy_IsWhatStudioReads()
    {
        var definition = Legacy();

        var view = DefinitionView.Of(definition, Read(definition), _registry);

        view.GetProperty("definitionId").GetString().ShouldBe("legacy");
        view.GetProperty("variables").GetArrayLength().ShouldBe(4);
        view.GetProperty("inputs").GetArrayLength().ShouldBe(0);
        view.GetProperty("options").ValueKind.ShouldBe(JsonValueKind.Object);
        view.GetProperty("somethingNew").GetRawText().ShouldContain("2.50");
        var root = view.GetProperty("root");
        root.GetProperty("nodeId").GetString().ShouldBe("Workflow1:flow");
        var activities = root.GetProperty("activities");
        activities[0].GetProperty("nodeId").GetString().ShouldBe("Workflow1:flow:a");
        activities[2].GetProperty("id").GetString().ShouldBe("WriteLine2");
        activities[4].GetProperty("type").GetString().ShouldBe("Elsa.NotFoundActivity");
        activities[4].GetProperty("version").GetInt32().ShouldBe(1);
        activities[3].GetProperty("text").GetProperty("expression").GetProperty("value").GetString().ShouldBe("typed");
        view.GetProperty("variables")[0].GetProperty("typeName").GetString().ShouldNotBeNull();
        root.GetProperty("connections")[0].GetProperty("source").GetProperty("activity").GetString().ShouldBe("a");
    }

    [Fact]
    public void ToStored_PlaceholderMovedOnTheCanvas_IsTheOriginalInItsNewPlace()
    {
        var definition = Legacy();
        var view = JsonNode.Parse(DefinitionView.Of(definition, Read(definition), _registry).GetRawText())!;
        view["root"]!["activities"]![4]!["metadata"] = JsonNode.Parse("""{"designer":{"position":{"x":5,"y":6} } }""");

        var stored = DefinitionIntake.ToStored(JsonSerializer.SerializeToElement(view), _registry, "new").Json.GetProperty("root").GetProperty("activities")[4];

        stored.GetProperty("Type").GetString().ShouldBe("Acme.Unknown");
        stored.GetProperty("Secret").GetProperty("Inner").GetBoolean().ShouldBeTrue();
        stored.GetProperty("metadata").GetProperty("designer").GetProperty("position").GetProperty("x").GetInt32().ShouldBe(5);
    }

    [Fact]
    public void ToStored_WithoutIdAndRoot_GetsBoth()
    {
        var stored = DefinitionIntake.ToStored(
            JsonSerializer.Deserialize<JsonElement>("""{"id":null,"definitionId":null,"name":"New","root":null}"""), _registry, "new");

        stored.DefinitionId.ShouldBe("new");
        stored.Id.ShouldNotBe(stored.DefinitionId);
        Read(stored).Graph.Root.Activity.ShouldBeOfType<Workflow>().Root.ShouldBeOfType<Sequence>();
    }

    [Theory]
    [InlineData("""{"type":"Elsa.WriteLine","text":5}""", "5")]
    [InlineData("""{"type":"Elsa.WriteLine","TEXT":"case"}""", "case")]
    [InlineData("""{"type":"Elsa.WriteLine","text":{"typeName":"String","expression":null} }""", null)]
    [InlineData("""{"type":"Elsa.WriteLine","text":{"typeName":"String","expression":{"type":"Literal","value":null} } }""", null)]
    [InlineData("""{"type":"Elsa.WriteLine","text":{"expression":{"type":"Literal","value":"no typeName"} } }""", null)]
    [InlineData("""{"type":"Elsa.WriteLine","text":{"typeName":null,"expression":{"type":"Literal","value":"from Studio"},"memoryReference":null} }""", "from Studio")]
    [InlineData("""{"type":"Elsa.WriteLine"}""", null)]
    public void Read_Input_TakesPrimitivesAndIgnoresWhatHasNoType(string root, string? expected) =>
        (ReadRoot(root).ShouldBeOfType<WriteLine>().Text?.Expression?.Value.ToString()).ShouldBe(expected);

    [Fact]
    public void Read_FlagsBesideTheInputs_AreCustomProperties() =>
        ReadRoot("""{"type":"Elsa.Event","canStartWorkflow":true,"customProperties":{"RunAsynchronously":true} }""")
            .CustomProperties["runasynchronously"].GetBoolean().ShouldBeTrue();

    [Fact]
    public void Read_ListInThePlaceOfAnActivity_NamesThePlace() =>
        Should.Throw<InvalidDefinitionException>(() => ReadRoot("""{"type":"Elsa.If","then":[]}""")).Message.ShouldContain("root.then");

    [Fact]
    public void Read_ActivityWithoutType_NamesThePlace() =>
        Should.Throw<InvalidDefinitionException>(() => ReadRoot("""{"type":"Elsa.Sequence","activities":[{"id":"a"}]}""")).Message.ShouldContain("root.activities[0]");

    private static WorkflowDefinition Legacy() => WorkflowDefinition.Parse(
        File.ReadAllText(Path.Combine(Repository.Root, "tests", "fixtures", "definitions", "legacy.json")), "legacy.json");

    private ReadDefinition Read(WorkflowDefinition definition) => new ActivityReader(_registry).Read(definition);

    private IActivity ReadRoot(string root) =>
        ((Workflow)Read(WorkflowDefinition.Parse($$"""{"definitionId":"d","root":{{root}}}""", "test")).Graph.Root.Activity).Root!;
}
