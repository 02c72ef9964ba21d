using System.Text.Json;
using System.Text.Json.Serialization;

namespace Aura.Workflows.Http;

/// <summary>Headers by name, without regard to case. In JSON a value is a string or a list of strings.</summary>
[JsonConverter(typeof(HttpHeadersConverter))]
public sealed class HttpHeaders() : Dictionary<string, string[]>(StringComparer.OrdinalIgnoreCase);

internal sealed class HttpHeadersConverter : JsonConverter<HttpHeaders>
{
    public override HttpHeaders Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
    {
        var headers = new HttpHeaders();
        foreach (var (name, value) in JsonSerializer.Deserialize<Dictionary<string, JsonElement>>(ref reader, options) ?? [])
        {
            headers[name] = value.ValueKind switch
            {
                JsonValueKind.Null => [],
                JsonValueKind.Array => [.. value.EnumerateArray().Select(Text)],
                _ => [Text(value)],
            };
        }

        return headers;
    }

    public override void Write(Utf8JsonWriter writer, HttpHeaders value, JsonSerializerOptions options) =>
        JsonSerializer.Serialize(writer, value.ToDictionary(h => h.Key, h => h.Value), options);

    private static string Text(JsonElement value) => value.ValueKind == JsonValueKind.String ? value.GetString()! : value.GetRawText();
}
