using System.IO.Compression;
using System.Text.Json;
using System.Text.Json.Nodes;
using Aura.Testing;
using static Aura.Host.Tests.Elsa.DefinitionsHost;

namespace Aura.Host.Tests.Elsa;

/// <summary>Export and import, activities that are gone, and nodes inside containers.</summary>
public sealed class DefinitionFilesTests(DefinitionsHost host) : IClassFixture<DefinitionsHost>
{
    private static readonly string[] Identity = ["$schema", "id", "definitionId", "version", "isLatest", "isPublished"];

    // An activity as another host's package would have written it.
    private const string Gone = """
        {"id":"g1","nodeId":"Workflow1:flow1:g1","name":"Weigh1","type":"Acme.Yard.Weigh","version":3,
         "customProperties":{"canStartWorkflow":false,"Acme.Mode":{"A":1,"a":2}},
         "metadata":{"designer":{"position":{"x":-310.5,"y":44},"size":{"width":200,"height":60}},"displayText":"Weigh the lorry"},
         "scale":{"typeName":"Double","expression":{"type":"Literal","value":12.50}},"Limits":[1,2.0,{"Deep":null}],
         "result":{"typeName":"Double","memoryReference":{"id":"var-weight"}}}
        """;

    public static TheoryData<string> Files => [.. Directory.EnumerateFiles(Repository.Path("workflows"), "*.json").Select(Path.GetFileName).OfType<string>()];

    [Theory]
    [MemberData(nameof(Files))]
    public async Task Export_OfEachWorkflowFile_IsTheFileAndReadBackIsTheSameOnceMore(string file)
    {
        var text = await File.ReadAllTextAsync(Repository.Path("workflows", file), TestContext.Current.CancellationToken);
        await CheckRoundTripAsync((JsonObject)JsonNode.Parse(text)!);
    }

    [Fact]
    public Task Export_OfWhatStudioDrew_IsTheSameOnceMore() => CheckRoundTripAsync((JsonObject)JsonNode.Parse($$"""
        {"definitionId":"yard-{{Guid.NewGuid():N}}","name":"Yard Ü","description":"Lorries \"in\" & out <b>","toolVersion":"3.8.0.0","createdAt":"2026-11-20T10:00:00+00:00",
         "variables":[{"id":"var-weight","name":"Weight","typeName":"Double","isArray":false,"value":"0","storageDriverTypeName":"WorkflowInstance"}],
         "inputs":[{"uiHint":"singleline","storageDriverType":null,"type":"String","isArray":false,"name":"Gate","displayName":"Gate","description":"","category":"Primitives"}],
         "outputs":[],"outcomes":["Done"],"customProperties":{"Mine":{"B":1,"b":2} },"options":{"activationStrategyType":null,"usableAsActivity":false},
         "isSystem":false,"isReadonly":false,"later":{"Unknown":[1.10,1e3]},
         "root":{"id":"flow1","nodeId":"Workflow1:flow1","name":"Flowchart1","type":"Elsa.Flowchart","version":1,"customProperties":{"notFoundConnections":[]},"metadata":{},
          "start":null,"activities":[{{Line("a1", "hello")}},{{Gone}}],"variables":[],
          "connections":[{"source":{"activity":"a1","port":"Done"},"target":{"activity":"g1","port":"In"},"vertices":[{"x":1.5,"y":2}]}]} }
        """)!);

