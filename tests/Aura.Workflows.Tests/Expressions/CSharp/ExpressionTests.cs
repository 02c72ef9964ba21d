using System.Text.Json;
using Aura.Workflows.Expressions;
using Aura.Workflows.Expressions.CSharp;

namespace Aura.Workflows.Tests.Expressions.CSharp;

/// <summary>What expressions see, what they may change, and how their values leave them.</summary>
public sealed class ExpressionTests : IDisposable
{
    private const string Members = """
        "variables":[
            {"id":"v1","name":"Count","typeName":"Int32","value":"7"},
            {"id":"v2","name":"Order","typeName":"Object","value":"{\"Customer\":{\"Name\":\"Ada\"},\"Lines\":[{\"Price\":2},{\"Price\":3}]}"},
            {"id":"v3","name":"Tags","typeName":"String","isArray":true,"value":"[\"a\",\"b\"]"},
            {"id":"v4","name":"Words","typeName":"List<String>","value":"[\"x\"]"},
            {"id":"v5","name":"Anything","typeName":"Object"},
            {"id":"v6","name":"class","typeName":"String","value":"keyword"},
            {"id":"v7","name":"no-name","typeName":"String","value":"dashed"},
            {"id":"v8","name":"Due","typeName":"DateTimeOffset","value":"2024-02-29T10:30:00Z"},
            {"id":"v9","name":"Get","typeName":"String","value":"taken"}],
        "inputs":[{"name":"Word","type":"String"},{"name":"Limit","type":"Int32"}]
        """;

    private readonly ScriptHost _host = new(Members, input: new() { ["Word"] = "hey", ["Limit"] = 5L, ["Extra"] = true });

    public void Dispose() => _host.Dispose();

    [Theory]
    [InlineData("1 + 2", "3")]
    [InlineData("return 40 + 2;", "42")]
    [InlineData("var x = 20; x *= 2; x + 2", "42")]
    [InlineData("if (Variables.Count > 5) return \"big\"; return \"small\";", "big")]
    [InlineData("int Twice(int n) => n * 2; Twice(Variable.Count)", "14")]
    [InlineData("using System.Xml.Linq; new XElement(\"a\", 1).ToString()", "<a>1</a>")]
    [InlineData("await Task.FromResult(\"later\")", "later")]
    [InlineData("await Task.Yield(); return \"much later\";", "much later")]
    [InlineData("// only a comment", null)]
    [InlineData("  \n ", null)]
    [InlineData("null", null)]
    [InlineData("$\"{WorkflowInstanceId} {CorrelationId} {WorkflowInstanceName}\"", "i-1 c-1 ")]
    [InlineData("$\"{WorkflowDefinitionId} {WorkflowDefinitionVersion}\"", "scripts 3")]
    [InlineData("Variables.Count.GetType().Name", "Int32")]
    [InlineData("Variables.Order.Customer.Name", "Ada")]
    [InlineData("string.Join('+', ((IEnumerable<dynamic>)Variables.Order.Lines).Select(l => l.Price))", "2+3")]
    [InlineData("string.Join(',', Variables.Tags.Select(t => t.ToUpper()))", "A,B")]
    [InlineData("Variables.Words.Count + Variables.Tags.Length", "3")]
    [InlineData("Variables.@class + Variables.Get(\"no-name\") + Variables.Get<string>(\"Get\")", "keyworddashedtaken")]
    [InlineData("Variables.Due.AddDays(1).Day", "1")]
    [InlineData("Variables.Anything == null", "true")]
    [InlineData("Variables.Get(\"Nobody\") == null", "true")]
    [InlineData("ExecutionContext.GetVariable<long>(\"Count\") + ExecutionContext.GetVariable(\"Count\")", "14")]
    [InlineData("Input.Word + Inputs.Limit.ToString(\"000\")", "hey005")]
    [InlineData("Input.Get(\"Extra\")", "true")]
    [InlineData("Input.Get<string>(\"Limit\") + ExecutionContext.GetInput(\"Word\")", "5hey")]
    [InlineData("Output.From(\"line\")", "5")]
    [InlineData("Output.From<int>(\"Greeting\", \"Result\") + Output.LastResult.n", "7")]
    [InlineData("Output.From(\"nobody\") == null", "true")]
    [InlineData("((IDictionary<string, object>)Args).Count + ((IDictionary<string, object>)Arguments).Count", "0")]
    [InlineData("CancellationToken.IsCancellationRequested", "false")]
    public void Evaluate_AnExpression_GivesItsValue(string source, string? expected)
    {
        _host.Workflow.ActivityOutputs["line"] = new() { ["Result"] = 5L };
        _host.Workflow.LastResult = new Dictionary<string, object?> { ["n"] = 2L };

        _host.Evaluate<string>(source).ShouldBe(expected);
    }

