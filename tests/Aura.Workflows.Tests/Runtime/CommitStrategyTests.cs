using Aura.Testing;
using static Aura.Workflows.Tests.Json;
using static Aura.Workflows.Tests.Runtime.EngineHostQueries;

namespace Aura.Workflows.Tests.Runtime;

public sealed class CommitStrategyTests(TestDatabase database) : IClassFixture<TestDatabase>, IAsyncLifetime
{
    private EngineHost _engine = null!;

    public async ValueTask InitializeAsync()
    {
        _engine = await EngineHost.StartAsync(database.ConnectionString);
        await _engine.ExecuteAsync("""
            CREATE TABLE IF NOT EXISTS effects (label text NOT NULL CHECK (label <> 'forbidden'));
            CREATE TABLE IF NOT EXISTS counted (instance_id text NOT NULL, what text NOT NULL);
            CREATE OR REPLACE FUNCTION count_commit() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN INSERT INTO counted VALUES (NEW.id, 'commit'); RETURN NULL; END $$;
            CREATE OR REPLACE FUNCTION count_bookmark() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN INSERT INTO counted VALUES (NEW.instance_id, 'bookmark'); RETURN NULL; END $$;
            -- A claim raises the fence, a commit does not.
            CREATE OR REPLACE TRIGGER counts AFTER UPDATE ON wf.instances FOR EACH ROW WHEN (OLD.fence = NEW.fence) EXECUTE FUNCTION count_commit();
            CREATE OR REPLACE TRIGGER counts AFTER INSERT ON wf.bookmarks FOR EACH ROW EXECUTE FUNCTION count_bookmark();
            """);
    }

    public ValueTask DisposeAsync() => _engine.DisposeAsync();

    // Five activities run: the workflow, the sequence and three lines.
    [Theory]
    [InlineData("", 1)]
    [InlineData("Unknown", 1)]
    [InlineData("WorkflowExecuted", 1)]
    [InlineData("WorkflowExecuting", 2)]
    [InlineData("ActivityExecuting", 6)]
    [InlineData("ActivityExecuted", 6)]
    [InlineData("Periodic:00:00:00", 6)]
    [InlineData("Periodic:01:00:00", 1)]
    [InlineData("Periodic", 1)]
    public async Task Workflow_Strategy_CommitsSoOften(string strategy, int commits)
    {
        var id = await StartAsync(Sequence(Line("a"), Line("b"), Line("c")), strategy);

        await _engine.FinishedAsync(id);
        (await CountedAsync(id, "commit")).ShouldBe(commits);
        (await _engine.LinesAsync(id)).ShouldBe("a b c");
    }

    [Theory]
    [InlineData("CommitAlways", "", 3)]
    [InlineData("ExecutingActivity", "", 2)]
    [InlineData("ExecutedActivity", "", 2)]
    [InlineData("CommitNever", "", 1)]
    [InlineData("CommitNever", "ActivityExecuted", 5)]
    [InlineData("CommitAlways", "ActivityExecuted", 7)]
    [InlineData("Unknown", "ActivityExecuted", 6)]
    public async Task Activity_Strategy_StandsBeforeTheWorkflows(string own, string workflow, int commits)
    {
        var marked = Act("Elsa.WriteLine", "m", $$""" "text":"b","customProperties":{"commitStrategyName":"{{own}}"} """);
        var id = await StartAsync(Sequence(Line("a"), marked, Line("c")), workflow);

        await _engine.FinishedAsync(id);
        (await CountedAsync(id, "commit")).ShouldBe(commits);
    }

    [Fact]
    public async Task Checkpoint_HostDiesAfterIt_EffectsBeforeItStayAndAreNotRepeated()
    {
        var label = Guid.NewGuid().ToString("N");
        var id = await StartAsync(Sequence(Effect(label), Act("Test.Gate", "g"), Effect(label)), "ActivityExecuted");
        await WaitForAsync(() => _engine.Probe.Seen.Count == 1);
        (await EffectsAsync(label)).ShouldBe(1);

        // As when the host has died and its leases are freed: another burst takes over.
        await TakeLeaseAwayAsync(id);
        await WaitForAsync(() => _engine.Probe.Seen.Count == 2);
        _engine.Probe.Gate.SetResult();

        (await _engine.FinishedAsync(id)).SubStatus.ShouldBe(WorkflowSubStatus.Finished);
        (await EffectsAsync(label)).ShouldBe(2);
    }

