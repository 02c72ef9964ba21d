namespace Aura.Orchestra.Jobs;

/// <summary>Where a job stands. In the database and in JSON the names are upper case with underscores (<c>IN_PROGRESS</c>).</summary>
public enum JobStatus
{
    Queued,
    Assigned,
    InProgress,
    Submitted,
    Validating,
    Completed,
    Escalated,
    Failed,
    Cancelled,
}

/// <summary>The job's state machine. Pure; every SQL guard takes its allowed states from here.</summary>
public static class JobStatuses
{
    private static readonly JobStatus[] Open =
        [JobStatus.Queued, JobStatus.Assigned, JobStatus.InProgress, JobStatus.Submitted, JobStatus.Validating];

    /// <summary>The states from which <paramref name="to"/> may be entered.</summary>
    public static IReadOnlyList<JobStatus> Before(JobStatus to) => to switch
    {
        // Back from any attempt that is under way (refused, or its lease lost), and from COMPLETED when the result does not integrate.
        JobStatus.Queued => [JobStatus.Assigned, JobStatus.InProgress, JobStatus.Submitted, JobStatus.Validating, JobStatus.Completed],
        JobStatus.Assigned => [JobStatus.Queued],
        JobStatus.InProgress => [JobStatus.Assigned],
        JobStatus.Submitted => [JobStatus.InProgress],
        JobStatus.Validating => [JobStatus.Submitted],
        JobStatus.Completed => [JobStatus.Validating],
        // From COMPLETED when it does not integrate and no retry is left.
        JobStatus.Escalated => [.. Open, JobStatus.Completed],
        JobStatus.Failed or JobStatus.Cancelled => Open,
        _ => throw new ArgumentOutOfRangeException(nameof(to), to, "No such job status."),
    };

    /// <summary>Whether the step is allowed.</summary>
    public static bool CanMove(JobStatus from, JobStatus to) => Before(to).Contains(from);

    /// <summary>Whether no model will work on the job any more (a COMPLETED job may still come back from a conflict).</summary>
    public static bool IsTerminal(this JobStatus status) => !Open.Contains(status);

    /// <summary>The name in the database and in JSON.</summary>
    public static string ToName(this JobStatus status) => status switch
    {
        JobStatus.InProgress => "IN_PROGRESS",
        _ => status.ToString().ToUpperInvariant(),
    };

    /// <summary>The status with this name (exact case), or null.</summary>
    public static JobStatus? Find(string? name)
    {
        foreach (var status in Enum.GetValues<JobStatus>())
        {
            if (status.ToName() == name)
                return status;
        }

        return null;
    }

    internal static JobStatus FromName(string name) =>
        Find(name) ?? throw new InvalidOperationException($"The database holds the job status '{name}', which this program does not know.");
}
