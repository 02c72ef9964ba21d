using System.Globalization;
using Aura.Workflows.Scheduling;

namespace Aura.Workflows.Tests.Scheduling;

public sealed class ScheduleTests
{
    [Theory]
    [InlineData("0 0 */6 * * *", "2026-03-01T05:59:59Z", "2026-03-01T06:00:00Z")]
    [InlineData("0 0 9 * * MON-FRI", "2026-11-20T09:00:00Z", "2026-11-23T09:00:00Z")]
    [InlineData("0 0 9 * * 1-5", "2026-11-20T09:00:00Z", "2026-11-23T09:00:00Z")]
    [InlineData("0 0 9 * * 0", "2026-11-20T09:00:00Z", "2026-11-22T09:00:00Z")]
    [InlineData("0 0 9 * * 7", "2026-11-20T09:00:00Z", "2026-11-22T09:00:00Z")]
    [InlineData("0 0 0 1 */3 *", "2026-02-01T00:00:00Z", "2026-04-01T00:00:00Z")]
    [InlineData("0 0 0 L * *", "2026-02-01T00:00:00Z", "2026-02-28T00:00:00Z")]
    [InlineData("*/5 * * * *", "2026-02-01T00:01:00Z", "2026-02-01T00:05:00Z")]
    [InlineData("* * * * * *", "2026-02-01T00:01:00Z", "2026-02-01T00:01:01Z")]
    public void Cron_ExpressionsOfDefinitions_GiveTheNextTime(string expression, string after, string expected) =>
        new CronSchedule(expression).NextAfter(At(after)).ShouldBe(At(expected));

    [Theory]
    [InlineData("* * * *")]
    [InlineData("60 * * * * *")]
    [InlineData("* 60 * * * *")]
    [InlineData("* * 25 * * *")]
    [InlineData("0 0 9 * * FUNDAY")]
    [InlineData("")]
    public void Cron_BadExpression_SaysSo(string expression) =>
        Should.Throw<FormatException>(() => new CronSchedule(expression)).Message.ShouldStartWith("Error when parsing cron expression");

    [Fact]
    public void Cron_TimeZone_FollowsDaylightSaving()
    {
        var berlin = new CronSchedule("0 0 9 * * *", "Europe/Berlin");

        berlin.NextAfter(At("2026-01-10T00:00:00Z")).ShouldBe(At("2026-01-10T08:00:00Z"));
        berlin.NextAfter(At("2026-07-10T00:00:00Z")).ShouldBe(At("2026-07-10T07:00:00Z"));
        Should.Throw<FormatException>(() => new CronSchedule("0 0 9 * * *", "Mars/Olympus")).Message.ShouldContain("Mars/Olympus");
    }

    [Fact]
    public void Timer_LateLook_KeepsItsPhaseAndFiresOnce()
    {
        var timer = new Schedule("Timer", "00:10:00", null, CatchUpPolicy.FireOnce);

        timer.Decide(null, At("2026-01-01T00:00:00Z")).ShouldBe((false, At("2026-01-01T00:10:00Z")));
        timer.Decide(At("2026-01-01T00:10:00Z"), At("2026-01-01T00:10:01Z")).ShouldBe((true, At("2026-01-01T00:20:00Z")));
        // Four times have passed: one start, and the next time is where it always was.
        timer.Decide(At("2026-01-01T00:10:00Z"), At("2026-01-01T00:43:00Z")).ShouldBe((true, At("2026-01-01T00:50:00Z")));
    }

    [Fact]
    public void Skip_MissedTime_DoesNotFire()
    {
        var timer = new Schedule("Timer", "00:10:00", null, CatchUpPolicy.Skip);

        timer.Decide(At("2026-01-01T00:10:00Z"), At("2026-01-01T00:43:00Z")).ShouldBe((false, At("2026-01-01T00:50:00Z")));
        timer.Decide(At("2026-01-01T00:10:00Z"), At("2026-01-01T00:10:30Z")).Fires.ShouldBeTrue();
    }

    [Theory]
    [InlineData(CatchUpPolicy.FireOnce, true)]
    [InlineData(CatchUpPolicy.Skip, false)]
    public void StartAt_TimeHasPassedWhenPublished_FiresOnceOrNever(CatchUpPolicy policy, bool fires)
    {
        var startAt = new Schedule("StartAt", "2026-01-01T00:00:00Z", null, policy);

        var (now, next) = startAt.Decide(null, At("2026-02-01T00:00:00Z"));

        now.ShouldBeFalse();
        next.HasValue.ShouldBe(fires);
        if (fires)
            startAt.Decide(next, At("2026-02-01T00:00:00Z")).ShouldBe((true, null));
    }

    private static DateTimeOffset At(string text) => DateTimeOffset.Parse(text, CultureInfo.InvariantCulture);
}
