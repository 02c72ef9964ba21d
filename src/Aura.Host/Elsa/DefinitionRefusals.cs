using Aura.Workflows.Definitions;

namespace Aura.Host.Elsa;

/// <summary>
/// What the engine refuses about definitions, as problems that Studio shows and a program can tell apart by <c>code</c>. Studio shows the
/// messages of status 400 only, and dies of most others: what it may be told while a person edits is 400.
/// </summary>
internal static class DefinitionRefusals
{
    /// <summary>Turns the engine's refusals into answers, for every endpoint about definitions.</summary>
    public static async ValueTask<object?> FilterAsync(EndpointFilterInvocationContext context, EndpointFilterDelegate next)
    {
        var http = context.HttpContext;
        if (http.Request.Query.FirstOrDefault(q => q.Value.Any(v => v?.Contains('\0', StringComparison.Ordinal) == true)) is { Key: { } name })
            return ElsaProblem.Refused($"{name}: holds NUL, which no text may.");
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
            return Answer(StatusCodes.Status400BadRequest, "readonly_definition", "The workflow is read-only", [e.Message]);
        }
        catch (InvalidDefinitionException e)
        {
            return Answer(StatusCodes.Status400BadRequest, "invalid_definition", "The definition cannot be stored", [e.Message]);
        }
        catch (RunningInstancesException e)
        {
            return Answer(StatusCodes.Status409Conflict, "running_instances", "Instances are running", [e.Message], ("runningInstances", e.Count));
        }
    }

    /// <summary>Why a definition is not published. The draft is stored all the same.</summary>
    public static IResult Invalid(PublishResult result) => Answer(
        StatusCodes.Status400BadRequest, "validation_failed", "The workflow cannot be published",
        [.. result.ValidationErrors.Select(e => e.Message)],
        ("validationErrors", result.ValidationErrors), ("validationWarnings", result.ValidationWarnings));

    private static IResult Conflict(DraftConflictException e, bool isPrecondition) => Answer(
        isPrecondition ? StatusCodes.Status412PreconditionFailed : StatusCodes.Status400BadRequest,
        "draft_conflict", "The workflow was changed meanwhile", [e.Message],
        ("savedBy", e.Stored?.SavedBy), ("savedAt", e.Stored?.SavedAt), ("version", e.Stored?.Version), ("revision", e.Stored?.Revision));

    private static IResult Answer(int status, string code, string title, IReadOnlyCollection<string> messages, params (string Name, object? Value)[] more)
    {
        var problem = new Dictionary<string, object?>
        {
            ["type"] = "about:blank",
            ["title"] = title,
            ["status"] = status,
            ["detail"] = string.Join(' ', messages),
            ["code"] = code,
            ["statusCode"] = status,
            ["message"] = title,
            ["errors"] = new { generalErrors = messages },
        };
        foreach (var (name, value) in more)
            problem[name] = value;
        return Results.Json(problem, ElsaApi.Json, "application/problem+json", status);
    }
}
