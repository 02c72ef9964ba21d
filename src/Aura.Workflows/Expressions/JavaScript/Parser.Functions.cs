namespace Aura.Workflows.Expressions.JavaScript;

internal sealed partial class Parser
{
    private FunctionSyntax ParseFunction(bool isDeclaration)
    {
        var position = _token.Position;
        var isAsync = IsContextual("async");
        if (isAsync)
            Advance();
        Take("function");
        RefuseGenerator();
        var name = isDeclaration || _token.Kind == TokenKind.Identifier ? TakeIdentifier("the function's name") : "";
        return ParseFunctionRest(position, name, FunctionKind.Ordinary, isAsync);
    }

    private void RefuseGenerator()
    {
        if (_token.Is("*"))
            throw Error("Generators are not supported", _token.Position);
    }

    /// <summary>Parameters and body.</summary>
    private FunctionSyntax ParseFunctionRest(int position, string name, FunctionKind kind, bool isAsync)
    {
        var before = ++_closures;
        return InFunction(isArrow: false, isAsync, () =>
        {
            var (parameters, rest) = ParseParameters();
            var body = ParseFunctionBody();
            return new FunctionSyntax(
                position, name, kind, isAsync, parameters, rest, body, _function.Vars, _function.UsesArguments, _closures > before);
        });
    }

    private T InFunction<T>(bool isArrow, bool isAsync, Func<T> parse)
    {
        var outer = _function;
        _function = new(outer, isArrow, isAsync);
        var result = WithIn(true, parse);
        _function = outer;
        return result;
    }

    private BlockSyntax ParseFunctionBody()
    {
        var position = Take("{");
        return new(position, ParseStatementsUntilBrace(), HasClosure: true);
    }

    private (List<ElementSyntax> Parameters, ExpressionSyntax? RestTarget) ParseParameters()
    {
        Take("(");
        var parameters = new List<ElementSyntax>();
        ExpressionSyntax? rest = null;
        while (!TryTake(")"))
        {
            if (TryTake("..."))
            {
                rest = ParseBindingTarget();
                Take(")");
                break;
            }

            parameters.Add(ParseBindingElement());
            if (!_token.Is(")"))
                Take(",");
        }

        return (parameters, rest);
    }

    private bool IsAsyncArrowWithoutParentheses() =>
        IsContextual("async") && Peek() is { NewlineBefore: false, Kind: TokenKind.Identifier } name && TokenAfter(name).Is("=>");

    private Token TokenAfter(Token token)
    {
        _lexer.Rewind(token);
        var next = _lexer.Next();
        _lexer.Rewind(_token);
        return next;
    }

    /// <summary>Leaves <c>async x</c> in the form of <c>async(x)</c>, which <see cref="ParseArrow"/> takes.</summary>
    private CallSyntax ParseAsyncArrowWithoutParentheses()
    {
        var position = _token.Position;
        Advance();
        var parameter = new IdentifierSyntax(_token.Position, TakeIdentifier());
        return new(position, new IdentifierSyntax(position, "async"), [parameter], IsOptional: false);
    }

    /// <param name="head">What stands before the arrow.</param>
    private FunctionSyntax ParseArrow(ExpressionSyntax head)
    {
        var (items, isAsync) = head switch
        {
            IdentifierSyntax name => (new List<ExpressionSyntax> { name }, false),
            ParenthesizedSyntax { Inner: SequenceSyntax sequence } => (sequence.Items, false),
            ParenthesizedSyntax { Inner: var single } => ([single], false),
            CallSyntax { Callee: IdentifierSyntax { Name: "async" }, IsOptional: false } call => (call.Arguments, true),
            _ => throw Unexpected("';'"),
        };
        ExpressionSyntax? rest = null;
        if (items is [.., SpreadSyntax spread])
        {
            rest = ToBindingTarget(spread.Argument);
            items = [.. items.Take(items.Count - 1)];
        }

        var parameters = items.Select(i => ToElement(i, bindingsOnly: true)).ToList();
        _invalidCover = -1;
        Take("=>");
        return ParseArrowBody(head.Position, parameters, rest, isAsync);
    }

