namespace Aura.Workflows.Expressions.JavaScript;

internal sealed partial class Parser
{
    private StatementSyntax ParseStatement() => Nested(() =>
    {
        var statement = ParseStatementCore();
        CheckCover();
        return statement;
    });

    private StatementSyntax ParseStatementCore()
    {
        var position = _token.Position;
        switch (_token.Kind)
        {
            case TokenKind.Punctuator when _token.Text == "{":
                return ParseBlock();
            case TokenKind.Punctuator when _token.Text == ";":
                Advance();
                return new EmptySyntax(position);
            case TokenKind.Keyword:
                return ParseKeywordStatement(position);
            case TokenKind.Identifier when _token.Text == "let" && Peek() is { Kind: TokenKind.Identifier } or { Text: "[" or "{" }:
                return ParseDeclarationStatement(DeclarationKind.Let);
            case TokenKind.Identifier when _token.Text == "async" && Peek() is { NewlineBefore: false } next && next.Is("function"):
                return new FunctionDeclarationSyntax(position, ParseFunction(isDeclaration: true));
            case TokenKind.Identifier when Peek().Is(":"):
                return ParseLabeled(position);
            default:
                return ParseExpressionStatement(position);
        }
    }

    private StatementSyntax ParseKeywordStatement(int position)
    {
        switch (_token.Text)
        {
            case "var": return ParseDeclarationStatement(DeclarationKind.Var);
            case "const": return ParseDeclarationStatement(DeclarationKind.Const);
            case "function": return new FunctionDeclarationSyntax(position, ParseFunction(isDeclaration: true));
            case "class": return new ClassDeclarationSyntax(position, ParseClass(isDeclaration: true));
            case "if": return ParseIf(position);
            case "for": return ParseFor(position);
            case "while": return ParseWhile(position);
            case "do": return ParseDo(position);
            case "return": return ParseReturn(position);
            case "break" or "continue": return ParseJump(position);
            case "throw": return ParseThrow(position);
            case "try": return ParseTry(position);
            case "switch": return ParseSwitch(position);
            case "debugger":
                Advance();
                TakeSemicolon();
                return new EmptySyntax(position);
            case "import" or "export" or "with" or "enum":
                throw Error($"'{_token.Text}' is not supported", position);
            default: return ParseExpressionStatement(position);
        }
    }

    private ExpressionStatementSyntax ParseExpressionStatement(int position)
    {
        var expression = ParseExpression();
        TakeSemicolon();
        return new(position, expression);
    }

    private BlockSyntax ParseBlock()
    {
        var position = Take("{");
        var before = _closures;
        var statements = ParseStatementsUntilBrace();
        return new(position, statements, _closures > before);
    }

    /// <summary>Takes the closing brace too.</summary>
    private List<StatementSyntax> ParseStatementsUntilBrace()
    {
        var statements = new List<StatementSyntax>();
        while (!_token.Is("}"))
        {
            if (_token.Kind == TokenKind.End)
                throw Unexpected("'}'");
            statements.Add(ParseStatement());
        }

        Advance();
        return statements;
    }

    private DeclarationSyntax ParseDeclarationStatement(DeclarationKind kind)
    {
        var declaration = ParseDeclaration(kind);
        TakeSemicolon();
        return declaration;
    }

    private DeclarationSyntax ParseDeclaration(DeclarationKind kind)
    {
        var position = _token.Position;
        Advance();
        var declarators = new List<DeclaratorSyntax> { ParseDeclarator(kind, ParseBindingTarget()) };
        while (TryTake(","))
            declarators.Add(ParseDeclarator(kind, ParseBindingTarget()));
        NoteVars(kind, declarators.Select(d => d.Target));
        return new(position, kind, declarators);
    }

