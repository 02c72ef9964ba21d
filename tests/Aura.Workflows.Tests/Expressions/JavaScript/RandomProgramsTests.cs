using System.Text;
using Aura.Workflows.Expressions.JavaScript;

namespace Aura.Workflows.Tests.Expressions.JavaScript;

/// <summary>Whatever the text: only our own errors come out, and every run ends within its budgets.</summary>
public sealed class RandomProgramsTests
{
    private const int Programs = 3000;
    private const string Replacements = "(){}[];,.=+-*/`'\"\\$#!?:<>&|^~%@0aé\n\0\ud800";

    private static readonly ScriptLimits Limits = new()
    {
        MaxSteps = 20_000,
        MaxBytes = 2_000_000,
        MaxDepth = 60,
        Timeout = TimeSpan.FromSeconds(10),
    };

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void Run_ProgramsOfTheGrammar_EndInAValueOrOneOfOurErrors(int seed)
    {
        var random = new Random(seed);
        for (var i = 0; i < Programs; i++)
            RunAny(new ProgramWriter(random).Program(), seed, i);
    }

    [Theory]
    [InlineData(4)]
    [InlineData(5)]
    public void Run_SoupOfTokens_EndsInAValueOrOneOfOurErrors(int seed)
    {
        var random = new Random(seed);
        for (var i = 0; i < Programs; i++)
            RunAny(string.Join(random.Next(4) == 0 ? "" : " ", random.GetItems(Tokens, random.Next(1, 30))), seed, i);
    }

    [Theory]
    [InlineData(6)]
    [InlineData(7)]
    public void Run_ProgramsWithOneCharacterChanged_EndInAValueOrOneOfOurErrors(int seed)
    {
        var random = new Random(seed);
        for (var i = 0; i < Programs; i++)
        {
            var program = new StringBuilder(new ProgramWriter(random).Program());
            program[random.Next(program.Length)] = Replacements[random.Next(Replacements.Length)];
            RunAny(program.ToString(), seed, i);
        }
    }

    [Theory]
    [InlineData(8)]
    public void Run_RandomPatterns_EndInAValueOrOneOfOurErrors(int seed)
    {
        string[] parts = ["a", "b", ".", "\\\\d", "\\\\w", "\\\\b", "\\\\1", "(", ")", "(?:", "(?=", "(?!", "(?<=", "(?<n>", "\\\\k<n>", "[", "]", "[^", "a-z", "-", "*", "+", "?", "{2}", "{1,}", "|", "^", "$", "\\\\u0061", "\\\\", "\\\\p{L}"];
        var random = new Random(seed);
        for (var i = 0; i < Programs; i++)
        {
            var pattern = string.Concat(random.GetItems(parts, random.Next(1, 10)));
            var flags = new[] { "", "g", "i", "u", "gu", "y", "ms" }[random.Next(7)];
            RunAny($"const r = new RegExp('{pattern}', '{flags}'); [r.test('aab'), 'abc aab'.replace(r, '$1$<n>'), 'a1b'.split(r), 'ab'.match(r)]", seed, i);
        }
    }

    private static readonly string[] Tokens =
    [
        "a", "b", "c", "f", "this", "0", "1", "2.5", "'s'", "\"t\"", "`u`", "`v${", "}`", "/x/g", "null", "true", "undefined", "[", "]", "{", "}", "(", ")",
        ";", ",", ".", "?.", "...", "=>", "=", "+=", "??=", "==", "===", "!", "!=", "<", ">", "+", "-", "*", "**", "/", "%", "&", "|", "&&", "||", "??",
        "?", ":", "++", "--", "let", "const", "var", "function", "class", "extends", "super", "new", "return", "if", "else", "for", "of", "in", "while",
        "do", "break", "continue", "switch", "case", "default", "try", "catch", "finally", "throw", "typeof", "delete", "void", "instanceof", "await",
        "async", "static", "get", "set", "#p", "Object", "Array", "Math", "JSON", "map", "length", "constructor", "prototype", "__proto__", "\n", "//", "/*", "*/",
    ];

    private static void RunAny(string source, int seed, int number)
    {
        try
        {
            // A cache would only hold on to what never comes again.
            new JavaScriptEngine(TimeProvider.System).Compile(source).Run(new() { Limits = Limits });
        }
        catch (ScriptingException)
        {
        }
        catch (Exception e)
        {
            throw new InvalidOperationException($"Seed {seed}, program {number} let {e.GetType().Name} escape:\n{source}", e);
        }
    }

    /// <summary>Writes programs that are mostly right: names are mostly declared, loops mostly end.</summary>
    private sealed class ProgramWriter(Random random)
    {
        private static readonly string[] Names = ["a", "b", "c", "d", "o", "f"];

        private static readonly string[] Binary =
        [
            "+", "-", "*", "/", "%", "**", "==", "===", "!=", "<", "<=", ">", "&", "|", "^", "<<", ">>", ">>>", "&&", "||", "in", "instanceof", ",",
        ];

        private static readonly string[] Members =
        [
            "length", "x", "y", "name", "constructor", "prototype", "toString", "__proto__", "0", "then", "message", "size", "at", "value",
        ];

