using Aura.Orchestra.Prds;

namespace Aura.Orchestra.Validation;

public sealed record TestFailure(string Test, string Message);

/// <summary>Which tests must be reported as passed.</summary>
/// <param name="Ids">Exact ids that the base collects from protected files.</param>
/// <param name="Declared">Functions of protected files that the base cannot import (new acceptance tests); one passed case of each is needed.</param>
/// <param name="ToleratedSkips">Ids that the base itself skips or expects to fail.</param>
public sealed record ProtectedExpectation(
    IReadOnlyList<string> Ids, IReadOnlyList<string> Declared, IReadOnlyCollection<string> ToleratedSkips)
{
    public static ProtectedExpectation None { get; } = new([], [], []);

    /// <summary>Derived from a run of the base with the acceptance tests in place. Pure.</summary>
    public static ProtectedExpectation From(PytestReport baseline, IReadOnlyCollection<string> protectedFiles)
    {
        ArgumentNullException.ThrowIfNull(baseline);
        var files = protectedFiles.ToHashSet(StringComparer.Ordinal);
        var ids = baseline.Collected.Where(id => files.Contains(FileOf(id))).ToList();
        var collectedFiles = ids.Select(FileOf).ToHashSet(StringComparer.Ordinal);
        return new(
            ids,
            [.. baseline.Declared.Where(id => files.Contains(FileOf(id)) && !collectedFiles.Contains(FileOf(id)))],
            baseline.Tests.Where(t => t.Outcome is TestOutcome.Skipped or TestOutcome.ExpectedFailure).Select(t => t.Id).ToHashSet(StringComparer.Ordinal));
    }

    internal static string FileOf(string id) => id.Split("::", 2)[0];
}

/// <summary>What a test run proves.</summary>
public sealed record PytestVerdict
{
    public int Passed { get; init; }
    public int Failed { get; init; }

    /// <summary>Skipped tests and expected failures.</summary>
    public int Skipped { get; init; }

    public int Errors { get; init; }

    /// <summary>Covered share of the project's own lines (tests left out), 0..1; null when it could not be measured.</summary>
    public double? Coverage { get; init; }

    public TimeSpan Duration { get; init; }

    /// <summary>How many protected tests had to pass.</summary>
    public int ProtectedTotal { get; init; }

    /// <summary>Protected tests without any result: not collected, deselected, or cut off.</summary>
    public IReadOnlyList<string> ProtectedMissing { get; init; } = [];

    /// <summary>Protected tests that were skipped or marked as expected failures, and are not so in the base.</summary>
    public IReadOnlyList<string> ProtectedSkipped { get; init; } = [];

    /// <summary>Protected tests that failed.</summary>
    public IReadOnlyList<string> ProtectedFailed { get; init; } = [];

    /// <summary>Protected files that the diff edited or deleted.</summary>
    public IReadOnlyList<string> Tampered { get; init; } = [];

    /// <summary>New files that were not part of the run because they could change how protected tests run.</summary>
    public IReadOnlyList<string> LeftOut { get; init; } = [];

    public IReadOnlyList<TestFailure> Failures { get; init; } = [];

    /// <summary>Why the run's own account is not believed.</summary>
    public IReadOnlyList<string> Problems { get; init; } = [];

    public JailEnd JailEnd { get; init; }

    public string JailDetail { get; init; } = "";

    /// <summary>The test that was running when the run was cut off.</summary>
    public string? Running { get; init; }

    /// <summary>The end of what pytest printed.</summary>
    public string Output { get; init; } = "";

    public TestCounts Counts => new(Passed, Failed + Errors, Skipped);

    /// <summary>True when the run reached its end and its account is consistent, whatever the tests say.</summary>
    public bool IsConclusive => JailEnd == JailEnd.Exited && Problems.Count == 0;

    public bool TestsPassed => IsConclusive && Failed == 0 && Errors == 0 && Passed > 0;

    public bool ProtectedTestsPassed => IsConclusive && ProtectedMissing.Count == 0 && ProtectedSkipped.Count == 0
        && ProtectedFailed.Count == 0 && Tampered.Count == 0;

    /// <summary>Puts a report against what was expected. Pure.</summary>
    public static PytestVerdict From(
        PytestReport report, JailResult jail, ProtectedExpectation expected, IReadOnlyList<string> tampered, IReadOnlyList<string> leftOut, string output)
    {
        ArgumentNullException.ThrowIfNull(report);
        ArgumentNullException.ThrowIfNull(jail);
        ArgumentNullException.ThrowIfNull(expected);
        var results = report.Tests.ToDictionary(t => t.Id, StringComparer.Ordinal);
        List<string> missing = [], skipped = [], failed = [];
        foreach (var id in expected.Ids)
            Judge(id, results.GetValueOrDefault(id)?.Outcome);
        foreach (var function in expected.Declared)
        {
            var cases = report.Tests.Where(t => t.Id == function || t.Id.StartsWith(function + "[", StringComparison.Ordinal)).ToList();
            if (cases.Count == 0)
                Judge(function, null);
            foreach (var one in cases)
                Judge(one.Id, one.Outcome);
        }

        void Judge(string id, TestOutcome? outcome)
        {
            if (outcome is null)
                missing.Add(id);
            else if (outcome is TestOutcome.Failed or TestOutcome.Error)
                failed.Add(id);
            else if (outcome is not TestOutcome.Passed && !expected.ToleratedSkips.Contains(id))
                skipped.Add(id);
        }

        return new()
        {
            Passed = Count(TestOutcome.Passed),
            Failed = Count(TestOutcome.Failed),
            Errors = Count(TestOutcome.Error),
            Skipped = Count(TestOutcome.Skipped) + Count(TestOutcome.ExpectedFailure),
            Coverage = report.Coverage,
            Duration = jail.Duration,
            ProtectedTotal = expected.Ids.Count + expected.Declared.Count,
            ProtectedMissing = missing,
            ProtectedSkipped = skipped,
            ProtectedFailed = failed,
            Tampered = tampered,
            LeftOut = leftOut,
            Failures = [.. report.Tests.Where(t => t.Outcome is TestOutcome.Failed or TestOutcome.Error).Select(t => new TestFailure(t.Id, t.Message))],
            Problems = report.Problems,
            JailEnd = jail.End == JailEnd.Exited && report.DiskFull ? JailEnd.TreeTooLarge : jail.End,
            JailDetail = jail.End == JailEnd.Exited && report.DiskFull ? "It filled the jail's temporary file systems." : jail.Detail,
            Running = report.Running,
            Output = output,
        };

        int Count(TestOutcome outcome) => report.Tests.Count(t => t.Outcome == outcome);
    }
}
