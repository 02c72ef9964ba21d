using System.Collections.Concurrent;
using Aura.Workflows.Definitions;
using Aura.Workflows.Storage;
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

/// <summary>Definition versions: reading, importing files, and the cache of their graphs. Writer of <c>wf.definitions</c>.</summary>
public sealed class DefinitionStore(NpgsqlDataSource dataSource, ActivityRegistry registry, TimeProvider time)
{
    // A version never changes once published, so a graph may stay for ever; which version is published is asked again.
    private static readonly TimeSpan PublishedCacheTime = TimeSpan.FromSeconds(1);
    private readonly ConcurrentDictionary<string, WorkflowGraph> _graphs = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, (WorkflowDefinition? Definition, long Stamp)> _published = new(StringComparer.Ordinal);

    private const string Columns = "version_id, definition_id, version, name, is_latest, is_published, document";

    /// <summary>The published version, or null. Answers may be up to a second old.</summary>
    public async ValueTask<WorkflowDefinition?> FindPublishedAsync(string definitionId, CancellationToken cancellationToken = default)
    {
        if (_published.TryGetValue(definitionId, out var cached) && time.GetElapsedTime(cached.Stamp) < PublishedCacheTime)
            return cached.Definition;
        var found = (await dataSource.QueryAsync(
            $"SELECT {Columns} FROM wf.definitions WHERE definition_id = $1 AND is_published", [definitionId], Read, cancellationToken)).FirstOrDefault();
        _published[definitionId] = (found, time.GetTimestamp());
        return found;
    }

    /// <exception cref="InvalidDefinitionException">No such version, or its document cannot be read.</exception>
    internal async ValueTask<WorkflowGraph> GraphAsync(string versionId, CancellationToken cancellationToken = default)
    {
        if (_graphs.TryGetValue(versionId, out var graph))
            return graph;
        var definition = (await dataSource.QueryAsync(
            $"SELECT {Columns} FROM wf.definitions WHERE version_id = $1", [versionId], Read, cancellationToken)).FirstOrDefault()
            ?? throw new InvalidDefinitionException($"There is no definition version '{versionId}'.");
        return _graphs.GetOrAdd(versionId, new ActivityReader(registry).Read(definition));
    }

    /// <summary>The version's own id, or null when the definition has no such version.</summary>
    internal async Task<string?> FindVersionIdAsync(string definitionId, int version, CancellationToken cancellationToken) => (await dataSource.QueryAsync(
        "SELECT version_id FROM wf.definitions WHERE definition_id = $1 AND version = $2", [definitionId, version], r => r.GetString(0), cancellationToken))
        .FirstOrDefault();

    /// <summary>Checks that a definition can be built on this host.</summary>
    /// <exception cref="InvalidDefinitionException">It cannot; the message names the place.</exception>
    public void Check(WorkflowDefinition definition) => _ = new ActivityReader(registry).Read(definition);

    /// <summary>
    /// Publishes a file's definition as a new version when its content is new. A definition that was edited in the
    /// database since its last import is kept, and the caller is told.
    /// </summary>
    /// <exception cref="InvalidDefinitionException">The document cannot be read.</exception>
    public async Task<ImportOutcome> ImportAsync(WorkflowDefinition definition, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(definition);
        Check(definition);
        var hash = definition.ContentHash;
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        // Hosts that start together import one after the other.
        await using var command = new NpgsqlCommand("SELECT pg_advisory_xact_lock(987654301, hashtext($1))", connection, transaction);
        command.Parameters.Add(new() { Value = definition.DefinitionId });
        await command.ExecuteNonQueryAsync(cancellationToken);

        command.CommandText = "SELECT version, content_hash, source_hash FROM wf.definitions WHERE definition_id = $1 ORDER BY version DESC";
        var latestVersion = 0;
        string? latestHash = null;
        var isLatestFromFile = true;
        var known = new HashSet<string>(StringComparer.Ordinal);
        await using (var reader = await command.ExecuteReaderAsync(cancellationToken))
        {
            while (await reader.ReadAsync(cancellationToken))
            {
                if (latestVersion == 0)
                {
                    latestVersion = reader.GetInt32(0);
                    latestHash = reader.GetString(1);
                    isLatestFromFile = reader.Text(2) is not null;
                }

                if (reader.Text(2) is { } source)
                    known.Add(source);
            }
        }

        // A file that was imported before and edited away from since is not news; only the latest import counts as equal.
        if (latestHash == hash)
            return ImportOutcome.Unchanged;
        if (!isLatestFromFile)
            return known.Contains(hash) ? ImportOutcome.Unchanged : ImportOutcome.KeptEdited;

        var batch = new NpgsqlBatch(connection, transaction)
        {
            BatchCommands =
            {
                Sql.Batch("UPDATE wf.definitions SET is_latest = false, is_published = false WHERE definition_id = $1", definition.DefinitionId),
                Sql.Batch("""
                    INSERT INTO wf.definitions (version_id, definition_id, version, name, is_latest, is_published, content_hash, source_hash, document)
                    VALUES ($1, $2, $3, $4, true, true, $5, $5, $6)
                    """, WorkflowExecutionContext.NewId(), definition.DefinitionId, latestVersion + 1, definition.Name, hash, JsonValue.Of(definition.Json)),
            },
        };
        await batch.ExecuteNonQueryAsync(cancellationToken);
        await transaction.CommitAsync(cancellationToken);
        _published.TryRemove(definition.DefinitionId, out _);
        return ImportOutcome.Imported;
    }

    private static WorkflowDefinition Read(NpgsqlDataReader reader) => new()
    {
        Id = reader.GetString(0),
        DefinitionId = reader.GetString(1),
        Version = reader.GetInt32(2),
        Name = reader.Text(3),
        IsLatest = reader.GetBoolean(4),
        IsPublished = reader.GetBoolean(5),
        Json = reader.Json(6)!.Value,
    };
}
