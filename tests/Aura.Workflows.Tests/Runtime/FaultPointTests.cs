using Aura.Bench.Chaos;
using Aura.Testing;
using Aura.Workflows.Storage;

namespace Aura.Workflows.Tests.Runtime;

/// <summary>A process dies at each named place just before and just after something becomes durable; another goes on.</summary>
public sealed class FaultPointTests(TestDatabase database) : IClassFixture<TestDatabase>, IAsyncLifetime
{
    private const int Killed = 128 + 9;
    private const string Checkpoints = """ "options":{"commitStrategyName":"ActivityExecuted"} """;

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        if ((await database.DataSource.QueryAsync("SELECT to_regnamespace('chaos') IS NULL", [], r => r.GetBoolean(0), Stop)).Single())
            await ChaosCommand.CreateSchemaAsync(database.DataSource);
    }

    public ValueTask DisposeAsync() => default;

    [Theory]
    [InlineData("start-commit")]
    [InlineData("start-committed")]
    [InlineData("checkpoint-commit")]
    [InlineData("checkpoint-committed")]
    [InlineData("checkpoint-commit@3")]
    [InlineData("burst-commit")]
    [InlineData("burst-committed")]
    [InlineData("burst-commit@2")]
    [InlineData("task-commit:Chaos.RecordTask")]
    [InlineData("task-committed:Chaos.RecordTask")]
    public async Task Process_DiesAtTheFaultPoint_AnotherHostGoesOnAndEffectsAreThereOnce(string point)
    {
        var instance = $"at-{point}";
        string definition;
        await using (var editor = await EngineHost.StartAsync(database.ConnectionString, queue: null, runsBursts: false))
        {
            editor.Registry.AddFrom(typeof(RecordStep).Assembly);
            definition = await editor.DefineAsync(
                """
                {"type":"Elsa.Sequence","activities":[{"type":"Chaos.RecordStep","id":"s1"},
                 {"type":"Chaos.RecordTask","id":"t1","queue":"chaos"},{"type":"Chaos.RecordStep","id":"s2"}]}
                """, Checkpoints);
        }

        // The host that is to die starts it and is alone: it comes to the point.
        await database.DataSource.ExecuteAsync(
            "INSERT INTO chaos.wanted (id, definition_id, not_before) VALUES ($1, $2, now())", [instance, definition], Stop);
        var log = Path.GetTempFileName();
        await using (var doomed = HostProcess.Start(database.ConnectionString, new(TimeSpan.FromSeconds(5), default, point), log))
            (await doomed.ExitAsync(Stop)).ShouldBe(Killed, await File.ReadAllTextAsync(log + ".err", Stop));

        await using var other = await EngineHost.StartAsync(database.ConnectionString);
        other.Registry.AddFrom(typeof(RecordStep).Assembly);
        // A client that has had no answer asks again, with the same id.
        if (point == "start-commit")
            (await other.Client.StartAsync(definition, null, new() { InstanceId = instance }, Stop)).ShouldBe(instance);
        (await other.FinishedAsync(instance)).SubStatus.ShouldBe(WorkflowSubStatus.Finished);

        (await other.ScalarAsync<string>("SELECT string_agg(step, ' ' ORDER BY n) FROM chaos.effects WHERE instance_id = $1", instance)).ShouldBe("s1 t1 s2");
        (await other.ScalarAsync<string>("""
            SELECT string_agg(event_name, ' ' ORDER BY sequence) FROM wf.journal WHERE instance_id = $1 AND event_name IN ('Started', 'Completed')
            """, instance)).ShouldBe("Started Started Started Completed Started Completed Started Completed Completed Completed");
        await database.DataSource.ExecuteAsync("UPDATE chaos.wanted SET done = true", [], Stop);
    }
}
