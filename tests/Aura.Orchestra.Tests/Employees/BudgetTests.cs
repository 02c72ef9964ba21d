using System.Collections.Concurrent;
using System.Diagnostics;
using System.Diagnostics.Metrics;
using Aura.Orchestra.Employees;
using Aura.Orchestra.Employees.Ledger;
using Aura.Orchestra.Employees.Prompting;
using Aura.Testing;
using Microsoft.Extensions.Logging;

namespace Aura.Orchestra.Tests.Employees;

/// <summary>What an attempt may cost, and what is written down of it.</summary>
public sealed class BudgetTests(AimockServer server) : IClassFixture<AimockServer>
{
    private const string Prices = """
        { "version": "test-1", "currency": "EUR",
            "providers": [ { "backend": "openai", "models": { "vendor/paid": [ { "prompt": 100, "cached": 10, "completion": 1000 } ] } } ] }
        """;

    private static PriceTable Table => PriceTable.Parse(Prices, "test", out _)!;

    // OpenRouter's path: there the mock tells cached tokens in a stream.
    private void Paid(EmployeeOptions options) => options.OpenAi.BaseUrl = new Uri(server.Address, "/api/v1").AbsoluteUri;

    [Fact]
    public async Task WorkAsync_KnownPrices_CountCostByCallAndTable()
    {
        await using var bench = await ContractBench.CreateAsync(server);

        var result = await bench.WorkAsync("openai", "vendor/paid", o =>
        {
            Paid(o);
            o.Prices = Table;
        });

        result.FinishReason.ShouldBe(EmployeeFinish.Completed, result.Output);
        result.Usage.ShouldBe(new EmployeeUsage(3000, 400, 300));
        // 600 fresh at 100, 400 cached at 10, 100 written at 1000 a million; then twice 1000 at 100 and 100 at 1000.
        result.Cost.ShouldBe(0.164m + 0.2m + 0.2m);
        bench.Ledger.Calls.Select(c => (c.Cost, c.PriceTable, c.Finish, c.Usage!.Cached)).ShouldBe(
            [(0.164m, "test-1", "tool_calls", 400), (0.2m, "test-1", "tool_calls", 0), (0.2m, "test-1", "tool_calls", 0)]);
        bench.Ledger.Calls.ShouldAllBe(c => c.FirstToken > TimeSpan.Zero && c.Latency >= c.FirstToken && c.PrdId == "prd-aaaa2222");
    }

    [Fact]
    public async Task WorkAsync_CostBudget_StopsBeforeTheNextCall()
    {
        await using var bench = await ContractBench.CreateAsync(server);

        var result = await bench.WorkAsync("openai", "vendor/paid", o =>
        {
            Paid(o);
            (o.Prices, o.MaxCost) = (Table, 0.1m);
        });

        (result.FinishReason, result.HasSubmission, result.Cost).ShouldBe((EmployeeFinish.CostLimit, true, 0.164m));
        bench.Ledger.Calls.Count.ShouldBe(1);
    }

    [Fact]
    public async Task WorkAsync_TokenBudget_StopsBeforeTheNextCall()
    {
        await using var bench = await ContractBench.CreateAsync(server);

        var result = await bench.WorkAsync("openai", "vendor/paid", o => o.MaxTokens = 2000);

        (result.FinishReason, result.HasSubmission).ShouldBe((EmployeeFinish.TokenLimit, true));
        result.Explanation.ShouldContain("2000 tokens");
        bench.Ledger.Calls.Count.ShouldBe(2);
    }

    [Theory]
    [InlineData("c-overflows", EmployeeFinish.ContextLimit, "400", 2)]
    [InlineData("c-broke", EmployeeFinish.Misconfigured, "429", 1)]
    [InlineData("c-refuses-politely", EmployeeFinish.Refused, "400", 1)]
    public async Task WorkAsync_ErrorThatWaitingDoesNotMend_IsNotWaitedFor(string model, EmployeeFinish finish, string code, int calls)
    {
        await using var bench = await ContractBench.CreateAsync(server);

        var result = await bench.WorkAsync("openai", model);

        result.FinishReason.ShouldBe(finish, result.Output);
        bench.Ledger.Calls.Select(c => (c.ErrorCode, c.Retries)).ShouldBe(Enumerable.Repeat<(string?, int)>((code, 0), calls));
    }

