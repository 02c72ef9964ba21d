using Aura.Workflows.Runtime;

namespace Aura.Workflows.Definitions;

/// <summary>
/// Checks definitions that belong together, for example the files of a folder, as publishing all of them would: with the same checks
/// in the same words, and without a database. Workflows that others use as activities are looked for among them.
/// </summary>
/// <param name="registry">Only for this folder: the workflows usable as activities in it are put into it.</param>
/// <param name="services">What triggers and option lists ask for while nothing runs.</param>
public sealed class DefinitionFolder(ActivityRegistry registry, ExpressionTypes expressionTypes, IServiceProvider services)
{
    /// <returns>What was found in each, in the order in which they were given, errors first.</returns>
    public async Task<IReadOnlyList<IReadOnlyList<DefinitionValidationError>>> ValidateAsync(
        IReadOnlyList<WorkflowDefinition> definitions, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(definitions);
        // Ids of versions are of no meaning here, and copies of one file share them.
        var all = definitions.Select(d => d with { Id = d.DefinitionId, IsPublished = true }).ToList();
        var usable = all.Where(d => d.UsableAsActivity).DistinctBy(d => d.DefinitionId).ToList();
        registry.SetWorkflows(usable.Select(WorkflowActivitySource.Of));
        var known = all.Select(d => d.DefinitionId).ToHashSet(StringComparer.Ordinal);
        var taken = new List<TakenRoute>();
        var found = new List<IReadOnlyList<DefinitionValidationError>>();
        foreach (var definition in all)
            found.Add(await ValidateAsync(definition, usable, known, taken, cancellationToken));
        return found;
    }

    private async Task<IReadOnlyList<DefinitionValidationError>> ValidateAsync(
        WorkflowDefinition definition, IReadOnlyList<WorkflowDefinition> usable, HashSet<string> known, List<TakenRoute> taken, CancellationToken cancellationToken)
    {
        var (read, triggers, findings) = await DefinitionValidator.ExamineAsync(
            ReadAsync, expressionTypes, services, NotAmongThemAsync, cancellationToken);
        if (read is not null)
        {
            TakenRoute.Check(read, triggers, findings, taken);
            taken.AddRange(TakenRoute.Of(definition, triggers));
        }

        return findings.All;

        Task<ReadDefinition> ReadAsync() =>
            Task.FromResult(new ActivityReader(registry, usable.ToDictionary(d => d.Id, StringComparer.Ordinal)).Read(definition));

        Task<IReadOnlyCollection<string>> NotAmongThemAsync(IReadOnlyCollection<string> ids, CancellationToken cancellation) =>
            Task.FromResult<IReadOnlyCollection<string>>([.. ids.Where(id => !known.Contains(id))]);
    }
}
