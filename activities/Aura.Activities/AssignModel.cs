using System.ComponentModel.DataAnnotations;
using Aura.Orchestra.Employees;
using Aura.Orchestra.Events;
using Aura.Orchestra.Jobs;
using Aura.Orchestra.Models;

namespace Aura.Activities;

/// <summary>
/// Chooses the model of the next attempt by role, standing, score and cost, with a share of exploration, and opens the attempt. While every
/// model that would do is down, it waits for the first one that is back.
/// </summary>
[Activity("Aura", "Aura Work", "Chooses the model of the next attempt by role, scores and cost, and opens the attempt.", DisplayName = "Assign model")]
[FlowNode("Assigned", "NoModel")]
public sealed class AssignModel : Activity
{
    [Required]
    [Input(DisplayName = "Job ID", Description = "The job's id.")]
    public Input<string> JobId { get; set; } = default!;

    [Input(Description = "The share of assignments that goes to another model than the best, 0 to 1.", DefaultValue = 0.1)]
    public Input<double> Exploration { get; set; } = new(0.1);

    [Input(Description = "How many seconds to wait for a model that is down before there is none.", DefaultValue = 900.0)]
    public Input<double> Patience { get; set; } = new(900.0);

    [Output(Description = "The model's name.")]
    public Output<string>? Model { get; set; }

    [Output(Description = "The attempt's number, from 1.")]
    public Output<int>? Attempt { get; set; }

    [Output(Description = "The queue of the model's backend.")]
    public Output<string>? Queue { get; set; }

    [Output(Description = "Why this model was chosen.")]
    public Output<string>? Reason { get; set; }

    [Output(Description = "Why no model could be assigned.")]
    public Output<string>? Problem { get; set; }

    private const string Since = "WaitingSince";
    private const string Told = "WaitingTold";

    /// <summary>Between two looks at models that are all down.</summary>
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(15);

    protected override ValueTask ExecuteAsync(ActivityExecutionContext context) => LookAsync(context);

    private async ValueTask LookAsync(ActivityExecutionContext context)
    {
        var job = await context.JobAsync(JobId.Get(context));
        var prd = await context.PrdAsync(job.PrdId);
        var models = context.GetRequiredService<ModelStore>();
        var pinned = job.PinnedModel is null ? null : await models.FindAsync(job.PinnedModel, context.CancellationToken);
        var backend = pinned?.Backend ?? context.BackendOf(prd);
        var candidates = await models.ActiveOfBackendAsync(backend, context.CancellationToken);
        var choice = ModelAssignment.Choose(new()
        {
            Candidates = [.. candidates.Select(m => new ModelCandidate(m.Name, m.IsActive, m.AverageScore, m.Runs)
            {
                Roles = m.Roles, Cost = m.CostPerAttempt, Down = m.Down,
            })],
            Role = job.Role,
            PinnedModel = job.PinnedModel,
            JustFailed = job.Attempt > 0 ? job.Model : null,
            ExplorationShare = context.Get(Exploration),
            Roll = Random.Shared.NextDouble(),
        });
        if (choice.Model is null)
        {
            if (choice.IsTemporary && MayWait(context, out var waited))
            {
                Wait(context, job, choice.Reason, waited, candidates);
                return;
            }

            var whose = backend == EmployeeBackends.Any ? "any backend" : $"the backend '{backend}'";
            context.Set(Problem, $"No model of {whose} can take the job. {choice.Reason}");
            await context.CompleteActivityWithOutcomesAsync("NoModel");
            return;
        }

        var attempt = job.Attempt + 1;
        var work = context.GetRequiredService<UnitOfWork>();
        work.Add(JobChanges.CarriedBy(job.Id, context.WorkflowExecutionContext.Id));
        work.Add(JobChanges.Assigned(job.Id, choice.Model, attempt));
        work.Add(EventChanges.OfJob(job.Id, "job.choice", new { model = choice.Model, attempt, reason = choice.Reason }));
        context.JournalData["Reason"] = choice.Reason;
        context.Set(Model, choice.Model);
        context.Set(Reason, choice.Reason);
        context.Set(Attempt, attempt);
        context.Set(Queue, EmployeeBackends.QueueOf(candidates.First(m => m.Name == choice.Model).Backend));
        await context.CompleteActivityWithOutcomesAsync("Assigned");
    }

    private bool MayWait(ActivityExecutionContext context, out TimeSpan waited)
    {
        var now = context.GetRequiredService<TimeProvider>().GetUtcNow();
        var since = context.GetProperty<DateTimeOffset?>(Since) ?? now;
        context.SetProperty(Since, since);
        waited = now - since;
        return waited < TimeSpan.FromSeconds(context.Get(Patience));
    }

    private void Wait(ActivityExecutionContext context, Job job, string reason, TimeSpan waited, IReadOnlyList<Aura.Orchestra.Models.Model> candidates)
    {
        if (context.GetProperty<string>(Told) != reason)
        {
            context.SetProperty(Told, reason);
            context.GetRequiredService<UnitOfWork>().Add(
                EventChanges.OfJob(job.Id, "job.waiting", new { reason, waited_seconds = (int)waited.TotalSeconds }));
        }

        var now = context.GetRequiredService<TimeProvider>().GetUtcNow();
        var until = candidates.Where(m => m.UnavailableUntil is not null).Select(m => m.UnavailableUntil!.Value - now).Append(LongestPause).Min();
        context.DelayFor(until < TimeSpan.FromSeconds(1) ? TimeSpan.FromSeconds(1) : until, LookAsync);
    }
}
