using System.Buffers.Text;
using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;

namespace Aura.Orchestra.Users;

/// <summary>The key behind tokens, wherever it is kept.</summary>
/// <param name="KeyId">Names the key; asked for only when a token is signed or opened.</param>
/// <param name="Sign">The ES256 signature of the bytes, 64 bytes.</param>
/// <param name="Verify">Whether the second is the signature of the first.</param>
public sealed record TokenSigner(Func<string> KeyId, Func<byte[], byte[]> Sign, Func<byte[], byte[], bool> Verify);

/// <summary>Why a token is not taken.</summary>
/// <param name="Code">Stable, for programs.</param>
/// <param name="Text">A fixed sentence: nothing of the token comes back in it.</param>
public sealed record TokenProblem(string Code, string Text);

/// <summary>
/// JSON Web Tokens of exactly one kind: ES256, one key, one issuer, one audience, one <c>typ</c>. Nothing in a token chooses how it is checked.
/// </summary>
public sealed class SignedTokens(string type, string audience, TokenSigner signer, TimeProvider time)
{
    /// <summary>How far the clocks of two hosts may differ.</summary>
    private static readonly TimeSpan Skew = TimeSpan.FromSeconds(30);
    private const string Issuer = "aura";
    private const int MaxLength = 4096;
    private const int MaxKnown = 4096;
    private static readonly JsonDocumentOptions Strict = new() { AllowDuplicateProperties = false, MaxDepth = 4 };
    private static readonly TokenProblem Malformed = new("token_malformed", "The token is malformed.");

    // Hashes of tokens whose signature was found right: an employee shows its own with every call. All else is asked each time.
    private readonly ConcurrentDictionary<string, bool> _known = new(StringComparer.Ordinal);

    /// <summary>Whether the text has the shape of a token at all: it may as well be a key.</summary>
    public static bool LooksLikeOne(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return text.StartsWith("eyJ", StringComparison.Ordinal) && text.Count('.') == 2;
    }

    /// <summary>The <c>typ</c> that an unchecked token claims; null when it cannot be read. Only good to choose who checks it.</summary>
    public static string? TypeOf(string token)
    {
        try
        {
            return LooksLikeOne(token) && token.Length <= MaxLength ? Text(Decode(token[..token.IndexOf('.', StringComparison.Ordinal)]), "typ") : null;
        }
        catch (Exception e) when (e is FormatException or JsonException or InvalidOperationException)
        {
            return null;
        }
    }

    /// <summary>A token with these claims besides <c>iss</c>, <c>aud</c> and the times.</summary>
    public string Sign(IReadOnlyDictionary<string, object?> claims, TimeSpan lifetime)
    {
        var now = time.GetUtcNow().ToUnixTimeSeconds();
        var all = new Dictionary<string, object?>(claims)
        {
            ["iss"] = Issuer,
            ["aud"] = audience,
            ["iat"] = now,
            ["nbf"] = now,
            ["exp"] = now + (long)lifetime.TotalSeconds,
        };
        var signed = Encode(new { alg = "ES256", typ = type, kid = signer.KeyId() }) + "." + Encode(all);
        return signed + "." + Base64Url.EncodeToString(signer.Sign(Encoding.ASCII.GetBytes(signed)));
    }

    /// <summary>The claims of a token that is whole, of this kind and valid now; or why it is not.</summary>
    public (JsonElement Claims, TokenProblem? Problem) Open(string token)
    {
        ArgumentNullException.ThrowIfNull(token);
        if (token.Length > MaxLength || !LooksLikeOne(token))
            return (default, Malformed);
        var parts = token.Split('.');
        try
        {
            // The header decides nothing. It is compared, so that a token for another purpose or key is told apart from a forged one.
            var header = Decode(parts[0]);
            if (Text(header, "alg") != "ES256" || Text(header, "typ") != type || header.TryGetProperty("crit", out _))
                return (default, new("token_kind", "The token is not of the kind that this host issues."));
            if (Text(header, "kid") != signer.KeyId())
                return (default, new("token_key", "The token was signed with another key: the hosts' secrets have changed. Sign in again."));
            if (!IsSigned(token, parts[2]))
                return (default, new("token_forged", "The token's signature is wrong."));
            var claims = Decode(parts[1]);
            return (claims, Check(claims));
        }
        catch (Exception e) when (e is FormatException or JsonException or InvalidOperationException or KeyNotFoundException
            or CryptographicException or OverflowException or ArgumentException)
        {
            return (default, Malformed);
        }
    }

    private bool IsSigned(string token, string signature)
    {
        var hash = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(token)));
        if (_known.ContainsKey(hash))
            return true;
        if (!signer.Verify(Encoding.ASCII.GetBytes(token[..token.LastIndexOf('.')]), Base64Url.DecodeFromChars(signature)))
            return false;
        if (_known.Count >= MaxKnown)
            _known.Clear();
        _known[hash] = true;
        return true;
    }

    private TokenProblem? Check(JsonElement claims)
    {
        if (Text(claims, "iss") != Issuer || Text(claims, "aud") != audience)
            return new("token_audience", "The token is meant for another service.");
        var now = time.GetUtcNow();
        if (now < Time(claims, "nbf") - Skew || now < Time(claims, "iat") - Skew)
            return new("token_early", "The token is not valid yet.");
        return now >= Time(claims, "exp") + Skew ? new("token_expired", "The token has expired.") : null;
    }

    private static DateTimeOffset Time(JsonElement claims, string name) => DateTimeOffset.FromUnixTimeSeconds(claims.GetProperty(name).GetInt64());

    private static string? Text(JsonElement element, string name) =>
        element.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;

    private static JsonElement Decode(string part) => JsonElement.Parse(Base64Url.DecodeFromChars(part), Strict);

    private static string Encode<T>(T value) => Base64Url.EncodeToString(JsonSerializer.SerializeToUtf8Bytes(value));
}
