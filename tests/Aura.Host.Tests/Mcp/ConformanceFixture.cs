// Sampling, roots, logging to the client and requests to it are what the suite's fixture is about, whatever their future.
#pragma warning disable MCP9005, MCP9006, MCPEXP001
using System.Text.Json;
using Aura.Host.Mcp;
using Aura.Testing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.Metrics;
using Microsoft.Extensions.Logging;
using ModelContextProtocol;
using ModelContextProtocol.Protocol;
using ModelContextProtocol.Server;

namespace Aura.Host.Tests.Mcp;

/// <summary>
/// The tools, resources and prompts that the official conformance suites ask for, behind the very transport that serves employees: what the
/// suites prove of the protocol they prove of the service. Only the callers' check is left out, since the suites bring no token.
/// </summary>
public sealed class ConformanceFixture : IAsyncLifetime
{
    private const string State = "kept-by-the-client";
    private static readonly byte[] Png = Convert.FromBase64String("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg==");
    private static readonly byte[] Wav = Convert.FromBase64String("UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAEAfAAABAAgAZGF0YQAAAAA=");
    private WebServer? _server;

    public string Url { get; private set; } = "";

    public async ValueTask InitializeAsync()
    {
        _server = await WebServer.StartAsync(
            services => services.AddMetrics().AddSingleton<McpMetrics>().AddSingleton(TimeProvider.System).AddSingleton<McpSessions>(),
            app => new McpTransport(
                new McpGuard([]), _ => Task.FromResult<McpPeer?>(new("suite", null, Options)), (http, refusal) => refusal.WriteAsync(http),
                app.Services.GetRequiredService<McpSessions>(), app.Services.GetRequiredService<ILoggerFactory>(), app.Services).Map(app, "/mcp"));
        Url = _server.Url.Replace("127.0.0.1", "localhost", StringComparison.Ordinal) + "/mcp";
    }

    public async ValueTask DisposeAsync()
    {
        await _server!.Services.GetRequiredService<McpSessions>().CloseAllAsync();
        await _server.DisposeAsync();
    }

    private static McpServerOptions Options() => new()
    {
        ServerInfo = new() { Name = "conformance-fixture", Version = "1" },
        Capabilities = new() { Tools = new(), Resources = new() { Subscribe = true }, Prompts = new(), Logging = new(), Completions = new() },
        Handlers = new()
        {
            ListToolsHandler = (_, _) => new(new ListToolsResult { Tools = [.. Tools.Select(ToolOf)], TimeToLive = TimeSpan.FromMinutes(1), CacheScope = CacheScope.Public }),
            CallToolHandler = CallAsync,
            ListResourcesHandler = (_, _) => new(new ListResourcesResult
            {
                Resources =
                [
                    new() { Uri = "test://static-text", Name = "text", Description = "A text", MimeType = "text/plain" },
                    new() { Uri = "test://static-binary", Name = "binary", Description = "An image", MimeType = "image/png" },
                    new() { Uri = "test://watched-resource", Name = "watched", Description = "A text that may change", MimeType = "text/plain" },
                ],
                TimeToLive = TimeSpan.FromMinutes(1),
                CacheScope = CacheScope.Public,
            }),
            ListResourceTemplatesHandler = (_, _) => new(new ListResourceTemplatesResult
            {
                ResourceTemplates = [new() { UriTemplate = "test://template/{id}/data", Name = "template", Description = "By id", MimeType = "application/json" }],
                TimeToLive = TimeSpan.FromMinutes(1),
                CacheScope = CacheScope.Public,
            }),
            ReadResourceHandler = (request, _) => new(Read(request.Params.Uri)),
            SubscribeToResourcesHandler = (_, _) => new(new EmptyResult()),
            UnsubscribeFromResourcesHandler = (_, _) => new(new EmptyResult()),
            ListPromptsHandler = (_, _) => new(new ListPromptsResult { Prompts = [.. Prompts], TimeToLive = TimeSpan.FromMinutes(1), CacheScope = CacheScope.Public }),
            GetPromptHandler = (request, _) => new(Prompt(request.Params)),
            CompleteHandler = (request, _) => new(new CompleteResult
            {
                Completion = new() { Values = [.. new[] { "paris", "park", "party" }.Where(v => v.StartsWith(request.Params.Argument.Value, StringComparison.Ordinal))], HasMore = false },
            }),
            SetLoggingLevelHandler = (_, _) => new(new EmptyResult()),
        },
    };

