using System.Security.Cryptography;
using System.Text.Json;

namespace Aura.Host.Api;

/// <summary>A JSON body that was read whole, within the limit, and whose every text can be stored.</summary>
/// <param name="Root">Always an object.</param>
/// <param name="Hash">SHA-256 of the bytes as they came, in hex.</param>
internal sealed record RequestBody(JsonElement Root, string Hash)
{
    /// <summary>The body, or the problem to answer with: 413 too large, 415 not JSON, 400 malformed.</summary>
    public static async Task<(RequestBody? Body, IResult? Problem)> ReadAsync(
        HttpRequest request, int maxBytes, CancellationToken cancellationToken, int maxDepth = 32)
    {
        if (!request.HasJsonContentType())
        {
            return (null, Results.Problem(
                statusCode: StatusCodes.Status415UnsupportedMediaType, title: "The body must be JSON",
                detail: $"Send the header 'Content-Type: application/json' (it is '{request.ContentType}')."));
        }

        if (request.ContentLength > maxBytes)
            return (null, TooLarge(maxBytes));
        using var buffer = new MemoryStream();
        var chunk = new byte[16 << 10];
        int read;
        while ((read = await request.Body.ReadAsync(chunk, cancellationToken)) > 0)
        {
            if (buffer.Length + read > maxBytes)
                return (null, TooLarge(maxBytes));
            await buffer.WriteAsync(chunk.AsMemory(0, read), cancellationToken);
        }

        return Parse(buffer.ToArray(), maxDepth);
    }

    internal static (RequestBody? Body, IResult? Problem) Parse(byte[] bytes, int maxDepth = 32)
    {
        try
        {
            var root = JsonElement.Parse(bytes, new JsonDocumentOptions { AllowDuplicateProperties = false, MaxDepth = maxDepth });
            if (root.ValueKind != JsonValueKind.Object)
                return (null, Problems.Field("$", $"must be a JSON object, not {Kind(root)}."));
            var errors = new FieldErrors();
            CheckTexts(root, "", errors);
            return errors.Any ? (null, errors.ToResult()) : (new(root, Convert.ToHexStringLower(SHA256.HashData(bytes))), null);
        }
        catch (InvalidOperationException)
        {
            // The search for duplicate names reads them, and half of a surrogate pair cannot be read.
            return (null, Problems.Field("$", "has a member whose name holds half of a surrogate pair, which no text may."));
        }
        catch (JsonException e)
        {
            var where = e.LineNumber is { } line ? $" at line {line + 1}, byte {e.BytePositionInLine + 1}" : "";
            return (null, Problems.Field("$", $"is not well-formed JSON{where}: {FirstSentence(e.Message)}"));
        }
    }

    public static string Kind(JsonElement element) => element.ValueKind switch
    {
        JsonValueKind.Object => "an object",
        JsonValueKind.Array => "an array",
        JsonValueKind.String => "a string",
        JsonValueKind.Number => "a number",
        JsonValueKind.True or JsonValueKind.False => "a boolean",
        _ => "null",
    };

    // JSON may escape what no text can hold: NUL (PostgreSQL refuses it) and halves of surrogate pairs (reading them throws).
    private static void CheckTexts(JsonElement element, string path, FieldErrors errors)
    {
        switch (element.ValueKind)
        {
            case JsonValueKind.Object:
                foreach (var member in element.EnumerateObject())
                {
                    if (Text(() => member.Name) is { } name)
                        CheckTexts(member.Value, path.Length == 0 ? name : $"{path}.{name}", errors);
                    else
                        errors.Add(path.Length == 0 ? "$" : path, "has a member whose name holds NUL or half of a surrogate pair.");
                }

                break;
            case JsonValueKind.Array:
                var index = 0;
                foreach (var item in element.EnumerateArray())
                    CheckTexts(item, $"{path}[{index++}]", errors);
                break;
            case JsonValueKind.String when Text(element.GetString) is null:
                errors.Add(path, "holds NUL or half of a surrogate pair, which no text may.");
                break;
        }
    }

    private static string? Text(Func<string?> read)
    {
        try
        {
            return read() is { } text && !text.Contains('\0', StringComparison.Ordinal) ? text : null;
        }
        catch (InvalidOperationException)
        {
            return null;
        }
    }

    private static string FirstSentence(string message)
    {
        var end = message.IndexOf(" LineNumber:", StringComparison.Ordinal);
        return end < 0 ? message : message[..end];
    }

    private static IResult TooLarge(int maxBytes) => Results.Problem(
        statusCode: StatusCodes.Status413PayloadTooLarge, title: "The body is too large", detail: $"At most {maxBytes} bytes are accepted.");
}
