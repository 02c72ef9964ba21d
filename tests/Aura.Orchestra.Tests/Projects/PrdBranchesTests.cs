using Aura.Orchestra.Projects;
using Aura.Orchestra.Sandboxes;

namespace Aura.Orchestra.Tests.Projects;

public sealed class PrdBranchesTests : IDisposable
{
    private const string Lines = "1\n2\n3\n4\n5\n6\n7\n8\n9\n";
    private readonly TestProjects _projects = new();

    private ProjectRepositories Repositories => _projects.Repositories;

    public void Dispose() => _projects.Dispose();

    [Fact]
    public async Task CreatePrdBranchAsync_Twice_ChangesNothing()
    {
        var start = await _projects.StartAsync(("a.txt", Lines));
        var integrated = (IntegrationResult.Integrated)await Repositories.IntegrateAsync(await _projects.RequestAsync(start, "job-aaaa2222", ("b.txt", "b\n")));

        (await Repositories.CreatePrdBranchAsync(TestProjects.Name, TestProjects.Prd, start)).ShouldBe(integrated.Commit);
        (await Repositories.PrdBaseAsync(TestProjects.Name, TestProjects.Prd)).ShouldBe(start);
        (await _projects.OfMirrorAsync("for-each-ref", "--format=%(refname)")).Split('\n')
            .ShouldBe(["refs/aura-base/prd-aaaa2222", "refs/aura/prd-aaaa2222", "refs/heads/main"], ignoreOrder: true);
    }

    [Fact]
    public async Task CreatePrdBranchAsync_OtherBase_IsRefused()
    {
        await _projects.StartAsync(("a.txt", Lines));
        _projects.Write("a.txt", "new\n");
        var newer = await Repositories.ImportAsync(TestProjects.Name);

        await Should.ThrowAsync<ProjectException>(() => Repositories.CreatePrdBranchAsync(TestProjects.Name, TestProjects.Prd, newer));
        await Should.ThrowAsync<ProjectException>(() => Repositories.CreatePrdBranchAsync(TestProjects.Name, "prd-bbbb2222", new string('1', 40)));
        await Should.ThrowAsync<ArgumentException>(() => Repositories.CreatePrdBranchAsync(TestProjects.Name, "prd-x/../y", newer));
        await Should.ThrowAsync<ArgumentException>(() => Repositories.CreatePrdBranchAsync(TestProjects.Name, TestProjects.Prd, "--upload-pack=x"));
    }

    [Fact]
    public async Task IntegrateAsync_SameRequestAgain_FindsItsCommit()
    {
        var start = await _projects.StartAsync(("a.txt", Lines));
        var request = await _projects.RequestAsync(start, "job-aaaa2222", ("a.txt", Lines + "10\n"));

        var first = (IntegrationResult.Integrated)await Repositories.IntegrateAsync(request);
        await Repositories.IntegrateAsync(await _projects.RequestAsync(start, "job-bbbb2222", ("b.txt", "b\n")));

        (await _projects.Another().IntegrateAsync(request)).ShouldBe(new IntegrationResult.AlreadyIntegrated(first.Commit));
        (await _projects.OfMirrorAsync("rev-list", "--count", $"{start}..refs/aura/{TestProjects.Prd}")).ShouldBe("2");
        (await _projects.OfMirrorAsync("log", "-1", "--format=%B", first.Commit)).TrimEnd()
            .ShouldBe("Work of job-aaaa2222\n\nAura-Prd: prd-aaaa2222\nAura-Job: job-aaaa2222\nAura-Attempt: 1");
    }

    [Fact]
    public async Task IntegrateAsync_NextAttemptOnTop_IsIntegratedToo()
    {
        var start = await _projects.StartAsync(("a.txt", Lines));
        var first = (IntegrationResult.Integrated)await Repositories.IntegrateAsync(await _projects.RequestAsync(start, "job-aaaa2222", ("a.txt", "one\n")));
        var second = await _projects.RequestAsync(first.Commit, "job-aaaa2222", ("a.txt", "two\n")) with { Attempt = 2 };

        var result = (await Repositories.IntegrateAsync(second)).ShouldBeOfType<IntegrationResult.Integrated>();
        (await _projects.FileAtAsync(result.Commit, "a.txt")).ShouldBe("two");
    }