    [Fact]
    public async Task WorkAsync_LedgerThatIsAway_DoesNotCostTheWork()
    {
        await using var bench = await EmployeeBench.CreateAsync();
        using var lines = new LogLines();
        using var factory = LoggerFactory.Create(b => b.AddProvider(lines));

        var result = await new EmployeeBackends(server.Options(), TimeProvider.System, factory, new BrokenLedger()).Adapter("openai")
            .WorkAsync(EmployeeBench.Request with { Model = "c-works" }, bench.Tools, CancellationToken.None);

        result.FinishReason.ShouldBe(EmployeeFinish.Completed);
        lines.All.Count(l => l.StartsWith("The ledger could not keep a call", StringComparison.Ordinal)).ShouldBe(2);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task WorkAsync_Listener_GetsSpansAndMeasuresAndContentOnlyWhenAllowed(bool content)
    {
        await using var bench = await ContractBench.CreateAsync(server);
        var job = $"job-{Guid.NewGuid():N}";
        var spans = new ConcurrentQueue<Activity>();
        using var listener = new ActivityListener
        {
            ShouldListenTo = s => s.Name == "Aura.Employees",
            Sample = (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllData,
            ActivityStopped = spans.Enqueue,
        };
        ActivitySource.AddActivityListener(listener);
        var measured = new ConcurrentDictionary<string, string>();
        using var meters =
            new MeterListener
            {
                InstrumentPublished = (instrument, l) =>
            { if (instrument.Meter.Name == "Aura.Employees") l.EnableMeasurementEvents(instrument); }
            };
        meters.SetMeasurementEventCallback<long>((instrument, _, _, _) => measured[instrument.Name] = instrument.Unit!);
        meters.SetMeasurementEventCallback<double>((instrument, _, _, _) => measured[instrument.Name] = instrument.Unit!);
        meters.Start();

        await bench.WorkAsync("openai", "vendor/paid", o => o.CaptureContent = content, r => r with { JobId = job });

        // Other tests' spans pass by here, too.
        var attempt = spans.Single(s => (string?)s.GetTagItem("aura.job.id") == job);
        var mine = spans.Where(s => s.TraceId == attempt.TraceId).ToList();
        attempt.OperationName.ShouldBe("invoke_agent vendor/paid");
        mine.Count(s => s.OperationName == "chat vendor/paid").ShouldBe(3);
        mine.Where(s => s.OperationName.StartsWith("execute_tool", StringComparison.Ordinal)).Select(s => s.GetTagItem("gen_ai.tool.name"))
            .ShouldBe(["write_file", "read_file"]);
        var chat = mine.First(s => s.OperationName == "chat vendor/paid");
        (chat.Kind, chat.GetTagItem("gen_ai.provider.name"), chat.GetTagItem("gen_ai.usage.input_tokens"), chat.GetTagItem("gen_ai.request.model"),
            chat.GetTagItem("server.address"))
            .ShouldBe((ActivityKind.Client, "openai", 1000L, "vendor/paid", "127.0.0.1"));
        (chat.GetTagItem("gen_ai.input.messages") is string kept && kept.Contains("Make app.py say done.", StringComparison.Ordinal))
            .ShouldBe(content);
        if (!content)
            mine.SelectMany(s => s.TagObjects).ShouldAllBe(t => !(t.Value!.ToString() ?? "").Contains("app.py", StringComparison.Ordinal));
        measured.ShouldContainKeyAndValue("gen_ai.client.token.usage", "{token}");
        measured.ShouldContainKeyAndValue("gen_ai.client.operation.duration", "s");
    }

    [Fact]
    public async Task LiveLog_PiecesOfASecret_AreRecognisedInTheWholeLine()
    {
        var written = new List<string>();
        await using (var log = new LiveLog(
            text =>
            {
                written.Add(text);
                return Task.CompletedTask;
            },
            new SecretRedactor(["my-secret-value"]), TimeProvider.System))
        {
            foreach (var piece in (string[])["first my-se", "cret-", "value\nsec", "ond\n", "my-secr"])
                log.Piece(piece);
            log.Line("a line of its own");
            log.Piece("the en\u001b[1md");
        }

        string.Concat(written).ShouldBe("first ***\nsecond\nmy-secr\na line of its own\nthe end\n");
    }

    private sealed class BrokenLedger : IModelLedger
    {
        public Task RecordAsync(ModelCall call, CancellationToken cancellationToken) => throw new InvalidOperationException("away");
    }
}
