namespace Aura.Workflows.Expressions.JavaScript;

internal static class ObjectLibrary
{
    public static BuiltinType Type { get; } = new(Builtin.Object, "Object", 1, Construct, Library.WithConstructor(Builtin.Object, new()
    {
        { "hasOwnProperty", 1, call => call.ThisObject().HasOwn(JsConvert.ToKey(call.Realm, call[0])) },
        { "isPrototypeOf", 1, IsPrototypeOf },
        { "propertyIsEnumerable", 1, call => call.ThisObject().TryGetOwn(JsConvert.ToKey(call.Realm, call[0]), out var p) && p.IsEnumerable },
        { "toString", 0, ToText },
        { "toLocaleString", 0, call => JsConvert.ToString(call.Realm, call.This) },
        { "valueOf", 0, call => call.ThisObject() },
    }), new()
    {
        { "keys", 1, call => List(call, ToObject(call).Entries().Select(e => e.Key.ToValue())) },
        { "values", 1, call => List(call, ToObject(call).Entries().Select(e => e.Value)) },
        { "entries", 1, call => List(call, ToObject(call).Entries().Select(e => (JsValue)Pair(call.Realm, e.Key.ToValue(), e.Value))) },
        { "assign", 2, AssignAll },
        { "fromEntries", 1, FromEntries },
        { "is", 2, call => call[0].SameValue(call[1]) },
        { "create", 2, Create },
        { "getPrototypeOf", 1, call => ToObject(call).Prototype is { } prototype ? prototype : JsValue.Null },
        { "setPrototypeOf", 2, SetPrototypeOf },
        { "getOwnPropertyNames", 1, call => List(call, ToObject(call).OwnKeys().Where(k => k.Symbol is null).Select(k => k.ToValue())) },
        { "getOwnPropertySymbols", 1, call => List(call, ToObject(call).OwnKeys().Where(k => k.Symbol is not null).Select(k => k.ToValue())) },
        { "getOwnPropertyDescriptor", 2, call => Describe(call.Realm, ToObject(call), JsConvert.ToKey(call.Realm, call[1])) },
        { "getOwnPropertyDescriptors", 1, DescribeAll },
        { "defineProperty", 3, DefineProperty },
        { "defineProperties", 2, call => DefineAll(call.Realm, ToObject(call), call[1]) },
        { "hasOwn", 2, call => ToObject(call).HasOwn(JsConvert.ToKey(call.Realm, call[1])) },
        { "freeze", 1, call => Restrict(call[0], PropertyFlags.Writable | PropertyFlags.Configurable) },
        { "seal", 1, call => Restrict(call[0], PropertyFlags.Configurable) },
        { "preventExtensions", 1, PreventExtensions },
        { "isFrozen", 1, call => LacksAll(call[0], PropertyFlags.Writable | PropertyFlags.Configurable) },
        { "isSealed", 1, call => LacksAll(call[0], PropertyFlags.Configurable) },
        { "isExtensible", 1, call => call[0].AsObject()?.IsExtensible == true },
    });

    public static JsArray Pair(Realm realm, JsValue first, JsValue second) => new(realm, [first, second]);

    private static JsValue Construct(NativeCall call) =>
        call[0].IsNullish ? call.Constructed(call.Realm.NewObject()) : JsConvert.ToObject(call.Realm, call[0]);

    private static JsObject ToObject(NativeCall call) => JsConvert.ToObject(call.Realm, call[0]);

    private static JsArray List(NativeCall call, IEnumerable<JsValue> values)
    {
        var list = new JsArray(call.Realm);
        foreach (var value in values)
            list.Add(value);
        return list;
    }

    private static JsValue ToText(NativeCall call)
    {
        if (call.This.IsNullish)
            return call.This.IsNull ? "[object Null]" : "[object Undefined]";
        var target = call.ThisObject();
        return $"[object {(target.Get(JsSymbol.ToStringTag) is { IsString: true } tag ? tag.AsString() : target.ClassName)}]";
    }

    private static JsValue IsPrototypeOf(NativeCall call)
    {
        for (var holder = call[0].AsObject()?.Prototype; holder is not null; holder = holder.Prototype)
        {
            call.Budget.Step();
            if (ReferenceEquals(holder, call.This.AsObject()))
                return true;
        }

        return false;
    }

    private static JsValue AssignAll(NativeCall call)
    {
        var target = ToObject(call);
        foreach (var source in call.Arguments.Skip(1).Where(s => !s.IsNullish))
        {
            foreach (var (key, value) in JsConvert.ToObject(call.Realm, source).Entries(withSymbols: true))
                target.Set(key, value);
        }

        return target;
    }

    private static JsValue FromEntries(NativeCall call)
    {
        var (realm, result) = (call.Realm, call.Realm.NewObject());
        JsIterator.ForEach(realm, call[0], entry =>
        {
            if (!entry.IsObject)
                throw realm.TypeError($"Iterator value {realm.Display(entry)} is not an entry object");
            result.Define(JsConvert.ToKey(realm, realm.GetComputed(entry, 0)), realm.GetComputed(entry, 1));
        });
        return result;
    }

    private static JsValue Create(NativeCall call)
    {
        if (!call[0].IsObject && !call[0].IsNull)
            throw call.Realm.TypeError("Object prototype may only be an Object or null: " + call.Realm.Display(call[0]));
        var result = new JsObject(call.Realm, call[0].AsObject());
        return call[1].IsUndefined ? result : DefineAll(call.Realm, result, call[1]);
    }

