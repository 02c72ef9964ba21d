using System.Diagnostics;
using System.Globalization;
using Aura.Workflows;
using Aura.Workflows.Runtime;
using Microsoft.Extensions.DependencyInjection;

namespace Aura.Bench;

/// <summary>Waiting and waking, queues, and what many rows do to all of it.</summary>
internal sealed class ScaleWorkloads(BenchServer server, TimeSpan time, int waiting)
{
    private const int InFlight = 256;
    private static readonly double[] Percentiles = [0.5, 0.99];
    private long _numbers;

    /// <summary>Suspend on a bookmark, resume by a stimulus: as fast as it goes, then at 100 a second for the latency.</summary>
    public async Task<IReadOnlyList<Measurement>> ResumeAsync()
    {
        var database = await server.CreateDatabaseAsync("bench_resume");
        await Workloads.PrepareLimitAsync(database);
        var limit = await server.PgbenchAsync(database, Limits.GroupedWorkflows, 2, time) * InFlight;
        var same = await server.PgbenchAsync(database, Limits.SameRowsResumed, 2, time) * InFlight;
        await using var host = await BenchHost.StartAsync(database);
        await host.DefineAsync(BenchDefinitions.Single("wait", "Bench.WaitForNumber"));
        var rate = await SuspendAndResumeAsync(host, Workloads.WarmUp);
        rate = await SuspendAndResumeAsync(host, time);
        var latencies = await LatenciesAsync(host, 100, (int)Math.Max(200, time.TotalSeconds * 100));
        return
        [
            new("suspend on a bookmark, resume by stimulus", rate, limit, rate / limit, "workflows/s", "pgbench, 2 clients, 256 neighbouring rows of a narrow table inserted and updated in groups"),
            new("suspend and resume, against the same rows", rate, same, rate / same, "workflows/s", "pgbench, 2 clients, 256 instances with bookmark, message and history in the engine's own tables in groups"),
            new("resume latency at 100/s, p50", latencies[0], 5, latencies[0] / 5, "ms", "at most 5; lower is better"),
            new("resume latency at 100/s, p99", latencies[1], 25, latencies[1] / 25, "ms", "at most 25; lower is better"),
        ];
    }

    /// <summary>Tasks of a queue: claim, execute, answer. The instances' own bursts are left out on both sides.</summary>
    public async Task<IReadOnlyList<Measurement>> TasksAsync()
    {
        var database = await server.CreateDatabaseAsync("bench_tasks");
        var rows = (int)(time.TotalSeconds * 15_000);
        await using var host = await BenchHost.StartAsync(database, bursts: false, queue: null);
        await host.ExecuteAsync($"CREATE TABLE bench_queue AS SELECT g AS id, g % 3 AS kind, json_build_object('x', g) AS input, NULL::int AS owner FROM generate_series(1, {rows * 3}) g");
        await host.ExecuteAsync("ALTER TABLE bench_queue ADD PRIMARY KEY (id); CREATE INDEX ON bench_queue (id) WHERE owner IS NULL; CREATE INDEX ON bench_queue (owner) WHERE owner IS NOT NULL; ANALYZE bench_queue");
        var limit = await server.PgbenchAsync(database, Limits.BatchedClaims, 2, time) * 64;
        await host.ExecuteAsync($"{InsertTasks("limit", rows * 5)}; ANALYZE wf.tasks");
        var same = await server.PgbenchAsync(database, Limits.SameClaims, 2, time) * 64;
        if (await host.ScalarAsync<long>("SELECT count(*) FROM wf.tasks") < 128)
            throw new InvalidOperationException("pgbench has run out of tasks.");
        await host.ExecuteAsync("TRUNCATE wf.tasks, wf.messages");
        await host.DefineAsync(BenchDefinitions.Single("task", "Bench.NoOpTask"));
        await host.ExecuteAsync($$"""
            INSERT INTO wf.instances (id, definition_id, definition_version_id, version, status, sub_status, state)
            SELECT lpad(g::text, 24, '0'), 'task', (SELECT version_id FROM wf.definitions WHERE definition_id = 'task'), 1, 'Running', 'Suspended', '{}' FROM generate_series(1, {{rows}}) g;
            {{InsertTasks("bench", rows)}};
            ANALYZE wf.tasks; ANALYZE wf.instances
            """);
        await using var worker = await BenchHost.StartAsync(database, bursts: false, queue: "bench", concurrency: 512);
        var watch = Stopwatch.StartNew();
        while (watch.Elapsed < time && await worker.ScalarAsync<bool>("SELECT EXISTS (SELECT FROM wf.tasks)"))
            await Task.Delay(100);
        var elapsed = watch.Elapsed;
        var done = rows - await worker.ScalarAsync<long>("SELECT count(*) FROM wf.tasks");
        var rate = done / elapsed.TotalSeconds;
        return
        [
            new("claim, execute and answer of queue tasks", rate, limit, rate / limit, "tasks/s", "pgbench, 2 clients, 64 rows of a narrow table claimed with SKIP LOCKED and deleted in two transactions"),
            new("queue tasks, against the same rows", rate, same, rate / same, "tasks/s", "pgbench, 2 clients, 64 rows of the engine's queue claimed, deleted and answered in two transactions"),
        ];
    }

