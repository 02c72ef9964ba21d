using System.Text.Json;
using System.Text.Json.Nodes;
using static Aura.Host.Tests.Elsa.DefinitionsHost;

namespace Aura.Host.Tests.Elsa;

public sealed class DefinitionsApiTests(DefinitionsHost host) : IClassFixture<DefinitionsHost>
{
    // What Studio sends when a person creates a workflow.
    private const string Creation = """
        {"model":{"definitionId":null,"name":"Workflow 1","description":null,"toolVersion":"3.8.0.0","variables":null,"inputs":null,"outputs":null,
         "outcomes":null,"customProperties":null,"isReadonly":false,"options":null,
         "root":{"id":"§","type":"Elsa.Flowchart","version":1,"name":"Flowchart1"},
         "links":null,"createdAt":"0001-01-01T00:00:00+00:00","version":1,"isLatest":true,"isPublished":false,"id":null},"publish":null}
        """;

    [Fact]
    public async Task Create_AsStudioDoes_GivesIdsNodeIdsAndEveryCollection()
    {
        var saved = (await host.PostAsync("/workflow-definitions", NewBody())).Saved;

        saved["id"]!.GetValue<string>().ShouldNotBeEmpty();
        var definitionId = saved["definitionId"]!.GetValue<string>();
        definitionId.ShouldNotBe(saved["id"]!.GetValue<string>());
        saved["root"]!["nodeId"]!.GetValue<string>().ShouldBe($"Workflow1:{saved["root"]!["id"]!.GetValue<string>()}");
        foreach (var list in new[] { "variables", "inputs", "outputs", "outcomes" })
            saved[list].ShouldBeOfType<JsonArray>();
        saved["options"].ShouldBeOfType<JsonObject>();
        saved["createdAt"]!.GetValue<DateTimeOffset>().Year.ShouldBeGreaterThan(2000);
        (saved["version"]!.GetValue<int>(), saved["isLatest"]!.GetValue<bool>(), saved["isPublished"]!.GetValue<bool>()).ShouldBe((1, true, false));
        (await host.OpenAsync(definitionId))["name"]!.GetValue<string>().ShouldBe("Workflow 1");
    }

    [Fact]
    public async Task Create_SameRequestAgain_MakesNoSecondWorkflow()
    {
        var body = NewBody();
        var first = (await host.PostAsync("/workflow-definitions", body)).Saved;
        var id = first["definitionId"]!.GetValue<string>();
        first["description"] = "edited since";
        (await host.SaveAsync(first)).Status.ShouldBe(200);

        var again = (await host.PostAsync("/workflow-definitions", body)).Saved;

        again["definitionId"]!.GetValue<string>().ShouldBe(id);
        again["description"]!.GetValue<string>().ShouldBe("edited since");
        // The same of another person is another, and so is a document that has nothing of its own to be known by.
        (await host.PostAsync("/workflow-definitions", body, Bert)).Saved["definitionId"]!.GetValue<string>().ShouldNotBe(id);
        var plain = """{"model":{"name":"n","root":{"type":"Elsa.Sequence"}}}""";
        (await host.PostAsync("/workflow-definitions", plain)).Saved["definitionId"]!.GetValue<string>()
            .ShouldNotBe((await host.PostAsync("/workflow-definitions", plain)).Saved["definitionId"]!.GetValue<string>());
    }

