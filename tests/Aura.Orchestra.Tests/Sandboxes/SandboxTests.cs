using System.Diagnostics;
using System.IO.Compression;
using System.Text;
using Aura.Orchestra.Sandboxes;

namespace Aura.Orchestra.Tests.Sandboxes;

public sealed class SandboxTests
{
    [Fact]
    public async Task CreateAsync_TwiceTheSameId_GivesACleanCopyWithoutGitDirectory()
    {
        await using var project = await TestProject.CreateAsync(("app/main.py", "x = 1\n"), ("run.sh", "#!/bin/sh\n"));
        var first = await project.SandboxAsync();
        (await first.WriteFileAsync("app/new.py", "y = 2\n")).IsRefused.ShouldBeFalse();

        var second = await project.SandboxAsync();

        second.ListFiles().Select(f => f.Path).ShouldBe(["app/main.py", "run.sh"]);
        (await second.ListSnapshotsAsync()).ShouldBeEmpty();
        Directory.EnumerateFileSystemEntries(second.WorkDirectory, ".git", SearchOption.AllDirectories).ShouldBeEmpty();
        File.Exists(Path.Combine(second.HomeDirectory, "metadata.json")).ShouldBeTrue();
        project.Store().List().Select(m => m.SandboxId).ShouldBe(["job-1-a1"]);
    }

    [Fact]
    public async Task Open_UnknownOrCrookedId_IsRefused()
    {
        await using var project = await TestProject.CreateAsync(("a", "1"));
        await project.SandboxAsync();
        var store = project.Store();
        store.Open("job-1-a1").Value.Metadata.BaseCommit.ShouldBe(project.Commit);
        store.Open("job-1-a2").Refusal!.Code.ShouldBe("not_found");
        store.Open("../job-1-a1").Refusal!.Code.ShouldBe("invalid_sandbox");
        store.Open("job-1").Refusal!.Code.ShouldBe("invalid_sandbox");
        (await store.RemoveAsync("job-1-a1", forgetSnapshots: true)).ShouldBeTrue();
        (await store.RemoveAsync("job-1-a1")).ShouldBeFalse();
        store.List().ShouldBeEmpty();
    }

    [Fact]
    public async Task WriteFileAsync_EachWrite_TakesASnapshotOfTheStateBefore()
    {
        await using var project = await TestProject.CreateAsync(("a.txt", "one\n"));
        var sandbox = await project.SandboxAsync();

        var first = await sandbox.WriteFileAsync("a.txt", "two\n");
        var second = await sandbox.WriteFileAsync("deep/er/b.txt", "new\n");
        var third = await sandbox.DeleteFileAsync("a.txt");

        first.Value.Before.Sequence.ShouldBe(1);
        second.Value.Before.Sequence.ShouldBe(2);
        third.Value.Before.Label.ShouldBe("before delete a.txt");
        var snapshots = await sandbox.ListSnapshotsAsync();
        snapshots.Select(s => s.Sequence).ShouldBe([1, 2, 3]);
        snapshots.Select(s => s.Commit).Distinct().Count().ShouldBe(3);
        snapshots[0].ShouldBe(first.Value.Before);
        (await sandbox.ReadFileAsync("deep/er/b.txt")).Value.ShouldBe("new\n");
        (await sandbox.ReadFileAsync("a.txt")).Refusal!.Code.ShouldBe("not_found");
    }

