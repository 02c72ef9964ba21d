using Aura.Orchestra.Jobs;
using Aura.Orchestra.Models;
using Aura.Orchestra.Planning;
using Aura.Orchestra.Prds;
using Aura.Orchestra.Projects;

namespace Aura.Orchestra.Validation;

/// <summary>Builds the trees in which attempts and integrated results are proven, from what is on record.</summary>
public sealed class AttemptTrees(ValidationTreeBuilder trees, ProjectRepositories projects, ModelStore models, JobStore jobs)
{
    /// <summary>
    /// The base of an attempt with its submitted diff, the protected tests restored and the acceptance tests that bind
    /// this job written in: its own, those of the jobs it builds on, and the PRD's when it completes the plan.
    /// </summary>
    /// <param name="purpose">Part of the tree's name, so that two checks of one attempt do not share a folder.</param>
    /// <exception cref="InvalidOperationException">Nothing was submitted for that attempt.</exception>
    public async Task<ValidationTree> BuildAsync(Prd prd, Job job, int attempt, string purpose, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(prd);
        ArgumentNullException.ThrowIfNull(job);
        var submitted = await models.DiffAsync(job.Id, attempt, cancellationToken)
            ?? throw new InvalidOperationException($"Job {job.Id} has no submitted result for attempt {attempt}.");
        var plan = await jobs.OfPrdAsync(prd.Id, cancellationToken);
        return await trees.BuildAsync(new()
        {
            Name = $"{job.Id}-a{attempt}-{purpose}",
            RepositoryPath = projects.RepositoryPath(prd.ProjectId),
            BaseCommit = submitted.BaseCommit ?? prd.BaseCommit!,
            Diff = submitted.Diff,
            AcceptanceTests = TestsOf(prd, plan, job),
            AllowTestChanges = prd.AllowTestChanges,
        }, cancellationToken);
    }

    /// <summary>The PRD's whole result over its base, with every acceptance test.</summary>
    public async Task<ValidationTree> BuildIntegratedAsync(Prd prd, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(prd);
        return await trees.BuildAsync(new()
        {
            Name = $"{prd.Id}-integrated",
            RepositoryPath = projects.RepositoryPath(prd.ProjectId),
            BaseCommit = prd.BaseCommit!,
            Diff = (await projects.DiffAsync(prd.ProjectId, prd.Id, cancellationToken)).Text,
            AcceptanceTests = prd.AcceptanceTests,
            AllowTestChanges = prd.AllowTestChanges,
        }, cancellationToken);
    }

    public void Remove(ValidationTree tree)
    {
        ArgumentNullException.ThrowIfNull(tree);
        trees.Remove(Path.GetFileName(tree.Directory));
    }

    internal static IReadOnlyList<AcceptanceTest> TestsOf(Prd prd, IReadOnlyList<Job> plan, Job job)
    {
        var keys = plan.ToDictionary(j => j.Id, j => j.Key);
        var outcome = PlanGraph.Create([.. plan.Select(j => new PlanTask { Id = j.Key, Title = j.Title, DependsOn = [.. j.DependsOn.Select(d => keys[d])] })]);
        var graph = ((PlanOutcome.Planned)outcome).Graph;
        return [.. prd.AcceptanceTests.Where(t => graph.MustPass(job.Key, t.Task))];
    }
}
