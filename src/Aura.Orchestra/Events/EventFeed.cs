using System.Runtime.CompilerServices;
using System.Text.Json;
using Aura.Orchestra.Storage;
using Npgsql;
using NpgsqlTypes;
using static Aura.Orchestra.Storage.Statement;

namespace Aura.Orchestra.Events;

/// <summary>One thing that happened.</summary>
public sealed record OrganisationEvent(EventCursor Id, string? PrdId, string? JobId, string Type, JsonElement Data, DateTimeOffset CreatedAt);

/// <summary>
/// The events in an order that never changes behind a reader: by the writing transaction, and only below the oldest transaction that
/// is still running. What a late transaction commits therefore always lies ahead of every reader. See README.md.
/// </summary>
public sealed class EventFeed(NpgsqlDataSource dataSource, EventSignal signal)
{
    private const int Page = 500;

    private const string Columns = "SELECT xid, id, prd_id, job_id, type, data, created_at FROM aura.job_events";

    /// <summary>The events after <paramref name="after"/>, at most <paramref name="limit"/>, in feed order.</summary>
    public Task<IReadOnlyList<OrganisationEvent>> ReadAsync(
        EventCursor after, string? prdId = null, int limit = Page, CancellationToken cancellationToken = default) =>
        dataSource.ReadAsync($"""
            {Columns}
            WHERE (xid, id) > ($1, $2) AND xid < pg_snapshot_xmin(pg_current_snapshot()){(prdId is null ? "" : " AND prd_id = $4")}
            ORDER BY xid, id LIMIT $3
            """,
            Read,
            [Xid(after.Transaction), Long(after.Number), Int(limit), .. prdId is null ? Array.Empty<NpgsqlParameter>() : [Text(prdId)]],
            cancellationToken);

    /// <summary>The events after <paramref name="after"/>, those that are there and then those to come, without end.</summary>
    public async IAsyncEnumerable<OrganisationEvent> FollowAsync(
        EventCursor after, string? prdId = null, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        while (true)
        {
            // Taken before the read: what is announced during the read wakes the wait that follows.
            var announced = signal.Next();
            var page = await ReadAsync(after, prdId, Page, cancellationToken);
            foreach (var e in page)
            {
                yield return e;
                after = e.Id;
            }

            if (page.Count < Page)
                await signal.WaitAsync(announced, cancellationToken);
        }
    }

    /// <summary>Where the feed stands now: following from here brings only what comes later.</summary>
    public async Task<EventCursor> EndAsync(CancellationToken cancellationToken = default)
    {
        var last = await dataSource.ReadAsync(
            "SELECT xid, id FROM aura.job_events WHERE xid < pg_snapshot_xmin(pg_current_snapshot()) ORDER BY xid DESC, id DESC LIMIT 1",
            r => new EventCursor(r.GetFieldValue<ulong>(0), r.GetInt64(1)), [], cancellationToken);
        return last.Count == 0 ? EventCursor.Start : last[0];
    }

    /// <summary>What happened to a job, oldest first. Shows every committed event at once, also those the feed still holds back.</summary>
    public Task<IReadOnlyList<OrganisationEvent>> OfJobAsync(string jobId, CancellationToken cancellationToken = default) =>
        dataSource.ReadAsync(Columns + " WHERE job_id = $1 ORDER BY xid, id", Read, [Text(jobId)], cancellationToken);

    /// <summary>Why the job went back to its queue the last time, in the words of the one who sent it there; null when it never did.</summary>
    public Task<string?> LastReasonOfJobAsync(string jobId, CancellationToken cancellationToken = default) => dataSource.ReadOneAsync("""
        SELECT data->>'reason' FROM aura.job_events
        WHERE job_id = $1 AND type = 'job.queued' AND data->>'reason' IS NOT NULL ORDER BY xid DESC, id DESC LIMIT 1
        """, r => r.GetString(0), [Text(jobId)], cancellationToken);

    private static NpgsqlParameter Xid(ulong value) => new() { Value = value, NpgsqlDbType = NpgsqlDbType.Xid8 };

    private static OrganisationEvent Read(NpgsqlDataReader r) => new(
        new(r.GetFieldValue<ulong>(0), r.GetInt64(1)), r.TextOrNull(2), r.TextOrNull(3), r.GetString(4), r.Json<JsonElement>(5), r.Time(6));
}
