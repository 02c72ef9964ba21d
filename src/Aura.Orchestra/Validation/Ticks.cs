using System.Globalization;
using System.Text;

namespace Aura.Orchestra.Validation;

/// <summary>One line of the verdict.</summary>
/// <param name="Name">One of <see cref="Ticks"/>' names.</param>
public sealed record Tick(string Name, bool Passed, string Details);

/// <summary>What a verdict must reach.</summary>
public sealed class TickOptions
{
    /// <summary>Least covered share, 0..1.</summary>
    public double MinCoverage { get; set; } = 0.5;

    /// <summary>Most style messages in the changed files; a serious one always fails.</summary>
    public int MaxLintMessages { get; set; } = 20;

    public int MaxChangedFiles { get; set; } = 100;

    /// <summary>Added and deleted together.</summary>
    public int MaxChangedLines { get; set; } = 5_000;

    /// <summary>Of the test run.</summary>
    public TimeSpan MaxDuration { get; set; } = TimeSpan.FromSeconds(60);
}

/// <summary>Turns a verdict into ticks. Pure.</summary>
public static class Ticks
{
    public const string Tests = "tests";
    public const string ProtectedTests = "protected_tests";
    public const string Coverage = "coverage";
    public const string Lint = "lint";
    public const string Size = "size";
    public const string Duration = "duration";

    public static IReadOnlyList<Tick> From(ValidationTree tree, PytestVerdict tests, LintVerdict lint, TickOptions options)
    {
        ArgumentNullException.ThrowIfNull(tree);
        return From(tree.Changes.Count, tree.Changes.Sum(c => c.Added + c.Deleted), tests, lint, options);
    }

    /// <summary>All six, always in the same order.</summary>
    public static IReadOnlyList<Tick> From(int changedFiles, int changedLines, PytestVerdict tests, LintVerdict lint, TickOptions options)
    {
        ArgumentNullException.ThrowIfNull(tests);
        ArgumentNullException.ThrowIfNull(lint);
        ArgumentNullException.ThrowIfNull(options);
        return
        [
            new(Tests, tests.TestsPassed, TestDetails(tests)),
            new(ProtectedTests, tests.ProtectedTestsPassed, ProtectedDetails(tests)),
            new(Coverage, tests.Coverage >= options.MinCoverage, tests.Coverage is { } covered
                ? Invariant($"{covered:P0} covered, at least {options.MinCoverage:P0} needed") : "not measured"),
            new(Lint, lint.Problem is null && lint.Total <= options.MaxLintMessages && !lint.Messages.Any(m => m.IsSerious), LintDetails(lint, options)),
            new(Size, changedFiles > 0 && changedFiles <= options.MaxChangedFiles && changedLines <= options.MaxChangedLines,
                changedFiles == 0 ? "nothing was changed"
                : $"{changedFiles} files, {changedLines} lines; at most {options.MaxChangedFiles} and {options.MaxChangedLines}"),
            new(Duration, tests.JailEnd == JailEnd.Exited && tests.Duration <= options.MaxDuration,
                Invariant($"{tests.Duration.TotalSeconds:0.0} s, at most {options.MaxDuration.TotalSeconds:0} s")),
        ];
    }

    private static string TestDetails(PytestVerdict tests)
    {
        var counts = $"{tests.Passed} passed, {tests.Failed} failed, {tests.Errors} errors, {tests.Skipped} skipped";
        if (tests.JailEnd != JailEnd.Exited)
            return $"{counts}. {tests.JailDetail}{(tests.Running is null ? "" : $" It was running {tests.Running}.")}";
        return tests.Problems.Count == 0 ? counts : $"{counts}. {string.Join(' ', tests.Problems)}";
    }

    private static string ProtectedDetails(PytestVerdict tests)
    {
        var reasons = new List<string>();
        Add("changed by the job", tests.Tampered);
        Add("failed", tests.ProtectedFailed);
        Add("skipped", tests.ProtectedSkipped);
        Add("missing", tests.ProtectedMissing);
        if (!tests.IsConclusive)
            reasons.Add("the run is not conclusive");
        return reasons.Count == 0 ? $"all {tests.ProtectedTotal} passed" : $"of {tests.ProtectedTotal}: {string.Join("; ", reasons)}";

        void Add(string what, IReadOnlyList<string> which)
        {
            if (which.Count > 0)
                reasons.Add($"{which.Count} {what} ({string.Join(", ", which.Take(5))}{(which.Count > 5 ? ", …" : "")})");
        }
    }

    private static string LintDetails(LintVerdict lint, TickOptions options) => lint.Problem
        ?? (lint.Messages.FirstOrDefault(m => m.IsSerious) is { } serious
            ? $"{lint.Total} messages, one is serious: {serious.Path}:{serious.Line} {serious.Code} {serious.Text}"
            : $"{lint.Total} messages, at most {options.MaxLintMessages}");

    private static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}

/// <summary>What the next attempt is told about this one. Pure.</summary>
public static class FailureReport
{
    private const int MaxFailures = 10;

    public static string Of(IReadOnlyList<Tick> ticks, PytestVerdict? tests, LintVerdict? lint = null)
    {
        ArgumentNullException.ThrowIfNull(ticks);
        var text = new StringBuilder("The last attempt was not accepted.\n");
        foreach (var tick in ticks.Where(t => !t.Passed))
            text.Append($"- {tick.Name}: {tick.Details}\n");
        if (tests is not null)
        {
            foreach (var path in tests.Tampered)
                text.Append($"- {path}: this is a protected test. It was restored; make the code pass it instead.\n");
            foreach (var path in tests.LeftOut)
                text.Append($"- {path}: a new file of this name can change how protected tests run, so it was left out. Put fixtures into your own test file.\n");
            foreach (var failure in tests.Failures.Take(MaxFailures))
                text.Append($"\n{failure.Test}\n{Indented(failure.Message)}\n");
            if (tests.Failures.Count > MaxFailures)
                text.Append($"\n… and {tests.Failures.Count - MaxFailures} more failures.\n");
            if (!tests.IsConclusive && tests.Failures.Count == 0 && tests.Output.Length > 0)
                text.Append($"\nThe end of the output:\n{Indented(tests.Output[^Math.Min(tests.Output.Length, 4000)..])}\n");
        }

        foreach (var message in lint?.Messages.OrderByDescending(m => m.IsSerious).Take(MaxFailures) ?? [])
            text.Append($"- {message.Path}:{message.Line} {message.Code} {message.Text}\n");
        return text.ToString();
    }

    private static string Indented(string text) => "    " + text.Trim().Replace("\n", "\n    ", StringComparison.Ordinal);
}
