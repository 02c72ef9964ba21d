namespace Aura.Workflows.Expressions.JavaScript;

/// <summary>The global object: first what the script made, then the host's names, then the library's.</summary>
internal sealed class GlobalObject(Realm realm, IHostObject? host) : JsObject(realm, null, Library.Globals)
{
    public bool TryRead(string name, out JsValue value)
    {
        var exists = TryGetOwn(name, out var property);
        value = exists ? property.Value : default;
        return exists;
    }

    /// <summary>Strict mode: an assignment makes no new global.</summary>
    public void Write(string name, JsValue value)
    {
        if (!HasMade(name) && host?.TrySet(name, HostValues.Export(Realm, value)) == true)
            return;
        if (!HasOwn(name))
            throw Realm.ReferenceError($"{name} is not defined; declare it with let, const or var");
        Set(name, value);
    }

    public override bool TryGetOwn(PropertyKey key, out Property property)
    {
        if (key.Name is { } name && !HasMade(key) && host?.TryGet(name, out var value) == true)
            Define(key, value is HostFunction function ? HostValues.ImportFunction(Realm, name, function) : HostValues.Import(Realm, value));
        return base.TryGetOwn(key, out property);
    }

    public override IEnumerable<PropertyKey> OwnKeys()
    {
        foreach (var key in host?.Keys ?? [])
            TryGetOwn(key, out _);
        return base.OwnKeys();
    }
}

/// <summary>
/// An object of the host. Scripts get copies of its values; a copy that is an object is kept, and given back
/// after the run if it was changed and the host's value is still the one it was copied from.
/// </summary>
internal sealed class JsHostObject : JsObject
{
    private readonly IHostObject _host;
    private readonly Dictionary<string, (object? Original, JsValue Copy)> _copies = new(StringComparer.Ordinal);

    public JsHostObject(Realm realm, IHostObject host)
        : base(realm, realm.PrototypeOf(Builtin.Object))
    {
        _host = host;
        realm.Track(this);
    }

    public override bool TryGetOwn(PropertyKey key, out Property property)
    {
        property = default;
        if (key.Name is not { } name || !_host.TryGet(name, out var value))
            return false;
        if (_copies.TryGetValue(name, out var known) && ReferenceEquals(known.Original, value))
        {
            property = new(known.Copy);
            return true;
        }

        var copy = HostValues.Import(Realm, value);
        if (copy.IsObject)
            _copies[name] = (value, copy);
        property = new(copy);
        return true;
    }

    public override void DefineOwn(PropertyKey key, Property property)
    {
        if (key.Name is not { } name || property.Accessor is not null || !_host.TrySet(name, HostValues.Export(Realm, property.Value)))
            throw Realm.TypeError($"Cannot set '{key}': there is nothing of that name to set");
    }

    public override void Set(PropertyKey key, JsValue value, JsValue receiver) => DefineOwn(key, new(value));

    public override bool Delete(PropertyKey key) => !HasOwn(key);

    public override IEnumerable<PropertyKey> OwnKeys() => _host.Keys.Select(k => (PropertyKey)k);

    public void WriteBack()
    {
        foreach (var (name, (original, copy)) in _copies)
        {
            // Set by someone else meanwhile, by setVariable for example: theirs is the later word.
            if (!_host.TryGet(name, out var current) || !ReferenceEquals(current, original))
                continue;
            var value = HostValues.Export(Realm, copy);
            if (!PlainValues.AreEqual(value, HostValues.Export(Realm, HostValues.Import(Realm, original))))
                _host.TrySet(name, value);
        }
    }
}

/// <summary>Compares plain values by content.</summary>
internal static class PlainValues
{
    public static bool AreEqual(object? left, object? right) => (left, right) switch
    {
        (List<object?> a, List<object?> b) => a.Count == b.Count && a.Zip(b).All(pair => AreEqual(pair.First, pair.Second)),
        (Dictionary<string, object?> a, Dictionary<string, object?> b) =>
            a.Count == b.Count && a.All(member => b.TryGetValue(member.Key, out var other) && AreEqual(member.Value, other)),
        _ => Equals(left, right),
    };
}
