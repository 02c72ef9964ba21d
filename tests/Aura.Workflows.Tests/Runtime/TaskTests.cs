using Aura.Testing;
using Aura.Workflows.Runtime;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;
using static Aura.Workflows.Tests.Runtime.EngineHostQueries;

namespace Aura.Workflows.Tests.Runtime;

public sealed class TaskTests(TestDatabase database) : IClassFixture<TestDatabase>, IAsyncLifetime
{
    private EngineHost _engine = null!;

    public async ValueTask InitializeAsync()
    {
        _engine = await EngineHost.StartAsync(database.ConnectionString, queue: "default");
        await _engine.ExecuteAsync(Gauge.TableSql);
        await _engine.ExecuteAsync("CREATE TABLE IF NOT EXISTS effects (label text NOT NULL)");
    }

    public ValueTask DisposeAsync() => _engine.DisposeAsync();

    [Theory]
    [InlineData("ArgumentNullException", 1)]
    [InlineData("System.ArgumentNullException", 1)]
    [InlineData("ArgumentException", 1)]
    [InlineData("IOException", 3)]
    public async Task Task_NonRetryableType_IsTriedOnce(string type, int attempts)
    {
        var state = await _engine.RunAsync(Act("Test.Throw", "t", Policy($$""" "maxAttempts":3,"nonRetryable":["{{type}}"] """)));

        state.Incidents.ShouldHaveSingleItem().Exception!.Type.ShouldBe("System.ArgumentNullException");
        _engine.Probe.Seen.Count.ShouldBe(attempts);
    }

    [Fact]
    public async Task Task_SilentForTooLong_IsGivenUp()
    {
        var state = await _engine.RunAsync(Act("Test.Toil", "t", """ "seconds":60, """ + Policy(""" "maxAttempts":1,"heartbeatSeconds":0.3 """)));

        state.Incidents.ShouldHaveSingleItem().Message.ShouldStartWith("The task gave no heartbeat");
    }

    [Fact]
    public async Task Task_WithHeartbeats_OutlivesTheirTimeout()
    {
        await _engine.RunAsync(Act("Test.Toil", "t", """ "seconds":2.5,"beats":true, """ + Policy(""" "maxAttempts":1,"heartbeatSeconds":1 """)));

        _engine.Probe.Seen.ShouldBe(["1"]);
    }

    [Fact]
    public async Task Task_TimesBeyondWhatATimerTakes_StillRuns()
    {
        var state = await _engine.RunAsync(Act("Test.Toil", "t", Policy(""" "timeoutSeconds":1e9,"heartbeatSeconds":1e9 """)));

        state.Incidents.ShouldBeEmpty();
        _engine.Probe.Seen.ShouldBe(["1"]);
    }

    [Fact]
    public async Task Cancel_RunningBody_IsTold()
    {
        // Heartbeats come every 20 s with the default lease: only the notification is this fast.
        var id = await StartAsync(Act("Test.Listen", "l"));
        await WaitForAsync(() => _engine.Probe.Seen.Count == 1);

        await _engine.SendAsync(_engine.Client.PrepareCancel(id));

        await WaitForAsync(() => _engine.Probe.Seen.Contains("stopped"));
        (await _engine.FinishedAsync(id)).SubStatus.ShouldBe(WorkflowSubStatus.Cancelled);
        (await _engine.CountAsync("tasks", id)).ShouldBe(0);
    }

    [Fact]
    public async Task Stop_TaskThatFinishesInTime_IsAnswered()
    {
        var worker = await EngineHost.StartAsync(database.ConnectionString, o => o.DrainTimeout = TimeSpan.FromMinutes(1), "drain", runsBursts: false);
        var probe = worker.Probe;
        var id = await StartAsync(Act("Test.Work", "w", """ "label":"drained","queue":"drain","waitForGate":true """));
        await WaitForAsync(() => probe.Seen.Count == 1);

        var stopped = worker.DisposeAsync();
        probe.Gate.SetResult();
        await stopped;

        (await _engine.FinishedAsync(id)).SubStatus.ShouldBe(WorkflowSubStatus.Finished);
        (await _engine.ScalarAsync<long>("SELECT count(*) FROM effects WHERE label = 'drained'")).ShouldBe(1);
    }

