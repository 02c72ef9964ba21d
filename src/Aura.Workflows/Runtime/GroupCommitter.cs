using System.Threading.Channels;
using Aura.Workflows.Storage;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;
using Npgsql;

namespace Aura.Workflows.Runtime;

internal abstract record CommitOutcome
{
    /// <param name="Started">False when the unit wanted to start an instance that another one keeps out.</param>
    /// <param name="Owned">False when the unit's new instances wait for any host: theirs has been taken for dead.</param>
    public sealed record Committed(bool Started = true, bool Owned = true) : CommitOutcome;

    /// <summary>Another host has the instance or the task now, or it has ended: nothing was written.</summary>
    public sealed record LeaseLost : CommitOutcome;

    /// <summary>The database refused a statement; nothing was written.</summary>
    public sealed record Refused(Exception Reason) : CommitOutcome;
}

/// <summary>
/// Commits the units of many instances in one transaction of a few many-row statements: what has queued up while the last
/// commits ran goes out together. A unit whose lease was lost is left out; when the database refuses a group, its halves go out
/// apart, so that one bad unit harms no other.
/// </summary>
internal sealed class GroupCommitter(NpgsqlDataSource dataSource, FaultPoints faults, Pulse pulse, IOptions<WorkflowsOptions> options) : BackgroundService
{
    private readonly Channel<Pending> _queue = Channel.CreateUnbounded<Pending>();

    public async Task<CommitOutcome> CommitAsync(CommitUnit unit, CancellationToken cancellationToken)
    {
        var pending = new Pending(unit);
        await _queue.Writer.WriteAsync(pending, cancellationToken);
        // Not cancellable from here on: the unit may be on its way to the disk.
        return await pending.Answer.Task;
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        // More writers than two make PostgreSQL slower, not faster.
        await Task.WhenAll(Enumerable.Range(0, options.Value.CommitWriters).Select(_ => Task.Run(() => WriteAsync(stoppingToken), CancellationToken.None)));
        _queue.Writer.TryComplete();
        while (_queue.Reader.TryRead(out var left))
            left.Answer.TrySetCanceled(stoppingToken);
    }

    private async Task WriteAsync(CancellationToken stoppingToken)
    {
        await using var writer = new GroupWriter(dataSource, faults, options.Value);
        var group = new List<Pending>();
        try
        {
            while (await _queue.Reader.WaitToReadAsync(stoppingToken))
            {
                group.Clear();
                while (group.Count < options.Value.MaxGroup && _queue.Reader.TryRead(out var next))
                    group.Add(next);
                if (group.Count == 0)
                    continue;
                await CommitAsync(writer, group);
                if (group.Exists(p => p.Unit.Wakes))
                    pulse.Beat();
            }
        }
        catch (OperationCanceledException)
        {
            // What waits is answered by the caller; its instances go on from their last commit, elsewhere or after the restart.
        }
    }

    private static async Task CommitAsync(GroupWriter writer, IReadOnlyList<Pending> group)
    {
        var units = group.Select(p => p.Unit).ToList();
        try
        {
            var outcomes = await writer.CommitAsync(units);
            for (var i = 0; i < group.Count; i++)
                group[i].Answer.SetResult(outcomes[i]);
        }
        // Refused as a whole, and nobody knows whose fault it was.
        catch (Exception e) when (IsRefusal(e, writer) && group.Count > 1)
        {
            await CommitAsync(writer, [.. group.Take(group.Count / 2)]);
            await CommitAsync(writer, [.. group.Skip(group.Count / 2)]);
        }
        catch (Exception e) when (IsRefusal(e, writer))
        {
            group[0].Answer.SetResult(new CommitOutcome.Refused(e));
        }
        // The database is away. Not tried again here: nobody knows whether it was committed, so the units'
        // owners go on from what the database says.
        catch (Exception e)
        {
            foreach (var pending in group)
                pending.Answer.TrySetException(e);
        }
    }

    /// <summary>
    /// The database says no, or a value cannot be sent to it at all. What ends the session (a shutdown, a transaction that stood idle for
    /// too long) says nothing about the units, nor does a prepared statement that the session does not know.
    /// </summary>
    private static bool IsRefusal(Exception exception, GroupWriter writer) => exception switch
    {
        PostgresException e => !e.IsTransient && e.InvariantSeverity == "ERROR" && !KeyedConnection.IsMixUp(e),
        NpgsqlException => false,
        _ => writer.IsConnected,
    };

