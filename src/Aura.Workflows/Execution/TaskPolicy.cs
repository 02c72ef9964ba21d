using System.Text.Json;

namespace Aura.Workflows;

/// <summary>
/// How a durable task is tried, from <c>customProperties.task</c>:
/// <c>{maxAttempts, timeoutSeconds, heartbeatSeconds, priority, backoff: {initialSeconds, factor, maxSeconds}, nonRetryable: [type], concurrency: {key, limit}}</c>.
/// </summary>
internal sealed record TaskPolicy
{
    public static readonly TaskPolicy Default = new();

    /// <summary>Timers take no more.</summary>
    private static readonly TimeSpan Longest = TimeSpan.FromDays(45);

    public int MaxAttempts { get; init; } = 5;

    /// <summary>For one attempt.</summary>
    public TimeSpan Timeout { get; init; } = TimeSpan.FromHours(1);

    /// <summary>An attempt that reports no progress (<c>DurableTask.Heartbeat</c>) for so long is given up; null: it need not.</summary>
    public TimeSpan? Heartbeat { get; init; }

    /// <summary>Higher goes first within a queue.</summary>
    public int Priority { get; init; }

    /// <summary>The pause after the first failed attempt; null: the host's default.</summary>
    public TimeSpan? InitialBackoff { get; init; }

    public double BackoffFactor { get; init; } = 2;
    public TimeSpan MaxBackoff { get; init; } = TimeSpan.FromMinutes(1);

    /// <summary>Names of exception types, short or full, after which another attempt is pointless.</summary>
    public IReadOnlyList<string> NonRetryable { get; init; } = [];

    /// <summary>Tasks with the same key run at most <see cref="ConcurrencyLimit"/> at a time, on all hosts together.</summary>
    public string? ConcurrencyKey { get; init; }

    public int ConcurrencyLimit { get; init; } = 1;

    /// <summary>Members that are missing or make no sense take their defaults.</summary>
    public static TaskPolicy Of(IActivity activity)
    {
        if (!activity.CustomProperties.TryGetValue("task", out var task) || task.ValueKind != JsonValueKind.Object)
            return Default;
        var backoff = task.TryGetProperty("backoff", out var b) && b.ValueKind == JsonValueKind.Object ? b : default;
        var concurrency = task.TryGetProperty("concurrency", out var c) && c.ValueKind == JsonValueKind.Object ? c : default;
        return new()
        {
            MaxAttempts = Number(task, "maxAttempts") is >= 1 and var attempts ? (int)attempts : Default.MaxAttempts,
            Timeout = Seconds(task, "timeoutSeconds") ?? Default.Timeout,
            Heartbeat = Seconds(task, "heartbeatSeconds"),
            Priority = (int)(Number(task, "priority") ?? 0),
            InitialBackoff = Seconds(backoff, "initialSeconds"),
            BackoffFactor = Number(backoff, "factor") is >= 1 and var factor ? factor : Default.BackoffFactor,
            MaxBackoff = Seconds(backoff, "maxSeconds") ?? Default.MaxBackoff,
            NonRetryable = task.TryGetProperty("nonRetryable", out var types) && types.ValueKind == JsonValueKind.Array
                ? [.. types.EnumerateArray().Select(t => t.ToString())]
                : [],
            ConcurrencyKey = concurrency.ValueKind == JsonValueKind.Object && concurrency.TryGetProperty("key", out var key) ? key.ToString() : null,
            ConcurrencyLimit = Number(concurrency, "limit") is >= 1 and var limit ? (int)limit : 1,
        };
    }

    /// <summary>The pause before the next attempt: exponential, capped, with up to a quarter of jitter on top.</summary>
    /// <param name="attempt">The attempt that failed, from 1.</param>
    /// <param name="random">0 ≤ random &lt; 1.</param>
    public TimeSpan DelayAfter(int attempt, TimeSpan hostDefault, double random)
    {
        var first = (InitialBackoff ?? hostDefault).TotalSeconds;
        // No pause stays no pause, also when the factor has grown to infinity.
        var grown = first <= 0 ? 0 : first * Math.Pow(BackoffFactor, Math.Min(attempt - 1, 60));
        return TimeSpan.FromSeconds(Math.Min(grown, MaxBackoff.TotalSeconds)) * (1 + (random / 4));
    }

    /// <summary>Whether another attempt may help after this failure.</summary>
    public bool MayRetry(int attempt, Exception failure)
    {
        if (attempt >= MaxAttempts)
            return false;
        for (var type = failure.GetType(); type is not null; type = type.BaseType)
        {
            if (NonRetryable.Contains(type.Name) || NonRetryable.Contains(type.FullName))
                return false;
        }

        return true;
    }

    private static double? Number(JsonElement parent, string name) =>
        parent.ValueKind == JsonValueKind.Object && parent.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.Number
            ? value.GetDouble()
            : null;

    private static TimeSpan? Seconds(JsonElement parent, string name) =>
        Number(parent, name) is > 0 and var seconds ? TimeSpan.FromSeconds(Math.Min(seconds, Longest.TotalSeconds)) : null;
}
