using System.Text.Json;
using Aura.Workflows.Definitions;
using Microsoft.Extensions.DependencyInjection;

namespace Aura.Workflows.Tests.Definitions;

/// <summary>What Studio is told of activity types.</summary>
public sealed class DescriptorTests
{
    private readonly ActivityRegistry _registry = new ActivityRegistry().AddFrom(typeof(DescriptorTests).Assembly);

    [Fact]
    public void Json_Descriptor_HasTheMembersThatStudioReads()
    {
        var json = Json("Test.Purchase");

        json.Text("typeName").ShouldBe("Test.Purchase");
        json.Text("namespace").ShouldBe("Test");
        json.Text("name").ShouldBe("Purchase");
        json.Text("displayName").ShouldBe("Place an order");
        json.Text("kind").ShouldBe("Task");
        json.GetProperty("version").GetInt32().ShouldBe(2);
        json.GetProperty("isBrowsable").GetBoolean().ShouldBeTrue();
        json.GetProperty("runAsynchronously").GetBoolean().ShouldBeTrue();
        json.Member("clrType").ShouldBeNull();
        json.GetProperty("customProperties").ValueKind.ShouldBe(JsonValueKind.Object);
        json.GetProperty("constructionProperties").ValueKind.ShouldBe(JsonValueKind.Object);
        json.GetProperty("ports").EnumerateArray().Select(p => $"{p.Text("name")} {p.Text("displayName")} {p.Text("type")} {p.Flag("isBrowsable")}")
            .ShouldBe(["OnFailure On Failure Embedded True", "Hidden Hidden Embedded False", "Shipped Shipped Flow True", "Sold out Sold out Flow True"]);
        var output = json.GetProperty("outputs").EnumerateArray().Single(o => o.Text("name") == "Receipt");
        (output.Text("typeName"), output.Text("displayName"), output.Flag("isBrowsable")).ShouldBe(("Guid", "The receipt", true));
    }

    [Theory]
    [InlineData("sku", "String", "singleline", "Literal")]
    [InlineData("express", "Boolean", "checkbox", "Literal")]
    [InlineData("priority", "Priority", "dropdown", "Literal")]
    [InlineData("tags", "ICollection<String>", "multitext", "Object")]
    [InlineData("headers", "ObjectDictionary", "dictionary", "Object")]
    [InlineData("at", "DateTimeOffset?", "datetime-picker", "Literal")]
    [InlineData("channel", "String", "radiolist", "Literal")]
    [InlineData("script", "String", "code-editor", "JavaScript")]
    [InlineData("mode", "Priority", "dropdown", "Literal")]
    public void Json_Input_ChoosesTheEditorByType(string name, string typeName, string uiHint, string syntax)
    {
        var input = Input(name);

        (input.Text("typeName"), input.Text("uiHint"), input.Text("defaultSyntax")).ShouldBe((typeName, uiHint, syntax));
        input.Flag("isWrapped").ShouldBe(name != "mode");
        input.Flag("isBrowsable").ShouldBeTrue();
        input.Flag("isSerializable").ShouldBeTrue();
    }

    [Fact]
    public void Json_Specifications_AreAsTheEditorsWantThem()
    {
        Input("priority").GetProperty("uiSpecifications").GetRawText().ShouldBe(
            """{"dropdown":{"selectList":{"items":[{"text":"Very Low","value":"VeryLow"},{"text":"High","value":"High"}],"isFlagsEnum":false,"sortItems":false}}}""");
        Input("channel").GetProperty("uiSpecifications").GetRawText().ShouldBe(
            """{"radiolist":{"radioList":{"items":[{"text":"Mail","value":"Mail"},{"text":"Phone","value":"Phone"}],"isFlagsEnum":false}}}""");
        Input("script").GetProperty("uiSpecifications").GetRawText().ShouldBe("""{"code-editor":{"editorHeight":1,"language":"javascript"}}""");
        Input("sku").Member("uiSpecifications").ShouldBeNull();
    }

    [Fact]
    public void Json_InputOptions_Arrive()
    {
        var secret = Input("secret");

        secret.Flag("isSensitive").ShouldBeTrue();
        secret.Flag("isReadOnly").ShouldBeTrue();
        secret.Flag("autoEvaluate").ShouldBeFalse();
        secret.Text("category").ShouldBe("Security");
        secret.Text("defaultValue").ShouldBe("none");
        secret.GetProperty("supportedSyntaxes").EnumerateArray().ShouldHaveSingleItem().GetString().ShouldBe("Literal");
    }

    [Fact]
    public async Task GetUISpecifications_WithHandler_AsksItForTheCurrentValues()
    {
        var input = _registry.Find("Test.Purchase")!.Inputs.Single(i => i.Name == "Warehouse");
        using var services = new ServiceCollection().BuildServiceProvider();

        var specifications = await input.GetUISpecificationsAsync(services, "Hamburg", TestContext.Current.CancellationToken);

        specifications!["dropdown"].ShouldBe("Warehouse of Hamburg");
    }

