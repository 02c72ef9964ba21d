using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Aura.Host.Api;
using ModelContextProtocol;
using ModelContextProtocol.Protocol;

namespace Aura.Host.Mcp;

/// <summary>One JSON-RPC message as it came over HTTP, read within limits.</summary>
internal sealed record McpMessage(JsonRpcMessage Message, JsonElement Root)
{
    /// <summary>Larger bodies are refused. A file of the largest size fits, escapes included.</summary>
    public const int MaxBytes = 8 << 20;

    /// <summary>Deeper documents are refused.</summary>
    public const int MaxDepth = 32;

    private static readonly JsonDocumentOptions Strict = new() { AllowDuplicateProperties = false, MaxDepth = MaxDepth };

    /// <summary>Null for a response or a malformed message.</summary>
    public string? Method => Text(Root, "method");

    /// <summary>Null for a notification.</summary>
    public JsonElement? Id => Root.TryGetProperty("id", out var id) && id.ValueKind is JsonValueKind.String or JsonValueKind.Number ? id : null;

    /// <summary>The revision that the message itself names; null before 2026-07-28.</summary>
    public string? MetaVersion => Params is { } p && p.TryGetProperty("_meta", out var meta) && meta.ValueKind == JsonValueKind.Object
        ? Text(meta, MetaKeys.ProtocolVersion)
        : null;

    /// <summary>What the header Mcp-Name must repeat; null where none is wanted.</summary>
    public string? RoutingName => Method switch
    {
        RequestMethods.ToolsCall or RequestMethods.PromptsGet => Params is { } p ? Text(p, "name") : null,
        RequestMethods.ResourcesRead => Params is { } p ? Text(p, "uri") : null,
        _ => null,
    };

    public bool WantsRoutingName => Method is RequestMethods.ToolsCall or RequestMethods.PromptsGet or RequestMethods.ResourcesRead;

    private JsonElement? Params => Root.TryGetProperty("params", out var p) && p.ValueKind == JsonValueKind.Object ? p : null;

    /// <summary>The message, or why the body is not taken.</summary>
    public static async Task<(McpMessage? Message, McpRefusal? Refusal)> ReadAsync(HttpRequest request, CancellationToken cancellationToken)
    {
        var (root, refusal) = await ReadJsonAsync(request, cancellationToken);
        if (refusal is not null)
            return (null, refusal);
        try
        {
            if (root.ValueKind == JsonValueKind.Array)
                return (null, Invalid("Batches are not part of this protocol. Send one message a request."));
            return root.Deserialize(McpJsonUtilities.DefaultOptions.GetTypeInfo<JsonRpcMessage>()) is { } message
                ? (new(message, root), null)
                : (null, Invalid("The body is not a JSON-RPC message."));
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or NotSupportedException)
        {
            return (null, Invalid("The body is not a JSON-RPC 2.0 message of the Model Context Protocol."));
        }
    }

    /// <summary>The body as JSON within the limits.</summary>
    public static async Task<(JsonElement Root, McpRefusal? Refusal)> ReadJsonAsync(HttpRequest request, CancellationToken cancellationToken)
    {
        var (bytes, status) = await RequestBody.BytesAsync(request, MaxBytes, cancellationToken);
        if (status == StatusCodes.Status415UnsupportedMediaType)
            return (default, new(status, "not_json", "Send the header 'Content-Type: application/json'."));
        if (status == StatusCodes.Status413PayloadTooLarge)
            return (default, new(status, "too_large", $"At most {MaxBytes} bytes are taken."));
        try
        {
            var root = JsonElement.Parse(bytes.Span, Strict);
            var errors = new FieldErrors();
            // A file may hold NUL.
            RequestBody.CheckTexts(bytes.Span, root, errors, takesNul: true);
            return errors.Any ? (default, Malformed) : (root, null);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            return (default, IsTooDeep(bytes.Span)
                ? new(StatusCodes.Status400BadRequest, "too_deep", $"The document is nested deeper than {MaxDepth} levels.") : Malformed);
        }
    }

    private static McpRefusal Malformed => new(
        StatusCodes.Status400BadRequest, "malformed_json",
        "The body is not well-formed JSON, an object in it has a name twice, or a text holds half of a surrogate pair.");

    private static McpRefusal Invalid(string detail) => new(StatusCodes.Status400BadRequest, "invalid_message", detail);

    // Tells this from other malformed documents; strings are skipped.
    private static bool IsTooDeep(ReadOnlySpan<byte> json)
    {
        var depth = 0;
        for (var i = 0; i < json.Length; i++)
        {
            switch (json[i])
            {
                case (byte)'{' or (byte)'[':
                    if (++depth > MaxDepth)
                        return true;
                    break;
                case (byte)'}' or (byte)']':
                    depth--;
                    break;
                case (byte)'"':
                    for (i++; i < json.Length && json[i] != (byte)'"'; i++)
                        i += json[i] == (byte)'\\' ? 1 : 0;
                    break;
            }
        }

        return false;
    }

    private static string? Text(JsonElement element, string name) =>
        element.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;
}

/// <summary>Errors of JSON-RPC that are answered before a server sees the message.</summary>
internal static class McpError
{
    public static Task WriteAsync(HttpContext http, int status, int code, string message, JsonElement? id, JsonNode? data = null)
    {
        var error = new JsonObject { ["code"] = code, ["message"] = message };
        if (data is not null)
            error["data"] = data;
        var body = new JsonObject { ["jsonrpc"] = "2.0", ["id"] = id is { } known ? JsonNode.Parse(known.GetRawText()) : null, ["error"] = error };
        http.Response.StatusCode = status;
        http.Response.ContentType = "application/json";
        return http.Response.WriteAsync(body.ToJsonString(), Encoding.UTF8, http.RequestAborted);
    }
}

/// <summary>Headers of Streamable HTTP.</summary>
internal static class McpHeaders
{
    public const string SessionId = "Mcp-Session-Id";
    public const string ProtocolVersion = "MCP-Protocol-Version";

    /// <summary>Repeats the body's method, from 2026-07-28 on.</summary>
    public const string Method = "Mcp-Method";

    /// <summary>Repeats the name or URI that the body asks for, from 2026-07-28 on.</summary>
    public const string Name = "Mcp-Name";
}
