using System.Text.Json;
using Microsoft.Playwright;
using static Microsoft.Playwright.Assertions;

namespace Aura.Browser.Tests;

/// <summary>Who may do what, sign-ins that end in the middle of work, addresses that lead nowhere, and what a visit costs.</summary>
public sealed class AccessTests(Chromium chromium, StudioHost host) : IClassFixture<StudioHost>
{
    private const string Definitions = "/elsa/api/workflow-definitions";

    /// <summary>A second visit brings little more than the answers of the API.</summary>
    private const double WarmBytes = 200_000;

    [Fact]
    public Task Look_AsAuditor_ShowsAllAndChangesNothing() => chromium.VisitAsync(host, async studio =>
    {
        await OrderWorkflow.PublishAsync(host, "audited");
        var id = await OrderWorkflow.OrderAsync(host, "audited", "Ann");
        await OrderWorkflow.PayAsync(host, id);
        await OrderWorkflow.ReachesAsync(host, id, "Faulted");
        await host.PostAsync("/users", """{"name":"ida","password":"idas long password","roles":["Auditor"]}""");
        await studio.SignInAsync("/studio/workflows/definitions", "ida", "idas long password");
        await Expect(studio.Row("audited").First).ToBeVisibleAsync();
        await Expect(studio.Page.GetByRole(AriaRole.Button, new() { Name = "Create workflow" })).ToBeDisabledAsync();

        await studio.Row("audited").First.ClickAsync();
        await studio.Editor.ReadyAsync();
        await Expect(studio.Editor.Nodes).ToHaveCountAsync(4);
        await Expect(studio.Versions.SaveButton).ToHaveCountAsync(0);
        await studio.ShotAsync("40-read-only");

        await studio.GoToAsync("instances");
        await studio.OpenRowAsync("Ann's order");
        await studio.Viewer.ShowsAsync(OrderWorkflow.Pick, NodeState.Faulted);
        await Expect(studio.Viewer.RetryButton).ToBeHiddenAsync();

        // Studio offers these to everybody; the host refuses them, and Studio lives on.
        studio.Problems.Expect("^403 (POST|DELETE) /elsa/api/");
        await studio.GoToAsync("instances");
        await studio.RowMenuAsync("Ann's order", "Delete");
        await Expect(studio.Notice).ToContainTextAsync("workflows:run");
        await studio.TickRowAsync("Ann's order");
        await studio.BulkAsync("Cancel");
        await Expect(studio.Notice).ToContainTextAsync("workflows:run");
        await Expect(studio.Row("Ann's order")).ToContainTextAsync("Faulted");
        await Expect(studio.Stopped).ToBeHiddenAsync();
        await studio.ShotAsync("41-refused");
    });

    [Fact]
    public Task Save_AfterTheSignInEnded_IsMadeWhenItIsBack() => chromium.VisitAsync(host, async studio =>
    {
        await OrderWorkflow.ImportAsync(host, "kept");
        await studio.SignInAsync("/studio/workflows/definitions/kept/edit");
        await studio.Editor.ReadyAsync();
        studio.Problems.Expect("^401 POST ");

        // The token is refused once: the page takes a new one and sends the save again, and nobody sees a thing.
        await studio.Page.RouteAsync("**" + Definitions, route => route.FulfillAsync(new() { Status = 401 }), new() { Times = 1 });
        await studio.Editor.TryDropAsync("Console", "Write Line", 60, 60);
        await Expect(studio.Editor.Nodes).ToHaveCountAsync(5);
        await NodesStoredAsync("kept", 5);

        // The sign-in itself is over, too.
        (await studio.Page.EvaluateAsync<bool>("async () => (await fetch('/auth/logout', { method: 'POST' })).ok")).ShouldBeTrue();
        await studio.Page.RouteAsync("**" + Definitions, route => route.FulfillAsync(new() { Status = 401 }), new() { Times = 1 });
        await studio.Editor.TryDropAsync("Console", "Write Line", 320, 60);
        await Expect(studio.SignInDialog).ToContainTextAsync("Your sign-in has ended");
        await Expect(studio.Stopped).ToBeHiddenAsync();
        await studio.ShotAsync("42-sign-in-again");
        NodesOf(await LatestAsync("kept")).ShouldBe(5);
        await studio.SignInDialog.GetByLabel("Password").FillAsync(StudioHost.Key);
        await studio.SignInDialog.GetByRole(AriaRole.Button, new() { Name = "Sign in" }).ClickAsync();
        await Expect(studio.SignInDialog).ToBeHiddenAsync();
        await NodesStoredAsync("kept", 6);
        await Expect(studio.Editor.Nodes).ToHaveCountAsync(6);
        await studio.Editor.EditAsync(OrderWorkflow.Ship, "Text");
        await studio.Editor.FillAsync("Text", "Shipped after all");
    });

