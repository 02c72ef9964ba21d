using System.Text.Json;
using Aura.Workflows.Storage;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Npgsql;

namespace Aura.Workflows.Http;

/// <summary>Somebody who listens at a path: a trigger that starts a workflow, or a bookmark of an instance.</summary>
internal abstract record HttpTarget(HttpEndpointPayload Payload, RouteMatch Route, string DefinitionId, string ActivityId)
{
    public abstract string Description { get; }

    public sealed record Trigger(
        HttpEndpointPayload Payload, RouteMatch Route, string DefinitionId, string ActivityId, string VersionId)
        : HttpTarget(Payload, Route, DefinitionId, ActivityId)
    {
        public override string Description => $"workflow {DefinitionId}, activity {ActivityId}, path {Payload.Path}";
    }

    public sealed record Waiting(
        HttpEndpointPayload Payload, RouteMatch Route, string DefinitionId, string ActivityId, string InstanceId, string BookmarkId)
        : HttpTarget(Payload, Route, DefinitionId, ActivityId)
    {
        public override string Description => $"instance {InstanceId} of workflow {DefinitionId}, activity {ActivityId}, path {Payload.Path}";
    }
}

/// <summary>Finds who listens for a request, by the rows as they are now.</summary>
internal sealed class HttpTargets(NpgsqlDataSource dataSource, HttpRoutes routes, TimeProvider time)
{
    // A few are enough to see that a request is ambiguous; the best templates come first.
    private const string FindSql = """
        (SELECT hash, payload, definition_id, activity_id, version_id, NULL, NULL, CASE WHEN $4 THEN 
        """ + HttpRoutes.GenerationSql + """
         END
         FROM wf.triggers WHERE hash = ANY($1) ORDER BY array_position($1, hash) LIMIT 8)
        UNION ALL
        (SELECT b.hash, b.payload, i.definition_id, b.activity_id, NULL, b.instance_id, b.id, NULL
         FROM wf.bookmarks b JOIN wf.instances i ON i.id = b.instance_id AND i.status = 'Running'
         WHERE left(b.hash, 8) = ANY(ARRAY(SELECT left(h, 8) FROM unnest($1) h)) AND b.hash = ANY($1) AND b.name = 'Elsa.HttpEndpoint'
           AND ($2::text IS NULL OR b.instance_id = $2) AND ($3::text IS NULL OR b.correlation_id = $3)
         ORDER BY array_position($1, b.hash) LIMIT 8)
        """;

    /// <returns>None when nobody listens, several when the request is ambiguous.</returns>
    public async Task<IReadOnlyList<HttpTarget>> FindAsync(
        HttpContext context, PathString path, string? instanceId, string? correlationId, CancellationToken cancellationToken)
    {
        var arrived = time.GetTimestamp();
        var known = await routes.CurrentAsync(cancellationToken);
        var (found, generation) = await FindAsync(context, known, path, instanceId, correlationId, cancellationToken);
        if (found.Count > 0 && (generation is null || generation == known.Generation))
            return found;
        // The path may be younger than the table: one that was published on another host, or a bookmark that the answer before this
        // request has just left.
        var fresh = await routes.SinceAsync(arrived, cancellationToken);
        return ReferenceEquals(fresh.Table, known.Table)
            ? found
            : (await FindAsync(context, fresh, path, instanceId, correlationId, cancellationToken)).Found;
    }

    /// <returns>The generation too, when a template that fits the path better may have been published meanwhile.</returns>
    private async Task<(IReadOnlyList<HttpTarget> Found, string? Generation)> FindAsync(
        HttpContext context, Routes known, PathString path, string? instanceId, string? correlationId, CancellationToken cancellationToken)
    {
        var matches = known.Table.Match(context, path).ToList();
        // The path itself is the best of all templates, whether the table knows it or not.
        if (RouteTable.Literal(path) is { } literal && !matches.Exists(m => m.Template == literal.Template))
            matches.Add(literal);
        if (matches.Count == 0)
            return ([], null);
        var method = context.Request.Method.ToLowerInvariant();
        var byHash = new Dictionary<string, RouteMatch>(StringComparer.Ordinal);
        foreach (var match in matches)
            byHash[StimulusHash.Of(HttpEndpointPayload.StimulusName, new HttpEndpointPayload { Path = match.Template, Method = method })] = match;
        var hashes = byHash.OrderBy(h => h.Value.Precedence).Select(h => h.Key).ToArray();
        string? generation = null;
        var hasParameters = matches.Exists(m => m.Template.Contains('{', StringComparison.Ordinal));
        var targets = await dataSource.QueryAsync(FindSql, [hashes, instanceId, correlationId, hasParameters], r =>
        {
            generation ??= r.Text(7);
            return Read(r, byHash);
        }, cancellationToken);
        var chosen = Choose(targets, instanceId);
        return (chosen, chosen.All(t => !t.Route.Template.Contains('{', StringComparison.Ordinal)) ? null : generation);
    }

    /// <summary>
    /// The best template decides. A waiting instance that the client names comes first, then triggers, then whoever waits. Pure.
    /// </summary>
    internal static IReadOnlyList<HttpTarget> Choose(IReadOnlyList<HttpTarget> targets, string? instanceId)
    {
        if (targets.Count == 0)
            return [];
        var best = targets.Min(t => t.Route.Precedence);
        var waiting = targets.Where(t => t.Route.Precedence == best).OfType<HttpTarget.Waiting>().ToList();
        var triggers = targets.Where(t => t.Route.Precedence == best).OfType<HttpTarget.Trigger>().ToList();
        return (waiting.Count > 0 && instanceId is not null) || triggers.Count == 0 ? waiting : triggers;
    }

    private static HttpTarget Read(NpgsqlDataReader row, Dictionary<string, RouteMatch> byHash)
    {
        var payload = JsonSerializer.Deserialize<HttpEndpointPayload>(row.GetString(1), WorkflowJson.Options)!;
        var route = byHash[row.GetString(0)];
        return row.Text(5) is { } instanceId
            ? new HttpTarget.Waiting(payload, route, row.GetString(2), row.GetString(3), instanceId, row.GetString(6))
            : new HttpTarget.Trigger(payload, route, row.GetString(2), row.GetString(3), row.GetString(4));
    }
}
