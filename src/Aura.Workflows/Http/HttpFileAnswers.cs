using Microsoft.AspNetCore.Http;

namespace Aura.Workflows.Http;

/// <summary>Writes files, in part when the client asks for a part, and not at all when it has the file already.</summary>
internal static class HttpFileAnswers
{
    public static Task WriteAsync(HttpContext context, byte[] content)
    {
        var headers = context.Response.GetTypedHeaders();
        var tag = headers.ETag;
        return Results.Bytes(content, context.Response.ContentType, enableRangeProcessing: true, entityTag: tag).ExecuteAsync(context);
    }
}
