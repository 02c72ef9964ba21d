using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using ModelContextProtocol.Protocol;

namespace Aura.Host.Mcp;

/// <summary>
/// Carries messages of the Model Context Protocol between standard input and output and a service over Streamable HTTP, for agents that know
/// only stdio. It understands of them what the transport needs: the method, the id, the revision. The token comes from a file, which is read
/// anew for each request, so that it can be renewed while the agent works.
/// </summary>
internal sealed class McpBridge(Uri url, Func<string> token, string? session, TextReader input, TextWriter output) : IDisposable
{
    /// <summary>How long the service may take to hear that the session is over.</summary>
    private static readonly TimeSpan Farewell = TimeSpan.FromSeconds(5);

    private readonly HttpClient _http = new(new SocketsHttpHandler { AllowAutoRedirect = false, UseProxy = false }) { Timeout = Timeout.InfiniteTimeSpan };
    private readonly SemaphoreSlim _writing = new(1);
    private readonly Dictionary<string, CancellationTokenSource> _open = new(StringComparer.Ordinal);
    private string? _sessionId;
    private string? _version;
    private Task _listening = Task.CompletedTask;
    private CancellationToken _over;

    /// <summary>Until standard input ends and every answer is written.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        var pending = new List<Task>();
        using var over = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        _over = over.Token;
        while (await input.ReadLineAsync(cancellationToken) is { } line)
        {
            if (line.Length == 0)
                continue;
            if (Parse(line) is not { } message)
            {
                await WriteAsync(Error(null, -32700, "The line is no JSON object."), cancellationToken);
                continue;
            }

            pending.RemoveAll(t => t.IsCompleted);
            var sending = SendAsync(message, line, over.Token);
            // What follows on an initialize needs its session.
            if (Text(message, "method") == RequestMethods.Initialize)
                await sending;
            else
                pending.Add(sending);
        }

