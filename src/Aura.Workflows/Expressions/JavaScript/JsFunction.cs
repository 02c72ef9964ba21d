namespace Aura.Workflows.Expressions.JavaScript;

/// <summary>Anything that can be called.</summary>
internal abstract class JsFunction(Realm realm, LibraryTable? library) : JsObject(realm, realm.PrototypeOf(Builtin.Function), library)
{
    public override string ClassName => "Function";

    public abstract string Name { get; }

    /// <summary>The number of parameters, as the <c>length</c> property tells it.</summary>
    public abstract int ParameterCount { get; }

    public virtual bool IsConstructor => false;

    public abstract JsValue Call(JsValue self, params JsValue[] arguments);

    /// <param name="newTarget">The class after <c>new</c>; its prototype becomes that of the object.</param>
    public virtual JsObject Construct(JsValue[] arguments, JsFunction newTarget) => throw Realm.TypeError($"{Name} is not a constructor");

    public JsObject PrototypeFor(JsFunction newTarget, Builtin fallback) => newTarget.Get("prototype").AsObject() ?? Realm.PrototypeOf(fallback);

    public override string ToString() => $"function {Name}() {{ [code] }}";

    /// <summary>What every function has.</summary>
    protected static LibraryTable Members { get; } = new()
    {
        { "length", owner => new((double)((JsFunction)owner).ParameterCount, PropertyFlags.Configurable) },
        { "name", owner => new(((JsFunction)owner).Name, PropertyFlags.Configurable) },
    };
}

/// <summary>One call of a library function.</summary>
internal readonly struct NativeCall(Realm realm, JsValue self, JsValue[] arguments, JsFunction? newTarget)
{
    public Realm Realm => realm;

    public Budget Budget => realm.Budget;

    public JsValue This => self;

    public JsValue[] Arguments => arguments;

    /// <summary>Null when the function was called without <c>new</c>.</summary>
    public JsFunction? NewTarget => newTarget;

    public int Count => arguments.Length;

    public JsValue this[int index] => index < arguments.Length ? arguments[index] : default;

    public string Text(int index) => JsConvert.ToString(realm, this[index]);

    public double Number(int index) => JsConvert.ToNumber(realm, this[index]);

    public double Integer(int index) => JsConvert.ToInteger(realm, this[index]);

    public JsFunction Function(int index) =>
        this[index].As<JsFunction>() ?? throw realm.TypeError($"{realm.Display(this[index])} is not a function");

    public JsObject ThisObject() => JsConvert.ToObject(realm, self);

    /// <summary>The object that the method was called on, which must be of the method's own kind.</summary>
    public T ThisAs<T>(string kind)
        where T : JsObject
        => self.As<T>() ?? throw realm.TypeError($"The method was called on {realm.Display(self)}, which is no {kind}");

    /// <summary>Gives an object that a constructor made the prototype of the class after <c>new</c>.</summary>
    public JsObject Constructed(JsObject made)
    {
        if (newTarget?.Get("prototype").AsObject() is { } prototype)
            made.Prototype = prototype;
        return made;
    }
}

internal delegate JsValue NativeBody(NativeCall call);

/// <summary>A function of the library or of the host.</summary>
internal sealed class NativeFunction : JsFunction
{
    private readonly NativeBody _body;

    public NativeFunction(Realm realm, string name, int parameterCount, NativeBody body, bool isConstructor = false, LibraryTable? statics = null)
        : base(realm, statics ?? Members)
    {
        _body = body;
        Name = name;
        ParameterCount = parameterCount;
        IsConstructor = isConstructor;
        if (statics is null)
            return;
        Define("length", (double)parameterCount, PropertyFlags.Configurable);
        Define("name", name, PropertyFlags.Configurable);
    }

    public override string Name { get; }

    public override int ParameterCount { get; }

    public override bool IsConstructor { get; }

    public override JsValue Call(JsValue self, params JsValue[] arguments) => Run(self, arguments, null);

    public override JsObject Construct(JsValue[] arguments, JsFunction newTarget) =>
        IsConstructor ? Run(default, arguments, newTarget).AsObject()! : base.Construct(arguments, newTarget);

    private JsValue Run(JsValue self, JsValue[] arguments, JsFunction? newTarget)
    {
        Realm.Budget.Enter();
        try
        {
            return _body(new(Realm, self, arguments, newTarget));
        }
        finally
        {
            Realm.Budget.Leave();
        }
    }
}

/// <summary>What <c>bind</c> makes.</summary>
internal sealed class BoundFunction(JsFunction target, JsValue self, JsValue[] bound) : JsFunction(target.Realm, Members)
{
    public override string Name => "bound " + target.Name;

    public override int ParameterCount => Math.Max(0, target.ParameterCount - bound.Length);

    public override bool IsConstructor => target.IsConstructor;

    public override JsValue Call(JsValue ignored, params JsValue[] arguments)
    {
        // Not a level of its own, but bound functions may be bound again and again.
        Budget.EnsureStack();
        Realm.Budget.StepText(bound.Length);
        return target.Call(self, [.. bound, .. arguments]);
    }

    public override JsObject Construct(JsValue[] arguments, JsFunction newTarget) =>
        target.Construct([.. bound, .. arguments], ReferenceEquals(newTarget, this) ? target : newTarget);
}
