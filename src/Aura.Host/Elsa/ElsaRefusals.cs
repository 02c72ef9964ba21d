using Aura.Host.Api;
using Aura.Workflows.Definitions;
using Aura.Workflows.Runtime;

namespace Aura.Host.Elsa;

/// <summary>
/// What the engine refuses, as problems that Studio shows and a program can tell apart by <c>code</c>. Studio shows the messages of status
/// 400 only, and dies of most others: what it may be told while a person edits is 400.
/// </summary>
internal static class ElsaRefusals
{
    /// <summary>Answers requests that cannot be read, and what the engine refuses, for every endpoint below <see cref="ElsaApi.Prefix"/>.</summary>
    public static async ValueTask<object?> FilterAsync(EndpointFilterInvocationContext context, EndpointFilterDelegate next)
    {
        var http = context.HttpContext;
        if (RequestQuery.NameOfNul(http.Request.Query) is { } name)
            return ElsaProblem.Refused($"{name}: holds NUL, which no text may.");
        if (context.Arguments.OfType<ElsaRequest>().FirstOrDefault()?.Problem is { } problem)
            return problem;
        try
        {
            return await next(context);
        }
        catch (DraftConflictException e)
        {
            return Conflict(e, isPrecondition: http.Request.Headers.IfMatch.Count > 0);
        }
        catch (ReadonlyDefinitionException e)
        {
            return ElsaProblem.Answer(StatusCodes.Status400BadRequest, "The workflow is read-only", [e.Message], "readonly_definition");
        }
        catch (InvalidDefinitionException e)
        {
            return ElsaProblem.Answer(StatusCodes.Status400BadRequest, "The definition cannot be used", [e.Message], "invalid_definition");
        }
        catch (RunningInstancesException e)
        {
            return ElsaProblem.Answer(
                StatusCodes.Status409Conflict, "Instances are running", [e.Message], "running_instances", ("runningInstances", e.Count));
        }
        catch (ListTooExpensiveException e)
        {
            return ElsaProblem.Refused(e.Message);
        }
    }

    /// <summary>Why a definition is not published. The draft is stored all the same.</summary>
    public static IResult Invalid(PublishResult result) => ElsaProblem.Answer(
        StatusCodes.Status400BadRequest, "The workflow cannot be published", [.. result.ValidationErrors.Select(e => e.Message)], "validation_failed",
        ("validationErrors", result.ValidationErrors), ("validationWarnings", result.ValidationWarnings));

    private static IResult Conflict(DraftConflictException e, bool isPrecondition) => ElsaProblem.Answer(
        isPrecondition ? StatusCodes.Status412PreconditionFailed : StatusCodes.Status400BadRequest,
        "The workflow was changed meanwhile", [e.Message], "draft_conflict",
        ("savedBy", e.Stored?.SavedBy), ("savedAt", e.Stored?.SavedAt), ("version", e.Stored?.Version), ("revision", e.Stored?.Revision));
}