    private DeclaratorSyntax ParseDeclarator(DeclarationKind kind, ExpressionSyntax target)
    {
        var value = TryTake("=") ? Named(ParseAssignment(), target) : null;
        if (value is null && (kind == DeclarationKind.Const || target is not IdentifierSyntax))
            throw Unexpected(kind == DeclarationKind.Const ? "'=' and the constant's value" : "'=' and the value to take apart");
        return new(target.Position, target, value);
    }

    private void NoteVars(DeclarationKind kind, IEnumerable<ExpressionSyntax> targets)
    {
        if (kind == DeclarationKind.Var)
            _function.Vars.AddRange(targets.SelectMany(BoundNames));
    }

    private IfSyntax ParseIf(int position)
    {
        Advance();
        var test = ParseParenthesizedTest();
        var then = ParseSubStatement();
        return new(position, test, then, TryTake("else") ? ParseSubStatement() : null);
    }

    /// <summary>The statement of an if, loop or label, which has no scope for declarations.</summary>
    private StatementSyntax ParseSubStatement()
    {
        var statement = ParseStatement();
        return statement is DeclarationSyntax { Kind: not DeclarationKind.Var } or FunctionDeclarationSyntax or ClassDeclarationSyntax
            ? throw Error("A declaration needs braces around it here", statement.Position)
            : statement;
    }

    private ExpressionSyntax ParseParenthesizedTest()
    {
        Take("(");
        var test = ParseExpression();
        Take(")");
        return test;
    }

    private StatementSyntax ParseLoopBody()
    {
        _function.Loops++;
        var body = ParseSubStatement();
        _function.Loops--;
        return body;
    }

    private WhileSyntax ParseWhile(int position)
    {
        Advance();
        return new(position, ParseParenthesizedTest(), ParseLoopBody(), TestsAfterBody: false);
    }

    private WhileSyntax ParseDo(int position)
    {
        Advance();
        var body = ParseLoopBody();
        Take("while");
        var test = ParseParenthesizedTest();
        TryTake(";");
        return new(position, test, body, TestsAfterBody: true);
    }

    private StatementSyntax ParseFor(int position)
    {
        var before = _closures;
        Advance();
        if (_token.Is("await"))
            throw Error("'for await' is not supported; await each item inside the loop", _token.Position);
        Take("(");
        DeclarationKind? kind = _token switch
        {
            _ when _token.Is("var") => DeclarationKind.Var,
            _ when _token.Is("const") => DeclarationKind.Const,
            _ when IsContextual("let") && !Peek().Is(";") => DeclarationKind.Let,
            _ => null,
        };
        return kind is { } declared ? ParseForDeclaration(position, declared, before) : ParseForExpression(position, before);
    }

    private StatementSyntax ParseForDeclaration(int position, DeclarationKind kind, int closuresBefore)
    {
        Advance();
        var target = ParseBindingTarget();
        if (IsContextual("of") || _token.Is("in"))
        {
            NoteVars(kind, [target]);
            return ParseForEach(position, kind, target, closuresBefore);
        }

        var declarators = WithIn(false, () =>
        {
            var list = new List<DeclaratorSyntax> { ParseDeclarator(kind, target) };
            while (TryTake(","))
                list.Add(ParseDeclarator(kind, ParseBindingTarget()));
            return list;
        });
        NoteVars(kind, declarators.Select(d => d.Target));
        return ParseForRest(position, new DeclarationSyntax(position, kind, declarators), closuresBefore);
    }

    private StatementSyntax ParseForExpression(int position, int closuresBefore)
    {
        if (_token.Is(";"))
            return ParseForRest(position, null, closuresBefore);
        var first = WithIn(false, ParseExpression);
        if (IsContextual("of") || _token.Is("in"))
        {
            var target = ToTarget(first);
            _invalidCover = -1;
            return ParseForEach(position, null, target, closuresBefore);
        }

        return ParseForRest(position, new ExpressionStatementSyntax(first.Position, first), closuresBefore);
    }

