namespace Aura.Workflows.Expressions.JavaScript;

internal static class NumberLibrary
{
    private const double LargestInteger = 9007199254740991;

    public static BuiltinType Type { get; } = new(Builtin.Number, "Number", 1, Construct, Library.WithConstructor(Builtin.Number, new()
    {
        { "toString", 1, ToText },
        { "toFixed", 1, call => Numbers.ToFixed(This(call), Digits(call, 0, 0, "toFixed() digits")) },
        { "toPrecision", 1, ToPrecision },
        { "toExponential", 1, call => Numbers.ToExponential(This(call), call[0].IsUndefined ? -1 : Digits(call, 0, 0, "toExponential()")) },
        { "toLocaleString", 0, ToLocaleText },
        { "valueOf", 0, call => This(call) },
    }), new()
    {
        { "isInteger", 1, call => IsInteger(call[0]) },
        { "isSafeInteger", 1, call => IsInteger(call[0]) && Math.Abs(call[0].Number) <= LargestInteger },
        { "isFinite", 1, call => call[0].IsNumber && double.IsFinite(call[0].Number) },
        { "isNaN", 1, call => call[0].IsNumber && double.IsNaN(call[0].Number) },
        { "parseInt", 2, ParseInt },
        { "parseFloat", 1, ParseFloat },
        { "MAX_SAFE_INTEGER", LargestInteger },
        { "MIN_SAFE_INTEGER", -LargestInteger },
        { "MAX_VALUE", double.MaxValue },
        { "MIN_VALUE", double.Epsilon },
        { "EPSILON", Math.BitIncrement(1.0) - 1 },
        { "POSITIVE_INFINITY", double.PositiveInfinity },
        { "NEGATIVE_INFINITY", double.NegativeInfinity },
        { "NaN", double.NaN },
    });

    public static void AddGlobals(LibraryTable globals)
    {
        globals.Add("parseInt", 2, ParseInt);
        globals.Add("parseFloat", 1, ParseFloat);
        globals.Add("isNaN", 1, call => double.IsNaN(call.Number(0)));
        globals.Add("isFinite", 1, call => double.IsFinite(call.Number(0)));
    }

    private static JsValue Construct(NativeCall call)
    {
        var number = call.Count == 0 ? 0 : call.Number(0);
        return call.NewTarget is null ? number : call.Constructed(new JsPrimitiveObject(call.Realm, number));
    }

    private static double This(NativeCall call) => call.This.IsNumber ? call.This.Number
        : call.This.As<JsPrimitiveObject>() is { Value: { IsNumber: true } value } ? value.Number
        : throw call.Realm.TypeError("The method needs a number");

    private static bool IsInteger(JsValue value) => value.IsNumber && double.IsFinite(value.Number) && Math.Floor(value.Number) == value.Number;

    private static int Digits(NativeCall call, int minimum, int ifUndefined, string what)
    {
        var digits = call[0].IsUndefined ? ifUndefined : call.Integer(0);
        return digits >= minimum && digits <= 100 ? (int)digits : throw call.Realm.RangeError($"{what} argument must be between {minimum} and 100");
    }

    private static JsValue ToText(NativeCall call)
    {
        var radix = call[0].IsUndefined ? 10 : call.Integer(0);
        if (radix is < 2 or > 36)
            throw call.Realm.RangeError("toString() radix must be between 2 and 36");
        call.Budget.StepText(1100);
        return Numbers.ToRadix(This(call), (int)radix);
    }

    private static JsValue ToPrecision(NativeCall call) =>
        call[0].IsUndefined ? Numbers.ToText(This(call)) : Numbers.ToPrecision(This(call), Digits(call, 1, 1, "toPrecision()"));

    private static JsValue ToLocaleText(NativeCall call)
    {
        var options = call[1].AsObject();
        var minimum = Option("minimumFractionDigits", 0);
        var maximum = Option("maximumFractionDigits", Math.Max(3, minimum));
        return Numbers.ToLocaleText(This(call), minimum, Math.Max(minimum, maximum));

        int Option(string name, int ifUndefined) =>
            options?.Get(name) is { IsUndefined: false } value ? (int)Math.Clamp(JsConvert.ToInteger(call.Realm, value), 0, 20) : ifUndefined;
    }

    private static JsValue ParseInt(NativeCall call)
    {
        var text = call.Text(0);
        call.Budget.StepText(text.Length);
        return Numbers.ParseInt(text, call[1].IsUndefined ? 0 : JsConvert.ToInt32(call.Realm, call[1]));
    }

