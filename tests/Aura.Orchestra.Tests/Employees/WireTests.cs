using System.Text.Json;
using Aura.Orchestra.Employees;
using Aura.Orchestra.Employees.Chat;
using Aura.Orchestra.Planning;

namespace Aura.Orchestra.Tests.Employees;

/// <summary>What goes over the wire to the byte, and answers that the mock server cannot give.</summary>
public sealed class WireTests
{
    private static async Task<(EmployeeResult Result, IReadOnlyList<JsonElement> Asked)> WorkAsync(
        string backend, string contentType, string[] bodies, Action<EmployeeOptions>? change = null)
    {
        await using var bench = await EmployeeBench.CreateAsync();
        await using var raw = new RawServer(contentType, bodies);
        var options = new EmployeeOptions { MaxRetries = 0, MaxTurns = 4 };
        options.OpenAi = new() { BaseUrl = raw.Address.AbsoluteUri + "v1" };
        options.Gemini = new() { BaseUrl = raw.Address.AbsoluteUri + "v1beta/openai/" };
        options.Ollama = new() { Host = raw.Address.AbsoluteUri, ContextTokens = 12_345 };
        change?.Invoke(options);
        var result = await new EmployeeBackends(options, TimeProvider.System).Adapter(backend)
            .WorkAsync(EmployeeBench.Request with { Model = "m" }, bench.Tools, CancellationToken.None);
        return (result, [.. raw.Asked.Select(a => JsonElement.Parse(a))]);
    }

    private static string Lines(params string[] lines) => string.Concat(lines.Select(l => l + "\n"));

    private static string Events(params string[] data) => string.Concat(data.Select(d => $"data: {d}\n\n")) + "data: [DONE]\n\n";

    private static string Chunk(string delta, string finish = "null") =>
        $$"""{"id":"x","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{{delta}},"finish_reason":{{finish}}}]}""";

    [Fact]
    public async Task Ollama_Question_TellsTheContextLengthAndAnswersByToolName()
    {
        var (result, asked) = await WorkAsync("ollama", "application/x-ndjson",
        [
            Lines(
                """{"model":"m","message":{"role":"assistant","content":"","tool_calls":[{"function":{"name":"read_file","arguments":{"path":"app.py"}}}]},"done":false}""",
                """{"model":"m","message":{"role":"assistant","content":""},"done":true,"done_reason":"stop","prompt_eval_count":1000,"eval_count":7}"""),
            Lines(
                """{"model":"m","message":{"role":"assistant","content":"","tool_calls":[{"function":{"name":"submit_work","arguments":{"explanation":"Read it","confidence":0.5}}}]},"done":false}""",
                """{"model":"m","message":{"role":"assistant","content":""},"done":true,"done_reason":"stop","prompt_eval_count":1100,"eval_count":8}"""),
        ]);

        result.FinishReason.ShouldBe(EmployeeFinish.Completed, result.Output);
        result.Usage.ShouldBe(new EmployeeUsage(2100, 0, 15));
        result.Cost.ShouldBe(0);
        asked[0].GetProperty("options").GetProperty("num_ctx").GetInt32().ShouldBe(12_345);
        asked[0].GetProperty("options").GetProperty("num_predict").GetInt32().ShouldBe(12_345 / 2);
        asked[0].GetProperty("stream").GetBoolean().ShouldBeTrue();
        var messages = asked[1].GetProperty("messages");
        messages[2].GetProperty("tool_calls")[0].GetProperty("function").GetProperty("arguments").GetProperty("path").GetString().ShouldBe("app.py");
        (messages[3].GetProperty("role").GetString(), messages[3].GetProperty("tool_name").GetString()).ShouldBe(("tool", "read_file"));
    }

    [Theory]
    [InlineData("""{"message":{"content":"half"},"done":true,"done_reason":"length","prompt_eval_count":1,"eval_count":1}""",
        EmployeeFinish.Truncated)]
    [InlineData("""{"error":"model runner has unexpectedly stopped"}""", EmployeeFinish.Unavailable)]
    [InlineData("""{"message":{"content":"half"},"done":false}""", EmployeeFinish.Unavailable)]
    [InlineData("""<html>""", EmployeeFinish.InvalidResponse)]
    [InlineData("""{"message":{"tool_calls":[{"name":"odd"}]},"done":true}""", EmployeeFinish.InvalidResponse)]
    public async Task Ollama_OddAnswer_IsAValue(string line, EmployeeFinish finish) =>
        (await WorkAsync("ollama", "application/x-ndjson", [Lines(line)])).Result.FinishReason.ShouldBe(finish);

