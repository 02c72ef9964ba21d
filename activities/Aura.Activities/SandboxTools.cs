using Aura.Orchestra.Employees;
using Aura.Orchestra.Events;
using Aura.Orchestra.Jobs;
using Aura.Orchestra.Sandboxes;
using Aura.Orchestra.Storage;
using Npgsql;

namespace Aura.Activities;

/// <summary>The employee's hands: a sandbox, with every call in the job's timeline and every snapshot on record at once.</summary>
internal sealed class SandboxTools(Sandbox sandbox, string jobId, int attempt, NpgsqlDataSource dataSource) : IEmployeeTools
{
    public Task<ToolResult> ListFilesAsync(string pattern, CancellationToken cancellationToken) => Task.FromResult(
        ToolResult.Done(string.Join('\n', sandbox.ListFiles(pattern.Length == 0 ? "**" : pattern).Select(f => f.Path))));

    public async Task<ToolResult> ReadFileAsync(string path, CancellationToken cancellationToken)
    {
        var read = await sandbox.ReadFileAsync(path, cancellationToken);
        return await ToldAsync("read_file", path, read.Refusal, () => read.Value, cancellationToken);
    }

    public async Task<ToolResult> WriteFileAsync(string path, string content, CancellationToken cancellationToken) =>
        await ChangedAsync("write_file", path, await sandbox.WriteFileAsync(path, content, cancellationToken), cancellationToken);

    public async Task<ToolResult> DeleteFileAsync(string path, CancellationToken cancellationToken) =>
        await ChangedAsync("delete_file", path, await sandbox.DeleteFileAsync(path, cancellationToken), cancellationToken);

    public async Task<ToolResult> ApplyPatchAsync(string patch, CancellationToken cancellationToken) =>
        await ChangedAsync("apply_patch", "", await sandbox.ApplyPatchAsync(patch, cancellationToken), cancellationToken);

    private async Task<ToolResult> ChangedAsync(string tool, string path, SandboxResult<SandboxChange> result, CancellationToken cancellationToken)
    {
        if (!result.IsRefused)
        {
            var before = result.Value.Before;
            await dataSource.CommitAsync(JobChanges.Snapshot(sandbox.Id, before.Sequence, before.Label, before.Commit), cancellationToken);
        }

        return await ToldAsync(tool, path, result.Refusal, () => $"Changed: {string.Join(", ", result.Value.Paths)}", cancellationToken);
    }

    private async Task<ToolResult> ToldAsync(string tool, string target, Refusal? refusal, Func<string> answer, CancellationToken cancellationToken)
    {
        await dataSource.CommitAsync(
            EventChanges.OfJob(jobId, "job.tool", new { attempt, tool, target, refused = refusal?.Code, reason = refusal?.Message }), cancellationToken);
        return refusal is null ? ToolResult.Done(answer()) : ToolResult.Refused(refusal.Code, refusal.Message);
    }
}
