using System.Collections.Concurrent;
using System.Text.Json;
using Aura.Workflows.Activities;
using Aura.Workflows.Definitions;
using Aura.Workflows.Storage;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Npgsql;

namespace Aura.Workflows.Runtime;

/// <summary>
/// Definition versions: reading, listing, changing, publishing, and the cache of their graphs. Writer of <c>wf.definitions</c>,
/// <c>wf.definition_references</c> and <c>wf.triggers</c>.
/// </summary>
/// <remarks>A version that was published once never changes again: instances that run on it find what they left.</remarks>
public sealed partial class DefinitionStore(
    NpgsqlDataSource dataSource, ActivityRegistry registry, ExpressionTypes expressionTypes, TimeProvider time, IServiceProvider services,
    IEnumerable<IPublicationEffect> effects, IOptions<WorkflowsOptions> options, ILogger<DefinitionStore> logger)
{
    private static readonly TimeSpan CacheTime = TimeSpan.FromSeconds(1);

    private const string Columns = """
        version_id, definition_id, version, name, is_latest, is_published, created_at, published_at IS NOT NULL,
        CASE WHEN published_at IS NOT NULL THEN (SELECT json_object_agg(r.reference, r.child_version_id)
            FROM wf.definition_references r WHERE r.version_id = d.version_id AND r.child_version_id IS NOT NULL) END,
        document, revision, saved_by, saved_at, published_by, published_at, editor, editor_base, editor_hashes
        """;

    private readonly RecentCache<CachedGraph> _graphs = new(options.Value.MaxCachedGraphs);
    private readonly RecentCache<CachedPublished> _published = new(options.Value.MaxCachedGraphs);
    private readonly ConcurrentDictionary<string, Task<WorkflowGraph>> _loading = new(StringComparer.Ordinal);
    private readonly SemaphoreSlim _refreshing = new(1, 1);
    private long _refreshedAt;

    /// <summary>The published version, or null. Answers may be up to a second old.</summary>
    public async ValueTask<WorkflowDefinition?> FindPublishedAsync(string definitionId, CancellationToken cancellationToken = default)
    {
        var cached = _published.Find(definitionId);
        if (cached is not null && time.GetElapsedTime(cached.Stamp) < CacheTime)
            return cached.Definition;
        // One asks; the others take the old answer for this moment longer.
        if (cached is not null && Interlocked.Exchange(ref cached.Asked, 1) == 1)
            return cached.Definition;
        var stamp = time.GetTimestamp();
        // The document is read only when another version was published since.
        try
        {
            var versionId = (await dataSource.QueryAsync(
                "SELECT version_id FROM wf.definitions WHERE definition_id = $1 AND is_published", [definitionId], r => r.GetString(0), cancellationToken))
                .FirstOrDefault();
            var found = versionId == cached?.Definition?.Id ? cached?.Definition
                : versionId is null ? null : await FindVersionAsync(versionId, cancellationToken);
            _published.Set(definitionId, new(found, stamp));
            return found;
        }
        finally
        {
            if (cached is not null)
                Volatile.Write(ref cached.Asked, 0);
        }
    }

    /// <summary>The newest version that the options select, or null.</summary>
    public async Task<WorkflowDefinition?> FindAsync(string definitionId, VersionOptions version, CancellationToken cancellationToken = default)
    {
        var values = new List<object?> { definitionId };
        return (await dataSource.QueryAsync(
            $"SELECT {Columns} FROM wf.definitions d WHERE definition_id = $1 AND {version.Condition(Parameter(values))} ORDER BY version DESC LIMIT 1",
            [.. values], Read, cancellationToken)).FirstOrDefault();
    }

    /// <param name="versionId">The version's own id.</param>
    public async Task<WorkflowDefinition?> FindVersionAsync(string versionId, CancellationToken cancellationToken = default) =>
        (await FindVersionsAsync([versionId], cancellationToken)).FirstOrDefault();

    /// <summary>The versions with these ids; ids that do not exist are left out.</summary>
    public async Task<IReadOnlyList<WorkflowDefinition>> FindVersionsAsync(IReadOnlyCollection<string> versionIds, CancellationToken cancellationToken = default) =>
        await dataSource.QueryAsync(
            $"SELECT {Columns} FROM wf.definitions d WHERE version_id = ANY($1) ORDER BY definition_id, version", [versionIds.ToArray()], Read, cancellationToken);

    /// <summary>One page of versions. Documents are not read.</summary>
    /// <param name="page">0-based.</param>
    public async Task<Page<WorkflowDefinitionSummary>> ListAsync(
        DefinitionFilter filter, int page = 0, int pageSize = 50, DefinitionOrder order = DefinitionOrder.Created, bool descending = true,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(filter);
        ArgumentOutOfRangeException.ThrowIfNegative(page);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(pageSize);
        var (countSql, pageSql, values) = ListSql(filter, page, pageSize, order, descending);
        var total = (await dataSource.QueryAsync(countSql, [.. values.SkipLast(2)], r => r.GetInt64(0), cancellationToken))[0];
        var items = await dataSource.QueryAsync(
            pageSql, values, r => new WorkflowDefinitionSummary
            {
                Id = r.GetString(0),
                DefinitionId = r.GetString(1),
                Name = r.Text(2),
                Description = r.Text(3),
                Version = r.GetInt32(4),
                ToolVersion = r.Text(5),
                IsLatest = r.GetBoolean(6),
                IsPublished = r.GetBoolean(7),
                CreatedAt = r.GetFieldValue<DateTimeOffset>(8),
                IsReadonly = r.GetBoolean(9),
                SavedBy = r.Text(10),
                SavedAt = r.GetFieldValue<DateTimeOffset>(11),
                PublishedBy = r.Text(12),
                PublishedAt = r.IsDBNull(13) ? null : r.GetFieldValue<DateTimeOffset>(13),
            }, cancellationToken);
        return new(items, total);
    }

    /// <summary>
    /// The count and the page, apart: a window over all rows would read all of them for every page. The last two values are the page's own.
    /// </summary>
    internal static (string Count, string Page, object?[] Values) ListSql(
        DefinitionFilter filter, int page, int pageSize, DefinitionOrder order, bool descending)
    {
        var values = new List<object?>();
        var where = Where(filter, Parameter(values));
        var column = order switch { DefinitionOrder.Name => "lower(name)", DefinitionOrder.Version => "version", _ => "created_at" };
        var direction = descending ? "DESC" : "ASC";
        return (
            $"SELECT count(*) FROM wf.definitions WHERE {where}",
            $"""
            SELECT version_id, definition_id, name, description, version, tool_version, is_latest, is_published, created_at, is_readonly,
                saved_by, saved_at, published_by, published_at
            FROM wf.definitions WHERE {where}
            ORDER BY {column} {direction}, version_id {direction} LIMIT {Parameter(values)(pageSize)} OFFSET {Parameter(values)((long)page * pageSize)}
            """,
            [.. values]);
    }

    /// <summary>False when another definition's latest version has that name.</summary>
    public async Task<bool> IsNameUniqueAsync(string name, string? definitionId = null, CancellationToken cancellationToken = default) =>
        !(await dataSource.QueryAsync(
            "SELECT EXISTS (SELECT FROM wf.definitions WHERE lower(name) = lower($1) AND is_latest AND definition_id IS DISTINCT FROM $2)",
            [name, definitionId], r => r.GetBoolean(0), cancellationToken))[0];

    /// <summary>The definitions whose latest or published version uses this one as an activity, directly and through others.</summary>
    public async Task<IReadOnlyList<string>> FindConsumersAsync(string definitionId, CancellationToken cancellationToken = default) =>
        await dataSource.QueryAsync(ConsumersSql, [definitionId], r => r.GetString(0), cancellationToken);

    /// <summary>The activities of a version as they run, workflows used as activities included.</summary>
    /// <exception cref="InvalidDefinitionException">No such version, or its document cannot be read.</exception>
    public async ValueTask<WorkflowGraph> GraphAsync(string versionId, CancellationToken cancellationToken = default)
    {
        var cached = _graphs.Find(versionId);
        if (cached is { DraftText: null, Generation: null })
            return cached.Graph;
        if (cached is { DraftText: null })
        {
            // It holds activities of unknown types: a workflow that was published since may be one of them.
            await RefreshActivitiesAsync(cancellationToken);
            if (ReferenceEquals(cached.Generation, registry.Workflows))
                return cached.Graph;
        }

        // A host that starts finds many instances of one version at once: one of them reads it for all.
        var mine = new TaskCompletionSource<WorkflowGraph>(TaskCreationOptions.RunContinuationsAsynchronously);
        var loading = _loading.GetOrAdd(versionId, mine.Task);
        if (loading == mine.Task)
        {
            try
            {
                mine.SetResult(await LoadGraphAsync(versionId));
            }
            // Whatever keeps it from being read, all that wait for it must hear it.
            catch (Exception e)
            {
                mine.SetException(e);
            }

            _loading.TryRemove(new(versionId, loading));
        }

        return await loading.WaitAsync(cancellationToken);
    }

    private async Task<WorkflowGraph> LoadGraphAsync(string versionId)
    {
        var cached = _graphs.Find(versionId);
        var definition = await FindVersionAsync(versionId)
            ?? throw new InvalidDefinitionException($"There is no definition version '{versionId}'.");
        // A draft is read again each time that its text may be another.
        var text = definition.Json.GetRawText();
        if (cached?.DraftText == text && cached.Generation is null)
            return cached.Graph;
        var read = await ReadAsync(definition, CancellationToken.None);
        _graphs.Set(versionId, new(read.Graph, definition.WasPublished ? null : text, read.HasUnknownTypes ? registry.Workflows : null));
        return read.Graph;
    }

    /// <summary>A version's document as Studio reads it: with ids, node ids and flags, unknown activities as placeholders.</summary>
    /// <param name="editor">Names the editor that opens it: the document then carries a <see cref="DraftMark"/>.</param>
    public async Task<JsonElement> ViewAsync(WorkflowDefinition definition, string? editor = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(definition);
        ReadDefinition? read = null;
        try
        {
            read = await ReadAsync(definition, cancellationToken);
        }
        catch (InvalidDefinitionException e)
        {
            // A draft may be wrong: it is shown all the same, so that a person can put it right.
            LogUnreadable(logger, definition.DefinitionId, definition.Version, e.Message);
        }

        return DefinitionView.Of(definition, read, registry, editor);
    }

    /// <summary>Versions as files to hand on; read back by <see cref="SaveDraftAsync"/> or by an import at start.</summary>
    /// <param name="includeConsumingWorkflows">Also the latest versions of all workflows that use them.</param>
    public async Task<IReadOnlyList<ExportedDefinition>> ExportAsync(
        IReadOnlyCollection<string> versionIds, bool includeConsumingWorkflows = false, CancellationToken cancellationToken = default)
    {
        var definitions = (await FindVersionsAsync(versionIds, cancellationToken)).ToList();
        foreach (var id in includeConsumingWorkflows ? definitions.Select(d => d.DefinitionId).Distinct().ToList() : [])
        {
            foreach (var consumer in await FindConsumersAsync(id, cancellationToken))
            {
                if (!definitions.Exists(d => d.DefinitionId == consumer) && await FindAsync(consumer, VersionOptions.Latest, cancellationToken) is { } found)
                    definitions.Add(found);
            }
        }

        var names = definitions.GroupBy(FileNameOf, StringComparer.Ordinal).Where(g => g.Count() > 1).Select(g => g.Key).ToHashSet(StringComparer.Ordinal);
        return [.. definitions.Select(d => new ExportedDefinition(
            (names.Contains(FileNameOf(d)) ? $"{FileNameOf(d)}-{d.DefinitionId}" : FileNameOf(d)) + ".json", DefinitionFile.WriteVersion(d)))];
    }

    private static string FileNameOf(WorkflowDefinition definition)
    {
        var name = string.IsNullOrWhiteSpace(definition.Name) ? definition.DefinitionId : definition.Name.Trim();
        var text = string.Concat(name.Take(80).Select(c => char.IsAsciiLetterOrDigit(c) ? char.ToLowerInvariant(c) : '-'));
        return $"{text}-v{definition.Version}";
    }

    /// <summary>Every activity type that a designer may meet, with the published workflows that are usable as activities.</summary>
    public async Task<IReadOnlyList<ActivityDescriptor>> ListActivitiesAsync(CancellationToken cancellationToken = default)
    {
        await RefreshActivitiesAsync(cancellationToken);
        return [.. registry.Descriptors];
    }

    /// <summary>Another number each time that <see cref="ListActivitiesAsync"/> may give something else. One small query at most.</summary>
    /// <param name="refresh">What was published on any host until now counts; else what was published a second ago.</param>
    public async Task<long> ActivitiesVersionAsync(bool refresh = false, CancellationToken cancellationToken = default)
    {
        await RefreshActivitiesAsync(cancellationToken, refresh);
        return registry.Version;
    }

    /// <summary>What scripts of a definition see, as TypeScript declarations for an editor.</summary>
    /// <param name="activityTypeName">The activity whose script is edited; null for any.</param>
    public async Task<string> DeclareScriptsAsync(
        WorkflowDefinition definition, string? activityTypeName = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(definition);
        ReadDefinition? read = null;
        try
        {
            read = await ReadAsync(definition, cancellationToken);
        }
        catch (InvalidDefinitionException)
        {
            // A draft may be wrong: what every script sees can be told all the same.
        }

        return Expressions.JavaScript.ScriptDeclarations.Of(definition, read, activityTypeName);
    }

    /// <summary>The version's own id, or null when the definition has no such version.</summary>
    internal async Task<string?> FindVersionIdAsync(string definitionId, int version, CancellationToken cancellationToken) => (await dataSource.QueryAsync(
        "SELECT version_id FROM wf.definitions WHERE definition_id = $1 AND version = $2", [definitionId, version], r => r.GetString(0), cancellationToken))
        .FirstOrDefault();

    /// <summary>Reads a definition together with all workflows that it uses.</summary>
    internal Task<ReadDefinition> ReadAsync(WorkflowDefinition definition, CancellationToken cancellationToken) =>
        ReadAsync(definition, [], cancellationToken);

    private async Task<ReadDefinition> ReadAsync(
        WorkflowDefinition definition, IReadOnlyCollection<WorkflowDefinition> unpublished, CancellationToken cancellationToken)
    {
        await RefreshActivitiesAsync(cancellationToken);
        var loaded = unpublished.ToDictionary(d => d.Id, StringComparer.Ordinal);
        while (true)
        {
            var read = new ActivityReader(registry, loaded, [.. unpublished]).Read(definition);
            var missing = read.Unloaded.Where(id => !loaded.ContainsKey(id)).ToList();
            foreach (var warning in read.Warnings)
                LogWarning(logger, definition.DefinitionId, definition.Version, warning);
            if (missing.Count == 0)
                return read;
            // Each round may find further workflows inside those that it was given.
            var found = await FindVersionsAsync(missing, cancellationToken);
            foreach (var used in found)
                loaded[used.Id] = used;
            if (found.Count < missing.Count)
                throw new InvalidDefinitionException(
                    $"Workflow '{definition.DefinitionId}' uses version '{missing.First(id => !loaded.ContainsKey(id))}' of a workflow, which was deleted. Publish it again to use another.");
        }
    }

    /// <summary>Brings the registry's workflows up to date with what any host has published; at most once a second.</summary>
    private async Task RefreshActivitiesAsync(CancellationToken cancellationToken, bool force = false)
    {
        if (!force && _refreshedAt != 0 && time.GetElapsedTime(_refreshedAt) < CacheTime)
            return;
        await _refreshing.WaitAsync(cancellationToken);
        try
        {
            if (!force && _refreshedAt != 0 && time.GetElapsedTime(_refreshedAt) < CacheTime)
                return;
            var stamp = time.GetTimestamp();
            var known = registry.Workflows;
            var now = await dataSource.QueryAsync(
                "SELECT version_id, is_published FROM wf.definitions WHERE usable_as_activity AND published_at IS NOT NULL",
                [], r => (Id: r.GetString(0), IsPublished: r.GetBoolean(1)), cancellationToken);
            if (now.Count != known.Count || now.Exists(v => !known.TryGetValue(v.Id, out var source) || source.IsPublished != v.IsPublished))
            {
                var news = (await FindVersionsAsync([.. now.Select(v => v.Id).Where(id => !known.ContainsKey(id))], cancellationToken))
                    .ToDictionary(d => d.Id, WorkflowActivitySource.Of, StringComparer.Ordinal);
                registry.SetWorkflows(now
                    .Select(v => known.GetValueOrDefault(v.Id) ?? news.GetValueOrDefault(v.Id))
                    .OfType<WorkflowActivitySource>()
                    .Join(now, s => s.VersionId, v => v.Id, (s, v) => s with { IsPublished = v.IsPublished }));
            }

            _refreshedAt = stamp;
        }
        finally
        {
            _refreshing.Release();
        }
    }

    private static Func<object, string> Parameter(List<object?> values) => value =>
    {
        values.Add(value);
        return $"${values.Count}";
    };

    private static string Where(DefinitionFilter filter, Func<object, string> parameter)
    {
        var conditions = new List<string> { filter.VersionOptions.Condition(parameter) };
        if (filter.Ids is { Count: > 0 } ids)
            conditions.Add($"version_id = ANY({parameter(ids.ToArray())})");
        if (filter.DefinitionIds is { Count: > 0 } definitionIds)
            conditions.Add($"definition_id = ANY({parameter(definitionIds.ToArray())})");
        if (!string.IsNullOrEmpty(filter.Name))
            conditions.Add($"lower(name) = lower({parameter(filter.Name)})");
        if (filter.IsSystem is { } isSystem)
            conditions.Add($"is_system = {parameter(isSystem)}");
        if (filter.IsReadonly is { } isReadonly)
            conditions.Add($"is_readonly = {parameter(isReadonly)}");
        if (filter.UsableAsActivity is { } usable)
            conditions.Add($"usable_as_activity = {parameter(usable)}");
        if (!string.IsNullOrWhiteSpace(filter.SearchTerm))
        {
            var term = parameter(filter.SearchTerm.Trim());
            conditions.Add($"""
                (strpos(lower(name), lower({term})) > 0 OR strpos(lower(description), lower({term})) > 0
                 OR strpos(definition_id, {term}) > 0 OR version_id = {term})
                """);
        }

        return string.Join(" AND ", conditions);
    }

    private static WorkflowDefinition Read(NpgsqlDataReader reader) => new()
    {
        Id = reader.GetString(0),
        DefinitionId = reader.GetString(1),
        Version = reader.GetInt32(2),
        Name = reader.Text(3),
        IsLatest = reader.GetBoolean(4),
        IsPublished = reader.GetBoolean(5),
        CreatedAt = reader.GetFieldValue<DateTimeOffset>(6),
        WasPublished = reader.GetBoolean(7),
        References = reader.IsDBNull(8) ? new Dictionary<string, string>() : JsonSerializer.Deserialize<Dictionary<string, string>>(reader.GetString(8))!,
        Json = reader.Json(9)!.Value,
        Revision = reader.GetInt64(10),
        SavedBy = reader.Text(11),
        SavedAt = reader.GetFieldValue<DateTimeOffset>(12),
        PublishedBy = reader.Text(13),
        PublishedAt = reader.IsDBNull(14) ? null : reader.GetFieldValue<DateTimeOffset>(14),
        Editor = reader.IsDBNull(15) ? null : (reader.GetString(15), reader.GetInt64(16), reader.GetFieldValue<string[]>(17)),
    };

    [LoggerMessage(1140, LogLevel.Warning, "Definition {Definition} version {Version}: {Warning}")]
    private static partial void LogWarning(ILogger logger, string definition, int version, string warning);

    [LoggerMessage(1141, LogLevel.Warning, "Definition {Definition} version {Version} cannot be built: {Reason}")]
    private static partial void LogUnreadable(ILogger logger, string definition, int version, string reason);

    /// <param name="DraftText">The document that was read; null for versions that cannot change.</param>
    /// <param name="Generation">The registry's workflows when it was read; null when they do not matter.</param>
    private sealed record CachedGraph(WorkflowGraph Graph, string? DraftText, object? Generation);

    private sealed record CachedPublished(WorkflowDefinition? Definition, long Stamp)
    {
        public int Asked;
    }
}