    [Fact]
    public async Task Save_WhatAnEditorDoesNotKnow_Stays()
    {
        var id = await host.DraftAsync(
            """{"id":"a","type":"Elsa.WriteLine","version":1,"vendor":{"Deep":[1.50,{"A":1,"a":2}]},"metadata":{"designer":{"position":{"x":1.25,"y":-3}},"note":"mine"},"text":"hi"}""",
            """ "isSystem":true,"tenantId":"t1","extra":{"Kept":1.50},"toolVersion":"3.8.0-preview","options":{"usableAsActivity":false,"ours":7}, """);
        var opened = await host.OpenAsync(id);
        opened["toolVersion"].ShouldBeNull("Studio cannot read it");
        opened["description"] = "new";

        var saved = (await host.SaveAsync(opened)).Saved;

        saved["isSystem"]!.GetValue<bool>().ShouldBeTrue();
        saved["tenantId"]!.GetValue<string>().ShouldBe("t1");
        saved["extra"]!.ToJsonString().ShouldBe("""{"Kept":1.50}""");
        saved["options"]!["ours"]!.GetValue<int>().ShouldBe(7);
        var activity = saved["root"]!["activities"]![0]!;
        activity["vendor"]!.ToJsonString().ShouldBe("""{"Deep":[1.50,{"A":1,"a":2}]}""");
        activity["metadata"]!.ToJsonString().ShouldBe("""{"designer":{"position":{"x":1.25,"y":-3}},"note":"mine"}""");
        (await host.GetAsync($"/workflow-definitions/{id}/export")).Text.ShouldContain("3.8.0-preview");
    }

    [Fact]
    public async Task Save_Published_MakesADraftAndLeavesThePublishedVersionAsItIs()
    {
        var id = await host.PublishedAsync(Line("a", "published"));
        var before = (await host.GetAsync($"/workflow-definitions/{id}/export?versionOptions=Published")).Text;
        var opened = await host.OpenAsync(id);
        opened["description"] = "changed";

        var saved = (await host.SaveAsync(opened)).Saved;

        (saved["version"]!.GetValue<int>(), saved["isPublished"]!.GetValue<bool>()).ShouldBe((2, false));
        saved["id"]!.GetValue<string>().ShouldNotBe(opened["id"]!.GetValue<string>());
        var published = (await host.GetAsync($"/workflow-definitions/by-definition-id/{id}?versionOptions=Published")).Node;
        (published["version"]!.GetValue<int>(), published["isLatest"]!.GetValue<bool>()).ShouldBe((1, false));
        (await host.GetAsync($"/workflow-definitions/{id}/export?versionOptions=1")).Node["root"]!.ToJsonString()
            .ShouldBe(JsonNode.Parse(before)!["root"]!.ToJsonString());
    }

    [Fact]
    public async Task Save_PublishedAsItWasOpened_MakesNoDraft()
    {
        var id = await host.PublishedAsync(Line("a", "published"), """ "variables":[{"id":"v","name":"V","typeName":"Object","value":{"k":1}}], """);
        var opened = await host.OpenAsync(id);
        opened["variables"]![0]!["value"] = """{"k":1}""";

        var saved = (await host.SaveAsync(opened)).Saved;

        (saved["version"]!.GetValue<int>(), saved["isPublished"]!.GetValue<bool>()).ShouldBe((1, true));
    }

    [Fact]
    public async Task Publish_WithErrors_KeepsTheDraftAndNamesActivityAndInput()
    {
        var id = await host.DraftAsync();
        var opened = await host.OpenAsync(id);
        opened["root"]!["activities"] = JsonNode.Parse("""
            [{"id":"a7","nodeId":"Workflow1:flow1:a7","name":"WriteLine7","type":"Elsa.WriteLine","version":1,"metadata":{"displayText":"Tell the buyer"},
              "text":{"typeName":"String","expression":{"type":"Klingon","value":"Qapla"}}}]
            """);

        var refused = await host.SaveAsync(opened, publish: true);

        (refused.Status, refused.Type, refused.Code).ShouldBe((400, "application/problem+json", "validation_failed"));
        refused.Errors.ShouldContain(e => e.Contains("'Tell the buyer' (a7)") && e.Contains("Text") && e.Contains("Klingon"));
        refused.Json.GetProperty("validationErrors")[0].GetProperty("activityId").GetString().ShouldBe("a7");
        var kept = await host.OpenAsync(id);
        kept["isPublished"]!.GetValue<bool>().ShouldBeFalse();
        kept["root"]!.ToJsonString().ShouldContain("Qapla");
        (await host.PostAsync($"/workflow-definitions/{id}/publish")).Errors[0].ShouldContain("Klingon");
    }

