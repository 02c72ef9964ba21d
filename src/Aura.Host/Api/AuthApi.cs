using System.Globalization;
using System.Security.Claims;
using Aura.Host.Security;
using Aura.Orchestra.Users;

namespace Aura.Host.Api;

/// <summary>
/// Sign-in for people: the access token comes in the body and lives in the page's memory; the refresh token comes as a cookie that scripts
/// cannot read and that only <c>/auth</c> receives.
/// </summary>
internal static class AuthApi
{
    public const string Cookie = "aura_refresh";
    private const string Path = "/auth";

    public static void MapAuth(WebApplication app)
    {
        var group = app.MapGroup(Path);
        group.MapPost("/login", LoginAsync).AllowAnonymous();
        group.MapPost("/refresh", RefreshAsync).AllowAnonymous();
        group.MapPost("/logout", LogoutAsync).AllowAnonymous();
        group.MapGet("/me", (HttpContext http) => Json(http, UserView.Of(http.User))).RequireAuthorization();
    }

    /// <summary>The name and password of a sign-in, or what is wrong with the request.</summary>
    public static async Task<((string Name, string Password)? Given, IResult? Problem)> ReadCredentialsAsync(
        HttpContext http, CancellationToken cancellationToken)
    {
        var (body, problem) = await RequestBody.ReadAsync(http.Request, maxBytes: 4096, cancellationToken);
        if (body is null)
            return (null, problem);
        var errors = new FieldErrors();
        var fields = new FieldReader(body.Root, "", errors, "username", "password");
        // Longer than any user's name: a key or password in the wrong field is answered like any wrong name.
        var name = fields.Text("username", 1000, required: true);
        var password = fields.Text("password", 1000, required: true, multiline: true);
        return name is null || password is null || errors.Any ? (null, errors.ToResult()) : ((name.Trim(), password), null);
    }

    /// <summary>The answer when too many sign-ins have failed.</summary>
    public static IResult TooMany(HttpContext http, TimeSpan wait)
    {
        var seconds = (int)Math.Ceiling(wait.TotalSeconds);
        http.Response.Headers.RetryAfter = seconds.ToString(CultureInfo.InvariantCulture);
        return Results.Problem(
            statusCode: StatusCodes.Status429TooManyRequests, title: "Too many failed sign-ins",
            detail: $"Wait {seconds} seconds, then try again. The password was not checked.");
    }

    private static async Task<IResult> LoginAsync(HttpContext http, SignIns signIns, CancellationToken cancellationToken)
    {
        if (SameOrigin.Refusal(http.Request, required: false) is { } refusal)
            return refusal;
        var (given, problem) = await ReadCredentialsAsync(http, cancellationToken);
        if (given is not { } credentials)
            return problem!;
        var result = await signIns.SignInAsync(credentials.Name, credentials.Password, http.Connection.RemoteIpAddress, cancellationToken);
        if (result.RetryAfter is { } wait)
            return TooMany(http, wait);
        return result.SignedIn is { } signedIn
            ? Answer(http, signedIn)
            : Problem401(http, "The name or the password is wrong", "A Director can set a new password: ./aura users password <name>. "
                + $"The holder of the Director's key signs in as '{UserNames.Director}' with the key as the password.");
    }

    private static async Task<IResult> RefreshAsync(HttpContext http, SignIns signIns, CancellationToken cancellationToken)
    {
        if (SameOrigin.Refusal(http.Request, required: true) is { } refusal)
            return refusal;
        var result = await signIns.RefreshAsync(http.Request.Cookies[Cookie], http.Connection.RemoteIpAddress, cancellationToken);
        if (result.SignedIn is { } signedIn)
            return Answer(http, signedIn);
        if (result.IsOvertaken)
        {
            http.Response.Headers.RetryAfter = "1";
            return Problems.Conflict(
                "Another tab was first", "The sign-in was renewed at this moment. Send the request again: the browser has the new cookie.");
        }

        http.Response.Cookies.Delete(Cookie, CookieOptions(http));
        return Problem401(http, "Nobody is signed in", "The sign-in has ended. Sign in again at /sign-in.");
    }

    private static async Task<IResult> LogoutAsync(HttpContext http, SignIns signIns, CancellationToken cancellationToken)
    {
        if (SameOrigin.Refusal(http.Request, required: true) is { } refusal)
            return refusal;
        await signIns.SignOutAsync(http.Request.Cookies[Cookie], cancellationToken);
        http.Response.Cookies.Delete(Cookie, CookieOptions(http));
        return Results.NoContent();
    }

    private static IResult Answer(HttpContext http, SignedIn signedIn)
    {
        var cookie = CookieOptions(http);
        cookie.Expires = signedIn.RefreshExpiresAt;
        http.Response.Cookies.Append(Cookie, signedIn.RefreshToken, cookie);
        return Json(http, new
        {
            signedIn.AccessToken,
            TokenType = "Bearer",
            ExpiresIn = (int)AccessTokens.Lifetime.TotalSeconds,
            User = UserView.Of(signedIn.Subject.ToPrincipal(CredentialHandler.Scheme)),
        });
    }

    private static IResult Json<T>(HttpContext http, T value)
    {
        http.Response.Headers.CacheControl = "no-store";
        return Results.Json(value, AuraApi.Json);
    }

    private static IResult Problem401(HttpContext http, string title, string detail)
    {
        http.Response.Headers.WWWAuthenticate = "Bearer realm=\"aura\"";
        return Results.Problem(statusCode: StatusCodes.Status401Unauthorized, title: title, detail: detail);
    }

    // Without TLS (on loopback, mostly) a Secure cookie would not come back.
    private static CookieOptions CookieOptions(HttpContext http) => new()
    {
        HttpOnly = true,
        SameSite = SameSiteMode.Strict,
        Secure = http.Request.IsHttps,
        Path = Path,
        IsEssential = true,
    };

    /// <summary>Who is signed in, and what that allows.</summary>
    private sealed record UserView(string Name, IReadOnlyList<string> Roles, IReadOnlyList<string> Permissions)
    {
        public static UserView Of(ClaimsPrincipal user) => new(
            user.Identity!.Name!,
            [.. user.FindAll(ClaimTypes.Role).Select(c => c.Value)],
            [.. Security.Permissions.Roles.Where(p => p.Value.Any(user.IsInRole)).Select(p => p.Key).Order(StringComparer.Ordinal)]);
    }
}
