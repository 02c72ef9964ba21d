using System.Text;
using System.Text.Json;
using Aura.Host.Api;
using Aura.Host.Elsa;
using Aura.Host.Security;
using Aura.Host.Tests.Api;
using Aura.Testing;
using Aura.Workflows.Definitions;
using Aura.Workflows.Http;
using Aura.Workflows.Runtime;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;

namespace Aura.Host.Tests.Elsa;

/// <summary>A host with the engine, Elsa's API and its hub on a real Kestrel. Several may share one database; any of them may only serve.</summary>
internal sealed class InstanceHost : IAsyncDisposable
{
    private readonly WebServer _server;

    private InstanceHost(WebServer server)
    {
        _server = server;
        Client = ClientOf(AuraRoles.Director);
    }

    public string Url => _server.Url;

    /// <summary>The Director's.</summary>
    public HttpClient Client { get; }

    public IServiceProvider Services => _server.Services;

    public NpgsqlDataSource Db => Services.GetRequiredService<NpgsqlDataSource>();

    public DefinitionStore Definitions => Services.GetRequiredService<DefinitionStore>();

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public static async Task<InstanceHost> StartAsync(
        string connectionString, bool runsWorkflows = true, Action<InstanceObserverOptions>? observers = null, bool runsTasks = true)
    {
        return new(await WebServer.StartAsync(
            services =>
            {
                services.AddSingleton(_ => NpgsqlDataSource.Create(connectionString + ";Maximum Pool Size=20"));
                services.AddAuraWorkflows(o => o.PollInterval = TimeSpan.FromMilliseconds(50));
                if (runsWorkflows)
                    services.AddWorkflowLoops();
                if (runsWorkflows && runsTasks)
                    services.AddTaskLoop("*", 4);
                services.AddHttpWorkflows();
                services.AddSingleton<IWorkflowGateway, WorkflowGateway>();
                services.AddAuraApi(o => o.DirectorKey = ApiHost.Key);
                services.AddWorkflowInstanceHub(o =>
                {
                    o.Interval = TimeSpan.FromMilliseconds(20);
                    observers?.Invoke(o);
                });
            },
            app =>
            {
                app.MapAuraApi();
                app.MapElsaApi();
                app.MapWorkflowInstanceHub();
                app.MapHttpWorkflows();
            }));
    }

    /// <summary>The token of somebody with that role.</summary>
    public string TokenOf(string role) => Services.GetRequiredService<AccessTokens>().Issue(new(null, "someone", [role], 0));

    /// <summary>A client of somebody with that role; null for nobody.</summary>
    public HttpClient ClientOf(string? role) => _server.Client(role is null ? null : TokenOf(role), "/elsa/api/");

    public async ValueTask DisposeAsync()
    {
        Client.Dispose();
        await _server.DisposeAsync();
    }

    /// <summary>Publishes a workflow with this root under a fresh id.</summary>
    public async Task<string> PublishAsync(string root, string more = "", string? id = null)
    {
        id ??= $"def-{Guid.NewGuid():N}";
        await Definitions.ImportAsync(WorkflowDefinition.Parse(
            $$"""{"definitionId":"{{id}}","name":"Test","isPublished":true,{{(more.Length > 0 ? more + "," : "")}}"root":{{root}}}""", id), Cancel);
        return id;
    }

    public async Task<string> DispatchAsync(string definitionId, string body = "{}") =>
        (await PostAsync($"workflow-definitions/{definitionId}/dispatch", body)).GetProperty("workflowInstanceId").GetString()!;

    public async Task<JsonElement> GetAsync(string path, int status = 200)
    {
        using var response = await Client.GetAsync(path, Cancel);
        return await ReadAsync(response, status);
    }

    public async Task<JsonElement> PostAsync(string path, string body = "", int status = 200)
    {
        using var response = await Client.PostAsync(path, body.Length == 0 ? null : new StringContent(body, Encoding.UTF8, "application/json"), Cancel);
        return await ReadAsync(response, status);
    }

