using System.Text.Json;

namespace Aura.Orchestra.Employees;

/// <summary>Codes of refusals that are made before a sandbox is asked.</summary>
internal static class ToolCodes
{
    public const string UnknownTool = "unknown_tool";
    public const string InvalidArguments = "invalid_arguments";
}

/// <param name="Schema">JSON schema of the arguments.</param>
internal sealed record ToolDefinition(string Name, string Description, string Schema);

/// <summary>Turns a tool's name and JSON arguments, from wherever they come, into calls on <see cref="IEmployeeTools"/>, and keeps the list.</summary>
internal sealed class Toolbox(IEmployeeTools tools)
{
    private const int MaxTarget = 300;
    private readonly List<ToolCall> _calls = [];
    private readonly List<string> _artifacts = [];

    public static IReadOnlyList<ToolDefinition> Definitions { get; } =
    [
        new("list_files", "Lists the project's files, one path a line.",
            """{"type":"object","properties":{"pattern":{"type":"string","description":"Glob, for example app/**/*.py; ** for all files"}},"required":["pattern"],"additionalProperties":false}"""),
        new("read_file", "Returns the text of one file.",
            """{"type":"object","properties":{"path":{"type":"string","description":"Relative to the project's root"}},"required":["path"],"additionalProperties":false}"""),
        new("write_file", "Creates a file or replaces the whole of it. Read a file before you replace it.",
            """{"type":"object","properties":{"path":{"type":"string"},"content":{"type":"string","description":"The complete new text"}},"required":["path","content"],"additionalProperties":false}"""),
        new("apply_patch", "Applies a unified diff with a/ and b/ prefixes, as a whole or not at all.",
            """{"type":"object","properties":{"patch":{"type":"string"}},"required":["patch"],"additionalProperties":false}"""),
        new("delete_file", "Deletes one file.",
            """{"type":"object","properties":{"path":{"type":"string"}},"required":["path"],"additionalProperties":false}"""),
    ];

    public IReadOnlyList<ToolCall> Calls => _calls;

    /// <summary>Paths that were written or deleted, each once.</summary>
    public IReadOnlyList<string> Artifacts => _artifacts;

    public async Task<ToolResult> CallAsync(string tool, JsonElement arguments, CancellationToken cancellationToken)
    {
        var (result, targets) = await DispatchAsync(tool, arguments, cancellationToken);
        var target = string.Join(", ", targets);
        _calls.Add(new(tool, target.Length > MaxTarget ? target[..MaxTarget] + "…" : target, result.RefusalCode));
        if (!result.IsRefused && tool is "write_file" or "apply_patch" or "delete_file")
            _artifacts.AddRange(targets.Where(t => !_artifacts.Contains(t, StringComparer.Ordinal)));
        return result;
    }

    private async Task<(ToolResult Result, IReadOnlyList<string> Targets)> DispatchAsync(string tool, JsonElement arguments, CancellationToken cancellationToken)
    {
        if (arguments.ValueKind != JsonValueKind.Object)
            return (ToolResult.Refused(ToolCodes.InvalidArguments, $"The arguments of {tool} must be a JSON object."), []);
        switch (tool)
        {
            case "list_files":
                var pattern = Text(arguments, "pattern") ?? "**";
                return (await tools.ListFilesAsync(pattern, cancellationToken), [pattern]);
            case "read_file":
                return Text(arguments, "path") is { } read ? (await tools.ReadFileAsync(read, cancellationToken), [read]) : Missing(tool, "path");
            case "delete_file":
                return Text(arguments, "path") is { } delete ? (await tools.DeleteFileAsync(delete, cancellationToken), [delete]) : Missing(tool, "path");
            case "write_file":
                if (Text(arguments, "path") is not { } write)
                    return Missing(tool, "path");
                return Text(arguments, "content") is { } content
                    ? (await tools.WriteFileAsync(write, content, cancellationToken), [write])
                    : Missing(tool, "content");
            case "apply_patch":
                return Text(arguments, "patch") is { } patch
                    ? (await tools.ApplyPatchAsync(patch, cancellationToken), PathsOf(patch))
                    : Missing(tool, "patch");
            default:
                return (ToolResult.Refused(ToolCodes.UnknownTool, $"There is no tool '{tool}'. Use one of: {string.Join(", ", Definitions.Select(d => d.Name))}."), []);
        }
    }

    private static (ToolResult Result, IReadOnlyList<string> Targets) Missing(string tool, string argument) =>
        (ToolResult.Refused(ToolCodes.InvalidArguments, $"{tool} needs the text argument '{argument}'."), []);

    private static string? Text(JsonElement arguments, string name) =>
        arguments.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;

    private static List<string> PathsOf(string patch) =>
    [
        .. patch.Split('\n')
            .Where(l => l.StartsWith("+++ ", StringComparison.Ordinal) || l.StartsWith("--- ", StringComparison.Ordinal))
            .Select(l => l[4..].Split('\t')[0].Trim())
            .Where(p => p is not ("" or "/dev/null"))
            .Select(p => p.StartsWith("a/", StringComparison.Ordinal) || p.StartsWith("b/", StringComparison.Ordinal) ? p[2..] : p)
            .Distinct(StringComparer.Ordinal).Take(50),
    ];
}
