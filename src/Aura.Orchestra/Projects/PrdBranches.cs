using System.Text;
using System.Text.RegularExpressions;
using Aura.Orchestra.Processes;
using Aura.Orchestra.Sandboxes;

namespace Aura.Orchestra.Projects;

/// <summary>The branch of a PRD: where proven results come together before the Director decides.</summary>
public sealed partial class ProjectRepositories
{
    /// <summary>The ref a PRD works on.</summary>
    public static string PrdReference(string prdId) => $"refs/aura/{CheckedId(prdId)}";

    // Beside it, not below: a ref cannot be a folder of other refs. Keeps the base from being lost when main moves on.
    private static string BaseReference(string prdId) => $"refs/aura-base/{CheckedId(prdId)}";

    /// <summary>Creates the PRD's branch at the base. Doing it again changes nothing, also when the branch has moved on.</summary>
    /// <returns>The head of the branch.</returns>
    /// <exception cref="ProjectException">The branch exists with another base.</exception>
    public async Task<string> CreatePrdBranchAsync(string projectName, string prdId, string baseCommit, CancellationToken cancellationToken = default)
    {
        var repository = RepositoryPath(projectName);
        var wanted = await ResolveAsync(repository, CheckedCommit(baseCommit), cancellationToken)
            ?? throw new ProjectException($"Commit {baseCommit} is not in project '{projectName}'.");
        // Both or none: a crash between the two would leave a branch without a base.
        var created = await git.TryAsync(
            repository, ["update-ref", "--stdin"],
            $"start\ncreate {BaseReference(prdId)} {wanted}\ncreate {PrdReference(prdId)} {wanted}\nprepare\ncommit\n", cancellationToken: cancellationToken);
        var standing = await ResolveAsync(repository, BaseReference(prdId), cancellationToken)
            ?? throw new GitException($"git update-ref failed in {repository} for {prdId}: {created.StandardError.Trim()}");
        return standing == wanted
            ? await HeadAsync(projectName, prdId, cancellationToken)
            : throw new ProjectException($"{prdId} of project '{projectName}' already started from {standing}, not from {wanted}.");
    }

    /// <summary>The head of the PRD's branch.</summary>
    /// <exception cref="ProjectException">The branch was never created.</exception>
    public async Task<string> HeadAsync(string projectName, string prdId, CancellationToken cancellationToken = default) =>
        await ResolveAsync(RepositoryPath(projectName), PrdReference(prdId), cancellationToken) ?? throw NoBranch(projectName, prdId);

    /// <summary>The commit the PRD's branch started from.</summary>
    /// <exception cref="ProjectException">The branch was never created.</exception>
    public async Task<string> PrdBaseAsync(string projectName, string prdId, CancellationToken cancellationToken = default) =>
        await ResolveAsync(RepositoryPath(projectName), BaseReference(prdId), cancellationToken) ?? throw NoBranch(projectName, prdId);

    /// <summary>
    /// Puts a result onto the PRD's branch as one commit, merging it three-way with what other jobs put there since its base.
    /// The commit's id depends only on the request and the head, so a repeated delivery cannot add a second one.
    /// </summary>
    /// <exception cref="ProjectException">The branch does not exist, the base is not in its history, or others kept moving it.</exception>
    public async Task<IntegrationResult> IntegrateAsync(IntegrationRequest request, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(request);
        if (request.Attempt < 1)
            throw new ArgumentException($"Attempts count from 1; {request.JobId} was sent with {request.Attempt}.", nameof(request));
        CheckedId(request.JobId);
        var repository = RepositoryPath(request.ProjectName);
        var start = await PrdBaseAsync(request.ProjectName, request.PrdId, cancellationToken);
        for (var tries = 0; tries < options.MaxCompareAndSwapRetries; tries++)
        {
            var head = await HeadAsync(request.ProjectName, request.PrdId, cancellationToken);
            if (await FindIntegratedAsync(repository, start, head, request, cancellationToken) is { } earlier)
                return new IntegrationResult.AlreadyIntegrated(earlier);
            var (tree, conflict) = await MergeOntoAsync(repository, head, request, cancellationToken);
            if (conflict is not null)
                return conflict;
            var commit = await CommitAsync(repository, tree!, head, Message(request), cancellationToken);
            // Compare and swap: when another job was integrated meanwhile, merge again onto what it left.
            if ((await git.TryAsync(repository, ["update-ref", PrdReference(request.PrdId), commit, head], cancellationToken: cancellationToken)).Succeeded)
                return new IntegrationResult.Integrated(commit);
            await Task.Delay(TimeSpan.FromMilliseconds(5 + Random.Shared.Next(20)), time, cancellationToken);
        }

        throw new ProjectException($"{PrdReference(request.PrdId)} in {repository} could not be moved after {options.MaxCompareAndSwapRetries} tries. "
            + "If no other process works on it, a stale '.lock' file beside the ref holds it.");
    }

