using Aura.Workflows.Definitions;
using Aura.Workflows.Runtime;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Aura.Workflows;

/// <summary>A workflow class that a host registered.</summary>
internal sealed record CodeWorkflow(Type Type);

/// <summary>
/// Publishes the workflows that are written in code when the host starts, before its loops run. Like a file, one is published as a new
/// version only when its content changed, and one that was edited in the database is kept.
/// </summary>
internal sealed partial class CodeWorkflows(
    IEnumerable<CodeWorkflow> workflows, DefinitionStore store, ActivityRegistry registry, IServiceProvider services, ILogger<CodeWorkflows> logger)
    : IHostedLifecycleService
{
    public async Task StartingAsync(CancellationToken cancellationToken)
    {
        foreach (var type in workflows.Select(w => w.Type).Distinct())
        {
            var definition = await BuildAsync(type, cancellationToken);
            if (await store.ImportAsync(definition, cancellationToken) == ImportOutcome.KeptEdited)
                LogKeptEdited(logger, type.Name, definition.DefinitionId);
        }
    }

    /// <summary>The definition that a workflow class builds.</summary>
    internal async Task<WorkflowDefinition> BuildAsync(Type type, CancellationToken cancellationToken)
    {
        var workflow = (IWorkflow)ActivatorUtilities.GetServiceOrCreateInstance(services, type);
        var builder = new WorkflowBuilder();
        await workflow.BuildAsync(builder, cancellationToken);
        return new DefinitionWriter(registry).Write(builder, type.Name);
    }

    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    [LoggerMessage(1142, LogLevel.Warning, "Workflow class {Class} changed, but definition {Definition} was edited in the database: the edit was kept.")]
    private static partial void LogKeptEdited(ILogger logger, string @class, string definition);
}
