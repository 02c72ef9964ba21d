namespace Aura.Workflows.Expressions.JavaScript;

/// <summary>All that belongs to one run: its global object, its copies of the library's objects, its budget and its promises' jobs.</summary>
internal sealed class Realm
{
    private readonly JsObject?[] _prototypes = new JsObject?[Library.Types.Count];
    private readonly NativeFunction?[] _constructors = new NativeFunction?[Library.Types.Count];
    private Dictionary<object, JsValue>? _templates;
    private HashSet<JsObject>? _visited;
    private Dictionary<string, JsSymbol>? _symbols;
    private List<JsHostObject>? _hostObjects;
    private PromiseJobs? _jobs;

    public Realm(string source, ScriptRun run, Budget budget)
    {
        Source = source;
        Host = run;
        Budget = budget;
        Global = new(this, run.Globals);
    }

    public string Source { get; }

    public ScriptRun Host { get; }

    public Budget Budget { get; }

    public GlobalObject Global { get; }

    public PromiseJobs Jobs => _jobs ??= new(this);

    public bool HasJobs => _jobs is not null;

    /// <summary>Where in the source the run stands, as an offset; errors carry it.</summary>
    public int Position { get; set; }

    public Realm At(int position)
    {
        Position = position;
        return this;
    }

    public JsObject PrototypeOf(Builtin type) => _prototypes[(int)type] ?? MakePrototype(type);

    public NativeFunction ConstructorOf(Builtin type) => _constructors[(int)type] ?? MakeConstructor(type);

    public JsObject NewObject() => new(this, PrototypeOf(Builtin.Object));

    public NativeFunction NewFunction(string name, int parameterCount, NativeBody body) => new(this, name, parameterCount, body);

    /// <summary>The strings of a tagged template: the same array each time, as the language wants it.</summary>
    public JsValue TemplateObject(object template, Func<JsValue> make)
    {
        _templates ??= new(ReferenceEqualityComparer.Instance);
        return _templates.TryGetValue(template, out var made) ? made : _templates[template] = make();
    }

    /// <summary>The symbol of a name, for <c>Symbol.for</c>.</summary>
    public JsSymbol SymbolFor(string name)
    {
        _symbols ??= new(StringComparer.Ordinal);
        if (_symbols.TryGetValue(name, out var symbol))
            return symbol;
        Budget.AllocateText(name.Length);
        return _symbols[name] = new(name);
    }

    // Members of any value

    public JsValue GetMember(JsValue target, PropertyKey key)
    {
        switch (target.Type)
        {
            case JsType.Object:
                return target.AsObject()!.Get(key);
            case JsType.Undefined or JsType.Null:
                throw TypeError($"Cannot read properties of {target} (reading '{key}')");
            case JsType.String when key.Name == "length":
                return (double)target.TextLength;
            case JsType.String when key.IsIndex(out var index):
                return CharacterAt(target, index);
            default:
                return PrototypeOf(BuiltinOf(target.Type)).Get(key, target);
        }
    }

    /// <summary>A member whose key was computed: an index, a symbol, or anything that becomes a name.</summary>
    public JsValue GetComputed(JsValue target, JsValue key)
    {
        if (key.IsNumber && key.Number is var number && number >= 0 && number == (uint)number)
        {
            if (target.AsObject() is { } holder)
                return holder.GetIndex((uint)number);
            if (target.IsString)
                return CharacterAt(target, (uint)number);
        }

        return target.IsNullish
            ? throw TypeError($"Cannot read properties of {target} (reading '{Display(key)}')")
            : GetMember(target, JsConvert.ToKey(this, key));
    }

    public void SetMember(JsValue target, PropertyKey key, JsValue value)
    {
        if (target.IsNullish)
            throw TypeError($"Cannot set properties of {target} (setting '{key}')");
        if (target.AsObject() is { } holder)
            holder.Set(key, value);
        else
            PrototypeOf(BuiltinOf(target.Type)).Set(key, value, target);
    }

    public void SetComputed(JsValue target, JsValue key, JsValue value)
    {
        if (key.IsNumber && key.Number is var number && number >= 0 && number == (uint)number && target.AsObject() is { } holder)
            holder.SetIndex((uint)number, value);
        else if (target.IsNullish)
            throw TypeError($"Cannot set properties of {target} (setting '{Display(key)}')");
        else
            SetMember(target, JsConvert.ToKey(this, key), value);
    }

    public JsValue Call(JsValue function, JsValue self, params JsValue[] arguments) => function.As<JsFunction>() is { } callee
        ? callee.Call(self, arguments)
        : throw TypeError($"{Display(function)} is not a function");

    /// <summary>Guards walks through arrays that hold themselves; false when the walk is inside the object already.</summary>
    public bool BeginVisit(JsObject target) => (_visited ??= []).Add(target);

    public void EndVisit(JsObject target) => _visited?.Remove(target);

    // Host objects

