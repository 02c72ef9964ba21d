using System.Text.Json;
using System.Text.Json.Nodes;
using Aura.Workflows.Activities;
using static Aura.Workflows.Definitions.DefinitionNodes;

namespace Aura.Workflows.Definitions;

/// <summary>
/// Between the stored document, which stays as it came, and the one that Studio reads: camelCase, with ids, node ids and flags, and with
/// placeholders for activities that no descriptor describes (a designer would show an empty canvas, and save that).
/// </summary>
internal static class DefinitionView
{
    internal const string Placeholder = "Elsa.NotFoundActivity";
    private static readonly string[] Lists = ["variables", "inputs", "outputs", "outcomes"];

    /// <param name="read">Null when the definition cannot be built; ids are then given by position.</param>
    /// <param name="editor">The editor that opens the document, whose mark it then carries; null for none.</param>
    public static JsonElement Of(WorkflowDefinition definition, ReadDefinition? read, ActivityRegistry registry, string? editor = null)
    {
        var document = JsonObject.Create(definition.Json)!;
        document.Rename();
        if (read is null)
            Number((JsonObject)document["root"]!, "Workflow1", registry, new(StringComparer.Ordinal));
        else
            Complete(document, read);
        document["id"] = definition.Id;
        document["definitionId"] = definition.DefinitionId;
        document["version"] = definition.Version;
        document["isLatest"] = definition.IsLatest;
        document["isPublished"] = definition.IsPublished;
        if (definition.CreatedAt != default)
            document["createdAt"] = definition.CreatedAt;
        if (!Version.TryParse(definition.ToolVersion, out _))
            document.Remove("toolVersion");
        document.Remove("links");
        foreach (var list in Lists)
            document[list] = ListOf(document[list], renamed: true);
        var custom = document["customProperties"] as JsonObject;
        if (custom is null)
            document["customProperties"] = custom = [];
        if (editor is not null)
            DraftMark.Put(custom, definition, editor);
        if (document["options"] is not JsonObject)
            document["options"] = new JsonObject();
        return JsonSerializer.SerializeToElement(document);
    }

    /// <summary>The document with every reference to a workflow naming the version that it was read with.</summary>
    public static string PointTo(JsonElement json, ReadDefinition read)
    {
        var document = JsonObject.Create(json)!;
        var changed = false;
        foreach (var (activity, path) in read.Paths)
        {
            if (activity is not WorkflowDefinitionActivity { Source: { } source } || At(document, path) is not { } node
                || node.TextOf("workflowDefinitionVersionId") == source.VersionId)
                continue;
            Point(node, source);
            changed = true;
        }

        return changed ? document.ToJsonString(Text) : json.GetRawText();
    }

    /// <summary>The activity with that node id in a view, its node ids moved below another place; null when the view does not hold it.</summary>
    /// <param name="below">The node id in whose place <c>Workflow1</c> stands in the view.</param>
    public static JsonObject? Activity(JsonElement view, string nodeId, string below)
    {
        var found = Search(JsonObject.Create(view)!["root"], nodeId);
        if (found is null)
            return null;
        Move(found, below);
        return (JsonObject)found.DeepClone();
    }

    private static JsonObject? Search(JsonNode? node, string nodeId) => node switch
    {
        JsonObject holder when holder["nodeId"].Value() == nodeId => holder,
        JsonObject holder => holder.Select(m => Search(m.Value, nodeId)).FirstOrDefault(f => f is not null),
        JsonArray items => items.Select(i => Search(i, nodeId)).FirstOrDefault(f => f is not null),
        _ => null,
    };

    private static void Move(JsonNode? node, string below)
    {
        if (node is JsonArray items)
        {
            foreach (var item in items)
                Move(item, below);
        }
        else if (node is JsonObject holder)
        {
            if (holder["nodeId"].Value() is { } nodeId && nodeId.StartsWith("Workflow1", StringComparison.Ordinal))
                holder["nodeId"] = below + nodeId["Workflow1".Length..];
            foreach (var member in holder.Select(m => m.Value).ToList())
                Move(member, below);
        }
    }

    private static void Complete(JsonObject document, ReadDefinition read)
    {
        // Found first and changed afterwards: the paths are those of the document as it stands. Children before what holds them,
        // because lists are copied.
        var nodes = read.Paths.Select(p => (Activity: p.Key, Path: p.Value, Node: At(document, p.Value)))
            .Where(p => p.Node is not null)
            .OrderByDescending(p => p.Path.Length)
            .ToList();
        foreach (var (activity, _, node) in nodes)
        {
            node!.Rename();
            node!["id"] = activity.Id;
            node["nodeId"] = read.Graph.NodeOf(activity).NodeId;
            if (activity is NotFoundActivity missing && missing.Type != Placeholder)
            {
                Replace(node, missing.MissingTypeName, missing.MissingTypeVersion, missing.OriginalActivityJson);
                continue;
            }

            node["version"] = activity.Version;
            if (activity is WorkflowDefinitionActivity { Source: { } source })
                Point(node, source);
            Tidy(node, activity is Flowchart);
        }
    }

