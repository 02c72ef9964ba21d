using System.ComponentModel.DataAnnotations;
using Aura.Orchestra.Sandboxes;
using Aura.Orchestra.Validation;

namespace Aura.Activities;

/// <summary>Runs flake8 in the jail over the Python files that an attempt changed.</summary>
[Activity(
    "Aura", "Aura Validation", "Runs flake8 in the jail over the files that an attempt changed.",
    DisplayName = "Run linters", Kind = ActivityKind.Job)]
public sealed class RunLinters : CodeActivity
{
    [Required]
    [Input(Description = "The job whose attempt is checked.")]
    public Input<string> JobId { get; set; } = default!;

    [Required]
    [Input(Description = "The attempt's number.")]
    public Input<int> Attempt { get; set; } = default!;

    [Input(
        Description = "The task queue that does it.", DefaultValue = "validator", Category = "Task",
        UIHint = InputUIHints.DropDown, UIHandler = typeof(QueueOptions), Order = 1)]
    public Input<string>? Queue { get; set; }

    [Output(Description = "The messages.")]
    public Output<LintVerdict>? Verdict { get; set; }

    protected override async ValueTask ExecuteAsync(ActivityExecutionContext context)
    {
        var job = await context.JobAsync(JobId.Get(context));
        var trees = context.GetRequiredService<AttemptTrees>();
        var tree = await trees.BuildAsync(await context.PrdAsync(job.PrdId), job, Attempt.Get(context), "lint", context.CancellationToken);
        try
        {
            var log = context.GetRequiredService<SandboxStore>().RunLogOf(job.Id);
            context.Set(Verdict, await context.GetRequiredService<LinterRunner>().RunAsync(tree, log, context.CancellationToken));
        }
        finally
        {
            trees.Remove(tree);
        }
    }
}
