using System.IO.Compression;
using System.Net.Mime;
using System.Text.Json;
using Aura.Host.Security;
using Aura.Orchestra.Audit;
using Aura.Workflows;
using Aura.Workflows.Definitions;
using Aura.Workflows.Http;
using Aura.Workflows.Runtime;

namespace Aura.Host.Elsa;

/// <summary>Workflow instances: lists, one with its state, its journal and variables, cancel, delete, export.</summary>
internal static class InstancesApi
{
    /// <summary>A request waits no longer for a burst that makes the change.</summary>
    internal static readonly TimeSpan LongestChange = TimeSpan.FromSeconds(10);

    private const int MaxPage = 1000;
    private const int MaxExport = 500;

    public static void MapInstances(RouteGroupBuilder api)
    {
        api.MapPost("/workflow-instances", ListAsync);
        api.MapGet("/workflow-instances", ListAsync);
        api.MapGet("/workflow-instances/{id}", GetAsync);
        api.MapGet("/workflow-instances/{id}/execution-state", StateAsync);
        api.MapPost("/workflow-instances/{id}/journal", JournalAsync);
        api.MapGet("/workflow-instances/{id}/journal", JournalAsync);
        api.MapGet("/workflow-instances/{id}/journal/{activityId}", LastLineAsync);
        api.MapGet("/workflow-instances/{id}/variables", VariablesAsync);
        api.MapPost("/workflow-instances/{id}/variables", SetVariablesAsync).RequireAuthorization(Permissions.RunWorkflows);
        api.MapDelete("/workflow-instances/{id}", DeleteAsync).RequireAuthorization(Permissions.RunWorkflows);
        api.MapPost("/cancel/workflow-instances/{id}", CancelAsync).RequireAuthorization(Permissions.RunWorkflows);
        api.MapPost("/bulk-actions/delete/workflow-instances/by-id", BulkDeleteAsync).RequireAuthorization(Permissions.RunWorkflows);
        api.MapPost("/bulk-actions/cancel/workflow-instances", BulkCancelAsync).RequireAuthorization(Permissions.RunWorkflows);
        api.MapGet("/workflow-instances/{id}/export", ExportAsync);
        api.MapPost("/bulk-actions/export/workflow-instances", BulkExportAsync);
        api.MapPost("/bulk-actions/import/workflow-instances", Import).RequireAuthorization(Permissions.RunWorkflows);
    }

    internal static IResult NoInstance(string id) => ElsaProblem.NotFound(
        $"There is no workflow instance '{id}'. It may have been deleted, or its time of retention is over.");

    /// <summary>The version of each activity type, as the instance's definition names it; 1 where it can no longer be told.</summary>
    internal static async Task<Func<string, int>> VersionsAsync(DefinitionStore definitions, string versionId, CancellationToken cancellationToken)
    {
        try
        {
            var graph = await definitions.GraphAsync(versionId, cancellationToken);
            return nodeId => graph.Find(nodeId)?.Activity.Version ?? 1;
        }
        catch (InvalidDefinitionException)
        {
            return _ => 1;
        }
    }

    private static async Task<IResult> ListAsync(ElsaRequest request, InstanceStore instances, CancellationToken cancellationToken)
    {
        var page = PageRequest.Read(request, 25, MaxPage);
        var filter = InstanceRequests.ReadFilter(request);
        var (order, descending) = InstanceRequests.ReadOrder(request);
        if (request.Refusal is { } refusal)
            return refusal;
        var found = await instances.ListAsync(filter, page.Skip, page.Take, order, descending, cancellationToken);
        return Json(new { items = found.Items.Select(InstanceViews.Summary), found.TotalCount });
    }

    private static async Task<IResult> GetAsync(string id, InstanceStore instances, CancellationToken cancellationToken) =>
        await instances.FindDetailsAsync(id, cancellationToken) is { } found ? Json(InstanceViews.Details(found)) : NoInstance(id);

