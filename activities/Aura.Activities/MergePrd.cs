using System.ComponentModel.DataAnnotations;
using Aura.Orchestra.Prds;
using Aura.Orchestra.Projects;

namespace Aura.Activities;

/// <summary>Lands the approved commit, and no other, on the PRD's feature branch.</summary>
[Activity(
    "Aura", "Aura Delivery", "Lands the approved commit, and no other, on the feature branch.",
    DisplayName = "Merge PRD", Kind = ActivityKind.Job)]
[FlowNode("Merged", "Refused")]
public sealed class MergePrd : CodeActivity
{
    [Required]
    [Input(DisplayName = "PRD ID", Description = "The PRD's id.")]
    public Input<string> PrdId { get; set; } = default!;

    [Input(
        Description = "The task queue that does it.", DefaultValue = "integrator", Category = "Task",
        UIHint = InputUIHints.DropDown, UIHandler = typeof(QueueOptions), Order = 1)]
    public Input<string>? Queue { get; set; }

    [Output(Description = "Why the merge was refused.")]
    public Output<string>? Reason { get; set; }

    protected override async ValueTask ExecuteAsync(ActivityExecutionContext context)
    {
        var prd = await context.PrdAsync(PrdId.Get(context));
        var repositories = context.GetRequiredService<ProjectRepositories>();
        var diff = await repositories.DiffAsync(prd.ProjectId, prd.Id, context.CancellationToken);
        if (diff.Hash != prd.DiffHash)
        {
            await RefuseAsync(context, $"The diff was approved as {prd.DiffHash} and is {diff.Hash} now.");
            return;
        }

        switch (await repositories.MergeAsync(prd.ProjectId, prd.Id, BranchSlug.Of(prd.Title), prd.HeadCommit!, context.CancellationToken))
        {
            case MergeResult.Merged merged:
                context.GetRequiredService<UnitOfWork>().Add(PrdChanges.Merged(prd.Id, merged.Commit));
                await context.CompleteActivityWithOutcomesAsync("Merged");
                break;
            case MergeResult.Refused refused:
                await RefuseAsync(context, refused.Reason);
                break;
        }
    }

    private ValueTask RefuseAsync(ActivityExecutionContext context, string reason)
    {
        context.Set(Reason, $"The merge was refused: {reason}");
        return context.CompleteActivityWithOutcomesAsync("Refused");
    }
}