    [Fact]
    public async Task Retract_Published_AnswersWithTheDraftThatIsOpen()
    {
        var id = await host.PublishedAsync(Line("a", "one"));
        var opened = await host.OpenAsync(id);
        opened["description"] = "draft";
        await host.SaveAsync(opened);

        var retracted = await host.PostAsync($"/workflow-definitions/{id}/retract");

        (retracted.Status, retracted.Node["version"]!.GetValue<int>()).ShouldBe((200, 2));
        (await host.GetAsync($"/workflow-definitions?versionOptions=Published&DefinitionIds={id}")).Json.GetProperty("totalCount").GetInt32().ShouldBe(0);
        (await host.PostAsync($"/workflow-definitions/{id}/retract")).Status.ShouldBe(200);
        (await host.PostAsync("/workflow-definitions/nobody/retract")).Status.ShouldBe(404);
    }

    [Fact]
    public async Task Delete_WithRunningInstances_IsRefusedWithTheCount()
    {
        var id = await host.PublishedAsync(Line("a", "one"));
        await host.RunningAsync(id);
        await host.RunningAsync(id, "Finished", "Finished");
        var version = (await host.OpenAsync(id))["id"]!.GetValue<string>();

        var refused = await host.SendAsync("DELETE", $"/workflow-definitions/{id}", null, Anna);
        var refusedVersion = await host.SendAsync("DELETE", $"/workflow-definition-versions/{version}", null, Anna);
        var bulk = await host.PostAsync("/bulk-actions/delete/workflow-definitions/by-definition-id", $$"""{"definitionIds":["{{id}}"]}""");

        (refused.Status, refused.Code, refused.Json.GetProperty("runningInstances").GetInt32()).ShouldBe((409, "running_instances", 1));
        refused.Errors[0].ShouldContain("1 running instance");
        refusedVersion.Errors[0].ShouldContain("Version 1 of");
        bulk.Json.GetProperty("deleted").GetInt32().ShouldBe(0);
        bulk.Json.GetProperty("refused")[0].GetProperty("errors")[0].GetString()!.ShouldContain("running instance");
        (await host.SendAsync("DELETE", $"/workflow-definitions/{id}?evenRunning=True", null, Anna)).Status.ShouldBe(204);
        (await host.SendAsync("DELETE", $"/workflow-definitions/{id}", null, Anna)).Status.ShouldBe(404);
    }

    [Fact]
    public async Task BulkActions_Each_SayWhatBecameOfWhich()
    {
        var (good, done, bad) = (await host.DraftAsync(Line("a", "x")), await host.PublishedAsync(Line("a", "x")), await host.DraftAsync(
            """{"id":"b","type":"Elsa.WriteLine","text":{"typeName":"String","expression":{"type":"Klingon","value":"x"}}}"""));
        var body = JsonSerializer.Serialize(new { definitionIds = new[] { good, done, bad, "nobody", good } });

        var published = (await host.PostAsync("/bulk-actions/publish/workflow-definitions/by-definition-ids", body)).Json;
        var retracted = (await host.PostAsync("/bulk-actions/retract/workflow-definitions/by-definition-ids", body)).Json;

        Texts(published, "published").ShouldBe([good]);
        Texts(published, "alreadyPublished").ShouldBe([done]);
        Texts(published, "notFound").ShouldBe(["nobody"]);
        Texts(published, "updatedConsumers").ShouldBeEmpty();
        published.GetProperty("refused")[0].GetProperty("id").GetString().ShouldBe(bad);
        published.GetProperty("refused")[0].GetProperty("errors")[0].GetString()!.ShouldContain("Klingon");
        Texts(retracted, "retracted").ShouldBe([good, done]);
        Texts(retracted, "alreadyRetracted").ShouldBe([bad]);
        Texts(retracted, "notFound").ShouldBe(["nobody"]);
        var ids = new[] { good, done, bad };
        var versions = new List<string>();
        foreach (var id in ids[1..])
            versions.Add((await host.OpenAsync(id))["id"]!.GetValue<string>());
        (await host.PostAsync("/bulk-actions/delete/workflow-definitions/by-definition-id", JsonSerializer.Serialize(new { definitionIds = new[] { good, "nobody" } })))
            .Json.GetProperty("deleted").GetInt32().ShouldBe(1);
        (await host.PostAsync("/bulk-actions/delete/workflow-definitions/by-id", JsonSerializer.Serialize(new { ids = versions })))
            .Json.GetProperty("deleted").GetInt32().ShouldBe(2);
        (await host.GetAsync($"/workflow-definitions?versionOptions=&{string.Join('&', ids.Select(i => "DefinitionIds=" + i))}"))
            .Json.GetProperty("totalCount").GetInt32().ShouldBe(0);
    }

