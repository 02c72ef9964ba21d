using System.Globalization;
using System.Text;
using System.Text.Json;
using Aura.Workflows.Definitions;
using Aura.Workflows.Storage;
using Npgsql;

namespace Aura.Workflows.Runtime;

/// <summary>Which instances a list shows. Null or empty members do not filter.</summary>
public sealed record InstanceFilter
{
    public IReadOnlyCollection<string>? Ids { get; init; }
    public IReadOnlyCollection<string>? DefinitionIds { get; init; }
    public string? DefinitionVersionId { get; init; }
    public int? Version { get; init; }
    public string? CorrelationId { get; init; }
    public string? ParentInstanceId { get; init; }
    public IReadOnlyCollection<WorkflowStatus>? Statuses { get; init; }
    public IReadOnlyCollection<WorkflowSubStatus>? SubStatuses { get; init; }
    public bool? HasIncidents { get; init; }

    /// <summary>The beginning of an id, or a part of the name or the correlation id, without case.</summary>
    public string? SearchTerm { get; init; }

    public DateTimeOffset? CreatedAfter { get; init; }
    public DateTimeOffset? CreatedBefore { get; init; }
}

public enum InstanceOrder
{
    Created,
    Updated,
    Finished,
    Name,
}

/// <summary>An instance as lists show it: its state was not read.</summary>
public sealed record InstanceSummary(
    string Id, string DefinitionId, string DefinitionVersionId, int Version, WorkflowStatus Status, WorkflowSubStatus SubStatus, string? CorrelationId,
    string? Name, string? ParentInstanceId, int IncidentCount, bool IsExecuting, DateTimeOffset CreatedAt, DateTimeOffset UpdatedAt, DateTimeOffset? FinishedAt);

/// <summary>A line of an instance's journal.</summary>
public sealed record JournalLine(
    string Id, long Sequence, string ActivityInstanceId, string? ParentActivityInstanceId, string ActivityId, string ActivityNodeId, string ActivityType,
    string? ActivityName, string EventName, string? Message, JsonElement? Payload, DateTimeOffset Timestamp);

/// <summary>One run of an activity, as it stood at the last commit that touched it.</summary>
public sealed record ActivityExecution(
    string Id, string InstanceId, string? ParentId, string ActivityId, string ActivityNodeId, string ActivityType, string? ActivityName, ActivityStatus Status,
    bool HasBookmarks, JsonElement? ActivityState, JsonElement? Outputs, JsonElement? Payload, ExceptionState? Exception, DateTimeOffset StartedAt,
    DateTimeOffset? CompletedAt);

/// <summary>Reads instances and their history. Lists never touch the state, and cost the same however many instances there are.</summary>
public sealed class InstanceStore(NpgsqlDataSource dataSource)
{
    /// <summary>Above this a list's total is an estimate: an exact one would mean reading all that is counted.</summary>
    public const int ExactCount = 1000;

    private const string Columns = """
        id, definition_id, definition_version_id, version, status, sub_status, correlation_id, name, parent_instance_id, incident_count, owner IS NOT NULL,
        created_at, updated_at, finished_at
        """;

    /// <param name="skip">Rows to pass over. Deep pages of a long list cost their depth.</param>
    public async Task<Page<InstanceSummary>> ListAsync(
        InstanceFilter filter, int skip = 0, int take = 50, InstanceOrder order = InstanceOrder.Created, bool descending = true,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(filter);
        var (where, values) = WhereOf(filter);
        var column = order switch { InstanceOrder.Updated => "updated_at", InstanceOrder.Finished => "finished_at", InstanceOrder.Name => "name", _ => "created_at" };
        var direction = descending ? "DESC" : "ASC";
        // The order of the index by creation has its ids ascending whichever way the times go; backwards it is read from its end.
        var tie = descending ? "ASC" : "DESC";
        var items = await dataSource.QueryAsync(
            $"SELECT {Columns} FROM wf.instances {where} ORDER BY {column} {direction}, id {tie} LIMIT ${values.Count + 1} OFFSET ${values.Count + 2}",
            [.. values, Math.Clamp(take, 0, 1000), Math.Max(skip, 0)], ReadSummary, cancellationToken);
        return new(items, await CountAsync(where, values, cancellationToken));
    }

