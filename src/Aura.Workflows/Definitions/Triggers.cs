using System.Text.Json;
using Aura.Workflows.Definitions;
using Microsoft.Extensions.DependencyInjection;

namespace Aura.Workflows;

/// <summary>What starts an instance: the name and payload of a stimulus.</summary>
public sealed record TriggerPayload(string Name, object Payload);

/// <summary>Evaluates the inputs of a trigger while its workflow is published; no instance exists.</summary>
public sealed class TriggerIndexingContext
{
    private readonly ActivityExecutionContext _context;

    internal TriggerIndexingContext(ActivityExecutionContext context) => _context = context;

    public CancellationToken CancellationToken => _context.CancellationToken;

    public T? Get<T>(Input<T>? input) => _context.Get(input);
}

/// <summary>One row of <c>wf.triggers</c> before it has an id.</summary>
internal sealed record TriggerRow(string ActivityId, string Name, string Hash, JsonElement Payload);

/// <summary>Finds what starts a workflow: triggers with <c>canStartWorkflow</c> in its own document.</summary>
internal static class TriggerIndexer
{
    /// <summary>Gives the rows. A trigger whose inputs cannot be evaluated has none, and is an error.</summary>
    public static async Task<IReadOnlyList<TriggerRow>> IndexAsync(
        ReadDefinition read, ValidationFindings findings, IServiceProvider services, CancellationToken cancellationToken)
    {
        var rows = new List<TriggerRow>();
        foreach (var activity in read.Paths.Keys.OfType<ITrigger>())
        {
            if (!activity.CustomProperties.TryGetValue("canStartWorkflow", out var flag) || flag.ValueKind != JsonValueKind.True)
                continue;
            try
            {
                await using var scope = services.CreateAsyncScope();
                var workflow = new WorkflowExecutionContext("", read.Graph, null, scope.ServiceProvider, cancellationToken);
                var payloads = await activity.GetTriggerPayloadsAsync(new(workflow.CreateContextOf(read.Graph.NodeOf(activity))));
                rows.AddRange(payloads.Select(p => new TriggerRow(
                    activity.Id, p.Name, StimulusHash.Of(p.Name, p.Payload), JsonSerializer.SerializeToElement(p.Payload, WorkflowJson.Options))));
            }
            // Whatever a trigger's expression throws: publishing must name the trigger.
            catch (Exception e) when (e is not OperationCanceledException)
            {
                if (!findings.HasErrorsOf(activity))
                    findings.Error(ValidationCodes.Trigger, activity, $"It cannot start the workflow: {e.Message}");
            }
        }

        return [.. rows.DistinctBy(r => (r.ActivityId, r.Hash))];
    }
}
