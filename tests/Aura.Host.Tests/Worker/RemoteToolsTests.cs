using System.Text.Json;
using Aura.Host.Tests.Mcp;
using Aura.Host.Worker;
using Aura.Orchestra.Employees;
using Aura.Orchestra.Tools;
using Microsoft.Extensions.DependencyInjection;

namespace Aura.Host.Tests.Worker;

/// <summary>The tools of a worker elsewhere against the real service, over a wire that may lose answers.</summary>
public sealed class RemoteToolsTests(McpHost host) : IClassFixture<McpHost>
{
    private const string Patch = "--- a/app.py\n+++ b/app.py\n@@ -1,2 +1,2 @@\n def add(a, b):\n-    return a - b\n+    return a + b\n";

    [Theory]
    [InlineData("list_files", """{}""")]
    [InlineData("list_files", """{"limit":1}""")]
    [InlineData("list_files", """{"pattern":"nothing/**"}""")]
    [InlineData("read_file", """{"path":"app.py"}""")]
    [InlineData("read_file", """{"path":"notes.txt","start_line":4990}""")]
    [InlineData("read_file", """{"path":"long.txt"}""")]
    [InlineData("read_file", """{"path":"gone.py"}""")]
    [InlineData("read_file", """{"file":"app.py"}""")]
    [InlineData("search_files", """{"pattern":"def add","context":1}""")]
    [InlineData("search_files", """{"pattern":"line 1","limit":2}""")]
    [InlineData("search_files", """{"pattern":"no such thing"}""")]
    [InlineData("search_files", """{"pattern":"("}""")]
    [InlineData("diff", """{}""")]
    [InlineData("write_file", """{"path":"new.py","content":"x = 1\n"}""")]
    [InlineData("write_file", """{"path":"notes.txt","content":"out of scope"}""")]
    [InlineData("apply_patch", """{"patch":"nonsense"}""")]
    [InlineData("delete_file", """{"path":"gone.py"}""")]
    public async Task CallAsync_AnyTool_SaysWhatIsSaidWithinAHost(string tool, string arguments)
    {
        var job = await host.JobAsync();
        await File.WriteAllTextAsync(
            Path.Combine(job.Sandbox.WorkDirectory, "long.txt"), string.Concat(Enumerable.Range(1, 40_000).Select(i => $"line {i}\n")));
        var inHost = host.Services.GetRequiredService<ToolSessions>().Over(job.Sandbox, new(McpHost.Model, job.JobId, 1));
        var given = JsonElement.Parse(arguments);

        var there = await ToolsTo(host.Url, job).CallAsync(tool, given, CancellationToken.None);

        var here = await inHost.CallAsync(tool, given);
        (there.RefusalCode, there.Text).ShouldBe((here.RefusalCode, here.Text));
    }

    [Theory]
    [InlineData(Loss.Cut)]
    [InlineData(Loss.BadGateway)]
    [InlineData(Loss.NotJson)]
    public async Task CallAsync_ChangeWhoseAnswerIsLost_IsNotRepeatedAndToldAsUnknown(Loss loss)
    {
        var job = await host.JobAsync();
        await using var wire = await LossyWire.StartAsync(host.Url, loss, times: 1);
        var tools = ToolsTo(wire.Url, job);

        var result = await tools.CallAsync("apply_patch", JsonSerializer.SerializeToElement(new { patch = Patch }), CancellationToken.None);

        result.ShouldBe(ToolResult.Refused(
            "outcome_unknown", "It is not known whether it was done: look (diff, read_file) before you do it again."));
        wire.Requests.ShouldBe(["/mcp/apply_patch"]);
        // It was: and whoever looks is told so.
        (await tools.CallAsync("diff", JsonElement.Parse("{}"), CancellationToken.None)).Text.ShouldContain("+    return a + b");
    }

    [Theory]
    [InlineData(Loss.Cut)]
    [InlineData(Loss.BadGateway)]
    [InlineData(Loss.NotJson)]
    public async Task CallAsync_HarmlessToRepeat_IsRepeatedUntilItIsAnswered(Loss loss)
    {
        var job = await host.JobAsync();
        await using var wire = await LossyWire.StartAsync(host.Url, loss, times: 1);

        var result = await ToolsTo(wire.Url, job).CallAsync(
            "write_file", JsonElement.Parse("""{"path":"new.py","content":"x = 1\n"}"""), CancellationToken.None);

        result.RefusalCode.ShouldBeNull(result.Text);
        wire.Requests.ShouldBe(["/mcp/write_file", "/mcp/write_file"]);
    }

    [Fact]
    public async Task CallAsync_ChangeThatNobodyTook_IsRepeated()
    {
        var job = await host.JobAsync();
        await using var wire = await LossyWire.StartAsync(host.Url, Loss.TurnedAway, times: 1);

        var result = await ToolsTo(wire.Url, job).CallAsync(
            "apply_patch", JsonSerializer.SerializeToElement(new { patch = Patch }), CancellationToken.None);

        result.RefusalCode.ShouldBeNull(result.Text);
        wire.Requests.ShouldBe(["/mcp/apply_patch", "/mcp/apply_patch"]);
    }

    [Fact]
    public async Task CallAsync_ChangeWhileTheServiceIsAway_IsKnownNotToBeDone()
    {
        var job = await host.JobAsync();
        var wire = await LossyWire.StartAsync(host.Url, Loss.Cut, times: 0);
        await wire.DisposeAsync();

        var result = await ToolsTo(wire.Url, job, new Hurried()).CallAsync(
            "delete_file", JsonElement.Parse("""{"path":"app.py"}"""), CancellationToken.None);

        result.RefusalCode.ShouldBe("unavailable", result.Text);
    }

    [Fact]
    public async Task SendAsync_SuccessThatIsNotJson_IsNoGoodAnswer()
    {
        await using var wire = await LossyWire.StartAsync(host.Url, Loss.NotJson, times: 2);
        using var http = new WorkerHttp(new(wire.Url), TimeProvider.System);

        var answer = await http.SendAsync(HttpMethod.Post, "/jobs/claim", "{}", "key", TimeSpan.FromSeconds(30), CancellationToken.None);

        (answer.Status, answer.IsGood, answer.MayPass, answer.Detail).ShouldBe((200, false, true, "The answer is not JSON."));
    }

    private static HttpTools ToolsTo(string url, JobAtWork job, TimeProvider? time = null) =>
        new(new WorkerHttp(new(url), TimeProvider.System), job.Token, job.Sandbox.Id, () => { }, time ?? TimeProvider.System);

    /// <summary>At each look a minute has passed.</summary>
    private sealed class Hurried : TimeProvider
    {
        private long _now;

        public override long TimestampFrequency => 1;

        public override long GetTimestamp() => Interlocked.Add(ref _now, 60);
    }
}
