using System.Globalization;
using System.Text;

namespace Aura.Orchestra.Tools;

/// <summary>
/// Finds out why a unified diff does not fit: the first hunk whose old lines are nowhere in the file, shown beside what the file really
/// holds there. Only explains a refusal that was made already; whether a patch fits is git's to say.
/// </summary>
internal static class PatchFailure
{
    private const int MaxShown = 60;

    /// <param name="read">The text of a file; null when it cannot be read.</param>
    /// <returns>Null when nothing more can be said.</returns>
    public static async Task<string?> ExplainAsync(string patch, Func<string, Task<string?>> read)
    {
        var hunks = Parse(patch);
        if (hunks.Count == 0)
            return "It holds no hunk: each file needs '--- a/path', '+++ b/path' and at least one '@@ -start,count +start,count @@'.";
        foreach (var file in hunks.GroupBy(h => h.Path, StringComparer.Ordinal))
        {
            if (file.Key.Length == 0)
                continue;
            if (await read(file.Key) is not { } text)
                return $"Hunk 1 of {file.Key}: there is no such text file. To create one write '--- /dev/null' and '@@ -0,0 +1,N @@'.";
            var lines = text.Replace("\r\n", "\n", StringComparison.Ordinal).Split('\n');
            var number = 0;
            foreach (var hunk in file)
            {
                number++;
                if (hunk.Old.Count > 0 && Find(lines, hunk.Old) < 0)
                    return Show(file.Key, number, hunk, lines);
            }
        }

        return null;
    }

    /// <summary>The paths a patch names, each once.</summary>
    public static List<string> PathsOf(string patch) =>
    [
        .. patch.Split('\n')
            .Where(l => l.StartsWith("+++ ", StringComparison.Ordinal) || l.StartsWith("--- ", StringComparison.Ordinal))
            .Select(l => PathOf(l[4..]))
            .Where(p => p.Length > 0)
            .Distinct(StringComparer.Ordinal).Take(50),
    ];

    private static List<Hunk> Parse(string patch)
    {
        var hunks = new List<Hunk>();
        var path = "";
        Hunk? hunk = null;
        foreach (var raw in patch.TrimEnd('\n', '\r').Split('\n'))
        {
            var line = raw.TrimEnd('\r');
            if (line.StartsWith("--- ", StringComparison.Ordinal))
            {
                (path, hunk) = (PathOf(line[4..]), null);
            }
            else if (line.StartsWith("+++ ", StringComparison.Ordinal) && hunk is null)
            {
                continue;
            }
            else if (line.StartsWith("@@", StringComparison.Ordinal))
            {
                hunk = new(path, line, StartOf(line), []);
                hunks.Add(hunk);
            }
            else if (hunk is not null && (line.Length == 0 || line[0] is ' ' or '-'))
            {
                // Blank context often comes without its leading space.
                hunk.Old.Add(line.Length == 0 ? "" : line[1..]);
            }
        }

        return hunks;
    }

    private static string Show(string path, int number, Hunk hunk, string[] lines)
    {
        var at = Nearest(lines, hunk);
        var text = new StringBuilder($"Hunk {number} of {path} does not fit: {hunk.Header}\nThe hunk wants these lines:\n");
        foreach (var line in hunk.Old.Take(MaxShown))
            text.Append("  | ").Append(line).Append('\n');
        var from = Math.Max(0, at - 3);
        var to = Math.Min(lines.Length, at + Math.Min(hunk.Old.Count, MaxShown) + 3);
        text.Append($"The file holds, from line {from + 1}:\n");
        for (var i = from; i < to; i++)
            text.Append(CultureInfo.InvariantCulture, $"{i + 1,5} | ").Append(lines[i]).Append('\n');
        return text.ToString().TrimEnd('\n');
    }

    /// <summary>Where most of the hunk's lines stand in their order; of equals the one nearest to where the hunk says.</summary>
    private static int Nearest(string[] lines, Hunk hunk)
    {
        var wanted = hunk.Old.Take(MaxShown).ToList();
        int best = Math.Clamp(hunk.Start - 1, 0, Math.Max(0, lines.Length - 1)), bestScore = 0;
        for (var at = 0; at < lines.Length; at++)
        {
            var score = 0;
            for (var i = 0; i < wanted.Count && at + i < lines.Length; i++)
            {
                if (lines[at + i].Trim() is { Length: > 0 } line && line == wanted[i].Trim())
                    score++;
            }

            if (score > bestScore || (score == bestScore && score > 0 && Math.Abs(at + 1 - hunk.Start) < Math.Abs(best + 1 - hunk.Start)))
                (best, bestScore) = (at, score);
        }

        return best;
    }

    private static int Find(string[] lines, List<string> wanted)
    {
        for (var at = 0; at + wanted.Count <= lines.Length; at++)
        {
            var i = 0;
            while (i < wanted.Count && lines[at + i] == wanted[i])
                i++;
            if (i == wanted.Count)
                return at;
        }

        return -1;
    }

    private static string PathOf(string text)
    {
        var path = text.Split('\t')[0].Trim();
        if (path is "/dev/null")
            return "";
        return path.StartsWith("a/", StringComparison.Ordinal) || path.StartsWith("b/", StringComparison.Ordinal) ? path[2..] : path;
    }

    // "@@ -12,5 +12,7 @@": the first number behind the minus.
    private static int StartOf(string header)
    {
        var minus = header.IndexOf('-', StringComparison.Ordinal);
        var digits = minus < 0 ? "" : new string([.. header[(minus + 1)..].TakeWhile(char.IsAsciiDigit)]);
        return int.TryParse(digits, CultureInfo.InvariantCulture, out var start) ? start : 1;
    }

    private sealed record Hunk(string Path, string Header, int Start, List<string> Old);
}
