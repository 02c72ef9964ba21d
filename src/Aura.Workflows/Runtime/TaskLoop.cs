using System.Collections.Concurrent;
using System.Text.Json;
using Aura.Workflows.Storage;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Npgsql;

namespace Aura.Workflows.Runtime;

/// <summary>A queue that this host works on, and how many tasks of it at a time.</summary>
/// <param name="Queue">A queue's name; a trailing <c>*</c> takes all queues that begin so.</param>
public sealed record TaskQueue(string Queue, int Concurrency);

internal sealed record ClaimedTask(
    long Id, string InstanceId, string DefinitionVersionId, string? CorrelationId, string ActivityInstanceId, string NodeId, string ActivityType, JsonElement Input, int Attempt,
    int MaxAttempts, TimeSpan Timeout, long Fence, string? LastError);

/// <summary>
/// Works on durable tasks of one queue. Completion is one transaction: delete the task where the fence still matches,
/// post the result to the instance, write the effects. No row hit means that the lease was lost: nothing is written.
/// </summary>
internal sealed partial class TaskLoop(
    TaskQueue queue, NpgsqlDataSource dataSource, DefinitionStore definitions, HostIdentity host, IServiceScopeFactory scopes, FaultPoints faults, Pulse pulse,
    TimeProvider time, IOptions<WorkflowsOptions> options, ILogger<TaskLoop> logger) : ILoop
{
    private const string ClaimSql = """
        WITH next AS (
            SELECT t.id FROM wf.tasks t
            WHERE t.queue LIKE $2 AND t.available_at <= now() AND (t.lease_until IS NULL OR t.lease_until < now())
            ORDER BY t.available_at, t.id LIMIT $3 FOR UPDATE SKIP LOCKED
        )
        UPDATE wf.tasks t SET owner = $1, fence = t.fence + 1, attempt = t.attempt + 1, lease_until = now() + $4, started_at = now()
        FROM next, wf.instances i WHERE t.id = next.id AND i.id = t.instance_id
        RETURNING t.id, t.instance_id, i.definition_version_id, i.correlation_id, t.activity_instance_id, t.node_id, t.activity_type, t.input, t.attempt, t.max_attempts,
                  t.timeout_seconds, t.fence, t.last_error
        """;

    private readonly ConcurrentDictionary<long, Task> _inFlight = new();

    public string Name => $"tasks:{queue.Queue}";

    public TimeSpan Interval => options.Value.PollInterval;

    public async Task<int> RunOnceAsync(CancellationToken cancellationToken)
    {
        var room = queue.Concurrency - _inFlight.Count;
        if (room <= 0)
        {
            await Task.WhenAny(_inFlight.Values).WaitAsync(cancellationToken);
            return 1;
        }

        var pattern = queue.Queue.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("%", "\\%", StringComparison.Ordinal).Replace("_", "\\_", StringComparison.Ordinal);
        if (pattern.EndsWith('*'))
            pattern = pattern[..^1] + "%";
        var claimed = await dataSource.QueryAsync(ClaimSql, [host.Id, pattern, room, options.Value.TaskLease], r => new ClaimedTask(
            r.GetInt64(0), r.GetString(1), r.GetString(2), r.Text(3), r.GetString(4), r.GetString(5), r.GetString(6), r.Json(7)!.Value,
            r.GetInt32(8), r.GetInt32(9), TimeSpan.FromSeconds(r.GetDouble(10)), r.GetInt64(11), r.Text(12)), cancellationToken);
        foreach (var task in claimed)
        {
            _inFlight[task.Id] = Task.Run(() => WorkAsync(task, cancellationToken), CancellationToken.None)
                .ContinueWith(_ => _inFlight.TryRemove(task.Id, out Task? _), CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default);
        }

        return claimed.Count;
    }

    public async Task DrainAsync() => await Task.WhenAll(_inFlight.Values);

    private async Task WorkAsync(ClaimedTask task, CancellationToken stopping)
    {
        try
        {
            if (task.Attempt > task.MaxAttempts)
            {
                // Every earlier attempt ended with its process: the task itself may be what kills it.
                var poison = new InvalidOperationException(
                    $"The task was delivered {task.MaxAttempts} times and never answered. Last error: {task.LastError ?? "none recorded"}.");
                await CompleteAsync(task, new() { Exception = ExceptionState.From(poison), Attempt = task.Attempt }, []);
                return;
            }

            await RunAsync(task, stopping);
        }
        // The edge of a task: the database is away. The lease runs out and the task is delivered again.
        catch (Exception e)
        {
            LogTaskFailed(logger, e, task.Id, task.InstanceId, task.Attempt);
        }
    }

    private async Task RunAsync(ClaimedTask task, CancellationToken stopping)
    {
        using var leaseLost = new CancellationTokenSource();
        using var timeout = new CancellationTokenSource(task.Timeout, time);
        using var body = CancellationTokenSource.CreateLinkedTokenSource(stopping, leaseLost.Token, timeout.Token);
        using var bodyEnded = new CancellationTokenSource();
        var heartbeat = HeartbeatAsync(task, leaseLost, bodyEnded.Token);
        TaskCompletion? completion = null;
        IReadOnlyList<NpgsqlBatchCommand> effects = [];
        Exception? failure = null;
        try
        {
            await using var scope = scopes.CreateAsyncScope();
            scope.ServiceProvider.GetRequiredService<CurrentTask>().Value =
                new(task.Id, task.InstanceId, task.ActivityInstanceId, task.Attempt, task.MaxAttempts);
            completion = await ExecuteAsync(task, scope.ServiceProvider, body.Token);
            effects = scope.ServiceProvider.GetRequiredService<UnitOfWork>().Statements;
        }
        // The edge of a task: whatever its body throws becomes a retry or an incident.
        catch (Exception e)
        {
            failure = timeout.IsCancellationRequested && !stopping.IsCancellationRequested
                ? new TimeoutException($"The task took longer than {task.Timeout.TotalSeconds:0} s.", e)
                : e;
        }
        finally
        {
            await bodyEnded.CancelAsync();
            await heartbeat;
        }

        if (leaseLost.IsCancellationRequested)
            LogLeaseLost(logger, task.Id, task.InstanceId, task.Attempt);
        else if (completion is not null)
            await CompleteAsync(task, completion, effects);
        else if (stopping.IsCancellationRequested)
            await HandBackAsync(task);
        else if (task.Attempt < task.MaxAttempts)
            await RetryLaterAsync(task, failure!);
        else
            await CompleteAsync(task, new() { Exception = ExceptionState.From(failure), Attempt = task.Attempt }, []);
    }

    private async Task<TaskCompletion> ExecuteAsync(ClaimedTask task, IServiceProvider services, CancellationToken cancellationToken)
    {
        var graph = await definitions.GraphAsync(task.DefinitionVersionId, cancellationToken);
        var node = graph.Find(task.NodeId) ?? throw new InvalidOperationException($"The definition has no activity '{task.NodeId}'.");
        var workflow = new WorkflowExecutionContext(task.InstanceId, graph, new(), task.CorrelationId, services, cancellationToken) { Detached = new() };
        var context = new ActivityExecutionContext(task.ActivityInstanceId, workflow, null, node)
        {
            Status = ActivityStatus.Running,
            ActivityState = (Dictionary<string, object?>)WorkflowJson.ToPlain(task.Input)!,
        };
        await node.Activity.ExecuteAsync(context);
        var outcomes = workflow.Detached.Outcomes
            ?? throw new InvalidOperationException($"Activity '{node.Activity.Id}' returned without completing; a durable task cannot wait.");
        return new()
        {
            Outcomes = outcomes.Names,
            IsDefault = outcomes.IsDefault,
            Outputs = WorkflowExecutionContext.Json(context.Outputs),
            JournalData = WorkflowExecutionContext.Json(context.JournalData),
            Attempt = task.Attempt,
        };
    }

    private async Task HeartbeatAsync(ClaimedTask task, CancellationTokenSource leaseLost, CancellationToken ended)
    {
        using var timer = new PeriodicTimer(options.Value.TaskLease / 3, time);
        try
        {
            while (await timer.WaitForNextTickAsync(ended))
            {
                try
                {
                    var rows = await dataSource.ExecuteAsync(
                        "UPDATE wf.tasks SET lease_until = now() + $3 WHERE id = $1 AND fence = $2", [task.Id, task.Fence, options.Value.TaskLease], ended);
                    if (rows == 0)
                    {
                        await leaseLost.CancelAsync();
                        return;
                    }
                }
                catch (NpgsqlException e)
                {
                    // One missed heartbeat is no lost lease: the completion's fence decides.
                    LogHeartbeatFailed(logger, e, task.Id);
                }
            }
        }
        catch (OperationCanceledException)
        {
            // The body has ended.
        }
    }

    private async Task CompleteAsync(ClaimedTask task, TaskCompletion completion, IReadOnlyList<NpgsqlBatchCommand> effects)
    {
        await using var connection = await dataSource.OpenConnectionAsync();
        await using var transaction = await connection.BeginTransactionAsync();
        await using var batch = new NpgsqlBatch(connection, transaction)
        {
            BatchCommands =
            {
                Sql.Batch("DELETE FROM wf.tasks WHERE id = $1 AND fence = $2", task.Id, task.Fence),
                InstanceSql.Send(new(task.InstanceId, MessageKind.Task, task.ActivityInstanceId, completion)),
                WorkflowClient.Wake(),
            },
        };
        foreach (var effect in effects)
            batch.BatchCommands.Add(effect);
        try
        {
            await batch.ExecuteNonQueryAsync();
        }
        catch (PostgresException e) when (!e.IsTransient && effects.Count > 0)
        {
            // The effects cannot be written: an incident that says so, instead of the same failure at every delivery.
            await transaction.RollbackAsync();
            await CompleteAsync(task, new() { Exception = ExceptionState.From(e), Attempt = task.Attempt }, []);
            return;
        }

        if (batch.BatchCommands[0].RecordsAffected != 1)
        {
            LogLeaseLost(logger, task.Id, task.InstanceId, task.Attempt);
            return;
        }

        faults.Pass("task-commit:" + task.ActivityType);
        await transaction.CommitAsync();
        faults.Pass("task-committed:" + task.ActivityType);
        pulse.Beat();
    }

    private async Task RetryLaterAsync(ClaimedTask task, Exception failure)
    {
        var delay = TaskRetry.DelayAfter(task.Attempt, options.Value.TaskBackoff, Random.Shared.NextDouble());
        LogRetry(logger, failure, task.Id, task.InstanceId, task.Attempt, task.MaxAttempts, delay.TotalSeconds);
        await dataSource.ExecuteAsync(
            "UPDATE wf.tasks SET owner = NULL, lease_until = NULL, available_at = now() + $3, last_error = $4 WHERE id = $1 AND fence = $2",
            [task.Id, task.Fence, delay, failure.Message], CancellationToken.None);
    }

    /// <summary>The host stops: the attempt does not count.</summary>
    private Task<int> HandBackAsync(ClaimedTask task) => dataSource.ExecuteAsync(
        "UPDATE wf.tasks SET owner = NULL, lease_until = NULL, attempt = attempt - 1 WHERE id = $1 AND fence = $2", [task.Id, task.Fence], CancellationToken.None);

    [LoggerMessage(1130, LogLevel.Warning, "The lease of task {Task} of instance {Instance} was lost in attempt {Attempt}; its result was discarded.")]
    private static partial void LogLeaseLost(ILogger logger, long task, string instance, int attempt);

    [LoggerMessage(1131, LogLevel.Error, "Task {Task} of instance {Instance} could not be finished in attempt {Attempt}; it will be delivered again.")]
    private static partial void LogTaskFailed(ILogger logger, Exception exception, long task, string instance, int attempt);

    [LoggerMessage(1132, LogLevel.Warning, "Task {Task} of instance {Instance} failed in attempt {Attempt} of {MaxAttempts}; next try in {Delay:0.0} s.")]
    private static partial void LogRetry(ILogger logger, Exception exception, long task, string instance, int attempt, int maxAttempts, double delay);

    [LoggerMessage(1133, LogLevel.Warning, "A heartbeat of task {Task} failed.")]
    private static partial void LogHeartbeatFailed(ILogger logger, Exception exception, long task);
}

/// <summary>When a failed task is tried again: doubling from the base, at most a minute, with up to a quarter of jitter.</summary>
internal static class TaskRetry
{
    private static readonly TimeSpan Longest = TimeSpan.FromMinutes(1);

    /// <param name="attempt">The attempt that failed, from 1.</param>
    /// <param name="random">0 ≤ random &lt; 1.</param>
    public static TimeSpan DelayAfter(int attempt, TimeSpan first, double random)
    {
        var doubled = first * Math.Pow(2, Math.Min(attempt - 1, 20));
        return (doubled < Longest ? doubled : Longest) * (1 + (random / 4));
    }
}

/// <summary>Carries the durable task into the scope of its attempt.</summary>
internal sealed class CurrentTask
{
    public DurableTask? Value { get; set; }
}
