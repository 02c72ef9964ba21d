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
    public async Task<Sandbox> CreateAsync(SandboxRequest request, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(request);
        if (!NamePattern().IsMatch(request.JobId) || request.Attempt < 1 || request.SandboxId != IdOf(request.JobId, request.Attempt))
            throw new ArgumentException($"The sandbox id '{request.SandboxId}' is not '<job-id>-a<attempt>' of job '{request.JobId}', attempt {request.Attempt}.", nameof(request));
        if (!NamePattern().IsMatch(request.ProjectName))
            throw new ArgumentException($"The project name '{request.ProjectName}' must be of letters, digits, '_' and '-', at most 64.", nameof(request));

        var repository = RepositoryOf(request.ProjectName);
        await repository.EnsureAsync(request.RepositoryPath, cancellationToken);
        // "^{commit}" also refuses a commit whose objects are missing.
        var baseCommit = await repository.RunAsync(["rev-parse", "--verify", "--quiet", $"{request.BaseCommit}^{{commit}}"], cancellationToken);

        var home = HomeOf(request.JobId, request.Attempt);
        using var gate = await FileLock.AcquireAsync(LockOf(home), _time, cancellationToken);
        var building = Aside(home, "new");
        try
        {
            var work = Path.Combine(building, "work");
            Directory.CreateDirectory(work);
            await repository.RunAsync(work, Path.Combine(building, "index"), ["read-tree", "-u", "--reset", baseCommit], cancellationToken);
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
            };
            await File.WriteAllTextAsync(Path.Combine(building, "metadata.json"), JsonSerializer.Serialize(metadata, Json) + "\n", cancellationToken);
            await repository.ForgetAsync(request.SandboxId, cancellationToken);
            Replace(building, home);
            return new(metadata, home, repository, ExportsOf(request.SandboxId), _options, _time);
        }
        finally
        {
            DeleteTree(building);
        }
    }

    /// <summary>An existing sandbox; refused with <c>invalid_sandbox</c> or <c>not_found</c>.</summary>
    public SandboxResult<Sandbox> Open(string sandboxId)
    {
        if (sandboxId is null || IdPattern().Match(sandboxId) is not { Success: true } match
            || !int.TryParse(match.Groups["attempt"].ValueSpan, NumberStyles.None, CultureInfo.InvariantCulture, out var attempt))
            return new Refusal(RefusalCodes.InvalidSandbox, "The sandbox id is not of the form '<job-id>-a<attempt>'.");
        var home = HomeOf(match.Groups["job"].Value, attempt);
        return ReadMetadata(home) is { } metadata && metadata.SandboxId == sandboxId
            ? new Sandbox(metadata, home, RepositoryOf(metadata.ProjectName), ExportsOf(sandboxId), _options, _time)
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
        using (await FileLock.AcquireAsync(LockOf(home), _time, cancellationToken))
        {
            if (forgetSnapshots)
                await RepositoryOf(found.Value.Metadata.ProjectName).ForgetAsync(sandboxId, cancellationToken);
            var aside = Aside(home, "old");
            Directory.Move(home, aside);
            DeleteTree(aside);
        }

        return true;
    }

    internal static string LockOf(string home) => Path.Combine(Path.GetDirectoryName(home)!, $".{Path.GetFileName(home)}.lock");

    internal static void DeleteTree(string directory)
    {
        if (Directory.Exists(directory))
            Directory.Delete(directory, recursive: true);
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

    private string ExportsOf(string sandboxId) => Path.Combine(_snapshots, $"session-{sandboxId}");

    private SnapshotRepository RepositoryOf(string project) => new(_git, Path.Combine(_snapshots, project + ".git"), _time);

    [GeneratedRegex(@"\A[A-Za-z0-9][A-Za-z0-9_-]{0,63}\z", RegexOptions.NonBacktracking)]
    private static partial Regex NamePattern();

    [GeneratedRegex(@"\A(?<job>[A-Za-z0-9][A-Za-z0-9_-]{0,63})-a(?<attempt>[0-9]{1,6})\z", RegexOptions.NonBacktracking)]
    private static partial Regex IdPattern();
}
