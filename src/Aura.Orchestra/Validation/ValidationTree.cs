using Aura.Orchestra.Prds;
using Aura.Orchestra.Processes;
using Aura.Orchestra.Sandboxes;

namespace Aura.Orchestra.Validation;

public enum ApplyOutcome
{
    Applied,

    /// <summary>The diff does not fit the base; the tree is not usable.</summary>
    Conflict,

    /// <summary>Nothing was changed; the tree is the base.</summary>
    Empty,

    /// <summary>The diff holds something that no job may bring (a link, a submodule, a path outside the project).</summary>
    Refused,
}

/// <summary>What a validation tree is made from.</summary>
public sealed record ValidationTreeRequest
{
    /// <summary>Names the folder; for an attempt its sandbox id.</summary>
    public required string Name { get; init; }

    /// <summary>A bare repository that holds the base; only read.</summary>
    public required string RepositoryPath { get; init; }

    /// <summary>The commit the diff was made against.</summary>
    public required string BaseCommit { get; init; }

    /// <summary>A unified git diff; empty for the base itself.</summary>
    public string Diff { get; init; } = "";

    public IReadOnlyList<AcceptanceTest> AcceptanceTests { get; init; } = [];

    /// <summary>Globs of protected tests that this PRD may change.</summary>
    public IReadOnlyList<string> AllowTestChanges { get; init; } = [];
}

/// <summary>
/// The files that are put to the proof: base + diff, then every protected test as the base has it. Lives in
/// <c>&lt;root&gt;/&lt;name&gt;/</c> as <c>tree/</c> and <c>config/</c>; runs only ever see it read-only.
/// </summary>
public sealed record ValidationTree
{
    public required string Directory { get; init; }
    public required string RepositoryPath { get; init; }
    public required string BaseCommit { get; init; }
    public required ApplyOutcome Outcome { get; init; }

    /// <summary>Why the diff did not apply or was refused; empty otherwise.</summary>
    public string Details { get; init; } = "";

    /// <summary>What the diff changes, before anything was restored.</summary>
    public IReadOnlyList<ChangedFile> Changes { get; init; } = [];

    /// <summary>Protected tests of the base, and the acceptance tests.</summary>
    public IReadOnlyList<string> ProtectedFiles { get; init; } = [];

    public IReadOnlyList<AcceptanceTest> AcceptanceTests { get; init; } = [];

    /// <summary>Protected tests that the diff edited or deleted, each with what was done: <c>tests/test_a.py (edited)</c>. Restored in the tree.</summary>
    public IReadOnlyList<string> Tampered { get; init; } = [];

    /// <summary>New files that were left out because they could change how protected tests run.</summary>
    public IReadOnlyList<string> LeftOut { get; init; } = [];

    /// <summary>Name of the file in <c>config/</c> that pytest reads.</summary>
    public string ConfigurationFile { get; init; } = "pytest.ini";

    public string TreeDirectory => Path.Combine(Directory, "tree");

    public string ConfigurationDirectory => Path.Combine(Directory, "config");

    public bool IsUsable => Outcome is ApplyOutcome.Applied or ApplyOutcome.Empty;

    /// <summary>Python files that the diff added or changed and that are in the tree, in path order.</summary>
    public IReadOnlyList<string> ChangedPythonFiles =>
        [.. Changes.Where(c => !c.IsDeleted && c.Path.EndsWith(".py", StringComparison.Ordinal)).Select(c => c.Path).Where(p => File.Exists(Path.Combine(TreeDirectory, p)))];

    /// <summary>The text of <see cref="ChangedPythonFiles"/>, for what reads code without running it.</summary>
    public async Task<IReadOnlyDictionary<string, string>> ReadChangedPythonAsync(CancellationToken cancellationToken = default)
    {
        var texts = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var path in ChangedPythonFiles)
            texts[path] = await File.ReadAllTextAsync(Path.Combine(TreeDirectory, path), cancellationToken);
        return texts;
    }
}

/// <summary>Builds validation trees below one folder.</summary>
public sealed class ValidationTreeBuilder(string rootDirectory, Git git, TimeProvider time)
{
    private readonly string _root = Path.GetFullPath(rootDirectory);

