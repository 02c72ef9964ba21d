using Aura.Orchestra.Employees;
using Aura.Testing;

namespace Aura.Orchestra.Tests.Employees;

/// <summary>Backend ollama against a server that asks for no key.</summary>
public sealed class OllamaTests(KeylessAimockServer server) : IClassFixture<KeylessAimockServer>
{
    [Fact]
    public async Task CheckAsync_RunningServer_ListsItsModelsAndSaysWhichAreNotPulled()
    {
        var options = server.Options();
        var status = await new EmployeeBackends(options, TimeProvider.System).CheckAsync("ollama");

        status.IsAvailable.ShouldBeTrue(status.Detail);
        status.Endpoint.ShouldBe(server.Address);
        status.Models.ShouldContain("works");

        options.Ollama.Models = ["mine", "works"];
        var preferred = await new EmployeeBackends(options, TimeProvider.System).CheckAsync("ollama");
        preferred.IsAvailable.ShouldBeTrue();
        preferred.Models.ShouldBe(["works"]);
        preferred.Missing.ShouldBe(new Dictionary<string, string> { ["mine"] = "Not pulled: run 'ollama pull mine'." });

        options.Ollama.Models = ["mine"];
        var none = await new EmployeeBackends(options, TimeProvider.System).CheckAsync("ollama");
        none.IsAvailable.ShouldBeFalse();
        none.Detail.ShouldContain("run 'ollama pull mine'");
    }

    [Fact]
    public async Task WorkAsync_ModelThatIsNotThere_SaysHowToGetIt()
    {
        await using var bench = await EmployeeBench.CreateAsync();

        var result = await new EmployeeBackends(server.Options(), TimeProvider.System).Adapter("ollama")
            .WorkAsync(EmployeeBench.Request with { Model = "absent" }, bench.Tools, CancellationToken.None);

        result.FinishReason.ShouldBe(EmployeeFinish.Misconfigured);
        result.Explanation.ShouldContain("ollama pull");
    }
}
