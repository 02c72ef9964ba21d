namespace Aura.Workflows.Expressions.JavaScript;

/// <summary>
/// Turns the syntax tree into delegates. Names are resolved to slots here, once; what runs later holds no names but those of globals
/// and members. A compiler is used for one script and then dropped; what it made is immutable.
/// </summary>
internal sealed partial class Compiler
{
    /// <summary>Code that runs this many levels deep looks at the stack once.</summary>
    private const int LevelsPerStackCheck = 16;

    private readonly string _source;
    private Scope _scope = null!;
    private int _level;

    /// <summary>The labels that stand before the statement that is compiled next.</summary>
    private IReadOnlyList<string> _labels = [];

    /// <summary>True outside of all functions, where an expression statement's value may be the script's result.</summary>
    private bool _isScriptLevel;

    private Compiler(string source) => _source = source;

    /// <exception cref="ScriptSyntaxException">A name is declared twice, or the like.</exception>
    public static FunctionCode Compile(string source, FunctionSyntax script) => new Compiler(source).CompileFunction(script, isScript: true);

    private Evaluate Compile(ExpressionSyntax expression)
    {
        Budget.EnsureStack();
        _level++;
        var code = expression switch
        {
            LiteralSyntax literal => Constant(literal.Value),
            IdentifierSyntax identifier => CompileIdentifier(identifier),
            ParenthesizedSyntax parenthesized => Compile(parenthesized.Inner),
            MemberSyntax member => CompileMember(member),
            CallSyntax call => CompileCall(call),
            ChainSyntax chain => CompileChain(chain),
            BinarySyntax binary => CompileBinary(binary),
            LogicalSyntax logical => CompileLogical(logical),
            UnarySyntax unary => CompileUnary(unary),
            UpdateSyntax update => CompileUpdate(update),
            AssignmentSyntax assignment => CompileAssignment(assignment),
            ConditionalSyntax conditional => CompileConditional(conditional),
            FunctionSyntax function => CompileClosure(function),
            ObjectSyntax @object => CompileObject(@object),
            ArraySyntax array => CompileArray(array),
            TemplateSyntax template => CompileTemplate(template),
            TaggedTemplateSyntax tagged => CompileTaggedTemplate(tagged),
            NewSyntax @new => CompileNew(@new),
            ThisSyntax @this => CompileThis(@this),
            ClassSyntax @class => CompileClass(@class),
            SequenceSyntax sequence => CompileSequence(sequence),
            AwaitSyntax @await => CompileAwait(@await),
            RegexSyntax regex => CompileRegex(regex),
            NewTargetSyntax => static frame => JsValue.OrUndefined(frame.Lexical.NewTarget),
            PrivateInSyntax privateIn => CompilePrivateIn(privateIn),
            _ => throw Error("This cannot stand here", expression),
        };
        return --_level % LevelsPerStackCheck == LevelsPerStackCheck - 1 ? WithStackCheck(code) : code;
    }

    private static Evaluate WithStackCheck(Evaluate code) => frame =>
    {
        Budget.EnsureStack();
        return code(frame);
    };

    private static Execute WithStackCheck(Execute code) => frame =>
    {
        Budget.EnsureStack();
        return code(frame);
    };

    private Evaluate? CompileOptional(ExpressionSyntax? expression) => expression is null ? null : Compile(expression);

    private static Evaluate Constant(JsValue value) => _ => value;

    private ScriptSyntaxException Error(string message, Syntax place)
    {
        var (line, column) = SourcePosition.Of(_source, place.Position);
        return new(message, line, column);
    }

    // Names

    private Evaluate CompileIdentifier(IdentifierSyntax identifier)
    {
        var (name, position) = (identifier.Name, identifier.Position);
        if (_scope.Resolve(name) is not { } binding)
            return CompileGlobal(name, position);
        var (hops, slot) = (_scope.HopsTo(binding), binding.Slot);
        if (binding.HasDeadZone)
        {
            return frame => SlotsAt(frame, hops)[slot] is { IsAbsent: false } value
                ? value
                : throw frame.Realm.At(position).ReferenceError($"Cannot access '{name}' before initialization");
        }

        return hops switch
        {
            0 => frame => frame.Environment.Slots[slot],
            1 => frame => frame.Environment.Outer!.Slots[slot],
            _ => frame => SlotsAt(frame, hops)[slot],
        };
    }

