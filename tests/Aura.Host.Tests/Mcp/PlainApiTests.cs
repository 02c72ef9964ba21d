using System.Text.Json;
using Aura.Host.Security;
using Aura.Orchestra.Sandboxes;
using Aura.Orchestra.Tools;
using Microsoft.Extensions.DependencyInjection;

namespace Aura.Host.Tests.Mcp;

/// <summary>The same tools without the protocol.</summary>
public sealed class PlainApiTests(McpHost host) : IClassFixture<McpHost>
{
    [Fact]
    public async Task Director_InASandboxOfTheirOwn_WorksThroughEveryEndpoint()
    {
        using var client = host.Client(McpHost.Key);
        var (status, made) = await McpHost.PostAsync(client, "/mcp/create_sandbox", """{"project":"demo","session_id":"my-try"}""");
        (status, made.GetProperty("sandbox_id").GetString()).ShouldBe((201, "my-try-a1"));

        (await DoneAsync("list_files", new { session_id = "my-try", pattern = "**/*.py" })).GetProperty("files")[0].GetProperty("path").GetString().ShouldBe("app.py");
        (await DoneAsync("list_files?text=true", new { session_id = "my-try", limit = 1 })).GetProperty("text").GetString()!
            .ShouldStartWith("app.py\n… there are more files; call again with cursor");
        (await DoneAsync("list_files", new { session_id = "my-try" })).TryGetProperty("text", out _).ShouldBeFalse();
        (await DoneAsync("read_file", new { session_id = "my-try", path = "app.py" })).GetProperty("content").GetString().ShouldBe("def add(a, b):\n    return a - b\n");
        await DoneAsync("write_file", new { session_id = "my-try", path = "notes.txt", content = "one line\n" });
        var taken = await DoneAsync("create_snapshot", new { session_id = "my-try", label = "a point" });
        await DoneAsync("apply_patch", new { session_id = "my-try", patch = "--- a/app.py\n+++ b/app.py\n@@ -1,2 +1,2 @@\n def add(a, b):\n-    return a - b\n+    return a + b\n" });
        JsonElement.Parse(await client.GetStringAsync("/mcp/diff?session_id=my-try")).GetProperty("diff").GetString()!.ShouldContain("+    return a + b");
        await DoneAsync("restore_snapshot", new { session_id = "my-try", snapshot = taken.GetProperty("snapshot").GetInt32() });
        var diff = JsonElement.Parse(await client.GetStringAsync("/mcp/diff?session_id=my-try"));
        diff.GetProperty("files").EnumerateArray().Select(f => f.GetProperty("path").GetString()).ShouldBe(["notes.txt"]);

        // Asked for again it is the same sandbox, with what was written.
        (await McpHost.PostAsync(client, "/mcp/create_sandbox", """{"project":"demo","session_id":"my-try"}""")).Status.ShouldBe(201);
        (await DoneAsync("read_file", new { session_id = "my-try", path = "notes.txt" })).GetProperty("content").GetString().ShouldBe("one line\n");
        (await host.ScalarAsync<long>("SELECT count(*) FROM aura.job_events WHERE type = 'sandbox.tool' AND data->>'sandbox_id' = 'my-try-a1' AND data->>'actor' = 'director'"))
            .ShouldBeGreaterThan(4);

        async Task<JsonElement> DoneAsync(string tool, object body)
        {
            var (code, answer) = await McpHost.PostAsync(client, $"/mcp/{tool}", JsonSerializer.Serialize(body));
            code.ShouldBe(200, answer.ToString());
            return answer;
        }
    }

