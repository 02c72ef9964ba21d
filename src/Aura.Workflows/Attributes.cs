namespace Aura.Workflows;

/// <summary>How an activity runs. Job, and Task when it asks for it, run as durable tasks outside the burst.</summary>
public enum ActivityKind
{
    /// <summary>Cheap; runs inside the burst.</summary>
    Action,

    /// <summary>Can start a workflow, or waits inside one.</summary>
    Trigger,

    /// <summary>Always a durable task: queued, leased, retried after a crash.</summary>
    Job,

    /// <summary>A durable task when <c>customProperties.runAsynchronously</c> is true, else like an action.</summary>
    Task,
}

/// <summary>Names and describes an activity type. The type name in JSON is <c>{Namespace}.{Type ?? class name}</c>.</summary>
[AttributeUsage(AttributeTargets.Class, Inherited = false)]
public sealed class ActivityAttribute : Attribute
{
    public ActivityAttribute()
    {
    }

    public ActivityAttribute(string @namespace, string? category = null, string? description = null)
    {
        Namespace = @namespace;
        Category = category;
        Description = description;
    }

    public string? Namespace { get; set; }
    public string? Type { get; set; }
    public int Version { get; set; } = 1;
    public string? Category { get; set; }
    public string? Description { get; set; }
    public string? DisplayName { get; set; }
    public ActivityKind Kind { get; set; } = ActivityKind.Action;
}

/// <summary>An input of an activity: an <see cref="Input{T}"/> (an expression) or a plain property (raw JSON).</summary>
[AttributeUsage(AttributeTargets.Property)]
public sealed class InputAttribute : Attribute
{
    public string? Name { get; set; }
    public string? DisplayName { get; set; }
    public string? Description { get; set; }
    public string? Category { get; set; }
    public object? DefaultValue { get; set; }
    public object? Options { get; set; }
    public string? UIHint { get; set; }
    public float Order { get; set; }
    public bool IsBrowsable { get; set; } = true;

    /// <summary>False: the activity evaluates the expression itself, when and as often as it needs.</summary>
    public bool AutoEvaluate { get; set; } = true;
}

/// <summary>An output of an activity, bindable to a variable or a workflow output.</summary>
[AttributeUsage(AttributeTargets.Property)]
public sealed class OutputAttribute : Attribute
{
    public string? Name { get; set; }
    public string? DisplayName { get; set; }
    public string? Description { get; set; }
    public bool IsBrowsable { get; set; } = true;
}

/// <summary>A property that holds a child activity, or a list of them.</summary>
[AttributeUsage(AttributeTargets.Property)]
public sealed class PortAttribute : Attribute
{
    public PortAttribute()
    {
    }

    public PortAttribute(string name) => Name = name;

    public string? Name { get; set; }
}

/// <summary>The static outcomes of an activity, each a port that a flowchart can connect.</summary>
[AttributeUsage(AttributeTargets.Class)]
public sealed class FlowNodeAttribute(params string[] outcomes) : Attribute
{
    public IReadOnlyCollection<string> Outcomes { get; } = outcomes;
}
