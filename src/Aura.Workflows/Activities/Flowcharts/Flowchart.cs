using System.Collections.Concurrent;
using System.Text.Json;
using System.Text.Json.Serialization;
using Aura.Workflows.Definitions;
using Microsoft.Extensions.Options;

namespace Aura.Workflows.Activities;

/// <summary>
/// Activities and arrows between their outcomes. What runs next is decided by <see cref="TokenFlow"/> or
/// <see cref="CounterFlow"/>; this class keeps their state and does what they say.
/// </summary>
[Activity("Elsa", "Workflows", "Holds activities and the arrows between their outcomes.")]
public sealed class Flowchart : Activity, IVariableContainer, ICancelledChildHandler
{
    private const string StartKey = "Flowchart.Start";
    private const string RulesKey = "Flowchart.Rules";
    private const string TokensKey = "Flowchart.Tokens";
    private const string ScopeKey = "FlowScope";

    /// <summary>Set for the time in which the flowchart itself cancels children: it need not be told of that.</summary>
    private const string StoppingKey = "Flowchart.Stopping";

    /// <summary>The tag of a child that runs because of a backward arrow.</summary>
    private const string BackwardTag = "backward";

    private readonly ConcurrentDictionary<string, Chart> _charts = new(StringComparer.Ordinal);

    private enum Rules
    {
        Token,
        Counter,
        ExactToken,
        ExactCounter,
    }

    [Port]
    public ICollection<IActivity> Activities { get; set; } = new List<IActivity>();

    public ICollection<Connection> Connections { get; set; } = [];

    public ICollection<Variable> Variables { get; set; } = [];

    /// <summary>Where a flowchart that is built in code begins: one of its activities. As in Elsa it is not read from JSON.</summary>
    [JsonIgnore]
    public IActivity? Start { get; set; }

    async ValueTask ICancelledChildHandler.OnChildCancelledAsync(ActivityExecutionContext context, ActivityExecutionContext child)
    {
        if (IsStopping(context))
            return;
        var chart = ChartOf(context);
        var id = child.Activity.Id;
        var view = ViewOf(context);
        switch (RulesOf(context))
        {
            case Rules.Token:
                await ApplyAsync(context, TokensKey, TokenFlow.Cancelled(chart.Graph, FlowRulesOf(context), view, TokensOf(context)));
                break;
            case Rules.ExactToken:
                await ApplyAsync(context, TokensKey, ExactTokenFlow.Cancelled(chart.Graph, FlowRulesOf(context), view, TokensOf(context), id));
                break;
            case var rules:
                await ApplyAsync(context, ScopeKey, CounterFlow.Cancelled(
                    chart.Graph, FlowRulesOf(context), view, ScopeOf(context), id, rules == Rules.ExactCounter));
                break;
        }
    }

    /// <summary>Called by a <see cref="FlowJoin"/> when it begins.</summary>
    internal async ValueTask OnJoinStartedAsync(ActivityExecutionContext context, string join)
    {
        var graph = ChartOf(context).Graph;
        var view = ViewOf(context);
        switch (RulesOf(context))
        {
            case Rules.Token:
                await ApplyAsync(context, TokensKey, TokenFlow.JoinStarted(graph, FlowRulesOf(context), view, TokensOf(context), join));
                break;
            case Rules.ExactToken:
                await ApplyAsync(context, TokensKey, ExactTokenFlow.JoinStarted(graph, FlowRulesOf(context), view, TokensOf(context), join));
                break;
            case var rules:
                await ApplyAsync(context, ScopeKey, CounterFlow.JoinStarted(
                    graph, FlowRulesOf(context), view, ScopeOf(context), join, rules == Rules.ExactCounter));
                break;
        }
    }

    protected override ValueTask ExecuteAsync(ActivityExecutionContext context)
    {
        if (StartOf(context) is not { } start)
            return context.CompleteActivityAsync();
        // Both are kept: after a resume the arrows must sort the same way, by the same rules.
        context.SetProperty(StartKey, start.Id);
        context.SetProperty(RulesKey, ChooseRules(context).ToString());
        return context.ScheduleActivityAsync(start, OnChildCompletedAsync);
    }

    private async ValueTask OnChildCompletedAsync(ActivityCompletedContext completed)
    {
        var context = completed.TargetContext;
        var child = completed.ChildContext;
        if (child.Activity is ITerminal)
        {
            await CompleteAsync(context);
            return;
        }

        var graph = ChartOf(context).Graph;
        var view = ViewOf(context);
        var outcomes = completed.Result as Outcomes ?? Outcomes.Default;
        switch (RulesOf(context))
        {
            case Rules.Token:
                await ApplyAsync(context, TokensKey, TokenFlow.Complete(
                    graph, FlowRulesOf(context), view, TokensOf(context), child.Activity.Id, outcomes));
                break;
            case Rules.ExactToken:
                await ApplyAsync(context, TokensKey, ExactTokenFlow.Complete(
                    graph, FlowRulesOf(context), view, TokensOf(context), child.Activity.Id, outcomes));
                break;
            case var rules:
                await ApplyAsync(context, ScopeKey, CounterFlow.Complete(
                    graph, FlowRulesOf(context), view, ScopeOf(context), child.Activity.Id, outcomes,
                    child.Tag == BackwardTag, rules == Rules.ExactCounter));
                break;
        }
    }

