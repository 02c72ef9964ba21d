using System.Globalization;
using System.Text;

namespace Aura.Orchestra.Sandboxes;

/// <summary>One line of a hunk: <c>' '</c>, <c>'-'</c> or <c>'+'</c>, and the line's bytes with its line end, if it has one.</summary>
internal sealed record PatchLine(char Kind, byte[] Text);

/// <param name="Start">Where the hunk says it begins in the old file, from 1.</param>
internal sealed record Hunk(string Header, int Start, IReadOnlyList<PatchLine> Lines);

/// <summary>A git binary patch, still packed.</summary>
internal sealed record BinaryPatch(bool IsDelta, int Size, byte[] Packed);

/// <summary>What a patch says of one file. A null path stands for /dev/null.</summary>
internal sealed class FilePatch
{
    public string? OldPath { get; set; }
    public string? NewPath { get; set; }
    public string? OldMode { get; set; }
    public string? NewMode { get; set; }
    public string? IndexMode { get; set; }
    public string? OldBlob { get; set; }
    public string? NewBlob { get; set; }
    public bool IsNew { get; set; }
    public bool IsDeleted { get; set; }
    public bool IsCopy { get; set; }
    public bool IsRename { get; set; }
    public BinaryPatch? Binary { get; set; }
    public List<Hunk> Hunks { get; } = [];
}

/// <summary>The patch cannot be read or does not apply; says where.</summary>
internal sealed class PatchException(string code, string message) : Exception(message)
{
    public PatchException(string message)
        : this(RefusalCodes.PatchRejected, message)
    {
    }

    public string Code => code;
}

/// <summary>
/// Reads a unified diff, also as models write it: with wrong counts, without the a/ and b/ prefixes, without git's headers, with
/// text around it. Paths are read, never used here.
/// </summary>
internal sealed class PatchText
{
    private const int MaxFiles = 1_000;
    private readonly string[] _lines;

    // Where a hunk ends for sure: at a header, at the text's end, and at blank lines before one of those.
    private readonly bool[] _boundary;
    private readonly int _maxFileBytes;
    private int _at;

    private PatchText(string text, long maxFileBytes)
    {
        // The end of the last line does not count as a line of its own.
        _lines = (text.EndsWith('\n') ? text[..^1] : text).Split('\n');
        _maxFileBytes = (int)Math.Min(maxFileBytes, int.MaxValue - 1);
        _boundary = new bool[_lines.Length + 1];
        _boundary[^1] = true;
        for (var i = _lines.Length - 1; i >= 0; i--)
        {
            _boundary[i] = IsFileHeader(i) || _lines[i].StartsWith("@@ ", StringComparison.Ordinal) || _lines[i] == "-- "
                || _lines[i].StartsWith("diff --git ", StringComparison.Ordinal) || (_lines[i].Length == 0 && _boundary[i + 1]);
        }
    }

    /// <exception cref="PatchException">It is no patch, or one that cannot be read.</exception>
    public static IReadOnlyList<FilePatch> Parse(string text, long maxFileBytes)
    {
        var reader = new PatchText(text, maxFileBytes);
        var files = new List<FilePatch>();
        while (reader.NextFile() is { } file)
        {
            files.Add(file);
            if (files.Count > MaxFiles)
                throw new PatchException(RefusalCodes.TooMany, $"The patch changes more than {MaxFiles} files.");
        }

        return files.Count > 0 ? files : throw new PatchException(
            "No valid patch was found in the text. A unified diff names the file in '--- a/path' and '+++ b/path' and has hunks '@@ -1,3 +1,4 @@'.");
    }

    /// <summary>The paths that a patch names, each once, without asking whether it can be read; for protocols.</summary>
    public static List<string> PathsOf(string patch) =>
    [
        .. patch.Split('\n')
            .Where(l => l.StartsWith("+++ ", StringComparison.Ordinal) || l.StartsWith("--- ", StringComparison.Ordinal))
            .Select(l => l[4..].Split('\t')[0].Trim())
            .Where(p => p is not ("" or "/dev/null"))
            .Select(p => p.StartsWith("a/", StringComparison.Ordinal) || p.StartsWith("b/", StringComparison.Ordinal) ? p[2..] : p)
            .Distinct(StringComparer.Ordinal).Take(50),
    ];

    private string? Line => _at < _lines.Length ? _lines[_at] : null;

    private FilePatch? NextFile()
    {
        while (Line is { } line)
        {
            if (line.StartsWith("diff --git ", StringComparison.Ordinal))
                return GitFile(line);
            if (IsFileHeader(_at))
                return Body(new());
            if (line.StartsWith("@@ -", StringComparison.Ordinal))
                throw new PatchException($"Line {_at + 1} begins a hunk, but no file is named before it. Put '--- a/path' and '+++ b/path' above.");
            _at++;
        }

        return null;
    }

