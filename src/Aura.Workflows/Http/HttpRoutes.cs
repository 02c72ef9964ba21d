using Aura.Workflows.Storage;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Npgsql;

namespace Aura.Workflows.Http;

/// <summary>The templates to ask for, and the state of the published triggers that they were read with.</summary>
internal sealed record Routes(RouteTable Table, string Generation);

/// <summary>
/// The paths at which workflows listen, read from the rows of triggers and bookmarks. The table only says which templates to ask
/// for; who listens there is read for each request, so an old table can miss a new path but never serve a removed one. A request that
/// might have missed a better path compares generations: what any host has published counts from the next request on, on every host.
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
        SELECT path, NULL FROM waiting WHERE path IS NOT NULL
        UNION SELECT payload->>'path', NULL FROM wf.triggers WHERE name = 'Elsa.HttpEndpoint' AND payload->>'path' IS NOT NULL
        UNION ALL SELECT NULL, 
        """ + GenerationSql;

    /// <summary>Changes with each trigger that comes or goes; one that is published again unchanged keeps its id.</summary>
    internal const string GenerationSql =
        "(SELECT count(*) || '/' || coalesce(sum(hashtextextended(id, 0)), 0) FROM wf.triggers WHERE name = 'Elsa.HttpEndpoint')";

    private readonly SemaphoreSlim _gate = new(1, 1);
    private Loaded _loaded = new(new(RouteTable.Empty, ""), null);

    /// <summary>A table that is at most <see cref="HttpWorkflowsOptions.RouteStaleness"/> old.</summary>
    public ValueTask<Routes> CurrentAsync(CancellationToken cancellationToken)
    {
        var loaded = Volatile.Read(ref _loaded);
        return loaded.Stamp is { } stamp && time.GetElapsedTime(stamp) < options.Value.RouteStaleness
            ? new(loaded.Routes)
            : new(SinceAsync(time.GetTimestamp(), cancellationToken));
    }

    /// <summary>A table that was read at this moment or later. Callers that come together share one reading.</summary>
    /// <param name="stamp">A timestamp of the time provider.</param>
    public async Task<Routes> SinceAsync(long stamp, CancellationToken cancellationToken)
    {
        await _gate.WaitAsync(cancellationToken);
        try
        {
            if (_loaded.Stamp >= stamp)
                return _loaded.Routes;
            var started = time.GetTimestamp();
            var rows = await dataSource.QueryAsync(LoadSql, [], r => (Path: r.Text(0), Generation: r.Text(1)), cancellationToken);
            var table = _loaded.Routes.Table.With(
                [.. rows.Select(r => r.Path).OfType<string>()], constraints, (template, e) => LogInvalid(logger, e, template));
            var routes = new Routes(table, rows.Single(r => r.Generation is not null).Generation!);
            Volatile.Write(ref _loaded, new(routes, started));
            return routes;
        }
        finally
        {
            _gate.Release();
        }
    }

    public void Dispose() => _gate.Dispose();

    [LoggerMessage(1200, LogLevel.Warning, "No request can reach the HTTP endpoint '{Template}': its path is not a route template.")]
    private static partial void LogInvalid(ILogger logger, Exception exception, string template);

    private sealed record Loaded(Routes Routes, long? Stamp);
}