    private ForEachSyntax ParseForEach(int position, DeclarationKind? kind, ExpressionSyntax target, int closuresBefore)
    {
        var isForOf = IsContextual("of");
        Advance();
        var source = isForOf ? ParseAssignment() : ParseExpression();
        Take(")");
        var body = ParseLoopBody();
        return new(position, isForOf, kind, target, source, body, _closures > closuresBefore);
    }

    private ForSyntax ParseForRest(int position, StatementSyntax? initializer, int closuresBefore)
    {
        Take(";");
        var test = _token.Is(";") ? null : ParseExpression();
        Take(";");
        var update = _token.Is(")") ? null : ParseExpression();
        Take(")");
        var body = ParseLoopBody();
        return new(position, initializer, test, update, body, _closures > closuresBefore);
    }

    private ReturnSyntax ParseReturn(int position)
    {
        Advance();
        var hasValue = !_token.Is(";") && !_token.Is("}") && _token.Kind != TokenKind.End && !_token.NewlineBefore;
        var value = hasValue ? ParseExpression() : null;
        TakeSemicolon();
        return new(position, value);
    }

    private JumpSyntax ParseJump(int position)
    {
        var isBreak = _token.Text == "break";
        Advance();
        string? label = null;
        if (_token.Kind == TokenKind.Identifier && !_token.NewlineBefore)
        {
            label = TakeIdentifier();
            if (!_function.Labels.Contains(label))
                throw Error($"There is no label '{label}' around this statement", position);
        }

        if (_function.Loops == 0 && (!isBreak || (_function.Switches == 0 && label is null)))
            throw Error(isBreak ? "'break' stands outside of a loop or switch" : "'continue' stands outside of a loop", position);
        TakeSemicolon();
        return new(position, isBreak, label);
    }

    private ThrowSyntax ParseThrow(int position)
    {
        Advance();
        if (_token.NewlineBefore)
            throw Error("The value to throw must begin on the line of 'throw'", _token.Position);
        var value = ParseExpression();
        TakeSemicolon();
        return new(position, value);
    }

    private TrySyntax ParseTry(int position)
    {
        Advance();
        var block = ParseBlock();
        ExpressionSyntax? target = null;
        BlockSyntax? handler = null;
        var before = _closures;
        if (TryTake("catch"))
        {
            if (TryTake("("))
            {
                target = ParseBindingTarget();
                Take(")");
            }

            handler = ParseBlock();
        }

        var catchHasClosure = _closures > before;
        var finalizer = TryTake("finally") ? ParseBlock() : null;
        if (handler is null && finalizer is null)
            throw Unexpected("'catch' or 'finally'");
        return new(position, block, target, handler, finalizer, catchHasClosure);
    }

    private SwitchSyntax ParseSwitch(int position)
    {
        Advance();
        var value = ParseParenthesizedTest();
        Take("{");
        var before = _closures;
        var cases = new List<CaseSyntax>();
        _function.Switches++;
        while (!TryTake("}"))
            cases.Add(ParseCase(cases.Exists(c => c.Test is null)));
        _function.Switches--;
        return new(position, value, cases, _closures > before);
    }

    private CaseSyntax ParseCase(bool hasDefault)
    {
        ExpressionSyntax? test = null;
        if (TryTake("case"))
            test = ParseExpression();
        else if (_token.Is("default") && hasDefault)
            throw Error("A switch has one 'default' only", _token.Position);
        else if (!TryTake("default"))
            throw Unexpected("'case', 'default' or '}'");
        Take(":");
        var statements = new List<StatementSyntax>();
        while (!_token.Is("case") && !_token.Is("default") && !_token.Is("}"))
            statements.Add(ParseStatement());
        return new(test, statements);
    }

    private LabeledSyntax ParseLabeled(int position)
    {
        var label = TakeIdentifier();
        Take(":");
        if (_function.Labels.Contains(label))
            throw Error($"The label '{label}' is declared twice", position);
        _function.Labels.Add(label);
        var body = ParseSubStatement();
        _function.Labels.RemoveAt(_function.Labels.Count - 1);
        return new(position, label, body);
    }
}