    [Fact]
    public async Task IntegrateAsync_SameWorkElsewhere_GivesTheSameCommit()
    {
        using var elsewhere = new TestProjects();
        var commits = new List<string>();
        foreach (var projects in (TestProjects[])[_projects, elsewhere])
        {
            var start = await projects.StartAsync(("a.txt", Lines));
            commits.Add(((IntegrationResult.Integrated)await projects.Repositories.IntegrateAsync(await projects.RequestAsync(start, "job-aaaa2222", ("a.txt", "x\n")))).Commit);
        }

        commits[0].ShouldBe(commits[1]);
    }

    [Fact]
    public async Task IntegrateAsync_OtherPlacesOfOneFile_AreMerged()
    {
        var start = await _projects.StartAsync(("a.txt", Lines));
        var top = await _projects.RequestAsync(start, "job-aaaa2222", ("a.txt", "top\n" + Lines));
        var bottom = await _projects.RequestAsync(start, "job-bbbb2222", ("a.txt", Lines + "bottom\n"));

        await Repositories.IntegrateAsync(top);
        var merged = (await Repositories.IntegrateAsync(bottom)).ShouldBeOfType<IntegrationResult.Integrated>();

        (await _projects.FileAtAsync(merged.Commit, "a.txt")).ShouldBe("top\n" + Lines + "bottom");
        // One line of history, no merge commits: each commit is one job.
        (await _projects.OfMirrorAsync("rev-list", "--merges", "--count", merged.Commit)).ShouldBe("0");
    }

    [Fact]
    public async Task IntegrateAsync_SamePlace_IsAConflictThatShowsBothSidesAndMovesNothing()
    {
        var start = await _projects.StartAsync(("a b.txt", Lines), ("c.txt", "c\n"));
        var ours = await _projects.RequestAsync(start, "job-aaaa2222", ("a b.txt", Lines.Replace("5", "ours")));
        var theirs = await _projects.RequestAsync(start, "job-bbbb2222", ("a b.txt", Lines.Replace("5", "theirs")), ("d.txt", "d\n"));
        var head = ((IntegrationResult.Integrated)await Repositories.IntegrateAsync(ours)).Commit;

        var conflict = (await Repositories.IntegrateAsync(theirs)).ShouldBeOfType<IntegrationResult.Conflict>();

        conflict.Files.ShouldBe(["a b.txt"]);
        conflict.Head.ShouldBe(head);
        conflict.Details.ShouldContain("ours");
        conflict.Details.ShouldContain("theirs");
        conflict.Details.ShouldContain("<<<<<<<");
        (await Repositories.HeadAsync(TestProjects.Name, TestProjects.Prd)).ShouldBe(head);

        // Done again on the new head, as the retry does it.
        var retry = await _projects.RequestAsync(head, "job-bbbb2222", ("a b.txt", Lines.Replace("5", "ours and theirs")), ("d.txt", "d\n")) with { Attempt = 2 };
        (await Repositories.IntegrateAsync(retry)).ShouldBeOfType<IntegrationResult.Integrated>();
    }

    [Fact]
    public async Task IntegrateAsync_DeletedHereChangedThere_IsAConflict()
    {
        var start = await _projects.StartAsync(("a.txt", Lines));
        var deletes = await _projects.RequestAsync(start, "job-aaaa2222", ("a.txt", null));
        var changes = await _projects.RequestAsync(start, "job-bbbb2222", ("a.txt", Lines + "10\n"));
        await Repositories.IntegrateAsync(deletes);

        (await Repositories.IntegrateAsync(changes)).ShouldBeOfType<IntegrationResult.Conflict>().Files.ShouldBe(["a.txt"]);
    }

