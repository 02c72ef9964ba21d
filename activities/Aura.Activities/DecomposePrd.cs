using System.ComponentModel.DataAnnotations;
using System.Text.Json;
using Aura.Orchestra.Employees;
using Aura.Orchestra.Jobs;
using Aura.Orchestra.Planning;
using Aura.Orchestra.Prds;
using Aura.Orchestra.Projects;

namespace Aura.Activities;

/// <summary>Makes jobs of a PRD: its own tasks when it has some, else a plan asked of the planner model. The plan must be a DAG.</summary>
[Activity(
    "Aura", "Aura Planning", "Makes jobs of a PRD: a plan without circles, of its own tasks or of the planner model.",
    DisplayName = "Decompose PRD", Kind = ActivityKind.Job)]
[FlowNode("Planned", "Refused")]
public sealed class DecomposePrd : CodeActivity
{
    [Required]
    [Input(DisplayName = "PRD ID", Description = "The PRD's id.")]
    public Input<string> PrdId { get; set; } = default!;

    [Input(
        Description = "The task queue that does it.", DefaultValue = "default", Category = "Task",
        UIHint = InputUIHints.DropDown, UIHandler = typeof(QueueOptions), Order = 1)]
    public Input<string>? Queue { get; set; }

    [Output(Description = "The jobs in dependency order, each {JobId, PrdId, Title}.")]
    public Output<object>? Jobs { get; set; }

    [Output(Description = "The commit that all work starts from.")]
    public Output<string>? BaseCommit { get; set; }

    [Output(Description = "Why the plan was refused.")]
    public Output<string>? Reason { get; set; }

    protected override async ValueTask ExecuteAsync(ActivityExecutionContext context)
    {
        var prd = await context.PrdAsync(PrdId.Get(context));
        var outcome = prd.Tasks.Count > 0
            ? PlanGraph.Create([.. prd.Tasks.Select(t => new PlanTask { Id = t.Id, Title = t.Title, Description = t.Description, DependsOn = t.DependsOn })])
            : await PlanAsync(context, prd);
        if (outcome is not PlanOutcome.Planned { Graph: var graph })
        {
            context.Set(Reason, "The plan was refused: " + string.Join(" ", ((PlanOutcome.PlanRefused)outcome).Reasons));
            await context.CompleteActivityWithOutcomesAsync("Refused");
            return;
        }

        var repositories = context.GetRequiredService<ProjectRepositories>();
        var imported = await repositories.ImportAsync(prd.ProjectId, context.CancellationToken);
        await repositories.CreatePrdBranchAsync(prd.ProjectId, prd.Id, imported, context.CancellationToken);
        // A delivery before this one may have made the branch from an older import: its base counts.
        var baseCommit = await repositories.PrdBaseAsync(prd.ProjectId, prd.Id, context.CancellationToken);

        var jobs = graph.Tasks.Select(task => Planned(task, prd.Tasks.FirstOrDefault(t => t.Id == task.Id))).ToList();
        var work = context.GetRequiredService<UnitOfWork>();
        work.Add(PrdChanges.Planned(prd.Id, ProjectRepositories.MergeBranch(prd.Id, BranchSlug.Of(prd.Title)), baseCommit));
        work.Add(JobChanges.Insert(prd.Id, jobs));
        work.Add(PrdChanges.Running(prd.Id));
        context.Set(Jobs, jobs.Select(j => new JobRef(j.Id, prd.Id, j.Title)).ToList());
        context.Set(BaseCommit, baseCommit);
        await context.CompleteActivityWithOutcomesAsync("Planned");
    }

    private static PlannedJob Planned(PlanTask task, PrdTask? written) => new()
    {
        Key = task.Id,
        Title = task.Title,
        Description = task.Description,
        DependsOn = task.DependsOn,
        Type = written?.Type ?? "IMPLEMENT",
        Role = written?.Role ?? "Employee",
        MaxRetries = written?.MaxRetries ?? 2,
        Payload = written?.Payload ?? JsonSerializer.SerializeToElement(new { allowed_paths = task.AllowedPaths }),
    };

    private static async Task<PlanOutcome> PlanAsync(ActivityExecutionContext context, Prd prd)
    {
        var backends = context.GetRequiredService<EmployeeBackends>();
        var backend = context.BackendOf(prd);
        var looked = backend == EmployeeBackends.Any
            ? await backends.CheckAllAsync(context.CancellationToken)
            : [await backends.CheckAsync(backend, context.CancellationToken)];
        if (looked.FirstOrDefault(s => s is { IsAvailable: true, Name: not (ScriptedEmployee.BackendName or EmployeeBackends.Cli) }) is not { } able)
        {
            var why = string.Join(' ', looked.Select(s => looked.Count == 1 ? s.Detail : $"{s.Name}: {s.Detail}"));
            return new PlanOutcome.PlanRefused([$"The PRD has no tasks of its own, and the backend '{backend}' cannot plan: {why} Write 'tasks' into the PRD."]);
        }

        var planned = await context.GetRequiredService<Planner>().PlanAsync(
            new()
            {
                Backend = able.Name,
                Model = able.Models[0],
                PrdId = prd.Id,
                Title = prd.Title,
                Description = prd.Description,
                ProjectName = prd.ProjectId,
                Files = await context.GetRequiredService<ProjectRepositories>().ListFilesAsync(prd.ProjectId, context.CancellationToken),
            },
            context.CancellationToken);
        return planned.Outcome;
    }
}
