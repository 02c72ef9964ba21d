using System.ComponentModel.DataAnnotations;
using Aura.Orchestra.Events;
using Aura.Orchestra.Jobs;

namespace Aura.Activities;

/// <summary>Waits until the results of all jobs that this one builds on are integrated. Blocked when one of them never will be.</summary>
[Activity("Aura", "Aura Planning", "Waits until the results of the jobs that this one builds on are integrated.", DisplayName = "Await dependencies")]
[FlowNode("Ready", "Blocked")]
public sealed class AwaitDependencies : Activity
{
    internal const string StimulusName = "Aura.JobSettled";

    [Required]
    [Input(Description = "The job, as the plan handed it out.")]
    public Input<JobRef> Job { get; set; } = default!;

    internal static object StimulusOf(string prdId) => new { PrdId = prdId };

    protected override ValueTask ExecuteAsync(ActivityExecutionContext context) => LookAsync(context);

    private async ValueTask LookAsync(ActivityExecutionContext context)
    {
        var reference = Job.Get(context);
        var job = await context.JobAsync(reference.JobId);
        var waiting = false;
        foreach (var dependency in job.DependsOn)
        {
            var other = await context.JobAsync(dependency);
            if (other.Status.IsTerminal() && other.Status != JobStatus.Completed)
            {
                await BlockAsync(context, reference, $"It builds on '{other.Title}', which ended {other.Status.ToName()}.");
                return;
            }

            waiting |= !await IsIntegratedAsync(context, dependency);
        }

        // Read after the last commit: what settles later sends a stimulus that this instance's next burst takes up.
        if (waiting)
            context.CreateBookmark(new CreateBookmarkArgs { BookmarkName = StimulusName, Stimulus = StimulusOf(reference.PrdId), Callback = LookAsync });
        else
            await context.CompleteActivityWithOutcomesAsync("Ready");
    }

    private static async Task<bool> IsIntegratedAsync(ActivityExecutionContext context, string jobId) =>
        (await context.GetRequiredService<EventFeed>().OfJobAsync(jobId, context.CancellationToken)).Any(e => e.Type == IntegrateJobs.IntegratedEvent);

    private static async ValueTask BlockAsync(ActivityExecutionContext context, JobRef reference, string reason)
    {
        var work = context.GetRequiredService<UnitOfWork>();
        work.Add(JobChanges.Cancelled(reference.JobId, reason));
        // Jobs that build on this one are blocked now, too.
        work.Add(context.GetRequiredService<WorkflowClient>().PrepareStimulusTo(
            context.WorkflowExecutionContext.Id, StimulusName, StimulusOf(reference.PrdId)));
        await context.CompleteActivityWithOutcomesAsync("Blocked");
    }
}
