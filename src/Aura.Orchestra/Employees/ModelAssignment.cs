namespace Aura.Orchestra.Employees;

/// <summary>A model that could take a job.</summary>
/// <param name="AverageScore">Of the window; null when it has no runs there.</param>
/// <param name="Runs">In the window.</param>
public sealed record ModelCandidate(string Name, bool IsActive, double? AverageScore, int Runs);

/// <summary>What the choice depends on. Randomness comes in as a value, so that the choice can be repeated.</summary>
public sealed record AssignmentRequest
{
    public required IReadOnlyList<ModelCandidate> Candidates { get; init; }

    /// <summary>The Director's choice for this attempt.</summary>
    public string? PinnedModel { get; init; }

    /// <summary>The model of the failed attempt before.</summary>
    public string? JustFailed { get; init; }

    /// <summary>Share of assignments, 0 to 1, that go to another model than the best, so that scores stay measured.</summary>
    public double ExplorationShare { get; init; } = 0.1;

    /// <summary>Uniform in [0, 1).</summary>
    public required double Roll { get; init; }

    /// <summary>Below this many runs an average says little and counts as <see cref="NeutralScore"/>.</summary>
    public int MinimumRuns { get; init; } = 3;

    public double NeutralScore { get; init; } = 0.5;
}

/// <param name="Model">Null when no candidate may be used.</param>
/// <param name="Reason">One sentence for the timeline.</param>
public sealed record AssignmentChoice(string? Model, string Reason);

/// <summary>Chooses the model of an attempt. Pure.</summary>
public static class ModelAssignment
{
    public static AssignmentChoice Choose(AssignmentRequest request)
    {
        ArgumentNullException.ThrowIfNull(request);
        var active = request.Candidates.Where(c => c.IsActive).ToList();
        var ignoredPin = "";
        if (request.PinnedModel is { } pinned)
        {
            if (active.Any(c => c.Name == pinned))
                return new(pinned, "Pinned by the Director.");
            ignoredPin = request.Candidates.Any(c => c.Name == pinned)
                ? $" The pinned model '{pinned}' is switched off."
                : $" The pinned model '{pinned}' is not among the candidates.";
        }

        if (active.Count == 0)
        {
            return new(null, (request.Candidates.Count == 0
                ? "No model is known for this backend."
                : $"None of the {request.Candidates.Count} models of this backend is active.") + ignoredPin);
        }

        var avoided = "";
        var eligible = active;
        if (request.JustFailed is { } failed && active.Any(c => c.Name == failed))
        {
            if (active.Count == 1)
            {
                return new(failed, $"The only active model, although its attempt before failed.{ignoredPin}");
            }

            eligible = active.FindAll(c => c.Name != failed);
            avoided = $" '{failed}' is avoided because its attempt before failed.";
        }

        var ranked = eligible
            .OrderByDescending(c => ScoreOf(c, request)).ThenBy(c => c.Runs).ThenBy(c => c.Name, StringComparer.Ordinal).ToList();
        if (ranked.Count > 1 && request.Roll < request.ExplorationShare)
        {
            // The roll below the share is again uniform: it picks among the others.
            var others = ranked.Skip(1).OrderBy(c => c.Runs).ThenBy(c => c.Name, StringComparer.Ordinal).ToList();
            var pick = others[Math.Min((int)(request.Roll / request.ExplorationShare * others.Count), others.Count - 1)];
            return new(pick.Name, $"Exploration ({request.ExplorationShare * 100:0.#}% of the assignments): {Described(pick, request)}.{avoided}{ignoredPin}");
        }

        var best = ranked[0];
        return new(best.Name, (ranked.Count == 1 ? "The only model to choose from: " : "Best of " + ranked.Count + " models: ")
            + $"{Described(best, request)}.{avoided}{ignoredPin}");
    }

    private static double ScoreOf(ModelCandidate candidate, AssignmentRequest request) =>
        candidate.AverageScore is { } score && candidate.Runs >= request.MinimumRuns ? score : request.NeutralScore;

    private static string Described(ModelCandidate candidate, AssignmentRequest request) =>
        candidate.AverageScore is { } score && candidate.Runs >= request.MinimumRuns
            ? $"average {score:0.00} over {candidate.Runs} runs"
            : $"{candidate.Runs} runs, fewer than {request.MinimumRuns}, counted as {request.NeutralScore:0.00}";
}
