namespace Aura.Workflows.Expressions.JavaScript;

internal sealed partial class Compiler
{
    /// <summary>A block that is given a value from outside of its scope: what a catch caught, what a switch tests.</summary>
    private delegate Completion BlockCode(Frame frame, JsValue input);

    private Execute Compile(StatementSyntax statement)
    {
        Budget.EnsureStack();
        var labels = _labels;
        _labels = [];
        _level++;
        var code = statement switch
        {
            ExpressionStatementSyntax expression => CompileExpressionStatement(expression),
            DeclarationSyntax declaration => CompileDeclaration(declaration),
            ReturnSyntax @return => CompileReturn(@return),
            IfSyntax @if => CompileIf(@if),
            BlockSyntax block => CompileBlock(block),
            ForSyntax @for => CompileFor(@for, labels),
            ForEachSyntax forEach => CompileForEach(forEach, labels),
            WhileSyntax @while => CompileWhile(@while, labels),
            JumpSyntax jump => CompileJump(jump),
            ThrowSyntax @throw => CompileThrow(@throw),
            TrySyntax @try => CompileTry(@try),
            SwitchSyntax @switch => CompileSwitch(@switch),
            LabeledSyntax labeled => CompileLabeled(labeled, labels),
            ClassDeclarationSyntax @class => CompileClassDeclaration(@class),
            EmptySyntax or FunctionDeclarationSyntax => static _ => Completion.Normal,
            _ => throw Error("Not a statement", statement),
        };
        return --_level % LevelsPerStackCheck == LevelsPerStackCheck - 1 ? WithStackCheck(code) : code;
    }

    private Execute CompileAll(IReadOnlyList<StatementSyntax> statements)
    {
        var codes = statements.Where(s => s is not (EmptySyntax or FunctionDeclarationSyntax)).Select(Compile).ToArray();
        return codes.Length switch
        {
            0 => static _ => Completion.Normal,
            1 => codes[0],
            _ => frame => RunAll(codes, frame),
        };
    }

    private static Completion RunAll(Execute[] codes, Frame frame)
    {
        foreach (var code in codes)
        {
            var completion = code(frame);
            if (completion != Completion.Normal)
                return completion;
        }

        return Completion.Normal;
    }

    /// <summary>What every statement does first.</summary>
    private static void Begin(Frame frame, int position)
    {
        frame.Realm.Budget.Step();
        frame.Realm.Position = position;
    }

    private Execute CompileExpressionStatement(ExpressionStatementSyntax statement)
    {
        var (expression, position, isResult) = (Compile(statement.Expression), statement.Position, _isScriptLevel);
        return frame =>
        {
            Begin(frame, position);
            var value = expression(frame);
            if (isResult)
                frame.Result = value;
            return Completion.Normal;
        };
    }

    private Execute CompileDeclaration(DeclarationSyntax declaration)
    {
        var position = declaration.Position;
        var codes = declaration.Declarators
            .Where(d => d.Value is not null || declaration.Kind != DeclarationKind.Var)
            .Select(d => (Value: CompileOptional(d.Value) ?? Constant(default), Assign: CompileTarget(d.Target, isInitialization: true)))
            .ToArray();
        return frame =>
        {
            Begin(frame, position);
            foreach (var (value, assign) in codes)
                assign(frame, value(frame));
            return Completion.Normal;
        };
    }

    private Execute CompileReturn(ReturnSyntax statement)
    {
        var (value, position) = (CompileOptional(statement.Value) ?? Constant(default), statement.Position);
        return frame =>
        {
            Begin(frame, position);
            frame.Result = value(frame);
            return Completion.Return;
        };
    }

    private Execute CompileThrow(ThrowSyntax statement)
    {
        var (value, position) = (Compile(statement.Value), statement.Position);
        return frame =>
        {
            Begin(frame, position);
            var thrown = value(frame);
            throw new JsThrow(thrown, position);
        };
    }

    private Execute CompileIf(IfSyntax statement)
    {
        var (test, then, position) = (Compile(statement.Test), Compile(statement.Then), statement.Position);
        var @else = statement.Else is null ? static _ => Completion.Normal : Compile(statement.Else);
        return frame =>
        {
            Begin(frame, position);
            return JsConvert.ToBoolean(test(frame)) ? then(frame) : @else(frame);
        };
    }

    private Execute CompileBlock(BlockSyntax block)
    {
        if (!DeclaresNames(block.Statements))
            return CompileAll(block.Statements);
        var code = InBlock(block.HasClosure, () =>
        {
            var makeFunctions = DeclareAll(block.Statements);
            var body = CompileAll(block.Statements);
            return (frame, _) =>
            {
                makeFunctions(frame);
                return body(frame);
            };
        });
        return frame => code(frame, default);
    }

