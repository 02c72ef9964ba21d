using System.Text.Json;
using Aura.Workflows.Definitions;
using Aura.Workflows.Expressions;

namespace Aura.Workflows;

/// <summary>An input that a workflow declares.</summary>
public class InputDefinition : ArgumentDefinition
{
    public string? UIHint { get; set; }
    public string? StorageDriverType { get; set; }
}

/// <summary>An output that a workflow declares.</summary>
public class OutputDefinition : ArgumentDefinition;

/// <summary>What inputs and outputs of workflows have in common.</summary>
public abstract class ArgumentDefinition
{
    public string Name { get; set; } = "";
    public Type Type { get; set; } = typeof(object);
    public bool IsArray { get; set; }
    public string? DisplayName { get; set; }
    public string? Description { get; set; }
    public string? Category { get; set; }
}

/// <summary>Settings of a workflow.</summary>
public sealed class WorkflowOptions
{
    /// <summary>How instances stand beside each other: <see cref="SingletonStrategy"/>, <see cref="CorrelatedSingletonStrategy"/> …</summary>
    public Type? ActivationStrategyType { get; set; }

    public bool? UsableAsActivity { get; set; }
    public bool AutoUpdateConsumingWorkflows { get; set; }
    public string? ActivityCategory { get; set; }

    /// <summary>What an unclaimed fault does: <see cref="FaultStrategy"/> or <see cref="ContinueWithIncidentsStrategy"/>.</summary>
    public Type? IncidentStrategyType { get; set; }

    public string? CommitStrategyName { get; set; }
}

/// <summary>Any number of instances.</summary>
public sealed class AllowAlwaysStrategy;

/// <summary>One running instance of the workflow.</summary>
public sealed class SingletonStrategy;

/// <summary>One running instance of the workflow for each correlation id.</summary>
public sealed class CorrelatedSingletonStrategy;

/// <summary>One running instance of any workflow for each correlation id.</summary>
public sealed class CorrelationStrategy;

/// <summary>The first incident stops the instance.</summary>
public sealed class FaultStrategy;

/// <summary>Other branches go on after an incident.</summary>
public sealed class ContinueWithIncidentsStrategy;

/// <summary>A workflow that is written in code. Register it with <c>AddWorkflow&lt;T&gt;()</c>.</summary>
public interface IWorkflow
{
    ValueTask BuildAsync(IWorkflowBuilder builder, CancellationToken cancellationToken = default);
}

/// <summary>Base of workflows that are written in code: they are published as a version like any other, and shown in Studio.</summary>
public abstract class WorkflowBase : IWorkflow
{
    ValueTask IWorkflow.BuildAsync(IWorkflowBuilder builder, CancellationToken cancellationToken) => BuildAsync(builder, cancellationToken);

    protected virtual void Build(IWorkflowBuilder builder)
    {
    }

    protected virtual ValueTask BuildAsync(IWorkflowBuilder builder, CancellationToken cancellationToken = default)
    {
        Build(builder);
        return default;
    }
}

/// <summary>What a workflow in code says of itself. Inputs are literals, variables or expressions: a delegate could not be stored.</summary>
public interface IWorkflowBuilder
{
    /// <summary>The version's own id; by default the engine gives one.</summary>
    string? Id { get; set; }

    /// <summary>The logical id, the same for all versions; by default the name of the workflow's class.</summary>
    string? DefinitionId { get; set; }

    string? TenantId { get; set; }

    /// <summary>Versions count by themselves when the content changes; this one is only shown.</summary>
    int Version { get; set; }

    string? Name { get; set; }
    string? Description { get; set; }
    bool IsReadonly { get; set; }
    bool IsSystem { get; set; }

    /// <summary>The activity that the workflow runs.</summary>
    IActivity? Root { get; set; }

    ICollection<Variable> Variables { get; set; }
    ICollection<InputDefinition> Inputs { get; set; }
    ICollection<OutputDefinition> Outputs { get; set; }
    ICollection<string> Outcomes { get; set; }
    IDictionary<string, object> CustomProperties { get; set; }
    WorkflowOptions WorkflowOptions { get; }