    [Fact]
    public async Task RestoreSnapshotAsync_Earlier_BringsBackFilesAndTouchesNothingElse()
    {
        await using var project = await TestProject.CreateAsync(("a.txt", "one\n"), ("b.txt", "b\n"));
        var sandbox = await project.SandboxAsync();
        var other = await project.SandboxAsync(attempt: 2);
        await other.WriteFileAsync("a.txt", "of the other\n");
        var beside = Path.Combine(project.Options.BaseDirectory, "job-1", "runlog.txt");
        await File.WriteAllTextAsync(beside, "log");
        await sandbox.WriteFileAsync("a.txt", "two\n");
        await sandbox.WriteFileAsync("c/c.txt", "c\n");
        await sandbox.DeleteFileAsync("b.txt");

        var restored = await sandbox.RestoreSnapshotAsync(1);

        restored.Value.Paths.ShouldBe(["a.txt", "b.txt", "c/c.txt"]);
        sandbox.ListFiles().Select(f => f.Path).ShouldBe(["a.txt", "b.txt"]);
        (await sandbox.ReadFileAsync("a.txt")).Value.ShouldBe("one\n");
        (await sandbox.DiffAsync()).Value.IsEmpty.ShouldBeTrue();
        (await other.ReadFileAsync("a.txt")).Value.ShouldBe("of the other\n");
        (await File.ReadAllTextAsync(beside)).ShouldBe("log");
        // What was there before the restore is itself a snapshot.
        (await sandbox.RestoreSnapshotAsync(restored.Value.Before.Sequence)).IsRefused.ShouldBeFalse();
        sandbox.ListFiles().Select(f => f.Path).ShouldBe(["a.txt", "c/c.txt"]);
        (await sandbox.RestoreSnapshotAsync(99)).Refusal!.Code.ShouldBe("not_found");
    }

    [Fact]
    public async Task Write_OutsideTheScope_IsRefusedWithoutASnapshot()
    {
        await using var project = await TestProject.CreateAsync(("app/a.py", "a\n"), ("b.py", "b\n"));
        var sandbox = await project.SandboxAsync(allowed: ["app/**", "docs/*.md"]);

        (await sandbox.WriteFileAsync("b.py", "x")).Refusal!.Code.ShouldBe("outside_scope");
        (await sandbox.DeleteFileAsync("b.py")).Refusal!.Code.ShouldBe("outside_scope");
        (await sandbox.WriteFileAsync("docs/a/b.md", "x")).Refusal!.Code.ShouldBe("outside_scope");
        (await sandbox.WriteFileAsync("../b.py", "x")).Refusal!.Code.ShouldBe("outside_sandbox");
        (await sandbox.ListSnapshotsAsync()).ShouldBeEmpty();
        (await sandbox.WriteFileAsync("docs/b.md", "x")).IsRefused.ShouldBeFalse();
        (await sandbox.ReadFileAsync("b.py")).Value.ShouldBe("b\n");
    }

    [Fact]
    public async Task ReadAndWrite_ThroughLinks_AreRefusedAndNothingOutsideChanges()
    {
        var outside = Directory.CreateTempSubdirectory("aura-outside-");
        var secret = Path.Combine(outside.FullName, "secret.txt");
        await File.WriteAllTextAsync(secret, "secret");
        try
        {
            await using var project = await TestProject.CreateAsync(
                new Dictionary<string, byte[]> { ["a.txt"] = "a"u8.ToArray() },
                root =>
                {
                    File.CreateSymbolicLink(Path.Combine(root, "out"), outside.FullName);
                    File.CreateSymbolicLink(Path.Combine(root, "file"), secret);
                    File.CreateSymbolicLink(Path.Combine(root, "inside"), "a.txt");
                });
            var sandbox = await project.SandboxAsync();
            foreach (var path in new[] { "out/secret.txt", "file", "inside", "out/new.txt", "out/x/y.txt" })
            {
                (await sandbox.ReadFileAsync(path)).Refusal!.Code.ShouldBe("symlink", path);
                (await sandbox.WriteFileAsync(path, "overwritten")).Refusal!.Code.ShouldBe("symlink", path);
                (await sandbox.DeleteFileAsync(path)).Refusal!.Code.ShouldBe("symlink", path);
            }

            (await sandbox.WriteFileAsync("a.txt/b", "x")).Refusal!.Code.ShouldBe("not_a_file");
            sandbox.ListFiles().Select(f => f.Path).ShouldBe(["a.txt"]);
            (await File.ReadAllTextAsync(secret)).ShouldBe("secret");
            Directory.EnumerateFileSystemEntries(outside.FullName).Count().ShouldBe(1);
        }
        finally
        {
            outside.Delete(recursive: true);
        }
    }

