namespace Aura.Workflows.Expressions.JavaScript;

internal sealed partial class Compiler
{
    private Evaluate CompileClosure(FunctionSyntax function, bool isDeclaration = false)
    {
        var code = CompileFunction(function, isDeclaration: isDeclaration);
        return frame => new ScriptFunction(frame.Realm, code, frame);
    }

    private FunctionCode CompileFunction(FunctionSyntax function, bool isScript = false, bool isDeclaration = false)
    {
        var (outerScope, outerLabels, outerLevel) = (_scope, _labels, _isScriptLevel);
        var scope = _scope = Scope.OfFunction(outerScope);
        (_labels, _isScriptLevel) = ([], isScript);
        var code = new FunctionCode(function) { ParameterCount = function.Parameters.TakeWhile(p => p.Default is null).Count() };

        var statements = function.Body is BlockSyntax block ? block.Statements : [function.Body];
        var bindSelf = BindsItself(function, isScript, isDeclaration) ? scope.Declare(function.Name, BindingKind.Self) : null;
        DeclareParameters(function);
        var bindArguments = function.UsesArguments ? scope.TryDeclare("arguments", BindingKind.Var) : null;
        foreach (var name in function.Vars)
            DeclareVar(name, function);
        var makeFunctions = DeclareAll(statements);
        var bindParameters = CompileParameters(function);
        code.Body = CompileAll(statements);
        code.Prepare = frame =>
        {
            scope.OpenDeadZone(frame);
            if (bindSelf is not null)
                frame.Environment.Slots[bindSelf.Slot] = frame.Function!;
            if (bindArguments is not null)
                frame.Environment.Slots[bindArguments.Slot] = new JsArray(frame.Realm, frame.Arguments);
            bindParameters(frame);
            makeFunctions(frame);
        };
        code.SlotCount = scope.Layout.Count;
        (_scope, _labels, _isScriptLevel) = (outerScope, outerLabels, outerLevel);
        return code;
    }

    private static bool BindsItself(FunctionSyntax function, bool isScript, bool isDeclaration) =>
        function is { Kind: FunctionKind.Ordinary, Name.Length: > 0, IsNamedByTarget: false } && !isScript && !isDeclaration;

    private void DeclareParameters(FunctionSyntax function)
    {
        foreach (var parameter in function.Parameters)
            DeclarePattern(DeclarationKind.Var, parameter.Target);
        if (function.Rest is not null)
            DeclarePattern(DeclarationKind.Var, function.Rest);
        var names = function.Parameters.SelectMany(p => Parser.BoundNames(p.Target))
            .Concat(function.Rest is null ? [] : Parser.BoundNames(function.Rest));
        if (names.GroupBy(n => n).FirstOrDefault(g => g.Skip(1).Any()) is { } twice)
            throw Error($"The parameter '{twice.Key}' is declared twice", function);
    }

    private void DeclareVar(string name, FunctionSyntax function) => Declare(name, BindingKind.Var, function);

    private Action<Frame> CompileParameters(FunctionSyntax function)
    {
        var count = function.Parameters.Count;
        var rest = function.Rest is null ? null : CompileTarget(function.Rest, isInitialization: true);
        if (rest is null && function.Parameters.All(p => p is { Target: IdentifierSyntax, Default: null }))
            return CompileSimpleParameters(function);
        var parameters = function.Parameters.Select(p => CompileElement(p, isInitialization: true)).ToArray();
        return frame =>
        {
            var arguments = frame.Arguments;
            for (var i = 0; i < parameters.Length; i++)
                parameters[i](frame, i < arguments.Length ? arguments[i] : default);
            rest?.Invoke(frame, new JsArray(frame.Realm, arguments.Skip(count)));
        };
    }

    /// <summary>Names only: the arguments are copied into their slots.</summary>
    private Action<Frame> CompileSimpleParameters(FunctionSyntax function)
    {
        var slots = function.Parameters.Select(p => _scope.Resolve(((IdentifierSyntax)p.Target).Name)!.Slot).ToArray();
        return frame =>
        {
            var (from, to) = (frame.Arguments, frame.Environment.Slots);
            for (var i = 0; i < slots.Length && i < from.Length; i++)
                to[slots[i]] = from[i];
        };
    }

    // Methods and accessors, of objects and classes alike

    private Action<Frame, JsObject> CompileMethod(KeySyntax keySyntax, FunctionSyntax method, PropertyFlags flags)
    {
        var (key, code) = (CompileKey(keySyntax), CompileFunction(method));
        return (frame, home) =>
        {
            var name = key(frame);
            home.Define(name, MakeMethod(frame, code, home, name), flags);
        };
    }

    private Action<Frame, JsObject> CompileAccessor(KeySyntax keySyntax, FunctionSyntax function, bool isGetter, PropertyFlags flags)
    {
        var (key, code) = (CompileKey(keySyntax), CompileFunction(function));
        return (frame, home) =>
        {
            var name = key(frame);
            var made = MakeMethod(frame, code, home, name);
            var other = home.TryGetOwn(name, out var existing) ? existing.Accessor : null;
            home.DefineOwn(name, Property.Of(isGetter ? new(made, other?.Set) : new(other?.Get, made), flags));
        };
    }

    private static ScriptFunction MakeMethod(Frame frame, FunctionCode code, JsObject home, PropertyKey name) => new(frame.Realm, code, frame)
    {
        HomeObject = home,
        ComputedName = code.Name.Length > 0 ? null : name.Name ?? $"[{name.Symbol!.Description}]",
    };
}
