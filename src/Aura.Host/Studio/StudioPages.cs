using Aura.Host.Hosting;

namespace Aura.Host.Studio;

/// <summary>Elsa Studio at <c>/studio/</c>: Aura's page around it, the package's files, and nothing from anywhere else.</summary>
public static class StudioPages
{
    private const string Prefix = "/studio";

    /// <summary>Maps the page and its files. They hold no secret, so they ask for no sign-in; the page's own calls do.</summary>
    /// <param name="app">The host.</param>
    /// <param name="packageFolder">Where the npm package is, or will be.</param>
    public static WebApplication MapStudio(this WebApplication app, string packageFolder)
    {
        ArgumentNullException.ThrowIfNull(app);
        var package = new StudioPackage(packageFolder);
        var own = AssetFolder.Read(Path.Combine(StaticPages.Folder, "studio"), _ => true, _ => false);
        app.MapMethods(Prefix + "/{**path}", [HttpMethods.Get, HttpMethods.Head], (HttpContext context, string? path) => Answer(context, path ?? "", package, own))
            .AllowAnonymous();
        // Studio writes this link from the host's root.
        app.MapGet("/diagnostics/structured-logs", (HttpRequest request) => Results.Redirect($"{Prefix}/diagnostics/structured-logs{request.QueryString}"))
            .AllowAnonymous();
        return app;
    }

    private static IResult Answer(HttpContext context, string path, StudioPackage package, AssetFolder own)
    {
        // Without the slash the page's own links would lead elsewhere.
        if (path.Length == 0 && !context.Request.Path.Value!.EndsWith('/'))
            return Results.Redirect($"{Prefix}/{context.Request.QueryString}", permanent: true);
        if (IsPage(path))
        {
            PageHeaders.SetForPage(context);
            return package.Assets is null
                ? own.Find("missing.html")!.Refuse(context, StatusCodes.Status503ServiceUnavailable)
                : own.Find("index.html")!.Answer(context);
        }

        // A page under its file's name would be a page without its headers.
        var asset = path.EndsWith(".html", StringComparison.Ordinal) ? null : own.Find(path) ?? package.Assets?.Find(path);
        if (asset is null)
            return Results.NotFound();
        PageHeaders.SetForFile(context);
        return asset.Answer(context);
    }

    /// <summary>Studio's four views, and the views that it links to and does not have: those the page itself leads elsewhere.</summary>
    private static bool IsPage(string path) => path.TrimEnd('/').Split('/') is
        [""]
        or ["workflows", "definitions" or "instances"]
        or ["workflows", "definitions", not "", "edit"]
        or ["workflows", "instances", not "", "view"]
        or ["alterations" or "diagnostics", ..];
}
