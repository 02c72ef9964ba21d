using System.Collections.Concurrent;
using System.Text.Json;

namespace Aura.Workflows.Activities;

/// <summary>Activities and arrows between their outcomes. Runs in Elsa's token mode.</summary>
[Activity("Elsa", "Workflows", "A flowchart is a collection of activities and connections between them.")]
public sealed class Flowchart : Activity, IVariableContainer, ICancelledChildHandler
{
    private const string TokensKey = "Flowchart.Tokens";
    private const string StartKey = "Flowchart.Start";
    private readonly ConcurrentDictionary<string, FlowGraph> _graphs = new(StringComparer.Ordinal);

    [Port]
    public ICollection<IActivity> Activities { get; set; } = new List<IActivity>();

    public ICollection<Connection> Connections { get; set; } = [];

    public ICollection<Variable> Variables { get; set; } = [];

    async ValueTask ICancelledChildHandler.OnChildCancelledAsync(ActivityExecutionContext context, ActivityExecutionContext child)
    {
        Store(context, TokenFlow.Cancel(TokensOf(context), child.Activity.Id));
        await CompleteWhenIdleAsync(context);
    }

    protected override ValueTask ExecuteAsync(ActivityExecutionContext context)
    {
        if (StartOf(context) is not { } start)
            return context.CompleteActivityAsync();
        // The start is kept: a graph rebuilt after a resume must sort its arrows the same way.
        context.SetProperty(StartKey, start.Id);
        return context.ScheduleActivityAsync(start, OnChildCompletedAsync);
    }

    private async ValueTask OnChildCompletedAsync(ActivityCompletedContext completed)
    {
        var context = completed.TargetContext;
        if (completed.ChildContext.Activity is ITerminal)
        {
            Store(context, []);
            await context.CompleteActivityAsync();
            return;
        }

        var graph = GraphOf(context);
        var step = TokenFlow.Complete(
            graph, TokensOf(context), completed.ChildContext.Activity.Id, completed.Result as Outcomes ?? Outcomes.Default, MergeModeOf);
        Store(context, step.Tokens);
        foreach (var target in step.CancelAncestorsOf)
        {
            var ancestors = graph.Ancestors(target);
            foreach (var child in context.WorkflowExecutionContext.ChildrenOf(context).Where(c => ancestors.Contains(c.Activity.Id)).ToList())
                await child.CancelActivityAsync();
        }

        foreach (var target in step.Schedule)
            await context.ScheduleActivityAsync(Find(target), OnChildCompletedAsync);
        await CompleteWhenIdleAsync(context);
    }

    private async ValueTask CompleteWhenIdleAsync(ActivityExecutionContext context)
    {
        var workflow = context.WorkflowExecutionContext;
        if (TokensOf(context).Any(t => !t.Blocked)
            || workflow.ChildrenOf(context).Any()
            || workflow.Scheduled.Any(w => w.Owner == context))
            return;
        Store(context, []);
        await context.CompleteActivityAsync();
    }

    private FlowGraph GraphOf(ActivityExecutionContext context) =>
        _graphs.GetOrAdd(context.GetProperty<string>(StartKey) ?? "", start => new(
            Connections.Where(c => Find(c.Source) is not null && Find(c.Target) is not null), start));

    private IActivity? StartOf(ActivityExecutionContext context)
    {
        var trigger = context.WorkflowExecutionContext.TriggerActivityId;
        var targets = Connections.Select(c => c.Target).ToHashSet(StringComparer.Ordinal);
        return Activities.FirstOrDefault(a => a.Id == trigger)
            ?? Activities.FirstOrDefault(a => a.CustomProperties.TryGetValue("canStartWorkflow", out var flag) && flag.ValueKind == JsonValueKind.True)
            ?? Activities.FirstOrDefault(a => !targets.Contains(a.Id))
            ?? Activities.FirstOrDefault();
    }

    private IActivity? Find(string id) => Activities.FirstOrDefault(a => a.Id == id);

    private MergeMode MergeModeOf(string id) =>
        Find(id) is { } activity && activity.CustomProperties.TryGetValue("mergeMode", out var mode)
        && mode.ValueKind == JsonValueKind.String && Enum.TryParse<MergeMode>(mode.GetString(), ignoreCase: true, out var parsed)
            ? parsed
            : MergeMode.Stream;

    private static IReadOnlyList<FlowToken> TokensOf(ActivityExecutionContext context) =>
        context.GetProperty<List<FlowToken>>(TokensKey) ?? [];

    private static void Store(ActivityExecutionContext context, IReadOnlyList<FlowToken> tokens) =>
        context.SetProperty(TokensKey, tokens.ToList());
}

/// <summary>A decision with the outcomes True and False; without a condition it is False.</summary>
[Activity("Elsa", "Branching", "Evaluate a condition and continue with the matching outcome.", DisplayName = "Decision")]
[FlowNode("True", "False")]
public sealed class FlowDecision : Activity
{
    [Input(Description = "The condition to evaluate.")]
    public Input<bool>? Condition { get; set; }

    protected override ValueTask ExecuteAsync(ActivityExecutionContext context) =>
        context.CompleteActivityWithOutcomesAsync(context.Get(Condition) ? "True" : "False");
}
