using System.Collections;

namespace Aura.Workflows.Activities;

/// <summary>Runs its activities one after the other; a terminal one ends it.</summary>
[Activity("Elsa", "Workflows", "Execute a set of activities in sequence.")]
public sealed class Sequence : Activity, IVariableContainer
{
    private const string Index = "CurrentIndex";

    [Port]
    public ICollection<IActivity> Activities { get; set; } = new List<IActivity>();

    public ICollection<Variable> Variables { get; set; } = [];

    protected override ValueTask ExecuteAsync(ActivityExecutionContext context) => NextAsync(context);

    private ValueTask OnChildCompletedAsync(ActivityCompletedContext context) =>
        context.ChildContext.Activity is ITerminal ? context.TargetContext.CompleteActivityAsync() : NextAsync(context.TargetContext);

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
[Activity("Elsa", "Workflows", "Execute a set of activities in parallel.")]
public sealed class Parallel : Activity, IVariableContainer
{
    private const string Done = "Completed";

    [Port]
    public ICollection<IActivity> Activities { get; set; } = new List<IActivity>();

    public ICollection<Variable> Variables { get; set; } = [];

    protected override async ValueTask ExecuteAsync(ActivityExecutionContext context)
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
        if (done == Activities.Count)
            await context.TargetContext.CompleteActivityAsync();
    }
}

/// <summary>Runs one of two branches; an absent branch completes.</summary>
[Activity("Elsa", "Branching", "Evaluate a condition and continue with the matching branch.")]
public sealed class If : Activity
{
    [Input(Description = "The condition to evaluate.")]
    public Input<bool>? Condition { get; set; }

    [Port]
    public IActivity? Then { get; set; }

    [Port]
    public IActivity? Else { get; set; }

    [Output(Description = "The condition's value.")]
    public Output<bool>? Result { get; set; }

    protected override ValueTask ExecuteAsync(ActivityExecutionContext context)
    {
        var condition = context.Get(Condition);
        context.Set(Result, condition);
        return context.ScheduleActivityAsync(condition ? Then : Else, OnBranchCompletedAsync);
    }

    private ValueTask OnBranchCompletedAsync(ActivityCompletedContext context) => context.TargetContext.CompleteActivityAsync();
}

/// <summary>Runs its body for each item, one after the other. The list is read again for each item.</summary>
[Activity("Elsa", "Looping", "Iterate over a set of values.")]
public sealed class ForEach : Activity
{
    internal const string CurrentValueName = "CurrentValue";
    internal const string CurrentIndexName = "CurrentIndex";

    [Input(Description = "The set of values to iterate.", AutoEvaluate = false)]
    public Input<ICollection<object>>? Items { get; set; }

    [Port]
    public IActivity? Body { get; set; }

    [Output(Description = "The item of the current iteration.")]
    public Output<object>? CurrentValue { get; set; }

    protected override ValueTask ExecuteAsync(ActivityExecutionContext context) => NextAsync(context);

    internal static IReadOnlyList<object?> ItemsOf(ActivityExecutionContext context, Input<ICollection<object>>? input, bool required)
    {
        var value = input is null ? null : context.Evaluate(input);
        if (value is null && required)
            throw new InvalidOperationException($"The items of '{context.Activity.Id}' are null; give a list, empty if there is nothing to do.");
        return [.. ((value as IEnumerable)?.Cast<object?>() ?? []).Select(WorkflowJson.ToPlain)];
    }

    internal static IReadOnlyList<Variable> VariablesOf(object? item, int index) =>
        [new(CurrentValueName, item), new Variable<int>(CurrentIndexName, index)];

    private ValueTask OnBodyCompletedAsync(ActivityCompletedContext context) => NextAsync(context.TargetContext);

    private ValueTask NextAsync(ActivityExecutionContext context)
    {
        var items = ItemsOf(context, Items, required: true);
        var index = context.GetProperty<int>(CurrentIndexName);
        if (index >= items.Count || Body is null)
            return context.CompleteActivityAsync();
        context.SetProperty(CurrentIndexName, index + 1);
        context.Set(CurrentValue, items[index]);
        return context.ScheduleActivityAsync(Body, OnBodyCompletedAsync, null, VariablesOf(items[index], index));
    }
}

/// <summary>Runs its body for all items side by side and completes when all are done.</summary>
[Activity("Elsa", "Looping", "Schedule an activity for each item in parallel.")]
public sealed class ParallelForEach : Activity
{
    private const string Total = "Total";
    private const string Done = "Completed";

    [Input(Description = "The set of values to iterate.", AutoEvaluate = false)]
    public Input<ICollection<object>>? Items { get; set; }

    [Port]
    public IActivity? Body { get; set; }

    protected override async ValueTask ExecuteAsync(ActivityExecutionContext context)
    {
        var items = ForEach.ItemsOf(context, Items, required: false);
        if (items.Count == 0 || Body is null)
        {
            await context.CompleteActivityAsync();
            return;
        }

        context.SetProperty(Total, items.Count);
        for (var index = 0; index < items.Count; index++)
        {
            await context.ScheduleActivityAsync(
                Body, OnBodyCompletedAsync, index.ToString(System.Globalization.CultureInfo.InvariantCulture), ForEach.VariablesOf(items[index], index));
        }
    }

    private async ValueTask OnBodyCompletedAsync(ActivityCompletedContext context)
    {
        var done = context.TargetContext.GetProperty<int>(Done) + 1;
        context.TargetContext.SetProperty(Done, done);
        if (done == context.TargetContext.GetProperty<int>(Total))
            await context.TargetContext.CompleteActivityAsync();
    }
}
