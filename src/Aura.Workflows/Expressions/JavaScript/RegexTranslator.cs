using System.Globalization;
using System.Text;

namespace Aura.Workflows.Expressions.JavaScript;

/// <summary>
/// Writes a pattern of JavaScript in .NET's syntax. All groups are numbered there by their order, because .NET
/// numbers named groups behind the others; what is Unicode in .NET but ASCII in JavaScript is spelled out.
/// </summary>
internal sealed class RegexTranslator(string pattern, string flags)
{
    private const string LineEnd = @"\n\r\u2028\u2029";
    private const string Word = "a-zA-Z0-9_";
    private const string NotWord = @"\u0000-/:-@\[-\^`{-\uffff";
    private const string NotDigit = @"\u0000-/:-\uffff";
    private const string Space = @"\s\ufeff\u00a0";

    private readonly bool _isUnicode = flags.Contains('u', StringComparison.Ordinal);
    private readonly bool _isMultiline = flags.Contains('m', StringComparison.Ordinal);
    private readonly bool _dotMatchesAll = flags.Contains('s', StringComparison.Ordinal);
    private readonly StringBuilder _output = new();
    private int _position;
    private int _groups;
    private int _groupCount;

    public Dictionary<string, int> Names { get; } = new(StringComparer.Ordinal);

    public string Translate()
    {
        NumberNames();
        if (flags.Contains('y', StringComparison.Ordinal))
            _output.Append(@"\G(?:");
        while (_position < pattern.Length)
            Next();
        if (flags.Contains('y', StringComparison.Ordinal))
            _output.Append(')');
        return _output.ToString();
    }

    /// <summary>Names may be referred to before their group.</summary>
    private void NumberNames()
    {
        var inClass = false;
        for (var i = 0; i < pattern.Length; i++)
        {
            switch (pattern[i])
            {
                case '\\': i++; break;
                case '[': inClass = true; break;
                case ']': inClass = false; break;
                case '(' when !inClass && (At(i + 1) != '?' || IsNamedGroup(i)):
                    _groupCount++;
                    if (IsNamedGroup(i) && !Names.TryAdd(NameAt(i + 3), _groupCount))
                        throw new FormatException("Duplicate capture group name");
                    break;
            }
        }
    }

    private bool IsNamedGroup(int index) => At(index + 1) == '?' && At(index + 2) == '<' && At(index + 3) is not ('=' or '!');

    private string NameAt(int start)
    {
        var end = pattern.IndexOf('>', start);
        return end > start && pattern[start..end].All(Lexer.IsIdentifierPart)
            ? pattern[start..end]
            : throw new FormatException("Invalid capture group name");
    }

    private char At(int index) => index < pattern.Length ? pattern[index] : '\0';

    private void Next()
    {
        var c = pattern[_position++];
        switch (c)
        {
            case '\\': Escape(); break;
            case '[': Class(); break;
            case '(': Group(); break;
            case '.': _output.Append(Dot()); break;
            case '^': _output.Append(_isMultiline ? $@"(?<=\A|[{LineEnd}])" : @"\A"); break;
            case '$': _output.Append(_isMultiline ? $@"(?=[{LineEnd}]|\z)" : @"\z"); break;
            case '#' or ' ': _output.Append('\\').Append(c); break;
            default: Literal(c); break;
        }
    }

    private string Dot()
    {
        var one = _dotMatchesAll ? @"[\s\S]" : $"[^{LineEnd}]";
        return _isUnicode ? $@"(?:[\ud800-\udbff][\udc00-\udfff]|{one})" : one;
    }

    private void Literal(char c)
    {
        // A pair of surrogates is one character for a quantifier behind it.
        if (char.IsHighSurrogate(c) && _isUnicode && char.IsLowSurrogate(At(_position)))
            _output.Append("(?:").Append(c).Append(pattern[_position++]).Append(')');
        else
            _output.Append(c);
    }

    private void Group()
    {
        if (At(_position) != '?')
        {
            _output.Append($"(?<{++_groups}>");
        }
        else if (IsNamedGroup(_position - 1))
        {
            _position = pattern.IndexOf('>', _position) + 1;
            _output.Append($"(?<{++_groups}>");
        }
        else
        {
            var length = At(_position + 1) == '<' ? 3 : 2;
            var prefix = pattern.Substring(_position, Math.Min(length, pattern.Length - _position));
            if (prefix is not ("?:" or "?=" or "?!" or "?<=" or "?<!"))
                throw new FormatException("Invalid group");
            _output.Append('(').Append(prefix);
            _position += length;
        }
    }

    private void Escape()
    {
        if (_position >= pattern.Length)
            throw new FormatException(@"\ at end of pattern");
        var c = pattern[_position++];
        switch (c)
        {
            case 'd': _output.Append("[0-9]"); break;
            case 'D': _output.Append("[^0-9]"); break;
            case 'w': _output.Append($"[{Word}]"); break;
            case 'W': _output.Append($"[^{Word}]"); break;
            case 's': _output.Append($"[{Space}]"); break;
            case 'S': _output.Append($"[^{Space}]"); break;
            case 'b': _output.Append($"(?:(?<=[{Word}])(?![{Word}])|(?<![{Word}])(?=[{Word}]))"); break;
            case 'B': _output.Append($"(?:(?<=[{Word}])(?=[{Word}])|(?<![{Word}])(?![{Word}]))"); break;
            case >= '1' and <= '9': BackReference(); break;
            case 'k' when _isUnicode || Names.Count > 0: NamedReference(); break;
            case 'p' or 'P' when _isUnicode: _output.Append(Property(c)); break;
            default: AppendCode(EscapedCode(c), inClass: false); break;
        }
    }

