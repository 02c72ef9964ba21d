namespace Aura.Workflows.Expressions.JavaScript;

/// <summary>The variables of a function, or of a block whose variables a closure may keep.</summary>
internal sealed class Environment(int slots, Environment? outer)
{
    public JsValue[] Slots { get; } = new JsValue[slots];

    public Environment? Outer => outer;

    /// <summary>For the next turn of a loop: closures of the last turn keep theirs.</summary>
    public Environment Copy(Budget budget)
    {
        budget.Allocate(64 + (Slots.Length * 16L));
        var copy = new Environment(Slots.Length, outer);
        Slots.CopyTo(copy.Slots, 0);
        return copy;
    }
}

/// <summary>One call of a script function while it runs.</summary>
internal sealed class Frame
{
    public Frame(Realm realm, Environment environment, ScriptFunction? function, Frame? lexical, JsValue[] arguments)
    {
        Realm = realm;
        Environment = environment;
        Function = function;
        Lexical = lexical ?? this;
        Arguments = arguments;
    }

    public Realm Realm { get; }

    public Environment Environment { get; set; }

    public ScriptFunction? Function { get; }

    /// <summary>The frame whose <c>this</c>, <c>super</c> and <c>new.target</c> count: for an arrow function that of the function around it.</summary>
    public Frame Lexical { get; }

    public JsValue[] Arguments { get; }

    /// <summary><see cref="JsValue.Absent"/> in the constructor of a derived class until <c>super()</c> was called.</summary>
    public JsValue This { get; set; }

    public JsFunction? NewTarget { get; init; }

    /// <summary>The value of <c>return</c>, or of the script's last expression statement.</summary>
    public JsValue Result { get; set; }

    /// <summary>Where a labelled break or continue goes to.</summary>
    public string? Label { get; set; }
}

internal delegate JsValue Evaluate(Frame frame);

internal delegate Completion Execute(Frame frame);

/// <summary>Puts a value into a variable, member or pattern.</summary>
internal delegate void Assign(Frame frame, JsValue value);

internal enum Completion
{
    Normal,
    Break,
    Continue,
    Return,
}

/// <summary>A compiled function, shared by all closures made from it and by all threads.</summary>
internal sealed record FunctionCode(FunctionSyntax Syntax)
{
    public string Name => Syntax.Name;

    public FunctionKind Kind => Syntax.Kind;

    public bool IsArrow => Syntax.Kind == FunctionKind.Arrow;

    public int ParameterCount { get; init; }

    /// <summary>Known when the body was compiled.</summary>
    public int SlotCount { get; set; }

    /// <summary>Fills the slots of parameters, <c>arguments</c> and inner functions.</summary>
    public Action<Frame> Prepare { get; set; } = _ => { };

    public Execute Body { get; set; } = _ => Completion.Normal;
}

/// <summary>A closure: a function's code with the variables around it.</summary>
internal sealed class ScriptFunction(Realm realm, FunctionCode code, Frame creator) : JsFunction(realm, LibraryOf(code))
{
    private const int SlotBytes = 16;
    private const int EnvironmentBytes = 80;

    private static readonly LibraryTable ConstructorMembers = new()
    {
        { "length", owner => new((double)((JsFunction)owner).ParameterCount, PropertyFlags.Configurable) },
        { "name", owner => new(((JsFunction)owner).Name, PropertyFlags.Configurable) },
        { "prototype", owner => new(MakePrototype((ScriptFunction)owner), PropertyFlags.Writable) },
    };

    private readonly Environment _outer = creator.Environment;
    private readonly Frame? _lexical = code.IsArrow ? creator.Lexical : null;

    /// <summary>The object whose prototype <c>super</c> looks in.</summary>
    public JsObject? HomeObject { get; init; }

    /// <summary>Of a class: puts the fields into a new object.</summary>
    public Action<JsObject>? InitializeFields { get; set; }

    public string? ComputedName { get; init; }

    public override string Name => ComputedName ?? code.Name;

    public override int ParameterCount => code.ParameterCount;

    public override bool IsConstructor => code.Kind is FunctionKind.Constructor or FunctionKind.DerivedConstructor
        || (code.Kind == FunctionKind.Ordinary && !code.Syntax.IsAsync);

    public override JsValue Call(JsValue self, params JsValue[] arguments)
    {
        if (code.Kind is FunctionKind.Constructor or FunctionKind.DerivedConstructor)
            throw Realm.TypeError($"Class constructor {Name} cannot be invoked without 'new'");
        return code.Syntax.IsAsync
            ? JsPromise.Run(Realm, () => Run(self, arguments, null).Result)
            : Run(self, arguments, null).Result;
    }

    public override JsObject Construct(JsValue[] arguments, JsFunction newTarget)
    {
        if (!IsConstructor)
            return base.Construct(arguments, newTarget);
        var isDerived = code.Kind == FunctionKind.DerivedConstructor;
        var self = isDerived ? JsValue.Absent : new JsObject(Realm, PrototypeFor(newTarget, Builtin.Object));
        if (self.AsObject() is { } made)
            InitializeFields?.Invoke(made);
        var frame = Run(self, arguments, newTarget);
        return frame.Result.AsObject() ?? frame.This.AsObject()
            ?? throw Realm.ReferenceError("Must call super constructor in derived class before returning from it");
    }

    private static LibraryTable LibraryOf(FunctionCode code) =>
        code.Kind is FunctionKind.Arrow or FunctionKind.Method || code.Syntax.IsAsync ? Members : ConstructorMembers;

    private static JsObject MakePrototype(ScriptFunction owner)
    {
        var prototype = new JsObject(owner.Realm, owner.Realm.PrototypeOf(Builtin.Object));
        prototype.Define("constructor", owner, PropertyFlags.Hidden);
        return prototype;
    }

    private Frame Run(JsValue self, JsValue[] arguments, JsFunction? newTarget)
    {
        var budget = Realm.Budget;
        budget.Enter();
        try
        {
            if (code.Syntax.HasClosure)
                budget.Allocate(EnvironmentBytes + ((long)code.SlotCount * SlotBytes));
            var frame = new Frame(Realm, new(code.SlotCount, _outer), this, _lexical, arguments) { This = self, NewTarget = newTarget };
            code.Prepare(frame);
            code.Body(frame);
            return frame;
        }
        finally
        {
            budget.Leave();
        }
    }
}
