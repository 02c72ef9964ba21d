namespace Aura.Workflows.Expressions.JavaScript;

internal static partial class ArrayLibrary
{
    private static JsValue Push(NativeCall call)
    {
        var target = call.ThisObject();
        foreach (var value in call.Arguments)
            target.SetIndex(target.Length, value);
        return (double)target.Length;
    }

    private static JsValue Pop(NativeCall call)
    {
        var target = call.ThisObject();
        if (target.Length == 0)
            return default;
        var last = target.GetIndex(target.Length - 1);
        target.Length--;
        return last;
    }

    private static JsValue Shift(NativeCall call)
    {
        var target = Changeable(call);
        if (target.Count == 0)
            return default;
        var first = target[0];
        target.RemoveRange(0, 1);
        return first;
    }

    private static JsValue Unshift(NativeCall call)
    {
        var target = Changeable(call);
        target.InsertRange(0, call.Arguments);
        return (double)target.Count;
    }

    private static JsValue Splice(NativeCall call)
    {
        var target = Changeable(call);
        var length = target.Count;
        var start = (int)JsConvert.ToPosition(call.Realm, call[0], length, 0);
        var count = call.Count switch
        {
            0 => 0,
            1 => length - start,
            _ => (int)Math.Clamp(call.Integer(1), 0, length - start),
        };
        call.Budget.Step(count);
        var removed = new JsArray(call.Realm, Enumerable.Range(start, count).Select(i => target[i]));
        target.RemoveRange(start, count);
        target.InsertRange(start, [.. call.Arguments.Skip(2)]);
        return removed;
    }

    /// <summary>These methods move elements, which only true arrays can do here.</summary>
    private static JsArray Changeable(NativeCall call) => call.ThisAs<JsArray>("array");

    private static JsValue Reverse(NativeCall call)
    {
        var target = Changeable(call);
        var items = Items(target);
        items.Reverse();
        target.Assign(items);
        return target;
    }

    private static JsValue Sort(NativeCall call)
    {
        var target = Changeable(call);
        target.Assign(Items(Sorted(call.Realm, Items(target), call[0])));
        return target;
    }

    private static JsArray Sorted(Realm realm, List<JsValue> items, JsValue comparator)
    {
        var compare = comparator.IsUndefined ? null
            : comparator.As<JsFunction>() ?? throw realm.TypeError("The comparison function must be either a function or undefined");
        var defined = items.Where(i => !i.IsUndefined).ToArray();
        if (compare is null)
            defined = SortedAsTexts(realm, defined);
        else
            Merge(defined, new JsValue[defined.Length], 0, defined.Length, (a, b) => JsConvert.ToNumber(realm, compare.Call(default, a, b)) > 0);
        var sorted = new JsArray(realm, defined);
        for (var i = defined.Length; i < items.Count; i++)
            sorted.Add(default);
        return sorted;
    }

    private static JsValue[] SortedAsTexts(Realm realm, JsValue[] items)
    {
        var texts = Array.ConvertAll(items, i => (Text: JsConvert.ToString(realm, i), Item: i));
        Merge(texts, new (string Text, JsValue Item)[texts.Length], 0, texts.Length, (a, b) =>
        {
            realm.Budget.StepText(Math.Min(a.Text.Length, b.Text.Length));
            return string.CompareOrdinal(a.Text, b.Text) > 0;
        });
        return Array.ConvertAll(texts, t => t.Item);
    }

    /// <summary>
    /// Merge sort: stable, and content with comparators that contradict themselves. (The framework's sorts are neither,
    /// and would wrap what a comparator throws.)
    /// </summary>
    private static void Merge<T>(T[] items, T[] buffer, int start, int end, Func<T, T, bool> isGreater)
    {
        if (end - start < 2)
            return;
        var middle = (start + end) / 2;
        Merge(items, buffer, start, middle, isGreater);
        Merge(items, buffer, middle, end, isGreater);
        Array.Copy(items, start, buffer, start, end - start);
        var (left, right) = (start, middle);
        for (var i = start; i < end; i++)
        {
            var takeRight = left >= middle || (right < end && isGreater(buffer[left], buffer[right]));
            items[i] = takeRight ? buffer[right++] : buffer[left++];
        }
    }

    private static JsValue Fill(NativeCall call)
    {
        var target = call.ThisObject();
        var length = target.Length;
        var end = JsConvert.ToPosition(call.Realm, call[2], length, length);
        for (var i = JsConvert.ToPosition(call.Realm, call[1], length, 0); i < end; i++)
        {
            call.Budget.Step();
            target.SetIndex(i, call[0]);
        }

        return target;
    }

    private static JsValue CopyWithin(NativeCall call)
    {
        var target = Changeable(call);
        var items = Items(target);
        var to = (int)JsConvert.ToPosition(call.Realm, call[0], items.Count, 0);
        var from = (int)JsConvert.ToPosition(call.Realm, call[1], items.Count, 0);
        var end = (int)JsConvert.ToPosition(call.Realm, call[2], items.Count, items.Count);
        var count = Math.Max(0, Math.Min(end - from, items.Count - to));
        var moved = items.GetRange(from, count);
        for (var i = 0; i < count; i++)
            target.SetIndex(to + i, moved[i]);
        return target;
    }

    private static JsValue With(NativeCall call)
    {
        var items = Items(call.ThisObject());
        var index = call.Integer(0);
        var position = index < 0 ? items.Count + index : index;
        if (position < 0 || position >= items.Count)
            throw call.Realm.RangeError("Invalid index : " + call.Text(0));
        items[(int)position] = call[1];
        return new JsArray(call.Realm, items);
    }
}
