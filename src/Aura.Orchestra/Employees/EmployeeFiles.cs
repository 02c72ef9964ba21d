using System.Text;
using System.Text.Json;
using Aura.Orchestra.Sandboxes;
using Aura.Orchestra.Tools;

namespace Aura.Orchestra.Employees;

/// <summary>A project's files through the tools, whole: the tools answer in pages and ranges, by what their structured answers say.</summary>
internal static class EmployeeFiles
{
    private const int Page = 2000;

    /// <summary>The paths of all files, in their order; or the refusal.</summary>
    public static async Task<(IReadOnlyList<string> Paths, ToolResult? Refusal)> AllFilesAsync(
        this IEmployeeTools tools, CancellationToken cancellationToken)
    {
        var paths = new List<string>();
        string? cursor = null;
        do
        {
            var answer = await CallAsync(tools, ToolNames.ListFiles, new { pattern = "**", limit = Page, cursor }, cancellationToken);
            if (answer.IsRefused)
                return ([], answer);
            if (Given(answer, "files") is not { ValueKind: JsonValueKind.Array } files)
                return ([], Strange(ToolNames.ListFiles));
            paths.AddRange(files.EnumerateArray().Select(f => f.GetProperty("path").GetString()!));
            cursor = Given(answer, "next_cursor")?.GetString();
        } while (cursor is not null);

        return (paths, null);
    }

    /// <summary>The file's whole text; or the refusal, <c>too_large</c> when a line is longer than what the tool shows of one.</summary>
    public static async Task<ToolResult> WholeFileAsync(this IEmployeeTools tools, string path, CancellationToken cancellationToken)
    {
        var text = new StringBuilder();
        int? line = null;
        do
        {
            var answer = await CallAsync(tools, ToolNames.ReadFile, new { path, start_line = line }, cancellationToken);
            if (answer.IsRefused)
                return answer;
            if (Given(answer, "content") is not { ValueKind: JsonValueKind.String } content)
                return Strange(ToolNames.ReadFile);
            text.Append(content.GetString());
            line = Given(answer, "next_line")?.GetInt32();
            // Cut within a line: the rest of that line cannot be asked for.
            if (line is not null && (text.Length == 0 || text[^1] != '\n'))
                return ToolResult.Refused(RefusalCodes.TooLarge, $"'{path}' has a line that is longer than what {ToolNames.ReadFile} shows at once.");
        } while (line is not null);

        return ToolResult.Done(text.ToString());
    }

    // Null is what the tools take for absent.
    private static Task<ToolResult> CallAsync<T>(IEmployeeTools tools, string tool, T arguments, CancellationToken cancellationToken) =>
        tools.CallAsync(tool, JsonSerializer.SerializeToElement(arguments), cancellationToken);

    private static JsonElement? Given(ToolResult answer, string name) =>
        answer.Structured is { ValueKind: JsonValueKind.Object } body && body.TryGetProperty(name, out var value)
        && value.ValueKind != JsonValueKind.Null ? value : null;

    private static ToolResult Strange(string tool) => ToolResult.Refused(ToolCodes.Unavailable, $"{tool} answered something that is not its answer.");
}
