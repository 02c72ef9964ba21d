using System.Text.Json;

namespace Aura.Host.Api;

/// <summary>Reads the members of one JSON object by name and type; every complaint names the exact field.</summary>
internal sealed class FieldReader
{
    private readonly Dictionary<string, JsonElement> _members;
    private readonly string _path;
    private readonly FieldErrors _errors;

    /// <param name="known">All members the object may have; any other is refused, so that a typing error does not pass for a default.</param>
    public FieldReader(JsonElement element, string path, FieldErrors errors, params ReadOnlySpan<string> known)
    {
        (_path, _errors, _members) = (path, errors, []);
        foreach (var member in element.EnumerateObject())
        {
            _members[member.Name] = member.Value;
            if (!known.Contains(member.Name))
                errors.Add(Path(member.Name), $"is not known here. Known: {string.Join(", ", known.ToArray())}.");
        }
    }

    public string Path(string name) => _path.Length == 0 ? name : $"{_path}.{name}";

    /// <summary>The text; null when it is absent, JSON null, or refused.</summary>
    public string? Text(string name, int maxLength, bool required = false, bool multiline = false)
    {
        if (!TryGet(name, out var value))
        {
            if (required)
                _errors.Add(Path(name), "is missing.");
            return null;
        }

        if (value.ValueKind != JsonValueKind.String)
        {
            WrongType(name, "a string", value);
            return null;
        }

        var text = value.GetString()!;
        if (required && string.IsNullOrWhiteSpace(text))
            _errors.Add(Path(name), "must not be empty.");
        else if (text.Length > maxLength)
            _errors.Add(Path(name), $"has {text.Length} characters; at most {maxLength} are accepted.");
        else if (!multiline && text.Any(char.IsControl))
            _errors.Add(Path(name), "must be a single line without control characters.");
        else
            return text;
        return null;
    }

    public int? Integer(string name, int min, int max)
    {
        if (!TryGet(name, out var value))
            return null;
        if (value.ValueKind != JsonValueKind.Number)
            WrongType(name, "a number", value);
        else if (!value.TryGetInt32(out var number) || number < min || number > max)
            _errors.Add(Path(name), $"must be a whole number from {min} to {max}.");
        else
            return number;
        return null;
    }

    public bool? Boolean(string name)
    {
        if (!TryGet(name, out var value))
            return null;
        if (value.ValueKind is JsonValueKind.True or JsonValueKind.False)
            return value.GetBoolean();
        _errors.Add(Path(name), $"must be true or false, not {RequestBody.Kind(value)}.");
        return null;
    }

    /// <summary>Whether the member is there and not JSON null.</summary>
    public bool Has(string name) => TryGet(name, out _);

    /// <summary>The array's items; empty when absent or refused.</summary>
    /// <param name="ifEmpty">The complaint about an array without items; null when it may be one.</param>
    public IReadOnlyList<JsonElement> Array(string name, int maxItems, string? ifEmpty = null)
    {
        if (!TryGet(name, out var value))
            return [];
        if (value.ValueKind != JsonValueKind.Array)
            WrongType(name, "an array", value);
        else if (ifEmpty is not null && value.GetArrayLength() == 0)
            _errors.Add(Path(name), ifEmpty);
        else if (value.GetArrayLength() > maxItems)
            _errors.Add(Path(name), $"has {value.GetArrayLength()} items; at most {maxItems} are accepted.");
        else
            return [.. value.EnumerateArray()];
        return [];
    }

    /// <summary>The array of texts, each with its index; an item of another type is refused by its own path.</summary>
    public IEnumerable<(int Index, string Text)> Texts(string name, int maxItems, int maxLength, string? ifEmpty = null)
    {
        var items = Array(name, maxItems, ifEmpty);
        for (var i = 0; i < items.Count; i++)
        {
            var path = $"{Path(name)}[{i}]";
            if (items[i].ValueKind != JsonValueKind.String)
                _errors.Add(path, $"must be a string, not {RequestBody.Kind(items[i])}.");
            else if (items[i].GetString() is { Length: > 0 } text && text.Length <= maxLength)
                yield return (i, text);
            else
                _errors.Add(path, $"must have 1 to {maxLength} characters.");
        }
    }

    public JsonElement? Object(string name, bool required = false)
    {
        if (!TryGet(name, out var value))
        {
            if (required)
                _errors.Add(Path(name), "is missing.");
            return null;
        }

        if (value.ValueKind == JsonValueKind.Object)
            return value.Clone();
        WrongType(name, "an object", value);
        return null;
    }

    private bool TryGet(string name, out JsonElement value) =>
        _members.TryGetValue(name, out value) && value.ValueKind != JsonValueKind.Null;

    private void WrongType(string name, string expected, JsonElement value) =>
        _errors.Add(Path(name), $"must be {expected}, not {RequestBody.Kind(value)}.");
}