    [Fact]
    public async Task Export_OneDefinition_IsAJsonFileAndMoreAreAnArchive()
    {
        var name = "Child " + Guid.NewGuid().ToString("N");
        var child = await host.PublishedAsync(Line("a", "x"), """ "options":{"usableAsActivity":true}, """, name: name);
        var type = string.Concat(name.Split(' ').Select(w => char.ToUpperInvariant(w[0]) + w[1..]));
        var parent = await host.DraftAsync($$"""{"id":"c","type":"{{type}}"}""");
        var version = (await host.OpenAsync(child))["id"]!.GetValue<string>();

        var single = await host.GetAsync($"/workflow-definitions/{child}/export?versionOptions=Latest&includeConsumingWorkflows=False");
        var both = await host.GetAsync($"/workflow-definitions/{child}/export?versionOptions=Latest&includeConsumingWorkflows=True");
        var bulk = await host.PostAsync("/bulk-actions/export/workflow-definitions", $$"""{"ids":["{{version}}"],"includeConsumingWorkflows":false}""");

        single.Type.ShouldBe("application/json");
        single.Headers["Content-Disposition"].ShouldStartWith("attachment; filename=child-");
        both.Type.ShouldBe("application/zip");
        Entries(both).Select(e => e["definitionId"]!.GetValue<string>()).ShouldBe([child, parent], ignoreOrder: true);
        bulk.Headers["Content-Disposition"].ShouldContain("workflow-definitions.zip");
        Entries(bulk).ShouldHaveSingleItem()["definitionId"]!.GetValue<string>().ShouldBe(child);
        (await host.GetAsync($"/workflow-definitions/{child}/consumers")).Json.GetProperty("consumingWorkflowDefinitionIds")[0].GetString().ShouldBe(parent);
    }

    [Fact]
    public async Task Import_ByPutOfANewFile_IsADraftWithTheFilesIds()
    {
        var id = "file-" + Guid.NewGuid().ToString("N");

        var imported = await host.SendAsync("PUT", "/workflow-definitions/import", $$"""
            {"id":"{{id}}-v7","definitionId":"{{id}}","name":"{{id}}","version":7,"isPublished":true,"isLatest":true,"root":{"type":"Elsa.WriteLine","text":"x"} }
            """, Anna);

        imported.Status.ShouldBe(200, imported.Text);
        imported.Node["id"]!.GetValue<string>().ShouldBe($"{id}-v7");
        (imported.Node["version"]!.GetValue<int>(), imported.Node["isPublished"]!.GetValue<bool>()).ShouldBe((1, false));
        imported.Rels.ShouldContain("publish");
    }

    [Fact]
    public async Task UpdateReferences_MovesConsumersToThePublishedVersion()
    {
        var name = "Part " + Guid.NewGuid().ToString("N");
        var child = await host.PublishedAsync(Line("a", "one"), """ "options":{"usableAsActivity":true}, """, name: name);
        var type = string.Concat(name.Split(' ').Select(w => char.ToUpperInvariant(w[0]) + w[1..]));
        var parent = await host.PublishedAsync($$"""{"id":"c","type":"{{type}}"}""", name: "Whole of " + name);
        var opened = await host.OpenAsync(child);
        opened["description"] = "two";
        var second = (await host.SaveAsync(opened, publish: true)).Saved["id"]!.GetValue<string>();

        var answer = await host.PostAsync($"/workflow-definitions/{child}/update-references");

        answer.Json.GetProperty("affectedWorkflows")[0].GetString().ShouldBe("Whole of " + name);
        (await host.OpenAsync(parent))["root"]!["activities"]![0]!["workflowDefinitionVersionId"]!.GetValue<string>().ShouldBe(second);
    }

