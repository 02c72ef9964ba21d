using Aura.Workflows.Activities;
using Aura.Workflows.Expressions.CSharp;

namespace Aura.Workflows.Definitions;

/// <summary>Finds what would fail for certain when a workflow runs (errors), and what is probably not meant (warnings).</summary>
internal static class DefinitionValidator
{
    /// <summary>All that stands against publishing a definition or should be known before, but for the routes that others have taken.</summary>
    /// <param name="read">Builds the definition's activities.</param>
    /// <param name="services">What triggers and option lists ask for while nothing runs.</param>
    /// <param name="notPublished">Gives those of some definition ids that are not published.</param>
    /// <returns>Nothing read when the definition cannot be built; what was found says why.</returns>
    public static async Task<(ReadDefinition? Read, IReadOnlyList<TriggerRow> Triggers, ValidationFindings Findings)> ExamineAsync(
        Func<Task<ReadDefinition>> read, ExpressionTypes expressionTypes, IServiceProvider services,
        Func<IReadOnlyCollection<string>, CancellationToken, Task<IReadOnlyCollection<string>>> notPublished, CancellationToken cancellationToken)
    {
        try
        {
            var definition = await read();
            var findings = new ValidationFindings(definition);
            Validate(definition, expressionTypes, findings);
            var triggers = await TriggerIndexer.IndexAsync(definition, findings, services, cancellationToken);
            await HostChecks.CheckAsync(definition, findings, services, notPublished, cancellationToken);
            return (definition, triggers, findings);
        }
        catch (InvalidDefinitionException e)
        {
            return (null, [], new(new DefinitionValidationError(e.ActivityId, e.Message) { Code = e.Code }));
        }
    }

    /// <summary>What can be told from the definition alone.</summary>
    public static void Validate(ReadDefinition read, ExpressionTypes expressionTypes, ValidationFindings findings)
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
