using System.Text.Json.Nodes;
using static Aura.Host.Tests.Elsa.DefinitionsHost;

namespace Aura.Host.Tests.Elsa;

/// <summary>Nobody's work is lost: two who edit one draft, answers that got lost, saves that overlap.</summary>
public sealed class DefinitionConflictTests(DefinitionsHost host) : IClassFixture<DefinitionsHost>
{
    [Fact]
    public async Task Save_OverAnotherPersonsChange_IsRefusedAndNamesThem()
    {
        var id = await host.DraftAsync(Line("a", "old"), name: "Orders " + Guid.NewGuid().ToString("N"));
        var (annas, berts) = (await host.OpenAsync(id, Anna), await host.OpenAsync(id, Bert));
        (await host.SaveAsync(Edit(berts, "of bert"), Bert)).Status.ShouldBe(200);

        var refused = await host.SaveAsync(Edit(annas, "of anna"), Anna);

        (refused.Status, refused.Type, refused.Code).ShouldBe((400, "application/problem+json", "draft_conflict"));
        var message = refused.Errors.ShouldHaveSingleItem();
        message.ShouldContain("Orders");
        message.ShouldContain("bert");
        message.ShouldContain("UTC");
        refused.Json.GetProperty("savedBy").GetString().ShouldBe("bert");
        refused.Json.GetProperty("savedAt").GetDateTimeOffset().ShouldBeGreaterThan(DateTimeOffset.UnixEpoch);
        TextOf(await host.OpenAsync(id)).ShouldBe("of bert");
        // After a look at the other's work it goes on.
        (await host.SaveAsync(Edit(await host.OpenAsync(id, Anna), "of both"), Anna)).Status.ShouldBe(200);
    }

    [Fact]
    public async Task Save_FromTwoTabsOfOnePerson_IsAConflictToo()
    {
        var id = await host.DraftAsync(Line("a", "old"));
        var (left, right) = (await host.OpenAsync(id), await host.OpenAsync(id));
        (await host.SaveAsync(Edit(left, "left"))).Status.ShouldBe(200);

        var refused = await host.SaveAsync(Edit(right, "right"));

        refused.Code.ShouldBe("draft_conflict");
        TextOf(await host.OpenAsync(id)).ShouldBe("left");
    }

    [Fact]
    public async Task Save_SameBodyAgain_SucceedsAndChangesNothing()
    {
        var id = await host.DraftAsync(Line("a", "old"));
        var body = Edit(await host.OpenAsync(id), "new");
        var first = await host.SaveAsync(body);

        var second = await host.SaveAsync(body);

        Revision(second.Saved).ShouldBe(Revision(first.Saved));
        second.Saved["version"]!.GetValue<int>().ShouldBe(first.Saved["version"]!.GetValue<int>());
        JsonNode.DeepEquals(second.Saved["root"], first.Saved["root"]).ShouldBeTrue();
    }

    [Fact]
    public async Task Save_SameBodyAgainAfterPublishing_DoesNotMakeADraft()
    {
        var id = await host.DraftAsync(Line("a", "old"));
        var body = Edit(await host.OpenAsync(id), "new");
        var first = await host.SaveAsync(body, publish: true);
        first.Saved["isPublished"]!.GetValue<bool>().ShouldBeTrue();

        var second = await host.SaveAsync(body, publish: true);

        second.Node["alreadyPublished"]!.GetValue<bool>().ShouldBeTrue();
        (await VersionsAsync(id)).ShouldBe(1);
    }

    [Fact]
    public async Task Save_AgainBeforeTheAnswerCame_IsNoConflictWithOneself()
    {
        var id = await host.PublishedAsync(Line("a", "old"));
        var opened = await host.OpenAsync(id);
        var first = Edit(opened, "first");
        var second = Edit(opened, "second");
        await host.SaveAsync(first);

        (await host.SaveAsync(second)).Status.ShouldBe(200);

        TextOf(await host.OpenAsync(id)).ShouldBe("second");
        (await VersionsAsync(id)).ShouldBe(2);
        // The first one once more, by a client that got no answer, must not undo the second.
        var late = await host.SaveAsync(first);
        late.Code.ShouldBe("draft_conflict");
        late.Errors[0].ShouldContain("that you made here");
        TextOf(await host.OpenAsync(id)).ShouldBe("second");
    }

