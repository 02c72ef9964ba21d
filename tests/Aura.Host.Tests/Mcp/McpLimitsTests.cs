using System.Text;
using System.Text.Json;

namespace Aura.Host.Tests.Mcp;

/// <summary>Requests that are made to hurt, and requests that are merely wrong: each is refused with its own code, and the service goes on.</summary>
public sealed class McpLimitsTests(McpHost host) : IClassFixture<McpHost>
{
    [Theory]
    [InlineData("oversized", 413, "too_large")]
    [InlineData("nested objects", 400, "too_deep")]
    [InlineData("nested arrays", 400, "too_deep")]
    [InlineData("unfinished", 400, "malformed_json")]
    [InlineData("duplicate names", 400, "malformed_json")]
    [InlineData("half a surrogate pair as a name", 400, "malformed_json")]
    [InlineData("half a surrogate pair as a text", 400, "malformed_json")]
    [InlineData("a batch", 400, "invalid_message")]
    [InlineData("no message", 400, "invalid_message")]
    public async Task Body_ThatIsABombOrNonsense_IsRefusedWithItsCode(string kind, int status, string code)
    {
        var body = kind switch
        {
            "oversized" => $$"""{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"x":"{{new string('x', 9 << 20)}}"} }""",
            "nested objects" => string.Concat(Enumerable.Repeat("{\"a\":", 100_000)) + "1" + new string('}', 100_000),
            "nested arrays" => $$"""{"jsonrpc":"2.0","id":1,"method":"ping","params":{{new string('[', 40)}}{{new string(']', 40)}} }""",
            "unfinished" => """{"jsonrpc":"2.0","id":1""",
            "duplicate names" => """{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}""",
            "half a surrogate pair as a name" => """{"jsonrpc":"2.0","id":1,"method":"ping","\ud800":1}""",
            "half a surrogate pair as a text" => """{"jsonrpc":"2.0","id":1,"method":"ping","params":{"x":"\ud800"} }""",
            "a batch" => """[{"jsonrpc":"2.0","id":1,"method":"ping"}]""",
            _ => """{"hello":"world"}""",
        };
        var job = await host.JobAsync();
        using var client = host.Client(job.Token);
        using var request = new HttpRequestMessage(HttpMethod.Post, "/mcp") { Content = new StringContent(body, Encoding.UTF8, "application/json") };
        request.Headers.Add("Accept", "application/json, text/event-stream");
        using var response = await client.SendAsync(request);

        var problem = JsonElement.Parse(await response.Content.ReadAsStringAsync());
        ((int)response.StatusCode, problem.GetProperty("code").GetString()).ShouldBe((status, code));
        (await ErrorAsync(job, "read_file", """{"path":"app.py"}""")).ShouldBeNull();
    }

