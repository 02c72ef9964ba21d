using System.ComponentModel.DataAnnotations;
using Aura.Orchestra.Jobs;
using Aura.Orchestra.Projects;
using Aura.Orchestra.Sandboxes;

namespace Aura.Activities;

/// <summary>Opens the sandbox of an attempt, a fresh working copy of the PRD's branch, and snapshots it.</summary>
[Activity(
    "Aura", "Aura Work", "Opens the sandbox of an attempt and takes its first snapshot.",
    DisplayName = "Create snapshot", Kind = ActivityKind.Job)]
public sealed class CreateSnapshot : CodeActivity
{
    [Required]
    [Input(DisplayName = "Job ID", Description = "The job's id.")]
    public Input<string> JobId { get; set; } = default!;

    [Required]
    [Input(Description = "The attempt's number.")]
    public Input<int> Attempt { get; set; } = default!;

    [Input(Description = "The snapshot's label.", DefaultValue = "start")]
    public Input<string>? Label { get; set; }

    [Input(
        Description = "The task queue that does it.", DefaultValue = "default", Category = "Task",
        UIHint = InputUIHints.DropDown, UIHandler = typeof(QueueOptions), Order = 1)]
    public Input<string>? Queue { get; set; }

    [Output(Description = "The sandbox's id.")]
    public Output<string>? SandboxId { get; set; }

    protected override async ValueTask ExecuteAsync(ActivityExecutionContext context)
    {
        var job = await context.JobAsync(JobId.Get(context));
        var attempt = Attempt.Get(context);
        var repositories = context.GetRequiredService<ProjectRepositories>();
        var baseCommit = await repositories.HeadAsync(job.ProjectId, job.PrdId, context.CancellationToken);
        var sandbox = await context.GetRequiredService<SandboxStore>().CreateAsync(new()
        {
            SandboxId = SandboxStore.IdOf(job.Id, attempt),
            JobId = job.Id,
            Attempt = attempt,
            ProjectName = job.ProjectId,
            RepositoryPath = repositories.RepositoryPath(job.ProjectId),
            BaseCommit = baseCommit,
            AllowedPaths = job.AllowedPaths(),
        }, context.CancellationToken);
        var snapshot = (await sandbox.CreateSnapshotAsync(context.Get(Label) ?? "start", context.CancellationToken)).Value;

        var work = context.GetRequiredService<UnitOfWork>();
        work.Add(JobChanges.Sandbox(job.Id, attempt, baseCommit, sandbox.WorkDirectory));
        work.Add(JobChanges.Snapshot(sandbox.Id, snapshot.Sequence, snapshot.Label, snapshot.Commit));
        context.Set(SandboxId, sandbox.Id);
    }
}
