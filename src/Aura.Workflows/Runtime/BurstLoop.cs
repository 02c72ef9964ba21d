using System.Collections.Concurrent;
using System.Diagnostics;
using System.Text.Json;
using Aura.Workflows.Definitions;
using Aura.Workflows.Storage;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Npgsql;

namespace Aura.Workflows.Runtime;

/// <summary>
/// Claims instances that have due messages, runs their bursts and hands the results to the committer.
/// An instance is in one burst at a time: the claim sets its owner and raises the fence.
/// </summary>
internal sealed partial class BurstLoop(
    NpgsqlDataSource dataSource, DefinitionStore definitions, GroupCommitter committer, HostIdentity host, IServiceScopeFactory scopes,
    TimeProvider time, IOptions<WorkflowsOptions> options, ILogger<BurstLoop> logger) : ILoop, IAsyncDisposable
{
    /// <summary>
    /// Only a host whose row stands may own anything, and the row cannot be reaped before this has committed: what nobody can reap,
    /// nobody would ever free. An instance whose fence has moved between the look and the lock is left alone: another host has run it
    /// meanwhile, and the messages that this statement sees may be used up.
    /// Written so that there is one way to run it, whatever the planner believes of the tables: messages in the order of their time, each
    /// instance by its key, its messages by its id (the sum hides the time from the other index).
    /// </summary>
    internal const string ClaimSql = """
        WITH me AS MATERIALIZED (
            SELECT id FROM wf.hosts WHERE id = $1 FOR KEY SHARE
        ), due AS MATERIALIZED (
            SELECT m.instance_id, i.fence
            FROM (SELECT instance_id FROM wf.messages WHERE due_at >= $3 AND due_at <= now() ORDER BY due_at OFFSET 0) m
            CROSS JOIN LATERAL (SELECT fence FROM wf.instances i WHERE i.id = m.instance_id AND i.status = 'Running' AND i.owner IS NULL OFFSET 0) i
            LIMIT $2
        ), locked AS MATERIALIZED (
            SELECT i.id FROM (SELECT DISTINCT instance_id, fence FROM due) d
            CROSS JOIN LATERAL (
                SELECT id FROM wf.instances i
                WHERE i.id = d.instance_id AND i.fence = d.fence AND i.status = 'Running' AND i.owner IS NULL AND EXISTS (SELECT FROM me)
                FOR UPDATE SKIP LOCKED) i
        ), claimed AS (
            UPDATE wf.instances i SET owner = $1, fence = fence + 1 FROM locked WHERE i.id = locked.id
            RETURNING i.id, i.definition_id, i.definition_version_id, i.correlation_id, i.parent_instance_id, i.parent_bookmark_id, i.activation_key,
                      i.fence, i.failed_commits, i.state
        )
        SELECT c.*, m.id, m.kind, m.target, m.payload FROM claimed c
        CROSS JOIN LATERAL (SELECT * FROM wf.messages m WHERE m.instance_id = c.id AND m.due_at + interval '0' <= now() OFFSET 0) m
        ORDER BY c.id, m.id
        """;

    /// <summary>
    /// The time below which no instance that runs has a due message. Messages that are used up stay in the index until the server's vacuum
    /// comes: thousands a second, which every claim would have to pass. The second is for transactions under way, whose messages bear the time
    /// of their beginning; what commits even later is found by the next look.
    /// </summary>
    internal const string FloorSql = """
        SELECT least(now() - interval '1 second', (
            SELECT m.due_at FROM (SELECT instance_id, due_at FROM wf.messages WHERE due_at <= now() ORDER BY due_at OFFSET 0) m
            CROSS JOIN LATERAL (SELECT FROM wf.instances i WHERE i.id = m.instance_id AND i.status = 'Running' OFFSET 0) i
            LIMIT 1))
        """;

    private static readonly TimeSpan FloorAge = TimeSpan.FromSeconds(1);

    /// <summary>Gives a lease back. The start message makes sure that somebody looks: checkpoints may have used up what woke it.</summary>
    internal const string ReleaseSql = """
        WITH freed AS (
            UPDATE wf.instances SET owner = NULL, fence = fence + 1, failed_commits = failed_commits + $4
            WHERE id = $1 AND fence = $2 AND owner = $3 AND status = 'Running' RETURNING id)
        INSERT INTO wf.messages (instance_id, kind) SELECT id, 'Start' FROM freed
        """;

    /// <summary>Frees what this host owns and does not run. A burst under an older lease of the same instance does not count.</summary>
    internal const string FreeForgottenSql = HostLiveness.FreeInstancesSql
        + " AND NOT EXISTS (SELECT FROM unnest($2::text[], $3::bigint[]) AS r(id, fence) WHERE r.id = instances.id AND r.fence = instances.fence) RETURNING id) "
        + HostLiveness.TellFreedSql;

    private readonly ConcurrentDictionary<(string Id, long Fence), Task> _inFlight = new();
    private readonly CancellationTokenSource _abandon = new();
    private readonly KeyedConnection _connection = new(dataSource, options.Value.HostLease);
    private (DateTime Time, long AsOf)? _floor;
    private volatile bool _stopping;
    private volatile bool _suspectsLeases;

    public string Name => "bursts";

    public TimeSpan Interval => options.Value.PollInterval;

    /// <summary>Whether this host runs bursts now and has room for one more.</summary>
    /// <remarks>A quarter is left for what waits in the database: starts of this host must not starve it.</remarks>
    public bool HasRoom => !_stopping && _inFlight.Count < Math.Max(1, options.Value.MaxBursts * 3 / 4);

    /// <summary>Bursts under way.</summary>
    public int InFlight => _inFlight.Count;

    /// <summary>Ends when one of the bursts under way does.</summary>
    public Task OneDoneAsync() => _inFlight.Values.FirstOrDefault() ?? Task.CompletedTask;

    /// <summary>
    /// Says that a statement which gives or takes a lease was cut off: this host may own instances that it does not run.
    /// </summary>
    public void SuspectLeases() => _suspectsLeases = true;

    public async Task<int> RunOnceAsync(CancellationToken cancellationToken)
    {
        if (_suspectsLeases)
            await FreeForgottenAsync(cancellationToken);
        var room = options.Value.MaxBursts - _inFlight.Count;
        if (room <= options.Value.MaxBursts / 8)
        {
            // Not at every burst that ends: a claim costs the same for one instance as for many.
            await Task.WhenAny([.. _inFlight.Values, Task.Delay(TimeSpan.FromMilliseconds(100), time, cancellationToken)]);
            await Task.Delay(TimeSpan.FromMilliseconds(1), time, cancellationToken);
            return 1;
        }

        IReadOnlyList<ClaimedInstance> claimed;
        try
        {
            claimed = await ClaimAsync(room, cancellationToken);
        }
        catch (Exception e)
        {
            SuspectLeases();
            await _connection.RecoverAsync(e);
            throw;
        }

        foreach (var instance in claimed)
            Run(instance);
        return claimed.Count;
    }

    /// <summary>Runs an instance whose lease this host holds.</summary>
    public void Run(ClaimedInstance claimed)
    {
        // Entered before it starts: a burst that is over at once must find itself.
        var done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        _inFlight[(claimed.Id, claimed.Fence)] = done.Task;
        _ = Task.Run(async () =>
        {
            try
            {
                await RunAsync(claimed, _abandon.Token);
            }
            // The edge of a burst that could not even be given back: whoever owns it now, it is not lost.
            catch (Exception e)
            {
                SuspectLeases();
                LogBurstFailed(logger, e, claimed.Id);
            }
            finally
            {
                _inFlight.TryRemove((claimed.Id, claimed.Fence), out _);
                done.SetResult();
            }
        });
    }

    /// <summary>Waits for the bursts in flight; those that take too long are given up and go on from their last commit elsewhere.</summary>
    public async Task DrainAsync()
    {
        _stopping = true;
        var all = Task.WhenAll(_inFlight.Values);
        if (await Task.WhenAny(all, Task.Delay(options.Value.DrainTimeout, time)) != all)
            await _abandon.CancelAsync();
        await all;
    }

    public ValueTask DisposeAsync()
    {
        _abandon.Dispose();
        return _connection.DisposeAsync();
    }

    private async Task<IReadOnlyList<ClaimedInstance>> ClaimAsync(int count, CancellationToken cancellationToken)
    {
        var instances = new List<ClaimedInstance>();
        var messages = new List<Message>();
        var connection = await _connection.OpenAsync(cancellationToken);
        if (_floor is not { } floor || Stopwatch.GetElapsedTime(floor.AsOf) > FloorAge)
        {
            var asOf = Stopwatch.GetTimestamp();
            await using var look = new NpgsqlCommand(FloorSql, connection);
            await look.PrepareAsync(cancellationToken);
            _floor = floor = ((DateTime)(await look.ExecuteScalarAsync(cancellationToken))!, asOf);
        }

        await using var command = new NpgsqlCommand(ClaimSql, connection);
        command.Parameters.Add(new() { Value = host.Id });
        command.Parameters.Add(new() { Value = count });
        command.Parameters.Add(new() { Value = floor.Time });
        await command.PrepareAsync(cancellationToken);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        while (await reader.ReadAsync(cancellationToken))
        {
            var id = reader.GetString(0);
            if (instances.Count == 0 || instances[^1].Id != id)
            {
                messages = [];
                instances.Add(new(
                    id, reader.GetString(1), reader.GetString(2), reader.Text(3), reader.Text(4), reader.Text(5), reader.Text(6), host.Id,
                    reader.GetInt64(7), reader.GetInt32(8), reader.Utf8(9))
                { Messages = messages });
            }

            messages.Add(new(reader.GetInt64(10), Enum.Parse<MessageKind>(reader.GetString(11)), reader.Text(12), reader.Json(13)));
        }

        return instances;
    }

    private async Task RunAsync(ClaimedInstance claimed, CancellationToken cancellationToken)
    {
        var state = claimed.State;
        try
        {
            await using var scope = scopes.CreateAsyncScope();
            var work = scope.ServiceProvider.GetRequiredService<UnitOfWork>();
            CommitUnit unit;
            try
            {
                var (workflow, migration) = await LoadAsync(claimed, scope.ServiceProvider, cancellationToken);
                work.Add(migration);
                await BurstRunner.RunAsync(workflow, claimed.Messages, CheckpointAsync);
                unit = CommitUnit.Of(claimed, workflow, [.. work.Take(), .. EndEffects(claimed, workflow)], keepLease: false);

                async ValueTask CheckpointAsync()
                {
                    var checkpoint = CommitUnit.Of(claimed, workflow, work.Take(), keepLease: true);
                    CommitOutcome outcome;
                    try
                    {
                        outcome = await committer.CommitAsync(checkpoint, cancellationToken);
                    }
                    // Whatever the connection died of, the instance is not to blame.
                    catch (Exception e) when (e is not OperationCanceledException)
                    {
                        throw new BurstInterruptedException("A checkpoint could not be committed.", e);
                    }

                    switch (outcome)
                    {
                        case CommitOutcome.Committed:
                            state = checkpoint.Instance!.State;
                            break;
                        case CommitOutcome.Refused refused:
                            throw new CommitFailedException("A checkpoint was refused.", refused.Reason);
                        default:
                            throw new CommitFailedException("The lease was lost before a checkpoint.");
                    }
                }
            }
            // Not an activity's fault (those are caught inside): the definition or the state cannot be read. It must not be tried for ever.
            catch (Exception e) when (e is not OperationCanceledException and not NpgsqlException and not CommitFailedException and not BurstInterruptedException)
            {
                LogUnreadable(logger, e, claimed.Id);
                await SetAsideAsync(claimed, state, e);
                return;
            }

            switch (await committer.CommitAsync(unit, cancellationToken))
            {
                case CommitOutcome.LeaseLost:
                    LogLeaseLost(logger, claimed.Id);
                    break;
                case CommitOutcome.Refused refused:
                    await RefusedAsync(claimed, state, refused.Reason);
                    break;
            }
        }
        catch (CommitFailedException e) when (e.InnerException is { } reason)
        {
            await RefusedAsync(claimed, state, reason);
        }
        catch (CommitFailedException)
        {
            LogLeaseLost(logger, claimed.Id);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            await ReleaseAsync(claimed);
        }
        // The edge of a burst: the database was away. Given back now or when the host is taken for dead, the burst is run again.
        catch (Exception e)
        {
            LogBurstFailed(logger, e, claimed.Id);
            await ReleaseAsync(claimed);
        }
    }

    /// <summary>The instance in memory, on the version that a migration among its messages asks for if it can stand there.</summary>
    private async Task<(WorkflowExecutionContext Workflow, IReadOnlyList<NpgsqlBatchCommand> Migration)> LoadAsync(
        ClaimedInstance claimed, IServiceProvider services, CancellationToken cancellationToken)
    {
        using var state = JsonDocument.Parse(claimed.State);
        if (Alterations.TargetVersion(claimed.Messages) is { } version
            && await definitions.FindVersionIdAsync(claimed.DefinitionId, version, cancellationToken) is { } versionId)
        {
            try
            {
                var migrated = new WorkflowExecutionContext(
                    claimed.Id, await definitions.GraphAsync(versionId, cancellationToken), claimed.CorrelationId, services, cancellationToken, time);
                StateCodec.Restore(migrated, state.RootElement);
                return (migrated, [Sql.Batch(
                    "UPDATE wf.instances SET definition_version_id = $2, version = $3 WHERE id = $1", claimed.Id, versionId, version)]);
            }
            catch (Exception e) when (e is InvalidOperationException or InvalidDefinitionException)
            {
                // It stands where the other version has nothing, or that cannot be read: it stays, and the alteration says so in the journal.
            }
        }

        var workflow = new WorkflowExecutionContext(
            claimed.Id, await definitions.GraphAsync(claimed.DefinitionVersionId, cancellationToken), claimed.CorrelationId, services, cancellationToken, time);
        StateCodec.Restore(workflow, state.RootElement);
        return (workflow, []);
    }

    private IEnumerable<NpgsqlBatchCommand> EndEffects(ClaimedInstance claimed, WorkflowExecutionContext workflow) =>
        workflow is { Status: WorkflowStatus.Finished, HasEnded: true } && options.Value.OnFinished is { } handler
            ? handler(new(claimed.Id, claimed.DefinitionId, workflow.CorrelationId, workflow.SubStatus, workflow.Input, workflow.Incidents))
            : [];

    /// <summary>The database refused what the burst wrote. Tried again a few times, then set aside with the reason.</summary>
    private async Task RefusedAsync(ClaimedInstance claimed, byte[] state, Exception reason)
    {
        LogRefused(logger, reason, claimed.Id, claimed.FailedCommits + 1);
        if (claimed.FailedCommits + 1 >= options.Value.MaxFailedCommits)
        {
            await SetAsideAsync(claimed, state, reason);
            return;
        }

        await ReleaseAsync(claimed, failed: true);
    }

    private async Task SetAsideAsync(ClaimedInstance claimed, byte[] lastState, Exception reason)
    {
        var state = JsonSerializer.Deserialize<WorkflowState>(lastState, WorkflowJson.Options)!;
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
        await using var batch = new NpgsqlBatch(connection, transaction) { BatchCommands = { CommitSql.SetAside(claimed, faulted) } };
        if (claimed.ActivationKey is not null)
            batch.BatchCommands.Add(Sql.Batch(CommitSql.ReleaseActivations, (object)new[] { claimed.Id }));
        if (claimed is { ParentInstanceId: { } parent, ParentBookmarkId: { } bookmark })
        {
            batch.BatchCommands.Add(CommitSql.Send(Activities.ChildWorkflow.Finished(
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

    private async Task ReleaseAsync(ClaimedInstance claimed, bool failed = false)
    {
        try
        {
            await dataSource.ExecuteAsync(ReleaseSql, [claimed.Id, claimed.Fence, claimed.Owner, failed ? 1 : 0], CancellationToken.None);
        }
        catch (NpgsqlException e)
        {
            SuspectLeases();
            LogBurstFailed(logger, e, claimed.Id);
        }
    }

    private async Task FreeForgottenAsync(CancellationToken cancellationToken)
    {
        _suspectsLeases = false;
        try
        {
            var running = _inFlight.Keys.ToList();
            await dataSource.ExecuteAsync(
                FreeForgottenSql, [host.Id, running.Select(r => r.Id).ToArray(), running.Select(r => r.Fence).ToArray()], cancellationToken);
        }
        catch
        {
            SuspectLeases();
            throw;
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
