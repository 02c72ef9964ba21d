using System.Globalization;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Routing;

namespace Aura.Workflows.Http;

/// <summary>What became of reading a request: what the workflow gets, or why the client is turned away.</summary>
internal abstract record HttpReading
{
    /// <param name="Request">The request in plain form; see <see cref="HttpRequestData"/>.</param>
    public sealed record Accepted(Dictionary<string, object?> Request) : HttpReading;

    public sealed record Refused(int Status, string Title, string Detail) : HttpReading;
}

/// <summary>Reads a request completely, within the limits of the endpoint it is for.</summary>
internal static class HttpRequestReader
{
    /// <exception cref="BadHttpRequestException">The client sent a broken request, or too slowly.</exception>
    public static async Task<HttpReading> ReadAsync(
        HttpContext context, string path, RouteValueDictionary route, HttpEndpointPayload rules, HttpWorkflowsOptions options)
    {
        var request = context.Request;
        var limit = rules.RequestSizeLimit is > 0 and var stated ? stated : options.MaxRequestBytes;
        try
        {
            var bytes = await ReadBodyAsync(request, limit, context.RequestAborted);
            var body = bytes is null ? HttpBody.Empty : await HttpBody.ParseAsync(bytes, request.ContentType, context.RequestAborted);
            var breach = bytes is null
                ? new(HttpEndpointOutcomes.RequestTooLarge, StatusCodes.Status413PayloadTooLarge, $"At most {limit} bytes are taken here.")
                : FileRules.FirstBreach(body.Files, rules);
            if (breach is not null && !rules.ExposedOutcomes.Contains(breach.Outcome))
                return new HttpReading.Refused(breach.Status, breach.Outcome, breach.Detail);
            var data = HttpRequestData.Of(context, path, route, rules, options);
            data[HttpRequestData.ParsedContent] = body.Content;
            data[HttpRequestData.Files] = body.Files.Select(object? (f) => f.ToPlain()).ToList();
            if (breach is not null)
                data[HttpRequestData.Outcome] = breach.Outcome;
            PlainValue.Checked(data);
            return new HttpReading.Accepted(data);
        }
        catch (HttpBodyException e)
        {
            return e.IsUnsupported
                ? new HttpReading.Refused(StatusCodes.Status415UnsupportedMediaType, "The content type is not supported", e.Message)
                : new HttpReading.Refused(StatusCodes.Status400BadRequest, "The request is not valid", e.Message);
        }
    }

    /// <returns>Null when the body is larger than the limit, whether or not its length was announced.</returns>
    private static async Task<byte[]?> ReadBodyAsync(HttpRequest request, long limit, CancellationToken cancellationToken)
    {
        if (request.ContentLength > limit)
            return null;
        // The endpoint's limit counts here, which may be above the server's own.
        if (request.HttpContext.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } server)
            server.MaxRequestBodySize = null;
        using var content = new MemoryStream((int)Math.Min(request.ContentLength ?? 0, 1 << 20));
        var buffer = new byte[16 << 10];
        int count;
        while ((count = await request.Body.ReadAsync(buffer, cancellationToken)) > 0)
        {
            if (content.Length + count > limit)
                return null;
            await content.WriteAsync(buffer.AsMemory(0, count), cancellationToken);
        }

        return content.ToArray();
    }
}

/// <summary>A rule of an endpoint that a request broke.</summary>
internal sealed record HttpBreach(string Outcome, int Status, string Detail);

/// <summary>The rules for files. Pure.</summary>
internal static class FileRules
{
    private const int TooLarge = StatusCodes.Status413PayloadTooLarge;
    private const int Unsupported = StatusCodes.Status415UnsupportedMediaType;

    public static HttpBreach? FirstBreach(IReadOnlyList<HttpFile> files, HttpEndpointPayload rules)
    {
        foreach (var file in files)
        {
            if (file.Content.Length > rules.FileSizeLimit)
                return new(HttpEndpointOutcomes.FileTooLarge, TooLarge, $"A file may have at most {rules.FileSizeLimit} bytes.");
            // A body that is a file as a whole has no name, hence no extension to judge.
            if (file.Name.Length + file.FileName.Length > 0 && !IsExtensionAllowed(file.FileName, rules))
                return new(HttpEndpointOutcomes.InvalidFileExtension, Unsupported, "Files with this extension are not taken here.");
            if (rules.AllowedMimeTypes.Count > 0 && !rules.AllowedMimeTypes.Any(allowed => Fits(file.ContentType, allowed)))
                return new(HttpEndpointOutcomes.InvalidFileMimeType, Unsupported, "Files of this content type are not taken here.");
        }

        return null;
    }

    private static bool IsExtensionAllowed(string fileName, HttpEndpointPayload rules)
    {
        // Some file systems drop dots and spaces at the end: "x.exe." is an executable there.
        var extension = Bare(Path.GetExtension(fileName.TrimEnd('.', ' ')));
        if (rules.BlockedFileExtensions.Any(blocked => Bare(blocked) == extension && extension.Length > 0))
            return false;
        return rules.AllowedFileExtensions.Count == 0 || rules.AllowedFileExtensions.Any(allowed => Bare(allowed) == extension);
    }

    private static string Bare(string extension) => extension.Trim().TrimStart('.').ToLower(CultureInfo.InvariantCulture);

    private static bool Fits(string contentType, string allowed)
    {
        var media = contentType.Split(';')[0].Trim();
        return allowed.EndsWith("/*", StringComparison.Ordinal)
            ? media.StartsWith(allowed[..^1], StringComparison.OrdinalIgnoreCase)
            : media.Equals(allowed.Trim(), StringComparison.OrdinalIgnoreCase);
    }
}
