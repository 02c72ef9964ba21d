using System.Globalization;
using System.Text;

namespace Aura.Workflows.Expressions.JavaScript;

internal enum TokenKind
{
    End,
    Identifier,
    Keyword,
    PrivateName,
    Punctuator,
    Number,
    String,
    Template,
    Regex,
}

/// <param name="Text">The name or punctuator; of a string or template chunk its value; of a regular expression its pattern.</param>
/// <param name="Extra">Of a template chunk its raw text, of a regular expression its flags.</param>
internal readonly record struct Token(
    TokenKind Kind, string Text, int Position, int End, bool NewlineBefore, double Number = 0, string Extra = "", bool EndsTemplate = false)
{
    public bool Is(string punctuatorOrKeyword) =>
        Kind is TokenKind.Punctuator or TokenKind.Keyword && Text == punctuatorOrKeyword;
}

/// <summary>Cuts a text into tokens, one at a time: whether a slash divides or begins a regular expression only the parser knows.</summary>
internal sealed class Lexer(string source)
{
    private static readonly HashSet<string> Keywords = new(StringComparer.Ordinal)
    {
        "await", "break", "case", "catch", "class", "const", "continue", "debugger", "default", "delete", "do", "else", "enum", "export",
        "extends", "false", "finally", "for", "function", "if", "import", "in", "instanceof", "new", "null", "return", "super", "switch",
        "this", "throw", "true", "try", "typeof", "var", "void", "while", "with", "yield",
    };

    // Longest first.
    private static readonly string[] Punctuators =
    [
        ">>>=", "...", "===", "!==", "**=", "<<=", ">>=", ">>>", "&&=", "||=", "??=",
        "=>", "==", "!=", "<=", ">=", "&&", "||", "??", "?.", "++", "--", "+=", "-=", "*=", "/=", "%=", "&=", "|=", "^=", "<<", ">>", "**",
        "{", "}", "(", ")", "[", "]", ";", ",", "<", ">", "+", "-", "*", "/", "%", "&", "|", "^", "!", "~", "?", ":", "=", ".",
    ];

    private int _position;

    public string Source => source;

    public Token Next()
    {
        var newline = SkipTrivia();
        var start = _position;
        if (start >= source.Length)
            return new(TokenKind.End, "", start, start, newline);
        var c = source[start];
        if (IsIdentifierStart(c))
            return Word(start, newline);
        if (char.IsAsciiDigit(c) || (c == '.' && char.IsAsciiDigit(At(start + 1))))
            return NumberToken(start, newline);
        return c switch
        {
            '"' or '\'' => StringToken(c, newline),
            '`' => TemplateChunk(newline),
            '#' when IsIdentifierStart(At(start + 1)) => PrivateName(start, newline),
            _ => Punctuator(start, newline),
        };
    }

    /// <summary>Reads the slash at a token's place as the beginning of a regular expression.</summary>
    public Token RegexAt(Token slash)
    {
        _position = slash.Position + 1;
        var inClass = false;
        for (; ; _position++)
        {
            var c = At(_position);
            if (_position >= source.Length || c is '\n' or '\r')
                throw Error("The regular expression has no end", slash.Position);
            if (c == '\\')
                _position++;
            else if (c == '[')
                inClass = true;
            else if (c == ']')
                inClass = false;
            else if (c == '/' && !inClass)
                break;
        }

        var pattern = source[(slash.Position + 1).._position++];
        var flags = _position;
        while (IsIdentifierPart(At(_position)))
            _position++;
        return new(TokenKind.Regex, pattern, slash.Position, _position, slash.NewlineBefore, Extra: source[flags.._position]);
    }

    /// <summary>Reads on in a template after the brace that closes a substitution.</summary>
    public Token TemplateAfter(Token brace)
    {
        _position = brace.Position;
        return TemplateChunk(brace.NewlineBefore);
    }

    /// <summary>Goes back to a token, which <see cref="Next"/> then returns the successor of.</summary>
    public void Rewind(Token token) => _position = token.End;

    public ScriptSyntaxException Error(string message, int position)
    {
        var (line, column) = SourcePosition.Of(source, position);
        return new(message, line, column);
    }

    public static bool IsIdentifierStart(char c) =>
        char.IsAsciiLetter(c) || c is '_' or '$' || (c > 127 && (char.IsLetter(c) || char.GetUnicodeCategory(c) == UnicodeCategory.LetterNumber));

