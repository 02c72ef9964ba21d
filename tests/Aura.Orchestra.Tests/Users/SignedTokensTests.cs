using System.Security.Cryptography;
using Aura.Orchestra.Employees;
using Aura.Orchestra.Users;

namespace Aura.Orchestra.Tests.Users;

/// <summary>What is remembered of tokens: that a signature was right, and nothing else.</summary>
public sealed class SignedTokensTests : IDisposable
{
    private readonly ECDsa _key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
    private readonly Clock _time = new();
    private int _verified;

    private TokenSigner Signer => new(
        () => "k", data => _key.SignData(data, HashAlgorithmName.SHA256),
        (data, signature) =>
        {
            _verified++;
            return _key.VerifyData(data, signature, HashAlgorithmName.SHA256);
        });

    [Fact]
    public void Open_TheSameTokenAgain_ChecksItsSignatureOnceAndItsTimesAlways()
    {
        var tokens = new SignedTokens("t+jwt", "me", Signer, _time);
        var token = tokens.Sign(new Dictionary<string, object?> { ["sub"] = "one" }, TimeSpan.FromHours(1));
        for (var i = 0; i < 3; i++)
            tokens.Open(token).Problem.ShouldBeNull();
        _verified.ShouldBe(1);

        _time.Now += TimeSpan.FromHours(2);
        tokens.Open(token).Problem!.Code.ShouldBe("token_expired");
        _verified.ShouldBe(1);
    }

    [Fact]
    public void Open_OtherClaimsUnderASignatureThatIsKnown_IsRefusedEachTime()
    {
        var tokens = new SignedTokens("t+jwt", "me", Signer, _time);
        var (one, other) = (Of("one").Split('.'), Of("other").Split('.'));
        tokens.Open(string.Join('.', one)).Problem.ShouldBeNull();
        for (var i = 0; i < 2; i++)
            tokens.Open($"{one[0]}.{other[1]}.{one[2]}").Problem!.Code.ShouldBe("token_forged");
        _verified.ShouldBe(3);

        string Of(string subject) => tokens.Sign(new Dictionary<string, object?> { ["sub"] = subject }, TimeSpan.FromHours(1));
    }

    [Fact]
    public void Issue_ForLongerThanAnyTokenLives_IsForTheLongest()
    {
        var tokens = new JobTokens(Signer, _time);
        var token = tokens.Issue(new("m", "job-1", 1, "job-1-a1", 1, 1), JobTokens.Lifetime * 2);
        _time.Now += JobTokens.Lifetime + TimeSpan.FromMinutes(1);
        tokens.Read(token).Problem!.Code.ShouldBe("token_expired");
    }

    public void Dispose() => _key.Dispose();

    private sealed class Clock : TimeProvider
    {
        public DateTimeOffset Now { get; set; } = new(2030, 1, 1, 0, 0, 0, TimeSpan.Zero);

        public override DateTimeOffset GetUtcNow() => Now;
    }
}
