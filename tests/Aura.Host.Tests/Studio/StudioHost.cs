using System.IO.Compression;
using System.Net.Sockets;
using System.Text;
using Aura.Host.Hosting;
using Aura.Host.Studio;
using Aura.Testing;

namespace Aura.Host.Tests.Studio;

/// <summary>Studio's pages on a real Kestrel, with a package of a few small files in a folder of its own; beside it lies a file that is nobody's.</summary>
public sealed class StudioHost : IAsyncLifetime
{
    public const string Script = "const studio = true;";
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("aura-studio-");
    private WebServer? _server;

    public Uri Address { get; private set; } = null!;

    private string Package => Path.Combine(_folder.FullName, "package");

    public async ValueTask InitializeAsync()
    {
        await File.WriteAllTextAsync(Path.Combine(_folder.FullName, "secret.txt"), "secret");
        _server = await WebServer.StartAsync(_ => { }, app =>
        {
            app.UseSecurityHeaders();
            app.MapStudio(Package);
        });
        Address = new(_server.Url);
    }

    public async ValueTask DisposeAsync()
    {
        await _server!.DisposeAsync();
        _folder.Delete(recursive: true);
    }

    /// <summary>The package comes, as the launcher brings it; a second time nothing changes.</summary>
    public void BringPackage()
    {
        if (Directory.Exists(Package))
            return;
        Write("_framework/dotnet.js", Script, brotli: true);
        Write("_framework/dotnet.js.gz", "gzip");
        Write("_framework/System.Private.CoreLib.uf9wea3fgm.wasm", "wasm", brotli: true);
        Write("_framework/icudt_no_CJK.lfu7j35m59.dat", "icu", brotli: true);
        Write("_content/Elsa.Studio.Workflows/Elsa.Studio.Workflows.3ifuhex2gd.bundle.scp.css", "a{}");
        Write("_content/Radzen.Blazor/fonts/RobotoFlex.woff2", "font");
        Write("_content/Designer/designer.entry.js.map", "map");
        Write("index.html", "<html>the package's own page</html>");
        Write("package.json", """{"version":"3.8.2"}""");
        // Last: this is the file by which the package is known to be there.
        Write("_framework/blazor.webassembly.js", "blazor");
    }

    public async Task<HttpResponseMessage> SendAsync(string path, HttpMethod? method = null, params (string Name, string Value)[] headers)
    {
        // No automatic decompression and no following of redirects: the answer as it is.
        using var client = new HttpClient(new SocketsHttpHandler { AllowAutoRedirect = false }) { BaseAddress = Address };
        using var request = new HttpRequestMessage(method ?? HttpMethod.Get, path);
        foreach (var (name, value) in headers)
            request.Headers.TryAddWithoutValidation(name, value);
        return await client.SendAsync(request, TestContext.Current.CancellationToken);
    }

    /// <summary>The status of a GET whose path is sent as it stands, dots and all.</summary>
    public async Task<(int Status, string Text)> SendRawAsync(string path)
    {
        using var tcp = new TcpClient();
        await tcp.ConnectAsync(Address.Host, Address.Port, TestContext.Current.CancellationToken);
        await using var stream = tcp.GetStream();
        await stream.WriteAsync(Encoding.ASCII.GetBytes($"GET {path} HTTP/1.1\r\nHost: {Address.Authority}\r\nConnection: close\r\n\r\n"), TestContext.Current.CancellationToken);
        using var reader = new StreamReader(stream);
        var text = await reader.ReadToEndAsync(TestContext.Current.CancellationToken);
        return (int.Parse(text.Split(' ')[1], System.Globalization.CultureInfo.InvariantCulture), text);
    }

    private void Write(string path, string text, bool brotli = false)
    {
        var file = Path.Combine(Package, path);
        Directory.CreateDirectory(Path.GetDirectoryName(file)!);
        File.WriteAllText(file, text);
        if (!brotli)
            return;
        using var stream = new BrotliStream(File.Create(file + ".br"), CompressionLevel.Fastest);
        stream.Write(Encoding.UTF8.GetBytes(text));
    }
}