    private static async Task<IResult> StateAsync(string id, InstanceStore instances, CancellationToken cancellationToken) =>
        await instances.FindAsync(id, cancellationToken) is { } found ? Json(new { found.Status, found.SubStatus, found.UpdatedAt }) : NoInstance(id);

    private static async Task<IResult> JournalAsync(
        string id, HttpContext http, ElsaRequest request, InstanceStore instances, DefinitionStore definitions, CancellationToken cancellationToken)
    {
        var query = ElsaRequest.Of(http.Request.Query);
        var page = PageRequest.Read(query, 100, MaxPage);
        var filter = InstanceRequests.ReadJournalFilter(HttpMethods.IsGet(http.Request.Method) ? request : request.Object("filter"));
        if ((query.Refusal ?? request.Refusal) is { } refusal)
            return refusal;
        if (await instances.FindAsync(id, cancellationToken) is not { } instance)
            return NoInstance(id);
        var versions = await VersionsAsync(definitions, instance.DefinitionVersionId, cancellationToken);
        var lines = await instances.ReadJournalAsync(id, filter, page.Skip, page.Take, cancellationToken);
        return Json(new { items = lines.Items.Select(l => InstanceViews.Line(l, id, versions)), lines.TotalCount });
    }

    private static async Task<IResult> LastLineAsync(
        string id, string activityId, InstanceStore instances, DefinitionStore definitions, CancellationToken cancellationToken)
    {
        if (await instances.FindAsync(id, cancellationToken) is not { } instance)
            return NoInstance(id);
        return await instances.FindLastLineAsync(id, activityId, cancellationToken) is { } line
            ? Json(InstanceViews.Line(line, id, await VersionsAsync(definitions, instance.DefinitionVersionId, cancellationToken)))
            : ElsaProblem.NotFound($"Activity '{activityId}' has no entry in the journal of instance '{id}': it has not run.");
    }

    private static async Task<IResult> VariablesAsync(string id, InstanceStore instances, CancellationToken cancellationToken) =>
        await instances.FindDetailsAsync(id, cancellationToken) is { } found ? Variables(found) : NoInstance(id);

    private static async Task<IResult> SetVariablesAsync(
        string id, HttpContext http, ElsaRequest request, InstanceStore instances, InstanceControl control, CancellationToken cancellationToken)
    {
        var changes = new List<JsonElement>();
        foreach (var variable in request.Objects("variables"))
        {
            if (variable.Text("id") is { } variableId)
                changes.Add(JsonSerializer.SerializeToElement(new { type = "ModifyVariable", variableId, value = variable.Json("value") }));
            else
                variable.Refuse("id", "is missing.");
        }

        if (changes.Count == 0)
            request.Refuse("variables", "is missing: give a list of {\"id\", \"value\"}.");
        if (request.Refusal is { } refusal)
            return refusal;
        if (await instances.FindAsync(id, cancellationToken) is not { } instance)
            return NoInstance(id);
        if (instance is { Status: WorkflowStatus.Finished, SubStatus: not WorkflowSubStatus.Faulted })
            return ElsaProblem.Conflict($"Instance '{id}' has ended as {instance.SubStatus}: its variables change no more.");
        var actor = Actor.Of(http);
        var audit = AuditLog.Record(actor, "workflow.set-variables", details: new { instance_id = id, variables = changes.Count });
        var result = (await control.AlterAsync([id], changes, actor, [audit], LongestChange, cancellationToken))[0];
        if (result.Log.Where(l => l.IsError).Select(l => l.Message).ToList() is { Count: > 0 } errors)
            return ElsaProblem.Refused(errors);
        if (result.IsPending)
            return ElsaProblem.Conflict($"Instance '{id}' is busy: the change is kept and made when its burst is over.");
        return await VariablesAsync(id, instances, cancellationToken);
    }

