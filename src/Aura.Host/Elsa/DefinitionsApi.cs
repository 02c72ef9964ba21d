using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Aura.Host.Api;
using Aura.Host.Security;
using Aura.Host.Studio;
using Aura.Workflows.Definitions;
using Aura.Workflows.Runtime;

namespace Aura.Host.Elsa;

/// <summary>Definitions: lists, single versions, saving, and the nodes inside them. What changes versions as a whole is in <see cref="DefinitionActionsApi"/>.</summary>
internal static class DefinitionsApi
{
    private const int MaxPageSize = 1000;
    internal const int MaxBodyBytes = 8 << 20;
    internal const int MaxBodyDepth = 64;

    public static void MapDefinitions(RouteGroupBuilder group)
    {
        group.MapGet("/workflow-definitions", ListAsync);
        group.MapGet("/workflow-definitions/by-definition-id/{definitionId}", FindAsync);
        group.MapGet("/workflow-definitions/by-id/{id}", FindVersionAsync);
        group.MapGet("/workflow-definitions/many-by-id", FindManyAsync);
        group.MapGet("/workflow-definitions/validation/is-name-unique", IsNameUniqueAsync);
        group.MapGet("/workflow-definitions/subgraph/{id}", SubgraphAsync);
        group.MapGet("/workflow-definitions/subgraph/segments/{id}", SegmentsAsync);
        group.MapPost("/workflow-definitions", SaveAsync).RequireAuthorization(Permissions.EditWorkflows);
        group.MapMethods("/workflow-definitions/import", ["POST", "PUT"], ImportAsync).RequireAuthorization(Permissions.EditWorkflows);
        group.MapGet("/package/version", () => Results.Json(new { packageVersion = StudioPackage.Version }, ElsaApi.Json));
        DefinitionActionsApi.Map(group);
        DefinitionExportsApi.Map(group);
    }

    private static async Task<IResult> ListAsync(HttpContext http, ElsaRequest query, DefinitionStore store, CancellationToken cancellationToken)
    {
        var filter = new DefinitionFilter
        {
            // Absent and present but empty alike: every version.
            VersionOptions = VersionsOf(query, VersionOptions.AllVersions),
            Ids = query.Texts("ids"),
            DefinitionIds = query.Texts("definitionIds"),
            SearchTerm = query.Text("searchTerm"),
            Name = query.Text("name"),
            IsSystem = query.Flag("isSystem"),
            IsReadonly = query.Flag("isReadonly"),
            UsableAsActivity = query.Flag("usableAsActivity"),
        };
        var page = query.Number("page", 0, 1_000_000) ?? 0;
        var size = Math.Min(query.Number("pageSize", 1, int.MaxValue) ?? MaxPageSize, MaxPageSize);
        var order = query.Choice<DefinitionOrder>("orderBy") ?? DefinitionOrder.Name;
        var direction = query.Choice<Direction>("orderDirection") ?? (order == DefinitionOrder.Name ? Direction.Ascending : Direction.Descending);
        if (query.Refusal is { } refusal)
            return refusal;
        var found = await store.ListAsync(filter, page, size, order, direction == Direction.Descending, cancellationToken);
        var links = await DefinitionLinks.OfAsync(http);
        return Results.Json(
            new { items = found.Items.Select(d => DefinitionViews.Summary(d, links)), totalCount = found.TotalCount, links = links.OfList() }, ElsaApi.Json);
    }

    private static async Task<IResult> FindAsync(
        string definitionId, HttpContext http, ElsaRequest query, DefinitionStore store, CancellationToken cancellationToken)
    {
        var versions = VersionsOf(query, VersionOptions.Latest);
        if (query.Refusal is { } refusal)
            return refusal;
        return await store.FindAsync(definitionId, versions, cancellationToken) is { } found
            ? Results.Json(await DefinitionViews.FullAsync(http, store, found, null, cancellationToken), ElsaApi.Json)
            : ElsaProblem.NotFound($"There is no version '{versions}' of a workflow definition '{definitionId}'. GET {ElsaApi.Prefix}/workflow-definitions lists what there is.");
    }

    private static async Task<IResult> FindVersionAsync(string id, HttpContext http, DefinitionStore store, CancellationToken cancellationToken) =>
        await store.FindVersionAsync(id, cancellationToken) is { } found
            ? Results.Json(await DefinitionViews.FullAsync(http, store, found, null, cancellationToken), ElsaApi.Json)
            : NoVersion(id);

    private static async Task<IResult> FindManyAsync(HttpContext http, ElsaRequest query, DefinitionStore store, CancellationToken cancellationToken)
    {
        var ids = query.Texts("ids");
        if (ids.Count > MaxPageSize)
            query.Refuse("ids", $"names {ids.Count} versions; at most {MaxPageSize} are given at once.");
        if (query.Refusal is { } refusal)
            return refusal;
        var links = await DefinitionLinks.OfAsync(http);
        var items = new List<JsonObject>();
        foreach (var definition in await store.FindVersionsAsync(ids, cancellationToken))
            items.Add(await DefinitionViews.LinkedAsync(store, definition, links, DefinitionViews.NewEditor(), cancellationToken));
        return Results.Json(new { items, count = items.Count }, ElsaApi.Json);
    }

