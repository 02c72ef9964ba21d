using Aura.Testing;
using Aura.Workflows.Definitions;
using Aura.Workflows.Runtime;
using static Aura.Workflows.Tests.Json;

namespace Aura.Workflows.Tests.Scheduling;

public sealed class ScheduleActivitiesTests(TestDatabase database) : IClassFixture<TestDatabase>, IAsyncLifetime
{
    private EngineHost _engine = null!;

    public async ValueTask InitializeAsync() => _engine = await EngineHost.StartAsync(database.ConnectionString);

    public ValueTask DisposeAsync() => _engine.DisposeAsync();

    [Fact]
    public async Task Timer_ThreeHosts_FiresEachTimeOnce()
    {
        await using var second = await EngineHost.StartAsync(database.ConnectionString);
        await using var third = await EngineHost.StartAsync(database.ConnectionString);
        var id = await TriggeredByAsync("""{"type":"Elsa.Timer","id":"t","interval":"00:00:01","customProperties":{"canStartWorkflow":true} }""");

        await EventuallyAsync(async () => await CountAsync(id) >= 3);
        await _engine.Definitions.RetractAsync(id);

        // Each start bears the time it was due: no time has two.
        (await _engine.ScalarAsync<long>(
            "SELECT count(*) - count(DISTINCT state->'input'->>'ScheduledAt') FROM wf.instances WHERE definition_id = $1", id)).ShouldBe(0);
        (await _engine.ScalarAsync<long>("SELECT count(*) FROM wf.schedules WHERE definition_id = $1", id)).ShouldBe(0);
        var instance = await _engine.ScalarAsync<string>("SELECT id FROM wf.instances WHERE definition_id = $1 LIMIT 1", id);
        (await _engine.FinishedAsync(instance)).SubStatus.ShouldBe(WorkflowSubStatus.Finished);
        (await _engine.LinesAsync(instance)).ShouldBe("fired");
    }

    [Fact]
    public async Task StartAt_InThePast_FiresOnceForEver()
    {
        var id = await TriggeredByAsync("""{"type":"Elsa.StartAt","id":"t","dateTime":"2020-01-01T00:00:00Z","customProperties":{"canStartWorkflow":true} }""");

        await EventuallyAsync(async () => await CountAsync(id) == 1);

        (await _engine.ScalarAsync<bool>("SELECT next_at IS NULL FROM wf.schedules WHERE definition_id = $1", id)).ShouldBeTrue();
    }

    [Fact]
    public async Task Republished_UnchangedSchedule_KeepsItsTime()
    {
        var timer = """{"type":"Elsa.Timer","id":"t","interval":"1.00:00:00","customProperties":{"canStartWorkflow":true} }""";
        var id = await TriggeredByAsync(timer);
        await EventuallyAsync(async () => await NextAsync(id) is not "-infinity");
        var next = await NextAsync(id);

        await PublishAsync(id, timer, "changed");
        (await NextAsync(id)).ShouldBe(next);
        await PublishAsync(id, timer.Replace("1.00", "2.00", StringComparison.Ordinal), "changed");
        (await NextAsync(id)).ShouldNotBe(next);
    }

    [Fact]
    public async Task Cron_BadExpression_IsNotPublished()
    {
        var definition = WorkflowDefinition.Parse(
            $$"""{"definitionId":"bad-{{Guid.NewGuid():N}}","root":{"type":"Elsa.Cron","id":"c","cronExpression":"60 * * * * *","customProperties":{"canStartWorkflow":true} } }""", "test");
        await _engine.Definitions.SaveDraftAsync(definition.Json);

        var result = await _engine.Definitions.PublishAsync(definition.DefinitionId);

        result!.ValidationErrors.ShouldHaveSingleItem().Message.ShouldContain("Error when parsing cron expression");
    }

    [Theory]
    [InlineData("""{"type":"Elsa.Timer","interval":"00:00:00.2"}""")]
    [InlineData("""{"type":"Elsa.Cron","cronExpression":"* * * * * *"}""")]
    [InlineData("""{"type":"Elsa.StartAt","dateTime":"2020-01-01T00:00:00Z"}""")]
    [InlineData("""{"type":"Elsa.Delay","timeSpan":"00:00:00.2"}""")]
    public async Task InsideAWorkflow_Waits_ThenGoesOn(string activity) =>
        (await _engine.LinesOfAsync(Sequence(Line("before"), activity, Line("after")))).ShouldBe("before after");

    private Task<long> CountAsync(string definitionId) =>
        _engine.ScalarAsync<long>("SELECT count(*) FROM wf.instances WHERE definition_id = $1", definitionId);

    private Task<string> NextAsync(string definitionId) =>
        _engine.ScalarAsync<string>("SELECT next_at::text FROM wf.schedules WHERE definition_id = $1", definitionId);

    private async Task<string> TriggeredByAsync(string trigger)
    {
        var id = $"sched-{Guid.NewGuid():N}";
        await PublishAsync(id, trigger, "fired");
        return id;
    }

    private Task PublishAsync(string id, string trigger, string line) => _engine.Definitions.ImportAsync(WorkflowDefinition.Parse(
        $$"""{"definitionId":"{{id}}","name":"{{id}}","isPublished":true,"root":{{Sequence(trigger, Line(line))}}}""", "test"));

    private static Task EventuallyAsync(Func<Task<bool>> condition) => Until.TrueAsync(condition, () => "It has not come about.", 30);
}
