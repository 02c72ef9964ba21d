namespace Aura.Workflows.Expressions.JavaScript;

/// <summary>An object: properties and a prototype. Belongs to one run.</summary>
internal class JsObject
{
    private const int ObjectBytes = 120;
    private const int PropertyBytes = 56;

    private PropertyMap? _properties;

    /// <summary>Members that are made when someone first asks for them; null once all of them are.</summary>
    private LibraryTable? _library;

    public JsObject(Realm realm, JsObject? prototype, LibraryTable? library = null)
    {
        realm.Budget.Allocate(ObjectBytes);
        Realm = realm;
        Prototype = prototype;
        _library = library;
    }

    public Realm Realm { get; }

    public JsObject? Prototype { get; set; }

    public bool IsExtensible { get; private set; } = true;

    /// <summary>The name in <c>[object X]</c>.</summary>
    public virtual string ClassName => "Object";

    // Own properties

    public virtual bool TryGetOwn(PropertyKey key, out Property property)
    {
        var place = Find(key);
        property = place < 0 ? default : _properties!.At(place);
        return place >= 0;
    }

    /// <summary>Makes or replaces a property, whatever it was.</summary>
    public virtual void DefineOwn(PropertyKey key, Property property)
    {
        _properties ??= new();
        var place = _properties.Find(key);
        if (place >= 0)
        {
            _properties.At(place) = property;
            return;
        }

        Realm.Budget.Allocate(PropertyBytes);
        _properties.Add(key, property);
    }

    public void Define(PropertyKey key, JsValue value, PropertyFlags flags = PropertyFlags.Ordinary) => DefineOwn(key, new(value, flags));

    /// <returns>False when the property may not be deleted.</returns>
    public virtual bool Delete(PropertyKey key)
    {
        MakeLibrary();
        var place = _properties?.Find(key) ?? -1;
        if (place < 0)
            return true;
        if (!_properties!.At(place).IsConfigurable)
            return false;
        Realm.Budget.Step();
        _properties.RemoveAt(place);
        return true;
    }

    /// <summary>Indexes in ascending order, then names, then symbols; never private names.</summary>
    public virtual IEnumerable<PropertyKey> OwnKeys()
    {
        MakeLibrary();
        if (_properties is null)
            return [];
        Realm.Budget.Step(_properties.Count);
        Realm.Budget.Allocate(_properties.Count * 16L);
        return InOrder([.. _properties.Keys.Where(k => k.Symbol is not { IsPrivate: true })]);
    }

    public virtual void PreventExtensions() => IsExtensible = false;

    /// <summary>Takes flags away from all properties: seals or freezes.</summary>
    public virtual void Restrict(PropertyFlags removed)
    {
        PreventExtensions();
        foreach (var key in OwnKeys().ToList())
        {
            TryGetOwn(key, out var property);
            var flags = property.Flags & ~(property.Accessor is null ? removed : removed & ~PropertyFlags.Writable);
            DefineOwn(key, property with { Flags = flags });
        }
    }

    // Properties along the prototype chain

    public JsValue Get(PropertyKey key) => Get(key, this);

    public virtual JsValue Get(PropertyKey key, JsValue receiver)
    {
        for (var holder = this; holder is not null; holder = holder.Next())
        {
            if (holder.TryGetOwn(key, out var property))
                return property.Accessor is null ? property.Value : Read(property.Accessor, receiver);
        }

        return default;
    }

    /// <exception cref="JsThrow">The property is read-only, or the object takes no more of them.</exception>
    public void Set(PropertyKey key, JsValue value) => Set(key, value, this);

    public virtual void Set(PropertyKey key, JsValue value, JsValue receiver)
    {
        var place = Find(key);
        const PropertyFlags Kind = PropertyFlags.Writable | PropertyFlags.Accessor;
        if (place >= 0 && receiver.AsObject() == this && (_properties!.At(place).Flags & Kind) == PropertyFlags.Writable)
        {
            ref var own = ref _properties.At(place);
            own = own with { Value = value };
            return;
        }

        SetSlowly(key, value, receiver);
    }