    [Fact]
    public async Task Save_AfterARefusedPublication_GoesOn()
    {
        var id = await host.DraftAsync(Line("a", "old"));
        var opened = await host.OpenAsync(id);
        var refused = await host.SaveAsync(Edit(opened, "{{ x }}", "Liquid2"), publish: true);
        (refused.Status, refused.Code).ShouldBe((400, "validation_failed"));

        // Studio does not take a refusal's revision over: it still has the one from before.
        (await host.SaveAsync(Edit(opened, "right"), publish: true)).Saved["isPublished"]!.GetValue<bool>().ShouldBeTrue();
    }

    [Fact]
    public async Task Save_ManyAtOnceOnOneState_OneWinsAndAllOthersAreTold()
    {
        var id = await host.DraftAsync(Line("a", "old"));
        var opened = await Task.WhenAll(Enumerable.Range(0, 12).Select(_ => host.OpenAsync(id)));

        var answers = await Task.WhenAll(opened.Select((o, n) => host.SaveAsync(Edit(o, $"edit {n}"), n % 2 == 0 ? Anna : Bert)));

        answers.Count(a => a.Status == 200).ShouldBe(1);
        answers.Count(a => a is { Status: 400, Code: "draft_conflict" }).ShouldBe(11);
        var winner = Array.FindIndex(answers, a => a.Status == 200);
        TextOf(await host.OpenAsync(id)).ShouldBe($"edit {winner}");
        (await VersionsAsync(id)).ShouldBe(1);
    }

    [Fact]
    public async Task Save_OfADeletedDefinition_IsRefusedAndDoesNotBringItBack()
    {
        var id = await host.DraftAsync(Line("a", "old"));
        var opened = await host.OpenAsync(id);
        (await host.SendAsync("DELETE", $"/workflow-definitions/{id}", null, Bert)).Status.ShouldBe(204);

        var refused = await host.SaveAsync(Edit(opened, "new"));

        refused.Code.ShouldBe("draft_conflict");
        refused.Errors[0].ShouldContain("deleted");
        (await host.GetAsync($"/workflow-definitions/by-definition-id/{id}")).Status.ShouldBe(404);
        // The way out that the message names: a copy carries the mark of the original, which does not count there.
        opened["definitionId"] = null;
        opened["id"] = null;
        (await host.SaveAsync(opened)).Saved["definitionId"]!.GetValue<string>().ShouldNotBe(id);
    }

    [Fact]
    public async Task Save_AfterARevert_IsAConflict()
    {
        var id = await host.PublishedAsync(Line("a", "one"));
        await host.SaveAsync(Edit(await host.OpenAsync(id), "two"));
        var opened = await host.OpenAsync(id);
        var reverted = await host.PostAsync($"/workflow-definitions/{id}/revert/1", user: Bert);
        (reverted.Status, reverted.Node["version"]!.GetValue<int>()).ShouldBe((200, 3));

        (await host.SaveAsync(Edit(opened, "three"))).Code.ShouldBe("draft_conflict");

        // What was the draft is still there.
        (await host.GetAsync($"/workflow-definitions/by-definition-id/{id}?versionOptions=2")).Text.ShouldContain("\"two\"");
        TextOf(await host.OpenAsync(id)).ShouldBe("one");
    }

    [Fact]
    public async Task Save_WithoutAMark_TakesTheDraftsPlace()
    {
        var id = await host.DraftAsync(Line("a", "old"));
        var plain = Edit(await host.OpenAsync(id), "plain");
        plain["customProperties"] = new JsonObject();

        (await host.SaveAsync(plain)).Status.ShouldBe(200);

        TextOf(await host.OpenAsync(id)).ShouldBe("plain");
        (await VersionsAsync(id)).ShouldBe(1);
    }

