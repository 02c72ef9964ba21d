using Aura.Workflows.Expressions;

namespace Aura.Workflows.Activities;

/// <summary>Whether a switch takes the first case that matches or all of them.</summary>
public enum SwitchMode
{
    MatchFirst,
    MatchAny,
}

/// <summary>Marks where a flowchart begins; does nothing.</summary>
[Activity("Elsa", "Flow", "Marks where a flowchart begins.")]
public sealed class Start : CodeActivity;

/// <summary>Ends the flowchart (or sequence) that holds it; what else is under way in it is cancelled.</summary>
[Activity("Elsa", "Flow", "Ends the flowchart that holds it; what else is under way in it is cancelled.")]
public sealed class End : CodeActivity, ITerminal;

/// <summary>Embeds one activity in a flowchart and completes with it.</summary>
[Activity("Elsa", "Flow", "Holds one activity and goes on when it is done.", DisplayName = "Container")]
public sealed class FlowNode : Activity
{
    [Port]
    public IActivity? Body { get; set; }

    protected override ValueTask ExecuteAsync(ActivityExecutionContext context) => context.ScheduleActivityAsync(Body, OnBodyCompletedAsync);

    private ValueTask OnBodyCompletedAsync(ActivityCompletedContext context) => context.TargetContext.CompleteActivityAsync();
}

/// <summary>A decision with the outcomes True and False; without a condition it is False.</summary>
[Activity("Elsa", "Branching", "Goes on along True or False, as a condition decides.", DisplayName = "Decision")]
[FlowNode("True", "False")]
public sealed class FlowDecision : Activity
{
    [Input(Description = "The condition to evaluate.")]
    public Input<bool>? Condition { get; set; }

    protected override ValueTask ExecuteAsync(ActivityExecutionContext context) =>
        context.CompleteActivityWithOutcomesAsync(context.Get(Condition) ? "True" : "False");
}

/// <summary>Goes on along several named branches at once; their names are its outcomes.</summary>
[Activity("Elsa", "Branching", "Goes on along several named branches at once.", DisplayName = "Fork (flow)")]
public sealed class FlowFork : Activity
{
    [Input(Description = "The names of the branches.", UIHint = InputUIHints.DynamicOutcomes)]
    public Input<ICollection<string>>? Branches { get; set; }

    protected override ValueTask ExecuteAsync(ActivityExecutionContext context) =>
        context.Get(Branches) is { Count: > 0 } branches
            ? context.CompleteActivityWithOutcomesAsync([.. branches])
            : context.CompleteActivityAsync();
}

/// <summary>Brings branches together again.</summary>
[Activity("Elsa", "Branching", "Brings several branches together into one.", DisplayName = "Join")]
public sealed class FlowJoin : Activity
{
    [Input(Description = "What the join waits for.", DefaultValue = FlowJoinMode.WaitAny, UIHint = InputUIHints.DropDown)]
    public Input<FlowJoinMode>? Mode { get; set; }

    protected override async ValueTask ExecuteAsync(ActivityExecutionContext context)
    {
        if (context.ParentActivityExecutionContext is { Activity: Flowchart flowchart } parent)
            await flowchart.OnJoinStartedAsync(parent, Id);
        await context.CompleteActivityAsync();
    }
}

/// <summary>One case of a <see cref="FlowSwitch"/>. A missing condition is false.</summary>
/// <param name="Label">The outcome.</param>
public sealed record FlowSwitchCase(string Label, Expression? Condition);

/// <summary>Goes on along the cases that match, else along Default.</summary>
[Activity("Elsa", "Branching", "Goes on along the first case whose condition holds, or along all of them.", DisplayName = "Switch (flow)")]
[FlowNode("Default")]
public sealed class FlowSwitch : Activity
{
    [Input(Description = "The cases to evaluate.", UIHint = InputUIHints.FlowSwitchEditor)]
    public ICollection<FlowSwitchCase> Cases { get; set; } = [];

    [Input(Description = "Take the first case that matches, or all.", DefaultValue = SwitchMode.MatchFirst, UIHint = InputUIHints.DropDown)]
    public Input<SwitchMode>? Mode { get; set; }

    protected override ValueTask ExecuteAsync(ActivityExecutionContext context)
    {
        // Lazy: with MatchFirst the conditions behind the match are not evaluated.
        var matches = Cases.Where(c => ExpressionEvaluator.Evaluate(c.Condition, typeof(bool), context) is true).Select(c => c.Label);
        string[] outcomes = [.. context.Get(Mode) == SwitchMode.MatchAny ? matches : matches.Take(1)];
        return context.CompleteActivityWithOutcomesAsync(outcomes.Length > 0 ? outcomes : ["Default"]);
    }
}
