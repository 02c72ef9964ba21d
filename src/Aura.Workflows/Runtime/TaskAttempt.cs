using System.Collections.Concurrent;
using System.Text.Json;
using Aura.Workflows.Storage;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Npgsql;

namespace Aura.Workflows.Runtime;

/// <summary>The attempts under way on this host, so that a cancellation reaches them.</summary>
internal sealed class RunningTasks
{
    private readonly ConcurrentDictionary<string, Action> _cancel = new(StringComparer.Ordinal);

    public void Cancel(string taskId)
    {
        if (_cancel.TryGetValue(taskId, out var cancel))
            cancel();
    }

    public void Add(long taskId, Action cancel) => _cancel[Key(taskId)] = cancel;

    /// <summary>Forgets that attempt. A later one of the same task, begun after this one's lease was lost, stays.</summary>
    public void Remove(long taskId, Action cancel) => _cancel.TryRemove(new(Key(taskId), cancel));

    private static string Key(long taskId) => taskId.ToString(System.Globalization.CultureInfo.InvariantCulture);
}

/// <summary>
/// Runs attempts of durable tasks. The answer is one unit of the group commit: delete the task where the fence still matches,
/// post the result to the instance, write the effects. No row hit means that the lease was lost: nothing is written.
/// </summary>
internal sealed partial class TaskAttempts(
    NpgsqlDataSource dataSource, DefinitionStore definitions, GroupCommitter committer, IServiceScopeFactory scopes, RunningTasks running,
    TimeProvider time, IOptions<WorkflowsOptions> options, ILogger<TaskAttempts> logger)
{
    internal const string HeartbeatSql = "UPDATE wf.tasks SET lease_until = now() + $3 WHERE id = $1 AND fence = $2";

    internal const string RetryLaterSql =
        "UPDATE wf.tasks SET owner = NULL, lease_until = NULL, available_at = now() + $3, last_error = $4 WHERE id = $1 AND fence = $2";

    internal const string HandBackSql = "UPDATE wf.tasks SET owner = NULL, lease_until = NULL, attempt = attempt - 1 WHERE id = $1 AND fence = $2";

    /// <param name="abandon">The host stops and has waited long enough: hand the task back.</param>
    public async Task RunAsync(ClaimedTask task, CancellationToken abandon)
    {
        try
        {
            if (await IsPoisonAsync(task))
                return;

            using var attempt = new Attempt(task, running, time);
            await AttemptAsync(task, attempt, abandon);
        }
        // The edge of a task: the database is away. The lease runs out and the task is delivered again.
        catch (Exception e)
        {
            LogTaskFailed(logger, e, task.Id, task.InstanceId, task.Attempt);
        }
    }

    /// <summary>Every earlier attempt ended with its process: the task itself may be what kills it. It is answered with an incident.</summary>
    public async Task<bool> IsPoisonAsync(ClaimedTask task)
    {
        if (task.Attempt <= task.MaxAttempts)
            return false;
        var poison = new InvalidOperationException(
            $"The task was delivered {task.MaxAttempts} times and never answered. Last error: {task.LastError ?? "none recorded"}.");
        await AnswerAsync(task, new() { Exception = ExceptionState.From(poison), Attempt = task.Attempt }, []);
        return true;
    }

    private async Task AttemptAsync(ClaimedTask task, Attempt attempt, CancellationToken abandon)
    {
        using var body = CancellationTokenSource.CreateLinkedTokenSource(abandon, attempt.Withdrawn.Token, attempt.TimedOut.Token);
        using var ended = new CancellationTokenSource();
        var policy = TaskPolicy.Default;
        var heartbeat = HoldLeaseAsync(task, attempt, ended.Token);
        TaskCompletion? completion = null;
        IReadOnlyList<NpgsqlBatchCommand> effects = [];
        Exception? failure = null;
        try
        {
            await using var scope = await OpenAsync(task, attempt.Heartbeat, body.Token);
            policy = scope.Policy;
            attempt.ExpectHeartbeats(policy.Heartbeat);
            await scope.Activity.ExecuteAsync(scope.Context);
            (completion, effects) = scope.Complete();
        }
        // The edge of a task: whatever its body throws becomes a retry or an incident.
        catch (Exception e)
        {
            failure = attempt.TimedOut.IsCancellationRequested ? new TimeoutException(attempt.Silent
                ? $"The task gave no heartbeat for {policy.Heartbeat!.Value.TotalSeconds:0} s."
                : $"The task took longer than {task.Timeout.TotalSeconds:0} s.", e) : e;
        }
        finally
        {
            await ended.CancelAsync();
            await heartbeat;
        }

        if (attempt.Withdrawn.IsCancellationRequested)
            LogLeaseLost(logger, task.Id, task.InstanceId, task.Attempt);
        else if (completion is not null)
            await AnswerAsync(task, completion, effects);
        else if (abandon.IsCancellationRequested)
            await HandBackAsync(task);
        else
            await FailAsync(task, policy, failure!);
    }

    /// <summary>The attempt has failed: another one later, or an incident. False when the lease was lost.</summary>
    public async Task<bool> FailAsync(ClaimedTask task, TaskPolicy policy, Exception failure) =>
        task.Attempt < task.MaxAttempts && policy.MayRetry(task.Attempt, failure)
            ? await RetryLaterAsync(task, policy, failure) > 0
            : await AnswerAsync(task, new() { Exception = ExceptionState.From(failure), Attempt = task.Attempt }, []) is not CommitOutcome.LeaseLost;

    /// <summary>The task's activity, with a context and services of its own: what an attempt runs in.</summary>
    public async Task<TaskScope> OpenAsync(ClaimedTask task, Action? onHeartbeat, CancellationToken cancellationToken)
    {
        var graph = await definitions.GraphAsync(task.DefinitionVersionId, cancellationToken);
        var node = graph.Find(task.NodeId) ?? throw new InvalidOperationException($"The definition has no activity '{task.NodeId}'.");
        var scope = scopes.CreateAsyncScope();
        scope.ServiceProvider.GetRequiredService<CurrentTask>().Value =
            new(task.Id, task.InstanceId, task.ActivityInstanceId, task.Attempt, task.MaxAttempts) { Fence = task.Fence, OnHeartbeat = onHeartbeat };
        var workflow = new WorkflowExecutionContext(task.InstanceId, graph, task.CorrelationId, scope.ServiceProvider, cancellationToken, time) { Detached = new() };
        var context = new ActivityExecutionContext(workflow, null, node, task.ActivityInstanceId) { Status = ActivityStatus.Running };
        context.Restore(null, (Dictionary<string, object?>)WorkflowJson.ToPlain(task.Input)!, null);
        return new(task, scope, context);
    }

    private async Task HoldLeaseAsync(ClaimedTask task, Attempt attempt, CancellationToken ended)
    {
        using var timer = new PeriodicTimer(options.Value.TaskLease / 3, time);
        try
        {
            while (await timer.WaitForNextTickAsync(ended))
            {
                try
                {
                    var rows = await dataSource.ExecuteAsync(
                        HeartbeatSql, [task.Id, task.Fence, options.Value.TaskLease], ended);
                    if (rows > 0)
                        continue;
                    attempt.Withdraw();
                    return;
                }
                catch (NpgsqlException e)
                {
                    // One missed heartbeat is no lost lease: the answer's fence decides.
                    LogHeartbeatFailed(logger, e, task.Id);
                }
            }
        }
        catch (OperationCanceledException)
        {
            // The body has ended.
        }
    }

    public async Task<CommitOutcome> AnswerAsync(ClaimedTask task, TaskCompletion completion, IReadOnlyList<NpgsqlBatchCommand> effects)
    {
        var outcome = await committer.CommitAsync(new()
        {
            Task = new(task.Id, task.Fence, task.ActivityType),
            Messages = [new(task.InstanceId, MessageKind.Task, task.ActivityInstanceId, completion)],
            Effects = effects,
        }, CancellationToken.None);
        switch (outcome)
        {
            case CommitOutcome.LeaseLost:
                LogLeaseLost(logger, task.Id, task.InstanceId, task.Attempt);
                break;
            case CommitOutcome.Refused refused when completion.Exception is null:
                // The effects cannot be written: an incident that says so, instead of the same failure at every delivery.
                var incident = await AnswerAsync(task, new() { Exception = ExceptionState.From(refused.Reason), Attempt = task.Attempt }, []);
                // Statements run before it is known whose the task is: what they stumbled over may be what the new holder has written.
                return incident is CommitOutcome.LeaseLost ? incident : refused;
        }

        return outcome;
    }

    private async Task<int> RetryLaterAsync(ClaimedTask task, TaskPolicy policy, Exception failure)
    {
        var delay = policy.DelayAfter(task.Attempt, options.Value.TaskBackoff, Random.Shared.NextDouble());
        var rows = await dataSource.ExecuteAsync(
            RetryLaterSql, [task.Id, task.Fence, delay, failure.Message], CancellationToken.None);
        if (rows > 0)
            LogRetry(logger, failure, task.Id, task.InstanceId, task.Attempt, task.MaxAttempts, delay.TotalSeconds);
        else
            LogLeaseLost(logger, task.Id, task.InstanceId, task.Attempt);
        return rows;
    }

    /// <summary>The host stops: the attempt does not count.</summary>
    public Task<int> HandBackAsync(ClaimedTask task) => dataSource.ExecuteAsync(
        HandBackSql, [task.Id, task.Fence], CancellationToken.None);

    [LoggerMessage(1130, LogLevel.Warning, "The lease of task {Task} of instance {Instance} was lost in attempt {Attempt}; its result was discarded.")]
    private static partial void LogLeaseLost(ILogger logger, long task, string instance, int attempt);

    [LoggerMessage(1131, LogLevel.Error, "Task {Task} of instance {Instance} could not be finished in attempt {Attempt}; it will be delivered again.")]
    private static partial void LogTaskFailed(ILogger logger, Exception exception, long task, string instance, int attempt);

    [LoggerMessage(1132, LogLevel.Warning, "Task {Task} of instance {Instance} failed in attempt {Attempt} of {MaxAttempts}; next try in {Delay:0.0} s.")]
    private static partial void LogRetry(ILogger logger, Exception exception, long task, string instance, int attempt, int maxAttempts, double delay);

    [LoggerMessage(1133, LogLevel.Warning, "A heartbeat of task {Task} failed.")]
    private static partial void LogHeartbeatFailed(ILogger logger, Exception exception, long task);

    /// <summary>The reasons for which an attempt may end early.</summary>
    private sealed class Attempt : IDisposable
    {
        private readonly long _taskId;
        private readonly RunningTasks _running;
        private readonly TimeProvider _time;
        private TimeSpan? _expected;
        private ITimer? _silence;

        public Attempt(ClaimedTask task, RunningTasks running, TimeProvider time)
        {
            _taskId = task.Id;
            _running = running;
            _time = time;
            TimedOut = new(task.Timeout, time);
            running.Add(_taskId, Withdraw);
        }

        /// <summary>The lease was lost, or the task was cancelled with its activity: no answer is wanted any more.</summary>
        public CancellationTokenSource Withdrawn { get; } = new();

        /// <summary>Too long, or too long without a heartbeat.</summary>
        public CancellationTokenSource TimedOut { get; }

        public bool Silent { get; private set; }

        public void Withdraw()
        {
            try
            {
                Withdrawn.Cancel();
            }
            catch (ObjectDisposedException)
            {
                // Cancelled in the moment in which it ended.
            }
        }

        public void ExpectHeartbeats(TimeSpan? within)
        {
            _expected = within;
            if (within is { } limit)
                _silence = _time.CreateTimer(_ => OnSilence(), null, limit, Timeout.InfiniteTimeSpan);
        }

        public void Heartbeat()
        {
            if (_expected is { } limit)
                _silence?.Change(limit, Timeout.InfiniteTimeSpan);
        }

        public void Dispose()
        {
            _running.Remove(_taskId, Withdraw);
            _silence?.Dispose();
            Withdrawn.Dispose();
            TimedOut.Dispose();
        }

        private void OnSilence()
        {
            Silent = true;
            try
            {
                TimedOut.Cancel();
            }
            catch (ObjectDisposedException)
            {
                // The attempt has just ended.
            }
        }
    }
}

