using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;
using Aura.Activities;
using Aura.Host.Security;
using Aura.Orchestra;
using Aura.Orchestra.Audit;
using Aura.Orchestra.Employees;
using Aura.Orchestra.Employees.Ledger;
using Aura.Orchestra.Jobs;
using Aura.Orchestra.Models;
using Aura.Orchestra.Storage;
using Aura.Workflows.Runtime;
using Npgsql;

namespace Aura.Host.Api;

/// <summary>What a worker gets when it has claimed a job.</summary>
/// <param name="Delivery">1 at first; the same attempt comes again when its worker dies.</param>
/// <param name="Lease">The holder's secret: whoever has it speaks for the holder.</param>
/// <param name="JobToken">For the MCP service; good for this attempt's sandbox while the lease is held.</param>
internal sealed record JobAssignment(
    string JobId, int Attempt, int Delivery, string Model, string Backend, string SandboxId, string Lease, double LeaseSeconds, double HeartbeatSeconds,
    double TimeoutSeconds, string JobToken, EmployeeRequest Request);

/// <summary>
/// The API for workers: processes that speak HTTP only. A claim leases the job's durable task, and everything else names that lease; what a
/// worker hands in runs through the very activity that hosts run. Every refusal for a lost lease is 409 with a <c>code</c>.
/// </summary>
internal static class WorkersApi
{
    /// <summary>Shorter than what proxies and clients allow a silent request.</summary>
    private const int MaxWaitSeconds = 55;
    private const int MaxModels = 50;
    internal const int MaxCalls = 1000;
    private const string LeaseLost = "lease_lost";
    private const string Cancelled = "cancelled";

    private static readonly JsonSerializerOptions ResultJson = ResultOptions();

    public static void MapWorkers(IEndpointRouteBuilder app)
    {
        var jobs = app.MapGroup("").RequireAuthorization(Permissions.WorkOnJobs);
        jobs.MapPost("/jobs/claim", ClaimAnyAsync);
        jobs.MapPost("/jobs/{id}/claim", ClaimOneAsync);
        jobs.MapPost("/jobs/{id}/heartbeat", HeartbeatAsync);
        jobs.MapPost("/jobs/{id}/release", ReleaseAsync);
        jobs.MapPost("/jobs/{id}/submit", SubmitAsync);
        jobs.MapPost("/models/{name}/artifact", KeepArtifactAsync);
    }

    private static async Task<IResult> ClaimAnyAsync(
        HttpContext http, AuraApiOptions options, TaskLeases leases, ModelStore models, NpgsqlDataSource db, CancellationToken cancellationToken)
    {
        var (body, problem) = await RequestBody.ReadAsync(http.Request, options.MaxBodyBytes, cancellationToken);
        if (body is null)
            return problem!;
        var errors = new FieldErrors();
        var fields = new FieldReader(body.Root, "", errors, "worker", "backend", "models", "wait_seconds");
        var worker = WorkerNames.Read(fields, errors);
        var backend = fields.Text("backend", 50, required: true);
        if (backend is not null && !EmployeeBackends.Names.Contains(backend, StringComparer.Ordinal))
            errors.Add("backend", $"'{backend}' is no backend. Known: {string.Join(", ", EmployeeBackends.Names)}.");
        List<string> names = [.. fields.Texts("models", MaxModels, 200).Select(t => t.Text).Distinct(StringComparer.Ordinal)];
        var wait = TimeSpan.FromSeconds(fields.Integer("wait_seconds", 0, MaxWaitSeconds) ?? 0);
        if (worker is null || backend is null || errors.Any)
            return errors.ToResult();
        var backends = names.Count == 0 ? new Dictionary<string, string>() : await models.BackendsAsync(names, cancellationToken);
        foreach (var name in names)
        {
            if (!backends.TryGetValue(name, out var known))
                return Problems.NotFound("model", name, $"Register it: POST /models/{Uri.EscapeDataString(name)}/register. {ModelsApi.Where}");
            if (known != backend)
                return Problems.Conflict("The model belongs to another backend", $"'{name}' is a model of '{known}', not of '{backend}'.");
        }

        // Whoever waits for work serves its models.
        if (names.Count > 0)
            await db.CommitAsync([.. names.Select(n => ModelChanges.Seen(n, worker))], cancellationToken);
        var found = await ClaimAsync(
            http, worker, EmployeeBackends.QueueOf(backend), names.Count == 0 ? null : [.. names.Select(n => Inputs(("Model", n)))], wait,
            cancellationToken);
        return found is null ? Results.NoContent() : Results.Json(found, AuraApi.Json);
    }

