namespace Aura.Orchestra.Employees;

/// <summary>A model that could take a job.</summary>
/// <param name="AverageScore">Of the window; null when it has no runs there.</param>
/// <param name="Runs">In the window.</param>
public sealed record ModelCandidate(string Name, bool IsActive, double? AverageScore, int Runs)
{
    /// <summary>The jobs' roles that it takes; empty for all.</summary>
    public IReadOnlyList<string> Roles { get; init; } = [];

    /// <summary>Of one attempt; null when it is not known.</summary>
    public double? Cost { get; init; }

    /// <summary>Why it cannot be used at the moment; null when it can.</summary>
    public string? Down { get; init; }
}

/// <summary>What the choice depends on. Randomness comes in as a value, so that the choice can be repeated.</summary>
public sealed record AssignmentRequest
{
    public required IReadOnlyList<ModelCandidate> Candidates { get; init; }

    /// <summary>The job's role; null when it makes no difference.</summary>
    public string? Role { get; init; }

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

    /// <summary>Scores that are no further apart say nothing: there the cheaper one is taken, and one of unknown cost last.</summary>
    public double NearlyEqual { get; init; } = 0.05;
}

/// <param name="Model">Null when no candidate may be used.</param>
/// <param name="Reason">One sentence for the timeline.</param>
/// <param name="IsTemporary">Without a model: whether one would do as soon as it can be used again.</param>
public sealed record AssignmentChoice(string? Model, string Reason, bool IsTemporary = false);

/// <summary>Chooses the model of an attempt. Pure.</summary>
public static class ModelAssignment
{
    /// <summary>Whether a model of these roles takes a job of that one: no roles are all, and no role makes no difference.</summary>
    public static bool Takes(IReadOnlyList<string> roles, string? role)
    {
        ArgumentNullException.ThrowIfNull(roles);
        return role is null || roles.Count == 0 || roles.Contains(role, StringComparer.OrdinalIgnoreCase);
    }

    public static AssignmentChoice Choose(AssignmentRequest request)
    {
        ArgumentNullException.ThrowIfNull(request);
        var ignoredPin = "";
        if (request.PinnedModel is { } pinned)
        {
            // The Director's word counts more than roles and scores; a model that is down waits for its return all the same.
            if (request.Candidates.FirstOrDefault(c => c.Name == pinned) is not { } wanted)
                ignoredPin = $" The pinned model '{pinned}' is not among the candidates.";
            else if (!wanted.IsActive)
                ignoredPin = $" The pinned model '{pinned}' is switched off.";
            else if (wanted.Down is not null)
                return new(null, $"The pinned model '{pinned}' is down: {wanted.Down}.", IsTemporary: true);
            else
                return new(pinned, "Pinned by the Director.");
        }

        var active = request.Candidates.Where(c => c.IsActive).ToList();
        if (active.Count == 0)
        {
            return new(null, (request.Candidates.Count == 0
                ? "No model is known for this backend."
                : $"None of the {request.Candidates.Count} models of this backend is active.") + ignoredPin);
        }

        var fit = active.FindAll(c => Takes(c.Roles, request.Role));
        if (fit.Count == 0)
            return new(null, $"None of the {active.Count} active models of this backend takes the role '{request.Role}'.{ignoredPin}");
        var up = fit.FindAll(c => c.Down is null);
        var passedOver = string.Concat(fit.Where(c => c.Down is not null).Select(c => $" '{c.Name}' is down: {c.Down}."));
        return up.Count == 0
            ? new(null, $"Every model that could take the job is down.{passedOver}{ignoredPin}", IsTemporary: true)
            : Best(request, up, passedOver + ignoredPin);
    }

    private static AssignmentChoice Best(AssignmentRequest request, List<ModelCandidate> up, string remarks)
    {
        var eligible = up;
        if (request.JustFailed is { } failed && up.Any(c => c.Name == failed))
        {
            if (up.Count == 1)
                return new(failed, $"The only active model, although its attempt before failed.{remarks}");
            eligible = up.FindAll(c => c.Name != failed);
            remarks = $" '{failed}' is avoided because its attempt before failed.{remarks}";
        }

        var ranked = eligible
            .OrderByDescending(c => ScoreOf(c, request)).ThenBy(c => c.Runs).ThenBy(c => c.Name, StringComparer.Ordinal).ToList();
        var near = ranked.FindAll(c => ScoreOf(ranked[0], request) - ScoreOf(c, request) <= request.NearlyEqual);
        // The order stays where costs do not differ.
        var best = near.Any(c => c.Cost is not null) ? near.OrderBy(c => c.Cost ?? double.PositiveInfinity).First() : ranked[0];
        if (ranked.Count > 1 && request.Roll < request.ExplorationShare)
        {
            // The roll below the share is again uniform: it picks among the others.
            var others = ranked.Where(c => c != best).OrderBy(c => c.Runs).ThenBy(c => c.Name, StringComparer.Ordinal).ToList();
            var pick = others[Math.Min((int)(request.Roll / request.ExplorationShare * others.Count), others.Count - 1)];
            return new(pick.Name, $"Exploration ({request.ExplorationShare * 100:0.#}% of the assignments): {Described(pick, request)}.{remarks}");
        }

        var why = ranked.Count == 1 ? "The only model to choose from: "
            : best == ranked[0] ? $"Best of {ranked.Count} models: "
            : $"Cheapest of {near.Count} models that score nearly the same: ";
        return new(best.Name, $"{why}{Described(best, request)}.{remarks}");
    }

    private static double ScoreOf(ModelCandidate candidate, AssignmentRequest request) =>
        candidate.AverageScore is { } score && candidate.Runs >= request.MinimumRuns ? score : request.NeutralScore;

    private static string Described(ModelCandidate candidate, AssignmentRequest request) =>
        (candidate.AverageScore is { } score && candidate.Runs >= request.MinimumRuns
            ? FormattableString.Invariant($"average {score:0.00} over {candidate.Runs} runs")
            : FormattableString.Invariant($"{candidate.Runs} runs, fewer than {request.MinimumRuns}, counted as {request.NeutralScore:0.00}"))
        + (candidate.Cost is { } cost ? FormattableString.Invariant($", {cost:0.####} an attempt") : "");
}
