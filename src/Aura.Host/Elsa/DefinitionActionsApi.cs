using Aura.Host.Security;
using Aura.Orchestra.Audit;
using Aura.Workflows.Definitions;
using Aura.Workflows.Runtime;
using Npgsql;

namespace Aura.Host.Elsa;

/// <summary>What changes versions as a whole: publish, retract, revert, delete, one at a time and many, and the workflows that use one.</summary>
internal static class DefinitionActionsApi
{
    private const int MaxIds = 1000;

    public static void Map(RouteGroupBuilder group)
    {
        group.MapGet("/workflow-definitions/{definitionId}/consumers", ConsumersAsync);
        var edit = group.MapGroup("").RequireAuthorization(Permissions.EditWorkflows);
        edit.MapPost("/workflow-definitions/{definitionId}/publish", PublishAsync);
        edit.MapPost("/workflow-definitions/{definitionId}/retract", RetractAsync);
        edit.MapPost("/workflow-definitions/{definitionId}/revert/{version:int}", RevertAsync);
        edit.MapPost("/workflow-definitions/{definitionId}/update-references", UpdateReferencesAsync);
        edit.MapDelete("/workflow-definitions/{definitionId}", DeleteAsync);
        edit.MapDelete("/workflow-definition-versions/{id}", DeleteVersionAsync);
        edit.MapPost("/bulk-actions/publish/workflow-definitions/by-definition-ids", BulkPublishAsync);
        edit.MapPost("/bulk-actions/retract/workflow-definitions/by-definition-ids", BulkRetractAsync);
        edit.MapPost("/bulk-actions/delete/workflow-definitions/by-definition-id", BulkDeleteAsync);
        edit.MapPost("/bulk-actions/delete/workflow-definitions/by-id", BulkDeleteVersionsAsync);
    }

    private static async Task<IResult> PublishAsync(string definitionId, HttpContext http, DefinitionStore store, CancellationToken cancellationToken) =>
        await store.PublishAsync(definitionId, actor: Actor.Of(http), along: Record(http), cancellationToken: cancellationToken) is { } result
            ? await DefinitionViews.PublishedAsync(http, store, result, null, cancellationToken)
            : NoDefinition(definitionId);

    /// <summary>Answers with the latest version, which an editor goes on with; what is not published is retracted already.</summary>
    private static async Task<IResult> RetractAsync(string definitionId, HttpContext http, DefinitionStore store, CancellationToken cancellationToken)
    {
        await store.RetractAsync(definitionId, Record(http), cancellationToken);
        return await store.FindAsync(definitionId, VersionOptions.Latest, cancellationToken) is { } latest
            ? Results.Json(await DefinitionViews.FullAsync(http, store, latest, null, cancellationToken), ElsaApi.Json)
            : NoDefinition(definitionId);
    }

    private static async Task<IResult> RevertAsync(
        string definitionId, int version, HttpContext http, DefinitionStore store, CancellationToken cancellationToken) =>
        await store.RevertAsync(definitionId, version, Actor.Of(http), Record(http), cancellationToken) is { } draft
            ? Results.Json(DefinitionViews.Summary(DefinitionViews.SummaryOf(draft), await DefinitionLinks.OfAsync(http)), ElsaApi.Json)
            : ElsaProblem.NotFound($"There is no version {version} of a workflow definition '{definitionId}'.");

    private static async Task<IResult> ConsumersAsync(string definitionId, DefinitionStore store, CancellationToken cancellationToken) =>
        await store.FindAsync(definitionId, VersionOptions.Latest, cancellationToken) is null
            ? NoDefinition(definitionId)
            : Results.Json(new { consumingWorkflowDefinitionIds = await store.FindConsumersAsync(definitionId, cancellationToken) }, ElsaApi.Json);

    private static async Task<IResult> UpdateReferencesAsync(string definitionId, HttpContext http, DefinitionStore store, CancellationToken cancellationToken)
    {
        if (await store.FindAsync(definitionId, VersionOptions.Latest, cancellationToken) is null)
            return NoDefinition(definitionId);
        if (await store.UpdateConsumersAsync(definitionId, Actor.Of(http), Record(http), cancellationToken) is not { } changed)
            return ElsaProblem.Refused($"'{definitionId}' has no published version that other workflows could be moved to. Publish it first.");
        var names = changed.Count == 0 ? [] : (await store.ListAsync(new() { DefinitionIds = changed }, 0, changed.Count, cancellationToken: cancellationToken)).Items;
        return Results.Json(new { affectedWorkflows = names.Select(d => d.Name ?? d.DefinitionId) }, ElsaApi.Json);
    }

    private static async Task<IResult> DeleteAsync(
        string definitionId, HttpContext http, ElsaRequest query, DefinitionStore store, CancellationToken cancellationToken)
    {
        var evenRunning = query.Flag("evenRunning") ?? false;
        return query.Refusal ?? (await store.DeleteAsync(definitionId, evenRunning, Record(http), cancellationToken) ? Results.NoContent() : NoDefinition(definitionId));
    }

    private static async Task<IResult> DeleteVersionAsync(
        string id, HttpContext http, ElsaRequest query, DefinitionStore store, CancellationToken cancellationToken)
    {
        var evenRunning = query.Flag("evenRunning") ?? false;
        return query.Refusal ?? (await store.DeleteVersionAsync(id, evenRunning, Record(http), cancellationToken) ? Results.NoContent() : DefinitionsApi.NoVersion(id));
    }

