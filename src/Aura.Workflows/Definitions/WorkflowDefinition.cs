using System.Security.Cryptography;
using System.Text;
using System.Text.Json;

namespace Aura.Workflows.Definitions;

/// <summary>A definition that cannot be read or run. The message names the place.</summary>
public sealed class InvalidDefinitionException(string message, Exception? inner = null) : Exception(message, inner)
{
    /// <summary>One of <see cref="ValidationCodes"/>.</summary>
    internal string Code { get; init; } = ValidationCodes.Unreadable;

    /// <summary>The activity that is meant, when it is known.</summary>
    internal string? ActivityId { get; init; }
}

/// <summary>One version of a workflow definition. <see cref="Json"/> is the document as it came, unknown members included.</summary>
public sealed record WorkflowDefinition
{
    // Of the document, and of no other that takes its place.
    private DefinitionOptions? _options;
    private string? _contentHash;

    /// <summary>The version's own id.</summary>
    public required string Id { get; init; }

    /// <summary>The logical id, the same for all versions.</summary>
    public required string DefinitionId { get; init; }

    public required int Version { get; init; }
    public string? Name { get; init; }
    public bool IsLatest { get; init; }
    public bool IsPublished { get; init; }

    /// <summary>True when this version was ever published: then its document never changes.</summary>
    public bool WasPublished { get; init; }

    /// <summary>When this version was stored; default when it was not.</summary>
    public DateTimeOffset CreatedAt { get; init; }

    /// <summary>Tells this state of the document from every other that any definition ever had; 0 when it was not stored.</summary>
    public long Revision { get; init; }

    /// <summary>Who stored the document last; null when the host did.</summary>
    public string? SavedBy { get; init; }

    public DateTimeOffset SavedAt { get; init; }

    /// <summary>Who published this version first; null when the host did, or nobody.</summary>
    public string? PublishedBy { get; init; }

    public DateTimeOffset? PublishedAt { get; init; }

    public required JsonElement Json
    {
        get;
        init => (field, _options, _contentHash) = (value, null, null);
    }

    public string? Description => Json.Text("description");

    public string? ToolVersion => Json.Text("toolVersion");

    /// <summary>Such a definition cannot be changed, published, retracted or deleted through the store.</summary>
    public bool IsReadonly => Json.Flag("isReadonly");

    public bool IsSystem => Json.Flag("isSystem");

    /// <summary>The declared inputs.</summary>
    public IReadOnlyList<WorkflowArgument> Inputs => [.. Json.Member("inputs").Items().Select(WorkflowArgument.Read).OfType<WorkflowArgument>()];

    /// <summary>The declared outputs.</summary>
    public IReadOnlyList<WorkflowArgument> Outputs => [.. Json.Member("outputs").Items().Select(WorkflowArgument.Read).OfType<WorkflowArgument>()];

    /// <summary>True when other workflows may use it as an activity; old files say so beside <c>options</c>.</summary>
    public bool UsableAsActivity => Json.Member("options")?.Member("usableAsActivity") is { ValueKind: JsonValueKind.True or JsonValueKind.False } option
        ? option.ValueKind == JsonValueKind.True
        : Json.Flag("usableAsActivity");

    /// <summary>True when publishing it moves the workflows that use it to the new version.</summary>
    public bool AutoUpdateConsumingWorkflows => Json.Member("options")?.Flag("autoUpdateConsumingWorkflows") ?? false;

    /// <summary>The versions of used workflows that it was published with, by reference key; empty for drafts.</summary>
    internal IReadOnlyDictionary<string, string> References { get; init; } = new Dictionary<string, string>();

    /// <summary>The open editor that saved last, the revision that it was opened on, and hashes of what it stored since.</summary>
    internal (string Id, long Base, string[] Hashes)? Editor { get; init; }

    internal DefinitionOptions Options => _options ??= DefinitionOptions.Of(this);

    /// <summary>SHA-256 over the members that matter (all but ids, version and flags), independent of formatting.</summary>
    public string ContentHash => _contentHash ??= Hash(Json);

    /// <summary>Reads the identity of a definition document.</summary>
    /// <param name="json">An Elsa 3 workflow definition.</param>
    /// <param name="source">Where it comes from, for messages.</param>
    /// <exception cref="InvalidDefinitionException">Not JSON, or without root or definition id.</exception>
    public static WorkflowDefinition Parse(string json, string source)
    {
        try
        {
            return Parse(JsonSerializer.Deserialize<JsonElement>(json), source);
        }
        catch (JsonException e)
        {
            throw new InvalidDefinitionException($"{source} is not valid JSON: {e.Message}", e);
        }
    }

    /// <inheritdoc cref="Parse(string, string)"/>
    public static WorkflowDefinition Parse(JsonElement document, string source)
    {
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
            Version = Math.Max(1, document.Number("version") ?? 1),
            IsLatest = document.Flag("isLatest"),
            IsPublished = document.Flag("isPublished"),
            Json = document,
        };
    }

    internal bool HasOutput(string name) => Json.Member("outputs").Items().Any(o => o.Text("name") == name);

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

    public static bool Flag(this JsonElement element, string name) => element.Member(name) is { ValueKind: JsonValueKind.True };

    public static int? Number(this JsonElement element, string name) =>
        element.Member(name) is { ValueKind: JsonValueKind.Number } value && value.TryGetInt32(out var number) ? number : null;

    /// <summary>The items of a list, also when a serialiser wrapped it in <c>$values</c>.</summary>
    public static IEnumerable<JsonElement> Items(this JsonElement? element) => element switch
    {
        { ValueKind: JsonValueKind.Array } list => list.EnumerateArray(),
        { ValueKind: JsonValueKind.Object } wrapped when wrapped.Member("$values") is { } values => ((JsonElement?)values).Items(),
        _ => [],
    };
}
