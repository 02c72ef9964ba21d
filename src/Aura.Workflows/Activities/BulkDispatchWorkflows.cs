using System.ComponentModel.DataAnnotations;
using System.Globalization;
using Aura.Workflows.Definitions;

namespace Aura.Workflows.Activities;

/// <summary>
/// Starts a workflow for each item, and waits for all of them unless told otherwise. Children are created in chunks, one commit
/// each. One bookmark of this very run waits for them all; which ones are in stands in a bit each, so that the state stays
/// small with any number of children and a child that tells twice (it faulted, and was retried) counts once.
/// </summary>
[Activity("Elsa", "Composition", "Starts a workflow for each item of a list, and waits for all of them unless told otherwise.", DisplayName = "Bulk Dispatch Workflows")]
[FlowNode("Completed", "Done")]
public sealed class BulkDispatchWorkflows : Activity
{
    internal const int ChunkSize = 500;

    /// <summary>The hexadecimal digits of an instance's id that are not the time.</summary>
    private const int IdDigits = 12;
    private const string Total = "Total";
    private const string Created = "Created";
    private const string FirstChild = "FirstChild";
    private const string ChildPrefix = "ChildPrefix";
    private const string Finished = "Finished";
    private const string FinishedCount = "FinishedCount";
    private const string Handling = "Handling";
    private const string WaitBookmark = "WaitBookmark";

    /// <summary>How a child ends that its activation strategy has kept out.</summary>
    private const string Refused = "Refused";

    [Required]
    [Input(
        DisplayName = "Workflow definition",
        Description = "The definition id of the workflows to dispatch.",
        UIHint = InputUIHints.WorkflowDefinitionPicker)]
    public Input<string>? WorkflowDefinitionId { get; set; }

    [Required]
    [Input(Description = "The data source: a list, or a list as JSON text.", AutoEvaluate = false)]
    public Input<object>? Items { get; set; }

    [Input(
        DisplayName = "Default item input key",
        Description = "The name of the input that holds the item. The members of an item that is an object are inputs themselves instead.",
        DefaultValue = "Item")]
    public Input<string> DefaultItemInputKey { get; set; } = new("Item");

    [Input(
        DisplayName = "Correlation ID function",
        Description = "Evaluated for each item: a variable named as the default item input key says. Empty: this workflow's own correlation id.",
        AutoEvaluate = false)]
    public Input<string>? CorrelationIdFunction { get; set; }

    [Input(Description = "Additional input to send to each workflow.")]
    public Input<IDictionary<string, object?>>? Input { get; set; }

    [Input(
        DisplayName = "Wait for completion",
        Description = "Wait for the dispatched workflows to be over before completing this activity.",
        DefaultValue = true)]
    public Input<bool> WaitForCompletion { get; set; } = new(true);

    /// <summary>Runs once for each child that finished, with the variables ChildInstanceId and ChildOutput.</summary>
    [Port]
    public IActivity? ChildCompleted { get; set; }

    /// <summary>
    /// Runs once for each child that faulted or was kept out by its activation strategy, with the variables ChildInstanceId,
    /// ChildOutput and ChildIncident.
    /// </summary>
    [Port]
    public IActivity? ChildFaulted { get; set; }

    protected override async ValueTask ExecuteAsync(ActivityExecutionContext context)
    {
        var items = ItemList.Read(context, Items)
            ?? throw new InvalidOperationException($"The items of '{Id}' are null; give a list, empty if there is nothing to do.");
        context.SetProperty(Total, items.Count);
        // Consecutive ids from a random start: a child's place in the list can be told from its id.
        context.SetProperty(ChildPrefix, WorkflowExecutionContext.NewRowId(context.GetRequiredService<TimeProvider>())[..^IdDigits]);
        context.SetProperty(FirstChild, Random.Shared.NextInt64((1L << (4 * IdDigits)) - items.Count));
        context.SetProperty(Finished, new byte[(items.Count + 7) / 8]);
        context.JournalData["Count"] = items.Count;
        if (context.Get(WaitForCompletion) && items.Count > 0)
        {
            var bookmark = context.CreateBookmark(new CreateBookmarkArgs
            {
                Stimulus = new { ParentInstanceId = context.WorkflowExecutionContext.Id },
                Callback = OnChildFinishedAsync,
                AutoBurn = false,
                IncludeActivityInstanceId = true,
            });
            context.SetProperty(WaitBookmark, bookmark.Id);
        }

        if (items.Count > ChunkSize)
            items = ItemList.Keep(context, items);
        await CreateChunkAsync(context, items);
    }

    private ValueTask OnNextChunkAsync(ActivityExecutionContext context) => CreateChunkAsync(context, ItemList.Kept(context)!);