    private async ValueTask ApplyAsync<TState>(ActivityExecutionContext context, string key, FlowStep<TState> step)
    {
        context.SetProperty(key, step.State);
        foreach (var action in step.Actions)
        {
            switch (action)
            {
                case FlowAction.Schedule schedule:
                    await context.ScheduleActivityAsync(
                        Find(context, schedule.Activity), OnChildCompletedAsync, schedule.Backward ? BackwardTag : null, null);
                    break;
                case FlowAction.Cancel cancel:
                    context.SetProperty(StoppingKey, true);
                    foreach (var child in context.WorkflowExecutionContext.ChildrenOf(context).Where(c => c.Activity.Id == cancel.Activity).ToList())
                        await child.CancelActivityAsync();
                    context.Properties.Remove(StoppingKey);
                    break;
            }
        }

        if (step.Completes)
            await CompleteAsync(context);
    }

    private static async ValueTask CompleteAsync(ActivityExecutionContext context)
    {
        // Completing cancels the children that are left.
        context.SetProperty(StoppingKey, true);
        await context.CompleteActivityAsync();
    }

    /// <summary>A flowchart inside what is being stopped is stopped itself: it must neither go on nor complete.</summary>
    private static bool IsStopping(ActivityExecutionContext context)
    {
        for (var scope = context; scope is not null; scope = scope.ParentActivityExecutionContext)
        {
            if (scope.Properties.ContainsKey(StoppingKey))
                return true;
        }

        return false;
    }

    private static FlowView ViewOf(ActivityExecutionContext context)
    {
        var workflow = context.WorkflowExecutionContext;
        return new(
            [.. workflow.ChildrenOf(context).Select(c => c.Activity.Id)],
            [.. workflow.Scheduled.Where(w => w.Owner == context).Select(w => w.Node.Activity.Id)]);
    }

    private Chart ChartOf(ActivityExecutionContext context) => _charts.GetOrAdd(context.GetProperty<string>(StartKey) ?? "", start =>
    {
        var activities = new Dictionary<string, IActivity>(StringComparer.Ordinal);
        foreach (var activity in Activities)
            activities.TryAdd(activity.Id, activity);
        return new(new(Connections.Where(c => activities.ContainsKey(c.Source) && activities.ContainsKey(c.Target)), start), activities);
    });

    private IActivity? Find(ActivityExecutionContext context, string id) => ChartOf(context).Activities.GetValueOrDefault(id);

    /// <summary>Where it begins unless a trigger in it has started the workflow; null when it is empty.</summary>
    internal IActivity? DefaultStart
    {
        get
        {
            var targets = Connections.Select(c => c.Target).ToHashSet(StringComparer.Ordinal);
            return Start
                ?? Activities.FirstOrDefault(a => a is Start)
                ?? Activities.FirstOrDefault(CanStart)
                ?? Activities.FirstOrDefault(a => !targets.Contains(a.Id))
                ?? Activities.FirstOrDefault();
        }
    }

    internal static bool CanStart(IActivity activity) =>
        activity.CustomProperties.TryGetValue("canStartWorkflow", out var flag) && flag.ValueKind == JsonValueKind.True;

    private IActivity? StartOf(ActivityExecutionContext context)
    {
        var trigger = context.WorkflowExecutionContext.TriggerActivityId;
        return Activities.FirstOrDefault(a => a.Id == trigger) ?? DefaultStart;
    }

    private FlowRules FlowRulesOf(ActivityExecutionContext context)
    {
        return new(JoinMode, id => JoinMode(id) switch
        {
            null => MergeModeOf(Find(context, id)),
            FlowJoinMode.WaitAny => MergeMode.Race,
            _ => MergeMode.Merge,
        });

        FlowJoinMode? JoinMode(string id) => Find(context, id) switch
        {
            FlowJoin { Mode: { } mode } => (FlowJoinMode)context.Evaluate(mode)!,
            FlowJoin => FlowJoinMode.WaitAny,
            _ => null,
        };
    }

    private static MergeMode MergeModeOf(IActivity? activity) =>
        activity is not null && activity.CustomProperties.TryGetValue("mergeMode", out var mode)
        && mode.ValueKind == JsonValueKind.String && Enum.TryParse<MergeMode>(mode.GetString(), ignoreCase: true, out var parsed)
        && Enum.IsDefined(parsed)
            ? parsed
            : MergeMode.None;

    private static Rules ChooseRules(ActivityExecutionContext context)
    {
        var options = context.GetService<IOptions<FlowchartOptions>>()?.Value ?? new();
        var chosen = context.WorkflowExecutionContext.Graph.Definition.Json.Member("customProperties")?.Member("Flowchart:ExecutionMode");
        var mode = chosen switch
        {
            { ValueKind: JsonValueKind.String } name
                when Enum.TryParse<FlowchartExecutionMode>(name.GetString(), ignoreCase: true, out var parsed) => parsed,
            { ValueKind: JsonValueKind.Number } number when number.TryGetInt32(out var value) => (FlowchartExecutionMode)value,
            _ => FlowchartExecutionMode.Default,
        };
        if (mode is not (FlowchartExecutionMode.TokenBased or FlowchartExecutionMode.CounterBased))
            mode = options.DefaultExecutionMode;
        return mode == FlowchartExecutionMode.CounterBased
            ? options.ExactElsa ? Rules.ExactCounter : Rules.Counter
            : options.ExactElsa ? Rules.ExactToken : Rules.Token;
    }

    private static Rules RulesOf(ActivityExecutionContext context) => Enum.Parse<Rules>(context.GetProperty<string>(RulesKey) ?? nameof(Rules.Token));

    private static IReadOnlyList<FlowToken> TokensOf(ActivityExecutionContext context) =>
        context.GetProperty<List<FlowToken>>(TokensKey) ?? [];

    private static FlowScope ScopeOf(ActivityExecutionContext context) => context.GetProperty<FlowScope>(ScopeKey) ?? new();

    private sealed record Chart(FlowGraph Graph, IReadOnlyDictionary<string, IActivity> Activities);
}
