using System.Diagnostics;
using System.Text;
using Aura.Orchestra.Sandboxes;

namespace Aura.Orchestra.Tests.Sandboxes;

/// <summary>Whatever a write dies of, what is found then is the old state or the new one, and every snapshot still gives what it promised.</summary>
public sealed class CrashTests
{
    private const string Patch = """
        --- a/a.txt
        +++ b/a.txt
        @@ -1 +1 @@
        -one
        +two
        --- a/b.txt
        +++ /dev/null
        @@ -1 +0,0 @@
        -b
        --- /dev/null
        +++ b/c/d.txt
        @@ -0,0 +1 @@
        +new
        """;

    public static TheoryData<string, int> Deaths => new()
    {
        { "objects", 0 }, { "logged", 0 }, { "file", 0 }, { "file", 1 }, { "file", 2 },
    };

    [Theory]
    [MemberData(nameof(Deaths))]
    public async Task ApplyPatchAsync_KilledInTheMiddle_IsWhollyThereOrWhollyNot(string point, int after)
    {
        await using var project = await TestProject.CreateAsync(("a.txt", "one\n"), ("b.txt", "b\n"));
        await project.SandboxAsync();
        // A real process, really killed: nothing of it cleans up.
        var child = await project.Processes.RunAsync(new()
        {
            FileName = "dotnet",
            Arguments =
            [
                typeof(CrashTests).Assembly.Location, "-noColor", "-explicit", "only",
                "-method", $"*.{nameof(KilledWriter)}.{nameof(KilledWriter.Write)}",
            ],
            Environment = new Dictionary<string, string?> { ["AURA_TEST_ROOT"] = project.Root, ["AURA_TEST_POINT"] = $"{point}:{after}" },
        });
        child.ExitCode.ShouldBe(137, child.StandardOutput);

        var sandbox = project.Store().Open("job-1-a1").Value;
        var snapshots = await sandbox.ListSnapshotsAsync();
        // The next to hold the sandbox finishes what was begun.
        var diff = (await sandbox.DiffAsync()).Value;

        snapshots.Count.ShouldBe(point == "objects" ? 0 : 1);
        diff.Files.Select(f => f.Path).ShouldBe(point == "objects" ? [] : ["a.txt", "b.txt", "c/d.txt"]);
        (await sandbox.WriteFileAsync("a.txt", "three\n")).IsRefused.ShouldBeFalse();
        (await sandbox.RestoreSnapshotAsync(1)).IsRefused.ShouldBeFalse();
        (await sandbox.DiffAsync()).Value.IsEmpty.ShouldBeTrue();
        (await project.Keeper().VerifyAsync()).Problems.ShouldBeEmpty();
        Directory.EnumerateFiles(Path.Combine(sandbox.HomeDirectory, "scratch")).ShouldBeEmpty();
    }

    [Theory]
    [InlineData("one\n")]
    [InlineData("two\n")]
    public async Task Open_LogCutAnywhereInItsLastRecord_GivesTheOldOrTheNewState(string file)
    {
        await using var project = await TestProject.CreateAsync(("a.txt", "base\n"));
        var sandbox = await project.SandboxAsync();
        await sandbox.WriteFileAsync("a.txt", "one\n");
        var log = Path.Combine(project.Options.SnapshotDirectory, "session-job-1-a1", sandbox.Metadata.SnapshotLog);
        var first = new FileInfo(log).Length;
        await sandbox.WriteFileAsync("a.txt", "two\n");
        var whole = await File.ReadAllBytesAsync(log);
        var record = first + Array.IndexOf(whole[(int)first..], (byte)'\n') + 1;
        var seen = new HashSet<string>();
        for (var cut = (int)first; cut <= whole.Length; cut++)
        {
            // The files follow the log: without the whole record nobody has touched them, without its "done" somebody may have.
            if (cut < record && file == "two\n")
                continue;
            await File.WriteAllBytesAsync(log, whole[..cut]);
            var work = Path.Combine(sandbox.WorkDirectory, "a.txt");
            await File.WriteAllTextAsync(work, cut == whole.Length ? "two\n" : file);

            (await sandbox.CreateSnapshotAsync("look")).IsRefused.ShouldBeFalse($"cut at {cut}");

            var text = await File.ReadAllTextAsync(work);
            text.ShouldBe(cut < record ? "one\n" : "two\n", $"cut at {cut}");
            seen.Add(text);
            var snapshots = await sandbox.ListSnapshotsAsync();
            snapshots.Count.ShouldBe(cut < record ? 2 : 3, $"cut at {cut}");
            if (cut % 40 != 0)
                continue;
            (await sandbox.RestoreSnapshotAsync(1)).IsRefused.ShouldBeFalse();
            (await File.ReadAllTextAsync(work)).ShouldBe("base\n");
            (await sandbox.RestoreSnapshotAsync(2)).IsRefused.ShouldBeFalse();
            (await File.ReadAllTextAsync(work)).ShouldBe("one\n");
        }

        seen.Order().ShouldBe(file == "one\n" ? ["one\n", "two\n"] : ["two\n"]);
    }

