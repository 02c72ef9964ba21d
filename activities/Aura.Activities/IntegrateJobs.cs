using System.ComponentModel.DataAnnotations;
using Aura.Orchestra.Events;
using Aura.Orchestra.Jobs;
using Aura.Orchestra.Models;
using Aura.Orchestra.Projects;

namespace Aura.Activities;

/// <summary>
/// Puts a finished job's result on the PRD's branch. Jobs come here in dependency order, one at a time for each PRD's branch.
/// A conflict goes back to the job as one of its retries, with the conflict for the prompt; without a retry left it escalates.
/// </summary>
[Activity("Aura", "Aura Delivery", "Puts a finished job's result onto the PRD's branch.", DisplayName = "Integrate job", Kind = ActivityKind.Job)]
[FlowNode("Integrated", "Conflict", "Escalated")]
public sealed class IntegrateJobs : CodeActivity
{
    internal const string IntegratedEvent = "job.integrated";

    [Required]
    [Input(Description = "The job, as the plan handed it out.")]
    public Input<JobRef> Job { get; set; } = default!;

    [Required]
    [Input(Description = "How the job's own workflow ended.")]
    public Input<ChildResult> Result { get; set; } = default!;

    [Input(
        Description = "The task queue that does it.", DefaultValue = "integrator", Category = "Task",
        UIHint = InputUIHints.DropDown, UIHandler = typeof(QueueOptions), Order = 1)]
    public Input<string>? Queue { get; set; }

    [Output(Description = "The input for the job's workflow when it has to work once more.")]
    public Output<object>? Rework { get; set; }

    protected override async ValueTask ExecuteAsync(ActivityExecutionContext context)
    {
        var reference = Job.Get(context);
        var result = Result.Get(context);
        var job = await context.JobAsync(reference.JobId);
        var work = context.GetRequiredService<UnitOfWork>();
        // Whatever comes out, jobs that wait for this one look again.
        work.Add(context.GetRequiredService<WorkflowClient>().PrepareStimulusTo(
            context.WorkflowExecutionContext.Id, AwaitDependencies.StimulusName, AwaitDependencies.StimulusOf(reference.PrdId)));

        if (result?.Text("Outcome") != "Accepted")
        {
            // An escalated job says so itself; a workflow that broke cannot.
            if (result?.SubStatus != "Finished")
                work.Add(JobChanges.Failed(job.Id, $"The job's workflow {result?.WorkflowInstanceId} ended {result?.SubStatus ?? "without a result"}: {result?.Incident}"));
            await context.CompleteActivityWithOutcomesAsync("Escalated");
            return;
        }

        var submitted = await context.GetRequiredService<ModelStore>().DiffAsync(job.Id, job.Attempt, context.CancellationToken)
            ?? throw new InvalidOperationException($"Job {job.Id} is accepted but has no result for attempt {job.Attempt}.");
        var integration = await context.GetRequiredService<ProjectRepositories>().IntegrateAsync(new()
        {
            ProjectName = job.ProjectId,
            PrdId = job.PrdId,
            JobId = job.Id,
            Attempt = job.Attempt,
            Title = job.Title,
            Patch = submitted.Diff,
            BaseCommit = submitted.BaseCommit!,
        }, context.CancellationToken);
        switch (integration)
        {
            case IntegrationResult.Integrated { Commit: var commit }:
                await IntegratedAsync(context, work, job, commit);
                break;
            case IntegrationResult.AlreadyIntegrated { Commit: var commit }:
                await IntegratedAsync(context, work, job, commit);
                break;
            case IntegrationResult.Conflict conflict:
                await ConflictAsync(context, work, job, reference, conflict);
                break;
        }
    }

    private static ValueTask IntegratedAsync(ActivityExecutionContext context, UnitOfWork work, Job job, string commit)
    {
        work.Add(EventChanges.OfJob(job.Id, IntegratedEvent, new { attempt = job.Attempt, commit }));
        return context.CompleteActivityWithOutcomesAsync("Integrated");
    }

    private async ValueTask ConflictAsync(
        ActivityExecutionContext context, UnitOfWork work, Job job, JobRef reference, IntegrationResult.Conflict conflict)
    {
        var reason = $"The result collides with other jobs in {string.Join(", ", conflict.Files)}.";
        work.Add(EventChanges.OfJob(job.Id, "job.conflict", new { attempt = job.Attempt, files = conflict.Files }));
        work.Add(job.MayRetry ? JobChanges.Requeued(job.Id, job.Attempt, reason) : JobChanges.Escalated(job.Id, reason));
        context.Set(Rework, reference with { Conflict = conflict.Details });
        await context.CompleteActivityWithOutcomesAsync(job.MayRetry ? "Conflict" : "Escalated");
    }
}