    private static string InsertTasks(string queue, int count) => $"""
        INSERT INTO wf.tasks (instance_id, activity_instance_id, node_id, activity_type, queue, input, max_attempts, timeout_seconds)
        SELECT lpad(g::text, 24, '0'), 'a' || g, 'Workflow1:a', 'Bench.NoOpTask', '{queue}', '{"{}"}', 5, 60 FROM generate_series(1, {count}) g
        """;

    /// <summary>Start and resume beside a million instances that wait for their timers, and the list page over them.</summary>
    public async Task<IReadOnlyList<Measurement>> MillionAsync()
    {
        var database = await server.CreateDatabaseAsync("bench_million");
        await using var host = await BenchHost.StartAsync(database);
        await host.DefineAsync(BenchDefinitions.Sequence("burst", "Bench.NoOp"));
        await host.DefineAsync(BenchDefinitions.Single("wait", "Bench.WaitForNumber"));
        var (starts, resumes) = await StartsAndResumesAsync(host);
        await host.ExecuteAsync("TRUNCATE wf.instances, wf.history");
        await FillAsync(host, 1000, "few");
        var pageFew = await PageTimeAsync(host);
        await FillAsync(host, waiting, "many");
        var memory = Memory();
        var pageMany = await PageTimeAsync(host);
        var (startsFull, resumesFull) = await StartsAndResumesAsync(host);
        var grown = Memory() - memory;
        var count = waiting.ToString("N0", CultureInfo.InvariantCulture);
        return
        [
            new($"start rate beside {count} waiting instances", startsFull, starts, startsFull / starts, "workflows/s", "the same on the empty database; at least 0.9"),
            new($"resume rate beside {count} waiting instances", resumesFull, resumes, resumesFull / resumes, "workflows/s", "the same on the empty database; at least 0.9"),
            new($"memory that the host gained beside {count} waiting instances", grown, 64, grown / 64, "MB", "flat: under 64; lower is better"),
            new($"instance list page over {count} instances", pageMany, pageFew, pageMany / pageFew, "ms", "the same over 1,000; at most 2; lower is better"),
        ];
    }

    /// <summary>Steady rates: what a bulk load leaves to the server's vacuum and checkpoint is done first, and each load has warmed up.</summary>
    private async Task<(double Starts, double Resumes)> StartsAndResumesAsync(BenchHost host)
    {
        await host.ExecuteAsync("VACUUM ANALYZE");
        await host.ExecuteAsync("CHECKPOINT");
        await Workloads.RunManyAsync(host, "burst", time);
        await SuspendAndResumeAsync(host, time);
        var (starts, _) = await Workloads.RunManyAsync(host, "burst", time);
        return (starts, await SuspendAndResumeAsync(host, time));
    }

    /// <summary>Start rate of a definition with one and with a hundred versions.</summary>
    public async Task<Measurement> VersionsAsync()
    {
        var database = await server.CreateDatabaseAsync("bench_versions");
        await using var host = await BenchHost.StartAsync(database);
        await host.DefineAsync(BenchDefinitions.Sequence("burst", "Bench.NoOp"));
        await Workloads.RunManyAsync(host, "burst", Workloads.WarmUp);
        var (one, _) = await Workloads.RunManyAsync(host, "burst", time);
        for (var version = 2; version <= 100; version++)
            await host.DefineAsync(BenchDefinitions.Sequence("burst", "Bench.NoOp").Replace("\"name\":\"burst\"", $"\"name\":\"burst {version}\"", StringComparison.Ordinal));
        await Workloads.RunManyAsync(host, "burst", TimeSpan.FromSeconds(1));
        var (hundred, _) = await Workloads.RunManyAsync(host, "burst", time);
        return new("start rate with 100 versions of the definition", hundred, one, hundred / one, "workflows/s", "the same with one version; no change");
    }

