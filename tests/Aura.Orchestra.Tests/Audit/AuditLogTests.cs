using Aura.Orchestra.Audit;
using Aura.Orchestra.Events;
using Aura.Orchestra.Storage;
using Aura.Testing;
using Npgsql;
using static Aura.Orchestra.Tests.Storage.Seed;

namespace Aura.Orchestra.Tests.Audit;

public sealed class AuditLogTests(TestDatabase database) : IClassFixture<TestDatabase>
{
    private readonly NpgsqlDataSource _db = database.DataSource;

    [Fact]
    public async Task Record_AnAct_ReadsBack()
    {
        await _db.CommitAsync(AuditLog.Record("director", "prd.approve", "prd-22222222", null, new { DiffHash = "h" }), Cancel);
        var log = new AuditLog(_db);
        IReadOnlyList<AuditEntry> entries = [];
        // Another test's open transaction may hold the row back for a moment.
        for (var i = 0; i < 200 && entries.Count == 0; i++)
        {
            entries = [.. (await log.ReadAsync(EventCursor.Start, cancellationToken: Cancel)).Where(e => e.PrdId == "prd-22222222")];
            await Task.Delay(50, Cancel);
        }

        var entry = entries.ShouldHaveSingleItem();
        (entry.Actor, entry.Action, entry.JobId, entry.Details.GetProperty("diff_hash").GetString()).ShouldBe(("director", "prd.approve", null, "h"));
        (await log.ReadAsync(entry.Id, cancellationToken: Cancel)).ShouldNotContain(e => e.Id == entry.Id);
    }

    [Theory]
    [InlineData("UPDATE aura.audit_logs SET actor = 'nobody'")]
    [InlineData("DELETE FROM aura.audit_logs")]
    [InlineData("TRUNCATE aura.audit_logs")]
    public async Task Table_AnyChange_IsRefused(string sql)
    {
        await _db.CommitAsync(AuditLog.Record("director", "prd.submit"), Cancel);
        await using var command = _db.CreateCommand(sql);
        (await Should.ThrowAsync<PostgresException>(() => command.ExecuteNonQueryAsync(Cancel))).MessageText.ShouldContain("only ever added");
    }
}