    [Fact]
    public Task Save_WhileTheHostIsAway_IsMadeWhenItIsBack() => chromium.VisitAsync(host, async studio =>
    {
        await OrderWorkflow.ImportAsync(host, "waiting");
        await studio.SignInAsync("/studio/workflows/definitions/waiting/edit");
        await studio.Editor.ReadyAsync();
        await Expect(studio.Connection).ToHaveTextAsync("Online");
        studio.Problems.Expect("^net::ERR_");
        // The code editor may be about to fetch its worker.
        studio.Problems.Expect("^exception: (NetworkError: Failed to execute 'importScripts'|: ErrorEvent)");

        await host.StopAsync();
        await studio.Editor.TryDropAsync("Console", "Write Line", 60, 60);
        await Expect(studio.Connection).ToContainTextAsync("Reconnecting");
        // Nobody has to wait for the host to go on drawing.
        await studio.Editor.TryDropAsync("Console", "Write Line", 320, 60);
        await Expect(studio.Editor.Nodes).ToHaveCountAsync(6);
        await Expect(studio.Stopped).ToBeHiddenAsync();
        await studio.ShotAsync("45-host-away");

        await host.StartAgainAsync();
        await Expect(studio.Connection).ToHaveTextAsync("Online");
        await NodesStoredAsync("waiting", 6);
        await Expect(studio.Editor.Nodes).ToHaveCountAsync(6);
        await Expect(studio.Stopped).ToBeHiddenAsync();
        await studio.Editor.EditAsync(OrderWorkflow.Ship, "Text");
        await studio.Editor.FillAsync("Text", "Shipped after all");
    });

    [Fact]
    public Task Open_EveryAddress_ShowsAPageAndTheSecondVisitIsSmall() => chromium.VisitAsync(host, async studio =>
    {
        await OrderWorkflow.PublishAsync(host, "visited");
        var id = await OrderWorkflow.OrderAsync(host, "visited", "Una");
        await studio.SignInAsync();
        await Expect(studio.Row("visited").First).ToBeVisibleAsync();
        var bytes = await BytesOfAsync(studio.Page, async () =>
        {
            await studio.Page.ReloadAsync();
            await Expect(studio.Row("visited").First).ToBeVisibleAsync();
        });
        bytes.ShouldBeInRange(1, WarmBytes);
        TestContext.Current.TestOutputHelper!.WriteLine($"The second visit took {bytes:N0} bytes.");

        await studio.MoveAsync("/studio/workflows/definitions/visited/edit");
        await studio.Editor.ReadyAsync();
        await studio.MoveAsync("/studio/workflows/instances");
        await Expect(studio.Row("Una's order")).ToBeVisibleAsync();
        await studio.MoveAsync($"/studio/alterations/instances/{id}");
        await studio.Viewer.ShowsAsync(OrderWorkflow.Wait, NodeState.Waiting);
        studio.Page.Url.ShouldEndWith($"/studio/workflows/instances/{id}/view");
        await studio.MoveAsync("/studio/nowhere");
        await Expect(studio.Row("visited").First).ToBeVisibleAsync();
        await Expect(studio.Notice).ToContainTextAsync("no such page");

        studio.Problems.Expect("^404 GET /elsa/api/");
        await studio.MoveAsync("/studio/workflows/definitions/never-heard-of/edit");
        await Expect(studio.Absent).ToContainTextAsync("never-heard-of");
        await studio.MoveAsync("/studio/workflows/instances/0123456789/view");
        await Expect(studio.Absent).ToContainTextAsync("0123456789");
        await Expect(studio.Stopped).ToBeHiddenAsync();
        await studio.ShotAsync("43-absent");
        await studio.Absent.GetByRole(AriaRole.Link).ClickAsync();
        await Expect(studio.Row("Una's order")).ToBeVisibleAsync();

        await studio.Page.GotoAsync($"/diagnostics/structured-logs?workflowInstanceId={id}");
        await studio.Viewer.ShowsAsync(OrderWorkflow.Wait, NodeState.Waiting);
        await studio.Page.GotoAsync("/");
        await Expect(studio.Page.GetByRole(AriaRole.Link, new() { Name = "Studio" }).First).ToBeVisibleAsync();
        await studio.ShotAsync("44-home");
    });

    private Task<JsonElement> LatestAsync(string id) => host.GetAsync($"{Definitions}/by-definition-id/{id}?versionOptions=Latest");

    private static int NodesOf(JsonElement definition) => definition.GetProperty("root").GetProperty("activities").GetArrayLength();

    private Task NodesStoredAsync(string id, int count) => host.EventuallyAsync(() => LatestAsync(id), d => NodesOf(d) == count);

    /// <summary>What came over the wire meanwhile, headers and all.</summary>
    private static async Task<double> BytesOfAsync(IPage page, Func<Task> visit)
    {
        var bytes = 0d;
        var session = await page.Context.NewCDPSessionAsync(page);
        session.Event("Network.loadingFinished").OnEvent += (_, e) => bytes += e!.Value.GetProperty("encodedDataLength").GetDouble();
        await session.SendAsync("Network.enable");
        await visit();
        await session.DetachAsync();
        return bytes;
    }
}
