using Aura.Orchestra.Jobs;

namespace Aura.Orchestra.Tests.Jobs;

public sealed class JobStatusTests
{
    // Rows: from; columns in the order of the enum: Queued Assigned InProgress Submitted Validating Completed Escalated Failed Cancelled.
    [Theory]
    [InlineData(JobStatus.Queued, ".x....xxx", false)]
    [InlineData(JobStatus.Assigned, "x.x...xxx", false)]
    [InlineData(JobStatus.InProgress, "x..x..xxx", false)]
    [InlineData(JobStatus.Submitted, "x...x.xxx", false)]
    [InlineData(JobStatus.Validating, "x....xxxx", false)]
    [InlineData(JobStatus.Completed, "x.....x..", true)]
    [InlineData(JobStatus.Escalated, ".........", true)]
    [InlineData(JobStatus.Failed, ".........", true)]
    [InlineData(JobStatus.Cancelled, ".........", true)]
    public void CanMove_EveryPair_IsAsTheTableSays(JobStatus from, string table, bool terminal)
    {
        new string([.. Enum.GetValues<JobStatus>().Select(to => JobStatuses.CanMove(from, to) ? 'x' : '.')]).ShouldBe(table);
        from.IsTerminal().ShouldBe(terminal);
    }

    [Fact]
    public void Find_EveryName_RoundTrips()
    {
        foreach (var status in Enum.GetValues<JobStatus>())
            JobStatuses.Find(status.ToName()).ShouldBe(status);
        JobStatus.InProgress.ToName().ShouldBe("IN_PROGRESS");
        JobStatuses.Find("InProgress").ShouldBeNull();
    }
}
