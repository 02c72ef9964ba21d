using System.Text;
using System.Text.RegularExpressions;

namespace Aura.Orchestra.Employees.Prompting;

/// <summary>Takes out what a person who looks at a text does not see, and a model does: the carriers of smuggled instructions.</summary>
internal static partial class HiddenText
{
    /// <summary>The text without hidden characters, and how many were taken out. Line breaks and tabs stay, a lone CR too.</summary>
    public static (string Text, int Removed) Strip(string text)
    {
        if (!text.AsSpan().ContainsAnyExceptInRange(' ', '~') || !HasHidden(text))
            return (text, 0);
        var removed = 0;
        var visible = Escapes().Replace(text, match =>
        {
            removed += match.Length;
            return "";
        });
        var clean = new StringBuilder(visible.Length);
        foreach (var rune in visible.EnumerateRunes())
        {
            if (IsHidden(rune.Value))
                removed++;
            else
                clean.Append(rune);
        }

        return (clean.ToString(), removed);
    }

    private static bool HasHidden(string text)
    {
        foreach (var rune in text.EnumerateRunes())
        {
            if (IsHidden(rune.Value))
                return true;
        }

        return false;
    }

    private static bool IsHidden(int c) => c switch
    {
        '\t' or '\n' or '\r' => false,
        // Controls, ESC among them; DEL and C1.
        < 0x20 or (>= 0x7F and <= 0x9F) => true,
        // Soft hyphen, joiners and marks of width zero, Arabic letter mark, Mongolian separators, Hangul fillers.
        0xAD or 0x34F or 0x61C or 0x115F or 0x1160 or 0x17B4 or 0x17B5 or 0x3164 or 0xFFA0 or 0xFEFF => true,
        >= 0x180B and <= 0x180F => true,
        >= 0x200B and <= 0x200F => true,
        // Bidirectional embeddings, overrides and isolates; invisible operators; line and paragraph separators.
        >= 0x2028 and <= 0x202E => true,
        >= 0x2060 and <= 0x206F => true,
        // Variation selectors but the one that makes an emoji of a sign; both kinds can carry bytes.
        >= 0xFE00 and <= 0xFE0E => true,
        >= 0xFFF9 and <= 0xFFFB => true,
        // Musical controls, tags and the supplementary variation selectors.
        >= 0x1D173 and <= 0x1D17A => true,
        >= 0xE0000 and <= 0xE0FFF => true,
        _ => false,
    };

    // Whole escape sequences: without their first character the rest would stay as noise. CSI, then OSC and its kin, then the short ones.
    [GeneratedRegex(@"(\x1b\[|\x9b)[0-?]*[ -/]*[@-~]|\x1b[\]PX^_][^\x07\x1b]*(\x07|\x1b\\)|\x1b[ -/]*[0-~]",
        RegexOptions.ExplicitCapture | RegexOptions.NonBacktracking)]
    private static partial Regex Escapes();
}
