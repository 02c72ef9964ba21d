namespace Aura.Workflows.Expressions.JavaScript;

internal sealed partial class Compiler
{
    /// <summary>Puts a member into a class; what it leaves for each new object is added to the initializers.</summary>
    private delegate void DefineMember(Frame frame, ScriptFunction type, JsObject prototype, List<Action<JsObject>> initializers);

    private Execute CompileClassDeclaration(ClassDeclarationSyntax declaration)
    {
        var (make, assign) = (CompileClass(declaration.Class), CompileInitialization(new(declaration.Position, declaration.Class.Name)));
        return frame =>
        {
            Begin(frame, declaration.Position);
            assign(frame, make(frame));
            return Completion.Normal;
        };
    }

    private Evaluate CompileClass(ClassSyntax syntax)
    {
        var scope = _scope = Scope.OfBlock(_scope, hasClosure: true);
        var ownName = syntax.Name.Length > 0 && !syntax.IsNamedByTarget ? scope.Declare(syntax.Name, BindingKind.Const) : null;
        var privates = DeclarePrivateNames(syntax);
        var @base = CompileOptional(syntax.Base);
        var constructor = CompileFunction(syntax.Constructor ?? DefaultConstructor(syntax));
        var members = syntax.Members.Select(CompileClassMember).ToArray();
        _scope = scope.Outer!;
        return frame =>
        {
            var outer = frame.Environment;
            scope.Open(frame);
            foreach (var (slot, name) in privates)
                frame.Environment.Slots[slot] = new JsSymbol(name, isPrivate: true);
            var type = MakeClass(frame, constructor, syntax, @base?.Invoke(frame));
            if (ownName is not null)
                frame.Environment.Slots[ownName.Slot] = type;
            DefineMembers(frame, type, members);
            frame.Environment = outer;
            return type;
        };
    }

    private List<(int Slot, string Name)> DeclarePrivateNames(ClassSyntax syntax) =>
    [
        .. syntax.Members.Where(m => m.Key.IsPrivate).Select(m => m.Key.Name!).Distinct(StringComparer.Ordinal)
            .Select(name => (_scope.Declare("#" + name, BindingKind.Var).Slot, name)),
    ];

    private static ScriptFunction MakeClass(Frame frame, FunctionCode constructor, ClassSyntax syntax, JsValue? @base)
    {
        var realm = frame.Realm.At(syntax.Position);
        var (parent, parentPrototype) = @base is { } value ? ParentOf(realm, value) : (null, realm.PrototypeOf(Builtin.Object));
        var prototype = new JsObject(realm, parentPrototype);
        var type = new ScriptFunction(realm, constructor, frame) { HomeObject = prototype, ComputedName = syntax.Name };
        if (parent is not null)
            type.Prototype = parent;
        type.Define("prototype", prototype, PropertyFlags.None);
        prototype.Define("constructor", type, PropertyFlags.Hidden);
        return type;
    }

    private static (JsObject? Type, JsObject? Prototype) ParentOf(Realm realm, JsValue @base)
    {
        if (@base.IsNull)
            return (null, null);
        if (@base.As<JsFunction>() is not { IsConstructor: true } parent)
            throw realm.TypeError($"Class extends value {realm.Display(@base)} is not a constructor or null");
        return (parent, parent.Get("prototype").AsObject());
    }

    private static void DefineMembers(Frame frame, ScriptFunction type, DefineMember[] members)
    {
        var prototype = type.HomeObject!;
        var initializers = new List<Action<JsObject>>();
        foreach (var define in members)
            define(frame, type, prototype, initializers);
        if (initializers.Count > 0)
            type.InitializeFields = target => initializers.ForEach(initialize => initialize(target));
    }

    private DefineMember CompileClassMember(ClassMemberSyntax member)
    {
        switch (member.Kind)
        {
            case ClassMemberKind.Field:
                return CompileField(member);
            case ClassMemberKind.StaticBlock:
                var block = CompileFunction(member.Value!);
                return (frame, type, _, _) => new ScriptFunction(frame.Realm, block, frame) { HomeObject = type }.Call(type);
            default:
                var define = member.Kind == ClassMemberKind.Method
                    ? CompileMethod(member.Key, member.Value!, PropertyFlags.Hidden)
                    : CompileAccessor(member.Key, member.Value!, member.Kind == ClassMemberKind.Getter, PropertyFlags.Configurable);
                return member is { IsStatic: false, Key.IsPrivate: true } ? OnEachObject(define) : OnClass(define, member.IsStatic);
        }
    }

    private static DefineMember OnClass(Action<Frame, JsObject> define, bool isStatic) =>
        (frame, type, prototype, _) => define(frame, isStatic ? type : prototype);

    /// <summary>
    /// Private methods sit on the objects themselves: that is how one sees that an object is of the class. They come before the fields.
    /// </summary>
    private static DefineMember OnEachObject(Action<Frame, JsObject> define) => (frame, _, _, initializers) =>
    {
        var environment = frame.Environment;
        initializers.Insert(0, target =>
        {
            var outer = frame.Environment;
            frame.Environment = environment;
            define(frame, target);
            frame.Environment = outer;
        });
    };

    private DefineMember CompileField(ClassMemberSyntax field)
    {
        var key = CompileKey(field.Key);
        var code = field.Value is null ? null : CompileFunction(field.Value);
        return (frame, type, prototype, initializers) =>
        {
            var name = key(frame);
            var home = field.IsStatic ? type : prototype;
            var initialValue = code is null ? null : new ScriptFunction(frame.Realm, code, frame) { HomeObject = home };
            if (field.IsStatic)
                Initialize(type);
            else
                initializers.Add(Initialize);

            void Initialize(JsObject target) => target.Define(name, initialValue?.Call(target) ?? default);
        };
    }

    private static FunctionSyntax DefaultConstructor(ClassSyntax syntax)
    {
        var position = syntax.Position;
        if (syntax.Base is null)
            return Constructor(FunctionKind.Constructor, null, []);
        var arguments = new IdentifierSyntax(position, "arguments of super");
        return Constructor(FunctionKind.DerivedConstructor, arguments, [new ExpressionStatementSyntax(
            position, new CallSyntax(position, new SuperSyntax(position), [new SpreadSyntax(position, arguments)], IsOptional: false))]);

        FunctionSyntax Constructor(FunctionKind kind, ExpressionSyntax? rest, IReadOnlyList<StatementSyntax> body) =>
            new(position, syntax.Name, kind, false, [], rest, new BlockSyntax(position, body, false), [], false, false);
    }
}
