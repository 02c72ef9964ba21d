using System.Text.Json;
using Aura.Workflows.Expressions;

namespace Aura.Workflows;

/// <summary>A named value in the scope of a workflow or a container activity.</summary>
public class Variable
{
    public Variable()
    {
    }

    public Variable(string name, object? value = null, string? id = null)
    {
        Id = id ?? name;
        Name = name;
        Value = value;
    }

    public string Id { get; set; } = "";
    public string Name { get; set; } = "";

    /// <summary>The type's alias (<c>String</c>, <c>Int32</c>, <c>Object</c> …); values are converted to it when set.</summary>
    public string TypeName { get; set; } = "Object";
    public bool IsArray { get; set; }

    /// <summary>The initial value.</summary>
    public object? Value { get; set; }

    public string? StorageDriverTypeName { get; set; }

    public object? Get(ActivityExecutionContext context) => Required(context).FindVariable(Id, Name)?.Value;

    public void Set(ActivityExecutionContext context, object? value) => Required(context).AssignVariable(Id, Name, value);

    private static ActivityExecutionContext Required(ActivityExecutionContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        return context;
    }
}

/// <summary>A variable whose values are of type <typeparamref name="T"/>.</summary>
public class Variable<T> : Variable
{
    public Variable()
        : this("")
    {
    }

    public Variable(string name, T? value = default, string? id = null)
        : base(name, value, id) => TypeName = TypeAliases.AliasOf(typeof(T));

    public new T? Get(ActivityExecutionContext context) => ObjectConverter.ConvertTo<T>(base.Get(context));
}

/// <summary>An input of an activity: an expression, evaluated when the activity runs.</summary>
public abstract class Input(Expression? expression, Type type)
{
    public Expression? Expression { get; } = expression;

    /// <summary>The CLR type that values are converted to.</summary>
    public Type Type { get; } = type;

    /// <summary>The property's name on its activity; set when the workflow's graph is built.</summary>
    internal string Name { get; set; } = "";
}

/// <inheritdoc />
public sealed class Input<T> : Input
{
    public Input(Expression? expression)
        : base(expression, typeof(T))
    {
    }

    public Input(T literal)
        : this(Expression.LiteralOf(literal))
    {
    }

    public Input(Variable variable)
        : this(Expression.VariableOf(variable))
    {
    }

    public T Get(ActivityExecutionContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        return context.Get(this)!;
    }
}

/// <summary>An output of an activity. Bound, its value goes to a variable or to a workflow output of that name.</summary>
public abstract class Output
{
    /// <summary>The id of a variable in scope, or the name of a workflow output; null when unbound.</summary>
    public string? MemoryReferenceId { get; set; }

    internal string Name { get; set; } = "";

    public void Set(ActivityExecutionContext context, object? value)
    {
        ArgumentNullException.ThrowIfNull(context);
        context.Set(this, value);
    }
}

/// <inheritdoc />
public sealed class Output<T> : Output
{
    public Output()
    {
    }

    public Output(Variable variable)
    {
        ArgumentNullException.ThrowIfNull(variable);
        MemoryReferenceId = variable.Id;
    }
}

/// <summary>An expression as it stands in a definition: a syntax and its JSON value.</summary>
public sealed record Expression(string Type, JsonElement Value)
{
    internal static Expression LiteralOf(object? value) =>
        new("Literal", JsonSerializer.SerializeToElement(value, WorkflowJson.Options));

    internal static Expression VariableOf(Variable variable) =>
        new("Variable", JsonSerializer.SerializeToElement(new { variable.Id, variable.Name }, WorkflowJson.Options));
}
