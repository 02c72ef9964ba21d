using System.Text.Json;
using Aura.Orchestra.Tools;

namespace Aura.Orchestra.Tests.Tools;

/// <summary>The definitions are what every employee reads: they must hold together.</summary>
public sealed class ToolCatalogTests
{
    [Fact]
    public void All_EachDefinition_IsCompleteAndItsSchemaSound()
    {
        ToolCatalog.All.Select(t => t.Name).ShouldBeUnique();
        foreach (var tool in ToolCatalog.All)
        {
            tool.Title.ShouldNotBe(tool.Name);
            tool.Description.Length.ShouldBeGreaterThan(30, tool.Name);
            (tool.IsReadOnly && tool.IsDestructive).ShouldBeFalse(tool.Name);
            var schema = JsonElement.Parse(tool.Schema);
            schema.GetProperty("type").GetString().ShouldBe("object", tool.Name);
            schema.GetProperty("additionalProperties").GetBoolean().ShouldBeFalse(tool.Name);
            var properties = schema.GetProperty("properties").EnumerateObject().Select(p => p.Name).ToList();
            if (schema.TryGetProperty("required", out var required))
                required.EnumerateArray().ShouldAllBe(r => properties.Contains(r.GetString()!));
        }
    }

    [Fact]
    public void Names_EveryConstant_HasADefinition() =>
        typeof(ToolNames).GetFields().Select(f => (string)f.GetRawConstantValue()!).ShouldBe(ToolCatalog.All.Select(t => t.Name), ignoreOrder: true);
}
