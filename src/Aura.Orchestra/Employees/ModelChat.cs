using System.ClientModel;
using System.ClientModel.Primitives;
using System.Text.RegularExpressions;
using OpenAI;
using OpenAI.Chat;

namespace Aura.Orchestra.Employees;

/// <summary>Where a backend's models are asked.</summary>
/// <param name="ModernTokenLimit">True when the server knows <c>max_completion_tokens</c>; the others want <c>max_tokens</c>.</param>
internal sealed record ChatEndpoint(string Backend, Uri BaseUrl, string? ApiKey, bool ModernTokenLimit)
{
    /// <summary>Without the key, and without a password that somebody put into the address.</summary>
    public override string ToString() => $"{Backend} at {BaseUrl.GetComponents(UriComponents.SchemeAndServer | UriComponents.Path, UriFormat.UriEscaped)}";
}

/// <summary>A model's answer, or why there is none.</summary>
internal sealed record ChatAnswer(ChatCompletion? Completion, EmployeeUsage Usage, EmployeeFinish Finish, string Problem)
{
    public static ChatAnswer Failed(EmployeeFinish finish, string problem) => new(null, EmployeeUsage.None, finish, problem);
}

/// <summary>Asks any server that speaks OpenAI's chat completions. Everything a server can do wrong comes back as a value.</summary>
internal sealed partial class ModelChat(EmployeeOptions options)
{
    // A proxy of the machine is for the outside; what runs on this machine is reached directly.
    private static readonly HttpClient Direct = Client(useProxy: false);
    private static readonly HttpClient Outside = Client(useProxy: true);

    public async Task<ChatAnswer> AskAsync(
        ChatEndpoint endpoint, string model, IReadOnlyList<ChatMessage> messages, ChatCompletionOptions completion, CancellationToken cancellationToken)
    {
        if (endpoint.ModernTokenLimit)
        {
            completion.MaxOutputTokenCount = options.MaxOutputTokens;
        }
        else
        {
#pragma warning disable SCME0001 // The experimental patch is the only way to the older name that local servers understand.
            completion.Patch.Set("$.max_tokens"u8, options.MaxOutputTokens);
#pragma warning restore SCME0001
        }

        try
        {
            var client = new ChatClient(model, new ApiKeyCredential(string.IsNullOrEmpty(endpoint.ApiKey) ? "none" : endpoint.ApiKey), new OpenAIClientOptions
            {
                Endpoint = endpoint.BaseUrl,
                NetworkTimeout = options.RequestTimeout,
                RetryPolicy = new CappedRetry(options.MaxRetries, options.MaxRetryDelay),
                Transport = new HttpClientPipelineTransport(endpoint.BaseUrl.IsLoopback ? Direct : Outside),
            });
            ChatCompletion answer = await client.CompleteChatAsync(messages, completion, cancellationToken);
            // Reading these also proves that the answer has a choice and a known finish reason.
            _ = (answer.FinishReason, answer.Content, answer.ToolCalls);
            var usage = answer.Usage is { } u ? new EmployeeUsage(u.InputTokenCount, u.InputTokenDetails?.CachedTokenCount ?? 0, u.OutputTokenCount) : EmployeeUsage.None;
            return new(answer, usage, EmployeeFinish.Completed, "");
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            throw;
        }
        catch (OperationCanceledException)
        {
            return ChatAnswer.Failed(EmployeeFinish.Unavailable, $"{endpoint} did not answer within {options.RequestTimeout.TotalSeconds:0} s.");
        }
        catch (ClientResultException e) when (e.Status != 0)
        {
            return ChatAnswer.Failed(KindOf(e.Status), Redacted($"{endpoint} answered {e.Status} for model '{model}': {FirstLines(e.Message)} {Advice(e.Status, endpoint)}".Trim(), endpoint));
        }
        // The edge to a foreign server: whatever it sends, the client turns into one exception or another (a refused
        // connection is an AggregateException, a broken answer any of the parser's), and none of them may end the worker.
        catch (Exception e)
        {
            var network = Causes(e).Any(c => c is HttpRequestException or IOException or System.Net.Sockets.SocketException);
            return network
                ? ChatAnswer.Failed(EmployeeFinish.Unavailable, Redacted($"{endpoint} cannot be reached: {Causes(e).Last().Message}", endpoint))
                : ChatAnswer.Failed(EmployeeFinish.InvalidResponse, Redacted($"{endpoint} did not answer with a chat completion: {FirstLines(Causes(e).Last().Message)}", endpoint));
        }
    }

    /// <summary>The text with the endpoint's key, and all that looks like one, taken out.</summary>
    internal static string Redacted(string text, ChatEndpoint endpoint)
    {
        var clean = endpoint.ApiKey is { Length: > 3 } key ? text.Replace(key, "***", StringComparison.Ordinal) : text;
        return KeyPattern().Replace(clean, "***");
    }

    private static EmployeeFinish KindOf(int status) => status switch
    {
        429 => EmployeeFinish.RateLimited,
        408 or >= 500 => EmployeeFinish.Unavailable,
        _ => EmployeeFinish.Misconfigured,
    };

    private static string Advice(int status, ChatEndpoint endpoint) => status switch
    {
        401 or 403 => $"Check the key of backend '{endpoint.Backend}'.",
        404 => endpoint.Backend == EmployeeBackends.Ollama ? "Check the model's name, or fetch it with 'ollama pull'." : "Check the model's name and the endpoint's address.",
        429 => "All retries met the rate limit; try later or choose another model.",
        _ => "",
    };

    private static IEnumerable<Exception> Causes(Exception exception)
    {
        for (var cause = exception; cause is not null; cause = cause is AggregateException { InnerExceptions: [.., var last] } ? last : cause.InnerException)
            yield return cause;
    }

    private static string FirstLines(string text)
    {
        var line = string.Join(' ', text.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries));
        return line.Length > 500 ? line[..500] + "…" : line;
    }

    // No redirects: a key goes to the address it was given for. The time limits are the pipeline's and the caller's.
    private static HttpClient Client(bool useProxy) => new(new SocketsHttpHandler
    {
        UseProxy = useProxy,
        AllowAutoRedirect = false,
        PooledConnectionLifetime = TimeSpan.FromMinutes(5),
    })
    { Timeout = Timeout.InfiniteTimeSpan };

    [GeneratedRegex(@"\b(sk-|AIza)[A-Za-z0-9_*-]{6,}", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex KeyPattern();

    /// <summary>A server may ask for an hour; the job's time is worth more than that.</summary>
    private sealed class CappedRetry(int maxRetries, TimeSpan longest) : ClientRetryPolicy(maxRetries)
    {
        protected override TimeSpan GetNextDelay(PipelineMessage message, int tryCount)
        {
            var delay = base.GetNextDelay(message, tryCount);
            return delay > longest ? longest : delay;
        }
    }
}