    public async Task<InstanceSummary?> FindAsync(string id, CancellationToken cancellationToken = default) => (await dataSource.QueryAsync(
        $"SELECT {Columns} FROM wf.instances WHERE id = $1", [id], ReadSummary, cancellationToken)).FirstOrDefault();

    /// <summary>The instance's state as its last commit left it; null when there is no such instance.</summary>
    public async Task<WorkflowState?> FindStateAsync(string id, CancellationToken cancellationToken = default) => (await dataSource.QueryAsync(
        "SELECT state FROM wf.instances WHERE id = $1", [id],
        r => JsonSerializer.Deserialize<WorkflowState>(r.GetString(0), WorkflowJson.Options)!, cancellationToken)).FirstOrDefault();

    /// <param name="nodeIds">Only lines of these activities; null for all.</param>
    public async Task<Page<JournalLine>> ReadJournalAsync(
        string instanceId, int skip = 0, int take = 100, IReadOnlyCollection<string>? nodeIds = null, IReadOnlyCollection<string>? eventNames = null,
        IReadOnlyCollection<string>? excludedTypes = null, CancellationToken cancellationToken = default)
    {
        const string Where = """
            WHERE instance_id = $1 AND ($2::text[] IS NULL OR node_id = ANY($2::text[])) AND ($3::text[] IS NULL OR event_name = ANY($3::text[]))
              AND ($4::text[] IS NULL OR activity_type <> ALL($4::text[]))
            """;
        object?[] filter = [instanceId, ArrayOf(nodeIds), ArrayOf(eventNames), ArrayOf(excludedTypes)];
        var lines = await dataSource.QueryAsync($"""
            SELECT id, sequence, activity_instance_id, parent_activity_instance_id, activity_id, node_id, activity_type, activity_name, event_name, message,
                   payload, created_at, count(*) OVER ()
            FROM wf.journal {Where} ORDER BY sequence LIMIT $5 OFFSET $6
            """, [.. filter, take, skip], r => (Line: new JournalLine(
                r.GetString(0), r.GetInt64(1), r.GetString(2), r.Text(3), r.GetString(4), r.GetString(5), r.GetString(6), r.Text(7), r.GetString(8), r.Text(9),
                r.Json(10), r.GetFieldValue<DateTimeOffset>(11)), Total: r.GetInt64(12)), cancellationToken);
        return new([.. lines.Select(l => l.Line)], lines.Count > 0 ? lines[0].Total : 0);
    }

    /// <param name="nodeIds">Only runs of these activities; null for all.</param>
    public Task<List<ActivityExecution>> ReadExecutionsAsync(
        string instanceId, IReadOnlyCollection<string>? nodeIds = null, CancellationToken cancellationToken = default) => dataSource.QueryAsync("""
        SELECT id, instance_id, parent_id, activity_id, node_id, activity_type, activity_name, status, has_bookmarks, activity_state, outputs, payload, exception,
               started_at, completed_at
        FROM wf.activity_executions WHERE instance_id = $1 AND ($2::text[] IS NULL OR node_id = ANY($2::text[])) ORDER BY started_at, id
        """, [instanceId, ArrayOf(nodeIds)], ReadExecution, cancellationToken);

    /// <summary>Deletes instances that have ended, with all that hangs on them. Running ones stay: cancel them first.</summary>
    /// <returns>How many were deleted.</returns>
    public Task<int> DeleteAsync(IReadOnlyCollection<string> ids, CancellationToken cancellationToken = default) => dataSource.ExecuteAsync(
        Sweeper.DeleteEndedSql, [ids.ToArray()], cancellationToken);

