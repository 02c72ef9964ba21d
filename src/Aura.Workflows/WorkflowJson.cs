using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Aura.Workflows;

/// <summary>The engine's JSON rules, and the plain form that values take once they have been stored.</summary>
public static class WorkflowJson
{
    /// <summary>camelCase members read without case, enums as strings, dictionary keys untouched.</summary>
    public static JsonSerializerOptions Options { get; } = new(JsonSerializerDefaults.Web)
    {
        Converters = { new JsonStringEnumConverter() },
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    };

    /// <summary>
    /// The plain form: null, bool, string, long, decimal or double, List&lt;object?&gt;, Dictionary&lt;string, object?&gt;.
    /// A value looks the same before and after its workflow was suspended.
    /// </summary>
    public static object? ToPlain(JsonElement element) => element.ValueKind switch
    {
        JsonValueKind.String => element.GetString(),
        JsonValueKind.True => true,
        JsonValueKind.False => false,
        JsonValueKind.Number when element.TryGetInt64(out var integer) => integer,
        JsonValueKind.Number => element.GetDouble(),
        JsonValueKind.Array => element.EnumerateArray().Select(ToPlain).ToList(),
        JsonValueKind.Object => element.EnumerateObject().ToDictionary(p => p.Name, p => ToPlain(p.Value), StringComparer.Ordinal),
        _ => null,
    };

    /// <summary>Any serialisable value in its plain form.</summary>
    /// <exception cref="NotSupportedException">The value's type cannot be written as JSON.</exception>
    public static object? ToPlain(object? value) => value switch
    {
        null or string or bool or long => value,
        int or short or byte => Convert.ToInt64(value),
        JsonElement element => ToPlain(element),
        _ => ToPlain(JsonSerializer.SerializeToElement(value, value.GetType(), Options)),
    };
}
