using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using static Aura.Workflows.Definitions.DefinitionNodes;

namespace Aura.Workflows.Definitions;

/// <summary>From a document that somebody hands in to the one that is stored. Pure.</summary>
internal static class DefinitionIntake
{
    /// <summary>Deeper documents could not be written with what is added around them.</summary>
    public const int MaxDepth = 56;

    /// <summary>The members of a definition that Studio knows: those that it leaves out are meant to go.</summary>
    private static readonly string[] KnownMembers =
    [
        "id", "definitionId", "name", "description", "createdAt", "version", "variables", "inputs", "outputs", "outcomes", "customProperties",
        "isLatest", "isPublished", "options", "root", "links",
    ];

    /// <summary>What differs between two documents without making them two.</summary>
    private static readonly string[] Bookkeeping = ["id", "version", "createdAt", "isLatest", "isPublished", "isReadonly", "toolVersion", "links", "$schema"];

    /// <summary>
    /// The document to store: placeholders are the activities again that they stand for, the mark of an editor and what Studio loaded of
    /// used workflows are gone. What needs no change keeps its text.
    /// </summary>
    /// <param name="definitionId">For a document without one.</param>
    /// <exception cref="InvalidDefinitionException">Not a definition, or nested too deep.</exception>
    public static WorkflowDefinition ToStored(JsonElement model, ActivityRegistry registry, string definitionId)
    {
        RequireObject(model);
        var text = model.GetRawText();
        var lacksId = string.IsNullOrWhiteSpace(model.Text("definitionId"));
        var lacksRoot = LacksRoot(model);
        if (lacksId || lacksRoot || DraftMark.IsIn(model) || text.Contains(DefinitionView.Placeholder, StringComparison.Ordinal)
            || text.Contains("workflowDefinition", StringComparison.OrdinalIgnoreCase))
        {
            var document = JsonObject.Create(model)!;
            if (lacksId)
                document.Set("definitionId", definitionId);
            if (lacksRoot)
                document.Set("root", new JsonObject { ["id"] = "Sequence1", ["type"] = "Elsa.Sequence", ["version"] = 1, ["activities"] = new JsonArray() });
            if (document.Get("customProperties") is JsonObject custom)
                DraftMark.Remove(custom);
            if (Restore(document.Get("root")!, registry) || lacksId || lacksRoot || DraftMark.IsIn(model))
                text = document.ToJsonString(Text);
        }

        var definition = WorkflowDefinition.Parse(Read(text), "The definition");
        return string.IsNullOrWhiteSpace(definition.Json.Text("id")) ? definition with { Id = WorkflowExecutionContext.NewId() } : definition;
    }

    /// <summary>What an editor gave back, with the members that it does not know as they are stored.</summary>
    public static WorkflowDefinition Carry(WorkflowDefinition given, WorkflowDefinition stored)
    {
        var document = JsonObject.Create(given.Json)!;
        document.Rename();
        // Studio always says false.
        document.Remove("isReadonly");
        foreach (var (name, value) in JsonObject.Create(stored.Json)!)
        {
            var key = JsonNamingPolicy.CamelCase.ConvertName(name);
            if (!KnownMembers.Contains(key, StringComparer.Ordinal) && document[key] is null)
                document[key] = value?.DeepClone();
            else if (key == "options" && value is JsonObject options && document[key] is JsonObject edited)
                CarryOptions(options, edited);
        }

        return WorkflowDefinition.Parse(document.ToJsonString(Text), "The definition") with { Id = given.Id };
    }

    /// <summary>True when two documents differ only in order, in empty members and in what the store keeps itself.</summary>
    public static bool Same(WorkflowDefinition one, WorkflowDefinition other) => JsonElement.DeepEquals(Essence(one.Json), Essence(other.Json));

    public static bool LacksRoot(JsonElement model) => model.Member("root") is not { ValueKind: JsonValueKind.Object };

    /// <summary>
    /// The same id each time that a person sends the same new document: a client that got no answer sends it again. Null when the document
    /// may be meant as another each time, because its root has no id of its own as Studio gives one.
    /// </summary>
    public static string? IdOfNew(JsonElement model, string? actor, bool isFile)
    {
        RequireObject(model);
        if (!string.IsNullOrWhiteSpace(model.Text("definitionId")) || (!isFile && model.Member("root")?.Text("id") is not { Length: >= 8 }))
            return null;
        var hash = SHA256.HashData(Encoding.UTF8.GetBytes($"{actor}\n{model.GetRawText()}"));
        return Convert.ToHexStringLower(hash.AsSpan(0, 8));
    }

