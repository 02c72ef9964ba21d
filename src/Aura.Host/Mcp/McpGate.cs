using System.Collections.Concurrent;
using System.Threading.RateLimiting;
using Aura.Host.Api;
using Aura.Host.Security;
using Aura.Orchestra.Employees;
using Aura.Orchestra.Events;
using Aura.Orchestra.Sandboxes;
using Aura.Orchestra.Storage;
using Aura.Orchestra.Tools;
using Aura.Orchestra.Users;
using Aura.Workflows.Runtime;
using Npgsql;

namespace Aura.Host.Mcp;

/// <summary>Who calls.</summary>
/// <param name="Identity">The same for the same caller in the same sandbox, however often the token is renewed.</param>
/// <param name="Job">Null for a person.</param>
internal sealed record McpCaller(string Name, string Identity, JobTokenClaims? Job);

/// <summary>
/// The way in. An employee's token opens its one sandbox while its lease lives; a Director or ManagerOperator reaches sandboxes that they
/// opened themselves. What is refused here leaves an event and a count.
/// </summary>
internal sealed class McpGate(
    AuraApiOptions options, JobTokens jobTokens, AccessTokens accessTokens, UserStanding standing, LeaseStanding leases, ToolSessions sessions,
    PersonalSandboxes personal, NpgsqlDataSource dataSource, McpMetrics metrics, TimeProvider time) : IDisposable
{
    /// <summary>Refusals beyond this many a minute are only counted: a stranger must not fill the table of events.</summary>
    private const int MaxEvents = 120;

    private readonly PartitionedRateLimiter<string> _rates = PartitionedRateLimiter.Create<string, string>(identity =>
        RateLimitPartition.GetTokenBucketLimiter(identity, _ => new()
        {
            TokenLimit = 2000,
            TokensPerPeriod = 100,
            ReplenishmentPeriod = TimeSpan.FromMilliseconds(100),
            QueueLimit = 0,
        }));

    private long _minute;
    private int _events;

    public const string SessionHeader = "Aura-Session";
    private const string HowTo = "Send 'Authorization: Bearer <token>': an employee's token, a person's access token, or the Director's key.";

    /// <summary>Checks the credentials alone.</summary>
    public async Task<(McpCaller? Caller, McpRefusal? Refusal)> IdentifyAsync(HttpContext http)
    {
        var (caller, refusal) = await CallerAsync(http);
        if (caller is not null && !TryTake(caller.Identity))
            (caller, refusal) = (null, new(StatusCodes.Status429TooManyRequests, "rate_limited", "More than 1000 requests a second come from this caller. Wait a second."));
        return (caller, refusal);
    }

    /// <summary>The tools of the caller's sandbox.</summary>
    /// <param name="sessionId">The sandbox that the request names; null when it names none.</param>
    public async Task<(ToolSession? Session, McpRefusal? Refusal)> OpenAsync(McpCaller caller, string? sessionId, CancellationToken cancellationToken)
    {
        if (caller.Job is { } job)
        {
            if (sessionId is { Length: > 0 } && sessionId != job.SandboxId && sessionId != job.JobId)
                return (null, new(StatusCodes.Status403Forbidden, "other_sandbox", $"This token is good for '{job.SandboxId}' only."));
            var own = job.SandboxId == SandboxStore.IdOf(job.JobId, job.Attempt) ? sessions.Open(job.SandboxId, new(job.Model, job.JobId, job.Attempt)) : Mixed;
            return own.Refusal is { } gone ? (null, new(StatusCodes.Status409Conflict, "sandbox_gone", gone.Message)) : (own.Value, null);
        }

        if (string.IsNullOrEmpty(sessionId))
        {
            return (null, new(StatusCodes.Status400BadRequest, "session_required",
                "Name the sandbox: open one with POST /mcp/create_sandbox {\"project\":…,\"session_id\":…}, then send that session_id "
                + $"(for MCP as the header {SessionHeader} or the query's session_id)."));
        }

        if (await personal.FindAsync(sessionId, cancellationToken) is not { } session)
            return (null, new(StatusCodes.Status404NotFound, "unknown_session", "There is no session of that name. POST /mcp/create_sandbox opens one."));
        if (session.CreatedBy != caller.Name)
            return (null, new(StatusCodes.Status403Forbidden, "other_session", "That session was opened by somebody else."));
        var opened = sessions.Open(session.SandboxId, new(caller.Name, null, 1));
        return opened.Refusal is { } missing ? (null, new(StatusCodes.Status409Conflict, "sandbox_gone", missing.Message)) : (opened.Value, null);
    }

    /// <summary>Writes the refusal to the caller, the events and the counts.</summary>
    public async Task RefuseAsync(HttpContext http, McpRefusal refusal, McpCaller? caller = null)
    {
        await RecordAsync(http, refusal, caller?.Job ?? (http.Items[typeof(JobTokenClaims)] as JobTokenClaims), caller?.Name);
        await refusal.WriteAsync(http);
    }

    public void Dispose() => _rates.Dispose();

    private static SandboxResult<ToolSession> Mixed => new Refusal(RefusalCodes.InvalidSandbox, "The token's sandbox is not of its job and attempt.");

    private async Task<(McpCaller? Caller, McpRefusal? Refusal)> CallerAsync(HttpContext http)
    {
        var authorization = http.Request.Headers.Authorization.ToString();
        if (!authorization.StartsWith("Bearer ", StringComparison.OrdinalIgnoreCase))
            return (null, new(StatusCodes.Status401Unauthorized, "no_token", HowTo));
        var token = authorization["Bearer ".Length..].Trim();
        if (SignedTokens.TypeOf(token) == JobTokens.Type)
            return await EmployeeAsync(token, http);
        if (DirectorKey.Matches(token, options.DirectorKey))
            return (new(UserNames.Director, "person/" + UserNames.Director, null), null);
        if (!AccessTokens.LooksLikeOne(token))
            return (null, new(StatusCodes.Status401Unauthorized, "wrong_key", $"The key is wrong. {HowTo}"));
        var (subject, problem) = accessTokens.Read(token);
        if (subject is null)
            return (null, new(StatusCodes.Status401Unauthorized, "token_refused", problem!));
        if (!await standing.IsCurrentAsync(subject, http.RequestAborted))
            return (null, new(StatusCodes.Status401Unauthorized, "token_outdated", "The user was disabled or changed since the token was issued. Sign in again."));
        return subject.Roles.Any(Permissions.Roles[Permissions.RunOrganisation].Contains)
            ? (new(subject.Name, "person/" + subject.Subject, null), null)
            : (null, new(StatusCodes.Status403Forbidden, "not_permitted", $"{subject.Name} lacks the role Director or ManagerOperator."));
    }

    private async Task<(McpCaller? Caller, McpRefusal? Refusal)> EmployeeAsync(string token, HttpContext http)
    {
        var (claims, problem) = jobTokens.Read(token);
        if (claims is null)
            return (null, new(StatusCodes.Status401Unauthorized, problem!.Code, problem.Text));
        // From here on it is known whose call it is, also when it is refused.
        http.Items[typeof(JobTokenClaims)] = claims;
        return await leases.IsHeldAsync(claims.Task, claims.Fence, http.RequestAborted)
            ? (new(claims.Model, $"job/{claims.SandboxId}/{claims.Task}/{claims.Fence}", claims), null)
            : (null, new(StatusCodes.Status401Unauthorized, "lease_lost", "The lease of this attempt has ended: stop working on it. What was not submitted is discarded."));
    }

    private bool TryTake(string identity)
    {
        using var lease = _rates.AttemptAcquire(identity);
        return lease.IsAcquired;
    }

    private async Task RecordAsync(HttpContext http, McpRefusal refusal, JobTokenClaims? job, string? name)
    {
        metrics.Refused(refusal.Code);
        var minute = time.GetUtcNow().Ticks / TimeSpan.TicksPerMinute;
        if (Interlocked.Exchange(ref _minute, minute) != minute)
            Interlocked.Exchange(ref _events, 0);
        if (Interlocked.Increment(ref _events) > MaxEvents)
            return;
        var path = http.Request.Path.ToString();
        var data = new
        {
            code = refusal.Code,
            status = refusal.Status,
            method = http.Request.Method,
            path = path.Length > 200 ? path[..200] : path,
            from = http.Connection.RemoteIpAddress?.ToString(),
            model = job?.Model,
            attempt = job?.Attempt,
            actor = name,
        };
        try
        {
            if (job is null || await dataSource.CommitAsync(EventChanges.OfJob(job.JobId, "job.call_refused", data), CancellationToken.None) == 0)
                await dataSource.CommitAsync(EventChanges.OfNobody("mcp.call_refused", data), CancellationToken.None);
        }
        catch (NpgsqlException)
        {
            // The refusal stands, also while the database is away; the count says that it happened.
        }
    }
}

/// <summary>Whether the leases behind employees' tokens live. An answer is believed for at most two seconds.</summary>
internal sealed class LeaseStanding(TaskLeases leases, TimeProvider time)
{
    public static readonly TimeSpan Staleness = TimeSpan.FromSeconds(2);
    private const int MaxKnown = 4096;

    private readonly ConcurrentDictionary<(long Task, long Fence), DateTimeOffset> _held = new();

    public async Task<bool> IsHeldAsync(long task, long fence, CancellationToken cancellationToken)
    {
        var now = time.GetUtcNow();
        if (_held.TryGetValue((task, fence), out var until) && now < until)
            return true;
        if (await leases.RemainingAsync(task, fence, cancellationToken) is not { } remaining)
        {
            // No is never remembered: a claim may come in this moment.
            _held.TryRemove((task, fence), out _);
            return false;
        }

        if (_held.Count >= MaxKnown)
            _held.Clear();
        // A lease that runs out sooner may be somebody else's then.
        _held[(task, fence)] = now + (remaining < Staleness ? remaining : Staleness);
        return true;
    }
}
