using Aura.Workflows.Expressions;

namespace Aura.Workflows.Definitions;

/// <summary>An expression type as Studio lists it. Register further ones as services of this type.</summary>
/// <param name="Properties">For the editor: <c>MonacoLanguage</c>, <c>UIHint</c>.</param>
public sealed record ExpressionDescriptor(
    string Type, string DisplayName, bool IsSerializable, bool IsBrowsable, IReadOnlyDictionary<string, string> Properties)
{
    /// <summary>A script language with a code editor.</summary>
    public static ExpressionDescriptor Script(string type, string monacoLanguage) =>
        new(type, type, true, true, new Dictionary<string, string>(StringComparer.Ordinal) { ["MonacoLanguage"] = monacoLanguage });
}

/// <summary>The expression types that this host evaluates: the built-in ones and those that were registered as services.</summary>
/// <param name="switchedOff">Why a type that the engine knows is not to be had on this host, by type.</param>
public sealed class ExpressionTypes(IEnumerable<ExpressionDescriptor> more, IReadOnlyDictionary<string, string>? switchedOff = null)
{
    private static readonly Dictionary<string, string> None = [];

    public IReadOnlyList<ExpressionDescriptor> Descriptors { get; } =
    [
        .. new ExpressionDescriptor[]
        {
            new("Literal", "Literal", true, false, None),
            new("Object", "Object", true, false, new Dictionary<string, string>(StringComparer.Ordinal) { ["MonacoLanguage"] = "json" }),
            new("Variable", "Variable", true, true, None),
            new("Input", "Input", true, true, None),
        }.Concat(more).DistinctBy(d => d.Type),
    ];

    /// <summary><c>Json</c> is the old name of <c>Object</c>.</summary>
    public bool IsKnown(string type) => type == "Json" || Descriptors.Any(d => d.Type == type);

    /// <summary>Why the host does not allow a type; null when it does, or when there is no such type at all.</summary>
    public string? WhyOff(string type) => switchedOff?.GetValueOrDefault(type);
}

/// <summary>A type that a person can choose for a variable, an input or an output.</summary>
public sealed record VariableTypeDescriptor(string TypeName, string DisplayName, string Category, string Description);

/// <summary>A strategy that a person can choose in a definition's settings.</summary>
public sealed record StrategyDescriptor(string TypeName, string DisplayName, string Description);

/// <summary>A point at which a burst commits besides its end, as a person can choose it.</summary>
public sealed record CommitStrategyDescriptor(string Name, string DisplayName, string Description);

/// <summary>The choices that Studio offers besides activities. Type names are unique within each list.</summary>
public static class EngineDescriptors
{
    public static IReadOnlyList<VariableTypeDescriptor> VariableTypes { get; } =
    [
        .. new[]
        {
            (typeof(object), "Primitives", "Any value: an object, a list, a text …"),
            (typeof(string), "Primitives", "Text"),
            (typeof(bool), "Primitives", "True or false"),
            (typeof(short), "Primitives", "A whole number of 16 bits"),
            (typeof(int), "Primitives", "A whole number of 32 bits"),
            (typeof(long), "Primitives", "A whole number of 64 bits"),
            (typeof(float), "Primitives", "A floating point number of 32 bits"),
            (typeof(double), "Primitives", "A floating point number of 64 bits"),
            (typeof(decimal), "Primitives", "A decimal number, for money"),
            (typeof(Guid), "Primitives", "A globally unique identifier"),
            (typeof(DateTime), "Primitives", "A date and time"),
            (typeof(DateTimeOffset), "Primitives", "A date and time with its offset from UTC"),
            (typeof(TimeSpan), "Primitives", "A length of time"),
            (typeof(DateOnly), "Primitives", "A date"),
            (typeof(TimeOnly), "Primitives", "A time of day"),
            (typeof(byte[]), "Primitives", "Bytes, in JSON as base64"),
            (typeof(Uri), "Primitives", "An address"),
            (typeof(IDictionary<string, string>), "Lookups", "Texts by name"),
            (typeof(IDictionary<string, object?>), "Lookups", "Values by name"),
            (typeof(System.Text.Json.JsonElement), "Dynamic", "Any JSON"),
            (typeof(System.Text.Json.Nodes.JsonObject), "Dynamic", "A JSON object"),
            (typeof(System.Text.Json.Nodes.JsonArray), "Dynamic", "A JSON list"),
        }.Select(t => new VariableTypeDescriptor(TypeAliases.AliasOf(t.Item1), TypeAliases.AliasOf(t.Item1), t.Item2, t.Item3)),
    ];

    public static IReadOnlyList<StrategyDescriptor> ActivationStrategies { get; } =
    [
        new("AllowAlwaysStrategy", "Always", "Any number of instances."),
        new("SingletonStrategy", "Singleton", "One running instance of this workflow."),
        new("CorrelatedSingletonStrategy", "Correlated singleton", "One running instance of this workflow for each correlation id."),
        new("CorrelationStrategy", "Correlation", "One running instance of any workflow for each correlation id."),
    ];

    /// <summary>Of a workflow. None chosen: a burst commits at its end.</summary>
    public static IReadOnlyList<CommitStrategyDescriptor> WorkflowCommitStrategies { get; } =
    [
        new("WorkflowExecuting", "Workflow executing", "Also at the start of each burst."),
        new("WorkflowExecuted", "Workflow executed", "Only at the end of each burst."),
        new("ActivityExecuting", "Activity executing", "Also before each activity."),
        new("ActivityExecuted", "Activity executed", "Also after each activity: nothing that was done is done again after a crash."),
        new("Periodic", "Periodic", "Also when ten seconds have passed; Periodic:00:00:05 for another time."),
    ];

    /// <summary>Of one activity; it wins over the workflow's.</summary>
    public static IReadOnlyList<CommitStrategyDescriptor> ActivityCommitStrategies { get; } =
    [
        new("CommitAlways", "Always", "Before and after this activity."),
        new("CommitNever", "Never", "Neither before nor after this activity."),
        new("ExecutingActivity", "Executing", "Before this activity."),
        new("ExecutedActivity", "Executed", "After this activity."),
    ];

    public static IReadOnlyList<StrategyDescriptor> IncidentStrategies { get; } =
    [
        new("FaultStrategy", "Fault", "The first incident stops the workflow; a retry goes on from there."),
        new("ContinueWithIncidentsStrategy", "Continue with incidents", "Other branches go on; the workflow ends as faulted when nothing else can run."),
    ];
}
