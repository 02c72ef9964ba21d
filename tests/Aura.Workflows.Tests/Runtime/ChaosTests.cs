using System.Diagnostics;
using System.Text.Json;
using Aura.Bench.Chaos;

namespace Aura.Workflows.Tests.Runtime;

/// <summary>The short form of <c>./aura chaos</c>: on the tests' PostgreSQL, which is not restarted.</summary>
public sealed class ChaosTests(ITestOutputHelper output)
{
    [Fact]
    public async Task Chaos_HostsKilledStoppedAndCutOff_EveryInvariantHolds()
    {
        const int Strikes = 8;
        var state = Directory.CreateTempSubdirectory("aura-chaos-");
        var start = new ProcessStartInfo("dotnet")
        {
            UseShellExecute = false,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            ArgumentList =
            {
                typeof(ChaosCommand).Assembly.Location, "chaos", "--json", "--seed", "7", "--hosts", "2", "--instances", "150", "--seconds", "8",
                "--strikes", Strikes.ToString(System.Globalization.CultureInfo.InvariantCulture),
            },
        };
        start.Environment["AURA_BENCH_POSTGRES"] = Environment.GetEnvironmentVariable("AURA_TEST_POSTGRES");
        start.Environment["AURA_STATE"] = state.FullName;
        using var process = Process.Start(start)!;
        var report = process.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
        var progress = await process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);
        output.WriteLine(progress);

        process.ExitCode.ShouldBe(0, progress);
        var result = JsonDocument.Parse(await report).RootElement;
        result.GetProperty("holds").GetBoolean().ShouldBeTrue();
        result.GetProperty("instances").GetInt32().ShouldBeGreaterThan(120);
        result.GetProperty("invariants").GetArrayLength().ShouldBe(Invariant.All.Count + 3);
        (result.GetProperty("kills").GetInt32() + result.GetProperty("stops").GetInt32() + result.GetProperty("cuts").GetInt32()).ShouldBeGreaterThanOrEqualTo(Strikes);
        state.Delete(recursive: true);
    }
}