    [Fact]
    public async Task UnknownActivity_IsShownAsAPlaceholderAndSavedBackIntact()
    {
        var id = await host.DraftAsync($"{Line("a1", "x")},{Gone}");
        var original = JsonNode.Parse(Gone)!;
        var opened = await host.OpenAsync(id);
        var placeholder = opened["root"]!["activities"]![1]!;

        placeholder["type"]!.GetValue<string>().ShouldBe("Elsa.NotFoundActivity");
        (placeholder["id"]!.GetValue<string>(), placeholder["nodeId"]!.GetValue<string>()).ShouldBe(("g1", "Workflow1:flow1:g1"));
        placeholder["missingTypeName"]!.GetValue<string>().ShouldBe("Acme.Yard.Weigh");
        JsonNode.DeepEquals(placeholder["metadata"], original["metadata"]).ShouldBeTrue();
        opened["description"] = "saved back";
        await host.SaveAsync(opened);
        (await StoredAsync(id)).ToJsonString().ShouldBe(original.ToJsonString());

        // What a person changes on the placeholder is kept.
        opened = await host.OpenAsync(id);
        placeholder = opened["root"]!["activities"]![1]!;
        placeholder["metadata"]!["designer"]!["position"]!["x"] = 77;
        placeholder["metadata"]!["displayText"] = "Weigh it twice";
        placeholder["name"] = "Weigh2";
        placeholder["customProperties"]!["canStartWorkflow"] = true;
        await host.SaveAsync(opened);

        var stored = await StoredAsync(id);
        stored["metadata"]!["designer"]!["position"]!["x"]!.GetValue<int>().ShouldBe(77);
        stored["metadata"]!["displayText"]!.GetValue<string>().ShouldBe("Weigh it twice");
        stored["name"]!.GetValue<string>().ShouldBe("Weigh2");
        stored["customProperties"]!.ToJsonString().ShouldBe("""{"canStartWorkflow":true,"Acme.Mode":{"A":1,"a":2}}""");
        foreach (var member in new[] { "type", "version", "scale", "Limits", "result" })
            stored[member]!.ToJsonString().ShouldBe(original[member]!.ToJsonString());
    }

    [Fact]
    public async Task UnknownActivity_InADocumentThatCannotBeBuilt_IsAPlaceholderToo()
    {
        // Two activities of one id: no graph can be made of them, and yet the canvas must not be empty.
        var id = await host.DraftAsync($$"""{{Line("same", "1")}},{{Line("same", "2")}},{{Gone}},{"type":"Elsa.If","id":"i","then":{"type":"Acme.Other"} },{"id":"untyped"} """);

        var opened = await host.OpenAsync(id);

        var activities = opened["root"]!["activities"]!.AsArray();
        activities.Count.ShouldBe(5);
        activities.Select(a => a!["nodeId"]!.GetValue<string>()).ShouldBeUnique();
        activities[2]!["type"]!.GetValue<string>().ShouldBe("Elsa.NotFoundActivity");
        activities[3]!["then"]!["type"]!.GetValue<string>().ShouldBe("Elsa.NotFoundActivity");
        activities[4]!["type"]!.GetValue<string>().ShouldBe("Elsa.NotFoundActivity");
        activities.ShouldAllBe(a => a!["version"]!.GetValue<int>() == 1);
        opened["description"] = "saved back";
        (await host.SaveAsync(opened)).Status.ShouldBe(200);
        (await StoredAsync(id, 2)).ToJsonString().ShouldBe(JsonNode.Parse(Gone)!.ToJsonString());
        (await host.PostAsync($"/workflow-definitions/{id}/publish")).Errors[0].ShouldContain("root.activities[4]");
    }

    [Fact]
    public async Task Subgraph_BodyOfALoop_IsFoundWithTheWayThere()
    {
        var id = await host.DraftAsync("""
            {"id":"each","name":"ForEach1","type":"Elsa.ForEach","version":1,"body":{"id":"inner","type":"Elsa.Flowchart","version":1,
             "activities":[{"id":"line","type":"Elsa.WriteLine","text":"x"}],"connections":[]} }
            """);
        var version = (await host.OpenAsync(id))["id"]!.GetValue<string>();

        var loop = (await host.GetAsync($"/workflow-definitions/subgraph/{version}?parentNodeId=Workflow1:flow1:each")).Json;
        var path = (await host.GetAsync($"/workflow-definitions/subgraph/segments/{version}?childNodeId=Workflow1:flow1:each:inner:line")).Json;
        var root = (await host.GetAsync($"/workflow-definitions/subgraph/{version}")).Json;

        loop.GetProperty("port").GetString().ShouldBe("Activities");
        loop.GetProperty("activity").GetProperty("body").GetProperty("activities")[0].GetProperty("nodeId").GetString().ShouldBe("Workflow1:flow1:each:inner:line");
        path.GetProperty("childNode").GetProperty("nodeId").GetString().ShouldBe("Workflow1:flow1:each:inner:line");
        path.GetProperty("container").GetProperty("nodeId").GetString().ShouldBe("Workflow1:flow1:each");
        var segment = path.GetProperty("pathSegments").EnumerateArray().ShouldHaveSingleItem();
        segment.GetProperty("activityNodeId").GetString().ShouldBe("Workflow1:flow1:each");
        segment.GetProperty("portName").GetString().ShouldBe("Body");
        segment.GetProperty("activityName").GetString().ShouldBe("ForEach1");
        root.GetProperty("nodeId").GetString().ShouldBe("Workflow1:flow1");
    }

