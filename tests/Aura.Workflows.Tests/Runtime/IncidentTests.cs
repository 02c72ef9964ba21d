using System.Collections.Concurrent;
using Aura.Testing;
using Aura.Workflows.Runtime;
using static Aura.Workflows.Tests.Json;
using static Aura.Workflows.Tests.Runtime.EngineHostQueries;

namespace Aura.Workflows.Tests.Runtime;

public sealed class IncidentTests(TestDatabase database) : IClassFixture<TestDatabase>, IAsyncLifetime
{
    private readonly ConcurrentQueue<FinishedWorkflow> _ended = new();
    private EngineHost _engine = null!;

    public async ValueTask InitializeAsync()
    {
        _engine = await EngineHost.StartAsync(database.ConnectionString, o => o.OnFinished = ended =>
        {
            _ended.Enqueue(ended);
            return [];
        });
        await _engine.ExecuteAsync("CREATE TABLE IF NOT EXISTS effects (label text NOT NULL); CREATE TABLE IF NOT EXISTS guarded (label text CONSTRAINT guard CHECK (false))");
    }

    public ValueTask DisposeAsync() => _engine.DisposeAsync();

    [Fact]
    public async Task Fault_FaultStrategy_StopsSiblingsAtOnceAndTheyGoOnAfterTheRetry()
    {
        var id = await StartAsync(Parallel(Flaky("f", 1), Line("b"), Line("c")));

        (await _engine.FaultedAsync(id)).Scheduled.Count.ShouldBe(2);
        (await _engine.LinesAsync(id)).ShouldBe("");

        await RetryAsync(id);
        await FinishedWithoutIncidentsAsync(id);
        (await _engine.LinesAsync(id)).ShouldBe("b c");
    }

    [Fact]
    public async Task Fault_ContinueWithIncidents_OthersFinishThenItIsFaulted()
    {
        var id = await StartAsync(Parallel(Flaky("f", 1), Line("b"), Act("Test.Block", "w", """ "label":"go" """)), Continue);
        var waiting = await _engine.SuspendedAsync(id);
        waiting.Incidents.ShouldHaveSingleItem();
        (await _engine.LinesAsync(id)).ShouldBe("b");

        await _engine.UnblockAsync("go");

        (await _engine.FaultedAsync(id)).Bookmarks.ShouldBeEmpty();
        await RetryAsync(id);
        await FinishedWithoutIncidentsAsync(id);
        (await _engine.LinesAsync(id)).ShouldBe("b");
    }

    [Fact]
    public async Task Retry_WhileOthersStillWait_RunsTheFaultedOne()
    {
        var id = await StartAsync(Parallel(Flaky("f", 1), Act("Test.Block", "w", """ "label":"still" """)), Continue);
        await _engine.SuspendedAsync(id);

        await RetryAsync(id);

        await _engine.ReachAsync(id, s => s.SubStatus == WorkflowSubStatus.Suspended && s.Incidents.Count == 0);
        await _engine.UnblockAsync("still");
        await FinishedWithoutIncidentsAsync(id);
    }

    [Fact]
    public async Task Settle_WaitingForNothing_IsAFault()
    {
        var id = await StartAsync(Sequence(Act("Test.Idle", "i"), Line("never")));

        var incident = (await _engine.FaultedAsync(id)).Incidents.ShouldHaveSingleItem();
        incident.Message.ShouldContain("cannot go on");
        incident.ActivityId.ShouldBe("i");
    }

    [Fact]
    public async Task Retry_ByActivityAndByRun_LeavesTheOthers()
    {
        var id = await StartAsync(Parallel(Flaky("x", 2), Flaky("y", 2)), Continue);
        var faulted = await _engine.FaultedAsync(id);
        faulted.Incidents.Count.ShouldBe(2);

        await RetryAsync(id, "nobody");
        await _engine.SettledAsync(id);
        (await _engine.FaultedAsync(id)).Incidents.Count.ShouldBe(2);

        await RetryAsync(id, "x");
        (await _engine.ReachAsync(id, s => s.SubStatus == WorkflowSubStatus.Faulted && s.Incidents.Count == 1)).Incidents[0].ActivityId.ShouldBe("y");

        await RetryAsync(id, faulted.Incidents[1].ActivityInstanceId);
        await FinishedWithoutIncidentsAsync(id);
        _engine.Probe.Seen.ShouldBe(["x", "y", "x", "y"]);
    }

