using Aura.Testing;
using Aura.Workflows.Definitions;
using static Aura.Workflows.Tests.Json;
using static Aura.Workflows.Tests.Runtime.EngineHostQueries;

namespace Aura.Workflows.Tests.Runtime;

public sealed class AlterationTests(TestDatabase database) : IClassFixture<TestDatabase>, IAsyncLifetime
{
    private const string Variables = """ "variables":[{"id":"n","name":"n","typeName":"Int32","value":5}] """;
    private EngineHost _engine = null!;

    public async ValueTask InitializeAsync() => _engine = await EngineHost.StartAsync(database.ConnectionString, queue: "default");

    public ValueTask DisposeAsync() => _engine.DisposeAsync();

    [Theory]
    [InlineData("8", "8")]
    [InlineData("\"9\"", "9")]
    public async Task ModifyVariable_Value_IsConvertedAndSeen(string value, string shown)
    {
        var id = await StartAsync(Sequence(Block("mod"), $$"""{"type":"Elsa.WriteLine","text":{{Variable("n")}}}"""));
        await _engine.SuspendedAsync(id);

        await _engine.AlterAsync(id, $$"""{"type":"ModifyVariable","variableId":"n","value":{{value}}}""");
        await _engine.UnblockAsync("mod");

        await _engine.FinishedAsync(id);
        (await _engine.LinesAsync(id)).ShouldBe(shown);
        (await _engine.JournalAsync(id)).ShouldContain(":Altered");
    }

    [Theory]
    [InlineData("""{"type":"ModifyVariable","variableId":"nobody","value":1}""")]
    [InlineData("""{"type":"ModifyVariable","variableId":"n","value":"no number"}""")]
    [InlineData("""{"type":"ScheduleActivity","activityId":"nobody"}""")]
    [InlineData("""{"type":"ScheduleActivity","activityId":"b"}""")]
    [InlineData("""{"type":"ScheduleActivity"}""")]
    [InlineData("""{"type":"CancelActivity","activityId":"later"}""")]
    [InlineData("""{"type":"SkipActivity","activityInstanceId":"nobody"}""")]
    [InlineData("""{"type":"Migrate","targetVersion":99}""")]
    [InlineData("""{"type":"Migrate"}""")]
    public async Task Alteration_ThatDoesNotFit_ChangesNothingAndIsInTheJournal(string alteration)
    {
        var label = Guid.NewGuid().ToString("N");
        var id = await StartAsync(Sequence(Block(label), Line("after", "later")));
        var before = await _engine.SuspendedAsync(id);

        await _engine.AlterAsync(id, alteration);

        await WaitForAsync(async () => (await _engine.JournalAsync(id)).EndsWith(":Alteration Failed", StringComparison.Ordinal));
        var after = await _engine.SuspendedAsync(id);
        (after with { LogSequence = before.LogSequence }).Contexts[0].Variables[0].Value.GetInt32().ShouldBe(5);
        after.Bookmarks.ShouldHaveSingleItem().Id.ShouldBe(before.Bookmarks[0].Id);
        await _engine.UnblockAsync(label);
        (await _engine.FinishedAsync(id)).SubStatus.ShouldBe(WorkflowSubStatus.Finished);
    }

    [Theory]
    [InlineData("""{"type":"Explode"}""")]
    [InlineData("""{"type":"modifyvariable"}""")]
    [InlineData("""{"no":"type"}""")]
    public void PrepareAlteration_UnknownType_IsRefused(string alteration) =>
        Should.Throw<ArgumentException>(() => _engine.Client.PrepareAlteration("x", System.Text.Json.JsonSerializer.Deserialize<System.Text.Json.JsonElement>(alteration)))
            .Message.ShouldContain("ModifyVariable");

    [Fact]
    public async Task ScheduleActivity_AnotherOne_RunsInItsContainer()
    {
        var id = await StartAsync(Flow([Block("sched", "b"), Line("x", "x"), Line("side", "side")], "b->x"));
        await _engine.SuspendedAsync(id);

        await _engine.AlterAsync(id, """{"type":"ScheduleActivity","activityId":"side"}""");
        await WaitForAsync(async () => await _engine.LinesAsync(id) == "side");
        await _engine.UnblockAsync("sched");

        (await _engine.FinishedAsync(id)).SubStatus.ShouldBe(WorkflowSubStatus.Finished);
        (await _engine.LinesAsync(id)).ShouldBe("side x");
    }