    [Fact]
    public async Task Stop_TaskThatDoesNot_IsHandedBackUncounted()
    {
        var worker = await EngineHost.StartAsync(database.ConnectionString, queue: "back", runsBursts: false);
        var probe = worker.Probe;
        var id = await StartAsync(Act("Test.Work", "w", """ "label":"back","queue":"back","waitForGate":true """));
        await WaitForAsync(() => probe.Seen.Count == 1);

        await worker.DisposeAsync();

        (await _engine.ScalarAsync<bool>(
            "SELECT owner IS NULL AND lease_until IS NULL AND attempt = 0 AND available_at <= now() FROM wf.tasks WHERE instance_id = $1", id)).ShouldBeTrue();
        await using var next = await EngineHost.StartAsync(database.ConnectionString, queue: "back", runsBursts: false);
        next.Probe.Gate.SetResult();
        (await _engine.FinishedAsync(id)).SubStatus.ShouldBe(WorkflowSubStatus.Finished);
        next.Probe.Seen.ShouldBe(["back:1"]);
    }

    [Fact]
    public async Task Claim_StopWhileItIsUnderWay_LosesNoTask()
    {
        await using var loop = ActivatorUtilities.CreateInstance<TaskLoop>(_engine.Services, new TaskQueue("stopping*", 8));
        (await loop.RunOnceAsync(TestContext.Current.CancellationToken)).ShouldBe(0);
        var id = await StartAsync(Act("Test.Work", "w", """ "label":"stopping","queue":"stopping" """));
        await _engine.SuspendedAsync(id);
        using var stop = new CancellationTokenSource();
        Task<int> claim;
        await using (var connection = await _engine.DataSource.OpenConnectionAsync(TestContext.Current.CancellationToken))
        await using (var transaction = await connection.BeginTransactionAsync(TestContext.Current.CancellationToken))
        {
            await using (var hold = new NpgsqlCommand("LOCK TABLE wf.tasks IN EXCLUSIVE MODE", connection, transaction))
                await hold.ExecuteNonQueryAsync(TestContext.Current.CancellationToken);
            claim = loop.RunOnceAsync(stop.Token);
            await WaitForAsync(async () => await _engine.ScalarAsync<bool>("""
                SELECT EXISTS (SELECT FROM pg_stat_activity
                    WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%t.queue >= $2%')
                """));
            await stop.CancelAsync();
        }

        (await claim).ShouldBe(1);
        await loop.DrainAsync();
        (await _engine.FinishedAsync(id)).Incidents.ShouldBeEmpty();
        _engine.Probe.Seen.ShouldBe(["stopping:1"]);
    }

    [Theory]
    [InlineData(2)]
    [InlineData(1)]
    public async Task Fail_LostLease_SaysSo(int maxAttempts)
    {
        var id = await StartAsync(Act("Test.Work", "w", $$""" "label":"lost","queue":"lost{{maxAttempts}}" """));
        await _engine.SuspendedAsync(id);
        var attempts = _engine.Services.GetRequiredService<TaskAttempts>();
        var task = new ClaimedTask(
            await _engine.ScalarAsync<long>("SELECT id FROM wf.tasks WHERE instance_id = $1", id), id, "", null, "", "", "Test.Work", default,
            1, maxAttempts, TimeSpan.FromMinutes(1), await _engine.ScalarAsync<long>("SELECT fence FROM wf.tasks WHERE instance_id = $1", id), null);

        (await attempts.FailAsync(task with { Fence = task.Fence + 1 }, TaskPolicy.Default, new IOException("late"))).ShouldBeFalse();
        (await _engine.CountAsync("tasks", id)).ShouldBe(1);
        (await attempts.FailAsync(task, TaskPolicy.Default, new IOException("in time"))).ShouldBeTrue();
    }

