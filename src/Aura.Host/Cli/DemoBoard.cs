using System.Text.Json;

namespace Aura.Host.Cli;

/// <summary>A job as the demo's display shows it.</summary>
internal sealed record BoardJob(string Id)
{
    public string Title { get; init; } = "";
    public string Status { get; init; } = "QUEUED";
    public string? Model { get; init; }
    public int Attempt { get; init; }
    public double? Score { get; init; }

    /// <summary>The ticks of the current attempt, in order of arrival.</summary>
    public IReadOnlyList<(string Name, bool Passed)> Ticks { get; init; } = [];

    internal DateTimeOffset? WorkBegan { get; init; }
    internal DateTimeOffset? ProofBegan { get; init; }
    internal DateTimeOffset? Completed { get; init; }
}

/// <summary>What a PRD's events add up to: its jobs, its state, and where the time went. Pure: events in, values out.</summary>
internal sealed record DemoBoard
{
    /// <summary>The names under which time is counted, in the order of the pipeline.</summary>
    public static IReadOnlyList<string> Phases { get; } =
        ["planning", "employees", "validation", "integration", "proof of the whole", "approval", "merge and archive"];

    public string Status { get; init; } = "RECEIVED";
    public string? Reason { get; init; }
    public IReadOnlyList<BoardJob> Jobs { get; init; } = [];

    /// <summary>Seconds by phase. Jobs run side by side, so employees and validation are sums over jobs, not time on the clock.</summary>
    public IReadOnlyDictionary<string, double> Seconds { get; init; } = new Dictionary<string, double>();

    internal DateTimeOffset Since { get; init; }

    public bool IsOver => Status is "ARCHIVED" or "REJECTED" or "ESCALATED" or "CANCELLED";

    public DemoBoard Apply(FeedEvent e)
    {
        var dot = e.Type.IndexOf('.', StringComparison.Ordinal);
        var (noun, what) = (e.Type[..Math.Max(dot, 0)], e.Type[(dot + 1)..]);
        return noun switch
        {
            "prd" => ApplyPrd(e, what),
            "job" when e.Text("job_id") is { } id => ApplyJob(e, what, id),
            _ => this,
        };
    }

    public DemoBoard WithTitles(IEnumerable<(string Id, string Title)> titles)
    {
        var byId = titles.ToDictionary(t => t.Id, t => t.Title);
        return this with { Jobs = [.. Jobs.Select(j => byId.TryGetValue(j.Id, out var title) ? j with { Title = title } : j)] };
    }

    private DemoBoard ApplyPrd(FeedEvent e, string what)
    {
        var phase = what switch
        {
            "planned" => "planning",
            "awaiting_approval" => "proof of the whole",
            "merging" or "rejected" => "approval",
            "archived" => "merge and archive",
            _ => null,
        };
        var next = what switch
        {
            "received" or "planned" or "running" or "awaiting_approval" or "merging" or "archived" or "rejected" or "escalated" or "cancelled" => what.ToUpperInvariant(),
            _ => Status,
        };
        return Count(phase, e.At - Since) with
        {
            Status = next,
            Since = e.At,
            Reason = Text(e, "reason") ?? Reason,
        };
    }

    private DemoBoard ApplyJob(FeedEvent e, string what, string id)
    {
        var job = Jobs.FirstOrDefault(j => j.Id == id) ?? new BoardJob(id);
        var (phase, time) = what switch
        {
            "submitted" when job.WorkBegan is { } began => ("employees", e.At - began),
            "completed" or "queued" or "escalated" when job.ProofBegan is { } began => ("validation", e.At - began),
            "integrated" when job.Completed is { } completed => ("integration", e.At - completed),
            _ => ((string?)null, TimeSpan.Zero),
        };
        job = what switch
        {
            "assigned" => job with { Status = "ASSIGNED", Model = Text(e, "model"), Attempt = (int)(Number(e, "attempt") ?? 0), Ticks = [], Score = null },
            "in_progress" => job with { Status = "IN_PROGRESS", WorkBegan = e.At },
            "submitted" => job with { Status = "SUBMITTED", ProofBegan = e.At },
            "validating" => job with { Status = "VALIDATING" },
            "queued" => job with { Status = "QUEUED", WorkBegan = null, ProofBegan = null },
            "completed" => job with { Status = "COMPLETED", Score = Number(e, "score") ?? job.Score, Completed = e.At, ProofBegan = null },
            "integrated" => job with { Status = "INTEGRATED" },
            "escalated" or "failed" or "cancelled" => job with { Status = what.ToUpperInvariant(), ProofBegan = null },
            "scored" => job with { Score = Number(e, "score") ?? job.Score },
            "tick" => job with { Ticks = [.. job.Ticks, (Text(e, "name") ?? "", e.Details.TryGetProperty("passed", out var passed) && passed.ValueKind == JsonValueKind.True)] },
            _ => job,
        };
        var jobs = Jobs.Any(j => j.Id == id) ? Jobs.Select(j => j.Id == id ? job : j) : Jobs.Append(job);
        return Count(phase, time) with { Jobs = [.. jobs], Since = what == "integrated" ? e.At : Since };
    }

    private DemoBoard Count(string? phase, TimeSpan time)
    {
        if (phase is null || Since == default)
            return this;
        var seconds = new Dictionary<string, double>(Seconds);
        seconds[phase] = seconds.GetValueOrDefault(phase) + Math.Max(0, time.TotalSeconds);
        return this with { Seconds = seconds };
    }

    private static string? Text(FeedEvent e, string name) =>
        e.Details.ValueKind == JsonValueKind.Object && e.Details.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;

    private static double? Number(FeedEvent e, string name) =>
        e.Details.ValueKind == JsonValueKind.Object && e.Details.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.Number ? value.GetDouble() : null;
}
