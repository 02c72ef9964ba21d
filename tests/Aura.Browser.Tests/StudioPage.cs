using Microsoft.Playwright;
using static Microsoft.Playwright.Assertions;

namespace Aura.Browser.Tests;

/// <summary>
/// What a person does in Studio. All selectors live here, in <see cref="StudioEditor"/> and in <see cref="StudioViewer"/>, so that
/// tests read as stories.
/// </summary>
public sealed class StudioPage(IPage page, StudioHost host, PageProblems problems, PageTraffic traffic)
{
    public IPage Page => page;

    public PageProblems Problems => problems;

    public PageTraffic Traffic => traffic;

    /// <summary>The editor of the definition that is open.</summary>
    public StudioEditor Editor { get; } = new(page);

    /// <summary>The viewer of the instance that is open.</summary>
    public StudioViewer Viewer { get; } = new(page);

    /// <summary>The versions and files of the definition that is open.</summary>
    public StudioVersions Versions { get; } = new(page);

    /// <summary>Rows of the list that is shown.</summary>
    public ILocator Rows => page.Locator("#view table tbody tr").Filter(new() { Has = page.Locator("td:nth-child(2)") });

    /// <summary>Signs in on the sign-in page and waits for the page that comes next.</summary>
    public async Task SignInAsync(string comeBackTo = "/studio/workflows/definitions", string user = "director", string password = StudioHost.Key)
    {
        await page.GotoAsync("/sign-in?return=" + Uri.EscapeDataString(comeBackTo));
        await page.FillAsync("#username", user);
        await page.FillAsync("#password", password);
        await page.ClickAsync("#submit");
        await page.WaitForURLAsync(host.Url + comeBackTo + "**", new() { WaitUntil = WaitUntilState.Commit });
    }

    /// <summary>The list of definitions, with its rows.</summary>
    public async Task OpenDefinitionsAsync()
    {
        await GoAsync("/studio/workflows/definitions");
        await Expect(Rows.First).ToBeVisibleAsync();
    }

    /// <summary>Creates a flowchart through Studio's dialog; its editor opens.</summary>
    /// <returns>The new definition's id.</returns>
    public async Task<string> CreateFlowchartAsync(string name)
    {
        await page.GetByRole(AriaRole.Button, new() { Name = "Create workflow" }).ClickAsync();
        var dialog = page.Locator(".mud-dialog");
        await StudioEditor.NameAsync(dialog, name);
        await dialog.GetByRole(AriaRole.Button, new() { Name = "OK" }).ClickAsync();
        await page.WaitForURLAsync("**/studio/workflows/definitions/*/edit", new() { WaitUntil = WaitUntilState.Commit });
        await Editor.ReadyAsync();
        return page.Url.Split('/')[^2];
    }

    /// <summary>An instance with its journal and its canvas.</summary>
    public async Task OpenInstanceAsync(string instanceId)
    {
        await GoAsync($"/studio/workflows/instances/{instanceId}/view");
        await Expect(Viewer.Nodes.First).ToBeVisibleAsync();
    }

    /// <summary>What the page says in its bar, for a while.</summary>
    public ILocator Notice => page.Locator("#aura-notice");

    /// <summary>Whether the host answers, in the page's words.</summary>
    public ILocator Connection => page.Locator("#aura-connection");

    /// <summary>The bar that says that Studio is dead.</summary>
    public ILocator Stopped => page.Locator("#blazor-error-ui");

    /// <summary>The page in place of a definition or an instance that is not there.</summary>
    public ILocator Absent => page.Locator("#aura-absent");

    public ILocator SignInDialog => page.Locator("#aura-sign-in");

    /// <summary>Goes to a section (definitions, instances) by the page's own bar.</summary>
    public Task GoToAsync(string section) => page.Locator($"#aura-bar a[data-section={section}]").ClickAsync();

    /// <summary>Goes to an address within Studio as its own links do, without loading the page again.</summary>
    public Task MoveAsync(string path) => page.EvaluateAsync("path => history.pushState(null, '', path)", path);

    /// <summary>The row of a list that holds this text, such as an instance's name.</summary>
    public ILocator Row(string text) => Rows.Filter(new() { Has = page.GetByText(text, new() { Exact = true }) });

    /// <summary>Opens what a row stands for: its editor or its viewer.</summary>
    public async Task OpenRowAsync(string text)
    {
        await Row(text).GetByText(text, new() { Exact = true }).ClickAsync();
        await Expect(Viewer.Nodes.First).ToBeVisibleAsync();
    }

    /// <summary>Narrows the list down; empty for all of it.</summary>
    public async Task SearchAsync(string text)
    {
        var box = page.GetByPlaceholder("Search").First;
        await box.FillAsync(text);
        await page.RunAndWaitForResponseAsync(
            () => box.PressAsync("Enter"), r => r.Request.Url.Contains("/elsa/api/workflow-", StringComparison.Ordinal));
    }

    /// <summary>Chooses one value of a filter above the list.</summary>
    public async Task FilterAsync(string filter, string choice)
    {
        await page.Locator("#view .mud-input-control").Filter(new() { HasText = filter }).Locator(".mud-input-slot:visible").First.ClickAsync();
        await page.Locator(".mud-popover-open .mud-list-item").GetByText(choice, new() { Exact = true }).ClickAsync();
    }

    public Task TickRowAsync(string text) => Row(text).Locator("input[type=checkbox]").First.CheckAsync(new() { Force = true });

    /// <summary>Chooses from a row's own menu, and agrees where Studio asks again.</summary>
    public async Task RowMenuAsync(string text, string choice)
    {
        await Row(text).Locator(".mud-menu button").Last.ClickAsync();
        await ChooseAsync(choice);
        await AgreeAsync();
    }

    /// <summary>Chooses from the menu for the rows that are ticked, and agrees.</summary>
    public async Task BulkAsync(string choice)
    {
        await page.GetByRole(AriaRole.Button, new() { Name = "Bulk actions" }).ClickAsync();
        await ChooseAsync(choice);
        await AgreeAsync();
    }

    /// <summary>Chooses from the menu that is open.</summary>
    public Task ChooseAsync(string choice) =>
        page.Locator(".mud-popover-open .mud-menu-item").GetByText(choice, new() { Exact = true }).ClickAsync();

    /// <summary>Takes a picture for people: <c>01-definitions</c> becomes <c>01-definitions.png</c>.</summary>
    public Task ShotAsync(string name) => page.ScreenshotAsync(new() { Path = Path.Combine(Chromium.Screenshots, name + ".png") });

    private Task AgreeAsync() => page.Locator(".mud-dialog").GetByRole(AriaRole.Button).Last.ClickAsync();

    private async Task GoAsync(string path)
    {
        if (new Uri(page.Url).AbsolutePath != path)
            await page.GotoAsync(path, new() { WaitUntil = WaitUntilState.Commit });
    }
}
