using System.Text.Json;
using Aura.Host.Security;
using Aura.Orchestra;
using Aura.Orchestra.Archive;
using Aura.Orchestra.Audit;
using Aura.Orchestra.Employees;
using Aura.Orchestra.Jobs;
using Aura.Orchestra.Prds;
using Aura.Orchestra.Storage;
using Npgsql;

namespace Aura.Host.Api;

/// <summary>PRDs: hand in, list, show, and the Director's decision.</summary>
internal static class PrdsApi
{
    public const string DecisionStimulus = "Aura.DirectorDecision";
    public const string Pipeline = "prd-pipeline";
    private const string Where = "GET /prds lists them.";

    public static void MapPrds(RouteGroupBuilder group)
    {
        group.MapPost("/prds", SubmitAsync).RequireAuthorization(Permissions.RunOrganisation);
        group.MapGet("/prds", ListAsync);
        group.MapGet("/prds/{id}", ShowAsync);
        group.MapPost("/prds/{id}/approve", ApproveAsync).RequireAuthorization(Permissions.Direct);
        group.MapPost("/prds/{id}/reject", RejectAsync).RequireAuthorization(Permissions.Direct);
    }

    private static async Task<IResult> SubmitAsync(
        HttpContext http, AuraApiOptions options, NpgsqlDataSource db, PrdStore prds, IWorkflowGateway workflows, ApiMetrics metrics,
        CancellationToken cancellationToken)
    {
        var (body, problem) = await RequestBody.ReadAsync(http.Request, options.MaxBodyBytes, cancellationToken);
        if (body is null)
            return problem!;
        var errors = new FieldErrors();
        var key = http.Request.Headers.TryGetValue("Idempotency-Key", out var header) ? header.ToString() : null;
        if (key is not null && (key.Length is 0 or > 255 || key.Any(c => c is < '!' or > '~')))
            errors.Add("Idempotency-Key", "must be 1 to 255 visible ASCII characters.");
        var request = PrdRequest.Parse(
            body.Root, id => Directory.Exists(Path.Combine(options.ProjectsRoot, id)), EmployeeBackends.Choices, errors);
        if (request is null || errors.Any)
            return errors.ToResult();

        if (key is not null && await ReplayAsync(http, prds, key, body.Hash, cancellationToken) is { } known)
            return known;
        await db.CommitAsync(PrdChanges.EnsureProject(request.ProjectId), cancellationToken);
        var id = Ids.NewPrd();
        var (instance, start) = await workflows.PrepareStartAsync(
            Pipeline, new Dictionary<string, object?> { ["PrdId"] = id }, id, cancellationToken);
        var insert = PrdChanges.Insert(new()
        {
            Id = id,
            ProjectId = request.ProjectId,
            Title = request.Title,
            Description = request.Description,
            Tasks = request.Tasks,
            AcceptanceTests = request.AcceptanceTests,
            AllowTestChanges = request.AllowTestChanges,
            Backend = request.Backend,
            CreatedBy = Actor.Of(http),
            WorkflowInstanceId = instance,
            IdempotencyKey = key,
            RequestHash = key is null ? null : body.Hash,
        });
        var audit = AuditLog.Record(Actor.Of(http), "prd.submit", id, details: new { project_id = request.ProjectId, request_hash = body.Hash });
        if (!await db.CommitIfAsync(insert, [audit, .. start], cancellationToken))
        {
            // Another request with the same key was first by a hair; its PRD is there now.
            return key is not null && await ReplayAsync(http, prds, key, body.Hash, cancellationToken) is { } other
                ? other
                : throw new InvalidOperationException($"The new id {id} was taken.");
        }

        metrics.PrdSubmitted();
        return await CreatedAsync(prds, id, StatusCodes.Status201Created, http, cancellationToken);
    }

    private static async Task<IResult?> ReplayAsync(HttpContext http, PrdStore prds, string key, string hash, CancellationToken cancellationToken)
    {
        if (await prds.FindByIdempotencyKeyAsync(key, cancellationToken) is not { } known)
            return null;
        if (known.RequestHash != hash)
        {
            return Results.Problem(
                statusCode: StatusCodes.Status422UnprocessableEntity, title: "The Idempotency-Key was used for another request",
                detail: $"It belongs to {known.PrdId}, whose body was different. Use a new key for a new PRD.",
                extensions: new Dictionary<string, object?> { ["errors"] = new Dictionary<string, string[]> { ["Idempotency-Key"] = ["was used with another body."] } });
        }

        http.Response.Headers["Idempotent-Replayed"] = "true";
        return await CreatedAsync(prds, known.PrdId, StatusCodes.Status201Created, http, cancellationToken);
    }

    private static async Task<IResult> CreatedAsync(PrdStore prds, string id, int status, HttpContext http, CancellationToken cancellationToken)
    {
        var prd = (await prds.GetAsync(id, cancellationToken))!;
        http.Response.Headers.Location = $"/prds/{id}";
        return Results.Json(PrdItem.Of(prd), AuraApi.Json, statusCode: status);
    }

