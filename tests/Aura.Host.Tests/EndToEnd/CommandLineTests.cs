using System.Diagnostics;
using System.Text.Json;
using Aura.Testing;

namespace Aura.Host.Tests.EndToEnd;

/// <summary>The command line as a user meets it: a real process, its output, its exit code.</summary>
public sealed class CommandLineTests(TestDatabase database) : IClassFixture<TestDatabase>
{
    [Fact]
    public async Task Demo_YesJson_EndsWithTheSummaryAndLeavesNothingBehind()
    {
        await using var place = new Workplace();

        var (exitCode, output, error) = await RunAsync(place, "demo", "--yes", "--json");

        exitCode.ShouldBe(0, output + error);
        var lines = output.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        lines.ShouldAllBe(l => l.StartsWith('{'));
        var summary = JsonSerializer.Deserialize<JsonElement>(lines[^1]);
        summary.EnumerateObject().Select(p => p.Name).ShouldBe(["event", "prd", "jobs", "tests", "merge", "archive", "seconds"]);
        summary.GetProperty("prd").GetProperty("status").GetString().ShouldBe("ARCHIVED");
        summary.GetProperty("jobs").GetArrayLength().ShouldBe(3);
        summary.GetProperty("jobs").EnumerateArray().Max(j => j.GetProperty("attempts").GetInt32()).ShouldBe(2);
        summary.GetProperty("tests").GetProperty("before").GetProperty("failed").GetInt32().ShouldBeGreaterThan(0);
        summary.GetProperty("tests").GetProperty("after").GetProperty("failed").GetInt32().ShouldBe(0);
        place.Processes().ShouldBeEmpty();
        File.Exists(Path.Combine(place.Root, "state", "host.json")).ShouldBeFalse();
    }

    [Fact]
    public async Task Demo_WithoutApproval_SaysHowToApproveAndExitsOne()
    {
        await using var place = new Workplace();

        var (exitCode, output, _) = await RunAsync(place, "demo");

        exitCode.ShouldBe(1);
        output.ShouldContain("./aura approve prd-");
    }

    [Fact]
    public async Task Demo_Interrupted_StopsEverythingAndExits130()
    {
        await using var place = new Workplace();
        // What a shell starts in the background ignores the interrupt, tests and all that they start included.
        var command = place.Command(database, "demo", "--yes", "--json");
        command.ArgumentList.Insert(0, command.FileName);
        command.ArgumentList.Insert(0, "--default-signal=INT");
        command.FileName = "env";
        using var process = Process.Start(command)!;
        string? line;
        while ((line = await process.StandardOutput.ReadLineAsync()) is not null && !line.Contains("job.validating", StringComparison.Ordinal))
            line.ShouldStartWith("{");

        using (var interrupt = Process.Start("kill", ["-INT", process.Id.ToString(System.Globalization.CultureInfo.InvariantCulture)]))
            await interrupt.WaitForExitAsync();
        await process.WaitForExitAsync().WaitAsync(TimeSpan.FromSeconds(30));

        process.ExitCode.ShouldBe(130);
        await Until.TrueAsync(() => Task.FromResult(place.Processes().Count == 0), () => string.Join('\n', place.Processes()), 10);
    }

    [Theory]
    [InlineData(2, "prd", "submit")]
    [InlineData(2, "frobnicate")]
    [InlineData(2, "reject", "prd-x")]
    [InlineData(2, "prd", "submit", "/does/not/exist.json")]
    [InlineData(2, "up", "--port", "high")]
    [InlineData(69, "prd", "list", "--url", "http://127.0.0.1:9")]
    public async Task Verb_WrongOrUnreachable_SaysSoWithItsExitCode(int expected, params string[] arguments)
    {
        await using var place = new Workplace();

        var (exitCode, _, error) = await RunAsync(place, arguments);

        exitCode.ShouldBe(expected, error);
        error.ShouldNotBeEmpty();
        error.ShouldNotContain("   at ", Case.Sensitive);
    }

    [Fact]
    public async Task Up_PortInUse_SaysWhatToDo()
    {
        await using var place = new Workplace();
        using var taken = new System.Net.Sockets.TcpListener(System.Net.IPAddress.Loopback, 0);
        taken.Start();
        var port = ((System.Net.IPEndPoint)taken.LocalEndpoint).Port.ToString(System.Globalization.CultureInfo.InvariantCulture);

        var (exitCode, _, error) = await RunAsync(place, "up", "--port", port);

        exitCode.ShouldBe(69);
        error.ShouldContain("--port");
    }

    [Fact]
    public async Task Verbs_AgainstARunningHost_ShowAndDecide()
    {
        await using var place = new Workplace();
        await using var host = await ChildHost.StartAsync(place, database, ("AURA_SCRIPTS", Workplace.Fixture("prds")));

        var submitted = await RunAsync(place, "prd", "submit", Workplace.Fixture("prds", "honest.json"), "--json");
        var id = JsonSerializer.Deserialize<JsonElement>(submitted.Output).GetProperty("id").GetString()!;
        (await RunAsync(place, "approve", id)).ExitCode.ShouldBe(4);
        await host.PrdReachesAsync(id, "AWAITING_APPROVAL");

        (await RunAsync(place, "diff", id)).Output.ShouldContain("+def count(items):");
        (await RunAsync(place, "prd", "list")).Output.ShouldContain(id);
        (await RunAsync(place, "prd", "show", id)).Output.ShouldContain("AWAITING_APPROVAL");
        (await RunAsync(place, "jobs", "--prd", id)).Output.ShouldContain("COMPLETED");
        (await RunAsync(place, "logs", "--prd", id)).Output.ShouldContain("job.integrated");
        (await RunAsync(place, "prd", "show", "prd-nobody22")).ExitCode.ShouldBe(3);
        (await RunAsync(place, "approve", id, "--diff-hash", "0000")).ExitCode.ShouldBe(4);
        (await RunAsync(place, "approve", id)).ExitCode.ShouldBe(0);
        await host.PrdReachesAsync(id, "ARCHIVED");
    }

    [Fact]
    public async Task Doctor_OnAMachineThatHasEverything_FindsNoFault()
    {
        await using var place = new Workplace();

        var (exitCode, output, error) = await RunAsync(place, "doctor");

        exitCode.ShouldBe(0, output + error);
        output.ShouldContain("ok    jail");
        output.ShouldContain("ok    database");
    }

    private Task<(int ExitCode, string Output, string Error)> RunAsync(Workplace place, params string[] arguments) => place.RunAsync(database, arguments);
}
