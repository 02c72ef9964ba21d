using System.Text.Json;
using Aura.Orchestra.Employees;
using Aura.Orchestra.Tools;

namespace Aura.Activities;

/// <summary>The employee's hands: the tools over its sandbox, with every call in the job's timeline and every snapshot on record at once.</summary>
internal sealed class SandboxTools(ToolSession session) : IEmployeeTools
{
    public IReadOnlyList<ToolDefinition> Definitions { get; } = ToolCatalog.Only(
        ToolNames.ListFiles, ToolNames.ReadFile, ToolNames.SearchFiles, ToolNames.WriteFile, ToolNames.ApplyPatch, ToolNames.DeleteFile, ToolNames.Diff);

    public Task<ToolResult> CallAsync(string tool, JsonElement arguments, CancellationToken cancellationToken) =>
        session.CallAsync(tool, arguments, null, cancellationToken);

    public Task<ToolResult> ListFilesAsync(string pattern, CancellationToken cancellationToken) =>
        CallAsync(ToolNames.ListFiles, new { pattern }, cancellationToken);

    public Task<ToolResult> ReadFileAsync(string path, CancellationToken cancellationToken) => CallAsync(ToolNames.ReadFile, new { path }, cancellationToken);

    public Task<ToolResult> WriteFileAsync(string path, string content, CancellationToken cancellationToken) =>
        CallAsync(ToolNames.WriteFile, new { path, content }, cancellationToken);

    public Task<ToolResult> DeleteFileAsync(string path, CancellationToken cancellationToken) => CallAsync(ToolNames.DeleteFile, new { path }, cancellationToken);

    public Task<ToolResult> ApplyPatchAsync(string patch, CancellationToken cancellationToken) =>
        CallAsync(ToolNames.ApplyPatch, new { patch }, cancellationToken);

    private Task<ToolResult> CallAsync<T>(string tool, T arguments, CancellationToken cancellationToken) =>
        session.CallAsync(tool, JsonSerializer.SerializeToElement(arguments), null, cancellationToken);
}