    /// <summary>What the PRD changes, base against head. Its <see cref="UnifiedDiff.Hash"/> is what an approval binds to.</summary>
    public async Task<UnifiedDiff> DiffAsync(string projectName, string prdId, CancellationToken cancellationToken = default) =>
        await UnifiedDiff.BetweenAsync(
            git, RepositoryPath(projectName), await PrdBaseAsync(projectName, prdId, cancellationToken),
            await HeadAsync(projectName, prdId, cancellationToken), cancellationToken: cancellationToken);

    /// <summary>SHA-256 of the diff's UTF-8 bytes, lower-case hexadecimal.</summary>
    public static string DiffHash(string diff) => UnifiedDiff.HashOf(diff);

    /// <summary>The name of the branch that a merge makes, without <c>refs/heads/</c>.</summary>
    public static string MergeBranch(string prdId, string slug) => $"feat/{CheckedId(prdId)}-{CheckedSlug(slug)}";

    /// <summary>
    /// Makes <c>feat/&lt;prd-id&gt;-&lt;slug&gt;</c> at the very commit the Director approved; done again it changes nothing. When the
    /// project's folder is itself a git repository the branch is pushed there, never over another commit.
    /// </summary>
    public async Task<MergeResult> MergeAsync(string projectName, string prdId, string slug, string expectedCommit, CancellationToken cancellationToken = default)
    {
        var repository = RepositoryPath(projectName);
        var branch = MergeBranch(prdId, slug);
        CheckedCommit(expectedCommit);
        if (await HeadAsync(projectName, prdId, cancellationToken) is var head && head != expectedCommit)
            return new MergeResult.Refused($"The branch of {prdId} stands at {head}, but {expectedCommit} was approved. Look at the diff again and approve what is there now.");
        var created = await git.TryAsync(repository, ["update-ref", $"refs/heads/{branch}", expectedCommit, NoObject], cancellationToken: cancellationToken);
        if (!created.Succeeded)
        {
            var standing = await ResolveAsync(repository, $"refs/heads/{branch}", cancellationToken)
                ?? throw new GitException($"git update-ref failed in {repository} for {branch}: {created.StandardError.Trim()}");
            if (standing != expectedCommit)
                return new MergeResult.Refused($"Branch '{branch}' already exists at {standing}; it is not moved to {expectedCommit}.");
        }

        if (Find(projectName) is not { IsGitRepository: true } project)
            return new MergeResult.Merged(branch, expectedCommit, Pushed: false);
        // Without a plus: only creates the branch or finds it as it should be.
        var pushed = await git.TryAsync(
            repository, ["push", "--quiet", "--no-verify", $"--receive-pack={Trusting("receive-pack")}", project.Directory, $"{expectedCommit}:refs/heads/{branch}"],
            cancellationToken: cancellationToken);
        return pushed.Succeeded
            ? new MergeResult.Merged(branch, expectedCommit, Pushed: true)
            : new MergeResult.Refused($"Branch '{branch}' exists in {repository} but could not be pushed to {project.Directory}: {pushed.StandardError.Trim()}");
    }

    private async Task<string?> FindIntegratedAsync(string repository, string start, string head, IntegrationRequest request, CancellationToken cancellationToken)
    {
        var log = await git.RunAsync(
            repository, ["log", "--format=%H%x09%(trailers:key=Aura-Job,valueonly,separator=%x2C)%x09%(trailers:key=Aura-Attempt,valueonly,separator=%x2C)", $"{start}..{head}"],
            cancellationToken: cancellationToken);
        return log.Split('\n').Select(l => l.Split('\t'))
            .FirstOrDefault(f => f is [_, var job, var attempt] && job == request.JobId && attempt == request.Attempt.ToString(provider: null))?[0];
    }

