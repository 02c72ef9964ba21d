using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Aura.Testing;

namespace Aura.Host.Tests.EndToEnd;

/// <summary>The picture is the program: whoever edits the pipeline and publishes it changes what the next PRD does, and no other.</summary>
public sealed class EditedPipelineTests(TestDatabase database) : IClassFixture<TestDatabase>
{
    private const string Definition = "/elsa/api/workflow-definitions/by-definition-id/prd-pipeline?versionOptions=Latest";

    [Fact]
    public async Task Publish_WhileAPrdWaits_TheNextTakesTheNewStepAndTheOldKeepsItsVersion()
    {
        await using var place = new Workplace();
        await using var host = await ChildHost.StartAsync(place, database, ("AURA_SCRIPTS", Workplace.Fixture("prds")));
        var old = await host.SubmitAsync(Workplace.Fixture("prds", "honest.json"));
        await host.PrdReachesAsync(old, "AWAITING_APPROVAL");

        // As a person would in Studio: open, put a step between the approval and the merge, publish.
        var model = JsonNode.Parse(await host.Http.GetStringAsync(Definition))!.AsObject();
        var chart = model["root"]!;
        chart["activities"]!.AsArray().Add(JsonNode.Parse("""
            {"id":"announce","nodeId":"Workflow1:prd:announce","name":"Announce","type":"Elsa.WriteLine","version":1,
             "metadata":{"designer":{"position":{"x":2800,"y":60},"size":{"width":280,"height":100} },"displayText":"Announce the merge"},
             "text":{"typeName":"String","expression":{"type":"Literal","value":"Approved."} } }
            """));
        var approved = chart["connections"]!.AsArray().Single(c => (string?)c!["source"]!["activity"] == "director" && (string?)c["source"]!["port"] == "Approved")!;
        approved["target"]!["activity"] = "announce";
        approved["vertices"] = new JsonArray();
        chart["connections"]!.AsArray().Add(JsonNode.Parse(
            """{"source":{"activity":"announce","port":"Done"},"target":{"activity":"merge","port":"In"},"vertices":[]}"""));
        var saved = await PostAsync(host, "/elsa/api/workflow-definitions", new JsonObject { ["model"] = model.DeepClone(), ["publish"] = true });
        saved.GetProperty("validationErrors").GetArrayLength().ShouldBe(0, saved.ToString());
        saved.GetProperty("workflowDefinition").GetProperty("version").GetInt32().ShouldBe(2);
        saved.GetProperty("workflowDefinition").GetProperty("isPublished").GetBoolean().ShouldBeTrue();

        // A host takes up to a second to hear of a publication; this one has published it itself.
        var next = await host.SubmitAsync(Workplace.Fixture("prds", "honest.json"));
        await host.ApproveAsync(old);
        await host.ApproveAsync(next);
        await host.PrdReachesAsync(old, "ARCHIVED");
        await host.PrdReachesAsync(next, "ARCHIVED");

        (await StoryAsync(old)).ShouldBe("1 Finished, announce 0, merge 1, archive 1");
        (await StoryAsync(next)).ShouldBe("2 Finished, announce 1, merge 1, archive 1");
        (await database.ListAsync<string>(
            """
            SELECT j.activity_id FROM wf.journal j JOIN wf.instances i ON i.id = j.instance_id
            WHERE i.correlation_id = $1 AND i.definition_id = 'prd-pipeline' AND j.event_name = 'Started' AND j.activity_id IN ('director', 'announce', 'merge')
            ORDER BY j.sequence
            """, next)).ShouldBe(["director", "announce", "merge"]);
    }

    /// <summary>The pipeline instance of a PRD: its version, how it ended, and how often some steps ran.</summary>
    private async Task<string> StoryAsync(string prdId)
    {
        var story = await database.ScalarAsync<string>(
            """
            SELECT i.version || ' ' || i.sub_status FROM wf.instances i WHERE i.correlation_id = $1 AND i.definition_id = 'prd-pipeline'
            """, prdId);
        foreach (var activity in new[] { "announce", "merge", "archive" })
        {
            var count = await database.ScalarAsync<long>(
                """
                SELECT count(*) FROM wf.activity_executions e JOIN wf.instances i ON i.id = e.instance_id
                WHERE i.correlation_id = $1 AND i.definition_id = 'prd-pipeline' AND e.activity_id = $2 AND e.status = 'Completed'
                """, prdId, activity);
            story += $", {activity} {count}";
        }

        return story!;
    }

    private static async Task<JsonElement> PostAsync(ChildHost host, string path, JsonNode body)
    {
        using var content = new StringContent(body.ToJsonString(), Encoding.UTF8, "application/json");
        using var response = await host.Http.PostAsync(path, content);
        var text = await response.Content.ReadAsStringAsync();
        response.IsSuccessStatusCode.ShouldBeTrue(text);
        return JsonSerializer.Deserialize<JsonElement>(text);
    }
}
