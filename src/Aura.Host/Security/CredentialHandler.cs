using System.Text.Encodings.Web;
using Aura.Host.Api;
using Aura.Orchestra.Users;
using Microsoft.AspNetCore.Authentication;
using Microsoft.Extensions.Options;

namespace Aura.Host.Security;

/// <summary>
/// The one way in, for all forms of credentials: <c>Authorization: Bearer &lt;access token, Director's or workers' key&gt;</c>,
/// <c>Authorization: ApiKey &lt;key&gt;</c>, <c>X-Api-Key: &lt;key&gt;</c>, and for SignalR hubs, whose WebSockets take no header,
/// <c>?access_token=</c>.
/// </summary>
internal sealed class CredentialHandler(
    IOptionsMonitor<AuthenticationSchemeOptions> schemes, ILoggerFactory loggers, UrlEncoder encoder, AuraApiOptions options,
    AccessTokens tokens, UserStanding standing)
    : AuthenticationHandler<AuthenticationSchemeOptions>(schemes, loggers, encoder)
{
    public new const string Scheme = "Aura";

    /// <summary>Only below this path is a token taken from the query.</summary>
    public const string Hubs = "/elsa/hubs";
    private const string QueryToken = "access_token";
    private const string HowToSignIn =
        "People: open /sign-in, or POST /auth/login {\"username\":…,\"password\":…} and send the answer's access_token as "
        + "'Authorization: Bearer <token>'. "
        + "Machines: send the Director's key as 'Authorization: Bearer <key>' or 'X-Api-Key: <key>'; "
        + "it is in DIRECTOR_API_KEY or in the file director.key of the state directory. "
        + "Workers: the same with AURA_WORKER_KEY, or the file worker.key.";

    private string? _problem;

    protected override async Task<AuthenticateResult> HandleAuthenticateAsync()
    {
        if (Presented() is not { } presented)
            return AuthenticateResult.NoResult();
        if (DirectorKey.Matches(presented.Value, options.DirectorKey))
            return Success(new(null, UserNames.Director, [AuraRoles.Director], 0));
        if (options.WorkerKey.Length > 0 && DirectorKey.Matches(presented.Value, options.WorkerKey))
            return Success(new(null, TokenSubject.Worker, [AuraRoles.Employee], 0));
        if (!presented.MayBeToken || !AccessTokens.LooksLikeOne(presented.Value))
            return Fail("The key is wrong.");
        var (subject, problem) = tokens.Read(presented.Value);
        if (subject is null)
            return Fail(problem!);
        return await standing.IsCurrentAsync(subject, Context.RequestAborted)
            ? Success(subject)
            : Fail("The user was disabled or changed since the token was issued. Renew it or sign in again.");
    }

    protected override Task HandleChallengeAsync(AuthenticationProperties properties)
    {
        // What is said about the token is made of fixed sentences: nothing of the request comes back in a header.
        Response.Headers.WWWAuthenticate = _problem is null
            ? "Bearer realm=\"aura\""
            : $"Bearer realm=\"aura\", error=\"invalid_token\", error_description=\"{_problem}\"";
        return Results.Problem(
            statusCode: StatusCodes.Status401Unauthorized,
            title: _problem is null ? "Sign in first" : "The credentials are not taken",
            detail: _problem is null ? HowToSignIn : $"{_problem} {HowToSignIn}").ExecuteAsync(Context);
    }

    private static AuthenticateResult Success(TokenSubject subject) => AuthenticateResult.Success(new(subject.ToPrincipal(Scheme), Scheme));

    private AuthenticateResult Fail(string problem)
    {
        _problem = problem;
        return AuthenticateResult.Fail(problem);
    }

    private (string Value, bool MayBeToken)? Presented()
    {
        var authorization = Request.Headers.Authorization.ToString();
        if (After("Bearer ", authorization) is { } bearer)
            return (bearer, true);
        if (After("ApiKey ", authorization) is { } apiKey)
            return (apiKey, false);
        if (Request.Headers.TryGetValue("X-Api-Key", out var key))
            return (key.ToString(), false);
        return Request.Path.StartsWithSegments(Hubs, StringComparison.Ordinal) && Request.Query.TryGetValue(QueryToken, out var token)
            ? (token.ToString(), true)
            : null;
    }

    private static string? After(string scheme, string header) =>
        header.StartsWith(scheme, StringComparison.OrdinalIgnoreCase) ? header[scheme.Length..].Trim() : null;
}
