namespace Aura.Workflows.Expressions.JavaScript;

/// <summary>The operators on values.</summary>
internal static class Operators
{
    public delegate JsValue Binary(Realm realm, JsValue left, JsValue right);

    public static Binary Of(string @operator) => @operator switch
    {
        "+" => Add,
        "-" => static (realm, left, right) => JsConvert.ToNumber(realm, left) - JsConvert.ToNumber(realm, right),
        "*" => static (realm, left, right) => JsConvert.ToNumber(realm, left) * JsConvert.ToNumber(realm, right),
        "/" => static (realm, left, right) => JsConvert.ToNumber(realm, left) / JsConvert.ToNumber(realm, right),
        "%" => static (realm, left, right) => JsConvert.ToNumber(realm, left) % JsConvert.ToNumber(realm, right),
        "**" => static (realm, left, right) => Power(JsConvert.ToNumber(realm, left), JsConvert.ToNumber(realm, right)),
        "&" => static (realm, left, right) => (double)(JsConvert.ToInt32(realm, left) & JsConvert.ToInt32(realm, right)),
        "|" => static (realm, left, right) => (double)(JsConvert.ToInt32(realm, left) | JsConvert.ToInt32(realm, right)),
        "^" => static (realm, left, right) => (double)(JsConvert.ToInt32(realm, left) ^ JsConvert.ToInt32(realm, right)),
        "<<" => static (realm, left, right) => (double)(JsConvert.ToInt32(realm, left) << (JsConvert.ToInt32(realm, right) & 31)),
        ">>" => static (realm, left, right) => (double)(JsConvert.ToInt32(realm, left) >> (JsConvert.ToInt32(realm, right) & 31)),
        ">>>" => static (realm, left, right) => (double)((uint)JsConvert.ToInt32(realm, left) >> (JsConvert.ToInt32(realm, right) & 31)),
        "===" => static (realm, left, right) => StrictlyEquals(realm, left, right),
        "!==" => static (realm, left, right) => !StrictlyEquals(realm, left, right),
        "==" => static (realm, left, right) => LooselyEquals(realm, left, right),
        "!=" => static (realm, left, right) => !LooselyEquals(realm, left, right),
        "<" => static (realm, left, right) => left.IsNumber && right.IsNumber ? left.Number < right.Number : Compare(realm, left, right) is < 0,
        ">" => static (realm, left, right) => left.IsNumber && right.IsNumber ? left.Number > right.Number : Compare(realm, left, right) is > 0,
        "<=" => static (realm, left, right) => left.IsNumber && right.IsNumber ? left.Number <= right.Number : Compare(realm, left, right) is <= 0,
        ">=" => static (realm, left, right) => left.IsNumber && right.IsNumber ? left.Number >= right.Number : Compare(realm, left, right) is >= 0,
        "instanceof" => static (realm, left, right) => InstanceOf(realm, left, right),
        "in" => In,
        _ => throw new ArgumentOutOfRangeException(nameof(@operator), @operator, "Not a binary operator."),
    };

    public static JsValue Add(Realm realm, JsValue left, JsValue right)
    {
        if (left.IsNumber && right.IsNumber)
            return left.Number + right.Number;
        (left, right) = (JsConvert.ToPrimitive(left), JsConvert.ToPrimitive(right));
        return left.IsString || right.IsString
            ? ConcatenatedText.Concatenate(JsConvert.ToText(realm, left), JsConvert.ToText(realm, right), realm.Budget)
            : JsConvert.ToNumber(realm, left) + JsConvert.ToNumber(realm, right);
    }

    /// <summary>.NET and JavaScript differ where the base is one and the exponent is no finite number.</summary>
    public static double Power(double @base, double exponent) =>
        double.IsNaN(exponent) || (Math.Abs(@base) == 1 && double.IsInfinity(exponent)) ? double.NaN : Math.Pow(@base, exponent);

    /// <summary>Charged: two long texts take long to compare.</summary>
    public static bool StrictlyEquals(Realm realm, JsValue left, JsValue right)
    {
        if (left.IsString && right.IsString && left.TextLength == right.TextLength)
            realm.Budget.StepText(left.TextLength);
        return left.StrictlyEquals(right);
    }

    public static bool LooselyEquals(Realm realm, JsValue left, JsValue right)
    {
        while (true)
        {
            if (left.Type == right.Type)
                return StrictlyEquals(realm, left, right);
            if (left.IsNullish || right.IsNullish)
                return left.IsNullish && right.IsNullish;
            if (left.IsObject)
                left = JsConvert.ToPrimitive(left);
            else if (right.IsObject)
                right = JsConvert.ToPrimitive(right);
            else
                return left.Type != JsType.Symbol && right.Type != JsType.Symbol
                    && JsConvert.ToNumber(realm, left) == JsConvert.ToNumber(realm, right);
        }
    }

    public static bool InstanceOf(Realm realm, JsValue left, JsValue right)
    {
        if (right.AsObject() is not { } type)
            throw realm.TypeError("Right-hand side of 'instanceof' is not callable");
        if (type.Get(JsSymbol.HasInstance).As<JsFunction>() is { } custom)
            return JsConvert.ToBoolean(custom.Call(type, left));
        if (type is not JsFunction)
            throw realm.TypeError("Right-hand side of 'instanceof' is not callable");
        var prototype = type.Get("prototype").AsObject();
        for (var holder = left.AsObject()?.Prototype; holder is not null; holder = holder.Prototype)
        {
            if (ReferenceEquals(holder, prototype))
                return true;
        }

        return false;
    }

    /// <returns>Less than, equal to or greater than zero; null where neither is less, as with NaN.</returns>
    private static int? Compare(Realm realm, JsValue left, JsValue right)
    {
        (left, right) = (JsConvert.ToPrimitive(left, "number"), JsConvert.ToPrimitive(right, "number"));
        if (left.IsString && right.IsString)
        {
            realm.Budget.StepText(Math.Min(left.TextLength, right.TextLength));
            return string.CompareOrdinal(left.AsString(), right.AsString());
        }

        var (a, b) = (JsConvert.ToNumber(realm, left), JsConvert.ToNumber(realm, right));
        return double.IsNaN(a) || double.IsNaN(b) ? null : a.CompareTo(b);
    }

    private static JsValue In(Realm realm, JsValue left, JsValue right) => right.AsObject() is { } target
        ? target.Has(JsConvert.ToKey(realm, left))
        : throw realm.TypeError($"Cannot use 'in' operator to search for '{realm.Display(left)}' in {right}");
}
