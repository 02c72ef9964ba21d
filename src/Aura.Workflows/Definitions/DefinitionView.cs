using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using Aura.Workflows.Activities;

namespace Aura.Workflows.Definitions;

/// <summary>
/// Between the stored document, which stays as it came, and the one that Studio reads: camelCase, with ids, node ids and flags, and with
/// placeholders for activities that no descriptor describes (a designer would drop them).
/// </summary>
internal static class DefinitionView
{
    private const string Placeholder = "Elsa.NotFoundActivity";
    private static readonly JsonNodeOptions AnyCase = new() { PropertyNameCaseInsensitive = true };
    private static readonly JsonSerializerOptions Text = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };
    private static readonly JsonSerializerOptions Indented = new(Text) { WriteIndented = true };
    private static readonly string[] Lists = ["variables", "inputs", "outputs", "outcomes"];

    /// <param name="read">Null when the definition cannot be built; ids are then given by position.</param>
    public static JsonElement Of(WorkflowDefinition definition, ReadDefinition? read, ActivityRegistry registry)
    {
        var document = JsonObject.Create(definition.Json, AnyCase)!;
        if (read is null)
            Number((JsonObject)document["root"]!, "Workflow1", registry);
        else
            Complete(document, read);
        Rename(document);
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
        document["customProperties"] ??= new JsonObject();
        document["options"] ??= new JsonObject();
        return JsonSerializer.SerializeToElement(document);
    }

    /// <summary>The document to store: placeholders are the activities again that they stand for. What needs no change keeps its text.</summary>
    /// <exception cref="InvalidDefinitionException">Not an object.</exception>
    public static WorkflowDefinition ToStored(JsonElement model)
    {
        if (model.ValueKind != JsonValueKind.Object)
            throw new InvalidDefinitionException("A workflow definition must be one JSON object.");
        var text = model.GetRawText();
        var lacksId = string.IsNullOrWhiteSpace(model.Text("definitionId"));
        var lacksRoot = model.Member("root") is not { ValueKind: JsonValueKind.Object };
        if (!lacksId && !lacksRoot && !text.Contains(Placeholder, StringComparison.Ordinal))
            return WithOwnId(WorkflowDefinition.Parse(text, "The definition"));

        var document = JsonObject.Create(model, AnyCase)!;
        if (lacksId)
            document["definitionId"] = WorkflowExecutionContext.NewId();
        if (lacksRoot)
            document["root"] = new JsonObject { ["id"] = "Sequence1", ["type"] = "Elsa.Sequence", ["version"] = 1, ["activities"] = new JsonArray() };
        Restore(document);
        return WithOwnId(WorkflowDefinition.Parse(document.ToJsonString(Text), "The definition"));
    }

    /// <summary>The document with every reference to a workflow naming the version that it was read with.</summary>
    public static string PointTo(JsonElement json, ReadDefinition read)
    {
        var document = JsonObject.Create(json, AnyCase)!;
        var changed = false;
        foreach (var (activity, path) in read.Paths)
        {
            if (activity is not WorkflowDefinitionActivity { Source: { } source } || At(document, path) is not { } node
                || Value(node["workflowDefinitionVersionId"]) == source.VersionId)
                continue;
            Point(node, source);
            changed = true;
        }

        return changed ? document.ToJsonString(Text) : json.GetRawText();
    }

    /// <summary>The document as a file: as it is stored, with the identity of the version.</summary>
    public static string Export(WorkflowDefinition definition)
    {
        var stored = JsonObject.Create(definition.Json, AnyCase)!;
        var file = new JsonObject(AnyCase)
        {
            ["$schema"] = "https://elsaworkflows.io/schemas/workflow-definition/v3.0.0/schema.json",
            ["id"] = definition.Id,
            ["definitionId"] = definition.DefinitionId,
        };
        foreach (var (name, value) in stored.Where(m => !file.ContainsKey(m.Key) && !m.Key.Equals("links", StringComparison.OrdinalIgnoreCase)))
            file[name] = value?.DeepClone();
        file["version"] = definition.Version;
        file["isLatest"] = definition.IsLatest;
        file["isPublished"] = definition.IsPublished;
        return file.ToJsonString(Indented);
    }

    /// <summary>The activity with that node id in a view, its node ids moved below another place; null when the view does not hold it.</summary>
    /// <param name="below">The node id in whose place <c>Workflow1</c> stands in the view.</param>
    public static JsonElement? Activity(JsonElement view, string nodeId, string below)
    {
        var found = Search(JsonObject.Create(view)!["root"], nodeId);
        if (found is null)
            return null;
        Move(found, below);
        return JsonSerializer.SerializeToElement(found);
    }

    private static JsonObject? Search(JsonNode? node, string nodeId) => node switch
    {
        JsonObject holder when Value(holder["nodeId"]) == nodeId => holder,
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
            if (Value(holder["nodeId"]) is { } nodeId && nodeId.StartsWith("Workflow1", StringComparison.Ordinal))
                holder["nodeId"] = below + nodeId["Workflow1".Length..];
            foreach (var member in holder.Select(m => m.Value).ToList())
                Move(member, below);
        }
    }

    /// <summary>A definition without a version id of its own gets a fresh one.</summary>
    private static WorkflowDefinition WithOwnId(WorkflowDefinition definition) =>
        string.IsNullOrWhiteSpace(definition.Json.Text("id")) ? definition with { Id = WorkflowExecutionContext.NewId() } : definition;

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
            Rename(node!);
            node!["id"] = activity.Id;
            node["nodeId"] = read.Graph.NodeOf(activity).NodeId;
            if (activity is NotFoundActivity missing && missing.Type != Placeholder)
            {
                Replace(node, missing);
                continue;
            }

            node["version"] = activity.Version;
            if (activity is WorkflowDefinitionActivity { Source: { } source })
                Point(node, source);
            node["customProperties"] ??= new JsonObject();
            node["metadata"] ??= new JsonObject();
            if (activity is Flowchart)
                node["connections"] = new JsonArray([.. ListOf(node["connections"]).Select(c => c?.DeepClone()).Select(Nest)]);
            if (node["activities"] is { } activities)
                node["activities"] = ListOf(activities);
            if (node["variables"] is { } variables)
                node["variables"] = ListOf(variables, renamed: true);
            foreach (var value in node.Select(m => m.Value).OfType<JsonObject>().Where(v => v["typeName"] is not null || v["expression"] is not null).ToList())
                RenameInput(value);
        }
    }

    private static void Point(JsonObject node, WorkflowActivitySource source)
    {
        node["version"] = source.Version;
        node["workflowDefinitionId"] = source.DefinitionId;
        node["workflowDefinitionVersionId"] = source.VersionId;
        node["latestAvailablePublishedVersion"] = source.Version;
        node["latestAvailablePublishedVersionId"] = source.VersionId;
    }

    private static void Replace(JsonObject node, NotFoundActivity missing)
    {
        var metadata = node["metadata"]?.DeepClone() ?? new JsonObject();
        var (id, nodeId, name) = (Value(node["id"]), Value(node["nodeId"]), Value(node["name"]));
        node.Clear();
        node["id"] = id;
        node["nodeId"] = nodeId;
        node["name"] = name;
        node["type"] = Placeholder;
        node["version"] = 1;
        node["customProperties"] = new JsonObject();
        node["metadata"] = metadata;
        node["missingTypeName"] = missing.MissingTypeName;
        node["missingTypeVersion"] = missing.MissingTypeVersion;
        node["originalActivityJson"] = missing.OriginalActivityJson;
    }

    /// <summary>Puts the originals back, with the place on the canvas and the id that the placeholder has now.</summary>
    private static void Restore(JsonNode? node)
    {
        switch (node)
        {
            case JsonObject { } placeholder when Value(placeholder["type"]) == Placeholder && Value(placeholder["originalActivityJson"]) is { } original:
                var restored = JsonNode.Parse(original, AnyCase) as JsonObject ?? new JsonObject();
                if (placeholder["metadata"] is JsonObject { Count: > 0 } metadata)
                    restored["metadata"] = metadata.DeepClone();
                // An activity without an id keeps none as long as the one it was given by its position is unchanged in use.
                restored["id"] = Value(placeholder["id"]);
                placeholder.ReplaceWith(restored);
                break;
            case JsonObject holder:
                foreach (var child in holder.Select(p => p.Value).ToList())
                    Restore(child);
                break;
            case JsonArray items:
                foreach (var item in items.ToList())
                    Restore(item);
                break;
        }
    }

    /// <summary>Ids by position, for a document that cannot be read as a whole.</summary>
    private static void Number(JsonObject activity, string parent, ActivityRegistry registry)
    {
        Rename(activity);
        var type = Value(activity["type"]) ?? "";
        activity["id"] = Value(activity["id"]) is { Length: > 0 } id ? id : $"{type[(type.LastIndexOf('.') + 1)..]}{activity.GetPath().Length}";
        activity["nodeId"] = $"{parent}:{Value(activity["id"])}";
        var embedded = registry.Find(type)?.Members.Embedded.Select(e => JsonNamingPolicy.CamelCase.ConvertName(e.Property.Name)) ?? [];
        foreach (var member in embedded)
        {
            var children = activity[member] is JsonArray or JsonObject ? activity[member] is JsonArray list ? list.ToList() : [activity[member]] : [];
            foreach (var child in children.OfType<JsonObject>().Where(c => Value(c["type"]) is not null))
                Number(child, Value(activity["nodeId"])!, registry);
        }
    }

    private static JsonNode? Nest(JsonNode? connection)
    {
        if (connection is not JsonObject flat || flat["source"] is not JsonValue)
            return connection;
        return new JsonObject
        {
            ["source"] = new JsonObject { ["activity"] = Value(flat["source"]), ["port"] = Value(flat["sourcePort"]) ?? "Done" },
            ["target"] = new JsonObject { ["activity"] = Value(flat["target"]), ["port"] = Value(flat["targetPort"]) ?? "In" },
            ["vertices"] = new JsonArray(),
        };
    }

    /// <summary>The list itself, taken out of its holder and of a <c>$values</c> wrapper; empty for anything else.</summary>
    private static JsonArray ListOf(JsonNode? node, bool renamed = false)
    {
        var list = node as JsonArray ?? (node as JsonObject)?["$values"] as JsonArray;
        var copy = (JsonArray?)list?.DeepClone() ?? [];
        foreach (var item in renamed ? copy.OfType<JsonObject>() : [])
            Rename(item);
        return copy;
    }

    private static void RenameInput(JsonObject input)
    {
        Rename(input);
        foreach (var member in new[] { "expression", "memoryReference" })
        {
            if (input[member] is JsonObject inner)
                Rename(inner);
        }
    }

    /// <summary>Member names in camelCase, one level deep: names below may be a person's own.</summary>
    private static void Rename(JsonObject node)
    {
        if (node.All(p => !char.IsUpper(p.Key[0])))
            return;
        var members = node.ToList();
        node.Clear();
        foreach (var (name, value) in members)
            node[JsonNamingPolicy.CamelCase.ConvertName(name)] = value;
    }

    private static JsonObject? At(JsonNode? node, string path)
    {
        foreach (var step in path.Split('.'))
        {
            var open = step.IndexOf('[', StringComparison.Ordinal);
            node = (node as JsonObject)?[open < 0 ? step : step[..open]];
            if (open < 0)
                continue;
            var list = node as JsonArray ?? (node as JsonObject)?["$values"] as JsonArray;
            node = list?[int.Parse(step.AsSpan(open + 1, step.Length - open - 2), System.Globalization.CultureInfo.InvariantCulture)];
        }

        return node as JsonObject;
    }

    private static string? Value(JsonNode? node) => node is JsonValue value && value.TryGetValue(out string? text) ? text : null;
}
