using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Aura.Host.Api;

namespace Aura.Host.Elsa;

/// <summary>
/// Reads the members of a request, from its body or its query alike: names without case, lists repeated or as arrays, booleans and numbers
/// also as texts, as Elsa's own server takes them. What cannot be read is named; unknown members are left alone.
/// </summary>
internal sealed class ElsaRequest
{
    private const int MaxBytes = 1 << 20;
    private const int MaxItems = 10_000;
    private readonly Dictionary<string, JsonElement> _members;
    private readonly List<string> _errors;
    private readonly string _path;

    private ElsaRequest(JsonElement root, string path, List<string> errors)
    {
        (_path, _errors) = (path, errors);
        _members = new(StringComparer.OrdinalIgnoreCase);
        foreach (var member in root.EnumerateObject())
            _members[member.Name] = member.Value;
    }

    /// <summary>Null while everything could be read; else what to answer.</summary>
    public IResult? Refusal => _errors.Count == 0 ? null : ElsaProblem.Refused(_errors);

    /// <summary>The answer to a body that cannot be read at all; <see cref="ElsaRefusals"/> gives it, and no handler sees the request.</summary>
    public IResult? Problem { get; private init; }

    /// <summary>Makes the request an argument of handlers: the query of what has no body, else the body. No body at all is an empty one.</summary>
    public static async ValueTask<ElsaRequest?> BindAsync(HttpContext http)
    {
        ArgumentNullException.ThrowIfNull(http);
        var request = http.Request;
        if (HttpMethods.IsGet(request.Method) || HttpMethods.IsDelete(request.Method))
            return Of(request.Query);
        if (request.ContentLength is null or 0 && request.ContentType is null)
            return new(Empty, "", []);
        var (body, problem) = await RequestBody.ReadAsync(request, MaxBytes, http.RequestAborted);
        return new(body?.Root ?? Empty, "", []) { Problem = problem };
    }

    /// <summary>The query as if it were a body; what is asked for as one value is the last one given.</summary>
    public static ElsaRequest Of(IQueryCollection query) => new(
        JsonSerializer.SerializeToElement(query.ToDictionary(q => q.Key, q => new JsonArray([.. q.Value.Select(v => (JsonNode?)v)]))), "", []);

    public void Refuse(string name, string message) => _errors.Add($"{_path}{name}: {message}");

    /// <summary>The member as it came; null when it is absent or null.</summary>
    public JsonElement? Json(string name) =>
        _members.TryGetValue(name, out var value) && value.ValueKind is not (JsonValueKind.Null or JsonValueKind.Undefined) ? value : null;

    public string? Text(string name)
    {
        switch (One(name))
        {
            case null:
                return null;
            case { ValueKind: JsonValueKind.String } text:
                return text.GetString() is { Length: > 0 } value ? value : null;
            default:
                Refuse(name, "must be a string.");
                return null;
        }
    }

    public IReadOnlyList<string> Texts(string name)
    {
        if (Json(name) is not { } value)
            return [];
        var items = value.ValueKind == JsonValueKind.Array ? value.EnumerateArray().ToList() : [value];
        if (items.Count > MaxItems)
            Refuse(name, $"has {items.Count} items; at most {MaxItems} are accepted.");
        else if (items.Exists(i => i.ValueKind != JsonValueKind.String))
            Refuse(name, "must be a list of strings.");
        else
            return [.. items.Select(i => i.GetString()!).Where(t => t.Length > 0)];
        return [];
    }

    public bool? Flag(string name)
    {
        var value = One(name);
        switch (value)
        {
            case null or { ValueKind: JsonValueKind.String } when string.IsNullOrEmpty(value?.GetString()):
                return null;
            case { ValueKind: JsonValueKind.True or JsonValueKind.False }:
                return value.Value.GetBoolean();
            case { ValueKind: JsonValueKind.String } when bool.TryParse(value.Value.GetString(), out var flag):
                return flag;
            default:
                Refuse(name, "must be true or false.");
                return null;
        }
    }

    public int? Number(string name, int min, int max)
    {
        var value = One(name);
        if (value is null || (value is { ValueKind: JsonValueKind.String } && value.Value.GetString() is null or ""))
            return null;
        if (int.TryParse(value.Value.ToString(), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number) && number >= min && number <= max)
            return number;
        Refuse(name, $"must be a whole number from {min} to {max}.");
        return null;
    }

    public T? Choice<T>(string name)
        where T : struct, Enum
        => Text(name) is { } text ? ChoiceOf<T>(name, text) : null;

    public IReadOnlyList<T> Choices<T>(string name)
        where T : struct, Enum
        => [.. Texts(name).Select(t => ChoiceOf<T>(name, t)).OfType<T>()];

    public DateTimeOffset? Time(string name)
    {
        if (Text(name) is not { } text)
            return null;
        if (DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var time))
            return time;
        Refuse(name, $"'{text}' is no time; write it as 2026-11-21T10:00:00Z.");
        return null;
    }

    /// <summary>The object's members; empty when it is absent.</summary>
    public IReadOnlyDictionary<string, object?> Map(string name) => Json(name) switch
    {
        null => new Dictionary<string, object?>(),
        { ValueKind: JsonValueKind.Object } map => map.EnumerateObject().ToDictionary(m => m.Name, m => Workflows.WorkflowJson.ToPlain(m.Value)),
        _ => Wrong(name, "must be an object.", new Dictionary<string, object?>()),
    };

    /// <summary>The object as a request of its own, which complains in the name of this one; null when it is absent.</summary>
    public ElsaRequest? Object(string name) => Json(name) switch
    {
        null => null,
        { ValueKind: JsonValueKind.Object } inner => new(inner, $"{_path}{name}.", _errors),
        _ => Wrong<ElsaRequest?>(name, "must be an object.", null),
    };

    public IReadOnlyList<ElsaRequest> Objects(string name)
    {
        if (Json(name) is not { } value)
            return [];
        if (value.ValueKind == JsonValueKind.Array && value.EnumerateArray().All(i => i.ValueKind == JsonValueKind.Object))
            return [.. value.EnumerateArray().Select((item, index) => new ElsaRequest(item, $"{_path}{name}[{index}].", _errors))];
        return Wrong<IReadOnlyList<ElsaRequest>>(name, "must be a list of objects.", []);
    }

    private static JsonElement Empty { get; } = JsonSerializer.SerializeToElement(new { });

    // A query gives lists only.
    private JsonElement? One(string name) => Json(name) is { ValueKind: JsonValueKind.Array } list && list.GetArrayLength() > 0
        ? list.EnumerateArray().Last() is { ValueKind: not JsonValueKind.Null } last ? last : null
        : Json(name);

    private T? ChoiceOf<T>(string name, string text)
        where T : struct, Enum
    {
        if (Enum.TryParse<T>(text, ignoreCase: true, out var value) && Enum.IsDefined(value))
            return value;
        Refuse(name, $"'{text}' is not known. Known: {string.Join(", ", Enum.GetNames<T>())}.");
        return null;
    }

    private T Wrong<T>(string name, string message, T otherwise)
    {
        Refuse(name, message);
        return otherwise;
    }
}
