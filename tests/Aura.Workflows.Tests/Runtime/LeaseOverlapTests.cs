using Aura.Testing;
using Aura.Workflows.Definitions;
using Aura.Workflows.Runtime;
using Aura.Workflows.Storage;
using Microsoft.Extensions.Options;
using Npgsql;
using static Aura.Workflows.Tests.Json;

namespace Aura.Workflows.Tests.Runtime;

/// <summary>What happens where two hosts' statements, or two leases of one host, run into each other.</summary>
public sealed class LeaseOverlapTests(TestDatabase database) : IClassFixture<TestDatabase>
{
    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Commit_OldAndNewAttemptOfOneTaskInOneGroup_OnlyTheNewOneIsAccepted()
    {
        await database.DataSource.ExecuteAsync("""
            CREATE TABLE IF NOT EXISTS marks (mark text NOT NULL);
            INSERT INTO wf.tasks (instance_id, activity_instance_id, node_id, activity_type, queue, input, max_attempts, timeout_seconds, owner, lease_until, fence)
            VALUES ('overlap', 'overlap-run', 'n', 't', 'q', '{}', 5, 60, 'me', now() + interval '1 minute', 7)
            """, [], Stop);
        var id = (await database.DataSource.QueryAsync("SELECT id FROM wf.tasks WHERE instance_id = 'overlap'", [], r => r.GetInt64(0), Stop)).Single();
        await using var writer = new GroupWriter(database.DataSource, new FaultPoints(Options.Create(new WorkflowsOptions())), new());

        var outcomes = await writer.CommitAsync([Answer(6, "old"), Answer(7, "new")]);

        outcomes[0].ShouldBeOfType<CommitOutcome.LeaseLost>();
        outcomes[1].ShouldBeOfType<CommitOutcome.Committed>();
        (await database.DataSource.QueryAsync("SELECT mark FROM marks", [], r => r.GetString(0), Stop)).ShouldBe(["new"]);
        (await CountAsync("SELECT count(*) FROM wf.messages WHERE instance_id = 'overlap'")).ShouldBe(1);

        CommitUnit Answer(long fence, string mark) => new()
        {
            Task = new(id, fence, "t"),
            Messages = [new("overlap", MessageKind.Task, "overlap-run", null)],
            Effects = [Sql.Batch("INSERT INTO marks VALUES ($1)", mark)],
        };
    }

    [Fact]
    public async Task Claim_AnotherHostRanTheInstanceBetweenLookAndLock_LeavesItAlone()
    {
        await InsertAsync("overtaken", "overtaking", "overtaken-by");
        // The claim waits after it has looked for what is due, before it locks what it found.
        await database.DataSource.ExecuteAsync("""
            CREATE OR REPLACE FUNCTION wait_at_gate() RETURNS boolean LANGUAGE plpgsql VOLATILE AS
            $$ BEGIN PERFORM pg_advisory_xact_lock(4711); RETURN true; END $$
            """, [], Stop);
        const string Due = "SELECT DISTINCT instance_id, fence FROM due";
        BurstLoop.ClaimSql.ShouldContain(Due);
        var slow = BurstLoop.ClaimSql.Replace(Due, Due + " WHERE wait_at_gate()", StringComparison.Ordinal);
        await using var gate = await database.DataSource.OpenConnectionAsync(Stop);
        await ExecuteAsync(gate, "SELECT pg_advisory_lock(4711)");

        var claim = database.DataSource.QueryAsync(slow, ["overtaken-by", 8, DateTime.UnixEpoch], r => r.GetString(0), Stop);
        await EventuallyAsync("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND objid = 4711");
        // Meanwhile another host claims it, uses its message up and commits.
        await database.DataSource.ExecuteAsync("""
            WITH gone AS (DELETE FROM wf.messages WHERE instance_id = 'overtaken')
            UPDATE wf.instances SET fence = fence + 1 WHERE id = 'overtaken'
            """, [], Stop);
        await ExecuteAsync(gate, "SELECT pg_advisory_unlock(4711)");

        (await claim).ShouldBeEmpty();
        (await CountAsync("SELECT count(*) FROM wf.instances WHERE id = 'overtaken' AND owner IS NOT NULL")).ShouldBe(0);
    }

