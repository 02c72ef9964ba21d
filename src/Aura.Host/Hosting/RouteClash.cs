using Microsoft.AspNetCore.Routing.Patterns;

namespace Aura.Host.Hosting;

/// <summary>Keeps the paths of workflows apart from the host's own: where both would fit, the host's route would win without a word.</summary>
internal static class RouteClash
{
    /// <summary>Call it after everything was mapped.</summary>
    /// <exception cref="InvalidOperationException">Another route of the host begins like the workflows' base path.</exception>
    public static void Check(WebApplication app, string basePath)
    {
        var ours = FirstSegment(basePath);
        var clash = ((IEndpointRouteBuilder)app).DataSources.SelectMany(s => s.Endpoints).OfType<RouteEndpoint>()
            .Where(e => e.DisplayName != "HTTP workflows")
            .FirstOrDefault(e => IsTaken(e.RoutePattern, ours));
        if (clash is not null)
        {
            throw new InvalidOperationException(
                $"Workflows cannot listen below {basePath}: the route {clash.RoutePattern.RawText} is the host's own. "
                + "Set AURA_HTTP_WORKFLOWS_PATH to a path whose first part nothing else uses, such as /workflows.");
        }
    }

    // A route that begins with a parameter takes whatever no other route takes: only literals take a path away.
    private static bool IsTaken(RoutePattern pattern, string segment) =>
        pattern.PathSegments is [{ Parts: [RoutePatternLiteralPart first] }, ..] && first.Content.Equals(segment, StringComparison.OrdinalIgnoreCase);

    private static string FirstSegment(string path) => path.Trim('/').Split('/')[0];
}
