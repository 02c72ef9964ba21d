using System.Security.Claims;
using System.Text.Encodings.Web;
using System.Text.Json;
using Aura.Testing;
using Aura.Workflows.Definitions;
using Aura.Workflows.Http;
using Aura.Workflows.Runtime;
using Aura.Workflows.Storage;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Npgsql;

namespace Aura.Workflows.Tests.Http;

/// <summary>A host with a real web server that takes requests for workflows and, unless told otherwise, runs them.</summary>
internal sealed class HttpHost : IAsyncDisposable
{
    private readonly WebServer _server;

    private HttpHost(WebServer server)
    {
        _server = server;
        Client = server.Client(path: "/workflows/");
    }

    public string Url => _server.Url;

    /// <summary>Its base address ends in <c>/workflows/</c>.</summary>
    public HttpClient Client { get; }

    public IServiceProvider Services => _server.Services;

    public NpgsqlDataSource DataSource => Services.GetRequiredService<NpgsqlDataSource>();

    public DefinitionStore Definitions => Services.GetRequiredService<DefinitionStore>();

    public static async Task<HttpHost> StartAsync(
        string connectionString, Action<HttpWorkflowsOptions>? configure = null, bool runsBursts = true, Action<WebApplication>? map = null) =>
        new(await WebServer.StartAsync(
            services =>
            {
                services.AddSingleton(_ => NpgsqlDataSource.Create(connectionString + ";Maximum Pool Size=20"));
                services.AddAuraWorkflows(o =>
                {
                    o.PollInterval = TimeSpan.FromMilliseconds(50);
                    o.TaskBackoff = TimeSpan.FromMilliseconds(20);
                });
                services.AddSingleton<Probe>();
                if (runsBursts)
                    services.AddWorkflowLoops().AddTaskLoop("*", 4);
                services.AddHttpWorkflows(configure);
                services.AddAuthentication(TestUser.SchemeName).AddScheme<AuthenticationSchemeOptions, TestUser>(TestUser.SchemeName, null);
                services.AddAuthorizationBuilder().AddPolicy("admins", p => p.RequireRole("admin"));
            },
            app =>
            {
                app.UseStatusCodePages();
                app.MapHttpWorkflows();
                map?.Invoke(app);
                app.Services.GetRequiredService<ActivityRegistry>().AddFrom(typeof(EngineHost).Assembly);
            }));

    public async ValueTask DisposeAsync()
    {
        Client.Dispose();
        await _server.DisposeAsync();
    }

    /// <summary>The host begins to stop, as on SIGTERM; its server still answers.</summary>
    public void BeginStop() => Services.GetRequiredService<IHostApplicationLifetime>().StopApplication();

    /// <summary>Publishes a workflow.</summary>
    public async Task<string> PublishAsync(string root, string more = "")
    {
        var id = $"def-{Guid.NewGuid():N}";
        await Definitions.ImportAsync(WorkflowDefinition.Parse(
            $$"""{"definitionId":"{{id}}","name":"Test","isPublished":true,{{(more.Length > 0 ? more + "," : "")}}"root":{{root}}}""", id));
        return id;
    }

    public async Task<WorkflowState> ReachAsync(string definitionId, Func<WorkflowState, bool> condition) => (await Until.FoundAsync(
        async () => (await DataSource.ListAsync<string>("SELECT state::text FROM wf.instances WHERE definition_id = $1", definitionId))
            .Select(s => JsonSerializer.Deserialize<WorkflowState>(s, WorkflowJson.Options)!).ToList(),
        states => states.Exists(s => condition(s)),
        states => $"No instance of {definitionId} got there: {JsonSerializer.Serialize(states)}")).First(condition);

    public Task<long> CountInstancesAsync(string definitionId) => CountAsync("SELECT count(*) FROM wf.instances WHERE definition_id = $1", definitionId);

    public async Task<long> CountAsync(string sql, params object[] values) => (await DataSource.QueryAsync(sql, values, r => r.GetInt64(0), default))[0];

    public static Task WaitForAsync(Func<Task<bool>> condition) => Until.TrueAsync(condition, () => "What the test waits for has not come.", 30);
}

/// <summary>Whoever sends <c>X-Test-User: name</c> is that user; the name is also the role.</summary>
internal sealed class TestUser(IOptionsMonitor<AuthenticationSchemeOptions> options, ILoggerFactory loggers, UrlEncoder encoder)
    : AuthenticationHandler<AuthenticationSchemeOptions>(options, loggers, encoder)
{
    public const string SchemeName = "Test";

    protected override Task<AuthenticateResult> HandleAuthenticateAsync()
    {
        var name = Request.Headers["X-Test-User"].ToString();
        if (name.Length == 0)
            return Task.FromResult(AuthenticateResult.NoResult());
        var identity = new ClaimsIdentity([new(ClaimTypes.Name, name), new(ClaimTypes.Role, name)], SchemeName);
        return Task.FromResult(AuthenticateResult.Success(new(new(identity), SchemeName)));
    }
}

/// <summary>JSON of HTTP activities.</summary>
internal static class HttpJson
{
    /// <param name="more">Further members, for example <c>"authorize":true</c>; a variable name is bound with <see cref="Out"/>.</param>
    public static string Endpoint(string path, string more = "", string id = "in", bool starts = true) =>
        $$"""{"type":"Elsa.HttpEndpoint","id":"{{id}}","path":"{{path}}",{{(more.Length > 0 ? more + "," : "")}}"customProperties":{"canStartWorkflow":{{(starts ? "true" : "false")}} } }""";

    public static string Wait(string path, string more = "", string id = "wait") => Endpoint(path, more, id, starts: false);

    /// <summary>Binds an output to a variable.</summary>
    public static string Out(string output, string variable) => $$""" "{{output}}":{"typeName":"Object","memoryReference":{"id":"{{variable}}"} } """;

    public static string Methods(params string[] methods) => $$""" "supportedMethods":{{Json.Object(JsonSerializer.Serialize(methods))}} """;

    public static string Answer(string content, string more = "", string? id = null) =>
        $$"""{"type":"Elsa.WriteHttpResponse",{{(id is null ? "" : $"\"id\":\"{id}\",")}}{{(more.Length > 0 ? more + "," : "")}}"content":{{content}} }""";

    public static string Text(string text) => JsonSerializer.Serialize(text);

    public static string Variables(params string[] names) =>
        $$""" "variables":[{{string.Join(',', names.Select(n => $$"""{"id":"{{n}}","name":"{{n}}","typeName":"Object"}"""))}}] """;
}
