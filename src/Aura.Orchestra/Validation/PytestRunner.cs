using System.Reflection;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Aura.Orchestra.Prds;
using Aura.Orchestra.Sandboxes;

namespace Aura.Orchestra.Validation;

/// <summary>Runs pytest on a validation tree in the jail and judges what came out.</summary>
public sealed class PytestRunner(Jail jail, ValidationTreeBuilder trees, string stateDirectory)
{
    private const int MaxOutput = 32 * 1024;
    private const int MaxCached = 256;

    private readonly SemaphoreSlim _baselines = new(1, 1);
    private readonly Dictionary<string, PytestReport> _known = new(StringComparer.Ordinal);
    private readonly string _tools = Path.Combine(Path.GetFullPath(stateDirectory), "jail-tools");
    private bool _toolsWritten;

    /// <summary>
    /// The proof of an attempt: every test of the tree, with the protected ones held against what the base collects.
    /// The base is run once for each base commit and set of acceptance tests.
    /// </summary>
    public async Task<PytestVerdict> RunAsync(
        ValidationTree tree, RunLog? log = null, Action<ReadOnlyMemory<byte>>? onOutput = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(tree);
        if (!tree.IsUsable)
            throw new ArgumentException($"The tree of '{tree.Directory}' was not built: {tree.Details}", nameof(tree));
        var (baseline, unavailable) = await BaselineAsync(tree, cancellationToken);
        if (unavailable is not null)
            return PytestVerdict.From(baseline, unavailable, ProtectedExpectation.None, tree.Tampered, tree.LeftOut, "");
        var expected = ProtectedExpectation.From(baseline, tree.ProtectedFiles);
        var (report, result, output) = await RunOnceAsync(tree, log, onOutput, cancellationToken);
        return PytestVerdict.From(report, result, expected, tree.Tampered, tree.LeftOut, output);
    }

    /// <summary>A run that proves nothing, for whoever wrote the tree: no baseline, and only some tests when paths are given.</summary>
    /// <param name="tree">A usable tree.</param>
    /// <param name="paths">Files, folders or single tests of the tree; none means all. No options.</param>
    /// <param name="cancellationToken">Kills the run.</param>
    public async Task<PytestVerdict> RunOwnAsync(ValidationTree tree, IReadOnlyList<string> paths, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(tree);
        var (report, result, output) = await RunOnceAsync(tree, null, null, cancellationToken, paths);
        return PytestVerdict.From(report, result, ProtectedExpectation.None, tree.Tampered, tree.LeftOut, output);
    }

    /// <summary>The tests of any commit as they stand, nothing protected: counts "before" a PRD.</summary>
    /// <param name="repositoryPath">A bare repository.</param>
    /// <param name="commit">A commit of it.</param>
    /// <param name="acceptanceTests">Written in when given.</param>
    /// <param name="log">Takes the command and its output.</param>
    /// <param name="cancellationToken">Kills the run.</param>
    public async Task<PytestVerdict> RunCommitAsync(
        string repositoryPath, string commit, IReadOnlyList<AcceptanceTest>? acceptanceTests = null, RunLog? log = null, CancellationToken cancellationToken = default)
    {
        var name = $"commit-{Guid.NewGuid():N}";
        try
        {
            var tree = await trees.BuildAsync(
                new() { Name = name, RepositoryPath = repositoryPath, BaseCommit = commit, AcceptanceTests = acceptanceTests ?? [] }, cancellationToken);
            if (!tree.IsUsable)
                throw new ArgumentException(tree.Details, nameof(acceptanceTests));
            var (report, result, output) = await RunOnceAsync(tree, log, null, cancellationToken);
            return PytestVerdict.From(report, result, ProtectedExpectation.None, [], [], output);
        }
        finally
        {
            trees.Remove(name);
        }
    }

