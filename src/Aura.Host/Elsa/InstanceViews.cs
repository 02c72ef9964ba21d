using Aura.Workflows;
using Aura.Workflows.Runtime;

namespace Aura.Host.Elsa;

/// <summary>
/// The id of an activity's run as the API shows it: with its instance's, because a run is only ever looked up there. The part behind the
/// last hyphen is the engine's own id, which has none.
/// </summary>
internal static class RunId
{
    public static string Of(string instanceId, string runId) => runId.Length == 0 ? runId : $"{instanceId}-{runId}";

    /// <returns>Null when it is not of that form.</returns>
    public static (string InstanceId, string Run)? Read(string id) =>
        id.LastIndexOf('-') is var at and > 0 && at < id.Length - 1 ? (id[..at], id[(at + 1)..]) : null;

    /// <summary>The engine's own id, also of one that was given without the instance's.</summary>
    public static string Own(string id) => Read(id)?.Run ?? id;
}

/// <summary>Instances and their history in the shapes that Studio reads.</summary>
internal static class InstanceViews
{
    /// <summary>Keys of the input that carry a caller's request; they mean nothing to anybody else.</summary>
    private const string Internal = "__";

    public static Dictionary<string, object?> Summary(InstanceSummary i) => new()
    {
        ["id"] = i.Id,
        ["definitionId"] = i.DefinitionId,
        ["definitionVersionId"] = i.DefinitionVersionId,
        ["version"] = i.Version,
        ["status"] = i.Status,
        ["subStatus"] = i.SubStatus,
        ["isExecuting"] = i.IsExecuting,
        ["correlationId"] = i.CorrelationId,
        ["name"] = i.Name,
        ["parentWorkflowInstanceId"] = i.ParentInstanceId,
        ["incidentCount"] = i.IncidentCount,
        ["isSystem"] = false,
        ["createdAt"] = i.CreatedAt,
        ["updatedAt"] = i.UpdatedAt,
        ["finishedAt"] = i.FinishedAt,
    };

    public static Dictionary<string, object?> Details(InstanceDetails instance) =>
        new(Summary(instance.Summary)) { ["workflowState"] = State(instance) };

    public static object State(InstanceDetails instance)
    {
        var (i, state) = instance;
        return new
        {
            i.Id,
            i.DefinitionId,
            i.DefinitionVersionId,
            definitionVersion = i.Version,
            parentWorkflowInstanceId = i.ParentInstanceId,
            i.CorrelationId,
            i.Name,
            i.Status,
            i.SubStatus,
            i.IsExecuting,
            isSystem = false,
            bookmarks = state.Bookmarks.Select(b => Bookmark(i.Id, b)),
            incidents = state.Incidents.Select(x => new
            {
                x.ActivityId,
                x.ActivityNodeId,
                activityInstanceId = RunId.Of(i.Id, x.ActivityInstanceId),
                x.ActivityType,
                x.Message,
                x.Exception,
                x.Timestamp,
            }),
            completionCallbacks = state.Contexts.Where(c => c is { Completed: not null, ParentId: not null }).Select(c => new
            {
                ownerInstanceId = RunId.Of(i.Id, c.ParentId!),
                childNodeId = c.NodeId,
                methodName = c.Completed,
                c.Tag,
            }),
            activityExecutionContexts = state.Contexts.Select(c => new
            {
                id = RunId.Of(i.Id, c.Id),
                parentContextId = c.ParentId is null ? null : RunId.Of(i.Id, c.ParentId),
                scheduledActivityNodeId = c.NodeId,
                ownerActivityNodeId = ParentOf(c.NodeId),
                callStackDepth = DepthOf(c.NodeId),
                c.Status,
                isExecuting = false,
                faultCount = c.Status == ActivityStatus.Faulted ? 1 : 0,
                c.StartedAt,
                c.Tag,
                c.Properties,
                metadata = new { },
                c.ActivityState,
                dynamicVariables = c.Variables,
            }),
            scheduledActivities = state.Scheduled.Select(s => new
            {
                activityNodeId = s.NodeId,
                ownerContextId = s.OwnerId is null ? null : RunId.Of(i.Id, s.OwnerId),
                s.Tag,
                existingActivityExecutionContextId = s.ExistingId is null ? null : RunId.Of(i.Id, s.ExistingId),
            }),
            executionLogSequence = state.LogSequence,
            input = state.Input.Where(p => !p.Key.StartsWith(Internal, StringComparison.Ordinal)).ToDictionary(),
            state.Output,
            properties = new { },
            i.CreatedAt,
            i.UpdatedAt,
            i.FinishedAt,
        };
    }

