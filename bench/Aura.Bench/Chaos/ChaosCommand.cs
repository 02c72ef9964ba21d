using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using System.Reflection;
using System.Text.Json;
using Aura.Workflows;
using Aura.Workflows.Definitions;
using Aura.Workflows.Runtime;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;

namespace Aura.Bench.Chaos;

/// <param name="Seconds">How long things go wrong.</param>
/// <param name="Strikes">How many things must go wrong at least, also where that takes longer, up to four times as long.</param>
/// <param name="Lease">Of hosts and tasks.</param>
/// <param name="Patience">How long after that everything may take to come to rest.</param>
internal sealed record ChaosOptions(double Seconds, int Hosts, int Instances, int Seed, int Strikes, TimeSpan Lease, TimeSpan Patience, bool Json);

/// <summary>The verb <c>chaos</c>: thousands of workflows while everything breaks, then a look whether anything went wrong.</summary>
internal sealed class ChaosCommand(ChaosOptions options, BenchServer server, TextWriter progress)
{
    private readonly Stopwatch _watch = Stopwatch.StartNew();

    public static Task<int> RunAsync(string[] args)
    {
        var seconds = Number("--seconds", 60.0, 0.1, "How long things go wrong.");
        var hosts = Number("--hosts", 3, 1, "Host processes at a time.");
        var instances = Number("--instances", 2000, 1, "Workflows.");
        var seed = Number("--seed", 0, 0, "Of all that is random; 0 takes another each time.");
        var strikes = Number("--strikes", 0, 0, "How many things must go wrong at least, also where that takes up to four times as long.");
        var lease = Number("--lease", 2.0, 0.5, "Seconds of hosts' and tasks' leases.");
        var patience = Number("--patience", 120.0, 1, "Seconds that everything may take after that to come to rest.");
        var json = new Option<bool>("--json") { Description = "The result as one JSON object." };
        var command = new RootCommand("Runs workflows on several hosts while everything breaks, then checks what must hold.")
        {
            seconds, hosts, instances, seed, strikes, lease, patience, json,
        };
        command.SetAction((parsed, _) => RunAsync(new ChaosOptions(
            parsed.GetValue(seconds), parsed.GetValue(hosts), parsed.GetValue(instances),
            parsed.GetValue(seed) is > 0 and var given ? given : Random.Shared.Next(1, 100_000), parsed.GetValue(strikes),
            TimeSpan.FromSeconds(parsed.GetValue(lease)), TimeSpan.FromSeconds(parsed.GetValue(patience)), parsed.GetValue(json))));
        return command.Parse(args).InvokeAsync();

        static Option<T> Number<T>(string name, T fallback, double least, string description)
        {
            var option = new Option<T>(name) { Description = description, DefaultValueFactory = _ => fallback };
            option.Validators.Add(result =>
            {
                // What is no number at all is told by the parser.
                if (result.Tokens is [var token, ..] && double.TryParse(token.Value, CultureInfo.InvariantCulture, out var number) && !(number >= least))
                    result.AddError(string.Create(CultureInfo.InvariantCulture, $"{name} takes a number from {least} on."));
            });
            return option;
        }
    }

    private static async Task<int> RunAsync(ChaosOptions options)
    {
        var state = Environment.GetEnvironmentVariable("AURA_STATE") ?? Path.Combine(Directory.GetCurrentDirectory(), ".aura");
        await using var server = await BenchServer.StartAsync(state, "chaos");
        return await new ChaosCommand(options, server, options.Json ? Console.Error : Console.Out).RunAsync(Path.Combine(state, "chaos", "logs"));
    }

