using System.Text;

namespace Aura.Orchestra.Scoring;

/// <summary>A public function, method or class of a Python file.</summary>
/// <param name="Name">With its classes: <c>Account.deposit</c>.</param>
/// <param name="Parameters">Names only, with their stars, in order; of a class its bases. Annotations and defaults are no part of it.</param>
public sealed record PublicSignature(string Path, string Name, string Parameters)
{
    public override string ToString() => $"{Path}:{Name}({Parameters})";
}

/// <summary>What a set of Python files offers to others, read from their text. Pure; understands def and class at module and class level.</summary>
/// <param name="Signatures">In path and source order.</param>
/// <param name="Documented">How many of them have a docstring.</param>
public sealed record PublicSignatures(IReadOnlyList<PublicSignature> Signatures, int Documented)
{
    /// <summary>Share with a docstring; 1 when nothing public is offered.</summary>
    public double DocsQuality => Signatures.Count == 0 ? 1 : (double)Documented / Signatures.Count;

    /// <param name="files">Path to source text. Files that are not Python, and test files, are passed over.</param>
    public static PublicSignatures Of(IReadOnlyDictionary<string, string> files)
    {
        ArgumentNullException.ThrowIfNull(files);
        var signatures = new List<PublicSignature>();
        var documented = 0;
        foreach (var (path, source) in files.OrderBy(f => f.Key, StringComparer.Ordinal))
        {
            if (path.EndsWith(".py", StringComparison.Ordinal) && !Validation.ProtectedTests.IsTestFile(path))
                documented += Read(path, source, signatures);
        }

        return new(signatures, documented);
    }

    private static int Read(string path, string source, List<PublicSignature> signatures)
    {
        var documented = 0;
        var lines = LogicalLines(source).ToList();
        // The classes and functions around a line, innermost last; a function hides what it holds.
        var around = new Stack<(int Indent, string Name, bool IsClass)>();
        for (var i = 0; i < lines.Count; i++)
        {
            var (indent, text) = lines[i];
            while (around.TryPeek(out var outer) && outer.Indent >= indent)
                around.Pop();
            var line = text.StartsWith("async ", StringComparison.Ordinal) ? text[6..].TrimStart() : text;
            var isClass = line.StartsWith("class ", StringComparison.Ordinal);
            if (!isClass && !line.StartsWith("def ", StringComparison.Ordinal))
                continue;
            var rest = line[(isClass ? 6 : 4)..].TrimStart();
            var name = new string([.. rest.TakeWhile(c => char.IsLetterOrDigit(c) || c == '_')]);
            if (around.All(a => a.IsClass && !a.Name.StartsWith('_')) && name.Length > 0 && (!name.StartsWith('_') || name == "__init__"))
            {
                signatures.Add(new(path, string.Join('.', around.Reverse().Select(a => a.Name).Append(name)), Parameters(rest[name.Length..])));
                if (name == "__init__" || (i + 1 < lines.Count && lines[i + 1].Indent > indent && IsString(lines[i + 1].Text)))
                    documented++;
            }

            around.Push((indent, name, isClass));
        }

        return documented;
    }

    private static bool IsString(string text)
    {
        var bare = text.TrimStart('r', 'R', 'u', 'U');
        return bare.StartsWith('"') || bare.StartsWith('\'');
    }

    // "(self, a: int = f(1, 2), *rest, **more) -> int:" gives "self, a, *rest, **more".
    private static string Parameters(string text)
    {
        if (!text.StartsWith('('))
            return "";
        var names = new List<string>();
        var current = new StringBuilder();
        var depth = 0;
        foreach (var c in text)
        {
            if (c is '(' or '[' or '{')
                depth++;
            if (c is ')' or ']' or '}')
                depth--;
            if (depth == 0 || (depth == 1 && c == ','))
            {
                Keep();
                if (depth == 0)
                    break;
            }
            else if (depth > 1 || c != '(')
            {
                current.Append(c);
            }
        }

        return string.Join(", ", names);

        void Keep()
        {
            var name = current.ToString().Split([':', '='], 2)[0].Trim();
            if (name.Length > 0)
                names.Add(name);
            current.Clear();
        }
    }

    // Physical lines joined over brackets and backslashes; comments and the insides of strings are taken out.
    private static IEnumerable<(int Indent, string Text)> LogicalLines(string source)
    {
        var text = new StringBuilder();
        var indent = 0;
        var depth = 0;
        for (var i = 0; i < source.Length; i++)
        {
            var c = source[i];
            switch (c)
            {
                case '#':
                    while (i + 1 < source.Length && source[i + 1] != '\n')
                        i++;
                    break;
                case '"' or '\'':
                    var quote = i + 2 < source.Length && source[i + 1] == c && source[i + 2] == c ? new string(c, 3) : c.ToString();
                    i = EndOfString(source, i + quote.Length, quote) - 1;
                    text.Append(c).Append(c);
                    break;
                case '\\' when i + 1 < source.Length && source[i + 1] is '\n' or '\r':
                    i += source[i + 1] == '\r' && i + 2 < source.Length ? 2 : 1;
                    text.Append(' ');
                    break;
                case '\n' or '\r' when depth > 0:
                    text.Append(' ');
                    break;
                case '\n':
                    if (text.Length > 0)
                        yield return (indent, text.ToString().Trim());
                    text.Clear();
                    indent = 0;
                    break;
                case ' ' or '\t' or '\f' or '\r' when text.Length == 0:
                    indent += c == '\t' ? 8 - (indent % 8) : c == ' ' ? 1 : 0;
                    break;
                default:
                    depth = Math.Max(0, depth + (c is '(' or '[' or '{' ? 1 : c is ')' or ']' or '}' ? -1 : 0));
                    text.Append(c);
                    break;
            }
        }

        if (text.Length > 0)
            yield return (indent, text.ToString().Trim());
    }

    private static int EndOfString(string source, int start, string quote)
    {
        for (var i = start; i < source.Length; i++)
        {
            if (source[i] == '\\')
                i++;
            else if (quote.Length == 1 && source[i] == '\n')
                return i;
            else if (string.CompareOrdinal(source, i, quote, 0, quote.Length) == 0)
                return i + quote.Length;
        }

        return source.Length;
    }
}

/// <summary>How far models that worked on the same job agree on what it offers. Pure.</summary>
public static class CrossModelAgreement
{
    /// <summary>The share of the others with the very same public signatures; null when there is no other.</summary>
    public static double? Of(PublicSignatures own, IReadOnlyList<PublicSignatures> others)
    {
        ArgumentNullException.ThrowIfNull(own);
        ArgumentNullException.ThrowIfNull(others);
        var mine = own.Signatures.ToHashSet();
        return others.Count == 0 ? null : (double)others.Count(o => mine.SetEquals(o.Signatures)) / others.Count;
    }
}
