using Aura.Workflows.Expressions.JavaScript;

namespace Aura.Workflows.Tests.Expressions.JavaScript;

/// <summary>No script gets past its budgets, and none can catch that it was stopped.</summary>
public sealed class LimitsTests
{
    private static readonly ScriptLimits Small = new() { MaxSteps = 100_000, MaxBytes = 4_000_000 };

    [Theory]
    [InlineData("while (true) {}")]
    [InlineData("for (;;);")]
    [InlineData("do ; while (true)")]
    [InlineData("const f = () => { while (true) {} }; f()")]
    [InlineData("for (const x of {[Symbol.iterator]() { return {next: () => ({})} }});")]
    [InlineData("[...{[Symbol.iterator]() { return {next: () => ({done: false})} }}]")]
    [InlineData("const [...a] = {[Symbol.iterator]() { return {next: () => ({done: false})} }}")]
    [InlineData("const m = new Map([[1, 1]]); for (const [k] of m) { m.delete(k); m.set(k + 1, 1) }")]
    [InlineData("const a = Array(5000).fill(1); for (const x of a) a.sort()")]
    [InlineData("const s = 'x'.repeat(100000); for (;;) s.indexOf('y')")]
    [InlineData("const s = 'x'.repeat(100000); while (s.length) s === s + ''")]
    [InlineData("Promise.resolve().then(function again() { return Promise.resolve().then(again) }); await null")]
    [InlineData("let o = {}; for (let i = 0; i < 5000; i++) o = Object.create(o); for (;;) o.missing")]
    [InlineData("Array.prototype.indexOf.call({length: 1e15}, 1)")]
    [InlineData("Array.from({length: 1e9})")]
    [InlineData("const a = 'a'.repeat(100000); a.indexOf('a'.repeat(30000) + 'b' + 'a'.repeat(30000))")]
    [InlineData("const a = 'a'.repeat(100000); a.lastIndexOf('a'.repeat(30000) + 'b' + 'a'.repeat(30000))")]
    [InlineData("const a = 'a'.repeat(100000); a.split('a'.repeat(30000) + 'b' + 'a'.repeat(30000))")]
    [InlineData("let s = 'x'.repeat(100000); for (;;) { s += 'y'; s[0] }")]
    [InlineData("const m = new Map(), s = 'x'.repeat(100000); for (;;) m.get(s)")]
    [InlineData("const o = {}, s = 'x'.repeat(100000); for (;;) o[s]")]
    [InlineData("const f = () => { try { while (true) {} } finally { return 1 } }; f()")]
    public void Run_EndlessWork_StopsAtSteps(string source) =>
        Should.Throw<ScriptLimitException>(() => Scripts.Run(source, new ScriptRun { Limits = Small with { MaxBytes = long.MaxValue } })).Message.ShouldContain("steps");

    [Theory]
    [InlineData("let s = 'x'; for (;;) s += s")]
    [InlineData("'x'.repeat(1e9)")]
    [InlineData("'x'.padStart(1e9)")]
    [InlineData("'x'.padEnd(2 ** 31, 'ab')")]
    [InlineData("Array(1e9)")]
    [InlineData("const a = []; a.length = 4e9")]
    [InlineData("const a = []; a[1e9] = 1")]
    [InlineData("Array(2000).fill('x'.repeat(2000)).join()")]
    [InlineData("const a = []; for (;;) a.push({})")]
    [InlineData("let a = []; for (;;) a = [a, a]")]
    [InlineData("const s = new Set(); for (let i = 0; ; i++) s.add(i)")]
    [InlineData("const o = {}; for (let i = 0; ; i++) o[i] = i")]
    [InlineData("let a = [1]; for (;;) a = a.concat(a)")]
    [InlineData("let a = [1, 2]; for (;;) a = [...a, ...a]")]
    [InlineData("'x'.repeat(5000).replace(/x/g, 'y'.repeat(5000))")]
    [InlineData("'x'.repeat(5000).replace(/x/g, \"$'\")")]
    [InlineData("'x'.repeat(3000).replaceAll('x', '$`')")]
    [InlineData("let a = ['x'.repeat(1000)]; for (let i = 0; i < 12; i++) a = [a, a]; JSON.stringify(a)")]
    [InlineData("let a = 'x'.repeat(1000); for (let i = 0; i < 12; i++) a = [a, a]; String(a)")]
    [InlineData("let f = () => 0; for (;;) { const g = f; f = () => g }")]
    [InlineData("for (let i = 0; ; i++) Symbol(i)")]
    public void Run_TooMuchMemory_StopsAtBytes(string source) =>
        Should.Throw<ScriptLimitException>(() => Scripts.Run(source, new ScriptRun { Limits = Small with { MaxSteps = long.MaxValue } })).Message.ShouldContain("bytes");

