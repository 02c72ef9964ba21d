using System.Text.Json;
using Aura.Workflows.Definitions;
using Aura.Workflows.Storage;
using Npgsql;

namespace Aura.Workflows.Runtime;

/// <summary>How the database stands to a definition, for those who keep definitions as files. Hashes are <see cref="WorkflowDefinition.ContentHash"/>.</summary>
public sealed record DefinitionStanding
{
    public required string DefinitionId { get; init; }
    public string? Name { get; init; }
    public required int LatestVersion { get; init; }
    public required string LatestHash { get; init; }

    /// <summary>True when the latest version was written in the database (a designer, the API) and not by importing a file.</summary>
    public required bool IsEdited { get; init; }

    public int? PublishedVersion { get; init; }
    public string? PublishedHash { get; init; }

    /// <summary>Of the hashes that were asked for, those that a version has, with the newest such version.</summary>
    public IReadOnlyDictionary<string, int> Known { get; init; } = new Dictionary<string, int>();
}

/// <summary>What became of a file that a person imports.</summary>
public enum FileOutcome
{
    Unchanged,
    Draft,
    Published,

    /// <summary>The database holds an edit that the file does not know; nothing was changed.</summary>
    Conflict,

    /// <summary>Errors stand against publishing it; nothing was changed, unless <see cref="FileImport.Version"/> says otherwise.</summary>
    Refused,
}

/// <param name="Version">The version that holds the file's content now; null when none does.</param>
/// <param name="Conflict">What stands against it, and what to do; null when nothing does.</param>
public sealed record FileImport(FileOutcome Outcome, int? Version, string? Conflict, IReadOnlyList<DefinitionValidationError> Findings);

/// <content>Definitions that are kept as files too.</content>
public sealed partial class DefinitionStore
{
    /// <summary>All definitions by id, each with how it stands. Documents are not read.</summary>
    /// <param name="hashes">Contents of files, to be told which versions have them.</param>
    public async Task<IReadOnlyList<DefinitionStanding>> ListStandingsAsync(IReadOnlyCollection<string> hashes, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(hashes);
        var rows = await dataSource.QueryAsync(
            """
            SELECT definition_id, name, version, is_latest, is_published, content_hash, source_hash IS NULL FROM wf.definitions
            WHERE is_latest OR is_published OR content_hash = ANY($1) ORDER BY definition_id, version
            """, [hashes.ToArray()],
            r => (Id: r.GetString(0), Name: r.Text(1), Version: r.GetInt32(2), IsLatest: r.GetBoolean(3), IsPublished: r.GetBoolean(4),
                Hash: r.GetString(5), IsEdited: r.GetBoolean(6)), cancellationToken);
        var standings = new List<DefinitionStanding>();
        foreach (var versions in rows.GroupBy(r => r.Id, StringComparer.Ordinal).Where(g => g.Any(v => v.IsLatest)))
        {
            var latest = versions.Single(v => v.IsLatest);
            var published = versions.Where(v => v.IsPublished).ToList();
            standings.Add(new()
            {
                DefinitionId = latest.Id,
                Name = latest.Name,
                LatestVersion = latest.Version,
                LatestHash = latest.Hash,
                IsEdited = latest.IsEdited,
                PublishedVersion = published.Count > 0 ? published[0].Version : null,
                PublishedHash = published.Count > 0 ? published[0].Hash : null,
                Known = versions.Where(v => hashes.Contains(v.Hash)).GroupBy(v => v.Hash).ToDictionary(g => g.Key, g => g.Max(v => v.Version)),
            });
        }

        return standings;
    }

    /// <summary>
    /// Stores a file's definition as a draft, or publishes it, in one transaction. Unlike the import at start it is asked for by a person:
    /// conflicts and errors are told and change nothing. A draft that it replaces stays in the history.
    /// </summary>
    /// <param name="seen">The content of the latest version that the person has seen; when it is still that one, there is no conflict.</param>
    /// <param name="force">Imports over an edit in the database all the same.</param>
    /// <param name="along">What goes along in the transaction when something changes.</param>
    /// <exception cref="InvalidDefinitionException">It is no definition that could be kept.</exception>
    /// <exception cref="ReadonlyDefinitionException">The stored definition is read-only.</exception>
    public async Task<FileImport> ImportFileAsync(
        JsonElement document, bool publish, string? seen = null, bool force = false, string? actor = null,
        Func<DefinitionChange, NpgsqlBatchCommand>? along = null, CancellationToken cancellationToken = default)
    {
        var intake = await TakeInAsync(document, new() { Actor = actor, Source = DraftSource.File, Along = along, Act = DefinitionAct.Import }, cancellationToken);
        var definition = intake.Definition;
        var findings = publish ? await ValidateAsync(definition, cancellationToken) : [];
        if (findings.Any(f => f.IsError))
            return new(FileOutcome.Refused, null, null, findings);

        var hash = definition.ContentHash;
        var consumers = publish && definition.AutoUpdateConsumingWorkflows ? await FindConsumersAsync(definition.DefinitionId, cancellationToken) : [];
        await using var transaction = await DefinitionTransaction.BeginAsync(dataSource, [definition.DefinitionId, .. consumers], cancellationToken);
        var latest = (await transaction.QueryAsync(
            "SELECT version, content_hash, source_hash IS NULL, is_published FROM wf.definitions WHERE definition_id = $1 AND is_latest",
            [definition.DefinitionId],
            r => new { Version = r.GetInt32(0), Hash = r.GetString(1), IsEdited = r.GetBoolean(2), IsPublished = r.GetBoolean(3) }))
            .FirstOrDefault();
        if (latest?.Hash == hash && (latest.IsPublished || !publish))
            return new(FileOutcome.Unchanged, latest.Version, null, findings);
        if (latest is not null && !force && latest.Hash != hash && latest.Hash != seen)
        {
            var older = await transaction.QueryAsync(
                "SELECT max(version) FROM wf.definitions WHERE definition_id = $1 AND content_hash = $2 HAVING max(version) IS NOT NULL",
                [definition.DefinitionId, hash], r => r.GetInt32(0));
            if (latest.IsEdited || older.Count > 0)
                return new(FileOutcome.Conflict, null, ConflictOf(latest.Version, older), findings);
        }

        var saved = await SaveAsync(transaction, intake, cancellationToken);
        // Saving what is stored already leaves the row as it is; from now on a file holds it all the same.
        await transaction.ExecuteAsync(Sql.Batch("UPDATE wf.definitions SET source_hash = $2 WHERE version_id = $1", saved.Id, hash));
        if (!publish)
        {
            await transaction.CommitAsync();
            Forget(saved);
            return new(FileOutcome.Draft, saved.Version, null, findings);
        }

        var result = await PublishAndCommitAsync(transaction, saved, consumers, failOnValidationErrors: true, actor, along, cancellationToken);
        // What was published meanwhile can have taken a route.
        return result.ValidationErrors.Count > 0
            ? new(FileOutcome.Refused, saved.Version, null, [.. result.ValidationErrors, .. result.ValidationWarnings])
            : new(FileOutcome.Published, result.Definition.Version, null, findings);
    }

    private static string ConflictOf(int latest, List<int> older) => older.Count > 0
        ? $"The file holds what version {older[0]} held; the database has gone on to version {latest}. "
            + $"Export version {latest} into the file, or import the old content again with --force."
        : $"Version {latest} was edited in the database since a file was imported. Compare the two (workflows diff), then export the edit into the file, "
            + $"or import the file with --force: version {latest} is kept, the file becomes the next one.";
}
