using Microsoft.AspNetCore.StaticFiles;
using Microsoft.Net.Http.Headers;

namespace Aura.Host.Hosting;

/// <summary>The pages that are plain files: home, sign-in, and what they share. They hold nothing secret and are open to all.</summary>
internal static class StaticPages
{
    private static readonly string[] Methods = [HttpMethods.Get, HttpMethods.Head];
    private static readonly FileExtensionContentTypeProvider ContentTypes = new();

    /// <summary>Where the files lie: beside the program, wherever it is started.</summary>
    public static string Folder { get; } = Path.Combine(AppContext.BaseDirectory, "wwwroot");

    /// <summary>One endpoint a file, so that nothing but what is listed here can be asked for. Studio's folder is mapped by its own shell.</summary>
    public static WebApplication MapStaticPages(this WebApplication app)
    {
        Map(app, "/", "index.html");
        Map(app, "/sign-in", "sign-in/index.html");
        foreach (var file in Directory.EnumerateFiles(Folder, "*", SearchOption.AllDirectories))
        {
            var path = Path.GetRelativePath(Folder, file).Replace(Path.DirectorySeparatorChar, '/');
            if (!path.StartsWith("studio/", StringComparison.Ordinal) && !path.EndsWith(".html", StringComparison.Ordinal))
                Map(app, "/" + path, path);
        }

        return app;
    }

    /// <summary>The file as an answer, with ETag and content type.</summary>
    public static IResult Serve(HttpContext http, string path)
    {
        var file = new FileInfo(Path.Combine(Folder, path));
        SecurityHeaders.State(http.Response, SecurityHeaders.Page);
        // Asked for again each time, answered with 304 mostly: a new program must not meet old scripts.
        http.Response.Headers.CacheControl = "no-cache";
        var written = file.LastWriteTimeUtc;
        return Results.File(
            file.FullName, ContentTypes.TryGetContentType(path, out var type) ? WithCharset(type) : "application/octet-stream",
            lastModified: new DateTimeOffset(written), entityTag: new EntityTagHeaderValue($"\"{written.Ticks:x}-{file.Length:x}\""));
    }

    private static void Map(WebApplication app, string address, string path) =>
        app.MapMethods(address, Methods, (HttpContext http) => Serve(http, path)).AllowAnonymous();

    private static string WithCharset(string type) =>
        type.StartsWith("text/", StringComparison.Ordinal) ? type + "; charset=utf-8" : type;
}
