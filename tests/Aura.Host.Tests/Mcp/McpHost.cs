using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using Aura.Host.Configuration;
using Aura.Host.Hosting;
using Aura.Orchestra.Employees;
using Aura.Orchestra.Jobs;
using Aura.Orchestra.Models;
using Aura.Orchestra.Prds;
using Aura.Orchestra.Projects;
using Aura.Orchestra.Sandboxes;
using Aura.Orchestra.Storage;
using Aura.Testing;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;

namespace Aura.Host.Tests.Mcp;

/// <summary>One job under way: its sandbox, the task that somebody holds, and the employee's token.</summary>
internal sealed record JobAtWork(string JobId, Sandbox Sandbox, long Task, string Token);

/// <summary>A real host with the role mcp on a real database, with a small project of its own.</summary>
public sealed class McpHost : IAsyncLifetime
{
    public const string Key = HostSettings.DirectorKey;
    public const string Model = "a-model";
    private readonly TestDatabase _database = new();
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("aura-mcp-");
    private AuraHost? _host;

    public string Folder => _folder.FullName;

    public string Url => _host!.McpUrl!;

    public NpgsqlDataSource Db => _database.DataSource;

    public IServiceProvider Services => _host!.Services;

    /// <summary>What a child of this organisation finds in its environment.</summary>
    public Dictionary<string, string?> Settings => new(HostSettings.In(Folder, _database.ConnectionString))
    {
        ["AURA_PROJECTS"] = Path.Combine(Folder, "projects"),
        ["MANAGER_PORT"] = "0",
        ["AURA_ROLES"] = "mcp",
        ["MCP_ALLOWED_HOSTS"] = "tools.example",
    };

    public async ValueTask InitializeAsync()
    {
        await _database.InitializeAsync();
        await WriteAsync("app.py", "def add(a, b):\n    return a - b\n");
        await WriteAsync("notes.txt", string.Concat(Enumerable.Range(1, 5000).Select(i => $"line {i}\n")));
        await WriteAsync("tests/test_app.py", "from app import add\n\n\ndef test_add_two_numbers():\n    assert add(2, 3) == 5\n");
        var settings = Settings;
        _host = await AuraHost.StartAsync(AuraOptions.Load(settings.GetValueOrDefault), LogStyle.FileOnly, CancellationToken.None);
    }

    public async ValueTask DisposeAsync()
    {
        if (_host is not null)
            await _host.DisposeAsync();
        await _database.DisposeAsync();
        _folder.Delete(recursive: true);
    }

    internal async Task<JobAtWork> JobAsync(TimeSpan? tokenLife = null)
    {
        var prd = Orchestra.Ids.NewPrd();
        var job = new PlannedJob { Key = "a", Title = "Make add() add", Description = "It subtracts.", Payload = JsonElement.Parse("""{"allowed_paths":["*.py"]}""") };
        await Db.CommitAsync([
            PrdChanges.EnsureProject("demo"),
            PrdChanges.Insert(new NewPrd { Id = prd, ProjectId = "demo", Title = "Sums", CreatedBy = "director" }),
            PrdChanges.Planned(prd), JobChanges.Insert(prd, [job]), PrdChanges.Running(prd),
            ModelChanges.Ensure(Model, "local", null, "scripted"), JobChanges.Assigned(job.Id, Model, 1), JobChanges.InProgress(job.Id, 1),
        ]);
        var projects = Services.GetRequiredService<ProjectRepositories>();
        var commit = await projects.ImportAsync("demo");
        var sandbox = await Services.GetRequiredService<SandboxStore>().CreateAsync(new()
        {
            SandboxId = SandboxStore.IdOf(job.Id, 1),
            JobId = job.Id,
            Attempt = 1,
            ProjectName = "demo",
            RepositoryPath = projects.RepositoryPath("demo"),
            BaseCommit = commit,
            AllowedPaths = ["*.py"],
        });
        await Db.CommitAsync(JobChanges.Sandbox(job.Id, 1, commit, sandbox.WorkDirectory));
        var task = (await ScalarAsync<long>($"""
            INSERT INTO wf.tasks (instance_id, activity_instance_id, node_id, activity_type, queue, input, attempt, max_attempts, timeout_seconds, owner, fence, lease_until)
            VALUES ('wf-{job.Id}', 'run-{job.Id}', 'n', 'Aura.EmployeeWork', 'employee:scripted', '{"{}"}', 1, 3, 60, 'somebody', 7, now() + interval '1 hour') RETURNING id
            """));
        var token = Services.GetRequiredService<JobTokens>().Issue(new(Model, job.Id, 1, sandbox.Id, task, 7), tokenLife);
        return new(job.Id, sandbox, task, token);
    }

    /// <summary>A client of the service.</summary>
    /// <param name="token">Null sends none.</param>
    public HttpClient Client(string? token)
    {
        var client = new HttpClient { BaseAddress = new(Url) };
        if (token is not null)
            client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", token);
        return client;
    }

    /// <summary>A call of a tool in revision 2026-07-28, which needs no session.</summary>
    public static HttpRequestMessage ToolCall(string tool, string arguments)
    {
        var request = new HttpRequestMessage(HttpMethod.Post, "/mcp")
        {
            Content = new StringContent($$$"""
                {"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"{{{tool}}}","arguments":{{{arguments}}},"_meta":{
                "io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{} } } }
                """, Encoding.UTF8, "application/json"),
        };
        request.Headers.Add("Accept", "application/json, text/event-stream");
        request.Headers.Add("MCP-Protocol-Version", "2026-07-28");
        request.Headers.Add("Mcp-Method", "tools/call");
        request.Headers.Add("Mcp-Name", tool);
        return request;
    }

    /// <summary>The result of a tool call, from whatever form the answer came in.</summary>
    public static async Task<JsonElement> ResultAsync(HttpResponseMessage response)
    {
        var text = await response.Content.ReadAsStringAsync();
        var data = text.Split('\n').LastOrDefault(l => l.StartsWith("data:", StringComparison.Ordinal))?[5..] ?? text;
        return JsonElement.Parse(data).GetProperty("result");
    }

    public static async Task<(int Status, JsonElement Body)> PostAsync(HttpClient client, string path, string json)
    {
        using var content = new StringContent(json, Encoding.UTF8, "application/json");
        using var response = await client.PostAsync(path, content);
        return ((int)response.StatusCode, JsonElement.Parse(await response.Content.ReadAsStringAsync()));
    }

    public Task ExecuteAsync(string sql) => Db.ExecuteAsync(sql);

    public Task<T?> ScalarAsync<T>(string sql) => Db.ScalarAsync<T>(sql);

    private async Task WriteAsync(string path, string text)
    {
        var file = Path.Combine(Folder, "projects", "demo", path);
        Directory.CreateDirectory(Path.GetDirectoryName(file)!);
        await File.WriteAllTextAsync(file, text);
    }
}
