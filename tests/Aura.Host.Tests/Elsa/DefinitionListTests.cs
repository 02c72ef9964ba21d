using System.Text.Json;
using static Aura.Host.Tests.Elsa.DefinitionsHost;

namespace Aura.Host.Tests.Elsa;

/// <summary>The list in every form that Studio asks for it, and what each role may do.</summary>
public sealed class DefinitionListTests(DefinitionsHost host) : IClassFixture<DefinitionsHost>
{
    [Fact]
    public async Task List_EveryFormOfStudio_SelectsTheVersionsMeant()
    {
        var mark = "M" + Guid.NewGuid().ToString("N");
        var draft = await host.DraftAsync(Line("a", "x"), name: $"{mark} b draft");
        var published = await host.PublishedAsync(Line("a", "x"), name: $"{mark} a published");
        var opened = await host.OpenAsync(published);
        opened["description"] = "second";
        var second = (await host.SaveAsync(opened)).Saved["id"]!.GetValue<string>();
        var first = opened["id"]!.GetValue<string>();
        var system = await host.DraftAsync(Line("a", "x"), """ "isSystem":true, """, name: $"{mark} c system");

        // The list; then the published versions of its drafts; then every version of one.
        var page = await ListAsync($"versionOptions=Latest&Page=0&PageSize=10&SearchTerm={mark.ToLowerInvariant()}&IsSystem=False&OrderDirection=Ascending");
        Ids(page, "definitionId").ShouldBe([published, draft]);
        page.GetProperty("totalCount").GetInt32().ShouldBe(2);
        Ids(await ListAsync($"versionOptions=Published&DefinitionIds={draft}&DefinitionIds={published}")).ShouldBe([first]);
        Ids(await ListAsync($"versionOptions=AllVersions&Page=0&PageSize=10&DefinitionIds={published}&OrderBy=Version&OrderDirection=Descending")).ShouldBe([second, first]);
        // What the instance list asks.
        Ids(await ListAsync($"versionOptions=&Ids={first}&Ids={second}&Ids=gone")).ShouldBe([second, first], ignoreOrder: true);
        Ids(await ListAsync($"versionOptions=LatestOrPublished&DefinitionIds={published}")).Length.ShouldBe(2);
        Ids(await ListAsync($"VERSIONOPTIONS=1&definitionids={published}")).ShouldBe([first]);
        Ids(await ListAsync($"versionOptions=Draft&SearchTerm={mark}&IsSystem=True"), "definitionId").ShouldBe([system]);
        Ids(await ListAsync($"versionOptions=LatestAndPublished&SearchTerm={mark}")).ShouldBeEmpty();
        Ids(await ListAsync($"versionOptions=Latest&Page=1&PageSize=2&SearchTerm={mark}&OrderBy=Name&OrderDirection=Descending"), "definitionId").ShouldBe([published]);
        Ids(await ListAsync($"versionOptions=Latest&SearchTerm={mark}&OrderBy=Created&OrderDirection=Ascending"), "definitionId").ShouldBe([draft, published, system]);
        // A page behind the end still knows how many there are.
        var beyond = await ListAsync($"versionOptions=Latest&Page=7&PageSize=2&SearchTerm={mark}");
        (beyond.GetProperty("items").GetArrayLength(), beyond.GetProperty("totalCount").GetInt32()).ShouldBe((0, 3));
    }

    [Fact]
    public async Task List_Item_HasEveryMemberThatStudioReadsAndNoDocument()
    {
        var id = await host.DraftAsync(Line("a", "in the document"), """ "description":"what it does","toolVersion":"3", """);

        var item = (await ListAsync($"DefinitionIds={id}")).GetProperty("items")[0];

        item.EnumerateObject().Select(p => p.Name).Order(StringComparer.Ordinal).ShouldBe(
            ["createdAt", "definitionId", "description", "id", "isLatest", "isMaterializerAvailable", "isPublished", "isReadonly", "links", "materializerName",
                "name", "providerName", "publishedAt", "publishedBy", "savedAt", "savedBy", "toolVersion", "version"]);
        item.GetProperty("materializerName").GetString().ShouldBe("Json");
        item.GetProperty("toolVersion").ValueKind.ShouldBe(JsonValueKind.Null, "Studio cannot read '3'");
        item.GetProperty("createdAt").GetDateTimeOffset().Offset.ShouldBe(TimeSpan.Zero);
    }

