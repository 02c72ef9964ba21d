using System.Text.Json;
using Aura.Orchestra.Employees.Chat;
using Aura.Orchestra.Employees.Prompting;
using Aura.Orchestra.Tools;
using Microsoft.Extensions.Logging;

namespace Aura.Orchestra.Employees;

/// <summary>Lets a model work through tool calls, within the attempt's budgets.</summary>
internal sealed partial class ChatEmployee(
    string backend, EmployeeBackends backends, EmployeeOptions options, ModelCalls calls, SecretRedactor redactor, TimeProvider time,
        ILogger<ChatEmployee> logger)
    : IEmployeeAdapter
{
    private const string Submit = "submit_work";
    private const int MaxMap = 6000;
    private const int LastTurns = 3;

    private static readonly ToolDefinition SubmitDefinition = new(
        Submit, "Ends the job. Call it once, when nothing is left to do.",
        """{"type":"object","properties":{"explanation":{"type":"string","description":"What you changed and why, in a few sentences"},"confidence":{"type":"number","description":"0 to 1: how likely all tests pass"}},"required":["explanation","confidence"],"additionalProperties":false}""");

    public string Backend => backend;

    public async Task<EmployeeResult> WorkAsync(EmployeeRequest request, IEmployeeTools tools, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(request);
        ArgumentNullException.ThrowIfNull(tools);
        var (endpoint, missing) = backends.EndpointOf(backend, request.Endpoint);
        using var span = EmployeeTelemetry.Attempt(request, backend);
        await using var log = request.Log is { } write ? new LiveLog(write, redactor, time) : null;
        var protocol = new WorkProtocol($"Backend '{backend}', model '{request.Model}', {endpoint?.ToString() ?? "no endpoint"}.", redactor);
        var work = new Work(request, new Toolbox(tools), protocol, new(redactor), new(options.LoopLimit), log);
        var result = endpoint is null ? work.Finish(EmployeeFinish.Misconfigured, missing)
            : await InTimeAsync(endpoint, work, tools, cancellationToken);
        EmployeeTelemetry.End(span, result);
        LogFinished(logger, request.JobId, request.Attempt, backend, request.Model, result.FinishReason, result.ToolCalls.Count,
            result.Usage.Prompt, result.Usage.Completion);
        return result;
    }

    private async Task<EmployeeResult> InTimeAsync(ChatEndpoint endpoint, Work work, IEmployeeTools tools, CancellationToken cancellationToken)
    {
        using var limit = new CancellationTokenSource(options.TimeLimit, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
        try
        {
            return await LoopAsync(endpoint, work, tools, either.Token);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return work.Finish(EmployeeFinish.TimeLimit, $"The time limit of {options.TimeLimit.TotalSeconds:0} s for one attempt was reached.");
        }
    }

    private async Task<EmployeeResult> LoopAsync(ChatEndpoint endpoint, Work work, IEmployeeTools tools, CancellationToken cancellationToken)
    {
        var context = backend == EmployeeBackends.Ollama ? options.Ollama.ContextTokens : options.ContextTokens;
        var answerRoom = Math.Min(options.MaxOutputTokens, context / 2);
        ToolDefinition[] definitions = [.. work.Toolbox.Definitions, SubmitDefinition];
        var talk = new Conversation(
            EmployeePrompt.System(work.Fence), EmployeePrompt.Of(work.Request, work.Fence, await MapAsync(tools, context, cancellationToken)),
                definitions, context - answerRoom);
        var purpose = new CallPurpose("work", work.Request.PrdId, work.Request.JobId, work.Request.Attempt);
        var nudged = false;
        for (var turn = 1; turn <= options.MaxTurns; turn++)
        {
            if (work.OverBudget(options) is { } spent)
                return spent;
            var answer = await AskAsync(talk, work, () => calls.AskAsync(
                endpoint, work.Request.Model,
                new() { Messages = talk.Messages, Tools = definitions, MaxOutputTokens = answerRoom, ContextTokens = context }, purpose, work.Log,
                    cancellationToken));
            if (answer.Reply is not { } said)
                return work.Finish(answer.Finish, answer.Problem);
            var text = said.Text.Trim();
            if (text.Length > 0)
                work.Protocol.Add($"model: {text}");
            if (!string.IsNullOrEmpty(said.Refusal) || said.End == ReplyEnd.Filtered)
                return work.Finish(EmployeeFinish.Refused, string.IsNullOrEmpty(said.Refusal) ? "The provider's content filter stopped the answer." : said.Refusal);
            // Calls of a cut answer may be cut themselves, and half a file must not be written.
            if (said.End == ReplyEnd.Length)
                return work.Finish(EmployeeFinish.Truncated,
                    $"The answer was cut at {answer.Usage.Completion} tokens (limit {answerRoom}). Split the job, or raise Aura:Employees:MaxOutputTokens.");

            // By the calls, not by the finish reason: some servers say "stop" and call tools all the same.
            if (said.Calls.Count > 0)
            {
                talk.Add(new(Speaker.Model, said.Text) { Calls = said.Calls });
                if (await CallToolsAsync(said.Calls, talk, work, context, options.MaxTurns - turn, cancellationToken) is { } ended)
                    return ended;
                continue;
            }

            if (work.Toolbox.Artifacts.Count > 0 || nudged)
                return work.Finish(EmployeeFinish.Completed, text.Length > 0 ? text : "The model stopped without a word.");
            nudged = true;
            if (text.Length > 0)
                talk.Add(new(Speaker.Model, text));
            talk.Add(new(Speaker.User, EmployeePrompt.Nudge));
        }

        return work.Finish(EmployeeFinish.TurnLimit, $"The limit of {options.MaxTurns} answers for one attempt was reached.");
    }

    /// <summary>Asks, after making room; once more when the server finds the question too long all the same.</summary>
    private static async Task<ModelAnswer> AskAsync(Conversation talk, Work work, Func<Task<ModelAnswer>> ask)
    {
        for (var again = false; ; again = true)
        {
            var before = talk.Shortened;
            var fits = talk.Fit(anyway: again);
            if (talk.Shortened > before)
            {
                work.Protocol.Add($"context: {talk.Shortened - before} old tool answers were shortened");
                work.Guard.Forget();
            }

            if (!fits)
                return new(null, EmployeeUsage.None, null, EmployeeFinish.ContextLimit,
                    "The conversation does not fit into the model's context, even with old tool answers left out. Split the job, or use a model with more room.");
            var answer = await ask();
            work.Count(answer);
            talk.Counted(answer.Usage.Prompt);
            if (answer.Finish != EmployeeFinish.ContextLimit || again)
                return answer;
        }
    }

    private static async Task<string?> MapAsync(IEmployeeTools tools, int context, CancellationToken cancellationToken)
    {
        var (paths, refusal) = await tools.AllFilesAsync(cancellationToken);
        return refusal is null ? ProjectMap.Of(paths, Math.Min(MaxMap, context / 4)) : null;
    }

    /// <summary>Answers every call of one turn, as the protocol demands; returns the result when the work was handed in or went in circles.</summary>
    private async Task<EmployeeResult?> CallToolsAsync(
        IReadOnlyList<ModelToolCall> made, Conversation talk, Work work, int context, int turnsLeft, CancellationToken cancellationToken)
    {
        foreach (var call in made)
        {
            var arguments = Parse(call.Arguments);
            if (call.Name == Submit)
            {
                var explanation = Property(arguments, "explanation") is { ValueKind: JsonValueKind.String } e ? redactor.CleanLog(e.GetString()!)
                    : "";
                double? confidence = Property(arguments, "confidence") is { ValueKind: JsonValueKind.Number } c ? Math.Clamp(c.GetDouble(), 0, 1) : null;
                work.Protocol.Add($"{Submit}: {explanation}");
                return work.Finish(EmployeeFinish.Completed,
                    explanation.Length > 0 ? explanation : "Submitted without an explanation.") with
                { SelfConfidence = confidence };
            }

            using var span = EmployeeTelemetry.Tool(call);
            var result = arguments is { } given
                ? await work.Toolbox.CallAsync(call.Name, given, cancellationToken)
                : ToolResult.Refused(ToolCodes.InvalidArguments,
                    $"The arguments of {call.Name} are not valid JSON. Send them again as one JSON object.");
            EmployeeTelemetry.End(span, result);
            var noted = arguments is null ? new(call.Name, "", result.RefusalCode) : work.Toolbox.Calls[^1];
            work.Protocol.Add(noted, result);
            work.Log?.Line(WorkProtocol.LineOf(noted, result));
            var verdict = work.Guard.Judge(call.Name, call.Arguments, result);
            if (verdict == LoopVerdict.Stop)
                return work.Finish(EmployeeFinish.Looping,
                    $"It made the same call of {call.Name} with the same answer {options.LoopLimit + 1} times, the last after it had been told.");
            if (!result.IsRefused && Toolbox.Changes(call.Name))
                work.Guard.Forget((call.Name, call.Arguments));

            var answer = AnswerOf(noted, result, work, context);
            if (verdict == LoopVerdict.Warn)
                answer += $"\n{LoopGuard.Warning}";
            if (turnsLeft is > 0 and <= LastTurns && ReferenceEquals(call, made[^1]))
                answer += $"\n{EmployeePrompt.FewTurnsLeft(turnsLeft)}";
            talk.Add(new(Speaker.Tool, answer) { Answers = call });
        }

        return null;
    }

    private string AnswerOf(ToolCall call, ToolResult result, Work work, int context)
    {
        if (result.IsRefused)
            return $"Refused ({result.RefusalCode}): {work.Fence.Wrap(call.Tool, result.Text)}";
        // About three characters a token: one answer takes at most a quarter of the room.
        var limit = Math.Min(options.MaxToolResultLength, context * 3 / 4);
        var more = call.Tool == ToolNames.ReadFile
            ? "Ask for them with start_line and end_line."
            : "";
        return work.Fence.Wrap($"{call.Tool} {call.Target}".TrimEnd(), LongText.Shorten(result.Text, limit, more));
    }

    private static JsonElement? Parse(string arguments)
    {
        try
        {
            using var document = JsonDocument.Parse(arguments.Length == 0 ? "{}" : arguments);
            return document.RootElement.Clone();
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private static JsonElement? Property(JsonElement? element, string name) =>
        element is { ValueKind: JsonValueKind.Object } e && e.TryGetProperty(name, out var value) ? value : null;

    [LoggerMessage(EventId = 3101, Level = LogLevel.Information,
        Message = "Employee finished {JobId} attempt {Attempt}: {Backend} {Model} {Finish}, {ToolCalls} tool calls, {PromptTokens} + {CompletionTokens} tokens")]
    private static partial void LogFinished(
        ILogger logger, string jobId, int attempt, string backend, string model, EmployeeFinish finish, int toolCalls, long promptTokens, long completionTokens);

    private sealed class Work(EmployeeRequest request, Toolbox toolbox, WorkProtocol protocol, DataFence fence, LoopGuard guard, LiveLog? log)
    {
        private EmployeeUsage _usage = EmployeeUsage.None;
        private decimal _cost;
        private bool _costIsWhole = true;

        public EmployeeRequest Request => request;
        public Toolbox Toolbox => toolbox;
        public WorkProtocol Protocol => protocol;
        public DataFence Fence => fence;
        public LoopGuard Guard => guard;
        public LiveLog? Log => log;

        public void Count(ModelAnswer answer)
        {
            _usage = _usage.Plus(answer.Usage);
            _cost += answer.Cost ?? 0;
            _costIsWhole &= answer.Cost is not null;
        }

        public EmployeeResult? OverBudget(EmployeeOptions options)
        {
            if (options.MaxTokens is { } tokens && _usage.Prompt + _usage.Completion >= tokens)
                return Finish(EmployeeFinish.TokenLimit,
                    $"The limit of {tokens} tokens for one attempt was reached: {_usage.Prompt} sent, {_usage.Completion} received.");
            return options.MaxCost is { } cost && _cost >= cost
                ? Finish(EmployeeFinish.CostLimit, $"The limit of {cost} for one attempt was reached: {_cost} spent.")
                : null;
        }

        public EmployeeResult Finish(EmployeeFinish finish, string explanation)
        {
            if (finish != EmployeeFinish.Completed)
                protocol.Add($"stopped ({finish}): {explanation}");
            if (fence.HiddenRemoved > 0)
                protocol.Add($"{fence.HiddenRemoved} hidden characters were taken out of what the model was shown");
            return new()
            {
                Output = protocol.ToString(),
                Explanation = protocol.Clean(explanation),
                Artifacts = toolbox.Artifacts,
                ToolCalls = toolbox.Calls,
                Usage = _usage,
                Cost = _costIsWhole && _usage != EmployeeUsage.None ? _cost : null,
                FinishReason = finish,
            };
        }
    }
}
