using System.Text.Json;
using Aura.Workflows.Expressions.JavaScript;

namespace Aura.Workflows.Tests.Expressions.JavaScript;

/// <summary>What becomes of values at the border.</summary>
public sealed class HostValuesTests
{
    private static readonly DateTimeOffset Moment = new(2024, 2, 29, 12, 30, 0, TimeSpan.FromHours(2));

    public static TheoryData<object?, string> Incoming() => new()
    {
        { null, "v === null" },
        { true, "v === true" },
        { "text", "v === 'text'" },
        { 5, "v === 5" },
        { 5L, "v === 5" },
        { 5.5, "v === 5.5" },
        { 5.5m, "v === 5.5" },
        { (byte)7, "v === 7" },
        { new List<object?> { 1L, "a", null }, "Array.isArray(v) && v.length === 3 && v[2] === null" },
        { new[] { 1, 2 }, "v.map(x => x * 2)[1] === 4" },
        { new Dictionary<string, object?> { ["a"] = new Dictionary<string, object?> { ["b"] = 1L } }, "v.a.b === 1 && Object.keys(v)[0] === 'a'" },
        { new Dictionary<string, int> { ["a"] = 1 }, "v.a === 1" },
        { Moment, "v instanceof Date && v.toISOString() === '2024-02-29T10:30:00.000Z'" },
        { Moment.UtcDateTime, "v.getTime() === Date.UTC(2024, 1, 29, 10, 30)" },
        { Guid.Empty, "v === '00000000-0000-0000-0000-000000000000'" },
        { TimeSpan.FromMinutes(90), "v === '01:30:00'" },
        { DayOfWeek.Friday, "v === 'Friday'" },
        { JsonSerializer.Deserialize<JsonElement>("""{"a":[1,{"b":null}]}"""), "v.a[1].b === null" },
        { new { Name = "n" }, "v.name === 'n'" },
    };

    [Theory]
    [MemberData(nameof(Incoming))]
    public void Run_ValueFromTheHost_IsAValueOfTheScript(object? value, string test) => Scripts.Run(test, ("v", value)).ShouldBe(true);

    [Theory]
    [InlineData("undefined", null)]
    [InlineData("null", null)]
    [InlineData("true", true)]
    [InlineData("'a' + 'b'", "ab")]
    [InlineData("5", 5L)]
    [InlineData("-0", 0L)]
    [InlineData("5.5", 5.5)]
    [InlineData("2 ** 53", 9007199254740992L)]
    [InlineData("2 ** 60", 1152921504606846976d)]
    [InlineData("0 / 0", null)]
    [InlineData("() => 1", null)]
    [InlineData("Symbol()", null)]
    [InlineData("new Date(NaN)", null)]
    [InlineData("new String('s')", "s")]
    [InlineData("/a/g", "/a/g")]
    public void Run_ScalarResult_IsPlain(string source, object? expected) => Scripts.Run(source).ShouldBe(expected);

    [Fact]
    public void Run_DateResult_IsADateTimeOffset() => Scripts.Run("new Date('2024-02-29T10:30:00Z')").ShouldBe(Moment.ToUniversalTime());

    [Fact]
    public void Run_StructuredResult_IsListsAndDictionaries()
    {
        var result = Scripts.Run("({a: [1, {b: undefined}], s: new Set([1]), m: new Map([['k', 2]])})").ShouldBeOfType<Dictionary<string, object?>>();

        result["a"].ShouldBeOfType<List<object?>>()[1].ShouldBeOfType<Dictionary<string, object?>>().ShouldContainKey("b");
        result["s"].ShouldBe(new List<object?> { 1L });
        result["m"].ShouldBe(new Dictionary<string, object?> { ["k"] = 2L });
    }

    [Fact]
    public void Run_CyclicResult_SaysSo() =>
        Should.Throw<ScriptException>(() => Scripts.Run("const o = {}; o.o = [o]; o")).Message.ShouldContain("holds itself");

    [Fact]
    public void Run_SameObjectTwiceInResult_IsFine() => Scripts.RunToJson("const o = {x: 1}; [o, o]").ShouldBe("""[{"x":1},{"x":1}]""");

    [Fact]
    public void Run_ListChangedInScript_LeavesTheHostsListAlone()
    {
        var list = new List<object?> { 3L, 1L, 2L };

        Scripts.RunToJson("list.sort()", ("list", list)).ShouldBe("[1,2,3]");

        list.ShouldBe([3L, 1L, 2L]);
    }

