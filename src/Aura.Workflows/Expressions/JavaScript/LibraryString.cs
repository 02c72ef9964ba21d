using System.Globalization;
using System.Text;

namespace Aura.Workflows.Expressions.JavaScript;

internal static partial class StringLibrary
{
    public static BuiltinType Type { get; } = new(Builtin.String, "String", 1, Construct, Library.WithConstructor(Builtin.String, new()
    {
        { "toString", 0, call => This(call) },
        { "valueOf", 0, call => This(call) },
        { "at", 1, At },
        { "charAt", 1, call => CharacterAt(call)?.ToString() ?? "" },
        { "charCodeAt", 1, call => CharacterAt(call) ?? double.NaN },
        { "codePointAt", 1, CodePointAt },
        { "indexOf", 1, call => (double)Find(call) },
        { "lastIndexOf", 1, LastIndexOf },
        { "includes", 1, call => Find(WithoutRegExp(call)) >= 0 },
        { "startsWith", 1, call => IsAt(WithoutRegExp(call), call[1].IsUndefined ? 0 : call.Integer(1)) },
        { "endsWith", 1, call => IsAt(WithoutRegExp(call), (call[1].IsUndefined ? Text(call).Length : call.Integer(1)) - call.Text(0).Length) },
        { "slice", 2, Slice },
        { "substring", 2, Substring },
        { "substr", 2, Substr },
        { "toUpperCase", 0, call => Made(call, Text(call).ToUpperInvariant()) },
        { "toLowerCase", 0, call => Made(call, Text(call).ToLowerInvariant()) },
        { "toLocaleUpperCase", 0, call => Made(call, Text(call).ToUpperInvariant()) },
        { "toLocaleLowerCase", 0, call => Made(call, Text(call).ToLowerInvariant()) },
        { "trim", 0, call => Made(call, Numbers.Trim(Text(call))) },
        { "trimStart", 0, call => Made(call, Text(call).TrimStart(Numbers.WhiteSpace.ToCharArray())) },
        { "trimEnd", 0, call => Made(call, Text(call).TrimEnd(Numbers.WhiteSpace.ToCharArray())) },
        { "padStart", 2, call => Pad(call, atStart: true) },
        { "padEnd", 2, call => Pad(call, atStart: false) },
        { "repeat", 1, Repeat },
        { "concat", 1, Concatenate },
        { "normalize", 0, Normalize },
        { "localeCompare", 1, Compare },
        { "split", 2, Split },
        { "match", 1, Match },
        { "matchAll", 1, MatchAll },
        { "search", 1, call => ToRegExp(call, "").MatchAt(Text(call), 0) is { } match ? match.Index : -1 },
        { "replace", 2, call => Replace(call, all: false) },
        { "replaceAll", 2, call => Replace(call, all: true) },
        { JsSymbol.Iterator, 0, call => new NativeIterator(call.Realm, "String", Characters(Text(call))) },
    }), new()
    {
        { "fromCharCode", 1, call => Made(call, string.Concat(call.Arguments.Select(a => (char)JsConvert.ToInt32(call.Realm, a)))) },
        { "fromCodePoint", 1, FromCodePoint },
        { "raw", 1, Raw },
    });

    private static JsValue Compare(NativeCall call)
    {
        var (left, right) = (Text(call), call.Text(0));
        call.Budget.AllocateText(2L * (left.Length + right.Length));
        return Collation.Compare(left, right);
    }

    /// <summary>Whole characters: a pair of surrogates is one.</summary>
    private static IEnumerable<JsValue> Characters(string text)
    {
        for (var i = 0; i < text.Length; i++)
        {
            var isPair = char.IsHighSurrogate(text[i]) && i + 1 < text.Length && char.IsLowSurrogate(text[i + 1]);
            yield return text.Substring(i, isPair ? 2 : 1);
            i += isPair ? 1 : 0;
        }
    }

    private static JsValue Construct(NativeCall call)
    {
        var text = call.Count == 0 ? "" : call[0].As<JsSymbol>() is { } symbol ? symbol.ToString() : JsConvert.ToText(call.Realm, call[0]);
        return call.NewTarget is null ? text : call.Constructed(new JsPrimitiveObject(call.Realm, text));
    }

    private static JsValue This(NativeCall call)
    {
        if (call.This.IsString)
            return call.This;
        if (call.This.IsNullish)
            throw call.Realm.TypeError($"String.prototype method called on {call.This}");
        return call.This.As<JsPrimitiveObject>() is { Value: { IsString: true } value } ? value : JsConvert.ToText(call.Realm, call.This);
    }

