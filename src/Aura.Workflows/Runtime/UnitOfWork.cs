using Npgsql;

namespace Aura.Workflows.Runtime;

/// <summary>
/// Statements that an activity wants in the commit of its burst or of its durable task: either all of it happens or nothing.
/// One for each burst or task attempt; take it with <c>context.GetRequiredService&lt;UnitOfWork&gt;()</c>.
/// </summary>
public sealed class UnitOfWork
{
    private readonly List<NpgsqlBatchCommand> _statements = [];

    public IReadOnlyList<NpgsqlBatchCommand> Statements => _statements;

    public void Add(NpgsqlBatchCommand statement) => _statements.Add(statement);

    public void Add(IEnumerable<NpgsqlBatchCommand> statements) => _statements.AddRange(statements);
}

/// <summary>The attempt of the durable task that an activity runs in; resolvable only there.</summary>
/// <param name="Attempt">1 for the first delivery; a crash or a lost lease delivers again.</param>
public sealed record DurableTask(long Id, string InstanceId, string ActivityInstanceId, int Attempt, int MaxAttempts)
{
    /// <summary>The same for every delivery of this task.</summary>
    public string IdempotencyKey => ActivityInstanceId;
}
