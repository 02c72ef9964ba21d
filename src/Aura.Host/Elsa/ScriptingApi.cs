using System.Text;
using System.Text.Json;
using Aura.Host.Api;
using Aura.Workflows.Definitions;
using Aura.Workflows.Runtime;

namespace Aura.Host.Elsa;

/// <summary>What helps a person to write scripts.</summary>
internal static class ScriptingApi
{
    private const int MaxBytes = 64 << 10;

    public static void MapScripting(RouteGroupBuilder api) => api.MapPost("/scripting/javascript/type-definitions/{definitionId}", DeclareAsync);

    private static async Task<IResult> DeclareAsync(string definitionId, HttpContext http, DefinitionStore definitions, CancellationToken cancellationToken)
    {
        var (body, problem) = await RequestBody.ReadAsync(http.Request, MaxBytes, cancellationToken);
        if (body is null)
            return problem!;
        var activityType = body.Root.TryGetProperty("activityTypeName", out var name) && name.ValueKind == JsonValueKind.String ? name.GetString() : null;
        if (await definitions.FindAsync(definitionId, VersionOptions.Latest, cancellationToken) is not { } definition)
            return ElsaProblem.NotFound($"There is no workflow definition '{definitionId}'.");
        return Results.Text(await definitions.DeclareScriptsAsync(definition, activityType, cancellationToken), "application/x-typescript", Encoding.UTF8);
    }
}