    private FilePatch GitFile(string header)
    {
        var file = new FilePatch();
        _at++;
        for (; Line is { } line; _at++)
        {
            if (line.StartsWith("old mode ", StringComparison.Ordinal))
                file.OldMode = line[9..].Trim();
            else if (line.StartsWith("new mode ", StringComparison.Ordinal))
                file.NewMode = line[9..].Trim();
            else if (line.StartsWith("new file mode ", StringComparison.Ordinal))
                (file.IsNew, file.NewMode) = (true, line[14..].Trim());
            else if (line.StartsWith("deleted file mode ", StringComparison.Ordinal))
                (file.IsDeleted, file.OldMode) = (true, line[18..].Trim());
            else if (line.StartsWith("rename from ", StringComparison.Ordinal) || line.StartsWith("copy from ", StringComparison.Ordinal))
                (file.OldPath, file.IsCopy, file.IsRename) =
                    (Unquoted(line[(line.IndexOf("from ", StringComparison.Ordinal) + 5)..]), line[0] == 'c', line[0] == 'r');
            else if (line.StartsWith("rename to ", StringComparison.Ordinal) || line.StartsWith("copy to ", StringComparison.Ordinal))
                file.NewPath = Unquoted(line[(line.IndexOf("to ", StringComparison.Ordinal) + 3)..]);
            else if (line.StartsWith("index ", StringComparison.Ordinal))
                Index(file, line[6..]);
            else if (!line.StartsWith("similarity index ", StringComparison.Ordinal)
                && !line.StartsWith("dissimilarity index ", StringComparison.Ordinal))
                break;
        }

        if (IsFileHeader(_at))
            return Body(file);
        if (Line == "GIT binary patch")
        {
            _at++;
            file.Binary = Binary();
        }

        if (file.OldPath is null && file.NewPath is null)
            (file.OldPath, file.NewPath) = NamesOf(header["diff --git ".Length..]);
        if (file.IsNew)
            file.OldPath = null;
        if (file.IsDeleted)
            file.NewPath = null;
        return file;
    }

    private static void Index(FilePatch file, string text)
    {
        var fields = text.Split(' ');
        if (fields[0].Split("..") is not [var old, var made])
            return;
        (file.OldBlob, file.NewBlob) = (old, made);
        if (fields.Length > 1)
            file.IndexMode = fields[1].Trim();
    }

    private FilePatch Body(FilePatch file)
    {
        var (old, made) = (NameOf(_lines[_at][4..]), NameOf(_lines[_at + 1][4..]));
        _at += 2;
        if (file.OldPath is null || file.NewPath is null)
            (file.OldPath, file.NewPath) = Unprefixed(old, made);
        if (file is { IsRename: false, IsCopy: false, OldPath: not null, NewPath: not null })
            file.OldPath = file.NewPath = WithoutPrefix(file.OldPath, file.NewPath);
        (file.IsNew, file.IsDeleted) = (file.OldPath is null, file.NewPath is null);
        if (file is { IsNew: true, IsDeleted: true })
            throw new PatchException($"Line {_at - 1}: both names are /dev/null.");
        while (Line is { } line && line.StartsWith("@@ ", StringComparison.Ordinal))
            file.Hunks.Add(ReadHunk());
        return file;
    }

    private Hunk ReadHunk()
    {
        var header = _lines[_at++];
        var (start, oldCount, newCount) = Counts(header);
        var first = _at;
        // The counts, where they are right, tell a deleted "-- x" from the next file's header.
        if (Take(oldCount, newCount) is { } exact && (AtBoundary() || Line is [] or [not (' ' or '-' or '+'), ..]))
            return new(header, start, exact);
        _at = first;
        return new(header, start, Take(int.MaxValue, int.MaxValue)!);
    }

    private List<PatchLine>? Take(int oldCount, int newCount)
    {
        var counted = oldCount != int.MaxValue;
        var lines = new List<PatchLine>();
        while (oldCount > 0 || newCount > 0)
        {
            if (Line is not { } line || (!counted && AtBoundary()))
                return counted ? null : lines;
            // Editors and models strip the blank of an empty context line.
            var kind = line.Length == 0 ? ' ' : line[0];
            if (kind is not (' ' or '-' or '+'))
                return counted ? null : lines;
            lines.Add(new(kind, Encoding.UTF8.GetBytes((line.Length == 0 ? "" : line[1..]) + "\n")));
            _at++;
            oldCount -= kind == '+' || !counted ? 0 : 1;
            newCount -= kind == '-' || !counted ? 0 : 1;
            NoLineEnd(lines);
        }

        return oldCount < 0 || newCount < 0 ? null : lines;
    }

    private void NoLineEnd(List<PatchLine> lines)
    {
        if (Line is not ['\\', ' ', ..])
            return;
        lines[^1] = lines[^1] with { Text = lines[^1].Text[..^1] };
        _at++;
    }

    private bool AtBoundary() => _boundary[_at];

    private bool IsFileHeader(int at) => at + 1 < _lines.Length && _lines[at].StartsWith("--- ", StringComparison.Ordinal)
        && _lines[at + 1].StartsWith("+++ ", StringComparison.Ordinal);

