using System.Text.Json;

namespace Aura.Orchestra.Storage;

/// <summary>
/// Reads a JSON file that people write: comments and trailing commas are fine, repeated and unknown names are not, and all errors come
/// together, each with the file and the place in it.
/// </summary>
internal abstract class HandWrittenJson<T>(string file) where T : class
{
    private static readonly JsonDocumentOptions ForPeople = new()
    {
        AllowDuplicateProperties = false,
        CommentHandling = JsonCommentHandling.Skip,
        AllowTrailingCommas = true,
    };

    private readonly List<string> _errors = [];

    /// <summary>Null means that <paramref name="errors"/> says why.</summary>
    public T? Parse(string text, out IReadOnlyList<string> errors)
    {
        errors = _errors;
        try
        {
            using var document = JsonDocument.Parse(text, ForPeople);
            var value = Read(document.RootElement);
            return _errors.Count == 0 ? value : null;
        }
        catch (JsonException e)
        {
            _errors.Add($"{file}: not valid JSON: {e.Message}");
            return null;
        }
    }

    /// <summary>Reads the document; what is wrong goes to <see cref="Error"/>, and then the value does not count.</summary>
    protected abstract T Read(JsonElement root);

    protected void Error(string path, string problem) => _errors.Add($"{file}: {path} {problem}.");

    /// <param name="known">The names that it may have; none means any.</param>
    protected bool IsObject(JsonElement element, string path, params string[] known)
    {
        if (element.ValueKind != JsonValueKind.Object)
        {
            Error(path, $"must be an object, not {element.ValueKind.ToString().ToLowerInvariant()}");
            return false;
        }

        if (known.Length > 0)
        {
            foreach (var property in element.EnumerateObject().Where(p => !known.Contains(p.Name, StringComparer.Ordinal)))
                Error($"{path}.{property.Name}", $"is not known here; known: {string.Join(", ", known)}");
        }

        return true;
    }

    /// <summary>A member of an object; null when it is absent or wrong.</summary>
    protected string? Text(JsonElement json, string path, string name, bool mayBeEmpty = false)
    {
        if (!json.TryGetProperty(name, out var value))
            return null;
        if (value.ValueKind == JsonValueKind.String && (mayBeEmpty || !string.IsNullOrWhiteSpace(value.GetString())))
            return value.GetString();
        Error($"{path}.{name}", mayBeEmpty ? "must be a text" : "must be a text that is not empty");
        return null;
    }
}
