using Aura.Orchestra.Storage;
using Microsoft.AspNetCore.Diagnostics;
using Microsoft.AspNetCore.Mvc;
using Npgsql;

namespace Aura.Host.Api;

/// <summary>Errors by field path (<c>tasks[1].depends_on[0]</c>); <c>$</c> is the document itself.</summary>
internal sealed class FieldErrors
{
    private readonly SortedDictionary<string, List<string>> _errors = new(StringComparer.Ordinal);

    public bool Any => _errors.Count > 0;

    public void Add(string field, string message)
    {
        if (!_errors.TryGetValue(field, out var messages))
            _errors[field] = messages = [];
        messages.Add(message);
    }

    public Dictionary<string, string[]> ToDictionary() => _errors.ToDictionary(e => e.Key, e => e.Value.ToArray());

    /// <summary>400 with every field named.</summary>
    public IResult ToResult() => Results.ValidationProblem(
        ToDictionary(), statusCode: StatusCodes.Status400BadRequest, title: "The request is not valid",
        detail: string.Join(" ", _errors.Select(e => $"{e.Key}: {string.Join(' ', e.Value)}")));
}

/// <summary>RFC 9457 problem documents: what happened and what to do.</summary>
internal static class Problems
{
    public static IResult Field(string field, string message)
    {
        var errors = new FieldErrors();
        errors.Add(field, message);
        return errors.ToResult();
    }

    public static IResult NotFound(string what, string id, string where) => Results.Problem(
        statusCode: StatusCodes.Status404NotFound, title: $"{what} not found", detail: $"There is no {what} '{id}'. {where}");

    public static IResult Conflict(string title, string detail, Dictionary<string, object?>? more = null) =>
        Results.Problem(statusCode: StatusCodes.Status409Conflict, title: title, detail: detail, extensions: more);
}

/// <summary>Failures that are not the program's: an unreachable database is 503, a broken request keeps its own status.</summary>
internal sealed class ApiExceptionHandler(IProblemDetailsService problems) : IExceptionHandler
{
    public async ValueTask<bool> TryHandleAsync(HttpContext context, Exception exception, CancellationToken cancellationToken)
    {
        var problem = exception switch
        {
            BadHttpRequestException bad => new ProblemDetails { Status = bad.StatusCode, Title = "The request is not valid", Detail = bad.Message },
            PostgresException { IsTransient: false } => null,
            NpgsqlException => new ProblemDetails
            {
                Status = StatusCodes.Status503ServiceUnavailable,
                Title = "The database does not answer",
                Detail = "Nothing was changed. Try again; GET /ready shows when the database is back.",
            },
            _ => null,
        };
        if (problem is null)
            return false;
        context.Response.StatusCode = problem.Status!.Value;
        return await problems.TryWriteAsync(new() { HttpContext = context, ProblemDetails = problem, Exception = exception });
    }
}
