using System.Globalization;
using System.IO.Compression;
using System.Security.Cryptography;
using System.Text;
using Aura.Orchestra.Sandboxes;
using Aura.Testing;

namespace Aura.Orchestra.Tests.Sandboxes;

/// <summary>
/// The escape table: what a hostile employee, or a hostile file that it was led to, may try on a sandbox. Each is refused with its own
/// code and reason, changes nothing in the sandbox, and nothing outside. The jail's part is in <c>Validation/JailEscapeTests</c>.
/// </summary>
public sealed class EscapeTests(EscapeTests.Ground ground) : IClassFixture<EscapeTests.Ground>
{
    /// <summary>Paths, refused alike by every operation that takes one, patches included.</summary>
    public static TheoryData<string, string, string> Paths => new()
    {
        { "../outside.txt", "outside_sandbox", "goes up" },
        { "app/../../outside.txt", "outside_sandbox", "goes up" },
        { "app/..", "outside_sandbox", "goes up" },
        { "/etc/passwd", "outside_sandbox", "absolute" },
        { "//etc/passwd", "outside_sandbox", "absolute" },
        { "~/.ssh/authorized_keys", "outside_sandbox", "absolute" },
        { "C:/Windows/x", "outside_sandbox", "absolute" },
        { "..\\outside.txt", "outside_sandbox", "backslash" },
        { "app/a\0b", "outside_sandbox", "control" },
        { "app/a\nb", "outside_sandbox", "control" },
        { "app/a\u001b[2Jb", "outside_sandbox", "control" },
        { "app/gpj\u202eexe.py", "outside_sandbox", "invisible" },
        { "app/a\u2066b", "outside_sandbox", "invisible" },
        { ".g\u200bit/config", "outside_sandbox", "invisible" },
        { "\ufeff.git/config", "outside_sandbox", "invisible" },
        { "app/\u3164.py", "outside_sandbox", "invisible" },
        { "app/a\u00a0b", "outside_sandbox", "invisible" },
        { "app/a\u2028b", "outside_sandbox", "invisible" },
        { "app/\ue000", "outside_sandbox", "invisible" },
        { "app/cafe\u0301.py", "outside_sandbox", "composed form" },
        { "app/\u212aelvin.py", "outside_sandbox", "composed form" },
        { "app/\u1100\u1161.py", "outside_sandbox", "composed form" },
        { "app/\uf900.py", "outside_sandbox", "composed form" },
        { "..\uff0foutside.txt", "outside_sandbox", "composed form" },
        { "\uff0e\uff0e/outside.txt", "outside_sandbox", "composed form" },
        { "\uff0egit/config", "outside_sandbox", "composed form" },
        { "\u2024\u2024/outside.txt", "outside_sandbox", "look-alike" },
        { "..\u2215outside.txt", "outside_sandbox", "look-alike" },
        { "app\u2044..\u2044x", "outside_sandbox", "look-alike" },
        { ".git/hooks/post-checkout", "git_directory", "git directory" },
        { "app/.GIT/config", "git_directory", "git directory" },
        { ".git /config", "git_directory", "git directory" },
        { " .git/config", "git_directory", "git directory" },
        { ".git./config", "git_directory", "git directory" },
        { "GIT~1/config", "git_directory", "git directory" },
        { ".git::$INDEX_ALLOCATION/config", "git_directory", "git directory" },
        { ".g\u0131t/config", "git_directory", "git directory" },
        { "app/a.py.", "outside_sandbox", "ends with a dot" },
        { "app/a.py ", "outside_sandbox", "with a space" },
        { "app/ a.py", "outside_sandbox", "with a space" },
        { "app/" + new string('x', 201), "outside_sandbox", "longer than 200 bytes" },
        { string.Join('/', Enumerable.Repeat("deep", 250)), "outside_sandbox", "longer than 1024" },
        { "secrets/key.py", "outside_scope", "outside this job's scope" },
        { "app.py", "outside_scope", "outside this job's scope" },
        { "APP/a.py", "outside_scope", "outside this job's scope" },
    };

