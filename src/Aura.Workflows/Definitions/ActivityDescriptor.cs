using System.Collections.Concurrent;
using System.Reflection;
using System.Text.Json;
using System.Text.Json.Serialization;
using Aura.Workflows.Activities;
using Aura.Workflows.Expressions;

namespace Aura.Workflows.Definitions;

/// <summary>How an activity is connected: outcomes are Flow ports, held activities are Embedded ones.</summary>
public enum PortType
{
    Flow,
    Embedded,
}

/// <summary>A place on an activity where another can be connected or put.</summary>
public sealed record Port(string Name, string DisplayName, PortType Type, bool IsBrowsable = true);

/// <summary>
/// What the engine knows of an activity type: its name, kind, inputs, outputs, ports and children. Its JSON form is what Studio reads;
/// type name and version together are unique.
/// </summary>
public sealed class ActivityDescriptor
{
    private static readonly Dictionary<string, object> None = [];
    private readonly ActivityMembers _members;
    private readonly ConcurrentDictionary<string, MethodInfo?> _methods = new(StringComparer.Ordinal);

    internal ActivityDescriptor(Type type)
    {
        var attribute = type.GetCustomAttribute<ActivityAttribute>() ?? new ActivityAttribute("Elsa");
        ClrType = type;
        _members = new(type);
        Namespace = attribute.Namespace ?? "Elsa";
        Name = attribute.Type ?? type.Name.Split('`')[0];
        TypeName = $"{Namespace}.{Name}";
        if (type is { IsGenericType: true, IsGenericTypeDefinition: false })
            TypeName += $"<{string.Join(", ", type.GetGenericArguments().Select(TypeAliases.AliasOf))}>";
        Version = attribute.Version;
        Category = attribute.Category ?? "Primitives";
        Description = attribute.Description ?? "";
        DisplayName = attribute.DisplayName ?? DisplayNames.Of(Name);
        Kind = attribute.Kind;
        RunAsynchronously = attribute.RunAsynchronously;
        IsBrowsable = attribute.IsBrowsable && type != typeof(Workflow) && type != typeof(NotFoundActivity);
        IsStart = TypeName == "Elsa.Start";
        IsTerminal = typeof(ITerminal).IsAssignableFrom(type);
        IsContainer = typeof(IVariableContainer).IsAssignableFrom(type) && _members.Embedded.Any(e => e.Shape == EmbeddedShape.List);
        Outcomes = [.. type.GetCustomAttribute<FlowNodeAttribute>()?.Outcomes ?? []];
        Ports = [.. EmbeddedPorts(), .. FlowPorts(Outcomes)];

        Inputs = [.. InOrder(
                type.GetProperties(BindingFlags.Instance | BindingFlags.Public).Where(p => _members.Inputs.Contains(p)
                    || (p.GetCustomAttribute<InputAttribute>() is not null && p.GetCustomAttribute<JsonIgnoreAttribute>() is null)),
                p => p.GetCustomAttribute<InputAttribute>()?.Order)
            .Select((p, place) => new InputDescriptor(p, place))];
        Outputs = [.. InOrder(_members.Outputs, p => p.GetCustomAttribute<OutputAttribute>()?.Order).Select((p, place) => new OutputDescriptor(p, place))];
    }

    /// <summary>A published workflow as an activity of others.</summary>
    internal ActivityDescriptor(WorkflowActivitySource source)
    {
        ClrType = typeof(WorkflowDefinitionActivity);
        Source = source;
        _members = new(ClrType);
        Namespace = "Workflows";
        Name = TypeName = source.TypeName;
        Version = source.Version;
        Category = source.Category ?? "Workflows";
        Description = source.Description ?? "";
        DisplayName = source.Name;
        IsBrowsable = source.IsPublished;
        Outcomes = source.Outcomes;
        Ports = [.. FlowPorts(Outcomes)];
        Inputs = [.. source.Inputs.Select((i, place) => new InputDescriptor(i, source.MemberNameOf(i), place))];
        Outputs = [.. source.Outputs.Select((o, place) => new OutputDescriptor(o, source.MemberNameOf(o), place))];
        CustomProperties = new Dictionary<string, object>(StringComparer.Ordinal)
        {
            ["RootType"] = nameof(WorkflowDefinitionActivity),
            ["WorkflowDefinitionId"] = source.DefinitionId,
            ["WorkflowDefinitionVersionId"] = source.VersionId,
        };
        // What Studio copies into an activity that a person drops.
        ConstructionProperties = new Dictionary<string, object>(StringComparer.Ordinal)
        {
            ["WorkflowDefinitionId"] = source.DefinitionId,
            ["WorkflowDefinitionVersionId"] = source.VersionId,
            ["LatestAvailablePublishedVersion"] = source.Version,
            ["LatestAvailablePublishedVersionId"] = source.VersionId,
        };
    }

