using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Aura.Workflows.Definitions;

/// <summary>
/// Changing definition documents. The objects keep the case of their members, because a person's own dictionaries may hold names that
/// differ in nothing else; the members that the engine knows are looked up without case, as Elsa reads them.
/// </summary>
internal static class DefinitionNodes
{
    public static JsonSerializerOptions Text { get; } = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public static JsonNode? Get(this JsonObject node, string name)
    {
        if (node.TryGetPropertyValue(name, out var exact))
            return exact;
        foreach (var (key, value) in node)
        {
            if (key.Equals(name, StringComparison.OrdinalIgnoreCase))
                return value;
        }

        return null;
    }

    /// <summary>Puts a member in the place of the one with that name in whatever case.</summary>
    public static void Set(this JsonObject node, string name, JsonNode? value)
    {
        foreach (var key in node.Select(p => p.Key).Where(k => k != name && k.Equals(name, StringComparison.OrdinalIgnoreCase)).ToList())
            node.Remove(key);
        node[name] = value;
    }

    public static string? Value(this JsonNode? node) => node is JsonValue value && value.TryGetValue(out string? text) ? text : null;

    public static string? TextOf(this JsonNode? node, string name) => (node as JsonObject)?.Get(name).Value();

    /// <summary>Member names in camelCase, one level deep: names below may be a person's own.</summary>
    public static void Rename(this JsonObject node)
    {
        if (node.All(p => p.Key.Length == 0 || !char.IsUpper(p.Key[0])))
            return;
        var members = node.ToList();
        node.Clear();
        foreach (var (name, value) in members)
            node[JsonNamingPolicy.CamelCase.ConvertName(name)] = value;
    }

    /// <summary>The list itself, taken out of its holder and of a <c>$values</c> wrapper; empty for anything else.</summary>
    public static JsonArray ListOf(JsonNode? node, bool renamed = false)
    {
        var copy = (JsonArray?)Unwrap(node)?.DeepClone() ?? [];
        foreach (var item in renamed ? copy.OfType<JsonObject>() : [])
            item.Rename();
        return copy;
    }

    public static JsonArray? Unwrap(JsonNode? node) => node as JsonArray ?? (node as JsonObject)?.Get("$values") as JsonArray;

    /// <summary>The object at a path such as <c>root.activities[2]</c>.</summary>
    public static JsonObject? At(JsonNode? node, string path)
    {
        foreach (var step in path.Split('.'))
        {
            var open = step.IndexOf('[', StringComparison.Ordinal);
            node = (node as JsonObject)?.Get(open < 0 ? step : step[..open]);
            if (open < 0)
                continue;
            var index = int.Parse(step.AsSpan(open + 1, step.Length - open - 2), CultureInfo.InvariantCulture);
            node = Unwrap(node) is { } list && index < list.Count ? list[index] : null;
        }

        return node as JsonObject;
    }
}
