using System.ComponentModel.DataAnnotations;
using Aura.Workflows.Definitions;
using Aura.Workflows.Runtime;
using Npgsql;

namespace Aura.Workflows.Activities;

/// <summary>Starts another workflow in the same commit. Waits for it when asked to.</summary>
[Activity("Elsa", "Composition", "Starts another workflow, and waits for its end if told to.")]
public sealed class DispatchWorkflow : Activity
{
    [Required]
    [Input(
        DisplayName = "Workflow definition",
        Description = "The definition id of the workflow to dispatch.",
        UIHint = InputUIHints.WorkflowDefinitionPicker)]
    public Input<string>? WorkflowDefinitionId { get; set; }

    [Input(DisplayName = "Correlation ID", Description = "The correlation id of the new instance; this workflow's own when empty.")]
    public Input<string>? CorrelationId { get; set; }

    [Input(Description = "The input to send to the workflow.")]
    public Input<IDictionary<string, object?>>? Input { get; set; }

    [Input(
        DisplayName = "Wait for completion",
        Description = "Wait for the child workflow to be over before completing this activity.",
        DefaultValue = false)]
    public Input<bool>? WaitForCompletion { get; set; }

    [Output(Description = "The child's outputs when this activity waited for it, else null.")]
    public Output<object>? Result { get; set; }

    [Output(Description = "How the child ended, or that it is pending: {workflowInstanceId, status, subStatus, output, incident}.")]
    public Output<object>? Child { get; set; }

    protected override async ValueTask ExecuteAsync(ActivityExecutionContext context)
    {
        var definition = await ChildWorkflow.DefinitionAsync(context, context.Get(WorkflowDefinitionId));
        var wait = context.Get(WaitForCompletion);
        var child = ChildWorkflow.Start(context, definition, context.Get(Input), context.Get(CorrelationId), wait ? OnChildFinishedAsync : null);
        if (!wait)
        {
            context.Set(Child, ChildWorkflow.ResultOf(child));
            await context.CompleteActivityAsync();
        }
    }

    private ValueTask OnChildFinishedAsync(ActivityExecutionContext context)
    {
        var child = ChildWorkflow.ResultOf(context);
        ChildWorkflow.Record(context, child);
        context.Set(Result, child["output"]);
        context.Set(Child, child);
        return context.CompleteActivityAsync();
    }
}

/// <summary>Runs another workflow and waits for it. The result says how it ended, always in the same shape.</summary>
[Activity("Elsa", "Composition", "Runs another workflow, waits for its end and gives its result.")]
public sealed class ExecuteWorkflow : Activity
{
    [Required]
    [Input(
        DisplayName = "Workflow definition",
        Description = "The definition id of the workflow to execute.",
        UIHint = InputUIHints.WorkflowDefinitionPicker)]
    public Input<string>? WorkflowDefinitionId { get; set; }

    [Input(DisplayName = "Correlation ID", Description = "The correlation id of the new instance; this workflow's own when empty.")]
    public Input<string>? CorrelationId { get; set; }

    [Input(Description = "The input to send to the workflow.")]
    public Input<IDictionary<string, object?>>? Input { get; set; }

    /// <summary>A child never runs inside the parent's burst here, so the parent always waits; the input is read for files that hold it.</summary>
    [Input(DisplayName = "Wait for completion", Description = "Kept for files that hold it; this activity always waits.", DefaultValue = true)]
    public Input<bool> WaitForCompletion { get; set; } = new(true);

    [Output(Description = "How the child ended: {workflowInstanceId, status, subStatus, output, incident}.")]
    public Output<object>? Result { get; set; }

    protected override async ValueTask ExecuteAsync(ActivityExecutionContext context)
    {
        var definition = await ChildWorkflow.DefinitionAsync(context, context.Get(WorkflowDefinitionId));
        ChildWorkflow.Start(context, definition, context.Get(Input), context.Get(CorrelationId), OnChildFinishedAsync);
    }

