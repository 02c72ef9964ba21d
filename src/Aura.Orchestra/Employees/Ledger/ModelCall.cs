namespace Aura.Orchestra.Employees.Ledger;

/// <summary>One question to a model with all its retries, or one run of a command-line agent, as the ledger keeps it. Holds no content.</summary>
public sealed record ModelCall
{
    /// <summary><c>work</c> or <c>plan</c>.</summary>
    public required string Purpose { get; init; }
    public string? PrdId { get; init; }

    /// <summary>Null for a plan.</summary>
    public string? JobId { get; init; }
    public int? Attempt { get; init; }
    public required string Backend { get; init; }
    public required string Model { get; init; }

    /// <summary>Null when the other side told nothing.</summary>
    public EmployeeUsage? Usage { get; init; }

    /// <summary>In the price table's currency; null when it is not known.</summary>
    public decimal? Cost { get; init; }

    /// <summary>The version of the table that gave <see cref="Cost"/>; null when none did.</summary>
    public string? PriceTable { get; init; }

    /// <summary>From the first question to the end of the last answer, waits between them included.</summary>
    public required TimeSpan Latency { get; init; }

    /// <summary>From the question that was answered to the first piece of its answer; null when nothing came.</summary>
    public TimeSpan? FirstToken { get; init; }
    public int Retries { get; init; }

    /// <summary>The provider's word (<c>stop</c>, <c>tool_calls</c>, <c>length</c> …); for a failure the <see cref="EmployeeFinish"/>.</summary>
    public required string Finish { get; init; }

    /// <summary>Null when it went well: an HTTP status, a provider's code, or <c>timeout</c>, <c>truncated</c>, <c>cancelled</c> and the
    /// like.</summary>
    public string? ErrorCode { get; init; }
    public required DateTimeOffset StartedAt { get; init; }
}

/// <summary>Where calls of models are written down: the database, or the manager's API for a worker elsewhere.</summary>
public interface IModelLedger
{
    /// <summary>Keeps one call. A ledger that cannot be reached throws; the caller's work goes on.</summary>
    Task RecordAsync(ModelCall call, CancellationToken cancellationToken);
}
