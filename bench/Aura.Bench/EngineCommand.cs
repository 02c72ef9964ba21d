using System.CommandLine;
using System.Globalization;
using System.Text.Json;

namespace Aura.Bench;

/// <summary><c>./aura bench engine</c>: measures the engine beside PostgreSQL and prints a table, or one JSON object a line.</summary>
internal static class EngineCommand
{
    public static Task<int> RunAsync(string[] args)
    {
        var json = new Option<bool>("--json") { Description = "One JSON object a workload." };
        var only = new Option<string[]>("--only") { Description = "Only these workloads, by their short names.", AllowMultipleArgumentsPerToken = true };
        var seconds = new Option<double>("--seconds") { Description = "How long each measurement runs.", DefaultValueFactory = _ => 10 };
        var waiting = new Option<int>("--waiting") { Description = "Instances that wait beside the others in 'million'.", DefaultValueFactory = _ => 1_000_000 };
        var command = new RootCommand("Measures the engine and, on the same server in the same minutes, what PostgreSQL itself can do.") { json, only, seconds, waiting };
        command.SetAction((parsed, cancellationToken) => MeasureAsync(
            parsed.GetValue(only) ?? [], TimeSpan.FromSeconds(parsed.GetValue(seconds)), parsed.GetValue(waiting), parsed.GetValue(json), cancellationToken));
        return command.Parse(args).InvokeAsync();
    }

    private static async Task<int> MeasureAsync(string[] only, TimeSpan time, int waiting, bool json, CancellationToken cancellationToken)
    {
        var state = Environment.GetEnvironmentVariable("AURA_STATE") ?? Path.Combine(Directory.GetCurrentDirectory(), ".aura");
        await using var server = await BenchServer.StartAsync(state);
        var workloads = new Workloads(server, time);
        var scale = new ScaleWorkloads(server, time, waiting);
        (string Name, Func<Task<IReadOnlyList<Measurement>>> Run)[] all =
        [
            ("burst", async () => [await workloads.BurstAsync()]),
            ("steps", workloads.DurableStepsAsync),
            ("persisted", workloads.BurstPersistedAsync),
            ("resume", scale.ResumeAsync),
            ("tasks", scale.TasksAsync),
            ("million", scale.MillionAsync),
            ("versions", async () => [await scale.VersionsAsync()]),
            ("ready", async () => [await scale.ReadyAsync()]),
            ("hosts", scale.HostsAsync),
        ];
        if (only.FirstOrDefault(n => !Array.Exists(all, w => w.Name == n)) is { } unknown)
        {
            await Console.Error.WriteLineAsync($"There is no workload '{unknown}'. There are: {string.Join(", ", all.Select(w => w.Name))}.");
            return 64;
        }

        if (!json)
            Console.WriteLine(Head());
        foreach (var (name, run) in all.Where(w => only.Length == 0 || only.Contains(w.Name)))
        {
            cancellationToken.ThrowIfCancellationRequested();
            foreach (var m in await run())
                Console.WriteLine(Line(m, json));
        }

        return 0;
    }

    internal static string Head() => Row("workload", "Aura", "limit", "ratio", "unit");

    /// <summary>A measurement as a line of the table, or as JSON.</summary>
    internal static string Line(Measurement m, bool json) => json ? Json(m)
        : Row(m.Workload, Number(m.Rate), Number(m.Limit), m.Ratio.ToString("0.00", CultureInfo.InvariantCulture), $"{m.Unit}   {m.Note}");

    private static string Row(string workload, string rate, string limit, string ratio, string unit) => $"{workload,-66} {rate,12} {limit,12} {ratio,6}  {unit}";

    private static string Number(double value) => value.ToString(value < 100 ? "N2" : "N0", CultureInfo.InvariantCulture);

    private static string Json(Measurement m) => JsonSerializer.Serialize(new
    {
        workload = m.Workload,
        rate = Math.Round(m.Rate, 3),
        limit = Math.Round(m.Limit, 3),
        ratio = Math.Round(m.Ratio, 3),
        unit = m.Unit,
    });
}
