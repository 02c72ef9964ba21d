using System.Text;
using Aura.Orchestra.Sandboxes;

namespace Aura.Orchestra.Tests.Sandboxes;

/// <summary>Patches as git makes them, and as models write them.</summary>
public sealed class PatchTests
{
    [Theory]
    [InlineData(20260101)]
    [InlineData(7)]
    public async Task ApplyPatchAsync_WhateverGitSays_GivesTheVerySameBytes(int seed)
    {
        var random = new Random(seed);
        await using var project = await TestProject.CreateAsync(Enumerable.Range(0, 60).ToDictionary(i => $"d{i % 3}/f{i}", _ => Content(random)));
        var made = await project.SandboxAsync(attempt: 1);
        for (var i = 0; i < 60; i++)
        {
            var path = $"d{i % 3}/f{i}";
            var old = await File.ReadAllBytesAsync(Path.Combine(made.WorkDirectory, path));
            if (i % 11 == 0)
                await made.DeleteFileAsync(path);
            else if (i % 7 == 0)
                await made.WriteFileAsync($"new/n{i}", Content(random));
            else
                await made.WriteFileAsync(path, Edited(random, old));
        }

        var diff = (await made.DiffAsync()).Value;
        var other = await project.SandboxAsync(attempt: 2);
        var applied = await other.ApplyPatchAsync(diff.Text);

        applied.IsRefused.ShouldBeFalse($"seed {seed}: {applied.Refusal?.Message}");
        (await other.DiffAsync()).Value.Hash.ShouldBe(diff.Hash, $"seed {seed}");
        (await other.RestoreSnapshotAsync(1)).IsRefused.ShouldBeFalse();
        (await other.DiffAsync()).Value.IsEmpty.ShouldBeTrue($"seed {seed}");
    }

    [Fact]
    public async Task ApplyPatchAsync_RenamesCopiesAndModes_AreDone()
    {
        await using var project = await TestProject.CreateAsync(("a.sh", "echo\n"), ("b.txt", "b\n"), ("x y.txt", "x\n"));
        var sandbox = await project.SandboxAsync();
        var result = await sandbox.ApplyPatchAsync("""
            diff --git a/a.sh b/bin/run.sh
            similarity index 60%
            rename from a.sh
            rename to bin/run.sh
            old mode 100644
            new mode 100755
            --- a/a.sh
            +++ b/bin/run.sh
            @@ -1 +1,2 @@
             echo
            +exit 1
            diff --git a/b.txt b/c.txt
            similarity index 100%
            copy from b.txt
            copy to c.txt
            diff --git "a/x y.txt" "b/\303\244.txt"
            similarity index 100%
            rename from x y.txt
            rename to "\303\244.txt"
            diff --git a/empty b/empty
            new file mode 100644
            index 0000000..e69de29
            """);
        result.IsRefused.ShouldBeFalse(result.Refusal?.Message);
        sandbox.ListFiles().Select(f => f.Path).ShouldBe(["b.txt", "bin/run.sh", "c.txt", "empty", "ä.txt"]);
        (File.GetUnixFileMode(Path.Combine(sandbox.WorkDirectory, "bin/run.sh")) & UnixFileMode.UserExecute).ShouldBe(UnixFileMode.UserExecute);
        (await sandbox.ReadFileAsync("bin/run.sh")).Value.ShouldBe("echo\nexit 1\n");
        (await sandbox.RestoreSnapshotAsync(1)).IsRefused.ShouldBeFalse();
        (await sandbox.DiffAsync()).Value.IsEmpty.ShouldBeTrue();
    }

    [Theory]
    [InlineData("Here is the change:\n```diff\n--- a/f\n+++ b/f\n@@ -2,1 +2,1 @@\n-two\n+2\n```\nHope it helps!\n", "one\n2\n\nfour\n")]
    [InlineData("--- f\n+++ f\n@@ -90,3 +90,3 @@ somewhere else\n one\n-two\n+2\n", "one\n2\n\nfour\n")]
    [InlineData("--- a/f\t2026-01-01\n+++ b/f\t2026-01-02\n@@ -2,3 +2,4 @@\n two\n\n four\n+five\n", "one\ntwo\n\nfour\nfive\n")]
    [InlineData("--- a/f\n+++ b/f\n@@ -1 +1 @@\n-one\n+1\n@@ -4 +4 @@\n-four\n+4\n\\ No newline at end of file\n", "1\ntwo\n\n4")]
    [InlineData("--- a/f\n+++ b/f\n@@ -2,1 +2,1 @@\n-two\n+-- two\n\n\n", "one\n-- two\n\nfour\n")]
    public async Task ApplyPatchAsync_AsModelsWriteIt_IsUnderstood(string patch, string expected)
    {
        await using var project = await TestProject.CreateAsync(("f", "one\ntwo\n\nfour\n"));
        var sandbox = await project.SandboxAsync();
        var result = await sandbox.ApplyPatchAsync(patch);
        result.IsRefused.ShouldBeFalse(result.Refusal?.Message);
        (await sandbox.ReadFileAsync("f")).Value.ShouldBe(expected);
    }

