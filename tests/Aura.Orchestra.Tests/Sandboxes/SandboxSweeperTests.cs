using Aura.Orchestra.Jobs;
using Aura.Orchestra.Prds;
using Aura.Orchestra.Sandboxes;
using Aura.Orchestra.Storage;
using Aura.Orchestra.Tests.Storage;
using Aura.Testing;
using Npgsql;
using static Aura.Orchestra.Tests.Storage.Seed;

namespace Aura.Orchestra.Tests.Sandboxes;

public sealed class SandboxSweeperTests(TestDatabase database) : IClassFixture<TestDatabase>
{
    private readonly NpgsqlDataSource _db = database.DataSource;

    [Fact]
    public async Task RunOnceAsync_EndedRunningAndUnknownJobs_RemovesWhatIsOverAndKeepsSnapshots()
    {
        await using var project = await TestProject.CreateAsync(("a.txt", "one\n"));
        var store = project.Store();
        var (prd, ended) = await RunningJobAsync(_db);
        var (_, running) = await RunningJobAsync(_db, "m2");
        foreach (var job in new[] { ended, running, "job-nobodys" })
            (await (await project.SandboxAsync(job)).WriteFileAsync("a.txt", $"{job}\n")).IsRefused.ShouldBeFalse();
        await _db.CommitAsync(JobChanges.Failed(ended, "over"), Cancel);

        (await Sweeper(project, days: 0).RunOnceAsync(Cancel)).Sandboxes.ShouldBe(0);
        (await Sweeper(project, days: 6.9).RunOnceAsync(Cancel)).Sandboxes.ShouldBe(0);
        // The job that nobody knows goes by its last write.
        var swept = await Sweeper(project, days: 7.1).RunOnceAsync(Cancel);

        (swept.Sandboxes, swept.Forgotten, swept.Collected.Objects).ShouldBe((2, 0, 0));
        store.List().Select(s => s.JobId).ShouldBe([running]);
        project.Keeper().Sessions().Order().ShouldBe(new[] { $"{ended}-a1", $"{running}-a1", "job-nobodys-a1" }.Order());
        (await project.Keeper().VerifyAsync(cancellationToken: Cancel)).Problems.ShouldBeEmpty();

        // Not archived yet: kept, however old. Unknown for a year: gone.
        (await Sweeper(project, days: 400).RunOnceAsync(Cancel)).Forgotten.ShouldBe(1);
        await _db.CommitAsync(PrdChanges.Cancelled(prd, "over"), Cancel);
        await _db.CommitAsync(Orchestra.Archive.ArchiveStore.Archive(prd), Cancel);
        (await Sweeper(project, days: 364).RunOnceAsync(Cancel)).Forgotten.ShouldBe(0);
        (await Sweeper(project, days: 366).RunOnceAsync(Cancel)).Forgotten.ShouldBe(1);
        project.Keeper().Sessions().ShouldBe([$"{running}-a1"]);
        store.List().Select(s => s.JobId).ShouldBe([running]);
    }

    [Fact]
    public async Task RunOnceAsync_AnotherHostSweeps_DoesNothing()
    {
        await using var project = await TestProject.CreateAsync(("a.txt", "one\n"));
        await project.SandboxAsync("job-nobodys");
        await using var other = await _db.OpenConnectionAsync(Cancel);
        await using (var held = new NpgsqlCommand("SELECT pg_advisory_lock(987654306)", other))
            await held.ExecuteScalarAsync(Cancel);

        (await Sweeper(project, days: 30).RunOnceAsync(Cancel)).ShouldBe(SweptSandboxes.Nothing);

        await using (var free = new NpgsqlCommand("SELECT pg_advisory_unlock(987654306)", other))
            await free.ExecuteScalarAsync(Cancel);
        (await Sweeper(project, days: 30).RunOnceAsync(Cancel)).Sandboxes.ShouldBe(1);
    }

