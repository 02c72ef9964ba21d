using System.ComponentModel.DataAnnotations;
using System.Globalization;

namespace Aura.Workflows.Http;

/// <summary>What both activities that send a request have in common.</summary>
public abstract class SendHttpRequestBase : Activity
{
    [Required]
    [Input(DisplayName = "URL", Description = "The address to send the request to.")]
    public Input<Uri?>? Url { get; set; }

    [Input(
        Description = "The HTTP method.", DefaultValue = "GET", UIHint = InputUIHints.DropDown,
        Options = new[] { "GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS" })]
    public Input<string>? Method { get; set; }

    [Input(Description = "The body: text as it is, other values as JSON or as a form. Sent only with a content type.")]
    public Input<object?>? Content { get; set; }

    [Input(Description = "The body's content type.")]
    public Input<string?>? ContentType { get; set; }

    [Input(Description = "The Authorization header, for example Bearer {token}.", Category = "Security", IsSensitive = true, Order = 1)]
    public Input<string?>? Authorization { get; set; }

    [Input(Description = "Send the Authorization header as it stands.", Category = "Security", DefaultValue = false, Order = 1)]
    public Input<bool>? DisableAuthorizationHeaderValidation { get; set; }

    [Input(Description = "Further headers.", Category = "Advanced", Order = 1)]
    public Input<HttpHeaders?>? RequestHeaders { get; set; }

    [Output(Description = "The answer's status code.")]
    public Output<int>? StatusCode { get; set; }

    [Output(Description = "The answer's headers, each a list of values.")]
    public Output<HttpHeaders>? ResponseHeaders { get; set; }

    [Output(Description = "The answer's body: JSON as data, text as a string.")]
    public Output<object>? ParsedContent { get; set; }

    [Output(Description = "The answer: StatusCode, ReasonPhrase, Headers, ContentType.")]
    public Output<object>? Result { get; set; }

    protected override async ValueTask ExecuteAsync(ActivityExecutionContext context)
    {
        var result = await context.GetRequiredService<OutgoingHttp>().SendAsync(
            new(
                context.Get(Url), context.Get(Method), context.Get(Content), context.Get(ContentType), context.Get(Authorization),
                !context.Get(DisableAuthorizationHeaderValidation), context.Get(RequestHeaders) ?? []),
            context.CancellationToken);
        // The evaluated inputs go to the history with the next commit.
        if (context.ActivityState.ContainsKey(nameof(Authorization)))
            context.ActivityState[nameof(Authorization)] = "***";
        switch (result)
        {
            case OutgoingResult.Answered answer:
                context.Set(StatusCode, answer.Status);
                context.Set(ResponseHeaders, WorkflowJson.ToPlain(answer.Headers));
                context.Set(ParsedContent, answer.Content);
                context.Set(Result, new Dictionary<string, object?>(StringComparer.Ordinal)
                {
                    ["StatusCode"] = answer.Status,
                    ["ReasonPhrase"] = answer.Reason,
                    ["Headers"] = WorkflowJson.ToPlain(answer.Headers),
                    ["ContentType"] = answer.ContentType,
                });
                context.JournalData["StatusCode"] = answer.Status;
                break;
            case OutgoingResult.FailedToConnect failure:
                context.JournalData["Error"] = failure.Reason;
                break;
            case OutgoingResult.TimedOut:
                context.JournalData["Error"] = "The request timed out.";
                break;
        }

        await GoOnAsync(context, result);
    }

    private protected abstract ValueTask GoOnAsync(ActivityExecutionContext context, OutgoingResult result);
}

/// <summary>Sends a request and goes on by the answer's status code: an outcome for each code that is expected.</summary>
[Activity("Elsa", "HTTP", "Sends a request and goes on along the outcome of the answer's status code.", DisplayName = "HTTP Request (flow)", Kind = ActivityKind.Task)]
[FlowNode("Done", UnmatchedStatusCode, FailedToConnect, Timeout)]
public sealed class FlowSendHttpRequest : SendHttpRequestBase
{
    private const string UnmatchedStatusCode = "Unmatched status code";
    private const string FailedToConnect = "Failed to connect";
    private const string Timeout = "Timeout";

    [Input(
        Description = "The status codes to expect; each is an outcome.", DefaultValue = new[] { 200 }, UIHint = InputUIHints.DynamicOutcomes,
        Options = new[] { "Done", UnmatchedStatusCode, FailedToConnect, Timeout })]
    public Input<ICollection<int>> ExpectedStatusCodes { get; set; } = new(new[] { 200 });

    private protected override ValueTask GoOnAsync(ActivityExecutionContext context, OutgoingResult result) =>
        context.CompleteActivityWithOutcomesAsync([.. OutcomesOf(result, [.. context.Get(ExpectedStatusCodes) ?? []])]);

    private static IEnumerable<string> OutcomesOf(OutgoingResult result, IReadOnlyList<int> expected)
    {
        switch (result)
        {
            case OutgoingResult.Answered answer:
                if (expected.Contains(answer.Status))
                    yield return answer.Status.ToString(CultureInfo.InvariantCulture);
                else if (expected.Count > 0)
                    yield return UnmatchedStatusCode;
                yield return "Done";
                break;
            case OutgoingResult.FailedToConnect:
                yield return FailedToConnect;
                break;
            default:
                yield return Timeout;
                break;
        }
    }
}

/// <summary>What runs for an expected status code.</summary>
public sealed class HttpStatusCodeCase
{
    public int StatusCode { get; set; }

    public IActivity? Activity { get; set; }
}

/// <summary>Sends a request and runs the activity that belongs to the answer's status code.</summary>
[Activity("Elsa", "HTTP", "Sends a request and runs what belongs to the answer's status code.", DisplayName = "HTTP Request", Kind = ActivityKind.Task)]
public sealed class SendHttpRequest : SendHttpRequestBase
{
    [Input(Description = "What to run for each status code.", UIHint = InputUIHints.HttpStatusCodes)]
    public ICollection<HttpStatusCodeCase> ExpectedStatusCodes { get; set; } = [];

    [Port]
    public IActivity? UnmatchedStatusCode { get; set; }

    [Port]
    public IActivity? FailedToConnect { get; set; }

    [Port]
    public IActivity? Timeout { get; set; }

    private protected override ValueTask GoOnAsync(ActivityExecutionContext context, OutgoingResult result)
    {
        var next = result switch
        {
            OutgoingResult.Answered answer when ExpectedStatusCodes.FirstOrDefault(c => c.StatusCode == answer.Status) is { } match => match.Activity,
            OutgoingResult.Answered => UnmatchedStatusCode,
            OutgoingResult.FailedToConnect => FailedToConnect,
            _ => Timeout,
        };
        if (next is null)
            return context.CompleteActivityAsync();
        // A durable task answers with outcomes; activities that it holds are not its to run.
        if (context.WorkflowExecutionContext.Detached is not null)
        {
            throw new InvalidOperationException(
                $"'{Id}' runs as a durable task and cannot run the activities it holds. Use FlowSendHttpRequest and its outcomes.");
        }

        return context.ScheduleActivityAsync(next, OnChildCompletedAsync);
    }

    private ValueTask OnChildCompletedAsync(ActivityCompletedContext context) => context.TargetContext.CompleteActivityAsync();
}
