namespace Aura.Workflows.Expressions.JavaScript;

/// <summary>The values of an iterable, one at a time.</summary>
internal abstract class JsIterator
{
    public abstract bool MoveNext(out JsValue value);

    /// <summary>Called when the values are not taken to their end.</summary>
    public virtual void Close()
    {
    }

    /// <exception cref="JsThrow">The value is not iterable.</exception>
    public static JsIterator Of(Realm realm, JsValue iterable)
    {
        if (iterable.IsNullish)
            throw realm.TypeError($"{iterable} is not iterable");
        var method = realm.GetMember(iterable, JsSymbol.Iterator);
        if (method.As<JsFunction>() is not { } function)
            throw realm.TypeError($"{realm.Display(iterable)} is not iterable");
        var iterator = function.Call(iterable);
        return iterator.As<NativeIterator>() is { } native ? native.Source
            : iterator.AsObject() is { } target ? new ProtocolIterator(target)
            : throw realm.TypeError("Result of the Symbol.iterator method is not an object");
    }

    /// <summary>All values; each is charged as a step.</summary>
    public static List<JsValue> ToList(Realm realm, JsValue iterable)
    {
        var iterator = Of(realm, iterable);
        var values = new List<JsValue>();
        while (iterator.MoveNext(out var value))
        {
            realm.Budget.Step();
            realm.Budget.Allocate(16);
            values.Add(value);
        }

        return values;
    }

    /// <summary>Hands each value on; closes the iterator when that throws.</summary>
    public static void ForEach(Realm realm, JsValue iterable, Action<JsValue> action)
    {
        var iterator = Of(realm, iterable);
        while (iterator.MoveNext(out var value))
        {
            realm.Budget.Step();
            try
            {
                action(value);
            }
            catch (JsThrow)
            {
                iterator.Close();
                throw;
            }
        }
    }
}

/// <summary>Over values that the library itself enumerates.</summary>
internal sealed class EnumeratorIterator(IEnumerator<JsValue> values) : JsIterator
{
    public override bool MoveNext(out JsValue value)
    {
        var more = values.MoveNext();
        value = more ? values.Current : default;
        return more;
    }
}

/// <summary>Over an object of the script with a <c>next</c> method.</summary>
internal sealed class ProtocolIterator(JsObject iterator) : JsIterator
{
    private readonly JsValue _next = iterator.Get("next");

    public override bool MoveNext(out JsValue value)
    {
        var realm = iterator.Realm;
        if (realm.Call(_next, iterator).AsObject() is not { } result)
            throw realm.TypeError("Iterator result is not an object");
        var done = JsConvert.ToBoolean(result.Get("done"));
        value = done ? default : result.Get("value");
        return !done;
    }

    public override void Close()
    {
        if (iterator.Get("return").As<JsFunction>() is { } close)
            close.Call(iterator);
    }
}

/// <summary>An iterator of the library, as scripts see it.</summary>
internal sealed class NativeIterator(Realm realm, string kind, IEnumerable<JsValue> values) : JsObject(realm, realm.PrototypeOf(Builtin.Iterator))
{
    public JsIterator Source { get; } = new EnumeratorIterator(values.GetEnumerator());

    public override string ClassName => kind + " Iterator";

    internal static readonly LibraryTable IteratorPrototype = new()
    {
        { "next", 0, call => Next(call.Realm, call.ThisAs<NativeIterator>("iterator")) },
        { JsSymbol.Iterator, 0, call => call.This },
        { JsSymbol.ToStringTag, call => call.ThisAs<NativeIterator>("iterator").ClassName },
    };

    private static JsObject Next(Realm realm, NativeIterator iterator)
    {
        realm.Budget.Step();
        var more = iterator.Source.MoveNext(out var value);
        var result = realm.NewObject();
        result.Define("value", value);
        result.Define("done", !more);
        return result;
    }
}
