using Aura.Testing;
using Aura.Workflows.Definitions;
using Aura.Workflows.Runtime;
using static Aura.Workflows.Tests.Json;

namespace Aura.Workflows.Tests.Runtime;

public sealed class DurabilityTests(TestDatabase database) : IClassFixture<TestDatabase>, IAsyncLifetime
{
    private EngineHost _engine = null!;

    public async ValueTask InitializeAsync()
    {
        _engine = await EngineHost.StartAsync(database.ConnectionString);
        await _engine.CommitAsync(new Npgsql.NpgsqlBatchCommand("CREATE TABLE IF NOT EXISTS effects (label text NOT NULL CHECK (label <> 'forbidden'))"));
    }

    public ValueTask DisposeAsync() => _engine.DisposeAsync();

    [Fact]
    public async Task Task_Completes_OutputAndOutcomeAndEffectArrive()
    {
        var label = Guid.NewGuid().ToString("N");
        var root = Flow(
            [$$"""{"type":"Test.Work","id":"w","label":"{{label}}","result":{"memoryReference":{"id":"v"} } }""", $$"""{"type":"Elsa.WriteLine","id":"l","text":{{Variable("v")}}}"""],
            "w:Good->l");

        (await _engine.LinesOfAsync(root, more: """ "variables":[{"id":"v","name":"v","typeName":"String"}] """)).ShouldBe($"did {label}");
        (await EffectsAsync(label)).ShouldBe(1);
    }

    [Fact]
    public async Task Task_FailsTwice_IsRetriedAndCountedOnce()
    {
        var label = Guid.NewGuid().ToString("N");

        await _engine.RunAsync($$"""{"type":"Test.Work","label":"{{label}}","failures":2}""");

        _engine.Probe.Seen.ShouldBe([$"{label}:1", $"{label}:2", $"{label}:3"]);
        (await EffectsAsync(label)).ShouldBe(1);
    }

    [Fact]
    public async Task Task_FailsAlways_FaultsWithItsStack()
    {
        var state = await _engine.RunAsync("""{"type":"Test.Work","id":"w","label":"x","failures":99,"customProperties":{"task":{"maxAttempts":2}}}""");

        var incident = state.Incidents.ShouldHaveSingleItem();
        incident.Message.ShouldBe("not yet");
        incident.ActivityId.ShouldBe("w");
        _engine.Probe.Seen.Count.ShouldBe(2);
    }

    [Fact]
    public async Task Task_TakesTooLong_FaultsWithTheLimit()
    {
        var state = await _engine.RunAsync(
            """{"type":"Test.Work","label":"slow","waitForGate":true,"customProperties":{"task":{"maxAttempts":1,"timeoutSeconds":0.2}}}""");

        state.Incidents.ShouldHaveSingleItem().Message.ShouldContain("took longer");
    }

    [Fact]
    public async Task Task_LeaseTakenOver_FirstAnswerIsRefused()
    {
        var label = Guid.NewGuid().ToString("N");
        var id = await _engine.StartWorkflowAsync(await _engine.DefineAsync($$"""{"type":"Test.Work","label":"{{label}}","waitForGate":true}"""));
        await WaitForAsync(() => _engine.Probe.Seen.Count == 1);

        // Another worker has claimed it meanwhile, as after a network split.
        await _engine.CommitAsync(new Npgsql.NpgsqlBatchCommand(
            $"UPDATE wf.tasks SET fence = fence + 1, owner = 'other', lease_until = now() + interval '1 hour' WHERE instance_id = '{id}'"));
        _engine.Probe.Gate.SetResult();
        await Task.Delay(300);
        (await EffectsAsync(label)).ShouldBe(0);

        await _engine.CommitAsync(new Npgsql.NpgsqlBatchCommand($"UPDATE wf.tasks SET owner = NULL, lease_until = NULL WHERE instance_id = '{id}'"));
        (await _engine.FinishedAsync(id)).SubStatus.ShouldBe(WorkflowSubStatus.Finished);
        (await EffectsAsync(label)).ShouldBe(1);
    }

