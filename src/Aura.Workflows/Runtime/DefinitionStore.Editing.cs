using System.Text.Json;
using Aura.Workflows.Definitions;
using Aura.Workflows.Storage;
using Npgsql;

namespace Aura.Workflows.Runtime;

/// <content>Drafts: saving, reverting, deleting.</content>
public sealed partial class DefinitionStore
{
    private const string ConsumersSql = """
        WITH RECURSIVE consumers AS (
            SELECT d.definition_id FROM wf.definition_references r JOIN wf.definitions d USING (version_id)
            WHERE r.child_definition_id = $1 AND (d.is_latest OR d.is_published)
            UNION
            SELECT d.definition_id FROM consumers c
            JOIN wf.definition_references r ON r.child_definition_id = c.definition_id
            JOIN wf.definitions d ON d.version_id = r.version_id AND (d.is_latest OR d.is_published)
        )
        SELECT definition_id FROM consumers WHERE definition_id <> $1 ORDER BY definition_id
        """;

    // A new definition may bring the id of its version; where that is taken (a copy of another) it gets its own.
    private const string InsertSql = """
        INSERT INTO wf.definitions (version_id, definition_id, version, name, is_latest, is_published, content_hash, source_hash, document,
            description, tool_version, is_readonly, is_system, usable_as_activity, saved_by, editor, editor_base, editor_hashes)
        VALUES ($1, $2, $3, $4, true, false, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16) ON CONFLICT (version_id) DO NOTHING
        """;

    private const string UpdateSql = """
        UPDATE wf.definitions SET name = $2, content_hash = $3, source_hash = NULL, document = $4, description = $5, tool_version = $6,
            is_readonly = $7, is_system = $8, usable_as_activity = $9, saved_by = $10, editor = $11, editor_base = $12, editor_hashes = $13,
            saved_at = now(), revision = nextval('wf.definition_revisions')
        WHERE version_id = $1
        """;

    /// <summary>A client that got no answer repeats its request for less than this.</summary>
    private static readonly TimeSpan RepeatTime = TimeSpan.FromMinutes(10);

    /// <summary>How many of an editor's last saves are remembered.</summary>
    private const int RememberedSaves = 8;

    /// <summary>
    /// Stores a document as the draft of its definition: in place when the latest version was never published and no instance runs
    /// on it, else as a new version. Without a definition id it is a new definition. Saving what is stored already changes nothing.
    /// </summary>
    /// <param name="document">An Elsa 3 definition; ids and flags of the version in it do not count.</param>
    /// <param name="save">Who saves, and what was seen of the draft before.</param>
    /// <exception cref="InvalidDefinitionException">Not an object.</exception>
    /// <exception cref="ReadonlyDefinitionException">The stored definition is read-only.</exception>
    /// <exception cref="DraftConflictException">Somebody else changed the draft meanwhile.</exception>
    public async Task<WorkflowDefinition> SaveDraftAsync(
        JsonElement document, DraftSave? save = null, CancellationToken cancellationToken = default)
    {
        save ??= DraftSave.ByProgram;
        var intake = await TakeInAsync(document, save, cancellationToken);
        await using var transaction = await DefinitionTransaction.BeginAsync(dataSource, [intake.Definition.DefinitionId], cancellationToken);
        var saved = await SaveAsync(transaction, intake, cancellationToken);
        await transaction.CommitAsync();
        Forget(saved);
        return saved;
    }

    /// <summary>
    /// Stores a document as the draft and publishes it, in one transaction: what is published is what was handed in. With validation
    /// errors the draft is stored and not published.
    /// </summary>
    /// <inheritdoc cref="SaveDraftAsync" path="/exception"/>
    public async Task<PublishResult> SaveAndPublishAsync(JsonElement document, DraftSave? save = null, CancellationToken cancellationToken = default)
    {
        save ??= DraftSave.ByProgram;
        var intake = await TakeInAsync(document, save, cancellationToken);
        // Consumers that come later than this look are moved by the next publication.
        var consumers = intake.Definition.AutoUpdateConsumingWorkflows
            ? await FindConsumersAsync(intake.Definition.DefinitionId, cancellationToken)
            : [];
        await using var transaction = await DefinitionTransaction.BeginAsync(
            dataSource, [intake.Definition.DefinitionId, .. consumers], cancellationToken);
        var saved = await SaveAsync(transaction, intake, cancellationToken);
        return await PublishAndCommitAsync(transaction, saved, consumers, failOnValidationErrors: true, save.Actor, save.Along, cancellationToken);
    }

