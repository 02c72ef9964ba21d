using System.Text.Json;
using Aura.Workflows.Expressions.JavaScript;

namespace Aura.Workflows.Tests.Expressions.JavaScript;

/// <summary>The names that Elsa gives to scripts.</summary>
public sealed class JavaScriptGlobalsTests
{
    private readonly FakeContext _context = new();

    [Theory]
    [InlineData("getWorkflowDefinitionId()", "\"def\"")]
    [InlineData("getWorkflowDefinitionVersionId()", "\"def-v3\"")]
    [InlineData("getWorkflowDefinitionVersion() + 1", "4")]
    [InlineData("getWorkflowInstanceId()", "\"inst\"")]
    [InlineData("getCorrelationId()", "\"corr\"")]
    [InlineData("getWorkflowInstanceName()", "null")]
    [InlineData("getVariable('Order').total", "12.5")]
    [InlineData("getVariable('nobody')", "null")]
    [InlineData("getOrder().lines[0].sku", "\"A1\"")]
    [InlineData("getCount() + 1", "6")]
    [InlineData("variables.Order.lines.length", "1")]
    [InlineData("variables.count", "5")]
    [InlineData("variables.Count", "5")]
    [InlineData("variables.nobody", "null")]
    [InlineData("variables.nobody?.x ?? 'none'", "\"none\"")]
    [InlineData("Object.keys(variables)", "[\"Order\",\"count\",\"Day\"]")]
    [InlineData("({...variables}).count", "5")]
    [InlineData("getInput('Customer')", "\"Ann\"")]
    [InlineData("getCustomer()", "\"Ann\"")]
    [InlineData("getInput('nobody')", "null")]
    [InlineData("getOutputFrom('Fetch', 'Status')", "200")]
    [InlineData("getOutputFrom('Fetch')", "\"body\"")]
    [InlineData("getStatusFromFetch()", "200")]
    [InlineData("getLastResult()", "\"last\"")]
    [InlineData("args", "{}")]
    [InlineData("variables.Day.getUTCDate()", "29")]
    [InlineData("isNullOrWhiteSpace(' ') && isNullOrEmpty(null) && !isNullOrEmpty(' ')", "true")]
    [InlineData("toJson({a: [1, 'x', null]})", "\"{\\\"a\\\":[1,\\\"x\\\",null]}\"")]
    [InlineData("parseGuid('6F9619FF8B86D011B42D00C04FC964FF')", "\"6f9619ff-8b86-d011-b42d-00c04fc964ff\"")]
    [InlineData("newGuid().length + newGuidString().length", "72")]
    [InlineData("newShortGuid() !== newShortGuid()", "true")]
    [InlineData("bytesToString(bytesFromString('hé'))", "\"hé\"")]
    [InlineData("bytesFromBase64(bytesToBase64([1, 2, 255]))", "[1,2,255]")]
    [InlineData("stringFromBase64(stringToBase64('hé'))", "\"hé\"")]
    [InlineData("typeof setOutcome", "\"undefined\"")]
    [InlineData("typeof getNothing", "\"undefined\"")]
    [InlineData("typeof getStatusFromNowhere", "\"undefined\"")]
    [InlineData("getVariable === getVariable", "true")]
    public void Run_Global_GivesWhatTheContextHolds(string source, string expected) => Run(source).ShouldBe(expected);

    [Theory]
    [InlineData("setVariable('count', 6)")]
    [InlineData("setCount(6)")]
    [InlineData("variables.count = 6")]
    [InlineData("variables.Count++")]
    public void Run_VariableSet_TheContextHasIt(string source)
    {
        Run(source);

        _context.Variables["count"].ShouldBe(6L);
    }

    [Fact]
    public void Run_NewVariableSet_IsMade()
    {
        Run("setVariable('fresh', {a: [1]})");

        JsonSerializer.Serialize(_context.Variables["fresh"]).ShouldBe("""{"a":[1]}""");
    }

