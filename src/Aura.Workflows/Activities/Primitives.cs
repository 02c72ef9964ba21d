using System.ComponentModel.DataAnnotations;
using Microsoft.Extensions.Logging;

namespace Aura.Workflows.Activities;

/// <summary>The activity that holds a definition's root and its variables.</summary>
[Activity("Elsa", "Workflows", "The workflow itself: its root and its variables.")]
public sealed class Workflow : Activity, IVariableContainer, IComposite
{
    [Port]
    public IActivity? Root { get; set; }

    public ICollection<Variable> Variables { get; set; } = [];

    protected override ValueTask ExecuteAsync(ActivityExecutionContext context) => context.ScheduleActivityAsync(Root, OnRootCompletedAsync);

    ValueTask IComposite.EndAsync(ActivityExecutionContext context, ActivityExecutionContext child) =>
        context.CompleteActivityAsync(IComposite.OutcomesOf(context));

    private ValueTask OnRootCompletedAsync(ActivityCompletedContext context) =>
        ((IComposite)this).EndAsync(context.TargetContext, context.ChildContext);
}

/// <summary>Stands for an activity whose type this host does not know. The definition keeps its data.</summary>
[Activity("Elsa", "System", "Stands for an activity whose type is not installed on this host.")]
public sealed class NotFoundActivity : CodeActivity
{
    public string MissingTypeName { get; set; } = "";

    public int MissingTypeVersion { get; set; }

    /// <summary>The activity as it stands in the definition.</summary>
    public string? OriginalActivityJson { get; set; }

    protected override void Execute(ActivityExecutionContext context) => throw new InvalidOperationException(
        $"Activity type '{MissingTypeName}' is not installed on this host. Install the package that holds it, or replace the activity.");
}

/// <summary>Writes a line to the host's log; the text is also in the execution record.</summary>
[Activity("Elsa", "Console", "Writes a line of text to the host's log.")]
public sealed partial class WriteLine : CodeActivity
{
    public WriteLine()
    {
    }

    public WriteLine(string text) => Text = new(text);

    [Input(Description = "The text to write.", UIHint = InputUIHints.MultiLine)]
    public Input<string>? Text { get; set; }

    protected override void Execute(ActivityExecutionContext context) =>
        LogLine(context.GetRequiredService<ILogger<WriteLine>>(), context.Get(Text) ?? "");

    [LoggerMessage(1001, LogLevel.Information, "{Text}")]
    private static partial void LogLine(ILogger logger, string text);
}

/// <summary>Waits for a line of text: whoever has it sends the stimulus <c>Elsa.ReadLine</c> with the input <c>ReadLineInput</c>.</summary>
[Activity("Elsa", "Console", "Waits for a line of text from outside.")]
public sealed class ReadLine : CodeActivity<string>
{
    /// <summary>The bookmark's name; its payload is empty, so the sender must address the instance.</summary>
    internal const string StimulusName = "Elsa.ReadLine";
    internal const string InputKey = "ReadLineInput";

    protected override void Execute(ActivityExecutionContext context) =>
        context.CreateBookmark(new CreateBookmarkArgs { BookmarkName = StimulusName, Callback = OnLineReadAsync });

    private ValueTask OnLineReadAsync(ActivityExecutionContext context)
    {
        context.Set(Result, context.GetWorkflowInput<string>(InputKey));
        return context.CompleteActivityAsync();
    }
}

/// <summary>Runs code of the host's own. Only for workflows that are written in code: a definition in JSON cannot hold it.</summary>
[Activity("Elsa", "Primitives", "Runs a piece of the host's own code.")]
public sealed class Inline(Func<ActivityExecutionContext, ValueTask> code) : CodeActivity
{
    public Inline(Action<ActivityExecutionContext> code)
        : this(context =>
        {
            code(context);
            return default;
        })
    {
    }

    protected override ValueTask ExecuteAsync(ActivityExecutionContext context) => code(context);
}

/// <inheritdoc cref="Inline" />
[Activity("Elsa", "Primitives", "Runs a piece of the host's own code that gives a value.", Type = "Inline")]
public sealed class Inline<T>(Func<ActivityExecutionContext, ValueTask<T>> code) : CodeActivity<T>
{
    public Inline(Func<ActivityExecutionContext, T> code)
        : this(context => ValueTask.FromResult(code(context)))
    {
    }

