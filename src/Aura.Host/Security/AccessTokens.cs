using System.Buffers.Text;
using System.Security.Claims;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;

namespace Aura.Host.Security;

/// <summary>Who a token speaks for.</summary>
/// <param name="UserId">Null for the Director, signed in with the key.</param>
/// <param name="Version">The user's version (see <c>User.Version</c>) when the token was made.</param>
internal sealed record TokenSubject(long? UserId, string Name, IReadOnlyList<string> Roles, int Version)
{
    public const string VersionClaim = "ver";

    public string Subject => UserId is { } id ? string.Create(null, $"user-{id}") : Orchestra.Users.UserNames.Director;

    public ClaimsPrincipal ToPrincipal(string scheme) => new(new ClaimsIdentity(
        [new("sub", Subject), new(ClaimTypes.Name, Name), .. Roles.Select(r => new Claim(ClaimTypes.Role, r))],
        scheme, ClaimTypes.Name, ClaimTypes.Role));
}

/// <summary>What reading a token came to: the subject, or why it is not taken.</summary>
internal sealed record TokenReading(TokenSubject? Subject, string? Problem)
{
    public static TokenReading Refused(string problem) => new(null, problem);
}

/// <summary>
/// JSON Web Tokens of exactly one kind: ES256, one key, one issuer, one audience, <c>typ</c> <c>at+jwt</c> (RFC 9068). Nothing in a token
/// chooses how it is checked.
/// </summary>
internal sealed class AccessTokens(TokenKeys keys, TimeProvider time)
{
    public static readonly TimeSpan Lifetime = TimeSpan.FromMinutes(15);

    /// <summary>How far the clocks of two hosts may differ.</summary>
    private static readonly TimeSpan Skew = TimeSpan.FromSeconds(30);
    private const string Issuer = "aura";
    private const string Audience = "aura-api";
    private const string Type = "at+jwt";
    private const int MaxLength = 4096;
    private static readonly JsonDocumentOptions Strict = new() { AllowDuplicateProperties = false, MaxDepth = 4 };

    public string Issue(TokenSubject subject)
    {
        var now = time.GetUtcNow().ToUnixTimeSeconds();
        var signed = Encode(new { alg = "ES256", typ = Type, kid = keys.KeyId }) + "." + Encode(new
        {
            iss = Issuer,
            aud = Audience,
            sub = subject.Subject,
            name = subject.Name,
            roles = subject.Roles,
            ver = subject.Version,
            iat = now,
            nbf = now,
            exp = now + (long)Lifetime.TotalSeconds,
        });
        return signed + "." + Base64Url.EncodeToString(keys.Sign(Encoding.ASCII.GetBytes(signed)));
    }

    /// <summary>Whether the text has the shape of a token at all: it may as well be a key.</summary>
    public static bool LooksLikeOne(string text) => text.StartsWith("eyJ", StringComparison.Ordinal) && text.Count('.') == 2;

    public TokenReading Read(string token)
    {
        if (token.Length > MaxLength || !LooksLikeOne(token))
            return TokenReading.Refused("The token is malformed.");
        var parts = token.Split('.');
        try
        {
            // The header decides nothing. It is compared, so that a token for another purpose or key is told apart from a forged one.
            var header = Decode(parts[0]);
            if (Text(header, "alg") != "ES256" || Text(header, "typ") != Type || header.TryGetProperty("crit", out _))
                return TokenReading.Refused("The token is not of the kind that this host issues.");
            if (Text(header, "kid") != keys.KeyId)
                return TokenReading.Refused("The token was signed with another key: the hosts' secrets have changed. Sign in again.");
            if (!keys.Verify(Encoding.ASCII.GetBytes(token[..token.LastIndexOf('.')]), Base64Url.DecodeFromChars(parts[2])))
                return TokenReading.Refused("The token's signature is wrong.");
            return ReadClaims(Decode(parts[1]));
        }
        catch (Exception e) when (e is FormatException or JsonException or InvalidOperationException or KeyNotFoundException
            or CryptographicException or OverflowException or ArgumentException)
        {
            return TokenReading.Refused("The token is malformed.");
        }
    }

    private TokenReading ReadClaims(JsonElement claims)
    {
        if (Text(claims, "iss") != Issuer || Text(claims, "aud") != Audience)
            return TokenReading.Refused("The token is meant for another service.");
        var now = time.GetUtcNow();
        if (now < Time(claims, "nbf") - Skew || now < Time(claims, "iat") - Skew)
            return TokenReading.Refused("The token is not valid yet.");
        if (now >= Time(claims, "exp") + Skew)
            return TokenReading.Refused("The token has expired.");
        var roles = claims.GetProperty("roles").EnumerateArray().Select(r => r.GetString()!).ToList();
        var subject = claims.GetProperty("sub").GetString()!;
        long? id = subject == Orchestra.Users.UserNames.Director ? null : long.Parse(subject.AsSpan("user-".Length), null);
        return new(new(id, claims.GetProperty("name").GetString()!, roles, claims.GetProperty(TokenSubject.VersionClaim).GetInt32()), null);
    }

    private static DateTimeOffset Time(JsonElement claims, string name) => DateTimeOffset.FromUnixTimeSeconds(claims.GetProperty(name).GetInt64());

    private static string? Text(JsonElement element, string name) =>
        element.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;

    private static JsonElement Decode(string part) => JsonElement.Parse(Base64Url.DecodeFromChars(part), Strict);

    private static string Encode<T>(T value) => Base64Url.EncodeToString(JsonSerializer.SerializeToUtf8Bytes(value));
}