    private static JsValue SetPrototypeOf(NativeCall call)
    {
        var (target, prototype) = (ToObject(call), call[1].AsObject());
        if (prototype is null && !call[1].IsNull)
            throw call.Realm.TypeError("Object prototype may only be an Object or null: " + call.Realm.Display(call[1]));
        for (var holder = prototype; holder is not null; holder = holder.Prototype)
        {
            call.Budget.Step();
            if (ReferenceEquals(holder, target))
                throw call.Realm.TypeError("Cyclic __proto__ value");
        }

        if (!target.IsExtensible)
            throw call.Realm.TypeError("The object is not extensible");
        target.Prototype = prototype;
        return call[0];
    }

    private static JsValue Describe(Realm realm, JsObject target, PropertyKey key)
    {
        if (!target.TryGetOwn(key, out var property))
            return default;
        var result = realm.NewObject();
        if (property.Accessor is { } accessor)
        {
            result.Define("get", JsValue.OrUndefined(accessor.Get));
            result.Define("set", JsValue.OrUndefined(accessor.Set));
        }
        else
        {
            result.Define("value", property.Value);
            result.Define("writable", property.IsWritable);
        }

        result.Define("enumerable", property.IsEnumerable);
        result.Define("configurable", property.IsConfigurable);
        return result;
    }

    private static JsValue DescribeAll(NativeCall call)
    {
        var (target, result) = (ToObject(call), call.Realm.NewObject());
        foreach (var key in target.OwnKeys())
            result.Define(key, Describe(call.Realm, target, key));
        return result;
    }

    private static JsValue DefineProperty(NativeCall call)
    {
        if (call[0].AsObject() is not { } target)
            throw call.Realm.TypeError("Object.defineProperty called on non-object");
        DefineFrom(call.Realm, target, JsConvert.ToKey(call.Realm, call[1]), call[2]);
        return target;
    }

    private static JsObject DefineAll(Realm realm, JsObject target, JsValue descriptions)
    {
        foreach (var (key, description) in JsConvert.ToObject(realm, descriptions).Entries(withSymbols: true))
            DefineFrom(realm, target, key, description);
        return target;
    }

    private static void DefineFrom(Realm realm, JsObject target, PropertyKey key, JsValue description)
    {
        if (description.AsObject() is not { } descriptor)
            throw realm.TypeError($"Property description must be an object: {realm.Display(description)}");
        var exists = target.TryGetOwn(key, out var old);
        if (exists ? !old.IsConfigurable && !(old.IsWritable && !descriptor.Has("get")) : !target.IsExtensible)
            throw realm.TypeError(exists ? $"Cannot redefine property: {key}" : $"Cannot define property {key}, object is not extensible");
        var flags = Flag("enumerable", PropertyFlags.Enumerable) | Flag("configurable", PropertyFlags.Configurable);
        if (!descriptor.Has("get") && !descriptor.Has("set"))
        {
            var value = descriptor.Has("value") ? descriptor.Get("value") : old.Value;
            target.DefineOwn(key, new(value, flags | Flag("writable", PropertyFlags.Writable)));
            return;
        }

        if (descriptor.Has("value") || descriptor.Has("writable"))
            throw realm.TypeError("Invalid property descriptor. Cannot both specify accessors and a value or writable attribute");
        target.DefineOwn(key, Property.Of(new(Function("get") ?? old.Accessor?.Get, Function("set") ?? old.Accessor?.Set), flags));

        PropertyFlags Flag(string name, PropertyFlags flag) =>
            (descriptor.Has(name) ? JsConvert.ToBoolean(descriptor.Get(name)) : old.Flags.HasFlag(flag)) ? flag : PropertyFlags.None;

        JsFunction? Function(string name) => descriptor.Get(name) is { IsUndefined: false } function
            ? function.As<JsFunction>() ?? throw realm.TypeError($"The '{name}' of a property must be a function: {realm.Display(function)}")
            : null;
    }

    private static JsValue Restrict(JsValue target, PropertyFlags removed)
    {
        target.AsObject()?.Restrict(removed);
        return target;
    }

    private static JsValue PreventExtensions(NativeCall call)
    {
        call[0].AsObject()?.PreventExtensions();
        return call[0];
    }

    private static JsValue LacksAll(JsValue target, PropertyFlags flags)
    {
        if (target.AsObject() is not { } holder)
            return true;
        return !holder.IsExtensible && holder.OwnKeys().All(key => key.Name == "length" || !holder.TryGetOwn(key, out var p) || Lacks(p));

        bool Lacks(Property p) => (p.Flags & (p.Accessor is null ? flags : flags & ~PropertyFlags.Writable)) == PropertyFlags.None;
    }
}

internal static class FunctionLibrary
{
    public static BuiltinType Type { get; } = new(
        Builtin.Function, "Function", 1,
        call => throw call.Realm.Error(Builtin.EvalError, "Function is not available: scripts cannot make code from texts"),
        Library.WithConstructor(Builtin.Function, new()
        {
            { "call", 1, call => Target(call).Call(call[0], [.. call.Arguments.Skip(1)]) },
            { "apply", 2, call => Target(call).Call(call[0], ListOf(call.Realm, call[1])) },
            { "bind", 1, call => new BoundFunction(Target(call), call[0], [.. call.Arguments.Skip(1)]) },
            { "toString", 0, call => Target(call).ToString() },
        }));

    private static JsFunction Target(NativeCall call) => call.ThisAs<JsFunction>("function");

    /// <summary>The elements of an array or of anything with a length.</summary>
    private static JsValue[] ListOf(Realm realm, JsValue list)
    {
        if (list.IsNullish)
            return [];
        var source = list.AsObject() ?? throw realm.TypeError("CreateListFromArrayLike called on non-object");
        var length = source.Length;
        realm.Budget.Step(length);
        realm.Budget.Allocate(length * 16);
        var values = new JsValue[length];
        for (var i = 0; i < values.Length; i++)
            values[i] = source.GetIndex(i);
        return values;
    }
}
