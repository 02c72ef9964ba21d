using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;
using Aura.Orchestra.Processes;

namespace Aura.Orchestra.Sandboxes;

/// <summary>Creates, finds and removes sandboxes. One sandbox is one attempt of one job.</summary>
public sealed partial class SandboxStore
{
    internal static readonly JsonSerializerOptions Json = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        WriteIndented = true,
        NewLine = "\n",
    };

    private readonly SandboxOptions _options;
    private readonly string _base;
    private readonly string _snapshots;
    private readonly Git _git;
    private readonly TimeProvider _time;

    public SandboxStore(SandboxOptions options, Git git, TimeProvider time)
    {
        ArgumentNullException.ThrowIfNull(options);
        (_options, _git, _time) = (options, git, time);
        _base = Path.GetFullPath(options.BaseDirectory);
        _snapshots = Path.GetFullPath(options.SnapshotDirectory);
    }

    /// <summary>The id of a job's attempt: <c>&lt;job-id&gt;-a&lt;attempt&gt;</c>.</summary>
    public static string IdOf(string jobId, int attempt) => $"{jobId}-a{attempt}";

    /// <summary>The job's log of commands; it outlives its sandboxes.</summary>
    /// <exception cref="ArgumentException">The id is no job id.</exception>
    public RunLog RunLogOf(string jobId)
    {
        if (!NamePattern().IsMatch(jobId))
            throw new ArgumentException($"'{jobId}' is not a job id.", nameof(jobId));
        Directory.CreateDirectory(Path.Combine(_base, jobId));
        return new(Path.Combine(_base, jobId, "runlog.txt"), _time);
    }

    /// <summary>
    /// Makes a fresh working copy of the base commit. One of the same id is replaced, its snapshots forgotten: a task that is
    /// delivered again starts clean. Either the old or the new sandbox is there, never half of one.
    /// </summary>
    /// <exception cref="ArgumentException">An id or name of the request is not well-formed.</exception>
    /// <exception cref="GitException">The repository or the commit is not there.</exception>
    public Task<Sandbox> CreateAsync(SandboxRequest request, CancellationToken cancellationToken = default) =>
        CreateAsync(request, unlessThere: false, cancellationToken);

    /// <param name="unlessThere">One that is there already stays, and is the answer: of two who ask at once, one makes it.</param>
    internal async Task<Sandbox> CreateAsync(SandboxRequest request, bool unlessThere, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(request);
        if (!NamePattern().IsMatch(request.JobId) || request.Attempt < 1 || request.SandboxId != IdOf(request.JobId, request.Attempt))
            throw new ArgumentException($"The sandbox id '{request.SandboxId}' is not '<job-id>-a<attempt>' of job '{request.JobId}', attempt {request.Attempt}.", nameof(request));
        if (!NamePattern().IsMatch(request.ProjectName))
            throw new ArgumentException($"The project name '{request.ProjectName}' must be of letters, digits, '_' and '-', at most 64.", nameof(request));

        var home = HomeOf(request.JobId, request.Attempt);
        var session = SessionOf(request.SandboxId);
        using var gate = await FileLock.AcquireAsync(LockOf(home), _time, cancellationToken);
        if (unlessThere && ReadMetadata(home) is { } there)
            return Opened(there, home);
        var building = Aside(home, "new");
        try
        {
            Directory.CreateDirectory(building);
            var baseCommit = await new SandboxGit(_git, building).CheckOutAsync(request.RepositoryPath, request.BaseCommit, cancellationToken);
            var metadata = new SandboxMetadata
            {
                SandboxId = request.SandboxId,
                JobId = request.JobId,
                Attempt = request.Attempt,
                ProjectName = request.ProjectName,
                RepositoryPath = Path.GetFullPath(request.RepositoryPath),
                BaseCommit = baseCommit,
                AllowedPaths = request.AllowedPaths.Count == 0 ? ["**"] : [.. request.AllowedPaths],
                CreatedAt = _time.GetUtcNow(),
                // A name of its own: until the folder is in its place, the log of the sandbox before it is the one that counts.
                SnapshotLog = $"snapshots-{Guid.NewGuid():N}.log",
            };
            var log = Path.Combine(session, metadata.SnapshotLog);
            await SnapshotLog.CreateAsync(log, new()
            {
                SandboxId = metadata.SandboxId,
                ProjectName = metadata.ProjectName,
                RepositoryPath = metadata.RepositoryPath,
                BaseCommit = baseCommit,
                Files = new WorkTree(Path.Combine(building, "work"), building).Files().Count(),
                CreatedAt = metadata.CreatedAt,
            }, cancellationToken);
            await File.WriteAllTextAsync(Path.Combine(building, "metadata.json"), JsonSerializer.Serialize(metadata, Json) + "\n", cancellationToken);
            Replace(building, home);
            foreach (var old in Directory.EnumerateFiles(session, "snapshots-*.log").Where(f => f != log))
                File.Delete(old);
            return Opened(metadata, home);
        }
        finally
        {
            DeleteTree(building);
        }
    }

    /// <summary>An existing sandbox; refused with <c>invalid_sandbox</c> or <c>not_found</c>.</summary>
    public SandboxResult<Sandbox> Open(string sandboxId)
    {
        if (Parse(sandboxId) is not var (job, attempt))
            return new Refusal(RefusalCodes.InvalidSandbox, "The sandbox id is not of the form '<job-id>-a<attempt>'.");
        var home = HomeOf(job, attempt);
        return ReadMetadata(home) is { } metadata && metadata.SandboxId == sandboxId
            ? Opened(metadata, home)
            : new Refusal(RefusalCodes.NotFound, $"There is no sandbox '{sandboxId}'.");
    }

    /// <summary>Every sandbox there is, in order of their ids.</summary>
    public IReadOnlyList<SandboxMetadata> List()
    {
        if (!Directory.Exists(_base))
            return [];
        return [.. Directory.EnumerateDirectories(_base)
            .SelectMany(job => Directory.EnumerateDirectories(job, "attempt-*"))
            .Select(ReadMetadata).OfType<SandboxMetadata>()
            .OrderBy(m => m.SandboxId, StringComparer.Ordinal)];
    }

    /// <summary>Removes the working copy and, when asked, its snapshots. False when there was none.</summary>
    public async Task<bool> RemoveAsync(string sandboxId, bool forgetSnapshots = false, CancellationToken cancellationToken = default)
    {
        var found = Open(sandboxId);
        if (found.IsRefused)
            return false;
        var home = found.Value.HomeDirectory;
        using (var gate = await FileLock.AcquireAsync(LockOf(home), _time, cancellationToken))
        {
            // Somebody else may have been faster.
            if (!Directory.Exists(home))
                return false;
            var aside = Aside(home, "old");
            Directory.Move(home, aside);
            if (forgetSnapshots)
                DeleteTree(SessionOf(sandboxId));
            DeleteTree(aside);
            gate.Delete();
        }

        RemoveIfEmpty(Path.GetDirectoryName(home)!);
        return true;
    }

    /// <summary>Lets go of the snapshots of a sandbox that has no working copy any more. False when it has one again.</summary>
    internal async Task<bool> ForgetAsync(string sandboxId, CancellationToken cancellationToken)
    {
        if (Parse(sandboxId) is not var (job, attempt))
            return false;
        var home = HomeOf(job, attempt);
        using (var gate = await FileLock.AcquireAsync(LockOf(home), _time, cancellationToken))
        {
            if (Directory.Exists(home))
                return false;
            DeleteTree(SessionOf(sandboxId));
            gate.Delete();
        }

        RemoveIfEmpty(Path.GetDirectoryName(home)!);
        return true;
    }

    /// <summary>
    /// Removes what dead processes left: copies that were being built or removed, lock files of sandboxes that are gone, empty folders.
    /// Who builds or removes holds the attempt's lock: what lies there while the lock is free is nobody's. Returns how many.
    /// </summary>
    public int RemoveLeftovers()
    {
        if (!Directory.Exists(_base))
            return 0;
        var removed = 0;
        foreach (var job in Directory.EnumerateDirectories(_base))
        {
            var attempts = Directory.EnumerateFileSystemEntries(job, ".attempt-*").Select(p => AttemptPattern().Match(Path.GetFileName(p)))
                .Where(m => m.Success).Select(m => m.Groups["attempt"].Value).Distinct().ToList();
            foreach (var attempt in attempts)
                removed += RemoveLeftovers(Path.Combine(job, attempt));
            removed += RemoveIfEmpty(job) ? 1 : 0;
        }

        return removed;
    }

    private static int RemoveLeftovers(string home)
    {
        using var gate = FileLock.TryAcquire(LockOf(home));
        if (gate is null)
            return 0;
        var aside = Directory.EnumerateDirectories(Path.GetDirectoryName(home)!, $".{Path.GetFileName(home)}.*").ToList();
        foreach (var folder in aside)
            DeleteTree(folder);
        if (Directory.Exists(home))
            return aside.Count;
        gate.Delete();
        return aside.Count + 1;
    }

    /// <summary>The job of a sandbox; empty when the id is no sandbox's.</summary>
    internal static string JobOf(string sandboxId) => Parse(sandboxId)?.Job ?? "";

    private static (string Job, int Attempt)? Parse(string? sandboxId) =>
        sandboxId is not null && IdPattern().Match(sandboxId) is { Success: true } match
            && int.TryParse(match.Groups["attempt"].ValueSpan, NumberStyles.None, CultureInfo.InvariantCulture, out var attempt)
            ? (match.Groups["job"].Value, attempt) : null;

    /// <summary>What is wrong with a sandbox's folder, one sentence each; nothing when all is well.</summary>
    public IReadOnlyList<string> Check(string sandboxId)
    {
        if (Parse(sandboxId) is not var (job, attempt))
            return ["The id is not of the form '<job-id>-a<attempt>'."];
        var home = HomeOf(job, attempt);
        if (!Directory.Exists(home))
            return [$"There is no sandbox '{sandboxId}' in {_base}."];
        if (ReadMetadata(home) is not { } metadata)
            return [$"{home}/metadata.json is missing or cannot be read."];
        var problems = new List<string>();
        if (metadata.SandboxId != sandboxId)
            problems.Add($"{home}/metadata.json is of sandbox '{metadata.SandboxId}'.");
        foreach (var folder in new[] { "work", "git" }.Select(f => Path.Combine(home, f)).Append(metadata.RepositoryPath)
            .Where(f => !Directory.Exists(f)))
            problems.Add($"The folder {folder} is missing.");
        if (!File.Exists(Path.Combine(SessionOf(sandboxId), metadata.SnapshotLog)))
            problems.Add($"The snapshot log {Path.Combine(SessionOf(sandboxId), metadata.SnapshotLog)} is missing.");
        if (problems.Count == 0
            && new WorkTree(Path.Combine(home, "work"), home).Survey(_options.MaxFiles, _options.MaxHeldFileBytes, out _) is { } refusal)
            problems.Add(refusal.Message);
        return problems;
    }

    /// <summary>The ids of all sandbox folders, also of those that cannot be opened.</summary>
    public IReadOnlyList<string> Ids()
    {
        if (!Directory.Exists(_base))
            return [];
        return [.. Directory.EnumerateDirectories(_base)
            .SelectMany(job => Directory.EnumerateDirectories(job, "attempt-*"))
            .Select(home => $"{Path.GetFileName(Path.GetDirectoryName(home))}-a{Path.GetFileName(home)["attempt-".Length..]}")
            .Order(StringComparer.Ordinal)];
    }

    internal static string LockOf(string home) => Path.Combine(Path.GetDirectoryName(home)!, $".{Path.GetFileName(home)}.lock");

    internal static void DeleteTree(string directory)
    {
        try
        {
            if (Directory.Exists(directory))
                Directory.Delete(directory, recursive: true);
        }
        catch (DirectoryNotFoundException)
        {
            // Somebody else deletes it, too.
        }
    }

    // Another attempt of the job, or its run log, keeps the folder.
    private static bool RemoveIfEmpty(string directory)
    {
        try
        {
            Directory.Delete(directory);
            return true;
        }
        catch (IOException)
        {
            // It is not empty, or it went already.
            return false;
        }
    }

    private static void Replace(string building, string home)
    {
        var old = Aside(home, "old");
        if (Directory.Exists(home))
            Directory.Move(home, old);
        Directory.Move(building, home);
        DeleteTree(old);
    }

    // A leading dot keeps it out of List; the same parent keeps the rename on one file system.
    private static string Aside(string home, string kind) =>
        Path.Combine(Path.GetDirectoryName(home)!, $".{Path.GetFileName(home)}.{kind}-{Guid.NewGuid():N}");

    private static SandboxMetadata? ReadMetadata(string home)
    {
        try
        {
            return JsonSerializer.Deserialize<SandboxMetadata>(File.ReadAllBytes(Path.Combine(home, "metadata.json")), Json);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException or JsonException)
        {
            return null;
        }
    }

    private string HomeOf(string jobId, int attempt) => Path.Combine(_base, jobId, $"attempt-{attempt}");

    private string SessionOf(string sandboxId) => Path.Combine(_snapshots, $"session-{sandboxId}");

    private Sandbox Opened(SandboxMetadata metadata, string home) =>
        new(metadata, home, SessionOf(metadata.SandboxId), new(_snapshots, _time), _git, _options, _time);

    [GeneratedRegex(@"\A[A-Za-z0-9][A-Za-z0-9_-]{0,63}\z", RegexOptions.NonBacktracking)]
    private static partial Regex NamePattern();

    [GeneratedRegex(
        @"\A\.(?<attempt>attempt-[0-9]{1,6})\.(lock|(new|old)-[0-9a-f]{32})\z", RegexOptions.NonBacktracking | RegexOptions.ExplicitCapture)]
    private static partial Regex AttemptPattern();

    [GeneratedRegex(@"\A(?<job>[A-Za-z0-9][A-Za-z0-9_-]{0,63})-a(?<attempt>[0-9]{1,6})\z", RegexOptions.NonBacktracking)]
    private static partial Regex IdPattern();
}