    [Fact]
    public async Task Retry_NobodyOfThatId_TellsNoEndAgain()
    {
        var id = await StartAsync(Flaky("x", 1));
        await _engine.FaultedAsync(id);

        await RetryAsync(id, "nobody");
        await _engine.SettledAsync(id);
        _ended.Count(e => e.InstanceId == id).ShouldBe(1);

        await RetryAsync(id);
        await FinishedWithoutIncidentsAsync(id);
        _ended.Count(e => e.InstanceId == id).ShouldBe(2);
    }

    [Fact]
    public async Task Retry_CallbackOfAContainer_IsCalledAgainAndTheChildIsNot()
    {
        var id = await StartAsync(Sequence(
            Act("Test.Picky", "p", $$""" "failures":2,"body":{{Act("Test.Choose", "child", """ "outcome":"Left" """)}} """), Line("after")));

        var state = await _engine.FaultedAsync(id);
        state.Incidents.ShouldHaveSingleItem().ActivityId.ShouldBe("p");
        state.Incidents[0].Message.ShouldBe("the callback failed");

        await RetryAsync(id);
        await _engine.ReachAsync(id, s => s.SubStatus == WorkflowSubStatus.Faulted && s.Incidents[0].Timestamp != state.Incidents[0].Timestamp);
        await RetryAsync(id, "p");

        await FinishedWithoutIncidentsAsync(id);
        _engine.Probe.Seen.ShouldBe(["callback:Left", "callback:Left", "callback:Left"]);
        (await _engine.JournalAsync(id)).Split(' ').Count(e => e == "child:Started").ShouldBe(1);
        (await _engine.LinesAsync(id)).ShouldBe("after");
    }

    [Fact]
    public async Task Retry_CallbackWhileASiblingOfTheContainerGoesOn_LosesNothing()
    {
        // The loop's list is no list when its first body is done; its second branch is still waiting then.
        var id = await StartAsync(Sequence(
            Parallel(
                Act("Elsa.ForEach", "each", $$""" "items":{{Variable("list")}},"body":{{SetList("7")}} """),
                Act("Test.Block", "w", """ "label":"beside" """)),
            Line("after")), Continue + """ ,"variables":[{"id":"list","name":"list","typeName":"Object","value":[1,2]}] """);
        (await _engine.SuspendedAsync(id)).Incidents.ShouldHaveSingleItem().ActivityId.ShouldBe("each");
        await _engine.UnblockAsync("beside");
        await _engine.FaultedAsync(id);

        await _engine.AlterAsync(id, """{"type":"ModifyVariable","variableId":"list","value":[1]}""");
        await _engine.SettledAsync(id);
        await RetryAsync(id);

        await FinishedWithoutIncidentsAsync(id);
        (await _engine.LinesAsync(id)).ShouldBe("after");
    }

    [Fact]
    public async Task Retry_ChildOfAFaultedContainer_WaitsForTheContainer()
    {
        // Fan's first child completes into a failing callback; the second is queued and runs beside the faulted container.
        var id = await StartAsync(Act("Test.Fan", "fan", $$""" "failures":1,"activities":[{{Line("a", "a")}},{{Line("b", "b")}}] """), Continue);
        var state = await _engine.FaultedAsync(id);
        state.Incidents.ShouldHaveSingleItem().ActivityId.ShouldBe("fan");
        (await _engine.LinesAsync(id)).ShouldBe("a b");

        await RetryAsync(id);

        await FinishedWithoutIncidentsAsync(id);
        _engine.Probe.Seen.ShouldBe(["a", "a", "b"]);
        (await _engine.LinesAsync(id)).ShouldBe("a b");
    }

    [Fact]
    public async Task Retry_TaskThatFailedForGood_GetsNewAttempts()
    {
        var id = await StartAsync(Act("Test.Work", "w", """ "label":"again","failures":2,"customProperties":{"task":{"maxAttempts":2}} """));
        (await _engine.FaultedAsync(id)).Incidents.ShouldHaveSingleItem().Message.ShouldBe("not yet");
        (await _engine.CountAsync("tasks", id)).ShouldBe(0);

        await RetryAsync(id);

        await FinishedWithoutIncidentsAsync(id);
        _engine.Probe.Seen.ShouldBe(["again:1", "again:2", "again:1"]);
    }

