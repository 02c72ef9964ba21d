using System.Collections;
using System.ComponentModel.DataAnnotations;
using System.Text.Json;

namespace Aura.Workflows.Activities;

/// <summary>An activity that a Complete below it ends, and whose outputs a SetOutput below it sets.</summary>
internal interface IComposite : ISignalHandler
{
    private const string Key = "CompositeOutcomes";

    /// <summary>Ends the run at once; whatever still runs below is cancelled.</summary>
    /// <param name="child">The run that ends it: the root's, or that of a Complete.</param>
    ValueTask EndAsync(ActivityExecutionContext context, ActivityExecutionContext child);

    /// <returns>False when the composite has no output of that name.</returns>
    bool TrySetOutput(ActivityExecutionContext context, string name, object? value) => false;

    /// <summary>The outcomes that a Complete has asked for, else the default ones.</summary>
    static Outcomes OutcomesOf(ActivityExecutionContext context) =>
        context.GetProperty<List<string>>(Key) is { } names ? new([.. names]) : Outcomes.Default;

    ValueTask ISignalHandler.ReceiveSignalAsync(ActivityExecutionContext context, SignalContext signal)
    {
        if (signal.Signal is CompleteCompositeSignal complete)
        {
            if (complete.Value is Outcomes { IsDefault: false } outcomes)
                context.SetProperty(Key, outcomes.Names.ToList());
            signal.StopPropagation();
        }

        return default;
    }
}

/// <summary>
/// Base of activities that are made of others. The root is set in the constructor; like every activity it is shared by all
/// runs, so what differs between runs belongs into variables.
/// </summary>
public abstract class Composite : Activity, IVariableContainer, IComposite
{
    [Port(IsBrowsable = false)]
    public IActivity? Root { get; set; }

    public ICollection<Variable> Variables { get; set; } = [];

    /// <summary>Runs before the root is scheduled, for example to set variables from inputs.</summary>
    protected virtual void ConfigureActivities(ActivityExecutionContext context)
    {
    }

    /// <summary>Runs when the root, or a Complete below it, has completed; the place to set outputs.</summary>
    protected virtual void OnCompleted(ActivityCompletedContext context)
    {
    }

    /// <inheritdoc cref="OnCompleted" />
    protected virtual ValueTask OnCompletedAsync(ActivityCompletedContext context)
    {
        OnCompleted(context);
        return default;
    }

    protected override ValueTask ExecuteAsync(ActivityExecutionContext context)
    {
        ConfigureActivities(context);
        return context.ScheduleActivityAsync(Root, OnRootCompletedAsync);
    }

    async ValueTask IComposite.EndAsync(ActivityExecutionContext context, ActivityExecutionContext child)
    {
        var outcomes = IComposite.OutcomesOf(context);
        await OnCompletedAsync(new(context, child, outcomes));
        await context.CompleteActivityAsync(outcomes);
    }

    bool IComposite.TrySetOutput(ActivityExecutionContext context, string name, object? value)
    {
        if (context.Node.Descriptor.OutputOf(this, name) is not { } output)
            return false;
        context.Set(output, value);
        return true;
    }

    private ValueTask OnRootCompletedAsync(ActivityCompletedContext context) =>
        ((IComposite)this).EndAsync(context.TargetContext, context.ChildContext);
}

/// <inheritdoc />
public abstract class Composite<T> : Composite
{
    [Output(Description = "The value that it ends with.")]
    public Output<T>? Result { get; set; }
}

/// <summary>Completes the nearest composite, or the workflow. What else runs in it is cancelled.</summary>
[Activity("Elsa", "Composition", "Completes the workflow, or the workflow-as-activity around it, as a whole.")]
public sealed class Complete : Activity, ITerminal
{
    [Input(
        Description = "The outcome or outcomes that the composite completes with: a text or a list of texts.",
        UIHint = InputUIHints.OutcomePicker, DefaultSyntax = "Object")]
    public Input<object>? Outcomes { get; set; }

    protected override async ValueTask ExecuteAsync(ActivityExecutionContext context)
    {
        var composite = await context.SendSignalAsync(new CompleteCompositeSignal(OutcomesFrom(context.Get(Outcomes))));
        await context.CompleteActivityAsync();
        // A container between that waits for its other children has not ended by itself.
        if (composite is { Status: ActivityStatus.Running, Activity: IComposite receiver })
            await receiver.EndAsync(composite, context);
    }

    private static Outcomes? OutcomesFrom(object? value)
    {
        // Studio's picker writes the list as JSON text.
        if (value is string text && text.AsSpan().TrimStart().StartsWith("["))
            value = WorkflowJson.ToPlain(JsonSerializer.Deserialize<JsonElement>(text));
        List<string> names = value switch
        {
            null => [],
            string name => [name],
            IEnumerable list => [.. list.Cast<object?>().Select(n => n?.ToString() ?? "")],
            _ => [value.ToString() ?? ""],
        };
        names.RemoveAll(string.IsNullOrWhiteSpace);
        return names.Count == 0 ? null : new([.. names]);
    }
}

/// <summary>Sets an output of the nearest composite that has one of that name, else of the workflow.</summary>
[Activity("Elsa", "Composition", "Sets an output of the workflow.")]
public sealed class SetOutput : CodeActivity
{
    [Required]
    [Input(DisplayName = "Output", Description = "The output to assign.", UIHint = InputUIHints.OutputPicker)]
    public Input<string>? OutputName { get; set; }

    [Input(DisplayName = "Value", Description = "The value to assign.")]
    public Input<object>? OutputValue { get; set; }

    protected override void Execute(ActivityExecutionContext context)
    {
        var name = context.Get(OutputName);
        if (string.IsNullOrWhiteSpace(name))
            throw new InvalidOperationException($"SetOutput '{Id}' names no output.");
        var value = context.Get(OutputValue);
        for (var scope = context.ParentActivityExecutionContext; scope is not null; scope = scope.ParentActivityExecutionContext)
        {
            if (scope.Activity is IComposite composite && composite.TrySetOutput(scope, name, value))
                return;
        }

        context.WorkflowExecutionContext.Output[name] = value;
    }
}
