namespace Aura.Workflows.Activities;

/// <summary>The two ways in which a flowchart decides what runs next.</summary>
public enum FlowchartExecutionMode
{
    /// <summary>What the host's <see cref="FlowchartOptions"/> say.</summary>
    Default,

    /// <summary>Marks on arrows; merges by <c>mergeMode</c>. Elsa's own server runs this mode.</summary>
    TokenBased,

    /// <summary>Counted visits with dead-path elimination; each merge waits for all active arrows. Elsa's library default.</summary>
    CounterBased,
}

/// <summary>How flowcharts run on this host. A workflow may choose its own mode: custom property <c>Flowchart:ExecutionMode</c>.</summary>
public sealed class FlowchartOptions
{
    /// <summary>The mode of workflows that choose none.</summary>
    public FlowchartExecutionMode DefaultExecutionMode { get; set; } = FlowchartExecutionMode.TokenBased;

    /// <summary>
    /// Elsa's rules to the letter, with the hangs and double runs that docs/elsa-differences.md lists.
    /// Flowcharts that have already started keep the rules they started with.
    /// </summary>
    public bool ExactElsa { get; set; }
}
