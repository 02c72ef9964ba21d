using System.IO.Compression;
using System.Text;
using Aura.Workflows.Definitions;
using Aura.Workflows.Runtime;

namespace Aura.Host.Elsa;

/// <summary>Definitions as files: one is JSON, more are a zip archive.</summary>
internal static class DefinitionExportsApi
{
    private const int MaxIds = 1000;

    public static void Map(RouteGroupBuilder group)
    {
        group.MapMethods("/workflow-definitions/{definitionId}/export", ["GET", "POST"], ExportAsync);
        group.MapPost("/bulk-actions/export/workflow-definitions", BulkExportAsync);
    }

    private static async Task<IResult> ExportAsync(string definitionId, HttpContext http, DefinitionStore store, CancellationToken cancellationToken)
    {
        var query = ElsaRequest.Of(http.Request.Query);
        var text = query.Text("versionOptions");
        var versions = VersionOptions.Latest;
        if (text is not null && !VersionOptions.TryParse(text, out versions))
            query.Refuse("versionOptions", $"'{text}' selects no versions. Use Latest, Published, Draft or a version number.");
        var withConsumers = query.Flag("includeConsumingWorkflows") ?? false;
        if (query.Refusal is { } refusal)
            return refusal;
        if (await store.FindAsync(definitionId, versions, cancellationToken) is not { } found)
            return ElsaProblem.NotFound($"There is no version '{versions}' of a workflow definition '{definitionId}'.");
        return await FilesAsync(store, [found.Id], withConsumers, alwaysZip: false, cancellationToken);
    }

    private static async Task<IResult> BulkExportAsync(ElsaRequest body, DefinitionStore store, CancellationToken cancellationToken)
    {
        var (ids, withConsumers) = (body.Texts("ids"), body.Flag("includeConsumingWorkflows") ?? false);
        if (ids.Count is 0 or > MaxIds)
            body.Refuse("ids", $"must name 1 to {MaxIds} definition versions.");
        return body.Refusal ?? await FilesAsync(store, ids, withConsumers, alwaysZip: true, cancellationToken);
    }

    private static async Task<IResult> FilesAsync(
        DefinitionStore store, IReadOnlyCollection<string> ids, bool withConsumers, bool alwaysZip, CancellationToken cancellationToken)
    {
        var files = await store.ExportAsync(ids, withConsumers, cancellationToken);
        if (files.Count == 0)
            return ElsaProblem.NotFound("None of these definition versions exists.");
        if (files is [var file] && !alwaysZip)
            return Results.File(Encoding.UTF8.GetBytes(file.Json), "application/json", file.FileName);
        using var buffer = new MemoryStream();
        await using (var archive = new ZipArchive(buffer, ZipArchiveMode.Create, leaveOpen: true))
        {
            foreach (var entry in files)
            {
                await using var stream = await archive.CreateEntry(entry.FileName).OpenAsync(cancellationToken);
                await stream.WriteAsync(Encoding.UTF8.GetBytes(entry.Json), cancellationToken);
            }
        }

        return Results.File(buffer.ToArray(), "application/zip", "workflow-definitions.zip");
    }
}
