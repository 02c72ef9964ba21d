using System.CommandLine;
using System.Diagnostics;
using System.IO.Compression;
using Aura.Orchestra.Processes;
using Aura.Orchestra.Sandboxes;

namespace Aura.Bench;

/// <summary>
/// <c>./aura bench sandbox</c>: what a write with its snapshot costs, by the size of the project, beside the bare write and beside
/// a zip of the whole working copy.
/// </summary>
internal static class SandboxCommand
{
    // 20,000 files are 500 MB.
    private const int FileBytes = 25_000;
    private const int WriteBytes = 4_096;

    public static Task<int> RunAsync(string[] args)
    {
        var json = new Option<bool>("--json") { Description = "One JSON object a workload." };
        var files = new Option<int[]>("--files") { Description = "Sizes of the project, in files of 25 kB.", AllowMultipleArgumentsPerToken = true };
        var writes = new Option<int>("--writes") { Description = "Writes a measurement.", DefaultValueFactory = _ => 200 };
        var command = new RootCommand("Measures a write with its snapshot, by project size.") { json, files, writes };
        command.SetAction(async (parsed, cancellationToken) =>
        {
            if (!parsed.GetValue(json))
                Console.WriteLine(EngineCommand.Head());
            foreach (var size in parsed.GetValue(files) is { Length: > 0 } given ? given : [100, 2_000, 20_000])
            {
                if (size < 1 || parsed.GetValue(writes) < 1)
                {
                    await Console.Error.WriteLineAsync("--files and --writes take whole numbers above 0.");
                    return 64;
                }

                foreach (var measurement in await MeasureAsync(size, parsed.GetValue(writes), cancellationToken))
                    Console.WriteLine(EngineCommand.Line(measurement, parsed.GetValue(json)));
            }

            return 0;
        });
        return command.Parse(args).InvokeAsync();
    }

    private static async Task<IReadOnlyList<Measurement>> MeasureAsync(int files, int writes, CancellationToken cancellationToken)
    {
        var root = Directory.CreateTempSubdirectory("aura-bench-sandbox-").FullName;
        using var processes = new ProcessRunner();
        try
        {
            var git = new Git(processes);
            var (repository, commit) = await ProjectAsync(git, root, files, cancellationToken);
            var store = new SandboxStore(
                new()
                {
                    BaseDirectory = Path.Combine(root, "sandboxes"),
                    SnapshotDirectory = Path.Combine(root, "snapshots"),
                    MaxSnapshots = int.MaxValue,
                },
                git, TimeProvider.System);
            var watch = Stopwatch.StartNew();
            var sandbox = await store.CreateAsync(new()
            {
                SandboxId = "job-bench-a1",
                JobId = "job-bench",
                Attempt = 1,
                ProjectName = "bench",
                RepositoryPath = repository,
                BaseCommit = commit,
            }, cancellationToken);
            var created = watch.Elapsed;

            // Each write has other bytes: nothing is found in the store already.
            var random = new Random(1);
            var content = new byte[WriteBytes];
            await TimesAsync(20, i => WriteAsync(sandbox, i, files, random, content, "warm/"));
            var bare = await TimesAsync(writes, i => BareAsync(Path.Combine(root, "bare"), i, random, content));
            var first = await TimesAsync(writes, i => WriteAsync(sandbox, i, files, random, content));
            var again = await TimesAsync(writes, i => WriteAsync(sandbox, i, files, random, content));
            var fresh = await TimesAsync(writes, i => WriteAsync(sandbox, i, files, random, content, "new/"));

            watch.Restart();
            await sandbox.CreateSnapshotAsync("scan", cancellationToken);
            var scan = watch.Elapsed;
            watch.Restart();
            await ZipFile.CreateFromDirectoryAsync(
                sandbox.WorkDirectory, Path.Combine(root, "whole.zip"), CompressionLevel.Fastest, false, cancellationToken);
            var zip = watch.Elapsed;
            var limit = (3 * Median(bare)) + 20;
            var of = $"{files:N0} files";
            return
            [
                Row($"{of}: bare write, p50", Median(bare), Median(bare), "a file of 4 kB, written beside and renamed"),
                Row($"{of}: write with snapshot, a file of the project, p50", Median(first), limit, $"p99 {Quantile(first, 0.99):0.00} ms"),
                Row($"{of}: write with snapshot, the same file again, p50", Median(again), limit, $"p99 {Quantile(again, 0.99):0.00} ms"),
                Row($"{of}: write with snapshot, a new file, p50", Median(fresh), limit, $"p99 {Quantile(fresh, 0.99):0.00} ms"),
                Row($"{of}: a zip of the whole working copy", zip.TotalMilliseconds, limit, "what a snapshot by zip would cost"),
                Row($"{of}: a snapshot that looks at every file", scan.TotalMilliseconds, zip.TotalMilliseconds, "against the zip"),
                Row($"{of}: opening the sandbox", created.TotalMilliseconds, zip.TotalMilliseconds, "checkout included; against the zip"),
            ];
        }
        finally
        {
            Directory.Delete(root, recursive: true);
        }
    }

