using System.Security.Cryptography;
using System.Text;
using System.Text.Json;

namespace Aura.Workflows.Definitions;

/// <summary>A definition that cannot be read or run. The message names the place.</summary>
public sealed class InvalidDefinitionException(string message, Exception? inner = null) : Exception(message, inner);

/// <summary>One version of a workflow definition. <see cref="Json"/> is the document as it came, unknown members included.</summary>
public sealed record WorkflowDefinition
{
    private DefinitionOptions? _options;

    /// <summary>The version's own id.</summary>
    public required string Id { get; init; }

    /// <summary>The logical id, the same for all versions.</summary>
    public required string DefinitionId { get; init; }

    public required int Version { get; init; }
    public string? Name { get; init; }
    public bool IsLatest { get; init; }
    public bool IsPublished { get; init; }
    public required JsonElement Json { get; init; }

    internal DefinitionOptions Options => _options ??= DefinitionOptions.Of(this);

    /// <summary>SHA-256 over the members that matter (all but ids, version and flags), independent of formatting.</summary>
    public string ContentHash => Hash(Json);

    /// <summary>Reads the identity of a definition document.</summary>
    /// <param name="json">An Elsa 3 workflow definition.</param>
    /// <param name="source">Where it comes from, for messages.</param>
    /// <exception cref="InvalidDefinitionException">Not JSON, or without root or definition id.</exception>
    public static WorkflowDefinition Parse(string json, string source)
    {
        JsonElement document;
        try
        {
            document = JsonSerializer.Deserialize<JsonElement>(json);
        }
        catch (JsonException e)
        {
            throw new InvalidDefinitionException($"{source} is not valid JSON: {e.Message}", e);
        }

        if (document.ValueKind != JsonValueKind.Object)
            throw new InvalidDefinitionException($"{source} must hold one JSON object.");
        if (document.Member("root") is not { ValueKind: JsonValueKind.Object })
            throw new InvalidDefinitionException($"{source} has no 'root' activity.");
        var definitionId = document.Text("definitionId") ?? document.Text("id")
            ?? throw new InvalidDefinitionException($"{source} has no 'definitionId'.");
        return new()
        {
            Id = document.Text("id") ?? definitionId,
            DefinitionId = definitionId,
            Name = document.Text("name"),
            Version = document.Member("version") is { ValueKind: JsonValueKind.Number } version ? version.GetInt32() : 1,
            IsLatest = document.Member("isLatest") is { ValueKind: JsonValueKind.True },
            IsPublished = document.Member("isPublished") is { ValueKind: JsonValueKind.True },
            Json = document,
        };
    }

    internal bool HasOutput(string name) =>
        Json.Member("outputs") is { ValueKind: JsonValueKind.Array } outputs && outputs.EnumerateArray().Any(o => o.Text("name") == name);

    private static string Hash(JsonElement json)
    {
        string[] ignored = ["id", "version", "createdAt", "isLatest", "isPublished", "toolVersion", "links", "$schema"];
        var members = json.EnumerateObject()
            .Where(p => !ignored.Contains(p.Name, StringComparer.OrdinalIgnoreCase))
            .OrderBy(p => p.Name, StringComparer.Ordinal)
            .ToDictionary(p => p.Name, p => p.Value);
        return Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(JsonSerializer.Serialize(members))));
    }
}

/// <summary>Members of JSON objects, matched without case as Elsa reads them.</summary>
internal static class JsonMembers
{
    public static JsonElement? Member(this JsonElement element, string name)
    {
        if (element.ValueKind != JsonValueKind.Object)
            return null;
        if (element.TryGetProperty(name, out var exact))
            return exact;
        foreach (var property in element.EnumerateObject())
        {
            if (property.Name.Equals(name, StringComparison.OrdinalIgnoreCase))
                return property.Value;
        }

        return null;
    }

    public static string? Text(this JsonElement element, string name) =>
        element.Member(name) is { ValueKind: JsonValueKind.String } value ? value.GetString() : null;

    /// <summary>The items of a list, also when a serialiser wrapped it in <c>$values</c>.</summary>
    public static IEnumerable<JsonElement> Items(this JsonElement? element) => element switch
    {
        { ValueKind: JsonValueKind.Array } list => list.EnumerateArray(),
        { ValueKind: JsonValueKind.Object } wrapped when wrapped.Member("$values") is { } values => ((JsonElement?)values).Items(),
        _ => [],
    };
}
