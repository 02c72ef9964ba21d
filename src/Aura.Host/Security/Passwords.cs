using Aura.Orchestra.Users;
using Microsoft.AspNetCore.Identity;
using Microsoft.Extensions.Options;

namespace Aura.Host.Security;

/// <summary>What the check of a password came to.</summary>
/// <param name="NewHash">A stronger hash to store in the place of the old one, when that is due.</param>
internal readonly record struct PasswordVerdict(bool IsRight, string? NewHash);

/// <summary>Passwords are stored as PBKDF2-SHA512 in the format of ASP.NET Core Identity.</summary>
internal sealed class Passwords : IDisposable
{
    public const int MinLength = 12;
    public const int MaxLength = 200;
    private readonly PasswordHasher<User> _hasher;
    private readonly Lazy<string> _hashOfNobody;

    // Hashing is work by design; this much of the machine at most goes into it.
    private readonly SemaphoreSlim _gate = new(Math.Max(1, Environment.ProcessorCount / 2));

    /// <param name="iterations">210,000 is OWASP's recommendation for PBKDF2-SHA512. Tests take less.</param>
    public Passwords(int iterations = 210_000)
    {
        _hasher = new(Options.Create(new PasswordHasherOptions { IterationCount = iterations }));
        _hashOfNobody = new(() => _hasher.HashPassword(null!, Guid.NewGuid().ToString()));
    }

    /// <summary>Why the password cannot be taken, or null. Length is what counts; no rule of character kinds.</summary>
    public static string? Problem(string password, string name) => password.Length switch
    {
        < MinLength => $"must have at least {MinLength} characters.",
        > MaxLength => $"must have at most {MaxLength} characters.",
        _ when password.Contains(name, StringComparison.OrdinalIgnoreCase) && password.Length - name.Length < MinLength =>
            "must not be made of the user's name.",
        _ when password.Distinct().Count() < 4 => "must have at least 4 different characters.",
        _ => null,
    };

    public async Task<string> HashAsync(string password, CancellationToken cancellationToken)
    {
        await _gate.WaitAsync(cancellationToken);
        try
        {
            return _hasher.HashPassword(null!, password);
        }
        finally
        {
            _gate.Release();
        }
    }

    /// <summary>Takes the same time whether there is a user or not.</summary>
    /// <param name="hash">Null when there is no such user, or one without a password.</param>
    public async Task<PasswordVerdict> VerifyAsync(string? hash, string password, CancellationToken cancellationToken)
    {
        await _gate.WaitAsync(cancellationToken);
        try
        {
            // Made at the first check of all, so that no later one stands out by it.
            var nobody = _hashOfNobody.Value;
            var result = _hasher.VerifyHashedPassword(null!, hash ?? nobody, password);
            return hash is null || result == PasswordVerificationResult.Failed
                ? default
                : new(true, result == PasswordVerificationResult.SuccessRehashNeeded ? _hasher.HashPassword(null!, password) : null);
        }
        finally
        {
            _gate.Release();
        }
    }

    public void Dispose() => _gate.Dispose();
}