    [Fact]
    public async Task ReadAndWrite_WhileAFolderIsSwappedForALink_NeverReachOutside()
    {
        var outside = Directory.CreateTempSubdirectory("aura-outside-");
        await File.WriteAllTextAsync(Path.Combine(outside.FullName, "f.txt"), "outside");
        try
        {
            await using var project = await TestProject.CreateAsync(("d/f.txt", "inside"));
            var sandbox = await project.SandboxAsync();
            var folder = Path.Combine(sandbox.WorkDirectory, "d");
            using var stop = new CancellationTokenSource();
            var swapping = Task.Run(() =>
            {
                while (!stop.IsCancellationRequested)
                {
                    Directory.Move(folder, folder + ".real");
                    try
                    {
                        File.CreateSymbolicLink(folder, outside.FullName);
                        File.Delete(folder);
                    }
                    catch (IOException)
                    {
                        // The writer made the folder anew in the gap.
                    }

                    while (Directory.Exists(folder + ".real"))
                    {
                        try
                        {
                            Directory.Move(folder + ".real", folder);
                        }
                        catch (IOException)
                        {
                            TryDelete(folder);
                        }
                    }
                }
            });
            var tree = new WorkTree(sandbox.WorkDirectory, Path.Combine(sandbox.HomeDirectory, "scratch"));
            var path = SandboxPath.Parse("d/f.txt").Value;
            for (var i = 0; i < 3000; i++)
            {
                var read = await tree.ReadAsync(path, 100, CancellationToken.None);
                if (!read.IsRefused)
                    Encoding.UTF8.GetString(read.Value).ShouldBe("inside");
                await tree.WriteAsync(SandboxPath.Parse("d/g.txt").Value, "inside"u8.ToArray(), CancellationToken.None);
            }

            await stop.CancelAsync();
            await swapping;
            Directory.EnumerateFileSystemEntries(outside.FullName).Select(Path.GetFileName).ShouldBe(["f.txt"]);
            (await File.ReadAllTextAsync(Path.Combine(outside.FullName, "f.txt"))).ShouldBe("outside");
        }
        finally
        {
            outside.Delete(recursive: true);
        }
    }

    private static void TryDelete(string folder)
    {
        try
        {
            Directory.Delete(folder, recursive: true);
        }
        catch (IOException)
        {
            // The writer put a file into it meanwhile: the next round deletes that, too.
        }
    }

    [Fact]
    public async Task Write_HardLinkFifoOrTooLarge_IsRefused()
    {
        await using var project = await TestProject.CreateAsync(("a.txt", "a"), ("b.bin", "x"));
        var options = project.Options;
        options.MaxFileBytes = 10;
        options.MaxHeldFileBytes = 10;
        options.MaxFiles = 5;
        var sandbox = await project.SandboxAsync(options: options);
        await project.Processes.RunAsync(new() { FileName = "ln", Arguments = [Path.Combine(sandbox.WorkDirectory, "a.txt"), Path.Combine(project.Root, "second")] });
        await project.Processes.RunAsync(new() { FileName = "mkfifo", Arguments = [Path.Combine(sandbox.WorkDirectory, "pipe")] });

        (await sandbox.WriteFileAsync("a.txt", "b")).Refusal!.Code.ShouldBe("hard_link");
        (await sandbox.WriteFileAsync("pipe", "b")).Refusal!.Code.ShouldBe("not_a_file");
        (await sandbox.ReadFileAsync("pipe")).Refusal!.Code.ShouldBe("not_a_file");
        (await sandbox.WriteFileAsync("c.txt", "12345678901")).Refusal!.Code.ShouldBe("too_large");
        await File.WriteAllTextAsync(Path.Combine(sandbox.WorkDirectory, "large"), "12345678901");
        (await sandbox.ReadFileAsync("large")).Refusal!.Code.ShouldBe("too_large");
        await File.WriteAllBytesAsync(Path.Combine(sandbox.WorkDirectory, "b.bin"), [0xff, 0xfe]);
        (await sandbox.ReadFileAsync("b.bin")).Refusal!.Code.ShouldBe("not_text");
        File.Delete(Path.Combine(sandbox.WorkDirectory, "pipe"));
        (await sandbox.WriteFileAsync("c.txt", "c")).IsRefused.ShouldBeFalse();
        (await sandbox.WriteFileAsync("d.txt", "d")).IsRefused.ShouldBeFalse();
        (await sandbox.WriteFileAsync("e.txt", "e")).IsRefused.ShouldBeFalse();
        (await sandbox.WriteFileAsync("f.txt", "f")).Refusal!.Code.ShouldBe("too_many");
        // What other hands made counts as soon as somebody looks.
        (await sandbox.CreateSnapshotAsync("look")).Refusal!.Code.ShouldBe("too_large");
    }

