using Aura.Testing;
using Aura.Workflows.Definitions;

namespace Aura.Host.Tests.Elsa;

/// <summary>The workflows that Aura ships can be published as they are.</summary>
public sealed class ShippedWorkflowsTests(DesignerHost host) : IClassFixture<DesignerHost>
{
    public static TheoryData<string> Files =>
        [.. Directory.EnumerateFiles(Path.Combine(Repository.Root, "workflows"), "*.json").Select(f => Path.GetFileName(f)!)];

    [Theory]
    [MemberData(nameof(Files))]
    public async Task Validate_Shipped_FindsNoErrors(string file)
    {
        var json = await File.ReadAllTextAsync(Path.Combine(Repository.Root, "workflows", file), DesignerHost.Cancel);

        var found = await host.Definitions.ValidateAsync(WorkflowDefinition.Parse(json, file), DesignerHost.Cancel);

        found.Where(f => f.IsError).Select(f => f.Message).ShouldBeEmpty();
        found.Where(f => f.Code != ValidationCodes.UnknownDefinition && f.Code != ValidationCodes.UnknownOption).Select(f => f.Message).ShouldBeEmpty();
    }
}
