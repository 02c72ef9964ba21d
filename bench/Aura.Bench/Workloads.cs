using System.Collections.Concurrent;
using System.Diagnostics;
using System.Text.Json;
using Aura.Workflows;
using Aura.Workflows.Definitions;
using Aura.Workflows.Runtime;
using Microsoft.Extensions.DependencyInjection;

namespace Aura.Bench;

/// <summary>One line of the report. <paramref name="Ratio"/> is rate over limit, in the sense that <paramref name="Note"/> gives.</summary>
internal sealed record Measurement(string Workload, double Rate, double Limit, double Ratio, string Unit, string Note);

/// <summary>The workloads. Each measures Aura and its limit on the same server, one after the other.</summary>
internal sealed class Workloads(BenchServer server, TimeSpan time)
{
    private const int InFlight = 256;

    /// <summary>Until the code is compiled for good; PostgreSQL's is when it starts.</summary>
    public static readonly TimeSpan WarmUp = TimeSpan.FromSeconds(5);

    /// <summary>Seven activities inside a burst, nothing stored, one thread.</summary>
    public async Task<Measurement> BurstAsync()
    {
        var registry = new ActivityRegistry().AddFrom(typeof(NoOp).Assembly);
        var graph = new ActivityReader(registry).Read(WorkflowDefinition.Parse(BenchDefinitions.Sequence("burst", "Bench.NoOp"), "bench")).Graph;
        await using var services = new ServiceCollection().AddSingleton(TimeProvider.System).BuildServiceProvider();
        IReadOnlyList<Message> start = [new(0, MessageKind.Start, null, null)];
        await LoopAsync(TimeSpan.FromSeconds(1));
        var (count, elapsed) = await LoopAsync(time);
        var rate = count * BenchDefinitions.Steps / elapsed.TotalSeconds;
        return new("seven no-op activities in a burst, memory only", rate, 1_000_000, rate / 1_000_000, "activities/s", "the target; one thread");

        async Task<(long Count, TimeSpan Elapsed)> LoopAsync(TimeSpan limit)
        {
            var watch = Stopwatch.StartNew();
            var done = 0L;
            while (watch.Elapsed < limit)
            {
                for (var i = 0; i < 100; i++, done++)
                {
                    var workflow = new WorkflowExecutionContext("x", graph, null, services, default, TimeProvider.System);
                    await BurstRunner.RunAsync(workflow, start);
                    if (workflow.SubStatus != WorkflowSubStatus.Finished)
                        throw new InvalidOperationException("The burst did not finish.");
                }
            }

            return (done, watch.Elapsed);
        }
    }

    /// <summary>Seven steps, each committed before the next begins, 256 instances in flight.</summary>
    public async Task<IReadOnlyList<Measurement>> DurableStepsAsync()
    {
        var database = await server.CreateDatabaseAsync("bench_steps");
        await PrepareLimitAsync(database);
        var single = await server.PgbenchAsync(database, Limits.OneStep, 32, time) / BenchDefinitions.Steps;
        var grouped = await server.PgbenchAsync(database, Limits.GroupedSteps, 2, time) * InFlight / BenchDefinitions.Steps;
        var same = await server.PgbenchAsync(database, Limits.SameRowsSteps, 2, time) * InFlight;
        await using var host = await BenchHost.StartAsync(database);
        await host.DefineAsync(BenchDefinitions.Sequence("steps", "Bench.NoOp", "ExecutedActivity"));
        await RunManyAsync(host, "steps", WarmUp);
        var before = await TransactionsAsync(host);
        var (rate, count) = await RunManyAsync(host, "steps", time);
        await Task.Delay(1500);
        var transactions = (await TransactionsAsync(host) - before) / (double)count;
        return
        [
            new("seven durable steps, 256 in flight, against one commit a step", rate, single, rate / single, "workflows/s", "pgbench, 32 clients, one row update a transaction, seven a workflow"),
            new("seven durable steps, 256 in flight, against grouped checkpoints", rate, grouped, rate / grouped, "workflows/s", "pgbench, 2 clients, 256 rows updated by their keys a transaction"),
            new("seven durable steps, 256 in flight, against the same rows", rate, same, rate / same, "workflows/s", "pgbench, 2 clients, 256 instances with their histories in the engine's own tables in groups, seven commits"),
            new("SQL transactions for a workflow of seven durable steps", transactions, 2, transactions / 2, "transactions", "at most 2; lower is better"),
        ];
    }

