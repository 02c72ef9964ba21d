using System.ComponentModel.DataAnnotations;
using Aura.Orchestra.Jobs;

namespace Aura.Activities;

/// <summary>Looks at all jobs of a PRD once they are settled.</summary>
[Activity("Aura", "Aura Delivery", "Looks whether all jobs of the PRD are done.", DisplayName = "Review jobs")]
[FlowNode("Complete", "Incomplete")]
public sealed class ReviewJobs : CodeActivity
{
    [Required]
    [Input(DisplayName = "PRD ID", Description = "The PRD's id.")]
    public Input<string> PrdId { get; set; } = default!;

    [Output(Description = "Which jobs are not done, and why.")]
    public Output<string>? Reason { get; set; }

    protected override async ValueTask ExecuteAsync(ActivityExecutionContext context)
    {
        var jobs = await context.GetRequiredService<JobStore>().OfPrdAsync(PrdId.Get(context), context.CancellationToken);
        // A job cancelled in this very burst still shows its state from before; done is only what says so.
        var open = jobs.Where(j => j.Status != JobStatus.Completed).ToList();
        context.Set(Reason, string.Join(" ", open.Select(j => $"'{j.Title}' ended {j.Status.ToName()}: {j.StatusReason ?? "it was not started"}")));
        await context.CompleteActivityWithOutcomesAsync(open.Count == 0 ? "Complete" : "Incomplete");
    }
}