    /// <summary>The text that a method was called on; reading it is charged.</summary>
    private static string Text(NativeCall call)
    {
        var text = This(call).AsString();
        call.Budget.StepText(text.Length);
        return text;
    }

    private static JsValue Made(NativeCall call, string text)
    {
        call.Budget.AllocateText(text.Length);
        return text;
    }

    private static JsValue Concatenate(NativeCall call) => call.Arguments.Aggregate(
        This(call), (text, part) => ConcatenatedText.Concatenate(text, JsConvert.ToText(call.Realm, part), call.Budget));

    private static JsValue At(NativeCall call)
    {
        var text = This(call).AsString();
        var index = call.Integer(0);
        var position = index < 0 ? text.Length + index : index;
        return position < 0 || position >= text.Length ? JsValue.Undefined : text[(int)position].ToString();
    }

    private static char? CharacterAt(NativeCall call)
    {
        var text = This(call).AsString();
        var index = call.Integer(0);
        return index >= 0 && index < text.Length ? text[(int)index] : null;
    }

    private static JsValue CodePointAt(NativeCall call)
    {
        var text = This(call).AsString();
        var index = call.Integer(0);
        if (index < 0 || index >= text.Length)
            return default;
        var i = (int)index;
        var isPair = char.IsHighSurrogate(text[i]) && i + 1 < text.Length && char.IsLowSurrogate(text[i + 1]);
        return isPair ? char.ConvertToUtf32(text[i], text[i + 1]) : (double)text[i];
    }

    private static NativeCall WithoutRegExp(NativeCall call) => call[0].As<JsRegExp>() is null
        ? call
        : throw call.Realm.TypeError("First argument must not be a regular expression");

    private static int Find(NativeCall call)
    {
        var text = Text(call);
        return Find(call.Budget, text, call.Text(0), (int)Math.Clamp(call.Integer(1), 0, text.Length));
    }

    /// <summary>Looks for a text in another. Each place where a long one may begin is charged: there can be many.</summary>
    private static int Find(Budget budget, string text, string part, int start)
    {
        const int Prefix = 64;
        if (part.Length <= Prefix)
            return text.IndexOf(part, start, StringComparison.Ordinal);
        for (var i = start; (i = text.AsSpan(i).IndexOf(part.AsSpan(0, Prefix)) is var next && next >= 0 ? i + next : -1) >= 0; i++)
        {
            budget.StepText(part.Length);
            if (text.AsSpan(i).StartsWith(part))
                return i;
        }

        return -1;
    }

    private static JsValue LastIndexOf(NativeCall call)
    {
        var (text, part) = (Text(call), call.Text(0));
        var start = double.IsNaN(call.Number(1)) ? text.Length : Math.Clamp(call.Integer(1), 0, text.Length);
        for (var i = (int)Math.Min(start, text.Length - part.Length); i >= 0; i--)
        {
            call.Budget.Step(part.Length > 0 && text[i] == part[0] ? 1 + (part.Length / 16) : 0);
            if (string.CompareOrdinal(text, i, part, 0, part.Length) == 0)
                return i;
        }

        return -1;
    }

    private static bool IsAt(NativeCall call, double position)
    {
        var (text, part) = (Text(call), call.Text(0));
        var start = (int)Math.Clamp(position, -1, text.Length);
        return start >= 0 && start + part.Length <= text.Length && string.CompareOrdinal(text, start, part, 0, part.Length) == 0;
    }

    private static JsValue Slice(NativeCall call)
    {
        var text = This(call).AsString();
        var start = (int)JsConvert.ToPosition(call.Realm, call[0], text.Length, 0);
        var end = (int)JsConvert.ToPosition(call.Realm, call[1], text.Length, text.Length);
        return start < end ? Made(call, text[start..end]) : "";
    }

    private static JsValue Substring(NativeCall call)
    {
        var text = This(call).AsString();
        var start = (int)Math.Clamp(call.Integer(0), 0, text.Length);
        var end = call[1].IsUndefined ? text.Length : (int)Math.Clamp(call.Integer(1), 0, text.Length);
        return Made(call, text[Math.Min(start, end)..Math.Max(start, end)]);
    }

    private static JsValue Substr(NativeCall call)
    {
        var text = This(call).AsString();
        var start = (int)JsConvert.ToPosition(call.Realm, call[0], text.Length, 0);
        var length = call[1].IsUndefined ? text.Length - start : (int)Math.Clamp(call.Integer(1), 0, text.Length - start);
        return Made(call, text.Substring(start, length));
    }

