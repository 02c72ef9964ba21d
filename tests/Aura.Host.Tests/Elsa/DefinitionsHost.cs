using System.Net.Http.Headers;
using System.Security.Claims;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using Aura.Host.Api;
using Aura.Host.Elsa;
using Aura.Testing;
using Aura.Workflows.Runtime;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Npgsql;

namespace Aura.Host.Tests.Elsa;

/// <summary>Elsa's API with the engine behind it, on a real Kestrel and a real database. A request names who asks: <c>anna:Director</c>.</summary>
public sealed class DefinitionsHost : IAsyncLifetime
{
    public const string Anna = "anna:Director";
    public const string Bert = "bert:ManagerOperator";
    public const string Auditor = "otto:Auditor";
    public const string Employee = "emil:Employee";
    private readonly TestDatabase _database = new();
    private WebApplication? _app;
    private HttpClient _client = new();

    public NpgsqlDataSource Db => _database.DataSource;

    public DefinitionStore Store => _app!.Services.GetRequiredService<DefinitionStore>();

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        await _database.InitializeAsync();
        var builder = WebApplication.CreateBuilder();
        builder.WebHost.ConfigureKestrel(k => k.Listen(System.Net.IPAddress.Loopback, 0));
        builder.Logging.ClearProviders();
        builder.Services.AddSingleton(_ => NpgsqlDataSource.Create(_database.ConnectionString));
        builder.Services.AddAuraWorkflows();
        builder.Services.AddSingleton<IWorkflowGateway, NoWorkflows>();
        builder.Services.AddAuraApi(o => o.DirectorKey = "a-director-key-for-tests");
        builder.Services.AddAuthentication(o => o.DefaultScheme = o.DefaultAuthenticateScheme = o.DefaultChallengeScheme = o.DefaultForbidScheme = "Named")
            .AddScheme<AuthenticationSchemeOptions, NamedHandler>("Named", null);
        _app = builder.Build();
        _app.MapAuraApi();
        _app.MapElsaApi();
        await _app.StartAsync(Cancel);
        _client = new HttpClient { BaseAddress = new(_app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First()) };
    }

    public async ValueTask DisposeAsync()
    {
        _client.Dispose();
        if (_app is not null)
            await _app.DisposeAsync();
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
        if (user.Length > 0)
            request.Headers.Add("X-Test-User", user);
        foreach (var (name, value) in headers)
            request.Headers.TryAddWithoutValidation(name, value);
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

    private sealed class NamedHandler(IOptionsMonitor<AuthenticationSchemeOptions> schemes, ILoggerFactory loggers, UrlEncoder encoder)
        : AuthenticationHandler<AuthenticationSchemeOptions>(schemes, loggers, encoder)
    {
        protected override Task<AuthenticateResult> HandleAuthenticateAsync()
        {
            if (Request.Headers["X-Test-User"].ToString().Split(':') is not [var name, var role])
                return Task.FromResult(AuthenticateResult.NoResult());
            var identity = new ClaimsIdentity(
                [new(ClaimTypes.Name, name), new(ClaimTypes.Role, role)], "Named", ClaimTypes.Name, ClaimTypes.Role);
            return Task.FromResult(AuthenticateResult.Success(new(new(identity), "Named")));
        }
    }

    private sealed class NoWorkflows : IWorkflowGateway
    {
        public Task<(string InstanceId, IReadOnlyList<NpgsqlBatchCommand> Statements)> PrepareStartAsync(
            string definitionId, IReadOnlyDictionary<string, object?> input, string correlationId, CancellationToken cancellationToken) =>
            throw new NotSupportedException();

        public NpgsqlBatchCommand PrepareStimulus(string name, object payload, IReadOnlyDictionary<string, object?> input) => throw new NotSupportedException();
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
