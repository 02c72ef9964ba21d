namespace Aura.Host.Elsa;

/// <summary>What Studio may expect of this server. What is not announced it does not call for.</summary>
internal static class FeaturesApi
{
    private static readonly Feature[] Installed =
    [
        new("RealTimeWorkflowUpdates", "Elsa", "Real-time workflow updates", "Tells Studio of changes in running workflows over SignalR."),
    ];

    public static void MapFeatures(RouteGroupBuilder api)
    {
        api.MapGet("/features/installed", () => DescriptorsApi.List(Installed));
        api.MapGet("/features/installed/{fullName}", (string fullName) => Installed.FirstOrDefault(f => f.FullName == fullName) is { } feature
            ? Results.Json(feature, ElsaApi.Json)
            : ElsaProblem.NotFound($"The feature '{fullName}' is not installed."));
        // Retries are settings of durable tasks here, not strategies to choose from.
        api.MapGet("/resilience/strategies", () => DescriptorsApi.List<object>([]));
        api.MapGet("/resilience/retries/{activityInstanceId}", () => Results.Json(new { items = Array.Empty<object>(), count = 0, totalCount = 0 }, ElsaApi.Json));
    }

    private sealed record Feature(string Name, string Namespace, string DisplayName, string Description)
    {
        public string FullName => $"{Namespace}.{Name}";
    }
}