    /// <summary>Makes an old version the draft again, as a new version: what is the draft now stays in the history.</summary>
    /// <param name="along">What goes along in the transaction when something changes.</param>
    /// <returns>The draft, or null when there is no such version.</returns>
    /// <exception cref="ReadonlyDefinitionException">The definition is read-only.</exception>
    public async Task<WorkflowDefinition?> RevertAsync(
        string definitionId, int version, string? actor = null, Func<DefinitionChange, NpgsqlBatchCommand>? along = null,
        CancellationToken cancellationToken = default)
    {
        await using var transaction = await DefinitionTransaction.BeginAsync(dataSource, [definitionId], cancellationToken);
        var old = (await transaction.QueryAsync(
            $"SELECT {Columns} FROM wf.definitions d WHERE definition_id = $1 AND version = $2", [definitionId, version], Read)).FirstOrDefault();
        if (old is null)
            return null;
        var save = new DraftSave { Actor = actor, Source = DraftSource.File, Along = along, Act = DefinitionAct.Revert };
        var saved = await SaveAsync(transaction, new(old, save), cancellationToken);
        await transaction.CommitAsync();
        Forget(saved);
        return saved;
    }

    /// <summary>Deletes all versions of a definition with their finished instances and triggers.</summary>
    /// <param name="evenRunning">Also running instances; without it they keep the definition.</param>
    /// <param name="along">What goes along in the transaction when something changes.</param>
    /// <returns>False when there is no such definition.</returns>
    /// <exception cref="ReadonlyDefinitionException">The definition is read-only.</exception>
    /// <exception cref="RunningInstancesException">Instances of it are running.</exception>
    public async Task<bool> DeleteAsync(
        string definitionId, bool evenRunning = false, Func<DefinitionChange, NpgsqlBatchCommand>? along = null,
        CancellationToken cancellationToken = default)
    {
        await using var transaction = await DefinitionTransaction.BeginAsync(dataSource, [definitionId], cancellationToken);
        if (await LatestAsync(transaction, definitionId) is not { } latest)
            return false;
        RefuseReadonly(latest);
        if (!evenRunning)
            await RefuseRunningAsync(transaction, $"'{latest.Name ?? definitionId}'", definitionId, null);
        await transaction.ExecuteAsync([.. DeleteInstances("definition_id", definitionId)]);
        await transaction.ExecuteAsync([.. RetractStatements(definitionId)]);
        await transaction.ExecuteAsync(Sql.Batch("DELETE FROM wf.definitions WHERE definition_id = $1", definitionId));
        await transaction.RecordAsync(along, DefinitionAct.Delete, latest);
        await transaction.CommitAsync();
        Forget(latest);
        return true;
    }

    /// <summary>Deletes one version with its finished instances; when it was the latest, the one before it takes its place.</summary>
    /// <inheritdoc cref="DeleteAsync" path="/param[@name='evenRunning' or @name='along']"/>
    /// <returns>False when there is no such version.</returns>
    /// <inheritdoc cref="DeleteAsync" path="/exception"/>
    public async Task<bool> DeleteVersionAsync(
        string versionId, bool evenRunning = false, Func<DefinitionChange, NpgsqlBatchCommand>? along = null,
        CancellationToken cancellationToken = default)
    {
        if (await FindVersionAsync(versionId, cancellationToken) is not { } found)
            return false;
        await using var transaction = await DefinitionTransaction.BeginAsync(dataSource, [found.DefinitionId], cancellationToken);
        // Read again under the lock: which version is published or the latest may have changed.
        var version = (await transaction.QueryAsync($"SELECT {Columns} FROM wf.definitions d WHERE version_id = $1", [versionId], Read)).FirstOrDefault();
        if (version is null)
            return false;
        RefuseReadonly(version);
        if (!evenRunning)
            await RefuseRunningAsync(transaction, $"Version {version.Version} of '{version.Name ?? version.DefinitionId}'", version.DefinitionId, versionId);
        await transaction.ExecuteAsync([.. DeleteInstances("definition_version_id", versionId)]);
        if (version.IsPublished)
            await transaction.ExecuteAsync([.. RetractStatements(version.DefinitionId)]);
        await transaction.ExecuteAsync(
            Sql.Batch("DELETE FROM wf.definitions WHERE version_id = $1", versionId),
            Sql.Batch("""
                UPDATE wf.definitions SET is_latest = true
                WHERE definition_id = $1 AND version = (SELECT max(version) FROM wf.definitions WHERE definition_id = $1) AND NOT is_latest
                """, version.DefinitionId));
        await transaction.RecordAsync(along, DefinitionAct.DeleteVersion, version);
        await transaction.CommitAsync();
        Forget(version);
        return true;
    }

