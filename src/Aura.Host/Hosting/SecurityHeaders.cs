using Aura.Workflows.Http;
using Microsoft.Extensions.Options;

namespace Aura.Host.Hosting;

/// <summary>What browsers are told about every answer. A page states its own content policy; everything else may load nothing.</summary>
internal static class SecurityHeaders
{
    /// <summary>For pages of files from this host: no inline script or style, nothing from elsewhere, in nobody's frame.</summary>
    public const string Page = "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

    private const string Data = "default-src 'none'; frame-ancestors 'none'";

    // What a workflow answers may be a page of its author's. In a sandbox it has an origin of its own, so that its scripts cannot act as
    // the person who looks at it.
    private const string FromWorkflow = "sandbox allow-forms allow-scripts allow-popups allow-downloads";

    /// <summary>States the content policy of a page; the rest comes with every answer.</summary>
    public static void State(HttpResponse response, string contentPolicy) => response.Headers.ContentSecurityPolicy = contentPolicy;

    /// <summary>Must come first, so that refusals and failures have the headers as well.</summary>
    public static void UseSecurityHeaders(this WebApplication app)
    {
        var workflows = new PathString(app.Services.GetRequiredService<IOptions<HttpWorkflowsOptions>>().Value.BasePath.TrimEnd('/'));
        app.Use((http, next) =>
        {
            http.Response.OnStarting(() =>
            {
                var headers = http.Response.Headers;
                headers.XContentTypeOptions = "nosniff";
                headers["Referrer-Policy"] = "same-origin";
                if (http.Request.Path.StartsWithSegments(workflows, StringComparison.OrdinalIgnoreCase))
                    headers.Append("Content-Security-Policy", FromWorkflow);
                else if (headers.ContentSecurityPolicy.Count == 0)
                    headers.ContentSecurityPolicy = Data;
                return Task.CompletedTask;
            });
            return next(http);
        });
    }
}
