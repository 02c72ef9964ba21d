using System.Globalization;
using System.Text.Json;
using Aura.Workflows.Expressions;

namespace Aura.Workflows.Definitions;

/// <summary>What happened to a part of a definition.</summary>
public enum ChangeKind
{
    Added,
    Removed,
    Changed,
}

/// <summary>One member of a part that changed.</summary>
/// <param name="Before">As a person would say it; null when the member was not there.</param>
/// <param name="After">Null when the member is gone.</param>
public sealed record MemberChange(string Member, string? Before, string? After);

/// <summary>One part of a definition that is not the same in both.</summary>
/// <param name="Part">activity, connection, variable, input, output or setting.</param>
/// <param name="Id">What tells it from others of its kind; of a connection <c>source:port → target</c>.</param>
/// <param name="Label">What a person calls it; null when it has only its id.</param>
/// <param name="Inside">The id of the container that holds it; null for parts of the workflow itself.</param>
public sealed record PartChange(ChangeKind Kind, string Part, string Id, string? Label, string? Inside, IReadOnlyList<MemberChange> Members);

/// <summary>The difference between two definitions as a person reads it: parts, not lines. Pure.</summary>
/// <param name="Moved">Activities whose place or size on the canvas changed, and nothing else of them counted here.</param>
/// <param name="Redrawn">Connections that are drawn along another way.</param>
public sealed record DefinitionDiff(IReadOnlyList<PartChange> Changes, IReadOnlyList<string> Moved, IReadOnlyList<string> Redrawn)
{
    public bool IsEmpty => Changes.Count == 0 && Moved.Count == 0 && Redrawn.Count == 0;

    /// <summary>True when the workflow does the same and is only drawn in another way.</summary>
    public bool IsLayoutOnly => Changes.Count == 0 && (Moved.Count > 0 || Redrawn.Count > 0);

    /// <summary>What one has to do to <paramref name="before"/> to get <paramref name="after"/>.</summary>
    public static DefinitionDiff Compare(WorkflowDefinition before, WorkflowDefinition after)
    {
        ArgumentNullException.ThrowIfNull(before);
        ArgumentNullException.ThrowIfNull(after);
        var (old, now) = (DefinitionParts.Of(before.Json), DefinitionParts.Of(after.Json));
        var changes = new List<PartChange>();
        foreach (var key in old.Parts.Keys.Union(now.Parts.Keys))
        {
            var (was, isNow) = (old.Parts.GetValueOrDefault(key), now.Parts.GetValueOrDefault(key));
            var members = MembersOf(was, isNow).ToList();
            var part = (isNow ?? was)!;
            var kind = was is null ? ChangeKind.Added : isNow is null ? ChangeKind.Removed : ChangeKind.Changed;
            if (kind != ChangeKind.Changed || members.Count > 0)
                changes.Add(new(kind, part.Name, part.Id, part.Label, part.Inside, members));
        }

        return new(
            changes,
            [.. now.Layout.Where(l => old.Layout.TryGetValue(l.Key, out var was) && was != l.Value).Select(l => l.Key)],
            [.. now.Ways.Where(w => old.Ways.TryGetValue(w.Key, out var was) && was != w.Value).Select(w => w.Key)]);
    }

    private static IEnumerable<MemberChange> MembersOf(DefinitionPart? before, DefinitionPart? after)
    {
        if (before is not null && after is not null && before.Inside != after.Inside)
            yield return new("inside", before.Inside, after.Inside);
        foreach (var name in (before?.Members.Keys ?? []).Union(after?.Members.Keys ?? []))
        {
            var (was, isNow) = (before?.Members.GetValueOrDefault(name), after?.Members.GetValueOrDefault(name));
            if (was != isNow)
                yield return new(name, was, isNow);
        }
    }
}

/// <summary>A part of a definition with its members in words.</summary>
internal sealed record DefinitionPart(string Name, string Id, string? Label, string? Inside, IReadOnlyDictionary<string, string> Members);

/// <summary>A definition taken apart: what runs, and apart from it how it is drawn.</summary>
internal sealed class DefinitionParts
{
    // Said elsewhere, given by the place, or of the version and not of the content.
    private static readonly string[] NoSettings =
    [
        "$schema", "id", "definitionId", "version", "createdAt", "isLatest", "isPublished", "toolVersion", "links", "root", "variables", "inputs", "outputs",
        "options", "customProperties",
    ];

