namespace Aura.Workflows.Activities;

/// <summary>Base of activities that run a body several times, until a Break.</summary>
public abstract class LoopActivity : Activity, ISignalHandler
{
    internal const string CurrentValueName = "CurrentValue";
    internal const string CurrentIndexName = "CurrentIndex";

    /// <summary>Without one the loop completes at once.</summary>
    [Port]
    public IActivity? Body { get; set; }

    async ValueTask ISignalHandler.ReceiveSignalAsync(ActivityExecutionContext context, SignalContext signal)
    {
        await Ending.NoteAsync(context, signal);
        if (signal.Signal is BreakSignal)
            signal.StopPropagation();
    }
}

/// <summary>Runs its body as long as a condition holds; the condition is evaluated before each iteration.</summary>
[Activity("Elsa", "Looping", "Runs its body again and again as long as a condition holds.")]
public sealed class While : LoopActivity
{
    [Input(Description = "The condition to evaluate before each iteration.", AutoEvaluate = false)]
    public Input<bool>? Condition { get; set; }

    protected override ValueTask ExecuteAsync(ActivityExecutionContext context) => NextAsync(context);

    private ValueTask OnBodyCompletedAsync(ActivityCompletedContext context) => NextAsync(context.TargetContext);

    private ValueTask NextAsync(ActivityExecutionContext context) =>
        Body is not null && !Ending.IsNoted(context) && Condition is not null && (bool)context.Evaluate(Condition)!
            ? context.ScheduleActivityAsync(Body, OnBodyCompletedAsync)
            : context.CompleteActivityAsync();
}

/// <summary>Counts from a start to an end and runs its body for each number. A negative step counts down.</summary>
[Activity("Elsa", "Looping", "Counts from a start to an end and runs its body for each number.")]
public sealed class For : LoopActivity
{
    private const string Next = "NextValue";

    [Input(Description = "The number of the first iteration.", DefaultValue = 0)]
    public Input<int> Start { get; set; } = new(0);

    [Input(Description = "The number at which the loop ends.", DefaultValue = 0)]
    public Input<int> End { get; set; } = new(0);

    [Input(Description = "What is added after each iteration; negative to count down, never 0.", DefaultValue = 1)]
    public Input<int> Step { get; set; } = new(1);

    [Input(Description = "Whether the end number is part of the loop.", DefaultValue = true)]
    public Input<bool> OuterBoundInclusive { get; set; } = new(true);

    [Output(Description = "The number of the current iteration.")]
    public Output<object>? CurrentValue { get; set; }

    protected override ValueTask ExecuteAsync(ActivityExecutionContext context) => context.Get(Step) == 0
        ? throw new InvalidOperationException($"The step of '{Id}' is 0: the loop would never end. Give a positive or a negative step.")
        : NextAsync(context);

    private ValueTask OnBodyCompletedAsync(ActivityCompletedContext context) => NextAsync(context.TargetContext);

    private ValueTask NextAsync(ActivityExecutionContext context)
    {
        // Wider than the inputs: the number after the last must not wrap around.
        var value = context.GetProperty<long?>(Next) ?? context.Get(Start);
        var step = context.Get(Step);
        var left = step > 0 ? context.Get(End) - value : value - context.Get(End);
        if (Body is null || Ending.IsNoted(context) || left < (context.Get(OuterBoundInclusive) ? 0 : 1))
            return context.CompleteActivityAsync();
        context.SetProperty(Next, value + step);
        context.Set(CurrentValue, value);
        return context.ScheduleActivityAsync(Body, OnBodyCompletedAsync, null, [new Variable<int>(CurrentValueName, (int)value)]);
    }
}

/// <summary>Ends the nearest loop. What else runs in it, in another branch or for another item, is cancelled.</summary>
[Activity("Elsa", "Looping", "Leaves the nearest loop around it.")]
public sealed class Break : Activity, ITerminal
{
    protected override async ValueTask ExecuteAsync(ActivityExecutionContext context)
    {
        var loop = await context.SendSignalAsync(new BreakSignal());
        await context.CompleteActivityAsync();
        // A container between that waits for its other children has not ended by itself.
        if (loop is { Status: ActivityStatus.Running })
            await loop.CompleteActivityAsync();
    }
}
