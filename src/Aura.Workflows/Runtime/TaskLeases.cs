using System.Text.Json;
using Aura.Workflows.Storage;
using Microsoft.Extensions.Options;
using Npgsql;
using NpgsqlTypes;

namespace Aura.Workflows.Runtime;

/// <summary>What somebody outside the hosts wants to work on.</summary>
/// <param name="Owner">Who asks; never the id of a host. It is the holder's secret or made of it: whoever knows it speaks for the holder.</param>
/// <param name="Queue">A queue's name; a trailing <c>*</c> takes all queues that begin so.</param>
public sealed record TaskClaim(string Owner, string Queue)
{
    /// <summary>
    /// Only tasks whose inputs hold all values of one of these, by the inputs' names; null takes any. Text, numbers, booleans.
    /// </summary>
    public IReadOnlyList<IReadOnlyDictionary<string, object>>? Matching { get; init; }
}

/// <summary>Names one delivery of one task, and who has it.</summary>
public readonly record struct TaskLeaseKey(long TaskId, long Fence, string Owner);

/// <summary>A task that somebody outside the hosts holds.</summary>
public sealed record TaskLease
{
    public required TaskLeaseKey Key { get; init; }
    public required string InstanceId { get; init; }
    public required string? CorrelationId { get; init; }

    /// <summary>The same for every delivery of this task.</summary>
    public required string ActivityInstanceId { get; init; }
    public required string ActivityType { get; init; }

    /// <summary>The activity's inputs by name, in plain JSON form.</summary>
    public required IReadOnlyDictionary<string, object?> Inputs { get; init; }

    /// <summary>1 for the first delivery; a crash or a lost lease delivers again.</summary>
    public required int Attempt { get; init; }
    public required int MaxAttempts { get; init; }

    /// <summary>How long the lease lasts without a heartbeat. A third of it is a good pause between two.</summary>
    public required TimeSpan Lasts { get; init; }

    /// <summary>How long the delivery may take in all; then no heartbeat helps.</summary>
    public required TimeSpan Timeout { get; init; }
}

/// <summary>What a lease stands at.</summary>
public enum LeaseState
{
    Held,

    /// <summary>The task is somebody else's, or nobody's, or its time is over.</summary>
    Lost,

    /// <summary>The task is not there any more: answered, or cancelled with its activity.</summary>
    Gone,
}

/// <summary>What became of an answer.</summary>
public enum AnswerOutcome
{
    /// <summary>It counts; all of it was written.</summary>
    Accepted,

    /// <summary>The very same answer was accepted under this lease before; nothing was written now.</summary>
    Repeated,

    /// <summary>Another answer was accepted under this lease before; nothing was written now.</summary>
    Contradicted,

    /// <summary>Nothing was written.</summary>
    LeaseLost,

    /// <summary>Nothing was written: the task is not there any more.</summary>
    Gone,

    /// <summary>The lease was good, but what the answer writes was refused by the database: the activity has an incident now.</summary>
    Faulted,
}

/// <summary>
/// Durable tasks for workers outside the hosts, under the rules of the hosts' own loops: the same claim, the same lease and fence, the same
/// limits, the same commit. A process that offers it needs the loops of <c>AddTaskLeases</c>, and it never works on a task itself.
/// </summary>
public sealed class TaskLeases : IAsyncDisposable
{
    /// <summary>An extended lease ends with the task's own time at the latest.</summary>
    internal const string HeartbeatSql = """
        UPDATE wf.tasks SET lease_until = least(now() + $4, started_at + make_interval(secs => least(timeout_seconds, 1e9)))
        WHERE id = $1 AND fence = $2 AND owner = $3 AND started_at + make_interval(secs => least(timeout_seconds, 1e9)) > now()
        """;

    internal const string RemainingSql = "SELECT lease_until - now() FROM wf.tasks WHERE id = $1 AND fence = $2 AND lease_until > now()";

    internal const string ReadSql = TaskLoop.Columns + " FROM wf.tasks t JOIN wf.instances i ON i.id = t.instance_id WHERE t.id = $1 AND t.fence = $2 AND t.owner = $3";

    internal const string AnsweredSql = "SELECT hash FROM wf.task_answers WHERE task_id = $1 AND fence = $2";

    internal const string KeepAnswerSql = "INSERT INTO wf.task_answers (task_id, fence, hash) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";

    internal const string ExistsSql = "SELECT EXISTS (SELECT FROM wf.tasks WHERE id = $1)";

    /// <summary>Between two looks of one that waits: many who wait must not become a storm at every commit.</summary>
    private static readonly TimeSpan ShortestPause = TimeSpan.FromMilliseconds(100);

