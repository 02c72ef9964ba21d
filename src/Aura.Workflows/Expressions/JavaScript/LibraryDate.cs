using System.Globalization;

namespace Aura.Workflows.Expressions.JavaScript;

/// <summary>A Date: milliseconds since 1970 in UTC, or NaN.</summary>
internal sealed class JsDate(Realm realm, double time) : JsObject(realm, realm.PrototypeOf(Builtin.Date))
{
    private static readonly double FirstOfDotNet = (DateTimeOffset.MinValue - DateTimeOffset.UnixEpoch).TotalMilliseconds;
    private static readonly double LastOfDotNet = (DateTimeOffset.MaxValue - DateTimeOffset.UnixEpoch).TotalMilliseconds;

    public double Time { get; set; } = DateMath.Clip(time);

    public override string ClassName => "Date";

    /// <returns>Null for an invalid date, or one that .NET cannot hold.</returns>
    public DateTimeOffset? ToDateTimeOffset() =>
        Time >= FirstOfDotNet && Time <= LastOfDotNet ? DateTimeOffset.FromUnixTimeMilliseconds((long)Time) : null;

    public override string ToString() => DateMath.ToText(Time);
}

/// <summary>Dates as numbers. The time zone of scripts is UTC, wherever the host stands.</summary>
internal static class DateMath
{
    private const double DayMilliseconds = 86_400_000;
    private const double Largest = 8.64e15;

    private static readonly string[] Days = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
    private static readonly string[] Months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

    private static readonly string[] IsoFormats =
    [
        "yyyy", "yyyy-MM", "yyyy-MM-dd",
        "yyyy-MM-ddTHH:mm", "yyyy-MM-ddTHH:mm:ss", "yyyy-MM-ddTHH:mm:ss.FFFFFFF",
        "yyyy-MM-ddTHH:mmK", "yyyy-MM-ddTHH:mm:ssK", "yyyy-MM-ddTHH:mm:ss.FFFFFFFK",
    ];

    public static double Clip(double time) => double.IsNaN(time) || Math.Abs(time) > Largest ? double.NaN : Math.Truncate(time) + 0.0;

    /// <summary>Parts to time. Parts beyond their range carry over, as JavaScript has it.</summary>
    public static double FromParts(double year, double month, double day, double hour, double minute, double second, double millisecond)
    {
        if (!double.IsFinite(year + month + day + hour + minute + second + millisecond) || Math.Abs(year) > 400_000 || Math.Abs(month) > 5_000_000)
            return double.NaN;
        var wholeYear = year + Math.Floor(month / 12);
        var wholeMonth = (int)(month - (Math.Floor(month / 12) * 12));
        var days = DaysFromCivil((long)wholeYear, wholeMonth + 1) + day - 1;
        return (days * DayMilliseconds) + (hour * 3_600_000) + (minute * 60_000) + (second * 1000) + millisecond;
    }

    /// <summary>Year, month (from 0), day, hour, minute, second, millisecond, day of the week.</summary>
    public static double[] ToParts(double time)
    {
        var days = Math.Floor(time / DayMilliseconds);
        var inDay = time - (days * DayMilliseconds);
        var (year, month, day) = CivilFromDays((long)days);
        return
        [
            year, month - 1, day, Math.Floor(inDay / 3_600_000), Math.Floor(inDay / 60_000) % 60, Math.Floor(inDay / 1000) % 60, inDay % 1000,
            (((days + 4) % 7) + 7) % 7,
        ];
    }

    public static double Parse(string text)
    {
        var trimmed = text.Trim();
        const DateTimeStyles Utc = DateTimeStyles.AssumeUniversal | DateTimeStyles.AdjustToUniversal;
        return DateTimeOffset.TryParseExact(trimmed, IsoFormats, CultureInfo.InvariantCulture, Utc, out var moment)
            || (!trimmed.All(char.IsAsciiDigit) && DateTimeOffset.TryParse(WithoutZoneName(trimmed), CultureInfo.InvariantCulture, Utc, out moment))
            ? moment.ToUnixTimeMilliseconds()
            : double.NaN;
    }

    public static string ToIso(double time)
    {
        var p = ToParts(time);
        var year = p[0] is >= 0 and <= 9999 ? $"{p[0]:0000}" : $"{(p[0] < 0 ? '-' : '+')}{Math.Abs(p[0]):000000}";
        return $"{year}-{p[1] + 1:00}-{p[2]:00}T{p[3]:00}:{p[4]:00}:{p[5]:00}.{p[6]:000}Z";
    }

