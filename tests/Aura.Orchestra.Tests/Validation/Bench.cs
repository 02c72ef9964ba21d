using Aura.Orchestra.Prds;
using Aura.Orchestra.Sandboxes;
using Aura.Orchestra.Tests.Sandboxes;
using Aura.Orchestra.Validation;

namespace Aura.Orchestra.Tests.Validation;

/// <summary>A project with everything that proves work on it.</summary>
internal sealed class Bench : IAsyncDisposable
{
    public static readonly (string Path, string Content)[] Calculator =
    [
        ("calc/__init__.py", "\"\"\"Sums.\"\"\"\n"),
        ("calc/core.py", "def add(a, b):\n    \"\"\"The sum.\"\"\"\n    return a + b\n\n\ndef sub(a, b):\n    return a - b\n"),
        ("tests/test_core.py", """
            import sys

            import pytest
            from calc import core


            def test_add():
                assert core.add(1, 2) == 3


            @pytest.mark.parametrize("a", [1, 2])
            def test_sub(a):
                assert core.sub(a, a) == 0


            @pytest.mark.skipif(sys.platform != "plan9", reason="only there")
            def test_elsewhere():
                assert core.add(1, 1) == 3

            """),
    ];

    private Bench(TestProject project)
    {
        Project = project;
        Trees = new(Path.Combine(project.Root, "validation"), project.Git, TimeProvider.System);
        var jail = new Jail(JailTests.Small, project.Processes, TimeProvider.System);
        Pytest = new(jail, Trees, Path.Combine(project.Root, "state"));
        Linters = new(jail);
    }

    public TestProject Project { get; }
    public ValidationTreeBuilder Trees { get; }
    public PytestRunner Pytest { get; }
    public LinterRunner Linters { get; }

    public static async Task<Bench> CreateAsync(params (string, string)[] files) => new(await TestProject.CreateAsync(files));

    public async Task<ValidationTree> TreeAsync(
        IReadOnlyList<(string Path, string? Content)> changes, IReadOnlyList<AcceptanceTest>? acceptance = null, params string[] released)
    {
        var sandbox = await Project.SandboxAsync();
        foreach (var (path, content) in changes)
        {
            var done = content is null ? await sandbox.DeleteFileAsync(path) : await sandbox.WriteFileAsync(path, content);
            done.IsRefused.ShouldBeFalse(done.Refusal?.Message);
        }

        return await Trees.BuildAsync(new()
        {
            Name = sandbox.Id,
            RepositoryPath = Project.Repository,
            BaseCommit = Project.Commit,
            Diff = (await sandbox.DiffAsync()).Value.Text,
            AcceptanceTests = acceptance ?? [],
            AllowTestChanges = released,
        });
    }

    public async Task<PytestVerdict> ProveAsync(params (string Path, string? Content)[] changes) => await Pytest.RunAsync(await TreeAsync(changes));

    public ValueTask DisposeAsync() => Project.DisposeAsync();
}
