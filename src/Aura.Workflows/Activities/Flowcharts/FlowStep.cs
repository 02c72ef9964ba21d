namespace Aura.Workflows.Activities;

/// <summary>How a <see cref="FlowJoin"/> waits for the arrows that lead into it.</summary>
public enum FlowJoinMode
{
    /// <summary>The first arrival goes on, what leads to the others is cancelled.</summary>
    WaitAny,

    /// <summary>All arrows must arrive.</summary>
    WaitAll,

    /// <summary>All arrows that can still arrive.</summary>
    WaitAllActive,
}

/// <summary>How an activity with several arrows into it waits for them in token mode (<c>customProperties.mergeMode</c>).</summary>
internal enum MergeMode
{
    /// <summary>Nothing chosen: wait for all arrows that can still arrive. (Elsa: as <see cref="Stream"/>.)</summary>
    None,

    /// <summary>Run for each arrival, unless a direct source is still about to run.</summary>
    Stream,

    /// <summary>Wait for all forward arrows that can still arrive. (Elsa: for all, for ever.)</summary>
    Merge,

    /// <summary>As Merge, for backward arrows too.</summary>
    Converge,

    /// <summary>Run at the first arrival, ignore the others.</summary>
    Cascade,

    /// <summary>Run at the first arrival and cancel what leads to the others.</summary>
    Race,
}

/// <summary>What the deciders need to know of a flowchart's activities.</summary>
/// <param name="JoinModeOf">Null for what is no join.</param>
/// <param name="MergeModeOf">For joins too: WaitAny is Race, the others are Merge.</param>
internal sealed record FlowRules(Func<string, FlowJoinMode?> JoinModeOf, Func<string, MergeMode> MergeModeOf);

/// <summary>What a flowchart has under way: ids of children that run or wait, and of those in the queue. An id may occur twice.</summary>
internal sealed record FlowView(IReadOnlyList<string> Running, IReadOnlyList<string> Queued);

/// <summary>What a decider wants to happen, in this order.</summary>
internal abstract record FlowAction(string Activity)
{
    /// <param name="Activity">The id.</param>
    /// <param name="Backward">It runs again because of a backward arrow: counter mode must know when it completes.</param>
    public sealed record Schedule(string Activity, bool Backward) : FlowAction(Activity);

    /// <summary>Cancel the runs of the activity. The decider has taken what follows from it into account.</summary>
    public sealed record Cancel(string Activity) : FlowAction(Activity);
}

/// <param name="State">The state after the step.</param>
/// <param name="Completes">The flowchart is done.</param>
internal sealed record FlowStep<TState>(TState State, IReadOnlyList<FlowAction> Actions, bool Completes);

/// <summary>A step while it is decided: what runs and what is due, with the actions so far applied.</summary>
internal sealed class FlowDraft(FlowView view)
{
    private readonly List<string> _running = [.. view.Running];
    private readonly List<string> _due = [.. view.Queued];
    private readonly List<FlowAction> _actions = [];

    public IReadOnlyList<FlowAction> Actions => _actions;

    public bool IsIdle => _running.Count == 0 && _due.Count == 0;

    /// <summary>All that is queued or runs, the running ones first.</summary>
    public IEnumerable<string> Active => _running.Concat(_due);

    public bool IsDue(string activity) => _due.Contains(activity);

    public bool IsActive(string activity) => _due.Contains(activity) || _running.Contains(activity);

    public void Schedule(string activity, bool backward = false)
    {
        _due.Add(activity);
        _actions.Add(new FlowAction.Schedule(activity, backward));
    }

    /// <summary>Cancels the running ones among <paramref name="activities"/>, one after the other.</summary>
    public void Cancel(IReadOnlySet<string> activities, Action<string> cancelled)
    {
        foreach (var activity in _running.Where(activities.Contains).ToList())
        {
            // What follows from one cancel may have cancelled the next one too.
            if (!_running.Remove(activity))
                continue;
            _actions.Add(new FlowAction.Cancel(activity));
            cancelled(activity);
        }
    }
}