    [Theory]
    [MemberData(nameof(Paths))]
    public async Task EveryOperation_HostilePath_IsRefusedWithItsReason(string path, string code, string reason)
    {
        var sandbox = await ground.SandboxAsync();
        var tries = new List<Refusal?>
        {
            (await sandbox.WriteFileAsync(path, "x")).Refusal,
            (await sandbox.DeleteFileAsync(path)).Refusal,
            (await sandbox.ApplyPatchAsync(NewFile(path))).Refusal,
            (await sandbox.ApplyPatchAsync($"diff --git \"a/app/a.py\" {Quoted("b/" + path)}\nrename from app/a.py\nrename to {Quoted(path)}\n")).Refusal,
            (await sandbox.ApplyPatchAsync($"diff --git {Quoted("a/" + path)} \"b/app/new.py\"\ncopy from {Quoted(path)}\ncopy to app/new.py\n")).Refusal,
        };
        // Reading is not bound to the scope.
        if (code != "outside_scope")
            tries.Add((await sandbox.ReadFileAsync(path)).Refusal);

        foreach (var refusal in tries)
        {
            refusal.ShouldNotBeNull();
            refusal.Code.ShouldBe(code);
            refusal.Message.ShouldContain(reason);
            refusal.Message.ShouldNotContain('\u001b');
        }

        await ground.ShouldBeUntouchedAsync(sandbox);
    }

    [Fact]
    public async Task WriteFileAsync_HalfASurrogatePair_IsRefusedInPathAndText()
    {
        var sandbox = await ground.SandboxAsync();
        (await sandbox.WriteFileAsync("app/a\ud800", "x")).Refusal!.Code.ShouldBe("outside_sandbox");
        (await sandbox.WriteFileAsync("app/a.py", "x\udc00")).Refusal!.Code.ShouldBe("not_text");
        await ground.ShouldBeUntouchedAsync(sandbox);
    }

    /// <summary>What may stand in the working copy when other hands than the sandbox's were there: name, what is put there, code, reason.</summary>
    public static TheoryData<string, string, string, string> Things => new()
    {
        { "app/link", "ln -s {outside}/secret.txt app/link", "symlink", "symbolic link" },
        { "app/folder/secret.txt", "ln -s {outside} app/folder", "symlink", "symbolic link" },
        { "app/folder/new.txt", "ln -s {outside} app/folder", "symlink", "symbolic link" },
        { "app/dangling", "ln -s {outside}/made-by-following app/dangling", "symlink", "symbolic link" },
        { "app/loop", "ln -s loop app/loop", "symlink", "symbolic link" },
        { "app/inner", "ln -s a.py app/inner", "symlink", "symbolic link" },
        { "app/fd", "ln -s /proc/self/fd/0 app/fd", "symlink", "symbolic link" },
        { "app/hard", "ln {outside}/secret.txt app/hard", "hard_link", "2 names" },
        { "app/pipe", "mkfifo app/pipe", "not_a_file", "not a regular file" },
        { "app/device", "mknod app/device c 1 3 2>/dev/null || mkfifo app/device", "not_a_file", "not a regular file" },
        { "app/socket", "python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind(\"app/socket\")'", "not_a_file", "not a regular file" },
        { "app/sub", "mkdir -p app/sub", "not_a_file", "not a regular file" },
        { "app/a.py/b", "true", "not_a_file", "one of its folders is a file" },
    };

    [Theory]
    [MemberData(nameof(Things))]
    public async Task EveryOperation_WhatIsNoPlainFile_IsRefusedWithItsReason(string path, string script, string code, string reason)
    {
        var sandbox = await ground.SandboxAsync();
        await ground.ShellAsync(sandbox, script);

        foreach (var refusal in new[]
        {
            (await sandbox.ReadFileAsync(path)).Refusal,
            (await sandbox.WriteFileAsync(path, "overwritten")).Refusal,
            (await sandbox.DeleteFileAsync(path)).Refusal,
            (await sandbox.ApplyPatchAsync(NewFile(path))).Refusal,
        })
        {
            refusal.ShouldNotBeNull();
            refusal.Code.ShouldBe(code);
            refusal.Message.ShouldContain(reason);
        }

        sandbox.ListFiles().ShouldAllBe(f => f.Path != path || code == "hard_link");
        await ground.ShouldBeUntouchedAsync(sandbox, filesToo: false);
    }