    private (int Start, int Old, int New) Counts(string header)
    {
        var end = header.IndexOf(" @@", 2, StringComparison.Ordinal);
        var ranges = end < 0 ? [] : header[3..end].Split(' ', StringSplitOptions.RemoveEmptyEntries);
        if (ranges is [['-', .. var old], ['+', .. var made]] && Range(old) is { } from && Range(made) is { } to)
            return (from.Start, from.Count, to.Count);
        throw new PatchException($"Line {_at}: the hunk's header '{Short(header)}' is not of the form '@@ -1,3 +1,4 @@'.");

        static (int Start, int Count)? Range(string text)
        {
            var parts = text.Split(',');
            var count = 1;
            return parts.Length <= 2 && Number(parts[0], out var start) && (parts.Length == 1 || Number(parts[1], out count)) ? (start, count) : null;
        }

        static bool Number(string text, out int number) =>
            int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out number) && number < 100_000_000;
    }

    private BinaryPatch Binary()
    {
        var first = Block() ?? throw new PatchException($"Line {_at + 1}: the binary patch has no 'literal' or 'delta' block.");
        // The way back, which nobody needs here.
        _ = Block();
        return first;
    }

    private BinaryPatch? Block()
    {
        if (Line is not { } head || head.Split(' ') is not ["literal" or "delta", var text])
            return null;
        if (!int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var size) || size > _maxFileBytes)
            throw new PatchException(
                RefusalCodes.TooLarge, $"Line {_at + 1}: the binary patch unpacks to {Short(text)} bytes; at most {_maxFileBytes} can be written.");
        _at++;
        var packed = new List<byte>();
        for (; Line is { Length: > 0 } line; _at++)
        {
            if (!Base85.TryDecode(line, packed))
                throw new PatchException($"Line {_at + 1} of the binary patch cannot be decoded.");
        }

        _at++;
        return new(head[0] == 'd', size, [.. packed]);
    }

    private static string? NameOf(string text)
    {
        // A tab ends the name, quoted or not: time stamps follow it, and git puts one behind a name with spaces.
        var shown = text.Split('\t')[0].TrimEnd('\r');
        var name = shown.StartsWith('"') ? Unquoted(shown) : shown;
        return name == "/dev/null" ? null : name;
    }

    private static (string? Old, string? New) Unprefixed(string? old, string? made)
    {
        foreach (var (a, b) in new[] { ("a/", "b/"), ("i/", "w/"), ("c/", "i/"), ("c/", "w/"), ("o/", "w/") })
        {
            if ((old is null || old.StartsWith(a, StringComparison.Ordinal)) && (made is null || made.StartsWith(b, StringComparison.Ordinal)))
                return (old?[2..], made?[2..]);
        }

        return (old, made);
    }

    // Without a rename both names mean one file: "a/x" beside "x", "x.orig" beside "x".
    private static string WithoutPrefix(string old, string made) =>
        made.StartsWith("b/", StringComparison.Ordinal) && made[2..] == old ? old : made;

    // "a/x b/x": where nothing but the header names the file, both names are the same.
    private static (string? Old, string? New) NamesOf(string names)
    {
        if (names.StartsWith('"'))
        {
            var end = names.IndexOf("\" ", 1, StringComparison.Ordinal);
            return end < 0 ? (null, null) : Unprefixed(Unquoted(names[..(end + 1)]), Unquoted(names[(end + 2)..]));
        }

        var half = (names.Length - 1) / 2;
        return names.Length % 2 == 1 && names[half] == ' ' ? Unprefixed(names[..half], names[(half + 1)..]) : (null, null);
    }

    // git's quotes: C's escapes, bytes in octal.
    private static string Unquoted(string text)
    {
        if (text is not ['"', .., '"'])
            return text.TrimEnd('\r');
        var bytes = new List<byte>();
        for (var i = 1; i < text.Length - 1; i++)
        {
            if (text[i] != '\\')
            {
                var length = char.IsSurrogatePair(text, i) ? 2 : 1;
                bytes.AddRange(Encoding.UTF8.GetBytes(text.Substring(i, length)));
                i += length - 1;
            }
            else if (i + 3 < text.Length - 1 && text[i + 1] is >= '0' and <= '3'
                && text[i + 2] is >= '0' and <= '7' && text[i + 3] is >= '0' and <= '7')
            {
                bytes.Add((byte)(((text[i + 1] - '0') << 6) | ((text[i + 2] - '0') << 3) | (text[i + 3] - '0')));
                i += 3;
            }
            else
            {
                var at = "abtnvfr\"\\".IndexOf(text[++i], StringComparison.Ordinal);
                bytes.Add(at < 0 ? (byte)'?' : (byte)"\a\b\t\n\v\f\r\"\\"[at]);
            }
        }

        return Encoding.UTF8.GetString([.. bytes]);
    }

    private static string Short(string text) => text.Length > 60 ? text[..60] + "…" : text;
}
