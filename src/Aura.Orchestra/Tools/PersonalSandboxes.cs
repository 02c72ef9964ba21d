using System.Text.RegularExpressions;
using Aura.Orchestra.Projects;
using Aura.Orchestra.Sandboxes;
using Aura.Orchestra.Storage;
using Npgsql;
using static Aura.Orchestra.Storage.Statement;

namespace Aura.Orchestra.Tools;

/// <param name="Id">As the person named it.</param>
public sealed record PersonalSandbox(string Id, string SandboxId, string Project, string BaseCommit, string CreatedBy);

/// <summary>Sandboxes that people open for themselves, outside any job: to look, to try, to let an IDE's agent work.</summary>
public sealed partial class PersonalSandboxes(NpgsqlDataSource dataSource, SandboxStore sandboxes, ProjectRepositories projects)
{
    /// <summary>The session's id is the name of another session, or cannot be one.</summary>
    public const string Taken = "session_taken";
    public const string InvalidSession = "invalid_session";

    /// <summary>
    /// Opens one on the project's newest import. Asked for again by the same person, it is the same sandbox, untouched; when its files are
    /// gone (nobody used them for long, or the call that opened it was cut off), it is made anew from the commit it began with.
    /// </summary>
    public async Task<SandboxResult<PersonalSandbox>> CreateAsync(string id, string project, string person, CancellationToken cancellationToken = default)
    {
        if (!NamePattern().IsMatch(id) || id.StartsWith("job-", StringComparison.OrdinalIgnoreCase))
            return new Refusal(InvalidSession, "A session_id has 1 to 48 letters, digits, '_' and '-', and does not begin with 'job-'.");
        if (await FindAsync(id, cancellationToken) is { } there)
            return there.CreatedBy == person && there.Project == project ? await MadeAsync(there) : TakenBy(there, person);
        if (projects.Find(project) is null)
            return new Refusal(RefusalCodes.NotFound, $"There is no project of that name. Known: {string.Join(", ", projects.List().Select(p => p.Name))}.");
        var commit = await projects.ImportAsync(project, cancellationToken);
        var made = new PersonalSandbox(id, SandboxStore.IdOf(id, 1), project, commit, person);
        // The row first: it decides who of two has the name, and only they may make the folder.
        var rows = await dataSource.CommitAsync(Of("""
            INSERT INTO aura.mcp_sessions (id, sandbox_id, project_id, base_commit, created_by) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING
            """, Text(id), Text(made.SandboxId), Text(project), Text(commit), Text(person)), cancellationToken);
        return rows == 0 ? TakenBy(made, "") : await MadeAsync(made);
    }

    public Task<PersonalSandbox?> FindAsync(string id, CancellationToken cancellationToken = default) => dataSource.ReadOneAsync(
        "SELECT id, sandbox_id, project_id, base_commit, created_by FROM aura.mcp_sessions WHERE id = $1",
        r => new PersonalSandbox(r.GetString(0), r.GetString(1), r.GetString(2), r.GetString(3), r.GetString(4)), [Text(id)], cancellationToken);

    // The name is given out: a caller who hangs up now finds it done when they ask again.
    private async Task<PersonalSandbox> MadeAsync(PersonalSandbox session)
    {
        if (sandboxes.Open(session.SandboxId).IsRefused)
        {
            await sandboxes.CreateAsync(new()
            {
                SandboxId = session.SandboxId,
                JobId = session.Id,
                Attempt = 1,
                ProjectName = session.Project,
                RepositoryPath = projects.RepositoryPath(session.Project),
                BaseCommit = session.BaseCommit,
            }, unlessThere: true, CancellationToken.None);
        }

        return session;
    }

    private static Refusal TakenBy(PersonalSandbox there, string person) => new(
        Taken, there.CreatedBy == person
            ? $"Your session '{there.Id}' is of project '{there.Project}'. Choose another session_id."
            : $"The session_id '{there.Id}' is taken. Choose another.");

    [GeneratedRegex(@"\A[A-Za-z0-9][A-Za-z0-9_-]{0,47}\z", RegexOptions.NonBacktracking)]
    private static partial Regex NamePattern();
}