    [Fact]
    public async Task Reap_WhileAClaimOfTheHostIsUnderWay_PassesItOverAndFreesAllLater()
    {
        await InsertAsync("orphan", "orphan-reaper", "orphan-host");
        await database.DataSource.ExecuteAsync("UPDATE wf.hosts SET lease_until = now() - interval '1 minute' WHERE id = 'orphan-host'", [], Stop);
        await using var host = await database.DataSource.OpenConnectionAsync(Stop);
        await using var claim = await host.BeginTransactionAsync(Stop);
        await using (var command = new NpgsqlCommand(BurstLoop.ClaimSql, host, claim) { Parameters = { new() { Value = "orphan-host" }, new() { Value = 8 }, new() { Value = DateTime.UnixEpoch } } })
            (await command.ExecuteScalarAsync(Stop)).ShouldBe("orphan");

        (await ReapableAsync()).ShouldBeEmpty();
        await claim.CommitAsync(Stop);

        (await ReapableAsync()).ShouldBe(["orphan-host"]);

        Task<List<string>> ReapableAsync() =>
            database.DataSource.QueryAsync(HostLiveness.LockGoneSql, [4712, 1, "orphan-host"], r => r.GetString(0), Stop);
    }

    [Fact]
    public async Task Claim_HostTakenForDead_OwnsNothing()
    {
        await InsertAsync("unowned", "unowned-host");
        await database.DataSource.ExecuteAsync("DELETE FROM wf.hosts WHERE id = 'unowned-host'", [], Stop);

        (await database.DataSource.QueryAsync(BurstLoop.ClaimSql, ["unowned-host", 8, DateTime.UnixEpoch], r => r.GetString(0), Stop)).ShouldBeEmpty();
    }

    [Fact]
    public async Task Stop_WithALeaseThatNoBurstHolds_FreesIt()
    {
        await using var other = await EngineHost.StartAsync(database.ConnectionString);
        await using (var host = await EngineHost.StartAsync(database.ConnectionString, o => o.HostName = "stopping"))
        {
            await EventuallyAsync("SELECT count(*) FROM wf.hosts WHERE name = 'stopping'");
            await host.DefineAsync(Line("x"));
            // As a claim leaves it that the stop cut off.
            await host.CommitAsync(new NpgsqlBatchCommand("""
                INSERT INTO wf.instances (id, definition_id, definition_version_id, version, status, sub_status, state, owner, fence)
                SELECT 'cut-off', definition_id, version_id, version, 'Running', 'Pending', '{"status":"Running","subStatus":"Pending"}',
                       (SELECT id FROM wf.hosts WHERE name = 'stopping'), 1
                FROM wf.definitions LIMIT 1
                """));
        }

        (await other.FinishedAsync("cut-off")).SubStatus.ShouldBe(WorkflowSubStatus.Finished);
    }

    private async Task InsertAsync(string instance, params string[] hosts)
    {
        await database.DataSource.ExecuteAsync("DELETE FROM wf.messages", [], Stop);
        await database.DataSource.ExecuteAsync("""
            WITH told AS (INSERT INTO wf.messages (instance_id, kind) VALUES ($1, 'Start'))
            INSERT INTO wf.instances (id, definition_id, definition_version_id, version, status, sub_status, state)
            VALUES ($1, 'd', 'v', 1, 'Running', 'Pending', '{}')
            """, [instance], Stop);
        foreach (var host in hosts)
            await database.DataSource.ExecuteAsync("INSERT INTO wf.hosts (id, name) VALUES ($1, $1)", [host], Stop);
    }

    private async Task<long> CountAsync(string sql) => (await database.DataSource.QueryAsync(sql, [], r => r.GetInt64(0), Stop)).Single();

    private Task EventuallyAsync(string countSql) => Until.TrueAsync(async () => await CountAsync(countSql) > 0, () => $"None yet: {countSql}", 30);

    private static async Task ExecuteAsync(NpgsqlConnection connection, string sql)
    {
        await using var command = new NpgsqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync(Stop);
    }
}