    private static async Task<IResult> IsNameUniqueAsync(ElsaRequest query, DefinitionStore store, CancellationToken cancellationToken)
    {
        var (name, definitionId) = (query.Text("name"), query.Text("definitionId"));
        if (string.IsNullOrWhiteSpace(name))
            query.Refuse("name", "is missing.");
        if (query.Refusal is { } refusal)
            return refusal;
        return Results.Json(new { isUnique = await store.IsNameUniqueAsync(name!.Trim(), definitionId, cancellationToken) }, ElsaApi.Json);
    }

    private static async Task<IResult> SubgraphAsync(string id, ElsaRequest query, DefinitionStore store, CancellationToken cancellationToken)
    {
        var parent = query.Text("parentNodeId");
        if (query.Refusal is { } refusal)
            return refusal;
        return await store.ViewActivityAsync(id, parent, cancellationToken) is { } view ? Results.Json(view, ElsaApi.Json) : NoNode(id, parent);
    }

    private static async Task<IResult> SegmentsAsync(string id, ElsaRequest query, DefinitionStore store, CancellationToken cancellationToken)
    {
        var child = query.Text("childNodeId");
        if (child is null)
            query.Refuse("childNodeId", "is missing.");
        if (query.Refusal is { } refusal)
            return refusal;
        return await store.FindPathAsync(id, child!, cancellationToken) is { } path ? Results.Json(path, ElsaApi.Json) : NoNode(id, child);
    }

    private static async Task<IResult> SaveAsync(HttpContext http, DefinitionStore store, CancellationToken cancellationToken)
    {
        var (body, problem) = await RequestBody.ReadAsync(http.Request, MaxBodyBytes, cancellationToken, MaxBodyDepth);
        if (body is null)
            return problem!;
        if (Member(body.Root, "model") is not { ValueKind: JsonValueKind.Object } model)
            return ElsaProblem.Refused("model: is missing. Send {\"model\": <the definition>, \"publish\": true or false}.");
        var publish = Member(body.Root, "publish") ?? default;
        if (publish.ValueKind is not (JsonValueKind.True or JsonValueKind.False or JsonValueKind.Null or JsonValueKind.Undefined))
            return ElsaProblem.Refused("publish: must be true, false or null.");
        if (SaveOf(http, DraftSource.Editor) is not { } save)
            return BadIfMatch();
        var mark = DraftMark.Of(model);
        if (publish.ValueKind == JsonValueKind.True)
            return await DefinitionViews.PublishedAsync(http, store, await store.SaveAndPublishAsync(model, save, cancellationToken), mark?.Editor, cancellationToken);
        var saved = await store.SaveDraftAsync(model, save, cancellationToken);
        return DefinitionViews.Saved(await DefinitionViews.FullAsync(http, store, saved, mark?.Editor, cancellationToken));
    }

    private static async Task<IResult> ImportAsync(HttpContext http, DefinitionStore store, CancellationToken cancellationToken)
    {
        var (body, problem) = await RequestBody.ReadAsync(http.Request, MaxBodyBytes, cancellationToken, MaxBodyDepth);
        if (body is null)
            return problem!;
        if (Member(body.Root, "root") is not { ValueKind: JsonValueKind.Object })
            return ElsaProblem.Refused("root: is missing. Send one workflow definition, as an export gives it.");
        if (SaveOf(http, DraftSource.File) is not { } save)
            return BadIfMatch();
        var saved = await store.SaveDraftAsync(body.Root, save, cancellationToken);
        return Results.Json(await DefinitionViews.FullAsync(http, store, saved, null, cancellationToken), ElsaApi.Json);
    }

    /// <summary>Null when the header <c>If-Match</c> names no revision.</summary>
    private static DraftSave? SaveOf(HttpContext http, DraftSource source)
    {
        var save = new DraftSave
        {
            Actor = Actor.Of(http),
            Source = source,
            Along = DefinitionActionsApi.Record(http),
            Act = source == DraftSource.File ? DefinitionAct.Import : DefinitionAct.Save,
        };
        var tag = http.Request.Headers.IfMatch.ToString();
        if (tag.Length == 0 || tag == "*")
            return save;
        var number = tag.StartsWith("W/", StringComparison.Ordinal) ? tag[2..] : tag;
        return long.TryParse(number.Trim('"'), NumberStyles.None, CultureInfo.InvariantCulture, out var revision) ? save with { Revision = revision } : null;
    }

    private static IResult BadIfMatch() => ElsaProblem.Refused("If-Match: must be the ETag of the answer that gave you the definition, for example \"42\".");

    private static VersionOptions VersionsOf(ElsaRequest query, VersionOptions otherwise)
    {
        if (query.Text("versionOptions") is not { } text)
            return otherwise;
        if (VersionOptions.TryParse(text, out var versions))
            return versions;
        query.Refuse("versionOptions", $"'{text}' selects no versions. Use Latest, Published, Draft, LatestOrPublished, LatestAndPublished, AllVersions or a version number.");
        return otherwise;
    }

    private static JsonElement? Member(JsonElement body, string name)
    {
        foreach (var member in body.EnumerateObject())
        {
            if (member.Name.Equals(name, StringComparison.OrdinalIgnoreCase))
                return member.Value;
        }

        return null;
    }

    public static IResult NoVersion(string id) => ElsaProblem.NotFound(
        $"There is no definition version '{id}'. It may have been deleted; GET {ElsaApi.Prefix}/workflow-definitions?versionOptions=AllVersions lists what there is.");

    private static IResult NoNode(string id, string? node) => ElsaProblem.NotFound(
        $"There is no activity '{node}' in a definition version '{id}'.");

    private enum Direction
    {
        Ascending,
        Descending,
    }
}
