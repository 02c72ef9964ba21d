using System.Security.Claims;
using Aura.Host.Api;
using Aura.Host.Configuration;
using Aura.Host.Hosting;
using Aura.Host.Security;
using Aura.Orchestra.Employees;
using Aura.Orchestra.Jobs;
using Aura.Orchestra.Prds;
using Aura.Orchestra.Tools;
using Microsoft.AspNetCore.Diagnostics.HealthChecks;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Npgsql;

namespace Aura.Host.Mcp;

/// <summary>The MCP service: an application of its own on a port of its own, over the services of the host it lives in.</summary>
internal static class McpService
{
    public const string Path = "/mcp";

    /// <summary>What the service needs of the host, besides the organisation and the engine.</summary>
    public static void AddMcp(this IServiceCollection services, AuraOptions options)
    {
        services.AddSingleton<McpMetrics>();
        services.AddSingleton<PersonalSandboxes>();
        services.AddSingleton<LeaseStanding>();
        services.AddSingleton<McpGate>();
        services.AddSingleton<McpSessions>();
        services.AddSingleton<EmployeeServer>();
        services.AddSingleton(new McpGuard([options.ListenAddress.ToString(), .. options.McpAllowedHosts]));
    }

    /// <summary>Builds it; who starts it also stops it, before the host.</summary>
    public static WebApplication Build(AuraOptions options, IServiceProvider host)
    {
        var builder = WebApplication.CreateEmptyBuilder(new() { ContentRootPath = options.Root });
        builder.WebHost.UseKestrelCore().ConfigureKestrel(k =>
        {
            k.AddServerHeader = false;
            // The limit that counts is McpMessage's. This one lets who sends a little too much still read why it was refused.
            k.Limits.MaxRequestBodySize = 4 * McpMessage.MaxBytes;
            k.Listen(options.ListenAddress, options.McpPort);
        });
        builder.Services.AddRouting();
        builder.Services.AddProblemDetails();
        builder.Services.AddExceptionHandler<ApiExceptionHandler>();
        builder.Services.AddAuraSecurity(options.DirectorKey, options.TokenKey);
        // The host's own, as they are: instances that this application neither makes nor disposes.
        Lend<ILoggerFactory>();
        Lend<TimeProvider>();
        Lend<NpgsqlDataSource>();
        Lend<AuraApiOptions>();
        Lend<TokenKeys>();
        Lend<AccessTokens>();
        Lend<UserStanding>();
        Lend<MetricsCollector>();
        Lend<PrdStore>();
        Lend<JobStore>();
        builder.Services.AddHealthChecks()
            .AddCheck<DatabaseCheck>("database", timeout: TimeSpan.FromSeconds(5))
            .AddCheck<MigrationsCheck>("migrations", timeout: TimeSpan.FromSeconds(5));
        var app = builder.Build();
        app.UseSecurityHeaders();
        app.UseExceptionHandler();
        app.UseStatusCodePages();
        // The tools know their callers themselves (McpGate), and an employee's token is none that the manager's way in, below, can read.
        app.Use((http, next) => http.Request.Path.StartsWithSegments(Path, StringComparison.OrdinalIgnoreCase) && http.GetEndpoint()?.RequestDelegate is { } tool ? tool(http) : next(http));
        app.UseAuthentication();
        app.UseAuthorization();
        OperationsApi.MapOperations(app);
        Map(app, host);
        return app;

        void Lend<T>()
            where T : class => builder.Services.AddSingleton(host.GetRequiredService<T>());
    }

    /// <summary>The endpoints below <c>/mcp</c>. They know their callers themselves.</summary>
    private static void Map(WebApplication app, IServiceProvider host)
    {
        var gate = host.GetRequiredService<McpGate>();
        var guard = host.GetRequiredService<McpGuard>();
        var server = host.GetRequiredService<EmployeeServer>();
        var transport = new McpTransport(
            guard, AdmitAsync, (http, refusal) => gate.RefuseAsync(http, refusal, http.Items[typeof(McpCaller)] as McpCaller),
            host.GetRequiredService<McpSessions>(), host.GetRequiredService<ILoggerFactory>(), host);
        transport.Map(app, Path);
        new PlainApi(guard, gate, host.GetRequiredService<PersonalSandboxes>(), host.GetRequiredService<McpMetrics>()).Map(app);

        async Task<McpPeer?> AdmitAsync(HttpContext http)
        {
            var (caller, refusal) = await gate.IdentifyAsync(http);
            if (caller is null)
            {
                await gate.RefuseAsync(http, refusal!);
                return null;
            }

            http.Items[typeof(McpCaller)] = caller;
            var named = http.Request.Headers[McpGate.SessionHeader].ToString() is { Length: > 0 } header ? header : http.Request.Query[PlainApi.SessionId].ToString();
            var (session, problem) = await gate.OpenAsync(caller, named, http.RequestAborted);
            if (session is null)
            {
                await gate.RefuseAsync(http, problem!, caller);
                return null;
            }

            var user = new ClaimsPrincipal(new ClaimsIdentity([new("sub", caller.Name)], "Aura"));
            return new($"{caller.Identity}/{session.Sandbox.Id}", user, () => server.Options(session));
        }
    }
}
