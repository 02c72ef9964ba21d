using System.Text.Json;
using Aura.Orchestra.Sandboxes;
using Aura.Orchestra.Tools;

namespace Aura.Orchestra.Employees;

/// <summary>The tools of one attempt as an adapter uses them: by name and JSON arguments, from wherever these come; it keeps the list.</summary>
internal sealed class Toolbox(IEmployeeTools tools)
{
    private const int MaxTarget = 300;
    private readonly List<ToolCall> _calls = [];
    private readonly List<string> _artifacts = [];

    public IReadOnlyList<ToolDefinition> Definitions => tools.Definitions;

    /// <summary>Whether a tool of that name changes files.</summary>
    public static bool Changes(string tool) => tool is ToolNames.WriteFile or ToolNames.ApplyPatch or ToolNames.DeleteFile;

    public IReadOnlyList<ToolCall> Calls => _calls;

    /// <summary>Paths that were written or deleted, or may have been, each once.</summary>
    public IReadOnlyList<string> Artifacts => _artifacts;

    public async Task<ToolResult> CallAsync(string tool, JsonElement arguments, CancellationToken cancellationToken)
    {
        var result = await tools.CallAsync(tool, arguments, cancellationToken);
        var targets = TargetsOf(tool, arguments);
        var target = string.Join(", ", targets);
        _calls.Add(new(tool, target.Length > MaxTarget ? target[..MaxTarget] + "…" : target, result.RefusalCode));
        if (Changes(tool) && result.RefusalCode is null or ToolCodes.OutcomeUnknown)
            _artifacts.AddRange(targets.Where(t => !_artifacts.Contains(t, StringComparer.Ordinal)));
        return result;
    }

    private static IReadOnlyList<string> TargetsOf(string tool, JsonElement arguments) => tool switch
    {
        ToolNames.ApplyPatch => Text(arguments, "patch") is { } patch ? PatchText.PathsOf(patch) : [],
        ToolNames.ListFiles or ToolNames.SearchFiles => [Text(arguments, "pattern") ?? "**"],
        _ => Text(arguments, "path") is { } path ? [path] : [],
    };

    private static string? Text(JsonElement arguments, string name) =>
        arguments.ValueKind == JsonValueKind.Object && arguments.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;
}
