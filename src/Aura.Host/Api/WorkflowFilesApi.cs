using Aura.Host.Elsa;
using Aura.Host.Security;
using Aura.Workflows.Definitions;
using Aura.Workflows.Runtime;
using Microsoft.AspNetCore.Mvc;

namespace Aura.Host.Api;

/// <summary>Definitions for those who keep them as files: how the database stands to them, importing, and validating without saving.</summary>
internal static class WorkflowFilesApi
{
    private const int MaxHashes = 10_000;
    private const int MaxHashLength = 100;

    public static void MapWorkflowFiles(RouteGroupBuilder group)
    {
        var workflows = group.MapGroup("/workflow-files");
        workflows.MapGet("", ListAsync).RequireAuthorization(Permissions.ReadWorkflows);
        workflows.MapPost("/list", ListByBodyAsync).RequireAuthorization(Permissions.ReadWorkflows);
        workflows.MapGet("/{definitionId}", GetAsync).RequireAuthorization(Permissions.ReadWorkflows);
        workflows.MapPost("/validate", ValidateAsync).RequireAuthorization(Permissions.ReadWorkflows);
        workflows.MapPost("/import", ImportAsync).RequireAuthorization(Permissions.EditWorkflows);
    }

    private static async Task<IResult> ListAsync(string[]? hash, [FromServices] DefinitionStore store, CancellationToken cancellationToken) => Results.Json(
        new { items = await store.ListStandingsAsync(hash ?? [], cancellationToken) }, AuraApi.Json);

    /// <summary>As by GET. The hashes of a whole folder of files are too long for a request line.</summary>
    private static async Task<IResult> ListByBodyAsync(
        HttpRequest request, AuraApiOptions options, [FromServices] DefinitionStore store, CancellationToken cancellationToken)
    {
        var (body, problem) = await RequestBody.ReadAsync(request, options.MaxBodyBytes, cancellationToken);
        if (body is null)
            return problem!;
        var errors = new FieldErrors();
        var hashes = new FieldReader(body.Root, "", errors, "hashes").Texts("hashes", MaxHashes, MaxHashLength).Select(h => h.Text).ToArray();
        return errors.Any ? errors.ToResult() : await ListAsync(hashes, store, cancellationToken);
    }

    private static async Task<IResult> GetAsync(
        string definitionId, string? version, [FromServices] DefinitionStore store, CancellationToken cancellationToken)
    {
        var options = version switch
        {
            null or "latest" => VersionOptions.Latest,
            "published" => VersionOptions.Published,
            _ => (VersionOptions?)null,
        };
        if (options is not { } wanted)
            return Problems.Field("version", "must be latest or published.");
        if (await store.FindAsync(definitionId, wanted, cancellationToken) is not { } found)
            return Problems.NotFound("workflow", definitionId, $"No {version ?? "latest"} version of it exists; GET /workflow-files lists them.");
        return Results.Json(
            new { found.DefinitionId, found.Name, found.Version, found.IsLatest, found.IsPublished, found.ContentHash, Document = found.Json }, AuraApi.Json);
    }

    private static async Task<IResult> ValidateAsync(HttpRequest request, [FromServices] DefinitionStore store, CancellationToken cancellationToken)
    {
        var (definition, problem) = await ReadAsync(request, cancellationToken);
        return problem ?? Results.Json(
            new { findings = (await store.ValidateAsync(definition!, cancellationToken)).Select(FindingItem.Of) }, AuraApi.Json);
    }

    private static async Task<IResult> ImportAsync(
        HttpRequest request, bool? publish, bool? force, string? seen, HttpContext http, [FromServices] DefinitionStore store,
        CancellationToken cancellationToken)
    {
        var (definition, problem) = await ReadAsync(request, cancellationToken);
        if (problem is not null)
            return problem;
        try
        {
            var import = await store.ImportFileAsync(
                definition!.Json, publish ?? false, seen, force ?? false, Actor.Of(http), DefinitionActionsApi.Record(http), cancellationToken);
            var findings = import.Findings.Select(FindingItem.Of).ToList();
            return import.Outcome switch
            {
                FileOutcome.Conflict => Problems.Conflict($"The workflow '{definition!.DefinitionId}' is not as the file's author saw it", import.Conflict!),
                FileOutcome.Refused => Results.Problem(
                    statusCode: StatusCodes.Status422UnprocessableEntity,
                    title: $"The workflow '{definition!.DefinitionId}' cannot be published"
                        + (import.Version is { } draft ? $"; version {draft} is its draft now" : "; nothing was changed"),
                    detail: string.Join('\n', findings.Where(f => f.IsError).Select(f => f.Message)),
                    extensions: new Dictionary<string, object?> { ["findings"] = findings }),
                _ => Results.Json(
                    new { definition!.DefinitionId, Outcome = import.Outcome.ToString().ToLowerInvariant(), import.Version, definition.ContentHash, findings },
                    AuraApi.Json),
            };
        }
        catch (InvalidDefinitionException e)
        {
            return Problems.Field("$", e.Message);
        }
        catch (ReadonlyDefinitionException e)
        {
            return Problems.Conflict($"The workflow '{definition!.DefinitionId}' is read-only", e.Message);
        }
    }

    private static async Task<(WorkflowDefinition? Definition, IResult? Problem)> ReadAsync(HttpRequest request, CancellationToken cancellationToken)
    {
        var (body, problem) = await RequestBody.ReadAsync(request, DefinitionsApi.MaxBodyBytes, cancellationToken, DefinitionsApi.MaxBodyDepth);
        if (body is null)
            return (null, problem);
        try
        {
            return (WorkflowDefinition.Parse(body.Root, "The body"), null);
        }
        catch (InvalidDefinitionException e)
        {
            return (null, Problems.Field("$", e.Message));
        }
    }
}

/// <summary>A finding as it goes over the wire and into <c>--json</c>.</summary>
internal sealed record FindingItem(string Severity, string Code, string? ActivityId, string? NodeId, string? Input, string Message)
{
    public bool IsError => Severity == "error";

    public static FindingItem Of(DefinitionValidationError finding) =>
        new(finding.IsError ? "error" : "warning", finding.Code, finding.ActivityId, finding.NodeId, finding.Input, finding.Message);
}
