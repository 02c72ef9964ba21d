using System.Text.Json;
using Aura.Testing;
using static Aura.Workflows.Tests.Json;

namespace Aura.Workflows.Tests.Expressions.JavaScript;

/// <summary>JavaScript inside running workflows.</summary>
public sealed class JavaScriptActivitiesTests(TestDatabase database) : IClassFixture<TestDatabase>, IAsyncLifetime
{
    private const string Variables = """ "variables":[{"id":"v1","name":"Total","typeName":"Int32","value":"7"},{"id":"v2","name":"Order","typeName":"Object","value":"{\"items\":[1,2]}"},{"id":"v3","name":"Out","typeName":"Object"}] """;

    private EngineHost _engine = null!;

    public async ValueTask InitializeAsync() => _engine = await EngineHost.StartAsync(database.ConnectionString);

    public ValueTask DisposeAsync() => _engine.DisposeAsync();

    [Theory]
    [InlineData("`total ${variables.Total * 6}`", "total 42")]
    [InlineData("getOrder().items.map(i => i * 2).join('+')", "2+4")]
    [InlineData("const x = getInput('Word'); return x.toUpperCase()", "HEY")]
    [InlineData("({a: [1]})", "{\"a\":[1]}")]
    [InlineData("new Date('2024-02-29T10:30:00Z')", "2024-02-29T10:30:00.000Z")]
    [InlineData("await Promise.resolve('later')", "later")]
    public async Task Expression_OfAnInput_IsEvaluated(string script, string expected) =>
        (await _engine.LinesOfAsync(LineOf(script), new { Word = "hey" }, Variables)).ShouldBe(expected);

    [Fact]
    public async Task Expression_ThatFails_FaultsAndNamesInputAndPlace()
    {
        var state = await _engine.RunAsync(LineOf("variables.Nobody.x"));

        state.Incidents.ShouldHaveSingleItem().Message.ShouldBe(
            "Failed to evaluate activity input 'Text': TypeError: Cannot read properties of undefined (reading 'x') (1:18)");
    }

    [Fact]
    public async Task Expression_WithoutEnd_FaultsInsteadOfBlockingTheHost() =>
        (await _engine.RunAsync(LineOf("while (true) {}"))).Incidents.ShouldHaveSingleItem().Message.ShouldContain("steps");

    [Fact]
    public async Task RunJavaScript_ChangesVariables_TheNextActivitySeesThem() => (await _engine.LinesOfAsync(
        Sequence(Script("variables.Order.items.push(3); setTotal(8); setCorrelationId('c-1')"), LineOf("`${getTotal()} ${variables.Order.items} ${getCorrelationId()}`")),
        more: Variables)).ShouldBe("8 1,2,3 c-1");

    [Fact]
    public async Task RunJavaScript_Result_IsBoundAndFoundByActivityName() => (await _engine.LinesOfAsync(
        Sequence(
            Script("({n: 5})", """ "name":"Calc","result":{"typeName":"Object","memoryReference":{"id":"v3"} } """),
            LineOf("[variables.Out.n, getOutputFrom('Calc').n, getResultFromCalc().n, getLastResult().n].join()")),
        more: Variables)).ShouldBe("5,5,5,5");

    [Theory]
    [InlineData("setOutcome('Yes')", "yes")]
    [InlineData("setOutcomes(['No', 'Yes'])", "no yes")]
    [InlineData("1 + 1", "done")]
    [InlineData("", "done")]
    public async Task RunJavaScript_Outcomes_ChooseTheConnections(string script, string expected) => (await _engine.LinesOfAsync(Flow(
        [Script(script, """ "id":"js" """), Line("yes", "yes"), Line("no", "no"), Line("done", "done")],
        "js:No->no", "js:Yes->yes", "js:Done->done"))).ShouldBe(expected);

    [Theory]
    [InlineData("this is no script", "Expected ';' but found 'is' (1:6)")]
    [InlineData("throw new RangeError('too far')", "RangeError: too far (1:1)")]
    public async Task RunJavaScript_Fails_Faults(string script, string message) =>
        (await _engine.RunAsync(Script(script))).Incidents.ShouldHaveSingleItem().Message.ShouldBe(message);

    private static string LineOf(string script) =>
        $$"""{"type":"Elsa.WriteLine","text":{"typeName":"String","expression":{"type":"JavaScript","value":{{JsonSerializer.Serialize(script)}} } } }""";

    private static string Script(string script, string more = """ "version":1 """) =>
        $$"""{"type":"Elsa.RunJavaScript",{{more}},"script":{"typeName":"String","expression":{"type":"JavaScript","value":{{JsonSerializer.Serialize(script)}} } } }""";
}
