using System.Globalization;
using System.Text;

namespace Aura.Orchestra.Sandboxes;

/// <summary>
/// A path that an employee named, checked as text: relative, no way up, no git directory in any disguise, nothing that
/// another layer could read differently. What the file system holds at that path is checked when it is opened.
/// </summary>
public sealed class SandboxPath
{
    private const int MaxLength = 1024;
    private const int MaxComponentBytes = 200;

    // Look like a dot, a slash or a backslash, or become one when some layer folds compatible characters together.
    private const string Lookalikes = "\u2024\u2025\u2026\u2044\u2215\u2216\u29f5\u29f8\u29f9\ufe19\ufe30\ufe52\ufe68\ufffd";

    // Letters to Unicode, nothing to the eye.
    private const string Invisible = "\u115f\u1160\u2800\u3164\uffa0";

    // What a normalisation takes apart or puts together, so that two spellings of one name were two files: marks that compose with the
    // letter before them, conjoining Hangul, single characters that stand for another, and whole blocks of compatibility forms. The host
    // runs without ICU, where .NET's own normalisation does nothing.
    private static readonly (char First, char Last)[] Composing =
    [
        ('\u0300', '\u036f'), ('\u0374', '\u0374'), ('\u037e', '\u037e'), ('\u0387', '\u0387'), ('\u0653', '\u0655'), ('\u093c', '\u093c'),
        ('\u0958', '\u095f'), ('\u1100', '\u11ff'), ('\u1ab0', '\u1aff'), ('\u1dc0', '\u1dff'), ('\u20d0', '\u20ff'), ('\u2126', '\u2126'),
        ('\u212a', '\u212b'), ('\u2329', '\u232a'), ('\u3099', '\u309a'), ('\ua960', '\ua97f'), ('\ud7b0', '\ud7ff'), ('\uf900', '\ufaff'),
        ('\ufb00', '\ufb4f'), ('\ufe00', '\ufe0f'), ('\ufe20', '\ufe2f'), ('\uff00', '\uffef'),
    ];

    // Single characters for which Unicode has another spelling, beyond those ranges.
    private const string Respelt =
        "\u09dc\u09dd\u09df\u0a33\u0a36\u0a59\u0a5a\u0a5b\u0a5e\u0b5c\u0b5d\u0f43\u0f4d\u0f52\u0f57\u0f5c\u0f69\u0f73\u0f75\u0f76"
        + "\u0f78\u0f81\u0f93\u0f9d\u0fa2\u0fa7\u0fac\u0fb9\u1f71\u1f73\u1f75\u1f77\u1f79\u1f7b\u1f7d\u1fbb\u1fbe\u1fc9\u1fcb\u1fd3"
        + "\u1fdb\u1fe3\u1feb\u1fee\u1fef\u1ff9\u1ffb\u1ffd\u2adc";

    // Two characters that are one in composed form, where both are letters of a script and neither can be refused alone.
    private const string Couples =
        "\u09c7\u09be\u09c7\u09d7\u0b47\u0b3e\u0b47\u0b56\u0b47\u0b57\u0bc6\u0bbe\u0bc7\u0bbe\u0b92\u0bd7\u0bc6\u0bd7\u0c46\u0c56"
        + "\u0cc6\u0cc2\u0cbf\u0cd5\u0cc6\u0cd5\u0cca\u0cd5\u0cc6\u0cd6\u0d46\u0d3e\u0d47\u0d3e\u0d46\u0d57\u0dd9\u0dca\u0ddc\u0dca"
        + "\u0dd9\u0dcf\u0dd9\u0ddf\u1025\u102e\u1b05\u1b35\u1b07\u1b35\u1b09\u1b35\u1b0b\u1b35\u1b0d\u1b35\u1b11\u1b35\u1b3a\u1b35"
        + "\u1b3c\u1b35\u1b3e\u1b35\u1b3f\u1b35\u1b42\u1b35";

    private SandboxPath(string[] components) => Components = components;

    /// <summary>The names from the sandbox's root down; never empty.</summary>
    public IReadOnlyList<string> Components { get; }