    private sealed record Pending(CommitUnit Unit)
    {
        public TaskCompletionSource<CommitOutcome> Answer { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }
}

/// <summary>One connection of the committer, with its prepared statements.</summary>
internal sealed class GroupWriter(NpgsqlDataSource dataSource, FaultPoints faults, WorkflowsOptions options) : IAsyncDisposable
{
    private readonly KeyedConnection _connection = new(dataSource, options.HostLease);

    public bool IsConnected => _connection.IsConnected;

    /// <exception cref="NpgsqlException">Nothing was written; or, when the connection broke during the commit itself, nobody knows.</exception>
    public async Task<CommitOutcome[]> CommitAsync(IReadOnlyList<CommitUnit> units)
    {
        var outcomes = new CommitOutcome[units.Count];
        var todo = new List<int>();
        var answered = new HashSet<(long, long)>();
        for (var i = 0; i < units.Count; i++)
        {
            // The second answer under one lease would find the very row that the first one takes away.
            if (units[i].Task is { } task && !answered.Add((task.Id, task.Fence)))
                outcomes[i] = new CommitOutcome.LeaseLost();
            else
                todo.Add(i);
        }

        while (todo.Count > 0)
        {
            var found = await TryAsync([.. todo.Select(i => units[i])]);
            var lost = todo.Where(i => found.Lost(units[i])).ToList();
            foreach (var i in lost.Count == 0 ? todo : lost)
                outcomes[i] = lost.Count == 0 ? new CommitOutcome.Committed(found.Started(units[i]), found.Owned(units[i])) : new CommitOutcome.LeaseLost();
            if (lost.Count == 0)
                return outcomes;
            todo.RemoveAll(lost.Contains);
        }

        return outcomes;
    }

    public ValueTask DisposeAsync() => _connection.DisposeAsync();

    /// <summary>Executes the group; commits it only when every head has found its row.</summary>
    private async Task<FoundRows> TryAsync(IReadOnlyList<CommitUnit> units)
    {
        var connection = await _connection.OpenAsync();
        try
        {
            await using var transaction = await connection.BeginTransactionAsync();
            await using var batch = new NpgsqlBatch(connection, transaction);
            var heads = GroupStatements.Add(batch, units, options);
            await batch.PrepareAsync();
            var found = new FoundRows();
            await using (var reader = await batch.ExecuteReaderAsync())
            {
                // The heads come first; they are the only statements whose rows matter.
                for (var i = 0; i < heads.Count; i++)
                {
                    while (await reader.ReadAsync())
                        found.Add(heads[i], reader);
                    await reader.NextResultAsync();
                }
            }

            if (units.Any(found.Lost))
                return found;
            Pass(units, "commit");
            await transaction.CommitAsync();
            Pass(units, "committed");
            return found;
        }
        catch (Exception e)
        {
            await _connection.RecoverAsync(e);
            throw;
        }
    }

    private void Pass(IReadOnlyList<CommitUnit> units, string point)
    {
        if (!faults.IsArmed)
            return;
        foreach (var unit in units)
        {
            if (unit.Instance is { KeepLease: true })
                faults.Pass("checkpoint-" + point);
            else if (unit.Instance is not null)
                faults.Pass("burst-" + point);
            else if (unit.Task is { } task)
                faults.Pass($"task-{point}:{task.ActivityType}");
            else if (unit.Instances.Count > 0)
                faults.Pass("start-" + point);
        }
    }
}

/// <summary>
/// Which rows the heads of a group have hit. Told apart by their fences too: after a stall this host may hold a row anew while what it
/// did under the old lease is still on its way, in the same group.
/// </summary>
internal sealed class FoundRows
{
    private readonly HashSet<(string Id, long Fence)> _instances = [];
    private readonly HashSet<string> _started = new(StringComparer.Ordinal);
    private readonly HashSet<string> _unowned = new(StringComparer.Ordinal);
    private readonly HashSet<(long Id, long Fence)> _tasks = [];

