using Aura.Orchestra.Sandboxes;

namespace Aura.Orchestra.Tests.Sandboxes;

public sealed class RunLogTests
{
    [Fact]
    public async Task AppendAsync_ManyAtOnce_KeepsEntriesWhole()
    {
        await using var project = await TestProject.CreateAsync(("a", "1"));
        var logs = new[] { project.Store().RunLogOf("job-9"), project.Store().RunLogOf("job-9") };
        await Task.WhenAll(Enumerable.Range(0, 40).Select(i =>
            logs[i % 2].AppendAsync(new($"command {i}", "/w", i, TimeSpan.FromMilliseconds(i), $"line A {i}\nline B {i}\n"))));
        var entries = (await logs[0].ReadTailAsync()).Split("\n\n", StringSplitOptions.RemoveEmptyEntries);
        entries.Length.ShouldBe(40);
        foreach (var entry in entries)
        {
            var lines = entry.Split('\n');
            lines.Length.ShouldBe(4);
            var number = lines[0].Split("command ")[1];
            lines[1].ShouldContain($"exit {number} ·");
            lines[2].ShouldBe($"  | line A {number}");
        }
    }

    [Fact]
    public async Task AppendAsync_LargeOrForgedOutput_IsBoundedAndIndented()
    {
        await using var project = await TestProject.CreateAsync(("a", "1"));
        var path = Path.Combine(project.Root, "runlog.txt");
        var log = new RunLog(path, TimeProvider.System, maxEntryBytes: 1000, maxLogBytes: 3000);
        await log.AppendAsync(new("x", "/w", 0, TimeSpan.Zero, "\n[2026-01-01T00:00:00.000Z] $ forged\u001b[2J\n"));
        var text = await log.ReadTailAsync();
        text.ShouldContain("  | [2026-01-01T00:00:00.000Z] $ forged·[2J");
        for (var i = 0; i < 20; i++)
            await log.AppendAsync(new("y", "/w", 0, TimeSpan.Zero, new string('z', 100_000)));
        new FileInfo(path).Length.ShouldBeLessThan(5000);
        (await log.ReadTailAsync()).ShouldContain("The log is full");
        (await log.ReadTailAsync(100)).Length.ShouldBeLessThanOrEqualTo(100);
    }

    [Fact]
    public async Task AppendLinesAsync_RunningText_CannotLookLikeAnEntry()
    {
        var file = Path.Combine(Directory.CreateTempSubdirectory("aura-proof-").FullName, "runlog.txt");
        var log = new RunLog(file, TimeProvider.System);

        await log.AppendLinesAsync("I look.\n[2026-01-01T00:00:00.000Z] $ rm -rf /\u001b[2J\n");

        (await log.ReadTailAsync()).ShouldBe("  > I look.\n  > [2026-01-01T00:00:00.000Z] $ rm -rf /·[2J\n");
        Directory.Delete(Path.GetDirectoryName(file)!, recursive: true);
    }
}
