using System.Text.RegularExpressions;

namespace Aura.Workflows.Expressions.JavaScript;

/// <summary>A RegExp object.</summary>
internal sealed class JsRegExp : JsObject
{
    private const int LongestText = 1_000_000;

    public JsRegExp(Realm realm, RegexPattern pattern)
        : base(realm, realm.PrototypeOf(Builtin.RegExp))
    {
        Pattern = pattern;
        Define("lastIndex", 0, PropertyFlags.Writable);
    }

    public RegexPattern Pattern { get; }

    public override string ClassName => "RegExp";

    public bool IsGlobal => Pattern.Has('g');

    /// <summary>Remembered between calls only with the flags g and y.</summary>
    public bool KeepsIndex => IsGlobal || Pattern.Has('y');

    public double LastIndex
    {
        get => JsConvert.ToInteger(Realm, Get("lastIndex"));
        set => Set("lastIndex", value);
    }

    public static JsRegExp Create(Realm realm, string pattern, string flags)
    {
        realm.Budget.Step(50 + pattern.Length);
        var compiled = RegexPattern.TryCompile(pattern, flags, out var error) ?? throw realm.SyntaxError(error!);
        return new(realm, compiled);
    }

    /// <summary>The first match from a place on; null when there is none.</summary>
    public Match? MatchAt(string text, int start)
    {
        if (text.Length > LongestText)
            throw new ScriptLimitException($"A regular expression takes texts of at most {LongestText} characters.");
        Realm.Budget.Step();
        try
        {
            var match = start > text.Length ? Match.Empty : Pattern.Regex.Match(text, start);
            Realm.Budget.StepText((match.Success ? match.Index + match.Length : text.Length) - Math.Min(start, text.Length));
            Realm.Budget.Checkpoint();
            return match.Success ? match : null;
        }
        catch (RegexMatchTimeoutException)
        {
            throw new ScriptLimitException($"The regular expression /{Pattern.Source}/ took too long.");
        }
    }

    /// <summary>As <c>exec</c> does it: from lastIndex, which it moves on.</summary>
    public Match? Next(string text)
    {
        var start = KeepsIndex ? LastIndex : 0;
        var match = start > text.Length ? null : MatchAt(text, (int)start);
        if (KeepsIndex)
            LastIndex = match is null ? 0 : match.Index + match.Length;
        return match;
    }

    /// <summary>All matches of a global expression, or the first one.</summary>
    public IEnumerable<Match> Matches(string text)
    {
        if (!IsGlobal)
        {
            if (Next(text) is { } only)
                yield return only;
            yield break;
        }

        LastIndex = 0;
        while (Next(text) is { } match)
        {
            yield return match;
            if (match.Length == 0)
                LastIndex++;
        }
    }

    public override string ToString() => $"/{(Pattern.Source.Length == 0 ? "(?:)" : Pattern.Source)}/{Pattern.Flags}";
}
