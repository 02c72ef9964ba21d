using static Microsoft.Playwright.Assertions;

namespace Aura.Browser.Tests;

/// <summary>Watching instances run, break and go on; cancelling and deleting them.</summary>
public sealed class WatchTests(Chromium chromium, StudioHost host) : IClassFixture<StudioHost>
{
    [Fact]
    public Task Watch_WaitingInstance_ShowsWhatItDidAndWhatItDoesNext() => chromium.VisitAsync(host, async studio =>
    {
        var viewer = studio.Viewer;
        await OrderWorkflow.PublishAsync(host, "watched");
        var broken = await OrderWorkflow.OrderAsync(host, "watched", "Bob");
        await OrderWorkflow.PayAsync(host, broken);
        await OrderWorkflow.ReachesAsync(host, broken, "Faulted");
        var id = await OrderWorkflow.OrderAsync(host, "watched", "Ada");
        await studio.SignInAsync("/studio/workflows/instances");

        await Expect(studio.Row("Ada's order")).ToContainTextAsync("Suspended");
        await Expect(studio.Row("Bob's order")).ToContainTextAsync("Faulted");
        await studio.ShotAsync("20-instances");
        await studio.FilterAsync("Has Incidents", "Yes");
        await Expect(studio.Row("Ada's order")).ToHaveCountAsync(0);
        await Expect(studio.Row("Bob's order")).ToBeVisibleAsync();
        await studio.FilterAsync("Has Incidents", "No");
        await Expect(studio.Row("Bob's order")).ToHaveCountAsync(0);
        await studio.FilterAsync("Has Incidents", "-");
        await studio.SearchAsync("Bob");
        await Expect(studio.Row("Ada's order")).ToHaveCountAsync(0);
        await studio.SearchAsync("");

        await studio.OpenRowAsync("Ada's order");
        studio.Page.Url.ShouldContain(id);
        await Expect(viewer.Nodes).ToHaveCountAsync(4);
        await viewer.ShowsAsync(OrderWorkflow.Receive, NodeState.Completed);
        await viewer.ShowsAsync(OrderWorkflow.Wait, NodeState.Waiting);
        await Expect(viewer.Badge(OrderWorkflow.Pick)).ToHaveCountAsync(0);
        await Expect(viewer.Value("Sub status")).ToHaveTextAsync("Suspended");
        await Expect(viewer.Line(OrderWorkflow.Receive, "Completed")).ToHaveCountAsync(1);
        await Expect(viewer.Line(OrderWorkflow.Wait, "Suspended")).ToHaveCountAsync(1);
        await viewer.OpenRunAsync(OrderWorkflow.Receive);
        await Expect(viewer.Run).ToContainTextAsync("Order of Ada");
        await Expect(viewer.Run).ToContainTextAsync("""["Done"]""");
        await studio.ShotAsync("21-execution");
        await viewer.CloseRunAsync();
        await studio.ShotAsync("22-waiting");

        await OrderWorkflow.FillStockAsync(host, id);
        await OrderWorkflow.PayAsync(host, id);
        // Nobody reloads anything from here on.
        await viewer.ShowsAsync(OrderWorkflow.Ship, NodeState.Completed);
        await Expect(viewer.Value("Sub status")).ToHaveTextAsync("Finished");
        await Expect(viewer.Line(OrderWorkflow.Ship, "Completed")).ToHaveCountAsync(1);
        await viewer.OpenRunAsync(OrderWorkflow.Pick);
        await Expect(viewer.Run).ToContainTextAsync("picked");
        await viewer.CloseRunAsync();
        await studio.ShotAsync("23-finished");
    });

