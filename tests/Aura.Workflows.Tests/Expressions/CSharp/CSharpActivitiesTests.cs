using System.Text.Json;
using Aura.Testing;
using Aura.Workflows.Definitions;
using static Aura.Workflows.Tests.Json;

namespace Aura.Workflows.Tests.Expressions.CSharp;

/// <summary>C# inside running workflows.</summary>
public sealed class CSharpActivitiesTests(TestDatabase database) : IClassFixture<TestDatabase>, IAsyncLifetime
{
    private const string Variables = """
        "variables":[{"id":"v1","name":"Total","typeName":"Int32","value":"7"},{"id":"v3","name":"Out","typeName":"Object"}]
        """;

    private EngineHost _engine = null!;

    public async ValueTask InitializeAsync() => _engine = await EngineHost.StartAsync(database.ConnectionString, o => o.AllowCSharp = true);

    public ValueTask DisposeAsync() => _engine.DisposeAsync();

    [Fact]
    public async Task RunCSharp_ChangesVariables_TheNextActivitySeesThem() => (await _engine.LinesOfAsync(
        Sequence(Script("Variables.Total += Inputs.Get<int>(\"Add\"); CorrelationId = \"c-1\";"), LineOf("$\"{Variables.Total} {CorrelationId}\"")),
        new { Add = 3 }, Variables)).ShouldBe("10 c-1");

    [Fact]
    public async Task RunCSharp_Result_IsBoundAndFoundByActivityName() => (await _engine.LinesOfAsync(
        Sequence(
            Script("new { N = 5 }", """ "name":"Calc","result":{"typeName":"Object","memoryReference":{"id":"v3"} } """),
            LineOf("$\"{Variables.Out.N}{Output.From(\"Calc\").N}{Output.LastResult.N}\"")),
        more: Variables)).ShouldBe("555");

    [Theory]
    [InlineData("Outcome.Set(\"Yes\")", "yes")]
    [InlineData("Outcome.Set(\"Done\"); Outcome.Set(\"No\", \"Yes\");", "no yes")]
    [InlineData("1 + 1", "done")]
    [InlineData("", "done")]
    public async Task RunCSharp_Outcomes_ChooseTheConnections(string script, string expected) => (await _engine.LinesOfAsync(Flow(
        [Script(script, """ "id":"cs","possibleOutcomes":{"typeName":"Object","expression":{"type":"Object","value":"[\"Yes\",\"No\"]"} } """),
            Line("yes", "yes"), Line("no", "no"), Line("done", "done")],
        "cs:No->no", "cs:Yes->yes", "cs:Done->done"))).ShouldBe(expected);

    [Fact]
    public async Task RunCSharp_AsADurableTask_GivesItsResult() => (await _engine.LinesOfAsync(
        Sequence(
            Script(
                "await Task.Yield(); return 6 * 7;",
                """ "customProperties":{"runAsynchronously":true},"result":{"typeName":"Object","memoryReference":{"id":"v3"} } """),
            LineOf("$\"{Variables.Out}\"")),
        more: Variables)).ShouldBe("42");

    [Theory]
    [InlineData("this is no script", "The C# does not compile. ")]
    [InlineData("throw new FormatException(\"bad\");", "FormatException: bad (1:1)")]
    public async Task RunCSharp_Fails_Faults(string script, string message) =>
        (await _engine.RunAsync(Script(script))).Incidents.ShouldHaveSingleItem().Message.ShouldStartWith(message);

    [Fact]
    public async Task Expression_ThatFails_FaultsAndNamesInputAndPlace() =>
        (await _engine.RunAsync(LineOf("int.Parse(\"x\").ToString()"))).Incidents.ShouldHaveSingleItem().Message.ShouldBe(
            "Failed to evaluate activity input 'Text': FormatException: The input string 'x' was not in a correct format. (1:1)");

    [Fact]
    public async Task Publish_Allowed_HasNoErrors()
    {
        var result = await PublishAsync(_engine, Sequence(LineOf("\"a\""), Script("1")));

        result.ValidationErrors.ShouldBeEmpty();
        result.Definition.IsPublished.ShouldBeTrue();
    }

    [Fact]
    public async Task Publish_NotAllowed_NamesEveryPlaceAndTheOption()
    {
        await using var off = await EngineHost.StartAsync(database.ConnectionString, runsBursts: false, queue: null);

        var result = await PublishAsync(off, Sequence(
            LineOf("\"a\"", "line"), Script("1", "\"id\":\"cs\""), Script("1", "\"id\":\"literal\"", "Literal")));

        result.Definition.IsPublished.ShouldBeFalse();
        result.ValidationErrors.Select(e => e.ActivityId).ShouldBe(["line", "cs", "literal"], ignoreOrder: true);
        result.ValidationErrors.ShouldAllBe(e => e.Message.Contains("WorkflowsOptions.AllowCSharp", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Run_NotAllowed_FaultsAndNamesTheOption()
    {
        // A database of its own: hosts of one database must agree, else either of these two might take the instance.
        await using var isolated = new TestDatabase();
        await isolated.InitializeAsync();
        await using var off = await EngineHost.StartAsync(isolated.ConnectionString);

        foreach (var root in new[] { LineOf("\"a\""), Script("1") })
            (await off.RunAsync(root)).Incidents.ShouldHaveSingleItem().Message.ShouldContain("WorkflowsOptions.AllowCSharp");
    }

    private static async Task<PublishResult> PublishAsync(EngineHost engine, string root)
    {
        var id = $"def-{Guid.NewGuid():N}";
        await engine.Definitions.SaveDraftAsync(JsonSerializer.Deserialize<JsonElement>(
            $$"""{"definitionId":"{{id}}","name":"Test","root":{{root}} }"""));
        return (await engine.Definitions.PublishAsync(id))!;
    }

    private static string LineOf(string script, string id = "line") =>
        $$"""{"type":"Elsa.WriteLine","id":"{{id}}","text":{{TextOf(script, "CSharp")}} }""";

    private static string Script(string script, string more = "\"metadata\":{ }", string type = "CSharp") =>
        $$"""{"type":"Elsa.RunCSharp",{{more}},"script":{{TextOf(script, type)}} }""";

    private static string TextOf(string script, string type) =>
        $$"""{"typeName":"String","expression":{"type":"{{type}}","value":{{JsonSerializer.Serialize(script)}} } }""";
}
