using System.Collections;

namespace Aura.Workflows.Expressions.JavaScript;

/// <summary>
/// The members of a library object: shared by all runs and never changed after it was built. A run makes its own
/// copy of a member when a script first asks for it, so a script can change nothing but its own run.
/// </summary>
internal sealed class LibraryTable : IEnumerable
{
    private readonly Dictionary<PropertyKey, Func<JsObject, Property>> _members = [];

    public IEnumerable<PropertyKey> Keys => _members.Keys;

    /// <summary>Any member, made from the object that owns it.</summary>
    public void Add(PropertyKey key, Func<JsObject, Property> make) => _members.Add(key, make);

    /// <summary>A method.</summary>
    public void Add(PropertyKey key, int parameterCount, NativeBody body) =>
        _members.Add(key, owner => new(new NativeFunction(owner.Realm, NameOf(key), parameterCount, body), PropertyFlags.Hidden));

    /// <summary>A property that is computed when it is read.</summary>
    public void Add(PropertyKey key, NativeBody get) => _members.Add(key, owner => Property.Of(
        new(new NativeFunction(owner.Realm, "get " + NameOf(key), 0, get), null), PropertyFlags.Configurable));

    /// <summary>A constant.</summary>
    public void Add(PropertyKey key, JsValue value) => _members.Add(key, _ => new(value, PropertyFlags.None));

    public bool TryMake(PropertyKey key, JsObject owner, out Property property)
    {
        var exists = _members.TryGetValue(key, out var make);
        property = exists ? make!(owner) : default;
        return exists;
    }

    IEnumerator IEnumerable.GetEnumerator() => _members.Keys.GetEnumerator();

    private static string NameOf(PropertyKey key) => key.Name ?? $"[{key.Symbol!.Description}]";
}

/// <summary>The built-in types that have a prototype, in the order of <see cref="Library.Types"/>.</summary>
internal enum Builtin
{
    Object,
    Function,
    Array,
    String,
    Number,
    Boolean,
    Symbol,
    Iterator,
    Error,
    TypeError,
    RangeError,
    ReferenceError,
    SyntaxError,
    EvalError,
    UriError,
    Date,
    RegExp,
    Map,
    Set,
    WeakMap,
    WeakSet,
    Promise,
}

/// <summary>A built-in type: its constructor and the members of the constructor and of the prototype.</summary>
internal sealed record BuiltinType(Builtin Id, string Name, int ParameterCount, NativeBody Body, LibraryTable Prototype, LibraryTable? Statics = null)
{
    /// <summary>The type whose prototype this one's inherits from.</summary>
    public Builtin Parent { get; init; } = Builtin.Object;

    public bool IsConstructor { get; init; } = true;
}