    public void Add(Head head, NpgsqlDataReader reader)
    {
        switch (head)
        {
            case Head.Tasks:
                _tasks.Add((reader.GetInt64(0), reader.GetInt64(1)));
                break;
            case Head.Instances:
                _instances.Add((reader.GetString(0), reader.GetInt64(1)));
                break;
            default:
                _started.Add(reader.GetString(0));
                if (reader.IsDBNull(1))
                    _unowned.Add(reader.GetString(0));
                break;
        }
    }

    public bool Lost(CommitUnit unit) =>
        (unit.Instance is { } instance && !_instances.Contains((instance.Id, instance.Fence))) || (unit.Task is { } task && !_tasks.Contains((task.Id, task.Fence)));

    public bool Started(CommitUnit unit) => unit.Instances.Count == 0 || unit.Instances.All(i => _started.Contains(i.Id));

    public bool Owned(CommitUnit unit) => unit.Instances.All(i => !_unowned.Contains(i.Id));
}

/// <summary>The statements of a group whose rows tell what became of its units.</summary>
internal enum Head
{
    Instances,
    Tasks,
    Started,
}

/// <summary>Merges the units of a group into statements.</summary>
internal static class GroupStatements
{
    public static List<Head> Add(NpgsqlBatch batch, IReadOnlyList<CommitUnit> units, WorkflowsOptions options)
    {
        var heads = new List<Head>();
        AddHeads(batch, units, heads);
        AddLists(batch, units);
        var tasks = units.SelectMany(u => u.Tasks).ToList();
        if (tasks.Count > 0)
            batch.BatchCommands.Add(Sql.Batch(CommitSql.InsertTasks, TaskColumns(tasks, options)));
        var bookmarks = units.SelectMany(u => u.BookmarksAdded.Select(b => (u.Instance!.Id, u.Instance.CorrelationId, Bookmark: b))).ToList();
        if (bookmarks.Count > 0)
            batch.BatchCommands.Add(Sql.Batch(CommitSql.InsertBookmarks, BookmarkColumns(bookmarks)));
        var messages = units.SelectMany(u => u.Messages).ToList();
        if (messages.Count > 0)
            batch.BatchCommands.Add(Sql.Batch(CommitSql.InsertMessages, CommitSql.MessageColumns(messages)));
        var stimuli = units.SelectMany(u => u.Stimuli).ToList();
        if (stimuli.Count > 0)
        {
            batch.BatchCommands.Add(Sql.Batch(
                CommitSql.SendStimuli, CommitSql.Column(stimuli, s => s.Hash), CommitSql.Column(stimuli, s => s.CorrelationId),
                JsonColumn.Of(stimuli, s => JsonColumn.Serialize(s.Payload)), options.StimulusRetention));
        }

        foreach (var effect in units.SelectMany(u => u.Effects))
            batch.BatchCommands.Add(effect);
        if (units.Any(u => u.Wakes))
            batch.BatchCommands.Add(Sql.Batch(CommitSql.Wake));
        return heads;
    }

    private static void AddHeads(NpgsqlBatch batch, IReadOnlyList<CommitUnit> units, List<Head> heads)
    {
        var instances = units.Where(u => u.Instance is not null).Select(u => u.Instance!).ToList();
        if (instances.Count > 0)
        {
            heads.Add(Head.Instances);
            batch.BatchCommands.Add(Sql.Batch(
                CommitSql.UpdateInstances, CommitSql.Column(instances, i => i.Id), CommitSql.Column(instances, i => i.Fence),
                CommitSql.Column(instances, i => Enum.GetName(i.Status)), CommitSql.Column(instances, i => Enum.GetName(i.SubStatus)),
                CommitSql.Column(instances, i => i.Name), CommitSql.Column(instances, i => i.CorrelationId), CommitSql.Column(instances, i => i.Incidents),
                JsonColumn.Of(instances, i => i.State), CommitSql.Column(instances, i => i.KeepLease),
                CommitSql.Column(instances, i => i.Owner)));
        }

        var answers = units.Where(u => u.Task is not null).Select(u => u.Task!).ToList();
        if (answers.Count > 0)
        {
            heads.Add(Head.Tasks);
            batch.BatchCommands.Add(Sql.Batch(CommitSql.AnswerTasks, CommitSql.Column(answers, a => a.Id), CommitSql.Column(answers, a => a.Fence)));
        }

        foreach (var exclusive in units.SelectMany(u => u.Instances).GroupBy(i => i.ActivationKey is not null))
        {
            var started = exclusive.ToList();
            heads.Add(Head.Started);
            batch.BatchCommands.Add(exclusive.Key
                ? Sql.Batch(CommitSql.InsertExclusiveInstances, [.. CommitSql.InstanceColumns(started), CommitSql.Column(started, i => i.ActivationKey)])
                : Sql.Batch(CommitSql.InsertInstances, CommitSql.InstanceColumns(started)));
        }
    }

