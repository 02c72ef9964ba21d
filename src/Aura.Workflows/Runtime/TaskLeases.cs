using Npgsql;

namespace Aura.Workflows.Runtime;

/// <summary>Answers whether somebody still holds a durable task: for what is entrusted to an attempt only while it lasts.</summary>
public sealed class TaskLeases(NpgsqlDataSource dataSource)
{
    internal const string IsHeldSql = "SELECT EXISTS (SELECT FROM wf.tasks WHERE id = $1 AND fence = $2 AND lease_until > now())";

    /// <summary>True while the task is leased to the holder of this fence: not answered, not handed back, not run out, not taken by another.</summary>
    /// <param name="taskId">The task's id, as <see cref="DurableTask"/> tells it.</param>
    /// <param name="fence">The number of the claim.</param>
    /// <param name="cancellationToken">Ends the question.</param>
    public async Task<bool> IsHeldAsync(long taskId, long fence, CancellationToken cancellationToken = default)
    {
        await using var command = dataSource.CreateCommand(IsHeldSql);
        command.Parameters.Add(new() { Value = taskId });
        command.Parameters.Add(new() { Value = fence });
        return (bool)(await command.ExecuteScalarAsync(cancellationToken))!;
    }
}