    [Fact]
    public async Task Task_DiesWithItsHostTooOften_IsSetAsideAsPoison()
    {
        await using var idle = await EngineHost.StartAsync(database.ConnectionString, queue: "other");
        await _engine.DisposeAsync();
        var id = await idle.StartWorkflowAsync(await idle.DefineAsync("""{"type":"Test.Work","label":"p","queue":"poison"}"""));
        await idle.SuspendedAsync(id);
        await idle.CommitAsync(new Npgsql.NpgsqlBatchCommand($"UPDATE wf.tasks SET attempt = max_attempts WHERE instance_id = '{id}'"));

        _engine = await EngineHost.StartAsync(database.ConnectionString);

        (await _engine.FinishedAsync(id)).Incidents.ShouldHaveSingleItem().Message.ShouldContain("never answered");
    }

    [Fact]
    public async Task Burst_EffectRefusedByTheDatabase_FaultsAndHarmsNoOther()
    {
        var bad = await _engine.StartWorkflowAsync(await _engine.DefineAsync(
            """{"type":"Test.Effect","statement":"INSERT INTO effects (label) VALUES ('forbidden')"}"""));
        var good = await _engine.StartWorkflowAsync(await _engine.DefineAsync(
            """{"type":"Test.Effect","statement":"INSERT INTO effects (label) VALUES ('allowed')"}"""));

        (await _engine.FinishedAsync(good)).SubStatus.ShouldBe(WorkflowSubStatus.Finished);
        var state = await _engine.FinishedAsync(bad);
        state.SubStatus.ShouldBe(WorkflowSubStatus.Faulted);
        state.Incidents.ShouldHaveSingleItem().Message.ShouldContain("check constraint");
    }

    [Fact]
    public async Task Bookmark_Stimulus_ResumesWithInput()
    {
        var label = Guid.NewGuid().ToString("N");
        var id = await _engine.StartWorkflowAsync(await _engine.DefineAsync(
            $$"""{"type":"Test.Block","label":"{{label}}","result":{"memoryReference":{"id":"Out"} } }""", """ "outputs":[{"name":"Out","type":"Object"}] """));
        await _engine.SuspendedAsync(id);

        await _engine.CommitAsync(_engine.Client.PrepareStimulus("Test.Block", new { Label = label }, new Dictionary<string, object?> { ["Answer"] = 42 }));

        (await _engine.FinishedAsync(id)).Output["Out"].GetInt32().ShouldBe(42);
        (await _engine.ScalarAsync<long>("SELECT count(*) FROM wf.bookmarks WHERE instance_id = $1", id)).ShouldBe(0);
    }

    [Fact]
    public async Task Cancel_ParentWithWaitingChild_CancelsBothAndTheTask()
    {
        var child = await _engine.DefineAsync("""{"type":"Test.Work","label":"c","waitForGate":true}""");
        var id = await _engine.StartWorkflowAsync(await _engine.DefineAsync($$"""{"type":"Elsa.ExecuteWorkflow","workflowDefinitionId":"{{child}}"}"""));
        await WaitForAsync(() => !_engine.Probe.Seen.IsEmpty);

        await _engine.CommitAsync(_engine.Client.PrepareCancel(id));

        (await _engine.FinishedAsync(id)).SubStatus.ShouldBe(WorkflowSubStatus.Cancelled);
        var childId = await _engine.ScalarAsync<string>("SELECT id FROM wf.instances WHERE parent_instance_id = $1", id);
        (await _engine.FinishedAsync(childId)).SubStatus.ShouldBe(WorkflowSubStatus.Cancelled);
        (await _engine.ScalarAsync<long>("SELECT count(*) FROM wf.tasks WHERE instance_id = $1", childId)).ShouldBe(0);
    }

    [Fact]
    public async Task HostGone_ItsLeases_AreFreedBeforeTheyRunOut()
    {
        // A host that is registered but holds no lock is dead.
        var id = await _engine.StartWorkflowAsync(await _engine.DefineAsync("""{"type":"Test.Block","label":"h"}"""));
        await _engine.SuspendedAsync(id);
        await _engine.CommitAsync(
            new Npgsql.NpgsqlBatchCommand("INSERT INTO wf.hosts (id, name) VALUES ('dead', 'dead')"),
            new Npgsql.NpgsqlBatchCommand($"UPDATE wf.instances SET owner = 'dead', fence = fence + 1 WHERE id = '{id}'"),
            _engine.Client.PrepareStimulus("Test.Block", new { Label = "h" }));

        (await _engine.FinishedAsync(id)).SubStatus.ShouldBe(WorkflowSubStatus.Finished);
    }

