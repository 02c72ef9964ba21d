using Aura.Testing;
using Aura.Workflows.Runtime;
using static Aura.Workflows.Tests.Json;

namespace Aura.Workflows.Tests.Runtime;

public sealed class InstanceStoreTests(TestDatabase database) : IClassFixture<TestDatabase>, IAsyncLifetime
{
    private EngineHost _engine = null!;

    private InstanceStore Store => new(_engine.DataSource);

    public async ValueTask InitializeAsync() => _engine = await EngineHost.StartAsync(database.ConnectionString);

    public ValueTask DisposeAsync() => _engine.DisposeAsync();

    [Fact]
    public async Task List_Filters_GiveTheirInstancesNewestFirst()
    {
        var definition = await _engine.DefineAsync(Line("a"));
        var first = await _engine.StartWorkflowAsync(definition, correlationId: "one");
        await _engine.FinishedAsync(first);
        var second = await _engine.StartWorkflowAsync(definition, correlationId: "two");
        await _engine.FinishedAsync(second);
        var faulted = await _engine.StartWorkflowAsync(await _engine.DefineAsync("""{"type":"Elsa.Fault","message":"no"}"""));
        await _engine.FinishedAsync(faulted);

        var page = await Store.ListAsync(new() { DefinitionIds = [definition] });

        page.Items.Select(i => i.Id).ShouldBe([second, first]);
        page.TotalCount.ShouldBe(2);
        page.Items[0].Status.ShouldBe(WorkflowStatus.Finished);
        (await Store.ListAsync(new() { DefinitionIds = [definition] }, skip: 1, take: 1)).Items.ShouldHaveSingleItem().Id.ShouldBe(first);
        (await Store.ListAsync(new() { CorrelationIds = ["one"] })).Items.ShouldHaveSingleItem().Id.ShouldBe(first);
        (await Store.ListAsync(new() { SubStatuses = [WorkflowSubStatus.Faulted] })).Items.ShouldHaveSingleItem().Id.ShouldBe(faulted);
        (await Store.ListAsync(new() { HasIncidents = true })).Items.ShouldHaveSingleItem().IncidentCount.ShouldBe(1);
        (await Store.ListAsync(new() { SearchTerm = "100%" })).Items.ShouldBeEmpty();
        (await Store.ListAsync(new())).TotalCount.ShouldBeGreaterThanOrEqualTo(3);
    }

    [Fact]
    public async Task List_MoreThanAreCounted_EstimatesTheTotal()
    {
        await _engine.ScalarAsync<long>("""
            WITH added AS (
                INSERT INTO wf.instances (id, definition_id, definition_version_id, version, status, sub_status, finished_at, state)
                SELECT 'estimate' || g, 'estimate', 'v', 1, 'Finished', 'Finished', now(), '{}' FROM generate_series(1, 3000) g RETURNING 1)
            SELECT count(*) FROM added
            """);
        await _engine.CommitAsync(new Npgsql.NpgsqlBatchCommand("ANALYZE wf.instances"));

        (await Store.ListAsync(new())).TotalCount.ShouldBeInRange(2500, 4000);
        (await Store.ListAsync(new() { DefinitionIds = ["estimate"] })).TotalCount.ShouldBeInRange(2500, 4000);
        (await Store.DeleteAsync([.. Enumerable.Range(1, 3000).Select(i => $"estimate{i}")])).ShouldBe(3000);
    }

    [Fact]
    public async Task History_OfAnInstance_IsReadInOrder()
    {
        var id = await _engine.StartWorkflowAsync(await _engine.DefineAsync(Sequence(Line("a", "x"), Line("b", "y"))));
        await _engine.FinishedAsync(id);

        var journal = await Store.ReadJournalAsync(id);

        journal.Items.Select(l => l.Sequence).ShouldBe(Enumerable.Range(1, (int)journal.TotalCount).Select(i => (long)i));
        journal.Items.Select(l => l.EventName).Take(3).ShouldBe(["Started", "Started", "Started"]);
        (await Store.ReadJournalAsync(id, new() { EventNames = ["Completed"], ExcludedTypes = ["Elsa.Sequence", "Elsa.Workflow"] })).Items
            .Select(l => l.ActivityId).ShouldBe(["x", "y"]);
        var line = (await Store.ReadExecutionsAsync(id)).Items.Single(e => e.ActivityId == "y");
        (line.Status, line.HasBookmarks, line.ActivityState!.Value.GetProperty("Text").GetString()).ShouldBe((ActivityStatus.Completed, false, "b"));
        (await Store.FindDetailsAsync(id))!.State.SubStatus.ShouldBe(WorkflowSubStatus.Finished);
        (await Store.DeleteAsync([id])).ShouldBe(1);
        (await Store.FindAsync(id)).ShouldBeNull();
        (await Store.ReadJournalAsync(id)).TotalCount.ShouldBe(0);
    }

    [Fact]
    public async Task Execution_RecordedBeforeItWaited_StandsInTheRecordWrittenAfterwards()
    {
        var label = Guid.NewGuid().ToString("N");
        var id = await _engine.StartWorkflowAsync(await _engine.DefineAsync(Sequence($$"""
            {"type":"Test.Remember","id":"r","label":{"typeName":"String","expression":{"type":"Literal","value":"{{label}}"} },
             "secret":{"typeName":"String","expression":{"type":"Literal","value":"hush"} } }
            """)));
        await _engine.SuspendedAsync(id);
        await _engine.SendAsync(_engine.Client.PrepareStimulus("Test.Remember", new { Label = label }));
        await _engine.FinishedAsync(id);

        var run = (await Store.ReadExecutionsAsync(id)).Items.Single(e => e.ActivityId == "r");

        run.Payload!.Value.GetProperty("Before").GetInt32().ShouldBe(1);
        run.Payload!.Value.GetProperty("After").GetInt32().ShouldBe(2);
        run.Outputs!.Value.GetProperty("Early").GetString().ShouldBe("early");
        run.ActivityState!.Value.TryGetProperty("Secret", out _).ShouldBeFalse();
        (run.Status, run.HasBookmarks).ShouldBe((ActivityStatus.Completed, false));
    }

    [Fact]
    public async Task Journal_PageBeyondTheEnd_StillKnowsTheTotal()
    {
        var id = await _engine.StartWorkflowAsync(await _engine.DefineAsync(Line("a", "x")));
        await _engine.FinishedAsync(id);

        (await Store.ReadJournalAsync(id, skip: 50, take: 10)).TotalCount.ShouldBe(4);
        (await Store.ReadJournalAsync(id, take: 0)).TotalCount.ShouldBe(4);
        (await Store.FindLastLineAsync(id, "x"))!.EventName.ShouldBe("Completed");
    }
}
