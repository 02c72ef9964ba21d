using System.Text.Json;
using System.Text.Json.Nodes;
using static Microsoft.Playwright.Assertions;

namespace Aura.Browser.Tests;

/// <summary>Versions, files, refusals, activities that are gone, and two people at one draft.</summary>
public sealed class VersionTests(Chromium chromium, StudioHost host) : IClassFixture<StudioHost>
{
    private const string Definitions = "/elsa/api/workflow-definitions";

    [Fact]
    public Task Publish_Twice_KeepsBothVersionsToViewAndToReturnTo() => chromium.VisitAsync(host, async studio =>
    {
        await OrderWorkflow.PublishAsync(host, "versioned");
        await studio.SignInAsync("/studio/workflows/definitions/versioned/edit");
        await studio.Editor.ReadyAsync();
        await studio.Editor.EditAsync(OrderWorkflow.Ship, "Text");
        await studio.Editor.FillAsync("Text", "Shipped with care");
        await studio.Editor.PublishAsync();
        await studio.Versions.OpenHistoryAsync();
        await Expect(studio.Versions.Rows).ToHaveCountAsync(2);
        ShipText(await LatestAsync("versioned")).ShouldBe("Shipped with care");

        await studio.Versions.ViewAsync(1);
        await Expect(studio.Versions.SaveButton).ToHaveCountAsync(0);
        await Expect(studio.Editor.Nodes).ToHaveCountAsync(4);
        await studio.Editor.EditAsync(OrderWorkflow.Ship, "Text");
        await Expect(studio.Editor.Box("Text")).ToHaveValueAsync("Shipped");
        await studio.ShotAsync("30-old-version");

        await studio.Versions.RollBackAsync(1);
        await Expect(studio.Versions.Rows).ToHaveCountAsync(3);
        await Expect(studio.Versions.SaveButton.First).ToBeVisibleAsync();
        await studio.ShotAsync("31-versions");
        var draft = await LatestAsync("versioned");
        (draft.GetProperty("version").GetInt32(), draft.GetProperty("isPublished").GetBoolean(), ShipText(draft)).ShouldBe((3, false, "Shipped"));
        var published = await host.GetAsync($"{Definitions}/by-definition-id/versioned?versionOptions=Published");
        (published.GetProperty("version").GetInt32(), ShipText(published)).ShouldBe((2, "Shipped with care"));
    });

    [Fact]
    public Task ExportAndImport_ThroughStudiosButtons_GivesTheSameDocument() => chromium.VisitAsync(host, async studio =>
    {
        await OrderWorkflow.PublishAsync(host, "exported");
        await studio.SignInAsync("/studio/workflows/definitions/exported/edit");
        await studio.Editor.ReadyAsync();
        var (fileName, document) = await studio.Versions.ExportAsync();
        fileName.ShouldBe("exported-v1.json");

        using (var deleted = await host.Http.DeleteAsync($"{Definitions}/exported"))
            deleted.StatusCode.ShouldBe(System.Net.HttpStatusCode.NoContent);
        await studio.OpenDefinitionsAsync();
        await Expect(studio.Row("prd-pipeline")).ToBeVisibleAsync();
        await Expect(studio.Row("exported")).ToHaveCountAsync(0);
        await studio.Versions.ImportAsync(fileName, document);
        await Expect(studio.Row("exported").First).ToBeVisibleAsync();
        await studio.ShotAsync("32-imported");
        await studio.Row("exported").First.ClickAsync();
        await studio.Editor.ReadyAsync();
        var (_, again) = await studio.Versions.ExportAsync();
        // Studio's own model says outright what the file left out.
        Values(again).Except(Values(document)).ShouldBe(["$.inputs[0].isArray: false", "$.isReadonly: false", "$.variables[0].isArray: false"]);
        Values(document).Except(Values(again)).ShouldBeEmpty();
        ShipText(again).ShouldBe("Shipped");
    });

    [Fact]
    public Task Publish_WhatCannotRun_IsRefusedByNameAndNothingIsLost() => chromium.VisitAsync(host, async studio =>
    {
        await host.PostAsync($"{Definitions}/import", Broken);
        var before = await LatestAsync("broken");
        await studio.SignInAsync("/studio/workflows/definitions/broken/edit");
        await studio.Editor.ReadyAsync();
        await Expect(studio.Editor.Node("Send parcel")).ToContainTextAsync("Not Found Activity");

        studio.Problems.Expect("^400 POST /elsa/api/workflow-definitions$");
        var messages = await studio.Versions.PublishRefusedAsync();
        messages.ShouldContain(m => m.Contains("'Say hello' (say), input 'Text'", StringComparison.Ordinal));
        messages.ShouldContain(m => m.Contains("'Send parcel' (parcel): The activity type 'Acme.SendParcel'", StringComparison.Ordinal));
        await studio.ShotAsync("33-refused");

        await studio.Editor.DropAsync("Console", "Write Line", 40, 300);
        await studio.Editor.SaveAsync();
        await studio.Page.ReloadAsync();
        await Expect(studio.Editor.Nodes).ToHaveCountAsync(3);
        await Expect(studio.Editor.Edges).ToHaveCountAsync(1);
        await studio.ShotAsync("34-gone");
        var after = await ExportedAsync("broken");
        after.GetProperty("isPublished").GetBoolean().ShouldBeFalse();
        ActivityOf(after, "parcel").ShouldBe(ActivityOf(JsonElement.Parse(Broken), "parcel"));
        ActivityOf(after, "say").ShouldBe(ActivityOf(before, "say"));
    });