    [Theory]
    [InlineData("create_sandbox", """{"project":"demo"}""", 400, null)]
    [InlineData("create_sandbox", """{"project":"demo","session_id":"a/b"}""", 400, "invalid_session")]
    [InlineData("create_sandbox", """{"project":"demo","session_id":"job-abcdefgh"}""", 400, "invalid_session")]
    [InlineData("create_sandbox", """{"project":"nothing","session_id":"another"}""", 404, "not_found")]
    [InlineData("read_file", """{"path":"app.py"}""", 400, "session_required")]
    [InlineData("read_file", """{"session_id":"nobodys","path":"app.py"}""", 404, "unknown_session")]
    [InlineData("read_file", """{"session_id":"refusals","path":"gone.py"}""", 404, "not_found")]
    [InlineData("read_file", """{"session_id":"refusals"}""", 400, "invalid_arguments")]
    [InlineData("read_file", """{"session_id":"refusals","path":"/etc/passwd"}""", 403, "outside_sandbox")]
    [InlineData("apply_patch", """{"session_id":"refusals","patch":"nonsense"}""", 409, "patch_rejected")]
    [InlineData("read_file?text=yes", """{"session_id":"refusals","path":"app.py"}""", 400, "invalid_arguments")]
    [InlineData("write_file", "[]", 400, "malformed_json")]
    public async Task Request_ThatIsWrong_IsAProblemWithACode(string endpoint, string body, int status, string? code)
    {
        using var client = host.Client(McpHost.Key);
        await McpHost.PostAsync(client, "/mcp/create_sandbox", """{"project":"demo","session_id":"refusals"}""");
        var (answered, problem) = await McpHost.PostAsync(client, $"/mcp/{endpoint}", body);
        answered.ShouldBe(status, problem.ToString());
        problem.GetProperty("status").GetInt32().ShouldBe(status);
        problem.GetProperty("detail").GetString().ShouldNotBeNullOrEmpty();
        if (code is not null)
            problem.GetProperty("code").GetString().ShouldBe(code);
    }

    [Fact]
    public async Task Session_OfAnotherPerson_IsRefused()
    {
        using var director = host.Client(McpHost.Key);
        await McpHost.PostAsync(director, "/mcp/create_sandbox", """{"project":"demo","session_id":"the-directors"}""");
        await host.ExecuteAsync("INSERT INTO aura.users (name, roles, password_hash) VALUES ('ada', '{ManagerOperator}', 'x')");
        var id = await host.ScalarAsync<long>("SELECT id FROM aura.users WHERE name = 'ada'");
        using var ada = host.Client(host.Services.GetRequiredService<AccessTokens>().Issue(new(id, "ada", [AuraRoles.ManagerOperator], 1)));

        var (status, problem) = await McpHost.PostAsync(ada, "/mcp/read_file", """{"session_id":"the-directors","path":"app.py"}""");
        (status, problem.GetProperty("code").GetString()).ShouldBe((403, "other_session"));
        (status, problem) = await McpHost.PostAsync(ada, "/mcp/create_sandbox", """{"project":"demo","session_id":"the-directors"}""");
        (status, problem.GetProperty("code").GetString()).ShouldBe((409, "session_taken"));
        (status, _) = await McpHost.PostAsync(ada, "/mcp/create_sandbox", """{"project":"demo","session_id":"adas"}""");
        status.ShouldBe(201);
    }

    [Theory]
    [InlineData("write_file", """{"path":"app.py","content":"now\n"}""", "It is not known whether it was done")]
    [InlineData("read_file", """{"path":"app.py"}""", "Try again")]
    public async Task Call_WhoseRecordTheDatabaseDoesNotTake_SaysWhatIsKnown(string tool, string arguments, string said)
    {
        var job = await host.JobAsync();
        // As a server answers that is shutting down, for this job alone.
        await host.ExecuteAsync($"""
            CREATE FUNCTION aura.away_{tool}() RETURNS trigger LANGUAGE plpgsql AS $f$ BEGIN RAISE EXCEPTION 'away' USING ERRCODE = '57P03'; END $f$;
            CREATE TRIGGER away_{tool} BEFORE INSERT ON aura.job_events FOR EACH ROW WHEN (NEW.job_id = '{job.JobId}') EXECUTE FUNCTION aura.away_{tool}();
            """);
        using var client = host.Client(job.Token);

        var (status, problem) = await McpHost.PostAsync(client, $"/mcp/{tool}", arguments);
        (status, problem.GetProperty("code").GetString()).ShouldBe((503, ToolCodes.Unavailable));
        problem.GetProperty("detail").GetString()!.ShouldContain(said);
        using var response = await client.SendAsync(McpHost.ToolCall(tool, arguments));
        (await McpHost.ResultAsync(response)).GetProperty("structuredContent").GetProperty("error").GetProperty("message").GetString()!.ShouldContain(said);
    }