    private ValueTask OnChildFinishedAsync(ActivityExecutionContext context)
    {
        var child = ChildWorkflow.ResultOf(context);
        ChildWorkflow.Record(context, child);
        context.Set(Result, child);
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
    private const string ParentKey = "ParentInstanceId";
    private const string JournalKey = "WorkflowInstanceId";

    /// <exception cref="InvalidOperationException">No workflow is named, or it is not published.</exception>
    public static async ValueTask<WorkflowDefinition> DefinitionAsync(ActivityExecutionContext context, string? definitionId)
    {
        if (string.IsNullOrWhiteSpace(definitionId))
            throw new InvalidOperationException($"'{context.Activity.Id}' names no workflow to start.");
        return await LookUpAsync(context, definitionId)
            ?? throw new InvalidOperationException($"No published workflow '{definitionId}'.");
    }

    /// <param name="onFinished">Runs when the child is over; null when nobody waits.</param>
    /// <returns>The new instance's id.</returns>
    public static string Start(
        ActivityExecutionContext context, WorkflowDefinition definition, IDictionary<string, object?>? input, string? correlationId,
        ExecuteActivityDelegate? onFinished)
    {
        var childId = WorkflowExecutionContext.NewRowId(context.GetRequiredService<TimeProvider>());
        var bookmark = onFinished is null
            ? null
            : context.CreateBookmark(new CreateBookmarkArgs { Stimulus = new { WorkflowInstanceId = childId }, Callback = onFinished });
        Start(context, definition, input, correlationId, childId, bookmark?.Id);
        context.JournalData[JournalKey] = childId;
        return childId;
    }

    /// <param name="bookmarkId">A bookmark of the parent that is resumed when the child is over.</param>
    public static void Start(
        ActivityExecutionContext context, WorkflowDefinition definition, IDictionary<string, object?>? input, string? correlationId, string childId,
        string? bookmarkId)
    {
        var parent = context.WorkflowExecutionContext;
        var values = new Dictionary<string, object?>(input ?? new Dictionary<string, object?>(), StringComparer.Ordinal) { [ParentKey] = parent.Id };
        if (string.IsNullOrWhiteSpace(correlationId))
            correlationId = parent.CorrelationId;
        parent.Outbox.Instances.Add(new(
            childId, definition.DefinitionId, definition.Id, definition.Version, correlationId, null, parent.Id, bookmarkId,
            new() { Input = WorkflowExecutionContext.Json(values) })
        {
            // One that is kept out tells its parent, as one that has ended does.
            ActivationKey = definition.Options.ActivationKey(definition.DefinitionId, correlationId),
        });
    }

    private static async ValueTask<WorkflowDefinition?> LookUpAsync(ActivityExecutionContext context, string definitionId)
    {
        try
        {
            return await context.GetRequiredService<DefinitionStore>().FindPublishedAsync(definitionId, context.CancellationToken);
        }
        catch (NpgsqlException e)
        {
            throw new BurstInterruptedException($"The definition '{definitionId}' could not be looked up.", e);
        }
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

    /// <summary>What the finished child has told, in the shape that workflows see.</summary>
    public static Dictionary<string, object?> ResultOf(ActivityExecutionContext context)
    {
        var input = context.WorkflowInput;
        return Result(
            input.GetValueOrDefault(InstanceIdKey), input.GetValueOrDefault(StatusKey), input.GetValueOrDefault(SubStatusKey),
            input.GetValueOrDefault(OutputKey), input.GetValueOrDefault(IncidentKey));
    }

    /// <summary>Names the child in the execution record once more: its journal data is that of the latest burst.</summary>
    public static void Record(ActivityExecutionContext context, IReadOnlyDictionary<string, object?> child) =>
        context.JournalData[JournalKey] = child["workflowInstanceId"];

    /// <summary>The same shape for a child that has only been created.</summary>
    public static Dictionary<string, object?> ResultOf(string childId) =>
        Result(childId, nameof(WorkflowStatus.Running), nameof(WorkflowSubStatus.Pending), null, null);

    private static Dictionary<string, object?> Result(object? id, object? status, object? subStatus, object? output, object? incident) => new()
    {
        ["workflowInstanceId"] = id,
        ["status"] = status,
        ["subStatus"] = subStatus,
        ["output"] = output,
        ["incident"] = incident,
    };
}