    [Fact]
    public async Task Save_WithIfMatch_FailsOnceTheTagIsOld()
    {
        var id = await host.DraftAsync(Line("a", "old"));
        var opened = await host.GetAsync($"/workflow-definitions/by-definition-id/{id}");
        var tag = opened.Headers["ETag"];
        string Body(string text) => new JsonObject { ["model"] = Edit(Unmarked(opened.Node), text) }.ToJsonString();

        var first = await host.SendAsync("POST", "/workflow-definitions", Body("first"), Anna, ("If-Match", tag));
        var second = await host.SendAsync("POST", "/workflow-definitions", Body("second"), Bert, ("If-Match", tag));
        var third = await host.SendAsync("POST", "/workflow-definitions", Body("third"), Bert, ("If-Match", first.Headers["ETag"]));
        var wrong = await host.SendAsync("POST", "/workflow-definitions", Body("fourth"), Bert, ("If-Match", "\"of another day\""));

        (first.Status, second.Status, third.Status, wrong.Status).ShouldBe((200, 412, 200, 400));
        second.Code.ShouldBe("draft_conflict");
        wrong.Errors[0].ShouldContain("If-Match");
    }

    [Fact]
    public async Task Import_OverADraft_KeepsItInTheHistory()
    {
        var id = await host.DraftAsync(Line("a", "drawn for hours"));

        var imported = await host.PostAsync("/workflow-definitions/import", Document(id, Line("a", "from a file")), Bert);

        (imported.Status, imported.Node["version"]!.GetValue<int>()).ShouldBe((200, 2));
        (await host.GetAsync($"/workflow-definitions/by-definition-id/{id}?versionOptions=1")).Text.ShouldContain("drawn for hours");
    }

    [Fact]
    public async Task Mark_IsNeitherStoredNorExported()
    {
        var id = await host.DraftAsync(Line("a", "old"), more: """ "customProperties":{"mine":{"X":1,"x":2}}, """);
        var saved = (await host.SaveAsync(Edit(await host.OpenAsync(id), "new"))).Saved;
        Revision(saved).ShouldEndWith("@" + id);
        saved["customProperties"]!["Aura.SavedBy"]!.GetValue<string>().ShouldBe("anna");

        var export = await host.GetAsync($"/workflow-definitions/{id}/export");

        export.Text.ShouldNotContain("Aura.");
        JsonNode.DeepEquals(export.Node["customProperties"], JsonNode.Parse("""{"mine":{"X":1,"x":2}}""")).ShouldBeTrue(export.Text);
        await using var command = host.Db.CreateCommand("SELECT count(*) FROM wf.definitions WHERE definition_id = $1 AND document::text LIKE '%Aura.Revision%'");
        command.Parameters.Add(new() { Value = id });
        (await command.ExecuteScalarAsync(TestContext.Current.CancellationToken)).ShouldBe(0L);
    }

    [Fact]
    public async Task Summary_NamesWhoSavedAndWhoPublished()
    {
        var id = await host.DraftAsync(Line("a", "old"));
        await host.SaveAsync(Edit(await host.OpenAsync(id, Bert), "new"), Bert);
        await host.PostAsync($"/workflow-definitions/{id}/publish", user: Anna);

        var item = (await host.GetAsync($"/workflow-definitions?DefinitionIds={id}")).Json.GetProperty("items")[0];

        item.GetProperty("savedBy").GetString().ShouldBe("bert");
        item.GetProperty("publishedBy").GetString().ShouldBe("anna");
        item.GetProperty("publishedAt").GetDateTimeOffset().ShouldBeGreaterThan(item.GetProperty("savedAt").GetDateTimeOffset().AddMinutes(-1));
    }

    private async Task<long> VersionsAsync(string id) =>
        (await host.GetAsync($"/workflow-definitions?versionOptions=&DefinitionIds={id}")).Json.GetProperty("totalCount").GetInt64();

    private static JsonObject Edit(JsonObject opened, string text, string type = "Literal")
    {
        var edited = (JsonObject)opened.DeepClone();
        edited["root"]!["activities"]![0]!["text"] = new JsonObject
        {
            ["typeName"] = "String",
            ["expression"] = new JsonObject { ["type"] = type, ["value"] = text },
        };
        return edited;
    }

    private static JsonObject Unmarked(JsonObject opened)
    {
        opened["customProperties"] = new JsonObject();
        return opened;
    }

    private static string? TextOf(JsonObject opened) => opened["root"]!["activities"]![0]!["text"]!["expression"]!["value"]!.GetValue<string>();

    private static string Revision(JsonObject opened) => opened["customProperties"]!["Aura.Revision"]!.GetValue<string>();
}
