using System.Text.Json;
using System.Text.Json.Serialization;
using Aura.Host.Hosting;
using Aura.Host.Security;
using Aura.Orchestra.Events;
using Aura.Orchestra.Storage;
using Aura.Workflows.Runtime;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace Aura.Host.Api;

/// <summary>What the organisation's API must know of its surroundings.</summary>
public sealed class AuraApiOptions
{
    /// <summary>The Director's key; at least 16 characters.</summary>
    public string DirectorKey { get; set; } = "";

    /// <summary>What workers come with; empty when none are let in.</summary>
    public string WorkerKey { get; set; } = "";

    /// <summary>Goes into the keys of tokens beside the Director's key, when given.</summary>
    public string? TokenKey { get; set; }

    /// <summary>A PRD's project is a folder in here.</summary>
    public string ProjectsRoot { get; set; } = "real_projects";

    /// <summary>Where jobs leave their <c>runlog.txt</c>.</summary>
    public string SandboxBase { get; set; } = "sandboxes";

    /// <summary>Larger bodies are refused with 413. Default 1 MiB.</summary>
    public int MaxBodyBytes { get; set; } = 1 << 20;

    /// <summary>At most this much of a run log's end is sent. Default 64 KiB.</summary>
    public int RunLogTailBytes { get; set; } = 64 << 10;

    /// <summary>How often a silent event stream shows that it is alive. Default 15 s.</summary>
    public TimeSpan StreamHeartbeat { get; set; } = TimeSpan.FromSeconds(15);
}

/// <summary>The organisation's HTTP API.</summary>
public static class AuraApi
{
    internal static JsonSerializerOptions Json { get; } = new(JsonSerializerDefaults.General)
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        Encoder = StorableText.Options.Encoder,
        Converters = { new JsonStringEnumConverter() },
    };

    /// <summary>Registers what the API needs. Besides it wants an <c>NpgsqlDataSource</c> and an <see cref="IWorkflowGateway"/>.</summary>
    /// <exception cref="InvalidOperationException">The options are unusable; the message says which and why.</exception>
    public static IServiceCollection AddAuraApi(this IServiceCollection services, Action<AuraApiOptions> configure)
    {
        ArgumentNullException.ThrowIfNull(services);
        ArgumentNullException.ThrowIfNull(configure);
        var options = new AuraApiOptions();
        configure(options);
        if (options.DirectorKey.Length < 16)
            throw new InvalidOperationException("The Director's key is shorter than 16 characters. Set DIRECTOR_API_KEY to a longer one.");
        services.AddSingleton(options);
        services.AddAuraRecords();
        services.AddHostedService(s => s.GetRequiredService<EventSignal>());
        services.TryAddSingleton<ApiMetrics>();
        services.TryAddSingleton<MetricsCollector>();
        services.AddProblemDetails();
        services.AddExceptionHandler<ApiExceptionHandler>();
        services.AddAuraSecurity(options.DirectorKey, options.TokenKey);
        services.AddHealthChecks()
            .AddCheck<DatabaseCheck>("database", timeout: TimeSpan.FromSeconds(5))
            .AddCheck<MigrationsCheck>("migrations", timeout: TimeSpan.FromSeconds(5));
        return services;
    }

    /// <summary>Maps every endpoint of the organisation, and makes every error a problem document.</summary>
    public static WebApplication MapAuraApi(this WebApplication app)
    {
        ArgumentNullException.ThrowIfNull(app);
        app.UseSecurityHeaders();
        app.UseExceptionHandler();
        app.UseStatusCodePages();
        // Said in so many words, because by itself it would stand before all of these: a refusal would lack the headers, and a database
        // that does not answer while a token is checked would be no problem document.
        app.UseAuthentication();
        app.UseAuthorization();
        // Listens from now on: what was counted before the first scrape counts too.
        app.Services.GetRequiredService<MetricsCollector>();
        OperationsApi.MapOperations(app);
        AuthApi.MapAuth(app);
        var all = app.MapGroup("").AddEndpointFilter(RequestQuery.FilterAsync);
        // Reading is asked of all; what writes or decides asks for more, endpoint by endpoint.
        var api = all.MapGroup("").RequireAuthorization(Permissions.ReadOrganisation);
        PrdsApi.MapPrds(api);
        JobsApi.MapJobs(api);
        EventsApi.MapEvents(api);
        ArchiveApi.MapArchive(api);
        ModelsApi.MapModels(all);
        // Only where there is an engine to take jobs from.
        if (app.Services.GetService<TaskLeases>() is not null)
            WorkersApi.MapWorkers(all);
        UsersApi.MapUsers(api);
        WorkflowFilesApi.MapWorkflowFiles(api);
        return app;
    }
}
