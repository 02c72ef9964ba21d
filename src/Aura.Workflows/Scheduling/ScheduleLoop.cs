using System.Text.Json;
using Aura.Workflows.Activities;
using Aura.Workflows.Definitions;
using Aura.Workflows.Runtime;
using Aura.Workflows.Storage;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace Aura.Workflows.Scheduling;

/// <summary>Writes the schedules of a workflow's triggers in the transaction that publishes it. One that has not changed keeps its times.</summary>
internal sealed class SchedulePublication : IPublicationEffect
{
    private const string UpsertSql = """
        INSERT INTO wf.schedules (definition_id, activity_id, kind, expression, time_zone, catch_up, next_at)
        VALUES ($1, $2, $3, $4, $5, $6, '-infinity')
        ON CONFLICT (definition_id, activity_id) DO UPDATE SET kind = $3, expression = $4, time_zone = $5, catch_up = $6,
            next_at = CASE WHEN (schedules.kind, schedules.expression, schedules.time_zone) = ($3, $4, $5) THEN schedules.next_at ELSE '-infinity' END
        """;

    public IEnumerable<NpgsqlBatchCommand> Published(
        WorkflowDefinition definition, IReadOnlyList<(string ActivityId, TriggerPayload Payload)> triggers)
    {
        var scheduled = triggers.Where(t => ScheduleTrigger.KindOf(t.Payload.Name) is not null).ToList();
        yield return Sql.Batch(
            "DELETE FROM wf.schedules WHERE definition_id = $1 AND activity_id <> ALL($2)", definition.DefinitionId,
            scheduled.Select(t => t.ActivityId).ToArray());
        foreach (var (activityId, payload) in scheduled)
        {
            var trigger = JsonSerializer.SerializeToElement(payload.Payload, WorkflowJson.Options).Deserialize<ScheduleTrigger>(WorkflowJson.Options)!;
            yield return Sql.Batch(
                UpsertSql, definition.DefinitionId, activityId, ScheduleTrigger.KindOf(payload.Name), trigger.Expression, trigger.TimeZone ?? "UTC",
                trigger.CatchUp.ToString());
        }
    }

    public IEnumerable<NpgsqlBatchCommand> Retracted(string definitionId) =>
        [Sql.Batch("DELETE FROM wf.schedules WHERE definition_id = $1", definitionId)];
}

/// <summary>
/// Fires schedules that are due: the start of the instance and the next time are one transaction, under the row's lock, so that each
/// time fires once however many hosts look.
/// </summary>
internal sealed partial class ScheduleLoop(NpgsqlDataSource dataSource, Pulse pulse, ILogger<ScheduleLoop> logger) : ILoop
{
    private const int Batch = 50;

    private const string DueSql = $"""
        SELECT definition_id, activity_id, kind, expression, time_zone, catch_up, CASE WHEN next_at > '-infinity' THEN next_at END, now()
        FROM wf.schedules WHERE next_at <= now() ORDER BY next_at LIMIT 50 FOR UPDATE SKIP LOCKED
        """;

    private const string FireSql = """
        SELECT wf.start_from_trigger(t, NULL, json_build_object('ScheduledAt', $3::timestamptz))
        FROM wf.triggers t WHERE t.definition_id = $1 AND t.activity_id = $2 LIMIT 1
        """;

    private const string PlanSql = """
        UPDATE wf.schedules SET next_at = $3::timestamptz, last_fired_at = CASE WHEN $4 THEN now() ELSE last_fired_at END
        WHERE definition_id = $1 AND activity_id = $2
        """;

    public string Name => "schedules";

    public TimeSpan Interval => TimeSpan.FromMilliseconds(500);

    public bool HearsPulse => false;

    public async Task<int> RunOnceAsync(CancellationToken cancellationToken)
    {
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        var due = await ReadDueAsync(connection, cancellationToken);
        if (due.Count == 0)
            return 0;
        await using var batch = new NpgsqlBatch(connection, transaction);
        foreach (var (definitionId, activityId, schedule, dueAt, now) in due)
        {
            var (fires, next) = Decide(definitionId, activityId, schedule, dueAt, now);
            if (fires)
                batch.BatchCommands.Add(Sql.Batch(FireSql, definitionId, activityId, dueAt!.Value));
            batch.BatchCommands.Add(Sql.Batch(PlanSql, definitionId, activityId, next?.ToString("O"), fires));
        }

        batch.BatchCommands.Add(WorkflowClient.Wake());
        await batch.ExecuteNonQueryAsync(cancellationToken);
        await transaction.CommitAsync(cancellationToken);
        pulse.Beat();
        return due.Count >= Batch ? due.Count : 0;
    }

    private static async Task<List<(string DefinitionId, string ActivityId, Schedule Schedule, DateTimeOffset? DueAt, DateTimeOffset Now)>> ReadDueAsync(
        NpgsqlConnection connection, CancellationToken cancellationToken)
    {
        var due = new List<(string, string, Schedule, DateTimeOffset?, DateTimeOffset)>();
        await using var command = new NpgsqlCommand(DueSql, connection);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        while (await reader.ReadAsync(cancellationToken))
        {
            var schedule = new Schedule(reader.GetString(2), reader.GetString(3), reader.GetString(4), Enum.Parse<CatchUpPolicy>(reader.GetString(5)));
            due.Add((reader.GetString(0), reader.GetString(1), schedule, Time(reader, 6), Time(reader, 7)!.Value));
        }

        return due;
    }

    private static DateTimeOffset? Time(NpgsqlDataReader reader, int ordinal) =>
        reader.IsDBNull(ordinal) ? null : new(reader.GetDateTime(ordinal), TimeSpan.Zero);

    private (bool Fires, DateTimeOffset? Next) Decide(string definitionId, string activityId, Schedule schedule, DateTimeOffset? dueAt, DateTimeOffset now)
    {
        try
        {
            return schedule.Decide(dueAt, now);
        }
        catch (FormatException e)
        {
            // Publishing checks expressions, so this row was written by something else: it must not stop the others.
            LogUnreadable(logger, e, activityId, definitionId);
            return (false, null);
        }
    }

    [LoggerMessage(1145, LogLevel.Error, "The schedule of activity {Activity} of workflow {Definition} cannot be read; it is switched off.")]
    private static partial void LogUnreadable(ILogger logger, Exception exception, string activity, string definition);
}