    [Theory]
    [InlineData("const f = () => f(); f()")]
    [InlineData("const o = {get x() { return this.x }}; o.x")]
    [InlineData("const o = {toString() { return `${this}` }}; o + ''")]
    [InlineData("class A { constructor() { new A() } } new A()")]
    [InlineData("const a = []; a.sort.call([1, 2], function c() { return [1, 2].sort(c) })")]
    [InlineData("const f = n => [1].map(() => f(n)); f(1)")]
    [InlineData("const f = () => { try { f() } catch { return 1 } finally { return 2 } }; f()")]
    public void Run_EndlessRecursion_StopsAtDepth(string source) =>
        Should.Throw<ScriptLimitException>(() => Scripts.Run(source)).Message.ShouldContain("deep");

    [Fact]
    public void Run_BoundOverAndOver_StopsBeforeTheStackEnds() => Should.Throw<ScriptLimitException>(() => Scripts.Run(
        "let f = () => 1; for (let i = 0; i < 100000; i++) f = f.bind(null); f()", new ScriptRun { Limits = new() { MaxBytes = long.MaxValue } }));

    [Theory]
    [InlineData("let a = []; for (let i = 0; i < 100000; i++) a = [a]; JSON.stringify(a)")]
    [InlineData("let a = []; for (let i = 0; i < 100000; i++) a = [a]; String(a)")]
    [InlineData("let a = []; for (let i = 0; i < 100000; i++) a = [a]; a.flat(Infinity)")]
    [InlineData("let a = []; for (let i = 0; i < 100000; i++) a = [a]; return a")]
    [InlineData("JSON.parse('['.repeat(100000) + ']'.repeat(100000))")]
    public void Run_ValueNestedVeryDeeply_StopsBeforeTheStackEnds(string source) => Should.Throw<ScriptLimitException>(
        () => Scripts.Run(source, new ScriptRun { Limits = new() { MaxBytes = long.MaxValue, MaxDepth = int.MaxValue } }));

    [Theory]
    [InlineData("(", ")")]
    [InlineData("[", "]")]
    [InlineData("{a:", "}")]
    [InlineData("{", "}")]
    [InlineData("!", "1")]
    [InlineData("-", "1")]
    [InlineData("x =>", "1")]
    [InlineData("`${", "}`")]
    [InlineData("a ? b : ", "c")]
    [InlineData("if (x) ", ";")]
    [InlineData("function f() {", "}")]
    [InlineData("new ", "x")]
    [InlineData("await ", "x")]
    [InlineData("a = ", "1")]
    [InlineData("2 ** ", "1")]
    [InlineData("x: {", "}")]
    [InlineData("let [", "] = 1")]
    [InlineData("a[", "]")]
    [InlineData("f(", ")")]
    [InlineData("class A { x = ", "}")]
    public void Compile_NestedVeryDeeply_IsASyntaxError(string open, string close)
    {
        var source = string.Concat(Enumerable.Repeat(open, 20_000)) + string.Concat(Enumerable.Repeat(close, 20_000));

        Should.Throw<ScriptSyntaxException>(() => Scripts.Engine.Compile(source));
    }

    [Theory]
    [InlineData("1", " + 1")]
    [InlineData("a", ".b")]
    [InlineData("a", "()")]
    [InlineData("a", "?.[0]")]
    [InlineData("1", " && 1")]
    public void Compile_ChainsVeryLong_EndInOneOfOurErrors(string start, string link)
    {
        var source = start + string.Concat(Enumerable.Repeat(link, 200_000));

        Should.Throw<ScriptSyntaxException>(() => Scripts.Engine.Compile(source));
    }

    [Theory]
    [InlineData("new RegExp('('.repeat(4000) + ')'.repeat(4000)).test('x')")]
    [InlineData("new RegExp('(?:'.repeat(1500) + 'a' + ')*'.repeat(1500)).test('a')")]
    [InlineData("new RegExp('(a|'.repeat(2000) + 'a' + ')'.repeat(2000)).test('a')")]
    [InlineData("const d = n => n === 0 ? 0 : 1 + ((((((((((d(n - 1))))))))))); d(190)")]
    [InlineData("const d = n => n === 0 ? 0 : [n].map(x => [x].map(y => d(n - 1))); d(60)")]
    [InlineData("const o = n => n === 0 ? 0 : {toString() { return `${o(n - 1)}` }}; String(o(60))")]
    public void Run_OnASmallStack_EndsInAValueOrALimit(string source)
    {
        Exception? escaped = null;
        var thread = new Thread(() => escaped = Record.Exception(() => Scripts.Run(source)), maxStackSize: 384 * 1024);

        thread.Start();
        thread.Join();

        (escaped is null or ScriptLimitException).ShouldBeTrue(escaped?.ToString());
    }

    [Fact]
    public void Compile_OnASmallStack_IsASyntaxError()
    {
        Exception? escaped = null;
        var source = string.Concat(Enumerable.Repeat("[(", 120)) + string.Concat(Enumerable.Repeat(")]", 120));
        var thread = new Thread(() => escaped = Record.Exception(() => Scripts.Engine.Compile(source)), maxStackSize: 256 * 1024);

        thread.Start();
        thread.Join();

        (escaped is null or ScriptSyntaxException).ShouldBeTrue(escaped?.ToString());
    }

