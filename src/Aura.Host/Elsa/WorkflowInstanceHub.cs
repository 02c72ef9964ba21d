using Aura.Host.Security;
using Aura.Workflows.Runtime;
using Microsoft.AspNetCore.SignalR;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace Aura.Host.Elsa;

/// <summary>Elsa's live view of instances: a client names the instances that it shows, and is told when they have moved on.</summary>
/// <remarks>Messages carry no content of a workflow; a client that is told reads what it may through the API.</remarks>
internal sealed partial class WorkflowInstanceHub(
    InstanceObservers observers, InstanceStore instances, IHubContext<WorkflowInstanceHub> hub, ILogger<WorkflowInstanceHub> logger) : Hub
{
    public const string Path = "/elsa/hubs/workflow-instance";

    private const int MaxIdLength = 200;

    /// <summary>Begins to tell this connection of an instance. The first news come at once.</summary>
    /// <exception cref="HubException">There is no such instance, or too much is observed.</exception>
    public async Task ObserveInstanceAsync(string instanceId)
    {
        if (string.IsNullOrEmpty(instanceId) || instanceId.Length > MaxIdLength || await instances.FindAsync(instanceId, Context.ConnectionAborted) is null)
            throw new HubException("There is no such workflow instance.");
        var connectionId = Context.ConnectionId;
        var client = hub.Clients.Client(connectionId);
        if (observers.Add(connectionId, instanceId, update => TellAsync(client, update)) is { } refusal)
            throw new HubException(refusal);
        // It may have left while we looked: then nobody takes it out any more.
        if (Context.ConnectionAborted.IsCancellationRequested)
            observers.Remove(connectionId);
    }

    public override Task OnDisconnectedAsync(Exception? exception)
    {
        observers.Remove(Context.ConnectionId);
        return base.OnDisconnectedAsync(exception);
    }

    private async Task TellAsync(IClientProxy client, InstanceUpdate update)
    {
        try
        {
            await client.SendAsync("ActivityExecutionLogUpdatedAsync", new { update.Stats });
            await client.SendAsync("WorkflowExecutionLogUpdatedAsync", new { });
            await client.SendAsync("WorkflowInstanceUpdatedAsync", new { workflowInstanceId = update.InstanceId });
        }
        // The edge of a connection: whatever broke it, its end takes the watcher out.
        catch (Exception e)
        {
            LogNotTold(logger, e, update.InstanceId);
        }
    }

    [LoggerMessage(2201, LogLevel.Debug, "A watcher of instance {Instance} could not be told.")]
    private static partial void LogNotTold(ILogger logger, Exception exception, string instance);
}

/// <summary>Registration of the live view.</summary>
public static class WorkflowInstanceHubs
{
    /// <summary>Registers what the hub needs. Besides it wants the engine and <c>ApiMetrics</c>.</summary>
    public static IServiceCollection AddWorkflowInstanceHub(this IServiceCollection services, Action<InstanceObserverOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(services);
        var options = new InstanceObserverOptions();
        configure?.Invoke(options);
        services.AddSingleton(options);
        services.TryAddSingleton<Pulse>();
        services.AddSingleton<InstanceObservers>();
        services.AddLoop(s => s.GetRequiredService<InstanceObservers>());
        services.AddSignalR(o =>
        {
            // All a client ever sends is an id.
            o.MaximumReceiveMessageSize = 4 << 10;
            o.EnableDetailedErrors = false;
        }).AddJsonProtocol(o => o.PayloadSerializerOptions = ElsaApi.Json);
        return services;
    }

    /// <summary>Maps the hub. Who may read workflows may watch them.</summary>
    public static void MapWorkflowInstanceHub(this WebApplication app)
    {
        ArgumentNullException.ThrowIfNull(app);
        app.MapHub<WorkflowInstanceHub>(WorkflowInstanceHub.Path, o =>
        {
            o.ApplicationMaxBufferSize = 8 << 10;
            o.TransportMaxBufferSize = 64 << 10;
        }).RequireAuthorization(Permissions.ReadWorkflows);
    }
}
