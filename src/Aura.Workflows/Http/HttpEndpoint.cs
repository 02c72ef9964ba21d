using Aura.Workflows.Runtime;

namespace Aura.Workflows.Http;

/// <summary>
/// Waits for a request at a path. As the trigger of its workflow it completes at once with the request that started it.
/// The host that took the request has applied the rules; what arrives here is plain data.
/// </summary>
[Activity(
    "Elsa", "HTTP", "Waits for a request to a path, or starts the workflow with it.",
    DisplayName = "HTTP Endpoint", Kind = ActivityKind.Trigger)]
[FlowNode(
    HttpEndpointOutcomes.Done, HttpEndpointOutcomes.RequestTooLarge, HttpEndpointOutcomes.FileTooLarge,
    HttpEndpointOutcomes.InvalidFileExtension, HttpEndpointOutcomes.InvalidFileMimeType)]
public sealed class HttpEndpoint : Activity, ITrigger
{
    private const string TriggerTaken = "HttpTriggerTaken";

    [Input(Description = "The path to associate with the workflow: a route template, for example orders/{id}.")]
    public Input<string>? Path { get; set; }

    [Input(
        Description = "The HTTP methods to accept.", DefaultValue = new[] { "GET" }, UIHint = InputUIHints.CheckList,
        Options = new[] { "GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS" })]
    public Input<ICollection<string>> SupportedMethods { get; set; } = new(new[] { "GET" });

    [Input(Description = "Allow authenticated requests only.", Category = "Security", DefaultValue = false)]
    public Input<bool>? Authorize { get; set; }

    [Input(Description = "A policy that the caller must fulfil; it implies that the caller is authenticated.", Category = "Security")]
    public Input<string?>? Policy { get; set; }

    [Input(Description = "How long the client waits for an answer, as hh:mm:ss.", Category = "Upload")]
    public Input<TimeSpan?>? RequestTimeout { get; set; }

    [Input(Description = "The largest body in bytes.", Category = "Upload")]
    public Input<long?>? RequestSizeLimit { get; set; }

    [Input(Description = "The largest single file in bytes.", Category = "Upload")]
    public Input<long?>? FileSizeLimit { get; set; }

    [Input(Description = "Only files with these extensions are taken.", Category = "Upload")]
    public Input<ICollection<string>>? AllowedFileExtensions { get; set; }

    [Input(Description = "Files with these extensions are refused.", Category = "Upload")]
    public Input<ICollection<string>>? BlockedFileExtensions { get; set; }

    [Input(Description = "Only files of these content types are taken.", Category = "Upload")]
    public Input<ICollection<string>>? AllowedMimeTypes { get; set; }

    [Input(Description = "Give the workflow an outcome when the request is too large.", Category = "Outcomes")]
    public bool ExposeRequestTooLargeOutcome { get; set; }

    [Input(Description = "Give the workflow an outcome when a file is too large.", Category = "Outcomes")]
    public bool ExposeFileTooLargeOutcome { get; set; }

    [Input(Description = "Give the workflow an outcome when a file has a wrong extension.", Category = "Outcomes")]
    public bool ExposeInvalidFileExtensionOutcome { get; set; }

    [Input(Description = "Give the workflow an outcome when a file has a wrong content type.", Category = "Outcomes")]
    public bool ExposeInvalidFileMimeTypeOutcome { get; set; }

    [Output(Description = "The request: Method, Path, RouteData, QueryStringData, Headers, ContentType.")]
    public Output<object>? Result { get; set; }

    [Output(Description = "The body: JSON as data, a form as a dictionary, text as a string.")]
    public Output<object>? ParsedContent { get; set; }

    [Output(Description = "The files: Name, FileName, ContentType, Length, Content (base64).")]
    public Output<ICollection<object>>? Files { get; set; }

    [Output(Description = "The first file.")]
    public Output<object>? File { get; set; }

    [Output(Description = "The route's parameters; their names are in lower case.")]
    public Output<IDictionary<string, object>>? RouteData { get; set; }

    [Output(Description = "The values of the query string.")]
    public Output<IDictionary<string, object>>? QueryStringData { get; set; }

    [Output(Description = "The request's headers, each a list of values.")]
    public Output<IDictionary<string, string[]>>? Headers { get; set; }

    ValueTask<IEnumerable<TriggerPayload>> ITrigger.GetTriggerPayloadsAsync(TriggerIndexingContext context) =>
        ValueTask.FromResult(PayloadsOf(context).Select(p => new TriggerPayload(HttpEndpointPayload.StimulusName, p)));

