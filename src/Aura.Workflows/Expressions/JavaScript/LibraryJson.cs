using System.Globalization;
using System.Text;

namespace Aura.Workflows.Expressions.JavaScript;

internal static class JsonLibrary
{
    public static LibraryTable Members { get; } = new()
    {
        { "parse", 2, call => JsonReader.Parse(call.Realm, call.Text(0), call[1].As<JsFunction>()) },
        { "stringify", 3, call => new JsonWriter(call.Realm, call[1], call[2]).Write(call[0]) is { } text ? text : JsValue.Undefined },
        { JsSymbol.ToStringTag, "JSON" },
    };
}

/// <summary>Reads JSON into values of a run.</summary>
internal sealed class JsonReader
{
    private readonly Realm _realm;
    private readonly string _text;
    private int _position;

    private JsonReader(Realm realm, string text)
    {
        realm.Budget.StepText(text.Length);
        _realm = realm;
        _text = text;
    }

    public static JsValue Parse(Realm realm, string text, JsFunction? reviver)
    {
        var reader = new JsonReader(realm, text);
        var value = reader.Value();
        reader.SkipBlanks();
        if (reader._position < text.Length)
            throw reader.Unexpected();
        if (reviver is null)
            return value;
        var root = realm.NewObject();
        root.Define("", value);
        return Revive(root, "", reviver);
    }

    private static JsValue Revive(JsObject holder, PropertyKey key, JsFunction reviver)
    {
        Budget.EnsureStack();
        if (holder.Get(key).AsObject() is { } inner)
        {
            foreach (var name in inner.OwnKeys().Where(k => inner.TryGetOwn(k, out var p) && p.IsEnumerable).ToList())
            {
                var value = Revive(inner, name, reviver);
                if (value.IsUndefined)
                    inner.Delete(name);
                else
                    inner.Define(name, value);
            }
        }

        return reviver.Call(holder, key.ToValue(), holder.Get(key));
    }

    private JsValue Value()
    {
        Budget.EnsureStack();
        _realm.Budget.Step();
        SkipBlanks();
        switch (Current)
        {
            case '{': return Object();
            case '[': return Array();
            case '"': return Text();
            case 't' when TryWord("true"): return true;
            case 'f' when TryWord("false"): return false;
            case 'n' when TryWord("null"): return JsValue.Null;
            default: return Number();
        }
    }

    private char Current => _position < _text.Length ? _text[_position] : '\0';

    private void SkipBlanks()
    {
        while (Current is ' ' or '\n' or '\r' or '\t')
            _position++;
    }

    private bool TryWord(string word)
    {
        if (string.CompareOrdinal(_text, _position, word, 0, word.Length) != 0)
            return false;
        _position += word.Length;
        return true;
    }

    private bool TryTake(char c)
    {
        SkipBlanks();
        if (Current != c)
            return false;
        _position++;
        return true;
    }

    private JsObject Object()
    {
        var result = _realm.NewObject();
        _position++;
        if (TryTake('}'))
            return result;
        do
        {
            SkipBlanks();
            if (Current != '"')
                throw Unexpected();
            var name = Text();
            if (!TryTake(':'))
                throw Unexpected();
            result.Define(name, Value());
        }
        while (TryTake(','));
        return TryTake('}') ? result : throw Unexpected();
    }

    private JsArray Array()
    {
        var result = new JsArray(_realm);
        _position++;
        if (TryTake(']'))
            return result;
        do
            result.Add(Value());
        while (TryTake(','));
        return TryTake(']') ? result : throw Unexpected();
    }

    private string Text()
    {
        var start = ++_position;
        while (Current >= ' ' && Current is not ('"' or '\\'))
            _position++;
        var text = new StringBuilder(_text, start, _position - start, Math.Max(16, _position - start));
        while (Current != '"')
        {
            if (Current == '\\')
                Escape(text);
            else if (Current >= ' ')
                text.Append(_text[_position++]);
            else
                throw Unexpected();
        }

        _position++;
        _realm.Budget.AllocateText(text.Length);
        return text.ToString();
    }

    private void Escape(StringBuilder text)
    {
        _position++;
        var plain = Current switch { 'n' => '\n', 't' => '\t', 'r' => '\r', 'b' => '\b', 'f' => '\f', '"' or '\\' or '/' => Current, _ => '\0' };
        if (plain == '\0')
        {
            if (Current != 'u' || _position + 5 > _text.Length
                || !ushort.TryParse(_text.AsSpan(_position + 1, 4), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var code))
                throw Unexpected();
            plain = (char)code;
            _position += 4;
        }

        _position++;
        text.Append(plain);
    }

    private JsValue Number()
    {
        var start = _position;
        if (Current == '-')
            _position++;
        if (Current == '0')
            _position++;
        else
            Digits();
        if (Current == '.')
        {
            _position++;
            Digits();
        }

        if (Current is 'e' or 'E')
        {
            _position++;
            if (Current is '+' or '-')
                _position++;
            Digits();
        }

        return double.Parse(_text.AsSpan(start, _position - start), NumberStyles.Float, CultureInfo.InvariantCulture);
    }

