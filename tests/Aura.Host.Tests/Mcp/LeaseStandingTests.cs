using Aura.Host.Mcp;
using Aura.Host.Tests.Security;
using Aura.Testing;
using Aura.Workflows.Runtime;
using Microsoft.Extensions.DependencyInjection;

namespace Aura.Host.Tests.Mcp;

/// <summary>A lost lease is noticed within two seconds.</summary>
public sealed class LeaseStandingTests(TestDatabase database) : IClassFixture<TestDatabase>
{
    [Fact]
    public async Task IsHeld_AfterTheLeaseWasLost_IsBelievedForTwoSecondsAtMost()
    {
        await using var insert = database.DataSource.CreateCommand("""
            INSERT INTO wf.tasks (instance_id, activity_instance_id, node_id, activity_type, queue, input, max_attempts, timeout_seconds, fence, owner, lease_until)
            VALUES ('i', 'a', 'n', 'T', 'q', '{}', 1, 60, 5, 'me', now() + interval '1 hour') RETURNING id
            """);
        var id = (long)(await insert.ExecuteScalarAsync())!;
        var time = new ManualTime();
        await using var services = new ServiceCollection()
            .AddLogging().AddSingleton(TimeProvider.System).AddSingleton(database.DataSource).AddAuraWorkflows().AddTaskLeases().BuildServiceProvider();
        var standing = new LeaseStanding(services.GetRequiredService<TaskLeases>(), time);
        (await standing.IsHeldAsync(id, 5, default)).ShouldBeTrue();

        await using var lose = database.DataSource.CreateCommand("UPDATE wf.tasks SET fence = 6");
        await lose.ExecuteNonQueryAsync();
        time.Now += LeaseStanding.Staleness - TimeSpan.FromMilliseconds(1);
        (await standing.IsHeldAsync(id, 5, default)).ShouldBeTrue();
        time.Now += TimeSpan.FromMilliseconds(1);
        (await standing.IsHeldAsync(id, 5, default)).ShouldBeFalse();
        (await standing.IsHeldAsync(id, 6, default)).ShouldBeTrue();
    }
}
