using Microsoft.Playwright;
using static Microsoft.Playwright.Assertions;

namespace Aura.Browser.Tests;

/// <summary>
/// The editor: toolbox, canvas, the selected activity's properties, the workflow's own, and the buttons above. What changes the definition
/// returns after the server has answered Studio's automatic save.
/// </summary>
public sealed class StudioEditor(IPage page) : StudioCanvas(page)
{
    // Studio's buttons have no names; each is known by its icon.
    internal const string SaveIcon = "M17 3H5c-1.11";
    internal const string PublishIcon = "M19.35 10.04";
    private const string RunIcon = "M8 5v14l11-7z";

    /// <summary>The properties of the selected activity, below the canvas.</summary>
    private ILocator Panel => Page.Locator("#view .rz-splitter-vertical > .rz-splitter-pane").Last;

    private ILocator Dialog => Page.Locator(".mud-dialog");

    /// <summary>Waits for canvas and toolbox.</summary>
    public async Task ReadyAsync()
    {
        await Expect(Area).ToBeVisibleAsync();
        await Expect(Page.Locator("#view .mud-expand-panel").First).ToBeVisibleAsync();
    }

    /// <summary>Narrows the toolbox down; empty for all of it.</summary>
    public Task SearchToolboxAsync(string text) => Page.GetByPlaceholder("Search").FillAsync(text);

    /// <summary>The groups of the toolbox.</summary>
    public ILocator Groups => Page.Locator("#view .mud-expand-panel");

    /// <summary>The toolbox's entry for an activity, its group unfolded.</summary>
    public async Task<ILocator> UnfoldAsync(string group, string activity)
    {
        var panel = Groups.Filter(new() { Has = Page.Locator(".mud-expand-panel-text").Filter(new() { HasTextRegex = Exactly(group) }) });
        var entry = panel.Locator("[draggable=true]").Filter(new() { HasTextRegex = Exactly(activity) });
        await Expect(entry).ToHaveCountAsync(1);
        if (!await entry.IsVisibleAsync())
            await panel.Locator(".mud-expand-panel-header").ClickAsync();
        await Expect(entry).ToBeVisibleAsync();
        return entry;
    }

    /// <summary>Drags an activity from the toolbox to a place on the canvas, counted from the canvas's upper left corner.</summary>
    public async Task DropAsync(string group, string activity, float x, float y)
    {
        var before = await Nodes.CountAsync();
        var entry = await UnfoldAsync(group, activity);
        await SavedAsync(() => entry.DragToAsync(Area, new() { TargetPosition = new() { X = x, Y = y } }));
        await Expect(Nodes).ToHaveCountAsync(before + 1);
    }

    /// <summary>The same when the host may refuse what Studio saves then.</summary>
    public async Task TryDropAsync(string group, string activity, float x, float y) =>
        await (await UnfoldAsync(group, activity)).DragToAsync(Area, new() { TargetPosition = new() { X = x, Y = y } });

    /// <summary>Draws a connection with the mouse, from a port of one node to another node's entry.</summary>
    public async Task ConnectAsync(string source, string port, string target)
    {
        var before = await Edges.CountAsync();
        // The handles that resize a selected node lie above its ports.
        await Area.ClickAsync(new() { Position = new() { X = 10, Y = 440 } });
        var (fromX, fromY) = await MiddleAsync(Port(source, port));
        var (toX, toY) = await MiddleAsync(Port(target, "In"));
        await SavedAsync(async () =>
        {
            await Page.Mouse.MoveAsync(fromX, fromY);
            await Page.Mouse.DownAsync();
            await Page.Mouse.MoveAsync(toX - 30, toY, new() { Steps = 8 });
            await Page.Mouse.MoveAsync(toX, toY, new() { Steps = 4 });
            await Page.Mouse.UpAsync();
        });
        await Expect(Edges).ToHaveCountAsync(before + 1);
    }

