namespace Aura.Workflows.Definitions;

/// <summary>What only the host can tell: which workflows are published, and what its own option lists hold. Warnings: both may change.</summary>
internal static class HostChecks
{
    /// <param name="notPublished">Gives those of some definition ids that are not published.</param>
    public static async Task CheckAsync(
        ReadDefinition read, ValidationFindings findings, IServiceProvider services,
        Func<IReadOnlyCollection<string>, CancellationToken, Task<IReadOnlyCollection<string>>> notPublished, CancellationToken cancellationToken)
    {
        var named = new List<(IActivity Activity, InputDescriptor Input, string DefinitionId)>();
        foreach (var activity in read.Paths.Keys)
        {
            foreach (var input in read.Graph.NodeOf(activity).Descriptor.Inputs)
            {
                if (input.Read(activity) is not Input { Expression: { } expression }
                    || InputChecks.LiteralOf(expression) is not { } literal || InputChecks.TextsOf(literal) is not { Count: > 0 } texts)
                    continue;
                if (input.UIHint == InputUIHints.WorkflowDefinitionPicker)
                    named.AddRange(texts.Where(t => t.Length > 0 && t != read.Graph.Definition.DefinitionId).Select(t => (activity, input, t)));
                else if (input.UIHandler is not null && await OptionsAsync(input, services, cancellationToken) is { } options)
                    InputChecks.CheckOptions(activity, input, options, findings);
            }
        }

        if (named.Count == 0)
            return;
        var missing = await notPublished([.. named.Select(n => n.DefinitionId).Distinct(StringComparer.Ordinal)], cancellationToken);
        foreach (var (activity, input, definitionId) in named.Where(n => missing.Contains(n.DefinitionId)))
        {
            findings.Warning(
                ValidationCodes.UnknownDefinition, activity,
                $"No version of the workflow '{definitionId}' is published. Publish it before this one runs, or choose another.", input);
        }
    }

    private static async Task<IReadOnlyList<string>?> OptionsAsync(InputDescriptor input, IServiceProvider services, CancellationToken cancellationToken)
    {
        try
        {
            return InputChecks.OptionsOf(await input.GetUISpecificationsAsync(services, null, cancellationToken));
        }
        // The edge of a plug-in: a list that cannot be had must not keep a workflow from being published.
        catch (Exception e) when (e is not OperationCanceledException)
        {
            return null;
        }
    }
}
