using System.Text.Json;
using Aura.Orchestra.Employees;
using Aura.Orchestra.Tools;

namespace Aura.Host.Worker;

/// <summary>
/// The employee's hands over HTTP: the plain endpoints of the MCP service, with the token of this attempt. A token that is not taken any more
/// means that the lease was lost.
/// </summary>
internal sealed class HttpTools(WorkerHttp http, string token, string sandboxId, Action onLeaseLost, TimeProvider time) : IEmployeeTools
{
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(5);

    /// <summary>How long the service may be away before a call is given up.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(45);

    public IReadOnlyList<ToolDefinition> Definitions => ToolCatalog.OfEmployees;

    public async Task<ToolResult> CallAsync(string tool, JsonElement arguments, CancellationToken cancellationToken)
    {
        if (arguments.ValueKind != JsonValueKind.Object)
            return ToolResult.Refused(ToolCodes.InvalidArguments, $"The arguments of {tool} must be a JSON object.");
        if (Definitions.FirstOrDefault(d => d.Name == tool) is not { } definition)
            return ToolResult.Refused(ToolCodes.UnknownTool, $"There is no tool '{tool}'. Use one of: {string.Join(", ", Definitions.Select(d => d.Name))}.");
        var begun = time.GetTimestamp();
        var pauses = new Pauses(TimeSpan.FromSeconds(5));
        while (true)
        {
            var answer = tool == ToolNames.Diff
                ? await http.SendAsync(
                    HttpMethod.Get, $"/mcp/diff?session_id={Uri.EscapeDataString(sandboxId)}&text=true", null, token, Limit, cancellationToken)
                : await http.SendAsync(HttpMethod.Post, $"/mcp/{tool}?text=true", BodyOf(arguments), token, Limit, cancellationToken);
            if (answer.IsGood)
            {
                return answer.Body is { ValueKind: JsonValueKind.Object } body && body.TryGetProperty("text", out var text)
                    && text.ValueKind == JsonValueKind.String
                        ? ToolResult.Done(text.GetString()!) with { Structured = body }
                        : ToolResult.Refused(
                            ToolCodes.Unavailable,
                            "The service answered without the member 'text': it is of another version than this worker. Update the older one.");
            }

            if (answer.Status == 401)
            {
                onLeaseLost();
                cancellationToken.ThrowIfCancellationRequested();
                return ToolResult.Refused("lease_lost", "The lease of this attempt has ended.");
            }

            // Again it would be refused as done, or be done twice: either way the model would be told something that is not so.
            if (answer.MayBeDone && !definition.IsReadOnly && !definition.IsIdempotent)
                return ToolResult.Refused(
                    ToolCodes.OutcomeUnknown, "It is not known whether it was done: look (diff, read_file) before you do it again.");
            if (!answer.MayPass || time.GetElapsedTime(begun) > Patience)
                return ToolResult.Refused(answer.Code ?? ToolCodes.Unavailable, answer.Detail.Length > 0 ? answer.Detail : answer.ToString());
            await Task.Delay(pauses.Next(), time, cancellationToken);
        }
    }

    private string BodyOf(JsonElement arguments)
    {
        var body = System.Text.Json.Nodes.JsonObject.Create(arguments)!;
        body["session_id"] = sandboxId;
        return body.ToJsonString();
    }
}
