using Aura.Testing;
using Aura.Workflows.Runtime;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;
using static Aura.Workflows.Tests.Json;
using static Aura.Workflows.Tests.Runtime.EngineHostQueries;

namespace Aura.Workflows.Tests.Runtime;

public sealed class CancelTests(TestDatabase database) : IClassFixture<TestDatabase>, IAsyncLifetime
{
    private EngineHost _engine = null!;

    public async ValueTask InitializeAsync() => _engine = await EngineHost.StartAsync(database.ConnectionString, queue: "default");

    public ValueTask DisposeAsync() => _engine.DisposeAsync();

    [Fact]
    public async Task Cancel_Compensations_RunLastFirstWithTheirDataAndAFailingOneStopsNone()
    {
        var id = await StartAsync(Sequence(Undoable("a"), Undoable("b", fails: true), Undoable("c"), Block("wait")));
        await _engine.SuspendedAsync(id);

        await CancelAsync(id);

        var state = await _engine.FinishedAsync(id);
        state.SubStatus.ShouldBe(WorkflowSubStatus.Cancelled);
        state.Incidents.ShouldHaveSingleItem().Message.ShouldBe("cannot undo b");
        state.Incidents[0].ActivityId.ShouldBe("b");
        state.Compensations.ShouldBeEmpty();
        _engine.Probe.Seen.ShouldBe(["undo c", "undo b", "undo a"]);
    }

    [Fact]
    public async Task Cancel_CompensationsOfALoop_RunOncePerRun()
    {
        var id = await StartAsync(Sequence(
            Act("Elsa.ForEach", "each", $$""" "items":{{Literal("[1,2]")}},"body":{{Undoable("l")}} """), Block("wait")));
        await _engine.SuspendedAsync(id);

        await CancelAsync(id);

        await _engine.FinishedAsync(id);
        _engine.Probe.Seen.ShouldBe(["undo l", "undo l"]);
    }

    [Fact]
    public async Task Cancel_CompensationOfADurableTask_Runs()
    {
        var id = await StartAsync(Sequence(Undoable("first"), Act("Test.UndoableWork", "w", """ "data":"work" """), Block("wait")));
        await _engine.ReachAsync(id, s => s.Bookmarks.Count == 1);

        await CancelAsync(id);

        (await _engine.FinishedAsync(id)).Incidents.ShouldBeEmpty();
        _engine.Probe.Seen.ShouldBe(["undo work", "undo first"]);
    }

    [Fact]
    public async Task Finish_Compensations_DoNotRun()
    {
        await _engine.RunAsync(Sequence(Undoable("a"), Line("x")));

        _engine.Probe.Seen.ShouldBeEmpty();
    }

    [Fact]
    public async Task Cancel_TimersTasksAndBookmarks_Vanish()
    {
        var id = await StartAsync(Parallel(
            Act("Elsa.Delay", "d", """ "timeSpan":"01:00:00" """), Act("Test.Work", "w", """ "label":"x","queue":"nobody" """), Block("wait")));
        await _engine.SuspendedAsync(id);
        (await _engine.CountAsync("messages", id), await _engine.CountAsync("tasks", id), await _engine.CountAsync("bookmarks", id)).ShouldBe((1, 1, 2));

        await CancelAsync(id);

        await _engine.FinishedAsync(id);
        (await _engine.CountAsync("messages", id), await _engine.CountAsync("tasks", id), await _engine.CountAsync("bookmarks", id)).ShouldBe((0, 0, 0));
    }

    [Fact]
    public async Task Finish_TimerAndTaskOfTheSameBurst_AreNotLeft()
    {
        var id = await StartAsync(Parallel(
            Act("Elsa.Delay", "d", """ "timeSpan":"01:00:00" """), Act("Test.Work", "w", """ "label":"x","queue":"nobody" """), Act("Elsa.Finish", "f")));

        (await _engine.FinishedAsync(id)).SubStatus.ShouldBe(WorkflowSubStatus.Finished);
        (await _engine.CountAsync("messages", id), await _engine.CountAsync("tasks", id)).ShouldBe((0, 0));
    }