    public static bool IsIdentifierPart(char c) => IsIdentifierStart(c) || char.IsAsciiDigit(c) || (c > 127
        && char.GetUnicodeCategory(c) is UnicodeCategory.DecimalDigitNumber or UnicodeCategory.NonSpacingMark or UnicodeCategory.ConnectorPunctuation
            or UnicodeCategory.SpacingCombiningMark || c is '\u200c' or '\u200d');

    public static bool IsLineTerminator(char c) => c is '\n' or '\r' or '\u2028' or '\u2029';

    private char At(int index) => index < source.Length ? source[index] : '\0';

    private bool SkipTrivia()
    {
        var newline = false;
        while (_position < source.Length)
        {
            var c = source[_position];
            if (IsLineTerminator(c))
                newline = true;
            else if (c == '/' && At(_position + 1) == '/')
                SkipToLineEnd();
            else if (c == '/' && At(_position + 1) == '*')
                newline |= SkipComment();
            else if (!char.IsWhiteSpace(c) && c != '\ufeff')
                break;
            _position++;
        }

        return newline;
    }

    /// <summary>Stops before the line's end.</summary>
    private void SkipToLineEnd()
    {
        while (_position + 1 < source.Length && !IsLineTerminator(source[_position + 1]))
            _position++;
    }

    /// <summary>Stops on the comment's last character. True when the comment holds a line break.</summary>
    private bool SkipComment()
    {
        var end = source.IndexOf("*/", _position + 2, StringComparison.Ordinal);
        if (end < 0)
            throw Error("The comment has no end", _position);
        var newline = source.AsSpan(_position, end - _position).IndexOfAny("\n\r\u2028\u2029") >= 0;
        _position = end + 1;
        return newline;
    }

    private Token Word(int start, bool newline)
    {
        while (IsIdentifierPart(At(_position)))
            _position++;
        var text = source[start.._position];
        return new(Keywords.Contains(text) ? TokenKind.Keyword : TokenKind.Identifier, text, start, _position, newline);
    }

    private Token PrivateName(int start, bool newline)
    {
        _position++;
        return Word(start + 1, newline) with { Kind = TokenKind.PrivateName, Position = start };
    }

    private Token Punctuator(int start, bool newline)
    {
        foreach (var text in Punctuators)
        {
            // "?.5" is a conditional with a number, not an optional chain.
            if (string.CompareOrdinal(source, start, text, 0, text.Length) != 0 || (text == "?." && char.IsAsciiDigit(At(start + 2))))
                continue;
            _position += text.Length;
            return new(TokenKind.Punctuator, text, start, _position, newline);
        }

        throw Error($"Unexpected character '{source[start]}'", start);
    }

    private Token NumberToken(int start, bool newline)
    {
        var value = source[start] == '0' && char.ToLowerInvariant(At(start + 1)) is var prefix and ('x' or 'o' or 'b')
            ? RadixNumber(prefix switch { 'x' => 16, 'o' => 8, _ => 2 })
            : DecimalNumber();
        if (At(_position) == 'n')
            throw Error("BigInt numbers are not supported", start);
        if (IsIdentifierPart(At(_position)))
            throw Error("A number must not be followed by a letter or digit", _position);
        return new(TokenKind.Number, "", start, _position, newline, value);
    }

    private double RadixNumber(int radix)
    {
        var start = _position;
        _position += 2;
        var digits = TakeDigits(c => char.IsAsciiHexDigit(c));
        var value = Numbers.ParseRadix(digits, radix);
        return digits.Length > 0 && !double.IsNaN(value) ? value : throw Error($"Not a number of base {radix}", start);
    }

    private double DecimalNumber()
    {
        var start = _position;
        var text = new StringBuilder(TakeDigits(char.IsAsciiDigit));
        if (text.Length > 1 && text[0] == '0')
            throw Error("Numbers must not begin with 0; octal numbers begin with 0o", start);
        if (At(_position) == '.')
        {
            _position++;
            text.Append('.').Append(TakeDigits(char.IsAsciiDigit));
        }

        if (At(_position) is 'e' or 'E')
        {
            text.Append('e');
            if (At(++_position) is '+' or '-')
                text.Append(At(_position++));
            var exponent = TakeDigits(char.IsAsciiDigit);
            if (exponent.Length == 0)
                throw Error("The exponent has no digits", start);
            text.Append(exponent);
        }

        return double.Parse(text.ToString(), NumberStyles.Float, CultureInfo.InvariantCulture);
    }

