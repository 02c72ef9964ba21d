using System.Text.Json;
using Aura.Host.Tests.EndToEnd;
using Aura.Orchestra.Tools;
using Aura.Testing;

namespace Aura.Host.Tests.Mcp;

/// <summary>The official client, which nobody here wrote, does a job from the brief to the submission.</summary>
public sealed class WholeJobTests(McpHost host) : IClassFixture<McpHost>
{
    private static string Program => Path.Combine(AppContext.BaseDirectory, "Aura.Host.dll");

    [Fact]
    public async Task Work_OverStreamableHttp_IsDoneAndOnRecord()
    {
        var job = await host.JobAsync();
        await CheckAsync(job, await WorkAsync("http", host.Url, await TokenFileAsync(job.Token)));
    }

    [Fact]
    public async Task Work_OverTheBridgeToTheService_IsDoneAndOnRecord()
    {
        var job = await host.JobAsync();
        await CheckAsync(job, await WorkAsync("stdio", "dotnet", Program, "mcp", "--stdio", "--url", host.Url, "--token-file", await TokenFileAsync(job.Token)));
    }

    [Fact]
    public async Task Work_OverStdioOfThisMachine_IsDoneAndOnRecord()
    {
        var job = await host.JobAsync();
        await CheckAsync(job, await WorkAsync("stdio", "dotnet", Program, "mcp", "--stdio", "--job", job.JobId));
    }

    [Fact]
    public async Task TestRun_ThatIsCancelled_EndsAndLeavesNothing()
    {
        // A test that would go on for ever, if nobody ended it.
        var job = await host.JobAsync();
        await job.Sandbox.WriteFileAsync("test_slow.py", "import time\n\n\ndef test_slow():\n    time.sleep(600)\n");
        var result = await McpNode.RunAsync(
            TimeSpan.FromMinutes(1), [Repository.Path("tests", "fixtures", "mcp", "cancel.mjs"), host.Url, await TokenFileAsync(job.Token)]);
        result.ExitCode.ShouldBe(0, result.StandardOutput + result.StandardError);
        var seen = JsonElement.Parse(result.StandardOutput);
        seen.GetProperty("cancelled").GetBoolean().ShouldBeTrue();
        seen.GetProperty("after").GetString().ShouldBe("def add(a, b):\n    return a - b\n");

        var trees = Path.Combine(host.Folder, "state", "validation");
        await Until.TrueAsync(
            () => Task.FromResult(!Directory.Exists(trees) || !Directory.EnumerateDirectories(trees, job.Sandbox.Id + "-own-*").Any()),
            () => "The copy of the cancelled run is still there.", seconds: 30);
    }

    private async Task<string> TokenFileAsync(string token)
    {
        var file = Path.Combine(host.Folder, $"token-{Guid.NewGuid():N}");
        await File.WriteAllTextAsync(file, token + "\n");
        return file;
    }

    private async Task<JsonElement> WorkAsync(params string[] arguments)
    {
        var result = await McpNode.RunAsync(TimeSpan.FromMinutes(3), [Repository.Path("tests", "fixtures", "mcp", "work.mjs"), .. arguments], host.Settings);
        result.ExitCode.ShouldBe(0, result.StandardOutput + result.StandardError);
        return JsonElement.Parse(result.StandardOutput);
    }

    private async Task CheckAsync(JobAtWork job, JsonElement seen)
    {
        var tools = seen.GetProperty("tools").EnumerateArray().ToDictionary(t => t.GetProperty("name").GetString()!);
        tools.Keys.ShouldBe(ToolCatalog.All.Select(t => t.Name), ignoreOrder: true);
        tools["read_file"].GetProperty("annotations").GetProperty("readOnlyHint").GetBoolean().ShouldBeTrue();
        tools["write_file"].GetProperty("annotations").GetProperty("destructiveHint").GetBoolean().ShouldBeTrue();
        tools["write_file"].GetProperty("inputSchema").GetProperty("required").EnumerateArray().Select(r => r.GetString()).ShouldBe(["path", "content"]);

        Text("brief").ShouldContain("It subtracts.");
        Data("brief", "allowed_paths").ToString().ShouldBe("""["*.py"]""");
        Data("list", "files").EnumerateArray().Concat(Data("rest", "files").EnumerateArray()).Select(f => f.GetProperty("path").GetString())
            .ShouldBe(["app.py", "notes.txt", "tests/test_app.py"]);
        Text("read").ShouldBe("def add(a, b):\n");
        Data("search", "matches").GetArrayLength().ShouldBe(2);
        Refused("outside").ShouldBe("outside_scope");
        Data("write", "changed")[0].GetString().ShouldBe("extra.py");
        File.Exists(Path.Combine(job.Sandbox.WorkDirectory, "extra.py")).ShouldBeFalse();
        Refused("rejected").ShouldBe("patch_rejected");
        Text("rejected").ShouldContain("return a * b");
        Text("rejected").ShouldContain("    2 |     return a - b");
        Data("patch", "changed")[0].GetString().ShouldBe("app.py");
        Text("tests").ShouldContain("not the verdict");
        Data("tests", "tests_passed").GetBoolean().ShouldBeTrue(seen.GetProperty("tests").ToString());
        Data("tests", "is_verdict").GetBoolean().ShouldBeFalse();
        var progress = seen.GetProperty("progress").EnumerateArray().Select(p => p.GetProperty("progress").GetDouble()).ToList();
        progress.Count.ShouldBeGreaterThanOrEqualTo(3);
        progress.ShouldBe(progress.Order());
        Text("diff").ShouldContain("+    return a + b");
        seen.GetProperty("resources")[0].GetProperty("uri").GetString().ShouldBe("aura://job/brief");
        seen.GetProperty("resource").GetProperty("text").GetString()!.ShouldContain("return a + b");
        Data("submit", "submitted").GetBoolean().ShouldBeTrue();
        Refused("late").ShouldBe("submitted");
        seen.GetProperty("unknown").GetProperty("code").GetInt32().ShouldBe(-32602);

        var submission = await Submission.OfAsync(job.Sandbox);
        submission!.SelfConfidence.ShouldBe(0.9);
        submission.DiffHash.ShouldBe((await job.Sandbox.DiffAsync()).Value.Hash);
        (await CountAsync(job, "job.progress", "percent", "90")).ShouldBe(1);
        (await CountAsync(job, "job.handed_in", "explanation", "add() adds.")).ShouldBe(1);
        (await CountAsync(job, "job.tool", "refused", "outside_scope")).ShouldBe(1);
        (await CountAsync(job, "job.tool", "refused", "submitted")).ShouldBe(1);

        string Text(string step) => seen.GetProperty(step).GetProperty("text").GetString()!;

        JsonElement Data(string step, string name) => seen.GetProperty(step).GetProperty("error").GetBoolean()
            ? throw new InvalidOperationException($"{step} was refused: {seen.GetProperty(step)}")
            : seen.GetProperty(step).GetProperty("data").GetProperty(name);

        string Refused(string step)
        {
            seen.GetProperty(step).GetProperty("error").GetBoolean().ShouldBeTrue();
            return seen.GetProperty(step).GetProperty("data").GetProperty("error").GetProperty("code").GetString()!;
        }
    }

    private Task<long> CountAsync(JobAtWork job, string type, string field, string value) => host.ScalarAsync<long>(
        $"SELECT count(*) FROM aura.job_events WHERE job_id = '{job.JobId}' AND type = '{type}' AND data->>'{field}' = '{value}'");
}
