using System.Security.Claims;
using Aura.Orchestra.Users;

namespace Aura.Host.Security;

/// <summary>Who a token speaks for.</summary>
/// <param name="UserId">Null for the Director and for workers, who come with a key.</param>
/// <param name="Version">The user's version (see <c>User.Version</c>) when the token was made.</param>
internal sealed record TokenSubject(long? UserId, string Name, IReadOnlyList<string> Roles, int Version)
{
    public const string VersionClaim = "ver";

    /// <summary>The name under which workers act.</summary>
    public const string Worker = "worker";

    public string Subject => UserId is null && Name == Worker ? Worker : UserId is { } id ? string.Create(null, $"user-{id}") : UserNames.Director;

    public ClaimsPrincipal ToPrincipal(string scheme) => new(new ClaimsIdentity(
        [new("sub", Subject), new(ClaimTypes.Name, Name), .. Roles.Select(r => new Claim(ClaimTypes.Role, r))],
        scheme, ClaimTypes.Name, ClaimTypes.Role));
}

/// <summary>What reading a token came to: the subject, or why it is not taken.</summary>
internal sealed record TokenReading(TokenSubject? Subject, string? Problem)
{
    public static TokenReading Refused(string problem) => new(null, problem);
}

/// <summary>Access tokens: signed tokens of <c>typ</c> <c>at+jwt</c> (RFC 9068).</summary>
internal sealed class AccessTokens(TokenKeys keys, TimeProvider time)
{
    public static readonly TimeSpan Lifetime = TimeSpan.FromMinutes(15);

    private readonly SignedTokens _tokens = new("at+jwt", "aura-api", keys.Signer, time);

    public string Issue(TokenSubject subject) => _tokens.Sign(
        new Dictionary<string, object?>
        {
            ["sub"] = subject.Subject,
            ["name"] = subject.Name,
            ["roles"] = subject.Roles,
            [TokenSubject.VersionClaim] = subject.Version,
        },
        Lifetime);

    /// <summary>Whether the text has the shape of a token at all: it may as well be a key.</summary>
    public static bool LooksLikeOne(string text) => SignedTokens.LooksLikeOne(text);

    public TokenReading Read(string token)
    {
        var (claims, problem) = _tokens.Open(token);
        if (problem is not null)
            return TokenReading.Refused(problem.Text);
        try
        {
            var roles = claims.GetProperty("roles").EnumerateArray().Select(r => r.GetString()!).ToList();
            var subject = claims.GetProperty("sub").GetString()!;
            long? id = subject == UserNames.Director ? null : long.Parse(subject.AsSpan("user-".Length), null);
            return new(new(id, claims.GetProperty("name").GetString()!, roles, claims.GetProperty(TokenSubject.VersionClaim).GetInt32()), null);
        }
        catch (Exception e) when (e is FormatException or InvalidOperationException or KeyNotFoundException or OverflowException or ArgumentException)
        {
            return TokenReading.Refused("The token is malformed.");
        }
    }
}