/// <summary>What one attempt, or a part of it, runs in.</summary>
internal sealed class TaskScope(ClaimedTask task, AsyncServiceScope services, ActivityExecutionContext context) : IAsyncDisposable
{
    public ActivityExecutionContext Context => context;

    public IActivity Activity => context.Activity;

    public TaskPolicy Policy => TaskPolicy.Of(Activity);

    /// <summary>What the activity came to, and the statements that it wants in the commit.</summary>
    public (TaskCompletion Completion, IReadOnlyList<NpgsqlBatchCommand> Effects) Complete()
    {
        var workflow = context.WorkflowExecutionContext;
        var outcomes = workflow.Detached!.Outcomes
            ?? throw new InvalidOperationException($"Activity '{Activity.Id}' returned without completing; a durable task cannot wait.");
        return (new()
        {
            Outcomes = outcomes.Names,
            IsDefault = outcomes.IsDefault,
            Outputs = WorkflowExecutionContext.Json(context.StoredOutputs ?? new Dictionary<string, object?>()),
            JournalData = WorkflowExecutionContext.Json(context.StoredJournalData ?? new Dictionary<string, object?>()),
            Compensations = [.. workflow.Compensations.Select(StateCodec.Stored)],
            Attempt = task.Attempt,
        }, services.ServiceProvider.GetRequiredService<UnitOfWork>().Take());
    }

    public ValueTask DisposeAsync() => services.DisposeAsync();
}

/// <summary>Carries the durable task into the scope of its attempt.</summary>
internal sealed class CurrentTask
{
    public DurableTask? Value { get; set; }
}
