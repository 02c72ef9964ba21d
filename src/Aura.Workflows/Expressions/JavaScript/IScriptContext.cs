namespace Aura.Workflows.Expressions.JavaScript;

/// <summary>What the globals of a workflow's script need to know of the place where it runs.</summary>
internal interface IScriptContext
{
    string DefinitionId { get; }

    string DefinitionVersionId { get; }

    int DefinitionVersion { get; }

    string InstanceId { get; }

    string? CorrelationId { get; set; }

    string? InstanceName { get; set; }

    IReadOnlyDictionary<string, object?> Input { get; }

    /// <summary>The names of the variables in scope, the nearest first, each once.</summary>
    IEnumerable<string> VariableNames { get; }

    bool TryGetVariable(string name, out object? value);

    /// <summary>Sets the nearest variable of that name; makes one when there is none.</summary>
    void SetVariable(string name, object? value);

    /// <param name="activity">An activity's id or name.</param>
    /// <param name="output">Null for <c>Result</c>, or else the only one there is.</param>
    bool TryGetOutput(string activity, string? output, out object? value);

    /// <summary>The result of the activity that completed last.</summary>
    object? LastResult { get; }
}
