using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Npgsql;

namespace Aura.Workflows.Definitions;

/// <summary>Where a document that is saved comes from; it decides what counts of it.</summary>
public enum DraftSource
{
    /// <summary>A program: the document is stored in the draft's place as it stands.</summary>
    Program,

    /// <summary>
    /// An editor such as Studio, which gives back only what it knows of a definition: other members stay as they are stored. Its mark
    /// (<see cref="DraftMark"/>) says which state it was opened on.
    /// </summary>
    Editor,

    /// <summary>A file: it is stored as it stands, and a draft that it replaces stays in the history.</summary>
    File,
}

/// <summary>Who saves a draft, and what was seen of it before.</summary>
public sealed record DraftSave
{
    public static DraftSave ByProgram { get; } = new();

    /// <summary>The person or machine; null when it is the host itself.</summary>
    public string? Actor { get; init; }

    public DraftSource Source { get; init; }

    /// <summary>
    /// The save is refused when the stored draft has another revision than this. Null takes the editor's mark, and without a mark
    /// whatever is stored is replaced.
    /// </summary>
    public long? Revision { get; init; }

    /// <summary>
    /// What goes along in the transaction. Of the saves that an editor makes one after the other on one draft, only the first is told: a
    /// designer saves while a person draws.
    /// </summary>
    public Func<DefinitionChange, NpgsqlBatchCommand>? Along { get; init; }

    /// <summary>What the save is, for those who are told.</summary>
    public DefinitionAct Act { get; init; }
}

/// <summary>What is done to a definition.</summary>
public enum DefinitionAct
{
    Save,
    Import,
    Revert,
    Publish,
    Retract,
    UpdateReferences,
    Delete,
    DeleteVersion,
}

/// <summary>A change to a definition, told while its transaction is open: the record of it is kept together with the change, or not at all.</summary>
/// <param name="Definition">The version that it is about; the latest one when all are deleted.</param>
/// <param name="Consumers">Definition ids of the workflows that were moved to it in the same transaction.</param>
public sealed record DefinitionChange(DefinitionAct Act, WorkflowDefinition Definition, IReadOnlyList<string> Consumers);

/// <summary>
/// What an open editor carries with a document and gives back when it saves: kept among the document's <c>customProperties</c>, the one
/// place that Studio leaves alone, and taken out before anything is stored or compared.
/// </summary>
/// <param name="DefinitionId">A mark in a copy under another id does not count.</param>
/// <param name="Revision">The state of the document that the editor was opened on, or that its last save made.</param>
/// <param name="Editor">Another for each time that the document is opened: two tabs of one person are two editors.</param>
public sealed record DraftMark(string DefinitionId, long Revision, string? Editor)
{
    private const string RevisionKey = "Aura.Revision";
    private const string EditorKey = "Aura.Editor";
    private static readonly string[] Keys = [RevisionKey, EditorKey, "Aura.SavedBy", "Aura.SavedAt"];

    /// <summary>Adds the mark to a document that is being opened.</summary>
    internal static void Put(JsonObject customProperties, WorkflowDefinition definition, string editor)
    {
        customProperties[RevisionKey] = string.Create(CultureInfo.InvariantCulture, $"{definition.Revision}@{definition.DefinitionId}");
        customProperties[EditorKey] = editor;
        customProperties["Aura.SavedBy"] = definition.SavedBy;
        customProperties["Aura.SavedAt"] = definition.SavedAt.ToString("O", CultureInfo.InvariantCulture);
    }

    internal static bool IsIn(JsonElement model) =>
        model.Member("customProperties") is { ValueKind: JsonValueKind.Object } custom && Array.Exists(Keys, k => custom.TryGetProperty(k, out _));

    /// <summary>Null when the document carries none that can be read.</summary>
    public static DraftMark? Of(JsonElement model)
    {
        if (model.Member("customProperties") is not { ValueKind: JsonValueKind.Object } custom || custom.Text(RevisionKey)?.Split('@', 2) is not [var number, var id]
            || !long.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out var revision))
            return null;
        return new(id, revision, custom.Text(EditorKey));
    }

    internal static void Remove(JsonObject customProperties)
    {
        foreach (var key in Keys)
            customProperties.Remove(key);
    }
}

/// <summary>The draft is no longer what the one who saves has seen. Nothing was stored.</summary>
public sealed class DraftConflictException : Exception
{
    internal DraftConflictException(WorkflowDefinition stored, bool isOwn)
        : base(MessageOf(stored, isOwn)) => Stored = stored;

    internal DraftConflictException(string definitionId)
        : base($"The workflow '{definitionId}' was deleted after you opened it, so your change was not stored. To keep it, save the workflow as a new one or export it.")
    {
    }

    /// <summary>What stands in the way; null when the definition is gone.</summary>
    public WorkflowDefinition? Stored { get; }

    private static string MessageOf(WorkflowDefinition stored, bool isOwn)
    {
        var name = stored.Name ?? stored.DefinitionId;
        return isOwn
            ? $"A later change that you made here is stored already; this older one of '{name}' was not stored over it. If the canvas shows something else than you want to keep, change it and save again."
            : string.Create(
                CultureInfo.InvariantCulture,
                $"'{name}' was changed by {stored.SavedBy ?? "the host"} at {stored.SavedAt.UtcDateTime:yyyy-MM-dd HH:mm:ss} UTC (version {stored.Version}), after you opened it, so your change was not stored. Reload the page to go on from that state; to keep yours, first save it under another name (Save As).");
    }
}

/// <summary>What would be deleted is still running.</summary>
public sealed class RunningInstancesException(string what, long count) : Exception(
    $"{what} has {count} running {(count == 1 ? "instance" : "instances")}, which would be lost. Cancel {(count == 1 ? "it" : "them")} first, or let {(count == 1 ? "it" : "them")} finish.")
{
    public long Count { get; } = count;
}
