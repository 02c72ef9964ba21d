using System.Text;

namespace Aura.Workflows.Expressions.JavaScript;

/// <summary>Array. The methods take anything with a length and elements, as the language wants it.</summary>
internal static partial class ArrayLibrary
{
    public static BuiltinType Type { get; } = new(Builtin.Array, "Array", 1, Construct, Library.WithConstructor(Builtin.Array, new()
    {
        // Iteration
        { "forEach", 1, ForEach },
        { "map", 1, Map },
        { "filter", 1, Filter },
        { "some", 1, call => Search(call, fromEnd: false, skipHoles: true, out _) >= 0 },
        { "every", 1, Every },
        { "find", 1, call => Search(call, fromEnd: false, skipHoles: false, out var found) >= 0 ? found : default },
        { "findIndex", 1, call => (double)Search(call, fromEnd: false, skipHoles: false, out _) },
        { "findLast", 1, call => Search(call, fromEnd: true, skipHoles: false, out var found) >= 0 ? found : default },
        { "findLastIndex", 1, call => (double)Search(call, fromEnd: true, skipHoles: false, out _) },
        { "reduce", 1, call => Reduce(call, fromEnd: false) },
        { "reduceRight", 1, call => Reduce(call, fromEnd: true) },
        { "flat", 0, Flat },
        { "flatMap", 1, FlatMap },

        // Questions
        { "at", 1, At },
        { "includes", 1, Includes },
        { "indexOf", 1, IndexOf },
        { "lastIndexOf", 1, LastIndexOf },
        { "join", 1, call => Join(call.Realm, call.ThisObject(), call[0].IsUndefined ? "," : call.Text(0)) },
        { "toString", 0, call => Join(call.Realm, call.ThisObject(), ",") },
        { "toLocaleString", 0, call => Join(call.Realm, call.ThisObject(), ",") },
        { "concat", 1, Concat },
        { "slice", 2, Slice },
        { "keys", 0, call => new NativeIterator(call.Realm, "Array", Indexes(call.ThisObject())) },
        { "values", 0, Values },
        { "entries", 0, call => new NativeIterator(call.Realm, "Array", Entries(call.ThisObject())) },
        { JsSymbol.Iterator, 0, Values },

        // Changes
        { "push", 1, Push },
        { "pop", 0, Pop },
        { "shift", 0, Shift },
        { "unshift", 1, Unshift },
        { "splice", 2, Splice },
        { "reverse", 0, Reverse },
        { "sort", 1, Sort },
        { "fill", 1, Fill },
        { "copyWithin", 2, CopyWithin },
        { "toSorted", 1, call => Sorted(call.Realm, Items(call.ThisObject()), call[0]) },
        { "toReversed", 0, call => new JsArray(call.Realm, Items(call.ThisObject()).AsEnumerable().Reverse()) },
        { "with", 2, With },
    }), new()
    {
        { "isArray", 1, call => call[0].As<JsArray>() is not null },
        { "of", 0, call => new JsArray(call.Realm, call.Arguments) },
        { "from", 1, From },
    });

    private static JsValue Construct(NativeCall call)
    {
        if (call.Count != 1 || !call[0].IsNumber)
            return call.Constructed(new JsArray(call.Realm, call.Arguments));
        var array = new JsArray(call.Realm);
        array.Set("length", call[0]);
        return call.Constructed(array);
    }

    private static JsValue From(NativeCall call)
    {
        var map = call[1].IsUndefined ? null : call.Function(1);
        var (realm, result) = (call.Realm, new JsArray(call.Realm));
        if (call[0].IsNullish)
            throw realm.TypeError($"{call[0]} is not iterable");
        if (!realm.GetMember(call[0], JsSymbol.Iterator).IsUndefined)
        {
            JsIterator.ForEach(realm, call[0], value => result.Add(Mapped(value)));
            return result;
        }

        var source = JsConvert.ToObject(realm, call[0]);
        var length = source.Length;
        for (long i = 0; i < length; i++)
        {
            realm.Budget.Step();
            result.Add(Mapped(source.GetIndex(i)));
        }

        return result;

        JsValue Mapped(JsValue value) => map is null ? value : map.Call(call[2], value, (double)result.Count);
    }

