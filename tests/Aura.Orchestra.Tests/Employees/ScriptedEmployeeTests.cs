using Aura.Orchestra.Employees;

namespace Aura.Orchestra.Tests.Employees;

public sealed class ScriptedEmployeeTests
{
    private static Task<EmployeeResult> PlayAsync(EmployeeBench bench, EmployeeRequest? request = null, CancellationToken cancellationToken = default) =>
        new ScriptedEmployee(bench.Options, TimeProvider.System).WorkAsync(request ?? EmployeeBench.Request, bench.Tools, cancellationToken);

    [Fact]
    public async Task WorkAsync_Script_PlaysItsCallsAndSaysThatNoModelIsCalled()
    {
        await using var bench = await EmployeeBench.CreateAsync();
        bench.Script("""
            { "jobs": { "The job": { "attempts": [ { "calls": [
              { "tool": "list_files", "arguments": { "pattern": "**/*.py" } },
              { "tool": "read_file", "arguments": { "path": "app.py" } },
              { "tool": "write_file", "arguments": { "path": "new.py", "content": ["# {{prd_id}}", "# {{job_id}} {{attempt}}"] } },
              { "tool": "apply_patch", "arguments": { "patch": ["--- a/app.py", "+++ b/app.py", "@@ -1,3 +1,3 @@", " one", "-two", "+2", " three"] } },
              { "tool": "delete_file", "arguments": { "path": "tests/test_app.py" } }
            ], "explanation": "All done", "confidence": 0.75 } ] } } }
            """);

        var result = await PlayAsync(bench);

        result.FinishReason.ShouldBe(EmployeeFinish.Completed);
        result.HasSubmission.ShouldBeTrue();
        result.Explanation.ShouldBe("[script, no model] All done");
        result.SelfConfidence.ShouldBe(0.75);
        result.Artifacts.ShouldBe(["new.py", "app.py", "tests/test_app.py"]);
        result.ToolCalls.Select(c => c.Tool).ShouldBe(["list_files", "read_file", "write_file", "apply_patch", "delete_file"]);
        result.ToolCalls.ShouldAllBe(c => c.RefusalCode == null);
        result.Usage.ShouldBe(EmployeeUsage.None);
        result.Output.ShouldStartWith("Backend 'scripted': no model is called, a script is played.");
        (await bench.ReadAsync("new.py")).ShouldBe("# prd-aaaa2222\n# job-aaaa2222 1\n");
        (await bench.ReadAsync("app.py")).ShouldBe("one\n2\nthree\n");
        (await bench.Sandbox.ListSnapshotsAsync()).Count.ShouldBe(3);
    }

    [Fact]
    public async Task WorkAsync_HostileCalls_AreRefusedRecordedAndPassedOver()
    {
        await using var bench = await EmployeeBench.CreateAsync("app.py");
        bench.Script("""
            { "jobs": { "The job": { "attempts": [ { "calls": [
              { "tool": "write_file", "arguments": { "path": "../../x", "content": "x" } },
              { "tool": "write_file", "arguments": { "path": "/tmp/aura-x", "content": "x" } },
              { "tool": "write_file", "arguments": { "path": "tests/test_app.py", "content": "x" } },
              { "tool": "write_file", "arguments": { "path": "app.py" } },
              { "tool": "read_file", "arguments": { "path": 7 } },
              { "tool": "read_file" },
              { "tool": "write_file", "arguments": { "path": "app.py", "content": "fine" } }
            ] } ] } } }
            """);

        var result = await PlayAsync(bench);

        result.ToolCalls.Select(c => c.RefusalCode)
            .ShouldBe(["outside_sandbox", "outside_sandbox", "outside_scope", "invalid_arguments", "invalid_arguments", "invalid_arguments", null]);
        result.Artifacts.ShouldBe(["app.py"]);
        result.Output.ShouldContain("write_file ../../x → refused (outside_sandbox): ");
        result.FinishReason.ShouldBe(EmployeeFinish.Completed);
    }

    [Theory]
    [InlineData(1, "first")]
    [InlineData(2, "second")]
    [InlineData(9, "second")]
    public async Task WorkAsync_LaterAttempt_PlaysItsOwnAndTheLastRepeats(int attempt, string expected)
    {
        await using var bench = await EmployeeBench.CreateAsync();
        bench.Script("""
            { "jobs": { "The job": { "attempts": [
              { "calls": [ { "tool": "write_file", "arguments": { "path": "app.py", "content": "first" } } ] },
              { "calls": [ { "tool": "write_file", "arguments": { "path": "app.py", "content": "second" } } ] } ] } } }
            """);

        await PlayAsync(bench, EmployeeBench.Request with { Attempt = attempt });

        (await bench.ReadAsync("app.py")).ShouldBe(expected);
    }

    [Fact]
    public async Task WorkAsync_Fail_GivesUpAndPlaysNothingMore()
    {
        await using var bench = await EmployeeBench.CreateAsync();
        bench.Script("""
            { "jobs": { "The job": { "attempts": [ { "calls": [
              { "tool": "write_file", "arguments": { "path": "a", "content": "x" } },
              { "tool": "fail", "arguments": { "message": "I cannot" } },
              { "tool": "write_file", "arguments": { "path": "b", "content": "x" } } ] } ] } } }
            """);

        var result = await PlayAsync(bench);

        result.FinishReason.ShouldBe(EmployeeFinish.Failed);
        result.HasSubmission.ShouldBeFalse();
        result.Explanation.ShouldEndWith("I cannot");
        result.Artifacts.ShouldBe(["a"]);
    }

