using System.Text.Json;
using Aura.Workflows.Definitions;
using Aura.Workflows.Http;
using Aura.Workflows.Storage;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace Aura.Workflows.Runtime;

/// <summary>What became of one definition file at start-up.</summary>
public enum ImportOutcome
{
    Unchanged,
    Imported,

    /// <summary>The file changed, but so did the definition in the database: the latter was kept.</summary>
    KeptEdited,
}

/// <content>Publishing, retracting, importing files, and moving consumers to a new version.</content>
public sealed partial class DefinitionStore
{
    private const string RoutesSql = """
        SELECT t.payload, t.definition_id, d.name FROM wf.triggers t LEFT JOIN wf.definitions d ON d.version_id = t.version_id
        WHERE t.name = $1 AND t.definition_id <> $2 AND t.payload IS NOT NULL
        """;

    /// <summary>
    /// Publishes the latest version, with its triggers, in one transaction. When the definition asks for it, the workflows that use it
    /// are moved to the new version in the same transaction: published ones are published again, drafts are changed only.
    /// </summary>
    /// <param name="failOnValidationErrors">False publishes all the same; the errors are reported, and triggers with errors start nothing.</param>
    /// <param name="along">What goes along in the transaction when something changes.</param>
    /// <returns>Null when there is no such definition. With validation errors nothing was changed.</returns>
    /// <exception cref="ReadonlyDefinitionException">The definition is read-only.</exception>
    public async Task<PublishResult?> PublishAsync(
        string definitionId, bool failOnValidationErrors = true, string? actor = null, Func<DefinitionChange, NpgsqlBatchCommand>? along = null,
        CancellationToken cancellationToken = default)
    {
        if (await FindAsync(definitionId, VersionOptions.Latest, cancellationToken) is not { } seen)
            return null;
        // All locks at once, in one order: two that publish children of one consumer must not wait for each other.
        var consumers = seen.AutoUpdateConsumingWorkflows ? await FindConsumersAsync(definitionId, cancellationToken) : [];
        await using var transaction = await DefinitionTransaction.BeginAsync(dataSource, [definitionId, .. consumers], cancellationToken);
        if (await LatestAsync(transaction, definitionId) is not { } latest)
            return null;
        return await PublishAndCommitAsync(transaction, latest, consumers, failOnValidationErrors, actor, along, cancellationToken);
    }

    /// <summary>Publishes the latest version, moves the consumers that are locked with it, and commits, also what was done before.</summary>
    private async Task<PublishResult> PublishAndCommitAsync(
        DefinitionTransaction transaction, WorkflowDefinition latest, IReadOnlyList<string> consumers, bool failOnValidationErrors, string? actor,
        Func<DefinitionChange, NpgsqlBatchCommand>? along, CancellationToken cancellationToken)
    {
        if (latest.IsPublished)
            return new() { Definition = latest, AlreadyPublished = true };
        RefuseReadonly(latest);
        var (published, findings) = await PublishAsync(transaction, latest, [], failOnValidationErrors, actor, cancellationToken);
        var (errors, warnings) = (findings.Where(f => f.IsError).ToList(), findings.Where(f => !f.IsError).ToList());
        if (published is null)
        {
            await transaction.CommitAsync();
            Forget(latest);
            return new() { Definition = latest, ValidationErrors = errors, ValidationWarnings = warnings };
        }

        var changed = latest.AutoUpdateConsumingWorkflows
            ? await MoveConsumersAsync(transaction, published, consumers, actor, cancellationToken)
            : [];
        await transaction.RecordAsync(along, DefinitionAct.Publish, published, [.. changed.Select(c => c.DefinitionId)]);
        await transaction.CommitAsync();
        foreach (var definition in changed.Append(published))
            Forget(definition);
        await RefreshActivitiesAsync(cancellationToken, force: true);
        return new()
        {
            Definition = published,
            ValidationErrors = errors,
            ValidationWarnings = warnings,
            UpdatedConsumers = [.. changed.Select(c => c.DefinitionId)],
        };
    }