    public static object Bookmark(string instanceId, Bookmark b) => new
    {
        b.Id,
        b.Name,
        b.Hash,
        b.Payload,
        b.ActivityId,
        b.ActivityNodeId,
        activityInstanceId = RunId.Of(instanceId, b.ActivityInstanceId),
        b.CreatedAt,
        b.AutoBurn,
        b.CallbackMethodName,
        b.AutoComplete,
        metadata = new { },
    };

    public static object Line(JournalLine l, string instanceId, Func<string, int> versionOf) => new
    {
        l.Id,
        activityInstanceId = RunId.Of(instanceId, l.ActivityInstanceId),
        parentActivityInstanceId = l.ParentActivityInstanceId is null ? null : RunId.Of(instanceId, l.ParentActivityInstanceId),
        l.ActivityId,
        l.ActivityType,
        activityTypeVersion = versionOf(l.ActivityNodeId),
        l.ActivityName,
        nodeId = l.ActivityNodeId,
        l.Timestamp,
        l.Sequence,
        l.EventName,
        l.Message,
        source = (string?)null,
        activityState = (object?)null,
        l.Payload,
    };

    public static Dictionary<string, object?> Execution(ActivityExecution e, Func<string, int> versionOf)
    {
        var view = ExecutionSummary(e, versionOf);
        view["activityState"] = (object?)e.ActivityState ?? new { };
        view["payload"] = (object?)e.Payload ?? new { };
        view["outputs"] = (object?)e.Outputs ?? new { };
        view["properties"] = new { };
        view["exception"] = e.Exception;
        return view;
    }

    public static Dictionary<string, object?> ExecutionSummary(ActivityExecution e, Func<string, int> versionOf) => new()
    {
        ["id"] = RunId.Of(e.InstanceId, e.Id),
        ["tenantId"] = null,
        ["workflowInstanceId"] = e.InstanceId,
        ["activityId"] = e.ActivityId,
        ["activityNodeId"] = e.ActivityNodeId,
        ["activityType"] = e.ActivityType,
        ["activityTypeVersion"] = versionOf(e.ActivityNodeId),
        ["activityName"] = e.ActivityName,
        ["metadata"] = new { },
        ["startedAt"] = e.StartedAt,
        ["hasBookmarks"] = e.HasBookmarks && e.Status == ActivityStatus.Running,
        ["status"] = e.Status,
        ["aggregateFaultCount"] = e.Faults,
        ["completedAt"] = e.CompletedAt,
        // Whoever holds an activity schedules it.
        ["schedulingActivityExecutionId"] = e.ParentId is null ? null : RunId.Of(e.InstanceId, e.ParentId),
        ["schedulingActivityId"] = ParentOf(e.ActivityNodeId) is { } parent ? parent[(parent.LastIndexOf(':') + 1)..] : null,
        ["schedulingWorkflowInstanceId"] = null,
        ["callStackDepth"] = DepthOf(e.ActivityNodeId),
    };

    public static object Stats(ActivityStats s) => new
    {
        s.ActivityId,
        s.ActivityNodeId,
        startedCount = s.Started,
        completedCount = s.Completed,
        uncompletedCount = s.Uncompleted,
        s.IsBlocked,
        s.IsFaulted,
        metadata = new { },
    };

    private static string? ParentOf(string nodeId) => nodeId.LastIndexOf(':') is var at and > 0 ? nodeId[..at] : null;

    private static int DepthOf(string nodeId) => nodeId.Count(c => c == ':');
}
