namespace Aura.Workflows.Activities;

/// <summary>Ends the workflow at once: nothing that is queued or waiting runs any more.</summary>
[Activity("Elsa", "Primitives", "Ends the workflow at once; nothing that waits or is queued runs any more.")]
public sealed class Finish : Activity, ITerminal
{
    protected override async ValueTask ExecuteAsync(ActivityExecutionContext context)
    {
        // From here to the root all complete, and cancel what else runs below them: no record stays behind as running.
        // Nobody is called back, so a loop around this evaluates no condition once more.
        for (var scope = context; scope is not null; scope = scope.ParentActivityExecutionContext)
        {
            scope.Completed = default;
            await scope.CompleteActivityAsync();
        }

        context.WorkflowExecutionContext.Finish();
    }
}

/// <summary>Faults the workflow with a message.</summary>
[Activity("Elsa", "Primitives", "Faults the workflow with a message of yours.")]
public sealed class Fault : CodeActivity
{
    [Input(Description = "A code that categorises the fault.", DefaultValue = "0")]
    public Input<string>? Code { get; set; }

    [Input(Description = "For example HTTP, Alteration, Azure.", DefaultValue = "General")]
    public Input<string>? Category { get; set; }

    [Input(Description = "For example System, Business, Integration.", DefaultValue = "System")]
    public Input<string>? FaultType { get; set; }

    [Input(Description = "The message of the incident.", UIHint = InputUIHints.MultiLine)]
    public Input<string>? Message { get; set; }

    protected override void Execute(ActivityExecutionContext context) => throw new FaultException(
        context.Get(Message) ?? "The workflow was faulted on purpose.", context.Get(Code) ?? "0", context.Get(Category) ?? "General",
        context.Get(FaultType) ?? "System");
}
