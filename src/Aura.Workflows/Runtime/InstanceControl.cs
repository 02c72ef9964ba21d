using System.Text.Json;
using System.Text.Json.Nodes;
using Aura.Workflows.Storage;
using Npgsql;

namespace Aura.Workflows.Runtime;

/// <summary>What became of changes to one instance.</summary>
/// <param name="Log">What was done, or why it was not.</param>
public sealed record AlterationResult(string InstanceId, bool IsSuccessful, bool IsPending, IReadOnlyList<AlterationLogLine> Log);

/// <param name="IsError">The change was not made.</param>
public sealed record AlterationLogLine(string Message, bool IsError, DateTimeOffset Timestamp);

/// <summary>Changes that a person ordered for several instances.</summary>
public sealed record AlterationPlan(string Id, JsonElement Alterations, IReadOnlyList<string> InstanceIds, string? Actor, DateTimeOffset CreatedAt);

/// <summary>
/// What a person does to instances: cancel, retry, change, delete. The burst that owns an instance makes the change; who waits for it here
/// looks until it has.
/// </summary>
public sealed class InstanceControl(WorkflowClient client, InstanceStore instances, NpgsqlDataSource dataSource, TimeProvider time)
{
    /// <summary>More instances than this are not changed by one request.</summary>
    public const int MaxInstances = 10_000;

    private static readonly TimeSpan FirstPause = TimeSpan.FromMilliseconds(10);
    private static readonly TimeSpan LongestPause = TimeSpan.FromMilliseconds(320);

    /// <summary>Cancels those that run, and waits until they have ended or the time is over.</summary>
    /// <returns>How many were told to end.</returns>
    public async Task<int> CancelAsync(
        IReadOnlyCollection<string> ids, string actor, IReadOnlyList<NpgsqlBatchCommand> along, TimeSpan limit, CancellationToken cancellationToken = default)
    {
        var told = await client.ExecuteAsync([client.PrepareCancel(ids, actor)], along, cancellationToken);
        if (told > 0)
            await UntilAsync("SELECT NOT EXISTS (SELECT FROM wf.instances WHERE id = ANY($1) AND status = 'Running')", [ids.ToArray()], limit, cancellationToken);
        return (int)told;
    }

    /// <summary>
    /// Deletes instances with all that hangs on them. Those that run are cancelled first, so that their compensations, children and
    /// parents hear of it.
    /// </summary>
    /// <param name="along">A record that goes out once: with the cancelling where something ran, else with the deleting.</param>
    /// <returns>How many were deleted; those that have not ended within the time are left.</returns>
    public async Task<int> DeleteAsync(
        IReadOnlyCollection<string> ids, string actor, IReadOnlyList<NpgsqlBatchCommand> along, TimeSpan limit, CancellationToken cancellationToken = default)
    {
        // What was cancelled and does not end in time was changed all the same.
        var told = await CancelAsync(ids, actor, along, limit, cancellationToken);
        return await instances.DeleteAsync(ids, told > 0 ? [] : along, cancellationToken);
    }

    /// <summary>Runs the faulted activities again, of all or of the given ids.</summary>
    /// <param name="along">A record that goes out with an instance's retry.</param>
    public async Task<IReadOnlyList<AlterationResult>> RetryAsync(
        IReadOnlyCollection<string> ids, IReadOnlyCollection<string>? activityIds, string actor, Func<string, NpgsqlBatchCommand> along,
        CancellationToken cancellationToken = default)
    {
        var results = new List<AlterationResult>();
        var known = await instances.ListAsync(new() { Ids = ids }, take: 1000, cancellationToken: cancellationToken);
        foreach (var id in ids)
        {
            var instance = known.Items.FirstOrDefault(i => i.Id == id);
            var refusal = instance switch
            {
                null => "There is no such instance.",
                { IncidentCount: 0 } => "The instance has no incident: there is nothing to retry.",
                { Status: WorkflowStatus.Finished, SubStatus: not WorkflowSubStatus.Faulted } => $"The instance has ended as {instance.SubStatus}.",
                _ => null,
            };
            try
            {
                if (refusal is null)
                    await client.ExecuteAsync([client.PrepareRetry(id, activityIds, actor)], [along(id)], cancellationToken);
            }
            catch (PostgresException e) when (e.SqlState == PostgresErrorCodes.UniqueViolation)
            {
                // Its activation strategy keeps it out; the message says who is in its place.
                refusal = e.MessageText;
            }

            results.Add(new(id, refusal is null, false, [new(refusal ?? "Retried.", refusal is not null, time.GetUtcNow())]));
        }

        return results;
    }

    /// <summary>Changes instances and waits for what becomes of it.</summary>
    /// <exception cref="ArgumentException">There is no such alteration.</exception>
    public async Task<IReadOnlyList<AlterationResult>> AlterAsync(
        IReadOnlyCollection<string> ids, IReadOnlyList<JsonElement> alterations, string actor, IReadOnlyList<NpgsqlBatchCommand> along, TimeSpan limit,
        CancellationToken cancellationToken = default)
    {
        var plan = WorkflowExecutionContext.NewId();
        await SendAsync(plan, ids, alterations, actor, along, cancellationToken);
        await UntilAsync($"SELECT NOT EXISTS ({PendingSql})", [ids.ToArray(), plan], limit, cancellationToken);
        return await ResultsAsync(plan, ids, alterations.Count, cancellationToken);
    }

