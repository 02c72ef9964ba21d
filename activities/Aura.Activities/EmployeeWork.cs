using System.ComponentModel.DataAnnotations;
using Aura.Orchestra.Employees;
using Aura.Orchestra.Events;
using Aura.Orchestra.Jobs;
using Aura.Orchestra.Models;
using Aura.Orchestra.Sandboxes;
using Aura.Orchestra.Storage;
using Aura.Orchestra.Tools;
using Npgsql;

namespace Aura.Activities;

/// <summary>Lets the assigned model work on the job in its sandbox. What it changed is the result; what it says is only told.</summary>
[Activity("Aura", "Aura Work", "Lets the assigned model work on the job in its sandbox.", DisplayName = "Employee work", Kind = ActivityKind.Job)]
[FlowNode("Submitted", "Failed")]
public sealed class EmployeeWork : CodeActivity
{
    [Required]
    [Input(DisplayName = "Job ID", Description = "The job's id.")]
    public Input<string> JobId { get; set; } = default!;

    [Required]
    [Input(Description = "The attempt's number.")]
    public Input<int> Attempt { get; set; } = default!;

    [Required]
    [Input(Description = "The model that works.", UIHint = InputUIHints.DropDown, UIHandler = typeof(ModelOptions))]
    public Input<string> Model { get; set; } = default!;

    [Required]
    [Input(
        Description = "The queue of the model's backend, employee:<backend>.",
        UIHint = InputUIHints.DropDown, UIHandler = typeof(QueueOptions))]
    public Input<string> Queue { get; set; } = default!;

    [Input(Description = "What the validator said of the attempt before.")]
    public Input<string>? Feedback { get; set; }

    [Input(Description = "What an earlier result collided with when it was integrated.")]
    public Input<string>? Conflict { get; set; }

    [Output(Description = "The model's own confidence, 0 to 1. Never counts as proof.")]
    public Output<double?>? Confidence { get; set; }

    [Output(Description = "Why nothing was submitted.")]
    public Output<string>? Problem { get; set; }

    protected override async ValueTask ExecuteAsync(ActivityExecutionContext context)
    {
        var job = await context.JobAsync(JobId.Get(context));
        var prd = await context.PrdAsync(job.PrdId);
        var attempt = Attempt.Get(context);
        var model = Model.Get(context);
        var dataSource = context.GetRequiredService<NpgsqlDataSource>();
        var delivery = context.GetRequiredService<DurableTask>().Attempt;
        await dataSource.CommitAsync(JobChanges.InProgress(job.Id, attempt), context.CancellationToken);
        if (delivery > 1)
            await dataSource.CommitAsync(EventChanges.OfJob(job.Id, "job.lease_lost", new { attempt, delivery }), context.CancellationToken);

        var sandbox = await OpenAsync(context, SandboxStore.IdOf(job.Id, attempt), delivery);
        var backend = Queue.Get(context)["employee:".Length..];
        var log = context.GetRequiredService<SandboxStore>().RunLogOf(job.Id);
        var result = await context.GetRequiredService<EmployeeBackends>().Adapter(backend).WorkAsync(new()
        {
            PrdId = prd.Id,
            PrdTitle = prd.Title,
            JobId = job.Id,
            Title = job.Title,
            Description = job.Description,
            Attempt = attempt,
            MaxAttempts = job.MaxRetries + 1,
            ProjectName = job.ProjectId,
            AllowedPaths = job.AllowedPaths(),
            PreviousFailure = context.Get(Feedback),
            Conflict = context.Get(Conflict),
            Model = model,
            WorkDirectory = sandbox.WorkDirectory,
            // Without the token: the last lines of a cancelled attempt are worth having.
            Log = lines => log.AppendLinesAsync(lines, CancellationToken.None),
        }, new SandboxTools(context.GetRequiredService<ToolSessions>().Over(sandbox, new(model, job.Id, attempt))), context.CancellationToken);

        await log.AppendAsync($"employee {model} (attempt {attempt})", sandbox.WorkDirectory, new(
            result.HasSubmission ? 0 : 1, result.Output, result.HasSubmission ? "" : result.Explanation, TimedOut: false, OutputTruncated: false, TimeSpan.Zero),
            context.CancellationToken);
        context.Set(Confidence, result.SelfConfidence);
        if (result.HasSubmission)
            await SubmitAsync(context, job, attempt, model, sandbox, result);
        else if (result.FinishReason == EmployeeFinish.Misconfigured)
            await EscalateAsync(context, job, $"The employee '{model}' of backend '{backend}' cannot work: {result.Explanation}");
        else
            await FailAsync(context, $"The employee stopped ({result.FinishReason}): {result.Explanation}");
    }

    /// <summary>Delivered again, the sandbox holds what a dead process left in it: the attempt starts from a clean copy.</summary>
    private static async Task<Sandbox> OpenAsync(ActivityExecutionContext context, string sandboxId, int delivery)
    {
        var store = context.GetRequiredService<SandboxStore>();
        var sandbox = store.Open(sandboxId).Value;
        if (delivery == 1)
            return sandbox;
        var metadata = sandbox.Metadata;
        return await store.CreateAsync(new()
        {
            SandboxId = metadata.SandboxId,
            JobId = metadata.JobId,
            Attempt = metadata.Attempt,
            ProjectName = metadata.ProjectName,
            RepositoryPath = metadata.RepositoryPath,
            BaseCommit = metadata.BaseCommit,
            AllowedPaths = metadata.AllowedPaths,
        }, context.CancellationToken);
    }

    private async ValueTask SubmitAsync(
        ActivityExecutionContext context, Job job, int attempt, string model, Sandbox sandbox, EmployeeResult result)
    {
        var diff = await sandbox.DiffAsync(context.CancellationToken);
        if (diff.Refusal is { } refusal)
        {
            await FailAsync(context, $"The result cannot be taken from the sandbox ({refusal.Code}): {refusal.Message}");
            return;
        }

        var work = context.GetRequiredService<UnitOfWork>();
        work.Add(JobChanges.Submitted(job.Id, attempt, new
        {
            attempt,
            files = diff.Value.Files.Count,
            added = diff.Value.Added,
            deleted = diff.Value.Deleted,
            explanation = result.Explanation,
            finish = result.FinishReason.ToString(),
        }));
        work.Add(ModelChanges.Diff(model, job.Id, attempt, diff.Value.Text, sandbox.Metadata.BaseCommit));
        work.Add(ModelChanges.Artifact(model, job.Id, attempt, ArtifactTypes.Docs, new { result.Explanation, result.Output, result.Usage, result.Cost }));
        await context.CompleteActivityWithOutcomesAsync("Submitted");
    }

    /// <summary>No attempt can help before a person has mended the settings: the retries are kept for that.</summary>
    private async ValueTask EscalateAsync(ActivityExecutionContext context, Job job, string problem)
    {
        context.GetRequiredService<UnitOfWork>().Add(JobChanges.Escalated(job.Id, problem));
        await FailAsync(context, problem);
    }

    private async ValueTask FailAsync(ActivityExecutionContext context, string problem)
    {
        context.Set(Problem, problem);
        await context.CompleteActivityWithOutcomesAsync("Failed");
    }
}