    /// <summary>Removes the connection that enters a node, with the button that it shows under the pointer.</summary>
    public async Task DisconnectAsync(string target)
    {
        var before = await Edges.CountAsync();
        var (x, y) = await MiddleAsync(Port(target, "In"));
        await Page.Mouse.MoveAsync(x - 30, y);
        await Page.Mouse.MoveAsync(x - 22, y, new() { Steps = 3 });
        await SavedAsync(() => Area.Locator("[data-tool-name=button-remove]").ClickAsync());
        await Expect(Edges).ToHaveCountAsync(before - 1);
    }

    /// <summary>Drags the paper sideways, by an empty place below its middle: to the left for what lies on the right.</summary>
    public async Task PanAsync(float pixels)
    {
        var box = (await Area.BoundingBoxAsync())!;
        var (x, y) = (box.X + (pixels < 0 ? box.Width - 40 : 40), box.Y + 440);
        await Page.Mouse.MoveAsync(x, y);
        await Page.Mouse.DownAsync();
        await Page.Mouse.MoveAsync(x + pixels, y, new() { Steps = 10 });
        await Page.Mouse.UpAsync();
    }

    /// <summary>Opens a tab of the selected activity (Input, Output, Common) or of the workflow (Variables).</summary>
    public Task OpenTabAsync(string name) => Page.GetByRole(AriaRole.Tab, new() { Name = name, Exact = true }).ClickAsync();

    /// <summary>Selects a node and waits until one of its inputs, by label, is shown.</summary>
    public async Task EditAsync(string node, string someInput)
    {
        await SelectAsync(node);
        await OpenTabAsync("Input");
        await Expect(Field(someInput).Or(Tick(someInput)).First).ToBeVisibleAsync();
    }

    /// <summary>Fills a text, of one line or of several.</summary>
    public async Task FillAsync(string input, string text)
    {
        var box = Box(input);
        await SavedAsync(async () =>
        {
            await box.FillAsync(text);
            await box.BlurAsync();
        });
    }

    /// <summary>The box of a text.</summary>
    public ILocator Box(string input) => Field(input).Locator("input.mud-input-slot, textarea").First;

    /// <summary>Ticks a checkbox, or removes its tick.</summary>
    public Task TickAsync(string label, bool on) =>
        SavedAsync(() => Tick(label).Locator("input").SetCheckedAsync(on, new() { Force = true }));

    /// <summary>Adds an entry to a list, such as outcomes or headers.</summary>
    public async Task AddToListAsync(string input, string entry)
    {
        var box = Field(input).Locator("input").First;
        await box.FillAsync(entry);
        await SavedAsync(() => box.PressAsync("Enter"));
    }

    /// <summary>Chooses from a drop-down list, of plain values or of variables.</summary>
    public async Task ChooseAsync(string input, string choice)
    {
        await Field(input).Locator(".mud-input-slot:visible").First.ClickAsync();
        await SavedAsync(() => PickAsync(choice));
    }

    /// <summary>Switches an input to another syntax, such as JavaScript.</summary>
    public async Task UseSyntaxAsync(string input, string syntax)
    {
        await Row(input).Locator(".mud-menu button").First.ClickAsync();
        await SavedAsync(() => Page.Locator(".mud-popover-open .mud-menu-item").Filter(new() { HasTextRegex = Exactly(syntax) }).ClickAsync());
    }

    /// <summary>Types into an input's code editor.</summary>
    public async Task TypeCodeAsync(string input, string code)
    {
        var editor = Row(input).Locator(".monaco-editor").First;
        await Expect(editor.Locator(".view-line").First).ToBeVisibleAsync();
        await editor.ClickAsync();
        // All at once, as from the clipboard: Monaco would close brackets and complete words in between.
        await SavedAsync(() => Page.Keyboard.InsertTextAsync(code));
        await Expect(editor.Locator(".view-lines")).ToContainTextAsync(code.Split('\n')[0].Split(' ')[0]);
    }