    /// <summary>Takes the published version out of service: it starts nothing any more. Running instances go on.</summary>
    /// <param name="along">What goes along in the transaction when something changes.</param>
    /// <returns>The retracted version, or null when none is published.</returns>
    /// <exception cref="ReadonlyDefinitionException">The definition is read-only.</exception>
    public async Task<WorkflowDefinition?> RetractAsync(
        string definitionId, Func<DefinitionChange, NpgsqlBatchCommand>? along = null, CancellationToken cancellationToken = default)
    {
        await using var transaction = await DefinitionTransaction.BeginAsync(dataSource, [definitionId], cancellationToken);
        var published = (await transaction.QueryAsync(
            $"SELECT {Columns} FROM wf.definitions d WHERE definition_id = $1 AND is_published", [definitionId], Read)).FirstOrDefault();
        if (published is null)
            return null;
        RefuseReadonly(published);
        await transaction.ExecuteAsync([.. RetractStatements(definitionId)]);
        await transaction.RecordAsync(along, DefinitionAct.Retract, published);
        await transaction.CommitAsync();
        Forget(published);
        return published with { IsPublished = false };
    }

    /// <summary>
    /// Moves every workflow that uses this one to its published version: published consumers are published again, drafts are changed only.
    /// </summary>
    /// <param name="along">What goes along in the transaction when something changes.</param>
    /// <returns>Definition ids of the consumers that changed; null when nothing is published.</returns>
    public async Task<IReadOnlyList<string>?> UpdateConsumersAsync(
        string definitionId, string? actor = null, Func<DefinitionChange, NpgsqlBatchCommand>? along = null,
        CancellationToken cancellationToken = default)
    {
        var consumers = await FindConsumersAsync(definitionId, cancellationToken);
        await using var transaction = await DefinitionTransaction.BeginAsync(dataSource, [definitionId, .. consumers], cancellationToken);
        var published = (await transaction.QueryAsync(
            $"SELECT {Columns} FROM wf.definitions d WHERE definition_id = $1 AND is_published", [definitionId], Read)).FirstOrDefault();
        if (published is null)
            return null;
        var changed = await MoveConsumersAsync(transaction, published, consumers, actor, cancellationToken);
        List<string> ids = [.. changed.Select(c => c.DefinitionId)];
        if (ids.Count > 0)
            await transaction.RecordAsync(along, DefinitionAct.UpdateReferences, published, ids);
        await transaction.CommitAsync();
        foreach (var definition in changed)
            Forget(definition);
        return ids;
    }

    /// <summary>Everything found in a definition, errors first. Only errors stand against publishing. Nothing is changed.</summary>
    public async Task<IReadOnlyList<DefinitionValidationError>> ValidateAsync(WorkflowDefinition definition, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(definition);
        var (read, triggers, findings) = await ExamineAsync(definition, [], cancellationToken);
        if (read is null)
            return findings.All;
        TakenRoute.Check(read, triggers, findings, await dataSource.QueryAsync(
            RoutesSql, [HttpEndpointPayload.StimulusName, definition.DefinitionId], RouteOf, cancellationToken));
        return findings.All;
    }

    /// <summary>
    /// Publishes a file's definition as a new version when its content is new. A definition that was edited in the
    /// database since its last import is kept, and the caller is told.
    /// </summary>
    /// <remarks>Faults that a person could put right (an unknown expression type, a trigger that fails) are logged; the rest still runs.</remarks>
    /// <exception cref="InvalidDefinitionException">The document cannot be built on this host; the message names the place.</exception>
    public async Task<ImportOutcome> ImportAsync(WorkflowDefinition definition, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(definition);
        _ = await ReadAsync(definition, cancellationToken);
        var hash = definition.ContentHash;
        // Hosts that start together import one after the other.
        await using var transaction = await DefinitionTransaction.BeginAsync(dataSource, [definition.DefinitionId], cancellationToken);
        var versions = await transaction.QueryAsync(
            "SELECT version, content_hash, source_hash FROM wf.definitions WHERE definition_id = $1 ORDER BY version DESC",
            [definition.DefinitionId], r => (Version: r.GetInt32(0), Content: r.GetString(1), Source: r.Text(2)));
        if (versions is [var latest, ..])
        {
            // A file that was imported before and edited away from since is not news; only the latest import counts as equal.
            if (latest.Content == hash)
                return ImportOutcome.Unchanged;
            if (latest.Source is null)
                return versions.Exists(v => v.Source == hash) ? ImportOutcome.Unchanged : ImportOutcome.KeptEdited;
        }

        var version = versions.Count == 0 ? 1 : versions[0].Version + 1;
        await transaction.ExecuteAsync(
            Sql.Batch("UPDATE wf.definitions SET is_latest = false WHERE definition_id = $1 AND is_latest", definition.DefinitionId),
            Insert(definition, WorkflowExecutionContext.NewId(), version, hash));
        var stored = (await LatestAsync(transaction, definition.DefinitionId))!;
        var (published, findings) = await PublishAsync(transaction, stored, [], failOnErrors: false, null, cancellationToken);
        await transaction.CommitAsync();
        foreach (var finding in findings)
            LogWarning(logger, definition.DefinitionId, stored.Version, finding.Message);
        Forget(published!);
        return ImportOutcome.Imported;
    }