    [Theory]
    [InlineData("truncate -s 1T app/sparse", "too_large", "1099511627776 bytes")]
    [InlineData("mkfifo app/pipe", "not_a_file", "a pipe, a socket or a device")]
    [InlineData("mkdir -p app/deep/.GiT/hooks", "git_directory", "git directory inside")]
    [InlineData("touch app/.git", "git_directory", "git directory inside")]
    [InlineData("ln -s /etc/shadow app/link", "symlink", "symbolic link")]
    [InlineData("touch \"app/a$(printf '\\n')b\u202e\"", "outside_sandbox", "invisible")]
    [InlineData("for i in $(seq 60); do touch app/f$i; done", "too_many", "more than 50 files")]
    public async Task CreateSnapshotAsync_WhatCannotBeSaved_IsRefusedWithItsReason(string script, string code, string reason)
    {
        var sandbox = await ground.SandboxAsync();
        await ground.ShellAsync(sandbox, script);
        var refusal = (await sandbox.CreateSnapshotAsync("x")).Refusal;
        refusal.ShouldNotBeNull();
        refusal.Code.ShouldBe(code);
        refusal.Message.ShouldContain(reason);
        await ground.ShouldBeUntouchedAsync(sandbox, filesToo: false);
    }

    /// <summary>Patches: name, text, code, reason.</summary>
    public static TheoryData<string, string, string, string> Patches => new()
    {
        { "new symlink", "diff --git a/app/l b/app/l\nnew file mode 120000\n--- /dev/null\n+++ b/app/l\n@@ -0,0 +1 @@\n+/etc/passwd\n", "symlink", "symbolic link" },
        { "file to symlink", "diff --git a/app/a.py b/app/a.py\nold mode 100644\nnew mode 120000\n--- a/app/a.py\n+++ b/app/a.py\n@@ -1 +1 @@\n-a\n+/etc/passwd\n", "symlink", "symbolic link" },
        { "symlink by index line", "diff --git a/app/a.py b/app/a.py\nindex 1111111..2222222 120000\n--- a/app/a.py\n+++ b/app/a.py\n@@ -1 +1 @@\n-a\n+/etc\n", "symlink", "symbolic link" },
        { "submodule", "diff --git a/app/s b/app/s\nnew file mode 160000\n--- /dev/null\n+++ b/app/s\n@@ -0,0 +1 @@\n+Subproject commit 1111111111111111111111111111111111111111\n", "git_directory", "submodule" },
        { "setuid", "diff --git a/app/x b/app/x\nnew file mode 104755\n--- /dev/null\n+++ b/app/x\n@@ -0,0 +1 @@\n+x\n", "patch_rejected", "mode '104755'" },
        { "up, in octal", "--- /dev/null\n+++ \"b/\\056\\056/x\"\n@@ -0,0 +1 @@\n+x\n", "outside_sandbox", "goes up" },
        { "rename out of scope", "diff --git a/app/a.py b/secrets/a.py\nrename from app/a.py\nrename to secrets/a.py\n", "outside_scope", "scope" },
        { "rename from outside the scope", "diff --git a/secrets/key.py b/app/key.py\nrename from secrets/key.py\nrename to app/key.py\n", "outside_scope", "scope" },
        { "delete outside the scope", "--- a/secrets/key.py\n+++ /dev/null\n@@ -1 +0,0 @@\n-key\n", "outside_scope", "scope" },
        { "good part, then a bad one", "--- /dev/null\n+++ b/app/good.py\n@@ -0,0 +1 @@\n+x\n--- /dev/null\n+++ b/../bad.py\n@@ -0,0 +1 @@\n+x\n", "outside_sandbox", "goes up" },
        { "old name differs", "--- a/secrets/key.py\n+++ b/../x\n@@ -1 +1 @@\n-key\n+x\n", "outside_sandbox", "goes up" },
        { "two /dev/null", "--- /dev/null\n+++ /dev/null\n@@ -0,0 +1 @@\n+x\n", "patch_rejected", "both names" },
        { "no file", "@@ -1 +1 @@\n-a\n+b\n", "patch_rejected", "no file is named" },
        { "no patch", "Sure! I have made the change.\n", "patch_rejected", "No valid patch" },
        { "over an existing file", NewFile("app/a.py"), "patch_rejected", "exists already" },
        { "of a missing file", "--- a/app/none.py\n+++ b/app/none.py\n@@ -1 +1 @@\n-a\n+b\n", "patch_rejected", "does not exist" },
        { "stale", "--- a/app/a.py\n+++ b/app/a.py\n@@ -1 +1 @@\n-other\n+b\n", "patch_rejected", "Hunk 1 of 1" },
        { "half deleted", "--- a/app/two.py\n+++ /dev/null\n@@ -1 +0,0 @@\n-one\n", "patch_rejected", "all of its lines" },
        { "huge numbers", "--- a/app/a.py\n+++ b/app/a.py\n@@ -99999999999999999999,1 +1 @@\n-a\n+b\n", "patch_rejected", "not of the form" },
        { "negative numbers", "--- a/app/a.py\n+++ b/app/a.py\n@@ --1,1 +1 @@\n-a\n+b\n", "patch_rejected", "not of the form" },
        { "no context", "--- a/app/many.py\n+++ b/app/many.py\n@@ -500,0 +501 @@\n+b\n", "patch_rejected", "no context" },
        { "search bomb", "--- a/app/many.py\n+++ b/app/many.py\n" + "@@ -1,3 +1,3 @@\n x\n x\n-y\n+z\n".Replace(" x\n", string.Concat(Enumerable.Repeat(" x\n", 7_000))), "too_large", "too long to apply" },
        { "result too large", "--- /dev/null\n+++ b/app/big.py\n@@ -0,0 +1 @@\n" + string.Concat(Enumerable.Repeat("+" + new string('x', 999) + "\n", 300)), "too_large", "longer than 200000" },
        { "patch too large", NewFile("app/x.py") + new string('\n', 500_000), "too_large", "larger than 400000" },
        { "too many files", string.Concat(Enumerable.Range(0, 1_100).Select(i => NewFile($"app/f{i}"))), "too_many", "more than 1000 files" },
        { "more files than fit", string.Concat(Enumerable.Range(0, 60).Select(i => NewFile($"app/f{i}"))), "too_many", "at most 50" },
        { "announces 4 GB", Binary("literal 4294967295", [1, 2, 3]), "too_large", "4294967295" },
        { "announces 1 MB", Binary("literal 1048576", [1, 2, 3]), "too_large", "at most 200000" },
        { "unpacks to more than it announces", Binary("literal 100", new byte[150_000]), "patch_rejected", "does not unpack to the 100 bytes" },
        { "zip bomb", Binary("literal 199999", new byte[100_000_000]), "patch_rejected", "does not unpack" },
        { "no zlib", "diff --git a/app/n b/app/n\nnew file mode 100644\nindex " + Zeros + ".." + Zeros + "\nGIT binary patch\nliteral 4\nD00000\n\n", "patch_rejected", "cannot be unpacked" },
        { "no base 85", "diff --git a/app/n b/app/n\nnew file mode 100644\nindex " + Zeros + ".." + Zeros + "\nGIT binary patch\nliteral 4\nD\"\"\"\"\"\n\n", "patch_rejected", "cannot be decoded" },
        { "other content than its id", Binary("literal 3", [1, 2, 3]), "patch_rejected", "not what its 'index' line says" },
        { "delta of another file", Binary("delta 2", [9, 9], isNew: false), "patch_rejected", "another version" },
        { "delta that grows", Binary("delta 6", [0, 0xff, 0xff, 0xff, 0x7f, 0x00]), "patch_rejected", "delta" },
        { "delta that copies beyond", Binary("delta 7", [0, 16, 0x91, 200, 16, 0, 0]), "patch_rejected", "delta" },
    };

