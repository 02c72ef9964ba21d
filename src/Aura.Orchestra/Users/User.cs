using System.Buffers;

namespace Aura.Orchestra.Users;

/// <summary>A person or machine with a name of its own.</summary>
/// <param name="Roles">Sorted, without repeats.</param>
/// <param name="Version">Rises with every change of password, roles or standing.</param>
public sealed record User(
    long Id, string Name, IReadOnlyList<string> Roles, bool IsActive, int Version, DateTimeOffset CreatedAt, DateTimeOffset? LastSignInAt);

/// <summary>What a sign-in is checked against. The hash never leaves the check.</summary>
/// <param name="PasswordHash">Null when none was ever set: then no password is right.</param>
public sealed record UserCredentials(User User, string? PasswordHash);

/// <summary>What is to change of a user; null leaves a member as it is.</summary>
public sealed record UserChange(string? PasswordHash = null, IReadOnlyList<string>? Roles = null, bool? IsActive = null)
{
    /// <summary>Whether the user's sign-ins end with this change. New roles reach them at their next renewal.</summary>
    public bool EndsSignIns => PasswordHash is not null || IsActive == false;
}

/// <summary>What names may look like; the table says the same.</summary>
public static class UserNames
{
    /// <summary>The person who holds the Director's key.</summary>
    public const string Director = "director";
    public const int MaxLength = 64;
    private static readonly SearchValues<char> Known = SearchValues.Create("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._@+-");
    private static readonly string[] Reserved = [Director, "system", "anonymous", "unknown"];

    /// <summary>Why the name cannot be given to a user, or null.</summary>
    public static string? Problem(string name)
    {
        if (name.Length is 0 or > MaxLength || name.AsSpan().ContainsAnyExcept(Known) || !char.IsAsciiLetterOrDigit(name[0]))
            return $"must be 1 to {MaxLength} letters, digits or . _ @ + -, and begin with a letter or digit.";
        return Reserved.Contains(name, StringComparer.OrdinalIgnoreCase) ? $"'{name}' is a name under which Aura itself acts. Choose another." : null;
    }
}
