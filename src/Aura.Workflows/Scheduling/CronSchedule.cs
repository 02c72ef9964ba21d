using System.Globalization;
using System.Text.RegularExpressions;
using Quartz;

namespace Aura.Workflows.Scheduling;

/// <summary>
/// A cron expression as Elsa's definitions hold it: six fields (seconds first) or five, days of the week from 0 (Sunday) to 7 (Sunday),
/// <c>*</c> in both day fields. The parser behind it counts days from 1 and wants a question mark in one day field.
/// </summary>
internal sealed partial class CronSchedule
{
    private readonly CronExpression _expression;

    /// <param name="text">For example <c>0 0 9 * * MON-FRI</c>.</param>
    /// <param name="timeZone">An IANA name; null or empty for UTC.</param>
    /// <exception cref="FormatException">Not a cron expression, or no such time zone; the message says which.</exception>
    public CronSchedule(string text, string? timeZone = null)
    {
        var fields = text.Split(' ', StringSplitOptions.RemoveEmptyEntries);
        if (fields.Length == 5)
            fields = ["0", .. fields];
        if (fields.Length != 6)
            throw new FormatException($"Error when parsing cron expression: '{text}' has {fields.Length} fields; write six (seconds first) or five.");
        fields[5] = DayNumber().Replace(fields[5], m => ((int.Parse(m.Value, CultureInfo.InvariantCulture) % 7) + 1).ToString(CultureInfo.InvariantCulture));
        if (fields[5] == "*")
            fields[5] = "?";
        else if (fields[3] == "*")
            fields[3] = "?";
        if (fields[3] == "?" && fields[5] == "?")
            fields[3] = "*";
        try
        {
            _expression = new(string.Join(" ", fields), ZoneOf(timeZone));
        }
        catch (Exception e) when (e is FormatException or ArgumentException or SchedulerException)
        {
            throw new FormatException($"Error when parsing cron expression: '{text}': {e.Message}", e);
        }
    }

    /// <summary>The first time after <paramref name="after"/>; null when there is none.</summary>
    public DateTimeOffset? NextAfter(DateTimeOffset after) => _expression.GetNextValidTimeAfter(after)?.ToUniversalTime();

    /// <exception cref="FormatException">The system knows no zone of that name.</exception>
    public static TimeZoneInfo ZoneOf(string? name)
    {
        if (string.IsNullOrWhiteSpace(name))
            return TimeZoneInfo.Utc;
        return TimeZoneInfo.TryFindSystemTimeZoneById(name, out var zone)
            ? zone
            : throw new FormatException($"There is no time zone '{name}'. Use an IANA name such as Europe/Berlin.");
    }

    // A number that is a day: not a step and not which week of the month.
    [GeneratedRegex("(?<![/#0-9])[0-7](?![0-9])", RegexOptions.CultureInvariant, 1000)]
    private static partial Regex DayNumber();
}
