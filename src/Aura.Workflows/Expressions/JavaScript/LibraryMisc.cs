using System.Globalization;
using System.Text;

namespace Aura.Workflows.Expressions.JavaScript;

internal static class PrimitiveLibrary
{
    public static BuiltinType Boolean { get; } = new(Builtin.Boolean, "Boolean", 1, ConstructBoolean, Library.WithConstructor(Builtin.Boolean, new()
    {
        { "toString", 0, call => This(call).ToString() },
        { "valueOf", 0, call => This(call) },
    }));

    public static BuiltinType Symbol { get; } = new(Builtin.Symbol, "Symbol", 0, ConstructSymbol, Library.WithConstructor(Builtin.Symbol, new()
    {
        { "toString", 0, call => This(call).ToString() },
        { "valueOf", 0, call => This(call) },
        { "description", call => This(call).As<JsSymbol>()?.Description is { } description ? description : JsValue.Undefined },
    }), new()
    {
        { "iterator", JsSymbol.Iterator },
        { "asyncIterator", JsSymbol.AsyncIterator },
        { "hasInstance", JsSymbol.HasInstance },
        { "toPrimitive", JsSymbol.ToPrimitive },
        { "toStringTag", JsSymbol.ToStringTag },
        { "for", 1, call => call.Realm.SymbolFor(call.Text(0)) },
    })
    {
        IsConstructor = false,
    };

    private static JsValue This(NativeCall call) => call.This.As<JsPrimitiveObject>()?.Value ?? call.This;

    private static JsValue ConstructBoolean(NativeCall call)
    {
        var value = JsConvert.ToBoolean(call[0]);
        return call.NewTarget is null ? value : call.Constructed(new JsPrimitiveObject(call.Realm, value));
    }

    private static JsValue ConstructSymbol(NativeCall call)
    {
        call.Budget.Allocate(32);
        return new JsSymbol(call[0].IsUndefined ? null : call.Text(0));
    }
}

internal static class ErrorLibrary
{
    public static IReadOnlyList<BuiltinType> Types { get; } =
    [
        Make(Builtin.Error, "Error"),
        Make(Builtin.TypeError, "TypeError"),
        Make(Builtin.RangeError, "RangeError"),
        Make(Builtin.ReferenceError, "ReferenceError"),
        Make(Builtin.SyntaxError, "SyntaxError"),
        Make(Builtin.EvalError, "EvalError"),
        Make(Builtin.UriError, "URIError"),
    ];

    private static BuiltinType Make(Builtin type, string name)
    {
        var prototype = Library.WithConstructor(type, new()
        {
            { "name", _ => new(name, PropertyFlags.Hidden) },
            { "message", _ => new("", PropertyFlags.Hidden) },
        });
        if (type == Builtin.Error)
            prototype.Add("toString", 0, ToText);
        return new(type, name, 1, call => Construct(call, type), prototype) { Parent = type == Builtin.Error ? Builtin.Object : Builtin.Error };
    }

    private static JsValue Construct(NativeCall call, Builtin type)
    {
        var error = (JsError)call.Constructed(new JsError(call.Realm, call.Realm.PrototypeOf(type)));
        if (!call[0].IsUndefined)
            error.Define("message", call.Text(0), PropertyFlags.Hidden);
        if (call[1].AsObject() is { } options && options.Has("cause"))
            error.Define("cause", options.Get("cause"), PropertyFlags.Hidden);
        return error;
    }

    private static JsValue ToText(NativeCall call)
    {
        var target = call.ThisObject();
        var name = target.Get("name") is { IsUndefined: false } n ? JsConvert.ToString(call.Realm, n) : "Error";
        var message = target.Get("message") is { IsUndefined: false } m ? JsConvert.ToString(call.Realm, m) : "";
        return name.Length == 0 ? message : message.Length == 0 ? name : $"{name}: {message}";
    }
}

internal static class ConsoleLibrary
{
    public static LibraryTable Members { get; } = MakeMembers();