    /// <summary>Changes all given instances, whenever each comes to it; <see cref="ReadPlanAsync"/> tells what became of it.</summary>
    /// <exception cref="ArgumentException">There is no such alteration.</exception>
    public async Task<string> SubmitAsync(
        IReadOnlyCollection<string> ids, IReadOnlyList<JsonElement> alterations, JsonElement? filter, string actor, IReadOnlyList<NpgsqlBatchCommand> along,
        CancellationToken cancellationToken = default)
    {
        var plan = WorkflowExecutionContext.NewId();
        var record = Sql.Batch(
            "INSERT INTO wf.alteration_plans (id, alterations, filter, instance_ids, actor) VALUES ($1, $2, $3, $4, $5)",
            plan, Storage.JsonValue.Of(alterations), Storage.JsonValue.Of(filter), ids.ToArray(), actor);
        await SendAsync(plan, ids, alterations, actor, [record, .. along], cancellationToken);
        return plan;
    }

    /// <summary>A plan and how it stands with each of its instances; null when there is no such plan.</summary>
    public async Task<(AlterationPlan Plan, IReadOnlyList<AlterationResult> Jobs)?> ReadPlanAsync(string id, CancellationToken cancellationToken = default)
    {
        var plans = await dataSource.QueryAsync(
            "SELECT id, alterations, instance_ids, actor, created_at FROM wf.alteration_plans WHERE id = $1", [id],
            r => new AlterationPlan(r.GetString(0), r.Json(1)!.Value, r.GetFieldValue<string[]>(2), r.Text(3), r.GetFieldValue<DateTimeOffset>(4)),
            cancellationToken);
        return plans is [{ } plan] ? (plan, await ResultsAsync(id, plan.InstanceIds, plan.Alterations.GetArrayLength(), cancellationToken)) : null;
    }

    private const string PendingSql = "SELECT instance_id FROM wf.messages WHERE instance_id = ANY($1) AND kind = 'Alter' AND payload->>'planId' = $2";

    // What has ended hears nothing any more, unless it is brought back.
    private async Task SendAsync(
        string plan, IReadOnlyCollection<string> ids, IReadOnlyList<JsonElement> alterations, string actor, IReadOnlyList<NpgsqlBatchCommand> along,
        CancellationToken cancellationToken)
    {
        var marked = alterations.Select(a => Marked(a, plan, actor)).ToList();
        foreach (var alteration in marked)
            _ = client.PrepareAlteration("", alteration);
        var hearing = await dataSource.QueryAsync(
            "SELECT id FROM wf.instances WHERE id = ANY($1) AND (status = 'Running' OR is_faulted)", [ids.ToArray()], r => r.GetString(0), cancellationToken);
        await client.ExecuteAsync([.. hearing.SelectMany(id => marked.Select(a => client.PrepareAlteration(id, a))), .. along], cancellationToken);
    }

    private async Task<IReadOnlyList<AlterationResult>> ResultsAsync(
        string plan, IReadOnlyCollection<string> ids, int alterations, CancellationToken cancellationToken)
    {
        var pending = (await dataSource.QueryAsync(PendingSql, [ids.ToArray(), plan], r => r.GetString(0), cancellationToken)).ToHashSet(StringComparer.Ordinal);
        var lines = (await dataSource.QueryAsync("""
            SELECT instance_id, event_name = 'Alteration Failed', coalesce(message, ''), created_at FROM wf.journal
            WHERE instance_id = ANY($1) AND event_name IN ('Altered', 'Alteration Failed') AND payload->>'planId' = $2 ORDER BY instance_id, sequence
            """, [ids.ToArray(), plan],
            r => (Id: r.GetString(0), Line: new AlterationLogLine(r.GetString(2), r.GetBoolean(1), r.GetFieldValue<DateTimeOffset>(3))), cancellationToken))
            .ToLookup(l => l.Id, l => l.Line, StringComparer.Ordinal);
        return [.. ids.Distinct().Select(id =>
        {
            var log = lines[id].ToList();
            var isPending = pending.Contains(id);
            if (log.Count == 0 && !isPending)
                log.Add(new("The instance does not exist or has ended: nothing was changed.", true, time.GetUtcNow()));
            return new AlterationResult(id, !isPending && log.Count >= alterations && !log.Exists(l => l.IsError), isPending, log);
        })];
    }

    /// <summary>The alteration as the journal shows it: with the order that it is part of and who gave it.</summary>
    private static JsonElement Marked(JsonElement alteration, string plan, string actor)
    {
        if (JsonNode.Parse(alteration.GetRawText()) is not JsonObject marked)
            throw new ArgumentException("An alteration is an object with a 'type'.", nameof(alteration));
        marked["planId"] = plan;
        marked["by"] = actor;
        return JsonSerializer.SerializeToElement(marked);
    }

    private async Task UntilAsync(string condition, object?[] values, TimeSpan limit, CancellationToken cancellationToken)
    {
        var started = time.GetTimestamp();
        for (var pause = FirstPause; ; pause = pause * 2 < LongestPause ? pause * 2 : LongestPause)
        {
            if ((await dataSource.QueryAsync(condition, values, r => r.GetBoolean(0), cancellationToken))[0] || time.GetElapsedTime(started) >= limit)
                return;
            await Task.Delay(pause, time, cancellationToken);
        }
    }
}
