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
        if (Definitions.All(d => d.Name != tool))
            return ToolResult.Refused(ToolCodes.UnknownTool, $"There is no tool '{tool}'. Use one of: {string.Join(", ", Definitions.Select(d => d.Name))}.");
        var begun = time.GetTimestamp();
        var pauses = new Pauses(TimeSpan.FromSeconds(5));
        while (true)
        {
            var answer = tool == ToolNames.Diff
                ? await http.SendAsync(HttpMethod.Get, $"/mcp/diff?session_id={Uri.EscapeDataString(sandboxId)}", null, token, Limit, cancellationToken)
                : await http.SendAsync(HttpMethod.Post, $"/mcp/{tool}", BodyOf(arguments), token, Limit, cancellationToken);
            if (answer.IsGood)
                return ToolResult.Done(TextOf(tool, answer.Body)) with { Structured = answer.Body };
            if (answer.Status == 401)
            {
                onLeaseLost();
                cancellationToken.ThrowIfCancellationRequested();
                return ToolResult.Refused("lease_lost", "The lease of this attempt has ended.");
            }

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

    /// <summary>What a model reads: the same as within a host, as far as the answer's members tell it.</summary>
    private static string TextOf(string tool, JsonElement body)
    {
        switch (tool)
        {
            case ToolNames.ListFiles when body.TryGetProperty("files", out var files):
                var list = string.Join('\n', files.EnumerateArray().Select(f => f.GetProperty("path").GetString()));
                return Given(body, "next_cursor") is { } cursor ? $"{list}\n… there are more files; call again with cursor {cursor.GetRawText()}." : list;
            case ToolNames.ReadFile when body.TryGetProperty("content", out var content):
                return Given(body, "next_line") is { } next
                    ? $"{content.GetString()}\n… the file goes on; call again with start_line {next} (it has {body.GetProperty("total_lines")} lines)."
                    : content.GetString()!;
            case ToolNames.Diff when body.TryGetProperty("diff", out var diff):
                return diff.GetString() is { Length: > 0 } text ? text : "Nothing was changed yet.";
            case ToolNames.WriteFile or ToolNames.DeleteFile or ToolNames.ApplyPatch when body.TryGetProperty("changed", out var changed):
                return $"Changed: {string.Join(", ", changed.EnumerateArray().Select(p => p.GetString()))}";
            default:
                return body.GetRawText();
        }
    }

    private static JsonElement? Given(JsonElement body, string name) =>
        body.TryGetProperty(name, out var value) && value.ValueKind != JsonValueKind.Null ? value : null;
}
