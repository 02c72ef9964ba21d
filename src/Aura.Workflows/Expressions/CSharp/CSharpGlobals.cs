using System.Dynamic;

namespace Aura.Workflows.Expressions.CSharp;

/// <summary>
/// The names that a script sees, besides <c>Variable(s)</c> and <c>Input(s)</c>, whose members depend on the workflow. Made for one run.
/// </summary>
public sealed class CSharpGlobals
{
    private readonly WorkflowExecutionContext _workflow;

    internal CSharpGlobals(ActivityExecutionContext context, ICollection<string>? outcomes, IReadOnlyDictionary<string, object?>? arguments = null)
    {
        _workflow = context.WorkflowExecutionContext;
        CancellationToken = context.CancellationToken;
        ExecutionContext = new(context);
        Output = new(context);
        Outcome = new(outcomes);
        Args = ScriptValues.Enter(arguments ?? new Dictionary<string, object?>()) ?? new ExpandoObject();
    }

    public string WorkflowInstanceId => _workflow.Id;

    public string WorkflowDefinitionId => _workflow.Graph.Definition.DefinitionId;

    public string WorkflowDefinitionVersionId => _workflow.Graph.Definition.Id;

    public int WorkflowDefinitionVersion => _workflow.Graph.Definition.Version;

    public string? CorrelationId
    {
        get => _workflow.CorrelationId;
        set
        {
            ExecutionContext.RequireInstance();
            _workflow.CorrelationId = value;
        }
    }

    public string? WorkflowInstanceName
    {
        get => _workflow.Name;
        set
        {
            ExecutionContext.RequireInstance();
            _workflow.Name = value;
        }
    }

    /// <summary>Variables and inputs by name.</summary>
    public CSharpExecutionContext ExecutionContext { get; }

    /// <summary>What activities have put out.</summary>
    public ScriptOutputs Output { get; }

    /// <summary>In RunCSharp: the outcomes of the activity.</summary>
    public ScriptOutcome Outcome { get; }

    /// <summary>The arguments of the expression, as members.</summary>
    public dynamic Args { get; }

    /// <inheritdoc cref="Args" />
    public dynamic Arguments => Args;

    /// <summary>Cancelled when the run is no longer wanted.</summary>
    public CancellationToken CancellationToken { get; }
}

/// <summary>The outputs of activities that ran before.</summary>
public sealed class ScriptOutputs
{
    private readonly ActivityExecutionContext _context;

    internal ScriptOutputs(ActivityExecutionContext context) => _context = context;

    /// <summary>The result of the activity that had one last.</summary>
    public dynamic? LastResult => ScriptValues.Enter(_context.WorkflowExecutionContext.LastResult);

    /// <param name="activity">An activity's id or name.</param>
    /// <param name="output">Null for <c>Result</c>, or else the only one there is.</param>
    /// <returns>Null when there is no such output yet.</returns>
    public dynamic? From(string activity, string? output = null) => ScriptValues.Enter(Find(activity, output));

    /// <inheritdoc cref="From(string, string)" />
    public T? From<T>(string activity, string? output = null) => ObjectConverter.ConvertTo<T>(Find(activity, output));

    private object? Find(string activity, string? output)
    {
        var workflow = _context.WorkflowExecutionContext;
        if (!workflow.ActivityOutputs.TryGetValue(activity, out var outputs))
        {
            var id = Below(workflow.Graph, workflow.Graph.Root.Activity).FirstOrDefault(a => a.Name == activity)?.Id;
            if (id is null || !workflow.ActivityOutputs.TryGetValue(id, out outputs))
                return null;
        }

        return outputs.GetValueOrDefault(output ?? (outputs.ContainsKey("Result") ? "Result" : outputs.Keys.FirstOrDefault("")));
    }

    private static IEnumerable<IActivity> Below(WorkflowGraph graph, IActivity activity) =>
        graph.NodeOf(activity).Descriptor.ChildrenOf(activity).SelectMany(child => Below(graph, child).Prepend(child));
}

/// <summary>The outcomes that a script gives its activity.</summary>
public sealed class ScriptOutcome
{
    private readonly ICollection<string>? _outcomes;

    internal ScriptOutcome(ICollection<string>? outcomes) => _outcomes = outcomes;

    /// <summary>The activity completes with these, instead of those set before.</summary>
    /// <exception cref="InvalidOperationException">The script is an expression: only RunCSharp has outcomes.</exception>
    public void Set(params string[] outcomes)
    {
        ArgumentNullException.ThrowIfNull(outcomes);
        if (_outcomes is null)
            throw new InvalidOperationException("An expression has no outcomes to set; only RunCSharp has.");
        _outcomes.Clear();
        foreach (var outcome in outcomes)
            _outcomes.Add(outcome);
    }
}
