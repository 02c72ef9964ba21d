using System.Text.Json;

namespace Aura.Orchestra.Models;

/// <summary>An employee's model and how it has done lately.</summary>
/// <param name="Kind"><c>local</c>, <c>cloud</c> or <c>cli</c>.</param>
/// <param name="Backend">Which queue its work goes to, for example <c>scripted</c> or <c>ollama</c>.</param>
/// <param name="Runs">Runs in the last 30 days.</param>
/// <param name="AverageScore">Mean score of those runs (0–1); null without any.</param>
public sealed record Model(
    long Id, string Name, string Kind, string? Endpoint, string Backend, string Display, bool IsActive, DateTimeOffset CreatedAt,
    int Runs, double? AverageScore);

/// <summary>One attempt of a job, as the ledger keeps it.</summary>
public sealed record ModelRun(
    string Model, string JobId, int Attempt, string ProjectId, bool Success, double? Confidence, double Score, JsonElement Details,
    DateTimeOffset CreatedAt);

/// <summary>What a model handed in for one attempt: the unified diff, and the commit it is against.</summary>
public sealed record SubmittedDiff(string JobId, int Attempt, string Model, string Diff, string? BaseCommit);

/// <summary>The kinds of thing a model hands in.</summary>
public static class ArtifactTypes
{
    public const string Diff = "diff";
    public const string Patch = "patch";
    public const string Result = "result";
    public const string Docs = "docs";
}