    private static async Task<IResult> DeleteAsync(
        string id, HttpContext http, InstanceStore instances, InstanceControl control, CancellationToken cancellationToken)
    {
        if (await instances.FindAsync(id, cancellationToken) is null)
            return NoInstance(id);
        var actor = Actor.Of(http);
        var audit = AuditLog.Record(actor, "workflow.delete", details: new { instance_ids = new[] { id } });
        return await control.DeleteAsync([id], actor, [audit], LongestChange, cancellationToken) > 0
            ? Results.NoContent()
            : ElsaProblem.Conflict($"Instance '{id}' was told to end and has not ended yet. Delete it again in a moment.");
    }

    private static async Task<IResult> CancelAsync(
        string id, HttpContext http, InstanceStore instances, InstanceControl control, CancellationToken cancellationToken)
    {
        if (await instances.FindAsync(id, cancellationToken) is null)
            return NoInstance(id);
        var actor = Actor.Of(http);
        await control.CancelAsync(
            [id], actor, [AuditLog.Record(actor, "workflow.cancel", details: new { instance_ids = new[] { id } })], LongestChange, cancellationToken);
        return Results.Ok();
    }

    private static async Task<IResult> BulkDeleteAsync(
        HttpContext http, ElsaRequest request, InstanceControl control, CancellationToken cancellationToken)
    {
        var ids = request.Texts("ids");
        if (request.Refusal is { } refusal)
            return refusal;
        var actor = Actor.Of(http);
        var audit = AuditLog.Record(actor, "workflow.delete", details: new { instance_ids = ids });
        return Json(new { deleted = await control.DeleteAsync(ids, actor, [audit], LongestChange, cancellationToken) });
    }

    private static async Task<IResult> BulkCancelAsync(
        HttpContext http, ElsaRequest request, InstanceStore instances, DefinitionStore definitions, InstanceControl control,
        CancellationToken cancellationToken)
    {
        var ids = request.Texts("ids");
        var versionId = request.Text("definitionVersionId");
        var definitionId = request.Text("definitionId");
        var version = ReadVersion(request);
        if (ids.Count == 0 && versionId is null && definitionId is null)
            request.Refuse("ids", "is missing: name instances, a definitionVersionId or a definitionId.");
        if (request.Refusal is { } refusal)
            return refusal;
        if (ids.Count == 0)
        {
            if (versionId is null && version is { } chosen)
            {
                if (await definitions.FindAsync(definitionId!, chosen, cancellationToken) is not { } found)
                    return ElsaProblem.NotFound($"Workflow '{definitionId}' has no version '{chosen}'.");
                versionId = found.Id;
            }

            ids = await instances.ListIdsAsync(
                new()
                {
                    DefinitionIds = definitionId is null ? null : [definitionId],
                    DefinitionVersionIds = versionId is null ? null : [versionId],
                    Statuses = [WorkflowStatus.Running],
                },
                InstanceControl.MaxInstances, cancellationToken);
        }

        var actor = Actor.Of(http);
        var audit = AuditLog.Record(actor, "workflow.cancel", details: new { instance_ids = ids });
        return Json(new { cancelledCount = await control.CancelAsync(ids, actor, [audit], LongestChange, cancellationToken) });
    }

    /// <summary>Latest, Published and the like; null when absent, or when all versions are meant.</summary>
    internal static VersionOptions? ReadVersion(ElsaRequest request)
    {
        if (request.Json("versionOptions") is { ValueKind: JsonValueKind.Object } options)
        {
            // As Elsa's client writes the type: {"isLatest": true}, {"version": 3} …
            foreach (var member in options.EnumerateObject())
            {
                var name = member.Name.StartsWith("is", StringComparison.OrdinalIgnoreCase) ? member.Name[2..] : member.Name;
                var text = member.Value.ValueKind == JsonValueKind.Number ? member.Value.ToString() : name;
                if (member.Value.ValueKind is JsonValueKind.True or JsonValueKind.Number && VersionOptions.TryParse(text, out var parsed))
                    return parsed == VersionOptions.AllVersions ? null : parsed;
            }

            return null;
        }

        if (request.Text("versionOptions") is not { } given)
            return null;
        if (VersionOptions.TryParse(given, out var version))
            return version == VersionOptions.AllVersions ? null : version;
        request.Refuse("versionOptions", $"'{given}' selects no version. Use Latest, Published, Draft, LatestOrPublished or a version number.");
        return null;
    }