    [Theory]
    [InlineData("search_files", """{"pattern":"((a{1000}){1000}){1000}"}""", "invalid_pattern")]
    [InlineData("search_files", """{"pattern":"(a)\\1"}""", "invalid_pattern")]
    [InlineData("search_files", """{"pattern":"(?=a)"}""", "invalid_pattern")]
    [InlineData("search_files", """{"pattern":"("}""", "invalid_pattern")]
    [InlineData("search_files", """{"pattern":"a","glob":"[z-a]"}""", "invalid_pattern")]
    [InlineData("search_files", """{"pattern":"a","cursor":"###"}""", "invalid_arguments")]
    [InlineData("list_files", """{"cursor":"###"}""", "invalid_arguments")]
    [InlineData("list_files", """{"limit":0}""", "invalid_arguments")]
    [InlineData("read_file", """{}""", "invalid_arguments")]
    [InlineData("read_file", """{"path":7}""", "invalid_arguments")]
    [InlineData("read_file", """{"path":"app.py","paht":"x"}""", "invalid_arguments")]
    [InlineData("read_file", """{"path":"app.py","start_line":3,"end_line":1}""", "invalid_arguments")]
    [InlineData("read_file", """{"path":"app.py","start_line":99}""", "invalid_arguments")]
    [InlineData("read_file", """{"path":"../../etc/passwd"}""", "outside_sandbox")]
    [InlineData("read_file", """{"path":"missing.py"}""", "not_found")]
    [InlineData("write_file", """{"path":"notes.txt","content":""}""", "outside_scope")]
    [InlineData("write_file", """{"path":".git/hooks/pre-commit","content":""}""", "git_directory")]
    [InlineData("apply_patch", """{"patch":"nonsense"}""", "patch_rejected")]
    [InlineData("run_tests", """{"paths":["--pdb"]}""", "invalid_arguments")]
    [InlineData("run_tests", """{"paths":["../x"]}""", "outside_sandbox")]
    [InlineData("restore_snapshot", """{}""", "invalid_arguments")]
    [InlineData("restore_snapshot", """{"snapshot":99}""", "not_found")]
    [InlineData("submit", """{"explanation":"x","self_confidence":2}""", "invalid_arguments")]
    public async Task Call_ThatIsWrong_IsRefusedSoThatAModelCanActOnIt(string tool, string arguments, string code)
    {
        var job = await host.JobAsync();
        (await ErrorAsync(job, tool, arguments)).ShouldBe(code);
        (await host.ScalarAsync<long>(
            $"SELECT count(*) FROM aura.job_events WHERE job_id = '{job.JobId}' AND type = 'job.tool' AND data->>'tool' = '{tool}' AND data->>'refused' = '{code}'")).ShouldBe(1);
    }

    [Fact]
    public async Task Search_WithAPatternThatBacktracksElsewhere_Ends()
    {
        var job = await host.JobAsync();
        await job.Sandbox.WriteFileAsync("bomb.py", new string('a', 100_000) + "!\n");
        (await ErrorAsync(job, "search_files", """{"pattern":"^(a+)+$","glob":"bomb.py"}""")).ShouldBeNull();
    }

    [Fact]
    public async Task ReadFile_OfALongFile_GivesRangesAndWhatComesNext()
    {
        var job = await host.JobAsync();
        using var client = host.Client(job.Token);
        using var response = await client.SendAsync(McpHost.ToolCall("read_file", """{"path":"notes.txt","start_line":4999}"""));
        var data = (await McpHost.ResultAsync(response)).GetProperty("structuredContent");
        data.GetProperty("content").GetString().ShouldBe("line 4999\nline 5000\n");
        data.GetProperty("total_lines").GetInt32().ShouldBe(5000);
        data.TryGetProperty("next_line", out _).ShouldBeFalse();
    }

    [Fact]
    public async Task SearchFiles_ByPages_FindsEveryMatchOnce()
    {
        var job = await host.JobAsync();
        using var client = host.Client(job.Token);
        List<int> lines = [];
        string? cursor = null;
        do
        {
            using var response = await client.SendAsync(
                McpHost.ToolCall("search_files", JsonSerializer.Serialize(new { pattern = "^line \\d*99$", glob = "*.txt", limit = 20, cursor })));
            var data = (await McpHost.ResultAsync(response)).GetProperty("structuredContent");
            lines.AddRange(data.GetProperty("matches").EnumerateArray().Select(m => m.GetProperty("line").GetInt32()));
            cursor = data.TryGetProperty("next_cursor", out var next) ? next.GetString() : null;
        }
        while (cursor is not null);

        lines.ShouldBe(Enumerable.Range(1, 50).Select(i => (i * 100) - 1));
    }

    /// <summary>The code of the refusal; null when the call was done.</summary>
    private async Task<string?> ErrorAsync(JobAtWork job, string tool, string arguments)
    {
        using var client = host.Client(job.Token);
        using var response = await client.SendAsync(McpHost.ToolCall(tool, arguments));
        var result = await McpHost.ResultAsync(response);
        return result.TryGetProperty("isError", out var error) && error.GetBoolean()
            ? result.GetProperty("structuredContent").GetProperty("error").GetProperty("code").GetString()
            : null;
    }
}
