using System.Text;
using System.Text.Json;
using Microsoft.AspNetCore.WebUtilities;
using Microsoft.Net.Http.Headers;

namespace Aura.Workflows.Http;

/// <summary>A body that cannot be read; the message is meant for the client.</summary>
internal sealed class HttpBodyException(string message, bool isUnsupported = false) : Exception(message)
{
    /// <summary>The format as such is unknown (415), not this body (400).</summary>
    public bool IsUnsupported { get; } = isUnsupported;
}

/// <summary>A file of a request, in memory.</summary>
internal sealed record HttpFile(string Name, string FileName, string ContentType, byte[] Content)
{
    /// <summary>As a workflow sees it; the content is base64.</summary>
    public Dictionary<string, object?> ToPlain() => new(StringComparer.Ordinal)
    {
        ["Name"] = Name,
        ["FileName"] = FileName,
        ["ContentType"] = ContentType,
        ["Length"] = (long)Content.Length,
        ["Content"] = Convert.ToBase64String(Content),
    };
}

/// <summary>A body in plain form, with the files it carried.</summary>
internal sealed record HttpBody(object? Content, IReadOnlyList<HttpFile> Files)
{
    /// <summary>Bodies become part of a workflow's state, whose reader stops at 64 levels: nothing may get in that cannot be read again.</summary>
    internal const int MaxJsonDepth = 32;
    private const int MaxParts = 1024;
    private const int MaxBoundaryLength = 200;

    public static HttpBody Empty { get; } = new(null, []);

    /// <summary>JSON, forms and text by their media type; anything else is one file.</summary>
    /// <exception cref="HttpBodyException">The body is not what its content type says.</exception>
    public static async Task<HttpBody> ParseAsync(byte[] body, string? contentType, CancellationToken cancellationToken)
    {
        if (body.Length == 0)
            return Empty;
        if (!MediaTypeHeaderValue.TryParse(contentType, out var type))
        {
            return string.IsNullOrWhiteSpace(contentType)
                ? Untyped(body)
                : throw new HttpBodyException($"'{contentType}' is no content type.", isUnsupported: true);
        }

        var media = type.MediaType.Value ?? "";
        if (IsJson(media))
            return new(Json(body, type), []);
        if (Is(media, "application/x-www-form-urlencoded"))
            return new(await FormAsync(body, cancellationToken), []);
        if (Is(media, "multipart/form-data"))
            return await MultipartAsync(body, type, cancellationToken);
        return IsText(media) ? new(Text(body, type), []) : OneFile(body, contentType!);
    }

    private static bool IsJson(string media) =>
        Is(media, "application/json") || Is(media, "text/json") || media.EndsWith("+json", StringComparison.OrdinalIgnoreCase);

    private static bool IsText(string media) =>
        media.StartsWith("text/", StringComparison.OrdinalIgnoreCase) || media.EndsWith("+xml", StringComparison.OrdinalIgnoreCase)
        || Is(media, "application/xml");

    /// <summary>Values of one key: the value itself, or a list when there are several.</summary>
    public static object? OneOrMany(IReadOnlyList<string?> values) => values.Count == 1 ? values[0] : values.Cast<object?>().ToList();

    private static bool Is(string media, string other) => media.Equals(other, StringComparison.OrdinalIgnoreCase);

    private static HttpBody OneFile(byte[] body, string contentType)
    {
        var file = new HttpFile("", "", contentType, body);
        return new(file.ToPlain(), [file]);
    }

    /// <summary>Without a content type: text when it can be text.</summary>
    private static HttpBody Untyped(byte[] body)
    {
        try
        {
            var text = new UTF8Encoding(false, throwOnInvalidBytes: true).GetString(body);
            return text.Contains('\0', StringComparison.Ordinal) ? OneFile(body, "application/octet-stream") : new(text, []);
        }
        catch (DecoderFallbackException)
        {
            return OneFile(body, "application/octet-stream");
        }
    }

    private static string Text(byte[] body, MediaTypeHeaderValue type)
    {
        var encoding = type.Charset.HasValue
            ? type.Encoding ?? throw new HttpBodyException($"The charset '{type.Charset}' is not known.", isUnsupported: true)
            : Encoding.UTF8;
        var text = encoding.GetString(body);
        return text.StartsWith('\uFEFF') ? text[1..] : text;
    }

