using Aura.Workflows.Definitions;

namespace Aura.Workflows.Runtime;

/// <summary>Which instances a list shows. Null or empty members do not filter.</summary>
public sealed record InstanceFilter
{
    public IReadOnlyCollection<string>? Ids { get; init; }
    public IReadOnlyCollection<string>? DefinitionIds { get; init; }
    public IReadOnlyCollection<string>? DefinitionVersionIds { get; init; }
    public int? Version { get; init; }
    public IReadOnlyCollection<string>? CorrelationIds { get; init; }
    public IReadOnlyCollection<string>? Names { get; init; }
    public IReadOnlyCollection<string>? ParentInstanceIds { get; init; }
    public IReadOnlyCollection<WorkflowStatus>? Statuses { get; init; }
    public IReadOnlyCollection<WorkflowSubStatus>? SubStatuses { get; init; }
    public bool? HasIncidents { get; init; }

    /// <summary>Whether the definition is the system's own.</summary>
    public bool? IsSystem { get; init; }

    /// <summary>The beginning of an id, or a part of the name or the correlation id, without case.</summary>
    public string? SearchTerm { get; init; }

    public IReadOnlyCollection<TimestampFilter>? Timestamps { get; init; }

    /// <summary>Only instances that run: a list of them looks where they wait, not among all that ever were.</summary>
    internal bool IsRunningOnly =>
        (Statuses is { Count: > 0 } statuses && statuses.All(s => s == WorkflowStatus.Running))
        || (SubStatuses is { Count: > 0 } subs && subs.All(s => s is WorkflowSubStatus.Pending or WorkflowSubStatus.Executing or WorkflowSubStatus.Suspended));
}

public enum TimestampColumn
{
    CreatedAt,
    UpdatedAt,
    FinishedAt,
}

public enum TimestampOperator
{
    Is,
    IsNot,
    GreaterThan,
    GreaterThanOrEqual,
    LessThan,
    LessThanOrEqual,
}

/// <summary>A condition on one of an instance's times.</summary>
public sealed record TimestampFilter(TimestampColumn Column, TimestampOperator Operator, DateTimeOffset Timestamp);

public enum InstanceOrder
{
    Created,
    Updated,
    Finished,
    Name,
}

/// <summary>A list took longer than a list may: nothing but its filter can help.</summary>
public sealed class ListTooExpensiveException(Exception inner) : Exception(
    "The list would have to look through too many instances. Name a workflow, a correlation id or a span of time in which they were created.", inner);

/// <summary>An instance as lists show it: its state was not read.</summary>
public sealed record InstanceSummary(
    string Id, string DefinitionId, string DefinitionVersionId, int Version, WorkflowStatus Status, WorkflowSubStatus SubStatus, string? CorrelationId,
    string? Name, string? ParentInstanceId, int IncidentCount, bool IsExecuting, DateTimeOffset CreatedAt, DateTimeOffset UpdatedAt, DateTimeOffset? FinishedAt);

/// <summary>An instance with its state as its last commit left it.</summary>
public sealed record InstanceDetails(InstanceSummary Summary, WorkflowState State);
