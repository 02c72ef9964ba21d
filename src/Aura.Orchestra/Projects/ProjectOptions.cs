namespace Aura.Orchestra.Projects;

/// <summary>Where projects come from and where Aura keeps its own repositories of them.</summary>
public sealed class ProjectOptions
{
    /// <summary>One folder for each project. Never written, except that a merge is pushed into a project that is itself a git repository.</summary>
    public string ProjectsDirectory { get; set; } = "./real_projects";

    /// <summary>Holds <c>repositories/&lt;name&gt;.git</c>.</summary>
    public string StateDirectory { get; set; } = "./.aura";

    /// <summary>How often a change of a branch that another process moved in between is tried again.</summary>
    public int MaxCompareAndSwapRetries { get; set; } = 50;
}

/// <summary>A folder of <see cref="ProjectOptions.ProjectsDirectory"/>.</summary>
/// <param name="IsGitRepository">True when the folder is itself the root of a git repository.</param>
public sealed record Project(string Name, string Directory, bool IsGitRepository);

/// <summary>A project or a branch of it that cannot be used. The message says which, and what to do.</summary>
public sealed class ProjectException(string message) : Exception(message);

/// <summary>One proven result that is to go onto a PRD's branch.</summary>
public sealed record IntegrationRequest
{
    public required string ProjectName { get; init; }
    public required string PrdId { get; init; }
    public required string JobId { get; init; }

    /// <summary>From 1. A job is integrated once for each attempt, however often it is asked for.</summary>
    public required int Attempt { get; init; }

    /// <summary>Becomes the commit's subject.</summary>
    public required string Title { get; init; }

    /// <summary>A unified git diff against <see cref="BaseCommit"/>; empty when the attempt changed nothing.</summary>
    public required string Patch { get; init; }

    /// <summary>The commit the attempt started from: the PRD's base or an earlier head of its branch.</summary>
    public required string BaseCommit { get; init; }
}

/// <summary>What became of an integration.</summary>
public abstract record IntegrationResult
{
    private IntegrationResult()
    {
    }

    /// <summary>The PRD's branch now stands at this new commit.</summary>
    public sealed record Integrated(string Commit) : IntegrationResult;

    /// <summary>An earlier delivery of the same request did it.</summary>
    public sealed record AlreadyIntegrated(string Commit) : IntegrationResult;

    /// <summary>The branch is unchanged: other jobs changed the same places.</summary>
    /// <param name="Details">Names the files, and shows both sides; fit for the next attempt's prompt.</param>
    /// <param name="Files">The files in conflict, in path order.</param>
    /// <param name="Head">The head that the patch did not fit.</param>
    public sealed record Conflict(string Details, IReadOnlyList<string> Files, string Head) : IntegrationResult;
}

/// <summary>What became of a merge.</summary>
public abstract record MergeResult
{
    private MergeResult()
    {
    }

    /// <param name="Branch">Without <c>refs/heads/</c>.</param>
    /// <param name="Commit">The commit that was approved, and no other.</param>
    /// <param name="Pushed">True when the project's own repository has the branch too.</param>
    public sealed record Merged(string Branch, string Commit, bool Pushed) : MergeResult;

    /// <summary>Nothing was changed. The reason says what stands where.</summary>
    public sealed record Refused(string Reason) : MergeResult;
}
