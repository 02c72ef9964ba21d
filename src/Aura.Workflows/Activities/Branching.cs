namespace Aura.Workflows.Activities;

/// <summary>Runs one of two branches; an absent branch completes.</summary>
[Activity("Elsa", "Branching", "Runs one of two branches, as a condition decides.")]
public sealed class If : Activity
{
    [Input(Description = "The condition to evaluate.")]
    public Input<bool>? Condition { get; set; }

    [Port]
    public IActivity? Then { get; set; }

    [Port]
    public IActivity? Else { get; set; }

    [Output(Description = "The condition's value.")]
    public Output<bool>? Result { get; set; }

    protected override ValueTask ExecuteAsync(ActivityExecutionContext context)
    {
        var condition = context.Get(Condition);
        context.Set(Result, condition);
        return context.ScheduleActivityAsync(condition ? Then : Else, OnBranchCompletedAsync);
    }

    private ValueTask OnBranchCompletedAsync(ActivityCompletedContext context) => context.TargetContext.CompleteActivityAsync();
}

/// <summary>One case of a switch: what it is called, when it matches, what it runs.</summary>
public sealed class SwitchCase
{
    public string Label { get; set; } = "";

    /// <summary>A case without a condition never matches.</summary>
    public Expression? Condition { get; set; }

    public IActivity? Activity { get; set; }
}

/// <summary>Runs the cases whose conditions hold, or the default when none does. Completes when all that it runs are done.</summary>
[Activity("Elsa", "Branching", "Runs the branch of the first case whose condition holds, or of all of them.")]
public sealed class Switch : Activity, ISignalHandler
{
    private const string Running = "Running";

    [Input(Description = "The cases, in the order in which they are tried.", UIHint = InputUIHints.SwitchEditor)]
    public ICollection<SwitchCase> Cases { get; set; } = [];

    [Input(
        Description = "Whether only the first matching case runs, or all that match.",
        DefaultValue = SwitchMode.MatchFirst, UIHint = InputUIHints.RadioList)]
    public Input<SwitchMode> Mode { get; set; } = new(SwitchMode.MatchFirst);

    [Port]
    public IActivity? Default { get; set; }

    ValueTask ISignalHandler.ReceiveSignalAsync(ActivityExecutionContext context, SignalContext signal) => Ending.NoteAsync(context, signal);

    protected override async ValueTask ExecuteAsync(ActivityExecutionContext context)
    {
        var matching = Cases.Where(c => Matches(context, c));
        List<SwitchCase> taken = [.. context.Get(Mode) == SwitchMode.MatchFirst ? matching.Take(1) : matching];
        context.JournalData["Matches"] = taken.Select(c => c.Label).ToList();
        List<IActivity> activities = taken.Count == 0
            ? [.. Default is null ? [] : new[] { Default }]
            : [.. taken.Select(c => c.Activity).OfType<IActivity>()];
        if (activities.Count == 0)
        {
            await context.CompleteActivityAsync();
            return;
        }

        context.SetProperty(Running, activities.Count);
        foreach (var activity in activities)
            await context.ScheduleActivityAsync(activity, OnCaseCompletedAsync);
    }

    private static bool Matches(ActivityExecutionContext context, SwitchCase candidate) =>
        candidate.Condition is not null && (bool)context.Evaluate(new Input<bool>(candidate.Condition) { Name = $"Cases[{candidate.Label}]" })!;

    private async ValueTask OnCaseCompletedAsync(ActivityCompletedContext context)
    {
        var running = context.TargetContext.GetProperty<int>(Running) - 1;
        context.TargetContext.SetProperty(Running, running);
        if (running == 0 || Ending.IsNoted(context.TargetContext))
            await context.TargetContext.CompleteActivityAsync();
    }
}

/// <summary>When a fork is done.</summary>
public enum ForkJoinMode
{
    WaitAll,

    /// <summary>The first branch that is done ends the others.</summary>
    WaitAny,
}

/// <summary>Runs its branches side by side and waits for all of them, or for the first.</summary>
[Activity("Elsa", "Branching", "Runs several branches side by side and waits for all of them, or for the first.")]
public sealed class Fork : Activity, ISignalHandler
{
    private const string Completed = "CompletedBranches";

    [Input(Description = "Whether to wait for all branches, or to go on after the first and end the others.", DefaultValue = ForkJoinMode.WaitAll)]
    public ForkJoinMode JoinMode { get; set; }

    [Port]
    public ICollection<IActivity> Branches { get; set; } = new List<IActivity>();

    ValueTask ISignalHandler.ReceiveSignalAsync(ActivityExecutionContext context, SignalContext signal) => Ending.NoteAsync(context, signal);

    protected override async ValueTask ExecuteAsync(ActivityExecutionContext context)
    {
        if (Branches.Count == 0)
            await context.CompleteActivityAsync();
        foreach (var branch in Branches)
            await context.ScheduleActivityAsync(branch, OnBranchCompletedAsync);
    }

    private async ValueTask OnBranchCompletedAsync(ActivityCompletedContext context)
    {
        var fork = context.TargetContext;
        List<string> completed = [.. fork.GetProperty<List<string>>(Completed) ?? [], context.ChildContext.Activity.Id];
        fork.SetProperty(Completed, completed);
        if (JoinMode == ForkJoinMode.WaitAny || completed.Count == Branches.Count || Ending.IsNoted(fork))
            await fork.CompleteActivityAsync();
    }
}
