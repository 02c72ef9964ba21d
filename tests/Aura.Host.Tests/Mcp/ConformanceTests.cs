using Aura.Orchestra.Processes;

namespace Aura.Host.Tests.Mcp;

/// <summary>The official suites of the Model Context Protocol against the transport that serves employees.</summary>
public sealed class ConformanceTests(ConformanceFixture fixture) : IClassFixture<ConformanceFixture>
{
    [Theory]
    [InlineData("2025-11-25")]
    [InlineData("2026-07-28")]
    public async Task Requirements_OfTheRevision_AllPass(string revision)
    {
        var result = await RunAsync("conformance-02", "--requirements", revision);

        result.ExitCode.ShouldBe(0, result.StandardOutput + result.StandardError);
    }

    [Theory]
    [InlineData("active")]
    [InlineData("all")]
    public async Task ReleasedSuite_OfSessions_Passes(string suite)
    {
        var result = await RunAsync("conformance-01", "--suite", suite);

        result.ExitCode.ShouldBe(0, result.StandardOutput + result.StandardError);
    }

    private Task<ProcessResult> RunAsync(string package, params string[] arguments) =>
        McpNode.RunAsync(TimeSpan.FromMinutes(4), [Path.Combine(McpNode.Modules, package, "dist", "index.js"), "server", "--url", fixture.Url, .. arguments]);
}
