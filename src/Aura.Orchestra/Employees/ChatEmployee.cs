using System.Text.Json;
using Aura.Orchestra.Tools;
using Microsoft.Extensions.Logging;
using OpenAI.Chat;

namespace Aura.Orchestra.Employees;

/// <summary>Lets a model work through tool calls on any endpoint that speaks OpenAI's chat completions.</summary>
internal sealed partial class ChatEmployee(string backend, EmployeeBackends backends, EmployeeOptions options, TimeProvider time, ILogger<ChatEmployee> logger) : IEmployeeAdapter
{
    private const string Submit = "submit_work";

    private static readonly ToolDefinition SubmitDefinition = new(
        Submit, "Ends the job. Call it once, when nothing is left to do.",
        """{"type":"object","properties":{"explanation":{"type":"string","description":"What you changed and why, in a few sentences"},"confidence":{"type":"number","description":"0 to 1: how likely all tests pass"}},"required":["explanation","confidence"],"additionalProperties":false}""");

    private readonly ModelChat _chat = new(options);

    public string Backend => backend;

    public async Task<EmployeeResult> WorkAsync(EmployeeRequest request, IEmployeeTools tools, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(request);
        ArgumentNullException.ThrowIfNull(tools);
        var (configured, missing) = backends.EndpointOf(backend);
        var endpoint = request.Endpoint is { } own ? (configured ?? new(backend, own, null, ModernTokenLimit: false)) with { BaseUrl = own } : configured;
        // A key belongs to the configured host; another endpoint must not learn it.
        if (endpoint is not null && configured is not null
            && endpoint.BaseUrl.GetLeftPart(UriPartial.Authority) != configured.BaseUrl.GetLeftPart(UriPartial.Authority))
        {
            endpoint = endpoint with { ApiKey = null, ModernTokenLimit = false };
        }

        var work = new Work(request, new Toolbox(tools), new WorkProtocol($"Backend '{backend}', model '{request.Model}', {endpoint?.ToString() ?? "no endpoint"}."));
        if (endpoint is null)
            return work.Finish(EmployeeFinish.Misconfigured, missing);

        using var limit = new CancellationTokenSource(options.TimeLimit, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
        try
        {
            var result = await LoopAsync(endpoint, work, either.Token);
            LogFinished(logger, request.JobId, request.Attempt, backend, request.Model, result.FinishReason, result.ToolCalls.Count, result.Usage.Prompt, result.Usage.Completion);
            return result;
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return work.Finish(EmployeeFinish.TimeLimit, $"The time limit of {options.TimeLimit.TotalSeconds:0} s for one attempt was reached.");
        }
    }

    private async Task<EmployeeResult> LoopAsync(ChatEndpoint endpoint, Work work, CancellationToken cancellationToken)
    {
        List<ChatMessage> messages = [new SystemChatMessage(EmployeePrompt.System), new UserChatMessage(EmployeePrompt.Of(work.Request))];
        var nudged = false;
        for (var turn = 1; turn <= options.MaxTurns; turn++)
        {
            var completion = new ChatCompletionOptions();
            foreach (var tool in work.Toolbox.Definitions.Append(SubmitDefinition))
                completion.Tools.Add(ChatTool.CreateFunctionTool(tool.Name, tool.Description, BinaryData.FromString(tool.Schema)));
            var answer = await _chat.AskAsync(endpoint, work.Request.Model, messages, completion, cancellationToken);
            work.Usage = work.Usage.Plus(answer.Usage);
            if (answer.Completion is not { } said)
                return work.Finish(answer.Finish, answer.Problem);
            var text = string.Concat(said.Content.Select(c => c.Text)).Trim();
            if (text.Length > 0)
                work.Protocol.Add($"model: {ModelChat.Redacted(text, endpoint)}");
            if (!string.IsNullOrEmpty(said.Refusal) || said.FinishReason == ChatFinishReason.ContentFilter)
                return work.Finish(EmployeeFinish.Refused, string.IsNullOrEmpty(said.Refusal) ? "The provider's content filter stopped the answer." : said.Refusal);
            // Calls of a cut answer may be cut themselves, and half a file must not be written.
            if (said.FinishReason == ChatFinishReason.Length)
                return work.Finish(EmployeeFinish.Truncated, $"The answer was cut at {answer.Usage.Completion} tokens (limit {options.MaxOutputTokens}). Split the job, or raise Aura:Employees:MaxOutputTokens.");

            // By the calls, not by the finish reason: some servers say "stop" and call tools all the same.
            if (said.ToolCalls.Count > 0)
            {
                messages.Add(Assistant(said, text));
                if (await CallToolsAsync(said.ToolCalls, messages, work, cancellationToken) is { } submitted)
                    return submitted;
                continue;
            }

            if (work.Toolbox.Artifacts.Count > 0 || nudged)
                return work.Finish(EmployeeFinish.Completed, text.Length > 0 ? ModelChat.Redacted(text, endpoint) : "The model stopped without a word.");
            nudged = true;
            if (text.Length > 0)
                messages.Add(new AssistantChatMessage(text));
            messages.Add(new UserChatMessage(EmployeePrompt.Nudge));
        }

        return work.Finish(EmployeeFinish.TurnLimit, $"The limit of {options.MaxTurns} answers for one attempt was reached.");
    }

    /// <summary>Answers every call of one turn, as the protocol demands; returns the result when the work was handed in.</summary>
    private async Task<EmployeeResult?> CallToolsAsync(
        IReadOnlyList<ChatToolCall> calls, List<ChatMessage> messages, Work work, CancellationToken cancellationToken)
    {
        EmployeeResult? submitted = null;
        foreach (var call in calls)
        {
            var arguments = Parse(call.FunctionArguments);
            if (call.FunctionName == Submit)
            {
                var explanation = Property(arguments, "explanation") is { ValueKind: JsonValueKind.String } e ? e.GetString()! : "";
                double? confidence = Property(arguments, "confidence") is { ValueKind: JsonValueKind.Number } c ? Math.Clamp(c.GetDouble(), 0, 1) : null;
                work.Protocol.Add($"{Submit}: {explanation}");
                submitted = work.Finish(EmployeeFinish.Completed, explanation.Length > 0 ? explanation : "Submitted without an explanation.") with { SelfConfidence = confidence };
                break;
            }

            var result = arguments is { } given
                ? await work.Toolbox.CallAsync(call.FunctionName, given, cancellationToken)
                : ToolResult.Refused(ToolCodes.InvalidArguments, $"The arguments of {call.FunctionName} are not valid JSON. Send them again as one JSON object.");
            work.Protocol.Add(arguments is null ? new(call.FunctionName, "", result.RefusalCode) : work.Toolbox.Calls[^1], result);
            messages.Add(new ToolChatMessage(call.Id, Answer(result)));
        }

        return submitted;
    }

    private string Answer(ToolResult result)
    {
        if (result.IsRefused)
            return $"Refused ({result.RefusalCode}): {result.Text}";
        return result.Text.Length <= options.MaxToolResultLength
            ? result.Text
            : $"{result.Text[..options.MaxToolResultLength]}\n… {result.Text.Length - options.MaxToolResultLength} more characters were left out.";
    }

    // The calls are handed back as they came: some servers hide a signature in them that they want to see again.
    private static AssistantChatMessage Assistant(ChatCompletion said, string text)
    {
        var message = new AssistantChatMessage(said.ToolCalls);
        if (text.Length > 0)
            message.Content.Add(ChatMessageContentPart.CreateTextPart(text));
        return message;
    }

    private static JsonElement? Parse(BinaryData arguments)
    {
        try
        {
            using var document = JsonDocument.Parse(arguments.ToMemory().IsEmpty ? "{}"u8.ToArray() : arguments.ToMemory());
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

    private sealed class Work(EmployeeRequest request, Toolbox toolbox, WorkProtocol protocol)
    {
        public EmployeeRequest Request => request;
        public Toolbox Toolbox => toolbox;
        public WorkProtocol Protocol => protocol;
        public EmployeeUsage Usage { get; set; } = EmployeeUsage.None;

        public EmployeeResult Finish(EmployeeFinish finish, string explanation)
        {
            if (finish != EmployeeFinish.Completed)
                protocol.Add($"stopped ({finish}): {explanation}");
            return new()
            {
                Output = protocol.ToString(),
                Explanation = explanation,
                Artifacts = toolbox.Artifacts,
                ToolCalls = toolbox.Calls,
                Usage = Usage,
                FinishReason = finish,
            };
        }
    }
}
