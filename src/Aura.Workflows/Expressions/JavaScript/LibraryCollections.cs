namespace Aura.Workflows.Expressions.JavaScript;

/// <summary>Keys with values in the order in which they came; it may change while someone walks through it.</summary>
internal sealed class EntryTable
{
    private readonly List<KeyValuePair<JsValue, JsValue>?> _entries = [];
    private readonly Dictionary<JsValue, int> _places = new(SameValueZeroComparer.Instance);

    public int Count => _places.Count;

    public bool Contains(JsValue key) => _places.ContainsKey(key);

    public JsValue Get(JsValue key) => _places.TryGetValue(key, out var place) ? _entries[place]!.Value.Value : default;

    public void Set(Budget budget, JsValue key, JsValue value)
    {
        if (key.IsNumber && key.Number == 0)
            key = 0;
        if (_places.TryGetValue(key, out var place))
        {
            _entries[place] = new(key, value);
            return;
        }

        budget.Allocate(96);
        _places.Add(key, _entries.Count);
        _entries.Add(new(key, value));
    }

    public bool Remove(JsValue key)
    {
        if (!_places.Remove(key, out var place))
            return false;
        _entries[place] = null;
        return true;
    }

    public void Clear()
    {
        // The places stay, so that walks that are under way do not lose theirs.
        for (var i = 0; i < _entries.Count; i++)
            _entries[i] = null;
        _places.Clear();
    }

    /// <summary>Sees entries that come while it runs.</summary>
    public IEnumerable<KeyValuePair<JsValue, JsValue>> Entries
    {
        get
        {
            for (var i = 0; i < _entries.Count; i++)
            {
                if (_entries[i] is { } entry)
                    yield return entry;
            }
        }
    }

    public IEnumerable<JsValue> Keys => Entries.Select(e => e.Key);
}

/// <summary>A Map or WeakMap. Weakness needs nothing here: all of a run's objects go with the run.</summary>
internal sealed class JsMap(Realm realm, Builtin type) : JsObject(realm, realm.PrototypeOf(type))
{
    public EntryTable Table { get; } = new();

    public override string ClassName => type.ToString();
}

/// <summary>A Set or WeakSet.</summary>
internal sealed class JsSet(Realm realm, Builtin type) : JsObject(realm, realm.PrototypeOf(type))
{
    public EntryTable Table { get; } = new();

    public override string ClassName => type.ToString();
}

internal static class CollectionLibrary
{
    public static BuiltinType Map { get; } = MapType(Builtin.Map, new()
    {
        { "clear", 0, call => Done(MapOf(call).Clear) },
        { "size", call => (double)MapOf(call).Count },
        { "forEach", 1, call => ForEach(call, MapOf(call)) },
        { "keys", 0, call => new NativeIterator(call.Realm, "Map", MapOf(call).Keys) },
        { "values", 0, call => new NativeIterator(call.Realm, "Map", MapOf(call).Entries.Select(e => e.Value)) },
        { "entries", 0, MapEntries },
        { JsSymbol.Iterator, 0, MapEntries },
    });

    public static BuiltinType Set { get; } = SetType(Builtin.Set, new()
    {
        { "clear", 0, call => Done(SetOf(call).Clear) },
        { "size", call => (double)SetOf(call).Count },
        { "forEach", 1, call => ForEach(call, SetOf(call)) },
        { "keys", 0, SetValues },
        { "values", 0, SetValues },
        { "entries", 0, call => new NativeIterator(call.Realm, "Set", SetOf(call).Keys.Select(k => (JsValue)ObjectLibrary.Pair(call.Realm, k, k))) },
        { JsSymbol.Iterator, 0, SetValues },
    });

    public static BuiltinType WeakMap { get; } = MapType(Builtin.WeakMap, []);

    public static BuiltinType WeakSet { get; } = SetType(Builtin.WeakSet, []);

    private static BuiltinType MapType(Builtin type, LibraryTable prototype)
    {
        prototype.Add("get", 1, call => MapOf(call).Get(Key(call)));
        prototype.Add("has", 1, call => MapOf(call).Contains(Key(call)));
        prototype.Add("delete", 1, call => MapOf(call).Remove(Key(call)));
        prototype.Add("set", 2, call => SetIn(call, MapOf(call), type, call[1]));
        return new(type, type.ToString(), 0, call => ConstructMap(call, type), Library.WithConstructor(type, prototype));
    }

    private static BuiltinType SetType(Builtin type, LibraryTable prototype)
    {
        prototype.Add("has", 1, call => SetOf(call).Contains(Key(call)));
        prototype.Add("delete", 1, call => SetOf(call).Remove(Key(call)));
        prototype.Add("add", 1, call => SetIn(call, SetOf(call), type, call[0]));
        return new(type, type.ToString(), 0, call => ConstructSet(call, type), Library.WithConstructor(type, prototype));
    }

    private static EntryTable MapOf(NativeCall call) => call.ThisAs<JsMap>("Map").Table;

    private static EntryTable SetOf(NativeCall call) => call.ThisAs<JsSet>("Set").Table;

    /// <summary>The first argument; a text is looked at from end to end.</summary>
    private static JsValue Key(NativeCall call)
    {
        if (call[0].IsString)
            call.Budget.StepText(call[0].TextLength);
        return call[0];
    }

    private static JsValue Done(Action action)
    {
        action();
        return default;
    }

    private static JsValue SetIn(NativeCall call, EntryTable table, Builtin type, JsValue value)
    {
        if (type is Builtin.WeakMap or Builtin.WeakSet && !call[0].IsObject)
            throw call.Realm.TypeError($"Invalid value used in {type}: {call.Realm.Display(call[0])}");
        table.Set(call.Budget, Key(call), value);
        return call.This;
    }

    private static void RequireNew(NativeCall call, Builtin type)
    {
        if (call.NewTarget is null)
            throw call.Realm.TypeError($"Constructor {type} requires 'new'");
    }

    private static JsValue ConstructMap(NativeCall call, Builtin type)
    {
        RequireNew(call, type);
        var (realm, map) = (call.Realm, new JsMap(call.Realm, type));
        if (!call[0].IsNullish)
        {
            JsIterator.ForEach(realm, call[0], entry =>
            {
                if (!entry.IsObject)
                    throw realm.TypeError($"Iterator value {realm.Display(entry)} is not an entry object");
                map.Table.Set(realm.Budget, realm.GetComputed(entry, 0), realm.GetComputed(entry, 1));
            });
        }

        return call.Constructed(map);
    }

    private static JsValue ConstructSet(NativeCall call, Builtin type)
    {
        RequireNew(call, type);
        var set = new JsSet(call.Realm, type);
        if (!call[0].IsNullish)
            JsIterator.ForEach(call.Realm, call[0], value => set.Table.Set(call.Budget, value, value));
        return call.Constructed(set);
    }

    private static JsValue ForEach(NativeCall call, EntryTable table)
    {
        var action = call.Function(0);
        foreach (var (key, value) in table.Entries)
            action.Call(call[1], value, key, call.This);
        return default;
    }

    private static JsValue MapEntries(NativeCall call) =>
        new NativeIterator(call.Realm, "Map", MapOf(call).Entries.Select(e => (JsValue)ObjectLibrary.Pair(call.Realm, e.Key, e.Value)));

    private static JsValue SetValues(NativeCall call) => new NativeIterator(call.Realm, "Set", SetOf(call).Keys);
}
