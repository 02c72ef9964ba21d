using System.Text.RegularExpressions;

namespace Aura.Workflows.Expressions.JavaScript;

/// <summary>
/// A regular expression, compiled. Shared by all runs of the script that it stands in.
/// </summary>
internal sealed class RegexPattern
{
    /// <summary>One match takes no longer; the run's clock is looked at after each.</summary>
    private static readonly TimeSpan MatchTimeout = TimeSpan.FromSeconds(1);

    private const int LongestPattern = 10_000;

    private RegexPattern(string source, string flags, Regex regex, IReadOnlyDictionary<string, int> names)
    {
        Source = source;
        Flags = flags;
        Regex = regex;
        Names = names;
    }

    public string Source { get; }

    public string Flags { get; }

    public Regex Regex { get; }

    /// <summary>The numbers of the named groups.</summary>
    public IReadOnlyDictionary<string, int> Names { get; }

    public bool Has(char flag) => Flags.Contains(flag, StringComparison.Ordinal);

    public static RegexPattern? TryCompile(string pattern, string flags, out string? error)
    {
        error = null;
        if (pattern.Length > LongestPattern)
        {
            error = $"Invalid regular expression: more than {LongestPattern} characters";
            return null;
        }

        if (flags.Except("gimsuy").Any() || flags.Distinct().Count() != flags.Length)
        {
            error = $"Invalid regular expression flags '{flags}'";
            return null;
        }

        try
        {
            var translator = new RegexTranslator(pattern, flags);
            var caseOption = flags.Contains('i', StringComparison.Ordinal) ? RegexOptions.IgnoreCase : RegexOptions.None;
            var regex = new Regex(translator.Translate(), RegexOptions.CultureInvariant | caseOption, MatchTimeout);
            return new(pattern, string.Concat(flags.Order()), regex, translator.Names);
        }
        catch (Exception e) when (e is FormatException or ArgumentException)
        {
            // .NET's message shows the translated pattern, which the script's author does not know.
            error = $"Invalid regular expression: /{pattern}/: {(e as RegexParseException)?.Error.ToString() ?? e.Message}";
            return null;
        }
    }
}