    // Elements

    /// <summary>All elements, holes as undefined; charged.</summary>
    private static List<JsValue> Items(JsObject source)
    {
        var length = source.Length;
        source.Realm.Budget.Step(length);
        source.Realm.Budget.Allocate(length * 16);
        var items = new List<JsValue>((int)length);
        for (var i = 0; i < length; i++)
            items.Add(source.GetIndex(i));
        return items;
    }

    /// <summary>The indexes from the start to the length that the array had, or back; each is charged.</summary>
    private static IEnumerable<long> Walk(JsObject source, bool fromEnd = false)
    {
        var length = source.Length;
        for (long i = 0; i < length; i++)
        {
            source.Realm.Budget.Step();
            yield return fromEnd ? length - 1 - i : i;
        }
    }

    private static IEnumerable<JsValue> Indexes(JsObject source)
    {
        for (long i = 0; i < source.Length; i++)
            yield return (double)i;
    }

    private static IEnumerable<JsValue> Entries(JsObject source)
    {
        for (long i = 0; i < source.Length; i++)
            yield return ObjectLibrary.Pair(source.Realm, (double)i, source.GetIndex(i));
    }

    private static JsValue Values(NativeCall call)
    {
        return new NativeIterator(call.Realm, "Array", Elements(call.ThisObject()));

        static IEnumerable<JsValue> Elements(JsObject source)
        {
            for (long i = 0; i < source.Length; i++)
                yield return source.GetIndex(i);
        }
    }

    // Iteration

    private static JsValue ForEach(NativeCall call)
    {
        var (source, action) = (call.ThisObject(), call.Function(0));
        foreach (var i in Walk(source).Where(source.HasIndex))
            action.Call(call[1], source.GetIndex(i), (double)i, source);
        return default;
    }

    private static JsValue Map(NativeCall call)
    {
        var (source, map, result) = (call.ThisObject(), call.Function(0), new JsArray(call.Realm));
        foreach (var i in Walk(source))
            result.Add(source.HasIndex(i) ? map.Call(call[1], source.GetIndex(i), (double)i, source) : JsValue.Absent);
        return result;
    }

    private static JsValue Filter(NativeCall call)
    {
        var (source, test, result) = (call.ThisObject(), call.Function(0), new JsArray(call.Realm));
        foreach (var i in Walk(source).Where(source.HasIndex))
        {
            var item = source.GetIndex(i);
            if (JsConvert.ToBoolean(test.Call(call[1], item, (double)i, source)))
                result.Add(item);
        }

        return result;
    }

    private static JsValue Every(NativeCall call)
    {
        var (source, test) = (call.ThisObject(), call.Function(0));
        foreach (var i in Walk(source).Where(source.HasIndex))
        {
            if (!JsConvert.ToBoolean(test.Call(call[1], source.GetIndex(i), (double)i, source)))
                return false;
        }

        return true;
    }

    /// <returns>The index of the first element that passes the test, or -1.</returns>
    private static long Search(NativeCall call, bool fromEnd, bool skipHoles, out JsValue found)
    {
        var (source, test) = (call.ThisObject(), call.Function(0));
        foreach (var i in Walk(source, fromEnd))
        {
            if (skipHoles && !source.HasIndex(i))
                continue;
            found = source.GetIndex(i);
            if (JsConvert.ToBoolean(test.Call(call[1], found, (double)i, source)))
                return i;
        }

        found = default;
        return -1;
    }

    private static JsValue Reduce(NativeCall call, bool fromEnd)
    {
        var (source, reduce) = (call.ThisObject(), call.Function(0));
        var hasValue = call.Count > 1;
        var value = call[1];
        foreach (var i in Walk(source, fromEnd).Where(source.HasIndex))
        {
            value = hasValue ? reduce.Call(default, value, source.GetIndex(i), (double)i, source) : source.GetIndex(i);
            hasValue = true;
        }

        return hasValue ? value : throw call.Realm.TypeError("Reduce of empty array with no initial value");
    }

