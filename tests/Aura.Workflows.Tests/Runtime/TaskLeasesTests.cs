using Aura.Testing;
using Aura.Workflows.Runtime;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;
using static Aura.Workflows.Tests.Runtime.EngineHostQueries;

namespace Aura.Workflows.Tests.Runtime;

/// <summary>Tasks that somebody outside the hosts works on: the same rules as for the hosts' own loops.</summary>
public sealed class TaskLeasesTests(TestDatabase database) : IClassFixture<TestDatabase>, IAsyncLifetime
{
    private EngineHost _engine = null!;
    private TaskLeases _leases = null!;

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _engine = await EngineHost.StartAsync(database.ConnectionString, queue: null, services: s => s.AddTaskLeases());
        _leases = _engine.Services.GetRequiredService<TaskLeases>();
        await _engine.ExecuteAsync("CREATE TABLE IF NOT EXISTS effects (label text NOT NULL)");
    }

    public ValueTask DisposeAsync() => _engine.DisposeAsync();

    [Fact]
    public async Task Answer_HeldLease_EndsTheTaskWithOutcomeOutputsAndEffects()
    {
        var (id, lease) = await ClaimedAsync("answered");

        (lease.Attempt, lease.ActivityType, lease.Inputs["Label"]).ShouldBe((1, "Test.Work", "answered"));
        (await AnswerAsync(lease, "answered")).ShouldBe(AnswerOutcome.Accepted);

        (await _engine.FinishedAsync(id)).Incidents.ShouldBeEmpty();
        (await EffectsAsync("answered")).ShouldBe(1);
        (await _engine.CountAsync("tasks", id)).ShouldBe(0);
        (await _engine.ScalarAsync<string>(
            "SELECT outputs->>'Result' || ' ' || (payload->'Outcomes'->>0) FROM wf.activity_executions WHERE instance_id = $1 AND activity_type = 'Test.Work'", id))
            .ShouldBe("from outside Good");
    }

    [Fact]
    public async Task Answer_LostLease_IsRefusedAndWritesNothing()
    {
        var (id, lost) = await ClaimedAsync("late");
        await ExpireAsync(id);
        var second = (await _leases.ClaimAsync(new("w2", "late"), TimeSpan.Zero, Stop)).ShouldNotBeNull();

        (await AnswerAsync(lost, "late")).ShouldBe(AnswerOutcome.LeaseLost);
        (await _leases.HeartbeatAsync(lost.Key, Stop)).ShouldBe(LeaseState.Lost);
        (await _leases.FailAsync(lost.Key, new InvalidOperationException("late"), Stop)).ShouldBeFalse();
        (await _leases.ReleaseAsync(lost.Key, Stop)).ShouldBeFalse();
        (await _leases.RemainingAsync(lost.Key.TaskId, lost.Key.Fence, Stop)).ShouldBeNull();

        (await EffectsAsync("late")).ShouldBe(0);
        (await _engine.CountAsync("messages", id)).ShouldBe(0);
        (second.Key.TaskId, second.Attempt).ShouldBe((lost.Key.TaskId, 2));
        second.Key.Fence.ShouldBeGreaterThan(lost.Key.Fence);
        (await AnswerAsync(second, "late")).ShouldBe(AnswerOutcome.Accepted);
        (await AnswerAsync(lost, "late")).ShouldBe(AnswerOutcome.Gone);
        (await EffectsAsync("late")).ShouldBe(1);
    }

    [Fact]
    public async Task Answer_TheSameAgain_IsRepeatedAndCountsOnce()
    {
        var (id, lease) = await ClaimedAsync("twice");

        var answers = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => AnswerAsync(lease, "twice")));

        answers.Count(a => a == AnswerOutcome.Accepted).ShouldBe(1);
        answers.Count(a => a == AnswerOutcome.Repeated).ShouldBe(7);
        (await AnswerAsync(lease, "twice", hash: "another")).ShouldBe(AnswerOutcome.Contradicted);
        await _engine.FinishedAsync(id);
        (await EffectsAsync("twice")).ShouldBe(1);
    }

    [Fact]
    public async Task Answer_WithoutTheHoldersSecret_IsRefused()
    {
        var (_, lease) = await ClaimedAsync("stolen");
        var guessed = lease.Key with { Owner = "w2" };

        (await _leases.AnswerAsync(guessed, "h", CompleteAsync("stolen"), Stop)).ShouldBe(AnswerOutcome.LeaseLost);
        (await _leases.HeartbeatAsync(guessed, Stop)).ShouldBe(LeaseState.Lost);
        (await EffectsAsync("stolen")).ShouldBe(0);
    }

    [Fact]
    public async Task Answer_ConclusionThrows_LeavesTheLease()
    {
        var (_, lease) = await ClaimedAsync("thrown");

        await Should.ThrowAsync<InvalidOperationException>(
            () => _leases.AnswerAsync(lease.Key, "h", (_, _) => throw new InvalidOperationException("no"), Stop));

        (await AnswerAsync(lease, "thrown")).ShouldBe(AnswerOutcome.Accepted);
    }

    [Fact]
    public async Task Answer_EffectRefusedByTheDatabase_IsAnIncident()
    {
        var (id, lease) = await ClaimedAsync("refused");

        var outcome = await _leases.AnswerAsync(lease.Key, "h", (_, context) =>
        {
            context.GetRequiredService<UnitOfWork>().Add(new NpgsqlBatchCommand("INSERT INTO no_such_table VALUES (1)"));
            return context.CompleteActivityAsync();
        }, Stop);

        outcome.ShouldBe(AnswerOutcome.Faulted);
        (await _engine.FaultedAsync(id)).Incidents.ShouldHaveSingleItem().Message.ShouldContain("no_such_table");
    }

    [Fact]
    public async Task Expired_HostsOwnLoop_TakesItOver()
    {
        var (id, lost) = await ClaimedAsync("over");
        await ExpireAsync(id);

        await using var host = await EngineHost.StartAsync(database.ConnectionString, queue: "over", runsBursts: false);

        (await _engine.FinishedAsync(id)).Incidents.ShouldBeEmpty();
        host.Probe.Seen.ShouldBe(["over:2"]);
        (await AnswerAsync(lost, "over")).ShouldBe(AnswerOutcome.Gone);
        (await EffectsAsync("over")).ShouldBe(1);
    }

    [Fact]
    public async Task Heartbeat_HeldLease_LastsAgainButNotBeyondTheTasksTime()
    {
        var (id, lease) = await ClaimedAsync("beat");
        await _engine.ExecuteAsync("UPDATE wf.tasks SET lease_until = now() + interval '1 second' WHERE instance_id = $1", id);

        (await _leases.HeartbeatAsync(lease.Key, Stop)).ShouldBe(LeaseState.Held);
        (await _leases.RemainingAsync(lease.Key.TaskId, lease.Key.Fence, Stop))!.Value.ShouldBeGreaterThan(TimeSpan.FromSeconds(30));

        await _engine.ExecuteAsync("UPDATE wf.tasks SET timeout_seconds = 0.001 WHERE instance_id = $1", id);
        (await _leases.HeartbeatAsync(lease.Key, Stop)).ShouldBe(LeaseState.Lost);
    }

    [Fact]
    public async Task Heartbeat_CancelledInstance_IsGone()
    {
        var (id, lease) = await ClaimedAsync("cancelled");

        await _engine.SendAsync(_engine.Client.PrepareCancel(id));
        await _engine.FinishedAsync(id);

        (await _leases.HeartbeatAsync(lease.Key, Stop)).ShouldBe(LeaseState.Gone);
        (await AnswerAsync(lease, "cancelled")).ShouldBe(AnswerOutcome.Gone);
        (await EffectsAsync("cancelled")).ShouldBe(0);
    }

    [Fact]
    public async Task Release_HeldLease_CountsNoAttempt()
    {
        var (_, lease) = await ClaimedAsync("released");

        (await _leases.ReleaseAsync(lease.Key, Stop)).ShouldBeTrue();

        (await _leases.ClaimAsync(new("w2", "released"), TimeSpan.Zero, Stop))!.Attempt.ShouldBe(1);
        (await AnswerAsync(lease, "released")).ShouldBe(AnswerOutcome.LeaseLost);
    }

    [Fact]
    public async Task Fail_Twice_IsAnIncidentAfterTheLastAttempt()
    {
        var (id, lease) = await ClaimedAsync("failing", """ "customProperties":{"task":{"maxAttempts":2,"backoff":{"initialSeconds":0.01}}} """);

        (await _leases.FailAsync(lease.Key, new InvalidOperationException("one"), Stop)).ShouldBeTrue();
        var second = (await _leases.ClaimAsync(new("w1", "failing"), TimeSpan.FromSeconds(30), Stop))!;
        second.Attempt.ShouldBe(2);
        (await _leases.FailAsync(second.Key, new InvalidOperationException("two"), Stop)).ShouldBeTrue();

        (await _engine.FaultedAsync(id)).Incidents.ShouldHaveSingleItem().Message.ShouldBe("two");
    }

    [Fact]
    public async Task Claim_DeliveredTooOften_IsAnIncidentAndNoLease()
    {
        var (id, _) = await ClaimedAsync("poison", """ "customProperties":{"task":{"maxAttempts":1}} """);
        await ExpireAsync(id);

        (await _leases.ClaimAsync(new("w1", "poison"), TimeSpan.Zero, Stop)).ShouldBeNull();

        (await _engine.FaultedAsync(id)).Incidents.ShouldHaveSingleItem().Message.ShouldContain("delivered 1 times");
    }

    [Fact]
    public async Task Claim_MatchingInputs_PassesOverTheOthers()
    {
        var one = await StartAsync("match-one", "match:a");
        // A NUL in a task's text is not for jsonb; it must not stand in the way.
        await _engine.ExecuteAsync("""UPDATE wf.tasks SET input = '{"Label":"match-one","Text":"a\u0000b \\u0000"}'::json WHERE instance_id = $1""", one);
        await StartAsync("match-two", "match:b");
        await StartAsync("match-three", "match:c");

        (await ClaimAsync("nobody")).ShouldBeNull();
        (await ClaimAsync("match-three"))!.Inputs["Label"].ShouldBe("match-three");
        (await ClaimAsync("nobody", "match-one"))!.Inputs["Label"].ShouldBe("match-one");
        (await ClaimAsync("match-one", "match-three")).ShouldBeNull();

        Task<TaskLease?> ClaimAsync(params string[] labels) => _leases.ClaimAsync(
            new("w1", "match:*") { Matching = [.. labels.Select(l => new Dictionary<string, object> { ["Label"] = l })] }, TimeSpan.Zero, Stop);
    }

    [Fact]
    public async Task Claim_Priorities_HigherGoesFirst()
    {
        foreach (var priority in (int[])[0, 5, -1, 7])
            await StartAsync($"p{priority}", "priority", Policy($$""" "priority":{{priority}} """));

        var order = new List<object?>();
        while (await _leases.ClaimAsync(new("w1", "priority"), TimeSpan.Zero, Stop) is { } lease)
            order.Add(lease.Inputs["Label"]);

        order.ShouldBe(["p7", "p5", "p0", "p-1"]);
    }

    [Fact]
    public async Task Claim_ConcurrencyLimit_CountsOutsideAndInsideTogether()
    {
        for (var i = 0; i < 5; i++)
            await StartAsync("limit", "limit", """ "waitForGate":true, """ + Policy(""" "concurrency":{"key":"outside","limit":3} """));
        var first = (await _leases.ClaimAsync(new("w1", "limit"), TimeSpan.Zero, Stop)).ShouldNotBeNull();
        (await _leases.ClaimAsync(new("w2", "limit"), TimeSpan.Zero, Stop)).ShouldNotBeNull();

        await using var host = await EngineHost.StartAsync(database.ConnectionString, queue: "limit", runsBursts: false, concurrency: 1);
        await WaitForAsync(() => host.Probe.Seen.Count == 1);
        (await _leases.ClaimAsync(new("w3", "limit"), TimeSpan.Zero, Stop)).ShouldBeNull();
        (await _engine.ScalarAsync<long>("SELECT count(*) FROM wf.tasks WHERE queue = 'limit' AND lease_until > now()")).ShouldBe(3);

        // Room that an answer makes is taken at once, by whoever waits.
        var waiting = _leases.ClaimAsync(new("w3", "limit") { Matching = [new Dictionary<string, object> { ["Label"] = "limit" }] }, TimeSpan.FromSeconds(30), Stop);
        await AnswerAsync(first, "limit");
        (await waiting).ShouldNotBeNull();
        (await _engine.ScalarAsync<long>("SELECT count(*) FROM wf.tasks WHERE queue = 'limit' AND lease_until > now()")).ShouldBe(3);
        host.Probe.Gate.SetResult();
    }

    [Fact]
    public async Task Claim_NothingYet_WaitsForTheTask()
    {
        var waiting = _leases.ClaimAsync(new("w1", "later"), TimeSpan.FromSeconds(30), Stop);
        var id = await StartAsync("later");

        (await waiting).ShouldNotBeNull().InstanceId.ShouldBe(id);
    }

    [Fact]
    public async Task RunPart_HeldLease_SeesTheActivityAndWritesNothing()
    {
        var (id, lease) = await ClaimedAsync("part");

        var seen = await _leases.RunPartAsync(lease.Key, (activity, context) =>
        {
            context.GetRequiredService<UnitOfWork>().Add(new NpgsqlBatchCommand("INSERT INTO effects VALUES ('part')"));
            return ValueTask.FromResult($"{activity.Id} {context.Get(((Work)activity).Label)} {context.GetRequiredService<DurableTask>().Fence}");
        }, Stop);

        seen.ShouldBe($"w part {lease.Key.Fence}");
        (await EffectsAsync("part")).ShouldBe(0);
        (await _engine.CountAsync("tasks", id)).ShouldBe(1);
        (await _leases.RunPartAsync(lease.Key with { Fence = 99 }, (_, _) => ValueTask.FromResult("never"), Stop)).ShouldBeNull();
    }

    private static string Policy(string members) => $$""" "customProperties":{"task":{ {{members}} } } """;

    private static Func<IActivity, ActivityExecutionContext, ValueTask> CompleteAsync(string label) => (_, context) =>
    {
        context.GetRequiredService<UnitOfWork>().Add(new NpgsqlBatchCommand("INSERT INTO effects (label) VALUES ($1)") { Parameters = { new() { Value = label } } });
        context.SetResult("from outside");
        return context.CompleteActivityWithOutcomesAsync("Good");
    };

    private Task<AnswerOutcome> AnswerAsync(TaskLease lease, string label, string hash = "hash") =>
        _leases.AnswerAsync(lease.Key, hash, CompleteAsync(label), Stop);

    private async Task<string> StartAsync(string label, string? queue = null, string members = "")
    {
        var id = await _engine.StartWorkflowAsync(await _engine.DefineAsync(
            Act("Test.Work", "w", $$""" "label":"{{label}}","queue":"{{queue ?? label}}"{{(members.Length > 0 ? "," + members : "")}} """)));
        await _engine.SuspendedAsync(id);
        return id;
    }

    private async Task<(string Id, TaskLease Lease)> ClaimedAsync(string label, string members = "")
    {
        var id = await StartAsync(label, members: members);
        return (id, (await _leases.ClaimAsync(new("w1", label), TimeSpan.Zero, Stop)).ShouldNotBeNull());
    }

    private Task ExpireAsync(string id) =>
        _engine.ExecuteAsync("UPDATE wf.tasks SET lease_until = now() - interval '1 second' WHERE instance_id = $1", id);

    private Task<long> EffectsAsync(string label) => _engine.ScalarAsync<long>("SELECT count(*) FROM effects WHERE label = $1", label);
}
