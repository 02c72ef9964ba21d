using System.Globalization;
using System.Text;

namespace Aura.Workflows.Runtime;

/// <summary>
/// The statements of an instance list. Pure. There are three ways to a page, so that none reads a million rows: by creation through an
/// index; from a few ids that were found elsewhere; and, in an order that no index has, by sorting the instances at one end of time.
/// Nothing that a burst changes may be indexed (its update would leave the page), hence no index on the status or the last change.
/// </summary>
internal sealed class InstanceQuery
{
    /// <summary>An order other than by creation sorts so many instances, the newest or the oldest of those that the filter lets through.</summary>
    public const int Window = 10_000;

    /// <summary>More ids than this are not few: then the instances in question are found soon on the way back through time.</summary>
    public const int Few = 20_000;

    internal const string Columns = """
        i.id, i.definition_id, i.definition_version_id, i.version, i.status, i.sub_status, i.correlation_id, i.name, i.parent_instance_id,
        i.incident_count, i.owner IS NOT NULL, i.created_at, i.updated_at, i.finished_at
        """;

    // Who runs waits for a bookmark, a task or a message, or is in a burst; what was in a burst without any of these began just now.
    private const string RunningIds = """
        SELECT instance_id AS id FROM wf.bookmarks UNION ALL SELECT instance_id FROM wf.tasks UNION ALL SELECT instance_id FROM wf.messages
        UNION ALL (SELECT id FROM wf.instances ORDER BY created_at DESC, id LIMIT 1000)
        """;

    private readonly List<object?> _values = [];
    private readonly StringBuilder _where = new();
    private readonly string? _few;

    /// <param name="systemIds">The definitions that are the system's own; asked for when the filter says so.</param>
    public InstanceQuery(InstanceFilter filter, IReadOnlyCollection<string> systemIds)
    {
        AddOneOf("i.id", filter.Ids);
        AddOneOf("i.definition_id", filter.DefinitionIds);
        AddOneOf("i.definition_version_id", filter.DefinitionVersionIds);
        Add("i.version = {0}", filter.Version);
        AddOneOf("i.correlation_id", filter.CorrelationIds);
        AddOneOf("i.name", filter.Names);
        AddOneOf("i.parent_instance_id", filter.ParentInstanceIds);
        AddOneOf("i.status", filter.Statuses?.Select(s => s.ToString()).ToList());
        AddOneOf("i.sub_status", filter.SubStatuses?.Select(s => s.ToString()).ToList());
        if (filter.SubStatuses is { Count: 1 } only && only.First() == WorkflowSubStatus.Faulted)
            And("i.is_faulted");
        if (filter.HasIncidents is { } has)
            And(has ? "i.incident_count > 0" : "i.incident_count = 0");
        if (filter.IsSystem is { } isSystem && (isSystem || systemIds.Count > 0))
            Add(isSystem ? "i.definition_id = ANY({0})" : "i.definition_id <> ALL({0})", systemIds.ToArray());
        foreach (var time in filter.Timestamps ?? [])
            Add($"i.{ColumnOf(time.Column)} {OperatorOf(time.Operator)} {{0}}", time.Timestamp.ToUniversalTime());
        _few = FewOf(filter);
    }

    /// <summary>Whether the ids can be looked up first; worth it only when there turn out to be few.</summary>
    public bool MayBeFew => _few is not null;

    public object?[] Values => [.. _values];

    /// <summary>How many ids there are to look up, at most one more than <see cref="Few"/>.</summary>
    public string CountFew => $"SELECT count(*) FROM (SELECT 1 FROM ({_few}) f LIMIT {Few + 1}) c";

    /// <summary>A page from a few ids; the last column is the total.</summary>
    public string PageOfFew(InstanceOrder order, bool descending, int skip, int take) => PageOf(_few!, order, descending, skip, take);

    /// <summary>
    /// A page of the instances at one end of time, in an order that no index has; the last column is their number. Whoever waits may have
    /// been changed lately, however old it is.
    /// </summary>
    public string PageOfWindow(InstanceOrder order, bool descending, int skip, int take)
    {
        var window = $"SELECT i.id FROM wf.instances i{Where(" WHERE ")} ORDER BY {OrderOf(InstanceOrder.Created, descending)} LIMIT {Window}";
        return PageOf(
            order == InstanceOrder.Updated ? $"({window}) UNION ALL (SELECT id FROM ({RunningIds}) r LIMIT {Few})" : window, order, descending, skip, take);
    }

    /// <summary>A page in the order of creation.</summary>
    public string Page(bool descending, int skip, int take) => $"""
        SELECT {Columns}
        FROM wf.instances i{Where(" WHERE ")} ORDER BY {OrderOf(InstanceOrder.Created, descending)} LIMIT {Number(take)} OFFSET {Number(skip)}
        """;

    public string Ids(int limit) =>
        $"SELECT i.id FROM wf.instances i{Where(" WHERE ")} ORDER BY {OrderOf(InstanceOrder.Created, true)} LIMIT {Number(limit)}";

    public string IdsOfFew(int limit) => $"SELECT i.id FROM {Joined(_few!)} LIMIT {Number(limit)}";