    [Theory]
    [InlineData("Variables.Count = 9", "Count", "9")]
    [InlineData("Variables.Count++;", "Count", "8")]
    [InlineData("Variables.Set(\"Count\", \"11\")", "Count", "11")]
    [InlineData("ExecutionContext.SetVariable(\"Count\", 12L)", "Count", "12")]
    [InlineData("ExecutionContext.SetVariable(\"Fresh\", new { A = 1 })", "Fresh", """{"A":1}""")]
    [InlineData("Variables.Anything = (1, \"b\")", "Anything", """[1,"b"]""")]
    [InlineData(
        "Variables.Order.Customer.Name = \"Bob\"; Variables.Order.Lines.Add(Variables.Order.Lines[0]);", "Order",
        """{"Customer":{"Name":"Bob"},"Lines":[{"Price":2},{"Price":3},{"Price":2}]}""")]
    [InlineData("Variables.Words.Add(\"y\")", "Words", """["x","y"]""")]
    [InlineData("Variables.Tags[1] = \"c\"", "Tags", """["a","c"]""")]
    [InlineData("Variables.Words.Add(\"lost\"); Variables.Words = new() { \"set\" };", "Words", """["set"]""")]
    [InlineData(
        "await Task.WhenAll(Enumerable.Range(0, 50).Select(async i => { await Task.Yield(); Variables.Count = Variables.Count + 1; }))",
        "Count", "57")]
    public void Evaluate_ThatChangesAVariable_ChangesIt(string source, string variable, string expected)
    {
        _host.Evaluate<object>(source);

        JsonSerializer.Serialize(_host[variable]).ShouldBe(expected);
    }

    [Fact]
    public void Evaluate_ThatReadsOnly_LeavesTheVariableTheSameObject()
    {
        var before = _host["Order"];

        _host.Evaluate<int>("Variables.Order.Lines.Count").ShouldBe(2);

        _host["Order"].ShouldBeSameAs(before);
    }

    [Fact]
    public void Evaluate_ThatThrows_KeepsWhatWasSetButNotChangesInside()
    {
        Should.Throw<CSharpScriptException>(() => _host.Evaluate<object>("Variables.Words.Add(\"y\"); Variables.Count = 9; throw new Exception();"));

        JsonSerializer.Serialize(_host["Words"]).ShouldBe("""["x"]""");
        _host["Count"].ShouldBe(9);
    }

    [Fact]
    public void Evaluate_ThatNamesTheInstance_NamesIt()
    {
        _host.Evaluate<object>("CorrelationId = \"c-2\"; WorkflowInstanceName = \"Second\";");

        (_host.Workflow.CorrelationId, _host.Workflow.Name).ShouldBe(("c-2", "Second"));
    }

    [Theory]
    [InlineData("new { Name = \"x\", Inner = new { N = 1 } }", """{"Name":"x","Inner":{"N":1}}""")]
    [InlineData("record Point(int X, int Y); new[] { new Point(1, 2) }", """[{"X":1,"Y":2}]""")]
    [InlineData("enum Size { Small, Big } Size.Big", "\"Big\"")]
    [InlineData("new Dictionary<int, string> { [1] = \"a\" }", """{"1":"a"}""")]
    [InlineData("Enumerable.Range(1, 3).Where(n => n != 2)", "[1,3]")]
    [InlineData("JsonNode.Parse(\"{\\\"a\\\":[1,null]}\")", """{"a":[1,null]}""")]
    [InlineData("Variables.Order.Customer", """{"Name":"Ada"}""")]
    [InlineData("12.50m", "12.50")]
    [InlineData("DayOfWeek.Friday", "5")]
    public void Evaluate_ToAnything_GivesPlainValues(string source, string expected)
    {
        var value = _host.Evaluate<object>(source);

        value!.GetType().IsCollectible.ShouldBeFalse();
        JsonSerializer.Serialize(value).ShouldBe(expected);
    }

    [Fact]
    public void Evaluate_ToAType_Converts()
    {
        _host.Evaluate<int>("\"42\"").ShouldBe(42);
        _host.Evaluate<List<string>>("new[] { 1, 2 }.Select(n => $\"n{n}\")").ShouldBe(["n1", "n2"]);
        _host.Evaluate<Version>("new Version(1, 2)").ShouldBe(new Version(1, 2));
        _host.Evaluate<DayOfWeek>("\"friday\"").ShouldBe(DayOfWeek.Friday);
        _host.Evaluate<TimeSpan?>("TimeSpan.FromMinutes(2)").ShouldBe(TimeSpan.FromMinutes(2));
        Should.Throw<ValueConversionException>(() => _host.Evaluate<int>("\"many\""));
    }
}