    private void BackReference()
    {
        var start = --_position;
        while (char.IsAsciiDigit(At(_position)))
            _position++;
        if (int.TryParse(pattern.AsSpan(start, _position - start), out var number) && number <= _groupCount)
            Reference(number);
        else
            throw new FormatException("Reference to a group that does not exist");
    }

    private void NamedReference()
    {
        if (At(_position) != '<')
            throw new FormatException("Invalid named reference");
        var name = NameAt(_position + 1);
        _position += name.Length + 2;
        Reference(Names.TryGetValue(name, out var number) ? number : throw new FormatException("Invalid named capture referenced"));
    }

    /// <summary>A reference to a group that has matched nothing yet matches the empty text.</summary>
    private void Reference(int number) => _output.Append($@"(?({number})\k<{number}>)");

    /// <summary>The character after a backslash that stands for one character.</summary>
    private int EscapedCode(char c)
    {
        switch (c)
        {
            case 'n': return '\n';
            case 'r': return '\r';
            case 't': return '\t';
            case 'v': return '\v';
            case 'f': return '\f';
            case '0': return '\0';
            case 'c' when char.IsAsciiLetter(At(_position)): return pattern[_position++] % 32;
            case 'x' when TryHex(2, out var code): return code;
            case 'u' when _isUnicode && At(_position) == '{': return BracedCode();
            case 'u' when TryHex(4, out var code): return LowSurrogate(code);
            default: return c;
        }
    }

    private bool TryHex(int digits, out int code)
    {
        code = 0;
        if (_position + digits > pattern.Length
            || !int.TryParse(pattern.AsSpan(_position, digits), NumberStyles.AllowHexSpecifier, null, out code))
            return false;
        _position += digits;
        return true;
    }

    private int BracedCode()
    {
        var end = pattern.IndexOf('}', _position);
        if (end < 0 || !int.TryParse(pattern.AsSpan(_position + 1, end - _position - 1), NumberStyles.AllowHexSpecifier, null, out var code)
            || code > 0x10ffff)
            throw new FormatException("Invalid Unicode escape");
        _position = end + 1;
        return code;
    }

    /// <summary>With the u flag, two escapes of surrogates are one character.</summary>
    private int LowSurrogate(int code)
    {
        var start = _position;
        if (_isUnicode && char.IsHighSurrogate((char)code) && At(start) == '\\' && At(start + 1) == 'u')
        {
            _position += 2;
            if (TryHex(4, out var low) && char.IsLowSurrogate((char)low))
                return char.ConvertToUtf32((char)code, (char)low);
            _position = start;
        }

        return code;
    }

    private void AppendCode(int code, bool inClass)
    {
        if (code <= 0xffff)
            _output.Append($@"\u{code:x4}");
        else if (!inClass)
            _output.Append("(?:").Append(char.ConvertFromUtf32(code)).Append(')');
        else
            throw new FormatException("Characters beyond U+FFFF cannot stand in a class");
    }

    private string Property(char p)
    {
        var end = pattern.IndexOf('}', _position);
        if (At(_position) != '{' || end < 0)
            throw new FormatException("Invalid property name");
        var name = pattern[(_position + 1)..end];
        _position = end + 1;
        var value = name[(name.IndexOf('=', StringComparison.Ordinal) + 1)..];
        var isScript = name.StartsWith("Script", StringComparison.Ordinal) || name.StartsWith("sc=", StringComparison.Ordinal);
        var known = isScript ? "Is" + value : value switch
        {
            "Letter" or "Alphabetic" => "L",
            "Uppercase_Letter" or "Uppercase" => "Lu",
            "Lowercase_Letter" or "Lowercase" => "Ll",
            "Number" => "N",
            "Decimal_Number" => "Nd",
            "Punctuation" => "P",
            "Symbol" => "S",
            "Separator" => "Z",
            "White_Space" => "Z",
            "Mark" => "M",
            _ => value,
        };
        return $@"\{p}{{{known}}}";
    }

    private void Class()
    {
        var negated = At(_position) == '^';
        if (negated)
            _position++;
        if (At(_position) == ']')
        {
            _position++;
            _output.Append(negated ? @"[\s\S]" : "(?!)");
            return;
        }

        _output.Append(negated ? "[^" : "[");
        var afterSet = false;
        while (At(_position) != ']')
        {
            if (_position >= pattern.Length)
                throw new FormatException("Unterminated character class");
            afterSet = ClassItem(afterSet);
        }

        _position++;
        _output.Append(']');
    }

    /// <returns>True when the item was a set such as <c>\d</c>, behind which a hyphen is no range.</returns>
    private bool ClassItem(bool afterSet)
    {
        var c = pattern[_position++];
        if (c == '-')
        {
            var beforeSet = At(_position) == '\\' && At(_position + 1) is 'd' or 'D' or 'w' or 'W' or 's' or 'S';
            _output.Append(afterSet || beforeSet || At(_position) == ']' ? @"\-" : "-");
            return false;
        }

        if (c != '\\')
        {
            _output.Append(c is '[' or '^' ? $@"\{c}" : c.ToString());
            return false;
        }

        c = At(_position++);
        var set = c switch
        {
            'd' => "0-9",
            'D' => NotDigit,
            'w' => Word,
            'W' => NotWord,
            's' => Space,
            'S' => @"\S",
            'p' or 'P' when _isUnicode => Property(c),
            _ => null,
        };
        if (set is not null)
            _output.Append(set);
        else
            AppendCode(c == 'b' ? '\b' : EscapedCode(c), inClass: true);
        return set is not null;
    }
}