    /// <summary>
    /// The number of rows; when there are more than <paramref name="most"/>, some greater number: the server's idea of the whole table when
    /// nothing filters.
    /// </summary>
    public string CountUpTo(int most)
    {
        var counted = $"SELECT count(*) AS n FROM (SELECT 1 FROM wf.instances i{Where(" WHERE ")} LIMIT {Number(most + 1)}) f";
        return _where.Length > 0 ? counted : $"""
            SELECT CASE WHEN n <= {Number(most)} THEN n ELSE greatest(n, (SELECT reltuples::bigint FROM pg_class WHERE oid = 'wf.instances'::regclass)) END
            FROM ({counted}) c
            """;
    }

    /// <summary>The planner's guess where something filters; null otherwise.</summary>
    public string? Estimate => _where.Length == 0 ? null : $"EXPLAIN (FORMAT JSON) SELECT 1 FROM wf.instances i{Where(" WHERE ")}";

    private string? FewOf(InstanceFilter filter)
    {
        var term = filter.SearchTerm?.Trim();
        if (string.IsNullOrEmpty(term))
            return filter.IsRunningOnly ? RunningIds : null;
        var prefix = Parameter(Like(term) + "%");
        var part = Parameter("%" + Like(term) + "%");
        var whole = Parameter(term);
        // One way for each, so that each can take its index; the condition itself is for when there are many.
        var found = $"""
            SELECT id FROM wf.instances WHERE id >= {whole} AND id < {Parameter(term + '￿')}
            UNION ALL SELECT id FROM wf.instances WHERE correlation_id IS NOT NULL AND correlation_id ILIKE {part}
            UNION ALL SELECT id FROM wf.instances WHERE name IS NOT NULL AND name ILIKE {part}
            UNION ALL SELECT id FROM wf.instances WHERE definition_id = {whole}
            UNION ALL SELECT i.id FROM wf.definitions d
                JOIN wf.instances i ON i.definition_id = d.definition_id AND i.definition_version_id = d.version_id WHERE d.version_id = {whole}
            """;
        And($"""
            (i.id LIKE {prefix} OR i.name ILIKE {part} OR i.correlation_id ILIKE {part} OR i.definition_id = {whole} OR i.definition_version_id = {whole})
            """);
        return found;
    }

    private string PageOf(string ids, InstanceOrder order, bool descending, int skip, int take) =>
        $"SELECT {Columns}, count(*) OVER () FROM {Joined(ids)} ORDER BY {OrderOf(order, descending)} LIMIT {Number(take)} OFFSET {Number(skip)}";

    /// <summary>Each id once, then its row by its key: the planner is left no other way.</summary>
    private string Joined(string ids) =>
        $"(SELECT DISTINCT id FROM ({ids}) f OFFSET 0) one CROSS JOIN LATERAL (SELECT * FROM wf.instances i WHERE i.id = one.id{Where(" AND ")} OFFSET 0) i";

    private string Where(string lead) => _where.Length == 0 ? "" : lead + _where;

    private void Add(string condition, object? value)
    {
        if (value is not null)
            And(string.Format(CultureInfo.InvariantCulture, condition, Parameter(value)));
    }

    /// <summary>One value stands alone: only then does an index by it and the creation give its rows in their order.</summary>
    private void AddOneOf(string column, IReadOnlyCollection<string>? values)
    {
        if (values is { Count: 1 })
            Add(column + " = {0}", values.First());
        else if (values is { Count: > 1 })
            Add(column + " = ANY({0})", values.ToArray());
    }

    private void And(string condition) => _where.Append(_where.Length == 0 ? "" : " AND ").Append(condition);

    private string Parameter(object value)
    {
        _values.Add(value);
        return "$" + Number(_values.Count);
    }

    private static string OrderOf(InstanceOrder order, bool descending) => order switch
    {
        // The index by creation has its ids ascending whichever way the times go; backwards it is read from its end.
        InstanceOrder.Created => descending ? "i.created_at DESC, i.id" : "i.created_at, i.id DESC",
        InstanceOrder.Updated => descending ? "i.updated_at DESC, i.id" : "i.updated_at, i.id",
        InstanceOrder.Finished => descending ? "i.finished_at DESC NULLS LAST, i.id" : "i.finished_at NULLS LAST, i.id",
        _ => descending ? "i.name DESC NULLS LAST, i.id" : "i.name NULLS LAST, i.id",
    };

    private static string ColumnOf(TimestampColumn column) =>
        column switch { TimestampColumn.CreatedAt => "created_at", TimestampColumn.UpdatedAt => "updated_at", _ => "finished_at" };

    private static string OperatorOf(TimestampOperator comparison) => comparison switch
    {
        TimestampOperator.Is => "=",
        TimestampOperator.IsNot => "IS DISTINCT FROM",
        TimestampOperator.GreaterThan => ">",
        TimestampOperator.GreaterThanOrEqual => ">=",
        TimestampOperator.LessThan => "<",
        _ => "<=",
    };

    private static string Number(int value) => value.ToString(CultureInfo.InvariantCulture);

    private static string Like(string term) => term.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("%", "\\%", StringComparison.Ordinal)
        .Replace("_", "\\_", StringComparison.Ordinal);
}
