namespace Aura.Host.Elsa;

/// <summary>
/// Refusals in the one form that is both a problem document (RFC 9457) and what Studio shows line by line: it reads <c>errors</c> of
/// <c>application/problem+json</c> answers with status 400, and shows each message in a snackbar of its own.
/// </summary>
internal static class ElsaProblem
{
    /// <summary>The request was understood and refused; each message says where and what to do.</summary>
    public static IResult Refused(params IReadOnlyCollection<string> messages) => Answer(StatusCodes.Status400BadRequest, "The request was refused", messages);

    /// <summary>What the address names is not there.</summary>
    public static IResult NotFound(string message) => Answer(StatusCodes.Status404NotFound, "Not found", [message]);

    /// <summary>It cannot be done as things stand now.</summary>
    public static IResult Conflict(string message) => Answer(StatusCodes.Status409Conflict, "Not possible now", [message]);

    /// <summary>Elsa has it, this host does not; the message says why, and what to do instead.</summary>
    public static IResult Unsupported(string message) => Answer(StatusCodes.Status501NotImplemented, "Not supported", [message]);

    private static IResult Answer(int status, string title, IReadOnlyCollection<string> messages) => Results.Json(
        new
        {
            type = "about:blank",
            title,
            status,
            detail = string.Join(' ', messages),
            statusCode = status,
            message = title,
            errors = new { generalErrors = messages },
        },
        ElsaApi.Json,
        "application/problem+json",
        status);
}