    [Fact]
    public void Run_ObjectOfVariablesChanged_IsWrittenBack()
    {
        Run("variables.Order.lines.push({sku: 'B2'}); variables.Order.total *= 2");

        JsonSerializer.Serialize(_context.Variables["Order"]).ShouldBe("""{"total":25,"lines":[{"sku":"A1"},{"sku":"B2"}]}""");
    }

    [Theory]
    [InlineData("variables.Order.total = 1; setVariable('Order', {total: 2})")]
    [InlineData("variables.Order.total = 1; setOrder({total: 2})")]
    [InlineData("variables.Order.total = 1; variables.Order = {total: 2}")]
    [InlineData("variables.Order = {total: 1}; variables.Order.total = 2")]
    public void Run_VariableSetAfterItsCopyChanged_TheSetCounts(string source)
    {
        Run(source);

        JsonSerializer.Serialize(_context.Variables["Order"]).ShouldBe("""{"total":2}""");
    }

    [Fact]
    public void Run_VariableOnlyRead_StaysTheSameObject()
    {
        var order = _context.Variables["Order"];

        Run("variables.Order.lines.map(l => l.sku)");

        _context.Variables["Order"].ShouldBeSameAs(order);
    }

    [Fact]
    public void Run_UnknownVariableAssigned_SaysSo() =>
        Should.Throw<ScriptException>(() => Run("variables.nobody = 1")).Message.ShouldContain("nobody");

    [Fact]
    public void Run_CorrelationIdAndName_AreSet()
    {
        Run("setCorrelationId('c2'); setWorkflowInstanceName(`Order ${getCount()}`)");

        (_context.CorrelationId, _context.InstanceName).ShouldBe(("c2", "Order 5"));
    }

    [Theory]
    [InlineData("setOutcome('Yes')", "Yes")]
    [InlineData("setOutcome('No'); setOutcome('Yes')", "Yes")]
    [InlineData("setOutcomes(['A', 'B'])", "A B")]
    [InlineData("setOutcomes('A', 'B')", "A B")]
    public void Run_OutcomesSet_AreCollected(string source, string expected)
    {
        var outcomes = new List<string>();

        Run(source, outcomes);

        string.Join(' ', outcomes).ShouldBe(expected);
    }

    private string Run(string source, List<string>? outcomes = null) => JsonSerializer.Serialize(
        Scripts.Run(source, new ScriptRun { Globals = new JavaScriptGlobals(_context, new Dictionary<string, object?>(), outcomes) }),
        new JsonSerializerOptions { Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping }).Replace("\\u0022", "\\\"", StringComparison.Ordinal);

    private sealed class FakeContext : IScriptContext
    {
        public Dictionary<string, object?> Variables { get; } = new(StringComparer.Ordinal)
        {
            ["Order"] = new Dictionary<string, object?>
            {
                ["total"] = 12.5,
                ["lines"] = new List<object?> { new Dictionary<string, object?> { ["sku"] = "A1" } },
            },
            ["count"] = 5L,
            ["Day"] = new DateTimeOffset(2024, 2, 29, 0, 0, 0, TimeSpan.Zero),
        };

        public string DefinitionId => "def";

        public string DefinitionVersionId => "def-v3";

        public int DefinitionVersion => 3;

        public string InstanceId => "inst";

        public string? CorrelationId { get; set; } = "corr";

        public string? InstanceName { get; set; }

        public IReadOnlyDictionary<string, object?> Input { get; } = new Dictionary<string, object?> { ["Customer"] = "Ann" };

        public IEnumerable<string> VariableNames => Variables.Keys;

        public object? LastResult => "last";

        public bool TryGetVariable(string name, out object? value) => Variables.TryGetValue(name, out value);

        public void SetVariable(string name, object? value) => Variables[name] = value;

        public bool TryGetOutput(string activity, string? output, out object? value)
        {
            value = (activity, output) switch { ("Fetch", "Status") => 200L, ("Fetch", null) => "body", _ => null };
            return value is not null;
        }
    }
}
