using Aura.Workflows.Definitions;

namespace Aura.Workflows.Expressions.JavaScript;

/// <summary>A script's view of the activity that it runs in.</summary>
internal sealed class ActivityScriptContext(ActivityExecutionContext context) : IScriptContext
{
    private readonly WorkflowExecutionContext _workflow = context.WorkflowExecutionContext;

    public string DefinitionId => Definition.DefinitionId;

    public string DefinitionVersionId => Definition.Id;

    public int DefinitionVersion => Definition.Version;

    public string InstanceId => _workflow.Id;

    public string? CorrelationId
    {
        get => _workflow.CorrelationId;
        set => _workflow.CorrelationId = value;
    }

    public string? InstanceName
    {
        get => _workflow.Name;
        set => _workflow.Name = value;
    }

    public IReadOnlyDictionary<string, object?> Input => context.WorkflowInput;

    public IEnumerable<string> VariableNames => Scopes().SelectMany(s => s.Slots).Select(s => s.Name).Distinct(StringComparer.Ordinal);

    public object? LastResult => _workflow.LastResult;

    private WorkflowDefinition Definition => _workflow.Graph.Definition;

    public bool TryGetVariable(string name, out object? value)
    {
        var slot = context.FindVariable(null, name);
        value = slot?.Value;
        return slot is not null;
    }

    public void SetVariable(string name, object? value) => context.SetVariable(name, value);

    public bool TryGetOutput(string activity, string? output, out object? value)
    {
        value = null;
        var id = Below(_workflow.Graph.Root).FirstOrDefault(a => a.Id == activity || a.Name == activity)?.Id;
        if (id is null || !_workflow.ActivityOutputs.TryGetValue(id, out var outputs))
            return false;
        var name = output ?? (outputs.ContainsKey("Result") ? "Result" : outputs.Keys.FirstOrDefault());
        return name is not null && outputs.TryGetValue(name, out value);
    }

    private IEnumerable<ActivityExecutionContext> Scopes()
    {
        for (var scope = context; scope is not null; scope = scope.ParentActivityExecutionContext)
            yield return scope;
    }

    private IEnumerable<IActivity> Below(ActivityNode node) =>
        node.Descriptor.ChildrenOf(node.Activity).SelectMany(child => Below(_workflow.Graph.NodeOf(child)).Prepend(child));
}