    private async Task<long> CountAsync(string where, List<object?> values, CancellationToken cancellationToken)
    {
        var counted = (await dataSource.QueryAsync(
            $"SELECT count(*) FROM (SELECT 1 FROM wf.instances {where} LIMIT {ExactCount + 1}) c", [.. values], r => r.GetInt64(0), cancellationToken))[0];
        if (counted <= ExactCount)
            return counted;
        // The server knows about how many there are; it is asked, not the table.
        if (where.Length == 0)
        {
            var estimate = await dataSource.QueryAsync(
                "SELECT reltuples::bigint FROM pg_class WHERE oid = 'wf.instances'::regclass", [], r => r.GetInt64(0), cancellationToken);
            return Math.Max(counted, estimate[0]);
        }

        var plan = await dataSource.QueryAsync($"EXPLAIN (FORMAT JSON) SELECT 1 FROM wf.instances {where}", [.. values], r => r.GetString(0), cancellationToken);
        using var json = JsonDocument.Parse(plan[0]);
        return Math.Max(counted, (long)json.RootElement[0].GetProperty("Plan").GetProperty("Plan Rows").GetDouble());
    }

    private static (string Where, List<object?> Values) WhereOf(InstanceFilter filter)
    {
        var where = new StringBuilder();
        var values = new List<object?>();
        Add("id = ANY({0})", ArrayOf(filter.Ids));
        Add("definition_id = ANY({0})", ArrayOf(filter.DefinitionIds));
        Add("definition_version_id = {0}", filter.DefinitionVersionId);
        Add("version = {0}", filter.Version);
        Add("correlation_id = {0}", filter.CorrelationId);
        Add("parent_instance_id = {0}", filter.ParentInstanceId);
        Add("status = ANY({0})", ArrayOf(filter.Statuses?.Select(s => s.ToString()).ToList()));
        Add("sub_status = ANY({0})", ArrayOf(filter.SubStatuses?.Select(s => s.ToString()).ToList()));
        if (filter.SubStatuses is { Count: 1 } only && only.First() == WorkflowSubStatus.Faulted)
            Add("is_faulted AND {0}", true);
        Add("(incident_count > 0) = {0}", filter.HasIncidents);
        Add("(id LIKE {0} || '%' OR name ILIKE '%' || {0} || '%' OR correlation_id ILIKE '%' || {0} || '%')", Escape(filter.SearchTerm));
        Add("created_at >= {0}", filter.CreatedAfter?.ToUniversalTime());
        Add("created_at < {0}", filter.CreatedBefore?.ToUniversalTime());
        return (where.ToString(), values);

        void Add(string condition, object? value)
        {
            if (value is null)
                return;
            values.Add(value);
            where.Append(where.Length == 0 ? "WHERE " : " AND ")
                .AppendFormat(CultureInfo.InvariantCulture, condition, string.Create(CultureInfo.InvariantCulture, $"${values.Count}"));
        }
    }

    private static string? Escape(string? term) => string.IsNullOrWhiteSpace(term)
        ? null
        : term.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("%", "\\%", StringComparison.Ordinal).Replace("_", "\\_", StringComparison.Ordinal);

    private static string[]? ArrayOf(IReadOnlyCollection<string>? values) => values is { Count: > 0 } ? [.. values] : null;

    private static InstanceSummary ReadSummary(NpgsqlDataReader r) => new(
        r.GetString(0), r.GetString(1), r.GetString(2), r.GetInt32(3), Enum.Parse<WorkflowStatus>(r.GetString(4)), Enum.Parse<WorkflowSubStatus>(r.GetString(5)),
        r.Text(6), r.Text(7), r.Text(8), r.GetInt32(9), r.GetBoolean(10), r.GetFieldValue<DateTimeOffset>(11), r.GetFieldValue<DateTimeOffset>(12),
        r.IsDBNull(13) ? null : r.GetFieldValue<DateTimeOffset>(13));

    private static ActivityExecution ReadExecution(NpgsqlDataReader r) => new(
        r.GetString(0), r.GetString(1), r.Text(2), r.GetString(3), r.GetString(4), r.GetString(5), r.Text(6), Enum.Parse<ActivityStatus>(r.GetString(7)),
        r.GetBoolean(8), r.Json(9), r.Json(10), r.Json(11), r.Json(12)?.Deserialize<ExceptionState>(WorkflowJson.Options),
        r.GetFieldValue<DateTimeOffset>(13), r.IsDBNull(14) ? null : r.GetFieldValue<DateTimeOffset>(14));
}
