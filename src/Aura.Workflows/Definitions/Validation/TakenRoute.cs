using System.Text.Json;
using Aura.Workflows.Http;

namespace Aura.Workflows.Definitions;

/// <summary>A route that a published workflow answers. Compared by route and not by hash: an endpoint's other settings make it no other route.</summary>
internal sealed record TakenRoute((string Path, string Method) Route, string DefinitionId, string? Name)
{
    public static IEnumerable<TakenRoute> Of(WorkflowDefinition definition, IEnumerable<TriggerRow> triggers) =>
        triggers.Where(t => t.Name == HttpEndpointPayload.StimulusName)
            .Select(t => new TakenRoute(RouteOf(t.Payload), definition.DefinitionId, definition.Name));

    /// <summary>As the endpoint normalised them: letters within a constraint keep their case, and are two routes by it.</summary>
    public static (string Path, string Method) RouteOf(JsonElement payload) => ("/" + payload.Text("path"), payload.Text("method") ?? "get");

    public static void Check(ReadDefinition read, IReadOnlyList<TriggerRow> triggers, ValidationFindings findings, IReadOnlyList<TakenRoute> taken)
    {
        foreach (var trigger in triggers.Where(t => t.Name == HttpEndpointPayload.StimulusName))
        {
            var route = RouteOf(trigger.Payload);
            if (taken.FirstOrDefault(t => t.Route == route) is not { } other)
                continue;
            var activity = read.Paths.Keys.First(a => a.Id == trigger.ActivityId);
            findings.Error(
                ValidationCodes.RouteInUse, activity,
                $"{route.Method.ToUpperInvariant()} {route.Path} is already answered by the published workflow '{other.Name ?? other.DefinitionId}' "
                + $"({other.DefinitionId}). Choose another path or method, or retract that workflow.",
                read.Graph.NodeOf(activity).Descriptor.Inputs.FirstOrDefault(i => i.Name == "Path"));
        }
    }
}