    [Theory]
    [MemberData(nameof(Patches))]
    public async Task ApplyPatchAsync_Hostile_IsRefusedWithItsReason(string name, string patch, string code, string reason)
    {
        var sandbox = await ground.SandboxAsync();
        var refusal = (await sandbox.ApplyPatchAsync(patch)).Refusal;
        refusal.ShouldNotBeNull(name);
        (refusal.Code, name).ShouldBe((code, name), refusal.Message);
        refusal.Message.ShouldContain(reason);
        refusal.Message.Length.ShouldBeLessThan(4_000, name);
        await ground.ShouldBeUntouchedAsync(sandbox);
    }

    /// <summary>A thread swaps a folder for a link while each operation goes on.</summary>
    [Theory]
    [InlineData("write")]
    [InlineData("delete")]
    [InlineData("patch")]
    [InlineData("list")]
    [InlineData("restore")]
    public async Task EveryOperation_WhileAFolderIsSwappedForALink_NeverReachesOutside(string operation)
    {
        var sandbox = await ground.SandboxAsync();
        await sandbox.WriteFileAsync("app/sub/f.txt", "inside\n");
        var folder = Path.Combine(sandbox.WorkDirectory, "app/sub");
        using var stop = new CancellationTokenSource();
        var swapping = Task.Run(() =>
        {
            while (!stop.IsCancellationRequested)
                ground.Swap(folder);
        });
        var listed = new List<string>();
        for (var i = 0; i < 40; i++)
        {
            try
            {
                switch (operation)
                {
                    case "write":
                        await sandbox.WriteFileAsync("app/sub/new.txt", $"inside {i}\n");
                        break;
                    case "delete":
                        await sandbox.DeleteFileAsync("app/sub/secret.txt");
                        break;
                    case "patch":
                        await sandbox.ApplyPatchAsync(NewFile($"app/sub/p{i}.txt"));
                        break;
                    case "list":
                        listed.AddRange(sandbox.ListFiles().Select(f => f.Path));
                        break;
                    default:
                        await sandbox.RestoreSnapshotAsync(1);
                        break;
                }
            }
            catch (Exception e) when (e is Orchestra.Processes.GitException or IOException)
            {
                // git found a file gone between two looks: nobody's escape.
            }
        }

        await stop.CancelAsync();
        await swapping;
        listed.ShouldNotContain("app/sub/secret.txt");
        await ground.ShouldBeUntouchedAsync(sandbox, filesToo: false);
    }

