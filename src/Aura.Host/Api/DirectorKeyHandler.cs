using System.Security.Claims;
using System.Security.Cryptography;
using System.Text;
using System.Text.Encodings.Web;
using Microsoft.AspNetCore.Authentication;
using Microsoft.Extensions.Options;

namespace Aura.Host.Api;

/// <summary>Lets the Director in by the key: <c>Authorization: Bearer &lt;key&gt;</c> or <c>X-Api-Key: &lt;key&gt;</c>.</summary>
internal sealed class DirectorKeyHandler(
    IOptionsMonitor<AuthenticationSchemeOptions> schemes, ILoggerFactory loggers, UrlEncoder encoder, AuraApiOptions options)
    : AuthenticationHandler<AuthenticationSchemeOptions>(schemes, loggers, encoder)
{
    public new const string Scheme = "DirectorKey";
    private const string Bearer = "Bearer ";

    protected override Task<AuthenticateResult> HandleAuthenticateAsync()
    {
        if (Presented() is not { } key)
            return Task.FromResult(AuthenticateResult.NoResult());
        // Hashes have one length, so that the comparison's time tells nothing, not even how long the key is.
        if (!CryptographicOperations.FixedTimeEquals(Hash(key), Hash(options.DirectorKey)))
            return Task.FromResult(AuthenticateResult.Fail("The key is wrong."));
        var identity = new ClaimsIdentity(
            [new(ClaimTypes.Name, "director"), new(ClaimTypes.Role, "Director")], Scheme, ClaimTypes.Name, ClaimTypes.Role);
        return Task.FromResult(AuthenticateResult.Success(new(new(identity), Scheme)));
    }

    protected override Task HandleChallengeAsync(AuthenticationProperties properties)
    {
        var wrong = Presented() is not null;
        Response.Headers.WWWAuthenticate = wrong ? "Bearer realm=\"aura\", error=\"invalid_token\"" : "Bearer realm=\"aura\"";
        return Results.Problem(
            statusCode: StatusCodes.Status401Unauthorized,
            title: wrong ? "The key is wrong" : "A key is needed",
            detail: "Send the Director's key as 'Authorization: Bearer <key>' or 'X-Api-Key: <key>'. "
                + "It is in DIRECTOR_API_KEY or in the file director.key of the state directory.").ExecuteAsync(Context);
    }

    private string? Presented()
    {
        var authorization = Request.Headers.Authorization.ToString();
        if (authorization.StartsWith(Bearer, StringComparison.OrdinalIgnoreCase))
            return authorization[Bearer.Length..].Trim();
        return Request.Headers.TryGetValue("X-Api-Key", out var key) ? key.ToString() : null;
    }

    private static byte[] Hash(string text) => SHA256.HashData(Encoding.UTF8.GetBytes(text));
}
