using Aura.Orchestra.Models;

namespace Aura.Host.Api;

/// <summary>The models, with what they did in the last 30 days. All on one page: there are few.</summary>
internal static class ModelsApi
{
    public static void MapModels(RouteGroupBuilder group) => group.MapGet("/models", async (ModelStore models, CancellationToken cancellationToken) =>
        Results.Json(new Page<ModelItem>([.. (await models.ListAsync(cancellationToken)).Select(ModelItem.Of)], null), AuraApi.Json));
}