    [Fact]
    public async Task Open_LogChangedBeforeItsLastRecord_IsRefusedToBeRead()
    {
        await using var project = await TestProject.CreateAsync(("a.txt", "base\n"));
        var sandbox = await project.SandboxAsync();
        for (var i = 0; i < 4; i++)
            await sandbox.WriteFileAsync("a.txt", $"{i}\n");
        var log = Path.Combine(project.Options.SnapshotDirectory, "session-job-1-a1", sandbox.Metadata.SnapshotLog);
        var text = await File.ReadAllTextAsync(log);
        await File.WriteAllTextAsync(log, text.Replace("\"snapshot\":2", "\"snapshot\":7", StringComparison.Ordinal));

        await Should.ThrowAsync<InvalidDataException>(() => sandbox.ListSnapshotsAsync());
        (await project.Keeper().VerifyAsync()).Problems.ShouldHaveSingleItem().ShouldContain("damaged in line 4");
    }

    [Fact]
    public async Task WriteFileAsync_LinkPutInTheWayAfterTheCheck_TakesAllBack()
    {
        await using var project = await TestProject.CreateAsync(("a.txt", "one\n"), ("b.txt", "b\n"));
        var options = project.Options;
        var sandbox = await project.SandboxAsync(options: options);
        options.FaultPoint = point =>
        {
            if (point == "logged")
                File.CreateSymbolicLink(Path.Combine(sandbox.WorkDirectory, "c"), project.Root);
        };

        (await sandbox.ApplyPatchAsync(Patch)).Refusal!.Code.ShouldBe("symlink");

        options.FaultPoint = null;
        File.Delete(Path.Combine(sandbox.WorkDirectory, "c"));
        (await sandbox.DiffAsync()).Value.IsEmpty.ShouldBeTrue();
        (await sandbox.CreateSnapshotAsync("after")).Value.Sequence.ShouldBe(2);
        File.Exists(Path.Combine(project.Root, "d.txt")).ShouldBeFalse();
    }

    internal static Task PatchAsync(Sandbox sandbox) => sandbox.ApplyPatchAsync(Patch);
}

/// <summary>The body of a process that <see cref="CrashTests"/> starts; not a test of its own.</summary>
public sealed class KilledWriter
{
    [Fact(Explicit = true)]
    public async Task Write()
    {
        var root = Environment.GetEnvironmentVariable("AURA_TEST_ROOT")!;
        var point = Environment.GetEnvironmentVariable("AURA_TEST_POINT")!.Split(':');
        var left = int.Parse(point[1]);
        using var processes = new Orchestra.Processes.ProcessRunner();
        var options = new SandboxOptions
        {
            BaseDirectory = Path.Combine(root, "sandboxes"),
            SnapshotDirectory = Path.Combine(root, "snapshots"),
            FaultPoint = reached =>
            {
                if (reached == point[0] && left-- == 0)
                    Process.GetCurrentProcess().Kill();
            },
        };
        await CrashTests.PatchAsync(new SandboxStore(options, new(processes), TimeProvider.System).Open("job-1-a1").Value);
        Assert.Fail("The fault point was not reached.");
    }
}