    [Fact]
    public async Task NoCheckpoint_HostDies_EffectsAreNotThereYetAndHappenOnce()
    {
        var label = Guid.NewGuid().ToString("N");
        var id = await StartAsync(Sequence(Effect(label), Act("Test.Gate", "g"), Effect(label)), "");
        await WaitForAsync(() => _engine.Probe.Seen.Count == 1);
        (await EffectsAsync(label)).ShouldBe(0);

        await TakeLeaseAwayAsync(id);
        await WaitForAsync(() => _engine.Probe.Seen.Count == 2);
        _engine.Probe.Gate.SetResult();

        await _engine.FinishedAsync(id);
        (await EffectsAsync(label)).ShouldBe(2);
    }

    [Fact]
    public async Task Checkpoint_RefusedAgainAndAgain_IsSetAside()
    {
        var id = await StartAsync(Sequence(Line("a"), Effect("forbidden"), Line("b")), "ActivityExecuting");

        var state = await _engine.FaultedAsync(id);

        state.Incidents.ShouldHaveSingleItem().Message.ShouldContain("check constraint");
        (await _engine.LinesAsync(id)).ShouldBe("a");
        // What was committed stays: the state stands before the activity that wanted it.
        state.Scheduled.ShouldHaveSingleItem();
    }

    [Theory]
    [InlineData("", 0)]
    [InlineData("ActivityExecuted", 1)]
    public async Task Bookmark_MadeAndBurnedInOneBurst_LeavesNothing(string strategy, int inserted)
    {
        var id = await StartAsync(Parallel(Act("Test.Block", "b", """ "label":"x" """), Act("Elsa.Finish", "f")), strategy);

        await _engine.FinishedAsync(id);
        (await _engine.CountAsync("bookmarks", id)).ShouldBe(0);
        (await CountedAsync(id, "bookmark")).ShouldBe(inserted);
    }

    [Fact]
    public async Task History_ContainerThatOnlyHearsOfItsChildren_IsRecordedWhenItStartsAndWhenItEnds()
    {
        var id = await StartAsync(Sequence(Line("a"), Line("b"), Line("c")), "ActivityExecuted");

        await _engine.FinishedAsync(id);
        (await RecordsAsync(id, "Elsa.Sequence", "s")).ShouldBe("Running -");
    }

    [Fact]
    public async Task History_ContainerThatSaysMoreAfterAChild_IsRecordedAnew()
    {
        var id = await StartAsync($$"""{"type":"Test.Rounds","id":"r","body":{{Line("x")}} }""", "ActivityExecuted");

        await _engine.FinishedAsync(id);
        (await RecordsAsync(id, "Test.Rounds", "l")).ShouldBe("""- {"Rounds":1} {"Rounds":2} {"Rounds":3,"Outcomes":["Done"]}""");
    }

    /// <summary>What the records of an activity say in one member, in the order in which they were written.</summary>
    private Task<string> RecordsAsync(string id, string type, string member) => _engine.ScalarAsync<string>("""
        SELECT string_agg(coalesce(x ->> $3, '-'), ' ' ORDER BY h.sequence) FROM wf.history h, json_array_elements(h.entries -> 'x') x
        WHERE h.instance_id = $1 AND x ->> 'y' = $2
        """, id, type, member);

    private static string Effect(string label) => $$"""{"type":"Test.Effect","statement":"INSERT INTO effects (label) VALUES ('{{label}}')"}""";

    private async Task<string> StartAsync(string root, string strategy) =>
        await _engine.StartWorkflowAsync(await _engine.DefineAsync(root, Options("commitStrategyName", strategy)));

    private Task<int> TakeLeaseAwayAsync(string id) => _engine.ExecuteAsync("""
        WITH freed AS (UPDATE wf.instances SET owner = NULL, fence = fence + 1 WHERE id = $1 RETURNING id)
        INSERT INTO wf.messages (instance_id, kind) SELECT id, 'Start' FROM freed
        """, id);

    private Task<long> EffectsAsync(string label) => _engine.ScalarAsync<long>("SELECT count(*) FROM effects WHERE label = $1", label);

    private Task<long> CountedAsync(string id, string what) =>
        _engine.ScalarAsync<long>("SELECT count(*) FROM counted WHERE instance_id = $1 AND what = $2", id, what);
}