    IWorkflowBuilder WithId(string id);

    IWorkflowBuilder WithDefinitionId(string definitionId);

    /// <summary>Declares a variable with the next free name <c>Variable{n}</c>.</summary>
    Variable<T> WithVariable<T>();

    Variable<T> WithVariable<T>(T value);

    Variable<T> WithVariable<T>(string name, T value);

    IWorkflowBuilder WithVariable<T>(Variable<T> variable);

    IWorkflowBuilder WithVariables(params Variable[] variables);

    InputDefinition WithInput<T>(string name, string? description = null);

    IWorkflowBuilder WithInput(InputDefinition input);

    OutputDefinition WithOutput<T>(string name, string? description = null);

    IWorkflowBuilder WithOutput(OutputDefinition output);

    IWorkflowBuilder WithCustomProperty(string name, object value);

    IWorkflowBuilder WithActivationStrategyType<T>();
}

/// <inheritdoc />
internal sealed class WorkflowBuilder : IWorkflowBuilder
{
    public string? Id { get; set; }
    public string? DefinitionId { get; set; }
    public string? TenantId { get; set; }
    public int Version { get; set; } = 1;
    public string? Name { get; set; }
    public string? Description { get; set; }
    public bool IsReadonly { get; set; }
    public bool IsSystem { get; set; }
    public IActivity? Root { get; set; }
    public ICollection<Variable> Variables { get; set; } = new List<Variable>();
    public ICollection<InputDefinition> Inputs { get; set; } = new List<InputDefinition>();
    public ICollection<OutputDefinition> Outputs { get; set; } = new List<OutputDefinition>();
    public ICollection<string> Outcomes { get; set; } = new List<string>();
    public IDictionary<string, object> CustomProperties { get; set; } = new Dictionary<string, object>(StringComparer.Ordinal);
    public WorkflowOptions WorkflowOptions { get; } = new();

    public IWorkflowBuilder WithId(string id)
    {
        Id = id;
        return this;
    }

    public IWorkflowBuilder WithDefinitionId(string definitionId)
    {
        DefinitionId = definitionId;
        return this;
    }

    public Variable<T> WithVariable<T>() => Add(new Variable<T>("", default));

    public Variable<T> WithVariable<T>(T value) => Add(new Variable<T>("", value));

    public Variable<T> WithVariable<T>(string name, T value) => Add(new Variable<T>(name, value, ""));

    public IWorkflowBuilder WithVariable<T>(Variable<T> variable)
    {
        Add(variable);
        return this;
    }

    public IWorkflowBuilder WithVariables(params Variable[] variables)
    {
        foreach (var variable in variables)
            Add(variable);
        return this;
    }

    public InputDefinition WithInput<T>(string name, string? description = null)
    {
        var input = new InputDefinition { Name = name, Type = typeof(T), DisplayName = name, Description = description };
        Inputs.Add(input);
        return input;
    }

    public IWorkflowBuilder WithInput(InputDefinition input)
    {
        Inputs.Add(input);
        return this;
    }

    public OutputDefinition WithOutput<T>(string name, string? description = null)
    {
        var output = new OutputDefinition { Name = name, Type = typeof(T), DisplayName = name, Description = description };
        Outputs.Add(output);
        return output;
    }

    public IWorkflowBuilder WithOutput(OutputDefinition output)
    {
        Outputs.Add(output);
        return this;
    }

    public IWorkflowBuilder WithCustomProperty(string name, object value)
    {
        CustomProperties[name] = value;
        return this;
    }

    public IWorkflowBuilder WithActivationStrategyType<T>()
    {
        WorkflowOptions.ActivationStrategyType = typeof(T);
        return this;
    }

    private TVariable Add<TVariable>(TVariable variable)
        where TVariable : Variable
    {
        if (variable.Name.Length == 0)
            variable.Name = $"Variable{Variables.Count + 1}";
        if (variable.Id.Length == 0)
            variable.Id = $"{JsonNamingPolicy.CamelCase.ConvertName(variable.Name)}Variable";
        Variables.Add(variable);
        return variable;
    }
}
