using Aura.Host.Security;

namespace Aura.Host.Tests.Security;

public sealed class PasswordsTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Verify_RightWrongAndNobody_OnlyTheRightOneIsRight()
    {
        using var passwords = new Passwords(iterations: 1000);
        var hash = await passwords.HashAsync("correct horse battery", Cancel);
        hash.ShouldNotContain("horse");
        (await passwords.VerifyAsync(hash, "correct horse battery", Cancel)).ShouldBe(new PasswordVerdict(true, null));
        (await passwords.VerifyAsync(hash, "correct horse batterY", Cancel)).IsRight.ShouldBeFalse();
        (await passwords.VerifyAsync(null, "correct horse battery", Cancel)).IsRight.ShouldBeFalse();
    }

    [Fact]
    public async Task Verify_HashOfFewerIterations_ComesWithAStrongerOne()
    {
        using var weak = new Passwords(iterations: 1000);
        using var strong = new Passwords(iterations: 2000);
        var hash = await weak.HashAsync("correct horse battery", Cancel);

        var verdict = await strong.VerifyAsync(hash, "correct horse battery", Cancel);

        verdict.IsRight.ShouldBeTrue();
        (await strong.VerifyAsync(verdict.NewHash, "correct horse battery", Cancel)).ShouldBe(new PasswordVerdict(true, null));
    }

    [Theory]
    [InlineData("short", false)]
    [InlineData("elevenchars", false)]
    [InlineData("twelve chars", true)]
    [InlineData("aaaaaaaaaaaaaaaa", false)]
    [InlineData("adalovelace123", false)]
    [InlineData("ADALOVELACE and her engine", true)]
    public void Problem_OfAPassword_GoesByLengthAndName(string password, bool isFine) =>
        (Passwords.Problem(password, "adalovelace") is null).ShouldBe(isFine);
}
