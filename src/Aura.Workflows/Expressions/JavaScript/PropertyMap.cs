namespace Aura.Workflows.Expressions.JavaScript;

/// <summary>A string or a symbol.</summary>
internal readonly struct PropertyKey(object value) : IEquatable<PropertyKey>
{
    public object Value => value;

    public string? Name => value as string;

    public JsSymbol? Symbol => value as JsSymbol;

    public static implicit operator PropertyKey(string name) => new(name);

    public static implicit operator PropertyKey(JsSymbol symbol) => new(symbol);

    public JsValue ToValue() => value is string name ? name : (JsSymbol)value;

    /// <summary>True for the canonical form of an index: "0", "17", not "017".</summary>
    public bool IsIndex(out uint index)
    {
        index = 0;
        return value is string { Length: > 0 and <= 10 } name && char.IsAsciiDigit(name[0]) && (name.Length == 1 || name[0] != '0')
            && uint.TryParse(name, out index) && index < uint.MaxValue;
    }

    public bool Equals(PropertyKey other) =>
        ReferenceEquals(value, other.Value) || (value is string name && other.Value is string otherName && name == otherName);

    public override bool Equals(object? obj) => obj is PropertyKey other && Equals(other);

    public override int GetHashCode() => value.GetHashCode();

    public override string ToString() => value.ToString()!;
}

[Flags]
internal enum PropertyFlags : byte
{
    None = 0,
    Writable = 1,
    Enumerable = 2,
    Configurable = 4,
    Accessor = 8,

    /// <summary>What an assignment makes.</summary>
    Ordinary = Writable | Enumerable | Configurable,

    /// <summary>What methods of classes and of the library are.</summary>
    Hidden = Writable | Configurable,
}

internal sealed record Accessor(JsFunction? Get, JsFunction? Set);

internal readonly record struct Property(JsValue Value, PropertyFlags Flags = PropertyFlags.Ordinary, Accessor? Accessor = null)
{
    public bool IsEnumerable => (Flags & PropertyFlags.Enumerable) != PropertyFlags.None;

    public bool IsWritable => (Flags & PropertyFlags.Writable) != PropertyFlags.None;

    public bool IsConfigurable => (Flags & PropertyFlags.Configurable) != PropertyFlags.None;

    public static Property Of(Accessor accessor, PropertyFlags flags) => new(default, flags | PropertyFlags.Accessor, accessor);
}

/// <summary>Properties in the order in which they were made. A short list is searched, a long one has an index.</summary>
internal sealed class PropertyMap
{
    private const int IndexAbove = 8;

    private PropertyKey[] _keys = new PropertyKey[4];
    private Property[] _properties = new Property[4];
    private Dictionary<PropertyKey, int>? _index;

    /// <summary>Places in use, the deleted ones among them.</summary>
    private int _used;

    public int Count { get; private set; }

    public int Find(PropertyKey key)
    {
        if (_index is not null)
            return _index.TryGetValue(key, out var found) ? found : -1;
        for (var i = 0; i < _used; i++)
        {
            if (_keys[i].Value is not null && _keys[i].Equals(key))
                return i;
        }

        return -1;
    }

    public ref Property At(int place) => ref _properties[place];

    public void Add(PropertyKey key, Property property)
    {
        if (_used == _keys.Length)
        {
            Array.Resize(ref _keys, _used * 2);
            Array.Resize(ref _properties, _used * 2);
        }

        (_keys[_used], _properties[_used]) = (key, property);
        _index?.Add(key, _used);
        _used++;
        Count++;
        if (_index is null && _used > IndexAbove)
            BuildIndex();
    }

    public void RemoveAt(int place)
    {
        _index?.Remove(_keys[place]);
        (_keys[place], _properties[place]) = (default, default);
        Count--;
        if (_used > IndexAbove && Count < _used / 2)
            Compact();
    }

    public IEnumerable<PropertyKey> Keys
    {
        get
        {
            for (var i = 0; i < _used; i++)
            {
                if (_keys[i].Value is not null)
                    yield return _keys[i];
            }
        }
    }

    private void Compact()
    {
        var kept = 0;
        for (var i = 0; i < _used; i++)
        {
            if (_keys[i].Value is not null)
                (_keys[kept], _properties[kept++]) = (_keys[i], _properties[i]);
        }

        Array.Clear(_keys, kept, _used - kept);
        Array.Clear(_properties, kept, _used - kept);
        _used = kept;
        _index = null;
        if (_used > IndexAbove)
            BuildIndex();
    }

    private void BuildIndex()
    {
        _index = [];
        for (var i = 0; i < _used; i++)
        {
            if (_keys[i].Value is not null)
                _index.Add(_keys[i], i);
        }
    }
}
