using System.Collections.ObjectModel;
using System.Text.Json;
using Aura.Orchestra.Employees;

namespace Aura.Orchestra.Tools;

/// <summary>Codes of refusals that are made before a sandbox is asked.</summary>
public static class ToolCodes
{
    public const string UnknownTool = "unknown_tool";
    public const string InvalidArguments = "invalid_arguments";

    /// <summary>The regular expression cannot be used: broken, or of a kind that could run away.</summary>
    public const string InvalidPattern = "invalid_pattern";

    /// <summary>The work was handed in; nothing can be changed any more.</summary>
    public const string Submitted = "submitted";

    /// <summary>The jail or something else the tool needs is not there.</summary>
    public const string Unavailable = "unavailable";

    /// <summary>The answer was lost on its way: it may have been done or not.</summary>
    public const string OutcomeUnknown = "outcome_unknown";
}

/// <summary>Reads a tool's arguments by name, type and range. The first complaint stays; it says what to send instead.</summary>
internal sealed class ToolArguments
{
    private readonly string _tool;
    private readonly IReadOnlyDictionary<string, JsonElement> _arguments;

    /// <param name="arguments">Null when they were no JSON object.</param>
    public ToolArguments(ToolDefinition tool, IReadOnlyDictionary<string, JsonElement>? arguments)
    {
        (_tool, _arguments) = (tool.Name, arguments ?? None);
        if (arguments is null)
        {
            Complain("The arguments must be one JSON object.");
            return;
        }

        foreach (var name in arguments.Keys.Where(name => !tool.Arguments.Contains(name)))
        {
            var known = tool.Arguments.Count == 0 ? "It takes none." : $"Known: {string.Join(", ", tool.Arguments)}.";
            Complain($"There is no argument '{Shown(name)}'. {known}");
            break;
        }
    }

    public static IReadOnlyDictionary<string, JsonElement> None { get; } = ReadOnlyDictionary<string, JsonElement>.Empty;

    /// <summary>The members of a JSON object; null when it is none.</summary>
    public static IReadOnlyDictionary<string, JsonElement>? Of(JsonElement arguments)
    {
        if (arguments.ValueKind != JsonValueKind.Object)
            return null;
        var members = new Dictionary<string, JsonElement>(StringComparer.Ordinal);
        foreach (var member in arguments.EnumerateObject())
            members[member.Name] = member.Value;
        return members;
    }

    /// <summary>Null while every argument was right.</summary>
    public ToolResult? Problem { get; private set; }

    public string Text(string name, int maxLength, bool mayBeEmpty = false) => OptionalText(name, maxLength, mayBeEmpty) ?? Missing(name, "");

    /// <summary>Null when it is absent.</summary>
    public string? OptionalText(string name, int maxLength, bool mayBeEmpty = true)
    {
        if (Get(name) is not { } value)
            return null;
        if (value.ValueKind != JsonValueKind.String)
            return Complain($"'{name}' must be a string.", "");
        if (!TryText(value, out var text))
            return Complain($"'{name}' holds half of a surrogate pair, which no text may.", "");
        if (text.Length > maxLength)
            return Complain($"'{name}' has {text.Length} characters; at most {maxLength} are taken.", "");
        return mayBeEmpty || text.Length > 0 ? text : Complain($"'{name}' must not be empty.", "");
    }

    public int? Integer(string name, int min, int max)
    {
        if (Get(name) is not { } value)
            return null;
        if (value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out var number) && number >= min && number <= max)
            return number;
        Complain($"'{name}' must be a whole number from {min} to {max}.");
        return null;
    }

    public double? Number(string name, double min, double max)
    {
        if (Get(name) is not { } value)
            return null;
        if (value.ValueKind == JsonValueKind.Number && value.TryGetDouble(out var number) && number >= min && number <= max)
            return number;
        Complain(string.Create(System.Globalization.CultureInfo.InvariantCulture, $"'{name}' must be a number from {min} to {max}."));
        return null;
    }

    public bool Flag(string name)
    {
        if (Get(name) is not { } value)
            return false;
        if (value.ValueKind is not (JsonValueKind.True or JsonValueKind.False))
            Complain($"'{name}' must be true or false.");
        return value.ValueKind == JsonValueKind.True;
    }

    public IReadOnlyList<string> Texts(string name, int maxItems, int maxLength)
    {
        if (Get(name) is not { } value)
            return [];
        if (value.ValueKind != JsonValueKind.Array || value.GetArrayLength() > maxItems)
            return Complain<IReadOnlyList<string>>($"'{name}' must be an array of at most {maxItems} strings.", []);
        var texts = new List<string>();
        foreach (var item in value.EnumerateArray())
        {
            if (item.ValueKind != JsonValueKind.String || !TryText(item, out var text) || text.Length is 0 || text.Length > maxLength)
                return Complain<IReadOnlyList<string>>($"Each item of '{name}' must be a string of 1 to {maxLength} characters.", []);
            texts.Add(text);
        }

        return texts;
    }

    private static bool TryText(JsonElement value, out string text)
    {
        try
        {
            text = value.GetString()!;
            return true;
        }
        catch (InvalidOperationException)
        {
            text = "";
            return false;
        }
    }

    // Models write null for what they leave out.
    private JsonElement? Get(string name) =>
        _arguments.TryGetValue(name, out var value) && value.ValueKind != JsonValueKind.Null ? value : null;

    private T Missing<T>(string name, T instead) => Complain($"The argument '{name}' is missing.", instead);

    private void Complain(string complaint) => Complain(complaint, 0);

    private T Complain<T>(string complaint, T instead)
    {
        Problem ??= ToolResult.Refused(ToolCodes.InvalidArguments, $"{_tool}: {complaint}");
        return instead;
    }

    private static string Shown(string name) => name.Length > 80 ? name[..80] + "…" : name;
}