    private static async Task<IResult> ClaimOneAsync(
        string id, HttpContext http, AuraApiOptions options, JobStore jobs, CancellationToken cancellationToken)
    {
        var (body, problem) = await RequestBody.ReadAsync(http.Request, options.MaxBodyBytes, cancellationToken);
        if (body is null)
            return problem!;
        var errors = new FieldErrors();
        var worker = WorkerNames.Read(new(body.Root, "", errors, "worker"), errors);
        if (worker is null || errors.Any)
            return errors.ToResult();
        if (await jobs.GetAsync(id, cancellationToken) is not { } job)
            return Problems.NotFound("job", id, "POST /jobs/claim gives out the most urgent one.");
        if (await ClaimAsync(http, worker, Composition.EmployeeQueues, [Inputs(("JobId", id))], TimeSpan.Zero, cancellationToken) is { } found)
            return Results.Json(found, AuraApi.Json);
        return Problems.Conflict("The job cannot be claimed now",
            $"{id} is {job.Status.ToName()}. It can be claimed while it waits for an employee: not before it is assigned, not while somebody works on it, "
            + "and not while as many employees work as are allowed at once.", Code("not_claimable"));
    }

    /// <summary>Claims and begins the work. A task that cannot be begun is failed, as by a host, and the next one is tried.</summary>
    private static async Task<JobAssignment?> ClaimAsync(
        HttpContext http, string worker, string queue, IReadOnlyList<IReadOnlyDictionary<string, object>>? matching, TimeSpan wait,
        CancellationToken cancellationToken)
    {
        var services = http.RequestServices;
        var leases = services.GetRequiredService<TaskLeases>();
        var time = services.GetRequiredService<TimeProvider>();
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(
            cancellationToken, services.GetRequiredService<IHostApplicationLifetime>().ApplicationStopping);
        var secret = Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(16));
        var begun = time.GetTimestamp();
        while (true)
        {
            TaskLease? lease;
            try
            {
                var left = wait - time.GetElapsedTime(begun);
                lease = await leases.ClaimAsync(new(LeaseText.OwnerOf(worker, secret), queue) { Matching = matching }, left, stop.Token);
            }
            catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
            {
                // This host stops; the worker asks another one, or this one when it is back.
                return null;
            }

            if (lease is null)
                return null;
            if (await BeginAsync(http, worker, secret, lease) is not { } assignment)
                continue;
            if (!cancellationToken.IsCancellationRequested)
                return assignment;
            // Nobody is there any more to take it.
            await leases.ReleaseAsync(lease.Key, CancellationToken.None);
            return null;
        }
    }

    private static async Task<JobAssignment?> BeginAsync(HttpContext http, string worker, string secret, TaskLease lease)
    {
        var leases = http.RequestServices.GetRequiredService<TaskLeases>();
        try
        {
            var order = await leases.RunPartAsync(
                lease.Key, async (activity, context) => await WorkOf(activity).BeginAsync(context), CancellationToken.None);
            if (order is null)
                return null;
            var request = order.Request;
            await http.RequestServices.GetRequiredService<NpgsqlDataSource>().CommitAsync([
                ModelChanges.Seen(request.Model, worker),
                AuditLog.Record(Actor.Of(http), "job.claim", request.PrdId, request.JobId, new { worker, request.Attempt, order.Delivery, request.Model })],
                CancellationToken.None);
            return new(
                request.JobId, request.Attempt, order.Delivery, request.Model, order.Backend, order.Sandbox.Id,
                new LeaseText(lease.Key.TaskId, lease.Key.Fence, secret, worker).ToString(), lease.Lasts.TotalSeconds, lease.Lasts.TotalSeconds / 3,
                lease.Timeout.TotalSeconds,
                http.RequestServices.GetRequiredService<JobTokens>().Issue(
                    new(request.Model, request.JobId, request.Attempt, order.Sandbox.Id, lease.Key.TaskId, lease.Key.Fence), lease.Timeout),
                request);
        }
        // The edge of a task, as in a host's own loop: whatever keeps it from beginning is a failed delivery. The database itself is for the caller.
        catch (Exception e) when (e is not NpgsqlException { IsTransient: true })
        {
            await leases.FailAsync(lease.Key, e, CancellationToken.None);
            return null;
        }
    }

    private static Task<IResult> HeartbeatAsync(
        string id, HttpContext http, AuraApiOptions options, TaskLeases leases, NpgsqlDataSource db, CancellationToken cancellationToken) =>
        WithLeaseAsync(id, http, options, async (key, lease) =>
        {
            if (await leases.HeartbeatAsync(key.Key, cancellationToken) != LeaseState.Held)
                return await LostAsync(id, http, cancellationToken);
            await db.CommitAsync(ModelChanges.Seen(ModelOf(lease), key.Worker), cancellationToken);
            return Results.Json(new { JobId = id, LeaseSeconds = lease.Lasts.TotalSeconds }, AuraApi.Json);
        }, cancellationToken);

    private static Task<IResult> ReleaseAsync(
        string id, HttpContext http, AuraApiOptions options, TaskLeases leases, NpgsqlDataSource db, CancellationToken cancellationToken) =>
        WithLeaseAsync(id, http, options, async (key, _) =>
        {
            if (!await leases.ReleaseAsync(key.Key, cancellationToken))
                return await LostAsync(id, http, cancellationToken);
            await db.CommitAsync(AuditLog.Record(Actor.Of(http), "job.release", jobId: id, details: new { key.Worker }), cancellationToken);
            return Results.Json(new { JobId = id, Released = true }, AuraApi.Json);
        }, cancellationToken);

    /// <summary>For requests that hold nothing but a lease.</summary>
    private static async Task<IResult> WithLeaseAsync(
        string id, HttpContext http, AuraApiOptions options, Func<LeaseText, TaskLease, Task<IResult>> act, CancellationToken cancellationToken)
    {
        var (body, problem) = await RequestBody.ReadAsync(http.Request, options.MaxBodyBytes, cancellationToken);
        if (body is null)
            return problem!;
        var errors = new FieldErrors();
        var key = LeaseText.Read(new(body.Root, "", errors, "lease"), errors);
        if (key is null || errors.Any)
            return errors.ToResult();
        var (lease, refusal) = await HeldAsync(id, key, http, cancellationToken);
        return lease is null ? refusal! : await act(key, lease);
    }

    private static async Task<IResult> SubmitAsync(
        string id, HttpContext http, AuraApiOptions options, TaskLeases leases, CancellationToken cancellationToken)
    {
        var (body, problem) = await RequestBody.ReadAsync(http.Request, options.MaxBodyBytes, cancellationToken);
        if (body is null)
            return problem!;
        var errors = new FieldErrors();
        var fields = new FieldReader(body.Root, "", errors, "lease", "result", "calls");
        var key = LeaseText.Read(fields, errors);
        var result = ReadResult(fields, errors);
        var calls = ReadCalls(fields, errors);
        if (key is null || result is null || errors.Any)
            return errors.ToResult();
        var (lease, refusal) = await HeldAsync(id, key, http, cancellationToken);
        // Not held any more: it may have been handed in before, and the answer to that have been lost.
        if (lease is null && refusal is not IStatusCodeHttpResult { StatusCode: StatusCodes.Status409Conflict })
            return refusal!;
        var outcome = await leases.AnswerAsync(
            key.Key, Hash(id, body),
            async (activity, context) =>
            {
                var order = WorkOf(activity);
                var job = await order.ConcludeAsync(context, result);
                var work = context.GetRequiredService<UnitOfWork>();
                // Whose calls they are the lease says, not the worker.
                work.Add(calls.Select(c => ModelCallStore.Insert(c with
                {
                    Purpose = "work",
                    PrdId = job.PrdId,
                    JobId = id,
                    Attempt = order.Attempt.Get(context),
                    Model = order.Model.Get(context),
                    Backend = order.BackendOf(context),
                })));
                work.Add(AuditLog.Record(
                    Actor.Of(http), "job.submit", jobId: id, details: new { key.Worker, finish = result.FinishReason.ToString() }));
            }, cancellationToken);
        return outcome switch
        {
            AnswerOutcome.Accepted or AnswerOutcome.Repeated => Results.Json(
                new { JobId = id, Accepted = true, result.FinishReason }, AuraApi.Json),
            AnswerOutcome.Contradicted => Problems.Conflict(
                "Another result was handed in before", $"The result of {id} under this lease is on record and stays. Nothing was changed.", Code("contradicted")),
            AnswerOutcome.Faulted => Results.Problem(
                statusCode: StatusCodes.Status422UnprocessableEntity, title: "The result cannot be kept",
                detail: $"The database refused what was handed in for {id}. Its workflow has an incident that tells why.", extensions: Code("result_refused")),
            _ => await LostAsync(id, http, cancellationToken),
        };
    }

    private static async Task<IResult> KeepArtifactAsync(
        string name, HttpContext http, AuraApiOptions options, NpgsqlDataSource db, CancellationToken cancellationToken)
    {
        var (body, problem) = await RequestBody.ReadAsync(http.Request, options.MaxBodyBytes, cancellationToken);
        if (body is null)
            return problem!;
        name = ModelsApi.NameOf(name);
        var errors = new FieldErrors();
        var fields = new FieldReader(body.Root, "", errors, "job_id", "lease", "type", "artifact");
        var id = fields.Text("job_id", 50, required: true);
        var key = LeaseText.Read(fields, errors);
        var type = fields.Text("type", 20, required: true);
        // The diff and the verdicts are the manager's own, taken from the sandbox.
        if (type is not null && type is not (ArtifactTypes.Patch or ArtifactTypes.Transcript))
            errors.Add("type", $"'{type}' is nothing that a worker hands in. Known: {ArtifactTypes.Patch}, {ArtifactTypes.Transcript}.");
        var artifact = fields.Object("artifact", required: true);
        if (id is null || key is null || type is null || artifact is null || errors.Any)
            return errors.ToResult();
        var (lease, refusal) = await HeldAsync(id, key, http, cancellationToken);
        if (lease is null)
            return refusal!;
        if (ModelOf(lease) != name)
            return Problems.Conflict("Another model works on the job", $"{id} is assigned to '{ModelOf(lease)}', not to '{name}'.", Code("other_model"));
        var attempt = Convert.ToInt32(lease.Inputs["Attempt"], CultureInfo.InvariantCulture);
        var kept = await db.CommitIfAsync(
            ModelChanges.Artifact(name, id, attempt, type, artifact.Value),
            [AuditLog.Record(Actor.Of(http), "model.artifact", jobId: id, details: new { model = name, attempt, type })], cancellationToken);
        // The first of an attempt and type stays; sent again it does no harm.
        return Results.Json(new { JobId = id, Attempt = attempt, Type = type, Kept = kept }, AuraApi.Json);
    }

    /// <summary>The lease if it is that job's and held, else the answer.</summary>
    private static async Task<(TaskLease? Lease, IResult? Refusal)> HeldAsync(string id, LeaseText key, HttpContext http, CancellationToken cancellationToken)
    {
        var lease = await http.RequestServices.GetRequiredService<TaskLeases>().FindAsync(key.Key, cancellationToken);
        if (lease is null)
        {
            return Ids.IsJob(id) && await http.RequestServices.GetRequiredService<JobStore>().GetAsync(id, cancellationToken) is not null
                ? (null, await LostAsync(id, http, cancellationToken))
                : (null, Problems.NotFound("job", id, "A claim's answer names its job."));
        }

        return lease.Inputs.GetValueOrDefault("JobId") as string == id
            ? (lease, null)
            : (null, Problems.Field("lease", $"is not a lease of {id}."));
    }

    private static async Task<IResult> LostAsync(string id, HttpContext http, CancellationToken cancellationToken)
    {
        var job = await http.RequestServices.GetRequiredService<JobStore>().GetAsync(id, cancellationToken);
        return job?.Status is JobStatus.Cancelled or JobStatus.Failed or JobStatus.Escalated
            ? Problems.Conflict("The job was ended", $"{id} is {job.Status.ToName()}: {job.StatusReason}. Stop the work; nothing was changed.", Code(Cancelled))
            : Problems.Conflict("The lease was lost",
                $"{id} is not yours any more: the lease ran out or was given back, or the job was taken away. Stop the work; nothing was changed.", Code(LeaseLost));
    }

    private static EmployeeResult? ReadResult(FieldReader fields, FieldErrors errors)
    {
        if (fields.Object("result", required: true) is not { } given)
            return null;
        try
        {
            var result = given.Deserialize<EmployeeResult>(ResultJson)!;
            if (result.SelfConfidence is not (null or (>= 0 and <= 1)))
                errors.Add("result.self_confidence", "must be a number from 0 to 1.");
            return result;
        }
        catch (JsonException e)
        {
            var path = e.Path is { Length: > 1 } at ? "result" + at[1..] : "result";
            errors.Add(path, e.Message.Split(" Path:")[0]);
            return null;
        }
    }

    /// <summary>The calls of models that the worker made, for the ledger.</summary>
    private static List<ModelCall> ReadCalls(FieldReader fields, FieldErrors errors)
    {
        var calls = new List<ModelCall>();
        foreach (var (item, index) in fields.Array("calls", MaxCalls).Select((item, index) => (item, index)))
        {
            try
            {
                var call = item.Deserialize<ModelCall>(ResultJson)!;
                if (call.Latency < TimeSpan.Zero || call.FirstToken < TimeSpan.Zero || call.Retries < 0 || call.Cost < 0
                    || call.Usage is { Prompt: < 0 } or { Cached: < 0 } or { Completion: < 0 })
                    errors.Add($"calls[{index}]", "must hold no negative number.");
                else
                    calls.Add(call);
            }
            catch (JsonException e)
            {
                errors.Add($"calls[{index}]", e.Message.Split(" Path:")[0]);
            }
        }

        return calls;
    }

    /// <summary>A member that is not known may be a typing error; a number is no reason to finish.</summary>
    private static JsonSerializerOptions ResultOptions()
    {
        var options = new JsonSerializerOptions(AuraApi.Json)
        {
            UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
            RespectNullableAnnotations = true,
        };
        options.Converters.Insert(0, new JsonStringEnumConverter(namingPolicy: null, allowIntegerValues: false));
        return options;
    }

    private static EmployeeWork WorkOf(Workflows.IActivity activity) => activity as EmployeeWork
        ?? throw new InvalidOperationException($"Activity '{activity.Id}' stands on a queue of employees, but workers do only Aura.EmployeeWork.");

    private static string ModelOf(TaskLease lease) => lease.Inputs.GetValueOrDefault("Model") as string ?? "";

    private static Dictionary<string, object> Inputs(params ReadOnlySpan<(string Name, string Value)> values)
    {
        var inputs = new Dictionary<string, object>();
        foreach (var (name, value) in values)
            inputs[name] = value;
        return inputs;
    }

    private static string Hash(string id, RequestBody body) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes($"{id} {body.Hash}")));

    private static Dictionary<string, object?> Code(string code) => new() { ["code"] = code };
}

