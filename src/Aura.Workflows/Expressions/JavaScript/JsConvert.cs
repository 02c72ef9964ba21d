namespace Aura.Workflows.Expressions.JavaScript;

/// <summary>The conversions that the language makes by itself.</summary>
internal static class JsConvert
{
    /// <summary>From this length on it counts that a key is looked at from end to end.</summary>
    private const int LongKey = 64;

    public static bool ToBoolean(JsValue value) => value.Type switch
    {
        JsType.Boolean => value.Boolean,
        JsType.Number => value.Number != 0 && !double.IsNaN(value.Number),
        JsType.String => value.TextLength > 0,
        JsType.Object or JsType.Symbol => true,
        _ => false,
    };

    public static double ToNumber(Realm realm, JsValue value)
    {
        if (value.IsNumber)
            return value.Number;
        switch (value.Type)
        {
            case JsType.Boolean:
                return value.Boolean ? 1 : 0;
            case JsType.Null:
                return 0;
            case JsType.String:
                realm.Budget.StepText(value.TextLength);
                return Numbers.Parse(value.AsString());
            case JsType.Symbol:
                throw realm.TypeError("Cannot convert a Symbol value to a number");
            case JsType.Object:
                return ToNumber(realm, ToPrimitive(value, "number"));
            default:
                return double.NaN;
        }
    }

    /// <summary>The string as a value: a concatenated text stays as it is.</summary>
    public static JsValue ToText(Realm realm, JsValue value) => value.IsString ? value : ToString(realm, value);

    public static string ToString(Realm realm, JsValue value)
    {
        switch (value.Type)
        {
            case JsType.String:
                return value.AsString();
            case JsType.Symbol:
                throw realm.TypeError("Cannot convert a Symbol value to a string");
            case JsType.Object:
                return ToString(realm, ToPrimitive(value, "string"));
            case JsType.Number:
                realm.Budget.Allocate(48);
                return Numbers.ToText(value.Number);
            default:
                return value.ToString();
        }
    }

    /// <param name="hint"><c>default</c>, <c>number</c> or <c>string</c>.</param>
    public static JsValue ToPrimitive(JsValue value, string hint = "default")
    {
        if (value.AsObject() is not { } target)
            return value;
        var realm = target.Realm;
        var custom = target.Get(JsSymbol.ToPrimitive);
        if (!custom.IsNullish)
        {
            var result = realm.Call(custom, target, hint);
            return result.IsObject ? throw realm.TypeError("Cannot convert object to primitive value") : result;
        }

        var textFirst = hint == "string" || (hint == "default" && target is JsDate);
        if (TryMethod(textFirst ? "toString" : "valueOf", out var first))
            return first;
        return TryMethod(textFirst ? "valueOf" : "toString", out var second)
            ? second
            : throw realm.TypeError("Cannot convert object to primitive value");

        bool TryMethod(string name, out JsValue result)
        {
            result = target.Get(name) is var method && method.As<JsFunction>() is { } function ? function.Call(target) : target;
            return !result.IsObject;
        }
    }

    public static JsObject ToObject(Realm realm, JsValue value) => value.Type switch
    {
        JsType.Object => value.AsObject()!,
        JsType.Undefined or JsType.Null => throw realm.TypeError($"Cannot convert {value} to object"),
        _ => new JsPrimitiveObject(realm, value),
    };

    public static PropertyKey ToKey(Realm realm, JsValue value)
    {
        if (value.As<string>() is { Length: < LongKey } name)
            return name;
        if (value.IsString)
            realm.Budget.StepText(value.TextLength);
        var primitive = ToPrimitive(value, "string");
        return primitive.As<JsSymbol>() is { } symbol ? symbol : ToString(realm, primitive);
    }

    /// <summary>Without a fraction; zero for what is no number.</summary>
    public static double ToInteger(Realm realm, JsValue value)
    {
        var number = ToNumber(realm, value);
        return double.IsNaN(number) ? 0 : Math.Truncate(number) + 0.0;
    }

    /// <summary>A length or count: at least zero, at most 2^53 - 1.</summary>
    public static long ToLength(Realm realm, JsValue value) => (long)Math.Clamp(ToInteger(realm, value), 0, 9007199254740991);

    public static int ToInt32(Realm realm, JsValue value) => Numbers.ToInt32(ToNumber(realm, value));

    /// <summary>A position that may count from the end, clamped to 0..length.</summary>
    public static long ToPosition(Realm realm, JsValue value, long length, long ifUndefined)
    {
        if (value.IsUndefined)
            return ifUndefined;
        var position = ToInteger(realm, value);
        return (long)(position < 0 ? Math.Max(0, length + position) : Math.Min(position, length));
    }

    public static string TypeOf(JsValue value) => value.Type switch
    {
        JsType.Undefined => "undefined",
        JsType.Boolean => "boolean",
        JsType.Number => "number",
        JsType.String => "string",
        JsType.Symbol => "symbol",
        JsType.Object when value.As<JsFunction>() is not null => "function",
        _ => "object",
    };
}