    private async ValueTask CreateChunkAsync(ActivityExecutionContext context, IReadOnlyList<object?> items)
    {
        var definition = await ChildWorkflow.DefinitionAsync(context, context.Get(WorkflowDefinitionId));
        var from = context.GetProperty<int>(Created);
        var to = Math.Min(from + ChunkSize, items.Count);
        for (var index = from; index < to; index++)
            StartChild(context, definition, WorkflowJson.ToPlain(items[index]), index);
        context.SetProperty(Created, to);
        if (to == items.Count)
        {
            ItemList.Drop(context);
            await CompleteWhenAllAreInAsync(context);
            return;
        }

        var workflow = context.WorkflowExecutionContext;
        var next = context.CreateBookmark(new CreateBookmarkArgs
        {
            BookmarkName = $"{Type}.Next",
            Callback = OnNextChunkAsync,
            IncludeActivityInstanceId = true,
        });
        workflow.Outbox.Messages.Add(new(workflow.Id, MessageKind.Resume, next.Id, null));
    }

    private void StartChild(ActivityExecutionContext context, WorkflowDefinition definition, object? item, int index)
    {
        var key = context.Get(DefaultItemInputKey) is { Length: > 0 } name ? name : "Item";
        var input = new Dictionary<string, object?>(context.Get(Input) ?? new Dictionary<string, object?>(), StringComparer.Ordinal);
        if (item is IDictionary<string, object?> members)
        {
            foreach (var (member, value) in members)
                input[member] = value;
        }
        else
        {
            input[key] = item;
        }

        var number = context.GetProperty<long>(FirstChild) + index;
        var childId = context.GetProperty<string>(ChildPrefix) + number.ToString($"x{IdDigits}", CultureInfo.InvariantCulture);
        ChildWorkflow.Start(context, definition, input, CorrelationIdOf(context, key, item), childId, context.GetProperty<string>(WaitBookmark));
    }

    private string? CorrelationIdOf(ActivityExecutionContext context, string key, object? item)
    {
        if (CorrelationIdFunction is null)
            return null;
        // A scope for this one evaluation: what runs for a finished child must not see an item.
        var scope = new ActivityExecutionContext(context.WorkflowExecutionContext, context, context.Node);
        scope.Declare(new Variable(key, item));
        return (string?)scope.Evaluate(CorrelationIdFunction);
    }

    private async ValueTask OnChildFinishedAsync(ActivityExecutionContext context)
    {
        var child = ChildWorkflow.ResultOf(context);
        var childId = (string)child["workflowInstanceId"]!;
        if (!TryCount(context, childId))
            return;
        var handler = child["subStatus"] switch
        {
            nameof(WorkflowSubStatus.Finished) => ChildCompleted,
            nameof(WorkflowSubStatus.Faulted) or Refused => ChildFaulted,
            _ => null,
        };
        if (handler is null)
        {
            await CompleteWhenAllAreInAsync(context);
            return;
        }

        context.SetProperty(Handling, context.GetProperty<int>(Handling) + 1);
        await context.ScheduleActivityAsync(
            handler, OnHandledAsync, childId,
            [new("ChildInstanceId", childId), new("ChildOutput", child["output"]), new("ChildIncident", child["incident"])]);
    }

    private ValueTask OnHandledAsync(ActivityCompletedContext context)
    {
        context.TargetContext.SetProperty(Handling, context.TargetContext.GetProperty<int>(Handling) - 1);
        return CompleteWhenAllAreInAsync(context.TargetContext);
    }

    /// <returns>False when the child was counted before.</returns>
    private static bool TryCount(ActivityExecutionContext context, string childId)
    {
        var number = long.Parse(childId[^IdDigits..], NumberStyles.HexNumber, CultureInfo.InvariantCulture);
        var index = (int)(number - context.GetProperty<long>(FirstChild));
        var finished = context.GetProperty<byte[]>(Finished)!;
        var bit = (byte)(1 << (index % 8));
        if ((finished[index / 8] & bit) != 0)
            return false;
        finished[index / 8] |= bit;
        context.SetProperty(Finished, finished);
        context.SetProperty(FinishedCount, context.GetProperty<int>(FinishedCount) + 1);
        return true;
    }

    private async ValueTask CompleteWhenAllAreInAsync(ActivityExecutionContext context)
    {
        var total = context.GetProperty<int>(Total);
        context.JournalData["Count"] = total;
        if (context.GetProperty<int>(Created) < total)
            return;
        if (!context.Get(WaitForCompletion))
            await context.CompleteActivityWithOutcomesAsync("Done");
        else if (context.GetProperty<int>(FinishedCount) == total && context.GetProperty<int>(Handling) == 0)
            await context.CompleteActivityWithOutcomesAsync("Completed", "Done");
    }
}