    /// <summary>What can be said of a document before its definition is locked.</summary>
    private async Task<Intake> TakeInAsync(JsonElement document, DraftSave save, CancellationToken cancellationToken)
    {
        await RefreshActivitiesAsync(cancellationToken);
        var repeatable = save.Source == DraftSource.Program ? null : DefinitionIntake.IdOfNew(document, save.Actor, isFile: save.Source == DraftSource.File);
        if (repeatable is not null && (await dataSource.QueryAsync(
            "SELECT FROM wf.definitions WHERE definition_id = $1 AND version = 1 AND created_at < now() - $2::interval",
            [repeatable, RepeatTime], _ => true, cancellationToken)).Count > 0)
            repeatable = null;
        var definition = DefinitionIntake.ToStored(document, registry, repeatable ?? WorkflowExecutionContext.NewId());
        var mark = save.Source == DraftSource.File ? null : DraftMark.Of(document);
        if (mark?.DefinitionId != definition.DefinitionId)
            mark = null;
        return new(definition, save, mark, DefinitionIntake.LacksRoot(document), IsNew: repeatable is not null);
    }

    private async Task<WorkflowDefinition> SaveAsync(DefinitionTransaction transaction, Intake intake, CancellationToken cancellationToken)
    {
        var (definition, save, mark, _, _) = intake;
        var latest = await LatestAsync(transaction, definition.DefinitionId);
        var seen = save.Revision ?? mark?.Revision;
        if (latest is null && seen is not null)
            throw new DraftConflictException(definition.DefinitionId);
        if (latest is not null)
        {
            RefuseReadonly(latest);
            if (intake.IsNew)
                return latest;
            if (save.Source == DraftSource.Editor)
                definition = DefinitionIntake.Carry(definition, latest);
            // Studio sends a save again when the answer got lost: it must not make another version.
            if (latest.ContentHash == definition.ContentHash)
                return latest;
            if (seen is not null && seen != latest.Revision)
                RefuseStale(latest, definition, save, seen.Value, mark);
            if (save.Source == DraftSource.Editor && latest.WasPublished && await IsAsShownAsync(latest, definition, cancellationToken))
                return latest;
        }

        if (save.Source != DraftSource.Program)
            RefuseRoot(definition, latest, intake.LacksRoot);
        var editor = EditorOf(latest, definition, seen, mark);
        var isNewVersion = latest is null || latest.WasPublished || save.Source == DraftSource.File || await HasRunningAsync(transaction, latest);
        var versionId = latest is null ? definition.Id : isNewVersion ? WorkflowExecutionContext.NewId() : latest.Id;
        var version = latest is null ? 1 : isNewVersion ? latest.Version + 1 : latest.Version;
        if (isNewVersion)
        {
            await transaction.ExecuteAsync(Sql.Batch(
                "UPDATE wf.definitions SET is_latest = false WHERE definition_id = $1 AND is_latest", definition.DefinitionId));
            if (await transaction.ExecuteAsync(Insert(definition, versionId, version, null, save.Actor, editor)) == 0)
                await transaction.ExecuteAsync(Insert(definition, versionId = WorkflowExecutionContext.NewId(), version, null, save.Actor, editor));
        }
        else
        {
            await transaction.ExecuteAsync(Sql.Batch(
                UpdateSql, versionId, definition.Name, definition.ContentHash, JsonValue.Of(definition.Json), definition.Description,
                definition.ToolVersion, definition.IsReadonly, definition.IsSystem, definition.UsableAsActivity, save.Actor,
                editor?.Id, (object?)editor?.Base ?? DBNull.Value, editor?.Hashes ?? []));
        }

        var saved = (await transaction.QueryAsync($"SELECT {Columns} FROM wf.definitions d WHERE version_id = $1", [versionId], Read))[0];
        await WriteReferencesAsync(transaction, saved, await TryReadAsync(saved, cancellationToken));
        var isContinued = !isNewVersion && editor is not null && latest!.Editor?.Id == editor.Value.Id && latest.SavedBy == save.Actor;
        if (!isContinued)
            await transaction.RecordAsync(save.Along, save.Act, saved);
        return saved;
    }