    /// <summary>Digits without the underscores that may separate them.</summary>
    private string TakeDigits(Func<char, bool> isDigit)
    {
        var start = _position;
        while (isDigit(At(_position)) || (At(_position) == '_' && _position > start && isDigit(At(_position + 1))))
            _position++;
        return source[start.._position].Replace("_", "", StringComparison.Ordinal);
    }

    private Token StringToken(char quote, bool newline)
    {
        var start = _position++;
        var text = new StringBuilder();
        while (At(_position) != quote)
        {
            if (_position >= source.Length || source[_position] is '\n' or '\r')
                throw Error($"The string has no closing {quote}", start);
            if (source[_position] == '\\')
                Escape(text);
            else
                text.Append(source[_position++]);
        }

        _position++;
        return new(TokenKind.String, text.ToString(), start, _position, newline);
    }

    /// <summary>From a backtick or closing brace to the next substitution or the template's end.</summary>
    private Token TemplateChunk(bool newline)
    {
        var start = _position++;
        var cooked = new StringBuilder();
        while (At(_position) != '`' && !(At(_position) == '$' && At(_position + 1) == '{'))
        {
            if (_position >= source.Length)
                throw Error("The template has no closing `", start);
            if (source[_position] == '\\')
                Escape(cooked);
            else
                AppendNormalized(cooked);
        }

        var raw = source[(start + 1).._position].Replace("\r\n", "\n", StringComparison.Ordinal).Replace('\r', '\n');
        var ends = At(_position) == '`';
        _position += ends ? 1 : 2;
        return new(TokenKind.Template, cooked.ToString(), start, _position, newline, Extra: raw, EndsTemplate: ends);
    }

    private void AppendNormalized(StringBuilder text)
    {
        var c = source[_position++];
        if (c == '\r' && At(_position) == '\n')
            _position++;
        text.Append(c == '\r' ? '\n' : c);
    }

    private void Escape(StringBuilder text)
    {
        var start = _position++;
        var c = At(_position++);
        switch (c)
        {
            case 'n': text.Append('\n'); break;
            case 't': text.Append('\t'); break;
            case 'r': text.Append('\r'); break;
            case 'b': text.Append('\b'); break;
            case 'f': text.Append('\f'); break;
            case 'v': text.Append('\v'); break;
            case '0' when !char.IsAsciiDigit(At(_position)): text.Append('\0'); break;
            case >= '0' and <= '9': throw Error("Octal escapes are not allowed", start);
            case 'x': text.Append((char)HexDigits(2, start)); break;
            case 'u': text.Append(UnicodeEscape(start)); break;
            case '\r' when At(_position) == '\n': _position++; break;
            case '\0' when _position > source.Length: throw Error("The escape has no end", start);
            default:
                if (!IsLineTerminator(c))
                    text.Append(c);
                break;
        }
    }

    private string UnicodeEscape(int start)
    {
        if (At(_position) != '{')
            return ((char)HexDigits(4, start)).ToString();
        var close = source.IndexOf('}', _position);
        if (close < 0 || close - _position > 9)
            throw Error("Not a Unicode escape", start);
        _position++;
        var code = HexDigits(close - _position, start);
        _position++;
        return code is <= 0x10ffff and not (>= 0xd800 and <= 0xdfff) ? char.ConvertFromUtf32(code) : throw Error("Not a Unicode code point", start);
    }

    private int HexDigits(int count, int start)
    {
        var end = _position + count;
        if (end > source.Length
            || !int.TryParse(source.AsSpan(_position, count), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var value))
            throw Error("The escape needs hexadecimal digits", start);
        _position = end;
        return value;
    }
}

/// <summary>Turns an offset into a line and column, both counted from 1.</summary>
internal static class SourcePosition
{
    public static (int Line, int Column) Of(string source, int offset)
    {
        var before = source.AsSpan(0, Math.Clamp(offset, 0, source.Length));
        return (before.Count('\n') + 1, before.Length - before.LastIndexOf('\n'));
    }
}