    [Theory]
    [InlineData("POST", "/workflow-definitions", "{\"publish\":false}", 400, "model")]
    [InlineData("POST", "/workflow-definitions", "{\"model\":[]}", 400, "model")]
    [InlineData("POST", "/workflow-definitions", "{\"model\":{},\"publish\":\"yes\"}", 400, "publish")]
    [InlineData("POST", "/workflow-definitions", "{\"model\":", 400, "well-formed")]
    [InlineData("POST", "/workflow-definitions", "[]", 400, "object")]
    [InlineData("POST", "/workflow-definitions", "{\"model\":{\"definitionId\":\"a/b\",\"root\":{\"type\":\"Elsa.Sequence\"}}}", 400, "definitionId")]
    [InlineData("POST", "/workflow-definitions", "{\"model\":{\"name\":\"x\",\"root\":{\"id\":\"12345678\",\"type\":\"Elsa.StateMachine\"}}}", 400, "Elsa.StateMachine")]
    [InlineData("POST", "/workflow-definitions", "{\"model\":{\"name\":\"x\",\"root\":{\"id\":\"12345678\",\"type\":\"Elsa.Workflow\"}}}", 400, "Elsa.Workflow")]
    [InlineData("POST", "/workflow-definitions", "{\"model\":{\"name\":\"x\",\"root\":{\"id\":\"12345678\"}}}", 400, "type")]
    [InlineData("POST", "/workflow-definitions", "{\"model\":{\"name\":\"\\u0000\",\"root\":{\"type\":\"Elsa.Sequence\"}}}", 400, "NUL")]
    [InlineData("POST", "/workflow-definitions", "{\"model\":{\"root\":{\"type\":\"Elsa.Sequence\",\"activities\":[{\"id\":\"p\",\"type\":\"Elsa.NotFoundActivity\",\"originalActivityJson\":\"{broken\"}]}}}", 400, "original")]
    [InlineData("POST", "/workflow-definitions/import", "{\"name\":\"x\"}", 400, "root")]
    [InlineData("POST", "/workflow-definitions/nobody/publish", "{}", 404, "nobody")]
    [InlineData("POST", "/workflow-definitions/nobody/revert/1", null, 404, "nobody")]
    [InlineData("POST", "/workflow-definitions/nobody/update-references", "{}", 404, "nobody")]
    [InlineData("DELETE", "/workflow-definitions/nobody", null, 404, "nobody")]
    [InlineData("DELETE", "/workflow-definition-versions/nobody", null, 404, "nobody")]
    [InlineData("GET", "/workflow-definitions/by-definition-id/nobody", null, 404, "nobody")]
    [InlineData("GET", "/workflow-definitions/by-id/nobody", null, 404, "nobody")]
    [InlineData("GET", "/workflow-definitions/nobody/export", null, 404, "nobody")]
    [InlineData("GET", "/workflow-definitions/nobody/consumers", null, 404, "nobody")]
    [InlineData("GET", "/workflow-definitions/subgraph/nobody?parentNodeId=x", null, 404, "nobody")]
    [InlineData("GET", "/workflow-definitions/subgraph/segments/nobody?childNodeId=x", null, 404, "nobody")]
    [InlineData("GET", "/workflow-definitions/subgraph/segments/nobody", null, 400, "childNodeId")]
    [InlineData("GET", "/workflow-definitions/validation/is-name-unique", null, 400, "name")]
    [InlineData("GET", "/workflow-definitions?Page=-1", null, 400, "page")]
    [InlineData("GET", "/workflow-definitions?PageSize=many", null, 400, "pageSize")]
    [InlineData("GET", "/workflow-definitions?versionOptions=Newest", null, 400, "LatestOrPublished")]
    [InlineData("GET", "/workflow-definitions?OrderBy=Colour", null, 400, "orderBy")]
    [InlineData("GET", "/workflow-definitions?OrderDirection=Up", null, 400, "orderDirection")]
    [InlineData("GET", "/workflow-definitions?IsSystem=perhaps", null, 400, "isSystem")]
    [InlineData("GET", "/workflow-definitions?SearchTerm=a%00b", null, 400, "SearchTerm")]
    [InlineData("POST", "/bulk-actions/publish/workflow-definitions/by-definition-ids", "{\"definitionIds\":7}", 400, "definitionIds")]
    [InlineData("POST", "/bulk-actions/export/workflow-definitions", "{\"ids\":[]}", 400, "ids")]
    public async Task BadRequest_IsAProblemThatNamesTheCause(string method, string path, string? json, int status, string named)
    {
        var answer = await host.SendAsync(method, path, json, Anna);

        (answer.Status, answer.Type).ShouldBe((status, "application/problem+json"), answer.Text);
        answer.Json.GetProperty("errors").GetRawText().ShouldContain(named, customMessage: answer.Text);
    }