    [Fact]
    public async Task Gemini_CallsWithOneIndexAndSignatures_AreToldApartAndHandedBack()
    {
        var (result, asked) = await WorkAsync("gemini", "text/event-stream",
        [
            Events(
                Chunk("""{"tool_calls":[{"index":0,"id":"f1","type":"function","function":{"name":"read_file","arguments":"{\"path\":\"app.py\"}"},"extra_content":{"google":{"thought_signature":"SIG"}}}]}"""),
                Chunk("""{"tool_calls":[{"index":0,"id":"f2","type":"function","function":{"name":"list_files","arguments":"{\"pattern\":\"**\"}"}}]}""", "\"tool_calls\"")),
            Events(Chunk(
                """{"tool_calls":[{"index":0,"id":"f3","type":"function","function":{"name":"submit_work","arguments":"{\"explanation\":\"ok\",\"confidence\":1}"}}]}""", "\"stop\"")),
        ]);

        result.FinishReason.ShouldBe(EmployeeFinish.Completed, result.Output);
        result.ToolCalls.Select(c => c.Tool).ShouldBe(["read_file", "list_files"]);
        var calls = asked[1].GetProperty("messages")[2].GetProperty("tool_calls");
        calls[0].GetProperty("extra_content").GetProperty("google").GetProperty("thought_signature").GetString().ShouldBe("SIG");
        calls[1].TryGetProperty("extra_content", out _).ShouldBeFalse();
        asked[0].GetProperty("stream_options").GetProperty("include_usage").GetBoolean().ShouldBeTrue();
    }

    [Fact]
    public async Task OpenAi_Refusal_IsTheModelsOwnWords()
    {
        var (result, _) =
            await WorkAsync("openai", "text/event-stream",
            [Events(Chunk("""{"refusal":"I cannot "}"""), Chunk("""{"refusal":"do that."}""", "\"stop\""))]);

        result.FinishReason.ShouldBe(EmployeeFinish.Refused);
        result.Explanation.ShouldBe("I cannot do that.");
    }

    [Fact]
    public async Task OpenAi_ArgumentsInPieces_AreOneCall()
    {
        var (result, _) = await WorkAsync("openai", "text/event-stream",
        [
            Events(
                Chunk("""{"tool_calls":[{"index":0,"id":"a","type":"function","function":{"name":"submit_work","arguments":""}}]}"""),
                Chunk("""{"tool_calls":[{"index":0,"function":{"arguments":"{\"explanation\":\"in pie"}}]}"""),
                Chunk("""{"tool_calls":[{"index":0,"function":{"arguments":"ces\",\"confidence\":0.25}"}}]}""", "\"tool_calls\"")),
        ]);

        (result.Explanation, result.SelfConfidence).ShouldBe(("in pieces", 0.25));
    }

    [Fact]
    public async Task Ollama_Plan_IsAskedForByItsSchemaAndStandsInTheLedger()
    {
        await using var raw = new RawServer("application/x-ndjson", Lines(
            """{"message":{"content":"{\"tasks\":[{\"id\":\"a\",\"title\":\"Only\"}]}"},"done":true,"done_reason":"stop","prompt_eval_count":9,"eval_count":3}"""));
        var options = new EmployeeOptions { Ollama = new() { Host = raw.Address.AbsoluteUri } };
        var ledger = new MemoryLedger();

        var plan = await new Planner(new(options, TimeProvider.System, ledger: ledger), options).PlanAsync(
            new() { Backend = "ollama", Model = "m", PrdId = "prd-aaaa2222", ProjectName = "demo", Title = "Do it", Files = ["app.py"] });

        plan.Outcome.ShouldBeOfType<PlanOutcome.Planned>();
        JsonElement.Parse(raw.Asked[0]).GetProperty("format").GetProperty("required")[0].GetString().ShouldBe("tasks");
        var call = ledger.Calls.ShouldHaveSingleItem();
        (call.Purpose, call.PrdId, call.JobId, call.Usage, call.Cost).ShouldBe(("plan", "prd-aaaa2222", null, new EmployeeUsage(9, 0, 3), 0m));
    }

    [Theory]
    [InlineData(0, null, 0.0, 0.5)]
    [InlineData(0, null, 0.99, 0.995)]
    [InlineData(3, null, 0.0, 4)]
    [InlineData(10, null, 0.5, 30)]
    [InlineData(0, 7.0, 0.0, 7)]
    [InlineData(0, 3600.0, 0.0, 30)]
    public void Backoff_Before_DoublesSpreadsAndObeysWithinTheLimit(int retry, double? asked, double roll, double seconds) =>
        Backoff.Before(retry, asked is { } a ? TimeSpan.FromSeconds(a) : null, TimeSpan.FromSeconds(30), roll).TotalSeconds.ShouldBe(seconds, 0.001);

    [Theory]
    [InlineData("7", 7.0)]
    [InlineData("1.5", 1.5)]
    [InlineData("Sun, 01 Mar 2026 00:00:30 GMT", 30.0)]
    [InlineData("Sun, 01 Mar 2020 00:00:30 GMT", null)]
    [InlineData("soon", null)]
    [InlineData(null, null)]
    public void ParseRetryAfter_Header_IsSecondsOrADate(string? header, double? seconds) =>
        WireFailure.ParseRetryAfter(header, new(2026, 3, 1, 0, 0, 0, TimeSpan.Zero))?.TotalSeconds.ShouldBe(seconds!.Value);
}
