using System.Collections;
using System.Collections.Concurrent;
using System.Reflection;

namespace Aura.Workflows.Definitions;

/// <summary>What the engine knows of an activity type: its name, kind, inputs, outputs, ports and children.</summary>
public sealed class ActivityDescriptor
{
    private readonly IReadOnlyList<PropertyInfo> _ports;
    private readonly ConcurrentDictionary<string, MethodInfo?> _methods = new(StringComparer.Ordinal);

    internal ActivityDescriptor(Type type)
    {
        var attribute = type.GetCustomAttribute<ActivityAttribute>() ?? new ActivityAttribute("Elsa");
        ClrType = type;
        Name = attribute.Type ?? type.Name;
        TypeName = $"{attribute.Namespace ?? "Elsa"}.{Name}";
        Version = attribute.Version;
        Category = attribute.Category ?? "Primitives";
        Description = attribute.Description ?? "";
        DisplayName = attribute.DisplayName ?? Name;
        Kind = attribute.Kind;
        Outcomes = [.. type.GetCustomAttribute<FlowNodeAttribute>()?.Outcomes ?? []];

        var properties = type.GetProperties(BindingFlags.Instance | BindingFlags.Public);
        Inputs = [.. properties
            .Where(p => typeof(Input).IsAssignableFrom(p.PropertyType) || p.GetCustomAttribute<InputAttribute>() is not null)
            .Select(p => new InputDescriptor(p))
            .OrderBy(i => i.Order)];
        Outputs = [.. properties.Where(p => typeof(Output).IsAssignableFrom(p.PropertyType)).Select(p => new OutputDescriptor(p))];
        _ports = [.. properties.Where(p => IsPort(p.PropertyType))];
        PlainProperties = [.. properties.Where(p =>
            p.CanWrite && p.DeclaringType != typeof(Activity) && !IsPort(p.PropertyType)
            && !typeof(Input).IsAssignableFrom(p.PropertyType) && !typeof(Output).IsAssignableFrom(p.PropertyType))];
    }

    public Type ClrType { get; }
    public string TypeName { get; }
    public string Name { get; }
    public int Version { get; }
    public string Category { get; }
    public string Description { get; }
    public string DisplayName { get; }
    public ActivityKind Kind { get; }

    /// <summary>The declared outcomes; empty means <c>Done</c>.</summary>
    public IReadOnlyList<string> Outcomes { get; }

    public IReadOnlyList<InputDescriptor> Inputs { get; }
    public IReadOnlyList<OutputDescriptor> Outputs { get; }

    internal IReadOnlyList<PropertyInfo> Ports => _ports;
    internal IReadOnlyList<PropertyInfo> PlainProperties { get; }

    internal bool RunsAsTask(IActivity activity) => Kind == ActivityKind.Job
        || (Kind == ActivityKind.Task && activity.CustomProperties.TryGetValue("runAsynchronously", out var flag) && flag.ValueKind == System.Text.Json.JsonValueKind.True);

    internal IEnumerable<IActivity> ChildrenOf(IActivity activity)
    {
        foreach (var port in _ports)
        {
            switch (port.GetValue(activity))
            {
                case IActivity child:
                    yield return child;
                    break;
                case IEnumerable children:
                    foreach (var item in children.OfType<IActivity>())
                        yield return item;
                    break;
            }
        }
    }

    /// <summary>A method of the activity's class or a base class as a delegate; found once, by the name that was stored.</summary>
    /// <exception cref="InvalidOperationException">The class has no such method (any more).</exception>
    internal TDelegate Bind<TDelegate>(IActivity activity, string methodName)
        where TDelegate : Delegate
        => (_methods.GetOrAdd(methodName, FindMethod)
            ?? throw new InvalidOperationException($"{activity.GetType().Name} has no method '{methodName}', which a stored instance wants to call."))
            .CreateDelegate<TDelegate>(activity);

