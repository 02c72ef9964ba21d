using System.Diagnostics;
using System.Text.Json;
using Aura.Host.Api;
using Aura.Host.Configuration;
using Aura.Host.Elsa;
using Aura.Host.Mcp;
using Aura.Host.Postgres;
using Aura.Host.Studio;
using Aura.Orchestra.Processes;
using Aura.Workflows.Http;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;

namespace Aura.Host.Hosting;

/// <summary>How the process writes its log.</summary>
public enum LogStyle
{
    /// <summary>One JSON object a line on standard output, for machines.</summary>
    Json,

    /// <summary>Short lines on standard error, for a terminal.</summary>
    Lines,

    /// <summary>Only into the log file.</summary>
    FileOnly,
}

/// <summary>One process of Aura: database, migrations, workflows, API and loops, in that order; and all of it stopped again.</summary>
public sealed class AuraHost : IAsyncDisposable
{
    private readonly AuraOptions _options;
    private readonly WebApplication _app;
    private readonly WebApplication? _mcp;
    private readonly EmbeddedPostgres? _postgres;
    private readonly ProcessRunner _processes;

    private AuraHost(
        AuraOptions options, WebApplication app, WebApplication? mcp, EmbeddedPostgres? postgres, ProcessRunner processes, TimeSpan database, TimeSpan start)
    {
        (_options, _app, _mcp, _postgres, _processes) = (options, app, mcp, postgres, processes);
        (Url, McpUrl) = (AddressOf(app), mcp is null ? null : AddressOf(mcp) + McpService.Path);
        (DatabaseTime, StartTime) = (database, start);
    }

    /// <summary>Where the manager listens.</summary>
    public string Url { get; }

    /// <summary>Where the employees' tools are; null when this process does not serve them.</summary>
    public string? McpUrl { get; }

    /// <summary>Time to bring up the database.</summary>
    public TimeSpan DatabaseTime { get; }

    /// <summary>Time for migrations, workflows and the start of the loops.</summary>
    public TimeSpan StartTime { get; }

    public IServiceProvider Services => _app.Services;

    /// <summary>Starts the process and returns when it is ready. What a failed start has begun is stopped.</summary>
    /// <exception cref="PostgresUnavailableException">There is no database to work with.</exception>
    public static async Task<AuraHost> StartAsync(AuraOptions options, LogStyle log, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(options);
        options = options.WithKeys();
        Directory.CreateDirectory(options.State);
        var processes = new ProcessRunner();
        EmbeddedPostgres? postgres = null;
        WebApplication? app = null, mcp = null;
        try
        {
            var watch = Stopwatch.StartNew();
            var connectionString = options.Database;
            if (connectionString is null)
            {
                postgres = new EmbeddedPostgres(options.State, processes, TimeProvider.System);
                connectionString = (await postgres.StartAsync("aiorg", cancellationToken)).ConnectionString("aiorg");
            }

            var database = watch.Elapsed;
            app = Build(options, connectionString, log);
            await Composition.PrepareAsync(app.Services, app.Services.GetRequiredService<ILogger<AuraHost>>(), cancellationToken);
            await app.StartAsync(cancellationToken);
            if (options.Roles.Any(r => r.ServesMcp))
            {
                mcp = McpService.Build(options, app.Services);
                await mcp.StartAsync(cancellationToken);
            }

            var host = new AuraHost(options, app, mcp, postgres, processes, database, watch.Elapsed - database);
            await File.WriteAllTextAsync(
                options.HostFile, JsonSerializer.Serialize(new { url = host.Url, mcp = host.McpUrl, pid = Environment.ProcessId }), cancellationToken);
            return host;
        }
        catch
        {
            await StopAsync(app, mcp, postgres, processes);
            throw;
        }
    }

    /// <summary>Completes when the process is asked to end.</summary>
    public Task WaitForShutdownAsync(CancellationToken cancellationToken) => _app.WaitForShutdownAsync(cancellationToken);

    public async ValueTask DisposeAsync()
    {
        RemoveHostFile();
        await StopAsync(_app, _mcp, _postgres, _processes);
    }

    private static WebApplication Build(AuraOptions options, string connectionString, LogStyle log)
    {
        var builder = WebApplication.CreateEmptyBuilder(new() { ContentRootPath = options.Root });
        builder.WebHost.UseKestrelCore().ConfigureKestrel(k =>
        {
            k.AddServerHeader = false;
            k.Listen(options.ListenAddress, options.ManagerPort);
        });
        builder.Services.AddRouting();
        AddLogs(builder, options, log);
        // Bursts and tasks get this long to end or to be handed back.
        builder.Services.Configure<HostOptions>(o => o.ShutdownTimeout = TimeSpan.FromSeconds(15));
        builder.Services.AddAura(options, connectionString);
        var app = builder.Build();
        app.MapAuraApi();
        app.MapStaticPages();
        app.MapElsaApi();
        app.MapStudio(options.StudioDirectory);
        app.MapWorkflowInstanceHub();
        app.MapHttpWorkflows().WithMetadata(SecurityHeaders.WrittenByWorkflows);
        RouteClash.Check(app, options.HttpWorkflowsPath);
        return app;
    }

    private static void AddLogs(WebApplicationBuilder builder, AuraOptions options, LogStyle log)
    {
        builder.Logging.SetMinimumLevel(LogLevel.Information).AddFilter("Microsoft", LogLevel.Warning).AddFilter("Npgsql", LogLevel.Warning);
        var role = options.Roles.Count == Roles.RoleTable.All.Count ? "all" : string.Join('-', options.Roles.Select(r => r.Name));
        builder.Logging.AddProvider(new JsonFileLog(Path.Combine(options.Root, "logs", role, "latest.log"), TimeProvider.System));
        if (log == LogStyle.Json)
            builder.Logging.AddJsonConsole(o => o.UseUtcTimestamp = true);
        else if (log == LogStyle.Lines)
            builder.Logging.AddSimpleConsole(o => (o.SingleLine, o.TimestampFormat) = (true, "HH:mm:ss "));
    }

    private static string AddressOf(WebApplication app) => app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First();

    private static async Task StopAsync(WebApplication? app, WebApplication? mcp, EmbeddedPostgres? postgres, ProcessRunner processes)
    {
        // First what lives on the other's services; its open streams end with their sessions.
        if (mcp is not null)
        {
            if (app is not null)
                await app.Services.GetRequiredService<McpSessions>().CloseAllAsync();
            await mcp.StopAsync(CancellationToken.None);
            await mcp.DisposeAsync();
        }

        if (app is not null)
        {
            await app.StopAsync(CancellationToken.None);
            await app.DisposeAsync();
        }

        if (postgres is not null)
            await postgres.DisposeAsync();
        processes.Dispose();
    }

    /// <summary>Another process of this state folder may have written its own address since.</summary>
    private void RemoveHostFile()
    {
        try
        {
            if (File.Exists(_options.HostFile) && File.ReadAllText(_options.HostFile).Contains($"\"pid\":{Environment.ProcessId}}}", StringComparison.Ordinal))
                File.Delete(_options.HostFile);
        }
        catch (IOException)
        {
            // It is a hint for the command line; a stale one is noticed by its refused connection.
        }
    }
}
