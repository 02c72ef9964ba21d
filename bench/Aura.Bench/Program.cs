using System.Globalization;
using System.Text.Json;
using Aura.Bench;
using Aura.Bench.Chaos;

switch (args.FirstOrDefault())
{
    case "chaos":
        return await ChaosCommand.RunAsync(args[1..]);
    case "host":
        return await ChaosHost.RunAsync(args[1..]);
}

var json = args.Contains("--json");
var only = args.SkipWhile(a => a != "--only").Skip(1).FirstOrDefault();
var seconds = args.SkipWhile(a => a != "--seconds").Skip(1).FirstOrDefault() is { } given ? double.Parse(given, CultureInfo.InvariantCulture) : 10;
var state = Environment.GetEnvironmentVariable("AURA_STATE") ?? Path.Combine(Directory.GetCurrentDirectory(), ".aura");
await using var server = await BenchServer.StartAsync(state);
var workloads = new Workloads(server, TimeSpan.FromSeconds(seconds));
(string Name, Func<Task<IReadOnlyList<Measurement>>> Run)[] all =
[
    ("burst", async () => [await workloads.BurstAsync()]),
    ("steps", workloads.DurableStepsAsync),
    ("persisted", async () => [await workloads.BurstPersistedAsync()]),
];
foreach (var (name, run) in all.Where(w => only is null || w.Name == only))
{
    foreach (var m in await run())
    {
        Console.WriteLine(json
            ? JsonSerializer.Serialize(new { workload = m.Workload, rate = Math.Round(m.Rate, 2), limit = Math.Round(m.Limit, 2), ratio = Math.Round(m.Ratio, 3), unit = m.Unit })
            : string.Create(CultureInfo.InvariantCulture, $"{m.Workload,-66} {m.Rate,12:N1} {m.Limit,12:N1} {m.Ratio,8:0.00}  {m.Unit}  ({m.Note})"));
    }
}

return 0;
