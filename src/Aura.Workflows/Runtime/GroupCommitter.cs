using System.Threading.Channels;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;
using Npgsql;

namespace Aura.Workflows.Runtime;

internal abstract record CommitOutcome
{
    public sealed record Committed : CommitOutcome;

    /// <summary>Another host runs the instance now, or it has ended: nothing was written.</summary>
    public sealed record LeaseLost : CommitOutcome;

    /// <summary>The database refused a statement; nothing was written.</summary>
    public sealed record Refused(Exception Reason) : CommitOutcome;
}

/// <summary>
/// Commits finished bursts of many instances in one transaction: what has queued up while the last commit ran goes out
/// together. When one of a group cannot be committed, each goes out alone, so that it harms no other.
/// </summary>
internal sealed class GroupCommitter(NpgsqlDataSource dataSource, FaultPoints faults, IOptions<WorkflowsOptions> options) : BackgroundService
{
    private readonly Channel<Pending> _queue = Channel.CreateUnbounded<Pending>(new() { SingleReader = true });

    public async Task<CommitOutcome> CommitAsync(BurstResult burst, CancellationToken cancellationToken)
    {
        var pending = new Pending(burst, new(TaskCreationOptions.RunContinuationsAsynchronously));
        await _queue.Writer.WriteAsync(pending, cancellationToken);
        // Not cancellable from here on: the burst may be on its way to the disk.
        return await pending.Answer.Task;
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        var group = new List<Pending>();
        try
        {
            while (await _queue.Reader.WaitToReadAsync(stoppingToken))
            {
                group.Clear();
                while (group.Count < options.Value.MaxGroup && _queue.Reader.TryRead(out var next))
                    group.Add(next);
                await CommitGroupAsync(group);
            }
        }
        catch (OperationCanceledException)
        {
            // What waits is answered below; its instances go on from their last commit, elsewhere or after the restart.
        }

        _queue.Writer.TryComplete();
        while (_queue.Reader.TryRead(out var left))
            left.Answer.TrySetCanceled(stoppingToken);
    }

    private async Task CommitGroupAsync(List<Pending> group)
    {
        if (group.Count > 1 && await TryAsync(group) is null)
        {
            foreach (var pending in group)
                pending.Answer.SetResult(new CommitOutcome.Committed());
            return;
        }

        foreach (var pending in group)
        {
            try
            {
                pending.Answer.SetResult(await TryAsync([pending]) ?? new CommitOutcome.Committed());
            }
            // The database is away: the burst's owner hears it; the committer goes on.
            catch (Exception e)
            {
                pending.Answer.SetException(e);
            }
        }
    }

    /// <returns>Null when committed, else why not.</returns>
    private async Task<CommitOutcome?> TryAsync(List<Pending> group)
    {
        try
        {
            await using var connection = await dataSource.OpenConnectionAsync();
            await using var transaction = await connection.BeginTransactionAsync();
            await using var batch = new NpgsqlBatch(connection, transaction);
            var heads = new List<NpgsqlBatchCommand>(group.Count);
            foreach (var pending in group)
            {
                // Built anew for each try: a command object belongs to one batch.
                var statements = InstanceSql.Commit(pending.Burst);
                heads.Add(statements[0]);
                foreach (var statement in statements)
                    batch.BatchCommands.Add(statement);
            }

            await batch.ExecuteNonQueryAsync();
            if (heads.Exists(h => h.RecordsAffected != 1))
                return new CommitOutcome.LeaseLost();
            faults.Pass("burst-commit");
            await transaction.CommitAsync();
            faults.Pass("burst-committed");
            return null;
        }
        catch (PostgresException e) when (!e.IsTransient)
        {
            return new CommitOutcome.Refused(e);
        }
        catch (NpgsqlException e) when (group.Count > 1)
        {
            // The connection broke under a group: nobody knows whose fault it was.
            return new CommitOutcome.Refused(e);
        }
    }

    private sealed record Pending(BurstResult Burst, TaskCompletionSource<CommitOutcome> Answer);
}