    /// <summary>Start to finish of a workflow that is one burst, stored.</summary>
    public async Task<IReadOnlyList<Measurement>> BurstPersistedAsync()
    {
        var database = await server.CreateDatabaseAsync("bench_burst");
        await PrepareLimitAsync(database);
        var limit = await server.PgbenchAsync(database, Limits.GroupedWorkflows, 2, time) * InFlight;
        var same = await server.PgbenchAsync(database, Limits.SameRows, 2, time) * InFlight;
        await using var host = await BenchHost.StartAsync(database);
        await host.DefineAsync(BenchDefinitions.Sequence("burst", "Bench.NoOp"));
        await RunManyAsync(host, "burst", WarmUp);
        var (rate, _) = await RunManyAsync(host, "burst", time);
        return
        [
            new("start to finish of a burst-only workflow", rate, limit, rate / limit, "workflows/s", "pgbench, 2 clients, 256 neighbouring rows of a narrow table inserted and updated in groups"),
            new("start to finish of a burst-only workflow, against the same rows", rate, same, rate / same, "workflows/s", "pgbench, 2 clients, 256 rows of the engine's own tables by scattered keys in groups"),
        ];
    }

    /// <summary>Starts and runs workflows, 256 at a time, until the time is over. A workflow counts when its end is in the database.</summary>
    public static async Task<(double Rate, long Count)> RunManyAsync(BenchHost host, string definition, TimeSpan time)
    {
        var loop = host.Services.GetRequiredService<BurstLoop>();
        var cpu = CpuMeter.Start(await host.BackendsAsync());
        var started = 0L;
        var watch = Stopwatch.StartNew();
        var before = await FinishedAsync(host, definition);
        await Task.WhenAll(Enumerable.Range(0, InFlight).Select(_ => Task.Run(async () =>
        {
            while (watch.Elapsed < time)
            {
                await host.Client.StartAsync(definition);
                Interlocked.Increment(ref started);
                while (loop.InFlight >= InFlight)
                    await loop.OneDoneAsync();
            }
        })));
        // What found no room here has gone through the database; it counts like the others.
        while (await host.ScalarAsync<bool>($"SELECT EXISTS (SELECT FROM wf.instances WHERE definition_id = '{definition}' AND created_at > now() - interval '1 minute' AND status = 'Running')"))
            await Task.Delay(10);
        var elapsed = watch.Elapsed;
        var (client, server) = cpu.Stop();
        var finished = await FinishedAsync(host, definition) - before;
        if (finished != started)
            throw new InvalidOperationException($"{started} workflows were started and {finished} have finished.");
        await Console.Error.WriteLineAsync(string.Create(
            System.Globalization.CultureInfo.InvariantCulture,
            $"  {definition}: CPU a workflow: {client.TotalMicroseconds / finished:0} µs Aura, {server.TotalMicroseconds / finished:0} µs PostgreSQL"));
        return (finished / elapsed.TotalSeconds, finished);
    }

    private static Task<long> FinishedAsync(BenchHost host, string definition) =>
        host.ScalarAsync<long>($"SELECT count(*) FROM wf.instances WHERE definition_id = '{definition}' AND sub_status = 'Finished'");

    private static Task<long> TransactionsAsync(BenchHost host) =>
        host.ScalarAsync<long>("SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()");

    public static async Task PrepareLimitAsync(string database)
    {
        await using var source = Npgsql.NpgsqlDataSource.Create(database);
        await using var command = source.CreateCommand(Limits.Schema);
        await command.ExecuteNonQueryAsync();
    }
}

/// <summary>What PostgreSQL itself can do with the same rows: tables of the same width, the same number of row changes.</summary>
internal static class Limits
{
    public const string Schema = """
        CREATE TABLE bench_state (id bigint PRIMARY KEY, fence bigint NOT NULL, state json NOT NULL) WITH (fillfactor = 60);
        INSERT INTO bench_state SELECT g, 0, json_build_object('x', repeat('x', 500)) FROM generate_series(1, 100000) g;
        CREATE SEQUENCE bench_ids START 1000000 INCREMENT 256;
        ANALYZE bench_state
        """;

