using Aura.Orchestra.Events;
using Aura.Orchestra.Storage;
using Aura.Testing;
using Npgsql;
using static Aura.Orchestra.Tests.Storage.Seed;

namespace Aura.Orchestra.Tests.Storage;

/// <summary>Statements that are committed together.</summary>
public sealed class TransactionsTests(TestDatabase database) : IClassFixture<TestDatabase>
{
    private readonly NpgsqlDataSource _db = database.DataSource;

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task CommitAsync_OneOfManyIsRefused_LeavesNone(bool isDurable)
    {
        var before = await CountAsync();
        await Should.ThrowAsync<PostgresException>(() => _db.CommitAsync(
            [EventChanges.OfNobody("test.first", new { }), EventChanges.OfNobody("no type", new { }), EventChanges.OfNobody("test.third", new { })], Cancel, isDurable));
        (await CountAsync()).ShouldBe(before);
    }

    [Theory]
    [InlineData(true, "on")]
    [InlineData(false, "off")]
    public async Task CommitAsync_Statements_AreOneTransactionThatWaitsForTheDiskOrNot(bool isDurable, string expected)
    {
        var type = $"test.{(isDurable ? "durable" : "soon")}";
        // One connection: what was set for a transaction must not stay on it.
        await using var one = NpgsqlDataSource.Create(new NpgsqlConnectionStringBuilder(database.ConnectionString) { MaxPoolSize = 1, NoResetOnClose = true }.ConnectionString);
        var rows = await one.CommitAsync([Note(type), Note(type)], Cancel, isDurable);

        rows.ShouldBe([1L, 1L]);
        (await ScalarAsync<string>(_db, $"SELECT string_agg(DISTINCT data->>'commit', ',') FROM aura.job_events WHERE type = '{type}'")).ShouldBe(expected);
        (await ScalarAsync<long>(_db, $"SELECT count(DISTINCT xid) FROM aura.job_events WHERE type = '{type}'")).ShouldBe(1);
        (await ScalarAsync<string>(one, "SHOW synchronous_commit")).ShouldBe("on");

        static NpgsqlBatchCommand Note(string type) => new(
            $"INSERT INTO aura.job_events (type, data) VALUES ('{type}', jsonb_build_object('commit', current_setting('synchronous_commit')))");
    }

    private Task<long> CountAsync() => ScalarAsync<long>(_db, "SELECT count(*) FROM aura.job_events");
}