    /// <returns>The published version, or null when errors stand against it; and all that was found.</returns>
    private async Task<(WorkflowDefinition? Published, IReadOnlyList<DefinitionValidationError> Findings)> PublishAsync(
        DefinitionTransaction transaction, WorkflowDefinition definition, IReadOnlyCollection<WorkflowDefinition> unpublished, bool failOnErrors,
        string? actor, CancellationToken cancellationToken)
    {
        var (read, triggers, findings) = await ExamineAsync(definition, unpublished, cancellationToken);
        if (read is null)
            return (null, findings.All);
        if (triggers.Any(t => t.Name == HttpEndpointPayload.StimulusName))
        {
            await transaction.LockRoutesAsync();
            TakenRoute.Check(read, triggers, findings, await transaction.QueryAsync(
                RoutesSql, [HttpEndpointPayload.StimulusName, definition.DefinitionId], RouteOf));
        }

        if (failOnErrors && findings.HasErrors)
            return (null, findings.All);

        await transaction.ExecuteAsync(
            Sql.Batch("UPDATE wf.definitions SET is_published = false WHERE definition_id = $1 AND is_published", definition.DefinitionId),
            Sql.Batch("""
                UPDATE wf.definitions SET is_published = true, published_at = coalesce(published_at, now()),
                    published_by = CASE WHEN published_at IS NULL THEN $2 ELSE published_by END
                WHERE version_id = $1
                """, definition.Id, actor));
        await WriteReferencesAsync(transaction, definition, read);
        var strategy = definition.Options.ActivationStrategy is var chosen && chosen == ActivationStrategy.Always ? null : chosen.ToString();
        // A row whose activity and stimulus are the same keeps its id.
        await transaction.ExecuteAsync(
            Sql.Batch("""
                DELETE FROM wf.triggers WHERE definition_id = $1
                AND (activity_id, hash) NOT IN (SELECT * FROM unnest($2::text[], $3::text[]))
                """, definition.DefinitionId, triggers.Select(t => t.ActivityId).ToArray(), triggers.Select(t => t.Hash).ToArray()),
            Sql.Batch("""
                INSERT INTO wf.triggers (id, definition_id, version_id, version, activity_id, name, hash, payload, activation_strategy)
                SELECT n.id, $1, $2, $3, n.activity_id, n.name, n.hash, n.payload::json, $9
                FROM unnest($4::text[], $5::text[], $6::text[], $7::text[], $8::text[]) n(id, activity_id, name, hash, payload)
                ON CONFLICT (definition_id, activity_id, hash) DO UPDATE SET
                    version_id = excluded.version_id, version = excluded.version, name = excluded.name, payload = excluded.payload,
                    activation_strategy = excluded.activation_strategy
                """, definition.DefinitionId, definition.Id, definition.Version, triggers.Select(_ => WorkflowExecutionContext.NewId()).ToArray(),
                triggers.Select(t => t.ActivityId).ToArray(), triggers.Select(t => t.Name).ToArray(), triggers.Select(t => t.Hash).ToArray(),
                triggers.Select(t => t.Payload.GetRawText()).ToArray(), strategy));
        var payloads = triggers.Select(t => (t.ActivityId, new TriggerPayload(t.Name, t.Payload))).ToList();
        await transaction.ExecuteAsync([.. effects.SelectMany(e => e.Published(definition, payloads))]);
        return (definition with
        {
            IsPublished = true,
            WasPublished = true,
            PublishedBy = definition.WasPublished ? definition.PublishedBy : actor,
            PublishedAt = definition.PublishedAt ?? time.GetUtcNow(),
        }, findings.All);
    }