    /// <summary>Builds the tree; one of the same name is replaced.</summary>
    /// <exception cref="GitException">The repository or the base commit is not there.</exception>
    public async Task<ValidationTree> BuildAsync(ValidationTreeRequest request, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(request);
        if (SandboxPath.Parse(request.Name) is not { IsRefused: false, Value.Components.Count: 1 })
            throw new ArgumentException($"'{request.Name}' cannot be the name of a validation tree.", nameof(request));
        var home = Path.Combine(_root, request.Name);
        using var gate = await FileLock.AcquireAsync(Path.Combine(_root, $".{request.Name}.lock"), time, cancellationToken);
        SandboxStore.DeleteTree(home);
        System.IO.Directory.CreateDirectory(Path.Combine(home, "tree"));
        System.IO.Directory.CreateDirectory(Path.Combine(home, "config"));
        var tree = await new Build(git, home, request).RunAsync(cancellationToken);
        // Only needed while building.
        SandboxStore.DeleteTree(Path.Combine(home, "git"));
        return tree;
    }

    public void Remove(string name)
    {
        if (SandboxPath.Parse(name) is { IsRefused: false, Value.Components.Count: 1 })
            SandboxStore.DeleteTree(Path.Combine(_root, name));
    }

    private sealed class Build(Git git, string home, ValidationTreeRequest request)
    {
        private string Work => Path.Combine(home, "tree");

        // A throw-away repository over the project's: nothing of an unproven diff gets into the project's objects.
        private string Repository => Path.Combine(home, "git");

        // A file of one's own in the place of an acceptance test would land in the result, whatever the proof ran there.
        private bool IsTampering(ChangedFile change, IReadOnlySet<string> isProtected) =>
            (!change.IsAdded && isProtected.Contains(change.Path)) || request.AcceptanceTests.Any(t => t.Path == change.Path);

        public async Task<ValidationTree> RunAsync(CancellationToken cancellationToken)
        {
            System.IO.Directory.CreateDirectory(Repository);
            await git.RunAsync(Repository, ["init", "--bare", "--quiet", "--initial-branch=main", "--template=", "."], cancellationToken: cancellationToken);
            var objects = Path.Combine(Repository, "objects", "info");
            System.IO.Directory.CreateDirectory(objects);
            System.IO.Directory.CreateDirectory(Path.Combine(Repository, "info"));
            await File.WriteAllTextAsync(Path.Combine(objects, "alternates"), Path.GetFullPath(Path.Combine(request.RepositoryPath, "objects")) + "\n", cancellationToken);
            await File.WriteAllTextAsync(Path.Combine(Repository, "info", "attributes"), "* -text !eol -ident -filter !working-tree-encoding\n", cancellationToken);
            var baseCommit = await RunAsync(cancellationToken, "rev-parse", "--verify", "--quiet", $"{request.BaseCommit}^{{commit}}");
            await RunAsync(cancellationToken, "read-tree", baseCommit);

            var result = new ValidationTree
            {
                Directory = home,
                RepositoryPath = request.RepositoryPath,
                BaseCommit = baseCommit,
                Outcome = ApplyOutcome.Empty,
                AcceptanceTests = request.AcceptanceTests,
            };
            if (request.AcceptanceTests.Select(t => SandboxPath.Parse(t.Path).Refusal).FirstOrDefault(r => r is not null) is { } bad)
                return result with { Outcome = ApplyOutcome.Refused, Details = $"An acceptance test of the PRD cannot be placed: {bad.Message}" };
            if (request.Diff.Length > 0)
            {
                var applied = await TryAsync(["apply", "--cached", "--whitespace=nowarn", "-"], request.Diff, cancellationToken);
                if (!applied.Succeeded)
                    return result with { Outcome = ApplyOutcome.Conflict, Details = applied.StandardError.Trim() };
            }

            var baseFiles = await FilesAsync(baseCommit, cancellationToken);
            var submitted = await RunAsync(cancellationToken, "write-tree");
            var changes = await ChangedFile.BetweenAsync(git, Repository, baseCommit, submitted, null, cancellationToken);
            result = result with { Changes = changes, Outcome = changes.Count == 0 ? ApplyOutcome.Empty : ApplyOutcome.Applied };
            if (changes.Select(Forbidden).FirstOrDefault(reason => reason is not null) is { } refused)
                return result with { Outcome = ApplyOutcome.Refused, Details = refused };

            var acceptance = request.AcceptanceTests.Select(t => SandboxPath.Parse(t.Path).Value.ToString()).ToList();
            var isProtected = baseFiles.Where(p => ProtectedTests.IsTestFile(p) && !ProtectedTests.IsReleased(p, request.AllowTestChanges))
                .Concat(acceptance).ToHashSet(StringComparer.Ordinal);
            result = result with
            {
                ProtectedFiles = [.. isProtected.Order(StringComparer.Ordinal)],
                Tampered = [.. changes.Where(c => IsTampering(c, isProtected)).Select(c => $"{c.Path} ({(c.IsDeleted ? "deleted" : c.IsAdded ? "written over" : "edited")})")],
                LeftOut = [.. changes.Where(c => c.IsAdded && !isProtected.Contains(c.Path) && ProtectedTests.CanHijack(c.Path)
                    && !ProtectedTests.IsReleased(c.Path, request.AllowTestChanges)).Select(c => c.Path)],
            };
            await RestoreAsync(baseCommit, changes.Where(c => !c.IsAdded && isProtected.Contains(c.Path)).Select(c => c.Path), result.LeftOut, cancellationToken);
            await RunAsync(cancellationToken, "checkout-index", "--all", "--force", "--quiet");
            foreach (var test in request.AcceptanceTests)
                await PlaceAsync(test, cancellationToken);
            return result with { ConfigurationFile = await ConfigureAsync(baseCommit, baseFiles, cancellationToken) };
        }

