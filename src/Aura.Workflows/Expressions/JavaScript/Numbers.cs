using System.Globalization;
using System.Numerics;
using System.Text;

namespace Aura.Workflows.Expressions.JavaScript;

/// <summary>Numbers as texts and texts as numbers, by the rules of JavaScript.</summary>
internal static class Numbers
{
    private const string Digits = "0123456789abcdefghijklmnopqrstuvwxyz";

    public static string ToText(double value)
    {
        if (value == Math.Floor(value) && Math.Abs(value) < 1e15)
            return ((long)value).ToString(CultureInfo.InvariantCulture);
        if (double.IsNaN(value))
            return "NaN";
        if (double.IsInfinity(value))
            return value > 0 ? "Infinity" : "-Infinity";
        var (digits, exponent) = Decompose(value);
        return (value < 0 ? "-" : "") + Layout(digits, exponent);
    }

    /// <summary>Text to number as <c>Number(text)</c> does it: NaN where any of it is no number.</summary>
    public static double Parse(string text)
    {
        var trimmed = Trim(text);
        if (trimmed.Length == 0)
            return 0;
        if (trimmed.Length > 2 && trimmed[0] == '0' && char.ToLowerInvariant(trimmed[1]) is var prefix and ('x' or 'o' or 'b'))
            return ParseRadix(trimmed[2..], prefix switch { 'x' => 16, 'o' => 8, _ => 2 });
        return DecimalPrefix(trimmed) == trimmed.Length ? ParseDecimal(trimmed) : double.NaN;
    }

    public static double ParseFloat(string text)
    {
        var trimmed = Trim(text);
        var length = DecimalPrefix(trimmed);
        return length == 0 ? double.NaN : ParseDecimal(trimmed[..length]);
    }

    public static double ParseInt(string text, int radix)
    {
        var digits = Trim(text);
        var negative = digits.StartsWith('-');
        if (negative || digits.StartsWith('+'))
            digits = digits[1..];
        if (radix is 0 or 16 && digits.StartsWith("0x", StringComparison.OrdinalIgnoreCase))
            (digits, radix) = (digits[2..], 16);
        radix = radix == 0 ? 10 : radix;
        if (radix is < 2 or > 36)
            return double.NaN;
        var length = 0;
        while (length < digits.Length && DigitValue(digits[length]) < radix)
            length++;
        var value = length == 0 ? double.NaN : radix == 10 ? ParseDecimal(digits[..length]) : ParseRadix(digits[..length], radix);
        return negative ? -value : value;
    }

    public static double ParseRadix(string digits, int radix)
    {
        double value = digits.Length == 0 ? double.NaN : 0;
        foreach (var digit in digits)
            value = DigitValue(digit) < radix ? (value * radix) + DigitValue(digit) : double.NaN;
        return value;
    }

    public static string ToRadix(double value, int radix)
    {
        if (radix == 10 || !double.IsFinite(value))
            return ToText(value);
        var text = new StringBuilder();
        var whole = new BigInteger(Math.Floor(Math.Abs(value)));
        do
        {
            text.Insert(0, Digits[(int)(whole % radix)]);
            whole /= radix;
        }
        while (!whole.IsZero);
        AppendFraction(text, Math.Abs(value), radix);
        return value < 0 ? "-" + text : text.ToString();
    }

    public static string ToFixed(double value, int digits)
    {
        if (!double.IsFinite(value) || Math.Abs(value) >= 1e21)
            return ToText(value);
        var text = Scaled(Math.Abs(value), digits).ToString(CultureInfo.InvariantCulture).PadLeft(digits + 1, '0');
        var point = text.Length - digits;
        return (value < 0 ? "-" : "") + text[..point] + (digits > 0 ? "." + text[point..] : "");
    }

    /// <param name="digits">Digits after the point, or -1 for as many as are needed.</param>
    public static string ToExponential(double value, int digits)
    {
        if (!double.IsFinite(value))
            return ToText(value);
        var (text, exponent) = digits < 0 ? Decompose(value) : Decompose(value, digits + 1);
        return (value < 0 ? "-" : "") + Scientific(text, exponent);
    }

    public static string ToPrecision(double value, int precision)
    {
        if (!double.IsFinite(value))
            return ToText(value);
        var (digits, exponent) = Decompose(value, precision);
        var sign = value < 0 ? "-" : "";
        if (exponent < -6 || exponent >= precision)
            return sign + Scientific(digits, exponent);
        return sign + Layout(digits, exponent);
    }

    /// <summary>With commas between the thousands, as <c>toLocaleString</c> writes it in English.</summary>
    public static string ToLocaleText(double value, int minimumFraction, int maximumFraction)
    {
        if (!double.IsFinite(value))
            return double.IsNaN(value) ? "NaN" : value > 0 ? "∞" : "-∞";
        var format = "#,##0." + new string('0', minimumFraction) + new string('#', maximumFraction - minimumFraction);
        // Decimal rounds what the number looks like; double would round its binary expansion.
        return Math.Abs(value) < 1e15
            ? ((decimal)value).ToString(format, CultureInfo.InvariantCulture)
            : value.ToString(format, CultureInfo.InvariantCulture);
    }

    /// <summary>To a 32-bit integer, the way the bitwise operators see numbers.</summary>
    public static int ToInt32(double value)
    {
        var truncated = (int)value;
        if (truncated == value)
            return truncated;
        if (!double.IsFinite(value))
            return 0;
        var modulo = Math.IEEERemainder(Math.Truncate(value), 4294967296.0);
        return unchecked((int)(long)modulo);
    }

    public static string Trim(string text) => text.AsSpan().Trim(WhiteSpace).ToString();

    public const string WhiteSpace =
        "\t\n\v\f\r \u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000\ufeff";

