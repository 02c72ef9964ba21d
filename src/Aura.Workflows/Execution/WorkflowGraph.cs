using System.Collections.Concurrent;
using System.Collections.Frozen;
using Aura.Workflows.Activities;
using Aura.Workflows.Definitions;

namespace Aura.Workflows;

/// <summary>An activity's place in a workflow's tree, with what never changes about running it.</summary>
public sealed class ActivityNode
{
    private readonly ConcurrentDictionary<ActivityCompletionCallback, string> _callbackNames = new();

    internal ActivityNode(IActivity activity, string nodeId, ActivityNode? parent, ActivityDescriptor descriptor)
    {
        Activity = activity;
        NodeId = nodeId;
        Parent = parent;
        Descriptor = descriptor;
        RunsAsTask = descriptor.RunsAsTask(activity);
        Commits = CommitStrategies.OfActivity(activity);
        Inputs = [.. descriptor.Inputs.Where(i => i.IsWrapped && i.AutoEvaluate).Select(i => new NodeInput(i, i.Read(activity) as Input)).Where(i => i.Matters)];
    }

    public IActivity Activity { get; }

    /// <summary>The ids from the workflow down to this activity, joined with colons.</summary>
    public string NodeId { get; }

    public ActivityNode? Parent { get; }
    public ActivityDescriptor Descriptor { get; }

    internal bool RunsAsTask { get; }
    internal CommitPoints? Commits { get; }

    /// <summary>The inputs that are evaluated before the activity runs.</summary>
    internal IReadOnlyList<NodeInput> Inputs { get; }

    /// <summary>The name under which a callback of this activity is stored. Kept: every commit asks, and reflection is slow.</summary>
    /// <exception cref="InvalidOperationException">The callback is a lambda: its name is the compiler's and could not be found again.</exception>
    internal string NameOf(ActivityCompletionCallback callback)
    {
        // Only the activity's own methods, of which there are few.
        if (!ReferenceEquals(callback.Target, Activity))
            return WorkflowExecutionContext.MethodNameOf(callback.Method, Activity);
        return _callbackNames.TryGetValue(callback, out var name)
            ? name
            : _callbackNames[callback] = WorkflowExecutionContext.MethodNameOf(callback.Method, Activity);
    }
}

/// <summary>An input of one node. A literal of an immutable type is converted once for all runs.</summary>
internal sealed class NodeInput(InputDescriptor descriptor, Input? input)
{
    private readonly bool _isConstant = input?.Expression is { Type: "Literal" } && (input.Type.IsValueType || input.Type == typeof(string));
    private object? _constant;
    private bool _isKnown;

    public string Name => descriptor.Name;

    /// <summary>Its value is stored nowhere but where a durable task needs it; asked for again, it is evaluated again.</summary>
    public bool IsSensitive => descriptor.IsSensitive;

    /// <summary>False: unset and without a default.</summary>
    public bool Matters => input is not null || descriptor.DefaultValue is not null;

    public object? Evaluate(ActivityExecutionContext context)
    {
        if (input is null)
            return descriptor.DefaultValue;
        if (Volatile.Read(ref _isKnown))
            return _constant;
        var value = context.Evaluate(input) ?? descriptor.DefaultValue;
        if (_isConstant)
        {
            _constant = value;
            Volatile.Write(ref _isKnown, true);
        }

        return value;
    }
}

/// <summary>The activities of one definition version, by node id. Immutable and shared by all its instances.</summary>
public sealed class WorkflowGraph
{
    private readonly FrozenDictionary<string, ActivityNode> _byNodeId;
    private readonly FrozenDictionary<IActivity, ActivityNode> _byActivity;

    internal WorkflowGraph(WorkflowDefinition definition, Workflow workflow, ActivityRegistry registry)
    {
        Definition = definition;
        Options = definition.Options;
        var nodes = new List<ActivityNode>();
        var counters = new Dictionary<string, int>(StringComparer.Ordinal);
        var usedIds = new HashSet<string>(StringComparer.Ordinal);
        Root = Add(workflow, null);
        _byNodeId = nodes.ToFrozenDictionary(n => n.NodeId);
        _byActivity = nodes.ToFrozenDictionary(n => n.Activity, ReferenceEqualityComparer.Instance as IEqualityComparer<IActivity>);

        ActivityNode Add(IActivity activity, ActivityNode? parent)
        {
            var descriptor = registry.Describe(activity);
            if (activity.Id.Length == 0)
                activity.Id = NextId(descriptor.Name);
            if (!usedIds.Add((parent?.NodeId ?? "") + ":" + activity.Id))
            {
                throw new InvalidDefinitionException(
                    $"Two activities in '{parent?.Activity.Id}' have the id '{activity.Id}'. Give one of them another id; connections must name it, too.")
                {
                    Code = ValidationCodes.DuplicateId,
                    ActivityId = activity.Id,
                };
            }

            descriptor.NameInputsAndOutputs(activity);
            var node = new ActivityNode(activity, parent is null ? activity.Id : $"{parent.NodeId}:{activity.Id}", parent, descriptor);
            nodes.Add(node);
            foreach (var child in descriptor.ChildrenOf(activity))
                Add(child, node);
            return node;
        }

        string NextId(string name)
        {
            counters[name] = counters.GetValueOrDefault(name) + 1;
            return $"{name}{counters[name]}";
        }
    }

    public WorkflowDefinition Definition { get; }

    /// <summary>The <c>Elsa.Workflow</c> activity that holds the definition's root.</summary>
    public ActivityNode Root { get; }

    internal DefinitionOptions Options { get; }

    public ActivityNode? Find(string nodeId) => _byNodeId.GetValueOrDefault(nodeId);

    /// <summary>Whether an activity has this id.</summary>
    public bool Holds(string activityId) => _byActivity.Keys.Any(a => a.Id == activityId);

    /// <exception cref="InvalidOperationException">The activity is not part of this workflow.</exception>
    public ActivityNode NodeOf(IActivity activity)
    {
        ArgumentNullException.ThrowIfNull(activity);
        return _byActivity.GetValueOrDefault(activity)
            ?? throw new InvalidOperationException($"Activity '{activity.Id}' is not part of workflow '{Definition.DefinitionId}'.");
    }

    /// <summary>The only node whose activity has that id, or whose node id it is.</summary>
    internal ActivityNode? FindById(string id)
    {
        if (Find(id) is { } exact)
            return exact;
        var matches = _byActivity.Values.Where(n => n.Activity.Id == id).Take(2).ToList();
        return matches.Count == 1 ? matches[0] : null;
    }
}
