using Aura.Host.Security;
using Aura.Orchestra;
using Aura.Orchestra.Audit;
using Aura.Orchestra.Events;
using Aura.Orchestra.Jobs;
using Aura.Orchestra.Models;
using Aura.Orchestra.Storage;
using Npgsql;

namespace Aura.Host.Api;

/// <summary>Jobs: list, show with everything that happened, and choose the model of the next attempt.</summary>
internal static class JobsApi
{
    private const string Where = "GET /jobs lists them.";

    public static void MapJobs(RouteGroupBuilder group)
    {
        group.MapGet("/jobs", ListAsync);
        group.MapGet("/jobs/{id}", ShowAsync);
        group.MapPost("/jobs/{id}/assign", AssignAsync).RequireAuthorization(Permissions.RunOrganisation);
    }

    private static async Task<IResult> ListAsync(HttpRequest http, JobStore jobs, CancellationToken cancellationToken)
    {
        var errors = new FieldErrors();
        var paging = Paging.Parse(http.Query, errors);
        JobStatus? status = null;
        if (http.Query.TryGetValue("status", out var name) && (status = JobStatuses.Find(name)) is null)
            errors.Add("status", $"'{name}' is no job status. Known: {string.Join(", ", Enum.GetValues<JobStatus>().Select(s => s.ToName()))}.");
        var prd = http.Query.TryGetValue("prd_id", out var value) ? value.ToString() : null;
        if (prd is not null && !Ids.IsPrd(prd))
            errors.Add("prd_id", $"'{prd}' is no PRD id.");
        if (errors.Any)
            return errors.ToResult();
        return Results.Json(await paging.ToPageAsync(
            limit => jobs.ListAsync(limit, paging.Before, prd, status, cancellationToken), j => j.Seq, JobItem.Of), AuraApi.Json);
    }

    private static async Task<IResult> ShowAsync(
        string id, AuraApiOptions options, JobStore jobs, ModelStore models, EventFeed events, CancellationToken cancellationToken)
    {
        if (await jobs.GetAsync(id, cancellationToken) is not { } job)
            return Problems.NotFound("job", id, Where);
        var diffs = await models.DiffsAsync(id, cancellationToken);
        return Results.Json(JobView.Of(
            job, await events.OfJobAsync(id, cancellationToken), await jobs.TicksAsync(id, cancellationToken),
            await jobs.SnapshotsAsync(id, cancellationToken), diffs.Count == 0 ? null : diffs[^1].Diff,
            await RunLogTail.ReadAsync(Path.Combine(options.SandboxBase, job.Id, "runlog.txt"), options.RunLogTailBytes, cancellationToken),
            await models.RunsAsync(id, cancellationToken)), AuraApi.Json);
    }

    private static async Task<IResult> AssignAsync(
        string id, HttpContext http, AuraApiOptions options, NpgsqlDataSource db, JobStore jobs, ModelStore models,
        CancellationToken cancellationToken)
    {
        var (body, problem) = await RequestBody.ReadAsync(http.Request, options.MaxBodyBytes, cancellationToken);
        if (body is null)
            return problem!;
        var errors = new FieldErrors();
        var model = new FieldReader(body.Root, "", errors, "model").Text("model", 200, required: true);
        if (model is null || errors.Any)
            return errors.ToResult();
        var actor = Actor.Of(http);
        var pinned = await db.CommitIfAsync(
            JobChanges.Pinned(id, model, actor), [AuditLog.Record(actor, "job.assign", jobId: id, details: new { model })], cancellationToken);
        if (await jobs.GetAsync(id, cancellationToken) is not { } job)
            return Problems.NotFound("job", id, Where);
        if (pinned)
            return Results.Json(new { job.Id, Status = job.Status.ToName(), job.Model, job.PinnedModel }, AuraApi.Json);
        return await models.FindAsync(model, cancellationToken) is null
            ? Problems.NotFound("model", model, "GET /models lists them.")
            : Problems.Conflict("The job takes no model any more", $"{id} is {job.Status.ToName()}: no further attempt will be made.");
    }
}

/// <summary>The end of a job's run log.</summary>
internal sealed record RunLogTail(string Text, bool Truncated)
{
    /// <summary>Null when there is none (a link is none: the log is a file that Aura itself writes).</summary>
    public static async Task<RunLogTail?> ReadAsync(string path, int maxBytes, CancellationToken cancellationToken)
    {
        if (new FileInfo(path) is not { Exists: true, LinkTarget: null })
            return null;
        await using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        var length = file.Length;
        var skipped = Math.Max(0, length - maxBytes);
        file.Position = skipped;
        var bytes = new byte[length - skipped];
        var read = await file.ReadAtLeastAsync(bytes, bytes.Length, throwOnEndOfStream: false, cancellationToken);
        // A cut may fall inside a character: its remaining bytes (10xxxxxx) go too.
        var start = 0;
        while (skipped > 0 && start < read && start < 4 && (bytes[start] & 0xC0) == 0x80)
            start++;
        return new(System.Text.Encoding.UTF8.GetString(bytes, start, read - start), skipped > 0);
    }
}
