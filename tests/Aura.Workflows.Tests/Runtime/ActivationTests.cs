using Aura.Testing;
using Aura.Workflows.Runtime;
using Npgsql;
using static Aura.Workflows.Tests.Json;
using static Aura.Workflows.Tests.Runtime.EngineHostQueries;

namespace Aura.Workflows.Tests.Runtime;

public sealed class ActivationTests(TestDatabase database) : IClassFixture<TestDatabase>, IAsyncLifetime
{
    private EngineHost _engine = null!;

    public async ValueTask InitializeAsync() => _engine = await EngineHost.StartAsync(database.ConnectionString, queue: null);

    public ValueTask DisposeAsync() => _engine.DisposeAsync();

    [Theory]
    [InlineData("Singleton", "a", 1)]
    [InlineData("CorrelatedSingleton", "a", 1)]
    [InlineData("CorrelatedSingleton", null, 1)]
    [InlineData("Correlation", "b", 1)]
    [InlineData("Correlation", null, 20)]
    [InlineData("Elsa.Workflows.Activities.AlwaysStrategy, Elsa", "a", 20)]
    public async Task Start_TwentyAtOnce_OneStartsAndTheNextAfterItsEnd(string strategy, string? correlation, int started)
    {
        var label = Guid.NewGuid().ToString("N");
        var definition = await DefineAsync(strategy, label);
        var options = new StartOptions { CorrelationId = correlation is null ? null : correlation + label };

        var ids = await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => _engine.Client.StartAsync(definition, null, options)));
        ids.Count(i => i is not null).ShouldBe(started);
        (await InstancesAsync(definition)).ShouldBe(started);

        foreach (var id in ids.OfType<string>())
            await _engine.SuspendedAsync(id);
        await _engine.UnblockAsync(label);
        foreach (var id in ids.OfType<string>())
            await _engine.FinishedAsync(id);
        (await _engine.Client.StartAsync(definition, null, options)).ShouldNotBeNull();
    }

    [Fact]
    public async Task PrepareStart_TwentyTransactionsAtOnce_OneStarts()
    {
        var definition = await DefineAsync("Singleton", "prepared");

        var ids = await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => _engine.StartWorkflowAsync(definition)));

        (await InstancesAsync(definition)).ShouldBe(1);
        (await _engine.ScalarAsync<long>("SELECT count(*) FROM wf.messages WHERE instance_id = ANY($1) AND kind <> 'Start'", (object)ids)).ShouldBe(0);
    }

    [Fact]
    public async Task Start_StrategiesSideBySide_ExcludeOnlyTheirOwn()
    {
        var correlation = Guid.NewGuid().ToString("N");
        var one = await DefineAsync("Correlation", "one");
        var other = await DefineAsync("Correlation", "other");
        var correlated = await DefineAsync("CorrelatedSingleton", "correlated");
        var options = new StartOptions { CorrelationId = correlation };

        (await _engine.Client.StartAsync(one, null, options)).ShouldNotBeNull();
        (await _engine.Client.StartAsync(other, null, options)).ShouldBeNull();
        (await _engine.Client.StartAsync(correlated, null, options)).ShouldNotBeNull();
        (await _engine.Client.StartAsync(correlated, null, options)).ShouldBeNull();
        (await _engine.Client.StartAsync(correlated, null, options with { CorrelationId = correlation + "2" })).ShouldNotBeNull();
    }

    [Fact]
    public async Task Trigger_TwentyStimuliAtOnce_OneStartsAndTheNextAfterItsEnd()
    {
        var label = Guid.NewGuid().ToString("N");
        var definition = await DefineAsync("Singleton", label);
        await AddTriggerAsync(definition, label, "Singleton");

        await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => _engine.Client.SendStimulusAsync("Test.Trigger", new { Label = label })));

        (await InstancesAsync(definition)).ShouldBe(1);
        var id = await _engine.ScalarAsync<string>("SELECT id FROM wf.instances WHERE definition_id = $1", definition);
        await _engine.SuspendedAsync(id);
        await _engine.UnblockAsync(label);
        await _engine.FinishedAsync(id);
        await _engine.Client.SendStimulusAsync("Test.Trigger", new { Label = label }, new Dictionary<string, object?> { ["Given"] = 7 });
        (await InstancesAsync(definition)).ShouldBe(2);
        var next = await _engine.ScalarAsync<string>("SELECT id FROM wf.instances WHERE definition_id = $1 AND id <> $2", definition, id);
        var state = await _engine.SuspendedAsync(next);
        (state.TriggerActivityId, state.Input["Given"].GetInt32()).ShouldBe(("trigger", 7));
    }

    [Theory]
    [InlineData("Elsa.ExecuteWorkflow", "")]
    [InlineData("Elsa.DispatchWorkflow", """ ,"waitForCompletion":true""")]
    public async Task Child_WhosePlaceIsTaken_IsRefusedAndTheParentTold(string type, string more)
    {
        var child = await DefineAsync("Singleton", Guid.NewGuid().ToString("N"));
        (await _engine.Client.StartAsync(child)).ShouldNotBeNull();

        var state = await _engine.RunAsync(
            Act(type, "e", $$""" "workflowDefinitionId":"{{child}}","result":{"memoryReference":{"id":"Out"} }{{more}} """), more: """ "outputs":[{"name":"Out","type":"Object"}] """);

        (await InstancesAsync(child)).ShouldBe(1);
        if (type == "Elsa.ExecuteWorkflow")
        {
            state.Output["Out"].GetProperty("subStatus").GetString().ShouldBe("Refused");
            state.Output["Out"].GetProperty("incident").GetString()!.ShouldContain(child);
        }
    }

    [Fact]
    public async Task Child_ManyAtOnceOfASingleton_OneRuns()
    {
        var label = Guid.NewGuid().ToString("N");
        var child = await DefineAsync("Singleton", label);
        var parent = await _engine.StartWorkflowAsync(await _engine.DefineAsync(Act(
            "Elsa.ParallelForEach", "all",
            $$""" "items":{{Literal("[1,2,3,4,5]")}},"body":{{Act("Elsa.ExecuteWorkflow", "e", $$""" "workflowDefinitionId":"{{child}}" """)}} """)));
        await _engine.ReachAsync(parent, s => s.Bookmarks.Count == 1);

        (await InstancesAsync(child)).ShouldBe(1);
        await WaitForAsync(async () => await _engine.ScalarAsync<long>("SELECT count(*) FROM wf.bookmarks WHERE hash = $1", StimulusHash.Of("Test.Block", new { Label = label })) == 1);
        await _engine.UnblockAsync(label);
        (await _engine.FinishedAsync(parent)).SubStatus.ShouldBe(WorkflowSubStatus.Finished);
    }

    [Fact]
    public async Task Retry_FaultedSingleton_TakesItsPlaceAgain()
    {
        var definition = await DefineAsync("Singleton", "again", Act("Test.Flaky", "f", """ "failures":1 """));
        var id = (await _engine.Client.StartAsync(definition))!;
        await _engine.FaultedAsync(id);

        await _engine.SendAsync(_engine.Client.PrepareRetry(id));
        await _engine.SuspendedAsync(id);

        (await _engine.Client.StartAsync(definition)).ShouldBeNull();
        await _engine.UnblockAsync("again");
        await _engine.FinishedAsync(id);
        (await _engine.Client.StartAsync(definition)).ShouldNotBeNull();
    }

    [Fact]
    public async Task Retry_FaultedSingletonWhosePlaceIsTaken_IsRefused()
    {
        var definition = await DefineAsync("Singleton", "taken", Act("Test.Flaky", "f", """ "failures":1 """));
        var id = (await _engine.Client.StartAsync(definition))!;
        await _engine.FaultedAsync(id);
        var other = (await _engine.Client.StartAsync(definition))!;
        await _engine.SuspendedAsync(other);

        var refused = await Should.ThrowAsync<PostgresException>(() => _engine.SendAsync(_engine.Client.PrepareRetry(id)));
        refused.SqlState.ShouldBe(PostgresErrorCodes.UniqueViolation);
        refused.MessageText.ShouldContain($"taken by instance {other}");
        (await _engine.ScalarAsync<string>("SELECT sub_status FROM wf.instances WHERE id = $1", id)).ShouldBe("Faulted");
        (await _engine.CountAsync("messages", id)).ShouldBe(0);

        await _engine.UnblockAsync("taken");
        await _engine.FinishedAsync(other);
        await _engine.SendAsync(_engine.Client.PrepareRetry(id));
        await _engine.SuspendedAsync(id);
    }

    private async Task<string> DefineAsync(string strategy, string label, string first = "")
    {
        var block = Act("Test.Block", "b", $$""" "label":"{{label}}" """);
        return await _engine.DefineAsync(first.Length > 0 ? Sequence(first, block) : Sequence(block), Options("activationStrategyType", strategy));
    }

    private Task<int> AddTriggerAsync(string definition, string label, string? strategy) => _engine.ExecuteAsync("""
        INSERT INTO wf.triggers (id, definition_id, version_id, version, activity_id, name, hash, activation_strategy)
        SELECT $2, definition_id, version_id, version, 'trigger', 'Test.Trigger', $3, $4 FROM wf.definitions WHERE definition_id = $1
        """, definition, label, StimulusHash.Of("Test.Trigger", new { Label = label }), strategy!);

    private Task<long> InstancesAsync(string definition) => _engine.ScalarAsync<long>("SELECT count(*) FROM wf.instances WHERE definition_id = $1", definition);
}