    /// <summary>Each is published on its own: one that is refused does not keep the others back.</summary>
    private static async Task<IResult> BulkPublishAsync(
        HttpContext http, ElsaRequest body, DefinitionStore store, CancellationToken cancellationToken)
    {
        var (ids, problem) = Ids(body, "definitionIds");
        if (ids is null)
            return problem!;
        var (published, already, missing, consumers) = (new List<string>(), new List<string>(), new List<string>(), new HashSet<string>(StringComparer.Ordinal));
        var refused = new List<Refused>();
        foreach (var id in ids)
        {
            await TryAsync(refused, id, async () =>
            {
                var result = await store.PublishAsync(id, actor: Actor.Of(http), along: Record(http), cancellationToken: cancellationToken);
                if (result is { Definition.IsPublished: false })
                    refused.Add(new(id, [.. result.ValidationErrors.Select(e => e.Message)]));
                else
                    (result is null ? missing : result.AlreadyPublished ? already : published).Add(id);
                consumers.UnionWith(result?.UpdatedConsumers ?? []);
            });
        }

        return Results.Json(new { published, alreadyPublished = already, notFound = missing, updatedConsumers = consumers, refused }, ElsaApi.Json);
    }

    private static async Task<IResult> BulkRetractAsync(
        HttpContext http, ElsaRequest body, DefinitionStore store, CancellationToken cancellationToken)
    {
        var (ids, problem) = Ids(body, "definitionIds");
        if (ids is null)
            return problem!;
        var (retracted, already, missing, refused) = (new List<string>(), new List<string>(), new List<string>(), new List<Refused>());
        foreach (var id in ids)
        {
            await TryAsync(refused, id, async () =>
            {
                var isRetracted = await store.RetractAsync(id, Record(http), cancellationToken) is not null;
                var exists = isRetracted || await store.FindAsync(id, VersionOptions.Latest, cancellationToken) is not null;
                (isRetracted ? retracted : exists ? already : missing).Add(id);
            });
        }

        return Results.Json(new { retracted, alreadyRetracted = already, notFound = missing, refused }, ElsaApi.Json);
    }

    private static Task<IResult> BulkDeleteAsync(HttpContext http, ElsaRequest body, DefinitionStore store, CancellationToken cancellationToken) =>
        DeleteAllAsync(body, "definitionIds", id => store.DeleteAsync(id, along: Record(http), cancellationToken: cancellationToken));

    private static Task<IResult> BulkDeleteVersionsAsync(
        HttpContext http, ElsaRequest body, DefinitionStore store, CancellationToken cancellationToken) =>
        DeleteAllAsync(body, "ids", id => store.DeleteVersionAsync(id, along: Record(http), cancellationToken: cancellationToken));

    private static async Task<IResult> DeleteAllAsync(ElsaRequest body, string member, Func<string, Task<bool>> delete)
    {
        var (ids, problem) = Ids(body, member);
        if (ids is null)
            return problem!;
        var (deleted, refused) = (0, new List<Refused>());
        foreach (var id in ids)
            await TryAsync(refused, id, async () => deleted += await delete(id) ? 1 : 0);
        return Results.Json(new { deleted, refused }, ElsaApi.Json);
    }

    private static async Task TryAsync(List<Refused> refused, string id, Func<Task> action)
    {
        try
        {
            await action();
        }
        catch (Exception e) when (e is ReadonlyDefinitionException or RunningInstancesException or InvalidDefinitionException)
        {
            refused.Add(new(id, [e.Message]));
        }
    }

    private static (IReadOnlyList<string>? Ids, IResult? Problem) Ids(ElsaRequest body, string member)
    {
        var ids = body.Texts(member).Distinct(StringComparer.Ordinal).ToList();
        if (ids.Count > MaxIds)
            body.Refuse(member, $"names {ids.Count}; at most {MaxIds} are taken at once.");
        return body.Refusal is { } refusal ? (null, refusal) : (ids, null);
    }

    /// <summary>The audit record of a change, for the transaction that makes it.</summary>
    public static Func<DefinitionChange, NpgsqlBatchCommand> Record(HttpContext http)
    {
        var actor = Actor.Of(http);
        return change => AuditLog.Record(actor, ActionOf(change.Act), details: new
        {
            definition_id = change.Definition.DefinitionId,
            version = change.Definition.Version,
            updated_consumers = change.Consumers.Count > 0 ? change.Consumers : null,
        });
    }

    private static string ActionOf(DefinitionAct act) => "definition." + act switch
    {
        DefinitionAct.UpdateReferences => "update-references",
        DefinitionAct.DeleteVersion => "delete-version",
        _ => act.ToString().ToLowerInvariant(),
    };

    private static IResult NoDefinition(string id) => ElsaProblem.NotFound(
        $"There is no workflow definition '{id}'. GET {ElsaApi.Prefix}/workflow-definitions lists what there is.");

    /// <summary>One of many that was left as it is. Elsa's clients do not know the list that holds these, and ignore it.</summary>
    private sealed record Refused(string Id, IReadOnlyList<string> Errors);
}
