using System.Text;
using System.Text.Json;
using Aura.Orchestra.Employees;
using Aura.Orchestra.Storage;
using Npgsql;
using static Aura.Orchestra.Storage.Statement;

namespace Aura.Orchestra.Models;

/// <summary>Reads models and the ledger of what they did. Changes are in <see cref="ModelChanges"/>.</summary>
public sealed class ModelStore(NpgsqlDataSource dataSource)
{
    // The window of HR (design, section 7): the standing of a model is what it did in the last 30 days.
    private const string Select = """
        SELECT m.id, m.name, m.kind, m.endpoint, m.backend, m.display, m.is_active, m.created_at, r.runs, r.average, m.roles, m.capabilities,
            coalesce(m.cost_per_attempt, r.cost), m.seen_at, m.seen_by,
            CASE WHEN m.unavailable_until > now() THEN m.unavailable_reason
                 WHEN m.seen_at < now() - interval '90 seconds' THEN 'nobody has served it since ' || to_char(m.seen_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS') || ' UTC'
            END,
            CASE WHEN m.unavailable_until > now() THEN m.unavailable_until END
        FROM aura.models m CROSS JOIN LATERAL (
            SELECT count(*)::int AS runs, avg(r.score) AS average,
                avg((a.artifact->>'cost')::double precision) FILTER (WHERE jsonb_typeof(a.artifact->'cost') = 'number') AS cost
            FROM aura.model_runs r
            LEFT JOIN aura.model_artifacts a ON a.job_id = r.job_id AND a.attempt = r.attempt AND a.artifact_type = 'docs'
            WHERE r.model_id = m.id AND r.created_at > now() - interval '30 days') r
        """;

    /// <summary>All models by name, active or not.</summary>
    public Task<IReadOnlyList<Model>> ListAsync(CancellationToken cancellationToken = default) =>
        dataSource.ReadAsync(Select + " ORDER BY m.name", Read, [], cancellationToken);

    /// <summary>
    /// The models of a backend that are in service, by name: what an assignment chooses from. Of <see cref="EmployeeBackends.Any"/>: of all but
    /// the scripted one.
    /// </summary>
    public Task<IReadOnlyList<Model>> ActiveOfBackendAsync(string backend, CancellationToken cancellationToken = default) =>
        dataSource.ReadAsync(
            Select + $" WHERE m.backend {(backend == EmployeeBackends.Any ? "<>" : "=")} $1 AND m.is_active ORDER BY m.name", Read,
            [Text(backend == EmployeeBackends.Any ? ScriptedEmployee.BackendName : backend)], cancellationToken);

    /// <summary>The model, or null.</summary>
    public Task<Model?> FindAsync(string name, CancellationToken cancellationToken = default) =>
        dataSource.ReadOneAsync(Select + " WHERE m.name = $1", Read, [Text(name)], cancellationToken);

    /// <summary>The backends of those models that there are, by name; what the models did is not looked at.</summary>
    public async Task<IReadOnlyDictionary<string, string>> BackendsAsync(IEnumerable<string> names, CancellationToken cancellationToken = default) =>
        (await dataSource.ReadAsync(
            "SELECT name, backend FROM aura.models WHERE name = ANY($1)", r => (Name: r.GetString(0), Backend: r.GetString(1)), [Texts(names)], cancellationToken))
        .ToDictionary(m => m.Name, m => m.Backend, StringComparer.Ordinal);

    /// <summary>The runs of a job, by attempt.</summary>
    public Task<IReadOnlyList<ModelRun>> RunsAsync(string jobId, CancellationToken cancellationToken = default) =>
        dataSource.ReadAsync("""
            SELECT m.name, r.job_id, r.attempt, r.project_id, r.success, r.confidence, r.score, r.details, r.created_at
            FROM aura.model_runs r JOIN aura.models m ON m.id = r.model_id WHERE r.job_id = $1 ORDER BY r.attempt
            """,
            r => new ModelRun(r.GetString(0), r.GetString(1), r.GetInt32(2), r.GetString(3), r.GetBoolean(4), r.DoubleOrNull(5),
                r.GetDouble(6), r.Json<JsonElement>(7), r.Time(8)),
            [Text(jobId)], cancellationToken);

    /// <summary>The diffs that were handed in for a job, by attempt.</summary>
    public Task<IReadOnlyList<SubmittedDiff>> DiffsAsync(string jobId, CancellationToken cancellationToken = default) =>
        ReadDiffsAsync(jobId, null, cancellationToken);

    /// <summary>The diff of one attempt, or null.</summary>
    public async Task<SubmittedDiff?> DiffAsync(string jobId, int attempt, CancellationToken cancellationToken = default)
    {
        var found = await ReadDiffsAsync(jobId, attempt, cancellationToken);
        return found.Count == 0 ? null : found[0];
    }

    /// <summary>An artifact as it was handed in, or null.</summary>
    /// <param name="type">One of <see cref="ArtifactTypes"/>.</param>
    public async Task<JsonElement?> ArtifactAsync(string jobId, int attempt, string type, CancellationToken cancellationToken = default)
    {
        var found = await dataSource.ReadAsync(
            "SELECT artifact FROM aura.model_artifacts WHERE job_id = $1 AND attempt = $2 AND artifact_type = $3",
            r => r.Json<JsonElement>(0), [Text(jobId), Int(attempt), Text(type)], cancellationToken);
        return found.Count == 0 ? null : found[0];
    }

    private Task<IReadOnlyList<SubmittedDiff>> ReadDiffsAsync(string jobId, int? attempt, CancellationToken cancellationToken) =>
        dataSource.ReadAsync("""
            SELECT a.attempt, m.name, coalesce(a.artifact->>'diff', a.artifact->>'diff_base64'), a.artifact ? 'diff_base64',
                a.artifact->>'base_commit'
            FROM aura.model_artifacts a JOIN aura.models m ON m.id = a.model_id
            WHERE a.job_id = $1 AND a.artifact_type = 'diff' AND ($2 IS NULL OR a.attempt = $2) ORDER BY a.attempt
            """,
            r => new SubmittedDiff(jobId, r.GetInt32(0), r.GetString(1),
                r.GetBoolean(3) ? Encoding.UTF8.GetString(Convert.FromBase64String(r.GetString(2))) : r.GetString(2), r.TextOrNull(4)),
            [Text(jobId), Int(attempt)], cancellationToken);

    private static Model Read(NpgsqlDataReader r) => new(
        r.GetInt64(0), r.GetString(1), r.GetString(2), r.TextOrNull(3), r.GetString(4), r.GetString(5), r.GetBoolean(6), r.Time(7),
        r.GetInt32(8), r.DoubleOrNull(9))
    {
        Roles = r.GetFieldValue<string[]>(10),
        Capabilities = r.GetFieldValue<string[]>(11),
        CostPerAttempt = r.DoubleOrNull(12),
        SeenAt = r.IsDBNull(13) ? null : r.Time(13),
        SeenBy = r.TextOrNull(14),
        Down = r.TextOrNull(15),
        UnavailableUntil = r.IsDBNull(16) ? null : r.Time(16),
    };
}
