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
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace Aura.Host.Tests.Elsa;

/// <summary>Elsa's API on a real Kestrel, a real database and the real engine, with Aura's activities and without loops.</summary>
public sealed class DesignerHost : IAsyncLifetime
{
    private readonly TestDatabase _database = new();
    private WebApplication? _app;

    public HttpClient Client { get; private set; } = new();

    public IServiceProvider Services => _app!.Services;

    public DefinitionStore Definitions => Services.GetRequiredService<DefinitionStore>();

    public static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        await _database.InitializeAsync();
        var builder = WebApplication.CreateBuilder();
        builder.WebHost.ConfigureKestrel(k => k.Listen(System.Net.IPAddress.Loopback, 0));
        builder.Logging.ClearProviders();
        builder.Services.AddSingleton(_ => NpgsqlDataSource.Create(_database.ConnectionString));
        builder.Services.AddAuraApi(o => o.DirectorKey = ApiHost.Key);
        builder.Services.AddAuraWorkflows();
        builder.Services.AddSingleton(new TaskQueues(["default", "employee:*"]));
        _app = builder.Build();
        _app.UseExceptionHandler();
        _app.MapElsaApi();
        Services.GetRequiredService<ActivityRegistry>().AddFrom(typeof(DecomposePrd).Assembly);
        await _app.StartAsync(Cancel);
        Client = ApiHost.ClientOf(_app);
        Client.BaseAddress = new(Client.BaseAddress!, "/elsa/api/");
    }

    public async ValueTask DisposeAsync()
    {
        Client.Dispose();
        if (_app is not null)
            await _app.DisposeAsync();
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
