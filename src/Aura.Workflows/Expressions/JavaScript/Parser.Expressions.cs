namespace Aura.Workflows.Expressions.JavaScript;

internal sealed partial class Parser
{
    private static readonly HashSet<string> AssignmentOperators =
    [
        "=", "+=", "-=", "*=", "/=", "%=", "**=", "<<=", ">>=", ">>>=", "&=", "|=", "^=", "&&=", "||=", "??=",
    ];

    private ExpressionSyntax ParseExpression()
    {
        var first = ParseAssignment();
        if (!_token.Is(","))
            return first;
        var items = new List<ExpressionSyntax> { first };
        while (TryTake(","))
            items.Add(ParseAssignment());
        return new SequenceSyntax(first.Position, items);
    }

    private ExpressionSyntax ParseAssignment() => Nested(() =>
    {
        var outerCover = _invalidCover;
        _invalidCover = -1;
        var result = ParseAssignmentCore();
        if (_invalidCover < 0)
            _invalidCover = outerCover;
        return result;
    });

    private ExpressionSyntax ParseAssignmentCore()
    {
        if (_token.Is("yield"))
            throw Error("Generators are not supported", _token.Position);
        var left = IsAsyncArrowWithoutParentheses() ? ParseAsyncArrowWithoutParentheses() : ParseConditional();
        if (_token.Is("=>") && !_token.NewlineBefore)
            return ParseArrow(left);
        if (_token.Kind != TokenKind.Punctuator || !AssignmentOperators.Contains(_token.Text))
            return left;
        var position = _token.Position;
        var @operator = _token.Text[..^1];
        var target = @operator.Length == 0 ? ToTarget(left) : ToSimpleTarget(left);
        _invalidCover = -1;
        Advance();
        return new AssignmentSyntax(position, @operator, target, Named(ParseAssignment(), target));
    }

    private ExpressionSyntax ParseConditional()
    {
        var test = ParseBinary(0);
        if (!_token.Is("?"))
            return test;
        Advance();
        var then = WithIn(true, ParseAssignment);
        Take(":");
        return new ConditionalSyntax(test.Position, test, then, ParseAssignment());
    }

    /// <summary>Binary operators by precedence climbing: one loop for all levels.</summary>
    private ExpressionSyntax ParseBinary(int minimum)
    {
        var left = _token.Kind == TokenKind.PrivateName ? ParsePrivateIn() : ParseUnary();
        for (var length = 0; Precedence(_token) is var precedence && precedence > minimum; length++)
        {
            if (length > MaxChain)
                throw Error($"An expression with more than {MaxChain} operators in a row", _token.Position);
            var (position, text) = (_token.Position, _token.Text);
            if (text == "**" && left is UnarySyntax or AwaitSyntax)
                throw Error("Put parentheses around the operand on the left of '**'", position);
            Advance();
            var right = text == "**" ? Nested(() => ParseBinary(precedence - 1)) : ParseBinary(precedence);
            left = Combine(position, text, left, right);
        }

        return left;
    }

    private ExpressionSyntax Combine(int position, string @operator, ExpressionSyntax left, ExpressionSyntax right)
    {
        if (@operator is not ("&&" or "||" or "??"))
            return new BinarySyntax(position, @operator, left, right);
        if (Mixes(left) || Mixes(right))
            throw Error("Put parentheses where '??' meets '&&' or '||'", position);
        return new LogicalSyntax(position, @operator, left, right);

        bool Mixes(ExpressionSyntax operand) => operand is LogicalSyntax inner && (inner.Operator == "??") != (@operator == "??");
    }

    private int Precedence(Token token) => token.Kind is TokenKind.Punctuator or TokenKind.Keyword
        ? token.Text switch
        {
            "??" => 1,
            "||" => 2,
            "&&" => 3,
            "|" => 4,
            "^" => 5,
            "&" => 6,
            "==" or "!=" or "===" or "!==" => 7,
            "<" or ">" or "<=" or ">=" or "instanceof" => 8,
            "in" => _inAllowed ? 8 : 0,
            "<<" or ">>" or ">>>" => 9,
            "+" or "-" => 10,
            "*" or "/" or "%" => 11,
            "**" => 12,
            _ => 0,
        }
        : 0;

    private PrivateInSyntax ParsePrivateIn()
    {
        var (position, name) = (_token.Position, _token.Text);
        Advance();
        Take("in");
        return new(position, name, ParseBinary(8));
    }