    public Task<JsonElement> ReachesAsync(string instanceId, params string[] subStatuses) => Until.FoundAsync(
        () => GetAsync($"workflow-instances/{instanceId}/execution-state"), s => subStatuses.Contains(s.GetProperty("subStatus").GetString()),
        s => $"{instanceId} stands at {s}");

    public Task<T?> ScalarAsync<T>(string sql) => Db.ScalarAsync<T>(sql);

    /// <summary>The node badges by activity id: started/completed/uncompleted and flags.</summary>
    public async Task<Dictionary<string, string>> BadgesAsync(string instanceId)
    {
        var report = await PostAsync("activity-executions/report", $$"""{"workflowInstanceId":"{{instanceId}}","activityNodeIds":[]}""");
        return report.GetProperty("stats").EnumerateArray().ToDictionary(
            s => s.GetProperty("activityId").GetString()!,
            s => $"{s.GetProperty("startedCount")}/{s.GetProperty("completedCount")}/{s.GetProperty("uncompletedCount")}"
                + (s.GetProperty("isBlocked").GetBoolean() ? " blocked" : "") + (s.GetProperty("isFaulted").GetBoolean() ? " faulted" : ""));
    }

    public static async Task<JsonElement> ReadAsync(HttpResponseMessage response, int status)
    {
        var text = await response.Content.ReadAsStringAsync(Cancel);
        ((int)response.StatusCode).ShouldBe(status, text);
        return text.Length == 0 ? default : JsonElement.Parse(text);
    }
}

/// <summary>One host on one database for all tests of a class.</summary>
public sealed class HostFixture : IAsyncLifetime
{
    private readonly TestDatabase _database = new();

    internal InstanceHost Host { get; private set; } = null!;

    internal string ConnectionString => _database.ConnectionString;

    public async ValueTask InitializeAsync()
    {
        await _database.InitializeAsync();
        Host = await InstanceHost.StartAsync(_database.ConnectionString);
    }

    public async ValueTask DisposeAsync()
    {
        await Host.DisposeAsync();
        await _database.DisposeAsync();
    }
}

/// <summary>JSON of activities for workflows of tests.</summary>
internal static class Act
{
    public static string Line(string text, string id) =>
        $$"""{"type":"Elsa.WriteLine","id":"{{id}}","text":{"typeName":"String","expression":{"type":"Literal","value":"{{text}}"} } }""";

    public static string Event(string name, string id, string more = "") =>
        $$"""{"type":"Elsa.Event","id":"{{id}}",{{more}}"eventName":{"typeName":"String","expression":{"type":"Literal","value":"{{name}}"} } }""";

    public static string Fault(string id) => $$"""{"type":"Elsa.Fault","id":"{{id}}","message":{"typeName":"String","expression":{"type":"Literal","value":"broken"} } }""";

    public static string Sequence(params string[] activities) => $$"""{"type":"Elsa.Sequence","id":"seq","activities":[{{string.Join(',', activities)}}]}""";

    public static string ForEach(string itemsJson, string body) => $$"""
        {"type":"Elsa.ForEach","id":"loop","items":{"typeName":"Object","expression":{"type":"Object","value":{{JsonSerializer.Serialize(itemsJson)}} } },"body":{{body}} }
        """;

    public static string Endpoint(string path, string id = "http") => $$"""
        {"type":"Elsa.HttpEndpoint","id":"{{id}}","customProperties":{"canStartWorkflow":true},"path":{"typeName":"String","expression":{"type":"Literal","value":"{{path}}"} },
         "supportedMethods":{"typeName":"String[]","expression":{"type":"Object","value":"[\"GET\"]"} } }
        """;

    public static string Answer(string text) =>
        $$"""{"type":"Elsa.WriteHttpResponse","id":"answer","content":{"typeName":"Object","expression":{"type":"Literal","value":"{{text}}"} } }""";
}