    private async Task<int> RunAsync(string logFolder)
    {
        var logs = Path.Combine(logFolder, string.Create(CultureInfo.InvariantCulture, $"{options.Seed}-{Environment.ProcessId}"));
        Directory.CreateDirectory(logs);
        Say($"seed {options.Seed}, {options.Hosts} hosts, {options.Instances} instances, {options.Seconds} s; the hosts' logs are in {logs}");
        if (!server.CanRestart)
            Say("PostgreSQL was given by AURA_BENCH_POSTGRES: it is not restarted");
        var name = string.Create(CultureInfo.InvariantCulture, $"chaos_{options.Seed}_{Environment.ProcessId}");
        var database = new NpgsqlConnectionStringBuilder(await server.CreateDatabaseAsync(name)) { MaxPoolSize = 20 }.ConnectionString;
        await using var source = NpgsqlDataSource.Create(database + ";Application Name=chaos");
        await PrepareAsync(source);

        var nemesis = new Nemesis(options, server, database + ";Application Name=chaos-host", logs, Say);
        await using var end = nemesis;
        nemesis.Begin();
        using var over = new CancellationTokenSource();
        var signals = SignalAsync(source, over.Token);
        while (_watch.Elapsed < TimeSpan.FromSeconds(options.Seconds * (nemesis.Injected.Total < options.Strikes ? 4 : 1)))
            await nemesis.StrikeAsync();

        nemesis.MakePeace();
        Say("peace");
        var peace = _watch.Elapsed;
        while (!await IsQuietAsync(source) && _watch.Elapsed < peace + options.Patience)
        {
            await Task.Delay(200, CancellationToken.None);
            nemesis.Tend();
        }

        Say(string.Create(CultureInfo.InvariantCulture, $"at rest {(_watch.Elapsed - peace).TotalSeconds:0.0} s later"));
        await over.CancelAsync();
        await signals;
        await ExecuteAsync(source, "ANALYZE");
        var results = new List<(string Name, IReadOnlyList<string> Offenders)>();
        foreach (var invariant in Invariant.All)
            results.Add((invariant.Name, await invariant.CheckAsync(source)));
        results.Add(("no host ended by itself", nemesis.Injected.Lost == 0 ? [] : [$"{nemesis.Injected.Lost} did; see {logs}"]));
        results.Add(("hosts stop in time when asked", await nemesis.EndAsync() ? [] : [$"one had to be killed; see {logs}"]));
        results.Add((Invariant.HostsGone.Name, await Invariant.HostsGone.CheckAsync(source)));
        return await ReportAsync(source, nemesis.Injected, results, name);
    }

    /// <summary>The tables and triggers with which a run is watched.</summary>
    public static async Task CreateSchemaAsync(NpgsqlDataSource source)
    {
        using var schema = new StreamReader(Assembly.GetExecutingAssembly().GetManifestResourceStream("Aura.Bench.Chaos.chaos.sql")!);
        await ExecuteAsync(source, await schema.ReadToEndAsync());
    }

    private async Task PrepareAsync(NpgsqlDataSource source)
    {
        await CreateSchemaAsync(source);
        await using var services = new ServiceCollection().AddLogging().AddSingleton(source).AddAuraWorkflows().BuildServiceProvider();
        services.GetRequiredService<ActivityRegistry>().AddFrom(typeof(ChaosCommand).Assembly);
        var store = services.GetRequiredService<DefinitionStore>();
        foreach (var definition in ChaosDefinition.All)
        {
            await store.ImportAsync(WorkflowDefinition.Parse(definition.Json, definition.Id));
            await ExecuteAsync(source, "INSERT INTO chaos.steps SELECT $1, unnest($2)", definition.Id, definition.Steps.ToArray());
        }

        // The mix and its times, as the seed says.
        var random = new Random(options.Seed);
        var mix = ChaosDefinition.All.SelectMany(d => Enumerable.Repeat(d, d.Weight)).ToList();
        var rows = Enumerable.Range(0, options.Instances).Select(n => (
            Id: string.Create(CultureInfo.InvariantCulture, $"i{options.Seed}-{n:00000}"), Definition: mix[random.Next(mix.Count)].Id,
            Correlation: string.Create(CultureInfo.InvariantCulture, $"k{random.Next(20)}"), At: 0.85 * options.Seconds * n / options.Instances,
            Signal: 2 * random.NextDouble())).ToList();
        await ExecuteAsync(source, """
            INSERT INTO chaos.wanted (id, definition_id, correlation_id, not_before, signal_at)
            SELECT id, definition, CASE WHEN definition = $6 THEN correlation END, now() + at * interval '1 second',
                   CASE WHEN definition = $7 THEN now() + (at + signal) * interval '1 second' END
            FROM unnest($1, $2, $3, $4, $5) AS d(id, definition, correlation, at, signal)
            """,
            rows.Select(r => r.Id).ToArray(), rows.Select(r => r.Definition).ToArray(), rows.Select(r => r.Correlation).ToArray(),
            rows.Select(r => r.At).ToArray(), rows.Select(r => r.Signal).ToArray(), ChaosDefinition.Exclusive, ChaosDefinition.Signals);
    }