    private async Task<(string? Tree, IntegrationResult.Conflict? Conflict)> MergeOntoAsync(
        string repository, string head, IntegrationRequest request, CancellationToken cancellationToken)
    {
        var baseCommit = CheckedCommit(request.BaseCommit);
        if (!(await git.TryAsync(repository, ["merge-base", "--is-ancestor", baseCommit, head], cancellationToken: cancellationToken)).Succeeded)
            throw new ProjectException($"The base {baseCommit} of {request.JobId} is not in the history of {request.PrdId}'s branch.");
        var (theirs, rejected) = await PatchedTreeAsync(repository, baseCommit, request.Patch, cancellationToken);
        if (theirs is null)
            return (null, new($"The patch of {request.JobId} does not apply to its own base {baseCommit}: {rejected}", [], head));
        if (baseCommit == head)
            return (theirs, null);

        // The same merge that "git merge" does, without any working tree: their side is a commit of its own on the old base.
        var side = await CommitAsync(repository, theirs, baseCommit, "side\n", cancellationToken);
        var merged = await git.TryAsync(repository, ["merge-tree", "--write-tree", "-z", "--name-only", head, side], cancellationToken: cancellationToken);
        if (merged.ExitCode is not (0 or 1) || merged.TimedOut)
            throw new GitException($"git merge-tree failed in {repository} with exit code {merged.ExitCode} (git 2.38 or later is needed): {merged.StandardError.Trim()}");
        var fields = merged.StandardOutput.Split('\0');
        if (merged.ExitCode == 0)
            return (fields[0], null);
        var files = fields.Skip(1).TakeWhile(f => f.Length > 0).Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal).ToList();
        return (null, new(await DescribeAsync(repository, fields[0], files, request, cancellationToken), files, head));
    }

    private async Task<(string? Tree, string Rejected)> PatchedTreeAsync(string repository, string baseCommit, string patch, CancellationToken cancellationToken)
    {
        if (patch.Length == 0)
            return (await git.RunAsync(repository, ["rev-parse", $"{baseCommit}^{{tree}}"], cancellationToken: cancellationToken), "");
        var index = Path.Combine(Path.GetTempPath(), $"aura-index-{Guid.NewGuid():N}");
        var place = new Dictionary<string, string?> { ["GIT_DIR"] = repository, ["GIT_INDEX_FILE"] = index };
        try
        {
            await git.RunAsync(repository, ["read-tree", baseCommit], environment: place, cancellationToken: cancellationToken);
            var applied = await git.TryAsync(repository, ["apply", "--cached", "--whitespace=nowarn", "-"], patch, place, cancellationToken);
            return applied.Succeeded
                ? (await git.RunAsync(repository, ["write-tree"], environment: place, cancellationToken: cancellationToken), "")
                : (null, applied.StandardError.Trim());
        }
        finally
        {
            File.Delete(index);
            File.Delete(index + ".lock");
        }
    }

    private async Task<string> DescribeAsync(
        string repository, string tree, IReadOnlyList<string> files, IntegrationRequest request, CancellationToken cancellationToken)
    {
        const int maxText = 8_000;
        var text = new StringBuilder($"Other jobs changed the same places since {request.BaseCommit[..12]}. In conflict: {string.Join(", ", files)}.\n");
        foreach (var file in files)
        {
            var content = await git.TryAsync(repository, ["cat-file", "blob", $"{tree}:{file}"], cancellationToken: cancellationToken);
            if (!content.Succeeded || text.Length > maxText)
                continue;
            text.Append($"--- {file} (between <<<<<<< and ======= what is on the branch, then what this job wrote)\n");
            foreach (Match hunk in ConflictPattern().Matches(content.StandardOutput))
                text.Append(hunk.Value).Append('\n');
        }

        return text.Length > maxText ? text.ToString(0, maxText) + "\n…" : text.ToString();
    }

    private static string Message(IntegrationRequest request)
    {
        // One line: a title with line breaks could write trailers of its own.
        var subject = string.Join(' ', request.Title.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries)).Replace("\0", "", StringComparison.Ordinal);
        return $"{(subject.Length > 0 ? subject : request.JobId)}\n\nAura-Prd: {request.PrdId}\nAura-Job: {request.JobId}\nAura-Attempt: {request.Attempt}\n";
    }

    private static ProjectException NoBranch(string projectName, string prdId) =>
        new($"{prdId} has no branch in project '{projectName}': {PrdReference(prdId)} is missing.");

    private static string CheckedId(string id) => IdPattern().IsMatch(id) ? id : throw new ArgumentException($"'{id}' is not an id of the organisation.", nameof(id));

    private static string CheckedSlug(string slug) =>
        slug.Length <= 100 && IdPattern().IsMatch(slug) ? slug : throw new ArgumentException($"'{slug}' cannot be part of a branch name; use BranchSlug.Of.", nameof(slug));

    // A name that begins with a hyphen would be an option to git.
    private static string CheckedCommit(string commit) =>
        CommitPattern().IsMatch(commit) ? commit : throw new ArgumentException($"'{commit}' is not a full commit id.", nameof(commit));

    [GeneratedRegex(@"\A[a-z0-9]+(-[a-z0-9]+)*\z", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex IdPattern();

    [GeneratedRegex(@"\A[0-9a-f]{40}([0-9a-f]{24})?\z", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex CommitPattern();

    [GeneratedRegex(@"^<<<<<<<.*?^>>>>>>>[^\n]*", RegexOptions.Multiline | RegexOptions.Singleline, matchTimeoutMilliseconds: 1000)]
    private static partial Regex ConflictPattern();
}
