using System.Text;
using System.Text.Json;
using Aura.Orchestra;
using Aura.Orchestra.Events;
using Aura.Orchestra.Prds;

namespace Aura.Host.Api;

/// <summary>
/// <c>GET /events</c>: the feed as server-sent events. <c>Last-Event-ID</c> (or <c>?after=</c>) resumes exactly behind that event;
/// without it the stream begins with the first event there is; <c>?after=now</c> brings only what is to come. <c>?prd_id=</c> filters.
/// </summary>
internal static class EventsApi
{
    public static void MapEvents(RouteGroupBuilder group) => group.MapGet("/events", FollowAsync);

    private static async Task<IResult> FollowAsync(
        HttpContext http, AuraApiOptions options, EventFeed feed, PrdStore prds, TimeProvider time, IHostApplicationLifetime lifetime,
        ApiMetrics metrics)
    {
        var aborted = http.RequestAborted;
        var field = http.Request.Headers.ContainsKey("Last-Event-ID") ? "Last-Event-ID" : "after";
        var text = field == "after" ? http.Request.Query["after"].ToString() : http.Request.Headers["Last-Event-ID"].ToString();
        var after = EventCursor.Start;
        if (text == "now")
            after = await feed.EndAsync(aborted);
        else if (text.Length > 0 && !EventCursor.TryParse(text, out after))
            return Problems.Field(field, $"'{text}' is not an event id. Send the id of the last event you saw, as it was.");
        string? prd = http.Request.Query.TryGetValue("prd_id", out var value) ? value.ToString() : null;
        if (prd is not null && !Ids.IsPrd(prd))
            return Problems.Field("prd_id", $"'{prd}' is no PRD id.");
        if (prd is not null && await prds.GetAsync(prd, aborted) is null)
            return Problems.NotFound("PRD", prd, "GET /prds lists them.");

        // Ends with the client or with the host: an open stream must not hold up the shutdown.
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(aborted, lifetime.ApplicationStopping);
        using var counted = metrics.StreamOpened();
        http.Response.ContentType = "text/event-stream";
        http.Response.Headers.CacheControl = "no-cache";
        http.Response.Headers["X-Accel-Buffering"] = "no";
        try
        {
            await WriteAsync(http.Response, "retry: 2000\n\n", flush: true, stop.Token);
            await PumpAsync(http.Response, feed.FollowAsync(after, prd, stop.Token), options.StreamHeartbeat, time, stop.Token);
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            // The usual end of a stream.
        }

        return Results.Empty;
    }

    private static async Task PumpAsync(
        HttpResponse response, IAsyncEnumerable<OrganisationEvent> events, TimeSpan heartbeat, TimeProvider time, CancellationToken cancellationToken)
    {
        await using var source = events.GetAsyncEnumerator(cancellationToken);
        while (true)
        {
            var next = source.MoveNextAsync().AsTask();
            try
            {
                while (!next.IsCompleted)
                {
                    await response.Body.FlushAsync(cancellationToken);
                    try
                    {
                        await next.WaitAsync(heartbeat, time, cancellationToken);
                    }
                    catch (TimeoutException) when (!next.IsCompleted)
                    {
                        await WriteAsync(response, ": alive\n\n", flush: false, cancellationToken);
                    }
                }
            }
            catch
            {
                // An enumerator must not be disposed while it moves.
                await ((Task)next).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                throw;
            }

            if (!await next)
                return;
            var e = source.Current;
            var data = JsonSerializer.Serialize(EventView.Of(e), AuraApi.Json);
            await WriteAsync(response, $"id: {e.Id}\nevent: {e.Type}\ndata: {data}\n\n", flush: false, cancellationToken);
        }
    }

    private static async Task WriteAsync(HttpResponse response, string text, bool flush, CancellationToken cancellationToken)
    {
        await response.Body.WriteAsync(Encoding.UTF8.GetBytes(text), cancellationToken);
        if (flush)
            await response.Body.FlushAsync(cancellationToken);
    }
}
