using Aura.Orchestra.Events;
using Aura.Orchestra.Storage;
using Aura.Orchestra.Tests.Storage;
using Aura.Testing;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;
using static Aura.Orchestra.Tests.Storage.Seed;

namespace Aura.Orchestra.Tests.Events;

public sealed class EventFeedTests(TestDatabase database) : IClassFixture<TestDatabase>
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);
    private readonly NpgsqlDataSource _db = database.DataSource;
    private readonly EventFeed _feed = new(database.DataSource,
        new EventSignal(database.DataSource, new() { PollInterval = TimeSpan.FromMilliseconds(50) }, TimeProvider.System, NullLogger<EventSignal>.Instance));

    [Fact]
    public async Task Follow_TransactionThatCommitsLate_IsNotSkippedAndNothingRepeats()
    {
        var prd = await PrdAsync(_db);
        // The first number goes to a transaction that stays open while a later one commits.
        await using var slow = await _db.OpenConnectionAsync(Cancel);
        await using var late = await slow.BeginTransactionAsync(Cancel);
        await RunAsync(slow, late, EventChanges.OfPrd(prd, "prd.late", new { n = 1 }));
        await _db.CommitAsync(EventChanges.OfPrd(prd, "prd.early", new { n = 2 }), Cancel);

        var before = await _feed.ReadAsync(EventCursor.Start, prd, cancellationToken: Cancel);
        before.ShouldNotContain(e => e.Type == "prd.early", "it must wait for the transaction before it");

        using var stop = CancellationTokenSource.CreateLinkedTokenSource(Cancel);
        stop.CancelAfter(Patience);
        var seen = new List<OrganisationEvent>();
        var reader = Task.Run(async () =>
        {
            await foreach (var e in _feed.FollowAsync(EventCursor.Start, prd, stop.Token))
            {
                seen.Add(e);
                if (seen.Count == 3)
                    break;
            }
        }, Cancel);
        await late.CommitAsync(Cancel);
        await reader;
        seen.Select(e => e.Type).ShouldBe(["prd.received", "prd.late", "prd.early"]);
        seen.Select(e => e.Id).ShouldBeInOrder();
    }

    [Fact]
    public async Task Read_NumbersAgainstCommitOrder_FollowsTheTransactions()
    {
        var prd = await PrdAsync(_db);
        await using var first = await _db.OpenConnectionAsync(Cancel);
        await using var a = await first.BeginTransactionAsync(Cancel);
        // Takes its transaction number now and its event number only after the other one.
        await using (var begin = new NpgsqlCommand("SELECT pg_current_xact_id()::text", first, a))
            await begin.ExecuteScalarAsync(Cancel);
        await _db.CommitAsync(EventChanges.OfPrd(prd, "prd.second"), Cancel);
        await RunAsync(first, a, EventChanges.OfPrd(prd, "prd.first"));
        await a.CommitAsync(Cancel);

        var all = await AtLeastAsync(prd, 3);
        all.Select(e => e.Type).ShouldBe(["prd.received", "prd.first", "prd.second"]);
        all[1].Id.Number.ShouldBeGreaterThan(all[2].Id.Number);
    }

    [Fact]
    public async Task Read_ResumedAfterEveryEvent_BringsExactlyTheRest()
    {
        var prd = await PrdAsync(_db);
        for (var i = 0; i < 5; i++)
            await _db.CommitAsync([EventChanges.OfPrd(prd, "prd.step", new { i }), EventChanges.OfPrd(prd, "prd.step", new { i })], Cancel);
        var all = await AtLeastAsync(prd, 11);
        for (var i = 0; i < all.Count; i++)
        {
            EventCursor.TryParse(all[i].Id.ToString(), out var cursor).ShouldBeTrue();
            (await _feed.ReadAsync(cursor, prd, cancellationToken: Cancel)).Select(e => e.Id).ShouldBe(all.Skip(i + 1).Select(e => e.Id));
        }
    }

    [Fact]
    public async Task Follow_ManyWritersAtOnce_EveryEventExactlyOnce()
    {
        var prd = await PrdAsync(_db);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(Cancel);
        stop.CancelAfter(Patience);
        var seen = new List<int>();
        var reader = Task.Run(async () =>
        {
            await foreach (var e in _feed.FollowAsync(EventCursor.Start, prd, stop.Token))
            {
                if (e.Type == "prd.step")
                    seen.Add(e.Data.GetProperty("n").GetInt32());
                if (seen.Count == 200)
                    break;
            }
        }, Cancel);
        await Task.WhenAll(Enumerable.Range(0, 8).Select(async writer =>
        {
            for (var i = 0; i < 25; i++)
                await _db.CommitAsync(EventChanges.OfPrd(prd, "prd.step", new { n = (writer * 25) + i }), Cancel);
        }));
        await reader;
        seen.Order().ShouldBe(Enumerable.Range(0, 200));
    }

    [Fact]
    public async Task Follow_WithTheSignal_WakesWithoutPolling()
    {
        // The poll alone would take a minute.
        using var signal = new EventSignal(_db, new() { PollInterval = TimeSpan.FromMinutes(1) }, TimeProvider.System, NullLogger<EventSignal>.Instance);
        await signal.StartAsync(Cancel);
        var feed = new EventFeed(_db, signal);
        var prd = await PrdAsync(_db);
        await AtLeastAsync(prd, 1);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(Cancel);
        stop.CancelAfter(Patience);
        await using var events = feed.FollowAsync(EventCursor.Start, prd, stop.Token).GetAsyncEnumerator(stop.Token);
        (await events.MoveNextAsync()).ShouldBeTrue();
        var next = events.MoveNextAsync().AsTask();
        // Announced again and again, because another test's transaction may hold the first one back.
        while (!next.IsCompleted)
        {
            await _db.CommitAsync(EventChanges.OfPrd(prd, "prd.poked"), stop.Token);
            await Task.WhenAny(next, Task.Delay(200, stop.Token));
        }

        (await next).ShouldBeTrue();
        events.Current.Type.ShouldBe("prd.poked");
        await signal.StopAsync(Cancel);
    }

    [Fact]
    public async Task OfJob_OpenTransactionBefore_ShowsCommittedEventsAtOnce()
    {
        var (_, job) = await RunningJobAsync(_db);
        await using var connection = await _db.OpenConnectionAsync(Cancel);
        await using var open = await connection.BeginTransactionAsync(Cancel);
        await RunAsync(connection, open, EventChanges.OfJob(job, "job.tool", new { tool = "read" }));
        await _db.CommitAsync(EventChanges.OfJob(job, "job.integrated"), Cancel);
        (await _feed.OfJobAsync(job, Cancel)).Select(e => e.Type).ShouldBe(["job.queued", "job.assigned", "job.in_progress", "job.integrated"]);
    }

    [Fact]
    public async Task OfJob_UnknownJobOrPrd_WritesNothing() =>
        (await _db.CommitAsync([EventChanges.OfJob("job-22222222", "job.tool"), EventChanges.OfPrd("prd-22222222", "prd.x")], Cancel)).ShouldBe([0, 0]);

    [Fact]
    public async Task End_AfterEvents_BringsOnlyWhatComesLater()
    {
        var prd = await PrdAsync(_db);
        await AtLeastAsync(prd, 1);
        var end = await _feed.EndAsync(Cancel);
        await _db.CommitAsync(EventChanges.OfPrd(prd, "prd.later"), Cancel);
        await AtLeastAsync(prd, 2);
        (await _feed.ReadAsync(end, prd, cancellationToken: Cancel)).ShouldHaveSingleItem().Type.ShouldBe("prd.later");
    }

    [Theory]
    [InlineData("7-41", true)]
    [InlineData("18446744073709551615-0", true)]
    [InlineData("", false)]
    [InlineData("7", false)]
    [InlineData("7-", false)]
    [InlineData("-7-1", false)]
    [InlineData("7-1-2", false)]
    [InlineData(" 7-1", false)]
    [InlineData("x-1", false)]
    public void TryParse_AnyText_OnlyEventIds(string text, bool ok)
    {
        EventCursor.TryParse(text, out var cursor).ShouldBe(ok);
        if (ok)
            cursor.ToString().ShouldBe(text);
    }

    // Other tests' transactions on the same server may hold the feed back for a moment.
    private async Task<IReadOnlyList<OrganisationEvent>> AtLeastAsync(string prd, int count)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(Cancel);
        stop.CancelAfter(Patience);
        var seen = new List<OrganisationEvent>();
        await foreach (var e in _feed.FollowAsync(EventCursor.Start, prd, stop.Token))
        {
            seen.Add(e);
            if (seen.Count == count)
                break;
        }

        return seen;
    }

    private static async Task RunAsync(NpgsqlConnection connection, NpgsqlTransaction transaction, NpgsqlBatchCommand statement)
    {
        await using var batch = new NpgsqlBatch(connection, transaction) { BatchCommands = { statement } };
        await batch.ExecuteNonQueryAsync(Cancel);
    }
}
