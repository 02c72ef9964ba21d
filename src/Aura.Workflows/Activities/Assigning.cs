using System.ComponentModel.DataAnnotations;

namespace Aura.Workflows.Activities;

/// <summary>Assigns a value to a variable in scope; the nearest of that id wins.</summary>
[Activity("Elsa", "Primitives", "Puts a value into a variable.")]
public sealed class SetVariable : CodeActivity
{
    [Required]
    [Input(Description = "The variable to assign the value to.")]
    public Variable? Variable { get; set; }

    [Input(Description = "The value to assign.")]
    public Input<object>? Value { get; set; }

    protected override void Execute(ActivityExecutionContext context)
    {
        if (Variable is null)
            throw new InvalidOperationException($"SetVariable '{Id}' names no variable.");
        Variable.Set(context, context.Get(Value));
    }
}

/// <summary>Like <see cref="SetVariable"/>, for workflows that are written in code; in JSON both have the same type name.</summary>
[Activity("Elsa", "Primitives", "Puts a value into a variable.", Type = "SetVariable")]
public sealed class SetVariable<T> : CodeActivity
{
    public SetVariable()
    {
    }

    public SetVariable(Variable<T> variable, Input<T> value)
    {
        Variable = variable;
        Value = value;
    }

    [Required]
    [Input(Description = "The variable to assign the value to.")]
    public Variable<T>? Variable { get; set; }

    [Input(Description = "The value to assign.")]
    public Input<T>? Value { get; set; }

    protected override void Execute(ActivityExecutionContext context)
    {
        if (Variable is null)
            throw new InvalidOperationException($"SetVariable '{Id}' names no variable.");
        Variable.Set(context, context.Get(Value));
    }
}

/// <summary>Names the instance.</summary>
[Activity("Elsa", "Workflows", "Names this run of the workflow, so that lists show what it is about.")]
public sealed class SetName : CodeActivity
{
    [Input(Description = "The name of the workflow instance.")]
    public Input<string>? Value { get; set; }

    protected override void Execute(ActivityExecutionContext context) => context.WorkflowExecutionContext.Name = context.Get(Value);
}

/// <summary>Sets the instance's correlation id; bookmarks made from now on carry it.</summary>
[Activity("Elsa", "Primitives", "Gives this run a correlation id, by which events and other workflows find it.")]
public sealed class Correlate : CodeActivity
{
    [Input(DisplayName = "Correlation ID", Description = "The correlation id; empty removes it.")]
    public Input<string>? CorrelationId { get; set; }

    protected override void Execute(ActivityExecutionContext context) =>
        context.WorkflowExecutionContext.CorrelationId = context.Get(CorrelationId) is { Length: > 0 } id ? id : null;
}