    [Theory]
    [InlineData(27, 200)]
    [InlineData(28, 400)]
    [InlineData(5000, 400)]
    public async Task Save_DeepDocument_IsStoredOrRefusedButNeverBreaks(int depth, int status)
    {
        var root = string.Concat(Enumerable.Repeat("""{"type":"Elsa.Sequence","activities":[""", depth)) + string.Concat(Enumerable.Repeat("]}", depth));

        var answer = await host.PostAsync("/workflow-definitions", $$"""{"model":{"name":"deep","root":{{root}} } }""");

        answer.Status.ShouldBe(status, answer.Text);
        if (status == 200)
            (await host.SaveAsync(answer.Saved)).Status.ShouldBe(200);
    }

    [Fact]
    public async Task Save_BodyThatIsTooLarge_Is413()
    {
        var answer = await host.PostAsync("/workflow-definitions", $$"""{"model":{"name":"{{new string('x', 9 << 20)}}"} }""");

        answer.Status.ShouldBe(413);
    }

    [Fact]
    public async Task Save_ReadonlyOrWithoutItsRoot_IsRefused()
    {
        var guarded = await host.DraftAsync(Line("a", "x"), """ "isReadonly":true, """);
        var opened = await host.OpenAsync(guarded);
        opened["links"]!.ToJsonString().ShouldNotContain("publish");
        opened["description"] = "new";
        var refused = await host.SaveAsync(opened);
        (refused.Status, refused.Code).ShouldBe((400, "readonly_definition"));

        var id = await host.DraftAsync(Line("a", "x"));
        var rootless = await host.OpenAsync(id);
        rootless["root"] = null;
        (await host.SaveAsync(rootless)).Errors[0].ShouldContain("root");
        (await host.OpenAsync(id))["root"]!["activities"]!.AsArray().Count.ShouldBe(1);
    }

    [Fact]
    public async Task IsNameUnique_CountsOtherDefinitionsOnly()
    {
        var name = "Unique " + Guid.NewGuid().ToString("N");
        var id = await host.DraftAsync(name: name);

        async Task<bool> AskAsync(string query) =>
            (await host.GetAsync("/workflow-definitions/validation/is-name-unique?" + query)).Json.GetProperty("isUnique").GetBoolean();

        (await AskAsync($"name={Uri.EscapeDataString(name.ToUpperInvariant())}")).ShouldBeFalse();
        (await AskAsync($"name={Uri.EscapeDataString(name)}&definitionId={id}")).ShouldBeTrue();
        (await AskAsync($"Name=another+{id}")).ShouldBeTrue();
    }

    [Fact]
    public async Task PackageVersion_IsWhatStudioComesWith() =>
        (await host.GetAsync("/package/version")).Json.GetProperty("packageVersion").GetString().ShouldBe("3.8.2");

    private static string NewBody() => Creation.Replace("§", Guid.NewGuid().ToString("N")[..16], StringComparison.Ordinal);

    private static string[] Texts(JsonElement json, string name) => [.. json.GetProperty(name).EnumerateArray().Select(e => e.GetString()!)];
}
