using System.Text;
using System.Text.RegularExpressions;

namespace Aura.Orchestra.Sandboxes;

/// <summary>
/// Path patterns: <c>*</c> and <c>?</c> stay within a component, <c>**</c> crosses components, <c>{a,b}</c> is a choice,
/// <c>[ab]</c> a set. A pattern that names a folder (<c>app</c> or <c>app/</c>) covers all below it. Case-sensitive.
/// </summary>
public sealed class Glob
{
    private readonly Regex _regex;

    /// <exception cref="ArgumentException">The pattern cannot be read.</exception>
    public Glob(string pattern)
    {
        ArgumentNullException.ThrowIfNull(pattern);
        Pattern = pattern;
        // NonBacktracking: a hostile pattern or path costs linear time.
        _regex = new(Translate(pattern), RegexOptions.NonBacktracking | RegexOptions.CultureInvariant, TimeSpan.FromSeconds(1));
    }

    /// <summary>Matches every path.</summary>
    public static Glob Everything { get; } = new("**");

    public string Pattern { get; }

    /// <summary>Null when the pattern cannot be read.</summary>
    public static Glob? TryCreate(string pattern)
    {
        if (pattern == Everything.Pattern)
            return Everything;
        try
        {
            return new(pattern);
        }
        // NotSupportedException: the expression would have too many states.
        catch (Exception e) when (e is ArgumentException or NotSupportedException)
        {
            return null;
        }
    }

    /// <param name="path">A relative path with <c>/</c> between its components.</param>
    public bool Matches(string path) => _regex.IsMatch(path);

    public override string ToString() => Pattern;

    private static string Translate(string pattern)
    {
        var text = pattern.StartsWith("./", StringComparison.Ordinal) ? pattern[2..] : pattern;
        text = text.TrimEnd('/');
        if (text is "" or ".")
            text = "**";
        var regex = new StringBuilder("\\A");
        var depth = 0;
        for (var i = 0; i < text.Length; i++)
        {
            switch (text[i])
            {
                case '*' when i + 1 < text.Length && text[i + 1] == '*':
                    i++;
                    if (i + 1 < text.Length && text[i + 1] == '/')
                    {
                        i++;
                        regex.Append("(?:.*/)?");
                    }
                    else
                    {
                        regex.Append(".*");
                    }

                    break;
                case '*':
                    regex.Append("[^/]*");
                    break;
                case '?':
                    regex.Append("[^/]");
                    break;
                case '{' when text.IndexOf('}', i) > i:
                    depth++;
                    regex.Append("(?:");
                    break;
                case '}' when depth > 0:
                    depth--;
                    regex.Append(')');
                    break;
                case ',' when depth > 0:
                    regex.Append('|');
                    break;
                case '[' when text.IndexOf(']', i + 1) is var end && end > i + 1:
                    var set = text[(i + 1)..end];
                    regex.Append(set[0] is '!' or '^' ? "[^/" : "[")
                        .Append(Regex.Escape(set[0] is '!' or '^' ? set[1..] : set).Replace("]", "\\]", StringComparison.Ordinal)).Append(']');
                    i = end;
                    break;
                default:
                    regex.Append(Regex.Escape(text[i].ToString()));
                    break;
            }
        }

        while (depth-- > 0)
            regex.Append(')');
        return regex.Append("(?:/.*)?\\z").ToString();
    }
}
