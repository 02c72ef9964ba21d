using System.Text.RegularExpressions;
using Microsoft.Playwright;

namespace Aura.Browser.Tests;

/// <summary>The drawing, which the editor and the viewer share.</summary>
public abstract class StudioCanvas(IPage page)
{
    protected IPage Page => page;

    /// <summary>The area that is drawn on.</summary>
    protected ILocator Area => page.Locator("#view .graph-container");

    /// <summary>All nodes that are drawn, with what they hold.</summary>
    public ILocator Nodes => Area.Locator("g.x6-node").Filter(new() { Has = page.Locator(".activity-label") });

    /// <summary>All connections that are drawn.</summary>
    public ILocator Edges => Area.Locator("g.x6-edge");

    /// <summary>The node with that title.</summary>
    public ILocator Node(string title) => Nodes.Filter(new() { Has = page.Locator(".activity-label", new() { HasTextRegex = Exactly(title) }) });

    /// <summary>Clicks a node, as anybody would: in the middle of what is there to be seen.</summary>
    public async Task SelectAsync(string title)
    {
        // The frame around a selected node lies above the node: what is under the pointer is not asked for.
        await Node(title).Locator(".activity-icon").ClickAsync(new() { Force = true });
    }

    protected static Regex Exactly(string text) => new($@"^\s*{Regex.Escape(text)}\s*$", RegexOptions.None, TimeSpan.FromSeconds(1));
}
