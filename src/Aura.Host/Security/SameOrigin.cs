namespace Aura.Host.Security;

/// <summary>
/// Requests that the browser's cookie vouches for are taken from this host's own pages only. The cookie is <c>SameSite=Strict</c> already;
/// this also keeps out other ports and names of the same site, and answers of workflows, which run sandboxed.
/// </summary>
internal static class SameOrigin
{
    /// <summary>Null, or the refusal.</summary>
    /// <param name="required">Whether a request without either header is refused; a browser sends one with every POST.</param>
    public static IResult? Refusal(HttpRequest request, bool required)
    {
        var site = request.Headers["Sec-Fetch-Site"].ToString();
        var origin = request.Headers.Origin.ToString();
        var isFine = site.Length + origin.Length == 0
            ? !required
            : (site.Length == 0 || site == "same-origin") && (origin.Length == 0 || IsOwn(origin, request.Host));
        return isFine ? null : Results.Problem(
            statusCode: StatusCodes.Status403Forbidden, title: "Only for this host's own pages",
            detail: "The request does not come from a page of this host (headers Origin and Sec-Fetch-Site). "
                + "A program sends its token in the Authorization header and needs no cookie.");
    }

    // Behind a proxy that ends TLS the scheme is another one; host and port stay what the browser knows.
    private static bool IsOwn(string origin, HostString host) =>
        Uri.TryCreate(origin, UriKind.Absolute, out var from) && from.Authority.Equals(host.Value, StringComparison.OrdinalIgnoreCase);
}
