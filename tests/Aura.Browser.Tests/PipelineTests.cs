using System.Text.Json;
using Aura.Testing;
using static Microsoft.Playwright.Assertions;

namespace Aura.Browser.Tests;

/// <summary>The organisation's own pipeline as a picture: whoever changes it with the mouse changes what the next PRD does.</summary>
public sealed class PipelineTests(Chromium chromium, StudioHost host) : IClassFixture<StudioHost>
{
    [Fact]
    public Task Publish_StepInsertedWhileAPrdWaits_RunsForTheNextOnly() => chromium.VisitAsync(host, async studio =>
    {
        var old = await SubmitAsync();
        await studio.SignInAsync("/studio/workflows/definitions/prd-pipeline/edit");
        var editor = studio.Editor;
        await editor.ReadyAsync();
        await Expect(editor.Nodes).ToHaveCountAsync(12);
        await Expect(editor.Edges).ToHaveCountAsync(16);
        await Expect(editor.Node("Are all jobs done?")).ToBeInViewportAsync();
        await studio.ShotAsync("10-pipeline");
        await InsertAsync(studio);
        await ReachesAsync(old, "AWAITING_APPROVAL");
        await editor.PublishAsync();

        var next = await SubmitAsync();
        foreach (var prd in (string[])[old, next])
            await ApproveAsync(prd);
        (await EndAsync(old)).ShouldBe("version 1: director, merge, archive");
        (await EndAsync(next)).ShouldBe("version 2: director, WriteLine1, merge, archive");

        await studio.OpenInstanceAsync((await InstanceAsync(next)).GetProperty("id").GetString()!);
        await studio.Viewer.ShowsAsync("Decompose the PRD", NodeState.Completed);
        await studio.Viewer.ShowsAsync("WriteLine1", NodeState.Completed);
        await studio.ShotAsync("12-pipeline-ran");
    });

    /// <summary>Puts a step between the approval and the merge.</summary>
    private static async Task InsertAsync(StudioPage studio)
    {
        var editor = studio.Editor;
        await editor.PanAsync(-400);
        await editor.PanAsync(-400);
        await Expect(editor.Node("Merge")).ToBeInViewportAsync();
        await editor.DisconnectAsync("Merge");
        await editor.DropAsync("Console", "Write Line", 420, 40);
        await editor.EditAsync("WriteLine1", "Text");
        await editor.FillAsync("Text", "Approved.");
        await editor.ConnectAsync("The Director decides", "Approved", "WriteLine1");
        await editor.ConnectAsync("WriteLine1", "Done", "Merge");
        await studio.ShotAsync("11-inserted");
    }

    private async Task<string> SubmitAsync()
    {
        var document = await File.ReadAllTextAsync(Repository.Path("tests", "fixtures", "prds", "honest.json"));
        return (await host.PostAsync("/prds", document)).GetProperty("id").GetString()!;
    }

    private Task<JsonElement> ReachesAsync(string prd, string status) =>
        host.EventuallyAsync(() => host.GetAsync("/prds/" + prd), p => p.GetProperty("status").GetString() == status);

    private async Task ApproveAsync(string prd)
    {
        var waiting = await ReachesAsync(prd, "AWAITING_APPROVAL");
        await host.PostAsync($"/prds/{prd}/approve", $$"""{"diff_hash":"{{waiting.GetProperty("diff_hash").GetString()}}"}""");
    }

    /// <summary>What the PRD's pipeline did from the approval on, once it has finished.</summary>
    private async Task<string> EndAsync(string prd)
    {
        await ReachesAsync(prd, "ARCHIVED");
        var instance = await InstanceAsync(prd);
        var path = $"/elsa/api/workflow-instances/{instance.GetProperty("id").GetString()}/journal?skip=0&take=1000";
        var journal = await host.PostAsync(path, """{"filter":{"eventNames":["Completed"]} }""");
        // The inserted step goes by its name, since Studio gave it a random id.
        var steps = journal.GetProperty("items").EnumerateArray()
            .Select(row => row.GetProperty("activityName").GetString() is "WriteLine1" ? "WriteLine1" : row.GetProperty("activityId").GetString())
            .Where(id => id is "director" or "WriteLine1" or "merge" or "archive");
        return $"version {instance.GetProperty("version")}: {string.Join(", ", steps)}";
    }

    private async Task<JsonElement> InstanceAsync(string prd)
    {
        var query = $$"""{"page":0,"pageSize":10,"definitionId":"prd-pipeline","correlationId":"{{prd}}"}""";
        var finished = await host.EventuallyAsync(
            () => host.PostAsync("/elsa/api/workflow-instances", query),
            found => found.GetProperty("items").EnumerateArray().Any(i => i.GetProperty("subStatus").GetString() == "Finished"));
        return finished.GetProperty("items").EnumerateArray().Single();
    }
}
