namespace Aura.Workflows.Expressions.CSharp;

/// <summary>
/// A script's access to variables and inputs. Objects and lists are handed out as copies; those that the script has changed are
/// written back when it has succeeded, unless the variable was set meanwhile.
/// </summary>
public sealed class CSharpExecutionContext
{
    private readonly ActivityExecutionContext _context;
    private readonly Dictionary<(string Name, Type Type), Copy> _copies = [];

    internal CSharpExecutionContext(ActivityExecutionContext context) => _context = context;

    /// <summary>The value of the nearest variable of that name; null when there is none.</summary>
    public dynamic? GetVariable(string name) => Read(name, typeof(object));

    /// <inheritdoc cref="GetVariable(string)" />
    public T? GetVariable<T>(string name) => (T?)Read(name, typeof(T));

    /// <summary>Sets the nearest variable of that name; makes one when there is none.</summary>
    public void SetVariable(string name, object? value)
    {
        RequireInstance();
        _context.SetVariable(name, ScriptValues.Leave(value));
    }

    /// <summary>An input of the workflow; null when it was not given.</summary>
    public dynamic? GetInput(string name) => ScriptValues.Enter(FindInput(name));

    /// <inheritdoc cref="GetInput(string)" />
    public T? GetInput<T>(string name) => (T?)As(FindInput(name), typeof(T));

    /// <summary>Stops a script whose run is not wanted any more, and one that runs away from its instance.</summary>
    internal void RequireInstance()
    {
        _context.CancellationToken.ThrowIfCancellationRequested();
        if (_context.WorkflowExecutionContext.Detached is not null)
        {
            throw new InvalidOperationException(
                "The script runs as a durable task, away from its instance: it has no variables or inputs. Return what is to be kept as the result.");
        }
    }

    internal void WriteBack()
    {
        foreach (var ((name, _), copy) in _copies)
        {
            if (ReferenceEquals(_context.FindVariable(null, name)?.Value, copy.Original) && ScriptValues.Fingerprint(copy.Handed) != copy.Fingerprint)
                _context.SetVariable(name, ScriptValues.Leave(copy.Handed));
        }
    }

    private object? Read(string name, Type type)
    {
        RequireInstance();
        var value = _context.FindVariable(null, name)?.Value;
        if (!ScriptValues.IsMutable(value))
            return As(value, type);
        if (_copies.TryGetValue((name, type), out var copy) && ReferenceEquals(copy.Original, value))
            return copy.Handed;
        var handed = As(value, type);
        _copies[(name, type)] = new(value, handed, ScriptValues.Fingerprint(handed));
        return handed;
    }

    private object? FindInput(string name)
    {
        RequireInstance();
        return _context.WorkflowInput.GetValueOrDefault(name);
    }

    private static object? As(object? value, Type type)
    {
        var copy = ScriptValues.IsMutable(value) ? ScriptValues.Leave(value) : value;
        var inside = ScriptValues.Enter(copy);
        return type.IsInstanceOfType(inside) ? inside : ObjectConverter.ConvertTo(copy, type);
    }

    private sealed record Copy(object? Original, object? Handed, string Fingerprint);
}

/// <summary>Base of <c>Variables</c>, to which each script adds properties for the variables that it names.</summary>
public class ScriptVariables(CSharpExecutionContext context)
{
    public dynamic? Get(string name) => context.GetVariable(name);

    public T? Get<T>(string name) => context.GetVariable<T>(name);

    public void Set(string name, object? value) => context.SetVariable(name, value);
}

/// <summary>Base of <c>Inputs</c>, to which each script adds properties for the declared inputs that it names.</summary>
public class ScriptInputs(CSharpExecutionContext context)
{
    public dynamic? Get(string name) => context.GetInput(name);

    public T? Get<T>(string name) => context.GetInput<T>(name);
}
