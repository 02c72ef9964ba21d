using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;

namespace Aura.Workflows.Expressions.JavaScript;

/// <summary>The methods that take a text or a regular expression.</summary>
internal static partial class StringLibrary
{
    private static JsRegExp ToRegExp(NativeCall call, string flags) =>
        call[0].As<JsRegExp>() ?? JsRegExp.Create(call.Realm, call[0].IsUndefined ? "" : call.Text(0), flags);

    private static JsValue Split(NativeCall call)
    {
        var text = Text(call);
        var limit = call[1].IsUndefined ? uint.MaxValue : (uint)JsConvert.ToInt32(call.Realm, call[1]);
        var result = new JsArray(call.Realm);
        var parts = call[0].As<JsRegExp>() is { } regExp ? SplitBy(regExp, text)
            : call[0].IsUndefined ? [text] : SplitBy(call.Budget, call.Text(0), text);
        foreach (var part in parts)
        {
            if (result.Count >= limit)
                break;
            call.Budget.Step();
            if (part.IsString)
                call.Budget.AllocateText(part.TextLength);
            result.Add(part);
        }

        return result;
    }

    private static IEnumerable<JsValue> SplitBy(Budget budget, string separator, string text)
    {
        if (separator.Length == 0)
        {
            foreach (var c in text)
                yield return c.ToString();
            yield break;
        }

        var start = 0;
        for (int end; (end = Find(budget, text, separator, start)) >= 0; start = end + separator.Length)
            yield return text[start..end];
        yield return text[start..];
    }

    private static IEnumerable<JsValue> SplitBy(JsRegExp separator, string text)
    {
        if (text.Length == 0)
        {
            if (separator.MatchAt(text, 0) is null)
                yield return text;
            yield break;
        }

        var start = 0;
        var from = 0;
        while (from < text.Length && separator.MatchAt(text, from) is { } match && match.Index < text.Length)
        {
            from = match.Index + Math.Max(match.Length, 1);
            if (match.Length == 0 && match.Index == start)
                continue;
            yield return text[start..match.Index];
            for (var i = 1; i < match.Groups.Count; i++)
                yield return RegExpLibrary.GroupText(match.Groups[i]);
            start = match.Index + match.Length;
        }

        yield return text[start..];
    }

    private static JsValue Match(NativeCall call)
    {
        var (text, regExp) = (Text(call), ToRegExp(call, ""));
        if (!regExp.IsGlobal)
            return regExp.Next(text) is { } match ? RegExpLibrary.ToResult(regExp, match, text) : JsValue.Null;
        var all = new JsArray(call.Realm);
        foreach (var match in regExp.Matches(text))
            all.Add(Made(call, match.Value));
        return all.Count > 0 ? all : JsValue.Null;
    }

    private static JsValue MatchAll(NativeCall call)
    {
        var (text, regExp) = (Text(call), ToRegExp(call, "g"));
        if (!regExp.IsGlobal)
            throw call.Realm.TypeError("String.prototype.matchAll called with a non-global RegExp argument");
        var own = new JsRegExp(call.Realm, regExp.Pattern);
        return new NativeIterator(call.Realm, "RegExp String", own.Matches(text).Select(m => (JsValue)RegExpLibrary.ToResult(own, m, text)));
    }

    private static JsValue Replace(NativeCall call, bool all)
    {
        var text = Text(call);
        if (call[0].As<JsRegExp>() is not { } regExp)
            return ReplaceIn(call, text, TextMatches(call.Budget, text, call.Text(0), all), _ => default);
        if (all && !regExp.IsGlobal)
            throw call.Realm.TypeError("replaceAll must be called with a global RegExp");
        var matches = regExp.Matches(text).Select(m => new Found(m.Index, m.Value, [.. m.Groups.Values.Skip(1).Select(RegExpLibrary.GroupText)], m));
        return ReplaceIn(call, text, matches, found => RegExpLibrary.NamedGroups(regExp, found.Match!));
    }

    private sealed record Found(int Index, string Value, JsValue[] Groups, Match? Match);

    private static IEnumerable<Found> TextMatches(Budget budget, string text, string part, bool all)
    {
        var start = 0;
        while (start <= text.Length && Find(budget, text, part, start) is var index && index >= 0)
        {
            yield return new(index, part, [], null);
            if (!all)
                yield break;
            start = index + Math.Max(part.Length, 1);
        }
    }

    private static JsValue ReplaceIn(NativeCall call, string text, IEnumerable<Found> matches, Func<Found, JsValue> namedGroups)
    {
        var function = call[1].As<JsFunction>();
        var template = function is null ? call.Text(1) : "";
        var result = new StringBuilder();
        var end = 0;
        foreach (var found in matches)
        {
            call.Budget.Step();
            var names = namedGroups(found);
            var replacement = function is null
                ? Expand(call, template, found, text, names)
                : JsConvert.ToString(call.Realm, function.Call(default, Arguments(found, text, names)));
            call.Budget.AllocateText(found.Index - end + replacement.Length);
            result.Append(text, end, found.Index - end).Append(replacement);
            end = found.Index + found.Value.Length;
        }

        call.Budget.AllocateText(text.Length - end);
        return result.Append(text, end, text.Length - end).ToString();
    }

    private static JsValue[] Arguments(Found found, string text, JsValue names)
    {
        JsValue[] arguments = [found.Value, .. found.Groups, found.Index, text];
        return names.IsUndefined ? arguments : [.. arguments, names];
    }

    /// <summary>
    /// Fills in <c>$1</c>, <c>$&amp;</c>, <c>$&lt;name&gt;</c> and their kin. Charged as it grows: a short template can hold many of a long text.
    /// </summary>
    private static string Expand(NativeCall call, string template, Found found, string text, JsValue names)
    {
        if (!template.Contains('$', StringComparison.Ordinal))
            return template;
        var result = new StringBuilder();
        for (var i = 0; i < template.Length; i++)
        {
            var (part, length) = template[i] == '$' ? Placeholder(call.Realm, template, i, found, text, names) : (null, 0);
            part ??= template[i].ToString();
            call.Budget.AllocateText(part.Length);
            result.Append(part);
            i += Math.Max(0, length - 1);
        }

        return result.ToString();
    }

    /// <returns>What stands for the placeholder, and its length in the template; null when it is none.</returns>
    private static (string? Text, int Length) Placeholder(Realm realm, string template, int start, Found found, string text, JsValue names)
    {
        switch (start + 1 < template.Length ? template[start + 1] : '\0')
        {
            case '$': return ("$", 2);
            case '&': return (found.Value, 2);
            case '`': return (text[..found.Index], 2);
            case '\'': return (text[(found.Index + found.Value.Length)..], 2);
            case '<' when names.IsObject && template.IndexOf('>', start) is var end and > 0:
                var group = realm.GetMember(names, template[(start + 2)..end]);
                return (group.IsUndefined ? "" : JsConvert.ToString(realm, group), end - start + 1);
            case >= '0' and <= '9':
                return NumberedPlaceholder(template, start, found);
            default: return (null, 0);
        }
    }

    /// <summary>Two digits where there are that many groups, else one.</summary>
    private static (string? Text, int Length) NumberedPlaceholder(string template, int start, Found found)
    {
        for (var digits = 2; digits > 0; digits--)
        {
            if (start + digits < template.Length
                && int.TryParse(template.AsSpan(start + 1, digits), NumberStyles.None, CultureInfo.InvariantCulture, out var number)
                && number >= 1 && number <= found.Groups.Length)
                return (found.Groups[number - 1] is { IsString: true } group ? group.AsString() : "", digits + 1);
        }

        return (null, 0);
    }
}
