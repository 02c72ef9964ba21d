using System.Diagnostics;
using System.Text;
using System.Text.RegularExpressions;
using Aura.Orchestra.Employees;
using Aura.Orchestra.Sandboxes;

namespace Aura.Orchestra.Tools;

/// <summary>What to look for and where.</summary>
/// <param name="After">Only behind this place; null from the beginning.</param>
internal sealed record SearchRequest(string Pattern, Glob Glob, bool IgnoreCase, int Context, int Limit, (string Path, int Line)? After);

/// <summary>Finds lines in a sandbox's files, within limits of time, matches and text.</summary>
internal static class FileSearch
{
    /// <summary>For the whole search.</summary>
    public static readonly TimeSpan TimeLimit = TimeSpan.FromSeconds(10);

    private const int MaxLine = 400;
    private const int MaxText = 100_000;

    // Counted repeats are unrolled into states: nested, they multiply.
    private const long MaxRepeats = 10_000;

    /// <summary>The expression, or why it is not taken. It runs in linear time whatever the text.</summary>
    public static (Regex? Regex, ToolResult? Problem) Compile(string pattern, bool ignoreCase)
    {
        if (Repeats(pattern) > MaxRepeats)
            return (null, Refused($"The counted repeats {{n}} of the pattern multiply to more than {MaxRepeats}. Use smaller counts, or * and +."));
        try
        {
            var options = RegexOptions.NonBacktracking | RegexOptions.CultureInvariant | (ignoreCase ? RegexOptions.IgnoreCase : RegexOptions.None);
            return (new(pattern, options, TimeSpan.FromSeconds(2)), null);
        }
        catch (ArgumentException e)
        {
            return (null, Refused($"The pattern is no regular expression: {e.Message}"));
        }
        catch (NotSupportedException)
        {
            return (null, Refused("The pattern uses look-around, back references or the like, which are not supported. Write it without them, and filter the matches yourself."));
        }
    }

    public static async Task<ToolResult> RunAsync(
        Sandbox sandbox, SearchRequest request, IProgress<ToolProgress>? progress, CancellationToken cancellationToken)
    {
        var (regex, problem) = Compile(request.Pattern, request.IgnoreCase);
        if (regex is null)
            return problem!;
        var files = sandbox.ListFiles(request.Glob);
        var watch = Stopwatch.StartNew();
        var matches = new List<Match>();
        var text = new StringBuilder();
        int searched = 0, skipped = 0;
        (string Path, int Line)? next = null;
        var isTimedOut = false;
        foreach (var file in files)
        {
            if (request.After is { } after && string.CompareOrdinal(file.Path, after.Path) < 0)
                continue;
            cancellationToken.ThrowIfCancellationRequested();
            if (searched % 200 == 0)
                progress?.Report(new(searched, files.Count, $"{matches.Count} matches so far"));
            searched++;
            var read = await sandbox.ReadFileAsync(file.Path, cancellationToken);
            if (read.IsRefused || read.Value.Contains('\0', StringComparison.Ordinal))
            {
                skipped++;
                continue;
            }

            var lines = read.Value.Split('\n');
            var from = request.After is { } place && place.Path == file.Path ? place.Line : 0;
            for (var i = from; i < lines.Length && next is null && !isTimedOut; i++)
            {
                try
                {
                    isTimedOut = watch.Elapsed > TimeLimit;
                    if (isTimedOut || !regex.IsMatch(lines[i].TrimEnd('\r')))
                        continue;
                }
                catch (RegexMatchTimeoutException)
                {
                    isTimedOut = true;
                    continue;
                }

                if (matches.Count >= request.Limit || text.Length > MaxText)
                    next = (file.Path, i);
                else
                    matches.Add(Add(text, file.Path, lines, i, request.Context));
            }

            if (next is not null || isTimedOut)
                break;
        }

        if (next is { } more)
            text.Append($"… there are more matches; call again with cursor \"{CursorOf(more)}\".\n");
        if (isTimedOut)
            text.Append($"… stopped after {TimeLimit.TotalSeconds:0} s; narrow it with a glob or a simpler pattern.\n");
        if (matches.Count == 0 && !isTimedOut)
            text.Append($"No match in {searched - skipped} files.\n");
        return ToolResult.Done(text.ToString().TrimEnd('\n'), new
        {
            matches,
            files_searched = searched - skipped,
            files_skipped = skipped,
            timed_out = isTimedOut,
            next_cursor = next is { } n ? CursorOf(n) : null,
        });
    }

    public static string CursorOf((string Path, int Line) place) => Cursors.Write($"{place.Line}:{place.Path}");

    /// <summary>Null when it is none of ours.</summary>
    public static (string Path, int Line)? PlaceOf(string cursor) =>
        Cursors.Read(cursor)?.Split(':', 2) is [var line, var path] && int.TryParse(line, System.Globalization.CultureInfo.InvariantCulture, out var number) && number >= 0
            ? (path, number)
            : null;

    private static ToolResult Refused(string message) => ToolResult.Refused(ToolCodes.InvalidPattern, message);

    private static Match Add(StringBuilder text, string path, string[] lines, int at, int context)
    {
        var before = Lines(lines, Math.Max(0, at - context), at);
        var after = Lines(lines, at + 1, Math.Min(lines.Length, at + 1 + context));
        for (var i = 0; i < before.Count; i++)
            text.Append($"{path}-{at - before.Count + i + 1}- {before[i]}\n");
        text.Append($"{path}:{at + 1}: {Cut(lines[at])}\n");
        for (var i = 0; i < after.Count; i++)
            text.Append($"{path}-{at + i + 2}- {after[i]}\n");
        return new(path, at + 1, Cut(lines[at]), context == 0 ? null : before, context == 0 ? null : after);
    }

    private static List<string> Lines(string[] lines, int from, int to) => [.. lines[from..Math.Max(from, to)].Select(Cut)];

    private static string Cut(string line) => line.TrimEnd('\r') is var plain && plain.Length > MaxLine ? plain[..MaxLine] + "…" : plain;

    // The product of all bounds, wherever they stand: more than the truth, never less.
    private static long Repeats(string pattern)
    {
        long product = 1;
        for (var i = pattern.IndexOf('{', StringComparison.Ordinal); i >= 0 && product <= MaxRepeats; i = pattern.IndexOf('{', i + 1))
        {
            var end = pattern.IndexOf('}', i);
            if (end < 0)
                break;
            foreach (var bound in pattern[(i + 1)..end].Split(',').Reverse())
            {
                if (bound.Length is 0 || !bound.All(char.IsAsciiDigit))
                    continue;
                product *= bound.Length > 6 ? MaxRepeats + 1 : Math.Max(1, long.Parse(bound, System.Globalization.CultureInfo.InvariantCulture));
                break;
            }
        }

        return product;
    }

    private sealed record Match(string Path, int Line, string Text, IReadOnlyList<string>? Before, IReadOnlyList<string>? After);
}

/// <summary>Opaque texts for the next page.</summary>
internal static class Cursors
{
    public static string Write(string place) => System.Buffers.Text.Base64Url.EncodeToString(Encoding.UTF8.GetBytes(place));

    /// <summary>Null when it cannot be read.</summary>
    public static string? Read(string cursor)
    {
        try
        {
            return Encoding.UTF8.GetString(System.Buffers.Text.Base64Url.DecodeFromChars(cursor));
        }
        catch (FormatException)
        {
            return null;
        }
    }
}