    /// <summary>Adds a variable to the workflow, in the Variables tab.</summary>
    public async Task AddVariableAsync(string name, string type)
    {
        await OpenTabAsync("Variables");
        await Page.GetByRole(AriaRole.Button, new() { Name = "Add variable" }).ClickAsync();
        await NameAsync(Dialog, name);
        await Dialog.Locator(".mud-select-extended .mud-select-input-extended").First.ClickAsync();
        await PickAsync(type);
        await SavedAsync(() => Dialog.GetByRole(AriaRole.Button, new() { Name = "OK" }).ClickAsync());
        await Expect(Dialog).ToHaveCountAsync(0);
        await Expect(Page.Locator("#view td", new() { HasTextRegex = Exactly(name) })).ToBeVisibleAsync();
    }

    public Task SaveAsync() => SavedAsync(() => ButtonOf(SaveIcon).ClickAsync());

    /// <summary>Saves with the keyboard.</summary>
    public Task SaveByKeyAsync() => SavedAsync(() => Page.Keyboard.PressAsync("Control+s"));

    public Task PublishAsync() => SavedAsync(() => ButtonOf(PublishIcon).ClickAsync());

    /// <summary>Runs the workflow; Studio opens the viewer of the new instance.</summary>
    /// <returns>The instance's id.</returns>
    public async Task<string> RunAsync()
    {
        await ButtonOf(RunIcon).ClickAsync();
        await Page.WaitForURLAsync("**/studio/workflows/instances/*/view", new() { WaitUntil = WaitUntilState.Commit });
        return Page.Url.Split('/')[^2];
    }

    /// <summary>Names something new in a dialog, which proposes a name of its own first.</summary>
    internal static async Task NameAsync(ILocator dialog, string name)
    {
        var box = dialog.GetByLabel("Name", new() { Exact = true });
        await Expect(box).Not.ToHaveValueAsync("");
        await box.FillAsync(name);
        await box.BlurAsync();
    }

    /// <summary>
    /// Does something that Studio saves once, and waits until the editor has the server's answer, which must be good: an edit that overlaps
    /// with an answer is lost to it.
    /// </summary>
    public async Task SavedAsync(Func<Task> change)
    {
        var refreshed = Page.WaitForResponseAsync(r => new Uri(r.Url).AbsolutePath == "/elsa/api/descriptors/activities");
        var answer = await Page.RunAndWaitForResponseAsync(
            change, r => r.Request.Method == "POST" && new Uri(r.Url).AbsolutePath == "/elsa/api/workflow-definitions");
        answer.Status.ShouldBe(200, await answer.TextAsync());
        await refreshed;
    }

    /// <summary>The part of the properties that holds an input: its label and its box.</summary>
    private ILocator Field(string input) => Panel.Locator(".mud-input-control").Filter(new() { Has = LabelOf(input) });

    /// <summary>The same with what stands beside it.</summary>
    private ILocator Row(string input) =>
        Panel.Locator(".d-flex.flex-row").Filter(new() { Has = Page.Locator(".flex-1").Filter(new() { Has = LabelOf(input) }) });

    private ILocator Tick(string label) => Panel.Locator("label.mud-checkbox").Filter(new() { HasTextRegex = Exactly(label) });

    private ILocator LabelOf(string input) => Page.Locator("label.mud-input-label").Filter(new() { HasTextRegex = Exactly(input) });

    private ILocator Port(string node, string port) => Node(node).Locator($"[port=\"{port}\"] .elsa-designer-port-hit-area");

    internal static ILocator ButtonOf(IPage page, string icon) => page.Locator($"#view button:visible:has(path[d^='{icon}'])").First;

    private ILocator ButtonOf(string icon) => ButtonOf(Page, icon);

    private async Task PickAsync(string choice)
    {
        var open = Page.Locator(".mud-popover-open");
        await open.Locator(".mud-list-item-extended, .mud-list-item").Filter(new() { HasTextRegex = Exactly(choice) }).First.ClickAsync();
    }

    private static async Task<(float X, float Y)> MiddleAsync(ILocator shape)
    {
        await Expect(shape).ToBeVisibleAsync();
        var box = (await shape.BoundingBoxAsync())!;
        return (box.X + box.Width / 2, box.Y + box.Height / 2);
    }
}
