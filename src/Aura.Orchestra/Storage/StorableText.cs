using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Aura.Orchestra.Storage;

/// <summary>JSON and text in the form that PostgreSQL holds. jsonb and text refuse NUL, and one refused value would fail a whole group of commits.</summary>
public static class StorableText
{
    private static readonly UTF8Encoding Strict = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <summary>snake_case, as the organisation's JSON is written everywhere.</summary>
    public static JsonSerializerOptions Options { get; } = new(JsonSerializerDefaults.General)
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    /// <summary>Whether the text can be stored as it is.</summary>
    public static bool IsStorable(string value)
    {
        if (value.Contains('\0', StringComparison.Ordinal))
            return false;
        try
        {
            _ = Strict.GetByteCount(value);
            return true;
        }
        catch (EncoderFallbackException)
        {
            return false;
        }
    }

    /// <summary>The text with what cannot be stored replaced by U+FFFD.</summary>
    public static string Clean(string value) => IsStorable(value)
        ? value
        : Encoding.UTF8.GetString(Encoding.UTF8.GetBytes(value)).Replace('\0', '\uFFFD');

    /// <summary>The value as snake_case JSON that jsonb accepts.</summary>
    public static string Json(object value)
    {
        var json = JsonSerializer.Serialize(value, value.GetType(), Options);
        return json.Contains("\\u0000", StringComparison.Ordinal) ? WithoutNul(json) : json;
    }

    // A backslash escapes the next character, so "\\u0000" (six visible characters after an escaped backslash) stays.
    private static string WithoutNul(string json)
    {
        var clean = new StringBuilder(json.Length);
        for (var i = 0; i < json.Length; i++)
        {
            if (json[i] != '\\')
            {
                clean.Append(json[i]);
            }
            else if (string.CompareOrdinal(json, i, "\\u0000", 0, 6) == 0)
            {
                clean.Append('\uFFFD');
                i += 5;
            }
            else
            {
                clean.Append(json, i, 2);
                i++;
            }
        }

        return clean.ToString();
    }
}