    private static Measurement Row(string workload, double value, double limit, string note) =>
        new(workload, value, limit, value / limit, "ms", note);

    private static async Task<(string Repository, string Commit)> ProjectAsync(Git git, string root, int files, CancellationToken cancellationToken)
    {
        var (source, repository) = (Path.Combine(root, "source"), Path.Combine(root, "project.git"));
        var random = new Random(files);
        var content = new byte[FileBytes];
        for (var i = 0; i < files; i++)
        {
            random.NextBytes(content);
            var path = Path.Combine(source, PathOf(i));
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            await File.WriteAllBytesAsync(path, content, cancellationToken);
        }

        await git.RunAsync(root, ["init", "--bare", "--quiet", "--initial-branch=main", repository], cancellationToken: cancellationToken);
        var place = new Dictionary<string, string?> { ["GIT_DIR"] = repository, ["GIT_WORK_TREE"] = source };
        await git.RunAsync(source, ["-c", "core.compression=0", "add", "--all", "."], null, place, cancellationToken);
        await git.RunAsync(source, ["commit", "--quiet", "-m", "base"], null, place, cancellationToken);
        Directory.Delete(source, recursive: true);
        return (repository, await git.RunAsync(repository, ["rev-parse", "HEAD"], cancellationToken: cancellationToken));
    }

    private static string PathOf(int file) => $"d{file / 1000}/e{file / 50 % 20}/f{file}.bin";

    private static async Task WriteAsync(Sandbox sandbox, int i, int files, Random random, byte[] content, string folder = "")
    {
        random.NextBytes(content);
        var done = await sandbox.WriteFileAsync(folder + PathOf(i * 97 % files), content);
        if (done.Refusal is { } refusal)
            throw new InvalidOperationException($"{refusal.Code}: {refusal.Message}");
    }

    private static async Task BareAsync(string folder, int i, Random random, byte[] content)
    {
        Directory.CreateDirectory(folder);
        random.NextBytes(content);
        var path = Path.Combine(folder, $"f{i}");
        await File.WriteAllBytesAsync(path + ".new", content);
        File.Move(path + ".new", path, overwrite: true);
    }

    private static async Task<double[]> TimesAsync(int count, Func<int, Task> work)
    {
        var times = new double[count];
        for (var i = 0; i < count; i++)
        {
            var watch = Stopwatch.StartNew();
            await work(i);
            times[i] = watch.Elapsed.TotalMilliseconds;
        }

        Array.Sort(times);
        return times;
    }

    private static double Median(double[] times) => Quantile(times, 0.5);

    private static double Quantile(double[] sorted, double part) => sorted[(int)((sorted.Length - 1) * part)];
}