    private FunctionSyntax ParseArrowBody(int position, List<ElementSyntax> parameters, ExpressionSyntax? rest, bool isAsync)
    {
        // The body of an arrow in a for loop's head obeys the head's rule about `in`.
        var inAllowed = _inAllowed;
        var before = ++_closures;
        return InFunction(isArrow: true, isAsync, () =>
        {
            StatementSyntax body = _token.Is("{") ? ParseFunctionBody() : ExpressionBody();
            return new FunctionSyntax(
                position, "", FunctionKind.Arrow, isAsync, parameters, rest, body, _function.Vars, UsesArguments: false, _closures > before);
        });

        ReturnSyntax ExpressionBody() => new(_token.Position, WithIn(inAllowed, ParseAssignment));
    }

    // Objects

    private ObjectSyntax ParseObject()
    {
        var position = Take("{");
        return new(position, ParseList("}", ParseProperty));
    }

    private PropertySyntax ParseProperty()
    {
        var start = _token;
        if (TryTake("..."))
            return new(start.Position, PropertyKind.Spread, new(null), ParseAssignment());
        RefuseGenerator();
        var (accessor, isAsync) = ParseModifier();
        var key = ParseKey();
        if (accessor is { } kind)
            return new(start.Position, kind, key, ParseAccessor(start.Position, key, kind == PropertyKind.Getter));
        if (_token.Is("(") || isAsync)
            return new(start.Position, PropertyKind.Value, key, ParseFunctionRest(start.Position, key.Name ?? "", FunctionKind.Method, isAsync));
        if (TryTake(":"))
            return new(start.Position, PropertyKind.Value, key, Named(ParseAssignment(), key.Name));
        if (start.Kind != TokenKind.Identifier)
            throw Unexpected("':' after the property's name");
        var name = Identifier(start);
        if (!_token.Is("="))
            return new(start.Position, PropertyKind.Value, key, name, IsShorthand: true);
        if (_invalidCover < 0)
            _invalidCover = _token.Position;
        Advance();
        var pattern = new AssignmentSyntax(start.Position, "", name, Named(ParseAssignment(), name));
        return new(start.Position, PropertyKind.ShorthandWithDefault, key, pattern, IsShorthand: true);
    }

    /// <summary><c>get</c>, <c>set</c> or <c>async</c> before a key, where it is not the key itself.</summary>
    private (PropertyKind? Accessor, bool IsAsync) ParseModifier()
    {
        if (_token.Kind != TokenKind.Identifier || _token.Text is not ("get" or "set" or "async"))
            return default;
        var next = Peek();
        if (next.Kind is TokenKind.Punctuator && next.Text is not ("[" or "*"))
            return default;
        if (next.Kind == TokenKind.End || (_token.Text == "async" && next.NewlineBefore))
            return default;
        var text = _token.Text;
        Advance();
        RefuseGenerator();
        return text switch
        {
            "get" => (PropertyKind.Getter, false),
            "set" => (PropertyKind.Setter, false),
            _ => (null, true),
        };
    }

    private FunctionSyntax ParseAccessor(int position, KeySyntax key, bool isGetter)
    {
        var function = ParseFunctionRest(position, key.Name ?? "", FunctionKind.Method, isAsync: false);
        var parameters = function.Parameters.Count + (function.Rest is null ? 0 : 1);
        if (parameters != (isGetter ? 0 : 1))
            throw Error(isGetter ? "A getter takes no parameters" : "A setter takes one parameter", position);
        return function;
    }

