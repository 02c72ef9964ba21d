using Aura.Orchestra.Tests.Validation;
using Aura.Orchestra.Validation;
using Aura.Testing;

namespace Aura.Orchestra.Tests.Employees;

/// <summary>Every script that misbehaves on purpose is contained, fails with its own reason, and leaves nothing outside.</summary>
public sealed class MaliciousScriptTests
{
    private static string Fixture(string name) => Repository.Path("tests", "fixtures", "malicious", name + ".json");

    private static JailOptions Limits
    {
        get
        {
            var limits = JailTests.Small;
            limits.WallTime = TimeSpan.FromSeconds(8);
            limits.CpuTime = TimeSpan.FromSeconds(5);
            return limits;
        }
    }

    [Fact]
    public void Fixtures_EveryPair_IsPlayedByATest()
    {
        var pairs = Directory.EnumerateFiles(Path.GetDirectoryName(Fixture("x"))!, "*.json")
            .Select(f => Path.GetFileName(f)!.Replace(".script", "", StringComparison.Ordinal).Replace(".json", "", StringComparison.Ordinal)).Distinct();

        pairs.Order(StringComparer.Ordinal).ShouldBe(Cases.Select(c => c.Data.Item1).Append("outside-scope").Order(StringComparer.Ordinal));
    }

    public static TheoryData<string, string, string> Cases => new()
    {
        { "forge-report", "tests", "The test process ended before pytest was done (exit code 0)" },
        { "edit-protected-test", "protected_tests", "3 changed by the job (tests/acceptance/test_accept_answer.py (written over), tests/test_notes.py (edited), tests/test_pages.py (deleted))" },
        { "flood-output", "tests", "File too large" },
        { "flood-pipes", "tests", "more than 64 MB of output" },
        { "fork-bomb", "tests", "time limit of 8 s" },
        { "open-socket", "tests", "Connection refused" },
        { "run-forever", "tests", "time limit of 8 s" },
        { "skip-in-code", "protected_tests", "31 missing" },
        { "skip-in-conftest", "tests", "assert 41 == 42" },
        { "symlink-out", "tests", "Read-only file system" },
    };

    [Theory]
    [MemberData(nameof(Cases))]
    public async Task Script_ThatMisbehaves_FailsWithItsOwnReason(string name, string tick, string reason)
    {
        using var ground = new ProvingGround(Fixture(name), Limits);
        var start = await ground.StartAsync();
        var outside = Outside(ground);

        var (result, diff, _) = await ground.WorkAsync("job", 1);
        result.HasSubmission.ShouldBeTrue(result.Output);
        diff.IsEmpty.ShouldBeFalse();
        var (verdict, ticks) = await ground.ProveAsync("attempt", start, diff.Text, ground.AcceptanceTests("job"));

        ticks.Single(t => t.Name == tick).Passed.ShouldBeFalse(string.Join('\n', ticks));
        // The next attempt and the Director read both.
        (ticks.Single(t => t.Name == tick).Details + string.Join('\n', verdict.Failures.Select(f => f.Message))).ShouldContain(reason);
        Outside(ground).ShouldBe(outside);
    }

    [Fact]
    public async Task Script_ThatWritesOutsideItsScope_IsRefusedEachTimeAndSubmitsNothing()
    {
        using var ground = new ProvingGround(Fixture("outside-scope"), Limits);
        await ground.StartAsync();
        var outside = Outside(ground);

        var (result, diff, _) = await ground.WorkAsync("job", 1);

        result.ToolCalls.Select(c => c.RefusalCode).ShouldBe(
        [
            "outside_sandbox", "outside_sandbox", "outside_sandbox", "git_directory", "git_directory", "outside_sandbox",
            "outside_scope", "outside_scope", "outside_sandbox", "outside_sandbox", "outside_scope",
        ]);
        result.Artifacts.ShouldBeEmpty();
        diff.IsEmpty.ShouldBeTrue();
        Outside(ground).ShouldBe(outside);
    }

    /// <summary>What may not change: all files beside the sandbox's own, the places that the scripts aim at, and the project.</summary>
    private static List<string> Outside(ProvingGround ground)
    {
        string[] places = ["/tmp", "/usr", "/etc", "/var", "/home", "/root", "/source"];
        return
        [
            .. places.Where(Directory.Exists).SelectMany(p => Directory.EnumerateFileSystemEntries(p, "*aura-escaped*")),
            .. Directory.EnumerateFiles(ground.Root, "*escaped*", SearchOption.AllDirectories),
            .. Directory.EnumerateFiles(Repository.Path("real_projects"), "*", SearchOption.AllDirectories)
                .Where(f => !f.Contains("__pycache__", StringComparison.Ordinal)).Select(f => $"{f} {new FileInfo(f).Length}").Order(StringComparer.Ordinal),
        ];
    }
}