    private ExpressionSyntax ParseUnary()
    {
        var (position, text) = (_token.Position, _token.Text);
        if (_token.Kind is not (TokenKind.Punctuator or TokenKind.Keyword))
            return ParsePostfix();
        switch (text)
        {
            case "!" or "~" or "+" or "-" or "typeof" or "void" or "delete":
                Advance();
                var operand = Nested(ParseUnary);
                return text == "delete" && operand is IdentifierSyntax
                    ? throw Error("A variable cannot be deleted", position)
                    : new UnarySyntax(position, text, operand);
            case "++" or "--":
                Advance();
                return new UpdateSyntax(position, text == "++", IsPrefix: true, ToSimpleTarget(Nested(ParseUnary)));
            case "await":
                if (!_function.IsAsync)
                    throw Error("'await' stands in a function that is not async", position);
                Advance();
                return new AwaitSyntax(position, Nested(ParseUnary));
            default:
                return ParsePostfix();
        }
    }

    private ExpressionSyntax ParsePostfix()
    {
        var operand = ParseChain(ParsePrimary(), callsAllowed: true);
        if (_token.NewlineBefore || (!_token.Is("++") && !_token.Is("--")))
            return operand;
        var update = new UpdateSyntax(_token.Position, _token.Text == "++", IsPrefix: false, ToSimpleTarget(operand));
        Advance();
        return update;
    }

    /// <summary>Members, calls and templates that follow an expression.</summary>
    private ExpressionSyntax ParseChain(ExpressionSyntax start, bool callsAllowed)
    {
        var result = start;
        var isOptional = false;
        for (var length = 0; ; length++)
        {
            if (length > MaxChain)
                throw Error($"A chain of more than {MaxChain} members and calls", _token.Position);
            var position = _token.Position;
            if (TryTake("."))
            {
                result = new MemberSyntax(_token.Position, result, ParseMemberName(), IsOptional: false);
            }
            else if (_token.Is("?.") && callsAllowed)
            {
                Advance();
                isOptional = true;
                result = ParseOptionalLink(result);
            }
            else if (_token.Is("["))
            {
                result = new MemberSyntax(position, result, ParseIndex(), IsOptional: false);
            }
            else if (_token.Is("(") && callsAllowed)
            {
                result = new CallSyntax(result.Position, result, ParseArguments(), IsOptional: false);
            }
            else if (_token.Kind == TokenKind.Template)
            {
                if (isOptional)
                    throw Error("A template cannot follow an optional chain", position);
                result = new TaggedTemplateSyntax(position, result, ParseTemplate());
            }
            else
            {
                return isOptional ? new ChainSyntax(start.Position, result) : result;
            }
        }
    }

    private ExpressionSyntax ParseOptionalLink(ExpressionSyntax target)
    {
        if (_token.Is("("))
            return new CallSyntax(target.Position, target, ParseArguments(), IsOptional: true);
        return new MemberSyntax(_token.Position, target, _token.Is("[") ? ParseIndex() : ParseMemberName(), IsOptional: true);
    }

    private KeySyntax ParseIndex()
    {
        Take("[");
        var index = WithIn(true, ParseExpression);
        Take("]");
        return KeyOf(index);
    }

    private KeySyntax ParseMemberName()
    {
        var name = _token.Text;
        var isPrivate = _token.Kind == TokenKind.PrivateName;
        if (!isPrivate && _token.Kind is not (TokenKind.Identifier or TokenKind.Keyword))
            throw Unexpected("a member's name");
        Advance();
        return new(name, IsPrivate: isPrivate);
    }

    private List<ExpressionSyntax> ParseArguments()
    {
        Take("(");
        return WithIn(true, () => ParseList(")", ParseSpreadable));
    }

    private ExpressionSyntax ParseSpreadable() =>
        _token.Is("...") ? new SpreadSyntax(Take("..."), ParseAssignment()) : ParseAssignment();

    /// <summary>Items with commas between; a trailing comma is allowed. Takes the closing token.</summary>
    private List<T> ParseList<T>(string close, Func<T> parseItem)
    {
        var items = new List<T>();
        while (!TryTake(close))
        {
            items.Add(parseItem());
            if (!_token.Is(close) && !TryTake(","))
                throw Unexpected($"',' or '{close}'");
        }

        return items;
    }