    [Fact]
    public async Task Subgraph_UsedWorkflow_HasItsInsideWhichASaveDoesNotStore()
    {
        var name = "Inside " + Guid.NewGuid().ToString("N");
        await host.PublishedAsync(Line("secret", "x"), """ "options":{"usableAsActivity":true}, """, name: name);
        var type = string.Concat(name.Split(' ').Select(w => char.ToUpperInvariant(w[0]) + w[1..]));
        var user = await host.DraftAsync($$"""{"id":"c","type":"{{type}}"}""");
        var opened = await host.OpenAsync(user);

        var node = (await host.GetAsync($"/workflow-definitions/subgraph/{opened["id"]!.GetValue<string>()}?parentNodeId=Workflow1:flow1:c")).Node;

        var inside = node["activity"]!["root"]!;
        inside["activities"]![0]!["nodeId"]!.GetValue<string>().ShouldBe("Workflow1:flow1:c:flow1:secret");
        // Studio puts what it was given into the canvas, and from there into the next save.
        opened["root"]!["activities"]![0]!["root"] = inside.DeepClone();
        opened["description"] = "looked inside";
        (await host.SaveAsync(opened)).Saved["root"]!.ToJsonString().ShouldNotContain("secret");
        (await StoredAsync(user, 0)).ToJsonString().ShouldNotContain("secret");
    }

    private async Task CheckRoundTripAsync(JsonObject file)
    {
        var id = "trip-" + Guid.NewGuid().ToString("N");
        file["definitionId"] = id;
        file["id"] = id + "-v1";
        (await host.PostAsync("/workflow-definitions/import", file.ToJsonString())).Status.ShouldBe(200);

        var first = await host.GetAsync($"/workflow-definitions/{id}/export");
        Members(first.Node).ShouldBe(Members(file));
        (await host.SendAsync("DELETE", $"/workflow-definitions/{id}", null, Anna)).Status.ShouldBe(204);
        (await host.PostAsync("/workflow-definitions/import", first.Text)).Status.ShouldBe(200);
        (await host.GetAsync($"/workflow-definitions/{id}/export")).Text.ShouldBe(first.Text);

        // Read back over itself it is nothing new.
        (await host.PostAsync("/workflow-definitions/import", first.Text)).Node["version"]!.GetValue<int>().ShouldBe(1);
    }

    /// <summary>All but the identity of the version, each as its text.</summary>
    private static string[] Members(JsonObject document) =>
        [.. document.Where(m => !Identity.Contains(m.Key)).Select(m => $"{m.Key}: {m.Value?.ToJsonString()}").Order(StringComparer.Ordinal)];

    private async Task<JsonNode> StoredAsync(string id, int index = 1) =>
        (await host.GetAsync($"/workflow-definitions/{id}/export")).Node["root"]!["activities"]![index]!;

    private static List<JsonObject> Entries(ElsaAnswer zip)
    {
        using var archive = new ZipArchive(new MemoryStream(zip.Bytes));
        return [.. archive.Entries.Select(e =>
        {
            using var reader = new StreamReader(e.Open());
            return (JsonObject)JsonNode.Parse(reader.ReadToEnd())!;
        })];
    }
}
