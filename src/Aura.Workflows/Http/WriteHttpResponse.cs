using System.Net;
using System.Text;
using System.Text.Json;

namespace Aura.Workflows.Http;

/// <summary>Answers the HTTP request that the workflow received. The answer goes out when the burst is committed.</summary>
[Activity("Elsa", "HTTP", "Answers the request that the workflow received.", DisplayName = "HTTP Response")]
public sealed class WriteHttpResponse : CodeActivity
{
    [Input(Description = "The status code.", DefaultValue = HttpStatusCode.OK, UIHint = InputUIHints.DropDown)]
    public Input<HttpStatusCode> StatusCode { get; set; } = new(HttpStatusCode.OK);

    [Input(Description = "The body: text as it is, other values as JSON.")]
    public Input<object?>? Content { get; set; }

    [Input(Description = "The body's content type; chosen by the body when empty.")]
    public Input<string?>? ContentType { get; set; }

    [Input(Description = "Further headers.", Category = "Advanced")]
    public Input<HttpHeaders?>? ResponseHeaders { get; set; }

    protected override async ValueTask ExecuteAsync(ActivityExecutionContext context)
    {
        var headers = context.Get(ResponseHeaders) ?? [];
        var status = (int)context.Get(StatusCode);
        // An expression that yields nothing.
        if (status == 0)
            status = (int)HttpStatusCode.OK;
        await HttpExchange.AnswerAsync(context, HttpAnswers.Of(status, context.Get(Content), context.Get(ContentType), headers));
        context.JournalData["StatusCode"] = status;
    }
}

/// <summary>Makes answers: which content type a body gets, and which answers cannot be sent. Pure.</summary>
internal static class HttpAnswers
{
    public const string OctetStream = "application/octet-stream";

    /// <exception cref="ArgumentException">The status or a header cannot be sent.</exception>
    public static HttpAnswer Of(int status, object? content, string? contentType, HttpHeaders headers)
    {
        if (status is < 200 or > 599)
            throw new ArgumentException($"{status} is no status of an answer; it must be from 200 to 599.", nameof(status));
        var (body, chosen) = Body(content);
        if (status is 204 or 205 or 304)
            body = null;
        if (!string.IsNullOrWhiteSpace(contentType))
            chosen = contentType.Trim();
        if (body is not null && !headers.ContainsKey("Content-Type"))
            headers["Content-Type"] = [chosen];
        foreach (var (name, values) in headers)
        {
            if (name.Length == 0 || !name.All(IsToken))
                throw new ArgumentException($"'{name}' is no name of a header.", nameof(headers));
            // A line break would let the value write further headers.
            if (values.Any(v => v.Any(c => c is < ' ' and not '\t' or > '~')))
                throw new ArgumentException($"The value of header '{name}' holds characters that cannot be sent.", nameof(headers));
        }

        return new(status, headers, body);
    }

    private static (byte[]? Body, string ContentType) Body(object? content) => content switch
    {
        null => (null, "text/plain"),
        byte[] bytes => (bytes, OctetStream),
        string text => (Encoding.UTF8.GetBytes(text), LooksLikeJson(text) ? "application/json" : "text/plain"),
        _ => (JsonSerializer.SerializeToUtf8Bytes(content, content.GetType(), WorkflowJson.Options), "application/json"),
    };

    private static bool LooksLikeJson(string text)
    {
        var start = text.AsSpan().TrimStart();
        if (start.Length == 0 || start[0] is not ('{' or '['))
            return false;
        try
        {
            using var _ = JsonDocument.Parse(text);
            return true;
        }
        catch (JsonException)
        {
            return false;
        }
    }

    private static bool IsToken(char c) => char.IsAsciiLetterOrDigit(c) || "!#$%&'*+-.^_`|~".Contains(c, StringComparison.Ordinal);
}
