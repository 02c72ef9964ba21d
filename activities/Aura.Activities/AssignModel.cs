using System.ComponentModel.DataAnnotations;
using Aura.Orchestra.Employees;
using Aura.Orchestra.Events;
using Aura.Orchestra.Jobs;
using Aura.Orchestra.Models;

namespace Aura.Activities;

/// <summary>Chooses the model of the next attempt by score, with a share of exploration, and opens the attempt.</summary>
[Activity("Aura", "Aura Work", "Chooses the model of the next attempt by its scores and opens the attempt.", DisplayName = "Assign model")]
[FlowNode("Assigned", "NoModel")]
public sealed class AssignModel : Activity
{
    [Required]
    [Input(DisplayName = "Job ID", Description = "The job's id.")]
    public Input<string> JobId { get; set; } = default!;

    [Input(Description = "The share of assignments that goes to another model than the best, 0 to 1.", DefaultValue = 0.1)]
    public Input<double>? Exploration { get; set; }

    [Output(Description = "The model's name.")]
    public Output<string>? Model { get; set; }

    [Output(Description = "The attempt's number, from 1.")]
    public Output<int>? Attempt { get; set; }

    [Output(Description = "The queue of the model's backend.")]
    public Output<string>? Queue { get; set; }

    [Output(Description = "Why no model could be assigned.")]
    public Output<string>? Problem { get; set; }

    protected override async ValueTask ExecuteAsync(ActivityExecutionContext context)
    {
        var job = await context.JobAsync(JobId.Get(context));
        var prd = await context.PrdAsync(job.PrdId);
        var models = context.GetRequiredService<ModelStore>();
        var pinned = job.PinnedModel is null ? null : await models.FindAsync(job.PinnedModel, context.CancellationToken);
        var backend = pinned?.Backend ?? prd.Backend ?? context.GetRequiredService<EmployeeOptions>().DefaultBackend;
        var candidates = await models.ActiveOfBackendAsync(backend, context.CancellationToken);
        var choice = ModelAssignment.Choose(new()
        {
            Candidates = [.. candidates.Select(m => new ModelCandidate(m.Name, m.IsActive, m.AverageScore, (int)m.Runs))],
            PinnedModel = job.PinnedModel,
            JustFailed = job.Attempt > 0 ? job.Model : null,
            ExplorationShare = context.Get(Exploration),
            Roll = Random.Shared.NextDouble(),
        });
        if (choice.Model is null)
        {
            context.Set(Problem, $"No model of the backend '{backend}' can take the job. {choice.Reason}");
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
        context.Set(Attempt, attempt);
        context.Set(Queue, $"employee:{backend}");
        await context.CompleteActivityWithOutcomesAsync("Assigned");
    }
}
