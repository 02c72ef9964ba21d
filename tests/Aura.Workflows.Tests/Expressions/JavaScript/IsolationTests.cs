using Aura.Workflows.Expressions.JavaScript;

namespace Aura.Workflows.Tests.Expressions.JavaScript;

/// <summary>A script reaches nothing but what it is handed, and leaves nothing behind.</summary>
public sealed class IsolationTests
{
    [Theory]
    [InlineData("Object.prototype.polluted = 1", "({}).polluted")]
    [InlineData("Array.prototype.map = () => 'bad'", "[1].map(x => x)[0] === 1 ? undefined : 'bad'")]
    [InlineData("Math.max = () => 'bad'", "Math.max(1, 2) === 2 ? undefined : 'bad'")]
    [InlineData("JSON.parse = 1; delete JSON.stringify", "JSON.stringify(JSON.parse('1')) === '1' ? undefined : 'bad'")]
    [InlineData("globalThis.leak = 1", "globalThis.leak")]
    [InlineData("Object = 1", "typeof Object === 'function' ? undefined : 'bad'")]
    [InlineData("[].constructor.prototype.x = 1", "[].x")]
    [InlineData("Symbol.iterator.x; Array.prototype[Symbol.iterator] = null", "[...[1]].length === 1 ? undefined : 'bad'")]
    [InlineData("(function () {}).constructor.prototype.call = 1", "(function () {}).call() === undefined ? undefined : 'bad'")]
    [InlineData("Error.prototype.name = 'Bad'", "String(new Error('x')) === 'Error: x' ? undefined : 'bad'")]
    [InlineData("/x/g.test('x')", "(() => /x/g.lastIndex || undefined)()")]
    public void Run_EarlierScriptChangedTheLibrary_TheNextSeesNothingOfIt(string first, string second)
    {
        Scripts.Run(first);

        Scripts.Run(second).ShouldBeNull();
    }

    [Fact]
    public void Run_SameScriptTwice_StartsFresh()
    {
        var script = Scripts.Engine.Compile("const t = s => s; const f = () => t`x`; globalThis.n = (globalThis.n ?? 0) + 1; f().raw.length + n");

        script.Run(new()).ShouldBe(2L);
        script.Run(new()).ShouldBe(2L);
    }

    [Fact]
    public async Task Run_OneScriptOnManyThreads_EachHasItsOwnState()
    {
        var script = Scripts.Engine.Compile("let n = start; const inc = () => ++n; for (let i = 0; i < 1000; i++) inc(); /a/g.test('a'); return n");

        var results = await Task.WhenAll(Enumerable.Range(0, 32).Select(i => Task.Run(
            () => script.Run(new() { Globals = new Scripts.Globals(("start", i * 10_000L)) }))));

        results.ShouldBe(Enumerable.Range(0, 32).Select(i => (object)((i * 10_000L) + 1000)));
    }

    [Theory]
    [InlineData("eval('1')")]
    [InlineData("Function('return 1')()")]
    [InlineData("new Function('return 1')")]
    [InlineData("(() => {}).constructor('return 1')()")]
    [InlineData("(async () => {}).constructor('return 1')()")]
    [InlineData("[].map.constructor('return this')()")]
    [InlineData("(class {}).constructor('return 1')")]
    public void Run_CodeFromText_IsRefused(string source) =>
        Should.Throw<ScriptException>(() => Scripts.Run(source)).Message.ShouldContain("cannot make code from texts");

    [Theory]
    [InlineData("typeof System")]
    [InlineData("typeof process")]
    [InlineData("typeof require")]
    [InlineData("typeof importNamespace")]
    [InlineData("typeof host.GetType")]
    [InlineData("typeof host.gettype")]
    [InlineData("typeof f.Method")]
    [InlineData("typeof f.Target")]
    [InlineData("typeof list.Count")]
    [InlineData("typeof date.Year")]
    [InlineData("typeof text.Length")]
    [InlineData("typeof (5).GetType")]
    public void Run_MembersOfDotNet_AreNotThere(string source) => Scripts.Run(
        source,
        ("host", new Scripts.Globals(("a", 1L))), ("f", (HostFunction)(_ => null)), ("list", new List<object?> { 1L }),
        ("date", DateTimeOffset.UnixEpoch), ("text", "x")).ShouldBe("undefined");

    [Fact]
    public void Compile_SameText_GivesTheSameScript()
    {
        var engine = new JavaScriptEngine(TimeProvider.System);

        engine.Compile("1 + 1").ShouldBeSameAs(engine.Compile("1 + 1"));
    }

    [Fact]
    public void Compile_MoreTextsThanFit_KeepsThoseUsedLast()
    {
        var engine = new JavaScriptEngine(TimeProvider.System, capacity: 10);
        var oldest = engine.Compile("0");
        var used = engine.Compile("1");
        for (var i = 2; i < 10; i++)
            engine.Compile(i.ToString());
        engine.Compile("1");

        engine.Compile("10");

        engine.Compile("1").ShouldBeSameAs(used);
        engine.Compile("0").ShouldNotBeSameAs(oldest);
    }
}
