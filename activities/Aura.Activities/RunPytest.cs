using Aura.Orchestra.Prds;
using Aura.Orchestra.Projects;
using Aura.Orchestra.Sandboxes;
using Aura.Orchestra.Validation;

namespace Aura.Activities;

/// <summary>
/// The proof: pytest in the jail, with the protected tests restored first. Of an attempt when a job is given; else of the PRD,
/// its base (counts before) or its integrated result (the proof of the whole).
/// </summary>
[Activity(
    "Aura", "Aura Validation", "Runs the tests in the jail, with the protected tests restored first.",
    DisplayName = "Run pytest", Kind = ActivityKind.Job)]
[FlowNode("Passed", "Failed")]
public sealed class RunPytest : CodeActivity
{
    [Input(DisplayName = "Job ID", Description = "The job whose attempt is proven; empty for the PRD itself.")]
    public Input<string>? JobId { get; set; }

    [Input(Description = "The attempt's number.")]
    public Input<int>? Attempt { get; set; }

    [Input(DisplayName = "PRD ID", Description = "The PRD, when no job is given.")]
    public Input<string>? PrdId { get; set; }

    [Input(
        Description = "What of the PRD is tested: its base, or the integrated result.", DefaultValue = "integrated",
        UIHint = InputUIHints.RadioList, Options = new[] { "integrated", "base" })]
    public Input<string>? Target { get; set; }

    [Input(
        Description = "The task queue that does it.", DefaultValue = "validator", Category = "Task",
        UIHint = InputUIHints.DropDown, UIHandler = typeof(QueueOptions), Order = 1)]
    public Input<string>? Queue { get; set; }

    [Output(Description = "The verdict with every failure.")]
    public Output<PytestVerdict>? Verdict { get; set; }

    [Output(Description = "How many tests passed, failed and were skipped.")]
    public Output<TestCounts>? Counts { get; set; }

    [Output(Description = "What failed, in words.")]
    public Output<string>? Report { get; set; }

    protected override async ValueTask ExecuteAsync(ActivityExecutionContext context)
    {
        var verdict = await RunAsync(context);
        // A jail that cannot run says nothing about the work: the task is tried again, and then it is an incident.
        if (verdict.JailEnd == JailEnd.Unavailable)
            throw new InvalidOperationException($"The tests could not be run: {verdict.JailDetail}");
        var passed = verdict.TestsPassed && verdict.ProtectedTestsPassed;
        context.Set(Verdict, verdict);
        context.Set(Counts, verdict.Counts);
        context.Set(Report, passed ? null : FailureReport.Of([], verdict));
        context.JournalData["Counts"] = verdict.Counts;
        await context.CompleteActivityWithOutcomesAsync(passed ? "Passed" : "Failed");
    }

    private async Task<PytestVerdict> RunAsync(ActivityExecutionContext context)
    {
        var runner = context.GetRequiredService<PytestRunner>();
        var trees = context.GetRequiredService<AttemptTrees>();
        if (context.Get(JobId) is { Length: > 0 } jobId)
        {
            var job = await context.JobAsync(jobId);
            var log = context.GetRequiredService<SandboxStore>().RunLogOf(job.Id);
            var tree = await trees.BuildAsync(await context.PrdAsync(job.PrdId), job, context.Get(Attempt), "tests", context.CancellationToken);
            return await RunAndRemoveAsync(tree, log);
        }

        var prd = await context.PrdAsync(context.Get(PrdId));
        if (string.Equals(context.Get(Target), "base", StringComparison.OrdinalIgnoreCase))
        {
            var repository = context.GetRequiredService<ProjectRepositories>().RepositoryPath(prd.ProjectId);
            return await runner.RunCommitAsync(repository, prd.BaseCommit!, prd.AcceptanceTests, null, context.CancellationToken);
        }

        return await RunAndRemoveAsync(await trees.BuildIntegratedAsync(prd, context.CancellationToken), null);

        async Task<PytestVerdict> RunAndRemoveAsync(ValidationTree tree, RunLog? log)
        {
            try
            {
                if (!tree.IsUsable)
                    throw new InvalidOperationException($"The result cannot be built for its tests: {tree.Details}");
                return await runner.RunAsync(tree, log, null, context.CancellationToken);
            }
            finally
            {
                trees.Remove(tree);
            }
        }
    }
}
