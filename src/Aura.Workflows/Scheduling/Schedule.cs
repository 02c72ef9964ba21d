using System.Globalization;

namespace Aura.Workflows.Scheduling;

/// <summary>What happens to times that passed while no host ran.</summary>
public enum CatchUpPolicy
{
    /// <summary>The workflow starts once for all of them.</summary>
    FireOnce,

    /// <summary>They are gone; the next regular time is waited for.</summary>
    Skip,
}

/// <summary>A trigger's schedule, as <c>wf.schedules</c> holds it.</summary>
/// <param name="Kind"><c>Timer</c> (expression: an interval), <c>Cron</c> or <c>StartAt</c> (a time).</param>
internal sealed record Schedule(string Kind, string Expression, string? TimeZone, CatchUpPolicy CatchUp)
{
    /// <summary>Later than this is a missed time, not a slow look at the clock.</summary>
    public static readonly TimeSpan Grace = TimeSpan.FromMinutes(1);

    /// <summary>What to do now.</summary>
    /// <param name="dueAt">When it was due; null when it has just been published and has no time yet.</param>
    /// <returns>Whether the workflow starts now, and the time to look again; null when there is none.</returns>
    /// <exception cref="FormatException">The expression cannot be read.</exception>
    public (bool Fires, DateTimeOffset? Next) Decide(DateTimeOffset? dueAt, DateTimeOffset now)
    {
        if (dueAt is not { } due)
            return (false, First(now));
        var fires = CatchUp == CatchUpPolicy.FireOnce || now - due <= Grace;
        return (fires, After(due, now));
    }

    private DateTimeOffset? First(DateTimeOffset now) => Kind switch
    {
        "Timer" => now + Interval,
        "Cron" => new CronSchedule(Expression, TimeZone).NextAfter(now),
        _ => Time is var time && (time > now || CatchUp == CatchUpPolicy.FireOnce) ? time : null,
    };

    private DateTimeOffset? After(DateTimeOffset due, DateTimeOffset now)
    {
        switch (Kind)
        {
            case "Timer":
                // Counted from when it was due, so that a slow look or a restart does not shift the phase.
                var missed = Math.Max(0, (now - due).Ticks / Interval.Ticks);
                return due + (Interval * (missed + 1));
            case "Cron":
                return new CronSchedule(Expression, TimeZone).NextAfter(now);
            default:
                return null;
        }
    }

    private TimeSpan Interval => TimeSpan.TryParse(Expression, CultureInfo.InvariantCulture, out var interval) && interval > TimeSpan.Zero
        ? interval
        : throw new FormatException($"'{Expression}' is no interval; write a positive one as d.hh:mm:ss.");

    private DateTimeOffset Time => DateTimeOffset.TryParse(Expression, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var time)
        ? time.ToUniversalTime()
        : throw new FormatException($"'{Expression}' is no time; write it as 2026-01-31T12:00:00Z.");
}
