using Aura.Testing;
using Aura.Workflows.Runtime;
using static Aura.Workflows.Tests.Runtime.EngineHostQueries;

namespace Aura.Workflows.Tests.Runtime;

/// <summary>The host runs no bursts and no sweeper of its own: rows lie still until the test sweeps.</summary>
public sealed class SweeperTests(TestDatabase database) : IClassFixture<TestDatabase>, IAsyncLifetime
{
    private readonly WorkflowsOptions _options = new();
    private readonly string _definition = "swept-" + Guid.NewGuid().ToString("N");
    private EngineHost _engine = null!;

    public async ValueTask InitializeAsync()
    {
        _engine = await EngineHost.StartAsync(database.ConnectionString, queue: null, runsBursts: false);
        await _engine.ExecuteAsync("TRUNCATE wf.instances, wf.messages, wf.bookmarks, wf.tasks, wf.history, wf.stimuli, wf.activations, wf.http_responses");
        await _engine.ExecuteAsync("""
            INSERT INTO wf.definitions (version_id, definition_id, version, is_latest, is_published, published_at, content_hash, document)
            VALUES ($1, $1, 1, true, true, now(), '', '{}')
            """, _definition);
    }

    public ValueTask DisposeAsync() => _engine.DisposeAsync();

    [Fact]
    public async Task Retention_Age_PrunesOldEndedInstancesInBatches()
    {
        _options.Retention.MaxAge = TimeSpan.FromDays(30);
        _options.Retention.BatchSize = 4;
        await AddAsync("old", 10, "Finished", daysOld: 31);
        await AddAsync("cancelled", 1, "Cancelled", daysOld: 31);
        await AddAsync("faulted", 1, "Faulted", daysOld: 31);
        await AddAsync("young", 3, "Finished", daysOld: 29);
        await AddAsync("running", 3, "Suspended", daysOld: 400);

        (await SweepAsync()).ShouldBe(4);
        (await CountAsync("instances")).ShouldBe(14);
        (await SweepAsync()).ShouldBe(4);
        (await SweepAsync()).ShouldBe(4);
        (await SweepAsync()).ShouldBe(0);

        (await NamesAsync()).ShouldBe("running running running young young young");
        foreach (var table in (string[])["history", "bookmarks", "tasks", "activations"])
            (await CountAsync(table)).ShouldBe(6, table);
    }

    [Fact]
    public async Task Retention_Count_KeepsTheNewestOfEachDefinition()
    {
        _options.Retention.MaxCount = 2;
        _options.Retention.BatchSize = 3;
        for (var day = 1; day <= 6; day++)
            await AddAsync($"d{day}", 1, "Finished", daysOld: day);
        await AddAsync("running", 4, "Suspended", daysOld: 400);

        (await SweepAsync()).ShouldBe(3);
        (await SweepAsync()).ShouldBe(0);

        (await NamesAsync()).ShouldBe("d1 d2 running running running running");
    }

    [Fact]
    public async Task Retention_None_KeepsEverything()
    {
        await AddAsync("old", 2, "Finished", daysOld: 4000);

        await SweepAsync();

        (await CountAsync("instances")).ShouldBe(2);
        (await CountAsync("history")).ShouldBe(2);
    }

    [Fact]
    public async Task Retention_InstanceThatIsBeingRetried_IsLeft()
    {
        _options.Retention.MaxAge = TimeSpan.FromDays(1);
        await AddAsync("faulted", 1, "Faulted", daysOld: 2);
        await using var connection = await _engine.DataSource.OpenConnectionAsync();
        await using var transaction = await connection.BeginTransactionAsync();
        await using var retry = new Npgsql.NpgsqlCommand("SELECT wf.revive('faulted1')", connection, transaction);
        await retry.ExecuteNonQueryAsync();

        await SweepAsync();
        await transaction.CommitAsync();

        (await CountAsync("instances"), await CountAsync("history"), await CountAsync("bookmarks")).ShouldBe((1, 1, 1));
    }

