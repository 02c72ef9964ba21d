using System.Text.Json;
using System.Text.Json.Nodes;
using Aura.Workflows.Activities;
using Aura.Workflows.Definitions;

namespace Aura.Workflows.Runtime;

/// <summary>One activity of a definition as Studio reads it, with everything inside it.</summary>
/// <param name="Port">Where it stands in the activity that holds it: <c>Body</c>, <c>Activities</c>, <c>Root</c> …</param>
public sealed record ActivityView(string NodeId, string Port, JsonElement Activity);

/// <summary>An activity on the way from the root to another, and the port that the way goes through.</summary>
public sealed record ActivityPathSegment(string ActivityNodeId, string ActivityId, string ActivityType, string PortName, string ActivityName);

/// <summary>Where an activity is found: the container that a designer opens to show it, and the way there from the root.</summary>
public sealed record ActivityPath(ActivityView ChildNode, ActivityView Container, IReadOnlyList<ActivityPathSegment> PathSegments);

/// <content>Single activities of a version, also those inside the workflows that it uses.</content>
public sealed partial class DefinitionStore
{
    /// <summary>
    /// One activity of a version. A workflow that is used as an activity has its inside in the member <c>root</c>, and node ids within it
    /// are looked for too.
    /// </summary>
    /// <param name="nodeId">Null for the root.</param>
    /// <returns>Null when the version or the node does not exist.</returns>
    /// <exception cref="InvalidDefinitionException">The version's document cannot be built.</exception>
    public async Task<ActivityView?> ViewActivityAsync(string versionId, string? nodeId, CancellationToken cancellationToken = default)
    {
        if (await FindVersionAsync(versionId, cancellationToken) is not { } definition)
            return null;
        var graph = await GraphAsync(versionId, cancellationToken);
        var node = nodeId is null || nodeId == graph.Root.NodeId ? RootOf(graph) : graph.Find(nodeId);
        return node is null ? null : await ViewNodeAsync(new(this, definition), graph, node, cancellationToken);
    }

    /// <summary>The way to an activity. Flowcharts are no steps of it: their children are found in what holds the flowchart.</summary>
    /// <inheritdoc cref="ViewActivityAsync" path="/returns"/>
    /// <inheritdoc cref="ViewActivityAsync" path="/exception"/>
    public async Task<ActivityPath?> FindPathAsync(string versionId, string nodeId, CancellationToken cancellationToken = default)
    {
        if (await FindVersionAsync(versionId, cancellationToken) is not { } definition)
            return null;
        var graph = await GraphAsync(versionId, cancellationToken);
        if (graph.Find(nodeId) is not { } child || child == graph.Root)
            return null;
        var segments = new List<ActivityPathSegment>();
        var container = default(ActivityNode);
        for (var (inner, node) = (child, child.Parent); node is not null; (inner, node) = (node, node.Parent))
        {
            if (node.Activity is Workflow or Flowchart)
                continue;
            container ??= node;
            segments.Insert(0, new(node.NodeId, node.Activity.Id, node.Activity.Type, PortOf(inner), node.Activity.Name ?? node.Activity.Type));
        }

        var views = new ViewsOfVersions(this, definition);
        var childView = await ViewNodeAsync(views, graph, child, cancellationToken);
        var containerView = await ViewNodeAsync(views, graph, container ?? RootOf(graph), cancellationToken);
        return childView is null || containerView is null ? null : new(childView, containerView, segments);
    }

    private static ActivityNode RootOf(WorkflowGraph graph) => graph.NodeOf(((Workflow)graph.Root.Activity).Root!);

    private static async Task<ActivityView?> ViewNodeAsync(
        ViewsOfVersions views, WorkflowGraph graph, ActivityNode node, CancellationToken cancellationToken)
    {
        if (await FindInViewAsync(views, node, cancellationToken) is not { } activity)
            return null;
        if (node.Activity is WorkflowDefinitionActivity { Root: { } inside })
            activity["root"] = await FindInViewAsync(views, graph.NodeOf(inside), cancellationToken);
        return new(node.NodeId, PortOf(node), JsonSerializer.SerializeToElement(activity));
    }

    /// <summary>The node in the view of the definition that it stands in: the user's own, or that of a workflow that it uses.</summary>
    private static async Task<JsonObject?> FindInViewAsync(ViewsOfVersions views, ActivityNode node, CancellationToken cancellationToken)
    {
        var holder = node.Parent;
        while (holder is not null && holder.Activity is not WorkflowDefinitionActivity)
            holder = holder.Parent;
        var used = (holder?.Activity as WorkflowDefinitionActivity)?.Source?.VersionId;
        var below = holder?.NodeId ?? "Workflow1";
        return await views.OfAsync(used, cancellationToken) is { } view
            ? DefinitionView.Activity(view, "Workflow1" + node.NodeId[below.Length..], below)
            : null;
    }

    private static string PortOf(ActivityNode node) => node.Parent switch
    {
        null => "",
        { Activity: Workflow or WorkflowDefinitionActivity } => "Root",
        var parent => parent.Descriptor.Members.PortOf(parent.Activity, node.Activity) ?? "",
    };

    /// <summary>The views that one answer is taken from, each made once.</summary>
    private sealed class ViewsOfVersions(DefinitionStore store, WorkflowDefinition own)
    {
        private readonly Dictionary<string, JsonElement?> _views = new(StringComparer.Ordinal);

        /// <param name="usedVersionId">A version that the definition uses; null for its own.</param>
        /// <returns>Null when the version was deleted.</returns>
        public async Task<JsonElement?> OfAsync(string? usedVersionId, CancellationToken cancellationToken)
        {
            var versionId = usedVersionId ?? own.Id;
            if (_views.TryGetValue(versionId, out var known))
                return known;
            var source = usedVersionId is null ? own : await store.FindVersionAsync(usedVersionId, cancellationToken);
            return _views[versionId] = source is null ? null : await store.ViewAsync(source, cancellationToken: cancellationToken);
        }
    }
}
