using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Diagnostics;
using Microsoft.AspNetCore.Http;

namespace Aura.Workflows.Http;

/// <summary>Writes answers: problem documents (RFC 9457), and what workflows have answered.</summary>
internal static class HttpProblems
{
    public static Task WriteAsync(HttpContext context, int status, string title, string detail, JsonObject? more = null)
    {
        var problem = more ?? [];
        problem["type"] = $"https://httpstatuses.io/{status}";
        problem["title"] = title;
        problem["status"] = status;
        problem["detail"] = detail;
        context.Response.StatusCode = status;
        context.Response.ContentType = "application/problem+json";
        return context.Response.WriteAsync(problem.ToJsonString(WorkflowJson.Options), context.RequestAborted);
    }

    /// <summary>13.1 of Elsa's behaviour: a workflow that broke off or timed out is 408, a bad request 400, all else 500. Pure.</summary>
    public static int StatusOf(IReadOnlyList<Incident> incidents)
    {
        for (var exception = incidents.Count > 0 ? incidents[^1].Exception : null; exception is not null; exception = exception.InnerException)
        {
            switch (exception.Type)
            {
                case "System.TimeoutException" or "System.OperationCanceledException" or "System.Threading.Tasks.TaskCanceledException":
                    return StatusCodes.Status408RequestTimeout;
                case "Microsoft.AspNetCore.Http.BadHttpRequestException":
                    return StatusCodes.Status400BadRequest;
            }
        }

        return StatusCodes.Status500InternalServerError;
    }

    public static async Task WriteAsync(HttpContext context, HttpAnswer answer)
    {
        // An empty 404 of a workflow is its answer, not one to be explained by the host.
        if (context.Features.Get<IStatusCodePagesFeature>() is { } pages)
            pages.Enabled = false;
        var response = context.Response;
        response.StatusCode = answer.Status;
        foreach (var (name, values) in answer.Headers.Where(h => !IsFraming(h.Key)))
            response.Headers[name] = values;
        if (answer.Body is not { } body)
            return;
        if (answer.Status == StatusCodes.Status200OK && response.Headers.AcceptRanges == "bytes")
        {
            await HttpFileAnswers.WriteAsync(context, body);
            return;
        }

        response.ContentLength = body.Length;
        await response.Body.WriteAsync(body, context.RequestAborted);
    }

    /// <summary>Headers of one connection, and those that follow from the body.</summary>
    private static bool IsFraming(string name) => name.ToUpperInvariant() is
        "CONTENT-LENGTH" or "TRANSFER-ENCODING" or "CONNECTION" or "KEEP-ALIVE" or "UPGRADE" or "TRAILER" or "TE" or "PROXY-CONNECTION";
}