    /// <summary>
    /// Another state than the one that was seen is stored. Only the very editor that made it may go on over it: its saves overlap when
    /// answers are slow. One that was stored and replaced before is an old request that comes once more.
    /// </summary>
    private static void RefuseStale(WorkflowDefinition latest, WorkflowDefinition given, DraftSave save, long seen, DraftMark? mark)
    {
        var isOwn = save.Revision is null && mark?.Editor is { } id && latest.Editor?.Id == id && seen >= latest.Editor.Value.Base;
        if (!isOwn || latest.Editor!.Value.Hashes.Contains(given.ContentHash))
            throw new DraftConflictException(latest, isOwn);
    }

    private static (string Id, long Base, string[] Hashes)? EditorOf(WorkflowDefinition? latest, WorkflowDefinition given, long? seen, DraftMark? mark)
    {
        if (mark?.Editor is not { } id)
            return null;
        return latest?.Editor is { } last && last.Id == id
            ? (id, last.Base, [.. last.Hashes.TakeLast(RememberedSaves - 1), given.ContentHash])
            : (id, seen ?? 0, [given.ContentHash]);
    }

    /// <summary>A published version that an editor gives back as it was shown is not a new one.</summary>
    private async Task<bool> IsAsShownAsync(WorkflowDefinition latest, WorkflowDefinition given, CancellationToken cancellationToken)
    {
        var shown = DefinitionIntake.ToStored(await ViewAsync(latest, cancellationToken: cancellationToken), registry, latest.DefinitionId);
        return DefinitionIntake.Same(shown, given);
    }

    /// <summary>A designer shows an empty canvas for what it does not know as a root, and then saves the empty canvas.</summary>
    private void RefuseRoot(WorkflowDefinition given, WorkflowDefinition? latest, bool lacksRoot)
    {
        if (latest is not null && lacksRoot)
            throw new InvalidDefinitionException("The definition has no 'root' activity. Nothing was stored, because all activities would be lost.");
        var root = given.Json.Member("root")!.Value;
        var type = root.Text("type") ?? throw new InvalidDefinitionException("The 'root' activity has no 'type'. Use Elsa.Flowchart or Elsa.Sequence.");
        if (type == "Elsa.Workflow")
            throw new InvalidDefinitionException("The 'root' is an Elsa.Workflow. It must be the activity that the workflow runs: use Elsa.Flowchart or Elsa.Sequence.");
        if (registry.Find(WorkflowReference.Of(root, type)) is null && latest?.Json.Member("root")?.Text("type") != type)
            throw new InvalidDefinitionException($"The 'root' activity has the type '{type}', which this host does not have. Create the workflow as a flowchart (Elsa.Flowchart) or a sequence (Elsa.Sequence).");
    }

    private static async Task RefuseRunningAsync(DefinitionTransaction transaction, string what, string definitionId, string? versionId)
    {
        var running = (await transaction.QueryAsync(
            """
            SELECT count(*) FROM wf.instances
            WHERE definition_id = $1 AND status = 'Running' AND ($2::text IS NULL OR definition_version_id = $2)
            """, [definitionId, versionId], r => r.GetInt64(0)))[0];
        if (running > 0)
            throw new RunningInstancesException(what, running);
    }

