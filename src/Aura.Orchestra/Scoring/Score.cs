namespace Aura.Orchestra.Scoring;

/// <summary>The weights of the score's terms; the defaults are the organisation's formula.</summary>
public sealed class ScoreWeights
{
    public double Tests { get; set; } = 0.40;
    public double Agreement { get; set; } = 0.30;
    public double Docs { get; set; } = 0.10;
    public double Performance { get; set; } = 0.10;

    /// <summary>Taken off for each whole penalty.</summary>
    public double Penalty { get; set; } = 0.25;
}

/// <summary>The signals of one attempt.</summary>
public sealed record ScoreSignals
{
    /// <summary>Share of tests passed, 0..1.</summary>
    public required double TestScore { get; init; }

    /// <summary>Share of other models' artifacts with the same public signatures; null when there is no other artifact.</summary>
    public double? CrossModelAgreement { get; init; }

    /// <summary>Share of public functions and classes with documentation, 0..1.</summary>
    public required double DocsQuality { get; init; }

    public required bool PerformanceOk { get; init; }

    /// <summary>0 for none; see <see cref="Score.PenaltiesOf"/>.</summary>
    public double Penalties { get; init; }
}

/// <summary>One term as it entered the sum.</summary>
/// <param name="Value">The signal, 0..1 (penalties may be more).</param>
/// <param name="Weight">The weight used, after any redistribution; negative for penalties.</param>
public sealed record ScoreTerm(string Name, double Value, double Weight)
{
    public double Contribution => Value * Weight;
}

/// <summary>
/// <c>clamp01(0.40·tests + 0.30·agreement + 0.10·docs + 0.10·performance − 0.25·penalties)</c>, with its terms. Where there is no
/// other model's artifact, the agreement's weight is spread over the three other terms in proportion to theirs. Pure.
/// </summary>
public sealed record Score(double Value, IReadOnlyList<ScoreTerm> Terms, bool AgreementRedistributed)
{
    public static Score Of(ScoreSignals signals, ScoreWeights weights)
    {
        ArgumentNullException.ThrowIfNull(signals);
        ArgumentNullException.ThrowIfNull(weights);
        var others = weights.Tests + weights.Docs + weights.Performance;
        var alone = signals.CrossModelAgreement is null && others > 0;
        var stretch = alone ? (others + weights.Agreement) / others : 1;
        ScoreTerm[] terms =
        [
            new("test_score", Share(signals.TestScore), weights.Tests * stretch),
            new("cross_model_agreement", Share(signals.CrossModelAgreement ?? 0), alone ? 0 : weights.Agreement),
            new("docs_quality", Share(signals.DocsQuality), weights.Docs * stretch),
            new("performance_ok", signals.PerformanceOk ? 1 : 0, weights.Performance * stretch),
            new("penalties", double.IsNaN(signals.Penalties) ? 1 : Math.Max(0, signals.Penalties), -weights.Penalty),
        ];
        // Rounded, so that the same signals give the same number in every store and on every screen.
        return new(Math.Round(Share(terms.Sum(t => t.Contribution)), 6), terms, alone);
    }

    /// <summary>Passed over all that were to pass; 0 without tests. Skipped tests neither help nor harm.</summary>
    public static double TestScoreOf(int passed, int failed, int errors) =>
        passed + failed + errors is var all and > 0 ? (double)passed / all : 0;

    /// <summary>One for tampering with protected tests, one for a run cut off by the jail, a quarter for each other failed tick of style or size.</summary>
    public static double PenaltiesOf(bool tampered, bool cutOff, int otherFailedTicks) =>
        (tampered ? 1 : 0) + (cutOff ? 1 : 0) + (0.25 * Math.Max(0, otherFailedTicks));

    private static double Share(double value) => double.IsNaN(value) ? 0 : Math.Clamp(value, 0, 1);
}
