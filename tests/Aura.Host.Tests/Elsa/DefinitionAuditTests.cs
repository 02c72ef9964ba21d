using System.Text.Json.Nodes;
using static Aura.Host.Tests.Elsa.DefinitionsHost;

namespace Aura.Host.Tests.Elsa;

/// <summary>Whoever changes a definition stands in the audit log, and who changes nothing does not.</summary>
public sealed class DefinitionAuditTests(DefinitionsHost host) : IClassFixture<DefinitionsHost>
{
    [Fact]
    public async Task Audit_OfADefinitionsLife_NamesWhoDidWhatToWhichVersion()
    {
        var id = await host.PublishedAsync(Line("a", "one"));
        (await host.PostAsync($"/workflow-definitions/{id}/publish", user: Bert)).Status.ShouldBe(200);
        await host.PostAsync("/workflow-definitions/import", Document(id, Line("a", "two")), Bert);
        (await host.PostAsync($"/workflow-definitions/{id}/revert/1", user: Bert)).Status.ShouldBe(200);
        (await host.PostAsync($"/workflow-definitions/{id}/retract", user: Bert)).Status.ShouldBe(200);
        (await host.PostAsync($"/workflow-definitions/{id}/retract", user: Bert)).Status.ShouldBe(200);
        var latest = (await host.OpenAsync(id))["id"]!.GetValue<string>();
        (await host.SendAsync("DELETE", $"/workflow-definition-versions/{latest}", null, Bert)).Status.ShouldBe(204);
        (await host.SendAsync("DELETE", $"/workflow-definitions/{id}", null, Anna)).Status.ShouldBe(204);

        (await host.AuditAsync(id)).ShouldBe(
        [
            "anna definition.import 1", "anna definition.publish 1", "bert definition.import 2", "bert definition.revert 3", "bert definition.retract 1",
            "bert definition.delete-version 3", "anna definition.delete 2",
        ]);
    }

    [Fact]
    public async Task Audit_OfActsOnMany_NamesEach()
    {
        string[] ids = [await host.DraftAsync(Line("a", "x")), await host.DraftAsync(Line("a", "y"))];
        var body = new JsonObject { ["definitionIds"] = new JsonArray([.. ids.Select(i => (JsonNode)i)]) }.ToJsonString();
        foreach (var act in new[] { "publish", "retract" })
            (await host.PostAsync($"/bulk-actions/{act}/workflow-definitions/by-definition-ids", body, Bert)).Status.ShouldBe(200);
        (await host.PostAsync("/bulk-actions/delete/workflow-definitions/by-definition-id", body, Bert)).Status.ShouldBe(200);

        foreach (var id in ids)
            (await host.AuditAsync(id)).ShouldBe(["anna definition.import 1", "bert definition.publish 1", "bert definition.retract 1", "bert definition.delete 1"]);
    }

    [Fact]
    public async Task Audit_OfAnEditorThatSavesAgainAndAgain_HoldsItsFirstSaveOfADraft()
    {
        var id = await host.PublishedAsync(Line("a", "old"));
        var opened = await host.OpenAsync(id);
        foreach (var text in new[] { "n", "ne", "new" })
            opened = (await host.SaveAsync(Edit(opened, text))).Saved;
        await host.SaveAsync(Edit(opened, "newer"), publish: true);
        await host.SaveAsync(Edit(await host.OpenAsync(id, Bert), "of bert"), Bert);

        (await host.AuditAsync(id)).ShouldBe(
        [
            "anna definition.import 1", "anna definition.publish 1", "anna definition.save 2", "anna definition.publish 2", "bert definition.save 3",
        ]);
    }

    [Fact]
    public async Task Audit_OfRefusals_HoldsNothing()
    {
        var id = await host.DraftAsync(Line("a", "x"));
        await host.RunningAsync(id);
        (await host.SendAsync("DELETE", $"/workflow-definitions/{id}", null, Anna)).Status.ShouldBe(409);
        (await host.PostAsync($"/workflow-definitions/{id}/update-references", user: Bert)).Status.ShouldBe(400);
        var wrong = await host.DraftAsync("""{"id":"a","type":"Elsa.WriteLine","version":1,"text":{"typeName":"String","expression":{"type":"NoSuch","value":"x"}}}""");
        (await host.PostAsync($"/workflow-definitions/{wrong}/publish")).Status.ShouldBe(400);

        (await host.AuditAsync(id)).ShouldBe(["anna definition.import 1"]);
        (await host.AuditAsync(wrong)).ShouldBe(["anna definition.import 1"]);
    }

    [Fact]
    public async Task Audit_OfMovedConsumers_NamesThem()
    {
        var name = "Used " + Guid.NewGuid().ToString("N");
        var child = await host.PublishedAsync(Line("a", "x"), """ "options":{"usableAsActivity":true}, """, name: name);
        var type = string.Concat(name.Split(' ').Select(w => char.ToUpperInvariant(w[0]) + w[1..]));
        var parent = await host.DraftAsync($$"""{"id":"c","type":"{{type}}"}""");
        await host.SaveAsync(Edit(await host.OpenAsync(child), "y"), publish: true);
        (await host.PostAsync($"/workflow-definitions/{child}/update-references", user: Bert)).Status.ShouldBe(200);

        (await host.AuditAsync(child))[^1].ShouldBe($"""bert definition.update-references 2 ["{parent}"]""");
    }

    [Fact]
    public async Task Audit_OfAFile_NamesItsImportAndItsPublication()
    {
        var id = "file-" + Guid.NewGuid().ToString("N");
        (await host.SendToRootAsync("POST", "/workflow-files/import?publish=true", Document(id, Line("a", "x")), Bert)).Status.ShouldBe(200);
        (await host.SendToRootAsync("POST", "/workflow-files/import?publish=true", Document(id, Line("a", "x")), Anna)).Status.ShouldBe(200);

        (await host.AuditAsync(id)).ShouldBe(["bert definition.import 1", "bert definition.publish 1"]);
    }

    private static JsonObject Edit(JsonObject opened, string text)
    {
        var edited = (JsonObject)opened.DeepClone();
        edited["root"]!["activities"]![0]!["text"]!["expression"]!["value"] = text;
        return edited;
    }
}