    [Fact]
    public Task Retry_InstanceThatBreaksWhileWatched_GoesOnWhileWatched() => chromium.VisitAsync(host, async studio =>
    {
        var viewer = studio.Viewer;
        await OrderWorkflow.PublishAsync(host, "retried");
        var id = await OrderWorkflow.OrderAsync(host, "retried", "Eve");
        await studio.SignInAsync($"/studio/workflows/instances/{id}/view");
        await viewer.ShowsAsync(OrderWorkflow.Wait, NodeState.Waiting);
        await Expect(viewer.RetryButton).ToBeHiddenAsync();

        await OrderWorkflow.PayAsync(host, id);
        await viewer.ShowsAsync(OrderWorkflow.Pick, NodeState.Faulted);
        await Expect(viewer.Value("Sub status")).ToHaveTextAsync("Faulted");
        await Expect(viewer.Line(OrderWorkflow.Pick, "Faulted")).ToHaveCountAsync(1);
        await viewer.OpenRunsAsync(OrderWorkflow.Pick);
        await Expect(viewer.Runs.First).ToContainTextAsync("Faulted");
        await viewer.OpenValuesAsync("Incidents");
        await Expect(studio.Page.GetByText("Error: Nothing in stock").First).ToBeVisibleAsync();
        await Expect(viewer.RetryButton).ToBeVisibleAsync();
        await studio.ShotAsync("24-faulted");

        // Somebody who comes later sees the same; the flowchart that holds what broke is not running, either.
        await studio.Page.ReloadAsync();
        await viewer.ShowsAsync(OrderWorkflow.Pick, NodeState.Faulted);
        await Expect(viewer.Selected("Type")).ToHaveTextAsync("Elsa.Flowchart");
        await Expect(viewer.Selected("Status")).ToHaveTextAsync("Faulted");

        // Pressed too early it breaks again, and says so again.
        await viewer.RetryButton.ClickAsync();
        await Expect(viewer.Line(OrderWorkflow.Pick, "Faulted")).ToHaveCountAsync(2);
        await Expect(viewer.RetryButton).ToBeVisibleAsync();

        await host.PostAsync(
            "/elsa/api/alterations/submit",
            $$"""{"filter":{"workflowInstanceIds":["{{id}}"]},"alterations":[{"type":"ModifyVariable","variableId":"stock","value":3}]}""");
        await viewer.RetryButton.ClickAsync();
        await viewer.ShowsAsync(OrderWorkflow.Ship, NodeState.Completed);
        await viewer.ShowsAsync(OrderWorkflow.Pick, NodeState.Completed);
        await Expect(viewer.Value("Sub status")).ToHaveTextAsync("Finished");
        await Expect(viewer.RetryButton).ToBeHiddenAsync();
        await studio.ShotAsync("25-retried");
    });

    [Fact]
    public Task CancelAndDelete_FromTheList_DoesWhatTheMenuSays() => chromium.VisitAsync(host, async studio =>
    {
        await OrderWorkflow.PublishAsync(host, "listed");
        foreach (var customer in (string[])["One", "Two", "Three", "Four"])
            await OrderWorkflow.OrderAsync(host, "listed", customer);
        await studio.SignInAsync("/studio/workflows/instances");
        await studio.SearchAsync("listed");
        await Expect(studio.Rows).ToHaveCountAsync(4);

        await studio.RowMenuAsync("One's order", "Cancel");
        await Expect(studio.Row("One's order")).ToContainTextAsync("Cancelled");
        await studio.RowMenuAsync("One's order", "Delete");
        await Expect(studio.Rows).ToHaveCountAsync(3);

        await studio.TickRowAsync("Two's order");
        await studio.TickRowAsync("Three's order");
        await studio.ShotAsync("26-bulk");
        await studio.BulkAsync("Cancel");
        await Expect(studio.Row("Two's order")).ToContainTextAsync("Cancelled");
        await Expect(studio.Row("Three's order")).ToContainTextAsync("Cancelled");
        await Expect(studio.Row("Four's order")).ToContainTextAsync("Suspended");
        await studio.ShotAsync("27-cancelled");
    });
}