    /// <summary>The only method that could be such a callback; null when there are several or none.</summary>
    internal string? FindCallback<TDelegate>()
        where TDelegate : Delegate
    {
        var parameters = typeof(TDelegate).GetMethod("Invoke")!.GetParameters().Select(p => p.ParameterType).ToList();
        var matches = ClrType.GetMethods(BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic)
            .Where(m => m.ReturnType == typeof(ValueTask) && m.GetParameters().Select(p => p.ParameterType).SequenceEqual(parameters))
            .Select(m => m.Name)
            .ToList();
        return matches.Count == 1 ? matches[0] : null;
    }

    internal Output? OutputOf(IActivity activity, string name) =>
        Outputs.FirstOrDefault(o => o.Name == name)?.Read(activity);

    internal void NameInputsAndOutputs(IActivity activity)
    {
        foreach (var input in Inputs)
        {
            if (input.Read(activity) is Input wrapped)
                wrapped.Name = input.Name;
        }

        foreach (var output in Outputs)
        {
            // An unbound output is kept all the same: its value goes to the register of activity outputs.
            if (output.Read(activity) is { } existing)
                existing.Name = output.Name;
            else
                output.Create(activity);
        }
    }

    private MethodInfo? FindMethod(string name)
    {
        for (var type = ClrType; type is not null; type = type.BaseType)
        {
            if (type.GetMethod(name, BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly) is { } method)
                return method;
        }

        return null;
    }

    private static bool IsPort(Type type) =>
        typeof(IActivity).IsAssignableFrom(type)
        || (type != typeof(string) && type.IsGenericType && typeof(IEnumerable<IActivity>).IsAssignableFrom(type));
}

/// <summary>One input. Wrapped: an expression in JSON; else a plain value.</summary>
public sealed class InputDescriptor
{
    private readonly PropertyInfo _property;

    internal InputDescriptor(PropertyInfo property)
    {
        _property = property;
        var attribute = property.GetCustomAttribute<InputAttribute>() ?? new InputAttribute();
        IsWrapped = typeof(Input).IsAssignableFrom(property.PropertyType);
        Type = IsWrapped ? property.PropertyType.GetGenericArguments()[0] : property.PropertyType;
        DisplayName = attribute.DisplayName ?? property.Name;
        Description = attribute.Description ?? "";
        Category = attribute.Category;
        DefaultValue = attribute.DefaultValue;
        Order = attribute.Order;
        AutoEvaluate = attribute.AutoEvaluate;
        IsBrowsable = attribute.IsBrowsable;
        UIHint = attribute.UIHint;
    }

    /// <summary>The .NET property's name; in JSON its camelCase form.</summary>
    public string Name => _property.Name;

    public Type Type { get; }
    public bool IsWrapped { get; }
    public string DisplayName { get; }
    public string Description { get; }
    public string? Category { get; }
    public object? DefaultValue { get; }
    public float Order { get; }
    public bool AutoEvaluate { get; }
    public bool IsBrowsable { get; }
    public string? UIHint { get; }

    internal object? Read(IActivity activity) => _property.GetValue(activity);

    internal void Write(IActivity activity, Expression expression) =>
        _property.SetValue(activity, Activator.CreateInstance(_property.PropertyType, expression));
}

/// <summary>One output.</summary>
public sealed class OutputDescriptor
{
    private readonly PropertyInfo _property;

    internal OutputDescriptor(PropertyInfo property)
    {
        _property = property;
        Type = property.PropertyType.IsGenericType ? property.PropertyType.GetGenericArguments()[0] : typeof(object);
        Description = property.GetCustomAttribute<OutputAttribute>()?.Description ?? "";
    }

    public string Name => _property.Name;
    public Type Type { get; }
    public string Description { get; }

    internal Output? Read(IActivity activity) => (Output?)_property.GetValue(activity);

    internal Output Create(IActivity activity)
    {
        var output = (Output)Activator.CreateInstance(_property.PropertyType)!;
        output.Name = Name;
        _property.SetValue(activity, output);
        return output;
    }
}
