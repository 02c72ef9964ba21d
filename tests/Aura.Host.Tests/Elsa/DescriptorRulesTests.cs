using System.Reflection;
using System.Text.Json;
using Aura.Activities;
using Aura.Workflows;
using Aura.Workflows.Definitions;
using Aura.Workflows.Expressions;

namespace Aura.Host.Tests.Elsa;

/// <summary>What every activity owes to those who design with it. A new one that forgets something fails here.</summary>
public sealed class DescriptorRulesTests
{
    private static readonly List<ActivityDescriptor> All = [.. new ActivityRegistry().AddFrom(typeof(DecomposePrd).Assembly).Descriptors];

    private static readonly HashSet<string> Hints =
        [.. typeof(InputUIHints).GetFields(BindingFlags.Public | BindingFlags.Static).Select(f => (string)f.GetRawConstantValue()!)];

    public static TheoryData<string> TypeNames => [.. All.Select(d => d.TypeName).Distinct()];

    [Fact]
    public void Registry_BothAssemblies_AreThere() =>
        new[] { "Elsa.Flowchart", "Elsa.HttpEndpoint", "Aura.DecomposePrd" }.ShouldBeSubsetOf(All.Select(d => d.TypeName));

    [Theory]
    [MemberData(nameof(TypeNames))]
    public void Activity_Texts_AreComplete(string typeName)
    {
        foreach (var activity in All.Where(d => d.TypeName == typeName))
        {
            Sentence(activity.Description, typeName);
            activity.DisplayName.ShouldNotBeNullOrWhiteSpace();
            activity.Category.ShouldNotBeNullOrWhiteSpace();
            // Studio cuts a category's heading at the first slash.
            activity.Category.ShouldNotContain('/');
            foreach (var input in activity.Inputs)
                Sentence(input.Description, $"{typeName}.{input.Name}");
            foreach (var output in activity.Outputs)
                Sentence(output.Description, $"{typeName}.{output.Name}");
        }
    }

    [Theory]
    [MemberData(nameof(TypeNames))]
    public void Activity_NamesAndOrders_AreUnique(string typeName)
    {
        foreach (var activity in All.Where(d => d.TypeName == typeName))
        {
            activity.Inputs.Select(i => i.Name.ToUpperInvariant()).Concat(activity.Outputs.Select(o => o.Name.ToUpperInvariant())).ShouldBeUnique();
            activity.Inputs.Select(i => i.Order).ShouldBeUnique();
            activity.Outputs.Select(o => o.Order).ShouldBeUnique();
            activity.Ports.Select(p => p.Name).ShouldBeUnique();
            (activity.IsTerminal || activity.Ports.Any(p => p.Type == PortType.Flow)).ShouldBeTrue(typeName);
        }
    }

    /// <summary>Texts may be given their default where they are read; of a number one could not tell that nobody gave it.</summary>
    [Theory]
    [MemberData(nameof(TypeNames))]
    public void Input_Unset_HasTheDefaultThatIsShown(string typeName)
    {
        foreach (var input in All.Where(d => d.TypeName == typeName).SelectMany(d => d.Inputs).Where(i => i.IsWrapped && i.Type != typeof(string)))
        {
            var own = input.Type.IsValueType ? Activator.CreateInstance(input.Type) : null;
            if (input.DefaultValue is not { } shown || Json(shown) == Json(own))
                continue;
            var holder = All.First(d => d.TypeName == typeName).ClrType;
            var unset = holder.GetProperty(input.Name)!.GetValue(Activator.CreateInstance(holder)) as Input;
            unset?.Expression?.Value.GetRawText().ShouldBe(Json(shown), $"{typeName}.{input.Name}");
            unset.ShouldNotBeNull($"{typeName}.{input.Name}");
        }

        static string Json(object? value) => JsonSerializer.Serialize(value, WorkflowJson.Options);
    }

    [Theory]
    [MemberData(nameof(TypeNames))]
    public void Input_Editor_IsOneThatStudioHasAndHasWhatItNeeds(string typeName)
    {
        foreach (var input in All.Where(d => d.TypeName == typeName).SelectMany(d => d.Inputs).Where(i => i.IsBrowsable))
        {
            var where = $"{typeName}.{input.Name}";
            Hints.ShouldContain(input.UIHint, where);
            var specifications = JsonSerializer.SerializeToElement(input.UISpecifications, WorkflowJson.Options);
            if (input.UIHint is InputUIHints.DropDown or InputUIHints.RadioList or InputUIHints.CheckList)
            {
                var list = input.UIHint switch { InputUIHints.DropDown => "selectList", InputUIHints.RadioList => "radioList", _ => "checkList" };
                var items = specifications.GetProperty(input.UIHint).GetProperty(list).GetProperty("items").EnumerateArray().ToList();
                // Nothing to choose from is right only where Studio asks the server later.
                (items.Count > 0 || specifications.TryGetProperty("Refresh", out _)).ShouldBeTrue(where);
                items.Select(i => i.GetProperty("value").GetString()).ShouldBeUnique(where);
            }

            if (input.UIHint == InputUIHints.CodeEditor)
            {
                // A text here kills Studio's panel.
                specifications.GetProperty("code-editor").GetProperty("editorHeight").ValueKind.ShouldBe(JsonValueKind.Number, where);
                specifications.GetProperty("code-editor").GetProperty("language").GetString().ShouldNotBeNullOrEmpty(where);
            }
        }
    }

    [Theory]
    [MemberData(nameof(TypeNames))]
    public void Input_Default_ConvertsAndIsAmongTheOptions(string typeName)
    {
        foreach (var input in All.Where(d => d.TypeName == typeName).SelectMany(d => d.Inputs).Where(i => i.DefaultValue is not null))
        {
            var json = JsonSerializer.SerializeToElement(input.DefaultValue, WorkflowJson.Options);
            Should.NotThrow(() => ObjectConverter.ConvertTo(json, input.Type), $"{typeName}.{input.Name}").ShouldNotBeNull();
            input.IsRequired.ShouldBeFalse($"{typeName}.{input.Name} has a default: it cannot be missing");
            var values = JsonSerializer.SerializeToElement(input.UISpecifications, WorkflowJson.Options).ToString();
            if (input.UIHandler is null && input.UIHint is InputUIHints.DropDown or InputUIHints.RadioList)
                values.ShouldContain($"\"{(json.ValueKind == JsonValueKind.String ? json.GetString() : json.GetRawText())}\"");
        }
    }

    private static void Sentence(string text, string where)
    {
        text.ShouldNotBeNullOrWhiteSpace(where);
        text[^1].ShouldBe('.', where);
        char.IsUpper(text[0]).ShouldBeTrue($"{where}: {text}");
    }
}