    private static object? Json(byte[] body, MediaTypeHeaderValue type)
    {
        try
        {
            using var document = JsonDocument.Parse(Text(body, type), new() { MaxDepth = MaxJsonDepth, AllowDuplicateProperties = false });
            return PlainValue.Checked(WorkflowJson.ToPlain(document.RootElement));
        }
        // A lone surrogate is an InvalidOperationException of the reader.
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            throw new HttpBodyException($"The body is not valid JSON: {e.Message}");
        }
    }

    private static async Task<object?> FormAsync(byte[] body, CancellationToken cancellationToken)
    {
        try
        {
            using var reader = new FormReader(new MemoryStream(body), Encoding.UTF8) { ValueCountLimit = MaxParts, ValueLengthLimit = int.MaxValue };
            var values = await reader.ReadFormAsync(cancellationToken);
            return values.ToDictionary(v => v.Key, v => OneOrMany([.. v.Value]), StringComparer.Ordinal);
        }
        catch (InvalidDataException e)
        {
            throw new HttpBodyException($"The form cannot be read: {e.Message}");
        }
    }

    private static async Task<HttpBody> MultipartAsync(byte[] body, MediaTypeHeaderValue type, CancellationToken cancellationToken)
    {
        var boundary = HeaderUtilities.RemoveQuotes(type.Boundary).Value;
        if (string.IsNullOrEmpty(boundary) || boundary.Length > MaxBoundaryLength)
            throw new HttpBodyException("The multipart body's content type has no usable boundary.");
        var fields = new Dictionary<string, List<string?>>(StringComparer.Ordinal);
        var files = new List<HttpFile>();
        try
        {
            var reader = new MultipartReader(boundary, new MemoryStream(body));
            for (var parts = 1; await reader.ReadNextSectionAsync(cancellationToken) is { } section; parts++)
            {
                if (parts > MaxParts)
                    throw new HttpBodyException($"The multipart body has more than {MaxParts} parts.");
                if (!ContentDispositionHeaderValue.TryParse(section.ContentDisposition, out var disposition))
                    throw new HttpBodyException("A part of the multipart body has no content disposition.");
                var name = HeaderUtilities.RemoveQuotes(disposition.Name).Value ?? "";
                using var content = new MemoryStream();
                await section.Body.CopyToAsync(content, cancellationToken);
                if (disposition.FileName.HasValue || disposition.FileNameStar.HasValue)
                {
                    files.Add(new(name, FileNameOf(disposition), section.ContentType ?? "application/octet-stream", content.ToArray()));
                    continue;
                }

                if (!fields.TryGetValue(name, out var values))
                    fields[name] = values = [];
                values.Add(Encoding.UTF8.GetString(content.ToArray()));
            }
        }
        catch (Exception e) when (e is InvalidDataException or IOException)
        {
            throw new HttpBodyException($"The multipart body cannot be read: {e.Message}");
        }

        return new(fields.ToDictionary(f => f.Key, f => OneOrMany(f.Value), StringComparer.Ordinal), files);
    }

    /// <summary>The bare name: a path in it is the client's, and must never become one of ours.</summary>
    private static string FileNameOf(ContentDispositionHeaderValue disposition)
    {
        var name = (disposition.FileNameStar.HasValue ? disposition.FileNameStar : HeaderUtilities.RemoveQuotes(disposition.FileName)).Value ?? "";
        return name[(name.LastIndexOfAny(['/', '\\']) + 1)..].Trim();
    }
}

/// <summary>Keeps values out of a workflow's state that the database could not store or give back.</summary>
internal static class PlainValue
{
    /// <exception cref="HttpBodyException">A text has a NUL character or half a character, or a number is out of range.</exception>
    public static object? Checked(object? value)
    {
        switch (value)
        {
            case string text when !IsStorable(text):
                throw new HttpBodyException("A text holds a NUL character or half of a surrogate pair; neither can be stored.");
            case double number when !double.IsFinite(number):
                throw new HttpBodyException("A number is out of the range of a double.");
            case IDictionary<string, object?> members:
                foreach (var (name, member) in members)
                {
                    Checked(name);
                    Checked(member);
                }

                break;
            case IEnumerable<object?> items:
                foreach (var item in items)
                    Checked(item);
                break;
        }

        return value;
    }

    public static bool IsStorable(string text)
    {
        for (var i = 0; i < text.Length; i++)
        {
            var c = text[i];
            if (c == '\0' || char.IsLowSurrogate(c))
                return false;
            if (char.IsHighSurrogate(c) && (++i == text.Length || !char.IsLowSurrogate(text[i])))
                return false;
        }

        return true;
    }
}