    [Fact]
    public async Task ApplyPatchAsync_GoodAndBad_IsAllOrNothing()
    {
        await using var project = await TestProject.CreateAsync(("app/a.py", "one\ntwo\nthree\n"), ("b.py", "b\n"));
        var sandbox = await project.SandboxAsync(allowed: ["app/**"]);

        (await sandbox.ApplyPatchAsync("--- a/app/a.py\n+++ b/app/a.py\n@@ -1,3 +1,3 @@\n one\n-two\n+TWO\n three\n")).Value.Paths.ShouldBe(["app/a.py"]);
        (await sandbox.ReadFileAsync("app/a.py")).Value.ShouldBe("one\nTWO\nthree\n");

        // Wrong counts and no prefixes, as models write them.
        (await sandbox.ApplyPatchAsync("--- app/a.py\n+++ app/a.py\n@@ -1,9 +1,9 @@\n one\n-TWO\n+2\n three")).IsRefused.ShouldBeFalse();
        (await sandbox.ReadFileAsync("app/a.py")).Value.ShouldBe("one\n2\nthree\n");

        var stale = await sandbox.ApplyPatchAsync("--- a/app/a.py\n+++ b/app/a.py\n@@ -1,3 +1,3 @@\n one\n-two\n+x\n three\n");
        stale.Refusal!.Code.ShouldBe("patch_rejected");
        (await sandbox.ApplyPatchAsync("no patch at all")).Refusal!.Code.ShouldBe("patch_rejected");

        const string NewFile = "diff --git a/app/c.py b/app/c.py\nnew file mode 100644\n--- /dev/null\n+++ b/app/c.py\n@@ -0,0 +1 @@\n+c\n";
        var partly = await sandbox.ApplyPatchAsync(NewFile + "diff --git a/b.py b/b.py\n--- a/b.py\n+++ b/b.py\n@@ -1 +1 @@\n-b\n+B\n");
        partly.Refusal!.Code.ShouldBe("outside_scope");
        sandbox.ListFiles().Select(f => f.Path).ShouldBe(["app/a.py", "b.py"]);
        (await sandbox.ApplyPatchAsync(NewFile)).IsRefused.ShouldBeFalse();
        (await sandbox.ReadFileAsync("app/c.py")).Value.ShouldBe("c\n");
    }

