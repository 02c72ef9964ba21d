using System.Reflection;
using System.Xml.Linq;
using Aura.Testing;

namespace Aura.Host.Tests.Architecture;

/// <summary>The arrows of the design: engine and organisation do not know each other; only activities and the host see both.</summary>
public sealed class ArrowsTests
{
    [Theory]
    [InlineData("src/Aura.Workflows", "")]
    [InlineData("src/Aura.Orchestra", "")]
    [InlineData("activities/Aura.Activities", "Aura.Orchestra Aura.Workflows")]
    [InlineData("src/Aura.Host", "Aura.Activities")]
    public void ProjectReferences_OfEachProject_AreThoseOfTheDesign(string project, string expected)
    {
        var file = Repository.Path(project, Path.GetFileName(project) + ".csproj");
        var references = XDocument.Load(file).Descendants("ProjectReference")
            .Select(r => Path.GetFileNameWithoutExtension(r.Attribute("Include")!.Value)).Order(StringComparer.Ordinal);

        string.Join(' ', references).ShouldBe(expected);
    }

    [Theory]
    [InlineData("Aura.Workflows", "Aura.Orchestra", "Aura.Activities", "Aura.Host")]
    [InlineData("Aura.Orchestra", "Aura.Workflows", "Aura.Activities", "Aura.Host")]
    [InlineData("Aura.Activities", "Aura.Host")]
    public void CompiledAssembly_References_NoneThatTheDesignForbids(string assembly, params string[] forbidden) =>
        Assembly.Load(assembly).GetReferencedAssemblies().Select(r => r.Name).ShouldNotContain(name => forbidden.Contains(name));

    [Fact]
    public void ActivityFiles_UsingsOfTheEngine_StandInOneFile()
    {
        var folder = Repository.Path("activities", "Aura.Activities");
        var naming = Directory.EnumerateFiles(folder, "*.cs").Where(f => File.ReadAllText(f).Contains("using Aura.Workflows", StringComparison.Ordinal));

        naming.Select(Path.GetFileName).ShouldBe(["GlobalUsings.cs"]);
    }
}
