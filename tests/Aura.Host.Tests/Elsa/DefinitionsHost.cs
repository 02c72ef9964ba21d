using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Aura.Host.Api;
using Aura.Host.Elsa;
using Aura.Host.Security;
using Aura.Host.Tests.Api;
using Aura.Testing;
using Aura.Workflows.Runtime;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;

namespace Aura.Host.Tests.Elsa;

/// <summary>
/// Elsa's API with the engine behind it, on a real Kestrel and a real database. Who asks is named as <c>anna:Director</c>, and comes with a token.
/// </summary>
public sealed class DefinitionsHost : IAsyncLifetime
{
    public const string Anna = "anna:Director";
    public const string Bert = "bert:ManagerOperator";
    public const string Auditor = "otto:Auditor";
    public const string Employee = "emil:Employee";
    private readonly TestDatabase _database = new();
    private WebServer? _server;
    private HttpClient _client = new();

    public NpgsqlDataSource Db => _database.DataSource;

    public DefinitionStore Store => _server!.Services.GetRequiredService<DefinitionStore>();

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        await _database.InitializeAsync();
        _server = await WebServer.StartAsync(
            services =>
            {
                services.AddSingleton(_ => NpgsqlDataSource.Create(_database.ConnectionString));
                services.AddAuraWorkflows();
                services.AddSingleton<IWorkflowGateway, WorkflowGateway>();
                services.AddAuraApi(o => o.DirectorKey = ApiHost.Key);
            },
            app =>
            {
                app.MapAuraApi();
                app.MapElsaApi();
            });
        _client = _server.Client();
    }

    public async ValueTask DisposeAsync()
    {
        _client.Dispose();
        if (_server is not null)
            await _server.DisposeAsync();
        await _database.DisposeAsync();
    }

    public Task<ElsaAnswer> SendAsync(string method, string path, string? json, string user, params (string Name, string Value)[] headers) =>
        SendToRootAsync(method, "/elsa/api" + path, json, user, headers);

    /// <summary>As <see cref="SendAsync"/>, to the organisation's own API.</summary>
    public async Task<ElsaAnswer> SendToRootAsync(string method, string path, string? json, string user = Anna, params (string Name, string Value)[] headers)
    {
        using var request = new HttpRequestMessage(new(method), path);
        if (json is not null)
            request.Content = new StringContent(json, Encoding.UTF8, new MediaTypeHeaderValue("application/json"));
        if (user.Split(':') is [var name, var role])
            request.Headers.Authorization = new("Bearer", _server!.Services.GetRequiredService<AccessTokens>().Issue(new(null, name, [role], 0)));
        foreach (var (header, value) in headers)
            request.Headers.TryAddWithoutValidation(header, value);
        using var response = await _client.SendAsync(request, Cancel);
        return new(
            (int)response.StatusCode, response.Content.Headers.ContentType?.MediaType, await response.Content.ReadAsByteArrayAsync(Cancel),
            response.Headers.Concat(response.Content.Headers).ToDictionary(h => h.Key, h => string.Join('\n', h.Value), StringComparer.OrdinalIgnoreCase));
    }

    public Task<ElsaAnswer> GetAsync(string path, string user = Anna) => SendAsync("GET", path, null, user);

    public Task<ElsaAnswer> PostAsync(string path, string json = "{}", string user = Anna) => SendAsync("POST", path, json, user);

    /// <summary>What the audit log says of a definition, in order: who, what, which version.</summary>
    public async Task<string[]> AuditAsync(string definitionId)
    {
        await using var command = Db.CreateCommand("""
            SELECT actor || ' ' || action || ' ' || (details->>'version') || coalesce(' ' || (details->'updated_consumers')::text, '')
            FROM aura.audit_logs WHERE details->>'definition_id' = $1 ORDER BY id
            """);
        command.Parameters.Add(new() { Value = definitionId });
        await using var reader = await command.ExecuteReaderAsync(Cancel);
        var lines = new List<string>();
        while (await reader.ReadAsync(Cancel))
            lines.Add(reader.GetString(0));
        return [.. lines];
    }

    /// <summary>The definition as an editor opens it.</summary>
    public async Task<JsonObject> OpenAsync(string definitionId, string user = Anna)
    {
        var answer = await GetAsync($"/workflow-definitions/by-definition-id/{definitionId}?versionOptions=Latest", user);
        answer.Status.ShouldBe(200, answer.Text);
        return answer.Node;
    }

    /// <summary>What Studio sends: the members that it knows, and no others.</summary>
    public Task<ElsaAnswer> SaveAsync(JsonObject opened, string user = Anna, bool? publish = false)
    {
        string[] known =
        [
            "id", "definitionId", "name", "description", "toolVersion", "variables", "inputs", "outputs", "outcomes", "customProperties", "options",
            "root", "createdAt", "version", "isLatest", "isPublished",
        ];
        var model = new JsonObject();
        foreach (var name in known)
            model[name] = opened[name]?.DeepClone();
        model["isReadonly"] = false;
        model["links"] = null;
        return PostAsync("/workflow-definitions", new JsonObject { ["model"] = model, ["publish"] = publish }.ToJsonString(), user);
    }

    /// <summary>A stored draft: a flowchart with these activities, one after the other.</summary>
    public async Task<string> DraftAsync(string activities = "", string more = "", string? id = null, string? name = null)
    {
        id ??= "def-" + Guid.NewGuid().ToString("N");
        var answer = await PostAsync("/workflow-definitions/import", Document(id, activities, more, name));
        answer.Status.ShouldBe(200, answer.Text);
        return id;
    }

    public async Task<string> PublishedAsync(string activities = "", string more = "", string? id = null, string? name = null)
    {
        id = await DraftAsync(activities, more, id, name);
        var answer = await PostAsync($"/workflow-definitions/{id}/publish");
        answer.Status.ShouldBe(200, answer.Text);
        return id;
    }

    public static string Document(string id, string activities = "", string more = "", string? name = null) => $$"""
        {"definitionId":"{{id}}","name":"{{name ?? id}}",{{more}}
         "root":{"id":"flow1","type":"Elsa.Flowchart","version":1,"name":"Flowchart1","activities":[{{activities}}],"connections":[]} }
        """;

    public static string Line(string id, string text) => $$"""
        {"id":"{{id}}","type":"Elsa.WriteLine","version":1,"name":"WriteLine1","metadata":{"designer":{"position":{"x":10,"y":20} } },
         "text":{"typeName":"String","expression":{"type":"Literal","value":"{{text}}"} } }
        """;

    public async Task<string> RunningAsync(string definitionId, string status = "Running", string subStatus = "Suspended")
    {
        var definition = (await Store.FindAsync(definitionId, Aura.Workflows.Definitions.VersionOptions.Latest, Cancel))!;
        var id = Guid.NewGuid().ToString("N");
        await using var command = Db.CreateCommand("""
            INSERT INTO wf.instances (id, definition_id, definition_version_id, version, status, sub_status, finished_at, state)
            VALUES ($1, $2, $3, $4, $5, $6, CASE WHEN $5 = 'Finished' THEN now() END, '{}')
            """);
        foreach (var value in new object[] { id, definitionId, definition.Id, definition.Version, status, subStatus })
            command.Parameters.Add(new() { Value = value });
        await command.ExecuteNonQueryAsync(Cancel);
        return id;
    }
}

/// <summary>What came back.</summary>
public sealed record ElsaAnswer(int Status, string? Type, byte[] Bytes, IReadOnlyDictionary<string, string> Headers)
{
    public string Text => Encoding.UTF8.GetString(Bytes);

    public JsonElement Json => JsonElement.Parse(Text);

    public JsonObject Node => (JsonObject)JsonNode.Parse(Text)!;

    public string[] Errors => [.. Json.GetProperty("errors").GetProperty("generalErrors").EnumerateArray().Select(e => e.GetString()!)];

    public string? Code => Json.TryGetProperty("code", out var code) ? code.GetString() : null;

    /// <summary>The definition in the answer to a save.</summary>
    public JsonObject Saved
    {
        get
        {
            Status.ShouldBe(200, Text);
            return (JsonObject)Node["workflowDefinition"]!.DeepClone();
        }
    }

    public string[] Rels => [.. Json.GetProperty("links").EnumerateArray().Select(l => l.GetProperty("rel").GetString()!)];
}