    [Fact]
    public async Task Debris_OfEndedInstances_IsClearedAndNothingElse()
    {
        await AddAsync("finished", 1, "Finished");
        await AddAsync("cancelled", 1, "Cancelled");
        await AddAsync("faulted", 1, "Faulted");
        await AddAsync("running", 1, "Suspended");
        foreach (var id in (string[])["finished1", "cancelled1", "faulted1", "running1", "nobody"])
        {
            await _engine.ExecuteAsync("INSERT INTO wf.messages (instance_id, kind, due_at) VALUES ($1, 'Start', now() - interval '1 minute')", id);
            await _engine.ExecuteAsync("INSERT INTO wf.messages (instance_id, kind, due_at) VALUES ($1, 'Resume', now())", id);
        }

        await _engine.ExecuteAsync("""
            INSERT INTO wf.stimuli (hash, expires_at) VALUES ('gone', now() - interval '1 second'), ('kept', now() + interval '1 minute');
            INSERT INTO wf.http_responses (request_id, status, headers, created_at) VALUES ('gone', 200, '{}', now() - interval '25 hours'), ('kept', 200, '{}', now())
            """);

        await SweepAsync();

        (await _engine.ScalarAsync<string>("SELECT string_agg(instance_id, ' ' ORDER BY instance_id) FROM wf.messages WHERE kind = 'Start'")).ShouldBe("faulted1 running1");
        // What has just come may still be on its way into a burst.
        (await _engine.ScalarAsync<long>("SELECT count(*) FROM wf.messages WHERE kind = 'Resume'")).ShouldBe(5);
        (await _engine.ScalarAsync<string>("SELECT string_agg(hash, ' ') FROM wf.stimuli")).ShouldBe("kept");
        (await _engine.ScalarAsync<string>("SELECT string_agg(request_id, ' ') FROM wf.http_responses")).ShouldBe("kept");
        (await CountAsync("instances")).ShouldBe(4);
    }

    [Fact]
    public async Task Sweep_AnotherHostAtIt_DoesNothing()
    {
        _options.Retention.MaxAge = TimeSpan.FromDays(1);
        await AddAsync("old", 1, "Finished", daysOld: 2);
        await using var connection = await _engine.DataSource.OpenConnectionAsync();
        await using var transaction = await connection.BeginTransactionAsync();
        await using var hold = new Npgsql.NpgsqlCommand("SELECT pg_advisory_xact_lock(987654304)", connection, transaction);
        await hold.ExecuteNonQueryAsync();

        await SweepAsync();

        (await CountAsync("instances")).ShouldBe(1);
    }

    private Task<int> SweepAsync() => new Sweeper(_engine.DataSource, Microsoft.Extensions.Options.Options.Create(_options)).RunOnceAsync(CancellationToken.None);

    private Task<long> CountAsync(string table) => _engine.ScalarAsync<long>($"SELECT count(*) FROM wf.{table}");

    private Task<string> NamesAsync() => _engine.ScalarAsync<string>("SELECT string_agg(name, ' ' ORDER BY name) FROM wf.instances");

    /// <summary>Instances with one row in every table that hangs on them.</summary>
    private Task<int> AddAsync(string name, int count, string subStatus, int daysOld = 0) => _engine.ExecuteAsync("""
        WITH added AS (
            INSERT INTO wf.instances (id, definition_id, definition_version_id, version, name, status, sub_status, is_faulted, created_at, finished_at, state)
            SELECT $1 || n, $5, $5, 1, $1, CASE WHEN $3 = 'Suspended' THEN 'Running' ELSE 'Finished' END, $3, $3 = 'Faulted',
                   now() - $4 * interval '1 day', CASE WHEN $3 <> 'Suspended' THEN now() - $4 * interval '1 day' END, '{}'
            FROM generate_series(1, $2) n RETURNING id),
        h AS (INSERT INTO wf.history SELECT id, 1, '{}' FROM added),
        a AS (INSERT INTO wf.activations SELECT id, id FROM added),
        t AS (INSERT INTO wf.tasks (instance_id, activity_instance_id, node_id, activity_type, queue, input, max_attempts, timeout_seconds)
              SELECT id, id, 'n', 't', 'q', '{}', 1, 1 FROM added)
        INSERT INTO wf.bookmarks (id, instance_id, name, hash, activity_id, activity_node_id, activity_instance_id, created_at)
        SELECT id, id, 'n', 'h', 'a', 'n', 'i', now() FROM added
        """, name, count, subStatus, daysOld, _definition);
}
