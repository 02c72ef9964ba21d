using Aura.Workflows.Activities;
using Aura.Workflows.Expressions.CSharp;

namespace Aura.Workflows.Definitions;

/// <summary>
/// Finds what would fail for certain when a workflow runs (errors), and what is probably not meant (warnings). Pure: what needs the
/// database or the host's services is added by the store.
/// </summary>
public static class DefinitionValidator
{
    /// <summary>Checks a definition without a database, for example a file.</summary>
    /// <param name="others">Definitions that it may use as activities, besides those that the registry knows.</param>
    /// <returns>Errors first.</returns>
    public static IReadOnlyList<DefinitionValidationError> Validate(
        WorkflowDefinition definition, ActivityRegistry registry, ExpressionTypes expressionTypes, IReadOnlyCollection<WorkflowDefinition>? others = null)
    {
        ArgumentNullException.ThrowIfNull(definition);
        ArgumentNullException.ThrowIfNull(registry);
        ArgumentNullException.ThrowIfNull(expressionTypes);
        try
        {
            var loaded = (others ?? []).ToDictionary(d => d.Id, StringComparer.Ordinal);
            return Validate(new ActivityReader(registry, loaded, [.. others ?? []]).Read(definition), expressionTypes);
        }
        catch (InvalidDefinitionException e)
        {
            return [Of(e)];
        }
    }

    internal static IReadOnlyList<DefinitionValidationError> Validate(ReadDefinition read, ExpressionTypes expressionTypes)
    {
        var findings = new ValidationFindings(read);
        Validate(read, expressionTypes, findings);
        return findings.All;
    }

    internal static void Validate(ReadDefinition read, ExpressionTypes expressionTypes, ValidationFindings findings)
    {
        var nodes = read.Paths.Keys.Select(read.Graph.NodeOf).ToList();
        var expressions = new ExpressionChecks(read, nodes, expressionTypes, findings);
        foreach (var node in nodes)
        {
            if (node.Activity is NotFoundActivity missing)
                CheckMissing(read, missing, findings);
            if (node.Activity is RunCSharp && expressionTypes.WhyOff(CSharpEvaluator.ExpressionType) is { } off)
                findings.Error(ValidationCodes.ExpressionTypeOff, node.Activity, off);
            InputChecks.Check(node, findings);
            expressions.Check(node);
            LoopChecks.Check(node, read.Graph, findings);
            if (node.Activity is Flowchart chart)
                FlowchartChecks.Check(chart, read.Graph, findings);
        }

        CheckEmpty(read, findings);
        CheckIds(nodes, findings);
    }

    internal static DefinitionValidationError Of(InvalidDefinitionException e) => new(e.ActivityId, e.Message) { Code = e.Code };

    private static void CheckMissing(ReadDefinition read, NotFoundActivity missing, ValidationFindings findings)
    {
        if (read.Unresolved.FirstOrDefault(r => r.TypeName == missing.Type) is { } reference)
        {
            findings.Error(
                ValidationCodes.UnpublishedWorkflow, missing,
                $"It uses the workflow '{reference.DefinitionId ?? reference.VersionId}', of which no version is published as an activity. "
                + "Publish it with 'usable as activity' set, or remove this activity.");
        }
        else
        {
            findings.Error(
                ValidationCodes.UnknownActivity, missing,
                $"The activity type '{missing.MissingTypeName}' is not installed on this host. Install the package that holds it, or replace the activity.");
        }
    }

    private static void CheckEmpty(ReadDefinition read, ValidationFindings findings)
    {
        if (read.Graph.Root.Activity is Workflow { Root: { } root } && root is Flowchart { Activities.Count: 0 } or Container { Activities.Count: 0 })
            findings.Warning(ValidationCodes.NoActivities, root, "The workflow holds no activities: it completes as soon as it starts. Add one.");
    }

    /// <summary>Within one container the reader refuses it; in different ones it is possible, but whoever names the id means only one.</summary>
    private static void CheckIds(IReadOnlyList<ActivityNode> nodes, ValidationFindings findings)
    {
        foreach (var same in nodes.GroupBy(n => n.Activity.Id, StringComparer.Ordinal).Where(g => g.Count() > 1))
        {
            var places = string.Join(" and ", same.Select(n => $"'{n.Parent?.Activity.Id}'"));
            findings.Warning(
                ValidationCodes.DuplicateId, same.Last().Activity,
                $"The id '{same.Key}' is used {same.Count()} times, in {places}. Outputs and triggers are looked up by id: give each activity its own.");
        }
    }
}