    /// <summary>From the start of an engine host to the moment in which all its loops have run.</summary>
    public async Task<Measurement> ReadyAsync()
    {
        var database = await server.CreateDatabaseAsync("bench_ready");
        await using (var first = await BenchHost.StartAsync(database))
            await first.DefineAsync(BenchDefinitions.Sequence("burst", "Bench.NoOp"));
        var watch = Stopwatch.StartNew();
        using var process = StartChild("ready", database);
        await process.StandardOutput.ReadLineAsync();
        var elapsed = watch.Elapsed.TotalSeconds;
        await process.WaitForExitAsync();
        return new("host start to ready, warm database", elapsed, 1.5, elapsed / 1.5, "s", "process start until every loop of the engine has run; at most 1.5; lower is better");
    }

    /// <summary>The same stored workflows on one, two and four host processes over one database, started from the outside.</summary>
    public async Task<IReadOnlyList<Measurement>> HostsAsync()
    {
        var measurements = new List<Measurement>();
        foreach (var count in new[] { 1, 2, 4 })
        {
            var database = await server.CreateDatabaseAsync("bench_hosts");
            await using var starter = await BenchHost.StartAsync(database, bursts: false, queue: "nothing");
            await starter.DefineAsync(BenchDefinitions.Sequence("burst", "Bench.NoOp"));
            // Written before anybody runs them, so that starting them takes nothing from those that run.
            var total = (int)(time.TotalSeconds * 3000);
            await starter.ExecuteAsync($$"""
                WITH started AS (
                    INSERT INTO wf.instances (id, definition_id, definition_version_id, version, status, sub_status, state)
                    SELECT lpad(to_hex(g), 24, '0'), 'burst', (SELECT version_id FROM wf.definitions WHERE definition_id = 'burst'), 1, 'Running', 'Pending',
                           '{"status":"Running","subStatus":"Pending"}' FROM generate_series(1, {{total}}) g RETURNING id)
                INSERT INTO wf.messages (instance_id, kind) SELECT id, 'Start' FROM started;
                ANALYZE wf.instances; ANALYZE wf.messages
                """);
            var children = Enumerable.Range(0, count).Select(_ => StartChild("engine-host", database)).ToList();
            var watch = new Stopwatch();
            while (await starter.ScalarAsync<long>("SELECT count(*) FROM wf.messages") is var left and > 0)
            {
                // The clock starts with the first one done: processes need their time to begin.
                if (left < total)
                    watch.Start();
                await Task.Delay(50);
            }

            var rate = total / watch.Elapsed.TotalSeconds;
            foreach (var child in children)
            {
                child.Kill();
                await child.WaitForExitAsync();
                child.Dispose();
            }

            measurements.Add(new(
                $"burst-only workflows claimed from the database by {count} host{(count > 1 ? "s" : "")}", rate, measurements.Count > 0 ? measurements[0].Rate : rate,
                rate / (measurements.Count > 0 ? measurements[0].Rate : rate), "workflows/s", "one host; all processes and PostgreSQL share this machine's cores"));
        }

        return measurements;
    }

    /// <summary>The child side of <see cref="HostsAsync"/>: runs until it is killed.</summary>
    public static async Task RunHostAsync(string database)
    {
        await using var host = await BenchHost.StartAsync(database);
        await Task.Delay(Timeout.Infinite);
    }

    /// <summary>The child side of <see cref="ReadyAsync"/>.</summary>
    public static async Task SayReadyAsync(string database)
    {
        await using var host = await BenchHost.StartAsync(database);
        var loops = host.Services.GetServices<Microsoft.Extensions.Hosting.IHostedService>().OfType<LoopRunner>().ToList();
        while (!loops.TrueForAll(l => l.IsAlive(TimeSpan.FromSeconds(10))))
            await Task.Delay(5);
        await host.Client.StartAsync("burst");
        Console.WriteLine("ready");
    }

    private static Process StartChild(string verb, string database)
    {
        var start = new ProcessStartInfo(Environment.ProcessPath!) { UseShellExecute = false, RedirectStandardOutput = true };
        foreach (var argument in new[] { typeof(ScaleWorkloads).Assembly.Location, verb, database })
            start.ArgumentList.Add(argument);
        return Process.Start(start)!;
    }

    private async Task<double> SuspendAndResumeAsync(BenchHost host, TimeSpan limit)
    {
        var loop = host.Services.GetRequiredService<BurstLoop>();
        var watch = Stopwatch.StartNew();
        var done = 0L;
        await Task.WhenAll(Enumerable.Range(0, InFlight).Select(_ => Task.Run(async () =>
        {
            while (watch.Elapsed < limit)
            {
                while (loop.InFlight >= InFlight)
                    await loop.OneDoneAsync();
                var number = Interlocked.Increment(ref _numbers);
                await host.Client.StartAsync("wait", new Dictionary<string, object?> { ["Number"] = number });
                await host.Client.SendStimulusAsync(WaitForNumber.StimulusName, new { Number = number });
                Interlocked.Increment(ref done);
            }
        })));
        // A workflow counts when it is over; a stimulus that came before its bookmark is kept and meets it.
        while (await host.ScalarAsync<bool>("SELECT EXISTS (SELECT FROM wf.instances WHERE definition_id = 'wait' AND status = 'Running')"))
            await Task.Delay(50);
        return done / watch.Elapsed.TotalSeconds;
    }

