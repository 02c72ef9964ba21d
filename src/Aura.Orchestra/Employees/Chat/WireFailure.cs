using System.ClientModel;
using System.Globalization;

namespace Aura.Orchestra.Employees.Chat;

/// <summary>What went wrong between us and a model, sorted: what it means for the attempt, and whether asking again can help.</summary>
/// <param name="Code">For the ledger: an HTTP status, <c>timeout</c>, <c>truncated</c>, <c>unreachable</c>, <c>malformed</c>.</param>
/// <param name="RetryAfter">How long the server asks to wait.</param>
internal sealed record WireFailure(EmployeeFinish Finish, string Code, string Problem, bool MayRetry, TimeSpan? RetryAfter = null)
{
    /// <summary>The edge to a foreign server: whatever it sends, the client turns into one exception or another (a refused
    /// connection is an AggregateException, a broken answer any of the parser's), and none of them may end the worker.</summary>
    public static WireFailure Of(Exception exception, ChatEndpoint endpoint, string model, DateTimeOffset now) => exception switch
    {
        BrokenAnswerException => new(EmployeeFinish.Unavailable, "truncated", $"{endpoint} broke its answer off before the end.", MayRetry: true),
        AnswerStatusException e => OfStatus(e.Status, e.Message, e.RetryAfter, endpoint, model, now),
        ClientResultException e when e.Status is not (0 or (>= 200 and < 300)) =>
            OfStatus(e.Status, BodyOf(e), HeaderOf(e, "retry-after"), endpoint, model, now),
        _ when Causes(exception).Any(c => c is HttpRequestException or IOException or System.Net.Sockets.SocketException) =>
            new(EmployeeFinish.Unavailable, "unreachable", $"{endpoint} cannot be reached: {Causes(exception).Last().Message}", MayRetry: true),
        _ => new(EmployeeFinish.InvalidResponse, "malformed",
            $"{endpoint} did not answer with a chat completion: {FirstLines(Causes(exception).Last().Message)}", MayRetry: true),
    };

    public static WireFailure Silence(ChatEndpoint endpoint, TimeSpan limit, bool hasBegun) => new(
        EmployeeFinish.Unavailable, "timeout",
        hasBegun ? $"{endpoint} fell silent for {limit.TotalSeconds:0} s within its answer."
            : $"{endpoint} did not answer within {limit.TotalSeconds:0} s.",
        MayRetry: true);

    /// <summary>Seconds or a date, as HTTP has it.</summary>
    internal static TimeSpan? ParseRetryAfter(string? value, DateTimeOffset now)
    {
        if (double.TryParse(value, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var seconds))
            return TimeSpan.FromSeconds(Math.Min(seconds, 86_400));
        return DateTimeOffset.TryParse(value, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var date) && date > now ? date - now
            : null;
    }

    private static WireFailure OfStatus(int status, string body, string? retryAfter, ChatEndpoint endpoint, string model, DateTimeOffset now)
    {
        var (finish, mayRetry, advice) = status switch
        {
            429 when Says(body, "insufficient_quota") =>
                (EmployeeFinish.Misconfigured, false, "The account's quota is used up; waiting does not help."),
            429 => (EmployeeFinish.RateLimited, true, "All retries met the rate limit; try later or choose another model."),
            408 or 409 or >= 500 => (EmployeeFinish.Unavailable, true, ""),
            400 or 413 when Says(body, "context_length_exceeded", "maximum context length", "context window",
                "exceeds the maximum number of tokens", "input token count") =>
                (EmployeeFinish.ContextLimit, false, "The conversation does not fit into the model's context."),
            400 or 403 when Says(body, "content_filter", "content_policy", "content management policy") =>
                (EmployeeFinish.Refused, false, "The provider's content filter stopped the question."),
            401 or 403 => (EmployeeFinish.Misconfigured, false, $"Check the key of backend '{endpoint.Backend}'."),
            404 when endpoint.Backend == EmployeeBackends.Ollama =>
                (EmployeeFinish.Misconfigured, false, $"Check the model's name, or fetch it with 'ollama pull {model}'."),
            404 => (EmployeeFinish.Misconfigured, false, "Check the model's name and the endpoint's address."),
            _ => (EmployeeFinish.Misconfigured, false, ""),
        };
        return new(finish, status.ToString(CultureInfo.InvariantCulture),
            $"{endpoint} answered {status} for model '{model}': {FirstLines(body)} {advice}".Trim(), mayRetry,
            ParseRetryAfter(retryAfter, now));
    }

    private static bool Says(string body, params ReadOnlySpan<string> words)
    {
        foreach (var word in words)
        {
            if (body.Contains(word, StringComparison.OrdinalIgnoreCase))
                return true;
        }

        return false;
    }

    private static string? HeaderOf(ClientResultException exception, string name) =>
        exception.GetRawResponse()?.Headers.TryGetValue(name, out var value) == true ? value : null;

    // The message holds the parsed error; the code often stands in the body alone.
    private static string BodyOf(ClientResultException exception)
    {
        try
        {
            var body = exception.GetRawResponse()?.Content.ToString();
            return string.IsNullOrWhiteSpace(body) ? exception.Message : body;
        }
        catch (InvalidOperationException)
        {
            // The body was never buffered.
            return exception.Message;
        }
    }

    private static IEnumerable<Exception> Causes(Exception exception)
    {
        for (var cause = exception; cause is not null; cause = cause is AggregateException { InnerExceptions: [.., var last] } ? last
            : cause.InnerException)
            yield return cause;
    }

    private static string FirstLines(string text)
    {
        var line = string.Join(' ', text.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries));
        return line.Length > 500 ? line[..500] + "…" : line;
    }
}
