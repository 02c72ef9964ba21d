using Aura.Workflows.Definitions;

namespace Aura.Workflows.Activities;

/// <summary>
/// Runs a published workflow as one activity, inside the instance of the workflow that uses it. Its inputs are variables that the
/// inside sees; its outputs are variables too, copied out when it completes. Nothing else leaves it.
/// </summary>
[Activity("Elsa", "Composition", "Runs a published workflow as one activity.", IsBrowsable = false)]
public sealed class WorkflowDefinitionActivity : Activity, IComposite
{
    public string? WorkflowDefinitionId { get; set; }

    public string? WorkflowDefinitionVersionId { get; set; }

    [Port]
    public IActivity? Root { get; set; }

    /// <summary>What it runs; set when a definition is read.</summary>
    internal WorkflowActivitySource? Source { get; set; }

    /// <summary>The descriptor of <see cref="Source"/>: its inputs and outputs are the workflow's.</summary>
    internal ActivityDescriptor? Descriptor { get; set; }

    internal IReadOnlyList<Variable> InnerVariables { get; set; } = [];

    internal Dictionary<string, Input> Inputs { get; } = new(StringComparer.Ordinal);

    internal Dictionary<string, Output> Outputs { get; } = new(StringComparer.Ordinal);

    /// <summary>What an activity sees as its workflow's input: inside used workflows, what their users gave them comes first.</summary>
    internal static IReadOnlyDictionary<string, object?> InputFor(ActivityExecutionContext context, IReadOnlyDictionary<string, object?> input)
    {
        Stack<ActivityExecutionContext>? composites = null;
        for (var scope = context.ParentActivityExecutionContext; scope is not null; scope = scope.ParentActivityExecutionContext)
        {
            if (scope.Activity is WorkflowDefinitionActivity { Source.Inputs.Count: > 0 })
                (composites ??= []).Push(scope);
        }

        if (composites is null)
            return input;
        var merged = new Dictionary<string, object?>(input, StringComparer.Ordinal);
        foreach (var composite in composites)
        {
            foreach (var argument in ((WorkflowDefinitionActivity)composite.Activity).Source!.Inputs)
                merged[argument.Name] = ValueOf(composite, argument.Name);
        }

        foreach (var (name, value) in context.ResumeInput ?? new Dictionary<string, object?>())
            merged[name] = value;
        return merged;
    }

    /// <summary>Its root is done, or a Complete inside ends it; the workflow around it goes on.</summary>
    ValueTask IComposite.EndAsync(ActivityExecutionContext context, ActivityExecutionContext child) => LeaveAsync(context);

    bool IComposite.TrySetOutput(ActivityExecutionContext context, string name, object? value) =>
        Source!.Outputs.Any(o => o.Name == name) && context.TryAssignVariable(name, null, value);

    protected override ValueTask ExecuteAsync(ActivityExecutionContext context)
    {
        var source = Source ?? throw new InvalidOperationException($"'{Id}' names no published workflow.");
        // Declared now and not before: the inputs' expressions must see the outer scope only.
        foreach (var variable in InnerVariables)
            context.Declare(variable);
        foreach (var output in source.Outputs)
            context.Declare(VariableOf(output, null));
        foreach (var input in source.Inputs)
            context.Declare(VariableOf(input, context.ActivityState.TryGetValue(source.MemberNameOf(input), out var value) ? value : null));
        return context.ScheduleActivityAsync(Root, OnRootCompletedAsync);
    }

    private static Variable VariableOf(WorkflowArgument argument, object? value)
    {
        var isArray = argument.Type.IsArray;
        return new(argument.Name, value) { TypeName = isArray ? "Object" : Expressions.TypeAliases.AliasOf(argument.Type), IsArray = isArray };
    }

    private ValueTask OnRootCompletedAsync(ActivityCompletedContext completed) => LeaveAsync(completed.TargetContext);

    private static object? ValueOf(ActivityExecutionContext context, string id) => context.Slots.FirstOrDefault(s => s.Id == id)?.Value;

    /// <summary>Copies the outputs to their targets and completes.</summary>
    private async ValueTask LeaveAsync(ActivityExecutionContext context)
    {
        var source = Source!;
        var values = source.Outputs.ToDictionary(source.MemberNameOf, o => ValueOf(context, o.Name), StringComparer.Ordinal);
        // Emptied first: a target that has the name of an inner variable means the outer one.
        context.ClearSlots();
        foreach (var (name, value) in values)
            context.Set(Outputs.GetValueOrDefault(name), value);
        await context.CompleteActivityAsync(IComposite.OutcomesOf(context));
    }
}