    public const string OneStep = """
        \set id random(1, 100000)
        UPDATE bench_state SET fence = fence + 1, state = json_build_object('y', repeat('y', 500)) WHERE id = :id;
        """;

    public const string GroupedSteps = """
        WITH d AS MATERIALIZED (SELECT DISTINCT (random() * 99999)::bigint + 1 AS id FROM generate_series(1, 256))
        UPDATE bench_state s SET fence = fence + 1, state = json_build_object('y', repeat('y', 500)) FROM d WHERE s.id = d.id;
        """;

    /// <summary>What the engine writes for a burst-only workflow, in its own tables: the instance, then its end and its history.</summary>
    public const string SameRows = """
        SELECT nextval('bench_ids') AS base \gset
        INSERT INTO wf.instances (id, definition_id, definition_version_id, version, status, sub_status, owner, fence, state)
        SELECT substr(md5(g::text), 1, 16), 'limit', 'limit', 1, 'Running', 'Pending', 'pgbench', 1, json_build_object('x', repeat('x', 100))
        FROM generate_series(:base, :base + 255) g;
        BEGIN;
        UPDATE wf.instances SET status = 'Finished', sub_status = 'Finished', state = json_build_object('x', repeat('x', 200)), owner = NULL,
               updated_at = now(), finished_at = now()
        WHERE id IN (SELECT substr(md5(g::text), 1, 16) FROM generate_series(:base, :base + 255) g);
        INSERT INTO wf.history (instance_id, sequence, entries)
        SELECT substr(md5(g::text), 1, 16), 1, json_build_object('x', repeat('x', 1100)) FROM generate_series(:base, :base + 255) g;
        COMMIT;
        """;

    /// <summary>What the engine writes for seven durable steps, in its own tables: the instance, and seven times its state and its history.</summary>
    public static readonly string SameRowsSteps = $"""
        SELECT nextval('bench_ids') AS base \gset
        INSERT INTO wf.instances (id, definition_id, definition_version_id, version, status, sub_status, owner, fence, state)
        SELECT substr(md5(g::text), 1, 16), 'limit', 'limit', 1, 'Running', 'Pending', 'pgbench', 1, json_build_object('x', repeat('x', 100))
        FROM generate_series(:base, :base + 255) g;
        {string.Concat(Enumerable.Range(1, 7).Select(step => $"""
        BEGIN;
        UPDATE wf.instances SET state = json_build_object('x', repeat('x', {(step < 7 ? 480 : 180)})), updated_at = now()
               {(step < 7 ? "" : ", status = 'Finished', sub_status = 'Finished', owner = NULL, finished_at = now()")}
        WHERE id IN (SELECT substr(md5(g::text), 1, 16) FROM generate_series(:base, :base + 255) g);
        INSERT INTO wf.history (instance_id, sequence, entries)
        SELECT substr(md5(g::text), 1, 16), {step}, json_build_object('x', repeat('x', {(step is 1 or 7 ? 360 : 144)})) FROM generate_series(:base, :base + 255) g;
        COMMIT;

        """))}
        """;