    private ExpressionSyntax ParsePrimary()
    {
        var token = _token;
        switch (token.Kind)
        {
            case TokenKind.Number:
                Advance();
                return new LiteralSyntax(token.Position, token.Number);
            case TokenKind.String:
                Advance();
                return new LiteralSyntax(token.Position, token.Text);
            case TokenKind.Template:
                return ParseTemplate();
            case TokenKind.Identifier when token.Text == "async" && Peek() is { NewlineBefore: false } next && next.Is("function"):
                return ParseFunction(isDeclaration: false);
            case TokenKind.Identifier:
                Advance();
                return Identifier(token);
            case TokenKind.Keyword:
                return ParseKeywordExpression(token);
            case TokenKind.Punctuator:
                return ParsePunctuatorExpression(token);
            default:
                throw Unexpected("an expression");
        }
    }

    private IdentifierSyntax Identifier(Token token)
    {
        if (token.Text == "arguments")
            MarkArguments();
        return new(token.Position, token.Text);
    }

    private void MarkArguments()
    {
        var function = _function;
        while (function is { IsArrow: true, Outer: not null })
            function = function.Outer;
        function.UsesArguments = true;
    }

    private ExpressionSyntax ParseKeywordExpression(Token token)
    {
        switch (token.Text)
        {
            case "function": return ParseFunction(isDeclaration: false);
            case "class": return ParseClass(isDeclaration: false);
            case "new": return ParseNew();
            case "import": throw Error("'import' is not supported", token.Position);
        }

        ExpressionSyntax? simple = token.Text switch
        {
            "this" => new ThisSyntax(token.Position),
            "null" => new LiteralSyntax(token.Position, JsValue.Null),
            "true" => new LiteralSyntax(token.Position, true),
            "false" => new LiteralSyntax(token.Position, false),
            "super" => new SuperSyntax(token.Position),
            _ => null,
        };
        if (simple is null)
            throw Unexpected("an expression");
        Advance();
        if (simple is SuperSyntax && !_token.Is("(") && !_token.Is(".") && !_token.Is("["))
            throw Unexpected("'(' or '.' after 'super'");
        return simple;
    }

    private ExpressionSyntax ParsePunctuatorExpression(Token token)
    {
        switch (token.Text)
        {
            case "(":
                return WithIn(true, ParseParenthesized);
            case "[":
                return WithIn(true, ParseArray);
            case "{":
                return WithIn(true, ParseObject);
            case "/" or "/=":
                var regex = _lexer.RegexAt(token);
                Advance();
                return new RegexSyntax(regex.Position, regex.Text, regex.Extra);
            default:
                throw Unexpected("an expression");
        }
    }

    /// <summary>An expression in parentheses, or the parameters of an arrow function.</summary>
    private ExpressionSyntax ParseParenthesized()
    {
        var position = Take("(");
        var trailingComma = false;
        var items = new List<ExpressionSyntax>();
        while (!_token.Is(")"))
        {
            items.Add(ParseSpreadable());
            trailingComma = TryTake(",");
            if (!trailingComma && !_token.Is(")"))
                throw Unexpected("',' or ')'");
        }

        Advance();
        if (_token.Is("=>"))
            return new ParenthesizedSyntax(position, new SequenceSyntax(position, items));
        if (items.Count == 0 || trailingComma || items.Exists(i => i is SpreadSyntax))
            throw Unexpected("'=>'");
        return new ParenthesizedSyntax(position, items.Count == 1 ? items[0] : new SequenceSyntax(position, items));
    }

    private ArraySyntax ParseArray()
    {
        var position = Take("[");
        return new(position, ParseList("]", () => _token.Is(",") ? null : ParseSpreadable()));
    }

    private TemplateSyntax ParseTemplate()
    {
        var position = _token.Position;
        var cooked = new List<string>();
        var raw = new List<string>();
        var substitutions = new List<ExpressionSyntax>();
        while (true)
        {
            cooked.Add(_token.Text);
            raw.Add(_token.Extra);
            if (_token.EndsTemplate)
                break;
            Advance();
            substitutions.Add(WithIn(true, ParseExpression));
            if (!_token.Is("}"))
                throw Unexpected("'}' after the template's substitution");
            _token = _lexer.TemplateAfter(_token);
        }

        Advance();
        return new(position, cooked, raw, substitutions);
    }

    private ExpressionSyntax ParseNew()
    {
        var position = Take("new");
        if (TryTake("."))
        {
            if (TakeIdentifier("'target'") != "target")
                throw Error("Expected 'target' after 'new.'", position);
            return new NewTargetSyntax(position);
        }

        var callee = _token.Is("new") ? Nested(ParseNew) : ParsePrimary();
        callee = ParseChain(callee, callsAllowed: false);
        return new NewSyntax(position, callee, _token.Is("(") ? ParseArguments() : []);
    }
}
