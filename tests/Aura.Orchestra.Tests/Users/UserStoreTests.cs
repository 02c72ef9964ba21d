using Aura.Orchestra.Users;
using Aura.Testing;
using Npgsql;

namespace Aura.Orchestra.Tests.Users;

public sealed class UserStoreTests(TestDatabase database) : IClassFixture<TestDatabase>
{
    private readonly UserStore _users = new(database.DataSource);

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Add_NameInOtherCase_IsTaken()
    {
        (await _users.AddAsync("Ada", ["HR", "Auditor", "HR"], "h", "director", Cancel)).ShouldBeTrue();
        (await _users.AddAsync("aDA", ["Director"], "h", "director", Cancel)).ShouldBeFalse();

        var ada = (await _users.FindAsync("ADA", Cancel))!;
        (ada.Name, ada.IsActive, ada.Version, ada.LastSignInAt).ShouldBe(("Ada", true, 1, null));
        ada.Roles.ShouldBe(["Auditor", "HR"]);
        (await AuditsAsync("Ada")).ShouldBe(["director user.add"]);
        (await AuditsAsync("aDA")).ShouldBeEmpty();
    }

    [Fact]
    public async Task Change_EachMember_TouchesOnlyThatAndRaisesTheVersion()
    {
        await _users.AddAsync("bob", ["HR"], "old", "director", Cancel);

        (await _users.ChangeAsync("BOB", new(Roles: ["Auditor"]), "ada", Cancel)).ShouldBeTrue();
        await _users.ChangeAsync("bob", new(PasswordHash: "new"), "ada", Cancel);
        await _users.ChangeAsync("bob", new(IsActive: false), "ada", Cancel);

        var (bob, hash) = (await _users.CredentialsAsync("bob", Cancel))!;
        (bob.IsActive, bob.Version, hash).ShouldBe((false, 4, "new"));
        bob.Roles.ShouldBe(["Auditor"]);
        (await AuditsAsync("bob")).ShouldBe(["director user.add", "ada user.password", "ada user.disable"]);
        (await AuditsAsync("BOB")).ShouldBe(["ada user.roles"]);
    }

    [Fact]
    public async Task Change_Unknown_IsFalseAndLeavesNoAudit()
    {
        (await _users.ChangeAsync("nobody", new(IsActive: false), "ada", Cancel)).ShouldBeFalse();
        (await AuditsAsync("nobody")).ShouldBeEmpty();
    }

    [Theory]
    [InlineData("director", "HR")]
    [InlineData("System", "HR")]
    [InlineData("-x", "HR")]
    [InlineData("a b", "HR")]
    [InlineData("", "HR")]
    [InlineData("fine", "Emperor")]
    [InlineData("fine")]
    public async Task Add_WhatTheRulesForbid_IsRefusedByTheTable(string name, params string[] roles)
    {
        var refused = await Should.ThrowAsync<PostgresException>(() => _users.AddAsync(name, roles, "h", "director", Cancel));
        refused.SqlState.ShouldBe(PostgresErrorCodes.CheckViolation);
        (roles is ["HR"] && UserNames.Problem(name) is null).ShouldBeFalse("the code's rule and the table's must agree");
    }

    [Fact]
    public async Task Rehash_PasswordChangedMeanwhile_LeavesTheNewOne()
    {
        await _users.AddAsync("eve", ["HR"], "first", "director", Cancel);
        var eve = (await _users.FindAsync("eve", Cancel))!;
        await _users.ChangeAsync("eve", new(PasswordHash: "second"), "director", Cancel);

        await _users.RehashAsync(eve.Id, "first", "first, stronger", Cancel);

        (await _users.CredentialsAsync("eve", Cancel))!.PasswordHash.ShouldBe("second");
    }

    private async Task<List<string>> AuditsAsync(string user)
    {
        await using var command = database.DataSource.CreateCommand(
            "SELECT concat_ws(' ', actor, action) FROM aura.audit_logs WHERE details->>'user' = $1 ORDER BY id");
        command.Parameters.Add(new() { Value = user });
        await using var reader = await command.ExecuteReaderAsync(Cancel);
        var rows = new List<string>();
        while (await reader.ReadAsync(Cancel))
            rows.Add(await reader.GetFieldValueAsync<string>(0, Cancel));
        return rows;
    }
}
