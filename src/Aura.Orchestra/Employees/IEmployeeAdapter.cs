using System.Text.Json;
using System.Text.Json.Serialization;
using Aura.Orchestra.Storage;
using Aura.Orchestra.Tools;

namespace Aura.Orchestra.Employees;

/// <summary>A way to have work done: one for each kind of model endpoint, and the script player. Outcomes are values.</summary>
public interface IEmployeeAdapter
{
    /// <summary>Its name in queues and requests: <c>scripted</c>, <c>openai</c>, <c>ollama</c>, <c>gemini</c> or <c>cli</c>.</summary>
    string Backend { get; }

    /// <summary>
    /// Works on one attempt of a job through the tools, which are all it can reach. What it changed is taken from the sandbox
    /// afterwards by the caller; the result only tells how it went.
    /// </summary>
    /// <exception cref="OperationCanceledException">The token was cancelled. Every other failure is a <see cref="EmployeeResult"/>.</exception>
    Task<EmployeeResult> WorkAsync(EmployeeRequest request, IEmployeeTools tools, CancellationToken cancellationToken);
}

/// <summary>What an employee may do in its sandbox: calls by name, from wherever they are answered.</summary>
public interface IEmployeeTools
{
    /// <summary>What may be called.</summary>
    IReadOnlyList<ToolDefinition> Definitions { get; }

    /// <summary>Any of <see cref="Definitions"/> by its name and JSON arguments.</summary>
    Task<ToolResult> CallAsync(string tool, JsonElement arguments, CancellationToken cancellationToken);
}

/// <summary>A tool's answer: text, or a refusal that the employee reads and goes on.</summary>
/// <param name="RefusalCode">Null when it was done; else a stable code such as <c>outside_scope</c>.</param>
public sealed record ToolResult(string Text, string? RefusalCode)
{
    public bool IsRefused => RefusalCode is not null;

    /// <summary>The same for machines: a JSON object in snake_case; null when the text is all there is.</summary>
    public JsonElement? Structured { get; init; }

    public static ToolResult Done(string text) => new(text, null);

    public static ToolResult Done(string text, object structured) =>
        new(text, null) { Structured = JsonSerializer.SerializeToElement(structured, StorableText.Options) };

    public static ToolResult Refused(string code, string message) => new(message, code);
}

/// <summary>One attempt of a job, as an employee gets it.</summary>
public sealed record EmployeeRequest
{
    public required string PrdId { get; init; }
    public required string PrdTitle { get; init; }
    public required string JobId { get; init; }

    /// <summary>The job's title; scripts are found by it.</summary>
    public required string Title { get; init; }
    public string Description { get; init; } = "";

    /// <summary>From 1.</summary>
    public required int Attempt { get; init; }
    public required int MaxAttempts { get; init; }
    public required string ProjectName { get; init; }

    /// <summary>Globs; empty means the whole project. The tools enforce it, this is only told.</summary>
    public IReadOnlyList<string> AllowedPaths { get; init; } = [];

    /// <summary>The validator's report on the attempt before; null on the first.</summary>
    public string? PreviousFailure { get; init; }

    /// <summary>What the result of an earlier attempt collided with; null when it did not.</summary>
    public string? Conflict { get; init; }

    public required string Model { get; init; }

    /// <summary>Instead of the backend's configured endpoint; null for that one.</summary>
    public Uri? Endpoint { get; init; }

    /// <summary>
    /// The sandbox's files where this machine has them, for adapters that work on a copy; null elsewhere: then the copy is made through
    /// the tools. Never written to.
    /// </summary>
    [JsonIgnore]
    public string? WorkDirectory { get; init; }

    /// <summary>Gets lines of what the employee says while it works, without secrets, some at a time and never two calls at once.</summary>
    [JsonIgnore]
    public Func<string, Task>? Log { get; init; }
}

/// <summary>Why an employee stopped.</summary>
public enum EmployeeFinish
{
    /// <summary>It said it was done.</summary>
    Completed,

    /// <summary>The model's answer was cut at its token limit.</summary>
    Truncated,
    TurnLimit,
    TimeLimit,

    /// <summary>The attempt's budget of tokens is used up.</summary>
    TokenLimit,

    /// <summary>The attempt's budget of money is used up.</summary>
    CostLimit,

    /// <summary>It repeated the same call with the same answer after it had been told.</summary>
    Looping,

    /// <summary>The conversation does not fit into the model's context, however much is left out.</summary>
    ContextLimit,

    /// <summary>The model or its provider would not do it.</summary>
    Refused,

    /// <summary>The provider's rate limit stayed in force through all retries.</summary>
    RateLimited,

    /// <summary>The endpoint could not be reached or answered with 5xx through all retries.</summary>
    Unavailable,

    /// <summary>The endpoint answered something that is not a chat completion.</summary>
    InvalidResponse,

    /// <summary>Key, model, endpoint or script is wrong: trying again cannot help.</summary>
    Misconfigured,

    /// <summary>It gave up by itself.</summary>
    Failed,
}

/// <param name="Prompt">Tokens sent, the cached ones included.</param>
public sealed record EmployeeUsage(long Prompt, long Cached, long Completion)
{
    public static EmployeeUsage None { get; } = new(0, 0, 0);

    public EmployeeUsage Plus(EmployeeUsage other)
    {
        ArgumentNullException.ThrowIfNull(other);
        return new(Prompt + other.Prompt, Cached + other.Cached, Completion + other.Completion);
    }
}

/// <param name="Target">The path, pattern or first file of the call; empty when it names none.</param>
/// <param name="RefusalCode">Null when it was done.</param>
public sealed record ToolCall(string Tool, string Target, string? RefusalCode);

/// <summary>How an attempt went. The patch itself is in the sandbox.</summary>
public sealed record EmployeeResult
{
    /// <summary>A readable protocol of the attempt, bounded; names the backend first.</summary>
    public required string Output { get; init; }

    /// <summary>The employee's own words on what it did, or why it stopped.</summary>
    public required string Explanation { get; init; }

    /// <summary>0 to 1 as the employee said itself; null when it said nothing. Never counts as proof.</summary>
    public double? SelfConfidence { get; init; }

    /// <summary>Paths it wrote or deleted, in order, each once.</summary>
    public IReadOnlyList<string> Artifacts { get; init; } = [];

    public EmployeeUsage Usage { get; init; } = EmployeeUsage.None;

    /// <summary>In the price table's currency; null when the cost of one of its calls is not known.</summary>
    public decimal? Cost { get; init; }

    public required EmployeeFinish FinishReason { get; init; }

    public IReadOnlyList<ToolCall> ToolCalls { get; init; } = [];

    /// <summary>True when there may be something to validate: it finished, or stopped at a limit after it had changed files.</summary>
    public bool HasSubmission => FinishReason == EmployeeFinish.Completed
        || (FinishReason is EmployeeFinish.Truncated or EmployeeFinish.TurnLimit or EmployeeFinish.TimeLimit or EmployeeFinish.TokenLimit
            or EmployeeFinish.CostLimit or EmployeeFinish.Looping or EmployeeFinish.ContextLimit && Artifacts.Count > 0);

    /// <summary>True when the endpoint failed rather than the employee: the same attempt may be tried again later.</summary>
    public bool IsTransient => FinishReason is EmployeeFinish.RateLimited or EmployeeFinish.Unavailable;
}
