using System.Net.Http.Json;
using System.Text.Json;
using Aura.Activities;
using Aura.Host.Api;
using Aura.Host.Elsa;
using Aura.Host.Tests.Api;
using Aura.Testing;
using Aura.Workflows.Definitions;
using Aura.Workflows.Runtime;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;

namespace Aura.Host.Tests.Elsa;

/// <summary>Elsa's API on a real Kestrel, a real database and the real engine, with Aura's activities and without loops.</summary>
public sealed class DesignerHost : IAsyncLifetime
{
    private readonly TestDatabase _database = new();
    private WebServer? _server;

    public HttpClient Client { get; private set; } = new();

    public IServiceProvider Services => _server!.Services;

    public DefinitionStore Definitions => Services.GetRequiredService<DefinitionStore>();

    public static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        await _database.InitializeAsync();
        _server = await WebServer.StartAsync(
            services =>
            {
                services.AddSingleton(_ => NpgsqlDataSource.Create(_database.ConnectionString));
                services.AddAuraApi(o => o.DirectorKey = ApiHost.Key);
                services.AddAuraWorkflows();
                services.AddSingleton(new TaskQueues(["default", "employee:*"]));
            },
            app =>
            {
                app.UseExceptionHandler();
                app.MapElsaApi();
                app.Services.GetRequiredService<ActivityRegistry>().AddFrom(typeof(DecomposePrd).Assembly);
            });
        Client = _server.Client(ApiHost.Key, "/elsa/api/");
    }

    public async ValueTask DisposeAsync()
    {
        Client.Dispose();
        if (_server is not null)
            await _server.DisposeAsync();
        await _database.DisposeAsync();
    }

    public HttpClient Anonymous() => new() { BaseAddress = Client.BaseAddress };

    public async Task<JsonElement> GetAsync(string path)
    {
        var response = await Client.GetAsync(path, Cancel);
        response.IsSuccessStatusCode.ShouldBeTrue($"{path}: {response.StatusCode}");
        return await ApiHost.JsonAsync(response);
    }

    public async Task<JsonElement> PostAsync(string path, object body, int status = 200)
    {
        var response = await Client.PostAsJsonAsync(path, body, Cancel);
        ((int)response.StatusCode).ShouldBe(status, path);
        return await ApiHost.JsonAsync(response);
    }

    /// <summary>Saves a draft with this root and these further members.</summary>
    public Task<WorkflowDefinition> SaveAsync(string definitionId, string root, string more = "") => Definitions.SaveDraftAsync(
        JsonElement.Parse($$"""{"definitionId":"{{definitionId}}","name":"{{definitionId}}",{{more}}"root":{{root}}}"""));
}