    protected override async ValueTask ExecuteAsync(ActivityExecutionContext context) => context.Set(Result, await code(context));
}

/// <summary>Waits; durable, so a host may die meanwhile.</summary>
[Activity("Elsa", "Scheduling", "Waits for a time; the host may be restarted meanwhile.")]
public sealed class Delay : Activity
{
    [Required]
    [Input(DisplayName = "Time span", Description = "How long to wait, as d.hh:mm:ss.")]
    public Input<TimeSpan>? TimeSpan { get; set; }

    protected override void Execute(ActivityExecutionContext context) => context.DelayFor(context.Get(TimeSpan));
}

/// <summary>Waits for a named event; as a trigger of the workflow it completes at once with the event's payload.</summary>
[Activity("Elsa", "Events", "Waits for a named event, or starts the workflow when it is published.", Kind = ActivityKind.Trigger)]
public sealed class Event : Activity, ITrigger
{
    internal const string StimulusName = "Elsa.Event";
    internal const string PayloadKey = "__EventPayloadWorkflowInput";
    private const string TriggerTaken = "TriggerTaken";

    [Required]
    [Input(Description = "The name of the event to wait for.")]
    public Input<string>? EventName { get; set; }

    [Output(Description = "The event's payload.")]
    public Output<object>? Result { get; set; }

    protected override async ValueTask ExecuteAsync(ActivityExecutionContext context)
    {
        // As a trigger it has its event already, but once only: in a loop it waits the next time.
        var root = context.WorkflowExecutionContext.Root!;
        if (context.WorkflowExecutionContext.TriggerActivityId == Id && !root.GetProperty<bool>(TriggerTaken))
        {
            root.SetProperty(TriggerTaken, true);
            await OnPublishedAsync(context);
        }
        else
        {
            context.CreateBookmark(new CreateBookmarkArgs
            {
                BookmarkName = StimulusName,
                Stimulus = StimulusOf(context.Get(EventName)),
                Callback = OnPublishedAsync,
            });
        }
    }

    ValueTask<IEnumerable<TriggerPayload>> ITrigger.GetTriggerPayloadsAsync(TriggerIndexingContext context) =>
        ValueTask.FromResult<IEnumerable<TriggerPayload>>([new(StimulusName, StimulusOf(context.Get(EventName)))]);

    internal static object StimulusOf(string? eventName) => new { EventName = eventName ?? "" };

    internal static Dictionary<string, object?> InputOf(object? payload) => new() { [PayloadKey] = payload };

    private ValueTask OnPublishedAsync(ActivityExecutionContext context)
    {
        context.Set(Result, context.WorkflowInput.GetValueOrDefault(PayloadKey));
        return context.CompleteActivityAsync();
    }
}

/// <summary>Publishes an event with the burst's commit; waiting workflows go on after it.</summary>
[Activity("Elsa", "Events", "Publishes a named event; workflows that wait for it go on.")]
public sealed class PublishEvent : CodeActivity
{
    [Required]
    [Input(Description = "The name of the event.")]
    public Input<string>? EventName { get; set; }

    [Input(DisplayName = "Correlation ID", Description = "Only workflows with this correlation id receive the event; empty for all.")]
    public Input<string>? CorrelationId { get; set; }

    [Input(DisplayName = "Local event", Description = "True: only this workflow instance receives the event.")]
    public Input<bool>? IsLocalEvent { get; set; }

    [Input(Description = "What the event carries; any value.")]
    public Input<object>? Payload { get; set; }

    protected override void Execute(ActivityExecutionContext context)
    {
        var workflow = context.WorkflowExecutionContext;
        var hash = StimulusHash.Of(Event.StimulusName, Event.StimulusOf(context.Get(EventName)));
        var payload = Event.InputOf(context.Get(Payload));
        if (context.Get(IsLocalEvent))
            workflow.Outbox.Messages.Add(new(workflow.Id, MessageKind.Stimulus, hash, payload));
        else
            workflow.Outbox.Stimuli.Add(new(hash, context.Get(CorrelationId) is { } id && !string.IsNullOrWhiteSpace(id) ? id : null, payload));
    }
}