    private static JsValue Flat(NativeCall call)
    {
        var result = new JsArray(call.Realm);
        Flatten(result, call.ThisObject(), call[0].IsUndefined ? 1 : call.Integer(0));
        return result;
    }

    private static void Flatten(JsArray result, JsObject source, double depth)
    {
        Budget.EnsureStack();
        foreach (var i in Walk(source).Where(source.HasIndex))
        {
            var item = source.GetIndex(i);
            if (depth > 0 && item.As<JsArray>() is { } inner)
                Flatten(result, inner, depth - 1);
            else
                result.Add(item);
        }
    }

    private static JsValue FlatMap(NativeCall call)
    {
        var result = new JsArray(call.Realm);
        Flatten(result, Map(call).AsObject()!, 1);
        return result;
    }

    // Questions

    private static JsValue At(NativeCall call)
    {
        var source = call.ThisObject();
        var index = call.Integer(0);
        var position = index < 0 ? source.Length + index : index;
        return position < 0 || position >= source.Length ? default : source.GetIndex((long)position);
    }

    private static JsValue Includes(NativeCall call)
    {
        var source = call.ThisObject();
        var start = JsConvert.ToPosition(call.Realm, call[1], source.Length, 0);
        return Walk(source).Skip((int)start).Any(i =>
            source.GetIndex(i) is var item && (Operators.StrictlyEquals(call.Realm, item, call[0]) || (item.IsNumber && item.SameValueZero(call[0]))));
    }

    private static JsValue IndexOf(NativeCall call)
    {
        var source = call.ThisObject();
        var start = JsConvert.ToPosition(call.Realm, call[1], source.Length, 0);
        foreach (var i in Walk(source).Skip((int)start))
        {
            if (source.HasIndex(i) && Operators.StrictlyEquals(call.Realm, source.GetIndex(i), call[0]))
                return (double)i;
        }

        return -1;
    }

    private static JsValue LastIndexOf(NativeCall call)
    {
        var source = call.ThisObject();
        var last = call.Count > 1 ? call.Integer(1) : source.Length - 1;
        last = last < 0 ? source.Length + last : last;
        foreach (var i in Walk(source, fromEnd: true))
        {
            if (i <= last && source.HasIndex(i) && Operators.StrictlyEquals(call.Realm, source.GetIndex(i), call[0]))
                return (double)i;
        }

        return -1;
    }

    public static string Join(Realm realm, JsObject source, string separator)
    {
        // An array inside itself is empty there.
        if (!realm.BeginVisit(source))
            return "";
        try
        {
            return JoinAll(realm, source, separator);
        }
        finally
        {
            realm.EndVisit(source);
        }
    }

    private static string JoinAll(Realm realm, JsObject source, string separator)
    {
        var text = new StringBuilder();
        foreach (var i in Walk(source))
        {
            var item = source.GetIndex(i);
            var part = item.IsNullish ? "" : JsConvert.ToString(realm, item);
            realm.Budget.AllocateText(part.Length + (i > 0 ? separator.Length : 0));
            if (i > 0)
                text.Append(separator);
            text.Append(part);
        }

        return text.ToString();
    }

    private static JsValue Concat(NativeCall call)
    {
        var result = new JsArray(call.Realm);
        foreach (var part in call.Arguments.Prepend(call.ThisObject()))
        {
            if (part.As<JsArray>() is { } array)
                AddAll(result, array);
            else
                result.Add(part);
        }

        return result;
    }

    private static void AddAll(JsArray target, JsArray source)
    {
        foreach (var i in Walk(source))
            target.Add(source.HasIndex(i) ? source.GetIndex(i) : JsValue.Absent);
    }

    private static JsValue Slice(NativeCall call)
    {
        var (source, result) = (call.ThisObject(), new JsArray(call.Realm));
        var length = source.Length;
        var end = JsConvert.ToPosition(call.Realm, call[1], length, length);
        for (var i = JsConvert.ToPosition(call.Realm, call[0], length, 0); i < end; i++)
        {
            call.Budget.Step();
            result.Add(source.HasIndex(i) ? source.GetIndex(i) : JsValue.Absent);
        }

        return result;
    }
}