    [Fact]
    public async Task IntegrateAsync_ManyJobsAtOnce_EachIsThereOnce()
    {
        var start = await _projects.StartAsync(("a.txt", Lines));
        const int jobs = 6;
        var requests = new List<IntegrationRequest>();
        for (var i = 0; i < jobs; i++)
            requests.Add(await _projects.RequestAsync(start, $"job-aaaa222{i + 2}", ($"new{i}.txt", $"{i}\n")));

        // Each request twice: a crash re-delivers.
        var results = await Task.WhenAll(requests.Concat(requests).Select(r => Task.Run(() => _projects.Another().IntegrateAsync(r))));

        results.OfType<IntegrationResult.Integrated>().Count().ShouldBe(jobs);
        results.OfType<IntegrationResult.AlreadyIntegrated>().Count().ShouldBe(jobs);
        var head = await Repositories.HeadAsync(TestProjects.Name, TestProjects.Prd);
        (await _projects.OfMirrorAsync("rev-list", "--count", $"{start}..{head}")).ShouldBe(jobs.ToString());
        (await _projects.OfMirrorAsync("ls-tree", "--name-only", head)).Split('\n').Length.ShouldBe(jobs + 1);
    }

    [Fact]
    public async Task IntegrateAsync_TitleWithTrailers_CannotForgeThem()
    {
        var start = await _projects.StartAsync(("a.txt", Lines));
        var forged = await _projects.RequestAsync(start, "job-aaaa2222", ("b.txt", "b\n")) with { Title = "x\n\nAura-Job: job-bbbb2222\nAura-Attempt: 1" };
        await Repositories.IntegrateAsync(forged);

        (await Repositories.IntegrateAsync(await _projects.RequestAsync(start, "job-bbbb2222", ("c.txt", "c\n")))).ShouldBeOfType<IntegrationResult.Integrated>();
    }

    [Fact]
    public async Task IntegrateAsync_EmptyPatch_IsACommitWithoutChanges()
    {
        var start = await _projects.StartAsync(("a.txt", Lines));
        var empty = await _projects.RequestAsync(start, "job-aaaa2222");

        var first = (await Repositories.IntegrateAsync(empty)).ShouldBeOfType<IntegrationResult.Integrated>();
        (await Repositories.IntegrateAsync(empty)).ShouldBe(new IntegrationResult.AlreadyIntegrated(first.Commit));
        (await Repositories.DiffAsync(TestProjects.Name, TestProjects.Prd)).IsEmpty.ShouldBeTrue();
    }

    [Fact]
    public async Task IntegrateAsync_PatchThatDoesNotFitItsBase_IsAConflict()
    {
        var start = await _projects.StartAsync(("a.txt", Lines));
        var request = await _projects.RequestAsync(start, "job-aaaa2222") with { Patch = "--- a/none.txt\n+++ b/none.txt\n@@ -1 +1 @@\n-a\n+b\n" };

        (await Repositories.IntegrateAsync(request)).ShouldBeOfType<IntegrationResult.Conflict>().Details.ShouldContain("none.txt");
    }

    [Fact]
    public async Task IntegrateAsync_BaseOfAnotherHistory_IsRefused()
    {
        var start = await _projects.StartAsync(("a.txt", Lines));
        var request = await _projects.RequestAsync(start, "job-aaaa2222", ("b.txt", "b\n"));
        _projects.Write("a.txt", "moved on\n");
        var newer = await Repositories.ImportAsync(TestProjects.Name);

        (await Should.ThrowAsync<ProjectException>(() => Repositories.IntegrateAsync(request with { BaseCommit = newer }))).Message.ShouldContain("history");
    }