    [Theory]
    [InlineData("Elsa.Flowchart", true, false)]
    [InlineData("Elsa.Sequence", true, false)]
    [InlineData("Elsa.Finish", false, true)]
    [InlineData("Elsa.WriteLine", false, false)]
    public void Descriptor_BuiltIn_KnowsItsRole(string typeName, bool isContainer, bool isTerminal)
    {
        var descriptor = _registry.Find(typeName)!;

        (descriptor.IsContainer, descriptor.IsTerminal).ShouldBe((isContainer, isTerminal));
        descriptor.Ports.Any(p => p.Type == PortType.Flow).ShouldBe(!isTerminal);
    }

    [Fact]
    public void Descriptors_TypeNameAndVersion_AreUnique()
    {
        var descriptors = _registry.Descriptors.ToList();

        descriptors.Select(d => (d.TypeName, d.Version)).ShouldBeUnique();
        descriptors.ShouldAllBe(d => !d.IsBrowsable || (d.DisplayName.Length > 0 && d.Category.Length > 0));
        foreach (var hidden in new[] { "Elsa.Workflow", "Elsa.NotFoundActivity", "Elsa.WorkflowDefinitionActivity" })
            _registry.Find(hidden)!.IsBrowsable.ShouldBeFalse();
    }

    [Fact]
    public void Find_Version_TakesItOrTheHighest()
    {
        _registry.Find("Test.Purchase", 1)!.ClrType.ShouldBe(typeof(OldPurchase));
        _registry.Find("Test.Purchase", 9)!.ClrType.ShouldBe(typeof(Purchase));
        _registry.Find("Test.Keep<Int32>")!.ClrType.ShouldBe(typeof(Keep<int>));
        _registry.Find("Test.Keep<Int32>")!.TypeName.ShouldBe("Test.Keep<Int32>");
        _registry.Find("Test.Keep<Nonsense>").ShouldBeNull();
    }

    [Fact]
    public void EngineDescriptors_TypeNames_AreUniqueAndKnown()
    {
        var names = EngineDescriptors.VariableTypes.Select(t => t.TypeName).ToList();

        names.ShouldBeUnique();
        names.ShouldAllBe(n => Aura.Workflows.Expressions.TypeAliases.AliasOf(Aura.Workflows.Expressions.TypeAliases.TypeOf(n)) == n);
        StorageDrivers.Descriptors.Select(d => d.TypeName).ShouldBeUnique();
        new ExpressionTypes([ExpressionDescriptor.Script("Cobol", "cobol")]).Descriptors.Select(d => d.Type)
            .ShouldBe(["Literal", "Object", "Variable", "Input", "Cobol"]);
    }

    private JsonElement Json(string typeName) => JsonSerializer.SerializeToElement(_registry.Find(typeName), WorkflowJson.Options);

    private JsonElement Input(string name) => Json("Test.Purchase").GetProperty("inputs").EnumerateArray()
        .Single(i => JsonNamingPolicy.CamelCase.ConvertName(i.Text("name")!) == name);
}

public enum Priority
{
    VeryLow,
    High,
}

[Activity("Test", Type = "Purchase")]
public sealed class OldPurchase : CodeActivity;

[Activity("Test", DisplayName = "Place an order", Kind = ActivityKind.Task, RunAsynchronously = true, Version = 2)]
[FlowNode("Shipped", "Sold out")]
public sealed class Purchase : CodeActivity<bool>
{
    public Input<string>? Sku { get; set; }

    public Input<bool>? Express { get; set; }

    public Input<Priority>? Priority { get; set; }

    public Input<ICollection<string>>? Tags { get; set; }

    public Input<IDictionary<string, object>>? Headers { get; set; }

    public Input<DateTimeOffset?>? At { get; set; }

    [Input(UIHint = InputUIHints.RadioList, Options = new[] { "Mail", "Phone" })]
    public Input<string>? Channel { get; set; }

    [Input(UIHint = InputUIHints.CodeEditor, DefaultSyntax = "JavaScript", Options = """{"editorHeight":1,"language":"javascript"}""")]
    public Input<string>? Script { get; set; }

    [Input(Category = "Security", IsSensitive = true, IsReadOnly = true, AutoEvaluate = false, DefaultValue = "none", SupportedSyntaxes = ["Literal"])]
    public Input<string>? Secret { get; set; }

    [Input(UIHint = InputUIHints.DropDown, UIHandler = typeof(Warehouses))]
    public Input<string>? Warehouse { get; set; }

    [Input]
    public Priority Mode { get; set; }

    [Output(DisplayName = "The receipt")]
    public Output<Guid>? Receipt { get; set; }

    [Port]
    public IActivity? OnFailure { get; set; }

    [Port(IsBrowsable = false)]
    public IActivity? Hidden { get; set; }
}

public sealed class Warehouses : IPropertyUIHandler
{
    public ValueTask<IDictionary<string, object>> GetUIPropertiesAsync(
        System.Reflection.PropertyInfo property, object? context, CancellationToken cancellationToken = default) =>
        ValueTask.FromResult<IDictionary<string, object>>(new Dictionary<string, object> { ["dropdown"] = $"{property?.Name} of {context}" });
}

[Activity("Test")]
public sealed class Keep<T> : CodeActivity
{
    public Input<T>? Value { get; set; }
}