    private static string[] Tools { get; } =
    [
        "test_simple_text", "test_image_content", "test_audio_content", "test_embedded_resource", "test_multiple_content_types", "test_tool_with_logging",
        "test_logging_tool", "test_error_handling", "test_tool_with_progress", "test_sampling", "test_elicitation", "test_elicitation_sep1034_defaults",
        "test_elicitation_sep1330_enums", "test_missing_capability", "test_streaming_elicitation", "test_input_required_result_elicitation",
        "test_input_required_result_sampling", "test_input_required_result_list_roots", "test_input_required_result_request_state",
        "test_input_required_result_multiple_inputs", "test_input_required_result_multi_round", "test_input_required_result_tampered_state",
        "test_input_required_result_capabilities", "json_schema_2020_12_tool",
    ];

    private static Prompt[] Prompts { get; } =
    [
        new() { Name = "test_simple_prompt", Description = "A prompt without arguments" },
        new()
        {
            Name = "test_prompt_with_arguments",
            Description = "A prompt with arguments",
            Arguments = [new() { Name = "arg1", Description = "The first", Required = true }, new() { Name = "arg2", Description = "The second", Required = true }],
        },
        new()
        {
            Name = "test_prompt_with_embedded_resource",
            Description = "A prompt with a resource",
            Arguments = [new() { Name = "resourceUri", Description = "The resource", Required = true }],
        },
        new() { Name = "test_prompt_with_image", Description = "A prompt with an image" },
        new() { Name = "test_input_required_result_prompt", Description = "A prompt that asks back" },
    ];

    private static Tool ToolOf(string name) => new()
    {
        Name = name,
        Description = $"Fixture of the conformance suite: {name}",
        InputSchema = JsonElement.Parse(name switch
        {
            "test_sampling" => """{"type":"object","properties":{"prompt":{"type":"string","description":"What to ask"}},"required":["prompt"]}""",
            "test_elicitation" => """{"type":"object","properties":{"message":{"type":"string","description":"What to show"}},"required":["message"]}""",
            "json_schema_2020_12_tool" => """
                {"$schema":"https://json-schema.org/draft/2020-12/schema","type":"object",
                "$defs":{"address":{"$anchor":"addressDef","type":"object","properties":{"street":{"type":"string"},"city":{"type":"string"} } } },
                "properties":{"name":{"type":"string"},"address":{"$ref":"#/$defs/address"},"email":{"type":"string"},"phone":{"type":"string"} },
                "allOf":[{"anyOf":[{"required":["email"]},{"required":["phone"]}]}],"anyOf":[{"required":["name"]},{"required":["address"]}],
                "if":{"required":["email"]},"then":{"required":["name"]},"else":{"required":["phone"]},"additionalProperties":false}
                """,
            _ => """{"type":"object","properties":{}}""",
        }),
    };