    [Theory]
    [InlineData("diff --git a/l b/l\nnew file mode 120000\n--- /dev/null\n+++ b/l\n@@ -0,0 +1 @@\n+/etc/passwd\n\\ No newline at end of file\n", "symlink")]
    [InlineData("diff --git a/s b/s\nnew file mode 160000\n--- /dev/null\n+++ b/s\n@@ -0,0 +1 @@\n+Subproject commit 1111111111111111111111111111111111111111\n", "git_directory")]
    [InlineData("--- /dev/null\n+++ b/../x\n@@ -0,0 +1 @@\n+x\n", "outside_sandbox")]
    [InlineData("--- /dev/null\n+++ b/.git/hooks/x\n@@ -0,0 +1 @@\n+x\n", "git_directory")]
    [InlineData("--- /dev/null\n+++ b/a/.GIT/x\n@@ -0,0 +1 @@\n+x\n", "git_directory")]
    [InlineData("--- /dev/null\n+++ /etc/aura-test-x\n@@ -0,0 +1 @@\n+x\n", "outside_sandbox")]
    public async Task ApplyPatchAsync_Malicious_IsContained(string patch, string code)
    {
        await using var project = await TestProject.CreateAsync(("a.txt", "a\n"));
        var sandbox = await project.SandboxAsync();
        var result = await sandbox.ApplyPatchAsync(patch);
        result.Refusal!.Code.ShouldBe(code);
        File.Exists("/etc/aura-test-x").ShouldBeFalse();
        File.Exists(Path.Combine(sandbox.HomeDirectory, "x")).ShouldBeFalse();
        sandbox.ListFiles().Select(f => f.Path).ShouldBe(["a.txt"]);
    }

    [Fact]
    public async Task DiffAsync_EveryKindOfChange_AppliesToTheVerySameBytes()
    {
        var latin = Encoding.Latin1.GetBytes("caf\u00e9\nzwei\n");
        await using var project = await TestProject.CreateAsync(new Dictionary<string, byte[]>
        {
            ["text.txt"] = "one\ntwo\n"u8.ToArray(),
            ["crlf.txt"] = "one\r\ntwo\r\n"u8.ToArray(),
            ["latin.txt"] = latin,
            ["gone.txt"] = "gone\n"u8.ToArray(),
            [".gitattributes"] = "*.txt text eol=crlf\n*.dat filter=lfs\n"u8.ToArray(),
            [".gitignore"] = "*.log\n"u8.ToArray(),
        });
        var sandbox = await project.SandboxAsync();
        var bytes = new byte[3000];
        new Random(1).NextBytes(bytes);
        await sandbox.WriteFileAsync("text.txt", "one\ntwo\nthree, no newline");
        await sandbox.WriteFileAsync("crlf.txt", "one\r\n2\r\nthree\n");
        await sandbox.WriteFileAsync("latin.txt", Encoding.Latin1.GetBytes("caf\u00e9\nzwei\ndr\u00e9i\n"));
        await sandbox.WriteFileAsync("data/ä b\"[1].dat", bytes);
        await sandbox.WriteFileAsync("lat [x]*in.txt", Encoding.Latin1.GetBytes("\u00fc\n"));
        await sandbox.WriteFileAsync("ignored.log", "kept all the same\n");
        await sandbox.WriteFileAsync("late-nul.txt", new string('x', 9000) + "\n\0\n");
        await sandbox.WriteFileAsync("empty.txt", "");
        await sandbox.WriteFileAsync("__pycache__/a.pyc", "cache");
        await sandbox.DeleteFileAsync("gone.txt");

        var diff = (await sandbox.DiffAsync()).Value;

        diff.Text.ShouldNotContain('\0');
        diff.Text.ShouldNotContain('\ufffd');
        diff.Text.ShouldContain("+three, no newline");
        diff.Hash.ShouldBe(UnifiedDiff.HashOf(diff.Text));
        (await sandbox.DiffAsync()).Value.Hash.ShouldBe(diff.Hash);
        diff.Files.Select(f => f.Path).ShouldNotContain("__pycache__/a.pyc");
        diff.Files.Count.ShouldBe(9);
        var other = await project.SandboxAsync(attempt: 2);
        (await other.ApplyPatchAsync(diff.Text)).IsRefused.ShouldBeFalse();
        foreach (var file in sandbox.ListFiles().Where(f => !f.Path.Contains("pycache")))
        {
            (await File.ReadAllBytesAsync(Path.Combine(other.WorkDirectory, file.Path)))
                .ShouldBe(await File.ReadAllBytesAsync(Path.Combine(sandbox.WorkDirectory, file.Path)), file.Path);
        }

        (await other.DiffAsync()).Value.Hash.ShouldBe(diff.Hash);
        File.Exists(Path.Combine(other.WorkDirectory, "gone.txt")).ShouldBeFalse();
    }

