using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using Aura.Workflows.Runtime;
using Microsoft.Extensions.DependencyInjection;

namespace Aura.Bench;

/// <summary>
/// <c>./aura bench soak</c>: a steady churn of workflows of all kinds with retention on, and each minute the size of the tables and the
/// time that workflows take. What does not grow after the first retention period is healthy.
/// </summary>
internal static class SoakCommand
{
    /// <summary>Kinds of workflow, in turn: one burst, seven commits, a task, a wait for a stimulus, a timer.</summary>
    private static readonly string[] Definitions = ["burst", "steps", "task", "wait", "timer"];

    public static Task<int> RunAsync(string[] args)
    {
        var minutes = new Option<double>("--minutes") { Description = "How long.", DefaultValueFactory = _ => 60 };
        var rate = new Option<int>("--rate") { Description = "Workflows a second.", DefaultValueFactory = _ => 200 };
        var keep = new Option<int>("--keep") { Description = "Seconds for which finished instances are kept.", DefaultValueFactory = _ => 120 };
        var command = new RootCommand("Runs a steady load with retention and shows what becomes of tables and latencies.") { minutes, rate, keep };
        command.SetAction((parsed, cancellationToken) => SoakAsync(
            TimeSpan.FromMinutes(parsed.GetValue(minutes)), parsed.GetValue(rate), TimeSpan.FromSeconds(parsed.GetValue(keep)), cancellationToken));
        return command.Parse(args).InvokeAsync();
    }

    private static async Task<int> SoakAsync(TimeSpan length, int rate, TimeSpan keep, CancellationToken cancellationToken)
    {
        var state = Environment.GetEnvironmentVariable("AURA_STATE") ?? Path.Combine(Directory.GetCurrentDirectory(), ".aura");
        await using var server = await BenchServer.StartAsync(state, "soak");
        var database = await server.CreateDatabaseAsync("bench_soak");
        await using var host = await BenchHost.StartAsync(database, o => o.Retention.MaxAge = keep, queue: "*");
        await DefineAsync(host);
        using var over = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        over.CancelAfter(length);
        var load = LoadAsync(host, rate, over.Token);
        var samples = await WatchAsync(host, over.Token);
        var started = await load;
        // Timers and tasks of the last moments.
        for (var patience = 0; patience < 60 && await RunningAsync(host) > 0; patience++)
            await Task.Delay(1000, CancellationToken.None);
        var running = await RunningAsync(host);
        Report(samples, started, running, keep);
        return running == 0 ? 0 : 1;
    }

    private static async Task DefineAsync(BenchHost host)
    {
        await host.DefineAsync(BenchDefinitions.Sequence("burst", "Bench.NoOp"));
        await host.DefineAsync(BenchDefinitions.Sequence("steps", "Bench.NoOp", "ExecutedActivity"));
        await host.DefineAsync(BenchDefinitions.Single("task", "Bench.NoOpTask"));
        await host.DefineAsync(BenchDefinitions.Single("wait", "Bench.WaitForNumber"));
        await host.DefineAsync("""
            {"definitionId":"timer","name":"timer","isPublished":true,"root":{"type":"Elsa.Delay","id":"a",
             "timeSpan":{"typeName":"TimeSpan","expression":{"type":"Literal","value":"00:00:05"} } } }
            """);
    }

    /// <summary>Starts so many a second, ten times a second; a machine that cannot keep up falls behind, it is not flooded.</summary>
    private static async Task<long> LoadAsync(BenchHost host, int rate, CancellationToken cancellationToken)
    {
        var started = 0L;
        var watch = Stopwatch.StartNew();
        try
        {
            while (true)
            {
                var due = (long)(watch.Elapsed.TotalSeconds * rate) - started;
                var now = (int)Math.Min(due, rate);
                var first = started;
                await Task.WhenAll(Enumerable.Range(0, now).Select(i => StartAsync(host, first + i)));
                started += now;
                await Task.Delay(100, cancellationToken);
            }
        }
        catch (OperationCanceledException)
        {
            return started;
        }
    }

    private static async Task StartAsync(BenchHost host, long number)
    {
        var definition = Definitions[number % Definitions.Length];
        await host.Client.StartAsync(definition, new Dictionary<string, object?> { ["Number"] = number });
        if (definition == "wait")
            await host.Client.SendStimulusAsync(WaitForNumber.StimulusName, new { Number = number });
    }

