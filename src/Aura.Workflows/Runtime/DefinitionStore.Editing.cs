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
            description, tool_version, is_readonly, is_system, usable_as_activity)
        VALUES ($1, $2, $3, $4, true, false, $5, $6, $7, $8, $9, $10, $11, $12) ON CONFLICT (version_id) DO NOTHING
        """;

    /// <summary>
    /// Stores a document as the draft of its definition: in place when the latest version was never published and no instance runs
    /// on it, else as a new version. Without a definition id it is a new definition. Saving what is stored already changes nothing.
    /// </summary>
    /// <param name="document">An Elsa 3 definition; ids and flags of the version in it do not count.</param>
    /// <exception cref="InvalidDefinitionException">Not an object.</exception>
    /// <exception cref="ReadonlyDefinitionException">The stored definition is read-only.</exception>
    public async Task<WorkflowDefinition> SaveDraftAsync(JsonElement document, CancellationToken cancellationToken = default)
    {
        var definition = DefinitionView.ToStored(document);
        await using var transaction = await DefinitionTransaction.BeginAsync(dataSource, [definition.DefinitionId], cancellationToken);
        var saved = await SaveAsync(transaction, definition, null, cancellationToken);
        await transaction.CommitAsync();
        Forget(saved);
        return saved;
    }

    /// <summary>Makes an old version the draft again.</summary>
    /// <returns>The draft, or null when there is no such version.</returns>
    /// <exception cref="ReadonlyDefinitionException">The definition is read-only.</exception>
    public async Task<WorkflowDefinition?> RevertAsync(string definitionId, int version, CancellationToken cancellationToken = default)
    {
        await using var transaction = await DefinitionTransaction.BeginAsync(dataSource, [definitionId], cancellationToken);
        var old = (await transaction.QueryAsync(
            $"SELECT {Columns} FROM wf.definitions d WHERE definition_id = $1 AND version = $2", [definitionId, version], Read)).FirstOrDefault();
        if (old is null)
            return null;
        var saved = await SaveAsync(transaction, old, null, cancellationToken);
        await transaction.CommitAsync();
        Forget(saved);
        return saved;
    }

    /// <summary>Deletes all versions of a definition with their instances and triggers.</summary>
    /// <returns>False when there is no such definition.</returns>
    /// <exception cref="ReadonlyDefinitionException">The definition is read-only.</exception>
    public async Task<bool> DeleteAsync(string definitionId, CancellationToken cancellationToken = default)
    {
        await using var transaction = await DefinitionTransaction.BeginAsync(dataSource, [definitionId], cancellationToken);
        if (await LatestAsync(transaction, definitionId) is not { } latest)
            return false;
        RefuseReadonly(latest);
        await transaction.ExecuteAsync([.. DeleteInstances("definition_id", definitionId)]);
        await transaction.ExecuteAsync([.. RetractStatements(definitionId)]);
        await transaction.ExecuteAsync(Sql.Batch("DELETE FROM wf.definitions WHERE definition_id = $1", definitionId));
        await transaction.CommitAsync();
        Forget(latest);
        return true;
    }

    /// <summary>Deletes one version with its instances; when it was the latest, the one before it takes its place.</summary>
    /// <returns>False when there is no such version.</returns>
    /// <exception cref="ReadonlyDefinitionException">The definition is read-only.</exception>
    public async Task<bool> DeleteVersionAsync(string versionId, CancellationToken cancellationToken = default)
    {
        if (await FindVersionAsync(versionId, cancellationToken) is not { } found)
            return false;
        await using var transaction = await DefinitionTransaction.BeginAsync(dataSource, [found.DefinitionId], cancellationToken);
        // Read again under the lock: which version is published or the latest may have changed.
        var version = (await transaction.QueryAsync($"SELECT {Columns} FROM wf.definitions d WHERE version_id = $1", [versionId], Read)).FirstOrDefault();
        if (version is null)
            return false;
        RefuseReadonly(version);
        await transaction.ExecuteAsync([.. DeleteInstances("definition_version_id", versionId)]);
        if (version.IsPublished)
            await transaction.ExecuteAsync([.. RetractStatements(version.DefinitionId)]);
        await transaction.ExecuteAsync(
            Sql.Batch("DELETE FROM wf.definitions WHERE version_id = $1", versionId),
            Sql.Batch("""
                UPDATE wf.definitions SET is_latest = true
                WHERE definition_id = $1 AND version = (SELECT max(version) FROM wf.definitions WHERE definition_id = $1) AND NOT is_latest
                """, version.DefinitionId));
        await transaction.CommitAsync();
        Forget(version);
        return true;
    }

    private async Task<WorkflowDefinition> SaveAsync(
        DefinitionTransaction transaction, WorkflowDefinition definition, string? sourceHash, CancellationToken cancellationToken)
    {
        var latest = await LatestAsync(transaction, definition.DefinitionId);
        if (latest is not null)
            RefuseReadonly(latest);
        // Studio sends a save again when the answer got lost: it must not make another version.
        if (latest?.ContentHash == definition.ContentHash)
            return latest;

        var isNewVersion = latest is null || latest.WasPublished || await HasRunningAsync(transaction, latest);
        var versionId = latest is null ? definition.Id : isNewVersion ? WorkflowExecutionContext.NewId() : latest.Id;
        var version = latest is null ? 1 : isNewVersion ? latest.Version + 1 : latest.Version;
        if (isNewVersion)
        {
            await transaction.ExecuteAsync(Sql.Batch(
                "UPDATE wf.definitions SET is_latest = false WHERE definition_id = $1 AND is_latest", definition.DefinitionId));
            if (await transaction.ExecuteAsync(Insert(definition, versionId, version, sourceHash)) == 0)
                await transaction.ExecuteAsync(Insert(definition, versionId = WorkflowExecutionContext.NewId(), version, sourceHash));
        }
        else
        {
            await transaction.ExecuteAsync(Sql.Batch("""
                UPDATE wf.definitions SET name = $2, content_hash = $3, source_hash = $4, document = $5, description = $6, tool_version = $7,
                    is_readonly = $8, is_system = $9, usable_as_activity = $10 WHERE version_id = $1
                """, versionId, definition.Name, definition.ContentHash, sourceHash, JsonValue.Of(definition.Json), definition.Description,
                definition.ToolVersion, definition.IsReadonly, definition.IsSystem, definition.UsableAsActivity));
        }

        var saved = (await transaction.QueryAsync($"SELECT {Columns} FROM wf.definitions d WHERE version_id = $1", [versionId], Read))[0];
        await WriteReferencesAsync(transaction, saved, await TryReadAsync(saved, cancellationToken));
        return saved;
    }

    private static NpgsqlBatchCommand Insert(WorkflowDefinition definition, string versionId, int version, string? sourceHash) => Sql.Batch(
        InsertSql, versionId, definition.DefinitionId, version, definition.Name, definition.ContentHash, sourceHash, JsonValue.Of(definition.Json),
        definition.Description, definition.ToolVersion, definition.IsReadonly, definition.IsSystem, definition.UsableAsActivity);

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
}