    private static void RequireObject(JsonElement model)
    {
        if (model.ValueKind != JsonValueKind.Object)
            throw new InvalidDefinitionException("A workflow definition must be one JSON object.");
        if (model.Text("definitionId") is { } id && !IsUsable(id))
            throw new InvalidDefinitionException($"The 'definitionId' must have at most 200 characters and none of / \\ ? # % or control characters, because it is part of addresses; it is '{id}'.");
        if (model.Text("id") is { } versionId && !IsUsable(versionId))
            throw new InvalidDefinitionException($"The 'id' must have at most 200 characters and none of / \\ ? # % or control characters, because it is part of addresses; it is '{versionId}'.");
    }

    private static bool IsUsable(string id) => id.Length <= 200 && !id.Any(c => char.IsControl(c) || c is '/' or '\\' or '?' or '#' or '%') && id.Trim().Length == id.Length;

    private static JsonElement Read(string text)
    {
        try
        {
            return JsonElement.Parse(text, new JsonDocumentOptions { MaxDepth = MaxDepth });
        }
        catch (JsonException e)
        {
            throw new InvalidDefinitionException($"The definition is nested deeper than {MaxDepth} levels, or is not JSON: {e.Message}", e);
        }
    }

    private static void CarryOptions(JsonObject stored, JsonObject edited)
    {
        string[] known = ["activationStrategyType", "usableAsActivity", "autoUpdateConsumingWorkflows", "activityCategory", "incidentStrategyType", "commitStrategyName"];
        foreach (var (name, value) in stored.Where(o => !known.Contains(o.Key, StringComparer.OrdinalIgnoreCase) && edited.Get(o.Key) is null))
            edited[name] = value?.DeepClone();
    }

    /// <summary>
    /// Puts the originals back, with what a person changed on the placeholder: its place, its texts, its id and its name. Takes out the
    /// inside of used workflows, which Studio loads to show it.
    /// </summary>
    /// <returns>False when there was nothing to do.</returns>
    private static bool Restore(JsonNode? node, ActivityRegistry registry)
    {
        switch (node)
        {
            case JsonObject placeholder when placeholder.TextOf("type") == DefinitionView.Placeholder && placeholder.TextOf("originalActivityJson") is { } original:
                placeholder.ReplaceWith(Original(placeholder, original));
                return true;
            case JsonObject holder:
                var changed = false;
                if (holder.Get("root") is JsonObject && holder.TextOf("type") is { } type && holder.Get("activities") is null
                    && registry.Find(new WorkflowReference(type, 0, holder.TextOf("workflowDefinitionId"), holder.TextOf("workflowDefinitionVersionId"))) is { Source: not null })
                {
                    holder.Remove("root");
                    changed = true;
                }

                foreach (var child in holder.Select(p => p.Value).ToList())
                    changed |= Restore(child, registry);
                return changed;
            case JsonArray items:
                var any = false;
                foreach (var item in items.ToList())
                    any |= Restore(item, registry);
                return any;
            default:
                return false;
        }
    }

    private static JsonObject Original(JsonObject placeholder, string text)
    {
        JsonObject? original;
        try
        {
            original = JsonNode.Parse(text) as JsonObject;
        }
        catch (JsonException e)
        {
            throw new InvalidDefinitionException($"The original of the activity '{placeholder.TextOf("id")}' is not JSON: {e.Message}", e);
        }

        if (original is null)
            throw new InvalidDefinitionException($"The original of the activity '{placeholder.TextOf("id")}' is not an activity.");
        // Only what differs: an original that nobody touched comes back as it was.
        if (placeholder.TextOf("id") is { Length: > 0 } id && original.TextOf("id") != id)
            original.Set("id", id);
        if (placeholder.TextOf("name") is { Length: > 0 } name && original.TextOf("name") != name)
            original.Set("name", name);
        foreach (var member in new[] { "metadata", "customProperties" })
        {
            if (placeholder.Get(member) is JsonObject { Count: > 0 } edited && !JsonNode.DeepEquals(edited, original.Get(member)))
                original.Set(member, edited.DeepClone());
        }

        return original;
    }

    private static JsonElement Essence(JsonElement json)
    {
        var document = JsonObject.Create(json)!;
        document.Rename();
        foreach (var name in Bookkeeping)
            document.Remove(name);
        foreach (var variable in (Unwrap(document["variables"]) ?? []).OfType<JsonObject>())
        {
            // Studio gives every value back as text.
            if (variable.Get("value") is { } value)
                variable.Set("value", value.Value() ?? value.ToJsonString());
        }

        Prune(document);
        return JsonSerializer.SerializeToElement(document);
    }

    private static void Prune(JsonNode? node)
    {
        if (node is JsonArray items)
        {
            foreach (var item in items)
                Prune(item);
        }
        else if (node is JsonObject holder)
        {
            foreach (var (name, value) in holder.ToList())
            {
                Prune(value);
                if (value is null or JsonArray { Count: 0 } or JsonObject { Count: 0 })
                    holder.Remove(name);
            }
        }
    }
}
