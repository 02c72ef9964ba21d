using System.Collections.Frozen;
using Aura.Workflows.Activities;
using Aura.Workflows.Definitions;

namespace Aura.Workflows;

/// <summary>An activity's place in a workflow's tree.</summary>
public sealed record ActivityNode(IActivity Activity, string NodeId, ActivityNode? Parent, ActivityDescriptor Descriptor);

/// <summary>The activities of one definition version, by node id. Immutable and shared by all its instances.</summary>
public sealed class WorkflowGraph
{
    private readonly FrozenDictionary<string, ActivityNode> _byNodeId;
    private readonly FrozenDictionary<IActivity, ActivityNode> _byActivity;

    internal WorkflowGraph(WorkflowDefinition definition, Workflow workflow, ActivityRegistry registry)
    {
        Definition = definition;
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
                throw new InvalidDefinitionException($"Two activities in '{parent?.Activity.Id}' have the id '{activity.Id}'.");
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

    public ActivityNode? Find(string nodeId) => _byNodeId.GetValueOrDefault(nodeId);

    /// <exception cref="InvalidOperationException">The activity is not part of this workflow.</exception>
    public ActivityNode NodeOf(IActivity activity)
    {
        ArgumentNullException.ThrowIfNull(activity);
        return _byActivity.GetValueOrDefault(activity)
            ?? throw new InvalidOperationException($"Activity '{activity.Id}' is not part of workflow '{Definition.DefinitionId}'.");
    }
}