    [Fact]
    public async Task WriteFileAsync_OverASetuidFile_LeavesAPlainOne()
    {
        var sandbox = await ground.SandboxAsync();
        await ground.ShellAsync(sandbox, "chmod 6755 app/a.py");
        (await sandbox.WriteFileAsync("app/a.py", "x\n")).IsRefused.ShouldBeFalse();
        File.GetUnixFileMode(Path.Combine(sandbox.WorkDirectory, "app/a.py"))
            .ShouldBe((UnixFileMode)Convert.ToInt32("755", 8) & ~(UnixFileMode)await ground.UmaskAsync());
    }

    [Fact]
    public async Task WriteFileAsync_MoreThanTheLimits_IsRefused()
    {
        var sandbox = await ground.SandboxAsync();
        (await sandbox.WriteFileAsync("app/big", new byte[200_001])).Refusal!.Code.ShouldBe("too_large");
        for (var i = 0; i < 20; i++)
            (await sandbox.WriteFileAsync("app/a.py", $"{i}")).IsRefused.ShouldBeFalse();
        (await sandbox.WriteFileAsync("app/a.py", "one more")).Refusal!.Message.ShouldContain("already has 20 snapshots");
    }

    private const string Zeros = "0000000000000000000000000000000000000000";

    private static string NewFile(string path) => $"--- /dev/null\n+++ {Quoted("b/" + path)}\n@@ -0,0 +1 @@\n+x\n";

    private static string Quoted(string path) => "\"" + string.Concat(Encoding.UTF8.GetBytes(path)
        .Select(b => b is < 0x20 or >= 0x7f or (byte)'"' or (byte)'\\' ? "\\" + Convert.ToString(b, 8).PadLeft(3, '0') : ((char)b).ToString())) + "\"";