    [Fact]
    public async Task Cancel_ChildrenOfChildren_AreCancelled()
    {
        var leaf = await _engine.DefineAsync(Block("leaf"));
        var middle = await _engine.DefineAsync(Parallel(
            Act("Elsa.ExecuteWorkflow", "e", $$""" "workflowDefinitionId":"{{leaf}}" """), Act("Elsa.DispatchWorkflow", "f", $$""" "workflowDefinitionId":"{{leaf}}" """)));
        var id = await StartAsync(Act("Elsa.ExecuteWorkflow", "e", $$""" "workflowDefinitionId":"{{middle}}" """));
        await WaitForAsync(async () => await _engine.ScalarAsync<long>(
            "SELECT count(*) FROM wf.instances WHERE definition_id = $1 AND sub_status = 'Suspended'", leaf) == 2);

        await CancelAsync(id);

        await WaitForAsync(async () => await _engine.ScalarAsync<long>(
            "SELECT count(*) FROM wf.instances WHERE definition_id = ANY($1) AND sub_status = 'Cancelled'", (object)new[] { leaf, middle }) == 3);
    }

    [Fact]
    public async Task Cancel_FaultedInstance_IsNotKeptForItsRetry()
    {
        var id = await StartAsync(Act("Test.Flaky", "f", """ "failures":1 """));
        await _engine.FaultedAsync(id);

        await CancelAsync(id);
        await _engine.SendAsync(_engine.Client.PrepareRetry(id));

        await _engine.ReachAsync(id, s => s.SubStatus == WorkflowSubStatus.Finished);
    }

    [Fact]
    public async Task Cancel_BeforeTheStart_EndsIt()
    {
        var start = await _engine.Client.PrepareStartAsync(await _engine.DefineAsync(Block("never")), new Dictionary<string, object?>());

        await _engine.Client.ExecuteAsync([.. start.Statements, _engine.Client.PrepareCancel(start.InstanceId)]);

        (await _engine.FinishedAsync(start.InstanceId)).SubStatus.ShouldBe(WorkflowSubStatus.Cancelled);
    }

    [Fact]
    public async Task Delete_RunningInstances_IsRecordedOnceAlsoWhenOneDoesNotEndInTime()
    {
        await _engine.ExecuteAsync("CREATE TABLE records (label text NOT NULL)");
        var control = _engine.Services.GetRequiredService<InstanceControl>();
        var stuck = Guid.NewGuid().ToString("N");
        await _engine.ExecuteAsync("""
            INSERT INTO wf.instances (id, definition_id, definition_version_id, version, status, sub_status, owner, fence, state)
            VALUES ($1, 'd', 'd', 1, 'Running', 'Executing', 'another host', 1, '{}')
            """, stuck);
        var waits = await StartAsync(Block("wait"));
        await _engine.SuspendedAsync(waits);

        (await DeleteAsync(stuck, TimeSpan.Zero)).ShouldBe((0, 1));
        (await DeleteAsync(waits, TimeSpan.FromSeconds(30))).ShouldBe((1, 1));
        (await DeleteAsync("nobody", TimeSpan.Zero)).ShouldBe((0, 0));

        async Task<(int, long)> DeleteAsync(string id, TimeSpan limit)
        {
            var record = new NpgsqlBatchCommand("INSERT INTO records VALUES ($1)") { Parameters = { new() { Value = id } } };
            var deleted = await control.DeleteAsync([id], "anna", [record], limit, TestContext.Current.CancellationToken);
            return (deleted, await _engine.ScalarAsync<long>("SELECT count(*) FROM records WHERE label = $1", id));
        }
    }

    private static string Undoable(string data, bool fails = false) =>
        Act("Test.Undoable", data, $$""" "data":"{{data}}","fails":{{(fails ? "true" : "false")}} """);

    private static string Block(string label) => Act("Test.Block", "wait", $$""" "label":"{{label}}" """);

    private Task CancelAsync(string id) => _engine.SendAsync(_engine.Client.PrepareCancel(id));

    private async Task<string> StartAsync(string root) => await _engine.StartWorkflowAsync(await _engine.DefineAsync(root));
}
