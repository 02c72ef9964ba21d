namespace Aura.Workflows.Activities;

/// <summary>Base of activities that hold others and declare variables for them.</summary>
public abstract class Container : Activity, IVariableContainer, ISignalHandler
{
    [Port]
    public ICollection<IActivity> Activities { get; set; } = new List<IActivity>();

    public ICollection<Variable> Variables { get; set; } = [];

    protected override ValueTask ExecuteAsync(ActivityExecutionContext context) => ScheduleChildrenAsync(context);

    /// <summary>Schedules what is to run first; one that schedules nothing must complete.</summary>
    protected virtual ValueTask ScheduleChildrenAsync(ActivityExecutionContext context) => context.CompleteActivityAsync();

    ValueTask ISignalHandler.ReceiveSignalAsync(ActivityExecutionContext context, SignalContext signal) => Ending.NoteAsync(context, signal);
}

/// <summary>Runs its activities one after the other; a terminal one ends it.</summary>
[Activity("Elsa", "Workflows", "Runs activities one after the other.")]
public sealed class Sequence : Container
{
    private const string Index = "CurrentIndex";

    protected override ValueTask ScheduleChildrenAsync(ActivityExecutionContext context) => NextAsync(context);

    private ValueTask OnChildCompletedAsync(ActivityCompletedContext context) =>
        context.ChildContext.Activity is ITerminal || Ending.IsNoted(context.TargetContext)
            ? context.TargetContext.CompleteActivityAsync()
            : NextAsync(context.TargetContext);

    private ValueTask NextAsync(ActivityExecutionContext context)
    {
        var index = context.GetProperty<int>(Index);
        if (index >= Activities.Count)
            return context.CompleteActivityAsync();
        context.SetProperty(Index, index + 1);
        return context.ScheduleActivityAsync(Activities.ElementAt(index), OnChildCompletedAsync);
    }
}

/// <summary>Runs its activities side by side (their steps in turn) and completes when all are done.</summary>
[Activity("Elsa", "Workflows", "Runs activities side by side and goes on when all are done.")]
public sealed class Parallel : Container
{
    private const string Done = "Completed";

    protected override async ValueTask ScheduleChildrenAsync(ActivityExecutionContext context)
    {
        if (Activities.Count == 0)
            await context.CompleteActivityAsync();
        foreach (var activity in Activities)
            await context.ScheduleActivityAsync(activity, OnChildCompletedAsync);
    }

    private async ValueTask OnChildCompletedAsync(ActivityCompletedContext context)
    {
        var done = context.TargetContext.GetProperty<int>(Done) + 1;
        context.TargetContext.SetProperty(Done, done);
        if (done == Activities.Count || Ending.IsNoted(context.TargetContext))
            await context.TargetContext.CompleteActivityAsync();
    }
}

/// <summary>
/// A Break or Complete ends what stands between it and its target from the inside out: each container notes that it is
/// to end, and does so when the child from which the signal came has completed.
/// </summary>
internal static class Ending
{
    private const string Key = "IsBreaking";

    public static bool IsNoted(ActivityExecutionContext context) => context.GetProperty<bool>(Key);

    public static ValueTask NoteAsync(ActivityExecutionContext context, SignalContext signal)
    {
        if (signal.Signal is BreakSignal or CompleteCompositeSignal)
            context.SetProperty(Key, true);
        return default;
    }
}
