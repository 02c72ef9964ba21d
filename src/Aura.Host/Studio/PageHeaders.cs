using Aura.Host.Hosting;

namespace Aura.Host.Studio;

/// <summary>What a browser may do on Studio's page, and with its files.</summary>
internal static class PageHeaders
{
    /// <summary>
    /// The two inline scripts of the pinned package, by their content: the hot keys of the editor and of the list of instances. hotkeys.js
    /// keeps them without effect; if they were blocked, every visit would leave an error on the browser's console.
    /// </summary>
    private const string InlineScripts =
        "'sha256-snlP1jz0gjwc5cTz9ErZcliXuCK63+Mmf68RRCeptgc=' 'sha256-vu6sQrKXQHR4Yn3FMMihA/9TxxfIXnCxKwvLrTPJ5ts='";

    /// <summary>
    /// WebAssembly may be compiled, Monaco's workers come from blobs, and Studio's components style themselves in place. All other scripts
    /// come from this host's files.
    /// </summary>
    private const string Page =
        "default-src 'self'; script-src 'self' 'wasm-unsafe-eval' " + InlineScripts + "; worker-src 'self' blob:; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
        + "font-src 'self' data:; object-src 'none'; frame-src 'none'; frame-ancestors 'none'; base-uri 'self'; form-action 'self'; connect-src 'self'";

    /// <summary>A worker lives by the policy of its own file.</summary>
    private const string File = "default-src 'self'; frame-ancestors 'none'";

    public static void SetForPage(HttpContext context)
    {
        SecurityHeaders.State(context.Response, Page + Sockets(context.Request.Host));
        context.Response.Headers["Cross-Origin-Opener-Policy"] = "same-origin";
        context.Response.Headers["Permissions-Policy"] = "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()";
    }

    public static void SetForFile(HttpContext context)
    {
        SecurityHeaders.State(context.Response, File);
        context.Response.Headers["Cross-Origin-Resource-Policy"] = "same-origin";
    }

    /// <summary>Not every browser counts a WebSocket of the same host as 'self'.</summary>
    private static string Sockets(HostString host) =>
        Uri.CheckHostName(host.Host) == UriHostNameType.Unknown ? "" : $" ws://{host.Value} wss://{host.Value}";
}
