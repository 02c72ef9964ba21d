using Aura.Workflows.Runtime;

namespace Aura.Workflows.Activities;

/// <summary>Starts another workflow in the same commit. Waits for it when asked to.</summary>
[Activity("Elsa", "Composition", "Create a new workflow instance of a published workflow.")]
public sealed class DispatchWorkflow : Activity
{
    [Input(Description = "The definition id of the workflow.", UIHint = "workflow-definition-picker")]
    public Input<string>? WorkflowDefinitionId { get; set; }

    [Input(Description = "The correlation id of the new instance; this workflow's own when empty.")]
    public Input<string>? CorrelationId { get; set; }

    [Input(Description = "The input of the new instance.")]
    public Input<IDictionary<string, object?>>? Input { get; set; }

    [Input(Description = "Wait until the new instance is over.", DefaultValue = false)]
    public Input<bool>? WaitForCompletion { get; set; }

    [Output(Description = "The new instance's outputs, when waited for.")]
    public Output<object>? Result { get; set; }

    protected override async ValueTask ExecuteAsync(ActivityExecutionContext context)
    {
        var wait = context.Get(WaitForCompletion);
        var child = await ChildWorkflow.StartAsync(context, context.Get(WorkflowDefinitionId), context.Get(Input), context.Get(CorrelationId), wait ? OnChildFinishedAsync : null);
        if (!wait)
        {
            context.Set(Result, new Dictionary<string, object?> { ["workflowInstanceId"] = child });
            await context.CompleteActivityAsync();
        }
    }

    private ValueTask OnChildFinishedAsync(ActivityExecutionContext context)
    {
        context.Set(Result, context.WorkflowInput.GetValueOrDefault(ChildWorkflow.OutputKey));
        return context.CompleteActivityAsync();
    }
}

/// <summary>Runs another workflow and waits for it. The result says how it ended, in both cases in the same shape.</summary>
[Activity("Elsa", "Composition", "Execute a workflow and wait for its end.")]
public sealed class ExecuteWorkflow : Activity
{
    [Input(Description = "The definition id of the workflow.", UIHint = "workflow-definition-picker")]
    public Input<string>? WorkflowDefinitionId { get; set; }

    [Input(Description = "The correlation id of the new instance; this workflow's own when empty.")]
    public Input<string>? CorrelationId { get; set; }

    [Input(Description = "The input of the new instance.")]
    public Input<IDictionary<string, object?>>? Input { get; set; }

    /// <summary>A child never runs inside the parent's burst here, so the parent always waits; the input is read for files that hold it.</summary>
    [Input(Description = "Kept for files that hold it; this activity always waits.", DefaultValue = true)]
    public Input<bool>? WaitForCompletion { get; set; }

    [Output(Description = "{workflowInstanceId, status, subStatus, output, incident} of the child.")]
    public Output<object>? Result { get; set; }

    protected override async ValueTask ExecuteAsync(ActivityExecutionContext context) =>
        await ChildWorkflow.StartAsync(context, context.Get(WorkflowDefinitionId), context.Get(Input), context.Get(CorrelationId), OnChildFinishedAsync);

    private ValueTask OnChildFinishedAsync(ActivityExecutionContext context)
    {
        var input = context.WorkflowInput;
        context.Set(Result, new Dictionary<string, object?>
        {
            ["workflowInstanceId"] = input.GetValueOrDefault(ChildWorkflow.InstanceIdKey),
            ["status"] = input.GetValueOrDefault(ChildWorkflow.StatusKey),
            ["subStatus"] = input.GetValueOrDefault(ChildWorkflow.SubStatusKey),
            ["output"] = input.GetValueOrDefault(ChildWorkflow.OutputKey),
            ["incident"] = input.GetValueOrDefault(ChildWorkflow.IncidentKey),
        });
        return context.CompleteActivityAsync();
    }
}

/// <summary>Starting a child and telling the parent: both are rows of the commits that caused them.</summary>
internal static class ChildWorkflow
{
    public const string InstanceIdKey = "__ChildInstanceId";
    public const string StatusKey = "__ChildStatus";
    public const string SubStatusKey = "__ChildSubStatus";
    public const string OutputKey = "__ChildOutput";
    public const string IncidentKey = "__ChildIncident";

    /// <param name="onFinished">Runs when the child is over; null when nobody waits.</param>
    public static async ValueTask<string> StartAsync(
        ActivityExecutionContext context, string? definitionId, IDictionary<string, object?>? input, string? correlationId, ExecuteActivityDelegate? onFinished)
    {
        if (string.IsNullOrWhiteSpace(definitionId))
            throw new InvalidOperationException($"'{context.Activity.Id}' names no workflow to start.");
        var workflow = context.WorkflowExecutionContext;
        var definition = await context.GetRequiredService<DefinitionStore>().FindPublishedAsync(definitionId, context.CancellationToken)
            ?? throw new InvalidOperationException($"No published workflow '{definitionId}'.");

        var childId = WorkflowExecutionContext.NewId();
        var bookmark = onFinished is null
            ? null
            : context.CreateBookmark(new CreateBookmarkArgs { Stimulus = new { WorkflowInstanceId = childId }, Callback = onFinished });
        var values = new Dictionary<string, object?>(input ?? new Dictionary<string, object?>(), StringComparer.Ordinal) { ["ParentInstanceId"] = workflow.Id };
        workflow.Outbox.Instances.Add(new(
            childId, definition.DefinitionId, definition.Id, definition.Version,
            string.IsNullOrWhiteSpace(correlationId) ? workflow.CorrelationId : correlationId, null,
            workflow.Id, bookmark?.Id, new() { Input = WorkflowExecutionContext.Json(values) }));
        context.JournalData["WorkflowInstanceId"] = childId;
        return childId;
    }

    /// <summary>What tells the parent that its child is over; part of the commit that ends the child.</summary>
    public static OutgoingMessage Finished(
        string childId, WorkflowStatus status, WorkflowSubStatus subStatus, IDictionary<string, object?> output, IReadOnlyList<Incident> incidents,
        string parentInstanceId, string bookmarkId) =>
        new(parentInstanceId, MessageKind.Resume, bookmarkId, new Dictionary<string, object?>
        {
            [InstanceIdKey] = childId,
            [StatusKey] = status.ToString(),
            [SubStatusKey] = subStatus.ToString(),
            [OutputKey] = output,
            [IncidentKey] = incidents.Count > 0 ? incidents[^1].Message : null,
        });
}
