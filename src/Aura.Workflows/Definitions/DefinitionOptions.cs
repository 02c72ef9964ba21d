using System.Text.Json;

namespace Aura.Workflows.Definitions;

/// <summary>What an unclaimed fault does to the rest of its instance.</summary>
internal enum IncidentStrategy
{
    /// <summary>The instance stops at once; a retry goes on from there.</summary>
    Fault,

    /// <summary>The other branches go on; the instance ends as faulted when nothing else can run.</summary>
    ContinueWithIncidents,
}

/// <summary>How instances of a definition may stand beside each other.</summary>
internal enum ActivationStrategy
{
    Always,

    /// <summary>One running instance of the definition.</summary>
    Singleton,

    /// <summary>One running instance of the definition for each correlation id.</summary>
    CorrelatedSingleton,

    /// <summary>One running instance of any definition for each correlation id.</summary>
    Correlation,
}

/// <summary>The settings in a definition's <c>options</c>. Strategy types are aliases or legacy assembly-qualified names.</summary>
internal sealed record DefinitionOptions(IncidentStrategy IncidentStrategy, ActivationStrategy ActivationStrategy, CommitPoints? Commits)
{
    public static DefinitionOptions Of(WorkflowDefinition definition)
    {
        var options = definition.Json.Member("options") ?? default;
        var incident = options.Text("incidentStrategyType") ?? "";
        var activation = options.Text("activationStrategyType") ?? "";
        return new(
            incident.Contains("ContinueWithIncidents", StringComparison.Ordinal) ? IncidentStrategy.ContinueWithIncidents : IncidentStrategy.Fault,
            activation switch
            {
                _ when activation.Contains("CorrelatedSingleton", StringComparison.Ordinal) => ActivationStrategy.CorrelatedSingleton,
                _ when activation.Contains("Singleton", StringComparison.Ordinal) => ActivationStrategy.Singleton,
                _ when activation.Contains("Correlation", StringComparison.Ordinal) => ActivationStrategy.Correlation,
                _ => ActivationStrategy.Always,
            },
            CommitStrategies.OfWorkflow(options.Text("commitStrategyName")));
    }

    /// <summary>What keeps a second instance out; null when nothing does.</summary>
    public string? ActivationKey(string definitionId, string? correlationId) => ActivationStrategy switch
    {
        ActivationStrategy.Singleton => $"definition|{definitionId}",
        ActivationStrategy.CorrelatedSingleton => $"definition|{definitionId}|{correlationId}",
        ActivationStrategy.Correlation when correlationId is { Length: > 0 } => $"correlation|{correlationId}",
        _ => null,
    };
}

/// <summary>Where a burst commits besides its end.</summary>
/// <param name="Period">At the next activity after this time since the last commit; null for none.</param>
internal sealed record CommitPoints(bool AtStart, bool BeforeActivity, bool AfterActivity, TimeSpan? Period = null)
{
    public static readonly CommitPoints None = new(false, false, false);
}

/// <summary>Elsa's commit strategies by name. <c>Periodic</c> may carry its period: <c>Periodic:00:00:05</c>.</summary>
internal static class CommitStrategies
{
    private static readonly TimeSpan DefaultPeriod = TimeSpan.FromSeconds(10);

    public static CommitPoints? OfWorkflow(string? name)
    {
        var parts = (name ?? "").Split(':', 2);
        return parts[0] switch
        {
            "WorkflowExecuting" => new(true, false, false),
            "WorkflowExecuted" => CommitPoints.None,
            "ActivityExecuting" => new(false, true, false),
            "ActivityExecuted" => new(false, false, true),
            "Periodic" => new(false, false, false, parts.Length == 2 && TimeSpan.TryParse(parts[1], out var period) ? period : DefaultPeriod),
            _ => null,
        };
    }

    public static CommitPoints? OfActivity(IActivity activity) =>
        activity.CustomProperties.TryGetValue("commitStrategyName", out var name) && name.ValueKind == JsonValueKind.String
            ? name.GetString() switch
            {
                "CommitAlways" => new(false, true, true),
                "CommitNever" => CommitPoints.None,
                "ExecutingActivity" => new(false, true, false),
                "ExecutedActivity" => new(false, false, true),
                _ => null,
            }
            : null;
}