    private static async Task<List<Sample>> WatchAsync(BenchHost host, CancellationToken cancellationToken)
    {
        var samples = new List<Sample>();
        try
        {
            while (true)
            {
                await Task.Delay(TimeSpan.FromMinutes(1), cancellationToken);
                var sample = await SampleAsync(host);
                samples.Add(sample);
                Console.WriteLine(sample);
            }
        }
        catch (OperationCanceledException)
        {
            return samples;
        }
    }

    private static async Task<Sample> SampleAsync(BenchHost host)
    {
        // What the database's own clock says of those that ended in the last minute; a timer's five seconds are no latency.
        var latencies = await host.ScalarAsync<double[]>("""
            SELECT coalesce(percentile_cont(ARRAY[0.5, 0.99]) WITHIN GROUP (ORDER BY 1000 * extract(epoch FROM finished_at - created_at)), ARRAY[0, 0])::float8[]
            FROM wf.instances WHERE finished_at > now() - interval '1 minute' AND definition_id <> 'timer'
            """);
        var late = await host.ScalarAsync<double>("""
            SELECT coalesce(percentile_cont(0.99) WITHIN GROUP (ORDER BY 1000 * extract(epoch FROM finished_at - created_at) - 5000), 0)::float8
            FROM wf.instances WHERE finished_at > now() - interval '1 minute' AND definition_id = 'timer'
            """);
        var sizes = await host.ScalarAsync<long[]>("""
            SELECT ARRAY[sum(pg_table_size(c.oid)), sum(pg_indexes_size(c.oid)), sum(s.n_live_tup), sum(s.n_dead_tup), sum(s.autovacuum_count)]::bigint[]
            FROM pg_class c JOIN pg_stat_user_tables s ON s.relid = c.oid WHERE c.relnamespace = 'wf'::regnamespace
            """);
        var finished = await host.ScalarAsync<long>("SELECT count(*) FROM wf.instances WHERE finished_at > now() - interval '1 minute'");
        return new(finished / 60.0, latencies[0], latencies[1], late, sizes[0] / 1048576.0, sizes[1] / 1048576.0, sizes[2], sizes[3], sizes[4], Environment.WorkingSet / 1048576.0);
    }

    private static Task<long> RunningAsync(BenchHost host) => host.ScalarAsync<long>("SELECT count(*) FROM wf.instances WHERE status = 'Running'");

    /// <summary>The first minutes in which retention was at work beside the last ones.</summary>
    private static void Report(List<Sample> samples, long started, long running, TimeSpan keep)
    {
        var steady = samples.Skip((int)Math.Ceiling(keep.TotalMinutes) + 1).ToList();
        var span = Math.Min(10, steady.Count / 2);
        Console.WriteLine($"{started} workflows started, {running} not finished at the end");
        if (span == 0)
            return;
        Console.WriteLine($"means of {span} minutes, from minute {(int)Math.Ceiling(keep.TotalMinutes) + 2} on, and at the end:");
        Console.WriteLine(Sample.Mean(steady.Take(span)));
        Console.WriteLine(Sample.Mean(steady.TakeLast(span)));
    }

    private sealed record Sample(
        double Rate, double Median, double Tail, double TimerTail, double TableMegabytes, double IndexMegabytes, double Live, double Dead, double Vacuums, double HostMegabytes)
    {
        public static Sample Mean(IEnumerable<Sample> samples)
        {
            var all = samples.ToList();
            double Of(Func<Sample, double> value) => all.Average(value);
            return new(
                Of(s => s.Rate), Of(s => s.Median), Of(s => s.Tail), Of(s => s.TimerTail), Of(s => s.TableMegabytes), Of(s => s.IndexMegabytes),
                Of(s => s.Live), Of(s => s.Dead), Of(s => s.Vacuums), Of(s => s.HostMegabytes));
        }

        public override string ToString() => string.Create(
            CultureInfo.InvariantCulture,
            $"{Rate,6:0}/s  p50 {Median,7:0.0} ms  p99 {Tail,7:0.0} ms  timers late p99 {TimerTail,7:0} ms  tables {TableMegabytes,6:0.0} MB  indexes {IndexMegabytes,6:0.0} MB  "
            + $"rows {Live,8:0} live {Dead,7:0} dead  {Vacuums,5:0} vacuums  host {HostMegabytes,5:0} MB");
    }
}