        private static string? Forbidden(ChangedFile change) =>
            change.TouchesLink ? $"The diff makes or changes the symbolic link '{change.Path}'."
            : change.TouchesSubmodule ? $"The diff makes or changes the submodule '{change.Path}'."
            : SandboxPath.Parse(change.Path).Refusal?.Message;

        private async Task RestoreAsync(string baseCommit, IEnumerable<string> restore, IReadOnlyList<string> leaveOut, CancellationToken cancellationToken)
        {
            var restored = restore.ToList();
            if (restored.Count > 0)
            {
                var entries = await RunAsync(cancellationToken, ["ls-tree", "-z", baseCommit, "--", .. restored]);
                // A file that the diff put where a protected test's folder was would be in the way: --replace throws it out.
                await RunWithInputAsync(entries, ["update-index", "-z", "--replace", "--index-info"], cancellationToken);
            }

            if (leaveOut.Count > 0)
                await RunWithInputAsync(string.Join('\0', leaveOut) + "\0", ["update-index", "-z", "--force-remove", "--stdin"], cancellationToken);
        }

        private async Task PlaceAsync(AcceptanceTest test, CancellationToken cancellationToken)
        {
            // Through the link-safe writer: the base itself may hold links.
            var placed = await new WorkTree(Work, Path.Combine(home, "git", "scratch"))
                .WriteAsync(SandboxPath.Parse(test.Path).Value, System.Text.Encoding.UTF8.GetBytes(test.Content), cancellationToken);
            if (placed.Refusal is { } refusal)
                throw new IOException($"The acceptance test cannot be placed: {refusal.Message}");
        }

        // pytest is told to read this copy and no other: an edited or new configuration in the tree has no effect.
        private async Task<string> ConfigureAsync(string baseCommit, IReadOnlyList<string> baseFiles, CancellationToken cancellationToken)
        {
            foreach (var name in ProtectedTests.ConfigurationFiles.Where(n => baseFiles.Contains(n)))
            {
                var released = ProtectedTests.IsReleased(name, request.AllowTestChanges) && File.Exists(Path.Combine(Work, name));
                var content = released
                    ? await File.ReadAllTextAsync(Path.Combine(Work, name), cancellationToken)
                    : await RunAsync(cancellationToken, "cat-file", "blob", $"{baseCommit}:{name}") + "\n";
                if (!ProtectedTests.ConfiguresPytest(name, content))
                    continue;
                await File.WriteAllTextAsync(Path.Combine(home, "config", name), content, cancellationToken);
                return name;
            }

            await File.WriteAllTextAsync(Path.Combine(home, "config", "pytest.ini"), "[pytest]\n", cancellationToken);
            return "pytest.ini";
        }

        private async Task<IReadOnlyList<string>> FilesAsync(string commit, CancellationToken cancellationToken) =>
            (await RunAsync(cancellationToken, "ls-tree", "-r", "-z", "--name-only", commit)).Split('\0', StringSplitOptions.RemoveEmptyEntries);

        private Task<string> RunAsync(CancellationToken cancellationToken, params IReadOnlyList<string> arguments) =>
            git.RunAsync(Work, arguments, null, Environment(), cancellationToken);

        private Task<ProcessResult> TryAsync(IReadOnlyList<string> arguments, string input, CancellationToken cancellationToken) =>
            git.TryAsync(Work, arguments, input, Environment(), cancellationToken);

        private Task<string> RunWithInputAsync(string input, IReadOnlyList<string> arguments, CancellationToken cancellationToken) =>
            git.RunAsync(Work, arguments, input, Environment(), cancellationToken);

        private Dictionary<string, string?> Environment() => new()
        {
            ["GIT_DIR"] = Repository,
            ["GIT_WORK_TREE"] = Work,
            ["GIT_INDEX_FILE"] = Path.Combine(Repository, "index"),
        };
    }
}
