using System.Text.Json;
using System.Text.Json.Serialization;
using Aura.Orchestra.Employees;
using Aura.Orchestra.Jobs;
using Aura.Orchestra.Prds;

namespace Aura.Activities;

/// <summary>A job as the plan hands it to each iteration of the pipeline, and as the input of the job's own workflow.</summary>
/// <param name="Conflict">What an earlier result collided with, for the next attempt; null on the first way through.</param>
public sealed record JobRef(
    // Spelt as the inputs of the job's workflow are named.
    [property: JsonPropertyName("JobId")] string JobId,
    [property: JsonPropertyName("PrdId")] string PrdId,
    [property: JsonPropertyName("Title")] string Title,
    [property: JsonPropertyName("Conflict")] string? Conflict = null);

/// <summary>What ExecuteWorkflow says of a child.</summary>
public sealed record ChildResult(string? WorkflowInstanceId, string? SubStatus, JsonElement? Output, string? Incident = null)
{
    /// <summary>The child's output of that name as text; null when it has none.</summary>
    public string? Text(string name) =>
        Output is { ValueKind: JsonValueKind.Object } output && output.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String
            ? value.GetString()
            : null;
}

/// <summary>Rows that activities need, or an error that says which is missing.</summary>
internal static class Records
{
    public static async Task<Prd> PrdAsync(this ActivityExecutionContext context, string? id) =>
        await context.GetRequiredService<PrdStore>().GetAsync(id ?? "", context.CancellationToken)
        ?? throw new InvalidOperationException($"There is no PRD '{id}'.");

    public static async Task<Job> JobAsync(this ActivityExecutionContext context, string? id) =>
        await context.GetRequiredService<JobStore>().GetAsync(id ?? "", context.CancellationToken)
        ?? throw new InvalidOperationException($"There is no job '{id}'.");

    /// <summary>Whose models may work on a PRD: a backend, or <see cref="EmployeeBackends.Any"/>.</summary>
    public static string BackendOf(this ActivityExecutionContext context, Prd prd) => prd.Backend ?? context.GetRequiredService<EmployeeOptions>().DefaultBackend;

    /// <summary>The globs of <c>payload.allowed_paths</c>; empty means the whole project.</summary>
    public static IReadOnlyList<string> AllowedPaths(this Job job) =>
        job.Payload.ValueKind == JsonValueKind.Object && job.Payload.TryGetProperty("allowed_paths", out var paths) && paths.ValueKind == JsonValueKind.Array
            ? [.. paths.EnumerateArray().Where(p => p.ValueKind == JsonValueKind.String).Select(p => p.GetString()!)]
            : [];
}
