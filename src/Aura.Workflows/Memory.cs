using System.Text.Json;
using Aura.Workflows.Definitions;
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

    /// <summary>An alias or a legacy class name; see <see cref="StorageDrivers"/>.</summary>
    public string? StorageDriverTypeName { get; set; }

    /// <summary>False: the value is lost when the instance suspends (an explicit memory driver). Without a driver the value is kept.</summary>
    public bool IsPersisted => StorageDrivers.IsPersistent(StorageDriverTypeName);

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
        : base(name, value, id)
    {
        IsArray = typeof(T) is { IsArray: true } && typeof(T) != typeof(byte[]);
        TypeName = TypeAliases.AliasOf(IsArray ? typeof(T).GetElementType()! : typeof(T));
    }

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

    public Input(Literal<T> literal)
        : this(Expression.LiteralOf(Required(literal).Value))
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

    private static Literal<T> Required(Literal<T> literal)
    {
        ArgumentNullException.ThrowIfNull(literal);
        return literal;
    }
}

/// <summary>A value as it stands.</summary>
public sealed class Literal<T>(T? value)
{
    public T? Value { get; } = value;
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

    /// <param name="name">A variable's id, or the name of a workflow output.</param>
    public Output(string name) => MemoryReferenceId = name;

    public Output(Variable variable)
    {
        ArgumentNullException.ThrowIfNull(variable);
        MemoryReferenceId = variable.Id;
    }
}

/// <summary>An expression as it stands in a definition: a syntax and its JSON value.</summary>
[method: System.Text.Json.Serialization.JsonConstructor]
public sealed record Expression(string Type, JsonElement Value)
{
    /// <summary>A script, or any text, in the syntax <paramref name="type"/>.</summary>
    public Expression(string type, string value)
        : this(type, JsonSerializer.SerializeToElement(value))
    {
    }

    internal static Expression LiteralOf(object? value) =>
        new("Literal", JsonSerializer.SerializeToElement(value, WorkflowJson.Options));

    internal static Expression VariableOf(Variable variable) =>
        new("Variable", JsonSerializer.SerializeToElement(new { variable.Id, variable.Name, variable.TypeName }, WorkflowJson.Options));

    /// <summary>The workflow input of that name.</summary>
    public static Expression InputOf(string name) => new("Input", JsonSerializer.SerializeToElement(new { name }));
}
