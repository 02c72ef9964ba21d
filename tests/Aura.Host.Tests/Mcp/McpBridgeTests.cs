using System.Text.Json;
using Aura.Host.Mcp;
using Microsoft.Extensions.DependencyInjection;

namespace Aura.Host.Tests.Mcp;

/// <summary>The bridge of agents that know only stdio, beyond what the official client asks of it.</summary>
public sealed class McpBridgeTests(McpHost host) : IClassFixture<McpHost>
{
    private const string Alone = "\"io.modelcontextprotocol/protocolVersion\":\"2026-07-28\",\"io.modelcontextprotocol/clientCapabilities\":{}";

    [Fact]
    public async Task Requests_OfTheStatelessRevision_AreCarriedEachAlone()
    {
        var job = await host.JobAsync();
        var answers = await CarryAsync(
            job.Token,
            $$$"""{"jsonrpc":"2.0","id":"a","method":"server/discover","params":{"_meta":{{{{Alone}}}} } }""",
            $$$"""{"jsonrpc":"2.0","id":"b","method":"tools/call","params":{"name":"read_file","arguments":{"path":"app.py"},"_meta":{{{{Alone}}}} } }""",
            $$$"""{"jsonrpc":"2.0","id":"c","method":"resources/read","params":{"uri":"aura://files/app.py","_meta":{{{{Alone}}}} } }""");

        answers["a"].GetProperty("result").GetProperty("supportedVersions").EnumerateArray().Select(v => v.GetString()).ShouldContain("2026-07-28");
        answers["b"].GetProperty("result").GetProperty("content")[0].GetProperty("text").GetString().ShouldBe("def add(a, b):\n    return a - b\n");
        answers["c"].GetProperty("result").GetProperty("contents")[0].GetProperty("uri").GetString().ShouldBe("aura://files/app.py");
    }

    [Fact]
    public async Task Request_ThatTheServiceRefuses_IsAnsweredWithItsReason()
    {
        var job = await host.JobAsync();
        await host.ExecuteAsync($"DELETE FROM wf.tasks WHERE id = {job.Task}");
        var answers = await CarryAsync(job.Token, """{"jsonrpc":"2.0","id":"a","method":"initialize","params":{}}""");
        answers["a"].GetProperty("error").GetProperty("message").GetString()!.ShouldContain("lease_lost");
    }

    [Fact]
    public async Task Lines_ThatAreNoMessage_AreAnsweredAndTheRestGoesOn()
    {
        var job = await host.JobAsync();
        using var output = new StringWriter();
        using var bridge = new McpBridge(new(host.Url), () => job.Token, null, new StringReader("nonsense\n\n[1]\n"), output);
        await bridge.RunAsync(CancellationToken.None);
        output.ToString().Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(l => JsonElement.Parse(l).GetProperty("error").GetProperty("code").GetInt32())
            .ShouldBe([-32700, -32700]);
    }

    [Fact]
    public async Task Request_WithoutAService_IsAnswered()
    {
        using var output = new StringWriter();
        using var bridge = new McpBridge(new("http://127.0.0.1:1/mcp"), () => "x", null, new StringReader("""{"jsonrpc":"2.0","id":7,"method":"initialize"}"""), output);
        await bridge.RunAsync(CancellationToken.None);
        var answer = JsonElement.Parse(output.ToString());
        (answer.GetProperty("id").GetInt32(), answer.GetProperty("error").GetProperty("message").GetString()!.Contains("does not answer", StringComparison.Ordinal)).ShouldBe((7, true));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Input_EndsWhenTheTokenIsWorthNothingAnyMore_EndsTheBridge(bool isFileGone)
    {
        var job = await host.JobAsync();
        var (token, end) = (job.Token, new TaskCompletionSource());
        using var output = new StringWriter();
        using var input = new HeldInput(
            """{"jsonrpc":"2.0","id":"a","method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"1"} } }""",
            end.Task);
        using var bridge = new McpBridge(new(host.Url), () => token ?? throw new FileNotFoundException("The token is gone."), null, input, output);
        var running = bridge.RunAsync(CancellationToken.None);
        var sessions = host.Services.GetRequiredService<McpSessions>();
        while (!sessions.Of($"job/{job.Sandbox.Id}/{job.Task}/7/{job.Sandbox.Id}").Any(s => s.IsListened))
            await Task.Delay(10, TestContext.Current.CancellationToken);

        token = isFileGone ? null : "not-the-token";
        end.SetResult();
        await running.WaitAsync(TimeSpan.FromMinutes(1), TestContext.Current.CancellationToken);
        output.ToString().ShouldContain("\"protocolVersion\"");
    }

    /// <summary>One line, and the end when it is said.</summary>
    private sealed class HeldInput(string line, Task end) : TextReader
    {
        private string? _line = line;

        public override async ValueTask<string?> ReadLineAsync(CancellationToken cancellationToken)
        {
            if (Interlocked.Exchange(ref _line, null) is { } first)
                return first;
            await end.WaitAsync(cancellationToken);
            return null;
        }
    }

    private async Task<Dictionary<string, JsonElement>> CarryAsync(string token, params string[] lines)
    {
        using var output = new StringWriter();
        using var bridge = new McpBridge(new(host.Url), () => token, null, new StringReader(string.Join('\n', lines)), output);
        await bridge.RunAsync(CancellationToken.None);
        return output.ToString().Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(l => JsonElement.Parse(l))
            .Where(a => a.TryGetProperty("id", out _)).ToDictionary(a => a.GetProperty("id").GetString()!);
    }
}
