using Aura.Orchestra.Prds;

namespace Aura.Orchestra.Tests.Prds;

public sealed class PrdStatusTests
{
    // Rows: from; columns in the order of the enum: Received Planned Running AwaitingApproval Merging Archived Rejected Escalated Cancelled.
    [Theory]
    [InlineData(PrdStatus.Received, ".x.....xx")]
    [InlineData(PrdStatus.Planned, "..x....xx")]
    [InlineData(PrdStatus.Running, "...x...xx")]
    [InlineData(PrdStatus.AwaitingApproval, "....x.xxx")]
    [InlineData(PrdStatus.Merging, ".....x.x.")]
    [InlineData(PrdStatus.Archived, ".........")]
    [InlineData(PrdStatus.Rejected, ".........")]
    [InlineData(PrdStatus.Escalated, ".........")]
    [InlineData(PrdStatus.Cancelled, ".........")]
    public void CanMove_EveryPair_IsAsTheTableSays(PrdStatus from, string table)
    {
        new string([.. Enum.GetValues<PrdStatus>().Select(to => PrdStatuses.CanMove(from, to) ? 'x' : '.')]).ShouldBe(table);
        from.IsTerminal().ShouldBe(!table.Contains('x'));
    }

    [Fact]
    public void Find_EveryName_RoundTrips()
    {
        foreach (var status in Enum.GetValues<PrdStatus>())
            PrdStatuses.Find(status.ToName()).ShouldBe(status);
        PrdStatus.AwaitingApproval.ToName().ShouldBe("AWAITING_APPROVAL");
        PrdStatuses.Find("awaiting_approval").ShouldBeNull();
    }
}
