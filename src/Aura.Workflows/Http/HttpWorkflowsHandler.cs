using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Npgsql;

namespace Aura.Workflows.Http;

/// <summary>
/// Takes a request for a workflow: finds who listens, applies the endpoint's rules, hands the request over as data and waits for the
/// answer. Whichever host runs the workflow, this one holds the client's connection.
/// </summary>
internal sealed partial class HttpWorkflowsHandler(
    HttpTargets targets, HttpDelivery delivery, HttpResponses responses, IHostApplicationLifetime lifetime, TimeProvider time,
    IOptions<HttpWorkflowsOptions> options, ILogger<HttpWorkflowsHandler> logger)
{
    /// <summary>No client waits longer than this; after it, the sweeper takes unread answers away.</summary>
    private static readonly TimeSpan LongestWait = TimeSpan.FromDays(1);

    /// <summary>How long a request looks for a free bookmark while others are on their way to it.</summary>
    private static readonly TimeSpan LongestContest = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan ContestPause = TimeSpan.FromMilliseconds(25);
    private const string InstanceHeader = "X-Workflow-Instance-ID";
    private const string CorrelationHeader = "X-Correlation-ID";
    private const int MaxIdLength = 200;

    public async Task HandleAsync(HttpContext context)
    {
        if (lifetime.ApplicationStopping.IsCancellationRequested)
        {
            await UnavailableAsync(context, "This host is stopping", "Nothing was started. Send the request again; another host will take it.");
            return;
        }

        try
        {
            await RouteAsync(context);
        }
        catch (BadHttpRequestException e)
        {
            await HttpProblems.WriteAsync(context, e.StatusCode, "The request is not valid", e.Message);
        }
        catch (OperationCanceledException) when (context.RequestAborted.IsCancellationRequested)
        {
            // The client has gone. What it has started goes on.
        }
        catch (NpgsqlException e) when (!context.Response.HasStarted && e is not PostgresException { IsTransient: false })
        {
            LogDatabaseAway(logger, e);
            await UnavailableAsync(context, "The database does not answer", "Whether the workflow received the request is not known.");
        }
    }

    private async Task RouteAsync(HttpContext context)
    {
        if (IdOf(context, InstanceHeader, "workflowInstanceId", out var instanceId) is { } badInstance)
        {
            await HttpProblems.WriteAsync(context, StatusCodes.Status400BadRequest, "The request is not valid", badInstance);
            return;
        }

        if (IdOf(context, CorrelationHeader, "correlationId", out var correlationId) is { } badCorrelation)
        {
            await HttpProblems.WriteAsync(context, StatusCodes.Status400BadRequest, "The request is not valid", badCorrelation);
            return;
        }

        context.Request.Path.StartsWithSegments(options.Value.BasePath.TrimEnd('/'), StringComparison.OrdinalIgnoreCase, out var path);
        var started = time.GetTimestamp();
        HttpTarget? readFor = null;
        Dictionary<string, object?> input = [];
        while (true)
        {
            var found = await targets.FindAsync(context, path, instanceId, correlationId, context.RequestAborted);
            if (found.Count != 1)
            {
                await NoneOrManyAsync(context, found);
                return;
            }

            var target = found[0];
            // A body is read once; whoever gets the request later must have the rules it was read under.
            if (readFor is null)
            {
                if (await ReadAsync(context, target, path) is not { } request)
                    return;
                (readFor, input) = (target, new(StringComparer.Ordinal)
                {
                    [HttpRequestData.RequestKey] = request,
                    [HttpRequestData.RequestIdKey] = Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(16)),
                });
            }

            // From here on the request counts, also when its client leaves.
            context.RequestAborted.ThrowIfCancellationRequested();
            var delivered = HaveSameRules(target.Payload, readFor.Payload)
                ? await delivery.SendAsync(target, input, instanceId, correlationId, CancellationToken.None)
                : new HttpDelivered.Taken();
            switch (delivered)
            {
                case HttpDelivered.Sent sent:
                    await AnswerAsync(context, target, sent, (string)input[HttpRequestData.RequestIdKey]!);
                    return;
                case HttpDelivered.InstanceExists:
                    await HttpProblems.WriteAsync(
                        context, StatusCodes.Status409Conflict, "The instance exists",
                        $"There is an instance '{instanceId}'. Choose another id, or none.");
                    return;
                case HttpDelivered.NotActivated:
                    context.Response.Headers["x-elsa-workflow-cannot-start"] = "True";
                    return;
                case HttpDelivered.Taken when time.GetElapsedTime(started) > LongestContest:
                    await HttpProblems.WriteAsync(
                        context, StatusCodes.Status409Conflict, "Another request was first",
                        "The workflow has received another request at this path. Try again.");
                    return;
            }

            // The workflow may come to wait here again, in a loop for example; if not, the next look ends in 404.
            await Task.Delay(ContestPause, time, context.RequestAborted);
        }
    }

    /// <returns>The request as data; null when the client was turned away.</returns>
    private async Task<Dictionary<string, object?>?> ReadAsync(HttpContext context, HttpTarget target, PathString path)
    {
        if (!await IsAuthorizedAsync(context, target.Payload))
            return null;
        switch (await HttpRequestReader.ReadAsync(context, path, target.Route.Values, target.Payload, options.Value))
        {
            case HttpReading.Accepted accepted:
                return accepted.Request;
            case HttpReading.Refused refused:
                await HttpProblems.WriteAsync(context, refused.Status, refused.Title, refused.Detail);
                break;
        }

        return null;
    }

    private async Task AnswerAsync(HttpContext context, HttpTarget target, HttpDelivered.Sent sent, string requestId)
    {
        var limit = target.Payload.RequestTimeout is { } stated && stated > TimeSpan.Zero ? stated : options.Value.RequestTimeout;
        if (limit > LongestWait)
            limit = LongestWait;
        var outcome = await responses.WaitAsync(requestId, sent.InstanceId, sent.MessageId, limit, context.RequestAborted);
        switch (outcome)
        {
            case HttpOutcome.Answered answered:
                await HttpProblems.WriteAsync(context, answered.Answer);
                break;
            case HttpOutcome.TimedOut:
                await HttpProblems.WriteAsync(
                    context, StatusCodes.Status504GatewayTimeout, "The workflow did not answer in time", "It goes on without an answer.",
                    Instance(sent));
                break;
            case HttpOutcome.Silent { Faulted: { } state }:
                await HttpProblems.WriteAsync(
                    context, HttpProblems.StatusOf(state.Incidents), "The workflow broke off", "Its incidents say why.", Instance(sent));
                break;
            case HttpOutcome.Silent { IsReceived: false } when target is HttpTarget.Waiting:
                await NoneOrManyAsync(context, []);
                break;
            default:
                context.Response.ContentLength = 0;
                break;
        }
    }

    private static JsonObject Instance(HttpDelivered.Sent sent) => new() { ["workflowInstanceId"] = sent.InstanceId };

    private static async Task<bool> IsAuthorizedAsync(HttpContext context, HttpEndpointPayload rules)
    {
        if (!rules.Authorize && rules.Policy is null)
            return true;
        var user = context.User;
        if (user.Identity?.IsAuthenticated != true
            && context.RequestServices.GetService<IAuthenticationSchemeProvider>() is { } schemes
            && await schemes.GetDefaultAuthenticateSchemeAsync() is { } scheme
            && await context.AuthenticateAsync(scheme.Name) is { Succeeded: true } result)
        {
            user = context.User = result.Principal;
        }

        if (user.Identity?.IsAuthenticated != true)
        {
            context.Response.Headers.WWWAuthenticate = "Bearer";
            await HttpProblems.WriteAsync(
                context, StatusCodes.Status401Unauthorized, "Credentials are needed", "This endpoint takes requests of authenticated users only.");
            return false;
        }

        if (rules.Policy is { } policy)
        {
            var authorization = context.RequestServices.GetRequiredService<IAuthorizationService>();
            if (await authorization.AuthorizeAsync(user, null, policy) is { Succeeded: false })
            {
                await HttpProblems.WriteAsync(context, StatusCodes.Status403Forbidden, "Not allowed", "The caller may not use this endpoint.");
                return false;
            }
        }

        return true;
    }

    private static Task NoneOrManyAsync(HttpContext context, IReadOnlyList<HttpTarget> found) => found.Count == 0
        ? HttpProblems.WriteAsync(
            context, StatusCodes.Status404NotFound, "No workflow listens here", "No workflow waits for this method at this path, with these ids.")
        : HttpProblems.WriteAsync(
            context, StatusCodes.Status500InternalServerError, "The call is ambiguous and matches multiple workflows",
            $"Several listen here: {string.Join("; ", found.Select(t => t.Description))}. "
                + "Name an instance or a correlation id, or give them different paths.",
            new() { ["workflows"] = new JsonArray([.. found.Select(t => (JsonNode)t.Description)]) });

    private static Task UnavailableAsync(HttpContext context, string title, string detail)
    {
        context.Response.Headers.RetryAfter = "5";
        return HttpProblems.WriteAsync(context, StatusCodes.Status503ServiceUnavailable, title, detail);
    }

    /// <summary>The rules as they are stored: lists compare by their members.</summary>
    private static bool HaveSameRules(HttpEndpointPayload one, HttpEndpointPayload other) =>
        ReferenceEquals(one, other) || JsonSerializer.Serialize(one, WorkflowJson.Options) == JsonSerializer.Serialize(other, WorkflowJson.Options);

    /// <returns>What is wrong with the id, or null.</returns>
    private static string? IdOf(HttpContext context, string header, string query, out string? id)
    {
        var given = context.Request.Headers[header].ToString() is { Length: > 0 } value ? value : context.Request.Query[query].ToString();
        id = given.Length > 0 ? given : null;
        return given.Length > MaxIdLength || given.Any(char.IsControl) || !PlainValue.IsStorable(given)
            ? $"The id in {header} or {query} may have at most {MaxIdLength} characters and no control characters."
            : null;
    }

    [LoggerMessage(1201, LogLevel.Warning, "A request for a workflow was turned away: the database does not answer.")]
    private static partial void LogDatabaseAway(ILogger logger, Exception exception);
}
