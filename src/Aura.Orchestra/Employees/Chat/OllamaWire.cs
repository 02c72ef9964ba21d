using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Aura.Orchestra.Employees.Chat;

/// <summary>
/// Ollama's own <c>/api/chat</c>, streamed as JSON lines. Its OpenAI-compatible endpoint cannot set the context length, and with the
/// default of some thousand tokens the server silently cuts the beginning off: the instructions and the tools.
/// </summary>
internal sealed class OllamaWire : IModelWire
{
    private const int MaxError = 4000;

    public async Task<ModelReply> AskAsync(ChatEndpoint endpoint, string model, ModelQuestion question, IAnswerWatch watch,
        CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, Address(endpoint.BaseUrl, "api/chat"))
        {
            // With a length: not every server before a model reads chunks.
            Content = new StringContent(Body(model, question).ToJsonString(), Encoding.UTF8, "application/json"),
        };
        if (!string.IsNullOrEmpty(endpoint.ApiKey))
            request.Headers.Authorization = new("Bearer", endpoint.ApiKey);
        using var response = await ModelHttp.For(endpoint.BaseUrl).SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellationToken);
        if (!response.IsSuccessStatusCode)
        {
            var error = await response.Content.ReadAsStringAsync(cancellationToken);
            var retryAfter = response.Headers.TryGetValues("Retry-After", out var values) ? values.FirstOrDefault() : null;
            throw new AnswerStatusException((int)response.StatusCode, error.Length > MaxError ? error[..MaxError] : error, retryAfter);
        }

        await using var stream = await response.Content.ReadAsStreamAsync(cancellationToken);
        using var lines = new StreamReader(stream, Encoding.UTF8);
        var text = new StringBuilder();
        var calls = new List<ModelToolCall>();
        while (await lines.ReadLineAsync(cancellationToken) is { } line)
        {
            if (line.Length == 0)
                continue;
            watch.Alive();
            using var document = JsonDocument.Parse(line);
            var piece = document.RootElement;
            if (piece.TryGetProperty("error", out var problem))
                throw new AnswerStatusException(500, problem.ToString(), null);
            if (piece.TryGetProperty("message", out var message))
                Add(message, text, calls, watch);
            if (piece.TryGetProperty("done", out var done) && done.ValueKind == JsonValueKind.True)
                return Reply(piece, text.ToString(), calls);
        }

        throw new BrokenAnswerException();
    }

    public static Uri Address(Uri root, string path) => new($"{root.AbsoluteUri.TrimEnd('/')}/{path}");

    private static ModelReply Reply(JsonElement last, string text, List<ModelToolCall> calls)
    {
        var reason = last.TryGetProperty("done_reason", out var why) && why.ValueKind == JsonValueKind.String ? why.GetString() : null;
        EmployeeUsage? usage = Number(last, "prompt_eval_count") is { } prompt && Number(last, "eval_count") is { } completion
            ? new(prompt, 0, completion) : null;
        var model = last.TryGetProperty("model", out var name) && name.ValueKind == JsonValueKind.String ? name.GetString() : null;
        return new(text, calls, reason == "length" ? ReplyEnd.Length : ReplyEnd.Complete, null, usage, model);
    }

    private static void Add(JsonElement message, StringBuilder text, List<ModelToolCall> calls, IAnswerWatch watch)
    {
        if (message.TryGetProperty("content", out var content) && content.ValueKind == JsonValueKind.String
            && content.GetString() is { Length: > 0 } piece)
        {
            text.Append(piece);
            watch.Piece(piece);
        }

        if (!message.TryGetProperty("tool_calls", out var called) || called.ValueKind != JsonValueKind.Array)
            return;
        foreach (var call in called.EnumerateArray())
        {
            var function = call.GetProperty("function");
            var arguments = function.TryGetProperty("arguments", out var given)
                ? given.ValueKind == JsonValueKind.String ? given.GetString()! : given.GetRawText()
                : "{}";
            var id = call.TryGetProperty("id", out var named) && named.ValueKind == JsonValueKind.String ? named.GetString()!
                : $"call_{calls.Count + 1}";
            calls.Add(new(id, function.GetProperty("name").GetString() ?? "", arguments));
        }
    }

    private static JsonObject Body(string model, ModelQuestion question)
    {
        var body = new JsonObject
        {
            ["model"] = model,
            ["stream"] = true,
            ["messages"] = new JsonArray([.. question.Messages.Select(Message)]),
            ["options"] = new JsonObject { ["num_ctx"] = question.ContextTokens, ["num_predict"] = question.MaxOutputTokens },
        };
        if (question.Tools.Count > 0)
        {
            body["tools"] = new JsonArray([.. question.Tools.Select(t => new JsonObject
            {
                ["type"] = "function",
                ["function"] = new JsonObject { ["name"] = t.Name, ["description"] = t.Description, ["parameters"] = JsonNode.Parse(t.Schema) },
            })]);
        }

        if (question.AnswerSchema is { } schema)
            body["format"] = JsonNode.Parse(schema);
        return body;
    }

    private static JsonNode Message(ModelMessage message)
    {
        var made = new JsonObject
        {
            ["role"] = message.Speaker switch { Speaker.System => "system", Speaker.User => "user", Speaker.Tool => "tool", _ => "assistant" },
            ["content"] = message.Text,
        };
        if (message.Answers is { } answered)
            made["tool_name"] = answered.Name;
        if (message.Calls.Count > 0)
        {
            made["tool_calls"] = new JsonArray([.. message.Calls.Select(c => new JsonObject
            {
                ["function"] = new JsonObject { ["name"] = c.Name, ["arguments"] = ArgumentsOf(c.Arguments) },
            })]);
        }

        return made;
    }

    private static JsonNode ArgumentsOf(string json)
    {
        try
        {
            return JsonNode.Parse(json) as JsonObject ?? [];
        }
        catch (JsonException)
        {
            return new JsonObject();
        }
    }

    private static long? Number(JsonElement element, string name) =>
        element.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.Number && value.TryGetInt64(out var number) ? number : null;
}
