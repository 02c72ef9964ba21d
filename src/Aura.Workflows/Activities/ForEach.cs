using System.Collections;
using System.ComponentModel.DataAnnotations;
using System.Globalization;
using Aura.Workflows.Expressions;

namespace Aura.Workflows.Activities;

/// <summary>Runs its body for each item, one after the other.</summary>
/// <typeparam name="T">The items' type, for authors; bodies see values in their plain form.</typeparam>
[Activity("Elsa", "Looping", "Runs its body for each item of a list, one after the other.", Type = "ForEach")]
public class ForEach<T> : LoopActivity
{
    /// <summary>A variable is read again for each item, so that a body may grow or shrink it; any other expression is evaluated once.</summary>
    [Required]
    [Input(Description = "The set of values to iterate.", AutoEvaluate = false)]
    public Input<ICollection<T>>? Items { get; set; }

    [Output(Description = "The item of the current iteration.")]
    public Output<T>? CurrentValue { get; set; }

    protected override ValueTask ExecuteAsync(ActivityExecutionContext context) => NextAsync(context);

    private ValueTask OnBodyCompletedAsync(ActivityCompletedContext context) => NextAsync(context.TargetContext);

    private ValueTask NextAsync(ActivityExecutionContext context)
    {
        if (Body is null || Ending.IsNoted(context))
            return context.CompleteActivityAsync();
        var items = ItemList.ReadKept(context, Items)
            ?? throw new InvalidOperationException($"The items of '{Id}' are null; give a list, empty if there is nothing to do.");
        var index = context.GetProperty<int>(CurrentIndexName);
        if (index >= items.Count)
            return context.CompleteActivityAsync();
        var item = WorkflowJson.ToPlain(items[index]);
        context.SetProperty(CurrentIndexName, index + 1);
        context.Set(CurrentValue, item);
        return context.ScheduleActivityAsync(Body, OnBodyCompletedAsync, null, ItemList.VariablesOf(item, index));
    }
}

/// <inheritdoc />
[Activity("Elsa", "Looping", "Runs its body for each item of a list, one after the other.")]
public sealed class ForEach : ForEach<object>;

/// <summary>Runs its body for all items side by side and completes when all are done.</summary>
/// <typeparam name="T">The items' type, for authors; bodies see values in their plain form.</typeparam>
[Activity("Elsa", "Looping", "Runs its body for all items of a list side by side.", Type = "ParallelForEach")]
public class ParallelForEach<T> : LoopActivity
{
    private const string Total = "Total";
    private const string Done = "Completed";
    private const string Next = "Next";

    [Input(Description = "The set of values to iterate.", AutoEvaluate = false)]
    public Input<ICollection<T>>? Items { get; set; }

    [Input(
        DisplayName = "Max degree of parallelism",
        Description = "How many items are in work at a time at most; 0 for all of them.",
        DefaultValue = 0)]
    public Input<int> MaxDegreeOfParallelism { get; set; } = new(0);

    protected override async ValueTask ExecuteAsync(ActivityExecutionContext context)
    {
        var limit = context.Get(MaxDegreeOfParallelism);
        if (limit < 0)
            throw new InvalidOperationException($"'{Id}' has {limit} as its max degree of parallelism; give 0 for no limit, or a positive number.");
        var items = ItemList.Read(context, Items) ?? [];
        if (items.Count == 0 || Body is null)
        {
            await context.CompleteActivityAsync();
            return;
        }

        var first = limit == 0 ? items.Count : Math.Min(limit, items.Count);
        context.SetProperty(Total, items.Count);
        context.SetProperty(Next, first);
        // Items that must wait are part of the state; the others live on as their bodies' variables.
        if (first < items.Count)
            ItemList.Keep(context, items);
        for (var index = 0; index < first; index++)
            await ScheduleAsync(context, items, index);
    }

    private async ValueTask OnBodyCompletedAsync(ActivityCompletedContext completed)
    {
        var context = completed.TargetContext;
        var total = context.GetProperty<int>(Total);
        var done = context.GetProperty<int>(Done) + 1;
        var next = context.GetProperty<int>(Next);
        context.SetProperty(Done, done);
        if (done == total || Ending.IsNoted(context))
        {
            await context.CompleteActivityAsync();
        }
        else if (next < total)
        {
            context.SetProperty(Next, next + 1);
            await ScheduleAsync(context, ItemList.Kept(context)!, next);
        }
    }

    private ValueTask ScheduleAsync(ActivityExecutionContext context, IReadOnlyList<object?> items, int index) => context.ScheduleActivityAsync(
        Body, OnBodyCompletedAsync, index.ToString(CultureInfo.InvariantCulture), ItemList.VariablesOf(WorkflowJson.ToPlain(items[index]), index));
}

/// <inheritdoc />
[Activity("Elsa", "Looping", "Runs its body for all items of a list side by side.")]
public sealed class ParallelForEach : ParallelForEach<object>;

/// <summary>Reads the items of loops and bulk dispatches, and keeps them in the state where they are needed again.</summary>
internal static class ItemList
{
    private const string Key = "Items";

    /// <returns>Null when the value is null.</returns>
    /// <exception cref="InputEvaluationException">The expression failed, or its value is no list.</exception>
    public static IReadOnlyList<object?>? Read(ActivityExecutionContext context, Input? input)
    {
        if (input is null)
            return null;
        // Evaluated as it is: converting the whole list at each iteration would make a loop quadratic.
        var value = context.Evaluate(new Input<object>(input.Expression) { Name = input.Name });
        try
        {
            return value switch
            {
                null => null,
                IReadOnlyList<object?> list => list,
                IEnumerable items and not string and not IDictionary => [.. items.Cast<object?>()],
                _ => ObjectConverter.ConvertTo<List<object?>>(value),
            };
        }
        catch (ValueConversionException e)
        {
            throw new InputEvaluationException(input.Name, e);
        }
    }

    /// <summary>Like <see cref="Read"/>, but evaluated once a run, unless the expression is a variable.</summary>
    public static IReadOnlyList<object?>? ReadKept(ActivityExecutionContext context, Input? input)
    {
        if (input?.Expression?.Type == "Variable")
            return Read(context, input);
        if (Kept(context) is { } kept)
            return kept;
        return Read(context, input) is { } items ? Keep(context, items) : null;
    }

    public static IReadOnlyList<object?>? Kept(ActivityExecutionContext context) =>
        context.ActivityState.TryGetValue(Key, out var kept) ? (IReadOnlyList<object?>?)kept : null;

    public static IReadOnlyList<object?> Keep(ActivityExecutionContext context, IReadOnlyList<object?> items)
    {
        List<object?> plain = [.. items.Select(WorkflowJson.ToPlain)];
        context.ActivityState[Key] = plain;
        return plain;
    }

    public static void Drop(ActivityExecutionContext context) => context.ActivityState.Remove(Key);

    public static IReadOnlyList<Variable> VariablesOf(object? item, int index) =>
        [new(LoopActivity.CurrentValueName, item), new Variable<int>(LoopActivity.CurrentIndexName, index)];
}