    /// <summary>Everything that a designer takes for granted, in the form that it expects.</summary>
    private static void Tidy(JsonObject node, bool isFlowchart)
    {
        if (node["customProperties"] is not JsonObject)
            node["customProperties"] = new JsonObject();
        if (node["metadata"] is not JsonObject)
            node["metadata"] = new JsonObject();
        if (isFlowchart)
            node["connections"] = new JsonArray([.. ListOf(node["connections"]).Select(c => c?.DeepClone()).Select(Nest)]);
        if (isFlowchart || node["activities"] is not null)
            node["activities"] = ListOf(node["activities"]);
        if (node["variables"] is { } variables)
            node["variables"] = ListOf(variables, renamed: true);
        foreach (var value in node.Select(m => m.Value).OfType<JsonObject>().Where(v => v.Get("typeName") is not null || v.Get("expression") is not null).ToList())
            RenameInput(value);
    }

    private static void Point(JsonObject node, WorkflowActivitySource source)
    {
        node.Set("version", source.Version);
        node.Set("workflowDefinitionId", source.DefinitionId);
        node.Set("workflowDefinitionVersionId", source.VersionId);
        node.Set("latestAvailablePublishedVersion", source.Version);
        node.Set("latestAvailablePublishedVersionId", source.VersionId);
    }

    private static void Replace(JsonObject node, string type, int version, string? original)
    {
        var metadata = node["metadata"] as JsonObject;
        var custom = node["customProperties"] as JsonObject;
        var (id, nodeId, name) = (node["id"].Value(), node["nodeId"].Value(), node["name"].Value());
        node.Clear();
        node["id"] = id;
        node["nodeId"] = nodeId;
        node["name"] = name;
        node["type"] = Placeholder;
        node["version"] = 1;
        node["customProperties"] = custom ?? [];
        node["metadata"] = metadata ?? [];
        node["missingTypeName"] = type;
        node["missingTypeVersion"] = version;
        node["originalActivityJson"] = original;
    }

    /// <summary>
    /// Ids by position, for a document that cannot be read as a whole. What has no type, or one that no descriptor describes, is a
    /// placeholder here too.
    /// </summary>
    private static void Number(JsonObject activity, string parent, ActivityRegistry registry, HashSet<string> used)
    {
        var original = activity.ToJsonString(Text);
        activity.Rename();
        var type = activity["type"].Value() ?? "";
        var id = activity["id"].Value() is { Length: > 0 } given ? given : type[(type.LastIndexOf('.') + 1)..] + "1";
        var nodeId = $"{parent}:{id}";
        for (var n = 2; !used.Add(nodeId); n++)
            nodeId = $"{parent}:{id}_{n}";
        activity["id"] = nodeId[(parent.Length + 1)..];
        activity["nodeId"] = nodeId;
        var version = activity["version"] is JsonValue number && number.TryGetValue(out int stated) ? stated : 0;
        var descriptor = registry.Find(new WorkflowReference(
            type, version, activity["workflowDefinitionId"].Value(), activity["workflowDefinitionVersionId"].Value()));
        if (descriptor is null)
        {
            Replace(activity, type, version, original);
            return;
        }

        activity["version"] = descriptor.Version;
        foreach (var member in descriptor.Source is null ? descriptor.Members.Embedded : [])
        {
            foreach (var child in ChildrenIn(activity.Get(JsonNamingPolicy.CamelCase.ConvertName(member.Property.Name)), member))
                Number(child, nodeId, registry, used);
        }

        Tidy(activity, descriptor.ClrType == typeof(Flowchart));
        if (activity["activities"] is JsonArray list)
        {
            foreach (var stray in list.Where(i => i is not JsonObject).ToList())
                list.Remove(stray);
        }
    }

    private static IEnumerable<JsonObject> ChildrenIn(JsonNode? value, EmbeddedMember member) => member.Shape switch
    {
        EmbeddedShape.Single => value is JsonObject child ? [child] : [],
        EmbeddedShape.List => [.. (Unwrap(value) ?? []).OfType<JsonObject>()],
        _ => [.. (Unwrap(value) ?? []).OfType<JsonObject>().SelectMany(record =>
            member.Item!.Embedded.SelectMany(e => ChildrenIn(record.Get(JsonNamingPolicy.CamelCase.ConvertName(e.Property.Name)), e)))],
    };

    private static JsonNode? Nest(JsonNode? connection)
    {
        if (connection is not JsonObject flat || flat.Get("source") is not JsonValue)
            return connection;
        return new JsonObject
        {
            ["source"] = new JsonObject { ["activity"] = flat.TextOf("source"), ["port"] = flat.TextOf("sourcePort") ?? "Done" },
            ["target"] = new JsonObject { ["activity"] = flat.TextOf("target"), ["port"] = flat.TextOf("targetPort") ?? "In" },
            ["vertices"] = new JsonArray(),
        };
    }

    private static void RenameInput(JsonObject input)
    {
        input.Rename();
        foreach (var member in new[] { "expression", "memoryReference" })
        {
            if (input[member] is JsonObject inner)
                inner.Rename();
        }
    }
}
