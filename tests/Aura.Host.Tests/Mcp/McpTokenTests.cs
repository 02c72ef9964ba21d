using System.Net.Http.Headers;
using System.Text.Json;
using Aura.Host.Security;
using Aura.Orchestra.Employees;
using Microsoft.Extensions.DependencyInjection;

namespace Aura.Host.Tests.Mcp;

/// <summary>Who gets in, to which sandbox, and how long. Every refusal has its own code, an event and a count.</summary>
public sealed class McpTokenTests(McpHost host) : IClassFixture<McpHost>
{
    [Fact]
    public async Task Call_WithAJobToken_ReachesItsSandbox()
    {
        var job = await host.JobAsync();
        using var client = host.Client(job.Token);
        using var response = await client.SendAsync(McpHost.ToolCall("read_file", """{"path":"app.py"}"""));
        var result = await McpHost.ResultAsync(response);
        result.GetProperty("structuredContent").GetProperty("content").GetString().ShouldBe("def add(a, b):\n    return a - b\n");
    }

    [Fact]
    public async Task Call_WithAJobToken_IsNotTriedAsAPersons()
    {
        var job = await host.JobAsync();
        using var client = host.Client(job.Token);
        var (failed, challenged) = (await SaidAsync("not authenticated"), await SaidAsync("was challenged"));
        (await McpHost.PostAsync(client, "/mcp/read_file", """{"path":"app.py"}""")).Status.ShouldBe(200);
        // Here it is tried, and the log says so after all it has to say of the call before.
        using var metrics = await client.GetAsync("/metrics");
        while (await SaidAsync("was challenged") == challenged)
            await Task.Delay(10, TestContext.Current.CancellationToken);
        (await SaidAsync("not authenticated")).ShouldBe(failed + 1);

        async Task<int> SaidAsync(string what)
        {
            await using var file = new FileStream(Path.Combine(host.Folder, "logs", "mcp", "latest.log"), FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
            using var reader = new StreamReader(file);
            var lines = (await reader.ReadToEndAsync(TestContext.Current.CancellationToken)).Split('\n');
            return lines.Count(l => l.Contains("CredentialHandler", StringComparison.Ordinal) && l.Contains(what, StringComparison.Ordinal));
        }
    }

    [Theory]
    [InlineData("/mcp/read_file", 401)]
    [InlineData("/mcp/nothing", 404)]
    [InlineData("/metrics", 401)]
    public async Task Refusal_OfEveryKind_IsAProblemDocumentWithSecurityHeaders(string path, int status)
    {
        using var client = host.Client("not-the-key");
        using var response = path == "/metrics" ? await client.GetAsync(path) : await client.PostAsync(path, new StringContent("{}", new MediaTypeHeaderValue("application/json")));
        (((int)response.StatusCode), response.Content.Headers.ContentType?.MediaType).ShouldBe((status, "application/problem+json"));
        response.Headers.GetValues("X-Content-Type-Options").ShouldBe(["nosniff"]);
        response.Headers.Contains("Content-Security-Policy").ShouldBeTrue();
    }

    [Fact]
    public async Task Call_WithoutAToken_IsRefused() => await RefusedAsync(null, 401, "no_token");

    [Fact]
    public async Task Call_WithAWrongKey_IsRefused() => await RefusedAsync("not-the-directors-key", 401, "wrong_key");

    [Fact]
    public async Task Call_WithAnExpiredToken_IsRefused()
    {
        var job = await host.JobAsync(TimeSpan.FromMinutes(-1));
        await RefusedAsync(job.Token, 401, "token_expired");
    }

    [Fact]
    public async Task Call_WithAForgedToken_IsRefused()
    {
        var (mine, other) = (await host.JobAsync(), await host.JobAsync());
        var (header, signature) = (mine.Token.Split('.')[0], mine.Token.Split('.')[2]);
        await RefusedAsync($"{header}.{other.Token.Split('.')[1]}.{signature}", 401, "token_forged");
    }

    [Fact]
    public async Task Call_WithAPersonsTokenOfAnotherRole_IsRefused()
    {
        var token = host.Services.GetRequiredService<AccessTokens>().Issue(new(null, "director", [AuraRoles.Auditor], 0));
        await RefusedAsync(token, 403, "not_permitted");
    }

    [Theory]
    [InlineData("UPDATE wf.tasks SET lease_until = now() - interval '1 second' WHERE id = {0}")]
    [InlineData("UPDATE wf.tasks SET fence = fence + 1 WHERE id = {0}")]
    [InlineData("UPDATE wf.tasks SET owner = NULL, lease_until = NULL WHERE id = {0}")]
    [InlineData("DELETE FROM wf.tasks WHERE id = {0}")]
    public async Task Call_AfterTheLeaseHasEnded_IsRefusedWithItsJobsEvent(string sql)
    {
        var job = await host.JobAsync();
        await host.ExecuteAsync(string.Format(System.Globalization.CultureInfo.InvariantCulture, sql, job.Task));
        await RefusedAsync(job.Token, 401, "lease_lost");
        (await host.ScalarAsync<long>(
            $"SELECT count(*) FROM aura.job_events WHERE job_id = '{job.JobId}' AND type = 'job.call_refused' AND data->>'code' = 'lease_lost'")).ShouldBe(1);
    }

    [Fact]
    public async Task Call_NamingTheSandboxOfAnotherJob_IsRefused()
    {
        var (mine, other) = (await host.JobAsync(), await host.JobAsync());
        using var client = host.Client(mine.Token);
        var (status, body) = await McpHost.PostAsync(client, "/mcp/read_file", JsonSerializer.Serialize(new { session_id = other.Sandbox.Id, path = "app.py" }));
        (status, body.GetProperty("code").GetString()).ShouldBe((403, "other_sandbox"));

        using var request = McpHost.ToolCall("read_file", """{"path":"app.py"}""");
        request.Headers.Add("Aura-Session", other.JobId);
        using var response = await client.SendAsync(request);
        (await CodeAsync(response)).ShouldBe("other_sandbox");
        (await host.ScalarAsync<long>(
            $"SELECT count(*) FROM aura.job_events WHERE job_id = '{mine.JobId}' AND type = 'job.call_refused' AND data->>'code' = 'other_sandbox'")).ShouldBe(2);
    }

    [Fact]
    public async Task Call_WithATokenWhoseSandboxIsNotItsJobs_IsRefused()
    {
        var (mine, other) = (await host.JobAsync(), await host.JobAsync());
        var mixed = host.Services.GetRequiredService<JobTokens>().Issue(new(McpHost.Model, mine.JobId, 1, other.Sandbox.Id, mine.Task, 7));
        await RefusedAsync(mixed, 409, "sandbox_gone");
    }

    [Fact]
    public async Task Session_OfAnotherCaller_IsRefused()
    {
        var (mine, other) = (await host.JobAsync(), await host.JobAsync());
        using var owner = host.Client(mine.Token);
        using var opened = await owner.SendAsync(Initialize());
        var id = opened.Headers.GetValues("Mcp-Session-Id").Single();

        using var stranger = host.Client(other.Token);
        using var request = new HttpRequestMessage(HttpMethod.Post, "/mcp")
        {
            Content = new StringContent("""{"jsonrpc":"2.0","id":2,"method":"tools/list"}""", new MediaTypeHeaderValue("application/json")),
        };
        request.Headers.Add("Accept", "application/json, text/event-stream");
        request.Headers.Add("Mcp-Session-Id", id);
        using var response = await stranger.SendAsync(request);
        ((int)response.StatusCode, await CodeAsync(response)).ShouldBe((403, "other_session"));
    }

    [Fact]
    public async Task ManagersApi_WithAJobToken_IsClosed()
    {
        var job = await host.JobAsync();
        using var client = new HttpClient { BaseAddress = new(host.Services.ManagerUrl()) };
        client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", job.Token);
        ((int)(await client.GetAsync("/prds")).StatusCode).ShouldBe(401);
    }

    [Theory]
    [InlineData("Host", "evil.example.com", "wrong_host")]
    [InlineData("Origin", "http://evil.example.com", "wrong_origin")]
    [InlineData("Origin", "null", "wrong_origin")]
    [InlineData("Origin", "file://localhost", "wrong_origin")]
    public async Task Call_FromAnotherSite_IsRefused(string header, string value, string code)
    {
        var job = await host.JobAsync();
        using var client = host.Client(job.Token);
        foreach (var request in (HttpRequestMessage[])[McpHost.ToolCall("diff", "{}"), new(HttpMethod.Get, "/mcp/diff")])
        {
            using (request)
            {
                request.Headers.TryAddWithoutValidation(header, value);
                using var response = await client.SendAsync(request);
                ((int)response.StatusCode, await CodeAsync(response)).ShouldBe((403, code));
            }
        }
    }

    [Theory]
    [InlineData("Host", "tools.example:9000")]
    [InlineData("Origin", "https://tools.example")]
    [InlineData("Origin", "http://localhost:3000")]
    public async Task Call_FromAnAllowedSite_IsTaken(string header, string value)
    {
        var job = await host.JobAsync();
        using var client = host.Client(job.Token);
        using var request = McpHost.ToolCall("diff", "{}");
        request.Headers.TryAddWithoutValidation(header, value);
        using var response = await client.SendAsync(request);
        ((int)response.StatusCode).ShouldBe(200);
    }

    private static HttpRequestMessage Initialize()
    {
        var request = new HttpRequestMessage(HttpMethod.Post, "/mcp")
        {
            Content = new StringContent("""
                {"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"1"} } }
                """, new MediaTypeHeaderValue("application/json")),
        };
        request.Headers.Add("Accept", "application/json, text/event-stream");
        return request;
    }

    private async Task RefusedAsync(string? token, int status, string code)
    {
        using var client = host.Client(token);
        using var response = await client.SendAsync(McpHost.ToolCall("diff", "{}"));
        ((int)response.StatusCode, await CodeAsync(response)).ShouldBe((status, code));
        response.Headers.WwwAuthenticate.Any().ShouldBe(status == 401);
        (await host.ScalarAsync<long>($"SELECT count(*) FROM aura.job_events WHERE type LIKE '%.call_refused' AND data->>'code' = '{code}'")).ShouldBeGreaterThan(0);
        using var director = host.Client(McpHost.Key);
        (await director.GetStringAsync("/metrics")).ShouldContain($"code=\"{code}\"");
    }

    private static async Task<string?> CodeAsync(HttpResponseMessage response) =>
        JsonElement.Parse(await response.Content.ReadAsStringAsync()).GetProperty("code").GetString();
}

internal static class ManagerAddress
{
    public static string ManagerUrl(this IServiceProvider services) =>
        services.GetRequiredService<Microsoft.AspNetCore.Hosting.Server.IServer>().Features.Get<Microsoft.AspNetCore.Hosting.Server.Features.IServerAddressesFeature>()!.Addresses.First();
}
