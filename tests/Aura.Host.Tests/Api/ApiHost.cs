using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using Aura.Host.Api;
using Aura.Testing;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;

namespace Aura.Host.Tests.Api;

/// <summary>The API on a real Kestrel and a real database; only the engine is replaced by a table that keeps what it was told.</summary>
public sealed class ApiHost : IAsyncLifetime
{
    public const string Key = HostSettings.DirectorKey;
    private readonly TestDatabase _database = new();
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("aura-api-");
    private WebServer? _server;

    public NpgsqlDataSource Db => _database.DataSource;

    public string SandboxBase => Path.Combine(_folder.FullName, "sandboxes");

    public HttpClient Client { get; private set; } = new();

    public WebServer App => _server!;

    public static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        await _database.InitializeAsync();
        await ExecuteAsync("CREATE TABLE workflow_calls (id bigint GENERATED ALWAYS AS IDENTITY, kind text, name text, payload jsonb)");
        _folder.CreateSubdirectory("projects/demo");
        _server = await StartAsync(_database.ConnectionString);
        Client = ClientOf(_server);
    }

    public async ValueTask DisposeAsync()
    {
        Client.Dispose();
        if (_server is not null)
            await _server.DisposeAsync();
        await _database.DisposeAsync();
        _folder.Delete(recursive: true);
    }

    public Task<WebServer> StartAsync(string connectionString) => WebServer.StartAsync(
        services =>
        {
            services.AddSingleton(_ => NpgsqlDataSource.Create(connectionString));
            services.AddSingleton<IWorkflowGateway, RecordingWorkflows>();
            services.AddAuraApi(o =>
            {
                o.DirectorKey = Key;
                o.ProjectsRoot = Path.Combine(_folder.FullName, "projects");
                o.SandboxBase = SandboxBase;
                o.StreamHeartbeat = TimeSpan.FromMilliseconds(200);
            });
        },
        app =>
        {
            app.MapAuraApi();
            app.MapGet("/elsa/hubs/probe", () => "in").RequireAuthorization();
            app.MapGet("/broken", string () => throw new InvalidOperationException("a secret in a message"));
        });

    public static HttpClient ClientOf(WebServer server, string? key = Key) => server.Client(key);

    public HttpClient Anonymous() => ClientOf(_server!, key: null);

    public async Task<(HttpResponseMessage Response, JsonElement Body)> PostAsync(string path, string json, string? idempotencyKey = null)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, path)
        {
            Content = new StringContent(json, Encoding.UTF8, new MediaTypeHeaderValue("application/json")),
        };
        if (idempotencyKey is not null)
            request.Headers.Add("Idempotency-Key", idempotencyKey);
        var response = await Client.SendAsync(request, Cancel);
        return (response, await JsonAsync(response));
    }

    public async Task<JsonElement> GetAsync(string path, int status = 200)
    {
        var response = await Client.GetAsync(path, Cancel);
        ((int)response.StatusCode).ShouldBe(status);
        return await JsonAsync(response);
    }

    public async Task<string> SubmitAsync(string title = "Add OAuth")
    {
        var (response, body) = await PostAsync("/prds", $$"""{"project_id":"demo","title":"{{title}}"}""");
        ((int)response.StatusCode).ShouldBe(201, body.ToString());
        return body.GetProperty("id").GetString()!;
    }

    public Task ExecuteAsync(string sql) => Db.ExecuteAsync(sql);

    public Task<T?> ScalarAsync<T>(string sql) => Db.ScalarAsync<T>(sql);

    public static async Task<JsonElement> JsonAsync(HttpResponseMessage response)
    {
        var text = await response.Content.ReadAsStringAsync(Cancel);
        return text.Length == 0 ? default : JsonElement.Parse(text);
    }

    private sealed class RecordingWorkflows : IWorkflowGateway
    {
        public Task<(string InstanceId, IReadOnlyList<NpgsqlBatchCommand> Statements)> PrepareStartAsync(
            string definitionId, IReadOnlyDictionary<string, object?> input, string correlationId, CancellationToken cancellationToken) =>
            Task.FromResult<(string, IReadOnlyList<NpgsqlBatchCommand>)>(
                ("wf-" + correlationId, [Insert("start", definitionId, new { input, correlationId })]));

        public NpgsqlBatchCommand PrepareStimulus(string name, object payload, IReadOnlyDictionary<string, object?> input) =>
            Insert("stimulus", name, new { payload, input });

        private static NpgsqlBatchCommand Insert(string kind, string name, object payload) =>
            new("INSERT INTO workflow_calls (kind, name, payload) VALUES ($1, $2, $3::jsonb)")
            {
                Parameters = { new() { Value = kind }, new() { Value = name }, new() { Value = JsonSerializer.Serialize(payload) } },
            };
    }
}
