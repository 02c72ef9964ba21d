namespace Aura.Workflows.Definitions;

/// <summary>What a finding means for publishing.</summary>
public enum ValidationSeverity
{
    /// <summary>It would fail for certain: the definition is not published.</summary>
    Error,

    /// <summary>It runs, though probably not as meant. Never stands against publishing.</summary>
    Warning,
}

/// <summary>One finding in a definition: where, what, and what to do about it.</summary>
/// <param name="ActivityId">Null when the workflow as a whole is meant.</param>
/// <param name="Message">Whole and readable on its own: it names the activity and the input, and says what to do.</param>
public sealed record DefinitionValidationError(string? ActivityId, string Message)
{
    public ValidationSeverity Severity { get; init; } = ValidationSeverity.Error;

    /// <summary>One of <see cref="ValidationCodes"/>: what programs tell findings apart by.</summary>
    public string Code { get; init; } = ValidationCodes.Unreadable;

    /// <summary>The activity's place in the tree, as Studio addresses it; null as <see cref="ActivityId"/> is.</summary>
    public string? NodeId { get; init; }

    /// <summary>What a person calls the activity: the text shown on its node, else its name, else its type's display name.</summary>
    public string? ActivityLabel { get; init; }

    /// <summary>The camelCase name of the input that is meant; null when the activity as a whole is.</summary>
    public string? Input { get; init; }

    public bool IsError => Severity == ValidationSeverity.Error;
}

/// <summary>The codes of findings. They are part of the API: tools filter by them.</summary>
public static class ValidationCodes
{
    /// <summary>The document cannot be read as a workflow.</summary>
    public const string Unreadable = "unreadable";

    public const string NoActivities = "no-activities";
    public const string NoStart = "no-start";
    public const string DuplicateId = "duplicate-id";
    public const string UnknownActivity = "unknown-activity";
    public const string UnpublishedWorkflow = "unpublished-workflow";
    public const string UnknownConnection = "unknown-connection";
    public const string UnknownPort = "unknown-port";
    public const string Unreachable = "unreachable";
    public const string EndlessLoop = "endless-loop";
    public const string EndlessCycle = "endless-cycle";

    public const string RequiredInput = "required-input";
    public const string InvalidValue = "invalid-value";
    public const string UnknownOption = "unknown-option";
    public const string InvalidCron = "invalid-cron";
    public const string UnknownExpressionType = "unknown-expression-type";
    public const string ExpressionTypeOff = "expression-type-off";
    public const string Syntax = "syntax";
    public const string UnknownVariable = "unknown-variable";
    public const string UnknownScriptVariable = "unknown-script-variable";
    public const string UnknownWorkflowInput = "unknown-workflow-input";
    public const string UnknownDefinition = "unknown-definition";

    /// <summary>A trigger's inputs cannot be evaluated while nothing runs.</summary>
    public const string Trigger = "trigger";

    /// <summary>Another published workflow answers the same requests.</summary>
    public const string RouteInUse = "route-in-use";
}