    [Fact]
    public async Task Retry_WhatCameWhileFaulted_IsNotLost()
    {
        var id = await StartAsync(Sequence(
            Parallel(
                Act("Test.Block", "b", """ "label":"kept" """),
                Act("Test.Work", "w", """ "label":"kept","waitForGate":true """),
                Act("Elsa.Delay", "d", """ "timeSpan":"00:00:00.2" """),
                Act("Test.Block", "t", """ "label":"trip" """),
                Sequence(Act("Test.Block", "t2", """ "label":"trip" """), Flaky("f", 2))),
            Line("after")));
        await WaitForAsync(() => _engine.Probe.Seen.Contains("kept:1"));
        await _engine.UnblockAsync("trip");
        await _engine.FaultedAsync(id);

        _engine.Probe.Gate.SetResult();
        await _engine.UnblockAsync("kept");
        await WaitForAsync(async () => await _engine.CountAsync("messages", id) >= 2);
        await RetryAsync(id);

        await FinishedWithoutIncidentsAsync(id);
        (await _engine.LinesAsync(id)).ShouldBe("after");
        (await _engine.ScalarAsync<long>("SELECT count(*) FROM effects WHERE label = 'kept'")).ShouldBe(1);
    }

    [Fact]
    public async Task Retry_TwiceAtOnce_RunsOnce()
    {
        var id = await StartAsync(Sequence(Flaky("f", 1), Act("Test.Block", "b", """ "label":"twice" """)));
        await _engine.FaultedAsync(id);

        await _engine.Client.ExecuteAsync([_engine.Client.PrepareRetry(id), _engine.Client.PrepareRetry(id)]);
        await RetryAsync(id);

        await _engine.SuspendedAsync(id);
        await _engine.UnblockAsync("twice");
        await FinishedWithoutIncidentsAsync(id);
        _engine.Probe.Seen.ShouldBe(["f", "f"]);
    }

    [Fact]
    public async Task Retry_FailsAgain_HoldsOnlyTheNewIncident()
    {
        var id = await StartAsync(Flaky("f", 2));
        await _engine.FaultedAsync(id);

        await RetryAsync(id);
        var again = await _engine.ReachAsync(id, s => s.SubStatus == WorkflowSubStatus.Faulted && s.Incidents[0].Message == "no luck 2");
        again.Incidents.Count.ShouldBe(1);

        await RetryAsync(id);
        await FinishedWithoutIncidentsAsync(id);
        (await _engine.ScalarAsync<bool>("SELECT incident_count = 0 AND NOT is_faulted FROM wf.instances WHERE id = $1", id)).ShouldBeTrue();
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Retry_InstanceThatWasSetAside_GoesOnFromItsLastCommit(bool startedAtOnce)
    {
        // Its commit is refused until somebody repairs the table.
        await _engine.ExecuteAsync("ALTER TABLE guarded DROP CONSTRAINT IF EXISTS guard; TRUNCATE guarded; ALTER TABLE guarded ADD CONSTRAINT guard CHECK (false)");
        var definition = await _engine.DefineAsync(Sequence(
            """{"type":"Test.Effect","statement":"INSERT INTO guarded VALUES ('x')"}""", Line("after")));
        var id = startedAtOnce ? (await _engine.Client.StartAsync(definition))! : await _engine.StartWorkflowAsync(definition);
        (await _engine.FaultedAsync(id)).Incidents.ShouldHaveSingleItem().Message.ShouldContain("guard");

        await _engine.ExecuteAsync("ALTER TABLE guarded DROP CONSTRAINT guard");
        await RetryAsync(id);

        await FinishedWithoutIncidentsAsync(id);
        (await _engine.LinesAsync(id)).ShouldBe("after");
        (await _engine.ScalarAsync<long>("SELECT count(*) FROM guarded")).ShouldBe(1);
    }

    private const string Continue = """ "options":{"incidentStrategyType":"ContinueWithIncidents"} """;

    private static string Flaky(string id, int failures) => Act("Test.Flaky", id, $$""" "failures":{{failures}} """);

    private static string SetList(string json) => Act("Elsa.SetVariable", "set", $$""" "variable":{"id":"list","name":"list"},"value":{{Literal(json)}} """);

    private async Task<string> StartAsync(string root, string more = "") => await _engine.StartWorkflowAsync(await _engine.DefineAsync(root, more));

    private Task RetryAsync(string id, params string[] activities) =>
        _engine.SendAsync(_engine.Client.PrepareRetry(id, activities.Length == 0 ? null : activities));

    private async Task FinishedWithoutIncidentsAsync(string id) =>
        (await _engine.ReachAsync(id, s => s.SubStatus == WorkflowSubStatus.Finished)).Incidents.ShouldBeEmpty();
}