    private static async ValueTask<CallToolResult> CallAsync(RequestContext<CallToolRequestParams> request, CancellationToken cancellationToken)
    {
        var call = request.Params;
        switch (call.Name)
        {
            case "test_simple_text":
                return Text("This is a simple text response for testing.");
            case "test_image_content":
                return new() { Content = [ImageContentBlock.FromBytes(Png, "image/png")] };
            case "test_audio_content":
                return new() { Content = [AudioContentBlock.FromBytes(Wav, "audio/wav")] };
            case "test_embedded_resource":
                return new() { Content = [Embedded("test://embedded-resource", "text/plain", "This is an embedded resource content.")] };
            case "test_multiple_content_types":
                return new()
                {
                    Content =
                    [
                        new TextContentBlock { Text = "Multiple content types test:" }, ImageContentBlock.FromBytes(Png, "image/png"),
                        Embedded("test://mixed-content-resource", "application/json", """{"test":"data","value":123}"""),
                    ],
                };
            case "test_tool_with_logging" or "test_logging_tool":
                var log = request.Server.AsClientLoggerProvider().CreateLogger("fixture");
                foreach (var step in (string[])["Tool execution started", "Tool processing data", "Tool execution completed"])
                    log.Log(LogLevel.Information, 1, step, null, (state, _) => state);
                return Text("Logged.");
            case "test_error_handling":
                return new() { IsError = true, Content = [new TextContentBlock { Text = "This tool intentionally returns an error for testing" }] };
            case "test_tool_with_progress":
                for (var done = 0; call.ProgressToken is { } token && done <= 100; done += 50)
                    await request.Server.NotifyProgressAsync(token, new() { Progress = done, Total = 100 }, cancellationToken: cancellationToken);
                return Text("Done.");
            case "test_sampling":
                var sampled = await request.Server.SampleAsync(
                    From<CreateMessageRequestParams>($$"""{"messages":[{"role":"user","content":{"type":"text","text":{{call.Arguments!["prompt"].GetRawText()}} } }],"maxTokens":100}"""),
                    cancellationToken);
                return Text($"LLM response: {JsonSerializer.Serialize(sampled.Content, McpJsonUtilities.DefaultOptions)}");
            case "test_elicitation":
                return await AskAsync(request.Server, call.Arguments!["message"].GetString()!,
                    """{"username":{"type":"string","description":"User's response"},"email":{"type":"string","description":"User's email address"} }""", "User response", cancellationToken);
            case "test_elicitation_sep1034_defaults":
                return await AskAsync(request.Server, "Please look at the defaults", """
                    {"name":{"type":"string","default":"John Doe"},"age":{"type":"integer","default":30},"score":{"type":"number","default":95.5},
                    "status":{"type":"string","enum":["active","inactive","pending"],"default":"active"},"verified":{"type":"boolean","default":true} }
                    """, "Elicitation completed", cancellationToken);
            case "test_elicitation_sep1330_enums":
                return await AskAsync(request.Server, "Please choose", """
                    {"untitledSingle":{"type":"string","enum":["option1","option2","option3"]},
                    "titledSingle":{"type":"string","oneOf":[{"const":"value1","title":"First Option"},{"const":"value2","title":"Second Option"},{"const":"value3","title":"Third Option"}]},
                    "legacyEnum":{"type":"string","enum":["opt1","opt2","opt3"],"enumNames":["Option One","Option Two","Option Three"]},
                    "untitledMulti":{"type":"array","items":{"type":"string","enum":["option1","option2","option3"]} },
                    "titledMulti":{"type":"array","items":{"anyOf":[{"const":"value1","title":"First Choice"},{"const":"value2","title":"Second Choice"},{"const":"value3","title":"Third Choice"}]} } }
                    """, "Elicitation completed", cancellationToken);
            case "test_missing_capability":
                return request.Server.ClientCapabilities?.Sampling is null
                    ? throw new MissingRequiredClientCapabilityException(new() { Sampling = new() }, "This tool needs sampling.")
                    : Text("Sampling is there.");
            default:
                return InRounds(call, request.Server.ClientCapabilities);
        }
    }

    /// <summary>Tools that ask the client back within one request (multi round-trip).</summary>
    private static CallToolResult InRounds(CallToolRequestParams call, ClientCapabilities? client)
    {
        var answers = call.InputResponses;
        switch (call.Name)
        {
            case "test_streaming_elicitation" or "test_input_required_result_elicitation":
                return answers is not null && answers.TryGetValue("user_name", out var name) && Content(name) is { } given && given.TryGetValue("name", out var text)
                    ? Text($"Hello, {text.GetString()}!")
                    : throw Ask(("user_name", Form("What is your name?", "name", "string")));
            case "test_input_required_result_sampling":
                return answers?.ContainsKey("capital_question") == true
                    ? Text($"The model says: {answers["capital_question"].RawValue.GetRawText()}")
                    : throw Ask(("capital_question", Sampling("What is the capital of France?", 100)));
            case "test_input_required_result_list_roots":
                return answers?.ContainsKey("client_roots") == true
                    ? Text($"The roots: {answers["client_roots"].RawValue.GetRawText()}")
                    : throw Ask(("client_roots", Roots));
            case "test_input_required_result_request_state" or "test_input_required_result_tampered_state":
                if (call.RequestState is null)
                    throw Ask(State, ("confirm", Form("Please confirm", "ok", "boolean")));
                return call.RequestState == State ? Text("state-ok") : throw new McpProtocolException("The state was tampered with.", McpErrorCode.InvalidParams);
            case "test_input_required_result_multiple_inputs":
                return answers is { Count: >= 3 }
                    ? Text("All answers are there.")
                    : throw Ask(State, ("user_name", Form("What is your name?", "name", "string")), ("greeting", Sampling("Generate a greeting", 50)), ("client_roots", Roots));
            case "test_input_required_result_multi_round":
                return call.RequestState switch
                {
                    null => throw Ask("round-1", ("step1", Form("Step 1: What is your name?", "name", "string"))),
                    "round-1" => throw Ask("round-2", ("step2", Form("Step 2: What is your favorite color?", "color", "string"))),
                    _ => Text("All rounds are done."),
                };
            case "test_input_required_result_capabilities":
                List<(string, InputRequest)> wanted = [];
                if (client?.Sampling is not null)
                    wanted.Add(("question", Sampling("What is the capital of France?", 100)));
                if (client?.Elicitation is not null)
                    wanted.Add(("user_name", Form("What is your name?", "name", "string")));
                return answers is null && wanted.Count > 0 ? throw Ask([.. wanted]) : Text("Nothing to ask.");
            default:
                throw new McpProtocolException($"There is no tool '{call.Name}'.", McpErrorCode.InvalidParams);
        }
    }

