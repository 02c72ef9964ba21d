using Aura.Workflows.Runtime;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Options;

namespace Aura.Workflows.Http;

/// <summary>Registration of HTTP for workflows.</summary>
public static class HttpWorkflows
{
    /// <summary>What a host needs that takes requests for workflows; which host runs them does not matter.</summary>
    public static IServiceCollection AddHttpWorkflows(this IServiceCollection services, Action<HttpWorkflowsOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(services);
        if (configure is not null)
            services.Configure(configure);
        services.AddRouting();
        services.TryAddSingleton<HttpRoutes>();
        services.TryAddSingleton<HttpTargets>();
        services.TryAddSingleton<HttpDelivery>();
        services.TryAddSingleton<HttpWorkflowsHandler>();
        if (services.Any(d => d.ServiceType == typeof(HttpResponses)))
            return services;
        services.AddSingleton<HttpResponses>();
        return services.AddLoop(s => s.GetRequiredService<HttpResponses>());
    }

    /// <summary>Takes every request below <see cref="HttpWorkflowsOptions.BasePath"/> that no other endpoint takes.</summary>
    public static IEndpointConventionBuilder MapHttpWorkflows(this IEndpointRouteBuilder endpoints)
    {
        ArgumentNullException.ThrowIfNull(endpoints);
        var basePath = endpoints.ServiceProvider.GetRequiredService<IOptions<HttpWorkflowsOptions>>().Value.BasePath.TrimEnd('/');
        var handler = endpoints.ServiceProvider.GetRequiredService<HttpWorkflowsHandler>();
        // Each endpoint of a workflow says itself who may call it.
        return endpoints.Map(basePath + "/{**path}", handler.HandleAsync).WithDisplayName("HTTP workflows");
    }

    /// <summary>What the HTTP activities need on every host that runs workflows.</summary>
    internal static void AddHttpActivities(this IServiceCollection services)
    {
        services.AddOptions<HttpWorkflowsOptions>();
        services.TryAddScoped<HttpExchange>();
        services.TryAddSingleton<OutgoingHttp>();
    }
}
