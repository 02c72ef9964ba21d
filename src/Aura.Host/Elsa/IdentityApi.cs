using Aura.Host.Api;
using Aura.Host.Security;

namespace Aura.Host.Elsa;

/// <summary>Sign-in in the form of Elsa's clients: tokens in the body, no cookie. Wrong credentials are a 200 that says so.</summary>
internal static class IdentityApi
{
    public static void MapIdentity(RouteGroupBuilder api)
    {
        api.MapPost("/identity/login", LoginAsync).AllowAnonymous();
        api.MapPost("/identity/refresh-token", RefreshAsync).AllowAnonymous();
    }

    private static async Task<IResult> LoginAsync(HttpContext http, SignIns signIns, CancellationToken cancellationToken)
    {
        if (SameOrigin.Refusal(http.Request, required: false) is { } refusal)
            return refusal;
        var (given, problem) = await AuthApi.ReadCredentialsAsync(http, cancellationToken);
        if (given is not { } credentials)
            return problem!;
        var result = await signIns.SignInAsync(credentials.Name, credentials.Password, http.Connection.RemoteIpAddress, cancellationToken);
        return result.RetryAfter is { } wait ? AuthApi.TooMany(http, wait) : Answer(http, result.SignedIn);
    }

    private static async Task<IResult> RefreshAsync(HttpContext http, SignIns signIns, CancellationToken cancellationToken)
    {
        const string Bearer = "Bearer ";
        var header = http.Request.Headers.Authorization.ToString();
        var token = header.StartsWith(Bearer, StringComparison.OrdinalIgnoreCase) ? header[Bearer.Length..].Trim() : null;
        var result = await signIns.RefreshAsync(token, http.Connection.RemoteIpAddress, cancellationToken);
        if (result.SignedIn is { } signedIn)
            return Answer(http, signedIn);
        http.Response.Headers.WWWAuthenticate = "Bearer realm=\"aura\", error=\"invalid_token\"";
        return Results.Problem(
            statusCode: StatusCodes.Status401Unauthorized, title: "The refresh token is not taken",
            detail: "Send the last refreshToken as 'Authorization: Bearer <refreshToken>'; each is good once. If it is lost, sign in again.");
    }

    private static IResult Answer(HttpContext http, SignedIn? signedIn)
    {
        http.Response.Headers.CacheControl = "no-store";
        return Results.Json(
            new { IsAuthenticated = signedIn is not null, signedIn?.AccessToken, signedIn?.RefreshToken }, ElsaApi.Json);
    }
}