        await Task.WhenAll(pending);
        await EndSessionAsync(cancellationToken);
        await over.CancelAsync();
        await _listening;
    }

    public void Dispose()
    {
        _http.Dispose();
        _writing.Dispose();
    }

    private async Task SendAsync(JsonObject message, string line, CancellationToken cancellationToken)
    {
        var id = message["id"]?.ToJsonString();
        var meta = message["params"]?["_meta"] as JsonObject;
        var isAlone = meta?[MetaKeys.ProtocolVersion] is not null;
        // Without a session there is nobody to tell; what hangs up is cancelled.
        if (isAlone || _sessionId is null)
        {
            if (Text(message, "method") == NotificationMethods.CancelledNotification && message["params"]?["requestId"]?.ToJsonString() is { } cancelled)
            {
                lock (_open)
                    _open.GetValueOrDefault(cancelled)?.Cancel();
                return;
            }
        }

        using var own = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        if (id is not null)
        {
            lock (_open)
                _open[id] = own;
        }

        try
        {
            using var request = Request(HttpMethod.Post);
            request.Content = new StringContent(line, Encoding.UTF8, "application/json");
            if (isAlone)
                Alone(request, message, Text(meta!, MetaKeys.ProtocolVersion) ?? "");
            using var response = await _http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, own.Token);
            await TakeAsync(message, response, own.Token);
        }
        catch (OperationCanceledException) when (own.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            // The agent cancelled it and wants no answer.
        }
        catch (Exception e) when (e is HttpRequestException or IOException or FileNotFoundException or UnauthorizedAccessException)
        {
            if (id is not null)
                await WriteAsync(Error(message["id"], -32000, $"The service at {url} does not answer: {e.Message}"), cancellationToken);
        }
        finally
        {
            if (id is not null)
            {
                lock (_open)
                    _open.Remove(id);
            }
        }
    }

    private async Task TakeAsync(JsonObject message, HttpResponseMessage response, CancellationToken cancellationToken)
    {
        if (response.Headers.TryGetValues(McpHeaders.SessionId, out var given))
            _sessionId = given.First();
        if (response.StatusCode is HttpStatusCode.Accepted or HttpStatusCode.NoContent)
            return;
        var type = response.Content.Headers.ContentType?.MediaType;
        if (type == "text/event-stream")
        {
            await foreach (var data in EventsAsync(response, cancellationToken))
                await PassAsync(message, data, cancellationToken);
            return;
        }

        var body = await response.Content.ReadAsStringAsync(cancellationToken);
        if (type == "application/json" && Parse(body) is { } answer && answer.ContainsKey("jsonrpc"))
            await PassAsync(message, body.ReplaceLineEndings(" "), cancellationToken);
        else if (message["id"] is { } id)
            await WriteAsync(Error(id, -32000, $"The service refused ({(int)response.StatusCode}): {Detail(body)}"), cancellationToken);
    }

    private async Task PassAsync(JsonObject message, string data, CancellationToken cancellationToken)
    {
        await WriteAsync(data, cancellationToken);
        if (Text(message, "method") != RequestMethods.Initialize || Parse(data)?["result"] is not JsonObject result)
            return;
        _version = Text(result, "protocolVersion");
        if (_sessionId is not null && _listening.IsCompleted)
            _listening = ListenAsync(_over);
    }

    /// <summary>What the service sends outside of any answer.</summary>
    private async Task ListenAsync(CancellationToken cancellationToken)
    {
        try
        {
            using var request = Request(HttpMethod.Get);
            using var response = await _http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellationToken);
            if (!response.IsSuccessStatusCode)
                return;
            await foreach (var data in EventsAsync(response, cancellationToken))
                await WriteAsync(data, cancellationToken);
        }
        catch (Exception e) when (e is OperationCanceledException or HttpRequestException or IOException or UnauthorizedAccessException)
        {
            // The session has ended, or the service is away: the next request says so.
        }
    }

    private async Task EndSessionAsync(CancellationToken cancellationToken)
    {
        if (_sessionId is null)
            return;
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(Farewell);
        try
        {
            using var request = Request(HttpMethod.Delete);
            using var response = await _http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, limit.Token);
        }
        catch (Exception e) when (e is HttpRequestException or IOException or UnauthorizedAccessException
            || (e is OperationCanceledException && !cancellationToken.IsCancellationRequested))
        {
            // It ends by itself when nobody uses it; the file with the token may be gone as well as the service.
        }
    }

    private HttpRequestMessage Request(HttpMethod method)
    {
        var request = new HttpRequestMessage(method, url);
        request.Headers.Authorization = new("Bearer", token());
        request.Headers.Accept.Add(new MediaTypeWithQualityHeaderValue("text/event-stream"));
        if (method == HttpMethod.Post)
            request.Headers.Accept.Add(new MediaTypeWithQualityHeaderValue("application/json"));
        if (session is not null)
            request.Headers.Add(McpGate.SessionHeader, session);
        if (_sessionId is not null)
            request.Headers.Add(McpHeaders.SessionId, _sessionId);
        if (_version is not null)
            request.Headers.Add(McpHeaders.ProtocolVersion, _version);
        return request;
    }

    private static void Alone(HttpRequestMessage request, JsonObject message, string version)
    {
        request.Headers.Remove(McpHeaders.SessionId);
        request.Headers.Remove(McpHeaders.ProtocolVersion);
        request.Headers.TryAddWithoutValidation(McpHeaders.ProtocolVersion, version);
        request.Headers.TryAddWithoutValidation(McpHeaders.Method, Text(message, "method"));
        var name = Text(message["params"] as JsonObject, "name") ?? Text(message["params"] as JsonObject, "uri");
        if (name is not null)
            request.Headers.TryAddWithoutValidation(McpHeaders.Name, McpHeaderEncoder.EncodeValue(name));
    }

    private static async IAsyncEnumerable<string> EventsAsync(
        HttpResponseMessage response, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var parser = System.Net.ServerSentEvents.SseParser.Create(await response.Content.ReadAsStreamAsync(cancellationToken));
        await foreach (var item in parser.EnumerateAsync(cancellationToken))
        {
            if (item.Data.Length > 0)
                yield return item.Data.ReplaceLineEndings(" ");
        }
    }

    private async Task WriteAsync(string line, CancellationToken cancellationToken)
    {
        await _writing.WaitAsync(cancellationToken);
        try
        {
            await output.WriteLineAsync(line.AsMemory(), cancellationToken);
            await output.FlushAsync(cancellationToken);
        }
        finally
        {
            _writing.Release();
        }
    }

    private static string Error(JsonNode? id, int code, string message) =>
        new JsonObject { ["jsonrpc"] = "2.0", ["id"] = id?.DeepClone(), ["error"] = new JsonObject { ["code"] = code, ["message"] = message } }.ToJsonString();

    private static string Detail(string body) => Parse(body) is { } problem && Text(problem, "detail") is { } detail
        ? Text(problem, "code") is { } code ? $"{code}: {detail}" : detail
        : body.Length > 300 ? body[..300] : body;

    private static JsonObject? Parse(string text)
    {
        try
        {
            return JsonNode.Parse(text, documentOptions: new() { MaxDepth = McpMessage.MaxDepth }) as JsonObject;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private static string? Text(JsonObject? element, string name) =>
        element?[name] is JsonValue value && value.TryGetValue<string>(out var text) ? text : null;
}