        private static readonly string[] Methods =
        [
            "map", "filter", "reduce", "forEach", "join", "sort", "slice", "splice", "push", "pop", "concat", "indexOf", "flat", "flatMap", "find", "fill",
            "split", "replace", "replaceAll", "padStart", "repeat", "trim", "charAt", "match", "substring", "toString", "valueOf", "hasOwnProperty", "toFixed",
            "call", "apply", "bind", "then", "catch", "finally", "get", "set", "add", "has", "delete", "keys", "entries", "next", "exec", "test", "getTime",
            "toISOString", "setUTCMonth", "at", "includes", "reverse", "shift", "unshift", "copyWithin", "normalize", "localeCompare", "x", "y",
        ];

        private static readonly string[] Calls =
        [
            "Object.keys", "Object.entries", "Object.assign", "Object.freeze", "Object.create", "Object.fromEntries", "Object.defineProperty",
            "Object.getOwnPropertyDescriptors", "Object.setPrototypeOf", "Array.from", "Array.of", "Array", "String", "Number", "Boolean", "Symbol", "JSON.stringify",
            "JSON.parse", "Math.max", "Math.pow", "Math.round", "parseInt", "parseFloat", "String.fromCodePoint", "String.raw", "Promise.resolve", "Promise.all",
            "Promise.reject", "Date.parse", "Date.UTC", "encodeURIComponent", "decodeURIComponent", "btoa", "atob", "isNaN", "console.log", "eval", "Function",
        ];

        private static readonly string[] Types = ["Map", "Set", "Date", "RegExp", "Error", "TypeError", "Array", "Object", "Promise", "WeakMap", "String", "a", "f"];

        private int _depth;

        public string Program()
        {
            var text = new StringBuilder("let a = 1, b = 'text', c = [3, 1, 2], d = null, o = {x: 1, y: [2]}; const f = (x, y) => x;\n");
            for (var i = random.Next(1, 5); i > 0; i--)
                text.Append(Statement()).Append('\n');
            return text.ToString();
        }

        private string Pick(string[] choices) => choices[random.Next(choices.Length)];

        private string Statement()
        {
            if (++_depth > 6)
            {
                _depth--;
                return ";";
            }

            var text = random.Next(16) switch
            {
                0 => $"if ({Expression()}) {Block()} else {Block()}",
                1 => $"for (let i = 0; i < {random.Next(6)}; i++) {Block()}",
                2 => $"for (const v of {Expression()}) {Block()}",
                3 => $"for (const k in {Expression()}) {Block()}",
                4 => $"while ({Expression()}) {{ {Statement()} break; }}",
                5 => $"try {Block()} catch (e) {Block()} finally {Block()}",
                6 => $"switch ({Expression()}) {{ case {Expression()}: {Statement()} break; default: {Statement()} }}",
                7 => $"{{ const [{Pick(Names)}, ...r] = {Expression()}; {Statement()} }}",
                8 => $"{{ let {{x, y: {Pick(Names)} = {Expression()}}} = {Expression()}; {Statement()} }}",
                9 => $"{{ class A extends {Pick(["Object", "Array", "Error", "f", "null"])} {{ p = {Expression()}; #q = 1; m() {{ {Statement()} }} static s = {Expression()}; }} {Statement()} }}",
                10 => $"{{ function g(n, ...r) {{ {Statement()} return {Expression()} }} {Statement()} }}",
                11 => $"throw {Expression()};",
                12 => $"return {Expression()};",
                13 => $"l: {{ {Statement()} break l; }}",
                _ => Expression() + ";",
            };
            _depth--;
            return text;
        }

        private string Block() => $"{{ {Statement()} }}";

        private string Expression()
        {
            if (++_depth > 8)
            {
                _depth--;
                return Pick(Names);
            }

            var text = random.Next(24) switch
            {
                0 => random.Next(-10, 1000).ToString(),
                1 => Pick(["'s'", "''", "'10'", "`t${a}`", "1e308", "NaN", "-0", "/a+/g", "undefined", "null", "true", "1e21", "'é😀'", "[,1]"]),
                2 => $"[{Expression()}, ...{Expression()}]",
                3 => $"({{ x: {Expression()}, [{Expression()}]: {Expression()}, ...{Expression()}, get y() {{ return {Expression()} }} }})",
                4 => $"({Expression()} {Pick(Binary)} {Expression()})",
                5 => $"({Expression()} ? {Expression()} : {Expression()})",
                6 => $"({Expression()})?.{Pick(Methods)}?.({Expression()})",
                7 => $"({Expression()}).{Pick(Members.Where(m => m != "0").ToArray())}",
                8 => $"({Expression()})[{Expression()}]",
                9 or 10 => $"({Expression()}).{Pick(Methods)}({Expression()}, {Expression()})",
                11 => $"({Pick(["x", "(x, y)", "({x})", "([x, y = 1])", "(...x)"])} => {Expression()})",
                12 => $"(function () {{ {Statement()} return {Pick(["this", "arguments", "a", "new.target"])} }})",
                13 => $"({Pick(Names)} {Pick(["=", "+=", "-=", "??=", "||=", "**="])} {Expression()})",
                14 => $"({Expression()}.{Pick(["x", "length", "y"])} = {Expression()})",
                15 => $"({Pick(["typeof", "!", "-", "+", "~", "void", "delete"])} ({Expression()}))",
                16 => $"({Pick(["a", "c[0]", "o.x"])}{Pick(["++", "--"])})",
                17 or 18 => $"{Pick(Calls)}({Expression()}, {Expression()})",
                19 => $"new {Pick(Types)}({Expression()}, {Expression()})",
                20 => $"(await {Expression()})",
                21 => $"((async () => {Expression()})())",
                _ => Pick(Names),
            };
            _depth--;
            return text;
        }
    }
}
