namespace Aura.Workflows.Expressions.JavaScript;

/// <summary>The index of the library: its types, and the names of the global object.</summary>
internal static class Library
{
    /// <summary>In the order of <see cref="Builtin"/>.</summary>
    public static IReadOnlyList<BuiltinType> Types { get; } =
    [
        ObjectLibrary.Type,
        FunctionLibrary.Type,
        ArrayLibrary.Type,
        StringLibrary.Type,
        NumberLibrary.Type,
        PrimitiveLibrary.Boolean,
        PrimitiveLibrary.Symbol,
        new(Builtin.Iterator, "Iterator", 0, call => throw call.Realm.TypeError("Iterator cannot be constructed"), NativeIterator.IteratorPrototype),
        .. ErrorLibrary.Types,
        DateLibrary.Type,
        RegExpLibrary.Type,
        CollectionLibrary.Map,
        CollectionLibrary.Set,
        CollectionLibrary.WeakMap,
        CollectionLibrary.WeakSet,
        PromiseLibrary.Type,
    ];

    public static LibraryTable Globals { get; } = MakeGlobals();

    private static LibraryTable MakeGlobals()
    {
        var globals = new LibraryTable
        {
            { "globalThis", owner => new(owner, PropertyFlags.Hidden) },
            { "undefined", JsValue.Undefined },
            { "NaN", double.NaN },
            { "Infinity", double.PositiveInfinity },
            { "Math", owner => Namespace(owner, MathLibrary.Members) },
            { "JSON", owner => Namespace(owner, JsonLibrary.Members) },
            { "console", owner => Namespace(owner, ConsoleLibrary.Members) },
            { "eval", 1, call => throw call.Realm.Error(Builtin.EvalError, "eval is not available: scripts cannot make code from texts") },
        };
        NumberLibrary.AddGlobals(globals);
        UriLibrary.AddGlobals(globals);
        foreach (var type in Types.Where(t => t.Id != Builtin.Iterator))
            globals.Add(type.Name, owner => new(owner.Realm.ConstructorOf(type.Id), PropertyFlags.Hidden));
        return globals;
    }

    private static Property Namespace(JsObject owner, LibraryTable members) =>
        new(new JsObject(owner.Realm, owner.Realm.PrototypeOf(Builtin.Object), members), PropertyFlags.Hidden);

    /// <summary>The <c>constructor</c> member of a prototype.</summary>
    public static LibraryTable WithConstructor(Builtin type, LibraryTable prototype)
    {
        prototype.Add("constructor", owner => new(owner.Realm.ConstructorOf(type), PropertyFlags.Hidden));
        return prototype;
    }
}
