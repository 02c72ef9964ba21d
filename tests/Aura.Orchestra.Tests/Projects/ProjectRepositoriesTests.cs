using Aura.Orchestra.Projects;

namespace Aura.Orchestra.Tests.Projects;

public sealed class ProjectRepositoriesTests : IDisposable
{
    private readonly TestProjects _projects = new();

    private ProjectRepositories Repositories => _projects.Repositories;

    public void Dispose() => _projects.Dispose();

    [Fact]
    public async Task ImportAsync_PlainFolder_CommitsItsFilesWithoutWhatRunsLeaveBehind()
    {
        foreach (var path in (string[])["app/a.py", "README.md", "app/__pycache__/a.pyc", ".pytest_cache/x", ".coverage", "deep/er/__pycache__/b.pyc", "ü ä.txt", ".gitignore", "kept.env", "secret.env"])
            _projects.Write(path, path == ".gitignore" ? "secret.env\n" : path);

        var commit = await Repositories.ImportAsync(TestProjects.Name);

        (await _projects.OfMirrorAsync("ls-tree", "-r", "--name-only", "-z", commit)).Split('\0', StringSplitOptions.RemoveEmptyEntries)
            .ShouldBe([".gitignore", "README.md", "app/a.py", "kept.env", "ü ä.txt"], ignoreOrder: true);
        (await Repositories.BaseCommitAsync(TestProjects.Name)).ShouldBe(commit);
        Directory.EnumerateFileSystemEntries(Path.Combine(_projects.ProjectsDirectory, TestProjects.Name), "*.git*").Select(Path.GetFileName).ShouldBe([".gitignore"]);
        Directory.EnumerateFileSystemEntries(Path.Combine(_projects.State, "repositories")).Select(Path.GetFileName)
            .ShouldBe(["demo.git", ".demo.lock"], ignoreOrder: true);
    }

    [Fact]
    public async Task ImportAsync_SameContent_GivesTheSameCommitAlsoOnAnotherMachine()
    {
        _projects.Write("a.txt", "one\n");
        using var elsewhere = new TestProjects();
        elsewhere.Write("a.txt", "one\n");

        var first = await Repositories.ImportAsync(TestProjects.Name);
        var again = await Repositories.ImportAsync(TestProjects.Name);

        again.ShouldBe(first);
        (await elsewhere.Repositories.ImportAsync(TestProjects.Name)).ShouldBe(first);
        (await _projects.OfMirrorAsync("rev-list", "--count", "main")).ShouldBe("1");
    }

    [Fact]
    public async Task ImportAsync_ChangedContent_AddsOneCommitOnTop()
    {
        _projects.Write("a.txt", "one\n");
        _projects.Write("b.txt", "gone soon\n");
        var first = await Repositories.ImportAsync(TestProjects.Name);
        _projects.Write("a.txt", "two\n");
        File.Delete(Path.Combine(_projects.ProjectsDirectory, TestProjects.Name, "b.txt"));

        var second = await Repositories.ImportAsync(TestProjects.Name);

        (await _projects.OfMirrorAsync("rev-parse", $"{second}^")).ShouldBe(first);
        (await _projects.OfMirrorAsync("ls-tree", "--name-only", second)).ShouldBe("a.txt");
        (await _projects.FileAtAsync(second, "a.txt")).ShouldBe("two");
    }

    [Fact]
    public async Task ImportAsync_BytesThatGitLikesToChange_StayAsTheyAre()
    {
        _projects.Write(".gitattributes", "* text=auto eol=crlf ident\n");
        _projects.Write("crlf.txt", "a\r\nb\n$Id$\n");

        var commit = await Repositories.ImportAsync(TestProjects.Name);

        (await _projects.FileAtAsync(commit, "crlf.txt")).ShouldBe("a\r\nb\n$Id$");
    }