    private static async Task<IResult> ExportAsync(
        string id, HttpContext http, InstanceStore instances, DefinitionStore definitions, CancellationToken cancellationToken)
    {
        if (await ExportedAsync(id, instances, definitions, cancellationToken) is not { } exported)
            return NoInstance(id);
        return Results.File(JsonSerializer.SerializeToUtf8Bytes(exported, ElsaApi.Json), MediaTypeNames.Application.Json, FileNameOf(id));
    }

    private static async Task<IResult> BulkExportAsync(
        ElsaRequest request, InstanceStore instances, DefinitionStore definitions, CancellationToken cancellationToken)
    {
        var ids = request.Texts("ids").Distinct().ToList();
        if (ids.Count is 0 or > MaxExport)
            request.Refuse("ids", $"names {ids.Count} instances; 1 to {MaxExport} can be exported at once.");
        if (request.Refusal is { } refusal)
            return refusal;
        using var stream = new MemoryStream();
        using (var zip = new ZipArchive(stream, ZipArchiveMode.Create, leaveOpen: true))
        {
            foreach (var id in ids)
            {
                if (await ExportedAsync(id, instances, definitions, cancellationToken) is not { } exported)
                    return NoInstance(id);
                await using var entry = await zip.CreateEntry(FileNameOf(id)).OpenAsync(cancellationToken);
                await JsonSerializer.SerializeAsync(entry, exported, ElsaApi.Json, cancellationToken);
            }
        }

        return Results.File(stream.ToArray(), MediaTypeNames.Application.Zip, "workflow-instances.zip");
    }

    private static IResult Import() => ElsaProblem.Unsupported(
        "Instances are not imported. An instance is more than its exported state: bookmarks, durable tasks, timers and children that wait elsewhere "
        + "belong to it, and a copy would run beside the original. Start the workflow anew, or move the database as a whole.");

    private static async Task<object?> ExportedAsync(string id, InstanceStore instances, DefinitionStore definitions, CancellationToken cancellationToken)
    {
        if (await instances.FindDetailsAsync(id, cancellationToken) is not { } instance)
            return null;
        var versions = await VersionsAsync(definitions, instance.Summary.DefinitionVersionId, cancellationToken);
        return new
        {
            workflowState = InstanceViews.State(instance),
            bookmarks = instance.State.Bookmarks.Select(b => InstanceViews.Bookmark(id, b)),
            activityExecutionRecords = (await instances.ReadExecutionsAsync(id, take: 10_000, cancellationToken: cancellationToken)).Items
                .Select(e => InstanceViews.Execution(e, versions)),
            workflowExecutionLogRecords = (await instances.ReadJournalAsync(id, take: 100_000, cancellationToken: cancellationToken)).Items
                .Select(l => InstanceViews.Line(l, id, versions)),
        };
    }

    // The outermost scope first; an inner variable of the same id is the one that a loop's current round sees.
    private static IResult Variables(InstanceDetails instance)
    {
        var items = instance.State.Contexts.SelectMany(c => c.Variables).DistinctBy(v => v.Id)
            .Select(v => new { v.Id, v.Name, value = v.Value }).ToList();
        return Json(new { items, count = items.Count });
    }

    private static string FileNameOf(string id) => $"workflow-instance-{string.Concat(id.Where(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_'))}.json";

    private static IResult Json(object value) => Results.Json(value, ElsaApi.Json);
}