    [Fact]
    public Task Save_AfterSomebodyElse_IsRefusedWithTheirNameAndKeepsTheCanvas() => chromium.VisitAsync(host, async ann =>
    {
        await OrderWorkflow.ImportAsync(host, "shared");
        await host.PostAsync("/users", """{"name":"ben","password":"bens long password","roles":["ManagerOperator"]}""");
        await ann.SignInAsync("/studio/workflows/definitions/shared/edit");
        await ann.Editor.ReadyAsync();
        await chromium.VisitAsync(host, async ben =>
        {
            await ben.SignInAsync("/studio/workflows/definitions/shared/edit", "ben", "bens long password");
            await ben.Editor.ReadyAsync();
            await ben.Editor.EditAsync(OrderWorkflow.Ship, "Text");
            await ben.Editor.FillAsync("Text", "Shipped by Ben");
        });

        ann.Problems.Expect("^400 POST /elsa/api/workflow-definitions$");
        await ann.Editor.TryDropAsync("Console", "Write Line", 40, 300);
        await Expect(ann.Versions.Messages.First).ToContainTextAsync("ben");
        await Expect(ann.Editor.Nodes).ToHaveCountAsync(5);
        await ann.ShotAsync("35-conflict");
        ShipText(await LatestAsync("shared")).ShouldBe("Shipped by Ben");

        // What Ann drew goes on under another name, whole; Ben's stays as it is.
        await ann.Versions.SaveAsAsync("Shared, Ann's way");
        await Expect(ann.Editor.Nodes).ToHaveCountAsync(5);
        ann.Page.Url.ShouldNotContain("/shared/");
        var copy = await LatestAsync(ann.Page.Url.Split('/')[^2]);
        copy.GetProperty("root").GetProperty("activities").GetArrayLength().ShouldBe(5);
        ShipText(copy).ShouldBe("Shipped");
    });

    private const string Broken = """
        {
          "definitionId": "broken", "name": "Broken", "isPublished": false,
          "root": {
            "id": "flow", "nodeId": "Workflow1:flow", "name": "Flowchart1", "type": "Elsa.Flowchart", "version": 1,
            "activities": [
              { "id": "say", "nodeId": "Workflow1:flow:say", "name": "WriteLine1", "type": "Elsa.WriteLine", "version": 1,
                "metadata": { "displayText": "Say hello", "designer": { "position": { "x": 0, "y": 0 }, "size": { "width": 200, "height": 54 } } },
                "text": { "typeName": "String", "expression": { "type": "JavaScript", "value": "'Hello' +" } } },
              { "id": "parcel", "nodeId": "Workflow1:flow:parcel", "name": "SendParcel1", "type": "Acme.SendParcel", "version": 3,
                "metadata": { "displayText": "Send parcel", "designer": { "position": { "x": 320, "y": 0 }, "size": { "width": 200, "height": 54 } } },
                "weight": { "typeName": "Int32", "expression": { "type": "Literal", "value": "12" } },
                "handling": { "fragile": true, "notes": ["this side up"] } }
            ],
            "connections": [{ "source": { "activity": "say", "port": "Done" }, "target": { "activity": "parcel", "port": "In" }, "vertices": [] }]
          }
        }
        """;

    private Task<JsonElement> LatestAsync(string id) => host.GetAsync($"{Definitions}/by-definition-id/{id}?versionOptions=Latest");

    private Task<JsonElement> ExportedAsync(string id) => host.GetAsync($"{Definitions}/{id}/export?versionOptions=Latest");

    private static string? ShipText(JsonElement definition) => definition.GetProperty("root").GetProperty("activities").EnumerateArray()
        .Single(a => a.GetProperty("id").GetString() == "ship").GetProperty("text").GetProperty("expression").GetProperty("value").GetString();

    /// <summary>An activity's document, its members in one order; without its size, which Studio measures by the font.</summary>
    private static string ActivityOf(JsonElement definition, string id)
    {
        var activity = definition.GetProperty("root").GetProperty("activities").EnumerateArray().Single(a => a.GetProperty("id").GetString() == id);
        var node = Sorted(JsonNode.Parse(activity.GetRawText()))!;
        node["metadata"]!["designer"]!.AsObject().Remove("size");
        return node.ToJsonString();
    }

    /// <summary>
    /// A document's values with their places. Without the version's own: its id, when it was made and that it is published. And without
    /// what Studio adds because it reads a file into its own model: members that are null or empty.
    /// </summary>
    private static List<string> Values(JsonElement document)
    {
        var values = new List<string>();
        Add(document, "$");
        values.RemoveAll(v => v.StartsWith("$.id:", StringComparison.Ordinal) || v.StartsWith("$.createdAt:", StringComparison.Ordinal)
            || v.StartsWith("$.isPublished:", StringComparison.Ordinal));
        values.Sort(StringComparer.Ordinal);
        return values;

        void Add(JsonElement value, string place)
        {
            if (value.ValueKind == JsonValueKind.Object)
            {
                foreach (var member in value.EnumerateObject())
                    Add(member.Value, $"{place}.{member.Name}");
            }
            else if (value.ValueKind == JsonValueKind.Array)
            {
                foreach (var (index, item) in value.EnumerateArray().Index())
                    Add(item, $"{place}[{index}]");
            }
            else if (value.ValueKind != JsonValueKind.Null)
            {
                values.Add($"{place}: {value.GetRawText()}");
            }
        }
    }

    private static JsonNode? Sorted(JsonNode? node) => node switch
    {
        JsonObject o => new JsonObject(o.OrderBy(p => p.Key, StringComparer.Ordinal).Select(p => KeyValuePair.Create(p.Key, Sorted(p.Value)))),
        JsonArray a => new JsonArray([.. a.Select(Sorted)]),
        _ => node?.DeepClone(),
    };
}
