using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Aura.Workflows.Definitions;
using Aura.Workflows.Runtime;

namespace Aura.Host.Elsa;

/// <summary>Definitions in the shapes that Elsa's API answers with.</summary>
internal static class DefinitionViews
{
    /// <summary>A summary with links. Who saved and who published is beyond what Elsa says.</summary>
    public static object Summary(WorkflowDefinitionSummary d, DefinitionLinks links) => new
    {
        d.Id,
        d.DefinitionId,
        d.Name,
        d.Description,
        d.Version,
        // Studio reads it as a .NET version and fails on anything else.
        ToolVersion = System.Version.TryParse(d.ToolVersion, out _) ? d.ToolVersion : null,
        d.IsLatest,
        d.IsPublished,
        d.ProviderName,
        d.MaterializerName,
        d.CreatedAt,
        d.IsReadonly,
        d.IsMaterializerAvailable,
        d.SavedBy,
        d.SavedAt,
        d.PublishedBy,
        d.PublishedAt,
        Links = links.Of(d.DefinitionId, d.IsReadonly),
    };

    public static WorkflowDefinitionSummary SummaryOf(WorkflowDefinition d) => new()
    {
        Id = d.Id,
        DefinitionId = d.DefinitionId,
        Name = d.Name,
        Description = d.Description,
        Version = d.Version,
        ToolVersion = d.ToolVersion,
        IsLatest = d.IsLatest,
        IsPublished = d.IsPublished,
        CreatedAt = d.CreatedAt,
        IsReadonly = d.IsReadonly,
        SavedBy = d.SavedBy,
        SavedAt = d.SavedAt,
        PublishedBy = d.PublishedBy,
        PublishedAt = d.PublishedAt,
    };

    /// <summary>The whole definition with links and the mark of the editor that opens it; its revision is the answer's entity tag too.</summary>
    /// <param name="editor">The editor that it is open in already; null for one that opens it now.</param>
    public static async Task<JsonObject> FullAsync(
        HttpContext http, DefinitionStore store, WorkflowDefinition definition, string? editor, CancellationToken cancellationToken)
    {
        var document = await LinkedAsync(store, definition, await DefinitionLinks.OfAsync(http), editor ?? NewEditor(), cancellationToken);
        http.Response.Headers.ETag = string.Create(CultureInfo.InvariantCulture, $"\"{definition.Revision}\"");
        return document;
    }

    public static async Task<JsonObject> LinkedAsync(
        DefinitionStore store, WorkflowDefinition definition, DefinitionLinks links, string editor, CancellationToken cancellationToken)
    {
        var document = JsonObject.Create(await store.ViewAsync(definition, editor, cancellationToken))!;
        document["links"] = JsonSerializer.SerializeToNode(links.Of(definition.DefinitionId, definition.IsReadonly), ElsaApi.Json);
        return document;
    }

    public static string NewEditor() => Guid.NewGuid().ToString("N")[..16];

    /// <summary>The answer to a save or a publication; a publication that was refused is a problem that names each activity.</summary>
    public static async Task<IResult> PublishedAsync(
        HttpContext http, DefinitionStore store, PublishResult result, string? editor, CancellationToken cancellationToken)
    {
        var document = await FullAsync(http, store, result.Definition, editor, cancellationToken);
        if (!result.Definition.IsPublished)
            return ElsaRefusals.Invalid(result);
        return Saved(document, result);
    }

    /// <param name="result">Null for a draft that was saved only.</param>
    public static IResult Saved(JsonObject document, PublishResult? result = null) => Results.Json(
        new
        {
            workflowDefinition = document,
            alreadyPublished = result?.AlreadyPublished ?? false,
            consumingWorkflowCount = result?.UpdatedConsumers.Count ?? 0,
            validationErrors = result?.ValidationErrors ?? [],
            validationWarnings = result?.ValidationWarnings ?? [],
        },
        ElsaApi.Json);
}
