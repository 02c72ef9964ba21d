using Aura.Workflows.Storage;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Npgsql;

namespace Aura.Workflows.Http;

/// <summary>
/// The paths at which workflows listen, read from the rows of triggers and bookmarks. The table only says which templates to ask
/// for; who listens there is read for each request, so an old table can miss a new path but never serve a removed one.
/// </summary>
internal sealed partial class HttpRoutes(
    NpgsqlDataSource dataSource, IInlineConstraintResolver constraints, TimeProvider time, IOptions<HttpWorkflowsOptions> options,
    ILogger<HttpRoutes> logger) : IDisposable
{
    // Jumps from path to path in the index: the cost grows with the paths, not with the instances that wait there.
    internal const string LoadSql = """
        WITH RECURSIVE waiting AS (
            (SELECT (payload->>'path') COLLATE "C" AS path FROM wf.bookmarks
             WHERE name = 'Elsa.HttpEndpoint' AND (payload->>'path') COLLATE "C" IS NOT NULL ORDER BY (payload->>'path') COLLATE "C" LIMIT 1)
            UNION ALL
            SELECT (SELECT (payload->>'path') COLLATE "C" FROM wf.bookmarks
                    WHERE name = 'Elsa.HttpEndpoint' AND (payload->>'path') COLLATE "C" > w.path ORDER BY (payload->>'path') COLLATE "C" LIMIT 1)
            FROM waiting w WHERE w.path IS NOT NULL
        )
        SELECT path FROM waiting WHERE path IS NOT NULL
        UNION SELECT payload->>'path' FROM wf.triggers WHERE name = 'Elsa.HttpEndpoint' AND payload->>'path' IS NOT NULL
        """;

    private readonly SemaphoreSlim _gate = new(1, 1);
    private Loaded _loaded = new(RouteTable.Empty, null);

    /// <summary>A table that is at most <see cref="HttpWorkflowsOptions.RouteStaleness"/> old.</summary>
    public ValueTask<RouteTable> CurrentAsync(CancellationToken cancellationToken)
    {
        var loaded = Volatile.Read(ref _loaded);
        return loaded.Stamp is { } stamp && time.GetElapsedTime(stamp) < options.Value.RouteStaleness
            ? new(loaded.Table)
            : new(SinceAsync(time.GetTimestamp(), cancellationToken));
    }

    /// <summary>A table that was read at this moment or later. Callers that come together share one reading.</summary>
    /// <param name="stamp">A timestamp of the time provider.</param>
    public async Task<RouteTable> SinceAsync(long stamp, CancellationToken cancellationToken)
    {
        await _gate.WaitAsync(cancellationToken);
        try
        {
            if (_loaded.Stamp >= stamp)
                return _loaded.Table;
            var started = time.GetTimestamp();
            var templates = await dataSource.QueryAsync(LoadSql, [], r => r.GetString(0), cancellationToken);
            var table = _loaded.Table.With(templates, constraints, (template, e) => LogInvalid(logger, e, template));
            Volatile.Write(ref _loaded, new(table, started));
            return table;
        }
        finally
        {
            _gate.Release();
        }
    }

    public void Dispose() => _gate.Dispose();

    [LoggerMessage(1200, LogLevel.Warning, "No request can reach the HTTP endpoint '{Template}': its path is not a route template.")]
    private static partial void LogInvalid(ILogger logger, Exception exception, string template);

    private sealed record Loaded(RouteTable Table, long? Stamp);
}