    private KeySyntax ParseKey()
    {
        var token = _token;
        switch (token.Kind)
        {
            case TokenKind.Identifier or TokenKind.Keyword or TokenKind.String:
                Advance();
                return new(token.Text);
            case TokenKind.Number:
                Advance();
                return new(Numbers.ToText(token.Number));
            case TokenKind.PrivateName:
                Advance();
                return new(token.Text, IsPrivate: true);
            case TokenKind.Punctuator when token.Text == "[":
                Advance();
                var computed = WithIn(true, ParseAssignment);
                Take("]");
                return KeyOf(computed);
            default:
                throw Unexpected("a property's name");
        }
    }

    /// <summary>A constant string is a name like any other.</summary>
    private static KeySyntax KeyOf(ExpressionSyntax computed) =>
        computed is LiteralSyntax { Value: { IsString: true } name } ? new(name.AsString()) : new(null, computed);

    // Classes

    private ClassSyntax ParseClass(bool isDeclaration)
    {
        _closures++;
        var position = Take("class");
        var name = isDeclaration || _token.Kind == TokenKind.Identifier ? TakeIdentifier("the class's name") : "";
        var @base = TryTake("extends") ? ParseChain(ParsePrimary(), callsAllowed: true) : null;
        Take("{");
        FunctionSyntax? constructor = null;
        var members = new List<ClassMemberSyntax>();
        while (!TryTake("}"))
        {
            if (TryTake(";"))
                continue;
            var member = ParseClassMember(@base is not null, name);
            if (member is not { IsStatic: false, Value.Kind: FunctionKind.Constructor or FunctionKind.DerivedConstructor })
                members.Add(member);
            else if (constructor is null)
                constructor = member.Value;
            else
                throw Error("A class has one constructor only", member.Position);
        }

        return new(position, name, @base, constructor, members);
    }

    private ClassMemberSyntax ParseClassMember(bool isDerived, string className)
    {
        var position = _token.Position;
        RefuseGenerator();
        var isStatic = IsContextual("static") && Peek() is var next && !next.Is("(") && !next.Is("=") && !next.Is(";") && !next.Is("}");
        if (isStatic)
            Advance();
        RefuseGenerator();
        if (isStatic && _token.Is("{"))
            return new(position, ClassMemberKind.StaticBlock, true, new(""), ParseInitializer(position, "", ParseFunctionBody));
        var (accessor, isAsync) = ParseModifier();
        var key = ParseKey();
        if (accessor is { } kind)
        {
            var function = ParseAccessor(position, key, kind == PropertyKind.Getter);
            return new(position, kind == PropertyKind.Getter ? ClassMemberKind.Getter : ClassMemberKind.Setter, isStatic, key, function);
        }

        if (_token.Is("("))
            return ParseMethod(position, key, isStatic, isAsync, isDerived, className);
        var value = TryTake("=") ? ParseInitializer(position, key.Name ?? "", () => FieldValue(key)) : null;
        TakeSemicolon();
        return new(position, ClassMemberKind.Field, isStatic, key, value);

        ReturnSyntax FieldValue(KeySyntax field) => new(_token.Position, Named(ParseAssignment(), field.Name));
    }

    private ClassMemberSyntax ParseMethod(int position, KeySyntax key, bool isStatic, bool isAsync, bool isDerived, string className)
    {
        var isConstructor = !isStatic && key is { Name: "constructor", IsPrivate: false };
        var kind = isConstructor ? (isDerived ? FunctionKind.DerivedConstructor : FunctionKind.Constructor) : FunctionKind.Method;
        var function = ParseFunctionRest(position, isConstructor ? className : key.Name ?? "", kind, isAsync);
        return new(position, ClassMemberKind.Method, isStatic, key, function);
    }

    /// <summary>A field's value or a static block, as a method without parameters.</summary>
    private FunctionSyntax ParseInitializer(int position, string name, Func<StatementSyntax> parseBody)
    {
        _closures++;
        return InFunction(isArrow: false, isAsync: false, () =>
        {
            var body = parseBody();
            return new FunctionSyntax(
                position, name, FunctionKind.Method, false, [], null, body, _function.Vars, _function.UsesArguments, HasClosure: true);
        });
    }
}
