using System.Text.Json;
using Aura.Orchestra.Users;

namespace Aura.Orchestra.Employees;

/// <summary>What an employee's token says: one attempt of one job, done by one delivery of its task, in one sandbox.</summary>
/// <param name="Task">Id of the durable task.</param>
/// <param name="Fence">The number of the claim; another claim of the same task makes the token worthless.</param>
public sealed record JobTokenClaims(string Model, string JobId, int Attempt, string SandboxId, long Task, long Fence);

/// <summary>
/// Tokens of employees. One is good for its sandbox only, and only while the lease of its task lives: whoever takes it must ask the
/// engine for that as well (the signature alone says that the token was given out, not that the work goes on).
/// </summary>
public sealed class JobTokens(TokenSigner signer, TimeProvider time)
{
    /// <summary>The <c>typ</c> in the header; the manager's API takes no token of this kind.</summary>
    public const string Type = "job+jwt";

    /// <summary>The role claim.</summary>
    public const string Role = "Employee";

    /// <summary>The longest that a token lives, whatever happens to the lease.</summary>
    public static readonly TimeSpan Lifetime = TimeSpan.FromHours(12);

    private readonly SignedTokens _tokens = new(Type, "aura-mcp", signer, time);

    /// <param name="lifetime">At most <see cref="Lifetime"/>, which is also what null stands for.</param>
    public string Issue(JobTokenClaims claims, TimeSpan? lifetime = null)
    {
        ArgumentNullException.ThrowIfNull(claims);
        return _tokens.Sign(
            new Dictionary<string, object?>
            {
                ["sub"] = claims.Model,
                ["roles"] = (string[])[Role],
                ["job"] = claims.JobId,
                ["attempt"] = claims.Attempt,
                ["sandbox"] = claims.SandboxId,
                ["task"] = claims.Task,
                ["fence"] = claims.Fence,
            },
            lifetime < Lifetime ? lifetime.Value : Lifetime);
    }

    /// <summary>The claims, or why the token is not taken. Does not know about leases.</summary>
    public (JobTokenClaims? Claims, TokenProblem? Problem) Read(string token)
    {
        var (claims, problem) = _tokens.Open(token);
        if (problem is not null)
            return (null, problem);
        try
        {
            return (new(
                claims.GetProperty("sub").GetString()!, claims.GetProperty("job").GetString()!, claims.GetProperty("attempt").GetInt32(),
                claims.GetProperty("sandbox").GetString()!, claims.GetProperty("task").GetInt64(), claims.GetProperty("fence").GetInt64()), null);
        }
        catch (Exception e) when (e is KeyNotFoundException or InvalidOperationException or FormatException)
        {
            return (null, new("token_malformed", "The token is malformed."));
        }
    }
}