    [Fact]
    public async Task Links_ByRole_AreWhatTheRoleMayDo()
    {
        var id = await host.PublishedAsync(Line("a", "x"));
        var path = $"/workflow-definitions?DefinitionIds={id}";

        var editors = await host.GetAsync(path, Bert);
        var readers = await host.GetAsync(path, Auditor);

        editors.Rels.ShouldBe(["self", "bulk-delete-by-definition-id", "bulk-publish", "bulk-retract", "import", "create"]);
        Rels(editors).ShouldBe(["self", "versions", "export", "execute", "publish", "retract", "delete"]);
        readers.Rels.ShouldBe(["self"]);
        Rels(readers).ShouldBe(["self", "versions", "export"]);
        (await host.OpenAsync(id, Auditor))["links"]!.ToJsonString().ShouldNotContain("publish");
        (await host.OpenAsync(id, Bert))["links"]!.ToJsonString().ShouldContain("\"rel\":\"publish\"");

        static string[] Rels(ElsaAnswer list) =>
            [.. list.Json.GetProperty("items")[0].GetProperty("links").EnumerateArray().Select(l => l.GetProperty("rel").GetString()!)];
    }

    [Theory]
    [InlineData("POST", "/workflow-definitions")]
    [InlineData("POST", "/workflow-definitions/import")]
    [InlineData("PUT", "/workflow-definitions/import")]
    [InlineData("POST", "/workflow-definitions/§/publish")]
    [InlineData("POST", "/workflow-definitions/§/retract")]
    [InlineData("POST", "/workflow-definitions/§/revert/1")]
    [InlineData("POST", "/workflow-definitions/§/update-references")]
    [InlineData("DELETE", "/workflow-definitions/§")]
    [InlineData("DELETE", "/workflow-definition-versions/§")]
    [InlineData("POST", "/bulk-actions/publish/workflow-definitions/by-definition-ids")]
    [InlineData("POST", "/bulk-actions/retract/workflow-definitions/by-definition-ids")]
    [InlineData("POST", "/bulk-actions/delete/workflow-definitions/by-definition-id")]
    [InlineData("POST", "/bulk-actions/delete/workflow-definitions/by-id")]
    public async Task Change_ByAReader_IsForbiddenAndChangesNothing(string method, string path)
    {
        var id = await host.PublishedAsync(Line("a", "x"));
        var body = $$"""{"definitionIds":["{{id}}"],"ids":["{{id}}"],"model":{{Document(id)}},"definitionId":"{{id}}","root":{"type":"Elsa.Sequence"} }""";
        path = path.Replace("§", id, StringComparison.Ordinal);

        (await host.SendAsync(method, path, body, Auditor)).Status.ShouldBe(403);
        (await host.SendAsync(method, path, body, "")).Status.ShouldBe(401);
        (await host.SendAsync(method, path, body, Employee)).Status.ShouldBe(403);

        var now = await host.OpenAsync(id);
        (now["version"]!.GetValue<int>(), now["isPublished"]!.GetValue<bool>()).ShouldBe((1, true));
    }

    [Fact]
    public async Task Read_ByAReader_IsAllowedAndByAnEmployeeNot()
    {
        var id = await host.DraftAsync(Line("a", "x"));
        var version = (await host.OpenAsync(id))["id"]!.GetValue<string>();
        string[] paths =
        [
            "/workflow-definitions", $"/workflow-definitions/by-definition-id/{id}", $"/workflow-definitions/by-id/{version}",
            $"/workflow-definitions/many-by-id?ids={version}", $"/workflow-definitions/{id}/export", $"/workflow-definitions/{id}/consumers",
            $"/workflow-definitions/subgraph/{version}", "/workflow-definitions/validation/is-name-unique?name=x", "/package/version",
        ];
        foreach (var path in paths)
        {
            (await host.GetAsync(path, Auditor)).Status.ShouldBe(200, path);
            (await host.GetAsync(path, Employee)).Status.ShouldBe(403, path);
        }
    }

    [Fact]
    public async Task List_Pages_GoThroughAllOnce()
    {
        var mark = "P" + Guid.NewGuid().ToString("N");
        var all = new List<string>();
        for (var n = 0; n < 7; n++)
            all.Add(await host.DraftAsync(name: $"{mark} same name"));

        var seen = new List<string>();
        for (var page = 0; page < 3; page++)
            seen.AddRange(Ids(await ListAsync($"versionOptions=Latest&Page={page}&PageSize=3&SearchTerm={mark}"), "definitionId"));

        seen.Order().ShouldBe(all.Order());
    }

    private async Task<JsonElement> ListAsync(string query)
    {
        var answer = await host.GetAsync("/workflow-definitions?" + query);
        answer.Status.ShouldBe(200, answer.Text);
        return answer.Json;
    }

    private static string[] Ids(JsonElement list, string member = "id") =>
        [.. list.GetProperty("items").EnumerateArray().Select(i => i.GetProperty(member).GetString()!)];
}
