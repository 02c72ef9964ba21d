using System.Text.RegularExpressions;
using Aura.Host.Configuration;
using Aura.Host.Worker;
using Aura.Testing;
using YamlDotNet.RepresentationModel;

namespace Aura.Host.Tests.Deploy;

/// <summary>The compose file against what the program reads: a misspelt or forgotten variable starts nothing, and says nothing either.</summary>
public sealed partial class ComposeFileTests
{
    private const string WorkerKey = "wk_0123456789abcdef";

    [Fact]
    public void Services_VariablesFromEnv_StandInTheExample()
    {
        var used = VariablePattern().Matches(File.ReadAllText(Repository.Path("docker-compose.yml"))).Select(m => m.Groups["name"].Value);

        used.Except(Examples().Keys).ShouldBeEmpty();
    }

    [Fact]
    public void AuraService_ExampleEnv_IsReadWithoutProblems()
    {
        var given = EnvironmentOf("aura", new() { ["DIRECTOR_API_KEY"] = "dk_0123456789abcdef" });
        var asked = new HashSet<string>(StringComparer.Ordinal);

        var options = AuraOptions.Load(name =>
        {
            asked.Add(name);
            return given.GetValueOrDefault(name);
        });

        given.Keys.Except(asked).ShouldBeEmpty();
        options.Database.ShouldNotBeNull().ShouldContain("Host=postgres");
        options.ListenAddress.ShouldBe(System.Net.IPAddress.Any);
        // The worker's requests name the service.
        options.McpAllowedHosts.ShouldContain(new Uri(WorkerArguments()["AURA_MCP_URL"]!).Host);
    }

    [Fact]
    public void WorkerService_WithAKey_IsReadWithoutProblems()
    {
        var given = EnvironmentOf(
            "worker-ollama", new() { ["AURA_WORKER_KEY"] = WorkerKey, ["OLLAMA_HOST"] = "gpu:11434", ["OLLAMA_CONTEXT_LENGTH"] = "32768" });

        var options = Worker(given);

        options.Key.ShouldBe(WorkerKey);
        options.Backend.ShouldBe("ollama");
        options.Manager.ShouldBe(new("http://aura:8000"));
        AuraOptions.Load(given.GetValueOrDefault).OllamaHost.ShouldBe("gpu:11434");
        AuraOptions.Load(given.GetValueOrDefault).OllamaContext.ShouldBe(32_768);
    }

    [Theory]
    [InlineData("ollama")]
    [InlineData("openai")]
    [InlineData("gemini")]
    [InlineData("cli")]
    public void WorkerService_OfEachBackend_HasItsBackendAndLimits(string backend)
    {
        var service = (YamlMappingNode)Service("worker-" + backend);
        var given = EnvironmentOf("worker-" + backend, new() { ["AURA_WORKER_KEY"] = WorkerKey });
        if (given.TryGetValue("AURA_EMPLOYEES", out var employees))
        {
            ((YamlSequenceNode)service["volumes"]).Select(v => ((YamlScalarNode)v).Value).ShouldContain($"./employees.json:{employees}:ro");
            // It stands there in the container only.
            given.Remove("AURA_EMPLOYEES");
        }

        Worker(given, backend).Backend.ShouldBe(backend);
        // The merged part and the service's own.
        var limits = (service.Children.ContainsKey("deploy") ? service : service["<<"])["deploy"]["resources"]["limits"];
        ((YamlMappingNode)limits).Select(l => ((YamlScalarNode)l.Key).Value).ShouldBe(["cpus", "memory", "pids"]);
        service["<<"]["entrypoint"].ShouldNotBeNull();
    }

    [Fact]
    public void WorkerService_ExampleEnv_SaysThatTheKeyMustBeSet()
    {
        var refused = Should.Throw<InvalidOptionsException>(() => Worker(EnvironmentOf("worker-ollama", [])));

        refused.Problems.ShouldHaveSingleItem().ShouldStartWith("AURA_WORKER_KEY is not set");
    }

    private static WorkerOptions Worker(Dictionary<string, string> given, string backend = "ollama")
    {
        // A state folder in which no host has made a key, as in a worker's container.
        given["AURA_STATE"] = Path.Combine(Path.GetTempPath(), Guid.NewGuid().ToString("N"));
        return WorkerOptions.Load(given.GetValueOrDefault, WorkerArguments(backend), AuraOptions.Load(given.GetValueOrDefault), once: false);
    }

    private static Dictionary<string, string?> WorkerArguments(string backend = "ollama")
    {
        var command = ((YamlSequenceNode)Service("worker-" + backend)["command"]).Select(a => ((YamlScalarNode)a).Value!).ToList();
        command[0].ShouldBe("worker");
        return new()
        {
            ["AURA_WORKER_BACKEND"] = command[command.IndexOf("--backend") + 1],
            ["AURA_MANAGER_URL"] = command[command.IndexOf("--manager") + 1],
            ["AURA_MCP_URL"] = command[command.IndexOf("--mcp") + 1],
        };
    }

    /// <summary>What the container sees: <c>.env.example</c> with the given changes, put in for the file's variables.</summary>
    private static Dictionary<string, string> EnvironmentOf(string service, Dictionary<string, string> changes)
    {
        var env = Examples().Where(e => e.Value is not null).ToDictionary(e => e.Key, e => e.Value!);
        foreach (var (name, value) in changes)
            env[name] = value;
        return ((YamlMappingNode)Service(service)["environment"]).ToDictionary(
            v => ((YamlScalarNode)v.Key).Value!,
            v => VariablePattern().Replace(((YamlScalarNode)v.Value).Value!, m =>
                env.GetValueOrDefault(m.Groups["name"].Value) is { Length: > 0 } set ? set
                : m.Groups["fallback"] is { Success: true } fallback ? fallback.Value
                : throw new InvalidOperationException($"{m.Value} is not set.")));
    }

    /// <summary>The variables of <c>.env.example</c>; those that are commented out are null.</summary>
    private static Dictionary<string, string?> Examples() =>
        File.ReadLines(Repository.Path(".env.example")).Select(l => ExamplePattern().Match(l)).Where(m => m.Success)
            .ToDictionary(m => m.Groups["name"].Value, m => m.Groups["off"].Length > 0 ? null : m.Groups["value"].Value);

    /// <remarks>The parser refuses a key that stands twice in one mapping.</remarks>
    private static YamlNode Service(string name)
    {
        using var text = File.OpenText(Repository.Path("docker-compose.yml"));
        var yaml = new YamlStream();
        yaml.Load(text);
        return yaml.Documents.ShouldHaveSingleItem().RootNode["services"][name];
    }

    [GeneratedRegex(
        @"(?<!\$)\$\{(?<name>[A-Z_]+)((:-(?<fallback>[^}]*))|:\?[^}]*)?\}", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex VariablePattern();

    [GeneratedRegex("^(?<off>#?)(?<name>[A-Z_]+)=(?<value>.*)$", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex ExamplePattern();
}