    [Fact]
    public async Task ApplyPatchAsync_StaleHunk_NamesItAndShowsTheFile()
    {
        await using var project = await TestProject.CreateAsync(("f", "one\r\ntwo\r\nthree\r\n"));
        var sandbox = await project.SandboxAsync();
        var refusal = (await sandbox.ApplyPatchAsync("--- a/f\n+++ b/f\n@@ -1,2 +1,2 @@\n one\n-2\n+zwei\n")).Refusal!;
        refusal.Code.ShouldBe("patch_rejected");
        refusal.Message.ShouldContain("Hunk 1 of 1 ('@@ -1,2 +1,2 @@') of 'f'");
        refusal.Message.ShouldContain("CR LF");
        refusal.Message.ShouldContain("Wanted:\n  one\n  2\n");
        refusal.Message.ShouldContain("The file from line 1:\n    1 | one\n    2 | two\n");
        (await sandbox.ListSnapshotsAsync()).ShouldBeEmpty();
    }

    [Fact]
    public async Task ApplyPatchAsync_AnyMutilatedPatch_IsRefusedOrAppliedAndNeverBreaks()
    {
        const int Seed = 4711;
        var random = new Random(Seed);
        var bytes = new byte[400];
        random.NextBytes(bytes);
        await using var project = await TestProject.CreateAsync(new Dictionary<string, byte[]>
        {
            ["a.txt"] = Encoding.UTF8.GetBytes(string.Concat(Enumerable.Range(0, 40).Select(i => $"line {i % 5}\n"))),
            ["b.bin"] = bytes,
        });
        var made = await project.SandboxAsync(attempt: 1);
        await made.WriteFileAsync("a.txt", string.Concat(Enumerable.Range(0, 40).Select(i => i % 9 == 0 ? $"changed {i}\n" : $"line {i % 5}\n")));
        bytes[7] ^= 1;
        await made.WriteFileAsync("b.bin", bytes);
        var diff = (await made.DiffAsync()).Value.Text;
        var plan = new WorkTree((await project.SandboxAsync(attempt: 2)).WorkDirectory, Path.Combine(project.Root, "scratch"));
        var refused = 0;
        for (var i = 0; i < 2000; i++)
        {
            var text = new StringBuilder(diff);
            for (var edits = random.Next(1, 4); edits > 0; edits--)
            {
                var at = random.Next(text.Length);
                _ = random.Next(3) switch
                {
                    0 => text.Remove(at, Math.Min(random.Next(1, 30), text.Length - at)),
                    1 => text.Insert(at, "@ -+\n\"\\0a/~"[random.Next(11)].ToString()),
                    _ => text.Replace(text[at], (char)random.Next(32, 127), at, 1),
                };
            }

            var result = await new PatchPlan(plan, SandboxPath.Parse, 1 << 20).MakeAsync(text.ToString(), CancellationToken.None);
            refused += result.IsRefused ? 1 : 0;
        }

        refused.ShouldBeGreaterThan(500, $"seed {Seed}");
    }

    private static byte[] Content(Random random)
    {
        if (random.Next(5) == 0)
        {
            var bytes = new byte[random.Next(3000)];
            random.NextBytes(bytes);
            return bytes;
        }

        // Few different lines, so that hunks could go to wrong places; sometimes no line end at the end, sometimes CR LF.
        var end = random.Next(6) == 0 ? "\r\n" : "\n";
        var text = string.Concat(Enumerable.Range(0, random.Next(60)).Select(_ => $"{new string((char)('a' + random.Next(4)), random.Next(3))}{end}"));
        return Encoding.UTF8.GetBytes(random.Next(4) == 0 ? text.TrimEnd('\n') : text);
    }

    private static byte[] Edited(Random random, byte[] old)
    {
        var result = old.ToList();
        for (var edits = random.Next(1, 5); edits > 0; edits--)
        {
            var at = random.Next(result.Count + 1);
            if (random.Next(2) == 0 && at < result.Count)
                result.RemoveRange(at, Math.Min(random.Next(1, 12), result.Count - at));
            else
                result.InsertRange(at, Encoding.UTF8.GetBytes(random.Next(2) == 0 ? "- new\n" : "+\u00e4\n@@ -1 +1 @@\n"));
        }

        return [.. result];
    }
}
