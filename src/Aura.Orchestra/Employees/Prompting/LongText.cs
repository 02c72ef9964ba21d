using System.Text;
using System.Text.RegularExpressions;
using Aura.Orchestra.Sandboxes;

namespace Aura.Orchestra.Employees.Prompting;

/// <summary>Shortens what is too long for a model: beginning and end stay, of the middle an outline. Pure.</summary>
internal static partial class LongText
{
    private const int MaxOutline = 80;
    private const int MaxOutlineLine = 120;

    /// <summary>The text when it is short enough, else its summary of about that many characters.</summary>
    /// <param name="text">Any text.</param>
    /// <param name="limit">In characters.</param>
    /// <param name="howToReadOn">A sentence for the model; empty when there is no way.</param>
    public static string Shorten(string text, int limit, string howToReadOn)
    {
        if (text.Length <= limit)
            return text;
        var lines = text.Split('\n');
        var outline = Math.Min(limit / 3, MaxOutline * 60);
        var room = limit - outline;
        var (first, head) = Take(lines, room * 2 / 3);
        var (last, tail) = TakeEnd(lines, first, room / 3);
        // One endless line: cut it wherever.
        if (first == 0 && last == lines.Length)
            return RunLog.Bounded(text, room, room * 2 / 3);

        var summary = new StringBuilder(head).Append($"… lines {first + 1} to {last} of {lines.Length} left out. {howToReadOn}".TrimEnd())
            .Append('\n');
        var marks = lines[first..last].Select((l, i) => (Line: l, Number: first + i + 1)).Where(l => Landmark().IsMatch(l.Line)).ToList();
        if (marks.Count > 0)
        {
            summary.Append("What stands there:\n");
            var budget = outline;
            foreach (var (line, number) in marks.Take(MaxOutline))
            {
                var entry = $"  {number}: {(line.Length > MaxOutlineLine ? line[..MaxOutlineLine] + "…" : line).TrimEnd()}\n";
                if ((budget -= entry.Length) < 0)
                    break;
                summary.Append(entry);
            }
        }

        return summary.Append("…\n").Append(tail).ToString();
    }

    private static (int Lines, string Text) Take(string[] lines, int room)
    {
        var text = new StringBuilder();
        var count = 0;
        while (count < lines.Length && text.Length + lines[count].Length + 1 <= room)
            text.Append(lines[count++]).Append('\n');
        return (count, text.ToString());
    }

    private static (int From, string Text) TakeEnd(string[] lines, int after, int room)
    {
        var from = lines.Length;
        while (from > after && (room -= lines[from - 1].Length + 1) >= 0)
            from--;
        return (from, string.Join('\n', lines[from..]));
    }

    /// <summary>Lines by which one finds one's way: declarations of the common languages, and headings.</summary>
    [GeneratedRegex(
        @"^\s*(@\w|(export |public |internal |private |protected |static |async |abstract |sealed )*(def|class|interface|function|func|fn|struct|enum|record|trait|impl|module|namespace|type)\s|#{1,4} |CREATE |\[[\w.-]+\]\s*$)",
        RegexOptions.ExplicitCapture | RegexOptions.NonBacktracking)]
    private static partial Regex Landmark();
}
