namespace Aura.Host.Mcp;

/// <summary>
/// Against DNS rebinding: a page in a browser on this machine can be made to call a loopback service under a name of its own. So the Host
/// header must be a name of this service, and an Origin, when there is one, a page of such a host.
/// </summary>
internal sealed class McpGuard(IEnumerable<string> allowedHosts)
{
    private readonly HashSet<string> _hosts = new([.. Loopback, .. allowedHosts.Select(h => h.Trim('[', ']'))], StringComparer.OrdinalIgnoreCase);

    private static string[] Loopback => ["localhost", "127.0.0.1", "::1"];

    /// <summary>Null, or why the request is refused.</summary>
    public McpRefusal? Check(HttpRequest request)
    {
        if (!_hosts.Contains((request.Host.Host ?? "").Trim('[', ']')))
        {
            return new(StatusCodes.Status403Forbidden, "wrong_host",
                "The Host header names another host. Use 127.0.0.1 or localhost, or add the name to MCP_ALLOWED_HOSTS.");
        }

        var origin = request.Headers.Origin.ToString();
        return origin.Length == 0 || IsAllowed(origin) ? null : new(
            StatusCodes.Status403Forbidden, "wrong_origin",
            "Pages of that origin may not call this service. Add its host to MCP_ALLOWED_HOSTS if they should.");
    }

    private bool IsAllowed(string origin) => Uri.TryCreate(origin, UriKind.Absolute, out var from)
        && from.Scheme is "http" or "https" && _hosts.Contains(from.Host.Trim('[', ']'));
}

/// <summary>Why a request is not taken.</summary>
/// <param name="Code">Stable, for programs.</param>
internal sealed record McpRefusal(int Status, string Code, string Detail)
{
    /// <summary>An RFC 9457 problem with the code as a member.</summary>
    public async Task WriteAsync(HttpContext http)
    {
        if (Status == StatusCodes.Status401Unauthorized)
            http.Response.Headers.WWWAuthenticate = Code == "no_token" ? "Bearer realm=\"aura\""
                : $"Bearer realm=\"aura\", error=\"invalid_token\", error_description=\"{Code}\"";
        if (Status == StatusCodes.Status429TooManyRequests)
            http.Response.Headers.RetryAfter = "1";
        await Results.Problem(
            statusCode: Status, title: Title, detail: Detail, extensions: new Dictionary<string, object?> { ["code"] = Code }).ExecuteAsync(http);
    }

    private string Title => Status switch
    {
        StatusCodes.Status400BadRequest => "The request is not valid",
        StatusCodes.Status401Unauthorized => "The credentials are not taken",
        StatusCodes.Status403Forbidden => "Not permitted",
        StatusCodes.Status404NotFound => "Not found",
        StatusCodes.Status409Conflict => "Not possible as things stand",
        StatusCodes.Status413PayloadTooLarge => "Too large",
        StatusCodes.Status429TooManyRequests => "Too many requests",
        _ => "Refused",
    };
}
