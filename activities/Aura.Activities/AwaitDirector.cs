using System.ComponentModel.DataAnnotations;
using Aura.Orchestra.Prds;
using Aura.Orchestra.Projects;

namespace Aura.Activities;

/// <summary>Shows the Director the whole diff with the counts before and after, and waits for a decision on that very diff.</summary>
[Activity("Aura", "Aura Delivery", "Shows the Director the whole diff and waits for the decision on it.", DisplayName = "Await the Director")]
[FlowNode("Approved", "Rejected")]
public sealed class AwaitDirector : Activity
{
    /// <summary>The stimulus that carries a decision: payload {PrdId}, input {Decision: approve or reject, DiffHash, Actor, Reason}.</summary>
    public const string StimulusName = "Aura.DirectorDecision";

    [Required]
    [Input(DisplayName = "PRD ID", Description = "The PRD's id.")]
    public Input<string> PrdId { get; set; } = default!;

    [Input(Description = "Counts of the base.")]
    public Input<TestCounts>? TestsBefore { get; set; }

    [Input(Description = "Counts of the integrated result.")]
    public Input<TestCounts>? TestsAfter { get; set; }

    [Output(Description = "Who decided.")]
    public Output<string>? Actor { get; set; }

    protected override async ValueTask ExecuteAsync(ActivityExecutionContext context)
    {
        var prd = await context.PrdAsync(PrdId.Get(context));
        var repositories = context.GetRequiredService<ProjectRepositories>();
        var head = await repositories.HeadAsync(prd.ProjectId, prd.Id, context.CancellationToken);
        var diff = await repositories.DiffAsync(prd.ProjectId, prd.Id, context.CancellationToken);
        // In the commit of the bookmark: whoever sees the PRD waiting can decide it.
        context.GetRequiredService<UnitOfWork>().Add(PrdChanges.AwaitingApproval(
            prd.Id, head, diff.Text, diff.Hash, context.Get(TestsBefore) ?? new(0, 0, 0), context.Get(TestsAfter) ?? new(0, 0, 0)));
        context.CreateBookmark(new CreateBookmarkArgs { BookmarkName = StimulusName, Stimulus = new { PrdId = prd.Id }, Callback = OnDecidedAsync });
    }

    private ValueTask OnDecidedAsync(ActivityExecutionContext context)
    {
        context.Set(Actor, context.GetWorkflowInput<string>("Actor"));
        return context.CompleteActivityWithOutcomesAsync(context.GetWorkflowInput<string>("Decision") == "approve" ? "Approved" : "Rejected");
    }
}