    private static void AddLists(NpgsqlBatch batch, IReadOnlyList<CommitUnit> units)
    {
        AddKeys(units.SelectMany(u => u.Consumed).ToArray(), CommitSql.DeleteMessages);
        var histories = units.Where(u => u.History is not null).ToList();
        if (histories.Count > 0)
        {
            batch.BatchCommands.Add(Sql.Batch(
                CommitSql.InsertHistory, CommitSql.Column(histories, u => u.Instance!.Id), CommitSql.Column(histories, u => u.History!.Value.Sequence),
                JsonColumn.Of(histories, u => u.History!.Value.Entries)));
        }

        AddKeys(units.SelectMany(u => u.BookmarksRemoved).ToArray(), CommitSql.DeleteBookmarks);
        AddKeys(units.SelectMany(u => u.CancelledTaskOwners).ToArray(), CommitSql.CancelTasks);
        AddKeys(units.Where(u => u.ReleasesActivation).Select(u => u.Instance!.Id).ToArray(), CommitSql.ReleaseActivations);
        AddKeys(units.Where(u => u.DropsMessages).Select(u => u.Instance!.Id).ToArray(), CommitSql.DropMessages);
        AddKeys(units.Where(u => u.CancelsChildren).Select(u => u.Instance!.Id).ToArray(), CommitSql.CancelChildren);

        void AddKeys<T>(T[] keys, string sql)
        {
            if (keys.Length > 0)
                batch.BatchCommands.Add(Sql.Batch(sql, (object)keys));
        }
    }

    private static object[] BookmarkColumns(List<(string InstanceId, string? CorrelationId, Bookmark Bookmark)> rows) =>
    [
        CommitSql.Column(rows, r => r.Bookmark.Id), CommitSql.Column(rows, r => r.InstanceId), CommitSql.Column(rows, r => r.Bookmark.Name),
        CommitSql.Column(rows, r => r.Bookmark.Hash), JsonColumn.Of(rows, r => JsonColumn.Serialize(r.Bookmark.Payload)),
        CommitSql.Column(rows, r => r.CorrelationId), CommitSql.Column(rows, r => r.Bookmark.ActivityId),
        CommitSql.Column(rows, r => r.Bookmark.ActivityNodeId), CommitSql.Column(rows, r => r.Bookmark.ActivityInstanceId),
        CommitSql.Column(rows, r => r.Bookmark.CreatedAt),
    ];

    private static object[] TaskColumns(List<NewTask> tasks, WorkflowsOptions options)
    {
        var limits = tasks.ConvertAll(t => t.Policy.ConcurrencyKey is { } key ? (key, t.Policy.ConcurrencyLimit) : options.LimitOf(t.Queue));
        return
        [
            CommitSql.Column(tasks, t => t.InstanceId), CommitSql.Column(tasks, t => t.ActivityInstanceId), CommitSql.Column(tasks, t => t.NodeId),
            CommitSql.Column(tasks, t => t.ActivityType), CommitSql.Column(tasks, t => t.Queue), JsonColumn.Of(tasks, t => JsonColumn.Serialize(t.Input)),
            CommitSql.Column(tasks, t => t.Policy.MaxAttempts), CommitSql.Column(tasks, t => t.Policy.Timeout.TotalSeconds),
            CommitSql.Column(tasks, t => t.Policy.Priority), CommitSql.Column(limits, l => l.Item1), CommitSql.Column(limits, l => l.Item2),
        ];
    }
}
