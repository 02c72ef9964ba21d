using Aura.Host.Security;
using Aura.Orchestra.Jobs;
using Aura.Orchestra.Prds;
using Aura.Workflows.Storage;
using Microsoft.AspNetCore.Diagnostics.HealthChecks;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Npgsql;

namespace Aura.Host.Api;

/// <summary><c>/health</c> (the process answers), <c>/ready</c> (every registered health check is well): open to all. <c>/metrics</c> (Prometheus): for who may read.</summary>
internal static class OperationsApi
{
    public static void MapOperations(WebApplication app)
    {
        app.MapGet("/health", () => Results.Json(new { status = "healthy" }, AuraApi.Json)).AllowAnonymous();
        app.MapHealthChecks("/ready", new HealthCheckOptions
        {
            ResultStatusCodes = { [HealthStatus.Degraded] = StatusCodes.Status200OK },
            ResponseWriter = (http, report) => http.Response.WriteAsJsonAsync(new
            {
                status = report.Status == HealthStatus.Unhealthy ? "not_ready" : "ready",
                // Descriptions only: an exception's text may hold what is nobody's business.
                checks = report.Entries.ToDictionary(
                    e => e.Key, e => new { status = e.Value.Status.ToString().ToLowerInvariant(), description = e.Value.Description }),
            }, AuraApi.Json, http.RequestAborted),
        }).AllowAnonymous();
        app.MapGet("/metrics", async (MetricsCollector collector, PrdStore prds, JobStore jobs, CancellationToken cancellationToken) =>
            Results.Text(
                PrometheusText.Write([.. collector.Collect(), .. await CountAsync(prds, jobs, cancellationToken)]),
                "text/plain; version=0.0.4; charset=utf-8")).RequireAuthorization(Permissions.ReadOrganisation);
    }

    // A scrape must answer also while the database does not.
    private static async Task<IReadOnlyList<MetricFamily>> CountAsync(PrdStore prds, JobStore jobs, CancellationToken cancellationToken)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(TimeSpan.FromSeconds(3));
        try
        {
            var prdCounts = await prds.CountAsync(limit.Token);
            var jobCounts = await jobs.CountAsync(limit.Token);
            return
            [
                Gauge("aura_database_up", "Whether the database answered this scrape.", [new([], 1)]),
                Gauge("aura_prds", "PRDs in each state.", [.. Enum.GetValues<PrdStatus>().Select(
                    s => new MetricSample([new("status", s.ToName())], prdCounts.GetValueOrDefault(s)))]),
                Gauge("aura_jobs", "Jobs in each state.", [.. Enum.GetValues<JobStatus>().Select(
                    s => new MetricSample([new("status", s.ToName())], jobCounts.GetValueOrDefault(s)))]),
            ];
        }
        catch (Exception e) when (e is NpgsqlException or TimeoutException
            || (e is OperationCanceledException && !cancellationToken.IsCancellationRequested))
        {
            return [Gauge("aura_database_up", "Whether the database answered this scrape.", [new([], 0)])];
        }
    }

    private static MetricFamily Gauge(string name, string help, IReadOnlyList<MetricSample> samples) => new(name, help, MetricKind.Gauge, samples);
}

/// <summary>The database answers.</summary>
internal sealed class DatabaseCheck(NpgsqlDataSource db) : IHealthCheck
{
    public async Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default)
    {
        try
        {
            await using var command = db.CreateCommand("SELECT 1");
            await command.ExecuteScalarAsync(cancellationToken);
            return HealthCheckResult.Healthy("The database answers.");
        }
        catch (NpgsqlException e)
        {
            return HealthCheckResult.Unhealthy("The database does not answer. Check that PostgreSQL runs and that AURA_DATABASE or POSTGRES_* are right.", e);
        }
    }
}

/// <summary>Every migration of this program is applied, and none of a newer one.</summary>
internal sealed class MigrationsCheck(NpgsqlDataSource db) : IHealthCheck
{
    private static readonly SqlMigrator[] Migrators =
        [new("wf", typeof(SqlMigrator).Assembly), new("aura", typeof(PrdStore).Assembly)];

    public async Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default)
    {
        try
        {
            var pending = new List<string>();
            foreach (var migrator in Migrators)
                pending.AddRange(await migrator.PendingAsync(db, cancellationToken));
            return pending.Count == 0
                ? HealthCheckResult.Healthy("All migrations are applied.")
                : HealthCheckResult.Unhealthy($"Not applied yet: {string.Join(", ", pending)}. Start the host with a role that migrates.");
        }
        catch (NpgsqlException e)
        {
            return HealthCheckResult.Unhealthy("The database does not answer.", e);
        }
    }
}