    [Fact]
    public async Task WorkAsync_SleepCancelled_EndsAtOnce()
    {
        await using var bench = await EmployeeBench.CreateAsync();
        bench.Script("""{ "jobs": { "The job": { "attempts": [ { "calls": [ { "tool": "write_file", "arguments": { "path": "a", "content": "x" } }, { "tool": "sleep", "arguments": { "seconds": 3600 } } ] } ] } } }""");
        using var cancel = new CancellationTokenSource();

        var work = PlayAsync(bench, cancellationToken: cancel.Token);
        // The sleep begins after the write, so cancelling once the file is there hits the sleep (or the check before it).
        while (!File.Exists(Path.Combine(bench.Sandbox.WorkDirectory, "a")))
            await Task.Yield();
        await cancel.CancelAsync();

        await Should.ThrowAsync<OperationCanceledException>(() => work.WaitAsync(TimeSpan.FromSeconds(20)));
    }

    [Fact]
    public async Task WorkAsync_NoScript_NamesWhereItLookedAndWhatThereIs()
    {
        await using var bench = await EmployeeBench.CreateAsync();
        bench.Script("""{ "jobs": { "Another job": { "attempts": [ { "calls": [] } ] } } }""");

        var result = await PlayAsync(bench);

        result.FinishReason.ShouldBe(EmployeeFinish.Misconfigured);
        result.Explanation.ShouldContain("'The job'");
        result.Explanation.ShouldContain("'Another job'");
        result.Explanation.ShouldContain(bench.ScriptDirectory);
        result.Explanation.ShouldContain(Path.Combine("real_projects", "demo", "prds"));
    }

    [Fact]
    public async Task WorkAsync_SeveralScripts_TheOneOfThisPrdIsPlayed()
    {
        await using var bench = await EmployeeBench.CreateAsync();
        const string script = """{ GUARD "jobs": { "The job": { "attempts": [ { "calls": [ { "tool": "write_file", "arguments": { "path": "app.py", "content": "TEXT" } } ] } ] } } }""";
        bench.Script(script.Replace("GUARD", "").Replace("TEXT", "for all"), "1.script.json");
        bench.Script(script.Replace("GUARD", "\"prd_title\": \"Another PRD\",").Replace("TEXT", "other"), "2.script.json");
        await PlayAsync(bench);
        (await bench.ReadAsync("app.py")).ShouldBe("for all");

        bench.Script(script.Replace("GUARD", "\"prd_title\": \"The PRD\",").Replace("TEXT", "exact"), "3.script.json");
        await PlayAsync(bench);
        (await bench.ReadAsync("app.py")).ShouldBe("exact");

        bench.Script(script.Replace("GUARD", "\"prd_title\": \"The PRD\",").Replace("TEXT", "exact"), "4.script.json");
        var ambiguous = await PlayAsync(bench);
        ambiguous.FinishReason.ShouldBe(EmployeeFinish.Misconfigured);
        ambiguous.Explanation.ShouldContain("3.script.json");
        ambiguous.Explanation.ShouldContain("4.script.json");
    }

    [Fact]
    public async Task WorkAsync_ProjectsOwnScript_IsFoundAfterTheConfiguredDirectory()
    {
        await using var bench = await EmployeeBench.CreateAsync();
        var prds = Directory.CreateDirectory(Path.Combine(bench.Options.ProjectsDirectory, "demo", "prds")).FullName;
        const string script = """{ "jobs": { "The job": { "attempts": [ { "calls": [ { "tool": "write_file", "arguments": { "path": "app.py", "content": "TEXT" } } ] } ] } } }""";
        await File.WriteAllTextAsync(Path.Combine(prds, "x.script.json"), script.Replace("TEXT", "project's"));
        await PlayAsync(bench);
        (await bench.ReadAsync("app.py")).ShouldBe("project's");

        bench.Script(script.Replace("TEXT", "configured"));
        await PlayAsync(bench);
        (await bench.ReadAsync("app.py")).ShouldBe("configured");
    }

    [Fact]
    public async Task WorkAsync_ProjectNameThatLeavesTheFolder_IsNotFollowed()
    {
        await using var bench = await EmployeeBench.CreateAsync();
        var outside = Directory.CreateDirectory(Path.Combine(bench.Project.Root, "outside", "prds")).FullName;
        await File.WriteAllTextAsync(Path.Combine(outside, "x.script.json"), """{ "jobs": { "The job": { "attempts": [ { "calls": [] } ] } } }""");

        (await PlayAsync(bench, EmployeeBench.Request with { ProjectName = "../outside" })).FinishReason.ShouldBe(EmployeeFinish.Misconfigured);
    }

    [Fact]
    public async Task WorkAsync_BrokenScript_IsNamedWithItsFileAndPlace()
    {
        await using var bench = await EmployeeBench.CreateAsync();
        var path = bench.Script("""{ "jobs": { "The job": { "attempts": [ { "calls": [ { "tool": "rm" } ] } ] } } }""");

        var result = await PlayAsync(bench);

        result.FinishReason.ShouldBe(EmployeeFinish.Misconfigured);
        result.Explanation.ShouldContain($"{path}: $.jobs['The job'].attempts[0].calls[0].tool must be one of");
    }
}