    private Task<(ReadDefinition? Read, IReadOnlyList<TriggerRow> Triggers, ValidationFindings Findings)> ExamineAsync(
        WorkflowDefinition definition, IReadOnlyCollection<WorkflowDefinition> unpublished, CancellationToken cancellationToken) =>
        DefinitionValidator.ExamineAsync(
            () => ReadAsync(definition, unpublished, cancellationToken), expressionTypes, services, NotPublishedAsync, cancellationToken);

    /// <summary>Those of the definition ids of which no version is published.</summary>
    private async Task<IReadOnlyCollection<string>> NotPublishedAsync(IReadOnlyCollection<string> definitionIds, CancellationToken cancellationToken) =>
        await dataSource.QueryAsync(
            "SELECT id FROM unnest($1::text[]) id WHERE NOT EXISTS (SELECT FROM wf.definitions WHERE definition_id = id AND is_published)",
            [definitionIds.ToArray()], r => r.GetString(0), cancellationToken);

    private static TakenRoute RouteOf(NpgsqlDataReader row) => new(TakenRoute.RouteOf(row.Json(0)!.Value), row.GetString(1), row.Text(2));

    private IEnumerable<NpgsqlBatchCommand> RetractStatements(string definitionId) =>
    [
        Sql.Batch("UPDATE wf.definitions SET is_published = false WHERE definition_id = $1 AND is_published", definitionId),
        Sql.Batch("DELETE FROM wf.triggers WHERE definition_id = $1", definitionId),
        .. effects.SelectMany(e => e.Retracted(definitionId)),
    ];

    /// <summary>Children before those that use them, so that each consumer is written once, with all of its new references.</summary>
    private async Task<IReadOnlyList<WorkflowDefinition>> MoveConsumersAsync(
        DefinitionTransaction transaction, WorkflowDefinition published, IReadOnlyList<string> consumers, string? actor,
        CancellationToken cancellationToken)
    {
        var uses = (await transaction.QueryAsync(
            """
            SELECT DISTINCT d.definition_id, r.child_definition_id FROM wf.definition_references r JOIN wf.definitions d USING (version_id)
            WHERE d.is_latest AND d.definition_id = ANY($1)
            """, [consumers.ToArray()], r => (Consumer: r.GetString(0), Child: r.GetString(1)))).ToLookup(u => u.Consumer, u => u.Child, StringComparer.Ordinal);
        var moved = new List<WorkflowDefinition> { published };
        var changed = new List<WorkflowDefinition>();
        var todo = consumers.ToList();
        while (todo.Find(c => !uses[c].Any(todo.Contains)) is { } next)
        {
            todo.Remove(next);
            var latest = await LatestAsync(transaction, next);
            if (latest is null || latest.IsReadonly || !uses[next].Any(child => moved.Exists(m => m.DefinitionId == child)))
                continue;
            var read = await ReadAsync(latest, moved, cancellationToken);
            var document = DefinitionView.PointTo(latest.Json, read);
            var saved = await SaveAsync(transaction, new(WorkflowDefinition.Parse(document, next), new() { Actor = actor }), cancellationToken);
            // A version that was published names its children's versions in a table too: without a change in the text it stays as it is.
            if (saved.Id == latest.Id && saved.ContentHash == latest.ContentHash)
                continue;
            changed.Add(saved);
            if (!latest.IsPublished)
                continue;
            var (republished, findings) = await PublishAsync(transaction, saved, moved, failOnErrors: true, actor, cancellationToken);
            if (republished is null)
            {
                foreach (var error in findings.Where(f => f.IsError))
                    LogWarning(logger, next, saved.Version, $"was changed but not published: {error.Message}");
            }
            else
            {
                moved.Add(republished);
            }
        }

        return changed;
    }
}