    /// <summary>The folder the file is in; null for one in the root.</summary>
    public SandboxPath? Parent => Components.Count == 1 ? null : new([.. Components.SkipLast(1)]);

    public override string ToString() => string.Join('/', Components);

    /// <summary>Checks the text of a path. <c>./a//b</c> is read as <c>a/b</c>; everything doubtful is refused.</summary>
    public static SandboxResult<SandboxPath> Parse(string? path)
    {
        if (string.IsNullOrWhiteSpace(path))
            return Outside("The path is empty. Name a file relative to the project's root, for example \"app/main.py\".");
        var shown = Shown(path);
        if (path.Length > MaxLength)
            return Outside($"The path is longer than {MaxLength} characters.");
        if (path.StartsWith('/') || path.StartsWith('~') || (path.Length > 1 && path[1] == ':'))
            return Outside($"The path '{shown}' is absolute. Name a file relative to the project's root.");
        if (path.Contains('\\', StringComparison.Ordinal))
            return Outside($"The path '{shown}' holds a backslash. Use '/' between folders.");
        if (path.Any(Unwelcome))
            return Outside($"The path '{shown}' holds control, invisible or look-alike characters.");
        if (!IsComposed(path))
            return Outside($"The path '{shown}' is not in Unicode's composed form. Write each letter with its accent as one character.");

        var components = path.Split('/').Where(c => c is not ("" or ".")).ToArray();
        if (components.Length == 0)
            return Outside($"The path '{shown}' names the root, not a file.");
        foreach (var component in components)
        {
            if (component == "..")
                return Outside($"The path '{shown}' goes up with '..'. Only files inside the sandbox can be used.");
            if (IsGit(component))
                return new Refusal(RefusalCodes.GitDirectory, $"The path '{shown}' names a git directory. It is not part of the work.");
            if (component[^1] is '.' or ' ' || component[0] == ' ')
                return Outside($"A name in the path '{shown}' begins or ends with a space or ends with a dot. Other systems drop those.");
            if (Encoding.UTF8.GetByteCount(component) > MaxComponentBytes)
                return Outside($"A name in the path '{shown}' is longer than {MaxComponentBytes} bytes.");
        }

        return new SandboxPath(components);
    }

    private static bool IsComposed(string path)
    {
        for (var i = 0; i < path.Length; i++)
        {
            if (path[i] < '\u0300')
                continue;
            if (Array.Exists(Composing, r => path[i] >= r.First && path[i] <= r.Last) || Respelt.Contains(path[i], StringComparison.Ordinal))
                return false;
            for (var at = 0; i > 0 && at < Couples.Length; at += 2)
            {
                if (Couples[at] == path[i - 1] && Couples[at + 1] == path[i])
                    return false;
            }
        }

        return true;
    }

    // ".git", ".GIT", ".gıt", ".git. ", "git~1": names that some file system takes for .git.
    private static bool IsGit(string component)
    {
        var name = component.Trim(' ').TrimEnd('.', ' ').Replace('\u0131', 'i').Replace('\u0130', 'i');
        return name.Equals(".git", StringComparison.OrdinalIgnoreCase) || name.StartsWith("git~", StringComparison.OrdinalIgnoreCase)
            || name.StartsWith(".git:", StringComparison.OrdinalIgnoreCase);
    }

    private static bool Unwelcome(char c) => char.IsControl(c) || char.IsSurrogate(c) || (c != ' ' && char.IsWhiteSpace(c))
        || Lookalikes.Contains(c, StringComparison.Ordinal) || Invisible.Contains(c, StringComparison.Ordinal)
        || char.GetUnicodeCategory(c) is UnicodeCategory.Format or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator
            or UnicodeCategory.PrivateUse or UnicodeCategory.OtherNotAssigned or UnicodeCategory.EnclosingMark;

    private static string Shown(string path)
    {
        var cut = path.Length > 120 ? path[..120] + "…" : path;
        return string.Concat(cut.Select(c => c != '…' && Unwelcome(c) ? '?' : c));
    }

    private static Refusal Outside(string message) => new(RefusalCodes.OutsideSandbox, message);
}
