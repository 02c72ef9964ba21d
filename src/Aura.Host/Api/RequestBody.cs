using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Unicode;

namespace Aura.Host.Api;

/// <summary>What every query must be.</summary>
internal static class RequestQuery
{
    /// <summary>The name of a value with NUL in it, which PostgreSQL refuses wherever it comes to it; null when there is none.</summary>
    public static string? NameOfNul(IQueryCollection query) =>
        query.FirstOrDefault(q => q.Value.Any(v => v?.Contains('\0', StringComparison.Ordinal) == true)).Key;

    /// <summary>Refuses such a value before an endpoint of the organisation sees it.</summary>
    public static ValueTask<object?> FilterAsync(EndpointFilterInvocationContext context, EndpointFilterDelegate next) =>
        NameOfNul(context.HttpContext.Request.Query) is { } name
            ? ValueTask.FromResult<object?>(Problems.Field(name, "holds NUL, which no text may."))
            : next(context);
}

/// <summary>A JSON body that was read whole, within the limit, and whose every text can be stored.</summary>
/// <param name="Root">Always an object.</param>
/// <param name="Hash">SHA-256 of the bytes as they came, in hex.</param>
internal sealed record RequestBody(JsonElement Root, string Hash)
{
    /// <summary>The body, or the problem to answer with: 413 too large, 415 not JSON, 400 malformed.</summary>
    public static async Task<(RequestBody? Body, IResult? Problem)> ReadAsync(
        HttpRequest request, int maxBytes, CancellationToken cancellationToken, int maxDepth = 32)
    {
        var (bytes, status) = await BytesAsync(request, maxBytes, cancellationToken);
        return status switch
        {
            StatusCodes.Status415UnsupportedMediaType => (null, Results.Problem(
                statusCode: status, title: "The body must be JSON",
                detail: $"Send the header 'Content-Type: application/json' (it is '{request.ContentType}').")),
            StatusCodes.Status413PayloadTooLarge => (null, Results.Problem(
                statusCode: status, title: "The body is too large", detail: $"At most {maxBytes} bytes are accepted.")),
            _ => Parse(bytes, maxDepth),
        };
    }

    /// <summary>The bytes that are said to be JSON, and 200; or 413 or 415.</summary>
    internal static async Task<(ReadOnlyMemory<byte> Bytes, int Status)> BytesAsync(HttpRequest request, int maxBytes, CancellationToken cancellationToken)
    {
        if (!request.HasJsonContentType())
            return (default, StatusCodes.Status415UnsupportedMediaType);
        if (request.ContentLength > maxBytes)
            return (default, StatusCodes.Status413PayloadTooLarge);
        // One more than there should be: that it is not filled shows the end. What is merely announced is not believed.
        var buffer = new byte[Math.Min(request.ContentLength ?? (4 << 10), 64 << 10) + 1];
        int read, length = 0;
        while ((read = await request.Body.ReadAsync(buffer.AsMemory(length), cancellationToken)) > 0)
        {
            if ((length += read) > maxBytes)
                return (default, StatusCodes.Status413PayloadTooLarge);
            if (length == buffer.Length)
                Array.Resize(ref buffer, (int)Math.Min(2L * length, maxBytes + 1L));
        }

        return (buffer.AsMemory(0, length), StatusCodes.Status200OK);
    }

    internal static (RequestBody? Body, IResult? Problem) Parse(ReadOnlyMemory<byte> bytes, int maxDepth = 32)
    {
        try
        {
            var root = JsonElement.Parse(bytes.Span, new JsonDocumentOptions { AllowDuplicateProperties = false, MaxDepth = maxDepth });
            if (root.ValueKind != JsonValueKind.Object)
                return (null, Problems.Field("$", $"must be a JSON object, not {Kind(root)}."));
            var errors = new FieldErrors();
            CheckTexts(bytes.Span, root, errors);
            return errors.Any ? (null, errors.ToResult()) : (new(root, Convert.ToHexStringLower(SHA256.HashData(bytes.Span))), null);
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

    /// <summary>
    /// JSON may escape what no text can hold: NUL (PostgreSQL refuses it) and halves of surrogate pairs (reading them throws, as it does
    /// when the bytes are no UTF-8). Without an escape there is nothing to look for.
    /// </summary>
    internal static void CheckTexts(ReadOnlySpan<byte> json, JsonElement root, FieldErrors errors, bool takesNul = false)
    {
        if (json.IndexOf("\\u"u8) >= 0 || !Utf8.IsValid(json))
            CheckTexts(root, "", errors, takesNul);
    }

    private static void CheckTexts(JsonElement element, string path, FieldErrors errors, bool takesNul)
    {
        switch (element.ValueKind)
        {
            case JsonValueKind.Object:
                foreach (var member in element.EnumerateObject())
                {
                    if (Text(() => member.Name, takesNul) is { } name)
                        CheckTexts(member.Value, path.Length == 0 ? name : $"{path}.{name}", errors, takesNul);
                    else
                        errors.Add(path.Length == 0 ? "$" : path, "has a member whose name holds NUL or half of a surrogate pair.");
                }

                break;
            case JsonValueKind.Array:
                var index = 0;
                foreach (var item in element.EnumerateArray())
                    CheckTexts(item, $"{path}[{index++}]", errors, takesNul);
                break;
            case JsonValueKind.String when Text(element.GetString, takesNul) is null:
                errors.Add(path, "holds NUL or half of a surrogate pair, which no text may.");
                break;
        }
    }

    private static string? Text(Func<string?> read, bool takesNul)
    {
        try
        {
            return read() is { } text && (takesNul || !text.Contains('\0', StringComparison.Ordinal)) ? text : null;
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
}
