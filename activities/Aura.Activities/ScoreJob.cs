using System.ComponentModel.DataAnnotations;
using System.Text.Json;
using Aura.Orchestra.Jobs;
using Aura.Orchestra.Models;
using Aura.Orchestra.Scoring;
using Aura.Orchestra.Validation;

namespace Aura.Activities;

/// <summary>
/// Judges an attempt by its verdicts alone, records ticks, score and model run, and decides: done, one more attempt, or a person's turn.
/// </summary>
[Activity("Aura", "Aura Validation", "Judges an attempt by its verdicts and decides how the job goes on.", DisplayName = "Score job")]
[FlowNode("Accepted", "Escalated", "Retry")]
public sealed class ScoreJob : CodeActivity
{
    [Required]
    [Input(DisplayName = "Job ID", Description = "The job's id.")]
    public Input<string> JobId { get; set; } = default!;

    [Required]
    [Input(Description = "The attempt's number.")]
    public Input<int> Attempt { get; set; } = default!;

    [Input(Description = "The model that worked.", UIHint = InputUIHints.DropDown, UIHandler = typeof(ModelOptions))]
    public Input<string> Model { get; set; } = default!;

    [Input(Description = "The verdict of the test run.")]
    public Input<PytestVerdict>? Tests { get; set; }

    [Input(Description = "The verdict of the linters.")]
    public Input<LintVerdict>? Lint { get; set; }

    [Input(Description = "What the attempt changed.")]
    public Input<ChangeSummary>? Change { get; set; }

    [Input(Description = "Why there is nothing to judge, when there is not.")]
    public Input<string>? Problem { get; set; }

    [Input(Description = "The model's own confidence, kept for comparison.")]
    public Input<double?>? Confidence { get; set; }

    [Output(Description = "Accepted, Retry or Escalated.")]
    public Output<string>? Outcome { get; set; }

    [Output(Description = "What the next attempt is told.")]
    public Output<string>? Feedback { get; set; }

    [Output(Description = "The score, 0 to 1.")]
    public Output<double>? Score { get; set; }

    protected override async ValueTask ExecuteAsync(ActivityExecutionContext context)
    {
        var job = await context.JobAsync(JobId.Get(context));
        var attempt = Attempt.Get(context);
        var model = Model.Get(context);
        var problem = context.Get(Problem);
        // Escalated before it was judged: the employee could not even begin. That says nothing about the model's work.
        var isStopped = job.Status == JobStatus.Escalated;
        var judged = problem is { Length: > 0 } ? Unjudged(problem) : await JudgeAsync(context, job, attempt, model);

        var work = context.GetRequiredService<UnitOfWork>();
        foreach (var tick in judged.Ticks)
            work.Add(JobChanges.Tick(job.Id, attempt, tick.Name, tick.Passed, new { detail = tick.Details }));
        if (model is { Length: > 0 } && !isStopped)
        {
            work.Add(ModelChanges.Run(model, job.Id, attempt, judged.Accepted, judged.Score.Value, context.Get(Confidence), new
            {
                terms = judged.Score.Terms,
                agreement_redistributed = judged.Score.AgreementRedistributed,
                ticks = judged.Ticks.ToDictionary(t => t.Name, t => t.Passed),
                problem,
            }));
        }

        var outcome = judged.Accepted ? "Accepted" : job.MayRetry && attempt > 0 && !isStopped ? "Retry" : "Escalated";
        work.Add(outcome switch
        {
            "Accepted" => JobChanges.Completed(job.Id, attempt, judged.Score.Value),
            "Retry" => JobChanges.Requeued(job.Id, attempt, judged.Reason),
            _ => JobChanges.Escalated(job.Id, judged.Reason),
        });
        context.Set(Outcome, outcome);
        context.Set(Feedback, judged.Feedback);
        context.Set(Score, judged.Score.Value);
        context.JournalData["Score"] = judged.Score.Value;
        await context.CompleteActivityWithOutcomesAsync(outcome);
    }

    private static Judgement Unjudged(string problem) => new(
        [new("submission", false, problem)], Orchestra.Scoring.Score.Of(new() { TestScore = 0, DocsQuality = 0, PerformanceOk = false }, new()), false, problem, problem);

    private async Task<Judgement> JudgeAsync(ActivityExecutionContext context, Job job, int attempt, string model)
    {
        var tests = context.Get(Tests) ?? throw new InvalidOperationException("ScoreJob got neither a test verdict nor a problem.");
        var lint = context.Get(Lint) ?? throw new InvalidOperationException("ScoreJob got no verdict of the linters.");
        var change = context.Get(Change) ?? new(0, 0, [], 0);
        var ticks = Ticks.From(change.Files, change.Lines, tests, lint, context.GetRequiredService<TickOptions>());
        var own = new PublicSignatures(change.Signatures, change.Documented);
        var style = ticks.Count(t => !t.Passed && t.Name is Ticks.Lint or Ticks.Size or Ticks.Coverage);
        var score = Orchestra.Scoring.Score.Of(new()
        {
            TestScore = Orchestra.Scoring.Score.TestScoreOf(tests.Passed, tests.Failed, tests.Errors),
            CrossModelAgreement = CrossModelAgreement.Of(own, await OthersAsync(context, job, attempt, model)),
            DocsQuality = own.DocsQuality,
            PerformanceOk = ticks.Any(t => t is { Name: Ticks.Duration, Passed: true }),
            Penalties = Orchestra.Scoring.Score.PenaltiesOf(tests.Tampered.Count > 0, tests.JailEnd != JailEnd.Exited, style),
        }, context.GetRequiredService<ScoreWeights>());
        var failed = ticks.Where(t => !t.Passed).Select(t => $"{t.Name}: {t.Details}").ToList();
        return new(ticks, score, failed.Count == 0, string.Join("; ", failed), FailureReport.Of(ticks, tests, lint));
    }

    /// <summary>The signatures that other models offered for this job.</summary>
    private static async Task<IReadOnlyList<PublicSignatures>> OthersAsync(ActivityExecutionContext context, Job job, int attempt, string model)
    {
        var models = context.GetRequiredService<ModelStore>();
        var others = new List<PublicSignatures>();
        foreach (var run in (await models.RunsAsync(job.Id, context.CancellationToken)).Where(r => r.Model != model && r.Attempt != attempt))
        {
            if (await models.ArtifactAsync(job.Id, run.Attempt, ArtifactTypes.Result, context.CancellationToken) is { } artifact
                && artifact.Deserialize<ChangeSummary>(WorkflowJson.Options) is { Signatures: not null } summary)
                others.Add(new(summary.Signatures, summary.Documented));
        }

        return others;
    }

    private sealed record Judgement(IReadOnlyList<Tick> Ticks, Score Score, bool Accepted, string Reason, string Feedback);
}