    public static string ToText(double time) => double.IsNaN(time) ? "Invalid Date" : $"{ToDateText(time)} {ToTimeText(time)}";

    public static string ToDateText(double time)
    {
        var p = ToParts(time);
        return $"{Days[(int)p[7]]} {Months[(int)p[1]]} {p[2]:00} {p[0]:0000}";
    }

    public static string ToTimeText(double time)
    {
        var p = ToParts(time);
        return $"{p[3]:00}:{p[4]:00}:{p[5]:00} GMT+0000 (Coordinated Universal Time)";
    }

    public static string ToUtcText(double time)
    {
        var p = ToParts(time);
        return $"{Days[(int)p[7]]}, {p[2]:00} {Months[(int)p[1]]} {p[0]:0000} {p[3]:00}:{p[4]:00}:{p[5]:00} GMT";
    }

    public static string ToLocaleDate(double time)
    {
        var p = ToParts(time);
        return $"{p[1] + 1}/{p[2]}/{p[0]}";
    }

    public static string ToLocaleTime(double time)
    {
        var p = ToParts(time);
        return $"{(p[3] % 12 == 0 ? 12 : p[3] % 12)}:{p[4]:00}:{p[5]:00} {(p[3] < 12 ? "AM" : "PM")}";
    }

    /// <summary>What toString appends in parentheses says nothing that the offset has not said.</summary>
    private static string WithoutZoneName(string text)
    {
        var open = text.IndexOf('(', StringComparison.Ordinal);
        var plain = open > 0 ? text[..open].TrimEnd() : text;
        return plain.Replace(" UTC", " GMT", StringComparison.Ordinal)
            .Replace("GMT+", "+", StringComparison.Ordinal).Replace("GMT-", "-", StringComparison.Ordinal);
    }

    /// <summary>Days from 1970 to the first of a month of the Gregorian calendar, in eras of 400 years that begin in March.</summary>
    private static long DaysFromCivil(long year, int month)
    {
        var y = month <= 2 ? year - 1 : year;
        var era = (y >= 0 ? y : y - 399) / 400;
        var yearOfEra = y - (era * 400);
        var dayOfYear = ((153 * (month + (month > 2 ? -3 : 9))) + 2) / 5;
        return (era * 146097) + (yearOfEra * 365) + (yearOfEra / 4) - (yearOfEra / 100) + dayOfYear - 719468;
    }

    private static (long Year, int Month, int Day) CivilFromDays(long days)
    {
        var shifted = days + 719468;
        var era = (shifted >= 0 ? shifted : shifted - 146096) / 146097;
        var dayOfEra = shifted - (era * 146097);
        var yearOfEra = (dayOfEra - (dayOfEra / 1460) + (dayOfEra / 36524) - (dayOfEra / 146096)) / 365;
        var dayOfYear = dayOfEra - ((365 * yearOfEra) + (yearOfEra / 4) - (yearOfEra / 100));
        var monthFromMarch = ((5 * dayOfYear) + 2) / 153;
        var month = (int)(monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9);
        return (yearOfEra + (era * 400) + (month <= 2 ? 1 : 0), month, (int)(dayOfYear - (((153 * monthFromMarch) + 2) / 5) + 1));
    }
}

internal static class DateLibrary
{
    private const int YearPart = 0;

    /// <summary>In the order of <see cref="DateMath.ToParts"/>; setters take this part and those behind it.</summary>
    private static readonly (string Name, int SetterArguments)[] Parts =
    [
        ("FullYear", 3), ("Month", 2), ("Date", 1), ("Hours", 4), ("Minutes", 3), ("Seconds", 2), ("Milliseconds", 1),
    ];

    public static BuiltinType Type { get; } = new(Builtin.Date, "Date", 7, Construct, Library.WithConstructor(Builtin.Date, MakePrototype()), new()
    {
        { "now", 0, call => Now(call.Realm) },
        { "parse", 1, call => DateMath.Parse(call.Text(0)) },
        { "UTC", 7, call => DateMath.Clip(FromArguments(call)) },
    });