    /// <summary>Sends each signal once: the row that says so is written by the statement that sends it.</summary>
    private static async Task SignalAsync(NpgsqlDataSource source, CancellationToken cancellationToken)
    {
        while (!cancellationToken.IsCancellationRequested)
        {
            try
            {
                foreach (var id in await DueSignalsAsync(source))
                {
                    await ExecuteAsync(source, """
                        WITH sent AS (INSERT INTO chaos.signals VALUES ($1) ON CONFLICT DO NOTHING RETURNING instance_id)
                        SELECT wf.send_stimulus($2, NULL, '{}', interval '1 hour'), pg_notify('wf', '') FROM sent
                        """, id, StimulusHash.Of(WaitForSignal.StimulusName, WaitForSignal.Payload(id)));
                }
            }
            catch (NpgsqlException)
            {
                // The database is being restarted; whether the last signal was sent stands in chaos.signals.
            }

            await Task.Delay(100, CancellationToken.None);
        }
    }

    private static async Task<IReadOnlyList<string>> DueSignalsAsync(NpgsqlDataSource source)
    {
        await using var command = source.CreateCommand("""
            SELECT id FROM chaos.wanted w WHERE signal_at <= now() AND NOT EXISTS (SELECT FROM chaos.signals s WHERE s.instance_id = w.id)
            """);
        await using var reader = await command.ExecuteReaderAsync();
        var ids = new List<string>();
        while (await reader.ReadAsync())
            ids.Add(reader.GetString(0));
        return ids;
    }

    private static async Task<bool> IsQuietAsync(NpgsqlDataSource source)
    {
        try
        {
            return await ScalarAsync<bool>(source, """
                SELECT NOT EXISTS (SELECT FROM chaos.wanted WHERE NOT done) AND NOT EXISTS (SELECT FROM wf.instances WHERE status = 'Running')
                   AND NOT EXISTS (SELECT FROM wf.messages) AND NOT EXISTS (SELECT FROM wf.tasks) AND NOT EXISTS (SELECT FROM wf.stimuli)
                """);
        }
        catch (NpgsqlException)
        {
            return false;
        }
    }

    private async Task<int> ReportAsync(
        NpgsqlDataSource source, Injected injected, IReadOnlyList<(string Name, IReadOnlyList<string> Offenders)> results, string name)
    {
        var instances = await ScalarAsync<long>(source, "SELECT count(*) FROM wf.instances");
        var effects = await ScalarAsync<long>(source, "SELECT count(*) FROM chaos.effects");
        var retaken = await ScalarAsync<long>(source, "SELECT count(*) FROM chaos.leases WHERE kind = 'task' AND event = 'claim' AND attempt > 2");
        var holds = results.All(r => r.Offenders.Count == 0);
        Say($"did: {injected}");
        Say($"totals: {instances} instances, {effects} effects, {retaken} tasks delivered a third time or more");
        foreach (var (invariant, offenders) in results)
        {
            await progress.WriteLineAsync($"{(offenders.Count == 0 ? "ok  " : "FAIL")} {invariant}");
            foreach (var row in offenders)
                await progress.WriteLineAsync($"       {row}");
        }

        await progress.WriteLineAsync(holds ? "all invariants hold" : $"BROKEN. Again with: ./aura chaos --seed {options.Seed}; the database {name} is kept while the server runs");
        if (options.Json)
        {
            Console.WriteLine(JsonSerializer.Serialize(new
            {
                holds,
                seed = options.Seed,
                seconds = options.Seconds,
                hosts = options.Hosts,
                kills = injected.Kills,
                stops = injected.Stops,
                cuts = injected.Cuts,
                restarts = injected.Restarts,
                wrongClocks = injected.WrongClocks,
                instances,
                effects,
                invariants = results.Select(r => new { name = r.Name, holds = r.Offenders.Count == 0, offenders = r.Offenders }),
            }));
        }

        if (holds)
            await server.DropDatabaseAsync(name);
        return holds ? 0 : 1;
    }

    private void Say(string what) => progress.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{_watch.Elapsed.TotalSeconds,6:0.0}  {what}"));

    private static async Task ExecuteAsync(NpgsqlDataSource source, string sql, params object[] values)
    {
        await using var command = source.CreateCommand(sql);
        foreach (var value in values)
            command.Parameters.Add(new() { Value = value });
        await command.ExecuteNonQueryAsync();
    }

    private static async Task<T> ScalarAsync<T>(NpgsqlDataSource source, string sql)
    {
        await using var command = source.CreateCommand(sql);
        return (T)(await command.ExecuteScalarAsync())!;
    }
}
