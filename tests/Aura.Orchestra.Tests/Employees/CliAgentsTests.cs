using Aura.Orchestra.Employees;
using Aura.Orchestra.Employees.Cli;

namespace Aura.Orchestra.Tests.Employees;

public sealed class CliAgentsTests
{
    private static (IReadOnlyList<CliAgent>? Agents, IReadOnlyList<string> Errors) Parse(string json) =>
        (CliAgents.Parse(json, "employees.json", name => name == "KNOWN_KEY" ? "the-value" : null, out var errors), errors);

    [Fact]
    public void Parse_AgentInFull_IsRead()
    {
        var (agents, errors) = Parse("""
            { "agents": { "mine": {
              "command": "/usr/bin/env", "arguments": ["run", "{model}", "{prompt_file}"], "model": "m1", "changes": "patch", "network": "host",
              "mounts": ["/usr/share/"], "environment": { "MODE": "batch" }, "secrets": ["KNOWN_KEY", "OTHER_KEY"],
              "exit_codes": { "3": "refused", "4": "rate_limited" }, "time_limit_seconds": 60,
              "memory_mb": 512, "cpu_seconds": 90, "processes": 32 } } }
            """);

        errors.ShouldBeEmpty();
        var agent = agents!.ShouldHaveSingleItem();
        (agent.Name, agent.Command, agent.Model, agent.Changes, agent.HostNetwork, agent.TimeLimit)
            .ShouldBe(("mine", "/usr/bin/env", "m1", AgentChanges.Patch, true, TimeSpan.FromMinutes(1)));
        (agent.MemoryBytes, agent.CpuTime, agent.MaxProcesses).ShouldBe((512L << 20, TimeSpan.FromSeconds(90), 32));
        agent.Mounts.ShouldBe(["/usr/share"]);
        agent.ExitCodes.ShouldBe(new Dictionary<int, EmployeeFinish> { [3] = EmployeeFinish.Refused, [4] = EmployeeFinish.RateLimited });
        agent.Secrets.ShouldBe(new Dictionary<string, string?> { ["KNOWN_KEY"] = "the-value", ["OTHER_KEY"] = null });
        agent.PromptOnInput.ShouldBeFalse();
        agent.ToString().ShouldNotContain("the-value");
        agent.Problem().ShouldBe("OTHER_KEY is not set.");
    }

    [Theory]
    [InlineData("claude", "-p")]
    [InlineData("codex", "exec")]
    [InlineData("gemini", "--approval-mode=yolo")]
    [InlineData("aider", "--message-file")]
    [InlineData("ollama", "run")]
    public void Parse_Preset_NeedsItsNameTheNetworkAndWhatItHoldsOpen(string preset, string argument)
    {
        var (agents, errors) =
            Parse($$"""{ "agents": { "a": { "preset": "{{preset}}", "network": "host", "model": "m", "secrets": ["KNOWN_KEY"] } } }""");

        errors.ShouldBeEmpty();
        agents![0].Arguments[0].ShouldBe(argument);
        agents[0].Command.ShouldBe(preset);
        Parse($$"""{ "agents": { "a": { "preset": "{{preset}}", "model": "m" } } }""").Errors.ShouldHaveSingleItem()
            .ShouldContain("must be \"host\"");
    }

    [Theory]
    [InlineData("claude")]
    [InlineData("codex")]
    [InlineData("gemini")]
    [InlineData("aider")]
    public void Parse_PresetWithAndWithoutAModel_NamesItOnlyWhenThereIsOne(string preset)
    {
        var with = Parse($$"""{ "agents": { "a": { "preset": "{{preset}}", "network": "host", "model": "m" } } }""").Agents![0].Arguments;
        var without = Parse($$"""{ "agents": { "a": { "preset": "{{preset}}", "network": "host" } } }""").Agents![0].Arguments;

        string.Join(' ', with).ShouldContain(" --model {model}");
        without.ShouldBe(with.Where(a => a is not ("--model" or "{model}")));
    }

    [Theory]
    [InlineData("""{""", "not valid JSON")]
    [InlineData("""{}""", "$.agents must be an object")]
    [InlineData("""{"agents":[]}""", "$.agents must be an object, not array")]
    [InlineData("""{"agents":{"a b":{"command":"x"}}}""", "has a name that is not")]
    [InlineData("""{"agents":{"a":{}}}""", "command is missing")]
    [InlineData("""{"agents":{"a":{"command":"bin/x"}}}""", "must be an absolute path or a plain name")]
    [InlineData("""{"agents":{"a":{"command":"x","colour":1}}}""", "colour is not known here")]
    [InlineData("""{"agents":{"a":{"preset":"cursor"}}}""", "must be one of claude, codex, gemini, aider, ollama")]
    [InlineData("""{"agents":{"a":{"command":"x","network":"yes"}}}""", "must be one of none, host")]
    [InlineData("""{"agents":{"a":{"command":"x","arguments":["{promt}"]}}}""", "holds the placeholder {promt}")]
    [InlineData("""{"agents":{"a":{"command":"x","arguments":["{model}"]}}}""", "model is missing")]
    [InlineData("""{"agents":{"a":{"command":"x","mounts":["/etc"]}}}""", "would show too much")]
    [InlineData("""{"agents":{"a":{"command":"x","mounts":["/usr/../etc"]}}}""", "absolute path without '..'")]
    [InlineData("""{"agents":{"a":{"command":"x","mounts":["/no/such/folder"]}}}""", "does not exist")]
    [InlineData("""{"agents":{"a":{"command":"x","environment":{"LD_PRELOAD":"x"}}}}""", "not a variable's name that an agent can have")]
    [InlineData("""{"agents":{"a":{"command":"x","environment":{"A":1}}}}""", "environment.A must be a text")]
    [InlineData("""{"agents":{"a":{"command":"x","secrets":"KEY"}}}""", "secrets must be a list of texts")]
    [InlineData("""{"agents":{"a":{"command":"x","exit_codes":{"900":"refused"}}}}""", "exit codes go from 0 to 255")]
    [InlineData("""{"agents":{"a":{"command":"x","exit_codes":{"1":"happy"}}}}""", "must be one of completed, truncated, turn_limit")]
    [InlineData("""{"agents":{"a":{"command":"x","time_limit_seconds":0}}}""", "whole seconds from 1 to 86400")]
    [InlineData("""{"agents":{"a":{"command":"x","memory_mb":1}}}""", "memory_mb must be whole megabytes from 16 to 1048576")]
    [InlineData("""{"agents":{"a":{"command":"x","cpu_seconds":1.5}}}""", "cpu_seconds must be whole seconds from 1 to 86400")]
    [InlineData("""{"agents":{"a":{"command":"x","processes":"many"}}}""", "processes must be whole processes from 1 to 65536")]
    public void Parse_Mistake_SaysWhatAndWhere(string json, string problem)
    {
        var (agents, errors) = Parse(json);

        agents.ShouldBeNull();
        errors.ShouldHaveSingleItem().ShouldContain(problem);
        errors[0].ShouldStartWith("employees.json: ");
    }
}
