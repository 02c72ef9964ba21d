using Npgsql;

namespace Aura.Host.Api;

/// <summary>What the organisation's API needs of the workflow engine: statements that ride along in the API's own transaction.</summary>
public interface IWorkflowGateway
{
    /// <summary>Statements that start an instance of the published definition.</summary>
    Task<(string InstanceId, IReadOnlyList<NpgsqlBatchCommand> Statements)> PrepareStartAsync(
        string definitionId, IReadOnlyDictionary<string, object?> input, string correlationId, CancellationToken cancellationToken);

    /// <summary>A statement that delivers a stimulus to every waiting bookmark with this name and payload.</summary>
    NpgsqlBatchCommand PrepareStimulus(string name, object payload, IReadOnlyDictionary<string, object?> input);
}