    private static JsValue ParseFloat(NativeCall call)
    {
        var text = call.Text(0);
        call.Budget.StepText(text.Length);
        return Numbers.ParseFloat(text);
    }
}

internal static class MathLibrary
{
    public static LibraryTable Members { get; } = MakeMembers();

    private static LibraryTable MakeMembers()
    {
        var members = new LibraryTable
        {
            { "PI", Math.PI },
            { "E", Math.E },
            { "LN2", Math.Log(2) },
            { "LN10", Math.Log(10) },
            { "LOG2E", 1 / Math.Log(2) },
            { "LOG10E", 1 / Math.Log(10) },
            { "SQRT2", Math.Sqrt(2) },
            { "SQRT1_2", Math.Sqrt(0.5) },
            { "max", 2, call => Extreme(call, double.NegativeInfinity, Math.Max) },
            { "min", 2, call => Extreme(call, double.PositiveInfinity, Math.Min) },
            { "pow", 2, call => Operators.Power(call.Number(0), call.Number(1)) },
            { "atan2", 2, call => Math.Atan2(call.Number(0), call.Number(1)) },
            { "hypot", 2, Hypotenuse },
            { "imul", 2, call => (double)unchecked(JsConvert.ToInt32(call.Realm, call[0]) * JsConvert.ToInt32(call.Realm, call[1])) },
            { "clz32", 1, call => (double)System.Numerics.BitOperations.LeadingZeroCount((uint)JsConvert.ToInt32(call.Realm, call[0])) },
            { "random", 0, _ => Random.Shared.NextDouble() },
            { JsSymbol.ToStringTag, "Math" },
        };
        foreach (var (name, function) in Functions())
            members.Add(name, 1, call => function(call.Number(0)));
        return members;
    }

    private static Dictionary<string, Func<double, double>> Functions() => new(StringComparer.Ordinal)
    {
        ["abs"] = Math.Abs,
        ["acos"] = Math.Acos,
        ["acosh"] = Math.Acosh,
        ["asin"] = Math.Asin,
        ["asinh"] = Math.Asinh,
        ["atan"] = Math.Atan,
        ["atanh"] = Math.Atanh,
        // Exact where the result is an integer, which the platform's own is not.
        ["cbrt"] = x => Math.Round(Math.Cbrt(x)) is var whole && whole * whole * whole == x ? whole : Math.Cbrt(x),
        ["ceil"] = Math.Ceiling,
        ["cos"] = Math.Cos,
        ["cosh"] = Math.Cosh,
        ["exp"] = Math.Exp,
        ["expm1"] = x => Math.Abs(x) < 1e-5 ? x + (x * x / 2) + (x * x * x / 6) : Math.Exp(x) - 1,
        ["floor"] = Math.Floor,
        ["fround"] = x => (float)x,
        ["log"] = Math.Log,
        ["log10"] = Math.Log10,
        ["log1p"] = x => Math.Abs(x) < 1e-5 ? x - (x * x / 2) + (x * x * x / 3) : Math.Log(1 + x),
        ["log2"] = Math.Log2,
        // Half way goes up, also below zero; the sum x + 0.5 would round where it must not.
        ["round"] = x => x - Math.Floor(x) is var fraction && fraction >= 0.5 ? Math.Ceiling(x) : Math.Floor(x),
        ["sign"] = x => double.IsNaN(x) || x == 0 ? x : Math.Sign(x),
        ["sin"] = Math.Sin,
        ["sinh"] = Math.Sinh,
        ["sqrt"] = Math.Sqrt,
        ["tan"] = Math.Tan,
        ["tanh"] = Math.Tanh,
        ["trunc"] = Math.Truncate,
    };

    private static JsValue Extreme(NativeCall call, double start, Func<double, double, double> choose)
    {
        call.Budget.Step(call.Count);
        return call.Arguments.Aggregate(start, (best, value) => choose(best, JsConvert.ToNumber(call.Realm, value)));
    }

    private static JsValue Hypotenuse(NativeCall call)
    {
        var values = Array.ConvertAll(call.Arguments, a => Math.Abs(JsConvert.ToNumber(call.Realm, a)));
        if (Array.Exists(values, double.IsInfinity))
            return double.PositiveInfinity;
        var largest = values.Length == 0 ? 0 : values.Max();
        return largest == 0 || double.IsNaN(largest) ? largest : largest * Math.Sqrt(values.Sum(v => v / largest * (v / largest)));
    }
}