    private static Evaluate CompileGlobal(string name, int position) => name switch
    {
        "undefined" => Constant(default),
        "NaN" => Constant(JsValue.NaN),
        "Infinity" => Constant(double.PositiveInfinity),
        _ => frame => frame.Realm.Global.TryRead(name, out var value)
            ? value
            : throw frame.Realm.At(position).ReferenceError($"{name} is not defined"),
    };

    private static JsValue[] SlotsAt(Frame frame, int hops)
    {
        var environment = frame.Environment;
        for (; hops > 0; hops--)
            environment = environment.Outer!;
        return environment.Slots;
    }

    private Assign CompileNameAssignment(IdentifierSyntax target)
    {
        var (name, position) = (target.Name, target.Position);
        if (_scope.Resolve(name) is not { } binding)
            return (frame, value) => frame.Realm.At(position).Global.Write(name, value);
        if (binding.IsConstant)
            return (frame, _) => throw frame.Realm.At(position).TypeError($"Assignment to constant variable '{name}'");
        var (hops, slot) = (_scope.HopsTo(binding), binding.Slot);
        if (!binding.HasDeadZone)
            return (frame, value) => SlotsAt(frame, hops)[slot] = value;
        return (frame, value) =>
        {
            var slots = SlotsAt(frame, hops);
            if (slots[slot].IsAbsent)
                throw frame.Realm.At(position).ReferenceError($"Cannot access '{name}' before initialization");
            slots[slot] = value;
        };
    }

    /// <summary>Gives a declared variable its first value.</summary>
    private Assign CompileInitialization(IdentifierSyntax target)
    {
        var binding = _scope.Resolve(target.Name)!;
        var (hops, slot) = (_scope.HopsTo(binding), binding.Slot);
        return hops == 0 ? (frame, value) => frame.Environment.Slots[slot] = value : (frame, value) => SlotsAt(frame, hops)[slot] = value;
    }

    private void Declare(string name, BindingKind kind, Syntax place)
    {
        if (_scope.TryDeclare(name, kind) is null)
            throw Error($"'{name}' has already been declared", place);
    }

    /// <summary>Declares what a list of statements declares for its block, and collects the functions to make on entry.</summary>
    private Action<Frame> DeclareAll(IEnumerable<StatementSyntax> statements)
    {
        var functions = new List<FunctionDeclarationSyntax>();
        foreach (var statement in statements)
        {
            switch (statement)
            {
                case DeclarationSyntax { Kind: not DeclarationKind.Var } declaration:
                    foreach (var declarator in declaration.Declarators)
                        DeclarePattern(declaration.Kind, declarator.Target);
                    break;
                case ClassDeclarationSyntax @class:
                    Declare(@class.Class.Name, BindingKind.Let, @class);
                    break;
                case FunctionDeclarationSyntax function:
                    // Functions of one name are allowed at the top of a function only, as vars are.
                    Declare(function.Function.Name, BindingKind.Var, function);
                    functions.Add(function);
                    break;
            }
        }

        var made = functions.ConvertAll(f => (
            Store: CompileInitialization(new(f.Position, f.Function.Name)), Make: CompileClosure(f.Function, isDeclaration: true)));
        return frame => made.ForEach(f => f.Store(frame, f.Make(frame)));
    }

    private void DeclarePattern(DeclarationKind kind, ExpressionSyntax target)
    {
        foreach (var name in Parser.BoundNames(target))
        {
            Declare(name, kind switch
            {
                DeclarationKind.Const => BindingKind.Const,
                DeclarationKind.Let => BindingKind.Let,
                _ => BindingKind.Var,
            }, target);
        }
    }
}
