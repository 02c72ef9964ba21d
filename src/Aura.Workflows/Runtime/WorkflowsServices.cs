using Aura.Workflows.Definitions;
using Aura.Workflows.Expressions.CSharp;
using Aura.Workflows.Expressions.JavaScript;
using Aura.Workflows.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Npgsql;

namespace Aura.Workflows.Runtime;

/// <summary>Registration of the engine. A host takes the services, and the loops it wants to run.</summary>
public static class WorkflowsServices
{
    /// <summary>The engine without loops: enough to start, wake and read workflows. Needs an <c>NpgsqlDataSource</c>.</summary>
    public static IServiceCollection AddAuraWorkflows(this IServiceCollection services, Action<WorkflowsOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(services);
        services.AddOptions<WorkflowsOptions>();
        if (configure is not null)
            services.Configure(configure);
        services.TryAddSingleton(TimeProvider.System);
        services.TryAddSingleton<ActivityRegistry>();
        services.AddCSharp();
        services.TryAddSingleton<DefinitionStore>();
        services.TryAddSingleton<WorkflowClient>();
        services.TryAddSingleton<InstanceStore>();
        services.TryAddSingleton<ActivityTester>();
        services.TryAddSingleton<InstanceControl>();
        services.TryAddSingleton<WorkflowExecutor>();
        services.TryAddEnumerable(ServiceDescriptor.Singleton<IPublicationEffect, Scheduling.SchedulePublication>());
        services.TryAddSingleton<HostIdentity>();
        services.TryAddSingleton<FaultPoints>();
        services.TryAddSingleton<Pulse>();
        services.AddHttpActivities();
        services.AddJavaScript();
        services.TryAddScoped<UnitOfWork>();
        services.TryAddScoped<CurrentTask>();
        services.TryAddScoped(s => s.GetRequiredService<CurrentTask>().Value
            ?? throw new InvalidOperationException("There is no durable task here: the activity runs inside a burst."));
        return services;
    }

    /// <summary>Publishes a workflow that is written in code when the host starts. Its activity classes must be registered by then.</summary>
    public static IServiceCollection AddWorkflow<T>(this IServiceCollection services)
        where T : IWorkflow
    {
        ArgumentNullException.ThrowIfNull(services);
        services.AddSingleton(new CodeWorkflow(typeof(T)));
        services.AddHostedService<CodeWorkflows>();
        return services;
    }

    /// <summary>Runs workflows on this host.</summary>
    public static IServiceCollection AddWorkflowLoops(this IServiceCollection services)
    {
        services.AddHostLoops();
        services.AddLoop<Sweeper>();
        services.AddLoop<Scheduling.ScheduleLoop>();
        services.AddSingleton<BurstLoop>();
        return services.AddLoop(s => s.GetRequiredService<BurstLoop>());
    }

    /// <summary>Works on durable tasks of a queue on this host. A trailing <c>*</c> takes all queues that begin so.</summary>
    public static IServiceCollection AddTaskLoop(this IServiceCollection services, string queue, int concurrency)
    {
        services.AddHostLoops();
        return services.AddLoop(s => ActivatorUtilities.CreateInstance<TaskLoop>(s, new TaskQueue(queue, concurrency)));
    }

    /// <summary>Lets this host hand durable tasks to workers outside the hosts: <see cref="TaskLeases"/>.</summary>
    public static IServiceCollection AddTaskLeases(this IServiceCollection services)
    {
        services.AddHostLoops();
        services.TryAddSingleton(s => new TaskLeases(
            s.GetRequiredService<NpgsqlDataSource>(), s.GetRequiredService<TaskAttempts>(), s.GetRequiredService<Pulse>(), s.GetRequiredService<TimeProvider>(),
            s.GetRequiredService<IOptions<WorkflowsOptions>>()));
        return services;
    }

    /// <summary>Runs a loop as a hosted service under the shared runner.</summary>
    public static IServiceCollection AddLoop<T>(this IServiceCollection services, Func<IServiceProvider, T>? create = null)
        where T : class, ILoop
    {
        services.AddSingleton<IHostedService>(s => new LoopRunner(
            create?.Invoke(s) ?? ActivatorUtilities.CreateInstance<T>(s),
            s.GetRequiredService<Pulse>(), s.GetRequiredService<TimeProvider>(), s.GetRequiredService<ILogger<LoopRunner>>()));
        return services;
    }

    private static void AddHostLoops(this IServiceCollection services)
    {
        if (services.Any(d => d.ServiceType == typeof(HostLiveness)))
            return;
        // First, so that it stops last: what the loops still have in flight wants to be committed.
        services.AddSingleton<GroupCommitter>();
        services.AddHostedService(s => s.GetRequiredService<GroupCommitter>());
        services.AddSingleton<RunningTasks>();
        services.AddSingleton<TaskAttempts>();
        services.AddSingleton<HostLiveness>();
        services.AddLoop(s => s.GetRequiredService<HostLiveness>());
        services.AddLoop<WakeListener>();
    }
}
