using System.Text;
using Aura.Orchestra.Events;
using Aura.Orchestra.Jobs;
using Aura.Orchestra.Prds;
using Aura.Orchestra.Sandboxes;
using Npgsql;

namespace Aura.Orchestra.Tools;

/// <summary>What a job is about, for whoever works on it.</summary>
public sealed record JobBrief
{
    public required string SandboxId { get; init; }
    public required string Project { get; init; }
    public string? JobId { get; init; }
    public string? Title { get; init; }
    public string? Type { get; init; }
    public string? Description { get; init; }
    public string? Prd { get; init; }
    public string? PrdDescription { get; init; }
    public int? Attempt { get; init; }
    public int? MaxAttempts { get; init; }

    /// <summary>Globs of what may be written.</summary>
    public required IReadOnlyList<string> AllowedPaths { get; init; }

    /// <summary>Why the attempt before was not enough.</summary>
    public string? PreviousFailure { get; init; }
    public required string BaseCommit { get; init; }

    public string ToText()
    {
        var text = new StringBuilder($"Project: {Project}\n");
        if (JobId is null)
            text.Append("There is no job: this is a sandbox of your own.\n");
        else
            text.Append($"PRD: {Prd}\nJob {JobId}: {Title} ({Type})\nAttempt {Attempt} of {MaxAttempts}\n");
        text.Append(AllowedPaths is ["**"] ? "You may write anywhere in the project.\n" : $"You may write only: {string.Join(", ", AllowedPaths)}\n");
        Section("What is to be done", Description);
        Section("What the PRD is about", PrdDescription);
        Section("Why the attempt before was not enough", PreviousFailure);
        return text.ToString();

        void Section(string heading, string? body)
        {
            if (!string.IsNullOrWhiteSpace(body))
                text.Append($"\n{heading}:\n{body.Trim()}\n");
        }
    }
}

/// <summary>Opens the tools over a sandbox.</summary>
public sealed class ToolSessions(
    SandboxStore sandboxes, JobStore jobs, PrdStore prds, EventFeed events, OwnTests tests, NpgsqlDataSource dataSource, TimeProvider time)
{
    internal NpgsqlDataSource DataSource => dataSource;

    internal OwnTests Tests => tests;

    internal TimeProvider Time => time;

    /// <summary>Refused when there is no such sandbox.</summary>
    public SandboxResult<ToolSession> Open(string sandboxId, ToolActor actor)
    {
        var sandbox = sandboxes.Open(sandboxId);
        return sandbox.Refusal is { } refusal ? refusal : new ToolSession(this, sandbox.Value, actor);
    }

    public ToolSession Over(Sandbox sandbox, ToolActor actor) => new(this, sandbox, actor);

    internal async Task<JobBrief> BriefAsync(ToolSession session, CancellationToken cancellationToken)
    {
        var metadata = session.Sandbox.Metadata;
        var bare = new JobBrief
        {
            SandboxId = metadata.SandboxId,
            Project = metadata.ProjectName,
            AllowedPaths = metadata.AllowedPaths,
            BaseCommit = metadata.BaseCommit,
        };
        if (session.Actor.JobId is not { } id || await jobs.GetAsync(id, cancellationToken) is not { } job)
            return bare;
        var prd = await prds.GetAsync(job.PrdId, cancellationToken);
        var failure = session.Actor.Attempt < 2 ? null : await events.LastReasonOfJobAsync(id, cancellationToken);
        return bare with
        {
            JobId = id,
            Title = job.Title,
            Type = job.Type,
            Description = job.Description,
            Prd = prd?.Title,
            PrdDescription = prd?.Description,
            Attempt = session.Actor.Attempt,
            MaxAttempts = job.MaxRetries + 1,
            PreviousFailure = failure,
        };
    }
}