    // What must pass is learnt from the base, which no job has touched, never from the tree under test.
    private async Task<(PytestReport Report, JailResult? Unavailable)> BaselineAsync(ValidationTree tree, CancellationToken cancellationToken)
    {
        var key = UnifiedDiff.HashOf(JsonSerializer.Serialize(new { tree.RepositoryPath, tree.BaseCommit, tree.AcceptanceTests }));
        await _baselines.WaitAsync(cancellationToken);
        var name = $"baseline-{Guid.NewGuid():N}";
        try
        {
            if (_known.TryGetValue(key, out var known))
                return (known, null);
            var built = await trees.BuildAsync(
                new() { Name = name, RepositoryPath = tree.RepositoryPath, BaseCommit = tree.BaseCommit, AcceptanceTests = tree.AcceptanceTests }, cancellationToken);
            var (report, result, _) = await RunOnceAsync(built, null, null, cancellationToken);
            if (result.End == JailEnd.Unavailable)
                return (report, result);
            if (_known.Count >= MaxCached)
                _known.Clear();
            // A base that was cut off still tells what it collected; it is run again next time.
            if (result.End == JailEnd.Exited)
                _known[key] = report;
            return (report, null);
        }
        finally
        {
            trees.Remove(name);
            _baselines.Release();
        }
    }

    private async Task<(PytestReport Report, JailResult Result, string Output)> RunOnceAsync(
        ValidationTree tree, RunLog? log, Action<ReadOnlyMemory<byte>>? onOutput, CancellationToken cancellationToken, IReadOnlyList<string>? paths = null)
    {
        await WriteToolsAsync(cancellationToken);
        string nonce = Token(), canary = $"test_{Token()}", secret = Token();
        var settings = JsonSerializer.Serialize(new
        {
            nonce,
            canary,
            secret,
            config = tree.ConfigurationFile,
            coverage = true,
            arguments = paths ?? [],
            declare = tree.ProtectedFiles.Where(ProtectedTests.IsTestModule).Where(p => File.Exists(Path.Combine(tree.TreeDirectory, p))),
        });
        var result = await jail.RunAsync(
            new()
            {
                Mounts = [new(tree.TreeDirectory, "source"), new(tree.ConfigurationDirectory, "config"), new(_tools, "aura")],
                // Debian's interpreter by its full path: a shim of some version manager is not visible in the jail.
                Command = paths => ["/usr/bin/python3", "-I", paths.Mounts["aura"] + "/aura_supervise.py",
                    paths.Mounts["source"], paths.Workspace, paths.Mounts["aura"], paths.Mounts["config"]],
                StandardInput = settings,
                OnOutput = onOutput,
            },
            cancellationToken);
        var complete = result.End == JailEnd.Exited;
        var report = PytestReport.Parse(result.StandardOutput, nonce, canary, secret, complete);
        // The control test is nobody's business but ours.
        var output = Tail(string.Join('\n', result.StandardError.Replace("\0", "", StringComparison.Ordinal).Split('\n')
            .Where(line => !line.Contains(canary, StringComparison.Ordinal) && !line.Contains(secret, StringComparison.Ordinal))));
        if (log is not null)
        {
            await log.AppendAsync(
                new("pytest (in the jail, under coverage)", tree.TreeDirectory, report.ExitCode, result.Duration, output, result.Detail), cancellationToken);
        }

        return (report, result, output);
    }

    private async Task WriteToolsAsync(CancellationToken cancellationToken)
    {
        if (Volatile.Read(ref _toolsWritten))
            return;
        Directory.CreateDirectory(_tools);
        foreach (var name in new[] { "aura_supervise.py", "aura_pytest.py" })
        {
            var target = Path.Combine(_tools, name);
            // Beside and over: another process may be running from the same folder.
            var temporary = $"{target}.{Guid.NewGuid():N}";
            await using (var resource = Assembly.GetExecutingAssembly().GetManifestResourceStream(name)!)
            await using (var file = File.Create(temporary))
                await resource.CopyToAsync(file, cancellationToken);
            File.Move(temporary, target, overwrite: true);
        }

        Volatile.Write(ref _toolsWritten, true);
    }

    private static string Token() => Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(12));

    private static string Tail(string text) => text.Length <= MaxOutput ? text : "…" + text[^MaxOutput..];
}
