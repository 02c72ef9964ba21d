using Aura.Orchestra.Employees;
using Aura.Orchestra.Sandboxes;

namespace Aura.Orchestra.Tests.Employees;

/// <summary>An employee's tools over a real sandbox, without the database.</summary>
internal sealed class SandboxHands(Sandbox sandbox) : IEmployeeTools
{
    public Task<ToolResult> ListFilesAsync(string pattern, CancellationToken cancellationToken) =>
        Task.FromResult(ToolResult.Done(string.Join('\n', sandbox.ListFiles(pattern).Select(f => f.Path))));

    public async Task<ToolResult> ReadFileAsync(string path, CancellationToken cancellationToken) =>
        Told(await sandbox.ReadFileAsync(path, cancellationToken), text => text);

    public async Task<ToolResult> WriteFileAsync(string path, string content, CancellationToken cancellationToken) =>
        Told(await sandbox.WriteFileAsync(path, content, cancellationToken), c => string.Join(", ", c.Paths));

    public async Task<ToolResult> DeleteFileAsync(string path, CancellationToken cancellationToken) =>
        Told(await sandbox.DeleteFileAsync(path, cancellationToken), c => string.Join(", ", c.Paths));

    public async Task<ToolResult> ApplyPatchAsync(string patch, CancellationToken cancellationToken) =>
        Told(await sandbox.ApplyPatchAsync(patch, cancellationToken), c => string.Join(", ", c.Paths));

    private static ToolResult Told<T>(SandboxResult<T> result, Func<T, string> text) =>
        result.Refusal is { } refusal ? ToolResult.Refused(refusal.Code, refusal.Message) : ToolResult.Done(text(result.Value));
}