    [Fact]
    public async Task Claim_Priorities_HigherGoesFirst()
    {
        var ids = new List<string>();
        foreach (var priority in (int[])[0, 5, -1, 7, 5])
        {
            var definition = await _engine.DefineAsync(Act("Test.Gauge", "g", """ "queue":"urgent", """ + Policy($$""" "priority":{{priority}} """)));
            ids.Add(await _engine.StartWorkflowAsync(definition, correlationId: $"{priority}"));
            await _engine.SuspendedAsync(ids[^1]);
        }

        await using var worker = await EngineHost.StartAsync(database.ConnectionString, queue: "urgent", runsBursts: false, concurrency: 1);

        foreach (var id in ids)
            await _engine.FinishedAsync(id);
        worker.Probe.Seen.ShouldBe(["7", "5", "5", "0", "-1"]);
    }

    [Fact]
    public async Task Claim_ConcurrencyKeyOverTwoHosts_NeverExceedsTheLimit()
    {
        await using var second = await EngineHost.StartAsync(database.ConnectionString);
        await RunManyAsync("keyed", 20, Policy(""" "concurrency":{"key":"keyed","limit":2} """));

        (await MostAsync("keyed")).ShouldBeInRange(1, 2);
    }

    [Fact]
    public async Task Claim_QueueLimitOverTwoHosts_NeverExceedsTheLimit()
    {
        await using var limited = await EngineHost.StartAsync(database.ConnectionString, o => o.QueueLimits["limited:*"] = 1, "limited:*");
        await using var second = await EngineHost.StartAsync(database.ConnectionString, o => o.QueueLimits["limited:*"] = 1, "limited:*");
        // Whichever host commits the burst writes the limit into the task's row.
        await _engine.DisposeAsync();
        _engine = limited;
        await RunManyAsync("limited", 8, """ "queue":"limited:a" """);
        await RunManyAsync("limited", 8, """ "queue":"limited:b" """, 16);

        (await MostAsync("limited")).ShouldBe(1);
    }

    [Fact]
    public async Task Claim_KeyedAndUnkeyedTasks_ShareTheRoomOfTheHost()
    {
        await using var one = await EngineHost.StartAsync(database.ConnectionString, queue: "small", runsBursts: false, concurrency: 1);
        var ids = new List<string>();
        foreach (var policy in (string[])["", Policy(""" "concurrency":{"key":"small","limit":5} """)])
        {
            var definition = await _engine.DefineAsync(Act("Test.Gauge", "g", """ "queue":"small","name_":"small" """ + (policy.Length > 0 ? "," + policy : "")));
            for (var i = 0; i < 8; i++)
                ids.Add(await _engine.StartWorkflowAsync(definition));
        }

        foreach (var id in ids)
            await _engine.FinishedAsync(id);
        (await MostAsync("small")).ShouldBe(1);
    }

    private static string Policy(string members) => $$""" "customProperties":{"task":{ {{members}} } } """;

    private async Task RunManyAsync(string name, int count, string members, int? done = null)
    {
        var definition = await _engine.DefineAsync(Act("Test.Gauge", "g", $$""" "name_":"{{name}}", """ + members));
        var ids = await Task.WhenAll(Enumerable.Range(0, count).Select(_ => _engine.StartWorkflowAsync(definition)));
        foreach (var id in ids)
            (await _engine.FinishedAsync(id)).Incidents.ShouldBeEmpty();
        (await _engine.ScalarAsync<int>("SELECT done FROM gauges WHERE name = $1", name)).ShouldBe(done ?? count);
    }

    private Task<int> MostAsync(string name) => _engine.ScalarAsync<int>("SELECT most FROM gauges WHERE name = $1", name);

    private async Task<string> StartAsync(string root) => await _engine.StartWorkflowAsync(await _engine.DefineAsync(root));
}