    /// <summary>What the engine writes for a workflow that waits and is resumed, in its own tables; two histories, two ends of a burst.</summary>
    public const string SameRowsResumed = """
        SELECT nextval('bench_ids') AS base \gset
        INSERT INTO wf.instances (id, definition_id, definition_version_id, version, status, sub_status, owner, fence, state)
        SELECT substr(md5(g::text), 1, 16), 'limit', 'limit', 1, 'Running', 'Pending', 'pgbench', 1, json_build_object('x', repeat('x', 100))
        FROM generate_series(:base, :base + 255) g;
        BEGIN;
        UPDATE wf.instances SET sub_status = 'Suspended', state = json_build_object('x', repeat('x', 500)), owner = NULL, updated_at = now()
        WHERE id IN (SELECT substr(md5(g::text), 1, 16) FROM generate_series(:base, :base + 255) g);
        INSERT INTO wf.history (instance_id, sequence, entries)
        SELECT substr(md5(g::text), 1, 16), 1, json_build_object('x', repeat('x', 270)) FROM generate_series(:base, :base + 255) g;
        INSERT INTO wf.bookmarks (id, instance_id, name, hash, activity_id, activity_node_id, activity_instance_id, created_at)
        SELECT substr(md5(g::text), 1, 16), substr(md5(g::text), 1, 16), 'Bench.Number', md5(g::text), 'a', 'Workflow1', substr(md5(g::text), 1, 16), now()
        FROM generate_series(:base, :base + 255) g;
        COMMIT;
        INSERT INTO wf.messages (instance_id, kind, target) SELECT instance_id, 'Resume', id FROM wf.bookmarks
        WHERE left(hash, 8) IN (SELECT left(md5(g::text), 8) FROM generate_series(:base, :base + 255) g);
        UPDATE wf.instances SET owner = 'pgbench', fence = fence + 1 WHERE id IN (SELECT substr(md5(g::text), 1, 16) FROM generate_series(:base, :base + 255) g);
        BEGIN;
        UPDATE wf.instances SET status = 'Finished', sub_status = 'Finished', state = json_build_object('x', repeat('x', 200)), owner = NULL,
               updated_at = now(), finished_at = now()
        WHERE id IN (SELECT substr(md5(g::text), 1, 16) FROM generate_series(:base, :base + 255) g);
        DELETE FROM wf.messages WHERE instance_id IN (SELECT substr(md5(g::text), 1, 16) FROM generate_series(:base, :base + 255) g);
        DELETE FROM wf.bookmarks WHERE id IN (SELECT substr(md5(g::text), 1, 16) FROM generate_series(:base, :base + 255) g);
        INSERT INTO wf.history (instance_id, sequence, entries)
        SELECT substr(md5(g::text), 1, 16), 2, json_build_object('x', repeat('x', 270)) FROM generate_series(:base, :base + 255) g;
        COMMIT;
        """;

    /// <summary>The engine's own queue: a batch is claimed in one transaction; the next deletes it and posts the answers to the instances.</summary>
    public const string SameClaims = """
        WITH next AS MATERIALIZED (
            SELECT id FROM wf.tasks WHERE queue = 'limit' AND available_at <= now() AND lease_until IS NULL
            ORDER BY priority DESC, available_at, id LIMIT 64 FOR UPDATE SKIP LOCKED
        ), claimed AS (
            UPDATE wf.tasks t SET owner = 'pgbench', fence = fence + 1, attempt = attempt + 1, lease_until = now() + interval '1 minute', started_at = now()
            FROM next WHERE t.id = next.id RETURNING t.id)
        SELECT coalesce(array_agg(id), ARRAY[]::bigint[])::text AS ids FROM claimed \gset
        WITH done AS (DELETE FROM wf.tasks WHERE id = ANY (:ids::bigint[]) RETURNING instance_id, activity_instance_id)
        INSERT INTO wf.messages (instance_id, kind, target, payload)
        SELECT instance_id, 'Task', activity_instance_id, json_build_object('outcome', 'Done') FROM done;
        """;

    /// <summary>A batch is claimed in one transaction and answered in the next, as a queue must.</summary>
    public const string BatchedClaims = """
        WITH next AS (SELECT id FROM bench_queue WHERE owner IS NULL ORDER BY id LIMIT 64 FOR UPDATE SKIP LOCKED)
        UPDATE bench_queue q SET owner = pg_backend_pid() FROM next WHERE q.id = next.id;
        DELETE FROM bench_queue WHERE id = ANY(ARRAY(SELECT id FROM bench_queue WHERE owner = pg_backend_pid() LIMIT 64));
        """;

    public const string GroupedWorkflows = """
        SELECT nextval('bench_ids') AS base \gset
        INSERT INTO bench_state SELECT g, 1, json_build_object('x', repeat('x', 500)) FROM generate_series(:base, :base + 255) g;
        UPDATE bench_state SET fence = fence + 1, state = json_build_object('y', repeat('y', 500)) WHERE id BETWEEN :base AND :base + 255;
        """;
}