    /// <summary>Milliseconds from sending a stimulus until the workflow is over in the database, as its own commit records it.</summary>
    private async Task<double[]> LatenciesAsync(BenchHost host, int perSecond, int count)
    {
        var numbers = new List<(long Number, string Id)>();
        for (var i = 0; i < count; i++)
        {
            var number = Interlocked.Increment(ref _numbers);
            numbers.Add((number, (await host.Client.StartAsync("wait", new Dictionary<string, object?> { ["Number"] = number }))!));
        }

        while (await host.ScalarAsync<long>("SELECT count(*) FROM wf.bookmarks") < count)
            await Task.Delay(20);
        var sent = new Dictionary<string, DateTime>(StringComparer.Ordinal);
        var watch = Stopwatch.StartNew();
        var pending = new List<Task>();
        for (var i = 0; i < count; i++)
        {
            var due = TimeSpan.FromSeconds((double)i / perSecond);
            if (due > watch.Elapsed)
                await Task.Delay(due - watch.Elapsed);
            sent[numbers[i].Id] = DateTime.UtcNow;
            pending.Add(host.Client.SendStimulusAsync(WaitForNumber.StimulusName, new { numbers[i].Number }));
        }

        await Task.WhenAll(pending);
        while (await host.ScalarAsync<bool>("SELECT EXISTS (SELECT FROM wf.bookmarks)"))
            await Task.Delay(20);
        var latencies = new List<double>();
        await using var command = host.DataSource.CreateCommand("SELECT id, finished_at FROM wf.instances WHERE id = ANY($1)");
        command.Parameters.Add(new() { Value = sent.Keys.ToArray() });
        await using var reader = await command.ExecuteReaderAsync();
        while (await reader.ReadAsync())
            latencies.Add((reader.GetDateTime(1) - sent[reader.GetString(0)]).TotalMilliseconds);
        latencies.Sort();
        return [.. Percentiles.Select(p => latencies[(int)(p * (latencies.Count - 1))])];
    }

    /// <summary>Instances that wait a year for their timers, written as the engine would leave them.</summary>
    private static Task FillAsync(BenchHost host, int count, string prefix) => host.ExecuteAsync($$"""
        INSERT INTO wf.instances (id, definition_id, definition_version_id, version, status, sub_status, created_at, state)
        SELECT '{{prefix}}' || lpad(g::text, 12, '0'), 'burst', (SELECT version_id FROM wf.definitions WHERE definition_id = 'burst' AND is_published), 1, 'Running', 'Suspended',
               now() - g * interval '1 second', json_build_object('status', 'Running', 'subStatus', 'Suspended', 'pad', repeat('x', 400)) FROM generate_series(1, {{count}}) g;
        INSERT INTO wf.bookmarks (id, instance_id, name, hash, activity_id, activity_node_id, activity_instance_id, created_at)
        SELECT '{{prefix}}b' || g, '{{prefix}}' || lpad(g::text, 12, '0'), 'Elsa.Delay', upper(encode(sha256(('{{prefix}}' || g)::bytea), 'hex')), 'd', 'Workflow1:d', 'x', now() FROM generate_series(1, {{count}}) g;
        INSERT INTO wf.messages (instance_id, kind, target, due_at)
        SELECT '{{prefix}}' || lpad(g::text, 12, '0'), 'Resume', '{{prefix}}b' || g, now() + interval '1 year' FROM generate_series(1, {{count}}) g;
        ANALYZE wf.instances; ANALYZE wf.bookmarks; ANALYZE wf.messages
        """);

    private static async Task<double> PageTimeAsync(BenchHost host)
    {
        var store = host.Services.GetRequiredService<InstanceStore>();
        var times = new List<double>();
        for (var i = 0; i < 60; i++)
        {
            var watch = Stopwatch.StartNew();
            await store.ListAsync(new(), take: 50);
            times.Add(watch.Elapsed.TotalMilliseconds);
        }

        times.Sort();
        return times[times.Count / 2];
    }

    private static double Memory()
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
        GC.Collect();
        return GC.GetTotalMemory(true) / 1048576.0;
    }
}