    private static readonly string[] NoMembers = ["id", "nodeId", "metadata", "connections", "variables", "customProperties", "activities"];

    public Dictionary<string, DefinitionPart> Parts { get; } = new(StringComparer.Ordinal);

    /// <summary>Place and size by activity id.</summary>
    public Dictionary<string, string> Layout { get; } = new(StringComparer.Ordinal);

    /// <summary>Vertices by connection.</summary>
    public Dictionary<string, string> Ways { get; } = new(StringComparer.Ordinal);

    public static DefinitionParts Of(JsonElement document)
    {
        var parts = new DefinitionParts();
        foreach (var member in document.EnumerateObject().Where(m => !NoSettings.Contains(m.Name, StringComparer.OrdinalIgnoreCase)))
            parts.Setting(member.Name, member.Value);
        foreach (var group in new[] { "options", "customProperties" })
        {
            if (document.Member(group) is { ValueKind: JsonValueKind.Object } settings)
            {
                foreach (var member in settings.EnumerateObject())
                    parts.Setting($"{group}.{member.Name}", member.Value);
            }
        }

        parts.Declarations("variable", document.Member("variables").Items(), null);
        parts.Declarations("input", document.Member("inputs").Items(), null);
        parts.Declarations("output", document.Member("outputs").Items(), null);
        if (document.Member("root") is { ValueKind: JsonValueKind.Object } root)
            parts.Activity(root, null);
        return parts;
    }

    private void Setting(string name, JsonElement value)
    {
        if (ValueText.Of(value) is { } text)
            Add(new("setting", name, null, null, new Dictionary<string, string> { ["value"] = text }));
    }

    private void Declarations(string part, IEnumerable<JsonElement> items, string? inside)
    {
        foreach (var item in items.Where(i => i.ValueKind == JsonValueKind.Object))
        {
            // A variable keeps its id when it is renamed; inputs and outputs have names only.
            var id = (part == "variable" ? item.Text("id") : null) ?? item.Text("name") ?? "";
            Add(new(part, id, item.Text("name"), inside, MembersOf(item.EnumerateObject().Where(m => m.Name != "id"))));
        }
    }

    private void Activity(JsonElement activity, string? inside)
    {
        var id = activity.Text("id") ?? "";
        var metadata = activity.Member("metadata");
        var held = new List<JsonElement>();
        var members = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var member in activity.EnumerateObject().Where(m => !NoMembers.Contains(m.Name, StringComparer.OrdinalIgnoreCase)))
        {
            var found = Held(member.Value);
            held.AddRange(found);
            if ((found.Count == 0 ? ValueText.Of(member.Value) : Around(member.Value)) is { } text)
                members[member.Name] = text;
        }

        foreach (var group in new[] { activity.Member("customProperties"), metadata })
        {
            foreach (var member in group is { ValueKind: JsonValueKind.Object } given ? given.EnumerateObject() : [])
            {
                // Which of them are missing is written by each save of the designer, and follows from the rest.
                if (member.Name is not ("designer" or "notFoundConnections") && ValueText.Of(member.Value) is { } text && text != "False")
                    members[member.Name] = text;
            }
        }

