namespace Aura.Workflows.Expressions.JavaScript;

internal enum BindingKind
{
    Var,
    Let,
    Const,

    /// <summary>The name of a function expression inside itself, which any other declaration hides.</summary>
    Self,
}

/// <summary>A variable: the environment it lives in and its slot there.</summary>
internal sealed record Binding(string Name, BindingKind Kind, EnvironmentLayout Layout, int Slot)
{
    /// <summary>Reading it before its declaration has run is an error.</summary>
    public bool HasDeadZone => Kind is BindingKind.Let or BindingKind.Const;

    public bool IsConstant => Kind is BindingKind.Const or BindingKind.Self;
}

/// <summary>Counts the slots of an environment while its code is compiled.</summary>
internal sealed class EnvironmentLayout(EnvironmentLayout? outer)
{
    public int Level { get; } = outer is null ? 0 : outer.Level + 1;

    public int Count { get; private set; }

    public int NextSlot() => Count++;
}

/// <summary>
/// The names of a function or block at compile time. A block whose variables no closure can keep
/// puts them into the environment of what is around it, and needs none of its own when it runs.
/// </summary>
internal sealed class Scope
{
    private const int SlotBytes = 16;
    private const int EnvironmentBytes = 64;

    private readonly Dictionary<string, Binding> _bindings = new(StringComparer.Ordinal);
    private readonly List<int> _deadZone = [];
    private readonly bool _ownsEnvironment;

    private Scope(Scope? outer, bool ownsEnvironment, bool isFunction)
    {
        Outer = outer;
        IsFunction = isFunction;
        _ownsEnvironment = ownsEnvironment;
        Layout = ownsEnvironment ? new(outer?.Layout) : outer!.Layout;
    }

    public Scope? Outer { get; }

    public bool IsFunction { get; }

    public EnvironmentLayout Layout { get; }

    public static Scope OfFunction(Scope? outer) => new(outer, ownsEnvironment: true, isFunction: true);

    public static Scope OfBlock(Scope outer, bool hasClosure) => new(outer, hasClosure, isFunction: false);

    /// <returns>Null when the name is taken by a declaration that allows no second one.</returns>
    public Binding? TryDeclare(string name, BindingKind kind)
    {
        if (_bindings.TryGetValue(name, out var existing) && existing.Kind != BindingKind.Self)
            return kind == BindingKind.Var && existing.Kind == BindingKind.Var ? existing : null;
        var binding = new Binding(name, kind, Layout, Layout.NextSlot());
        _bindings[name] = binding;
        if (binding.HasDeadZone)
            _deadZone.Add(binding.Slot);
        return binding;
    }

    /// <summary>Declares a name that the text itself cannot hold, or that is known to be free.</summary>
    public Binding Declare(string name, BindingKind kind) => TryDeclare(name, kind)
        ?? throw new InvalidOperationException($"'{name}' is declared twice.");

    /// <returns>Null for a global name.</returns>
    public Binding? Resolve(string name)
    {
        for (var scope = this; scope is not null; scope = scope.Outer)
        {
            if (scope._bindings.TryGetValue(name, out var binding))
                return binding;
        }

        return null;
    }

    /// <summary>How many environments the binding's is further out.</summary>
    public int HopsTo(Binding binding) => Layout.Level - binding.Layout.Level;

    /// <summary>At run time: enters the block. Who enters it restores the frame's environment behind it.</summary>
    public void Open(Frame frame)
    {
        if (_ownsEnvironment)
        {
            frame.Realm.Budget.Allocate(EnvironmentBytes + ((long)Layout.Count * SlotBytes));
            frame.Environment = new(Layout.Count, frame.Environment);
        }

        OpenDeadZone(frame);
    }

    public void OpenDeadZone(Frame frame)
    {
        var slots = frame.Environment.Slots;
        foreach (var slot in _deadZone)
            slots[slot] = JsValue.Absent;
    }
}
