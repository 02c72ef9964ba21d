using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Aura.Host.Security;

namespace Aura.Host.Tests.Security;

public sealed class AccessTokensTests : IDisposable
{
    private static readonly TokenSubject Ada = new(7, "ada", ["Auditor", "HR"], 3);
    private readonly TokenKeys _keys = new("a-director-key-for-tests", null);
    private readonly ManualTime _time = new();
    private readonly AccessTokens _tokens;

    public AccessTokensTests() => _tokens = new(_keys, _time);

    public void Dispose() => _keys.Dispose();

    [Fact]
    public void Read_WhatWasIssued_IsTheSubject()
    {
        foreach (var subject in (TokenSubject[])[Ada, new(null, "director", ["Director"], 0)])
        {
            var read = _tokens.Read(_tokens.Issue(subject)).Subject!;
            (read.UserId, read.Name, read.Version, read.Subject).ShouldBe((subject.UserId, subject.Name, subject.Version, subject.Subject));
            read.Roles.ShouldBe(subject.Roles);
        }
    }

    [Theory]
    [InlineData(-31, "not valid yet")]
    [InlineData(-30, null)]
    [InlineData((15 * 60) + 29, null)]
    [InlineData((15 * 60) + 30, "expired")]
    public void Read_AtATime_AllowsForTheSkewOnly(int seconds, string? problem)
    {
        var token = _tokens.Issue(Ada);
        _time.Now += TimeSpan.FromSeconds(seconds);
        var read = _tokens.Read(token);
        if (problem is null)
            read.Problem.ShouldBeNull();
        else
            read.Problem!.ShouldContain(problem);
    }

    [Theory]
    [InlineData("header", "alg", "none", "kind")]
    [InlineData("header", "alg", "HS256", "kind")]
    [InlineData("header", "alg", "ES384", "kind")]
    [InlineData("header", "alg", "es256", "kind")]
    [InlineData("header", "typ", "JWT", "kind")]
    [InlineData("header", "kid", "another", "another key")]
    [InlineData("header", "crit", "exp", "kind")]
    [InlineData("payload", "aud", "another-api", "another service")]
    [InlineData("payload", "iss", "mallory", "another service")]
    [InlineData("payload", "sub", "user-x", "malformed")]
    [InlineData("payload", "sub", "x", "malformed")]
    [InlineData("payload", "sub", "user-99999999999999999999", "malformed")]
    [InlineData("payload", "roles", "Director", "malformed")]
    [InlineData("payload", "exp", "never", "malformed")]
    public void Read_AnotherHeaderOrClaim_IsRefusedAlthoughTheSignatureIsRight(string part, string member, string value, string problem) =>
        _tokens.Read(Forge(o => o[part]![member] = value)).Problem!.ShouldContain(problem);

    [Theory]
    [InlineData("exp")]
    [InlineData("nbf")]
    [InlineData("aud")]
    [InlineData("roles")]
    [InlineData("ver")]
    [InlineData("sub")]
    public void Read_MissingClaim_IsRefused(string claim) => _tokens.Read(Forge(o => o["payload"]!.AsObject().Remove(claim))).Subject.ShouldBeNull();

    [Fact]
    public void Read_AnyByteChanged_IsRefused()
    {
        var token = _tokens.Issue(Ada);
        for (var i = 0; i < token.Length; i++)
        {
            var changed = token.ToCharArray();
            // The last character of a part may hold bits that mean nothing; flipping the highest bit of each is never without meaning.
            changed[i] = changed[i] == '.' ? 'A' : changed[i] is >= 'A' and <= 'V' ? 'w' : 'B';
            if (changed[i] != token[i])
                _tokens.Read(new(changed)).Subject.ShouldBeNull($"character {i}");
        }
    }

    [Fact]
    public void Read_NoneWithEmptySignature_IsRefused()
    {
        var parts = _tokens.Issue(Ada).Split('.');
        var none = Base64Url.EncodeToString("""{"alg":"none","typ":"at+jwt"}"""u8);
        _tokens.Read($"{none}.{parts[1]}.").Subject.ShouldBeNull();
        _tokens.Read($"{parts[0]}.{parts[1]}.").Problem!.ShouldContain("signature");
    }

    [Fact]
    public void Read_SignedWithAnotherKeyUnderOurKeyId_IsRefused()
    {
        using var other = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var signed = string.Join('.', _tokens.Issue(Ada).Split('.')[..2]);
        var signature = other.SignData(Encoding.ASCII.GetBytes(signed), HashAlgorithmName.SHA256);
        _tokens.Read(signed + "." + Base64Url.EncodeToString(signature)).Problem!.ShouldContain("signature");
    }

    [Theory]
    [InlineData("")]
    [InlineData("..")]
    [InlineData("eyJ.eyJ.eyJ")]
    [InlineData("eyJ!.eyJ!.eyJ!")]
    [InlineData("not a token at all")]
    public void Read_NoToken_IsMalformed(string text) => _tokens.Read(text).Problem!.ShouldContain("malformed");

    [Fact]
    public void Read_Huge_IsMalformed() => _tokens.Read("eyJ." + new string('A', 100_000) + ".A").Problem!.ShouldContain("malformed");

    [Fact]
    public void Keys_SameSecrets_TakeEachOthersTokensAndOtherSecretsDoNot()
    {
        var token = _tokens.Issue(Ada);
        using var twin = new TokenKeys("a-director-key-for-tests", null);
        using var stronger = new TokenKeys("a-director-key-for-tests", new string('k', 32));
        using var other = new TokenKeys("another-director-key", null);
        new AccessTokens(twin, _time).Read(token).Subject.ShouldNotBeNull();
        new AccessTokens(stronger, _time).Read(token).Problem!.ShouldContain("another key");
        new AccessTokens(other, _time).Read(token).Problem!.ShouldContain("another key");
        twin.HashOf([1]).ShouldBe(_keys.HashOf([1]));
        other.HashOf([1]).ShouldNotBe(_keys.HashOf([1]));
    }

    [Fact]
    public void Sign_ManyThreads_EverySignatureIsGood() => Parallel.For(0, 200, i =>
    {
        var data = BitConverter.GetBytes(i);
        _keys.Verify(data, _keys.Sign(data)).ShouldBeTrue();
    });

    private string Forge(Action<JsonObject> change)
    {
        var parts = _tokens.Issue(Ada).Split('.');
        var token = new JsonObject { ["header"] = Parse(parts[0]), ["payload"] = Parse(parts[1]) };
        change(token);
        var signed = Encode(token["header"]!) + "." + Encode(token["payload"]!);
        return signed + "." + Base64Url.EncodeToString(_keys.Sign(Encoding.ASCII.GetBytes(signed)));
    }

    private static JsonNode Parse(string part) => JsonNode.Parse(Base64Url.DecodeFromChars(part))!;

    private static string Encode(JsonNode node) => Base64Url.EncodeToString(Encoding.UTF8.GetBytes(node.ToJsonString(JsonSerializerOptions.Web)));
}
