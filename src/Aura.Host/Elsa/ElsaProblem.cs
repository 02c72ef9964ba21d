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

    /// <param name="code">What a program tells refusals of one status apart by; null when there is but one.</param>
    /// <param name="more">Further members.</param>
    public static IResult Answer(
        int status, string title, IReadOnlyCollection<string> messages, string? code = null, params ReadOnlySpan<(string Name, object? Value)> more)
    {
        var problem = new Dictionary<string, object?>
        {
            ["type"] = "about:blank",
            ["title"] = title,
            ["status"] = status,
            ["detail"] = string.Join(' ', messages),
            ["statusCode"] = status,
            ["message"] = title,
            ["errors"] = new { generalErrors = messages },
        };
        if (code is not null)
            problem["code"] = code;
        foreach (var (name, value) in more)
            problem[name] = value;
        return Results.Json(problem, ElsaApi.Json, "application/problem+json", status);
    }
}
