using System.Text.Json;
using Aura.Orchestra.Employees;
using Aura.Orchestra.Sandboxes;
using Aura.Orchestra.Tools;

namespace Aura.Orchestra.Tests.Employees;

/// <summary>An employee's tools over a real sandbox, without the database.</summary>
internal sealed class SandboxHands(Sandbox sandbox) : IEmployeeTools
{
    public IReadOnlyList<ToolDefinition> Definitions { get; } =
        ToolCatalog.Only(ToolNames.ListFiles, ToolNames.ReadFile, ToolNames.WriteFile, ToolNames.ApplyPatch, ToolNames.DeleteFile);

    public async Task<ToolResult> CallAsync(string tool, JsonElement arguments, CancellationToken cancellationToken)
    {
        if (ToolCatalog.Find(tool) is not { } definition || !Definitions.Contains(definition))
            return ToolResult.Refused(ToolCodes.UnknownTool, $"There is no tool '{tool}'.");
        var given = new ToolArguments(definition, ToolArguments.Of(arguments));
        switch (tool)
        {
            case ToolNames.ListFiles:
                var pattern = given.OptionalText("pattern", 500) ?? "**";
                return given.Problem ?? List(pattern);
            case ToolNames.ReadFile:
                var path = given.Text("path", 1024);
                return given.Problem ?? Told(await sandbox.ReadFileAsync(path, cancellationToken), text => text, text => new { path, content = text });
            case ToolNames.WriteFile:
                var (target, content) = (given.Text("path", 1024), given.Text("content", int.MaxValue, mayBeEmpty: true));
                return given.Problem ?? Changed(await sandbox.WriteFileAsync(target, content, cancellationToken));
            case ToolNames.DeleteFile:
                var gone = given.Text("path", 1024);
                return given.Problem ?? Changed(await sandbox.DeleteFileAsync(gone, cancellationToken));
            default:
                var patch = given.Text("patch", int.MaxValue);
                return given.Problem ?? Changed(await sandbox.ApplyPatchAsync(patch, cancellationToken));
        }
    }

    private ToolResult List(string pattern)
    {
        var files = sandbox.ListFiles(pattern);
        return ToolResult.Done(string.Join('\n', files.Select(f => f.Path)), new { files = files.Select(f => new { f.Path, f.Size }) });
    }

    private static ToolResult Changed(SandboxResult<SandboxChange> result) =>
        Told(result, c => string.Join(", ", c.Paths), c => new { changed = c.Paths });

    private static ToolResult Told<T>(SandboxResult<T> result, Func<T, string> text, Func<T, object> structured) => result.Refusal is { } refusal
        ? ToolResult.Refused(refusal.Code, refusal.Message)
        : ToolResult.Done(text(result.Value), structured(result.Value));
}