    private static async Task<IResult> ListAsync(HttpRequest http, PrdStore prds, CancellationToken cancellationToken)
    {
        var errors = new FieldErrors();
        var paging = Paging.Parse(http.Query, errors);
        PrdStatus? status = null;
        if (http.Query.TryGetValue("status", out var name) && (status = PrdStatuses.Find(name)) is null)
            errors.Add("status", $"'{name}' is no PRD status. Known: {string.Join(", ", Enum.GetValues<PrdStatus>().Select(s => s.ToName()))}.");
        var project = http.Query.TryGetValue("project_id", out var value) ? value.ToString() : null;
        if (errors.Any)
            return errors.ToResult();
        return Results.Json(await paging.ToPageAsync(
            limit => prds.ListAsync(limit, paging.Before, status, project, cancellationToken), p => p.Seq, PrdItem.Of), AuraApi.Json);
    }

    private static async Task<IResult> ShowAsync(string id, PrdStore prds, JobStore jobs, ArchiveStore archive, CancellationToken cancellationToken)
    {
        if (await prds.GetAsync(id, cancellationToken) is not { } prd)
            return Problems.NotFound("PRD", id, Where);
        return Results.Json(PrdView.Of(
            prd, await jobs.OfPrdAsync(id, cancellationToken), await archive.OfPrdAsync(id, cancellationToken)), AuraApi.Json);
    }

    private static async Task<IResult> ApproveAsync(
        string id, HttpContext http, AuraApiOptions options, NpgsqlDataSource db, PrdStore prds, IWorkflowGateway workflows,
        ApiMetrics metrics, CancellationToken cancellationToken)
    {
        var (body, problem) = await RequestBody.ReadAsync(http.Request, options.MaxBodyBytes, cancellationToken);
        if (body is null)
            return problem!;
        var errors = new FieldErrors();
        var hash = new FieldReader(body.Root, "", errors, "diff_hash").Text("diff_hash", 200, required: true);
        if (hash is null || errors.Any)
            return errors.ToResult();
        return await DecideAsync(
            id, "approve", hash, reason: null, PrdChanges.Approve(id, hash, Actor.Of(http)), http, db, prds, workflows, metrics, cancellationToken);
    }

    private static async Task<IResult> RejectAsync(
        string id, HttpContext http, AuraApiOptions options, NpgsqlDataSource db, PrdStore prds, IWorkflowGateway workflows,
        ApiMetrics metrics, CancellationToken cancellationToken)
    {
        var (body, problem) = await RequestBody.ReadAsync(http.Request, options.MaxBodyBytes, cancellationToken);
        if (body is null)
            return problem!;
        var errors = new FieldErrors();
        var fields = new FieldReader(body.Root, "", errors, "reason", "diff_hash");
        var reason = fields.Text("reason", 4000, required: true, multiline: true);
        var hash = fields.Text("diff_hash", 200);
        if (reason is null || errors.Any)
            return errors.ToResult();
        return await DecideAsync(
            id, "reject", hash, reason, PrdChanges.Reject(id, hash, Actor.Of(http), reason), http, db, prds, workflows, metrics, cancellationToken);
    }

    // The guard's row, the audit and the message to the workflow stand or fall together: no decision without its record or its effect.
    private static async Task<IResult> DecideAsync(
        string id, string decision, string? hash, string? reason, NpgsqlBatchCommand guard, HttpContext http, NpgsqlDataSource db,
        PrdStore prds, IWorkflowGateway workflows, ApiMetrics metrics, CancellationToken cancellationToken)
    {
        var actor = Actor.Of(http);
        var stimulus = workflows.PrepareStimulus(DecisionStimulus, new { PrdId = id }, new Dictionary<string, object?>
        {
            ["Decision"] = decision,
            ["DiffHash"] = hash,
            ["Actor"] = actor,
            ["Reason"] = reason,
        });
        var audit = AuditLog.Record(actor, "prd." + decision, id, details: new { diff_hash = hash, reason });
        var decided = await db.CommitIfAsync(guard, [audit, stimulus], cancellationToken);
        if (await prds.GetAsync(id, cancellationToken) is not { } prd)
            return Problems.NotFound("PRD", id, Where);
        if (decided)
        {
            metrics.Decided(decision);
            return Results.Json(PrdItem.Of(prd), AuraApi.Json);
        }

        var more = new Dictionary<string, object?> { ["prd_status"] = prd.Status.ToName(), ["diff_hash"] = prd.DiffHash };
        return prd.Status != PrdStatus.AwaitingApproval
            ? Problems.Conflict("The PRD does not wait for a decision", $"{id} is {prd.Status.ToName()}.", more)
            : Problems.Conflict("The diff is another one",
                $"The decision is about the diff {hash}, but {id} now has {prd.DiffHash}. Look at the diff again (GET /prds/{id}).", more);
    }
}