    public void Track(JsHostObject hostObject) => (_hostObjects ??= []).Add(hostObject);

    public void WriteBack() => _hostObjects?.ForEach(o => o.WriteBack());

    // Errors

    public JsThrow TypeError(string message) => Error(Builtin.TypeError, message);

    public JsThrow RangeError(string message) => Error(Builtin.RangeError, message);

    public JsThrow ReferenceError(string message) => Error(Builtin.ReferenceError, message);

    public JsThrow SyntaxError(string message) => Error(Builtin.SyntaxError, message);

    public JsThrow Error(Builtin type, string message, Exception? cause = null) => new(NewError(type, message), Position, cause);

    public JsError NewError(Builtin type, string message)
    {
        var error = new JsError(this, PrototypeOf(type));
        error.Define("message", message, PropertyFlags.Hidden);
        return error;
    }

    /// <summary>A value as messages show it.</summary>
    public string Display(JsValue value) => value.Type switch
    {
        JsType.String => $"\"{(value.TextLength > 60 ? value.AsString()[..60] + "…" : value.AsString())}\"",
        _ => value.ToString(),
    };

    /// <summary>The texts of a stack: simple, but with the place.</summary>
    public string StackLine()
    {
        var (line, column) = SourcePosition.Of(Source, Position);
        return $"    at {line}:{column}";
    }

    public static Builtin BuiltinOf(JsType type) => type switch
    {
        JsType.String => Builtin.String,
        JsType.Number => Builtin.Number,
        JsType.Boolean => Builtin.Boolean,
        JsType.Symbol => Builtin.Symbol,
        _ => Builtin.Object,
    };

    private static JsValue CharacterAt(JsValue text, uint index) =>
        index < text.TextLength ? text.AsString()[(int)index].ToString() : JsValue.Undefined;

    private JsObject MakePrototype(Builtin type)
    {
        var description = Library.Types[(int)type];
        var parent = type == Builtin.Object ? null : PrototypeOf(description.Parent);
        return _prototypes[(int)type] = new(this, parent, description.Prototype);
    }

    private NativeFunction MakeConstructor(Builtin type)
    {
        var description = Library.Types[(int)type];
        var constructor = new NativeFunction(
            this, description.Name, description.ParameterCount, description.Body, description.IsConstructor, description.Statics ?? []);
        _constructors[(int)type] = constructor;
        constructor.Define("prototype", PrototypeOf(type), PropertyFlags.None);
        return constructor;
    }
}

/// <summary>A value that a script threw, on its way to a catch.</summary>
internal sealed class JsThrow(JsValue value, int position, Exception? cause = null) : Exception(null, cause)
{
    public JsValue Value => value;

    public int Position => position;

    public override string Message => value.ToString();
}

/// <summary>An Error object. Remembers where it was made.</summary>
internal sealed class JsError : JsObject
{
    private static readonly LibraryTable Members = new()
    {
        { "stack", owner => new(((JsError)owner).Stack(), PropertyFlags.Hidden) },
    };

    private readonly string _stackLine;

    public JsError(Realm realm, JsObject prototype)
        : base(realm, prototype, Members)
    {
        Position = realm.Position;
        _stackLine = realm.StackLine();
    }

    public int Position { get; }

    public override string ClassName => "Error";

    /// <summary><c>name: message</c>, read without running any of the script's code.</summary>
    public override string ToString()
    {
        var (name, message) = (Plain("name"), Plain("message"));
        return name.Length == 0 ? message : message.Length == 0 ? name : $"{name}: {message}";
    }

    private string Stack() => $"{this}\n{_stackLine}";

    private string Plain(string key)
    {
        for (JsObject? holder = this; holder is not null; holder = holder.Prototype)
        {
            if (holder.TryGetOwn(key, out var property))
                return property.Value.IsObject ? "" : property.Value.ToString();
        }

        return "";
    }
}

/// <summary>The wrapper that a primitive gets where an object is needed.</summary>
internal sealed class JsPrimitiveObject(Realm realm, JsValue value) : JsObject(realm, realm.PrototypeOf(Realm.BuiltinOf(value.Type)))
{
    public JsValue Value => value;

    public override string ClassName => value.Type.ToString();

    public override bool TryGetOwn(PropertyKey key, out Property property)
    {
        if (value.IsString && (key.Name == "length" || (key.IsIndex(out var index) && index < value.TextLength)))
        {
            property = new(Realm.GetMember(value, key), key.Name == "length" ? PropertyFlags.None : PropertyFlags.Enumerable);
            return true;
        }

        return base.TryGetOwn(key, out property);
    }

    public override IEnumerable<PropertyKey> OwnKeys()
    {
        for (var i = 0; value.IsString && i < value.TextLength; i++)
            yield return Numbers.ToText(i);
        if (value.IsString)
            yield return "length";
        foreach (var key in base.OwnKeys())
            yield return key;
    }
}
