using Microsoft.Extensions.Logging;

namespace Aura.Workflows.Activities;

/// <summary>The activity that holds a definition's root and its variables.</summary>
[Activity("Elsa", "Workflows", "The workflow itself.")]
public sealed class Workflow : Activity, IVariableContainer
{
    [Port]
    public IActivity? Root { get; set; }

    public ICollection<Variable> Variables { get; set; } = [];

    protected override ValueTask ExecuteAsync(ActivityExecutionContext context) => context.ScheduleActivityAsync(Root, OnRootCompletedAsync);

    private ValueTask OnRootCompletedAsync(ActivityCompletedContext context) => context.TargetContext.CompleteActivityAsync();
}

/// <summary>Stands for an activity whose type this host does not know. The definition keeps its data.</summary>
[Activity("Elsa", "System", "An activity whose type is not installed on this host.")]
public sealed class NotFoundActivity : CodeActivity
{
    public string MissingType { get; set; } = "";

    protected override void Execute(ActivityExecutionContext context) =>
        throw new InvalidOperationException($"Activity type '{MissingType}' is not installed on this host. Install the package that holds it, or replace the activity.");
}

/// <summary>Writes a line to the host's log; the text is also in the execution record.</summary>
[Activity("Elsa", "Console", "Write a line of text.")]
public sealed partial class WriteLine : CodeActivity
{
    public WriteLine()
    {
    }

    public WriteLine(string text) => Text = new(text);

    [Input(Description = "The text to write.")]
    public Input<string>? Text { get; set; }

    protected override void Execute(ActivityExecutionContext context) =>
        LogLine(context.GetRequiredService<ILogger<WriteLine>>(), context.Get(Text) ?? "");

    [LoggerMessage(1001, LogLevel.Information, "{Text}")]
    private static partial void LogLine(ILogger logger, string text);
}

/// <summary>Assigns a value to a variable in scope; the nearest of that id wins.</summary>
[Activity("Elsa", "Primitives", "Assign a value to a variable.")]
public sealed class SetVariable : CodeActivity
{
    public Variable? Variable { get; set; }

    [Input(Description = "The value to assign.")]
    public Input<object>? Value { get; set; }

    protected override void Execute(ActivityExecutionContext context)
    {
        if (Variable is null)
            throw new InvalidOperationException($"SetVariable '{Id}' names no variable.");
        Variable.Set(context, context.Get(Value));
    }
}

/// <summary>Ends the workflow at once: nothing that is queued or waiting runs any more.</summary>
[Activity("Elsa", "Primitives", "Finish the workflow.")]
public sealed class Finish : CodeActivity, ITerminal
{
    protected override async ValueTask ExecuteAsync(ActivityExecutionContext context)
    {
        await context.CompleteActivityAsync();
        context.WorkflowExecutionContext.Finish();
    }
}

/// <summary>Faults the workflow with a message.</summary>
[Activity("Elsa", "Primitives", "Fault the workflow.")]
public sealed class Fault : CodeActivity
{
    [Input(Description = "A code that categorises the fault.", DefaultValue = "0")]
    public Input<string>? Code { get; set; }

    [Input(Description = "For example HTTP, Alteration, Azure.", DefaultValue = "General")]
    public Input<string>? Category { get; set; }

    [Input(Description = "For example System, Business, Integration.", DefaultValue = "System")]
    public Input<string>? FaultType { get; set; }

    [Input(Description = "The message of the incident.")]
    public Input<string>? Message { get; set; }

    protected override void Execute(ActivityExecutionContext context) => throw new FaultException(
        context.Get(Message) ?? "The workflow was faulted on purpose.", context.Get(Code) ?? "0", context.Get(Category) ?? "General", context.Get(FaultType) ?? "System");
}

/// <summary>Waits; durable, so a host may die meanwhile.</summary>
[Activity("Elsa", "Scheduling", "Delay the workflow for a time.")]
public sealed class Delay : Activity
{
    [Input(Description = "How long to wait, as d.hh:mm:ss.")]
    public Input<TimeSpan>? TimeSpan { get; set; }

    protected override void Execute(ActivityExecutionContext context) => context.DelayFor(context.Get(TimeSpan));
}

/// <summary>Waits for a named event; as a trigger of the workflow it completes at once with the event's payload.</summary>
[Activity("Elsa", "Events", "Wait for an event to be published.", Kind = ActivityKind.Trigger)]
public sealed class Event : Activity, ITrigger
{
    internal const string StimulusName = "Elsa.Event";
    internal const string PayloadKey = "__EventPayloadWorkflowInput";

    [Input(Description = "The name of the event to wait for.")]
    public Input<string>? EventName { get; set; }

    [Output(Description = "The event's payload.")]
    public Output<object>? Result { get; set; }

    protected override async ValueTask ExecuteAsync(ActivityExecutionContext context)
    {
        if (context.WorkflowExecutionContext.TriggerActivityId == Id)
            await OnPublishedAsync(context);
        else
            context.CreateBookmark(new CreateBookmarkArgs { BookmarkName = StimulusName, Stimulus = StimulusOf(context.Get(EventName)), Callback = OnPublishedAsync });
    }

    internal static object StimulusOf(string? eventName) => new { EventName = eventName ?? "" };

    private ValueTask OnPublishedAsync(ActivityExecutionContext context)
    {
        context.Set(Result, context.WorkflowInput.GetValueOrDefault(PayloadKey));
        return context.CompleteActivityAsync();
    }
}

/// <summary>Publishes an event with the burst's commit; waiting workflows go on after it.</summary>
[Activity("Elsa", "Events", "Publish an event.")]
public sealed class PublishEvent : CodeActivity
{
    [Input(Description = "The name of the event.")]
    public Input<string>? EventName { get; set; }

    [Input(Description = "Only workflows with this correlation id receive the event; empty for all.")]
    public Input<string>? CorrelationId { get; set; }

    [Input(Description = "True: only this workflow instance receives the event.")]
    public Input<bool>? IsLocalEvent { get; set; }

    [Input(Description = "The payload.")]
    public Input<object>? Payload { get; set; }

    protected override void Execute(ActivityExecutionContext context)
    {
        var workflow = context.WorkflowExecutionContext;
        var hash = StimulusHash.Of(Event.StimulusName, Event.StimulusOf(context.Get(EventName)));
        var payload = new Dictionary<string, object?> { [Event.PayloadKey] = context.Get(Payload) };
        if (context.Get(IsLocalEvent))
            workflow.Outbox.Messages.Add(new(workflow.Id, MessageKind.Stimulus, hash, payload));
        else
            workflow.Outbox.Stimuli.Add(new(hash, string.IsNullOrWhiteSpace(context.Get(CorrelationId)) ? null : context.Get(CorrelationId), payload));
    }
}