    [Fact]
    public async Task Connections_CutAgainAndAgain_EverythingStillHappensOnce()
    {
        await using var host = await EngineHost.StartAsync(database.ConnectionString, o => o.TaskLease = TimeSpan.FromSeconds(2));
        await _engine.DisposeAsync();
        var label = Guid.NewGuid().ToString("N");
        var definition = await host.DefineAsync(Sequence(
            Line("a"), $$"""{"type":"Test.Work","label":"{{label}}"}""", Line("b"), $$"""{"type":"Test.Work","label":"{{label}}"}"""));
        var ids = new List<string>();
        for (var i = 0; i < 20; i++)
            ids.Add(await host.StartWorkflowAsync(definition));

        await using var knife = Npgsql.NpgsqlDataSource.Create(database.ConnectionString + ";Pooling=false");
        for (var cut = 0; cut < 8; cut++)
        {
            await using var command = knife.CreateCommand(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()");
            await command.ExecuteNonQueryAsync();
            await Task.Delay(60);
        }

        await using var reader = await EngineHost.StartAsync(database.ConnectionString, queue: null, runsBursts: false);
        foreach (var id in ids)
            (await reader.FinishedAsync(id)).SubStatus.ShouldBe(WorkflowSubStatus.Finished);
        (await reader.ScalarAsync<long>("SELECT count(*) FROM effects WHERE label = $1", label)).ShouldBe(40);
        _engine = await EngineHost.StartAsync(database.ConnectionString);
    }

    [Fact]
    public async Task TwoHosts_ManyWorkflows_EachTaskRunsOnce()
    {
        await using var second = await EngineHost.StartAsync(database.ConnectionString);
        var label = Guid.NewGuid().ToString("N");
        var definition = await _engine.DefineAsync(Sequence(
            $$"""{"type":"Test.Work","label":"{{label}}"}""", $$"""{"type":"Test.Work","label":"{{label}}"}"""));
        var ids = new List<string>();
        for (var i = 0; i < 50; i++)
            ids.Add(await _engine.StartWorkflowAsync(definition));

        foreach (var id in ids)
            (await _engine.FinishedAsync(id)).SubStatus.ShouldBe(WorkflowSubStatus.Finished);
        (await EffectsAsync(label)).ShouldBe(100);
        (_engine.Probe.Seen.Count + second.Probe.Seen.Count).ShouldBe(100);
    }

    [Fact]
    public async Task Import_SameContentTwice_MakesNoNewVersion()
    {
        var definition = WorkflowDefinition.Parse($$"""{"definitionId":"imp-{{Guid.NewGuid():N}}","root":{{Line("a")}}}""", "test");

        (await _engine.Definitions.ImportAsync(definition)).ShouldBe(ImportOutcome.Imported);
        (await _engine.Definitions.ImportAsync(definition)).ShouldBe(ImportOutcome.Unchanged);
        await _engine.CommitAsync(new Npgsql.NpgsqlBatchCommand(
            $"UPDATE wf.definitions SET source_hash = NULL, content_hash = 'edited' WHERE definition_id = '{definition.DefinitionId}'"));
        (await _engine.Definitions.ImportAsync(definition)).ShouldBe(ImportOutcome.KeptEdited);
    }

    [Theory]
    [InlineData("{", "JSON")]
    [InlineData("[]", "object")]
    [InlineData("""{"definitionId":"x"}""", "root")]
    [InlineData("""{"root":{"type":"Elsa.WriteLine"}}""", "definitionId")]
    public void Parse_BadDocument_SaysWhatIsWrong(string json, string expected) =>
        Should.Throw<InvalidDefinitionException>(() => WorkflowDefinition.Parse(json, "file.json")).Message.ShouldContain(expected);

    private Task<long> EffectsAsync(string label) => _engine.ScalarAsync<long>("SELECT count(*) FROM effects WHERE label = $1", label);

    private static Task WaitForAsync(Func<bool> condition) => Until.TrueAsync(() => Task.FromResult(condition()), () => "It has not come about.", 30);
}