    private static LibraryTable MakePrototype()
    {
        var prototype = new LibraryTable
        {
            { "getTime", 0, call => This(call).Time },
            { "valueOf", 0, call => This(call).Time },
            { "setTime", 1, call => Set(This(call), call.Number(0)) },
            { "getTimezoneOffset", 0, call => This(call).Time * 0 },
            { "getYear", 0, call => Part(call, YearPart) - 1900 },
            { "toISOString", 0, ToIso },
            { "toJSON", 1, call => double.IsNaN(This(call).Time) ? JsValue.Null : ToIso(call) },
            { "toString", 0, call => DateMath.ToText(This(call).Time) },
            { "toDateString", 0, call => Text(call, DateMath.ToDateText) },
            { "toTimeString", 0, call => Text(call, DateMath.ToTimeText) },
            { "toUTCString", 0, call => Text(call, DateMath.ToUtcText) },
            { "toGMTString", 0, call => Text(call, DateMath.ToUtcText) },
            { "toLocaleDateString", 0, call => Text(call, DateMath.ToLocaleDate) },
            { "toLocaleTimeString", 0, call => Text(call, DateMath.ToLocaleTime) },
            { "toLocaleString", 0, call => Text(call, time => $"{DateMath.ToLocaleDate(time)}, {DateMath.ToLocaleTime(time)}") },
        };
        foreach (var prefix in new[] { "", "UTC" })
        {
            prototype.Add($"get{prefix}Day", 0, call => Part(call, 7));
            for (var i = 0; i < Parts.Length; i++)
            {
                var (index, (name, arguments)) = (i, Parts[i]);
                prototype.Add($"get{prefix}{name}", 0, call => Part(call, index));
                prototype.Add($"set{prefix}{name}", arguments, call => SetParts(call, index, arguments));
            }
        }

        return prototype;
    }

    private static JsDate This(NativeCall call) => call.ThisAs<JsDate>("Date");

    private static double Now(Realm realm) => realm.Budget.Time.GetUtcNow().ToUnixTimeMilliseconds();

    private static JsValue Construct(NativeCall call)
    {
        if (call.NewTarget is null)
            return DateMath.ToText(Now(call.Realm));
        return call.Constructed(new JsDate(call.Realm, call.Count switch
        {
            0 => Now(call.Realm),
            1 => FromValue(call.Realm, call[0]),
            _ => FromArguments(call),
        }));
    }

    private static double FromValue(Realm realm, JsValue value)
    {
        if (value.As<JsDate>() is { } date)
            return date.Time;
        var primitive = JsConvert.ToPrimitive(value);
        return primitive.IsString ? DateMath.Parse(primitive.AsString()) : JsConvert.ToNumber(realm, primitive);
    }

    private static double FromArguments(NativeCall call)
    {
        double Argument(int index, double ifMissing) => index < call.Count ? Math.Truncate(call.Number(index)) : ifMissing;

        // Years 0 to 99 mean the twentieth century.
        var year = Argument(0, double.NaN);
        return DateMath.FromParts(
            year is >= 0 and <= 99 ? 1900 + year : year,
            Argument(1, 0), Argument(2, 1), Argument(3, 0), Argument(4, 0), Argument(5, 0), Argument(6, 0));
    }

    private static double Part(NativeCall call, int index) =>
        This(call).Time is var time && double.IsNaN(time) ? double.NaN : DateMath.ToParts(time)[index];

    private static JsValue SetParts(NativeCall call, int first, int arguments)
    {
        var date = This(call);
        // Setting the year makes an invalid date valid; nothing else does.
        if (double.IsNaN(date.Time) && first != YearPart)
            return double.NaN;
        var parts = DateMath.ToParts(double.IsNaN(date.Time) ? 0 : date.Time);
        for (var i = 0; i < Math.Max(1, Math.Min(arguments, call.Count)); i++)
            parts[first + i] = Math.Truncate(call.Number(i));
        return Set(date, DateMath.FromParts(parts[0], parts[1], parts[2], parts[3], parts[4], parts[5], parts[6]));
    }

    private static JsValue Set(JsDate date, double time) => date.Time = DateMath.Clip(time);

    private static JsValue Text(NativeCall call, Func<double, string> format) =>
        double.IsNaN(This(call).Time) ? "Invalid Date" : format(This(call).Time);

    private static JsValue ToIso(NativeCall call) =>
        double.IsNaN(This(call).Time) ? throw call.Realm.RangeError("Invalid time value") : DateMath.ToIso(This(call).Time);
}
