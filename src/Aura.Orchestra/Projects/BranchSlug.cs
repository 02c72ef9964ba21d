using System.Text;

namespace Aura.Orchestra.Projects;

/// <summary>Makes the readable end of a branch name from a title.</summary>
public static class BranchSlug
{
    private const int MaxLength = 40;

    // The process runs without culture data, so Unicode's own decomposition is not there. Upper case is folded first.
    private static readonly (string Letters, string Plain)[] Accented =
    [
        ("àáâãäåāăą", "a"), ("æ", "ae"), ("çćč", "c"), ("ďđ", "d"), ("èéêëēėęě", "e"), ("ğ", "g"), ("ìíîïīįı", "i"), ("ł", "l"), ("ñńň", "n"),
        ("òóôõöøőō", "o"), ("œ", "oe"), ("ŕř", "r"), ("śşš", "s"), ("ß", "ss"), ("ťţ", "t"), ("ùúûüůűū", "u"), ("ýÿ", "y"), ("źżž", "z"),
    ];

    /// <summary>
    /// Lower-case ASCII letters and digits with single hyphens between, at most 40 characters; accents of Latin letters are
    /// dropped (<c>Größe</c> → <c>grosse</c>). <c>work</c> when nothing is left.
    /// </summary>
    public static string Of(string title)
    {
        ArgumentNullException.ThrowIfNull(title);
        var slug = new StringBuilder();
        foreach (var letter in title.ToLowerInvariant())
        {
            if (char.IsAsciiLetterOrDigit(letter))
                slug.Append(letter);
            else if (Array.Find(Accented, a => a.Letters.Contains(letter, StringComparison.Ordinal)).Plain is { } plain)
                slug.Append(plain);
            else if (slug.Length > 0 && slug[^1] != '-')
                slug.Append('-');
        }

        if (slug.Length > MaxLength)
        {
            var cut = slug.ToString(0, MaxLength);
            // Whole words where that keeps at least half.
            var end = slug[MaxLength] == '-' ? MaxLength : cut.LastIndexOf('-');
            slug.Length = end >= MaxLength / 2 ? end : MaxLength;
        }

        var text = slug.ToString().TrimEnd('-');
        return text.Length == 0 ? "work" : text;
    }
}
