using System.Text;
using Aura.Orchestra.Employees;
using Aura.Orchestra.Sandboxes;
using Aura.Orchestra.Validation;

namespace Aura.Orchestra.Tools;

/// <summary>An employee's own test runs: on a copy, in the jail, a few at a time. Their outcome is told and counts for nothing.</summary>
public sealed class OwnTests(PytestRunner pytest, ValidationTreeBuilder trees, TimeProvider time) : IDisposable
{
    private const string NoVerdict = "This run is for your information; it is not the verdict.";
    private const int MaxFailures = 40;
    private const int MaxFailure = 1500;
    private static readonly TimeSpan Sign = TimeSpan.FromSeconds(1);

    private readonly SemaphoreSlim _room = new(Math.Max(2, Environment.ProcessorCount));

    public async Task<ToolResult> RunAsync(
        Sandbox sandbox, IReadOnlyList<string> paths, IProgress<ToolProgress>? progress, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(sandbox);
        ArgumentNullException.ThrowIfNull(paths);
        foreach (var path in paths)
        {
            if (Problem(path) is { } problem)
                return problem;
        }

        var diff = await sandbox.DiffAsync(cancellationToken);
        if (diff.Refusal is { } refusal)
            return ToolResult.Refused(refusal.Code, refusal.Message);
        var name = $"{sandbox.Id}-own-{Guid.NewGuid():N}";
        progress?.Report(new(0, 3, "Waiting for room to run."));
        await _room.WaitAsync(cancellationToken);
        try
        {
            progress?.Report(new(1, 3, "Copying the files."));
            var tree = await trees.BuildAsync(
                new() { Name = name, RepositoryPath = sandbox.Metadata.RepositoryPath, BaseCommit = sandbox.Metadata.BaseCommit, Diff = diff.Value.Text },
                cancellationToken);
            if (!tree.IsUsable)
                return ToolResult.Refused(RefusalCodes.PatchRejected, $"The tests cannot be run on these changes: {tree.Details}");
            using var signs = Signs(progress);
            var verdict = await pytest.RunOwnAsync(tree, paths, cancellationToken);
            return verdict.JailEnd == JailEnd.Unavailable
                ? ToolResult.Refused(ToolCodes.Unavailable, $"Tests cannot be run here: {verdict.JailDetail} Go on without.")
                : Told(verdict);
        }
        finally
        {
            _room.Release();
            trees.Remove(name);
        }
    }

    public void Dispose() => _room.Dispose();

    // Who waits sees that it goes on; how far a test run has come nobody knows.
    private ITimer? Signs(IProgress<ToolProgress>? progress)
    {
        if (progress is null)
            return null;
        var started = time.GetTimestamp();
        progress.Report(new(2, 3, "The tests run."));
        return time.CreateTimer(
            _ =>
            {
                var seconds = time.GetElapsedTime(started).TotalSeconds;
                // Rises with every sign and never reaches the end.
                progress.Report(new(2 + (seconds / (seconds + 30)), 3, $"The tests run since {seconds:0} s."));
            },
            null, Sign, Sign);
    }

    // Options would steer pytest; a path is only a path.
    private static ToolResult? Problem(string path)
    {
        if (path.StartsWith('-'))
            return ToolResult.Refused(ToolCodes.InvalidArguments, $"run_tests: '{path}' is an option, not a path.");
        return SandboxPath.Parse(path.Split("::", 2)[0]) is { Refusal: { } refusal } ? ToolResult.Refused(refusal.Code, refusal.Message) : null;
    }

    private static ToolResult Told(PytestVerdict verdict)
    {
        var text = new StringBuilder($"{(verdict.TestsPassed ? "Passed" : "Not passed")}: {verdict.Passed} passed, {verdict.Failed} failed, ")
            .Append($"{verdict.Errors} errors, {verdict.Skipped} skipped in {verdict.Duration.TotalSeconds:0.0} s. {NoVerdict}\n");
        if (verdict.JailEnd != JailEnd.Exited)
            text.Append($"The run was ended: {verdict.JailDetail}{(verdict.Running is { } running ? $" It was at {running}." : "")}\n");
        foreach (var problem in verdict.Problems)
            text.Append($"Note: {problem}\n");
        if (verdict.Tampered.Count > 0)
            text.Append($"Protected tests were restored before the run: {string.Join(", ", verdict.Tampered)}\n");
        if (verdict.LeftOut.Count > 0)
            text.Append($"Left out of the run: {string.Join(", ", verdict.LeftOut)}\n");
        foreach (var failure in verdict.Failures.Take(MaxFailures))
            text.Append($"\n{failure.Test}\n{Cut(failure.Message)}\n");
        if (verdict.Failures.Count > MaxFailures)
            text.Append($"\n… and {verdict.Failures.Count - MaxFailures} more failures.\n");
        if (verdict is { TestsPassed: false, Failures.Count: 0 })
            text.Append('\n').Append(verdict.Output.Length > 4000 ? "…" + verdict.Output[^4000..] : verdict.Output).Append('\n');
        return ToolResult.Done(text.ToString().TrimEnd('\n'), new
        {
            is_verdict = false,
            tests_passed = verdict.TestsPassed,
            verdict.Passed,
            verdict.Failed,
            verdict.Errors,
            verdict.Skipped,
            verdict.Coverage,
            seconds = Math.Round(verdict.Duration.TotalSeconds, 1),
            failures = verdict.Failures.Take(MaxFailures).Select(f => new { f.Test, message = Cut(f.Message) }),
            ended = verdict.JailEnd.ToString(),
            restored_tests = verdict.Tampered,
            left_out = verdict.LeftOut,
        });
    }

    private static string Cut(string text) => text.Length > MaxFailure ? text[..MaxFailure] + "…" : text;
}
