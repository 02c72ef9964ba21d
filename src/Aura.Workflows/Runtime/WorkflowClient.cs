using Aura.Workflows.Definitions;
using Aura.Workflows.Storage;
using Npgsql;

namespace Aura.Workflows.Runtime;

/// <summary>The statements that start an instance; the start happens when the caller's transaction commits.</summary>
public sealed record PreparedStart(string InstanceId, IReadOnlyList<NpgsqlBatchCommand> Statements);

/// <summary>Starts, wakes and cancels instances with statements that join any transaction.</summary>
public sealed class WorkflowClient(DefinitionStore definitions)
{
    /// <summary>Wakes the loops of all hosts when its transaction commits; a hint, the rows are the truth.</summary>
    internal static NpgsqlBatchCommand Wake() => Sql.Batch("SELECT pg_notify('wf', '')");

    /// <param name="input">The workflow's input; values must be serialisable.</param>
    /// <exception cref="InvalidDefinitionException">There is no published version of that definition.</exception>
    public async Task<PreparedStart> PrepareStartAsync(
        string definitionId, IReadOnlyDictionary<string, object?> input, string? correlationId = null, CancellationToken cancellationToken = default)
    {
        var definition = await definitions.FindPublishedAsync(definitionId, cancellationToken)
            ?? throw new InvalidDefinitionException($"There is no published workflow '{definitionId}'. Import or publish it first.");
        var id = WorkflowExecutionContext.NewId();
        var instance = new NewInstance(
            id, definition.DefinitionId, definition.Id, definition.Version, correlationId, null, null, null,
            new() { Input = WorkflowExecutionContext.Json(input) });
        return new(id, [.. InstanceSql.Start(instance), Wake()]);
    }

    /// <summary>Delivers a stimulus to every bookmark with this name and payload (and correlation id, when given).</summary>
    /// <param name="payload">Must serialise to the same JSON as the bookmark's stimulus: same members in the same order.</param>
    public NpgsqlBatchCommand PrepareStimulus(
        string name, object payload, IReadOnlyDictionary<string, object?>? input = null, string? correlationId = null) =>
        InstanceSql.Stimulus(new(StimulusHash.Of(name, payload), correlationId, input));

    /// <summary>Delivers a stimulus to one instance. It is kept until the instance's next burst, also when no bookmark waits yet.</summary>
    public NpgsqlBatchCommand PrepareStimulusTo(
        string instanceId, string name, object payload, IReadOnlyDictionary<string, object?>? input = null) =>
        InstanceSql.Send(new(instanceId, MessageKind.Stimulus, StimulusHash.Of(name, payload), input));

    /// <summary>Cancels an instance and, with it, its children.</summary>
    public NpgsqlBatchCommand PrepareCancel(string instanceId) =>
        InstanceSql.Send(new(instanceId, MessageKind.Cancel, null, null));
}
