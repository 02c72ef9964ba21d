using System.Buffers.Text;
using System.Net;
using System.Security.Cryptography;
using System.Text;
using Aura.Host.Api;
using Aura.Orchestra.Audit;
using Aura.Orchestra.Storage;
using Aura.Orchestra.Users;
using Npgsql;

namespace Aura.Host.Security;

/// <summary>A sign-in that holds.</summary>
internal sealed record SignedIn(TokenSubject Subject, string AccessToken, string RefreshToken, DateTimeOffset RefreshExpiresAt);

/// <summary>A sign-in or what stands in its way: wait (too many failures), try again (another tab was first), or neither: refused.</summary>
internal sealed record SignInResult(SignedIn? SignedIn, TimeSpan? RetryAfter = null, bool IsOvertaken = false)
{
    public static SignInResult Refused { get; } = new(null, null);
}

/// <summary>Sign-in, renewal and sign-out, whatever the form of the request.</summary>
internal sealed class SignIns(
    AuraApiOptions options, UserStore users, RefreshTokenStore tokens, Passwords passwords, SignInThrottle throttle, AccessTokens access,
    TokenKeys keys, RefreshTokenOptions lifetimes, TimeProvider time, NpgsqlDataSource db)
{
    private const int FamilyLength = 16;
    private const int SecretLength = 32;

    /// <summary>With a user's name and password, or <c>director</c> and the Director's key.</summary>
    public async Task<SignInResult> SignInAsync(string name, string password, IPAddress? address, CancellationToken cancellationToken)
    {
        if (throttle.Begin(name, address) is { } wait)
            return new(null, wait);
        try
        {
            var isDirector = name.Equals(UserNames.Director, StringComparison.OrdinalIgnoreCase);
            var known = isDirector ? null : await users.CredentialsAsync(name, cancellationToken);
            var verdict = isDirector
                ? new(DirectorKey.Matches(password, options.DirectorKey), null)
                : await passwords.VerifyAsync(known?.PasswordHash, password, cancellationToken);
            if (verdict.IsRight && (isDirector || known!.User.IsActive))
            {
                if (verdict.NewHash is not null)
                    await users.RehashAsync(known!.User.Id, known.PasswordHash!, verdict.NewHash, cancellationToken);
                if (await StartAsync(known?.User, address, cancellationToken) is { } signedIn)
                {
                    throttle.Take(name, address, forget: true);
                    return new(signedIn);
                }
            }

            await RecordFailureAsync(isDirector ? UserNames.Director : known?.User.Name, verdict.IsRight, address, cancellationToken);
            return SignInResult.Refused;
        }
        catch (Exception e) when (e is NpgsqlException or OperationCanceledException)
        {
            // Nothing was found out about the password.
            throttle.Take(name, address, forget: false);
            throw;
        }
    }

    /// <summary>Exchanges a refresh token for an access token and the next refresh token.</summary>
    public async Task<SignInResult> RefreshAsync(string? refreshToken, IPAddress? address, CancellationToken cancellationToken)
    {
        if (Decode(refreshToken) is not { } presented)
            return SignInResult.Refused;
        var salt = RandomNumberGenerator.GetBytes(SecretLength);
        var result = await tokens.RotateAsync(
            FamilyOf(presented), keys.HashOf(presented), salt, keys.HashOf(Successor(presented, salt)), address?.ToString(), cancellationToken);
        return result.Outcome switch
        {
            RefreshOutcome.Rotated or RefreshOutcome.Repeated => new(Of(result.User, Successor(presented, result.SuccessorSalt!), result.ExpiresAt)),
            RefreshOutcome.Overtaken => new(null, IsOvertaken: true),
            _ => SignInResult.Refused,
        };
    }

    /// <summary>Ends the sign-in that the token belongs to. A token of none is nobody's business: nothing happens.</summary>
    public async Task SignOutAsync(string? refreshToken, CancellationToken cancellationToken)
    {
        if (Decode(refreshToken) is { } presented)
            await tokens.EndAsync(FamilyOf(presented), keys.HashOf(presented), cancellationToken);
    }

    private async Task<SignedIn?> StartAsync(User? user, IPAddress? address, CancellationToken cancellationToken)
    {
        var token = RandomNumberGenerator.GetBytes(FamilyLength + SecretLength);
        return await tokens.StartAsync(FamilyOf(token), user, keys.HashOf(token), address?.ToString(), cancellationToken)
            ? Of(user, token, time.GetUtcNow() + lifetimes.Lifetime)
            : null;
    }

    private SignedIn Of(User? user, byte[] refreshToken, DateTimeOffset expiresAt)
    {
        var subject = user is null
            ? new TokenSubject(null, UserNames.Director, [AuraRoles.Director], 0)
            : new(user.Id, user.Name, user.Roles, user.Version);
        return new(subject, access.Issue(subject), Base64Url.EncodeToString(refreshToken), expiresAt);
    }

    // A name that belongs to nobody is not written down: it may be a password in the wrong field.
    private Task RecordFailureAsync(string? knownName, bool wasRight, IPAddress? address, CancellationToken cancellationToken) => db.CommitAsync(
        AuditLog.Record("anonymous", "auth.sign_in_failed", details: new
        {
            user = knownName,
            reason = knownName is null ? "unknown user" : wasRight ? "disabled" : "wrong password",
            address = address?.ToString(),
        }), cancellationToken);

    private byte[] Successor(byte[] token, byte[] salt) => [.. token.AsSpan(0, FamilyLength), .. keys.SuccessorOf(token, salt)];

    // Keyed as well: after a change of the hosts' secrets an old token is one of no sign-in, and not an old one of a sign-in that holds.
    private Guid FamilyOf(byte[] token) => new(keys.HashOf(token.AsSpan(0, FamilyLength)).AsSpan(0, FamilyLength));

    private static byte[]? Decode(string? token)
    {
        return token is { Length: (FamilyLength + SecretLength) * 4 / 3 } && Base64Url.IsValid(token, out var length)
            && length == FamilyLength + SecretLength ? Base64Url.DecodeFromChars(token) : null;
    }
}

/// <summary>The comparison with the Director's key, or the workers'.</summary>
internal static class DirectorKey
{
    /// <summary>Hashes have one length, so that the comparison's time tells nothing, not even how long the key is.</summary>
    public static bool Matches(string presented, string key) => CryptographicOperations.FixedTimeEquals(
        SHA256.HashData(Encoding.UTF8.GetBytes(presented)), SHA256.HashData(Encoding.UTF8.GetBytes(key)));
}