    public virtual bool HasOwn(PropertyKey key) => TryGetOwn(key, out _);

    public bool Has(PropertyKey key)
    {
        for (var holder = this; holder is not null; holder = holder.Next())
        {
            if (holder.HasOwn(key))
                return true;
        }

        return false;
    }

    // Elements: what array-like objects have under numbers

    public virtual JsValue GetIndex(long index) => Get(Numbers.ToText(index));

    public virtual void SetIndex(long index, JsValue value) => Set(Numbers.ToText(index), value);

    public virtual bool HasIndex(long index) => Has(Numbers.ToText(index));

    public virtual bool DeleteIndex(long index) => Delete(Numbers.ToText(index));

    public virtual long Length
    {
        get => JsConvert.ToLength(Realm, Get("length"));
        set => Set("length", (double)value);
    }

    /// <summary>The own enumerable names, with their values: what Object.entries, spread and JSON see.</summary>
    public IEnumerable<KeyValuePair<PropertyKey, JsValue>> Entries(bool withSymbols = false)
    {
        foreach (var key in OwnKeys())
        {
            // A getter may have removed it meanwhile.
            if ((withSymbols || key.Symbol is null) && TryGetOwn(key, out var property) && property.IsEnumerable)
                yield return new(key, property.Accessor is null ? property.Value : Read(property.Accessor, this));
        }
    }

    public override string ToString() => $"[object {ClassName}]";

    protected static IReadOnlyList<PropertyKey> InOrder(List<PropertyKey> keys)
    {
        if (!keys.Exists(k => k.Symbol is not null || k.IsIndex(out _)))
            return keys;
        // OrderBy is stable: names and symbols keep their order.
        return [.. keys.OrderBy(k => k.Symbol is not null ? long.MaxValue : k.IsIndex(out var index) ? index : long.MaxValue - 1)];
    }

    /// <summary>Charged, because a script can make the chain as long as it likes.</summary>
    private JsObject? Next()
    {
        Realm.Budget.Step();
        return Prototype;
    }

    private int Find(PropertyKey key)
    {
        var place = _properties?.Find(key) ?? -1;
        if (place >= 0 || _library is null || !_library.TryMake(key, this, out var made))
            return place;
        (_properties ??= new()).Add(key, made);
        return _properties.Find(key);
    }

    private void MakeLibrary()
    {
        if (_library is not { } library)
            return;
        foreach (var key in library.Keys)
            Find(key);
        _library = null;
    }

    /// <summary>Whether the property is there without asking the library for it.</summary>
    protected bool HasMade(PropertyKey key) => _properties?.Find(key) >= 0;

    private static JsValue Read(Accessor accessor, JsValue receiver) => accessor.Get?.Call(receiver) ?? default;

    private void SetSlowly(PropertyKey key, JsValue value, JsValue receiver)
    {
        for (var holder = this; holder is not null; holder = holder.Next())
        {
            if (!holder.TryGetOwn(key, out var property))
                continue;
            if (property.Accessor is { } accessor)
            {
                if (accessor.Set is null)
                    throw Realm.TypeError($"Cannot set property {key} of {Describe(receiver)} which has only a getter");
                accessor.Set.Call(receiver, value);
                return;
            }

            if (!property.IsWritable)
                throw Realm.TypeError($"Cannot assign to read only property '{key}' of object '{Describe(receiver)}'");
            break;
        }

        var target = receiver.AsObject() ?? throw Realm.TypeError($"Cannot create property '{key}' on {receiver.Type.ToString().ToLowerInvariant()}");
        if (target.TryGetOwn(key, out var existing))
            target.DefineOwn(key, existing with { Value = value });
        else if (!target.IsExtensible)
            throw Realm.TypeError($"Cannot add property {key}, object is not extensible");
        else
            target.DefineOwn(key, new(value));
    }

    private static string Describe(JsValue receiver) => receiver.AsObject() is { } target ? $"#<{target.ClassName}>" : receiver.ToString();
}