    private static ReadResourceResult Read(string uri) => new()
    {
        Contents =
        [
            uri switch
            {
                "test://static-text" => new TextResourceContents { Uri = uri, MimeType = "text/plain", Text = "This is the content of the static text resource." },
                "test://watched-resource" => new TextResourceContents { Uri = uri, MimeType = "text/plain", Text = "Watched." },
                "test://static-binary" => BlobResourceContents.FromBytes(Png, uri, "image/png"),
                _ when uri.StartsWith("test://template/", StringComparison.Ordinal) && uri.Split('/') is [_, _, _, var id, "data"] => new TextResourceContents
                {
                    Uri = uri, MimeType = "application/json", Text = $$"""{"id":"{{id}}","templateTest":true,"data":"Data for ID: {{id}}"}""",
                },
                _ => throw new McpProtocolException("Resource not found", McpErrorCode.ResourceNotFound),
            },
        ],
        TimeToLive = TimeSpan.FromMinutes(1),
        CacheScope = CacheScope.Public,
    };

    private static GetPromptResult Prompt(GetPromptRequestParams get) => get.Name switch
    {
        "test_simple_prompt" => Said(new TextContentBlock { Text = "This is a simple prompt for testing." }),
        "test_prompt_with_arguments" => Said(new TextContentBlock
        {
            Text = $"Prompt with arguments: arg1='{get.Arguments!["arg1"].GetString()}', arg2='{get.Arguments["arg2"].GetString()}'",
        }),
        "test_prompt_with_embedded_resource" => Said(
            Embedded(get.Arguments!["resourceUri"].GetString()!, "text/plain", "Embedded resource content for testing."),
            new TextContentBlock { Text = "Please process the embedded resource above." }),
        "test_prompt_with_image" => Said(ImageContentBlock.FromBytes(Png, "image/png"), new TextContentBlock { Text = "Please analyze the image above." }),
        "test_input_required_result_prompt" when get.InputResponses is null => throw Ask(("user_context", Form("What context should the prompt use?", "context", "string"))),
        "test_input_required_result_prompt" => Said(new TextContentBlock { Text = "The prompt with its context." }),
        _ => throw new McpProtocolException($"There is no prompt '{get.Name}'.", McpErrorCode.InvalidParams),
    };

    private static async Task<CallToolResult> AskAsync(McpServer server, string message, string properties, string heading, CancellationToken cancellationToken)
    {
        var answer = await server.ElicitAsync(
            From<ElicitRequestParams>($$"""{"message":{{JsonSerializer.Serialize(message)}},"requestedSchema":{"type":"object","properties":{{properties}},"required":[]} }"""), cancellationToken);
        return Text($"{heading}: action={answer.Action}, content={JsonSerializer.Serialize(answer.Content)}");
    }

    private static InputRequiredException Ask(params (string Key, InputRequest Request)[] requests) => Ask(null, requests);

    private static InputRequiredException Ask(string? state, params (string Key, InputRequest Request)[] requests) =>
        new(requests.ToDictionary(r => r.Key, r => r.Request), state);

    private static InputRequest Form(string message, string field, string type) => InputRequest.ForElicitation(From<ElicitRequestParams>(
        $$"""{"message":"{{message}}","requestedSchema":{"type":"object","properties":{"{{field}}":{"type":"{{type}}"} },"required":["{{field}}"]} }"""));

    private static InputRequest Sampling(string question, int tokens) => InputRequest.ForSampling(From<CreateMessageRequestParams>(
        $$"""{"messages":[{"role":"user","content":{"type":"text","text":"{{question}}"} }],"maxTokens":{{tokens}} }"""));

    private static InputRequest Roots => InputRequest.ForRootsList(new());

    private static IDictionary<string, JsonElement>? Content(InputResponse answer)
    {
        try
        {
            return answer.Deserialize(InputResponse.ElicitResultJsonTypeInfo)?.Content;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private static T From<T>(string json) => JsonSerializer.Deserialize<T>(json, McpJsonUtilities.DefaultOptions)!;

    private static EmbeddedResourceBlock Embedded(string uri, string type, string text) => new() { Resource = new TextResourceContents { Uri = uri, MimeType = type, Text = text } };

    private static GetPromptResult Said(params ContentBlock[] blocks) => new() { Messages = [.. blocks.Select(b => new PromptMessage { Role = Role.User, Content = b })] };

    private static CallToolResult Text(string text) => new() { Content = [new TextContentBlock { Text = text }] };
}
