using System.ComponentModel.DataAnnotations;
using Aura.Orchestra.Jobs;
using Aura.Orchestra.Models;
using Aura.Orchestra.Scoring;
using Aura.Orchestra.Validation;

namespace Aura.Activities;

/// <summary>What an attempt changed, for its score.</summary>
/// <param name="Documented">Public functions and classes with a docstring.</param>
public sealed record ChangeSummary(int Files, int Lines, IReadOnlyList<PublicSignature> Signatures, int Documented);

/// <summary>Applies a submitted diff to a clean copy of its base. What does not apply, or changes nothing, is not worth a test run.</summary>
[Activity(
    "Aura", "Aura Validation", "Applies the submitted diff to a clean copy of its base, to see whether it is worth a test run.",
    DisplayName = "Apply patch", Kind = ActivityKind.Job)]
[FlowNode("Applied", "Rejected")]
public sealed class ApplyPatch : CodeActivity
{
    [Required]
    [Input(DisplayName = "Job ID", Description = "The job's id.")]
    public Input<string> JobId { get; set; } = default!;

    [Required]
    [Input(Description = "The attempt's number.")]
    public Input<int> Attempt { get; set; } = default!;

    [Required]
    [Input(Description = "The model that submitted.", UIHint = InputUIHints.DropDown, UIHandler = typeof(ModelOptions))]
    public Input<string> Model { get; set; } = default!;

    [Input(
        Description = "The task queue that does it.", DefaultValue = "validator", Category = "Task",
        UIHint = InputUIHints.DropDown, UIHandler = typeof(QueueOptions), Order = 1)]
    public Input<string>? Queue { get; set; }

    [Output(Description = "What the diff changes.")]
    public Output<ChangeSummary>? Change { get; set; }

    [Output(Description = "Why the diff was rejected.")]
    public Output<string>? Problem { get; set; }

    protected override async ValueTask ExecuteAsync(ActivityExecutionContext context)
    {
        var job = await context.JobAsync(JobId.Get(context));
        var prd = await context.PrdAsync(job.PrdId);
        var attempt = Attempt.Get(context);
        var trees = context.GetRequiredService<AttemptTrees>();
        var tree = await trees.BuildAsync(prd, job, attempt, "apply", context.CancellationToken);
        var work = context.GetRequiredService<UnitOfWork>();
        work.Add(JobChanges.Validating(job.Id, attempt));
        try
        {
            if (tree.Outcome != ApplyOutcome.Applied)
            {
                context.Set(Problem, tree.Outcome == ApplyOutcome.Empty ? "Nothing was changed." : $"The diff cannot be applied: {tree.Details}");
                await context.CompleteActivityWithOutcomesAsync("Rejected");
                return;
            }

            var signatures = PublicSignatures.Of(await tree.ReadChangedPythonAsync(context.CancellationToken));
            var summary = new ChangeSummary(
                tree.Changes.Count, tree.Changes.Sum(c => c.Added + c.Deleted), signatures.Signatures, signatures.Documented);
            work.Add(ModelChanges.Artifact(Model.Get(context), job.Id, attempt, ArtifactTypes.Result, summary));
            context.Set(Change, summary);
            await context.CompleteActivityWithOutcomesAsync("Applied");
        }
        finally
        {
            trees.Remove(tree);
        }
    }
}
