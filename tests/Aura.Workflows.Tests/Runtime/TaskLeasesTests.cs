using Aura.Testing;
using Aura.Workflows.Runtime;

namespace Aura.Workflows.Tests.Runtime;

/// <summary>Whether somebody still holds a task.</summary>
public sealed class TaskLeasesTests(TestDatabase database) : IClassFixture<TestDatabase>
{
    [Theory]
    [InlineData("'me', now() + interval '1 minute'", 0, true)]
    [InlineData("'me', now() + interval '1 minute'", 1, false)]
    [InlineData("'me', now() + interval '1 minute'", -1, false)]
    [InlineData("'me', now() - interval '1 second'", 0, false)]
    [InlineData("NULL, NULL", 0, false)]
    public async Task IsHeld_ByFenceAndTime_IsTrueForTheLiveClaimOnly(string ownerAndLease, long fenceOffset, bool expected)
    {
        await using var command = database.DataSource.CreateCommand($"""
            INSERT INTO wf.tasks (instance_id, activity_instance_id, node_id, activity_type, queue, input, max_attempts, timeout_seconds, fence, owner, lease_until)
            VALUES ('i', gen_random_uuid()::text, 'n', 'T', 'q', '{"{}"}', 1, 60, 5, {ownerAndLease}) RETURNING id
            """);
        var id = (long)(await command.ExecuteScalarAsync())!;

        (await new TaskLeases(database.DataSource).IsHeldAsync(id, 5 + fenceOffset)).ShouldBe(expected);
        (await new TaskLeases(database.DataSource).IsHeldAsync(id + 1_000_000, 5)).ShouldBeFalse();
    }
}
