using Aura.Host.Security;
using Aura.Host.Tests.EndToEnd;
using Aura.Orchestra.Users;
using Aura.Testing;

namespace Aura.Host.Tests.Security;

public sealed class UserStandingTests(TestDatabase database) : IClassFixture<TestDatabase>
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Forget_WhileAListIsRead_ThatListDoesNotCountAnyMore()
    {
        var store = new UserStore(database.DataSource);
        (await store.AddAsync("ada", [AuraRoles.Hr], "no-hash", "director", Cancel)).ShouldBeTrue();
        var user = (await store.FindAsync("ada", Cancel))!;
        var ada = new TokenSubject(user.Id, user.Name, user.Roles, user.Version);
        using var standing = new UserStanding(store, TimeProvider.System);
        // A read of the users, once begun, waits for this lock.
        await ExecuteAsync("""
            ALTER TABLE aura.users RENAME TO kept_users;
            CREATE VIEW aura.users AS SELECT * FROM aura.kept_users WHERE (SELECT pg_advisory_xact_lock_shared(4711))::text IS NOT NULL
            """);
        await using var connection = await database.DataSource.OpenConnectionAsync(Cancel);
        await using var transaction = await connection.BeginTransactionAsync(Cancel);
        await using (var hold = new Npgsql.NpgsqlCommand("SELECT pg_advisory_xact_lock(4711)", connection, transaction))
            await hold.ExecuteNonQueryAsync(Cancel);

        var before = standing.IsCurrentAsync(ada, Cancel);
        await Until.TrueAsync(() => database.ScalarAsync<bool>("""
            SELECT EXISTS (SELECT FROM pg_locks JOIN pg_database d ON d.oid = database
                           WHERE locktype = 'advisory' AND objid = 4711 AND NOT granted AND datname = current_database())
            """), () => "Nobody reads the users.");
        await ExecuteAsync("UPDATE aura.kept_users SET is_active = false");
        var forget = standing.ForgetAsync();
        await transaction.RollbackAsync(Cancel);
        await forget;
        // Asked before the change, it may be told what was true then.
        await before;

        (await standing.IsCurrentAsync(ada, Cancel)).ShouldBeFalse();
    }

    private async Task ExecuteAsync(string sql)
    {
        await using var command = database.DataSource.CreateCommand(sql);
        await command.ExecuteNonQueryAsync(Cancel);
    }
}
