namespace Aura.Orchestra.Prds;

/// <summary>Where a PRD stands. In the database and in JSON the names are upper case with underscores (<c>AWAITING_APPROVAL</c>).</summary>
public enum PrdStatus
{
    Received,
    Planned,
    Running,
    AwaitingApproval,
    Merging,
    Archived,
    Rejected,
    Escalated,
    Cancelled,
}

/// <summary>The PRD's state machine. Pure; every SQL guard takes its allowed states from here.</summary>
public static class PrdStatuses
{
    private static readonly PrdStatus[] Open =
        [PrdStatus.Received, PrdStatus.Planned, PrdStatus.Running, PrdStatus.AwaitingApproval, PrdStatus.Merging];

    /// <summary>The states from which <paramref name="to"/> may be entered.</summary>
    public static IReadOnlyList<PrdStatus> Before(PrdStatus to) => to switch
    {
        PrdStatus.Received => [],
        PrdStatus.Planned => [PrdStatus.Received],
        PrdStatus.Running => [PrdStatus.Planned],
        PrdStatus.AwaitingApproval => [PrdStatus.Running],
        PrdStatus.Merging => [PrdStatus.AwaitingApproval],
        PrdStatus.Archived => [PrdStatus.Merging],
        PrdStatus.Rejected => [PrdStatus.AwaitingApproval],
        PrdStatus.Escalated => Open,
        // A merge that has begun is finished or escalated, never torn in half.
        PrdStatus.Cancelled => [.. Open.Where(s => s != PrdStatus.Merging)],
        _ => throw new ArgumentOutOfRangeException(nameof(to), to, "No such PRD status."),
    };

    /// <summary>Whether the step is allowed.</summary>
    public static bool CanMove(PrdStatus from, PrdStatus to) => Before(to).Contains(from);

    /// <summary>Whether nothing follows.</summary>
    public static bool IsTerminal(this PrdStatus status) => !Open.Contains(status);

    /// <summary>The name in the database and in JSON.</summary>
    public static string ToName(this PrdStatus status) => status switch
    {
        PrdStatus.AwaitingApproval => "AWAITING_APPROVAL",
        _ => status.ToString().ToUpperInvariant(),
    };

    /// <summary>The status with this name (exact case), or null.</summary>
    public static PrdStatus? Find(string? name)
    {
        foreach (var status in Enum.GetValues<PrdStatus>())
        {
            if (status.ToName() == name)
                return status;
        }

        return null;
    }

    internal static PrdStatus FromName(string name) =>
        Find(name) ?? throw new InvalidOperationException($"The database holds the PRD status '{name}', which this program does not know.");
}
