using System.Text.Json;
using Microsoft.Playwright;
using static Microsoft.Playwright.Assertions;

namespace Aura.Browser.Tests;

/// <summary>The versions of the definition that is open, its ways out to a file and back, and what the host says against it.</summary>
public sealed class StudioVersions(IPage page)
{
    private const string MoreIcon = "M7 10l5 5 5-5z";

    /// <summary>The versions, the newest first.</summary>
    public ILocator Rows => page.Locator("#view tr.mud-table-row-clickable");

    /// <summary>The messages that Studio shows for a while.</summary>
    public ILocator Messages => page.Locator(".mud-snackbar");

    /// <summary>What can be saved: absent where a version is only looked at.</summary>
    public ILocator SaveButton => page.Locator($"#view button:has(path[d^='{StudioEditor.SaveIcon}'])");

    public Task OpenHistoryAsync() => page.GetByRole(AriaRole.Tab, new() { Name = "Version history" }).ClickAsync();

    /// <summary>Shows an old version, which cannot be changed.</summary>
    public async Task ViewAsync(int version)
    {
        await MenuAsync(version, "View");
        await Expect(page.GetByText($"Version {version}", new() { Exact = true })).ToBeVisibleAsync();
    }

    /// <summary>Makes a new draft of an old version.</summary>
    public Task RollBackAsync(int version) => MenuAsync(version, "Rollback to this version");

    /// <summary>Publishes what the host refuses, and gives its words.</summary>
    public async Task<IReadOnlyList<string>> PublishRefusedAsync()
    {
        var answer = await page.RunAndWaitForResponseAsync(
            () => StudioEditor.ButtonOf(page, StudioEditor.PublishIcon).ClickAsync(),
            r => r.Request.Method == "POST" && new Uri(r.Url).AbsolutePath == "/elsa/api/workflow-definitions");
        answer.Status.ShouldBe(400, await answer.TextAsync());
        await Expect(Messages.First).ToBeVisibleAsync();
        return await Messages.AllInnerTextsAsync();
    }

    /// <summary>Exports the version that is shown, with the button above the canvas.</summary>
    public async Task<(string FileName, JsonElement Document)> ExportAsync()
    {
        await page.Locator($"#view button:has(path[d^='{MoreIcon}'])").First.ClickAsync();
        await page.Locator(".mud-popover-open .mud-menu-item").GetByText("Export", new() { Exact = true }).ClickAsync();
        var download = await page.RunAndWaitForDownloadAsync(
            () => page.Locator(".mud-dialog").GetByRole(AriaRole.Button, new() { Name = "Export" }).ClickAsync());
        await using var file = await download.CreateReadStreamAsync();
        return (download.SuggestedFilename, (await JsonDocument.ParseAsync(file)).RootElement);
    }

    /// <summary>Gives a file to the import of the list of definitions.</summary>
    public async Task ImportAsync(string fileName, JsonElement document)
    {
        await page.Locator($"#view button:has(path[d^='{MoreIcon}'])").First.ClickAsync();
        var chooser = await page.RunAndWaitForFileChooserAsync(
            () => page.Locator(".mud-popover-open .mud-menu-item").GetByText("Import", new() { Exact = true }).ClickAsync());
        await chooser.SetFilesAsync(
            new FilePayload { Name = fileName, MimeType = "application/json", Buffer = JsonSerializer.SerializeToUtf8Bytes(document) });
    }

    /// <summary>Saves what is on the canvas as a workflow of another name, whose editor opens.</summary>
    public async Task SaveAsAsync(string name)
    {
        var old = page.Url;
        await page.Locator($"#view button:has(path[d^='{MoreIcon}'])").First.ClickAsync();
        await page.Locator(".mud-popover-open .mud-menu-item").GetByText("Save As", new() { Exact = true }).ClickAsync();
        var dialog = page.Locator(".mud-dialog");
        await StudioEditor.NameAsync(dialog, name);
        await dialog.GetByRole(AriaRole.Button).Last.ClickAsync();
        await page.WaitForURLAsync(url => url != old && url.EndsWith("/edit", StringComparison.Ordinal), new() { WaitUntil = WaitUntilState.Commit });
    }

    private async Task MenuAsync(int version, string choice)
    {
        var row = Rows.Filter(new() { Has = page.Locator("td", new() { HasTextRegex = new($@"^\s*{version}\s*$", System.Text.RegularExpressions.RegexOptions.None, TimeSpan.FromSeconds(1)) }) });
        await row.Locator(".mud-menu button").ClickAsync();
        await page.Locator(".mud-popover-open .mud-menu-item").GetByText(choice, new() { Exact = true }).ClickAsync();
    }
}
