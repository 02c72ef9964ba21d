using Npgsql;

namespace Aura.Workflows.Runtime;

/// <summary>
/// Statements that an activity wants in the commit of its burst or of its durable task: either all of it happens or nothing.
/// One for each burst or task attempt; take it with <c>context.GetRequiredService&lt;UnitOfWork&gt;()</c>.
/// </summary>
public sealed class UnitOfWork
{
    private readonly List<NpgsqlBatchCommand> _statements = [];

    /// <summary>Hands over what has come together since the last commit.</summary>
    internal IReadOnlyList<NpgsqlBatchCommand> Take()
    {
        if (_statements.Count == 0)
            return [];
        NpgsqlBatchCommand[] taken = [.. _statements];
        _statements.Clear();
        return taken;
    }

    public void Add(NpgsqlBatchCommand statement) => _statements.Add(statement);

    public void Add(IEnumerable<NpgsqlBatchCommand> statements) => _statements.AddRange(statements);
}

/// <summary>The attempt of the durable task that an activity runs in; resolvable only there.</summary>
/// <param name="Attempt">1 for the first delivery; a crash or a lost lease delivers again.</param>
public sealed record DurableTask(long Id, string InstanceId, string ActivityInstanceId, int Attempt, int MaxAttempts)
{
    /// <summary>Of the lease under which the attempt runs; a later delivery has a greater one.</summary>
    public long Fence { get; init; }

    internal Action? OnHeartbeat { get; init; }

    /// <summary>Says that the work goes on. Where the activity has a heartbeat timeout, silence for longer ends the attempt.</summary>
    public void Heartbeat() => OnHeartbeat?.Invoke();

    /// <summary>The same for every delivery of this task.</summary>
    public string IdempotencyKey => ActivityInstanceId;
}
