using Aura.Orchestra.Tools;

namespace Aura.Orchestra.Employees.Chat;

/// <summary>Where a backend's models are asked.</summary>
/// <param name="ModernTokenLimit">True when the server knows <c>max_completion_tokens</c>; the others want <c>max_tokens</c>.</param>
internal sealed record ChatEndpoint(string Backend, Uri BaseUrl, string? ApiKey, bool ModernTokenLimit)
{
    /// <summary>Without the key, and without a password that somebody put into the address.</summary>
    public override string ToString() =>
        $"{Backend} at {BaseUrl.GetComponents(UriComponents.SchemeAndServer | UriComponents.Path, UriFormat.UriEscaped)}";
}

internal enum Speaker
{
    System,
    User,
    Model,
    Tool,
}

/// <param name="Arguments">JSON as the model wrote it, which need not be valid.</param>
/// <param name="Extra">What the provider hung on the call and wants to see again (Gemini's thought signature), as JSON.</param>
internal sealed record ModelToolCall(string Id, string Name, string Arguments, string? Extra = null);

/// <summary>One message of a conversation, as no provider in particular writes it.</summary>
internal sealed record ModelMessage(Speaker Speaker, string Text)
{
    /// <summary>Of a message of the model.</summary>
    public IReadOnlyList<ModelToolCall> Calls { get; init; } = [];

    /// <summary>Of a tool's answer: the call that it answers.</summary>
    public ModelToolCall? Answers { get; init; }
}

/// <summary>What is asked.</summary>
internal sealed record ModelQuestion
{
    public required IReadOnlyList<ModelMessage> Messages { get; init; }
    public IReadOnlyList<ToolDefinition> Tools { get; init; } = [];

    /// <summary>The answer must be JSON of this schema; null for free text.</summary>
    public string? AnswerSchema { get; init; }
    public required int MaxOutputTokens { get; init; }

    /// <summary>Room for question and answer together, for servers that must be told.</summary>
    public required int ContextTokens { get; init; }
}

internal enum ReplyEnd
{
    Complete,

    /// <summary>Cut at the token limit.</summary>
    Length,

    /// <summary>Stopped by the provider's content filter.</summary>
    Filtered,
}

/// <param name="Usage">Null when the server told nothing.</param>
/// <param name="Refusal">The model's own words; null when it did not refuse.</param>
internal sealed record ModelReply(string Text, IReadOnlyList<ModelToolCall> Calls, ReplyEnd End, string? Refusal, EmployeeUsage? Usage, string? Model)
{
    /// <summary>The usual word for how it ended.</summary>
    public string Finish => End switch
    {
        ReplyEnd.Length => "length",
        ReplyEnd.Filtered => "content_filter",
        _ => Calls.Count > 0 ? "tool_calls" : "stop",
    };
}

/// <summary>An answer while it comes.</summary>
internal interface IAnswerWatch
{
    /// <summary>Something came, be it only a sign of life.</summary>
    void Alive();

    /// <summary>A piece of the model's text came.</summary>
    void Piece(string text);
}

/// <summary>A wire format.</summary>
internal interface IModelWire
{
    /// <summary>Asks once and reads the streamed answer to its end.</summary>
    /// <exception cref="Exception">Anything a foreign server and the libraries before it can come up with; <see cref="WireFailure"/> sorts
    /// it.</exception>
    Task<ModelReply> AskAsync(ChatEndpoint endpoint, string model, ModelQuestion question, IAnswerWatch watch, CancellationToken cancellationToken);
}

/// <summary>The stream ended before the answer did.</summary>
internal sealed class BrokenAnswerException() : IOException("The answer broke off before its end.");

/// <summary>The server answered with an error status.</summary>
internal sealed class AnswerStatusException(int status, string body, string? retryAfter) : Exception(body)
{
    public int Status => status;
    public string? RetryAfter => retryAfter;
}