    /// <summary>One stimulus for each method.</summary>
    /// <exception cref="ArgumentException">The path is no route template.</exception>
    private IReadOnlyList<HttpEndpointPayload> PayloadsOf(TriggerIndexingContext context)
    {
        var path = HttpEndpointPayload.NormalisePath(context.Get(Path));
        RouteTable.Check(path);
        var methods = (context.Get(SupportedMethods) ?? ["GET"]).Where(m => !string.IsNullOrWhiteSpace(m)).Select(m => m.Trim().ToLowerInvariant());
        return [.. methods.Distinct(StringComparer.Ordinal).Select(method => new HttpEndpointPayload
        {
            Path = path,
            Method = method,
            Authorize = context.Get(Authorize),
            Policy = string.IsNullOrWhiteSpace(context.Get(Policy)) ? null : context.Get(Policy),
            RequestTimeout = context.Get(RequestTimeout),
            RequestSizeLimit = context.Get(RequestSizeLimit),
            FileSizeLimit = context.Get(FileSizeLimit),
            AllowedFileExtensions = [.. context.Get(AllowedFileExtensions) ?? []],
            BlockedFileExtensions = [.. context.Get(BlockedFileExtensions) ?? []],
            AllowedMimeTypes = [.. context.Get(AllowedMimeTypes) ?? []],
            ExposedOutcomes = [.. ExposedOutcomes()],
        })];
    }

    protected override async ValueTask ExecuteAsync(ActivityExecutionContext context)
    {
        // In a loop the trigger comes round again: the request that started the workflow is then spent.
        var root = RootOf(context);
        if (context.WorkflowExecutionContext.TriggerActivityId == Id && !root.GetProperty<bool>(TriggerTaken) && RequestOf(context) is { } request)
        {
            root.SetProperty(TriggerTaken, true);
            await AcceptAsync(context, request);
            return;
        }

        Wait(context);
    }

    private ValueTask OnRequestAsync(ActivityExecutionContext context)
    {
        // Resumed by someone who brought no request, only the one that started the workflow is in sight: goes on waiting.
        var spent = context.WorkflowExecutionContext.Input.GetValueOrDefault(HttpRequestData.RequestIdKey) as string;
        if (context.WorkflowInput.GetValueOrDefault(HttpRequestData.RequestIdKey) is string id && id != spent && RequestOf(context) is { } request)
            return AcceptAsync(context, request);
        Wait(context);
        return ValueTask.CompletedTask;
    }

    private void Wait(ActivityExecutionContext context)
    {
        var mine = context.WorkflowExecutionContext.Bookmarks.Where(b => b.ActivityInstanceId == context.Id);
        var waiting = mine.Select(b => b.Hash).ToHashSet(StringComparer.Ordinal);
        foreach (var payload in PayloadsOf(new(context)).Where(p => !waiting.Contains(StimulusHash.Of(HttpEndpointPayload.StimulusName, p))))
        {
            context.CreateBookmark(new CreateBookmarkArgs
            {
                BookmarkName = HttpEndpointPayload.StimulusName,
                Stimulus = payload,
                Callback = OnRequestAsync,
            });
        }
    }

    private ValueTask AcceptAsync(ActivityExecutionContext context, IReadOnlyDictionary<string, object?> request)
    {
        if (context.WorkflowInput.GetValueOrDefault(HttpRequestData.RequestIdKey) is string requestId)
            HttpExchange.Open(context, requestId);
        var files = request.GetValueOrDefault(HttpRequestData.Files) as IReadOnlyList<object?> ?? [];
        context.Set(Result, HttpRequestData.Summary(request));
        context.Set(ParsedContent, request.GetValueOrDefault(HttpRequestData.ParsedContent));
        context.Set(Files, files);
        context.Set(File, files.Count > 0 ? files[0] : null);
        context.Set(RouteData, request.GetValueOrDefault(HttpRequestData.RouteData));
        context.Set(QueryStringData, request.GetValueOrDefault(HttpRequestData.QueryStringData));
        context.Set(Headers, request.GetValueOrDefault(HttpRequestData.Headers));
        return request.GetValueOrDefault(HttpRequestData.Outcome) is string outcome
            ? context.CompleteActivityWithOutcomesAsync(outcome)
            : context.CompleteActivityAsync();
    }

    private static IReadOnlyDictionary<string, object?>? RequestOf(ActivityExecutionContext context) =>
        context.WorkflowInput.GetValueOrDefault(HttpRequestData.RequestKey) as IReadOnlyDictionary<string, object?>;

    private static ActivityExecutionContext RootOf(ActivityExecutionContext context) => HttpExchange.RootOf(context);

    private IEnumerable<string> ExposedOutcomes()
    {
        if (ExposeRequestTooLargeOutcome)
            yield return HttpEndpointOutcomes.RequestTooLarge;
        if (ExposeFileTooLargeOutcome)
            yield return HttpEndpointOutcomes.FileTooLarge;
        if (ExposeInvalidFileExtensionOutcome)
            yield return HttpEndpointOutcomes.InvalidFileExtension;
        if (ExposeInvalidFileMimeTypeOutcome)
            yield return HttpEndpointOutcomes.InvalidFileMimeType;
    }
}