    [Fact]
    public async Task ScheduleActivity_Faulted_IsRetried()
    {
        var id = await StartAsync(Sequence(Flaky("f"), Line("x")));
        await _engine.FaultedAsync(id);

        await _engine.AlterAsync(id, """{"type":"ScheduleActivity","activityId":"f"}""");

        (await _engine.ReachAsync(id, s => s.SubStatus == WorkflowSubStatus.Finished)).Incidents.ShouldBeEmpty();
        (await _engine.LinesAsync(id)).ShouldBe("x");
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    public async Task CancelActivity_OfAFlowchart_EndsThatBranch(int failures)
    {
        var label = Guid.NewGuid().ToString("N");
        var id = await StartAsync(Flow(
            [Line("s", "s"), failures == 0 ? Block("never", "gone") : Flaky("gone"), Block(label, "b"), Line("g", "g"), Line("x", "x")],
            "s->gone", "gone->g", "s->b", "b->x"), Continue);
        await _engine.ReachAsync(id, s => s.SubStatus == WorkflowSubStatus.Suspended && s.Incidents.Count == failures);

        await _engine.AlterAsync(id, """{"type":"CancelActivity","activityId":"gone"}""");
        await WaitForAsync(async () => (await _engine.JournalAsync(id)).Contains("gone:Canceled", StringComparison.Ordinal));
        await _engine.UnblockAsync(label);

        var state = await _engine.FinishedAsync(id);
        (state.SubStatus, state.Incidents.Count).ShouldBe((WorkflowSubStatus.Finished, 0));
        (await _engine.LinesAsync(id)).ShouldBe("s x");
    }

    [Fact]
    public async Task CancelActivity_TheFaultThatEndedTheInstance_LetsTheOthersGoOn()
    {
        var id = await StartAsync(Flow([Line("s", "s"), Flaky("f"), Line("x", "x")], "s->f", "s->x"));
        await _engine.FaultedAsync(id);

        await _engine.AlterAsync(id, """{"type":"CancelActivity","activityId":"f"}""");

        (await _engine.ReachAsync(id, s => s.SubStatus == WorkflowSubStatus.Finished)).Incidents.ShouldBeEmpty();
        (await _engine.LinesAsync(id)).ShouldBe("s x");
    }

    [Fact]
    public async Task SkipActivity_Waiting_CompletesWithItsOutcomes()
    {
        var id = await StartAsync(Flow([Act("Test.Work", "w", """ "label":"x","queue":"nobody" """), Line("good", "g"), Line("done", "d")], "w:Good->g", "w->d"));
        await _engine.SuspendedAsync(id);

        await _engine.AlterAsync(id, """{"type":"SkipActivity","activityId":"w","outcomes":["Good"]}""");

        (await _engine.FinishedAsync(id)).SubStatus.ShouldBe(WorkflowSubStatus.Finished);
        (await _engine.LinesAsync(id)).ShouldBe("good");
        (await _engine.CountAsync("tasks", id)).ShouldBe(0);
    }

    [Theory]
    [InlineData(""" ,"outcomes":["Other"]""", "other")]
    [InlineData("", "done")]
    public async Task SkipActivity_Faulted_GoesOnBehindIt(string outcomes, string line)
    {
        var id = await StartAsync(Flow([Flaky("f"), Line("done", "d"), Line("other", "o")], "f->d", "f:Other->o"));
        var run = (await _engine.FaultedAsync(id)).Incidents[0].ActivityInstanceId;

        await _engine.AlterAsync(id, $$"""{"type":"SkipActivity","activityInstanceId":"{{run}}"{{outcomes}}}""");

        (await _engine.ReachAsync(id, s => s.SubStatus == WorkflowSubStatus.Finished)).Incidents.ShouldBeEmpty();
        (await _engine.LinesAsync(id)).ShouldBe(line);
    }

    [Fact]
    public async Task SkipActivity_WhoseContainerCannotGoOn_FaultsTheContainer()
    {
        var id = await StartAsync(Act("Test.Picky", "p", $$""" "failures":1,"body":{{Block("picky")}} """));
        await _engine.SuspendedAsync(id);

        await _engine.AlterAsync(id, """{"type":"SkipActivity","activityId":"b"}""");
        (await _engine.FaultedAsync(id)).Incidents.ShouldHaveSingleItem().ActivityId.ShouldBe("p");
        await _engine.SendAsync(_engine.Client.PrepareRetry(id));

        await _engine.ReachAsync(id, s => s.SubStatus == WorkflowSubStatus.Finished);
    }

    [Fact]
    public async Task Cancel_RunningAndFaulted_EndsCancelledWithCompensation()
    {
        var running = await StartAsync(Sequence(Act("Test.Undoable", "u", """ "data":"1","fails":false """), Block("never")));
        await _engine.SuspendedAsync(running);
        await _engine.AlterAsync(running, """{"type":"Cancel"}""");
        await _engine.ReachAsync(running, s => s.SubStatus == WorkflowSubStatus.Cancelled);

        var faulted = await StartAsync(Sequence(Act("Test.Undoable", "u", """ "data":"2","fails":false """), Act("Test.Idle", "i")));
        await _engine.FaultedAsync(faulted);
        await _engine.AlterAsync(faulted, """{"type":"Cancel"}""");
        await _engine.ReachAsync(faulted, s => s.SubStatus == WorkflowSubStatus.Cancelled);

        _engine.Probe.Seen.ShouldBe(["undo 1", "undo 2"]);
    }

    [Fact]
    public async Task Migrate_ThatFits_GoesOnWithTheNewGraph()
    {
        var (id, definition) = await StartVersionAsync(Sequence(Block("migrate"), Line("old")));
        await ImportAsync(definition, Sequence(Block("migrate"), Line("new"), Line("more")));

        await _engine.AlterAsync(id, """{"type":"Migrate","targetVersion":2}""");
        await _engine.UnblockAsync("migrate");

        (await _engine.FinishedAsync(id)).SubStatus.ShouldBe(WorkflowSubStatus.Finished);
        (await _engine.LinesAsync(id)).ShouldBe("new more");
        (await _engine.ScalarAsync<int>(
            "SELECT d.version FROM wf.instances i JOIN wf.definitions d ON d.version_id = i.definition_version_id AND d.version = i.version WHERE i.id = $1", id)).ShouldBe(2);
    }

    [Theory]
    [InlineData("elsewhere")]
    [InlineData("unreadable")]
    [InlineData("uncompensated")]
    public async Task Migrate_ThatDoesNotFit_StaysAndTheJournalSaysSo(string kind)
    {
        var label = Guid.NewGuid().ToString("N");
        var (id, definition) = await StartVersionAsync(Sequence(Act("Test.Undoable", "u", """ "data":"x" """), Block(label), Line("old")));
        await ImportAsync(definition, kind == "elsewhere" ? Line("new") : Sequence(Line("other", "o"), Block(label), Line("new")));
        if (kind == "unreadable")
            await _engine.ExecuteAsync("UPDATE wf.definitions SET document = '{\"definitionId\":\"x\",\"root\":{\"type\":7}}' WHERE definition_id = $1 AND version = 2", definition);

        await _engine.AlterAsync(id, """{"type":"Migrate","targetVersion":2}""");
        await WaitForAsync(async () => (await _engine.JournalAsync(id)).EndsWith(":Alteration Failed", StringComparison.Ordinal));
        await _engine.UnblockAsync(label);

        (await _engine.FinishedAsync(id)).SubStatus.ShouldBe(WorkflowSubStatus.Finished);
        (await _engine.LinesAsync(id)).ShouldBe("old");
        (await _engine.ScalarAsync<int>("SELECT version FROM wf.instances WHERE id = $1", id)).ShouldBe(1);
    }

    [Fact]
    public async Task Migrate_Faulted_IsRetriedOnTheNewVersion()
    {
        var (id, definition) = await StartVersionAsync(Sequence(Flaky("f", 99), Line("old")));
        await _engine.FaultedAsync(id);
        await ImportAsync(definition, Sequence(Flaky("f", 1), Line("new")));

        await _engine.AlterAsync(id, """{"type":"Migrate","targetVersion":2}""");
        await _engine.SettledAsync(id);
        await _engine.SendAsync(_engine.Client.PrepareRetry(id));

        await _engine.ReachAsync(id, s => s.SubStatus == WorkflowSubStatus.Finished);
        (await _engine.LinesAsync(id)).ShouldBe("new");
    }

    private const string Continue = """ "options":{"incidentStrategyType":"ContinueWithIncidents"} """;

    private static string Flaky(string id, int failures = 1) => Act("Test.Flaky", id, $$""" "failures":{{failures}} """);

    private static string Block(string label, string id = "b") => Act("Test.Block", id, $$""" "label":"{{label}}" """);

    private async Task<string> StartAsync(string root, string more = Variables) => await _engine.StartWorkflowAsync(await _engine.DefineAsync(root, more));

    private async Task<(string Id, string Definition)> StartVersionAsync(string root)
    {
        var definition = await _engine.DefineAsync(root);
        var id = await _engine.StartWorkflowAsync(definition);
        await _engine.ReachAsync(id, s => s.SubStatus is WorkflowSubStatus.Suspended or WorkflowSubStatus.Faulted);
        return (id, definition);
    }

    private async Task ImportAsync(string definition, string root) => (await _engine.Definitions.ImportAsync(WorkflowDefinition.Parse(
        $$"""{"definitionId":"{{definition}}","name":"Test","isPublished":true,"root":{{root}}}""", "test"))).ShouldBe(Workflows.Runtime.ImportOutcome.Imported);
}
