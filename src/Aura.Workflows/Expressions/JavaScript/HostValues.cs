using System.Collections;
using System.Globalization;
using System.Text.Json;

namespace Aura.Workflows.Expressions.JavaScript;

/// <summary>The border between plain .NET values and values of a run. Everything is copied; no object of .NET gets in or out by reference.</summary>
internal static class HostValues
{
    private const long LargestInteger = 9007199254740992;

    public static JsValue Import(Realm realm, object? value)
    {
        switch (value)
        {
            case null:
                return JsValue.Null;
            case bool boolean:
                return boolean;
            case string text:
                return ImportText(realm, text);
            case double or float or long or int or short or byte or decimal or uint or ulong or ushort or sbyte:
                return Convert.ToDouble(value, CultureInfo.InvariantCulture);
            case DateTimeOffset moment:
                return new JsDate(realm, moment.ToUnixTimeMilliseconds());
            case DateTime moment:
                return new JsDate(realm, new DateTimeOffset(DateTime.SpecifyKind(moment, DateTimeKind.Utc)).ToUnixTimeMilliseconds());
            case Guid or Enum or char:
                return value.ToString()!;
            case TimeSpan span:
                return span.ToString("c", CultureInfo.InvariantCulture);
            case JsonElement element:
                return Import(realm, WorkflowJson.ToPlain(element));
            case HostFunction function:
                return ImportFunction(realm, "", function);
            case IHostObject hostObject:
                return new JsHostObject(realm, hostObject);
            case Task task:
                return realm.Jobs.Follow(task as Task<object?> ?? WithoutResultAsync(task));
            case IEnumerable<KeyValuePair<string, object?>> members:
                return ImportMembers(realm, members);
            case IDictionary members:
                return ImportMembers(realm, members.Keys.Cast<object>().Select(k => new KeyValuePair<string, object?>(k.ToString()!, members[k])));
            case IEnumerable items:
                return ImportItems(realm, items);
            default:
                return Import(realm, WorkflowJson.ToPlain(value));
        }
    }

    /// <summary>A function of the host. What it throws reaches the script as an Error, which the script may catch.</summary>
    public static NativeFunction ImportFunction(Realm realm, string name, HostFunction function) => realm.NewFunction(name, 0, call =>
    {
        object? result;
        try
        {
            result = function(Array.ConvertAll(call.Arguments, a => Export(call.Realm, a)));
        }
        // The edge to the host: whatever it throws but its own stop is the script's error.
        catch (Exception e) when (e is not (OperationCanceledException or ScriptingException or JsThrow))
        {
            throw call.Realm.Error(Builtin.Error, e.Message, e);
        }

        return Import(call.Realm, result);
    });

    /// <summary>
    /// A plain value. Functions and symbols become null, and so do numbers and dates that JSON has no form for (NaN, Infinity);
    /// a Map becomes an object, a Set a list.
    /// </summary>
    /// <exception cref="JsThrow">The value holds itself.</exception>
    public static object? Export(Realm realm, JsValue value) => value.Type switch
    {
        JsType.Boolean => value.Boolean,
        JsType.String => value.AsString(),
        JsType.Number => ExportNumber(value.Number),
        JsType.Object => ExportObject(realm, value.AsObject()!, []),
        _ => null,
    };

    private static JsValue ImportText(Realm realm, string text)
    {
        realm.Budget.AllocateText(text.Length);
        return text;
    }

    private static JsArray ImportItems(Realm realm, IEnumerable items)
    {
        Budget.EnsureStack();
        var array = new JsArray(realm);
        foreach (var item in items)
        {
            realm.Budget.Step();
            array.Add(Import(realm, item));
        }

        return array;
    }

    private static JsObject ImportMembers(Realm realm, IEnumerable<KeyValuePair<string, object?>> members)
    {
        Budget.EnsureStack();
        var result = realm.NewObject();
        foreach (var (name, member) in members)
        {
            realm.Budget.Step();
            result.Define(name, Import(realm, member));
        }

        return result;
    }

    private static async Task<object?> WithoutResultAsync(Task task)
    {
        await task;
        return null;
    }

    private static object? ExportNumber(double number)
    {
        if (!double.IsFinite(number))
            return null;
        return Math.Abs(number) <= LargestInteger && number == Math.Floor(number) ? (object)(long)number : number;
    }

    private static object? ExportObject(Realm realm, JsObject source, HashSet<JsObject> around)
    {
        switch (source)
        {
            case JsFunction:
                return null;
            case JsDate date:
                return date.ToDateTimeOffset();
            case JsPrimitiveObject primitive:
                return Export(realm, primitive.Value);
            case JsRegExp regExp:
                return regExp.ToString();
            case JsError error:
                return new Dictionary<string, object?>(StringComparer.Ordinal)
                {
                    ["name"] = error.Get("name").ToString(),
                    ["message"] = error.Get("message").ToString(),
                };
        }

        Budget.EnsureStack();
        if (!around.Add(source))
            throw realm.TypeError("A value that holds itself cannot leave the script");
        var result = source switch
        {
            JsArray array => ExportItems(Enumerable.Range(0, array.Count).Select(i => array[i])),
            JsSet set => ExportItems(set.Table.Keys),
            JsMap map => ExportMembers(map.Table.Entries.Select(e => new KeyValuePair<string, JsValue>(JsConvert.ToString(realm, e.Key), e.Value))),
            _ => ExportMembers(source.Entries().Select(e => new KeyValuePair<string, JsValue>(e.Key.Name!, e.Value))),
        };
        around.Remove(source);
        return result;

        object? Inner(JsValue value)
        {
            realm.Budget.Step();
            return value.AsObject() is { } inner ? ExportObject(realm, inner, around) : Export(realm, value);
        }

        object ExportItems(IEnumerable<JsValue> items)
        {
            var list = new List<object?>();
            foreach (var item in items)
            {
                realm.Budget.Allocate(32);
                list.Add(Inner(item));
            }

            return list;
        }

        object ExportMembers(IEnumerable<KeyValuePair<string, JsValue>> members)
        {
            var dictionary = new Dictionary<string, object?>(StringComparer.Ordinal);
            foreach (var (name, member) in members)
            {
                realm.Budget.Allocate(64);
                dictionary[name] = Inner(member);
            }

            return dictionary;
        }
    }
}