    public string TypeName { get; }
    public string Namespace { get; }
    public string Name { get; }
    public int Version { get; }
    public string Category { get; }
    public string DisplayName { get; }
    public string Description { get; }
    public IReadOnlyList<InputDescriptor> Inputs { get; }
    public IReadOnlyList<OutputDescriptor> Outputs { get; }
    public ActivityKind Kind { get; }
    public bool RunAsynchronously { get; }
    public IReadOnlyList<Port> Ports { get; }
    public IReadOnlyDictionary<string, object> CustomProperties { get; } = None;
    public IReadOnlyDictionary<string, object> ConstructionProperties { get; } = None;
    public bool IsContainer { get; }
    public bool IsBrowsable { get; }
    public bool IsStart { get; }
    public bool IsTerminal { get; }

    [JsonIgnore]
    public Type ClrType { get; }

    /// <summary>The declared outcomes; empty means <c>Done</c>.</summary>
    [JsonIgnore]
    public IReadOnlyList<string> Outcomes { get; }

    /// <summary>The workflow version that this activity runs; null for classes.</summary>
    internal WorkflowActivitySource? Source { get; }

    internal ActivityMembers Members => _members;

    internal bool RunsAsTask(IActivity activity) => Kind == ActivityKind.Job || (Kind == ActivityKind.Task
        && (activity.CustomProperties.TryGetValue("runAsynchronously", out var flag) ? flag.ValueKind == JsonValueKind.True : RunAsynchronously));

    internal IEnumerable<IActivity> ChildrenOf(IActivity activity) => _members.ChildrenOf(activity);

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

    internal Output? OutputOf(IActivity activity, string name)
    {
        foreach (var output in Outputs)
        {
            if (output.Name == name)
                return output.Read(activity);
        }

        return null;
    }

    internal void NameInputsAndOutputs(IActivity activity)
    {
        foreach (var input in Inputs)
        {
            if (input.IsWrapped && input.Read(activity) is Input wrapped)
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

    /// <summary>By the attributes' order; among equals a base class's first, then as they stand in the source.</summary>
    private static IEnumerable<PropertyInfo> InOrder(IEnumerable<PropertyInfo> properties, Func<PropertyInfo, float?> order) =>
        properties.OrderBy(p => order(p) ?? 0).ThenBy(p => DepthOf(p.DeclaringType!));

    private static int DepthOf(Type type) => type.BaseType is { } parent ? DepthOf(parent) + 1 : 0;

    private IEnumerable<Port> EmbeddedPorts()
    {
        foreach (var member in _members.Embedded.Where(e => e.Shape == EmbeddedShape.Single))
        {
            var attribute = member.Property.GetCustomAttribute<PortAttribute>();
            var name = attribute?.Name ?? member.Property.Name;
            yield return new(name, attribute?.DisplayName ?? DisplayNames.Of(name), PortType.Embedded, attribute?.IsBrowsable ?? true);
        }
    }

    private IEnumerable<Port> FlowPorts(IReadOnlyList<string> outcomes)
    {
        if (outcomes.Count > 0)
            return outcomes.Select(o => new Port(o, o, PortType.Flow));
        return IsTerminal ? [] : [new("Done", "Done", PortType.Flow)];
    }
}

/// <summary>One output of an activity type.</summary>
public sealed class OutputDescriptor
{
    private readonly Func<IActivity, Output?> _read;
    private readonly Action<IActivity, Output> _write;

    /// <param name="place">Its place among the activity's outputs, from 0.</param>
    internal OutputDescriptor(PropertyInfo property, int place)
    {
        _read = activity => (Output?)property.GetValue(activity);
        _write = property.SetValue;
        Name = property.Name;
        Type = property.PropertyType.IsGenericType ? property.PropertyType.GetGenericArguments()[0] : typeof(object);
        var attribute = property.GetCustomAttribute<OutputAttribute>() ?? new OutputAttribute();
        DisplayName = attribute.DisplayName ?? DisplayNames.Of(property.Name);
        Description = attribute.Description ?? "";
        Order = place;
        IsBrowsable = attribute.IsBrowsable;
        IsSerializable = attribute.IsSerializable;
    }

    /// <summary>An output of a workflow that is used as an activity.</summary>
    internal OutputDescriptor(WorkflowArgument argument, string memberName, int place)
    {
        Order = place;
        _read = activity => ((WorkflowDefinitionActivity)activity).Outputs.GetValueOrDefault(memberName);
        _write = (activity, output) => ((WorkflowDefinitionActivity)activity).Outputs[memberName] = output;
        Name = memberName;
        Type = argument.Type;
        DisplayName = argument.DisplayName ?? argument.Name;
        Description = argument.Description ?? "";
        IsBrowsable = true;
        IsSerializable = true;
        IsSynthetic = true;
    }

    public string Name { get; }

    [JsonIgnore]
    public Type Type { get; }

    /// <summary>The type's alias.</summary>
    public string TypeName => TypeAliases.AliasOf(Type);

    public string DisplayName { get; }
    public string Description { get; }
    public float Order { get; }
    public bool IsBrowsable { get; }
    public bool IsSerializable { get; }
    public bool IsSynthetic { get; }

    internal Output? Read(IActivity activity) => _read(activity);

    internal Output Create(IActivity activity)
    {
        var output = (Output)Activator.CreateInstance(typeof(Output<>).MakeGenericType(Type))!;
        output.Name = Name;
        _write(activity, output);
        return output;
    }
}
