using Aura.Orchestra.Employees;
using Aura.Testing;

namespace Aura.Orchestra.Tests.Employees;

/// <summary>What every adapter owes its caller, run against every backend that can get into the situation.</summary>
public sealed class AdapterContractTests(AimockServer server, KeylessAimockServer keyless) : IClassFixture<AimockServer>,
    IClassFixture<KeylessAimockServer>
{
    public static TheoryData<string> All => [.. EmployeeBackends.Names];

    /// <summary>Those that ask a model over a network.</summary>
    public static TheoryData<string> Models => [EmployeeBackends.OpenAi, EmployeeBackends.Gemini, EmployeeBackends.Ollama];

    private Task<ContractBench> BenchAsync(string backend, params string[] allowed) =>
        ContractBench.CreateAsync(backend == EmployeeBackends.Ollama ? keyless : server, allowed);

    [Theory]
    [MemberData(nameof(All))]
    public async Task WorkAsync_Job_IsDoneAndToldInFull(string backend)
    {
        await using var bench = await BenchAsync(backend);

        var result = await WorkAsync(backend, bench, "c-works");

        result.FinishReason.ShouldBe(EmployeeFinish.Completed, result.Output);
        result.HasSubmission.ShouldBeTrue();
        result.Explanation.ShouldContain("Wrote app.py");
        result.SelfConfidence.ShouldBe(0.8);
        result.Artifacts.ShouldBe(["app.py"]);
        (await bench.Bench.ReadAsync("app.py")).ShouldBe("done\n");
        (await bench.Bench.Sandbox.DiffAsync()).Value.Files.Select(f => f.Path).ShouldBe(["app.py"]);
        if (backend != ScriptedEmployee.BackendName)
        {
            string.Concat(bench.Log).ShouldContain("I look first.");
            bench.Ledger.Calls.ShouldNotBeEmpty();
            bench.Ledger.Calls.ShouldAllBe(c =>
                c.JobId == EmployeeBench.Request.JobId && c.Attempt == 1 && c.Backend == backend && c.Model == "c-works" && c.ErrorCode == null
                && c.Retries == 0);
        }
    }

    [Theory]
    [MemberData(nameof(All))]
    public async Task WorkAsync_RefusedCall_IsReadAndTheWorkGoesOn(string backend)
    {
        await using var bench = await BenchAsync(backend, "app.py");

        var result = await WorkAsync(backend, bench, "c-refused");

        result.FinishReason.ShouldBe(EmployeeFinish.Completed, result.Output);
        result.ToolCalls.ShouldContain(c => c.RefusalCode == (backend == EmployeeBackends.Cli ? "outside_scope" : "outside_sandbox"));
        result.Artifacts.ShouldBe(["app.py"]);
        (await bench.Bench.ReadAsync("app.py")).ShouldBe("done\n");
        (await bench.Bench.Sandbox.DiffAsync()).Value.Files.Select(f => f.Path).ShouldBe(["app.py"]);
    }

    [Theory]
    [MemberData(nameof(All))]
    public async Task WorkAsync_MalformedArguments_HarmNothing(string backend)
    {
        await using var bench = await BenchAsync(backend);

        // Of an agent these are a diff that is none; it mends it in the same answer.
        var result = await WorkAsync(backend, bench, "c-arguments");

        result.FinishReason.ShouldBe(EmployeeFinish.Completed, result.Output);
        result.SelfConfidence.ShouldBe(0.6);
        (await bench.Bench.ReadAsync("app.py")).ShouldBe("done\n");
    }

    [Theory]
    [MemberData(nameof(All))]
    public async Task WorkAsync_CancelledInMidCall_EndsAtOnceAsACancellation(string backend)
    {
        await using var bench = await BenchAsync(backend);
        using var cancel = new CancellationTokenSource();

        var work = bench.WorkAsync(backend, "c-stalls", request: r => r with { Log = _ => cancel.CancelAsync() }, cancellationToken: cancel.Token);
        // A script has no log; it is in its sleep once it has written.
        if (backend == ScriptedEmployee.BackendName)
        {
            await Until.TrueAsync(
                async () => work.IsCompleted || await bench.Bench.ReadAsync("app.py") == "begun\n", () => "The script has written nothing.", seconds: 30);
            await cancel.CancelAsync();
        }

        await Should.ThrowAsync<OperationCanceledException>(() => work).WaitAsync(TimeSpan.FromSeconds(60));
        if (backend != ScriptedEmployee.BackendName)
            bench.Ledger.Calls.ShouldHaveSingleItem().ErrorCode.ShouldBe("cancelled");
    }

    [Theory]
    [MemberData(nameof(All))]
    public async Task WorkAsync_EmployeeThatWillNot_IsNoSubmission(string backend)
    {
        await using var bench = await BenchAsync(backend);

        // Ollama has no filter: the model says no in its own words, also when asked again.
        var result = await WorkAsync(backend, bench, backend == EmployeeBackends.Ollama ? "c-unwilling" : "c-refuses");

        result.FinishReason.ShouldBe(backend switch
        {
            EmployeeBackends.Ollama => EmployeeFinish.Completed,
            ScriptedEmployee.BackendName => EmployeeFinish.Failed,
            _ => EmployeeFinish.Refused,
        }, result.Output);
        result.Artifacts.ShouldBeEmpty();
        result.HasSubmission.ShouldBe(backend == EmployeeBackends.Ollama);
    }

    [Theory]
    [MemberData(nameof(Models))]
    [InlineData(EmployeeBackends.Cli)]
    public async Task WorkAsync_BudgetReached_StopsWithWhatIsThere(string backend)
    {
        await using var bench = await BenchAsync(backend);

        var result = await WorkAsync(backend, bench, "c-endless", o => o.MaxTurns = 3);

        result.FinishReason.ShouldBe(backend == EmployeeBackends.Cli ? EmployeeFinish.TimeLimit : EmployeeFinish.TurnLimit, result.Output);
        result.HasSubmission.ShouldBeTrue();
        (await bench.Bench.ReadAsync("app.py")).ShouldBe("done\n");
    }

    [Theory]
    [MemberData(nameof(Models))]
    [InlineData(EmployeeBackends.Cli)]
    public async Task WorkAsync_FailureToTheEnd_IsAValueAndShowsNoSecret(string backend)
    {
        await using var bench = await BenchAsync(backend);

        var result = await WorkAsync(backend, bench, "c-down");

        result.FinishReason.ShouldBe(backend == EmployeeBackends.Cli ? EmployeeFinish.Failed : EmployeeFinish.Unavailable, result.Output);
        result.HasSubmission.ShouldBeFalse();
        result.Explanation.ShouldContain("out of order");
        var call = bench.Ledger.Calls.ShouldHaveSingleItem();
        (call.ErrorCode, call.Retries, call.Usage).ShouldBe(backend == EmployeeBackends.Cli ? ("exit_9", 0, null) : ("503", 2, null));
    }

    [Theory]
    [MemberData(nameof(Models))]
    public async Task WorkAsync_RateLimitedThenNot_IsAskedAgain(string backend)
    {
        await using var bench = await BenchAsync(backend);

        // The server asks for an hour.
        var result = await WorkAsync(backend, bench, OnceFor(backend, "c-limited-once")).WaitAsync(TimeSpan.FromSeconds(30));

        result.FinishReason.ShouldBe(EmployeeFinish.Completed, result.Output);
        (await bench.Bench.ReadAsync("app.py")).ShouldBe("done\n");
        bench.Ledger.Calls.Select(c => (c.Retries, c.ErrorCode)).ShouldBe([(1, null)]);
    }

    [Theory]
    [MemberData(nameof(Models))]
    public async Task WorkAsync_TruncatedStream_IsAskedAgainAndNothingOfItIsUsed(string backend)
    {
        await using var bench = await BenchAsync(backend);

        var result = await WorkAsync(backend, bench, "c-truncated");

        result.FinishReason.ShouldBe(EmployeeFinish.Unavailable, result.Output);
        result.Artifacts.ShouldBeEmpty();
        bench.Ledger.Calls.Select(c => (c.Retries, c.FirstToken is null)).ShouldBe([(2, false)]);
        (await WorkAsync(backend, bench, OnceFor(backend, "c-truncated-once"))).FinishReason.ShouldBe(EmployeeFinish.Completed);
        (await bench.Bench.ReadAsync("app.py")).ShouldBe("done\n");
    }

    [Theory]
    [MemberData(nameof(Models))]
    public async Task WorkAsync_SlowFirstByte_IsATimeout(string backend)
    {
        await using var bench = await BenchAsync(backend);

        var result = await WorkAsync(backend, bench, "c-slow", o => (o.SilenceTimeout, o.MaxRetries) = (TimeSpan.FromMilliseconds(300), 1));

        result.FinishReason.ShouldBe(EmployeeFinish.Unavailable, result.Output);
        result.Explanation.ShouldContain("did not answer within");
        bench.Ledger.Calls.Select(c => (c.ErrorCode, c.Retries, c.FirstToken)).ShouldBe([("timeout", 1, null)]);
    }

    [Theory]
    [MemberData(nameof(Models))]
    public async Task WorkAsync_MalformedJson_IsAnInvalidResponse(string backend)
    {
        await using var bench = await BenchAsync(backend);

        var result = await WorkAsync(backend, bench, "c-malformed");

        result.FinishReason.ShouldBe(EmployeeFinish.InvalidResponse, result.Output);
        bench.Ledger.Calls.Select(c => (c.ErrorCode, c.Retries)).ShouldBe([("malformed", 2)]);
    }

    [Theory]
    [MemberData(nameof(All))]
    public async Task WorkAsync_NothingConfigured_IsMisconfiguredAndSaysWhatToDo(string backend)
    {
        await using var bench = await BenchAsync(backend);

        var result = await bench.WorkAsync(backend, backend == "scripted" ? "c-works" : "absent", o =>
        {
            (o.OpenAi, o.Gemini, o.Ollama, o.Agents) = (new EmployeeOptions().OpenAi, new EmployeeOptions().Gemini, new(), []);
            o.Scripted = new();
        });

        result.FinishReason.ShouldBe(EmployeeFinish.Misconfigured);
        result.HasSubmission.ShouldBeFalse();
        result.IsTransient.ShouldBeFalse();
        result.Explanation.ShouldContain(backend switch
        {
            EmployeeBackends.OpenAi => "OPENAI_API_KEY is not set.",
            EmployeeBackends.Gemini => "GEMINI_API_KEY is not set.",
            EmployeeBackends.Ollama => "OLLAMA_HOST is not set.",
            EmployeeBackends.Cli => "There is no agent 'absent' in employees.json.",
            _ => "No script for job 'The job'",
        });
        bench.Ledger.Calls.ShouldBeEmpty();
    }

    // The server counts a sequence for all who ask; openai and gemini ask the same one.
    private static string OnceFor(string backend, string model) => backend == EmployeeBackends.Gemini ? model + "-gemini" : model;

    /// <summary>Lets it work, and checks what holds of every result, however it ended.</summary>
    private static async Task<EmployeeResult> WorkAsync(string backend, ContractBench bench, string model, Action<EmployeeOptions>? change = null)
    {
        var result = await bench.WorkAsync(backend, model, change);
        result.Output.ShouldStartWith($"Backend '{backend}'");
        result.Explanation.ShouldNotBeEmpty();
        result.Cost.ShouldBe(backend == EmployeeBackends.Ollama && result.Usage != EmployeeUsage.None ? 0 : null);
        result.Artifacts.ShouldBeUnique();
        var told = result.Output + result.Explanation + string.Concat(bench.Log) + string.Join('\n', bench.Ledger.Calls);
        foreach (var secret in (string[])[AimockServer.Key, ContractBench.AgentSecret, "sk-abcdefgh"])
            told.ShouldNotContain(secret);
        Directory.EnumerateFiles(bench.Bench.Project.Root, "evil.py", SearchOption.AllDirectories).ShouldBeEmpty();
        return result;
    }
}