    private void Digits()
    {
        if (!char.IsAsciiDigit(Current))
            throw Unexpected();
        while (char.IsAsciiDigit(Current))
            _position++;
    }

    private JsThrow Unexpected() => _realm.SyntaxError(_position >= _text.Length
        ? "Unexpected end of JSON input"
        : $"Unexpected token '{Current}' in JSON at position {_position}");
}

/// <summary>Writes values of a run as JSON.</summary>
internal sealed class JsonWriter
{
    private readonly Realm _realm;
    private readonly JsFunction? _replacer;
    private readonly IReadOnlyList<PropertyKey>? _names;
    private readonly string _indent;
    private readonly HashSet<JsObject> _around = [];
    private readonly StringBuilder _output = new();
    private int _charged;

    public JsonWriter(Realm realm, JsValue replacer, JsValue indent)
    {
        _realm = realm;
        _replacer = replacer.As<JsFunction>();
        _names = replacer.As<JsArray>() is { } names
            ? [.. Enumerable.Range(0, names.Count).Select(i => (PropertyKey)JsConvert.ToString(realm, names[i])).Distinct()]
            : null;
        _indent = indent.IsNumber ? new(' ', (int)Math.Clamp(JsConvert.ToInteger(realm, indent), 0, 10))
            : indent.IsString ? indent.AsString()[..Math.Min(10, indent.TextLength)] : "";
    }

    /// <returns>Null where JSON has no form for the value.</returns>
    public string? Write(JsValue value)
    {
        var holder = _realm.NewObject();
        holder.Define("", value);
        return WriteMember(holder, "", value, "\n") ? _output.ToString() : null;
    }

    private bool WriteMember(JsObject holder, PropertyKey key, JsValue value, string line)
    {
        Budget.EnsureStack();
        _realm.Budget.Step();
        if (value.AsObject()?.Get("toJSON").As<JsFunction>() is { } toJson)
            value = toJson.Call(value, key.ToValue());
        if (_replacer is not null)
            value = _replacer.Call(holder, key.ToValue(), value);
        if (value.As<JsPrimitiveObject>() is { } primitive)
            value = primitive.Value;
        switch (value.Type)
        {
            case JsType.Null: Append("null"); break;
            case JsType.Boolean: Append(value.Boolean ? "true" : "false"); break;
            case JsType.Number: Append(double.IsFinite(value.Number) ? Numbers.ToText(value.Number) : "null"); break;
            case JsType.String: WriteText(value.AsString()); break;
            case JsType.Object when value.As<JsFunction>() is null: WriteObject(value.AsObject()!, line); break;
            default: return false;
        }

        return true;
    }

    private void WriteObject(JsObject target, string line)
    {
        if (!_around.Add(target))
            throw _realm.TypeError("Converting circular structure to JSON");
        if (target is JsArray array)
            WriteItems(array, line);
        else
            WriteMembers(target, line);
        _around.Remove(target);
    }

    private void WriteItems(JsArray array, string line)
    {
        Append("[");
        for (var i = 0; i < array.Count; i++)
        {
            BeginItem(i == 0, line);
            if (!WriteMember(array, Numbers.ToText(i), array[i], line + _indent))
                Append("null");
        }

        End(array.Count == 0, line, "]");
    }

    private void WriteMembers(JsObject target, string line)
    {
        Append("{");
        var isFirst = true;
        foreach (var key in _names ?? [.. target.Entries().Select(e => e.Key)])
        {
            // What the name is written for may turn out to have no form: then the name goes again.
            var before = _output.Length;
            BeginItem(isFirst, line);
            WriteText(key.Name!);
            Append(_indent.Length > 0 ? ": " : ":");
            if (WriteMember(target, key, target.Get(key), line + _indent))
                isFirst = false;
            else
                _output.Length = before;
        }

        End(isFirst, line, "}");
    }

    private void BeginItem(bool isFirst, string line)
    {
        if (!isFirst)
            Append(",");
        if (_indent.Length > 0)
            Append(line + _indent);
    }

    private void End(bool isEmpty, string line, string close)
    {
        if (!isEmpty && _indent.Length > 0)
            Append(line);
        Append(close);
    }

    private void WriteText(string text)
    {
        Append("\"");
        foreach (var c in text)
        {
            switch (c)
            {
                case '"': _output.Append("\\\""); break;
                case '\\': _output.Append(@"\\"); break;
                case '\n': _output.Append(@"\n"); break;
                case '\r': _output.Append(@"\r"); break;
                case '\t': _output.Append(@"\t"); break;
                case '\b': _output.Append(@"\b"); break;
                case '\f': _output.Append(@"\f"); break;
                case < ' ': _output.Append(CultureInfo.InvariantCulture, $"\\u{(int)c:x4}"); break;
                default: _output.Append(c); break;
            }
        }

        Append("\"");
    }

    private void Append(string text)
    {
        _output.Append(text);
        if (_output.Length <= _charged)
            return;
        _realm.Budget.AllocateText(_output.Length - _charged);
        _charged = _output.Length;
    }
}
