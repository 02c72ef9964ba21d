using System.Text.Json;

namespace Aura.Orchestra.Models;

/// <summary>An employee's model and how it has done lately.</summary>
/// <param name="Kind"><c>local</c>, <c>cloud</c> or <c>cli</c>.</param>
/// <param name="Backend">Which queue its work goes to, for example <c>scripted</c> or <c>ollama</c>.</param>
/// <param name="Runs">Runs in the last 30 days.</param>
/// <param name="AverageScore">Mean score of those runs (0–1); null without any.</param>
public sealed record Model(
    long Id, string Name, string Kind, string? Endpoint, string Backend, string Display, bool IsActive, DateTimeOffset CreatedAt,
    int Runs, double? AverageScore)
{
    /// <summary>The jobs' roles that it takes; empty for all.</summary>
    public IReadOnlyList<string> Roles { get; init; } = [];

    /// <summary>What whoever registered it says that it can do, for example <c>tools</c>.</summary>
    public IReadOnlyList<string> Capabilities { get; init; } = [];

    /// <summary>What one attempt costs: as it was set, else the mean of those of the last 30 days whose cost is known; null without any.</summary>
    public double? CostPerAttempt { get; init; }

    /// <summary>The last sign of somebody who serves it; null before the first.</summary>
    public DateTimeOffset? SeenAt { get; init; }

    public string? SeenBy { get; init; }

    /// <summary>Why it is passed over now; null when it is not. Measured by the database's clock.</summary>
    public string? Down { get; init; }

    /// <summary>When it is looked at again; null when that depends on somebody who serves it.</summary>
    public DateTimeOffset? UnavailableUntil { get; init; }
}

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
    public const string Transcript = "transcript";
}
