using System.Collections.Concurrent;
using System.Text.Json;
using Aura.Workflows.Storage;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Npgsql;

namespace Aura.Workflows.Runtime;

/// <summary>
/// Claims instances that have due messages, runs their bursts and hands the results to the committer.
/// An instance is in one burst at a time: the claim takes a lease and raises the fence.
/// </summary>
internal sealed partial class BurstLoop(
    NpgsqlDataSource dataSource, DefinitionStore definitions, GroupCommitter committer, HostIdentity host, IServiceScopeFactory scopes, Pulse pulse,
    TimeProvider time, IOptions<WorkflowsOptions> options, ILogger<BurstLoop> logger) : ILoop
{
    private const string ClaimSql = """
        WITH candidates AS (
            SELECT m.instance_id FROM wf.messages m
            JOIN wf.instances i ON i.id = m.instance_id AND i.status = 'Running' AND (i.lease_until IS NULL OR i.lease_until < now())
            WHERE m.due_at <= now()
            GROUP BY m.instance_id ORDER BY min(m.due_at) LIMIT $2
        ), locked AS (
            SELECT i.id FROM wf.instances i
            WHERE i.id IN (SELECT instance_id FROM candidates) AND i.status = 'Running' AND (i.lease_until IS NULL OR i.lease_until < now())
            ORDER BY i.id FOR UPDATE SKIP LOCKED
        )
        UPDATE wf.instances i SET owner = $1, fence = fence + 1, lease_until = now() + $3
        FROM locked WHERE i.id = locked.id
        RETURNING i.id, i.definition_id, i.definition_version_id, i.correlation_id, i.parent_instance_id, i.parent_bookmark_id, i.fence,
                  i.failed_commits, i.state
        """;

    private readonly ConcurrentDictionary<string, Task> _inFlight = new(StringComparer.Ordinal);

    public string Name => "bursts";

    public TimeSpan Interval => options.Value.PollInterval;

    public async Task<int> RunOnceAsync(CancellationToken cancellationToken)
    {
        var room = options.Value.MaxBursts - _inFlight.Count;
        if (room <= 0)
        {
            await Task.WhenAny(_inFlight.Values);
            return 1;
        }

        var claimed = await ClaimAsync(room, cancellationToken);
        foreach (var instance in claimed)
        {
            _inFlight[instance.Id] = Task.Run(() => RunAsync(instance, cancellationToken), CancellationToken.None)
                .ContinueWith(_ => _inFlight.TryRemove(instance.Id, out Task? _), CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default);
        }

        return claimed.Count;
    }

    public async Task DrainAsync() => await Task.WhenAll(_inFlight.Values);

    private async Task<IReadOnlyList<ClaimedInstance>> ClaimAsync(int count, CancellationToken cancellationToken)
    {
        var instances = await dataSource.QueryAsync(ClaimSql, [host.Id, count, options.Value.InstanceLease], r => new ClaimedInstance(
            r.GetString(0), r.GetString(1), r.GetString(2), r.Text(3), r.Text(4), r.Text(5), r.GetInt64(6), r.GetInt32(7), r.GetString(8)), cancellationToken);
        if (instances.Count == 0)
            return instances;
        var messages = await dataSource.QueryAsync(
            "SELECT instance_id, id, kind, target, payload FROM wf.messages WHERE instance_id = ANY($1) AND due_at <= now() ORDER BY id",
            [instances.Select(i => i.Id).ToArray()],
            r => (Instance: r.GetString(0), Message: new Message(r.GetInt64(1), Enum.Parse<MessageKind>(r.GetString(2)), r.Text(3), r.Json(4))),
            cancellationToken);
        var byInstance = messages.ToLookup(m => m.Instance, m => m.Message);
        return [.. instances.Select(i => i with { Messages = [.. byInstance[i.Id]] })];
    }

    private async Task RunAsync(ClaimedInstance claimed, CancellationToken cancellationToken)
    {
        try
        {
            await using var scope = scopes.CreateAsyncScope();
            var state = JsonSerializer.Deserialize<WorkflowState>(claimed.State, WorkflowJson.Options)!;
            BurstResult result;
            try
            {
                var graph = await definitions.GraphAsync(claimed.DefinitionVersionId, cancellationToken);
                var workflow = new WorkflowExecutionContext(claimed.Id, graph, state, claimed.CorrelationId, scope.ServiceProvider, cancellationToken);
                await BurstRunner.RunAsync(workflow, claimed.Messages, time);
                result = new(claimed, workflow, scope.ServiceProvider.GetRequiredService<UnitOfWork>().Statements, EndEffects(claimed, workflow));
            }
            // Not an activity's fault (those are caught inside): the definition or the state cannot be read. It must not be tried for ever.
            catch (Exception e) when (e is not OperationCanceledException and not NpgsqlException)
            {
                LogUnreadable(logger, e, claimed.Id);
                await SetAsideAsync(claimed, state, e);
                return;
            }

            switch (await committer.CommitAsync(result, cancellationToken))
            {
                case CommitOutcome.Committed:
                    pulse.Beat();
                    break;
                case CommitOutcome.LeaseLost:
                    LogLeaseLost(logger, claimed.Id);
                    break;
                case CommitOutcome.Refused refused:
                    await RefusedAsync(claimed, state, refused.Reason);
                    break;
            }
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            await ReleaseAsync(claimed);
        }
        // The edge of a burst: the database was away. Given back now or when the lease runs out, the burst is run again.
        catch (Exception e)
        {
            LogBurstFailed(logger, e, claimed.Id);
            await ReleaseAsync(claimed);
        }
    }

    private List<NpgsqlBatchCommand> EndEffects(ClaimedInstance claimed, WorkflowExecutionContext workflow) =>
        workflow.Status == WorkflowStatus.Finished && options.Value.OnFinished is { } handler
            ? [.. handler(new(claimed.Id, claimed.DefinitionId, workflow.CorrelationId, workflow.SubStatus, workflow.Input, workflow.Incidents))]
            : [];

    /// <summary>The database refused what the burst wrote. Tried again a few times, then set aside with the reason.</summary>
    private async Task RefusedAsync(ClaimedInstance claimed, WorkflowState state, Exception reason)
    {
        LogRefused(logger, reason, claimed.Id, claimed.FailedCommits + 1);
        if (claimed.FailedCommits + 1 >= options.Value.MaxFailedCommits)
        {
            await SetAsideAsync(claimed, state, reason);
            return;
        }

        await dataSource.ExecuteAsync(
            "UPDATE wf.instances SET failed_commits = failed_commits + 1, owner = NULL, lease_until = NULL WHERE id = $1 AND fence = $2",
            [claimed.Id, claimed.Fence], CancellationToken.None);
    }

    private async Task SetAsideAsync(ClaimedInstance claimed, WorkflowState state, Exception reason)
    {
        var incident = new Incident
        {
            ActivityId = "Workflow1",
            ActivityNodeId = "Workflow1",
            ActivityInstanceId = "",
            ActivityType = "Elsa.Workflow",
            Message = reason.Message,
            Exception = ExceptionState.From(reason),
            Timestamp = time.GetUtcNow(),
        };
        var faulted = state with { Status = WorkflowStatus.Finished, SubStatus = WorkflowSubStatus.Faulted, Incidents = [.. state.Incidents, incident] };
        await using var connection = await dataSource.OpenConnectionAsync(CancellationToken.None);
        await using var transaction = await connection.BeginTransactionAsync(CancellationToken.None);
        await using var batch = new NpgsqlBatch(connection, transaction) { BatchCommands = { InstanceSql.SetAside(claimed, faulted) } };
        if (claimed is { ParentInstanceId: { } parent, ParentBookmarkId: { } bookmark })
        {
            batch.BatchCommands.Add(InstanceSql.Send(Activities.ChildWorkflow.Finished(
                claimed.Id, faulted.Status, faulted.SubStatus, WorkflowExecutionContext.Plain(faulted.Output), faulted.Incidents, parent, bookmark)));
        }

        var finished = new FinishedWorkflow(
            claimed.Id, claimed.DefinitionId, claimed.CorrelationId, WorkflowSubStatus.Faulted, WorkflowExecutionContext.Plain(faulted.Input), faulted.Incidents);
        foreach (var statement in options.Value.OnFinished?.Invoke(finished) ?? [])
            batch.BatchCommands.Add(statement);
        await batch.ExecuteNonQueryAsync(CancellationToken.None);
        if (batch.BatchCommands[0].RecordsAffected == 1)
            await transaction.CommitAsync(CancellationToken.None);
    }

    private async Task ReleaseAsync(ClaimedInstance claimed)
    {
        try
        {
            await dataSource.ExecuteAsync(
                "UPDATE wf.instances SET owner = NULL, lease_until = NULL WHERE id = $1 AND fence = $2", [claimed.Id, claimed.Fence], CancellationToken.None);
        }
        catch (NpgsqlException e)
        {
            LogBurstFailed(logger, e, claimed.Id);
        }
    }

    [LoggerMessage(1120, LogLevel.Warning, "The lease of instance {Instance} was lost during its burst; the burst was dropped.")]
    private static partial void LogLeaseLost(ILogger logger, string instance);

    [LoggerMessage(1121, LogLevel.Error, "The commit of instance {Instance} was refused ({Times} in a row).")]
    private static partial void LogRefused(ILogger logger, Exception exception, string instance, int times);

    [LoggerMessage(1122, LogLevel.Error, "Instance {Instance} cannot be run; it was set aside with an incident.")]
    private static partial void LogUnreadable(ILogger logger, Exception exception, string instance);

    [LoggerMessage(1123, LogLevel.Error, "The burst of instance {Instance} failed; it will be run again from its last commit.")]
    private static partial void LogBurstFailed(ILogger logger, Exception exception, string instance);
}
