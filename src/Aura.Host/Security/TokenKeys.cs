using System.Buffers.Text;
using System.Collections.Concurrent;
using System.Numerics;
using System.Security.Cryptography;
using System.Text;
using Aura.Orchestra.Users;

namespace Aura.Host.Security;

/// <summary>
/// The keys behind tokens, derived from the hosts' secrets: hosts with the same secrets take each other's tokens, restarts change nothing,
/// and no key is ever written down. See docs/adr/0009.
/// </summary>
internal sealed class TokenKeys(string directorKey, string? tokenKey) : IDisposable
{
    // The Director's key may be a sentence that a person thought up, and whoever holds any token can try guesses against its signature.
    private const int Stretching = 600_000;

    // The order of P-256's group.
    private static readonly BigInteger Order = new(
        Convert.FromHexString("FFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551"), isUnsigned: true, isBigEndian: true);

    // Stretching takes a fraction of a second; a process that sees no token never pays it.
    private readonly Lazy<Derived> _derived = new(() => Derive(directorKey, tokenKey));

    // An ECDsa is not made for use by several threads at once.
    private readonly ConcurrentBag<ECDsa> _signers = [];

    /// <summary>Names the signing key: the start of the hash of its public half.</summary>
    public string KeyId => _derived.Value.KeyId;

    /// <summary>The key as those see it who make and read tokens.</summary>
    public TokenSigner Signer => new(() => KeyId, data => Sign(data), (data, signature) => Verify(data, signature));

    /// <summary>The ES256 signature, 64 bytes.</summary>
    public byte[] Sign(ReadOnlySpan<byte> data)
    {
        var signer = Rent();
        var signature = signer.SignData(data, HashAlgorithmName.SHA256);
        _signers.Add(signer);
        return signature;
    }

    public bool Verify(ReadOnlySpan<byte> data, ReadOnlySpan<byte> signature)
    {
        if (signature.Length != 64)
            return false;
        var signer = Rent();
        var isGood = signer.VerifyData(data, signature, HashAlgorithmName.SHA256);
        _signers.Add(signer);
        return isGood;
    }

    /// <summary>What the database keeps of a refresh token: of use only to hosts with the same secrets.</summary>
    public byte[] HashOf(ReadOnlySpan<byte> refreshToken) => HMACSHA256.HashData(_derived.Value.RefreshHash, refreshToken);

    /// <summary>The secret that follows on a refresh token; the same for the same salt.</summary>
    public byte[] SuccessorOf(ReadOnlySpan<byte> refreshToken, ReadOnlySpan<byte> salt) =>
        HMACSHA256.HashData(_derived.Value.RefreshSuccessor, (byte[])[.. refreshToken, .. salt]);

    public void Dispose()
    {
        foreach (var signer in _signers)
            signer.Dispose();
    }

    private ECDsa Rent() => _signers.TryTake(out var signer) ? signer : ECDsa.Create(_derived.Value.Signing);

    private static Derived Derive(string directorKey, string? tokenKey)
    {
        // NUL is in neither (both come from text), so no two pairs make the same input.
        var root = Rfc2898DeriveBytes.Pbkdf2(
            Encoding.UTF8.GetBytes($"{directorKey}\0{tokenKey}"), "aura tokens 1"u8, Stretching, HashAlgorithmName.SHA256, 32);
        // 320 bits modulo the order: the bias is below 2^-64 (FIPS 186-5, A.2.1).
        var wide = new BigInteger(HKDF.Expand(HashAlgorithmName.SHA256, root, 40, "access ES256"u8.ToArray()), isUnsigned: true, isBigEndian: true);
        var d = ((wide % (Order - 1)) + 1).ToByteArray(isUnsigned: true, isBigEndian: true);
        var padded = new byte[32];
        d.CopyTo(padded, 32 - d.Length);
        using var key = ECDsa.Create(new ECParameters { Curve = ECCurve.NamedCurves.nistP256, D = padded });
        return new(
            key.ExportParameters(includePrivateParameters: true),
            Base64Url.EncodeToString(SHA256.HashData(key.ExportSubjectPublicKeyInfo()).AsSpan(0, 9)),
            HKDF.Expand(HashAlgorithmName.SHA256, root, 32, "refresh hash"u8.ToArray()),
            HKDF.Expand(HashAlgorithmName.SHA256, root, 32, "refresh successor"u8.ToArray()));
    }

    private sealed record Derived(ECParameters Signing, string KeyId, byte[] RefreshHash, byte[] RefreshSuccessor);
}