    private static JsValue Pad(NativeCall call, bool atStart)
    {
        var text = This(call);
        var filler = call[1].IsUndefined ? " " : call.Text(1);
        var missing = JsConvert.ToLength(call.Realm, call[0]) - text.TextLength;
        if (missing <= 0 || filler.Length == 0)
            return text;
        var padding = Repeated(call, filler, missing);
        return atStart ? ConcatenatedText.Concatenate(padding, text, call.Budget) : ConcatenatedText.Concatenate(text, padding, call.Budget);
    }

    /// <summary>A text over and over, up to a length; charged before it is made.</summary>
    private static string Repeated(NativeCall call, string text, long length)
    {
        call.Budget.AllocateText(length);
        return string.Create((int)length, text, static (target, part) =>
        {
            for (var i = 0; i < target.Length; i += part.Length)
                part.AsSpan(0, Math.Min(part.Length, target.Length - i)).CopyTo(target[i..]);
        });
    }

    private static JsValue Repeat(NativeCall call)
    {
        var (text, count) = (This(call).AsString(), call.Integer(0));
        if (count < 0 || double.IsInfinity(count))
            throw call.Realm.RangeError($"Invalid count value: {call.Text(0)}");
        return text.Length == 0 || count == 0 ? "" : Repeated(call, text, (long)Math.Min(count * text.Length, long.MaxValue / 4));
    }

    private static JsValue Normalize(NativeCall call)
    {
        var text = Text(call);
        call.Budget.AllocateText(text.Length * 4L);
        return (call[0].IsUndefined ? "NFC" : call.Text(0)) switch
        {
            "NFC" or "NFKC" => Diacritics.Compose(text),
            "NFD" or "NFKD" => Diacritics.Decompose(text),
            _ => throw call.Realm.RangeError("The normalization form should be one of NFC, NFD, NFKC, NFKD."),
        };
    }

    private static JsValue FromCodePoint(NativeCall call)
    {
        var text = new StringBuilder();
        foreach (var argument in call.Arguments)
        {
            var code = JsConvert.ToNumber(call.Realm, argument);
            if (code is not (>= 0 and <= 0x10ffff) || code != Math.Floor(code))
                throw call.Realm.RangeError($"Invalid code point {JsConvert.ToString(call.Realm, argument)}");
            text.Append(code is >= 0xd800 and <= 0xdfff ? ((char)code).ToString() : char.ConvertFromUtf32((int)code));
        }

        return Made(call, text.ToString());
    }

    private static JsValue Raw(NativeCall call)
    {
        var raw = JsConvert.ToObject(call.Realm, call.Realm.GetMember(call[0], "raw"));
        var length = raw.Length;
        JsValue text = "";
        for (var i = 0; i < length; i++)
        {
            call.Budget.Step();
            text = ConcatenatedText.Concatenate(text, JsConvert.ToText(call.Realm, raw.GetIndex(i)), call.Budget);
            if (i + 1 < length && i + 1 < call.Count)
                text = ConcatenatedText.Concatenate(text, JsConvert.ToText(call.Realm, call[i + 1]), call.Budget);
        }

        return text;
    }
}

/// <summary>The order of texts for people: letters before their capitals, accents as a tie-break. The host's own cultures are switched off.</summary>
internal static class Collation
{
    public static int Compare(string left, string right)
    {
        var byLetter = string.CompareOrdinal(Fold(left), Fold(right));
        if (byLetter != 0)
            return Math.Sign(byLetter);
        var byAccent = string.CompareOrdinal(left.ToLowerInvariant(), right.ToLowerInvariant());
        // Ordinal order has the capitals first.
        return byAccent != 0 ? Math.Sign(byAccent) : -Math.Sign(string.CompareOrdinal(left, right));
    }

    /// <summary>Lower case, without accents; marks and blanks before digits, digits before letters.</summary>
    private static string Fold(string text)
    {
        var folded = new StringBuilder(text.Length);
        foreach (var c in Diacritics.Decompose(text))
        {
            if (char.GetUnicodeCategory(c) == UnicodeCategory.NonSpacingMark)
                continue;
            if (!char.IsLetterOrDigit(c))
                folded.Append('\u0001');
            folded.Append(char.ToLowerInvariant(c));
        }

        return folded.ToString();
    }
}