    [Fact]
    public void Run_HostFunction_GetsPlainArgumentsAndGivesAPlainValue()
    {
        IReadOnlyList<object?> seen = [];
        HostFunction function = arguments =>
        {
            seen = arguments;
            return new Dictionary<string, object?> { ["n"] = 7 };
        };

        Scripts.Run("f(1, 'a', [true], {x: null}, undefined).n", ("f", function)).ShouldBe(7L);

        JsonSerializer.Serialize(seen).ShouldBe("""[1,"a",[true],{"x":null},null]""");
    }

    [Fact]
    public void Run_HostFunctionThrows_TheScriptMayCatchIt()
    {
        HostFunction function = _ => throw new InvalidOperationException("host says no");

        Scripts.Run("try { f() } catch (e) { return [e instanceof Error, e.message].join() }", ("f", function)).ShouldBe("true,host says no");
        Should.Throw<ScriptException>(() => Scripts.Run("1;\n  f()", ("f", function))).ShouldSatisfyAllConditions(
            e => e.ScriptMessage.ShouldBe("Error: host says no"),
            e => (e.Line, e.Column).ShouldBe((2, 3)),
            e => e.InnerException.ShouldBeOfType<InvalidOperationException>());
    }

    [Fact]
    public void Run_HostTask_IsAwaited()
    {
        HostFunction later = a => Task.Run(() => a[0]);
        HostFunction fails = _ => Task.FromException<object?>(new InvalidOperationException("late"));

        Scripts.Run("const [a, b] = await Promise.all([later(1), later(2).then(x => x * 10)]); a + b", ("later", later)).ShouldBe(21L);
        Scripts.Run("later(5)", ("later", later)).ShouldBe(5L);
        Scripts.Run("try { await fails() } catch (e) { return e.message }", ("fails", fails)).ShouldBe("late");
    }

    [Fact]
    public void Run_HostObject_IsReadAndWritten()
    {
        var host = new Scripts.Globals(("count", 1L), ("name", "x"));

        Scripts.Run("host.count += 4; 'name' in host && Object.keys(host).join()", ("host", host)).ShouldBe("count,name");

        host.Values["count"].ShouldBe(5L);
        Should.Throw<ScriptException>(() => Scripts.Run("host.unknown = 1", ("host", host)));
    }

    [Fact]
    public void Run_ObjectOfHostObjectChanged_IsWrittenBackOnSuccessOnly()
    {
        var order = new Dictionary<string, object?> { ["total"] = 1L, ["lines"] = new List<object?>() };
        var host = new Scripts.Globals(("order", order), ("other", new List<object?> { 1L }));

        Should.Throw<ScriptException>(() => Scripts.Run("host.order.total = 9; throw 1", ("host", host)));
        host.Values["order"].ShouldBeSameAs(order);

        var other = host.Values["other"];
        Scripts.Run("host.order.total++; host.order.lines.push('a'); host.other.length", ("host", host));

        JsonSerializer.Serialize(host.Values["order"]).ShouldBe("""{"total":2,"lines":["a"]}""");
        host.Values["other"].ShouldBeSameAs(other);
        order["total"].ShouldBe(1L);
    }

    [Fact]
    public void Run_HostChangesWhatTheScriptCopied_TheHostsValueStays()
    {
        var host = new Scripts.Globals(("order", new Dictionary<string, object?> { ["total"] = 1L }));
        HostFunction set = a => host.Values["order"] = a[0];

        Scripts.Run("host.order.total = 5; set({total: 7}); host.order.total", ("host", host), ("set", set)).ShouldBe(7L);

        JsonSerializer.Serialize(host.Values["order"]).ShouldBe("""{"total":7}""");
    }

    [Fact]
    public void Run_ConsoleLog_GoesToTheHost()
    {
        var lines = new List<string>();

        Scripts.Run("console.log('a', 1, {b: [2]}, null, undefined); console.error(new Error('x'))", new ScriptRun { Log = lines.Add });

        lines.ShouldBe(["a 1 {\"b\":[2]} null undefined", "Error: x"]);
    }

    [Theory]
    [InlineData("1;\nfoo.bar", 2, 1)]
    [InlineData("const a = {};\n\n  a.b.c", 3, 7)]
    [InlineData("function f() {\n  throw new Error('x')\n}\nf()", 2, 3)]
    [InlineData("const x = [1].map(v => {\n  return v.y.z\n})", 2, 14)]
    [InlineData("let a = 1;\na()", 2, 1)]
    public void Run_UncaughtError_TellsTheLineAndColumn(string source, int line, int column)
    {
        var error = Should.Throw<ScriptException>(() => Scripts.Run(source));

        (error.Line, error.Column).ShouldBe((line, column));
    }
}