    [Fact]
    public async Task RemoveLeftovers_OfDeadProcesses_GoAndThoseOfLivingStay()
    {
        await using var project = await TestProject.CreateAsync(("a.txt", "one\n"));
        var store = project.Store();
        await project.SandboxAsync();
        var job = Path.Combine(project.Options.BaseDirectory, "job-1");
        Directory.CreateDirectory(Path.Combine(job, ".attempt-1.old-" + new string('0', 32), "work"));
        Directory.CreateDirectory(Path.Combine(job, ".attempt-2.new-" + new string('0', 32), "work"));
        Directory.CreateDirectory(Path.Combine(project.Options.BaseDirectory, "job-empty"));
        using (Orchestra.Processes.FileLock.TryAcquire(Path.Combine(job, ".attempt-2.lock")))
        {
            // Somebody builds attempt 2 right now.
            store.RemoveLeftovers().ShouldBe(2);
            Directory.Exists(Path.Combine(job, ".attempt-2.new-" + new string('0', 32))).ShouldBeTrue();
        }

        store.RemoveLeftovers().ShouldBe(2);

        Directory.EnumerateFileSystemEntries(job).Select(Path.GetFileName).Order().ShouldBe([".attempt-1.lock", "attempt-1"]);
        Directory.Exists(Path.Combine(project.Options.BaseDirectory, "job-empty")).ShouldBeFalse();
    }

    [Fact]
    public async Task TwoHundredAtOnce_CreatedWrittenAndRemoved_LeaveNothing()
    {
        await using var project = await TestProject.CreateAsync(("a.txt", "one\n"), ("app/b.py", "b\n"));
        var options = project.Options;
        var sixteen = new ParallelOptions { MaxDegreeOfParallelism = 16, CancellationToken = Cancel };
        await Parallel.ForEachAsync(Enumerable.Range(0, 200), sixteen, async (i, _) =>
        {
            var sandbox = await project.SandboxAsync($"job-{i / 2}", (i % 2) + 1);
            (await sandbox.WriteFileAsync("a.txt", $"{i % 50}\n", Cancel)).IsRefused.ShouldBeFalse();
            (await sandbox.WriteFileAsync("new/c.txt", $"{i}\n", Cancel)).IsRefused.ShouldBeFalse();
        });
        var store = project.Store();
        store.List().Count.ShouldBe(200);
        var whole = await project.Keeper().VerifyAsync(cancellationToken: Cancel);
        // One content for all that wrote the same, and for what all of them found.
        (whole.Snapshots, whole.Objects, whole.Problems.Count).ShouldBe((400, 200 + 1, 0));

        // Everybody goes while the collector is at work.
        var collecting = project.Keeper().CollectAsync(Cancel);
        await Parallel.ForEachAsync(store.List(), sixteen, async (s, _) =>
            (await store.RemoveAsync(s.SandboxId, forgetSnapshots: true, Cancel)).ShouldBeTrue());
        await collecting;
        await project.Keeper().CollectAsync(Cancel);

        Directory.EnumerateFileSystemEntries(options.BaseDirectory).ShouldBeEmpty();
        Directory.EnumerateFiles(options.SnapshotDirectory, "*", SearchOption.AllDirectories).Select(Path.GetFileName).Order()
            .ShouldBe([".door", ".gate"]);
        Directory.EnumerateDirectories(options.SnapshotDirectory).Select(Path.GetFileName).ShouldBe(["objects"]);
        Directory.EnumerateDirectories("/proc").Count(p => IsOf(p, project.Root)).ShouldBe(0);
    }

    [Fact]
    public async Task CollectAsync_WhileOthersWriteTheSameContents_LosesNothing()
    {
        await using var project = await TestProject.CreateAsync(("a.txt", "one\n"));
        var sandboxes = await Task.WhenAll(Enumerable.Range(1, 6).Select(i => project.SandboxAsync(attempt: i)));
        var writing = Task.WhenAll(sandboxes.Select(s => Task.Run(async () =>
        {
            for (var i = 0; i < 40; i++)
                (await s.WriteFileAsync("a.txt", $"{i}\n", Cancel)).IsRefused.ShouldBeFalse();
        })));
        var removed = 0;
        for (var round = 0; !writing.IsCompleted || round < 3; round++)
        {
            // Its contents are the others' own: some lose their last name while the others are about to name them again.
            var doomed = await project.SandboxAsync("job-2", 1);
            for (var i = 0; i < 5; i++)
                await doomed.WriteFileAsync("a.txt", $"{(round * 5) + i}\n", Cancel);
            await doomed.WriteFileAsync("a.txt", $"nobody else writes {round}\n", Cancel);
            await project.Store().RemoveAsync("job-2-a1", forgetSnapshots: true, Cancel);
            removed += (await project.Keeper().CollectAsync(Cancel)).Objects;
        }

        await writing;
        removed.ShouldBeGreaterThan(0);
        (await project.Keeper().VerifyAsync(cancellationToken: Cancel)).Problems.ShouldBeEmpty();
        foreach (var sandbox in sandboxes)
        {
            (await sandbox.RestoreSnapshotAsync(7, Cancel)).IsRefused.ShouldBeFalse();
            (await sandbox.ReadFileAsync("a.txt", Cancel)).Value.ShouldBe("5\n");
        }
    }

