using System.Security.Claims;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Http.Features;
using ModelContextProtocol;
using ModelContextProtocol.Protocol;
using ModelContextProtocol.Server;

namespace Aura.Host.Mcp;

/// <summary>Who speaks, and with what server.</summary>
/// <param name="Identity">A session is only for the one who opened it.</param>
/// <param name="Options">Made anew for each session, and for each request without one.</param>
internal sealed record McpPeer(string Identity, ClaimsPrincipal? User, Func<McpServerOptions> Options);

/// <summary>
/// Streamable HTTP in both its ages: up to revision 2025-11-25 <c>initialize</c> opens a session that later requests name; from 2026-07-28
/// on every request stands alone and says itself which revision it speaks. Host and Origin are checked first, then the caller, then the body.
/// </summary>
internal sealed class McpTransport(
    McpGuard guard, Func<HttpContext, Task<McpPeer?>> admit, Func<HttpContext, McpRefusal, Task> refuse, McpSessions sessions,
    ILoggerFactory loggers, IServiceProvider services)
{
    private const string Stateless = "2026-07-28";
    private static readonly string[] Revisions = [Stateless, "2025-11-25", "2025-06-18", "2025-03-26"];

    public void Map(IEndpointRouteBuilder app, string path)
    {
        app.MapPost(path, PostAsync);
        app.MapGet(path, ListenAsync);
        app.MapDelete(path, EndAsync);
    }

    private async Task PostAsync(HttpContext http)
    {
        if (await EnterAsync(http) is not { } peer)
            return;
        var accept = http.Request.Headers.Accept.ToString();
        if (!Accepts(accept, "application/json") || !Accepts(accept, "text/event-stream"))
        {
            await McpError.WriteAsync(http, StatusCodes.Status406NotAcceptable, -32000, "Send 'Accept: application/json, text/event-stream'.", null);
            return;
        }

        var (message, refusal) = await McpMessage.ReadAsync(http.Request, http.RequestAborted);
        if (message is null)
        {
            await refuse(http, refusal!);
            return;
        }

        var header = http.Request.Headers[McpHeaders.ProtocolVersion].ToString();
        var version = header.Length > 0 ? header : message.MetaVersion;
        if (version is not null && !Revisions.Contains(version))
            await UnsupportedAsync(http, message, version);
        else if (version is not null && string.CompareOrdinal(version, Stateless) >= 0)
            await AloneAsync(http, peer, message, header);
        else
            await InSessionAsync(http, peer, message);
    }

    private async Task AloneAsync(HttpContext http, McpPeer peer, McpMessage message, string version)
    {
        if (HeaderProblem(http.Request, message, version) is { } problem)
        {
            await McpError.WriteAsync(http, StatusCodes.Status400BadRequest, (int)McpErrorCode.HeaderMismatch, problem, message.Id);
            return;
        }

        await using var transport = new StreamableHttpServerTransport(loggers) { Stateless = true };
        await using var server = McpServer.Create(transport, peer.Options(), loggers, services);
        // Who hangs up does not want the answer any more.
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(http.RequestAborted);
        var running = server.RunAsync(ended.Token);
        message.Message.Context = new() { User = peer.User, ProtocolVersion = version };
        await AnswerAsync(http, transport, message.Message, isAlone: true);
        await ended.CancelAsync();
        await EndedAsync(running);
    }

    private async Task InSessionAsync(HttpContext http, McpPeer peer, McpMessage message)
    {
        var id = http.Request.Headers[McpHeaders.SessionId].ToString();
        HttpSession? session;
        if (id.Length > 0)
        {
            if ((session = await FindAsync(http, peer, id, message)) is null)
                return;
        }
        else if (message.Method == RequestMethods.Initialize)
        {
            session = await sessions.OpenAsync(peer, loggers, services);
            if (session is null)
            {
                await refuse(http, new(StatusCodes.Status429TooManyRequests, "too_many_sessions", "Too many sessions are open. End one with DELETE, or wait."));
                return;
            }
        }
        else
        {
            await McpError.WriteAsync(
                http, StatusCodes.Status400BadRequest, -32000,
                $"Send 'initialize' first and then its {McpHeaders.SessionId}; or speak {Stateless}, which needs no session "
                    + $"({McpHeaders.ProtocolVersion} and _meta).", message.Id);
            return;
        }

        using var use = session.Use();
        http.Response.Headers[McpHeaders.SessionId] = session.Id;
        message.Message.Context = new() { User = peer.User };
        await AnswerAsync(http, session.Transport, message.Message, isAlone: false);
    }

    private async Task ListenAsync(HttpContext http)
    {
        if (await EnterAsync(http) is not { } peer)
            return;
        var version = http.Request.Headers[McpHeaders.ProtocolVersion].ToString();
        if (string.CompareOrdinal(version, Stateless) >= 0 || !Accepts(http.Request.Headers.Accept.ToString(), "text/event-stream"))
        {
            http.Response.Headers.Allow = "POST";
            await McpError.WriteAsync(
                http, StatusCodes.Status405MethodNotAllowed, -32000,
                $"There is nothing to listen to: {Stateless} has no sessions, and earlier revisions ask with 'Accept: text/event-stream'.", null);
            return;
        }

        if (await FindAsync(http, peer, http.Request.Headers[McpHeaders.SessionId].ToString(), null) is not { } session)
            return;
        if (!session.TryListen())
        {
            await McpError.WriteAsync(http, StatusCodes.Status409Conflict, -32000, "Somebody listens to this session already.", null);
            return;
        }

        using var ended = CancellationTokenSource.CreateLinkedTokenSource(http.RequestAborted, session.Ended);
        try
        {
            using var use = session.Use();
            StartStream(http);
            await session.Transport.HandleGetRequestAsync(http.Response.Body, ended.Token);
        }
        catch (OperationCanceledException) when (ended.IsCancellationRequested)
        {
            // This is how a listener leaves.
        }
        finally
        {
            session.StopListening();
        }
    }

    private async Task EndAsync(HttpContext http)
    {
        if (await EnterAsync(http) is not { } peer)
            return;
        if (await FindAsync(http, peer, http.Request.Headers[McpHeaders.SessionId].ToString(), null) is not { } session)
            return;
        await sessions.CloseAsync(session);
        http.Response.StatusCode = StatusCodes.Status204NoContent;
    }

    private async Task<McpPeer?> EnterAsync(HttpContext http)
    {
        if (guard.Check(http.Request) is not { } refusal)
            return await admit(http);
        await refuse(http, refusal);
        return null;
    }

    private async Task<HttpSession?> FindAsync(HttpContext http, McpPeer peer, string id, McpMessage? message)
    {
        if (id.Length == 0)
        {
            await McpError.WriteAsync(http, StatusCodes.Status400BadRequest, -32000, $"The header {McpHeaders.SessionId} is missing.", message?.Id);
            return null;
        }

        var session = sessions.Find(id);
        // 404 tells a client to begin a new session.
        if (session is null)
            await McpError.WriteAsync(http, StatusCodes.Status404NotFound, -32001, "There is no such session, or it has ended. Send 'initialize' again.", message?.Id);
        else if (session.Identity != peer.Identity)
            await refuse(http, new(StatusCodes.Status403Forbidden, "other_session", "The session belongs to another caller."));
        else
            return session;
        return null;
    }

    private static async Task AnswerAsync(HttpContext http, StreamableHttpServerTransport transport, JsonRpcMessage message, bool isAlone)
    {
        StartStream(http);
        var wrote = await transport.HandlePostRequestAsync(
            message, http.Response.Body,
            first =>
            {
                if (isAlone && first is JsonRpcError error)
                    http.Response.StatusCode = StatusOf(error.Error.Code);
                return default;
            },
            http.RequestAborted);
        if (wrote)
            return;
        http.Response.Headers.ContentType = default(string);
        http.Response.StatusCode = StatusCodes.Status202Accepted;
    }

    // Revision 2026-07-28 gives these errors of the protocol their HTTP status.
    private static int StatusOf(int code) => code switch
    {
        (int)McpErrorCode.MethodNotFound => StatusCodes.Status404NotFound,
        (int)McpErrorCode.HeaderMismatch or (int)McpErrorCode.MissingRequiredClientCapability or (int)McpErrorCode.UnsupportedProtocolVersion
            or (int)McpErrorCode.InvalidRequest or (int)McpErrorCode.ParseError or (int)McpErrorCode.InvalidParams => StatusCodes.Status400BadRequest,
        _ => StatusCodes.Status200OK,
    };

    /// <summary>The standard headers repeat the body, so that a proxy can route without reading it; they must not lie.</summary>
    private static string? HeaderProblem(HttpRequest request, McpMessage message, string version)
    {
        if (version.Length == 0)
            return $"The header {McpHeaders.ProtocolVersion} is missing.";
        if (message.MetaVersion is { } inBody && inBody != version)
            return $"The header {McpHeaders.ProtocolVersion} and the body's _meta name different revisions.";
        var method = request.Headers[McpHeaders.Method].ToString().Trim();
        if (message.Method is { } wanted && method != wanted)
            return method.Length == 0 ? $"The header {McpHeaders.Method} is missing." : $"The header {McpHeaders.Method} is not the body's method.";
        if (!message.WantsRoutingName)
            return null;
        var name = request.Headers[McpHeaders.Name].ToString().Trim();
        if (name.Length == 0)
            return $"The header {McpHeaders.Name} is missing.";
        return McpHeaderEncoder.DecodeValue(name) == message.RoutingName ? null : $"The header {McpHeaders.Name} is not what the body names.";
    }

    private static Task UnsupportedAsync(HttpContext http, McpMessage message, string version) => McpError.WriteAsync(
        http, StatusCodes.Status400BadRequest, (int)McpErrorCode.UnsupportedProtocolVersion, "That revision of the protocol is not spoken here.", message.Id,
        new JsonObject { ["supported"] = new JsonArray([.. Spoken(version).Select(r => (JsonNode)r)]), ["requested"] = version.Length > 64 ? version[..64] : version });

    // Who asks without a session is told what is spoken without one; server/discover says the same.
    private static string[] Spoken(string asked) => string.CompareOrdinal(asked, Stateless) >= 0 ? [Stateless] : Revisions;

    private static bool Accepts(string accept, string type) =>
        accept.Contains(type, StringComparison.OrdinalIgnoreCase) || accept.Contains("*/*", StringComparison.Ordinal)
        || accept.Contains(type[..(type.IndexOf('/', StringComparison.Ordinal) + 1)] + "*", StringComparison.OrdinalIgnoreCase);

    private static void StartStream(HttpContext http)
    {
        http.Response.ContentType = "text/event-stream";
        http.Response.Headers.CacheControl = "no-cache, no-store";
        http.Features.GetRequiredFeature<IHttpResponseBodyFeature>().DisableBuffering();
    }

    private static async Task EndedAsync(Task running)
    {
        try
        {
            await running;
        }
        catch (OperationCanceledException)
        {
            // Its one request is answered.
        }
    }
}