    /// <summary>The shortest digits that give the number back, and the decimal exponent of the first of them.</summary>
    private static (string Digits, int Exponent) Decompose(double value) => Split(Math.Abs(value).ToString("R", CultureInfo.InvariantCulture));

    /// <summary>As many digits as asked for, rounded from the number's exact value.</summary>
    private static (string Digits, int Exponent) Decompose(double value, int precision)
    {
        if (value == 0)
            return (new('0', precision), 0);
        var exponent = Decompose(value).Exponent;
        var digits = Scaled(Math.Abs(value), precision - 1 - exponent).ToString(CultureInfo.InvariantCulture);
        // 9.99 rounded to two digits has become 10.0.
        return digits.Length > precision ? (digits[..precision], exponent + 1) : (digits, exponent);
    }

    /// <summary>The number times a power of ten, rounded to an integer, halves up. Exact: doubles are fractions of integers.</summary>
    private static BigInteger Scaled(double value, int power)
    {
        var bits = BitConverter.DoubleToInt64Bits(value);
        var biased = (int)((bits >> 52) & 0x7ff);
        var mantissa = bits & 0xfffffffffffff;
        var (whole, shift) = biased == 0 ? (mantissa, -1074) : (mantissa | 0x10000000000000, biased - 1075);
        var numerator = new BigInteger(whole) * BigInteger.Pow(2, Math.Max(shift, 0)) * BigInteger.Pow(10, Math.Max(power, 0));
        var denominator = BigInteger.Pow(2, Math.Max(-shift, 0)) * BigInteger.Pow(10, Math.Max(-power, 0));
        return ((2 * numerator) + denominator) / (2 * denominator);
    }

    /// <summary>Takes apart what .NET writes: digits with an optional point and exponent.</summary>
    private static (string Digits, int Exponent) Split(string text)
    {
        var e = text.IndexOf('E', StringComparison.Ordinal);
        var exponent = e < 0 ? 0 : int.Parse(text.AsSpan(e + 1), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture);
        var mantissa = e < 0 ? text : text[..e];
        var point = mantissa.IndexOf('.', StringComparison.Ordinal);
        var digits = mantissa.Replace(".", "", StringComparison.Ordinal);
        exponent += (point < 0 ? mantissa.Length : point) - 1;
        var leading = digits.Length - digits.TrimStart('0').Length;
        if (leading == digits.Length)
            return ("0", 0);
        digits = digits[leading..].TrimEnd('0');
        return (digits, exponent - leading);
    }

    private static string Layout(string digits, int exponent) => exponent switch
    {
        >= 21 => Scientific(digits, exponent),
        _ when exponent >= digits.Length - 1 => digits.PadRight(exponent + 1, '0'),
        >= 0 => string.Concat(digits.AsSpan(0, exponent + 1), ".", digits.AsSpan(exponent + 1)),
        >= -6 => "0." + new string('0', -exponent - 1) + digits,
        _ => Scientific(digits, exponent),
    };

    private static string Scientific(string digits, int exponent) =>
        $"{digits[0]}{(digits.Length > 1 ? "." + digits[1..] : "")}e{(exponent < 0 ? '-' : '+')}{Math.Abs(exponent)}";

    private static double ParseDecimal(string text)
    {
        var sign = text[0] == '-' ? -1 : 1;
        var unsigned = text[0] is '-' or '+' ? text[1..] : text;
        return sign * (unsigned == "Infinity" ? double.PositiveInfinity : double.Parse(unsigned, NumberStyles.Float, CultureInfo.InvariantCulture));
    }

    /// <summary>How many characters at the beginning make a decimal number.</summary>
    private static int DecimalPrefix(string text)
    {
        var i = text.Length > 0 && text[0] is '-' or '+' ? 1 : 0;
        if (string.CompareOrdinal(text, i, "Infinity", 0, 8) == 0)
            return i + 8;
        var whole = CountDigits(text, i);
        i += whole;
        if (i < text.Length && text[i] == '.')
        {
            var fraction = CountDigits(text, i + 1);
            if (whole + fraction == 0)
                return 0;
            i += 1 + fraction;
        }
        else if (whole == 0)
        {
            return 0;
        }

        if (i >= text.Length || text[i] is not ('e' or 'E'))
            return i;
        var exponent = i + 1 < text.Length && text[i + 1] is '-' or '+' ? i + 2 : i + 1;
        var count = CountDigits(text, exponent);
        return count == 0 ? i : exponent + count;
    }

    private static int CountDigits(string text, int start)
    {
        var i = start;
        while (i < text.Length && char.IsAsciiDigit(text[i]))
            i++;
        return i - start;
    }

    private static int DigitValue(char c) => c switch
    {
        >= '0' and <= '9' => c - '0',
        >= 'a' and <= 'z' => c - 'a' + 10,
        >= 'A' and <= 'Z' => c - 'A' + 10,
        _ => int.MaxValue,
    };

    /// <summary>Digits until what is left is smaller than the distance to the next number.</summary>
    private static void AppendFraction(StringBuilder text, double value, int radix)
    {
        var fraction = value - Math.Floor(value);
        if (fraction == 0)
            return;
        text.Append('.');
        var delta = Math.Max(0.5 * (Math.BitIncrement(value) - value), double.Epsilon);
        do
        {
            fraction *= radix;
            delta *= radix;
            var digit = (int)fraction;
            fraction -= digit;
            if ((fraction > 0.5 || (fraction == 0.5 && (digit & 1) == 1)) && fraction + delta > 1 && digit + 1 < radix)
                (digit, fraction) = (digit + 1, 0);
            text.Append(Digits[digit]);
        }
        while (fraction >= delta);
    }
}
