using System.Text.RegularExpressions;
using Aura.Orchestra.Models;
using Aura.Orchestra.Storage;
using Npgsql;
using static Microsoft.Playwright.Assertions;

namespace Aura.Browser.Tests;

/// <summary>Designing, publishing and running a workflow of one's own, with the mouse.</summary>
public sealed partial class DesignTests(Chromium chromium, StudioHost host) : IClassFixture<StudioHost>
{
    [Fact]
    public Task DesignAndRun_WithTheMouse_RunsWhatWasDrawn() => chromium.VisitAsync(host, async studio =>
    {
        await using var database = NpgsqlDataSource.Create(host.ConnectionString);
        await database.CommitAsync([ModelChanges.Ensure("senior", "local", null, "scripted")]);
        await studio.SignInAsync();
        await studio.OpenDefinitionsAsync();
        await Expect(studio.Page.GetByText("prd-pipeline")).ToBeVisibleAsync();
        await Expect(studio.Page.GetByText("job-pipeline")).ToBeVisibleAsync();
        await studio.ShotAsync("01-definitions");

        await studio.CreateFlowchartAsync("Greeting");
        await FindInToolboxAsync(studio.Editor);
        await DrawAsync(studio);
        await FillInAsync(studio);
        await ConnectAsync(studio.Editor);
        await studio.ShotAsync("05-drawn");
        await studio.Editor.SaveAsync();
        await studio.Editor.SaveByKeyAsync();
        await studio.Editor.PublishAsync();
        var instanceId = await studio.Editor.RunAsync();
        await WatchAsync(studio, instanceId);
        await studio.ShotAsync("07-finished");

        var instance = (await host.GetAsync("/elsa/api/workflow-instances/" + instanceId)).GetProperty("workflowState");
        instance.GetProperty("subStatus").GetString().ShouldBe("Finished");
        var variables = await host.GetAsync($"/elsa/api/workflow-instances/{instanceId}/variables");
        variables.GetProperty("items").EnumerateArray().Single().GetProperty("value").GetString().ShouldBe("Hello 42!");
        // What the last activity wrote, as a person finds it.
        await studio.Viewer.OpenRunAsync("WriteLine1");
        await Expect(studio.Viewer.Run).ToContainTextAsync("First line");
        await Expect(studio.Viewer.Run).ToContainTextAsync("Second line");
        await studio.ShotAsync("08-written");
    });

    private static async Task FindInToolboxAsync(StudioEditor editor)
    {
        await Expect(await editor.UnfoldAsync("Aura Work", "Emit event")).ToHaveAttributeAsync("data-aura-activity", "Aura.EmitJobEvent");
        // Search puts other activities into the entries that are there; none keeps the colour of the one before.
        await editor.SearchToolboxAsync("Write Line");
        await Expect(editor.Groups).ToHaveCountAsync(1);
        await Expect(await editor.UnfoldAsync("Console", "Write Line")).Not.ToHaveAttributeAsync("data-aura-activity", AnyText());
        await editor.SearchToolboxAsync("");
    }

    private static async Task DrawAsync(StudioPage studio)
    {
        var editor = studio.Editor;
        await editor.DropAsync("Primitives", "Set Variable", 40, 30);
        await editor.DropAsync("Events", "Event", 420, 30);
        await studio.ShotAsync("03-toolbox");
        await editor.DropAsync("Scripting", "Run JavaScript", 40, 140);
        await editor.DropAsync("Branching", "Decision", 420, 140);
        await editor.DropAsync("Aura Validation", "Score job", 40, 250);
        await editor.DropAsync("Console", "Write Line", 420, 250);
    }

