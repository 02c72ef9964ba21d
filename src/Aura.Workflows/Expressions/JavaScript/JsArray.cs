namespace Aura.Workflows.Expressions.JavaScript;

/// <summary>An array. Its elements are dense; a hole is <see cref="JsValue.Absent"/>.</summary>
internal sealed class JsArray : JsObject
{
    private const int ElementBytes = 16;

    private readonly List<JsValue> _items;
    private bool _isFrozen;

    public JsArray(Realm realm, IEnumerable<JsValue>? items = null)
        : base(realm, realm.PrototypeOf(Builtin.Array))
    {
        _items = items is null ? [] : [.. items];
        realm.Budget.Allocate((long)_items.Count * ElementBytes);
    }

    public override string ClassName => "Array";

    public int Count => _items.Count;

    public override long Length
    {
        get => _items.Count;
        set => Resize(value);
    }

    /// <summary>The element without the prototype's; undefined for holes and beyond the end.</summary>
    public JsValue this[int index] => index < _items.Count ? _items[index].OrUndefined() : default;

    public void Add(JsValue value)
    {
        RefuseWhenFrozen();
        Realm.Budget.Allocate(ElementBytes);
        _items.Add(value);
    }

    public void RemoveRange(int start, int count)
    {
        RefuseWhenFrozen();
        Realm.Budget.Step((_items.Count - start) / 16);
        _items.RemoveRange(start, count);
    }

    public void InsertRange(int start, IReadOnlyCollection<JsValue> values)
    {
        RefuseWhenFrozen();
        Realm.Budget.Step((_items.Count - start) / 16);
        Realm.Budget.Allocate((long)values.Count * ElementBytes);
        _items.InsertRange(start, values);
    }

    public override JsValue GetIndex(long index) =>
        index >= 0 && index < _items.Count && _items[(int)index] is { IsAbsent: false } item ? item : base.GetIndex(index);

    public override bool HasIndex(long index) => index >= 0 && index < _items.Count ? !_items[(int)index].IsAbsent : base.HasIndex(index);

    public override void SetIndex(long index, JsValue value)
    {
        if (index < 0 || index >= uint.MaxValue)
        {
            base.SetIndex(index, value);
            return;
        }

        RefuseWhenFrozen();
        if (index >= _items.Count)
        {
            if (!IsExtensible)
                throw Realm.TypeError($"Cannot add property {index}, object is not extensible");
            Resize(index + 1);
        }

        _items[(int)index] = value;
    }

    public override bool DeleteIndex(long index)
    {
        if (index < 0 || index >= _items.Count)
            return base.DeleteIndex(index);
        if (_isFrozen)
            return false;
        _items[(int)index] = JsValue.Absent;
        return true;
    }

    public override bool TryGetOwn(PropertyKey key, out Property property)
    {
        if (key.IsIndex(out var index))
        {
            var exists = index < _items.Count && !_items[(int)index].IsAbsent;
            property = exists ? new(_items[(int)index], _isFrozen ? PropertyFlags.Enumerable : PropertyFlags.Ordinary) : default;
            return exists;
        }

        if (key.Name != "length")
            return base.TryGetOwn(key, out property);
        property = new((double)_items.Count, _isFrozen ? PropertyFlags.None : PropertyFlags.Writable);
        return true;
    }

    public override void DefineOwn(PropertyKey key, Property property)
    {
        if (key.IsIndex(out var index))
            SetIndex(index, property.Accessor is null ? property.Value : throw Realm.TypeError("An array's element cannot be an accessor"));
        else if (key.Name == "length")
            Resize(JsConvert.ToInteger(Realm, property.Value));
        else
            base.DefineOwn(key, property);
    }

    public override void Set(PropertyKey key, JsValue value, JsValue receiver)
    {
        if (receiver.AsObject() != this)
            base.Set(key, value, receiver);
        else if (key.IsIndex(out var index))
            SetIndex(index, value);
        else if (key.Name == "length")
            Resize(JsConvert.ToNumber(Realm, value));
        else
            base.Set(key, value, receiver);
    }

    public override bool Delete(PropertyKey key) => key.IsIndex(out var index) ? DeleteIndex(index) : key.Name != "length" && base.Delete(key);

    public override IEnumerable<PropertyKey> OwnKeys()
    {
        Realm.Budget.Step(_items.Count);
        Realm.Budget.Allocate(_items.Count * 48L);
        for (var i = 0; i < _items.Count; i++)
        {
            if (!_items[i].IsAbsent)
                yield return Numbers.ToText(i);
        }

        yield return "length";
        foreach (var key in base.OwnKeys())
            yield return key;
    }

    public override void Restrict(PropertyFlags removed)
    {
        PreventExtensions();
        _isFrozen |= (removed & PropertyFlags.Writable) != PropertyFlags.None;
    }

    public bool IsFrozen => _isFrozen;

    /// <summary>Replaces all elements, as sort and reverse do.</summary>
    public void Assign(IReadOnlyList<JsValue> items)
    {
        RefuseWhenFrozen();
        for (var i = 0; i < items.Count && i < _items.Count; i++)
            _items[i] = items[i];
    }

    private void Resize(double length)
    {
        if (length < 0 || length > uint.MaxValue || length != Math.Floor(length))
            throw Realm.RangeError("Invalid array length");
        RefuseWhenFrozen();
        var grown = (long)length - _items.Count;
        if (grown <= 0)
        {
            _items.RemoveRange((int)length, (int)-grown);
            return;
        }

        Realm.Budget.Allocate(grown * ElementBytes);
        Realm.Budget.Step(grown / 16);
        _items.EnsureCapacity((int)length > _items.Capacity * 2 ? (int)length : _items.Count);
        for (var i = 0; i < grown; i++)
            _items.Add(JsValue.Absent);
    }

    private void RefuseWhenFrozen()
    {
        if (_isFrozen)
            throw Realm.TypeError("Cannot change a frozen array");
    }
}
