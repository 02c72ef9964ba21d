using System.Net;
using System.Net.Sockets;
using Aura.Orchestra.Employees;
using Aura.Orchestra.Employees.Cli;
using Aura.Testing;

namespace Aura.Orchestra.Tests.Employees;

/// <summary>Backend cli with a real agent in the real jail; what it shares with the others is in the contract's tests.</summary>
public sealed class CliEmployeeTests(AimockServer server) : IClassFixture<AimockServer>
{
    private Task<ContractBench> BenchAsync(params string[] allowed) => ContractBench.CreateAsync(server, allowed);

    [Fact]
    public async Task WorkAsync_Environment_IsCleanButForWhatTheAgentIsGiven()
    {
        await using var bench = await BenchAsync();

        var result = await bench.WorkAsync("cli", "environment");

        result.FinishReason.ShouldBe(EmployeeFinish.Completed, result.Output);
        var names = result.Output.Split('\n').Where(l => l.Contains('=', StringComparison.Ordinal)).Select(l => l.Split('=')[0].Trim()).ToList();
        names.Except(["AGENT_KEY", "HOME", "LANG", "MODE", "OLDPWD", "PATH", "PWD", "PYTHONDONTWRITEBYTECODE", "SHLVL", "TMPDIR", "_"])
            .ShouldBeEmpty();
        result.Output.ShouldContain("AGENT_KEY=***");
        result.Output.ShouldContain("MODE=batch");
        result.Output.ShouldContain("no passwd");
        result.Output.ShouldNotContain("ids 0 ");
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task WorkAsync_Network_IsThereOnlyWhenTheConfigurationSaysSo(bool host)
    {
        await using var bench = await BenchAsync();
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var port = ((IPEndPoint)listener.LocalEndpoint).Port.ToString(provider: null);

        var result = await bench.WorkAsync("cli", "network", o => o.Agents =
            [bench.Agent("network") with { HostNetwork = host, Environment = new Dictionary<string, string> { ["PORT"] = port } }]);

        result.FinishReason.ShouldBe(EmployeeFinish.Completed, result.Output);
        result.Output.ShouldContain(host ? "\nconnected" : "not connected:");
        result.Output.ShouldContain($"names: {host}");
    }

    [Theory]
    [InlineData("memory")]
    [InlineData("processor")]
    [InlineData("processes")]
    public async Task WorkAsync_LimitOfTheAgentItself_EndsItAndNotTheOthers(string wants)
    {
        await using var bench = await BenchAsync();
        CliAgent Greedy(bool isBound) => bench.Agent("greedy") with
        {
            Environment = new Dictionary<string, string> { ["WANTS"] = wants },
            MemoryBytes = isBound && wants == "memory" ? 128L << 20 : null,
            CpuTime = isBound && wants == "processor" ? TimeSpan.FromSeconds(1) : null,
            MaxProcesses = isBound && wants == "processes" ? 16 : null,
            TimeLimit = wants == "processor" && !isBound ? TimeSpan.FromSeconds(3) : null,
        };

        var bound = await bench.WorkAsync("cli", "greedy", o => o.Agents = [Greedy(isBound: true)]);
        var free = await bench.WorkAsync("cli", "greedy", o => o.Agents = [Greedy(isBound: false)]);

        bound.FinishReason.ShouldBe(EmployeeFinish.Failed, bound.Output);
        bound.Output.ShouldNotContain("got all");
        if (wants == "processes")
            bound.Output.ShouldContain("no more after");
        free.FinishReason.ShouldBe(wants == "processor" ? EmployeeFinish.TimeLimit : EmployeeFinish.Completed, free.Output);
    }

    [Fact]
    public async Task WorkAsync_HostileTree_TellsOnlyItsOwnChanges()
    {
        await using var bench = await BenchAsync();

        var result = await bench.WorkAsync("cli", "hostile");

        result.FinishReason.ShouldBe(EmployeeFinish.Completed, result.Output);
        // The link is refused; the rest is taken file by file.
        result.ToolCalls.ShouldContain(c => c.RefusalCode == "symlink");
        (await bench.Bench.ReadAsync("app.py")).ShouldBe("done\n");
        (await bench.Bench.Sandbox.DiffAsync()).Value.Files.Select(f => f.Path).ShouldBe([".gitattributes", "app.py"]);
        result.Output.ShouldContain("red hidden turned");
        result.Output.ShouldNotContain("stolen");
    }

    [Fact]
    public async Task WorkAsync_BinaryDeletedAndOddlyNamedFiles_AreTakenAsTheyAre()
    {
        await using var bench = await BenchAsync();

        var result = await bench.WorkAsync("cli", "binary");

        result.FinishReason.ShouldBe(EmployeeFinish.Completed, result.Output);
        (await bench.Bench.Sandbox.DiffAsync()).Value.Files.Select(f => f.Path)
            .ShouldBe(["data.bin", "späte datei.py", "tests/test_app.py"], ignoreOrder: true, result.Output);
        (await File.ReadAllBytesAsync(Path.Combine(bench.Bench.Sandbox.WorkDirectory, "data.bin"))).Length.ShouldBe(1024);
    }

    [Fact]
    public async Task WorkAsync_LongTranscript_IsBounded()
    {
        await using var bench = await BenchAsync();

        var result = await bench.WorkAsync("cli", "floods");

        result.FinishReason.ShouldBe(EmployeeFinish.Completed);
        result.Output.Length.ShouldBeLessThan(40_000);
        result.Explanation.Length.ShouldBeLessThan(2100);
        result.Output.ShouldContain("characters left out");
    }

    [Fact]
    public async Task WorkAsync_SandboxElsewhere_WorksOnACopyMadeThroughTheTools()
    {
        await using var bench = await BenchAsync();

        var result = await bench.WorkAsync("cli", "c-works", request: r => r with { WorkDirectory = null });

        result.FinishReason.ShouldBe(EmployeeFinish.Completed, result.Output);
        (await bench.Bench.ReadAsync("app.py")).ShouldBe("done\n");
    }

    [Theory]
    [InlineData("{prompt_file}")]
    [InlineData("{workspace}/../prompt.md")]
    public async Task WorkAsync_PromptByFile_IsWhereTheArgumentSays(string argument)
    {
        await using var bench = await BenchAsync();

        var result = await bench.WorkAsync("cli", "c-works", o => o.Agents = [bench.Agent("c-works") with { Arguments = ["{model}", argument] }]);

        result.FinishReason.ShouldBe(EmployeeFinish.Completed, result.Output);
    }

    [Fact]
    public async Task WorkAsync_AgentsThatCannotWork_SayWhy()
    {
        await using var bench = await BenchAsync();

        async Task<string> ProblemAsync(Func<CliAgent, CliAgent> change)
        {
            var result = await bench.WorkAsync("cli", "c-works", o => o.Agents = [change(bench.Agent("c-works"))]);
            result.FinishReason.ShouldBe(EmployeeFinish.Misconfigured, result.Output);
            return result.Explanation;
        }

        (await ProblemAsync(a => a with { Command = "/nowhere/agent" })).ShouldContain("is not installed");
        (await ProblemAsync(a => a with { Command = "no-such-agent" })).ShouldContain("/usr/local/bin, /usr/bin, /bin");
        (await ProblemAsync(a => a with { Mounts = [] })).ShouldContain("add its folder to 'mounts'");
        (await ProblemAsync(a => a with { Secrets = new Dictionary<string, string?> { ["MY_KEY"] = null } })).ShouldBe("MY_KEY is not set.");
        (await ProblemAsync(a => a with { Name = "other" })).ShouldContain("Agents: other.");
    }

    [Fact]
    public async Task CheckAsync_Agents_AreListedWithTheirProblems()
    {
        await using var bench = await BenchAsync();
        var options = new EmployeeOptions { Agents = [bench.Agent("good"), bench.Agent("bad") with { Command = "no-such-agent" }] };

        var status = await new EmployeeBackends(options, TimeProvider.System).CheckAsync("cli");

        (status.IsAvailable, status.Kind).ShouldBe((true, "cli"));
        status.Models.ShouldBe(["good"]);
        status.Missing.Keys.ShouldBe(["bad"]);
        status.Detail.ShouldContain("bad: The command 'no-such-agent' is not installed");
    }

    [Theory]
    [InlineData("```diff\nfirst\n```\ntext\n```diff\n--- a/x\n+++ b/x\n```\n", "--- a/x\n+++ b/x\n")]
    [InlineData("Here you are:\n--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+b", "--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+b")]
    [InlineData("No diff at all.", "")]
    public void PatchIn_Answer_IsTheLastDiff(string answer, string patch) => CliEmployee.PatchIn(answer).ShouldBe(patch);

    [Theory]
    [InlineData("CONFIDENCE: 0.4\nmore\nConfidence: 0.9", 0.9)]
    [InlineData("**CONFIDENCE: 1**", 1.0)]
    [InlineData("confidence is high", null)]
    public void ConfidenceIn_Transcript_IsItsLastLineOfThatKind(string text, double? confidence) =>
        CliEmployee.ConfidenceIn(text).ShouldBe(confidence);
}