    private static LibraryTable MakeMembers()
    {
        var members = new LibraryTable();
        foreach (var name in new[] { "log", "info", "warn", "error", "debug" })
            members.Add(name, 0, Log);
        return members;
    }

    private static JsValue Log(NativeCall call)
    {
        if (call.Realm.Host.Log is not { } log)
            return default;
        var texts = call.Arguments.Select(a => a.IsObject && a.As<JsFunction>() is null && a.As<JsError>() is null
            ? new JsonWriter(call.Realm, default, default).Write(a) ?? "undefined"
            : a.ToString());
        var line = string.Join(' ', texts);
        call.Budget.AllocateText(line.Length);
        log(line);
        return default;
    }
}

internal static class UriLibrary
{
    private const string Unreserved = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.!~*'()";
    private const string Reserved = ";/?:@&=+$,#";

    public static void AddGlobals(LibraryTable globals)
    {
        globals.Add("encodeURIComponent", 1, call => Encode(call, Unreserved));
        globals.Add("encodeURI", 1, call => Encode(call, Unreserved + Reserved));
        globals.Add("decodeURIComponent", 1, call => Decode(call, ""));
        globals.Add("decodeURI", 1, call => Decode(call, Reserved));
        globals.Add("btoa", 1, ToBase64);
        globals.Add("atob", 1, FromBase64);
    }

    private static JsValue Encode(NativeCall call, string kept)
    {
        var text = call.Text(0);
        call.Budget.AllocateText(text.Length * 3L);
        var encoded = new StringBuilder();
        for (var i = 0; i < text.Length; i++)
        {
            if (kept.Contains(text[i], StringComparison.Ordinal))
            {
                encoded.Append(text[i]);
                continue;
            }

            if (!Rune.TryGetRuneAt(text, i, out var rune))
                throw call.Realm.Error(Builtin.UriError, "URI malformed");
            foreach (var b in Encoding.UTF8.GetBytes(rune.ToString()))
                encoded.Append('%').Append(b.ToString("X2"));
            i += rune.Utf16SequenceLength - 1;
        }

        return encoded.ToString();
    }

    private static JsValue Decode(NativeCall call, string kept)
    {
        var text = call.Text(0);
        call.Budget.AllocateText(text.Length);
        var decoded = new StringBuilder();
        for (var i = 0; i < text.Length; i++)
        {
            if (text[i] != '%')
            {
                decoded.Append(text[i]);
                continue;
            }

            var start = i;
            var first = Byte(i);
            var length = first < 0x80 ? 1 : first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
            var bytes = new byte[length];
            for (var n = 0; n < length; n++)
                bytes[n] = Byte(start + (n * 3));
            i = start + (length * 3) - 1;
            if (Rune.DecodeFromUtf8(bytes, out var rune, out var used) != System.Buffers.OperationStatus.Done || used != length)
                throw Malformed();
            var character = rune.ToString();
            decoded.Append(kept.Contains(character, StringComparison.Ordinal) ? text[start..(i + 1)] : character);
        }

        return decoded.ToString();

        byte Byte(int at) => at + 2 < text.Length && text[at] == '%'
            && byte.TryParse(text.AsSpan(at + 1, 2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var value) ? value : throw Malformed();

        JsThrow Malformed() => call.Realm.Error(Builtin.UriError, "URI malformed");
    }

    private static JsValue ToBase64(NativeCall call)
    {
        var text = call.Text(0);
        call.Budget.AllocateText(text.Length * 2L);
        return text.Any(c => c > 255)
            ? throw call.Realm.Error(Builtin.Error, "btoa takes characters up to U+00FF only; use stringToBase64")
            : Convert.ToBase64String(Encoding.Latin1.GetBytes(text));
    }

    private static JsValue FromBase64(NativeCall call)
    {
        var text = call.Text(0);
        call.Budget.AllocateText(text.Length);
        var bytes = new byte[text.Length];
        return Convert.TryFromBase64String(text.PadRight((text.Length + 3) / 4 * 4, '='), bytes, out var length)
            ? Encoding.Latin1.GetString(bytes, 0, length)
            : throw call.Realm.Error(Builtin.Error, "The text is not base64");
    }
}