    private static string Binary(string head, byte[] content, bool isNew = true)
    {
        using var packed = new MemoryStream();
        using (var zlib = new ZLibStream(packed, CompressionLevel.SmallestSize, leaveOpen: true))
            zlib.Write(content);
        var text = new StringBuilder(isNew ? "diff --git a/app/n.bin b/app/n.bin\nnew file mode 100644\n" : "diff --git a/app/a.py b/app/a.py\n");
        text.Append(CultureInfo.InvariantCulture, $"index {Zeros}..{Zeros}\nGIT binary patch\n{head}\n");
        foreach (var piece in packed.ToArray().Chunk(52))
        {
            text.Append((char)(piece.Length <= 26 ? 'A' + piece.Length - 1 : 'a' + piece.Length - 27));
            foreach (var four in piece.Chunk(4))
            {
                var number = four.Concat(new byte[4 - four.Length]).Aggregate(0L, (n, b) => (n << 8) | b);
                var digits = new char[5];
                for (var i = 4; i >= 0; i--, number /= 85)
                    digits[i] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;<=>?@^_`{|}~"[(int)(number % 85)];
                text.Append(digits);
            }

            text.Append('\n');
        }

        return text.Append('\n').ToString();
    }

    /// <summary>One project, a sandbox for each case, and something outside that nobody may touch.</summary>
    public sealed class Ground : IAsyncLifetime
    {
        private TestProject _project = null!;
        private string _outsideBefore = "";
        private string _projectsBefore = "";
        private int _attempt;

        public string Outside => Path.Combine(_project.Root, "outside");

        public async ValueTask InitializeAsync()
        {
            _project = await TestProject.CreateAsync(
                ("app/a.py", "a\n"), ("app/two.py", "one\ntwo\n"), ("secrets/key.py", "key\n"),
                ("app/many.py", string.Concat(Enumerable.Repeat("x\n", 30_000))));
            Directory.CreateDirectory(Outside);
            await File.WriteAllTextAsync(Path.Combine(Outside, "secret.txt"), "secret");
            (_outsideBefore, _projectsBefore) = (HashOf(Outside), HashOf(Repository.Path("real_projects")));
        }

        public Task<Sandbox> SandboxAsync()
        {
            var options = _project.Options;
            (options.MaxFileBytes, options.MaxPatchBytes, options.MaxFiles, options.MaxSnapshots) = (200_000, 400_000, 50, 20);
            return _project.SandboxAsync(attempt: Interlocked.Increment(ref _attempt), options: options, allowed: ["app/**"]);
        }

        public async Task ShellAsync(Sandbox sandbox, string script)
        {
            var result = await _project.Processes.RunAsync(new()
            {
                FileName = "/bin/sh",
                Arguments = ["-c", script.Replace("{outside}", Outside, StringComparison.Ordinal)],
                WorkingDirectory = sandbox.WorkDirectory,
            });
            result.ExitCode.ShouldBe(0, result.StandardError);
        }

        public async Task<int> UmaskAsync()
        {
            var result = await _project.Processes.RunAsync(new() { FileName = "/bin/sh", Arguments = ["-c", "umask"] });
            return Convert.ToInt32(result.StandardOutput.Trim(), 8);
        }

        /// <summary>A link to the outside in the folder's place for a moment, then the folder again.</summary>
        public void Swap(string folder)
        {
            var spare = folder + ".real";
            try
            {
                Directory.Move(folder, spare);
                File.CreateSymbolicLink(folder, Outside);
                File.Delete(folder);
            }
            catch (IOException)
            {
                // The writer made the folder anew in the gap, or removed it with its last file.
                Directory.CreateDirectory(folder);
            }

            while (Directory.Exists(spare))
            {
                try
                {
                    Directory.Move(spare, folder);
                }
                catch (IOException)
                {
                    TryDelete(folder);
                }
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

        public async Task ShouldBeUntouchedAsync(Sandbox sandbox, bool filesToo = true)
        {
            HashOf(Outside).ShouldBe(_outsideBefore);
            HashOf(Repository.Path("real_projects")).ShouldBe(_projectsBefore);
            (await _project.Git.RunAsync(_project.Repository, ["rev-parse", "HEAD"])).ShouldBe(_project.Commit);
            if (!filesToo)
                return;
            sandbox.ListFiles().Select(f => f.Path).ShouldBe(["app/a.py", "app/many.py", "app/two.py", "secrets/key.py"]);
            (await sandbox.ListSnapshotsAsync()).ShouldBeEmpty();
        }

        public ValueTask DisposeAsync() => _project.DisposeAsync();

        private static string HashOf(string folder)
        {
            using var hasher = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
            foreach (var file in Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories)
                .Where(f => !f.Contains("__pycache__", StringComparison.Ordinal)).Order(StringComparer.Ordinal))
            {
                hasher.AppendData(Encoding.UTF8.GetBytes($"{file}\0{File.GetUnixFileMode(file)}\0"));
                hasher.AppendData(File.ReadAllBytes(file));
            }

            return Convert.ToHexStringLower(hasher.GetHashAndReset());
        }
    }
}