        var children = activity.Member("activities").Items().Where(IsActivity).ToList();
        var connections = activity.Member("connections");
        if (children.Count > 1 && connections is null)
            members["order"] = string.Join(", ", children.Select(c => c.Text("id")));
        Add(new("activity", id, LabelOf(activity, metadata), inside, members));
        if (metadata?.Member("designer") is { } designer)
            Layout[id] = string.Join(' ', Numbers(designer));
        Declarations("variable", activity.Member("variables").Items(), id);
        foreach (var connection in connections.Items())
            Connect(connection, id);
        foreach (var child in children.Concat(held))
            Activity(child, id);
    }

    private void Connect(JsonElement connection, string inside)
    {
        // Older files write the ends flat.
        var (source, target) = (connection.Member("source"), connection.Member("target"));
        var from = source?.Text("activity") ?? connection.Text("source");
        var to = target?.Text("activity") ?? connection.Text("target");
        var port = source?.Text("port") ?? connection.Text("sourcePort") ?? "Done";
        var entry = target?.Text("port") ?? connection.Text("targetPort") ?? "In";
        var id = $"{from}:{port} → {to}{(entry == "In" ? "" : ":" + entry)}";
        Add(new("connection", id, null, inside, new Dictionary<string, string>()));
        Ways[id] = connection.Member("vertices") is { } vertices ? string.Join(' ', Numbers(vertices)) : "";
    }

    /// <summary>All numbers in it, in their order: 20 and 20.0 are one place.</summary>
    private static IEnumerable<string> Numbers(JsonElement drawn) => drawn.ValueKind switch
    {
        JsonValueKind.Number => [drawn.GetDouble().ToString("R", CultureInfo.InvariantCulture)],
        JsonValueKind.Array => drawn.EnumerateArray().SelectMany(Numbers),
        JsonValueKind.Object => drawn.EnumerateObject().OrderBy(m => m.Name, StringComparer.Ordinal).SelectMany(m => Numbers(m.Value)),
        _ => [],
    };

    private void Add(DefinitionPart part)
    {
        // Ids are unique in a workflow that can be published; a file that is still wrong must be shown all the same.
        var key = part.Name is "connection" ? $"{part.Name} {part.Inside} {part.Id}" : $"{part.Name} {part.Id}";
        for (var n = 2; !Parts.TryAdd(key, part); n++)
            key = $"{part.Name} {part.Id} #{n}";
    }

    private static string? LabelOf(JsonElement activity, JsonElement? metadata) =>
        metadata?.Text("displayText") is { Length: > 0 } shown ? shown : activity.Text("name") is { Length: > 0 } name ? name : activity.Text("type");

    private static Dictionary<string, string> MembersOf(IEnumerable<JsonProperty> members)
    {
        var texts = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var member in members)
        {
            if (ValueText.Of(member.Value) is { } text && text != "False")
                texts[member.Name] = text;
        }

        return texts;
    }

    private static bool IsActivity(JsonElement value) =>
        value.ValueKind == JsonValueKind.Object && value.Text("type") is not null && value.Text("id") is not null;

    /// <summary>What the records of a list say beside the activities that they hold, for example the conditions of a switch.</summary>
    private static string? Around(JsonElement value)
    {
        if (value.ValueKind != JsonValueKind.Array)
            return null;
        var records = value.EnumerateArray().Where(i => !IsActivity(i)).Select(record => string.Join(", ", record.EnumerateObject()
            .Where(m => !IsActivity(m.Value)).Select(m => (m.Name, Text: ValueText.Of(m.Value))).Where(m => m.Text is not null).Select(m => $"{m.Name} {m.Text}")));
        return string.Join("; ", records) is { Length: > 0 } text ? text : null;
    }

    /// <summary>The activities in a port's member: one, a list, or one in each record of a list.</summary>
    private static List<JsonElement> Held(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Object when IsActivity(value) => [value],
        JsonValueKind.Array => [.. value.EnumerateArray().SelectMany(item => IsActivity(item) ? [item]
            : item.ValueKind == JsonValueKind.Object ? item.EnumerateObject().Select(m => m.Value).Where(IsActivity) : [])],
        _ => [],
    };
}

/// <summary>A value of a definition in words.</summary>
internal static class ValueText
{
    private static readonly JsonSerializerOptions Plain = new() { Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <returns>Null for what means the same as nothing: null, an empty text, list or object.</returns>
    public static string? Of(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Null or JsonValueKind.Undefined => null,
        JsonValueKind.String => value.GetString() is { Length: > 0 } text ? text : null,
        JsonValueKind.True => "True",
        JsonValueKind.False => "False",
        JsonValueKind.Array when value.GetArrayLength() == 0 => null,
        JsonValueKind.Object when value.Member("expression") is { ValueKind: JsonValueKind.Object } expression => OfExpression(expression),
        JsonValueKind.Object when value.Member("memoryReference") is { ValueKind: JsonValueKind.Object } target => "→ " + target.Text("id"),
        JsonValueKind.Object when !value.EnumerateObject().Any() => null,
        _ => JsonSerializer.Serialize(value, Plain),
    };

    private static string? OfExpression(JsonElement expression)
    {
        var type = expression.Text("type");
        var value = expression.Member("value");
        return type switch
        {
            "Literal" or "Object" => value is { } given ? Of(given) : null,
            "Variable" or "Input" => $"{type} {NameOf(value)}",
            _ => $"{type}: {(value is { } script ? Of(script) : null)}",
        };
    }

    private static string? NameOf(JsonElement? value) => value is { } given && NamedReference.Of(given) is { } reference
        ? reference.Name ?? reference.Id
        : value is { ValueKind: JsonValueKind.String } text ? text.GetString() : null;
}
