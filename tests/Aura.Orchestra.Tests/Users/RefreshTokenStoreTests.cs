using System.Security.Cryptography;
using System.Text;
using Aura.Orchestra.Users;
using Aura.Testing;

namespace Aura.Orchestra.Tests.Users;

public sealed class RefreshTokenStoreTests(TestDatabase database) : IClassFixture<TestDatabase>
{
    private static readonly DateTimeOffset Now = new(2026, 1, 1, 12, 0, 0, TimeSpan.Zero);
    private readonly UserStore _users = new(database.DataSource);
    private readonly RefreshTokenStore _tokens = new(database.DataSource, new());

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("present", 0, RefreshOutcome.Rotated)]
    [InlineData("present", 3600, RefreshOutcome.Rotated)]
    [InlineData("previous", 0, RefreshOutcome.Repeated)]
    [InlineData("previous", 10, RefreshOutcome.Repeated)]
    [InlineData("previous", 11, RefreshOutcome.Reused)]
    [InlineData("older", 10, RefreshOutcome.Overtaken)]
    [InlineData("older", 11, RefreshOutcome.Reused)]
    public void Decide_AfterAnExchange_GoesByTokenAndAge(string presented, int seconds, RefreshOutcome expected)
    {
        var row = new RefreshRow(Hash("present"), Hash("previous"), Hash("salt"), Now.AddSeconds(-seconds), Now.AddDays(1), Now, false);
        RefreshTokenStore.Decide(row, Hash(presented), TimeSpan.FromSeconds(10)).ShouldBe(expected);
    }

    [Theory]
    [InlineData("present", 1, RefreshOutcome.Rotated)]
    [InlineData("present", 0, RefreshOutcome.Dead)]
    [InlineData("older", 1, RefreshOutcome.Reused)]
    public void Decide_BeforeAnyExchange_OnlyTheFirstTokenIsGood(string presented, int secondsLeft, RefreshOutcome expected)
    {
        var row = new RefreshRow(Hash("present"), null, null, null, Now.AddSeconds(secondsLeft), Now, true);
        RefreshTokenStore.Decide(row, Hash(presented), TimeSpan.FromSeconds(10)).ShouldBe(expected);
    }

    [Fact]
    public async Task Rotate_TwentyAtOnce_OneExchangesAndAllLearnTheSameSuccessor()
    {
        var family = await StartedAsync(null, "t0");

        var results = await Task.WhenAll(Enumerable.Range(0, 20).Select(i => RotateAsync(family, "t0", $"salt {i}", $"t1 of {i}")));

        results.Count(r => r.Outcome == RefreshOutcome.Rotated).ShouldBe(1);
        results.Count(r => r.Outcome == RefreshOutcome.Repeated).ShouldBe(19);
        results.Select(r => Convert.ToHexString(r.SuccessorSalt!)).Distinct().Count().ShouldBe(1);
        results.Select(r => r.ExpiresAt).Distinct().Count().ShouldBe(1);
    }

    [Fact]
    public async Task Rotate_OldTokenComesBackLater_EndsTheSignInForAll()
    {
        var family = await StartedAsync(null, "t0");
        await RotateAsync(family, "t0", "s", "t1");
        await ExecuteAsync($"UPDATE aura.refresh_tokens SET rotated_at = now() - interval '11 s' WHERE family = '{family}'");

        (await RotateAsync(family, "t0", "s", "x")).Outcome.ShouldBe(RefreshOutcome.Reused);

        (await RotateAsync(family, "t1", "s", "x")).Outcome.ShouldBe(RefreshOutcome.Dead);
    }

    [Fact]
    public async Task Rotate_NearTheAbsoluteLimit_DoesNotReachBeyond()
    {
        var family = await StartedAsync(null, "t0");
        await ExecuteAsync($"UPDATE aura.refresh_tokens SET expires_at = now() + interval '1 h', ends_at = now() + interval '1 h' WHERE family = '{family}'");

        var result = await RotateAsync(family, "t0", "s", "t1");

        result.Outcome.ShouldBe(RefreshOutcome.Rotated);
        result.ExpiresAt.ShouldBeLessThan(DateTimeOffset.UtcNow.AddHours(2));
    }

    [Fact]
    public async Task Start_UserChangedSinceTheCheck_IsRefused()
    {
        var user = await UserAsync("changed");
        await _users.ChangeAsync("changed", new(PasswordHash: "other"), "director", Cancel);

        (await _tokens.StartAsync(Guid.NewGuid(), user, Hash("t0"), null, Cancel)).ShouldBeFalse();
    }

    [Fact]
    public async Task Change_PasswordOrDisable_EndsSignInsAndRolesDoNot()
    {
        var user = await UserAsync("carl");
        var family = await StartedAsync(user, "t0");
        (await _users.FindAsync("carl", Cancel))!.LastSignInAt.ShouldNotBeNull();

        await _users.ChangeAsync("carl", new(Roles: ["HR"]), "director", Cancel);
        var rotated = await RotateAsync(family, "t0", "s", "t1");
        (rotated.Outcome, rotated.User!.Roles.Single()).ShouldBe((RefreshOutcome.Rotated, "HR"));

        await _users.ChangeAsync("carl", new(IsActive: false), "director", Cancel);
        (await RotateAsync(family, "t1", "s", "t2")).Outcome.ShouldBe(RefreshOutcome.Dead);
    }

    [Fact]
    public async Task Disable_WhileSignInsBegin_LeavesNone()
    {
        for (var round = 0; round < 20; round++)
        {
            var name = $"racer{round}";
            var user = await UserAsync(name);
            await Task.WhenAll(
                Task.WhenAll(Enumerable.Range(0, 4).Select(_ => _tokens.StartAsync(Guid.NewGuid(), user, Hash("t"), null, Cancel))),
                _users.ChangeAsync(name, new(IsActive: false), "director", Cancel));

            await using var left = database.DataSource.CreateCommand($"SELECT count(*) FROM aura.refresh_tokens WHERE user_id = {user.Id}");
            (await left.ExecuteScalarAsync(Cancel)).ShouldBe(0L);
        }
    }

    [Fact]
    public async Task End_ThenRotate_IsDead()
    {
        var family = await StartedAsync(null, "t0");
        (await _tokens.EndAsync(family, Hash("t0"), Cancel)).ShouldBe("director");
        (await _tokens.EndAsync(family, Hash("t0"), Cancel)).ShouldBeNull();
        (await RotateAsync(family, "t0", "s", "t1")).Outcome.ShouldBe(RefreshOutcome.Dead);
    }

    private static byte[] Hash(string text) => SHA256.HashData(Encoding.UTF8.GetBytes(text));

    private Task<RefreshResult> RotateAsync(Guid family, string token, string salt, string successor) =>
        _tokens.RotateAsync(family, Hash(token), Hash(salt), Hash(successor), "::1", Cancel);

    private async Task<Guid> StartedAsync(User? user, string token)
    {
        var family = Guid.NewGuid();
        (await _tokens.StartAsync(family, user, Hash(token), "::1", Cancel)).ShouldBeTrue();
        return family;
    }

    private async Task<User> UserAsync(string name)
    {
        await _users.AddAsync(name, ["Auditor"], "h", "director", Cancel);
        return (await _users.FindAsync(name, Cancel))!;
    }

    private Task ExecuteAsync(string sql) => database.ExecuteAsync(sql);
}
