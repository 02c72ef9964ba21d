using Aura.Orchestra.Prds;
using Aura.Orchestra.Projects;
using Aura.Orchestra.Validation;
using Aura.Testing;

namespace Aura.Orchestra.Tests.Employees;

/// <summary>The demo behaves as its README claims, stage by stage, in the real jail.</summary>
public sealed class DemoProjectTests : IDisposable
{
    private readonly ProvingGround _ground = new(Repository.Path("real_projects", "demo_flask", "prds", "find-notes.json"));

    public void Dispose() => _ground.Dispose();

    [Fact]
    public async Task Demo_PlayedToItsEnd_FailsWhereItShouldAndPassesInTheEnd()
    {
        var start = await _ground.StartAsync();
        var repository = _ground.Projects.RepositoryPath(_ground.Project);

        // Before: the project is sound, and not one acceptance test passes by luck.
        var before = await _ground.Pytest.RunCommitAsync(repository, start);
        before.Counts.ShouldBe(new TestCounts(30, 0, 0), before.Output);
        var acceptance = _ground.AcceptanceTests();
        var missing = await _ground.Pytest.RunCommitAsync(repository, start, acceptance);
        missing.Counts.ShouldBe(new TestCounts(30, 12, 0), missing.Output);
        missing.Failures.ShouldAllBe(f => f.Test.StartsWith("tests/acceptance/"));

        // The two jobs that depend on nothing start from the same commit.
        var search = await _ground.WorkAsync("search", 1);
        var wrong = await _ground.WorkAsync("tags", 1);
        var right = await _ground.WorkAsync("tags", 2);
        foreach (var (result, _, _) in new[] { search, wrong, right })
        {
            result.HasSubmission.ShouldBeTrue(result.Output);
            result.ToolCalls.ShouldAllBe(c => c.RefusalCode == null);
        }

        _ground.AcceptanceTests("search").Select(t => t.Path).ShouldBe(["tests/acceptance/test_accept_search.py"]);
        (await ProveAsync("search-1", start, search.Diff.Text, "search")).ShouldAllBe(t => t.Passed);
        var failed = await ProveAsync("tags-1", start, wrong.Diff.Text, "tags");
        failed.Where(t => !t.Passed).Select(t => t.Name).ShouldBe(["tests", "protected_tests"]);
        (await ProveAsync("tags-2", start, right.Diff.Text, "tags")).ShouldAllBe(t => t.Passed);

        (await _ground.IntegrateAsync("search", 1, search.Base, search.Diff.Text)).ShouldBeOfType<IntegrationResult.Integrated>();
        (await _ground.IntegrateAsync("tags", 2, right.Base, right.Diff.Text)).ShouldBeOfType<IntegrationResult.Integrated>();

        // The last job starts from both and is held to everything.
        var endpoint = await _ground.WorkAsync("endpoint", 1);
        _ground.AcceptanceTests("endpoint").Count.ShouldBe(3);
        (await ProveAsync("endpoint-1", endpoint.Base, endpoint.Diff.Text, "endpoint")).ShouldAllBe(t => t.Passed);
        (await _ground.IntegrateAsync("endpoint", 1, endpoint.Base, endpoint.Diff.Text)).ShouldBeOfType<IntegrationResult.Integrated>();

        var whole = await _ground.Projects.DiffAsync(_ground.Project, ProvingGround.PrdId);
        var (after, ticks) = await _ground.ProveAsync("whole", start, whole.Text, acceptance);
        ticks.ShouldAllBe(t => t.Passed);
        after.Counts.Failed.ShouldBe(0);
        after.Counts.Passed.ShouldBeGreaterThan(before.Counts.Passed + 12);

        async Task<IReadOnlyList<Tick>> ProveAsync(string name, string baseCommit, string diff, string task) =>
            (await _ground.ProveAsync(name, baseCommit, diff, _ground.AcceptanceTests(task))).Ticks;
    }
}
