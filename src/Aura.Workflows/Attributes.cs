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

    /// <summary>Of kind Task: whether it runs as a durable task unless the activity says otherwise.</summary>
    public bool RunAsynchronously { get; set; }

    /// <summary>Whether Studio's toolbox shows it.</summary>
    public bool IsBrowsable { get; set; } = true;
}

/// <summary>An input of an activity: an <see cref="Input{T}"/> (an expression) or a plain property (raw JSON).</summary>
[AttributeUsage(AttributeTargets.Property)]
public sealed class InputAttribute : Attribute
{
    public string? Name { get; set; }
    public string? DisplayName { get; set; }
    public string? Description { get; set; }
    public string? Category { get; set; }

    /// <summary>Taken when the input is unset or evaluates to null.</summary>
    public object? DefaultValue { get; set; }

    /// <summary>The expression type that Studio offers first.</summary>
    public string? DefaultSyntax { get; set; }

    /// <summary>The expression types that fit; null for all.</summary>
    public string[]? SupportedSyntaxes { get; set; }

    /// <summary>
    /// What the editor offers: an array of texts (<c>dropdown</c>, <c>radiolist</c>, <c>checklist</c>), or an object that becomes the
    /// hint's own specification.
    /// </summary>
    public object? Options { get; set; }

    /// <summary>The editor (<see cref="InputUIHints"/>); by default chosen by the type.</summary>
    public string? UIHint { get; set; }

    /// <summary>
    /// A class that gives the editor's specification while a workflow is edited: an <see cref="IPropertyUIHandler"/>, for a dropdown best a
    /// <see cref="DropDownOptionsProviderBase"/>. It is taken from the host's services or made with them.
    /// </summary>
    public Type? UIHandler { get; set; }

    public float Order { get; set; }
    public bool IsBrowsable { get; set; } = true;
    public bool IsReadOnly { get; set; }
    public bool IsSerializable { get; set; } = true;

    /// <summary>The value is a secret: it stands in no journal and no execution record.</summary>
    public bool IsSensitive { get; set; }

    /// <summary>Another name for <see cref="IsSensitive"/>, as Elsa calls it.</summary>
    public bool CanContainSecrets
    {
        get => IsSensitive;
        set => IsSensitive = value;
    }

    /// <summary>False: the activity evaluates the expression itself, when and as often as it needs.</summary>
    public bool AutoEvaluate { get; set; } = true;
}

/// <summary>The editors that Studio has.</summary>
public static class InputUIHints
{
    public const string SingleLine = "singleline";
    public const string MultiLine = "multiline";
    public const string Checkbox = "checkbox";
    public const string CheckList = "checklist";
    public const string RadioList = "radiolist";
    public const string DropDown = "dropdown";
    public const string MultiText = "multitext";
    public const string CodeEditor = "code-editor";
    public const string JsonEditor = "json-editor";
    public const string ExpressionEditor = "expression-editor";
    public const string VariablePicker = "variable-picker";
    public const string InputPicker = "input-picker";
    public const string OutputPicker = "output-picker";
    public const string OutcomePicker = "outcome-picker";
    public const string TypePicker = "type-picker";
    public const string WorkflowDefinitionPicker = "workflow-definition-picker";
    public const string Dictionary = "dictionary";
    public const string DynamicOutcomes = "dynamic-outcomes";
    public const string DateTimePicker = "datetime-picker";
    public const string SwitchEditor = "switch-editor";
    public const string FlowSwitchEditor = "flow-switch-editor";
    public const string HttpStatusCodes = "http-status-codes";
}

/// <summary>Gives an input's editor what it offers, while a workflow is edited. Pure and cheap: it is asked often.</summary>
public interface IPropertyUIHandler
{
    /// <param name="property">The activity's property.</param>
    /// <param name="context">The current values of the activity's inputs, by camelCase name; null for the first view.</param>
    /// <returns>The input's UI specifications by hint, for example <c>{"dropdown": …}</c>; <c>Refresh: true</c> asks again on each selection.</returns>
    ValueTask<IDictionary<string, object>> GetUIPropertiesAsync(
        System.Reflection.PropertyInfo property, object? context, CancellationToken cancellationToken = default);
}

/// <summary>A choice of a dropdown.</summary>
public sealed record SelectListItem(string Text, string Value);

/// <summary>Base of handlers that fill a dropdown from the server. Services come through the constructor.</summary>
public abstract class DropDownOptionsProviderBase : IPropertyUIHandler
{
    /// <inheritdoc />
    public async ValueTask<IDictionary<string, object>> GetUIPropertiesAsync(
        System.Reflection.PropertyInfo property, object? context, CancellationToken cancellationToken = default) =>
        Definitions.UIHints.Choices(InputUIHints.DropDown, await GetItemsAsync(property, context, cancellationToken), refresh: true);

    /// <summary>The choices, in the order in which they are shown.</summary>
    /// <param name="context">The current values of the activity's inputs, by camelCase name; null for the first view.</param>
    protected abstract ValueTask<ICollection<SelectListItem>> GetItemsAsync(
        System.Reflection.PropertyInfo property, object? context, CancellationToken cancellationToken);
}

/// <summary>An output of an activity, bindable to a variable or a workflow output.</summary>
[AttributeUsage(AttributeTargets.Property)]
public sealed class OutputAttribute : Attribute
{
    public string? Name { get; set; }
    public string? DisplayName { get; set; }
    public string? Description { get; set; }
    public float Order { get; set; }
    public bool IsBrowsable { get; set; } = true;
    public bool IsSerializable { get; set; } = true;
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
    public string? DisplayName { get; set; }
    public bool IsBrowsable { get; set; } = true;
}

/// <summary>The static outcomes of an activity, each a port that a flowchart can connect.</summary>
[AttributeUsage(AttributeTargets.Class)]
public sealed class FlowNodeAttribute(params string[] outcomes) : Attribute
{
    public IReadOnlyCollection<string> Outcomes { get; } = outcomes;
}