    private static NpgsqlBatchCommand Insert(
        WorkflowDefinition definition, string versionId, int version, string? sourceHash, string? actor = null,
        (string Id, long Base, string[] Hashes)? editor = null) => Sql.Batch(
        InsertSql, versionId, definition.DefinitionId, version, definition.Name, definition.ContentHash, sourceHash, JsonValue.Of(definition.Json),
        definition.Description, definition.ToolVersion, definition.IsReadonly, definition.IsSystem, definition.UsableAsActivity, actor,
        editor?.Id, (object?)editor?.Base ?? DBNull.Value, editor?.Hashes ?? []);

    /// <summary>Null for a draft that cannot be built yet; publishing it will say why.</summary>
    private async Task<ReadDefinition?> TryReadAsync(WorkflowDefinition definition, CancellationToken cancellationToken)
    {
        try
        {
            return await ReadAsync(definition, cancellationToken);
        }
        catch (InvalidDefinitionException)
        {
            return null;
        }
    }

    private static async Task WriteReferencesAsync(DefinitionTransaction transaction, WorkflowDefinition definition, ReadDefinition? read)
    {
        var rows = (read?.References ?? new Dictionary<string, WorkflowActivitySource>())
            .Select(r => (r.Key, Child: r.Value.DefinitionId, Version: (string?)r.Value.VersionId))
            .Concat((read?.Unresolved ?? []).Where(r => r.DefinitionId is not null).Select(r => (r.Key, Child: r.DefinitionId!, Version: (string?)null)))
            .DistinctBy(r => r.Key)
            .ToList();
        await transaction.ExecuteAsync(
            Sql.Batch("DELETE FROM wf.definition_references WHERE version_id = $1", definition.Id),
            Sql.Batch("""
                INSERT INTO wf.definition_references (version_id, reference, child_definition_id, child_version_id)
                SELECT $1, * FROM unnest($2::text[], $3::text[], $4::text[])
                """, definition.Id, rows.Select(r => r.Key).ToArray(), rows.Select(r => r.Child).ToArray(), rows.Select(r => r.Version).ToArray()));
    }

    private static async Task<WorkflowDefinition?> LatestAsync(DefinitionTransaction transaction, string definitionId) => (await transaction.QueryAsync(
        $"SELECT {Columns} FROM wf.definitions d WHERE definition_id = $1 AND is_latest", [definitionId], Read)).FirstOrDefault();

    /// <summary>Instances started since the draft was made; the definition's earlier ones run on other versions.</summary>
    private static async Task<bool> HasRunningAsync(DefinitionTransaction transaction, WorkflowDefinition draft) => (await transaction.QueryAsync(
        """
        SELECT EXISTS (SELECT FROM wf.instances WHERE definition_id = $1 AND created_at >= $2 AND definition_version_id = $3 AND status = 'Running')
        """, [draft.DefinitionId, draft.CreatedAt, draft.Id], r => r.GetBoolean(0)))[0];

    private static void RefuseReadonly(WorkflowDefinition definition)
    {
        if (definition.IsReadonly)
            throw new ReadonlyDefinitionException(definition.DefinitionId);
    }

    private static IEnumerable<NpgsqlBatchCommand> DeleteInstances(string column, string id)
    {
        foreach (var table in new[] { "messages", "bookmarks", "tasks", "activations", "history" })
            yield return Sql.Batch($"DELETE FROM wf.{table} WHERE instance_id IN (SELECT id FROM wf.instances WHERE {column} = $1)", id);
        yield return Sql.Batch($"DELETE FROM wf.instances WHERE {column} = $1", id);
    }

    /// <summary>What was cached of a definition is no longer true.</summary>
    private void Forget(WorkflowDefinition definition)
    {
        _published.Remove(definition.DefinitionId);
        if (!definition.WasPublished)
            _graphs.Remove(definition.Id);
        _refreshedAt = 0;
    }

    /// <param name="LacksRoot">The document came without a root; the definition has an empty one.</param>
    /// <param name="IsNew">The document came without a definition id: where that id exists, it is the same request once more.</param>
    private sealed record Intake(
        WorkflowDefinition Definition, DraftSave Save, DraftMark? Mark = null, bool LacksRoot = false, bool IsNew = false);
}
