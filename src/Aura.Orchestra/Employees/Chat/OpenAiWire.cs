using System.ClientModel;
using System.ClientModel.Primitives;
using System.Text;
using System.Text.Json;
using OpenAI;
using OpenAI.Chat;

namespace Aura.Orchestra.Employees.Chat;

/// <summary>OpenAI's chat completions through the official client, streamed: OpenAI itself, Gemini's compatible endpoint, servers of one's
/// own.</summary>
internal sealed class OpenAiWire : IModelWire
{
#pragma warning disable SCME0001 // The experimental patch is the only way to fields that the client does not know.

    public async Task<ModelReply> AskAsync(ChatEndpoint endpoint, string model, ModelQuestion question, IAnswerWatch watch,
        CancellationToken cancellationToken)
    {
        var key = new ApiKeyCredential(string.IsNullOrEmpty(endpoint.ApiKey) ? "none" : endpoint.ApiKey);
        var client = new ChatClient(model, key, new OpenAIClientOptions
        {
            Endpoint = endpoint.BaseUrl,
            // Retries and time limits are ours: they are counted, and they end with the attempt.
            NetworkTimeout = Timeout.InfiniteTimeSpan,
            RetryPolicy = new ClientRetryPolicy(maxRetries: 0),
            Transport = new HttpClientPipelineTransport(ModelHttp.For(endpoint.BaseUrl)),
        });
        var reply = new Gathering();
        var updates = client.CompleteChatStreamingAsync(question.Messages.Select(Message), OptionsOf(question, endpoint), cancellationToken);
        await foreach (var update in updates)
        {
            watch.Alive();
            reply.Add(update, watch);
        }

        return reply.Take();
    }

    private static ChatCompletionOptions OptionsOf(ModelQuestion question, ChatEndpoint endpoint)
    {
        var options = new ChatCompletionOptions();
        if (endpoint.ModernTokenLimit)
            options.MaxOutputTokenCount = question.MaxOutputTokens;
        else
            options.Patch.Set("$.max_tokens"u8, question.MaxOutputTokens);
        if (question.AnswerSchema is { } schema)
            options.ResponseFormat = ChatResponseFormat.CreateJsonSchemaFormat("answer", BinaryData.FromString(schema), jsonSchemaIsStrict: true);
        foreach (var tool in question.Tools)
            options.Tools.Add(ChatTool.CreateFunctionTool(tool.Name, tool.Description, BinaryData.FromString(tool.Schema)));
        return options;
    }

    private static ChatMessage Message(ModelMessage message)
    {
        switch (message.Speaker)
        {
            case Speaker.System:
                return new SystemChatMessage(message.Text);
            case Speaker.User:
                return new UserChatMessage(message.Text);
            case Speaker.Tool:
                return new ToolChatMessage(message.Answers!.Id, message.Text);
            default:
                if (message.Calls.Count == 0)
                    return new AssistantChatMessage(message.Text);
                var assistant = new AssistantChatMessage(message.Calls.Select(Call));
                if (message.Text.Length > 0)
                    assistant.Content.Add(ChatMessageContentPart.CreateTextPart(message.Text));
                return assistant;
        }
    }

    private static ChatToolCall Call(ModelToolCall call)
    {
        // Some servers parse the arguments of calls that were, and refuse a conversation with broken ones.
        var made = ChatToolCall.CreateFunctionToolCall(call.Id, call.Name, BinaryData.FromString(IsObject(call.Arguments) ? call.Arguments : "{}"));
        if (call.Extra is { } extra)
            made.Patch.Set("$.extra_content"u8, Encoding.UTF8.GetBytes(extra));
        return made;
    }

    private static bool IsObject(string json)
    {
        try
        {
            using var document = JsonDocument.Parse(json);
            return document.RootElement.ValueKind == JsonValueKind.Object;
        }
        catch (JsonException)
        {
            return false;
        }
    }

    /// <summary>The pieces of a streamed answer.</summary>
    private sealed class Gathering
    {
        private readonly StringBuilder _text = new();
        private readonly StringBuilder _refusal = new();
        private readonly List<PartialCall> _calls = [];
        private ChatFinishReason? _finish;
        private EmployeeUsage? _usage;
        private string? _model;
        private bool _hasBegun;

        public void Add(StreamingChatCompletionUpdate update, IAnswerWatch watch)
        {
            _hasBegun = true;
            _model ??= update.Model;
            _finish = update.FinishReason ?? _finish;
            if (update.Usage is { } usage)
                _usage = new(usage.InputTokenCount, usage.InputTokenDetails?.CachedTokenCount ?? 0, usage.OutputTokenCount);
            foreach (var part in update.ContentUpdate)
            {
                if (part.Text is not { Length: > 0 } text)
                    continue;
                _text.Append(text);
                watch.Piece(text);
            }

            _refusal.Append(update.RefusalUpdate);
            foreach (var piece in update.ToolCallUpdates)
                Add(piece);
        }

        public ModelReply Take()
        {
            if (!_hasBegun)
                throw new FormatException("it sent no answer at all.");
            if (_finish is not { } finish)
                throw new BrokenAnswerException();
            var end = finish switch
            {
                ChatFinishReason.Length => ReplyEnd.Length,
                ChatFinishReason.ContentFilter => ReplyEnd.Filtered,
                _ => ReplyEnd.Complete,
            };
            var calls = _calls.Select((c, i) => new ModelToolCall(
                c.Id.Length > 0 ? c.Id : $"call_{i + 1}", c.Name, c.Arguments.Length > 0 ? c.Arguments.ToString() : "{}", c.Extra));
            return new(_text.ToString(), [.. calls], end, _refusal.Length > 0 ? _refusal.ToString() : null, _usage, _model);
        }

        private void Add(StreamingChatToolCallUpdate piece)
        {
            // Gemini gives each of several calls the index 0: a new id is a new call.
            var call = _calls.FindLast(c => c.Index == piece.Index);
            if (call is null || (piece.ToolCallId is { Length: > 0 } id && call.Id.Length > 0 && id != call.Id))
                _calls.Add(call = new(piece.Index));
            if (piece.ToolCallId is { Length: > 0 } given)
                call.Id = given;
            if (piece.FunctionName is { Length: > 0 } name)
                call.Name = name;
            if (piece.FunctionArgumentsUpdate is { } arguments && !arguments.ToMemory().IsEmpty)
                call.Arguments.Append(arguments.ToString());
            if (piece.Patch.TryGetJson("$.extra_content"u8, out var extra) && !extra.IsEmpty)
                call.Extra = Encoding.UTF8.GetString(extra.Span);
        }

        private sealed class PartialCall(int index)
        {
            public int Index => index;
            public string Id { get; set; } = "";
            public string Name { get; set; } = "";
            public StringBuilder Arguments { get; } = new();
            public string? Extra { get; set; }
        }
    }
#pragma warning restore SCME0001
}