    [Fact]
    public void Run_LongSum_Works() => Scripts.Run(string.Join(" + ", Enumerable.Repeat("1", 1000))).ShouldBe(1000L);

    [Theory]
    [InlineData("try { while (true) {} } catch { return 'caught' }")]
    [InlineData("try { 'x'.repeat(1e9) } catch { return 'caught' } finally { return 'finally' }")]
    [InlineData("const f = async () => { while (true) {} }; return f().catch(() => 'caught')")]
    [InlineData("new Promise(() => { while (true) {} }).catch(() => 1)")]
    [InlineData("for (const x of {[Symbol.iterator]() { return {next: () => ({}), return() { stopped() }} }}) while (true) {}")]
    public void Run_LimitReached_NothingOfTheScriptRunsOn(string source)
    {
        var ran = false;
        var globals = new Scripts.Globals(("stopped", (HostFunction)(_ => ran = true)));

        Should.Throw<ScriptLimitException>(() => Scripts.Run(source, new ScriptRun { Limits = Small, Globals = globals }));

        ran.ShouldBeFalse();
    }

    [Fact]
    public void Run_FinallyAfterLimit_DoesNotRun()
    {
        var ran = false;
        var globals = new Scripts.Globals(("mark", (HostFunction)(_ => ran = true)));

        Should.Throw<ScriptLimitException>(() => Scripts.Run("try { while (true) {} } finally { mark() }", new ScriptRun { Limits = Small, Globals = globals }));

        ran.ShouldBeFalse();
    }

    [Fact]
    public void Run_TimeUsedUp_Stops() => Should.Throw<ScriptLimitException>(() => Scripts.Run(
        "while (true) {}", new ScriptRun { Limits = new() { MaxSteps = long.MaxValue, Timeout = TimeSpan.FromMilliseconds(50) } })).Message.ShouldContain("longer than");

    [Fact]
    public void Run_TokenCancelled_StopsAsCancelled()
    {
        using var source = new CancellationTokenSource();
        var globals = new Scripts.Globals(("cancel", (HostFunction)(_ =>
        {
            source.Cancel();
            return null;
        })));

        Should.Throw<OperationCanceledException>(() => Scripts.Run(
            "cancel(); try { while (true) {} } catch { return 1 }", new ScriptRun { Globals = globals }, source.Token));
    }

    [Fact]
    public void Run_TokenCancelledWhileAwaiting_StopsAsCancelled()
    {
        using var source = new CancellationTokenSource();
        var globals = new Scripts.Globals(("wait", (HostFunction)(_ =>
        {
            source.Cancel();
            return new TaskCompletionSource<object?>().Task;
        })));

        Should.Throw<OperationCanceledException>(() => Scripts.Run("await wait()", new ScriptRun { Globals = globals }, source.Token));
    }

    [Fact]
    public void Run_HostTaskNeverEnds_StopsAtTime()
    {
        var globals = new Scripts.Globals(("wait", (HostFunction)(_ => new TaskCompletionSource<object?>().Task)));

        Should.Throw<ScriptLimitException>(() => Scripts.Run(
            "await wait()", new ScriptRun { Globals = globals, Limits = new() { Timeout = TimeSpan.FromMilliseconds(50) } }));
    }

    [Theory]
    [InlineData("/^(a+)+$/.test('a'.repeat(40) + '!')")]
    [InlineData("'x'.repeat(40).replace(/(x+x+)+y/, '')")]
    [InlineData("('a'.repeat(40) + '!').match(/^(\\w+\\s?)*$/)")]
    [InlineData("try { new RegExp('(.*)*b').exec('a'.repeat(60)) } catch { return 'caught' }")]
    public void Run_CatastrophicPattern_Stops(string source) => Should.Throw<ScriptLimitException>(() => Scripts.Run(source));

    [Fact]
    public void Run_PatternOnHugeText_Stops() => Should.Throw<ScriptLimitException>(
        () => Scripts.Run("/(a|b)*c/.test('ab'.repeat(1000000))")).Message.ShouldContain("characters");

    [Theory]
    [InlineData("let s = ''; for (let i = 0; i < 100000; i++) s += 'x'; return s.length", 100_000)]
    [InlineData("let n = 0; for (let i = 0; i < 1000000; i++) n += i; return n > 0 ? 1 : 0", 1)]
    [InlineData("const fib = n => n < 2 ? n : fib(n - 1) + fib(n - 2); return fib(22)", 17_711)]
    [InlineData("const a = []; for (let i = 0; i < 50000; i++) a.push((i * 7919) % 50000); a.sort((x, y) => x - y); return a[49999]", 49_999)]
    [InlineData("const parts = []; for (let i = 0; i < 20000; i++) parts.push('item ' + i); return parts.join(',').length", 208_889)]
    public void Run_HonestWork_StaysWithinTheDefaults(string source, long expected) => Scripts.Run(source).ShouldBe(expected);
}