    [Fact]
    public async Task ImportAsync_ManyAtOnce_AllGetTheSameCommit()
    {
        for (var i = 0; i < 30; i++)
            _projects.Write($"f{i}.txt", $"{i}\n");

        var commits = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => _projects.Another().ImportAsync(TestProjects.Name)));

        commits.Distinct().Count().ShouldBe(1);
        (await _projects.OfMirrorAsync("rev-list", "--count", "main")).ShouldBe("1");
        await _projects.OfMirrorAsync("fsck", "--strict");
    }

    [Fact]
    public async Task ImportAsync_GitRepository_TakesItsHead()
    {
        _projects.Write("a.txt", "one\n");
        await _projects.OfProjectAsync("init", "--quiet", "--initial-branch=trunk");
        await _projects.OfProjectAsync("add", ".");
        await _projects.OfProjectAsync("commit", "--quiet", "-m", "first");
        var head = await _projects.OfProjectAsync("rev-parse", "HEAD");
        _projects.Write("not-committed.txt", "x");

        Repositories.Find(TestProjects.Name)!.IsGitRepository.ShouldBeTrue();
        (await Repositories.ImportAsync(TestProjects.Name)).ShouldBe(head);

        await _projects.OfProjectAsync("commit", "--quiet", "--amend", "-m", "rewritten");
        (await Repositories.ImportAsync(TestProjects.Name)).ShouldBe(await _projects.OfProjectAsync("rev-parse", "HEAD"));
    }

    [Fact]
    public async Task ImportAsync_GitRepositoryOfAnotherUser_IsTrusted()
    {
        Assert.SkipUnless(Environment.UserName == "root", "Only root can give files to another user.");
        _projects.Write("a.txt", "one\n");
        await _projects.OfProjectAsync("init", "--quiet");
        await _projects.OfProjectAsync("add", ".");
        await _projects.OfProjectAsync("commit", "--quiet", "-m", "first");
        (await _projects.Processes.RunAsync(new() { FileName = "chown", Arguments = ["-R", "65534:65534", Path.Combine(_projects.ProjectsDirectory, TestProjects.Name)] })).Succeeded.ShouldBeTrue();

        var commit = await Repositories.ImportAsync(TestProjects.Name);
        await Repositories.CreatePrdBranchAsync(TestProjects.Name, TestProjects.Prd, commit);

        (await Repositories.MergeAsync(TestProjects.Name, TestProjects.Prd, "x", commit)).ShouldBeOfType<MergeResult.Merged>().Pushed.ShouldBeTrue();
    }

    [Fact]
    public async Task ImportAsync_EmptyGitRepository_SaysWhatToDo()
    {
        _projects.Write("a.txt", "one\n");
        await _projects.OfProjectAsync("init", "--quiet");

        (await Should.ThrowAsync<ProjectException>(() => Repositories.ImportAsync(TestProjects.Name))).Message.ShouldContain("no commit yet");
    }

    [Fact]
    public async Task ImportAsync_RepositoryInsideThePlainFolder_IsRefusedByName()
    {
        _projects.Write("a.txt", "one\n");
        _projects.Write("vendor/lib/x.txt", "x\n");
        var nested = Path.Combine(_projects.ProjectsDirectory, TestProjects.Name, "vendor", "lib");
        await _projects.Git.RunAsync(nested, ["init", "--quiet"]);
        await _projects.Git.RunAsync(nested, ["add", "."]);
        await _projects.Git.RunAsync(nested, ["commit", "--quiet", "-m", "x"]);

        (await Should.ThrowAsync<ProjectException>(() => Repositories.ImportAsync(TestProjects.Name))).Message.ShouldContain("'vendor/lib'");
    }

    [Theory]
    [InlineData("..")]
    [InlineData("../demo")]
    [InlineData("demo/../demo")]
    [InlineData("/etc")]
    [InlineData("-demo")]
    [InlineData("")]
    [InlineData("missing")]
    public async Task ImportAsync_NameThatIsNoProject_NamesTheKnownOnes(string name)
    {
        _projects.Write("a.txt", "one\n");

        Repositories.Find(name).ShouldBeNull();
        (await Should.ThrowAsync<ProjectException>(() => Repositories.ImportAsync(name))).Message.ShouldContain("Known: demo.");
    }

    [Fact]
    public void List_FoldersAndFiles_GivesTheFoldersInOrder()
    {
        _projects.Write("a.txt", "x");
        Directory.CreateDirectory(Path.Combine(_projects.ProjectsDirectory, "alpha"));
        Directory.CreateDirectory(Path.Combine(_projects.ProjectsDirectory, ".hidden"));
        File.WriteAllText(Path.Combine(_projects.ProjectsDirectory, "file"), "x");

        Repositories.List().Select(p => p.Name).ShouldBe(["alpha", "demo"]);
    }

    [Fact]
    public async Task BaseCommitAsync_NeverImported_SaysSo() =>
        (await Should.ThrowAsync<ProjectException>(() => Repositories.BaseCommitAsync(TestProjects.Name))).Message.ShouldContain("not imported yet");
}
