using Aura.Workflows.Runtime;

namespace Aura.Host.Elsa;

/// <summary>A page of a list, as it was asked for.</summary>
internal sealed record PageRequest(int Skip, int Take)
{
    /// <summary>Either <c>skip</c> and <c>take</c>, or <c>page</c> (0-based) and <c>pageSize</c>.</summary>
    public static PageRequest Read(ElsaRequest request, int fallback, int most)
    {
        var take = request.Number("take", 0, int.MaxValue) ?? request.Number("pageSize", 0, int.MaxValue) ?? fallback;
        take = Math.Min(take, most);
        var skip = request.Number("skip", 0, int.MaxValue) ?? (long)(request.Number("page", 0, int.MaxValue) ?? 0) * take;
        return new((int)Math.Min(skip, int.MaxValue), take);
    }
}

/// <summary>What requests say about instances and their journals.</summary>
internal static class InstanceRequests
{
    public static InstanceFilter ReadFilter(ElsaRequest request)
    {
        var subStatuses = SubStatuses(request);
        // Studio offers Interrupted too; here an interrupted instance goes on by itself and is never so called: no id is empty.
        IReadOnlyList<string> ids = subStatuses is [SubStatus.Interrupted] ? [""] : [.. request.Texts("ids"), .. request.Texts("workflowInstanceIds")];
        return Filter(request, ids) with
        {
            SubStatuses = [.. subStatuses.Where(s => s != SubStatus.Interrupted).Select(s => Enum.Parse<Workflows.WorkflowSubStatus>(s.ToString()))],
        };
    }

    private static InstanceFilter Filter(ElsaRequest request, IReadOnlyList<string> ids) => new()
    {
        Ids = ids,
        DefinitionIds = [.. request.Texts("definitionIds"), .. One(request.Text("definitionId"))],
        DefinitionVersionIds = [.. request.Texts("definitionVersionIds"), .. One(request.Text("definitionVersionId"))],
        Version = request.Number("version", 0, int.MaxValue),
        CorrelationIds = [.. request.Texts("correlationIds"), .. One(request.Text("correlationId"))],
        Names = [.. request.Texts("names"), .. One(request.Text("name"))],
        ParentInstanceIds = request.Texts("parentWorkflowInstanceIds"),
        Statuses = [.. request.Choices<Workflows.WorkflowStatus>("statuses"), .. One(request.Choice<Workflows.WorkflowStatus>("status"))],
        HasIncidents = request.Flag("hasIncidents"),
        IsSystem = request.Flag("isSystem"),
        SearchTerm = request.Text("searchTerm"),
        Timestamps = [.. request.Objects("timestampFilters").Select(Timestamp).OfType<TimestampFilter>()],
    };

    public static (InstanceOrder Order, bool Descending) ReadOrder(ElsaRequest request) => (
        request.Choice<OrderBy>("orderBy") switch
        {
            OrderBy.LastExecuted => InstanceOrder.Updated,
            OrderBy.Finished => InstanceOrder.Finished,
            OrderBy.Name => InstanceOrder.Name,
            _ => InstanceOrder.Created,
        },
        request.Choice<OrderDirection>("orderDirection") != OrderDirection.Ascending);

    public static JournalFilter ReadJournalFilter(ElsaRequest? request) => request is null ? new() : new()
    {
        ActivityIds = request.Texts("activityIds"),
        NodeIds = request.Texts("activityNodeIds"),
        EventNames = request.Texts("eventNames"),
        ExcludedTypes = request.Texts("excludedActivityTypes"),
    };

    private static List<SubStatus> SubStatuses(ElsaRequest request) =>
        [.. request.Choices<SubStatus>("subStatuses").Concat(One(request.Choice<SubStatus>("subStatus"))).Distinct()];

    private static TimestampFilter? Timestamp(ElsaRequest filter)
    {
        foreach (var name in (string[])["column", "operator", "timestamp"])
        {
            if (filter.Json(name) is null)
                filter.Refuse(name, "is missing.");
        }

        return filter.Choice<TimestampColumn>("column") is { } column && filter.Choice<TimestampOperator>("operator") is { } comparison
            && filter.Time("timestamp") is { } time
            ? new(column, comparison, time)
            : null;
    }

    private static IEnumerable<string> One(string? text) => text is null ? [] : [text];

    private static IEnumerable<T> One<T>(T? value)
        where T : struct
        => value is { } one ? [one] : [];

    private enum OrderBy
    {
        Created,
        LastExecuted,
        Finished,
        Name,
    }

    private enum OrderDirection
    {
        Ascending,
        Descending,
    }

    private enum SubStatus
    {
        Pending,
        Executing,
        Suspended,
        Finished,
        Cancelled,
        Faulted,
        Interrupted,
    }
}
