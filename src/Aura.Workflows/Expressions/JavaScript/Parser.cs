namespace Aura.Workflows.Expressions.JavaScript;

/// <summary>
/// Builds the syntax tree by recursive descent. It takes every text once from left to right: what may turn out to be
/// a pattern is read as an expression first (see Parser.Patterns.cs).
/// </summary>
internal sealed partial class Parser
{
    private const int MaxNesting = 250;
    private const int MaxChain = 5000;

    private readonly Lexer _lexer;
    private Token _token;
    private int _previousEnd;
    private FunctionContext _function = new(null, isArrow: false, isAsync: true);
    private int _nesting;

    /// <summary>How many functions and classes were read so far: two readings tell whether a block holds any.</summary>
    private int _closures;

    /// <summary>False in the head of a for loop, where <c>in</c> is no operator.</summary>
    private bool _inAllowed = true;

    private Parser(string source)
    {
        _lexer = new(source);
        _token = _lexer.Next();
    }

    /// <summary>The whole text as one function: an expression where it can be read as one, else statements.</summary>
    /// <exception cref="ScriptSyntaxException">It is neither. The error is that of the reading that came further.</exception>
    public static FunctionSyntax ParseScript(string source)
    {
        try
        {
            return new Parser(source).ParseExpressionScript();
        }
        catch (ScriptSyntaxException asExpression)
        {
            try
            {
                return new Parser(source).ParseProgram();
            }
            catch (ScriptSyntaxException asProgram)
            {
                var expressionCameFurther = (asExpression.Line, asExpression.Column).CompareTo((asProgram.Line, asProgram.Column)) > 0;
                throw expressionCameFurther ? asExpression : asProgram;
            }
        }
    }

    private FunctionSyntax ParseExpressionScript()
    {
        if (_token.Kind == TokenKind.End)
            return Script(new EmptySyntax(0));
        var expression = ParseExpression();
        while (_token.Is(";"))
            Advance();
        if (_token.Kind != TokenKind.End)
            throw Unexpected("the end of the expression");
        CheckCover();
        return Script(new ReturnSyntax(0, expression));
    }

    private FunctionSyntax ParseProgram()
    {
        var statements = new List<StatementSyntax>();
        while (_token.Kind != TokenKind.End)
            statements.Add(ParseStatement());
        return Script([.. statements]);
    }

    private FunctionSyntax Script(params StatementSyntax[] statements) =>
        new(0, "", FunctionKind.Ordinary, IsAsync: false, [], null, new BlockSyntax(0, statements, HasClosure: true), _function.Vars,
            UsesArguments: false, HasClosure: true);

    // Tokens

    private void Advance()
    {
        _previousEnd = _token.End;
        _token = _lexer.Next();
    }

    private bool TryTake(string punctuatorOrKeyword)
    {
        if (!_token.Is(punctuatorOrKeyword))
            return false;
        Advance();
        return true;
    }

    private int Take(string punctuatorOrKeyword)
    {
        var position = _token.Position;
        if (!TryTake(punctuatorOrKeyword))
            throw Unexpected($"'{punctuatorOrKeyword}'");
        return position;
    }

    private bool IsContextual(string name) => _token.Kind == TokenKind.Identifier && _token.Text == name;

    private string TakeIdentifier(string expected = "a name")
    {
        if (_token.Kind != TokenKind.Identifier)
            throw Unexpected(expected);
        var name = _token.Text;
        Advance();
        return name;
    }

    private Token Peek()
    {
        var next = _lexer.Next();
        _lexer.Rewind(_token);
        return next;
    }

    /// <summary>A statement's end: a semicolon, or a place where JavaScript puts one itself.</summary>
    private void TakeSemicolon()
    {
        if (!TryTake(";") && !_token.Is("}") && _token.Kind != TokenKind.End && !_token.NewlineBefore)
            throw Unexpected("';'");
    }

    private ScriptSyntaxException Unexpected(string expected) => Error($"Expected {expected} but found {Describe(_token)}", _token.Position);

    private ScriptSyntaxException Error(string message, int position) => _lexer.Error(message, position);

    private static string Describe(Token token) => token.Kind switch
    {
        TokenKind.End => "the end of the script",
        TokenKind.Number => "a number",
        TokenKind.String => "a string",
        TokenKind.Template => "a template",
        TokenKind.PrivateName => $"'#{token.Text}'",
        _ => $"'{token.Text}'",
    };

    // Nesting

    private T Nested<T>(Func<T> parse)
    {
        if (++_nesting > MaxNesting)
            throw Error($"The script is nested more than {MaxNesting} levels deep", _token.Position);
        Budget.EnsureStack();
        var result = parse();
        _nesting--;
        return result;
    }

    private T WithIn<T>(bool allowed, Func<T> parse)
    {
        var outer = _inAllowed;
        _inAllowed = allowed;
        var result = parse();
        _inAllowed = outer;
        return result;
    }

    /// <summary>What must be known of the function that is being read.</summary>
    private sealed class FunctionContext(FunctionContext? outer, bool isArrow, bool isAsync)
    {
        public FunctionContext? Outer => outer;

        public bool IsArrow => isArrow;

        public bool IsAsync => isAsync;

        public List<string> Vars { get; } = [];

        public List<string> Labels { get; } = [];

        public int Loops { get; set; }

        public int Switches { get; set; }

        public bool UsesArguments { get; set; }
    }
}
