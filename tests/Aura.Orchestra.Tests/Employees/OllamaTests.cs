using Aura.Orchestra.Employees;
using Aura.Testing;

namespace Aura.Orchestra.Tests.Employees;

/// <summary>Backend ollama against a server that asks for no key.</summary>
public sealed class OllamaTests(KeylessAimockServer server) : IClassFixture<KeylessAimockServer>
{
    [Fact]
    public async Task CheckAsync_RunningServer_ListsItsModelsUnlessSomeArePreferred()
    {
        var options = server.Options();
        var status = await new EmployeeBackends(options, TimeProvider.System).CheckAsync("ollama");

        status.IsAvailable.ShouldBeTrue(status.Detail);
        status.Endpoint.ShouldBe(new Uri(server.Address, "/v1"));
        status.Models.ShouldContain("works");

        options.Ollama.Models = ["mine"];
        (await new EmployeeBackends(options, TimeProvider.System).CheckAsync("ollama")).Models.ShouldBe(["mine"]);
    }

    [Fact]
    public async Task WorkAsync_RunningServer_DoesTheJob()
    {
        await using var bench = await EmployeeBench.CreateAsync();

        var result = await new EmployeeBackends(server.Options(), TimeProvider.System).Adapter("ollama")
            .WorkAsync(EmployeeBench.Request with { Model = "works" }, bench.Tools, CancellationToken.None);

        result.FinishReason.ShouldBe(EmployeeFinish.Completed, result.Output);
        (await bench.ReadAsync("app.py")).ShouldBe("done\n");
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