    private static bool DeclaresNames(IEnumerable<StatementSyntax> statements) =>
        statements.Any(s => s is DeclarationSyntax { Kind: not DeclarationKind.Var } or FunctionDeclarationSyntax or ClassDeclarationSyntax);

    /// <summary>Compiles code with a scope of its own, and opens and leaves that scope around it.</summary>
    private BlockCode InBlock(bool hasClosure, Func<BlockCode> compile)
    {
        var scope = _scope = Scope.OfBlock(_scope, hasClosure);
        var code = compile();
        _scope = scope.Outer!;
        return (frame, input) =>
        {
            var outer = frame.Environment;
            scope.Open(frame);
            var completion = code(frame, input);
            frame.Environment = outer;
            return completion;
        };
    }

    private static BlockCode WithoutInput(Execute code) => (frame, _) => code(frame);

    private static Execute CompileJump(JumpSyntax jump)
    {
        var (completion, label) = (jump.IsBreak ? Completion.Break : Completion.Continue, jump.Label);
        return frame =>
        {
            frame.Label = label;
            return completion;
        };
    }

    private Execute CompileLabeled(LabeledSyntax labeled, IReadOnlyList<string> outerLabels)
    {
        _labels = [.. outerLabels, labeled.Label];
        var (body, label) = (Compile(labeled.Body), labeled.Label);
        return frame =>
        {
            var completion = body(frame);
            if (completion != Completion.Break || frame.Label != label)
                return completion;
            frame.Label = null;
            return Completion.Normal;
        };
    }

    private Execute CompileTry(TrySyntax statement)
    {
        var block = Compile(statement.Block);
        var guarded = statement.Catch is null ? block : CompileCatch(block, statement);
        if (statement.Finally is null)
            return guarded;
        var finalizer = Compile(statement.Finally);
        return frame =>
        {
            var outer = frame.Environment;
            var completion = Completion.Normal;
            JsThrow? pending = null;
            // Only what scripts throw: after a limit or a cancellation nothing of the script runs on.
            try
            {
                completion = guarded(frame);
            }
            catch (JsThrow thrown)
            {
                pending = thrown;
            }

            frame.Environment = outer;
            var (result, label) = (frame.Result, frame.Label);
            var last = finalizer(frame);
            if (last != Completion.Normal)
                return last;
            if (pending is not null)
                throw new JsThrow(pending.Value, pending.Position, pending.InnerException);
            (frame.Result, frame.Label) = (result, label);
            return completion;
        };
    }

    private Execute CompileCatch(Execute block, TrySyntax statement)
    {
        var handler = InBlock(statement.CatchHasClosure, () =>
        {
            if (statement.CatchTarget is not { } target)
                return WithoutInput(Compile(statement.Catch!));
            DeclarePattern(DeclarationKind.Let, target);
            var (assign, body) = (CompileTarget(target, isInitialization: true), Compile(statement.Catch!));
            return (frame, caught) =>
            {
                assign(frame, caught);
                return body(frame);
            };
        });
        return frame =>
        {
            var outer = frame.Environment;
            JsValue caught;
            try
            {
                return block(frame);
            }
            catch (JsThrow thrown)
            {
                caught = thrown.Value;
            }

            frame.Environment = outer;
            return handler(frame, caught);
        };
    }

    private Execute CompileSwitch(SwitchSyntax statement)
    {
        var (value, position) = (Compile(statement.Value), statement.Position);
        var code = InBlock(statement.HasClosure, () =>
        {
            var makeFunctions = DeclareAll(statement.Cases.SelectMany(c => c.Statements));
            var tests = statement.Cases.Select(c => CompileOptional(c.Test)).ToArray();
            var bodies = statement.Cases.Select(c => CompileAll(c.Statements)).ToArray();
            return (frame, input) =>
            {
                makeFunctions(frame);
                return RunFrom(frame, FindCase(frame, tests, input), bodies);
            };
        });
        return frame =>
        {
            Begin(frame, position);
            return code(frame, value(frame));
        };
    }

    /// <returns>The index of the case to begin with; beyond the last when there is none.</returns>
    private static int FindCase(Frame frame, Evaluate?[] tests, JsValue value)
    {
        for (var i = 0; i < tests.Length; i++)
        {
            if (tests[i] is { } test && Operators.StrictlyEquals(frame.Realm, test(frame), value))
                return i;
        }

        var @default = Array.IndexOf(tests, null);
        return @default < 0 ? tests.Length : @default;
    }

    private static Completion RunFrom(Frame frame, int first, Execute[] bodies)
    {
        for (var i = first; i < bodies.Length; i++)
        {
            var completion = bodies[i](frame);
            if (completion == Completion.Break && frame.Label is null)
                return Completion.Normal;
            if (completion != Completion.Normal)
                return completion;
        }

        return Completion.Normal;
    }
}