    [Fact]
    public async Task DiffAsync_AfterIntegration_IsTheWholeChangeAndItsHashIsStable()
    {
        var start = await _projects.StartAsync(("a.txt", Lines));
        await Repositories.IntegrateAsync(await _projects.RequestAsync(start, "job-aaaa2222", ("a.txt", Lines + "10\n")));
        await Repositories.IntegrateAsync(await _projects.RequestAsync(start, "job-bbbb2222", ("b.txt", "ü\n")));

        var diff = await Repositories.DiffAsync(TestProjects.Name, TestProjects.Prd);

        diff.Files.Select(f => f.Path).ShouldBe(["a.txt", "b.txt"]);
        diff.Text.ShouldContain("+ü\n");
        diff.Hash.ShouldBe(ProjectRepositories.DiffHash(diff.Text));
        diff.Hash.Length.ShouldBe(64);
        (await _projects.Another().DiffAsync(TestProjects.Name, TestProjects.Prd)).Hash.ShouldBe(diff.Hash);
    }

    [Fact]
    public async Task MergeAsync_ApprovedCommit_MakesTheBranchOnce()
    {
        var start = await _projects.StartAsync(("a.txt", Lines));
        var commit = ((IntegrationResult.Integrated)await Repositories.IntegrateAsync(await _projects.RequestAsync(start, "job-aaaa2222", ("b.txt", "b\n")))).Commit;

        var expected = new MergeResult.Merged("feat/prd-aaaa2222-add-b", commit, Pushed: false);
        (await Repositories.MergeAsync(TestProjects.Name, TestProjects.Prd, "add-b", commit)).ShouldBe(expected);
        (await _projects.Another().MergeAsync(TestProjects.Name, TestProjects.Prd, "add-b", commit)).ShouldBe(expected);

        (await _projects.OfMirrorAsync("rev-parse", "refs/heads/feat/prd-aaaa2222-add-b")).ShouldBe(commit);
        (await _projects.OfMirrorAsync("rev-parse", "main")).ShouldBe(start);
        Directory.Exists(Path.Combine(_projects.ProjectsDirectory, TestProjects.Name, ".git")).ShouldBeFalse();
    }

    [Fact]
    public async Task MergeAsync_HeadMovedOn_IsRefused()
    {
        var start = await _projects.StartAsync(("a.txt", Lines));
        await Repositories.IntegrateAsync(await _projects.RequestAsync(start, "job-aaaa2222", ("b.txt", "b\n")));

        (await Repositories.MergeAsync(TestProjects.Name, TestProjects.Prd, "x", start)).ShouldBeOfType<MergeResult.Refused>().Reason.ShouldContain(start);
        (await _projects.OfMirrorAsync("for-each-ref", "refs/heads/feat")).ShouldBe("");
    }

    [Fact]
    public async Task MergeAsync_BranchTakenByAnotherCommit_IsRefused()
    {
        var start = await _projects.StartAsync(("a.txt", Lines));
        await _projects.OfMirrorAsync("update-ref", "refs/heads/feat/prd-aaaa2222-x", start);
        var commit = ((IntegrationResult.Integrated)await Repositories.IntegrateAsync(await _projects.RequestAsync(start, "job-aaaa2222", ("b.txt", "b\n")))).Commit;

        (await Repositories.MergeAsync(TestProjects.Name, TestProjects.Prd, "x", commit)).ShouldBeOfType<MergeResult.Refused>().Reason.ShouldContain("already exists");
        (await _projects.OfMirrorAsync("rev-parse", "refs/heads/feat/prd-aaaa2222-x")).ShouldBe(start);
    }

