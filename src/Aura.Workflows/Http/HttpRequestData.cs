using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace Aura.Workflows.Http;

/// <summary>A request as it travels in a workflow's input: plain values only, so that any host can run the burst.</summary>
internal static class HttpRequestData
{
    /// <summary>Input key: the id under which the client's host waits for the answer.</summary>
    public const string RequestIdKey = "__HttpRequestId";

    /// <summary>Input key: the request.</summary>
    public const string RequestKey = "__HttpRequest";

    public const string Method = "Method";
    public const string Path = "Path";
    public const string RouteData = "RouteData";
    public const string QueryStringData = "QueryStringData";
    public const string Headers = "Headers";
    public const string ContentType = "ContentType";
    public const string ParsedContent = "ParsedContent";
    public const string Files = "Files";

    /// <summary>Present when the request broke a rule whose outcome is exposed.</summary>
    public const string Outcome = "Outcome";

    /// <summary>Everything but the body.</summary>
    public static Dictionary<string, object?> Of(
        HttpContext context, string path, RouteValueDictionary route, HttpEndpointPayload rules, HttpWorkflowsOptions options)
    {
        var request = context.Request;
        var isHidden = (string header) =>
            (rules.Authorize || rules.Policy is not null) && options.CredentialHeaders.Contains(header, StringComparer.OrdinalIgnoreCase);
        return new(StringComparer.Ordinal)
        {
            [Method] = request.Method,
            [Path] = path,
            [RouteData] = route.ToDictionary(v => v.Key.ToLowerInvariant(), v => (object?)v.Value?.ToString(), StringComparer.Ordinal),
            [QueryStringData] = request.Query.ToDictionary(q => q.Key, q => HttpBody.OneOrMany([.. q.Value]), StringComparer.Ordinal),
            [Headers] = request.Headers.Where(h => !isHidden(h.Key))
                .ToDictionary(h => h.Key, object? (h) => h.Value.Select(object? (v) => v).ToList(), StringComparer.Ordinal),
            [ContentType] = request.ContentType,
        };
    }

    /// <summary>What is shown as the request itself: small, without body and files, which are outputs of their own.</summary>
    public static Dictionary<string, object?> Summary(IReadOnlyDictionary<string, object?> request) => new(StringComparer.Ordinal)
    {
        [Method] = request.GetValueOrDefault(Method),
        [Path] = request.GetValueOrDefault(Path),
        [RouteData] = request.GetValueOrDefault(RouteData),
        [QueryStringData] = request.GetValueOrDefault(QueryStringData),
        [Headers] = request.GetValueOrDefault(Headers),
        [ContentType] = request.GetValueOrDefault(ContentType),
    };
}
