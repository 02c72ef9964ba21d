using System.Diagnostics;
using System.Diagnostics.Metrics;
using System.Text.Json;
using Aura.Orchestra.Employees.Chat;

namespace Aura.Orchestra.Employees;

/// <summary>
/// Spans and measurements by OpenTelemetry's conventions for generative AI. Whoever listens to the source and the meter
/// <see cref="Name"/> gets them; without a listener they cost nothing. Content is in them only when the options say so.
/// </summary>
internal static class EmployeeTelemetry
{
    public const string Name = "Aura.Employees";

    private static readonly ActivitySource Source = new(Name);
    private static readonly Meter Meter = new(Name);
    private static readonly Histogram<long> Tokens =
        Meter.CreateHistogram<long>("gen_ai.client.token.usage", "{token}", "Tokens of one call, by type.");
    private static readonly Histogram<double> Duration =
        Meter.CreateHistogram<double>("gen_ai.client.operation.duration", "s", "One call with its retries.");
    private static readonly Histogram<double> FirstChunk = Meter.CreateHistogram<double>(
        "gen_ai.client.operation.time_to_first_chunk", "s", "From the question to the first piece of its answer.");

    /// <summary>One attempt of a job.</summary>
    public static Activity? Attempt(EmployeeRequest request, string backend)
    {
        var span = Source.StartActivity($"invoke_agent {request.Model}");
        return span?.SetTag("gen_ai.operation.name", "invoke_agent").SetTag("gen_ai.provider.name", ProviderOf(backend))
            .SetTag("gen_ai.request.model", request.Model)
            .SetTag("gen_ai.agent.name", request.Model).SetTag("gen_ai.conversation.id", $"{request.JobId}-a{request.Attempt}")
            .SetTag("aura.job.id", request.JobId).SetTag("aura.job.attempt", request.Attempt);
    }

    public static void End(Activity? span, EmployeeResult result)
    {
        span?.SetTag("aura.finish", result.FinishReason.ToString());
        if (span is not null && !result.HasSubmission)
            span.SetTag("error.type", result.FinishReason.ToString()).SetStatus(ActivityStatusCode.Error);
    }

    public static Activity? Call(ChatEndpoint endpoint, string model, int maxTokens)
    {
        var span = Source.StartActivity($"chat {model}", ActivityKind.Client);
        return span?.SetTag("gen_ai.operation.name", "chat").SetTag("gen_ai.provider.name", ProviderOf(endpoint.Backend))
            .SetTag("gen_ai.request.model", model)
            .SetTag("gen_ai.request.max_tokens", maxTokens).SetTag("server.address", endpoint.BaseUrl.Host)
                .SetTag("server.port", endpoint.BaseUrl.Port);
    }

    public static Activity? Tool(ModelToolCall call)
    {
        var span = Source.StartActivity($"execute_tool {call.Name}");
        return span?.SetTag("gen_ai.operation.name", "execute_tool").SetTag("gen_ai.tool.name", call.Name).SetTag("gen_ai.tool.call.id", call.Id)
            .SetTag("gen_ai.tool.type", "function");
    }

    public static void End(Activity? span, ToolResult result)
    {
        if (span is not null && result.IsRefused)
            span.SetTag("error.type", result.RefusalCode).SetStatus(ActivityStatusCode.Error);
    }

    /// <summary>Closes a call's span and measures it.</summary>
    /// <param name="content">The conversation and its answer, when they may be kept; else null.</param>
    public static void End(Activity? span, ChatEndpoint endpoint, Ledger.ModelCall call, ModelReply? reply,
        (ModelQuestion Question, Func<string, string> Clean)? content)
    {
        TagList tags = new()
        {
            { "gen_ai.operation.name", "chat" },
            { "gen_ai.provider.name", ProviderOf(endpoint.Backend) },
            { "gen_ai.request.model", call.Model },
            { "server.address", endpoint.BaseUrl.Host },
            { "server.port", endpoint.BaseUrl.Port },
        };
        if (call.ErrorCode is { } error)
            tags.Add("error.type", error);
        Duration.Record(call.Latency.TotalSeconds, tags);
        if (call.FirstToken is { } first)
            FirstChunk.Record(first.TotalSeconds, tags);
        if (call.Usage is { } usage)
        {
            Tokens.Record(usage.Prompt, [.. tags, new("gen_ai.token.type", "input")]);
            Tokens.Record(usage.Completion, [.. tags, new("gen_ai.token.type", "output")]);
            span?.SetTag("gen_ai.usage.input_tokens", usage.Prompt).SetTag("gen_ai.usage.output_tokens", usage.Completion)
                .SetTag("gen_ai.usage.cache_read.input_tokens", usage.Cached);
        }

        if (span is null)
            return;
        span.SetTag("gen_ai.response.finish_reasons", new[] { call.Finish }).SetTag("aura.retries", call.Retries);
        if (reply?.Model is { } answered)
            span.SetTag("gen_ai.response.model", answered);
        if (call.ErrorCode is { } code)
            span.SetTag("error.type", code).SetStatus(ActivityStatusCode.Error);
        if (content is { } kept)
        {
            span.SetTag("gen_ai.input.messages", kept.Clean(JsonSerializer.Serialize(kept.Question.Messages.Select(MessageOf))));
            if (reply is not null)
                span.SetTag("gen_ai.output.messages",
                    kept.Clean(JsonSerializer.Serialize(new[] { MessageOf(new(Speaker.Model, reply.Text) { Calls = reply.Calls }) })));
        }
    }

    private static object MessageOf(ModelMessage message) => new
    {
        role = message.Speaker switch { Speaker.System => "system", Speaker.User => "user", Speaker.Tool => "tool", _ => "assistant" },
        parts = (object[])
        [
            .. message.Text.Length > 0
                ? [new { type = message.Speaker == Speaker.Tool ? "tool_call_response" : "text", id = message.Answers?.Id, content = message.Text }]
                : Array.Empty<object>(),
            .. message.Calls.Select(c => new { type = "tool_call", id = c.Id, name = c.Name, arguments = c.Arguments }),
        ],
    };

    private static string ProviderOf(string backend) => backend == EmployeeBackends.Gemini ? "gcp.gemini" : backend;
}
