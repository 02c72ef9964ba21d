using System.Globalization;
using System.Text.Json;

namespace Aura.Host.Cli;

/// <summary>One event as a line that a person reads.</summary>
internal static class EventLine
{
    public static string Of(FeedEvent e, Func<string, string?>? titleOf = null)
    {
        var about = e.Text("job_id") is { } job ? titleOf?.Invoke(job) ?? job : e.Text("prd_id");
        return $"{e.At.ToLocalTime().ToString("HH:mm:ss", CultureInfo.InvariantCulture)}  {e.Type,-22} {about}{Told(e)}";
    }

    private static string Told(FeedEvent e) => e.Type switch
    {
        "job.assigned" => $" → {Get(e, "model")}, attempt {Get(e, "attempt")}",
        "job.tool" => Get(e, "refused") is { Length: > 0 } code ? $"  {Get(e, "tool")} {Get(e, "target")} REFUSED ({code})" : $"  {Get(e, "tool")} {Get(e, "target")}",
        "job.snapshot" => $"  #{Get(e, "sequence")} {Get(e, "label")}",
        "job.tick" => $"  {(Get(e, "passed") == "true" ? "✓" : "✗")} {Get(e, "name")}",
        "job.scored" or "job.completed" => $"  score {Get(e, "score")}",
        "job.queued" or "job.escalated" or "job.cancelled" or "prd.escalated" or "prd.rejected" when Get(e, "reason") is { Length: > 0 } reason => $"  {reason}",
        "job.submitted" => $"  {Get(e, "files")} files, +{Get(e, "added")} −{Get(e, "deleted")}",
        "job.integrated" or "prd.merged" => $"  {Get(e, "commit") ?? Get(e, "merge_commit")}",
        _ => "",
    };

    private static string? Get(FeedEvent e, string name) => e.Details.ValueKind == JsonValueKind.Object && e.Details.TryGetProperty(name, out var value)
        ? value.ValueKind switch { JsonValueKind.String => value.GetString(), JsonValueKind.Null => null, _ => value.GetRawText() }
        : null;
}