/// <summary>The names under which workers report.</summary>
internal static class WorkerNames
{
    public const int MaxLength = 100;

    public static string? Read(FieldReader fields, FieldErrors errors)
    {
        var name = fields.Text("worker", MaxLength, required: true);
        if (name is null || IsName(name))
            return name;
        errors.Add("worker", "must be of letters, digits, '.', '_' and '-'.");
        return null;
    }

    public static bool IsName(string name) => name.Length is > 0 and <= MaxLength && name.All(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '_' or '-');
}

/// <summary>A lease as a worker holds it: <c>task.fence.secret.worker</c>. Of the secret the database has the hash.</summary>
internal sealed record LeaseText(long TaskId, long Fence, string Secret, string Worker)
{
    public TaskLeaseKey Key => new(TaskId, Fence, OwnerOf(Worker, Secret));

    public static string OwnerOf(string worker, string secret) =>
        $"worker:{worker}:{Convert.ToHexStringLower(SHA256.HashData(Encoding.ASCII.GetBytes(secret)).AsSpan(0, 16))}";

    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{TaskId}.{Fence}.{Secret}.{Worker}");

    public static LeaseText? Read(FieldReader fields, FieldErrors errors)
    {
        if (fields.Text("lease", 300, required: true) is not { } text)
            return null;
        var parts = text.Split('.', 4);
        if (parts.Length == 4 && long.TryParse(parts[0], NumberStyles.None, CultureInfo.InvariantCulture, out var task)
            && long.TryParse(parts[1], NumberStyles.None, CultureInfo.InvariantCulture, out var fence)
            && parts[2].Length == 32 && parts[2].All(char.IsAsciiHexDigitLower) && WorkerNames.IsName(parts[3]))
            return new(task, fence, parts[2], parts[3]);
        errors.Add("lease", "is not the 'lease' of a claim's answer.");
        return null;
    }
}