    [Fact]
    public async Task MergeAsync_ProjectIsAGitRepository_GetsTheBranchAndNothingElse()
    {
        _projects.Write("a.txt", Lines);
        await _projects.OfProjectAsync("init", "--quiet", "--initial-branch=trunk");
        await _projects.OfProjectAsync("add", ".");
        await _projects.OfProjectAsync("commit", "--quiet", "-m", "first");
        Directory.CreateDirectory(Path.Combine(_projects.ProjectsDirectory, TestProjects.Name, ".git", "hooks"));
        var hook = Path.Combine(_projects.ProjectsDirectory, TestProjects.Name, ".git", "hooks", "update");
        await File.WriteAllTextAsync(hook, $"#!/bin/sh\ntouch {_projects.Root}/hook-ran\n");
        (await _projects.Processes.RunAsync(new() { FileName = "chmod", Arguments = ["755", hook] })).Succeeded.ShouldBeTrue();
        var start = await _projects.StartAsync();
        var commit = ((IntegrationResult.Integrated)await Repositories.IntegrateAsync(await _projects.RequestAsync(start, "job-aaaa2222", ("b.txt", "b\n")))).Commit;

        for (var i = 0; i < 2; i++)
            (await Repositories.MergeAsync(TestProjects.Name, TestProjects.Prd, "x", commit)).ShouldBeOfType<MergeResult.Merged>().Pushed.ShouldBeTrue();

        (await _projects.OfProjectAsync("for-each-ref", "--format=%(refname) %(objectname)")).Split('\n')
            .ShouldBe([$"refs/heads/feat/prd-aaaa2222-x {commit}", $"refs/heads/trunk {start}"], ignoreOrder: true);
        (await _projects.OfProjectAsync("status", "--porcelain")).ShouldBe("");
        File.Exists(Path.Combine(_projects.Root, "hook-ran")).ShouldBeFalse();
    }

    [Fact]
    public async Task MergeAsync_ProjectHasOtherWorkOnThatBranch_IsNotOverwritten()
    {
        _projects.Write("a.txt", Lines);
        await _projects.OfProjectAsync("init", "--quiet");
        await _projects.OfProjectAsync("add", ".");
        await _projects.OfProjectAsync("commit", "--quiet", "-m", "first");
        var start = await _projects.StartAsync();
        await _projects.OfProjectAsync("checkout", "--quiet", "-b", "feat/prd-aaaa2222-x");
        await _projects.OfProjectAsync("commit", "--quiet", "--allow-empty", "-m", "somebody's");
        var theirs = await _projects.OfProjectAsync("rev-parse", "HEAD");
        var commit = ((IntegrationResult.Integrated)await Repositories.IntegrateAsync(await _projects.RequestAsync(start, "job-aaaa2222", ("b.txt", "b\n")))).Commit;

        (await Repositories.MergeAsync(TestProjects.Name, TestProjects.Prd, "x", commit)).ShouldBeOfType<MergeResult.Refused>().Reason.ShouldContain("pushed");
        (await _projects.OfProjectAsync("rev-parse", "feat/prd-aaaa2222-x")).ShouldBe(theirs);
    }

    [Fact]
    public async Task IntegrateAsync_BinaryFile_KeepsItsBytes()
    {
        var bytes = Enumerable.Range(0, 256).Select(i => (byte)i).ToArray();
        var start = await _projects.StartAsync(("a.txt", Lines));
        var store = new SandboxStore(new() { BaseDirectory = Path.Combine(_projects.Root, "s"), SnapshotDirectory = Path.Combine(_projects.Root, "p") }, _projects.Git, TimeProvider.System);
        var sandbox = await store.CreateAsync(new() { SandboxId = "job-aaaa2222-a1", JobId = "job-aaaa2222", Attempt = 1, ProjectName = TestProjects.Name, RepositoryPath = _projects.Repository, BaseCommit = start });
        await sandbox.WriteFileAsync("logo.bin", bytes);
        var request = await _projects.RequestAsync(start, "job-bbbb2222") with { Patch = (await sandbox.DiffAsync()).Value.Text };

        var commit = ((IntegrationResult.Integrated)await Repositories.IntegrateAsync(request)).Commit;

        (await _projects.Git.TryAsync(_projects.Repository, ["cat-file", "blob", $"{commit}:logo.bin"])).OutputBytes.ToArray().ShouldBe(bytes);
    }
}