    [Fact]
    public async Task CreateSandbox_WhoseFilesAreGone_MakesThemAnewForItsOwner()
    {
        using var client = host.Client(McpHost.Key);
        var (_, made) = await McpHost.PostAsync(client, "/mcp/create_sandbox", """{"project":"demo","session_id":"swept"}""");
        (await host.Services.GetRequiredService<SandboxStore>().RemoveAsync("swept-a1")).ShouldBeTrue();
        // And one whose call was cut off between the name and the files.
        await host.ExecuteAsync($"""
            INSERT INTO aura.mcp_sessions (id, sandbox_id, project_id, base_commit, created_by)
            VALUES ('cut-off', 'cut-off-a1', 'demo', '{made.GetProperty("base_commit").GetString()}', 'director')
            """);
        foreach (var name in (string[])["swept", "cut-off"])
        {
            var (status, again) = await McpHost.PostAsync(client, "/mcp/create_sandbox", JsonSerializer.Serialize(new { project = "demo", session_id = name }));
            (status, again.GetProperty("base_commit").GetString()).ShouldBe((201, made.GetProperty("base_commit").GetString()));
            (await McpHost.PostAsync(client, "/mcp/read_file", JsonSerializer.Serialize(new { session_id = name, path = "app.py" }))).Status.ShouldBe(200);
        }
    }

    [Fact]
    public async Task CreateSandbox_ByAnEmployee_IsRefused()
    {
        using var client = host.Client((await host.JobAsync()).Token);
        var (status, problem) = await McpHost.PostAsync(client, "/mcp/create_sandbox", """{"project":"demo","session_id":"escape"}""");
        (status, problem.GetProperty("code").GetString()).ShouldBe((403, "not_permitted"));
    }

    [Fact]
    public async Task OpenApiDocument_OfTheEndpoints_HasEveryOneWithItsSchema()
    {
        using var client = host.Client(McpHost.Key);
        var document = JsonElement.Parse(await client.GetStringAsync("/mcp/openapi.json"));
        document.GetProperty("openapi").GetString().ShouldBe("3.1.0");
        var paths = document.GetProperty("paths");
        paths.EnumerateObject().Select(p => p.Name).ShouldBe([.. ToolCatalog.All.Select(t => $"/mcp/{t.Name}"), "/mcp/create_sandbox"], ignoreOrder: true);
        var write = paths.GetProperty("/mcp/write_file").GetProperty("post").GetProperty("requestBody").GetProperty("content").GetProperty("application/json").GetProperty("schema");
        write.GetProperty("properties").EnumerateObject().Select(p => p.Name).ShouldBe(["path", "content", "session_id"]);
        write.GetProperty("properties").TryGetProperty("text", out _).ShouldBeFalse();
        paths.GetProperty("/mcp/write_file").GetProperty("post").GetProperty("parameters")[0].GetProperty("name").GetString().ShouldBe("text");
        paths.GetProperty("/mcp/diff").GetProperty("get").GetProperty("parameters").EnumerateArray().Select(p => p.GetProperty("name").GetString())
            .ShouldBe(["session_id", "text"]);
    }

    [Fact]
    public async Task Operations_OnTheServicesPort_Answer()
    {
        using var anybody = host.Client(null);
        ((int)(await anybody.GetAsync("/health")).StatusCode).ShouldBe(200);
        (await anybody.GetStringAsync("/ready")).ShouldContain("\"ready\"");
        ((int)(await anybody.GetAsync("/metrics")).StatusCode).ShouldBe(401);
        ((int)(await anybody.GetAsync("/prds")).StatusCode).ShouldBe(404);
    }
}