    [Fact]
    public async Task ReadToEndAsync_TornRestOfALine_EndsBeforeIt()
    {
        await using var project = await TestProject.CreateAsync(("a.txt", "one\n"));
        var sandbox = await project.SandboxAsync();
        await sandbox.WriteFileAsync("a.txt", "two\n", Cancel);
        var path = Path.Combine(project.Options.SnapshotDirectory, "session-job-1-a1", sandbox.Metadata.SnapshotLog);
        var whole = await new SnapshotLog(path).ReadToEndAsync(Cancel);
        whole.End.ShouldBe(new FileInfo(path).Length);

        // What a collector has read is known by where it ends: the next writer puts its line over this.
        await File.AppendAllTextAsync(path, "torn", Cancel);
        var torn = await new SnapshotLog(path).ReadToEndAsync(Cancel);
        (torn.Lines.Count, torn.End).ShouldBe((whole.Lines.Count, whole.End));
    }

    [Fact]
    public async Task VerifyAsync_MissingAndDamagedObjects_AreNamedAndNothingIsRestoredFromThem()
    {
        await using var project = await TestProject.CreateAsync(("a.txt", "one\n"));
        var sandbox = await project.SandboxAsync();
        await sandbox.WriteFileAsync("a.txt", "two\n", Cancel);
        await sandbox.WriteFileAsync("a.txt", "three\n", Cancel);
        var store = new ObjectStore(project.Options.SnapshotDirectory, TimeProvider.System);
        var (one, two) = (ObjectStore.HashOf("one\n"u8), ObjectStore.HashOf("two\n"u8));
        File.Delete(store.PathOf(one));
        await File.WriteAllTextAsync(store.PathOf(two), "TWO\n", Cancel);

        var problems = (await project.Keeper().VerifyAsync(cancellationToken: Cancel)).Problems;

        problems.Count.ShouldBe(2);
        problems.ShouldContain(p => p.Contains("is missing", StringComparison.Ordinal) && p.Contains(store.PathOf(one), StringComparison.Ordinal));
        problems.ShouldContain(p => p.Contains("is damaged", StringComparison.Ordinal) && p.Contains(store.PathOf(two), StringComparison.Ordinal));
        await Should.ThrowAsync<InvalidDataException>(() => sandbox.RestoreSnapshotAsync(1, Cancel));
        await Should.ThrowAsync<InvalidDataException>(() => sandbox.ExportZipAsync(2, Cancel));
        (await sandbox.ReadFileAsync("a.txt", Cancel)).Value.ShouldBe("three\n");
        project.Store().Check("job-1-a1").ShouldBeEmpty();
    }

    private SandboxSweeper Sweeper(TestProject project, double days) => new(
        _db, project.Store(), project.Keeper(), project.Options, new Later(TimeSpan.FromDays(days)));

    private static bool IsOf(string process, string root)
    {
        try
        {
            return int.TryParse(Path.GetFileName(process), out var id) && id != Environment.ProcessId
                && File.ReadAllText(Path.Combine(process, "cmdline")).Contains(root, StringComparison.Ordinal);
        }
        catch (IOException)
        {
            return false;
        }
    }

    private sealed class Later(TimeSpan by) : TimeProvider
    {
        public override DateTimeOffset GetUtcNow() => base.GetUtcNow() + by;
    }
}
