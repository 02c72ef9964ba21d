using System.Text.RegularExpressions;
using Microsoft.Playwright;
using static Microsoft.Playwright.Assertions;

namespace Aura.Browser.Tests;

/// <summary>How a node stands, as the colour of its badge tells.</summary>
public enum NodeState
{
    Running,
    Waiting,
    Completed,
    Faulted,
}

/// <summary>The viewer of an instance: its journal on the left, the drawing with a badge on each node that ran, what is selected below it,
/// and the instance's own values on the right.</summary>
public sealed class StudioViewer(IPage page) : StudioCanvas(page)
{
    /// <summary>The instance's own tabs, which are too narrow for their names.</summary>
    private ILocator Values => Page.Locator("#view .mud-tabs").Filter(new() { Has = Tab("Details") }).Last;

    /// <summary>Aura's button that runs what broke once more.</summary>
    public ILocator RetryButton => Page.Locator("#aura-retry");

    /// <summary>What is told about the selected activity, below the drawing.</summary>
    public ILocator Details => Page.Locator("#view .rz-splitter-vertical > .rz-splitter-pane").Last;

    /// <summary>All lines of the journal.</summary>
    public ILocator Lines => Page.Locator("#view .mud-timeline-item");

    /// <summary>The panel that tells of one run: its inputs, outcomes and outputs.</summary>
    public ILocator Run => Page.Locator(".mud-drawer, .mud-dialog").Filter(new() { HasText = "Execution Details" });

    /// <summary>The badge of a node: its colour (class) and its number tell how often it ran and how it stands.</summary>
    public ILocator Badge(string title) => Node(title).Locator(".mud-badge");

    /// <summary>Waits until a node's badge shows that state and that number of runs.</summary>
    public async Task ShowsAsync(string title, NodeState state, int runs = 1)
    {
        var colour = state switch
        {
            NodeState.Running => "mud-theme-info",
            NodeState.Waiting => "mud-theme-warning",
            NodeState.Completed => "mud-theme-success",
            _ => "mud-theme-error",
        };
        await Expect(Badge(title)).ToHaveClassAsync(new Regex($@"\b{colour}\b", RegexOptions.None, TimeSpan.FromSeconds(1)));
        await Expect(Badge(title)).ToHaveTextAsync(runs.ToString(System.Globalization.CultureInfo.InvariantCulture));
    }

    /// <summary>The lines of the journal about an activity, such as <c>Completed</c> or <c>Faulted</c>.</summary>
    public ILocator Line(string title, string what) =>
        Lines.Filter(new() { HasTextRegex = new Regex($@"{Regex.Escape(title)}[\s\S]*- {what}", RegexOptions.None, TimeSpan.FromSeconds(1)) });

    /// <summary>A value of the instance, such as <c>Sub status</c>.</summary>
    public ILocator Value(string name) => Values.Locator("tr").Filter(new() { Has = Cell(name) }).Locator("td").Nth(1);

    /// <summary>A value of the activity that is selected, or of the root, such as <c>Status</c>.</summary>
    public ILocator Selected(string name) => Details.Locator("tr").Filter(new() { Has = Cell(name) }).Locator("td").Nth(1);

    /// <summary>The runs of the activity that is selected.</summary>
    public ILocator Runs => Details.Locator("tr.mud-table-row-clickable");

    /// <summary>Opens the list of runs of an activity.</summary>
    public async Task OpenRunsAsync(string title)
    {
        var id = await Node(title).GetAttributeAsync("data-cell-id");
        await SelectAsync(title);
        // What was selected before stays below the drawing for a moment.
        await Details.GetByRole(AriaRole.Tab, new() { Name = "Activity" }).ClickAsync();
        await Expect(Selected("ID")).ToHaveTextAsync(id!);
        await Details.GetByRole(AriaRole.Tab, new() { Name = "Executions" }).ClickAsync();
        await Expect(Runs.First).ToBeVisibleAsync();
    }

    /// <summary>Shows what an activity's first run was given and gave.</summary>
    public async Task OpenRunAsync(string title)
    {
        await OpenRunsAsync(title);
        await Runs.First.ClickAsync();
        await Expect(Run).ToBeVisibleAsync();
    }

    public async Task CloseRunAsync()
    {
        await Run.Locator("button").First.ClickAsync();
        await Expect(Run).ToBeHiddenAsync();
    }

    /// <summary>Opens a tab of the instance: Details, Incidents, Variables, Input/Output.</summary>
    public Task OpenValuesAsync(string tab) => Page.GetByRole(AriaRole.Tab, new() { Name = tab }).ClickAsync();

    private ILocator Tab(string name) => Page.GetByRole(AriaRole.Tab, new() { Name = name });

    private ILocator Cell(string name) => Page.Locator("td", new() { HasTextRegex = Exactly(name) });
}
