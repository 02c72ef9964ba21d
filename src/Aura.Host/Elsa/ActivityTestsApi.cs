using System.Text.Json;
using Aura.Host.Api;
using Aura.Host.Security;
using Aura.Workflows.Definitions;
using Aura.Workflows.Runtime;

namespace Aura.Host.Elsa;

/// <summary>Trying out one activity of a stored definition (Studio's Test tab).</summary>
internal static class ActivityTestsApi
{
    private const int MaxBytes = 64 << 10;

    public static void MapActivityTests(RouteGroupBuilder api) =>
        api.MapPost("/tests/activities", RunAsync).RequireAuthorization(Permissions.EditWorkflows).RequireAuthorization(Permissions.RunWorkflows);

    private static async Task<IResult> RunAsync(HttpContext http, DefinitionStore definitions, ActivityTester tester, CancellationToken cancellationToken)
    {
        var (body, wrong) = await RequestBody.ReadAsync(http.Request, MaxBytes, cancellationToken);
        if (body is null)
            return wrong!;
        TestRequest request;
        try
        {
            request = body.Root.Deserialize<TestRequest>(ElsaApi.Json)!;
        }
        catch (JsonException e)
        {
            return ElsaProblem.Refused($"The request cannot be read: {e.Message}");
        }

        if ((request.ActivityHandle?.ActivityNodeId ?? request.ActivityHandle?.ActivityId) is not { Length: > 0 } activity)
            return ElsaProblem.Refused("The request names no activity: give activityHandle.activityNodeId or activityHandle.activityId.");
        var (definition, problem) = await FindAsync(request.WorkflowDefinitionHandle, definitions, cancellationToken);
        if (definition is null)
            return problem!;
        return Results.Json(await tester.RunAsync(definition.Id, activity, cancellationToken: cancellationToken), ElsaApi.Json);
    }

    private static async Task<(WorkflowDefinition? Definition, IResult? Problem)> FindAsync(
        DefinitionHandle? handle, DefinitionStore definitions, CancellationToken cancellationToken)
    {
        if (handle?.DefinitionVersionId is { Length: > 0 } versionId)
        {
            return await definitions.FindVersionAsync(versionId, cancellationToken) is { } version
                ? (version, null)
                : (null, ElsaProblem.NotFound($"There is no definition version '{versionId}'."));
        }

        if (handle?.DefinitionId is not { Length: > 0 } definitionId)
            return (null, ElsaProblem.Refused("The request names no workflow: give workflowDefinitionHandle.definitionVersionId or .definitionId."));
        if (!VersionOptions.TryParse(handle.VersionOptions ?? nameof(VersionOptions.Latest), out var options))
            return (null, ElsaProblem.Refused($"'{handle.VersionOptions}' selects no version. Use Latest, Published or a version number."));
        return await definitions.FindAsync(definitionId, options, cancellationToken) is { } found
            ? (found, null)
            : (null, ElsaProblem.NotFound($"There is no version {options} of the workflow definition '{definitionId}'."));
    }

    private sealed record TestRequest(DefinitionHandle? WorkflowDefinitionHandle, ActivityHandle? ActivityHandle);

    private sealed record DefinitionHandle(string? DefinitionId, string? DefinitionVersionId, string? VersionOptions);

    private sealed record ActivityHandle(string? ActivityId, string? ActivityNodeId);
}
