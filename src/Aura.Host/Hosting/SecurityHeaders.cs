namespace Aura.Host.Hosting;

/// <summary>What browsers are told about every answer. A page states its own content policy; everything else may load nothing.</summary>
internal static class SecurityHeaders
{
    /// <summary>For pages of files from this host: no inline script or style, nothing from elsewhere, in nobody's frame.</summary>
    public const string Page = "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

    private const string Data = "default-src 'none'; frame-ancestors 'none'";

    /// <summary>Marks the endpoint whose answers workflows write.</summary>
    public static object WrittenByWorkflows { get; } = new WorkflowsWrite();

    // Such an answer may be a page of the workflow's author. In a sandbox it has an origin of its own, so that its scripts cannot act as
    // the person who looks at it.
    private const string FromWorkflow = "sandbox allow-forms allow-scripts allow-popups allow-downloads";

    /// <summary>States the content policy of a page; the rest comes with every answer.</summary>
    public static void State(HttpResponse response, string contentPolicy) => response.Headers.ContentSecurityPolicy = contentPolicy;

    /// <summary>Must come first, so that refusals and failures have the headers as well.</summary>
    public static void UseSecurityHeaders(this WebApplication app)
    {
        app.Use((http, next) =>
        {
            var isWorkflows = http.GetEndpoint()?.Metadata.GetMetadata<WorkflowsWrite>() is not null;
            http.Response.OnStarting(() =>
            {
                var headers = http.Response.Headers;
                headers.XContentTypeOptions = "nosniff";
                headers["Referrer-Policy"] = "same-origin";
                if (isWorkflows)
                    headers.Append("Content-Security-Policy", FromWorkflow);
                else if (headers.ContentSecurityPolicy.Count == 0)
                    headers.ContentSecurityPolicy = Data;
                return Task.CompletedTask;
            });
            return next(http);
        });
    }

    private sealed class WorkflowsWrite;
}