    /// <summary>One input of each kind of editor.</summary>
    private static async Task FillInAsync(StudioPage studio)
    {
        var editor = studio.Editor;
        await editor.AddVariableAsync("Greeting", "String");
        await editor.EditAsync("SetVariable1", "Variable");
        await editor.ChooseAsync("Variable", "Greeting");
        await editor.UseSyntaxAsync("Value", "JavaScript");
        await editor.TypeCodeAsync("Value", "\"Hello \" + (20 + 22)");
        await studio.ShotAsync("04-javascript");

        await editor.EditAsync("Event1", "Event Name");
        await editor.FillAsync("Event Name", "greeting-read");
        // Studio makes the first trigger the workflow's start; this workflow begins with its first node.
        await editor.OpenTabAsync("Common");
        await editor.TickAsync("Trigger workflow", false);

        await editor.EditAsync("RunJavaScript1", "Script");
        await editor.TypeCodeAsync("Script", "setGreeting(getGreeting() + '!'); setOutcome('Loud')");
        await editor.AddToListAsync("Possible Outcomes", "Loud");
        await editor.EditAsync("FlowDecision1", "Condition");
        await editor.TickAsync("Condition", true);
        // Aura's own: the server fills the list, from its database.
        await editor.EditAsync("ScoreJob1", "Model");
        await editor.ChooseAsync("Model", "senior");
        await editor.FillAsync("Job ID", "job-1");
        await editor.FillAsync("Attempt", "1");
        await editor.EditAsync("WriteLine1", "Text");
        await editor.FillAsync("Text", "First line\nSecond line");
    }

    private static async Task ConnectAsync(StudioEditor editor)
    {
        await editor.ConnectAsync("SetVariable1", "Done", "Event1");
        await editor.ConnectAsync("Event1", "Done", "RunJavaScript1");
        await editor.ConnectAsync("RunJavaScript1", "Loud", "FlowDecision1");
        await editor.ConnectAsync("FlowDecision1", "False", "ScoreJob1");
        await editor.ConnectAsync("FlowDecision1", "True", "WriteLine1");
    }

    /// <summary>Watches the run wait, lets it go on from outside, and sees the end come by itself.</summary>
    private async Task WatchAsync(StudioPage studio, string instanceId)
    {
        var viewer = studio.Viewer;
        await viewer.ShowsAsync("SetVariable1", NodeState.Completed);
        await viewer.ShowsAsync("Event1", NodeState.Waiting);
        await Expect(viewer.Badge("RunJavaScript1")).ToHaveCountAsync(0);
        await Expect(viewer.Line("Event1", "Suspended")).ToHaveCountAsync(1);
        await studio.ShotAsync("06-waiting");

        studio.Traffic.OpenSockets.ShouldContain("/elsa/hubs/workflow-instance");
        // Nothing asks for the instance while nothing happens.
        var quiet = await QuietAsync(studio);
        studio.Traffic.Requests.Skip(quiet).ShouldNotContain(r => r.Contains("/workflow-instances/", StringComparison.Ordinal));

        await host.PostAsync("/elsa/api/events/greeting-read/trigger", "{}");
        foreach (var node in (string[])["Event1", "RunJavaScript1", "FlowDecision1", "WriteLine1"])
            await viewer.ShowsAsync(node, NodeState.Completed);
        await Expect(viewer.Badge("ScoreJob1")).ToHaveCountAsync(0);
        await Expect(viewer.Line("WriteLine1", "Completed")).ToHaveCountAsync(1);
        studio.Page.Url.ShouldEndWith($"/studio/workflows/instances/{instanceId}/view");
        studio.Traffic.Pushed.ShouldContain(m => m.Contains("ActivityExecutionLogUpdatedAsync", StringComparison.Ordinal));
        studio.Traffic.Requests.Skip(quiet).ShouldNotContain(r => r.Contains("/execution-state", StringComparison.Ordinal));
    }

    /// <returns>How many requests there were when a second began in which the hub said nothing, after another one.</returns>
    private static async Task<int> QuietAsync(StudioPage studio)
    {
        for (var before = -1; ;)
        {
            var (pushed, requests) = (studio.Traffic.Pushed.Count, studio.Traffic.Requests.Count);
            // Each second Studio asks for the runs of the activity that is selected, here the flowchart, while it runs.
            await studio.Page.WaitForRequestAsync(r => r.Url.Contains("/activity-execution-summaries/", StringComparison.Ordinal));
            if (studio.Traffic.Pushed.Count == pushed && before == pushed)
                return requests;
            before = pushed;
        }
    }

    [GeneratedRegex(".", RegexOptions.None, 1000)]
    private static partial Regex AnyText();
}