    /// <summary>Some of what ends a wait is told by nobody: leases that run out, pauses before a retry.</summary>
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(2);

    private readonly NpgsqlDataSource _dataSource;
    private readonly TaskAttempts _attempts;
    private readonly Pulse _pulse;
    private readonly TimeProvider _time;
    private readonly WorkflowsOptions _options;
    private readonly KeyedConnection _connection;
    private readonly SemaphoreSlim _gate = new(1);

    internal TaskLeases(NpgsqlDataSource dataSource, TaskAttempts attempts, Pulse pulse, TimeProvider time, IOptions<WorkflowsOptions> options)
    {
        (_dataSource, _attempts, _pulse, _time, _options) = (dataSource, attempts, pulse, time, options.Value);
        _connection = new(dataSource, _options.HostLease);
    }

    /// <summary>The most urgent task that fits, leased to the owner; null when there is none within the wait.</summary>
    /// <param name="wait">Zero looks once.</param>
    public async Task<TaskLease?> ClaimAsync(TaskClaim claim, TimeSpan wait, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(claim);
        var begun = _time.GetTimestamp();
        while (true)
        {
            // Taken before the look, so that a beat during the look is not lost.
            var beat = _pulse.Next;
            if (await TryClaimAsync(claim, cancellationToken) is { } lease)
                return lease;
            var left = wait - _time.GetElapsedTime(begun);
            if (left <= TimeSpan.Zero)
                return null;
            await Task.Delay(Min(left, ShortestPause), _time, cancellationToken);
            using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            await Task.WhenAny(beat, Task.Delay(Min(left, LongestPause), _time, stop.Token));
            await stop.CancelAsync();
            cancellationToken.ThrowIfCancellationRequested();
        }
    }

    /// <summary>What the holder of that lease holds; null when it does not hold it any more.</summary>
    public async Task<TaskLease?> FindAsync(TaskLeaseKey key, CancellationToken cancellationToken = default) =>
        await ReadAsync(key, cancellationToken) is { } task ? LeaseOf(task, key.Owner) : null;

    /// <summary>Says that the work goes on: a lease that is still held lasts its full time again.</summary>
    public async Task<LeaseState> HeartbeatAsync(TaskLeaseKey key, CancellationToken cancellationToken = default)
    {
        var rows = await _dataSource.ExecuteAsync(HeartbeatSql, [key.TaskId, key.Fence, key.Owner, _options.TaskLease], cancellationToken);
        return rows > 0 ? LeaseState.Held : await LossAsync(key.TaskId, cancellationToken);
    }

    /// <summary>
    /// How much longer a lease lasts if nothing is heard of its holder, a host's loop or somebody outside; null when it is not held any more.
    /// </summary>
    public async Task<TimeSpan?> RemainingAsync(long taskId, long fence, CancellationToken cancellationToken = default)
    {
        var found = await _dataSource.QueryAsync(RemainingSql, [taskId, fence], r => r.GetTimeSpan(0), cancellationToken);
        return found.Count == 0 ? null : found[0];
    }

    /// <summary>
    /// Runs a part of the task's work here, in the activity's own context, without answering: what the holder needs to begin. Statements for
    /// the unit of work are dropped.
    /// </summary>
    /// <returns>Default when the lease is not held any more.</returns>
    public async Task<TResult?> RunPartAsync<TResult>(
        TaskLeaseKey key, Func<IActivity, ActivityExecutionContext, ValueTask<TResult>> part, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(part);
        if (await ReadAsync(key, cancellationToken) is not { } task)
            return default;
        await using var scope = await _attempts.OpenAsync(task, null, cancellationToken);
        return await part(scope.Activity, scope.Context);
    }

    /// <summary>
    /// Ends the task: runs the last part of its work here, in the activity's own context, and commits what came of it. It must complete the
    /// activity, with an outcome or without; its outputs and statements go along. Whatever it throws leaves the lease as it was.
    /// </summary>
    /// <param name="hash">Of the answer: the same one may come again under the same lease.</param>
    public async Task<AnswerOutcome> AnswerAsync(
        TaskLeaseKey key, string hash, Func<IActivity, ActivityExecutionContext, ValueTask> conclude, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(hash);
        ArgumentNullException.ThrowIfNull(conclude);
        if (await ReadAsync(key, cancellationToken) is not { } task)
            return await LateAsync(key, hash, cancellationToken);
        TaskCompletion completion;
        IReadOnlyList<NpgsqlBatchCommand> effects;
        await using (var scope = await _attempts.OpenAsync(task, null, cancellationToken))
        {
            await conclude(scope.Activity, scope.Context);
            (completion, effects) = scope.Complete();
        }

        var keep = Sql.Batch(KeepAnswerSql, key.TaskId, key.Fence, hash);
        return await _attempts.AnswerAsync(task, completion, [keep, .. effects]) switch
        {
            CommitOutcome.Committed => AnswerOutcome.Accepted,
            CommitOutcome.Refused => AnswerOutcome.Faulted,
            _ => await LateAsync(key, hash, cancellationToken),
        };
    }

