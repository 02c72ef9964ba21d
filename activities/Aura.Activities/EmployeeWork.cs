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

/// <summary>What an employee gets to work on, and where.</summary>
/// <param name="Delivery">1 at first; a dead process or a lost lease delivers the same attempt again.</param>
public sealed record WorkOrder(EmployeeRequest Request, string Backend, Sandbox Sandbox, int Delivery);

/// <summary>
/// Lets the assigned model work on the job in its sandbox. What it changed is the result; what it says is only told.
/// The work itself may be done elsewhere: a worker in a process of its own gets what <see cref="BeginAsync"/> gives and hands in what
/// <see cref="ConcludeAsync"/> takes.
/// </summary>
[Activity("Aura", "Aura Work", "Lets the assigned model work on the job in its sandbox.", DisplayName = "Employee work", Kind = ActivityKind.Job)]
[FlowNode("Unavailable", "Submitted", "Failed")]
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

    /// <summary>Attempts of one job that do not count because a model was down; then the next one counts.</summary>
    private const int MostUncounted = 10;

    protected override async ValueTask ExecuteAsync(ActivityExecutionContext context)
    {
        var order = await BeginAsync(context);
        var tools = new SandboxTools(context.GetRequiredService<ToolSessions>().Over(
            order.Sandbox, new(order.Request.Model, order.Request.JobId, order.Request.Attempt)));
        var log = context.GetRequiredService<SandboxStore>().RunLogOf(order.Request.JobId);
        var request = order.Request with
        {
            WorkDirectory = order.Sandbox.WorkDirectory,
            // Without the token: the last lines of a cancelled attempt are worth having.
            Log = lines => log.AppendLinesAsync(lines, CancellationToken.None),
        };
        var result = await context.GetRequiredService<EmployeeBackends>().Adapter(order.Backend).WorkAsync(request, tools, context.CancellationToken);
        await ConcludeAsync(context, result);
    }

    /// <summary>The backend whose queue it is.</summary>
    /// <exception cref="ArgumentException">The queue is none of employees.</exception>
    public string BackendOf(ActivityExecutionContext context) => EmployeeBackends.OfQueue(Queue.Get(context));

    /// <summary>Says that the work has begun and makes the sandbox ready: what there is to do.</summary>
    public async Task<WorkOrder> BeginAsync(ActivityExecutionContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        var job = await context.JobAsync(JobId.Get(context));
        var prd = await context.PrdAsync(job.PrdId);
        var attempt = Attempt.Get(context);
        var backend = BackendOf(context);
        var dataSource = context.GetRequiredService<NpgsqlDataSource>();
        var task = context.GetRequiredService<DurableTask>();
        await dataSource.CommitAsync(JobChanges.InProgress(job.Id, attempt), context.CancellationToken);
        if (task.Attempt > 1)
            await dataSource.CommitAsync(EventChanges.OfJob(job.Id, "job.lease_lost", new { attempt, delivery = task.Attempt }), context.CancellationToken);
        return new(
            new()
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
                Model = Model.Get(context),
            },
            backend,
            await OpenAsync(context, SandboxStore.IdOf(job.Id, attempt), isFirst: task.Fence <= 1), task.Attempt);
    }

    /// <summary>Takes the result: the diff from the sandbox, not from the employee, and what it says of itself.</summary>
    /// <returns>The job as it was before.</returns>
    public async Task<Job> ConcludeAsync(ActivityExecutionContext context, EmployeeResult result)
    {
        ArgumentNullException.ThrowIfNull(context);
        ArgumentNullException.ThrowIfNull(result);
        var job = await context.JobAsync(JobId.Get(context));
        var attempt = Attempt.Get(context);
        var model = Model.Get(context);
        var opened = context.GetRequiredService<SandboxStore>().Open(SandboxStore.IdOf(job.Id, attempt));
        if (opened.Refusal is { } gone)
        {
            await FailAsync(context, $"The sandbox is not there any more ({gone.Code}): {gone.Message}");
            return job;
        }

        var sandbox = opened.Value;
        var log = context.GetRequiredService<SandboxStore>().RunLogOf(job.Id);
        await log.AppendAsync($"employee {model} (attempt {attempt})", sandbox.WorkDirectory, new(
            result.HasSubmission ? 0 : 1, result.Output, result.HasSubmission ? "" : result.Explanation, TimedOut: false, OutputTruncated: false, TimeSpan.Zero),
            context.CancellationToken);
        context.Set(Confidence, result.SelfConfidence);
        var stopped = $"The employee stopped ({result.FinishReason}): {result.Explanation}";
        if (result.IsTransient || (result.FinishReason == EmployeeFinish.Misconfigured && await MayAnotherAsync(context, job, model)))
        {
            await PassOnAsync(context, job, attempt, model, stopped);
            return job;
        }

        if (result.FinishReason == EmployeeFinish.Misconfigured)
        {
            await EscalateAsync(context, job, $"The employee '{model}' of backend '{BackendOf(context)}' cannot work: {result.Explanation}");
            return job;
        }

        context.GetRequiredService<UnitOfWork>().Add(ModelChanges.Available(model));
        if (result.HasSubmission)
            await SubmitAsync(context, job, attempt, model, sandbox, result);
        else
            await FailAsync(context, stopped);
        return job;
    }

    /// <summary>The key or the settings of one model are wrong: another one that is up may do. A script that is missing helps nobody.</summary>
    private async Task<bool> MayAnotherAsync(ActivityExecutionContext context, Job job, string model)
    {
        var backend = BackendOf(context);
        return backend != ScriptedEmployee.BackendName && job.PinnedModel is null
            && (await context.GetRequiredService<ModelStore>().ActiveOfBackendAsync(context.BackendOf(await context.PrdAsync(job.PrdId)), context.CancellationToken))
                .Any(m => m.Name != model && m.Down is null && ModelAssignment.Takes(m.Roles, job.Role));
    }

    private async ValueTask PassOnAsync(ActivityExecutionContext context, Job job, int attempt, string model, string reason)
    {
        var work = context.GetRequiredService<UnitOfWork>();
        work.Add(ModelChanges.Unavailable(model, reason));
        work.Add(EventChanges.OfJob(job.Id, "job.model_unavailable", new { model, attempt, reason }));
        if (attempt - job.RetryCount > MostUncounted)
        {
            await FailAsync(context, $"{reason} {MostUncounted} attempts have ended so before.");
            return;
        }

        work.Add(JobChanges.HandedBack(job.Id, attempt, model, reason));
        context.Set(Problem, reason);
        await context.CompleteActivityWithOutcomesAsync("Unavailable");
    }

    /// <summary>Delivered again, the sandbox holds what somebody else left in it: the attempt starts from a clean copy.</summary>
    private static async Task<Sandbox> OpenAsync(ActivityExecutionContext context, string sandboxId, bool isFirst)
    {
        var store = context.GetRequiredService<SandboxStore>();
        var sandbox = store.Open(sandboxId).Value;
        if (isFirst)
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