    [Fact]
    public async Task CreateSnapshotAsync_NestedGitDirectory_IsRefused()
    {
        await using var project = await TestProject.CreateAsync(("a", "1"));
        var sandbox = await project.SandboxAsync();
        Directory.CreateDirectory(Path.Combine(sandbox.WorkDirectory, "sub", ".git"));
        (await sandbox.CreateSnapshotAsync("x")).Refusal!.Code.ShouldBe("git_directory");
        (await sandbox.DiffAsync()).Refusal!.Code.ShouldBe("git_directory");
    }

    [Fact]
    public async Task CreateSnapshotAsync_OneSmallChangeInALargeTree_CostsLittleRoom()
    {
        var files = Enumerable.Range(0, 300).ToDictionary(i => $"d{i % 10}/f{i}.txt", i => Encoding.UTF8.GetBytes(string.Concat(Enumerable.Repeat($"{i} line\n", 500))));
        await using var project = await TestProject.CreateAsync(files);
        var sandbox = await project.SandboxAsync();
        await sandbox.CreateSnapshotAsync("first");
        var before = Size(project.Options.SnapshotDirectory);
        await sandbox.WriteFileAsync("d1/f1.txt", "changed\n");
        await sandbox.CreateSnapshotAsync("  a label\nof two lines ");

        // The old content, the new one and three lines of the log.
        (Size(project.Options.SnapshotDirectory) - before).ShouldBeLessThan(8_000);
        (await sandbox.ListSnapshotsAsync())[^1].Label.ShouldBe("a label of two lines");

        static long Size(string directory) => new DirectoryInfo(directory).EnumerateFiles("*", SearchOption.AllDirectories).Sum(f => f.Length);
    }

    [Fact]
    public async Task ExportZipAsync_Snapshot_HoldsItsFilesUnderTheAgreedName()
    {
        await using var project = await TestProject.CreateAsync(("a.txt", "one\n"), (".gitattributes", "a.txt export-ignore\n"));
        var sandbox = await project.SandboxAsync();
        await sandbox.WriteFileAsync("a.txt", "two\n");
        await sandbox.CreateSnapshotAsync("second");

        var path = (await sandbox.ExportZipAsync(1)).Value;
        var other = (await sandbox.ExportZipAsync(2)).Value;

        Path.GetFileName(path).ShouldMatch(@"^snap-\d{8}-\d{6}(-1)?\.zip$");
        Path.GetFileName(Path.GetDirectoryName(path)).ShouldBe("session-job-1-a1");
        (await sandbox.ExportZipAsync(1)).Value.ShouldBe(path);
        Read(path).ShouldBe("one\n");
        Read(other).ShouldBe("two\n");
        (await sandbox.ExportZipAsync(7)).Refusal!.Code.ShouldBe("not_found");

        static string Read(string zip)
        {
            using var archive = ZipFile.OpenRead(zip);
            using var reader = new StreamReader(archive.GetEntry("a.txt")!.Open());
            return reader.ReadToEnd();
        }
    }

    [Fact]
    public async Task Write_ManyAtOnceFromTwoStores_LosesNoSnapshot()
    {
        await using var project = await TestProject.CreateAsync(("a.txt", "one\n"));
        await project.SandboxAsync();
        var watch = Stopwatch.StartNew();
        var writes = await Task.WhenAll(Enumerable.Range(0, 20).Select(async i =>
            await project.Store().Open("job-1-a1").Value.WriteFileAsync($"f{i}.txt", $"{i}\n")));
        writes.Select(w => w.Value.Before.Sequence).Order().ShouldBe(Enumerable.Range(1, 20));
        project.Store().Open("job-1-a1").Value.ListFiles("f*.txt").Count.ShouldBe(20);
        watch.Elapsed.ShouldBeLessThan(TimeSpan.FromSeconds(20));
    }
}