    /// <summary>Ends the delivery with a failure: another one after a pause, or, after the last, an incident. False when the lease was lost.</summary>
    public async Task<bool> FailAsync(TaskLeaseKey key, Exception failure, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(failure);
        if (await ReadAsync(key, cancellationToken) is not { } task)
            return false;
        var policy = TaskPolicy.Default;
        try
        {
            await using var scope = await _attempts.OpenAsync(task, null, cancellationToken);
            policy = scope.Policy;
        }
        catch (InvalidOperationException)
        {
            // The definition is what is broken; the default policy is as good as any.
        }

        return await _attempts.FailAsync(task, policy, failure);
    }

    /// <summary>Hands the task back as if it had not been claimed. False when the lease was lost.</summary>
    public async Task<bool> ReleaseAsync(TaskLeaseKey key, CancellationToken cancellationToken = default)
    {
        if (await ReadAsync(key, cancellationToken) is not { } task || await _attempts.HandBackAsync(task) == 0)
            return false;
        await _dataSource.ExecuteAsync(CommitSql.Wake, [], cancellationToken);
        return true;
    }

    public async ValueTask DisposeAsync()
    {
        await _connection.DisposeAsync();
        _gate.Dispose();
    }

    private static TimeSpan Min(TimeSpan one, TimeSpan other) => one < other ? one : other;

    private async Task<TaskLease?> TryClaimAsync(TaskClaim claim, CancellationToken cancellationToken)
    {
        while (true)
        {
            if (await ClaimOneAsync(claim, cancellationToken) is not { } task)
                return null;
            if (!await _attempts.IsPoisonAsync(task))
                return LeaseOf(task, claim.Owner);
        }
    }

    private TaskLease LeaseOf(ClaimedTask task, string owner) => new()
    {
        Key = new(task.Id, task.Fence, owner),
        InstanceId = task.InstanceId,
        CorrelationId = task.CorrelationId,
        ActivityInstanceId = task.ActivityInstanceId,
        ActivityType = task.ActivityType,
        Inputs = (Dictionary<string, object?>)WorkflowJson.ToPlain(task.Input)!,
        Attempt = task.Attempt,
        MaxAttempts = task.MaxAttempts,
        Lasts = _options.TaskLease,
        Timeout = task.Timeout,
    };

    private async Task<ClaimedTask?> ClaimOneAsync(TaskClaim claim, CancellationToken cancellationToken)
    {
        var (from, to) = TaskLoop.RangeOf(claim.Queue);
        string[] match = claim.Matching is { } any ? [.. any.Select(values => JsonSerializer.Serialize(values))] : ["{}"];
        await _gate.WaitAsync(cancellationToken);
        try
        {
            var matching = new NpgsqlParameter { Value = match, NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Jsonb };
            var claimed = await TaskLoop.ClaimAsync(
                _connection, TaskLoop.ClaimMatchingSql, [claim.Owner, from, to, 1, _options.TaskLease, matching], cancellationToken);
            return claimed.FirstOrDefault();
        }
        finally
        {
            _gate.Release();
        }
    }

    private async Task<ClaimedTask?> ReadAsync(TaskLeaseKey key, CancellationToken cancellationToken)
    {
        var found = await _dataSource.QueryAsync(ReadSql, [key.TaskId, key.Fence, key.Owner], TaskLoop.Read, cancellationToken);
        return found.Count == 0 ? null : found[0];
    }

    private async Task<AnswerOutcome> LateAsync(TaskLeaseKey key, string hash, CancellationToken cancellationToken)
    {
        var answered = await _dataSource.QueryAsync(AnsweredSql, [key.TaskId, key.Fence], r => r.GetString(0), cancellationToken);
        if (answered.Count > 0)
            return answered[0] == hash ? AnswerOutcome.Repeated : AnswerOutcome.Contradicted;
        return await LossAsync(key.TaskId, cancellationToken) == LeaseState.Gone ? AnswerOutcome.Gone : AnswerOutcome.LeaseLost;
    }

    private async Task<LeaseState> LossAsync(long taskId, CancellationToken cancellationToken) =>
        (await _dataSource.QueryAsync(ExistsSql, [taskId], r => r.GetBoolean(0), cancellationToken))[0] ? LeaseState.Lost : LeaseState.Gone;
}
