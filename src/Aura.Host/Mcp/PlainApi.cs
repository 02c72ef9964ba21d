using System.Collections.ObjectModel;
using System.Text.Json;
using System.Text.Json.Nodes;
using Aura.Host.Api;
using Aura.Orchestra.Employees;
using Aura.Orchestra.Sandboxes;
using Aura.Orchestra.Tools;
using Npgsql;

namespace Aura.Host.Mcp;

/// <summary>
/// The tools as plain JSON endpoints, for programs that do not speak the Model Context Protocol: the arguments of the tool and
/// <c>session_id</c>, which names the sandbox.
/// </summary>
internal sealed class PlainApi(McpGuard guard, McpGate gate, PersonalSandboxes personal, McpMetrics metrics)
{
    public const string CreateSandbox = "create_sandbox";
    public const string SessionId = "session_id";

    /// <summary>In the query: <c>true</c> adds the member of the same name to the answer, the very text that a model is told over MCP.</summary>
    public const string Text = "text";

    /// <summary>Every tool has its endpoint; <c>diff</c> alone is read with GET.</summary>
    public static IReadOnlyList<ToolDefinition> Posted { get; } = [.. ToolCatalog.All.Where(t => t.Name != ToolNames.Diff)];

    public void Map(IEndpointRouteBuilder app)
    {
        app.MapPost($"/mcp/{CreateSandbox}", CreateAsync);
        foreach (var tool in Posted)
            app.MapPost($"/mcp/{tool.Name}", http => PostAsync(http, tool.Name));
        app.MapGet($"/mcp/{ToolNames.Diff}", DiffAsync);
        app.MapGet("/mcp/openapi.json", async http =>
        {
            if (await EnterAsync(http) is not null)
                await Results.Json(PlainOpenApi.Document()).ExecuteAsync(http);
        });
    }

    private async Task CreateAsync(HttpContext http)
    {
        if (await EnterAsync(http) is not { } caller || await BodyAsync(http, caller) is not { } body)
            return;
        var errors = new FieldErrors();
        var fields = new FieldReader(body, "", errors, "project", SessionId);
        var project = fields.Text("project", 64, required: true);
        var id = fields.Text(SessionId, 48, required: true);
        if (errors.Any)
        {
            await errors.ToResult().ExecuteAsync(http);
            return;
        }

        if (caller.Job is not null)
        {
            await gate.RefuseAsync(http, new(StatusCodes.Status403Forbidden, "not_permitted", "An employee has its sandbox already; only people open others."), caller);
            return;
        }

        var made = await personal.CreateAsync(id!, project!, caller.Name, http.RequestAborted);
        if (made.Refusal is { } refusal)
        {
            await gate.RefuseAsync(http, new(StatusOf(refusal.Code), refusal.Code, refusal.Message), caller);
            return;
        }

        await Results.Json(
            new { session_id = made.Value.Id, sandbox_id = made.Value.SandboxId, project = made.Value.Project, base_commit = made.Value.BaseCommit },
            statusCode: StatusCodes.Status201Created).ExecuteAsync(http);
    }

    private async Task PostAsync(HttpContext http, string tool)
    {
        if (await EnterAsync(http) is not { } caller || await BodyAsync(http, caller) is not { } body)
            return;
        var arguments = body.EnumerateObject().ToDictionary(m => m.Name, m => m.Value, StringComparer.Ordinal);
        var session = arguments.Remove(SessionId, out var id) && id.ValueKind == JsonValueKind.String ? id.GetString() : null;
        await CallAsync(http, caller, session, tool, arguments);
    }

    private async Task DiffAsync(HttpContext http)
    {
        if (await EnterAsync(http) is { } caller)
            await CallAsync(http, caller, http.Request.Query[SessionId], ToolNames.Diff, ReadOnlyDictionary<string, JsonElement>.Empty);
    }

    private async Task CallAsync(HttpContext http, McpCaller caller, string? sessionId, string tool, IReadOnlyDictionary<string, JsonElement> arguments)
    {
        var withText = false;
        if (http.Request.Query.TryGetValue(Text, out var asked) && !bool.TryParse(asked, out withText))
        {
            await gate.RefuseAsync(
                http, new(StatusCodes.Status400BadRequest, ToolCodes.InvalidArguments, "The query parameter 'text' must be true or false."), caller);
            return;
        }

        var (session, refusal) = await gate.OpenAsync(caller, sessionId, http.RequestAborted);
        if (session is null)
        {
            await gate.RefuseAsync(http, refusal!, caller);
            return;
        }

        var started = System.Diagnostics.Stopwatch.GetTimestamp();
        ToolResult result;
        try
        {
            result = await session.CallAsync(tool, arguments, null, http.RequestAborted);
        }
        catch (NpgsqlException)
        {
            result = EmployeeServer.WithoutDatabase(tool);
        }

        metrics.Called(tool, result.RefusalCode, System.Diagnostics.Stopwatch.GetElapsedTime(started));
        // The session has its event of a refused tool already, as far as there was a database to take it.
        if (result.RefusalCode is { } code)
            await new McpRefusal(StatusOf(code), code, result.Text).WriteAsync(http);
        else
            await Results.Json(withText ? Told(result) : result.Structured).ExecuteAsync(http);
    }

    private static JsonElement Told(ToolResult result)
    {
        var answer = result.Structured is { } structured ? JsonObject.Create(structured)! : [];
        answer[Text] = result.Text;
        return JsonSerializer.SerializeToElement(answer);
    }

    private async Task<McpCaller?> EnterAsync(HttpContext http)
    {
        if (guard.Check(http.Request) is { } refusal)
        {
            await gate.RefuseAsync(http, refusal);
            return null;
        }

        var (caller, problem) = await gate.IdentifyAsync(http);
        if (caller is null)
            await gate.RefuseAsync(http, problem!);
        return caller;
    }

    private async Task<JsonElement?> BodyAsync(HttpContext http, McpCaller caller)
    {
        var (root, refusal) = await McpMessage.ReadJsonAsync(http.Request, http.RequestAborted);
        if (refusal is null && root.ValueKind != JsonValueKind.Object)
            refusal = new(StatusCodes.Status400BadRequest, "malformed_json", "The body must be a JSON object.");
        if (refusal is null)
            return root;
        await gate.RefuseAsync(http, refusal, caller);
        return null;
    }

    public static int StatusOf(string code) => code switch
    {
        ToolCodes.InvalidArguments or ToolCodes.InvalidPattern or PersonalSandboxes.InvalidSession or RefusalCodes.InvalidSandbox => StatusCodes.Status400BadRequest,
        RefusalCodes.NotFound => StatusCodes.Status404NotFound,
        RefusalCodes.OutsideSandbox or RefusalCodes.OutsideScope or RefusalCodes.Symlink or RefusalCodes.HardLink or RefusalCodes.GitDirectory
            => StatusCodes.Status403Forbidden,
        RefusalCodes.TooLarge => StatusCodes.Status413PayloadTooLarge,
        RefusalCodes.NotText or RefusalCodes.NotAFile => StatusCodes.Status422UnprocessableEntity,
        ToolCodes.Unavailable => StatusCodes.Status503ServiceUnavailable,
        _ => StatusCodes.Status409Conflict,
    };
}
