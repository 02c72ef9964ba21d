using System.IO.Compression;
using System.Net;
using System.Text.RegularExpressions;
using Aura.Host.Hosting;

namespace Aura.Host.Tests.Studio;

public sealed partial class StudioPagesTests : IClassFixture<StudioHost>
{
    private readonly StudioHost _host;

    public StudioPagesTests(StudioHost host)
    {
        host.BringPackage();
        _host = host;
    }

    [Theory]
    [InlineData("/studio/")]
    [InlineData("/studio/?page=2")]
    [InlineData("/studio/workflows/definitions")]
    [InlineData("/studio/workflows/definitions?page=1&pageSize=10&search=a")]
    [InlineData("/studio/workflows/definitions/order-flow/edit")]
    [InlineData("/studio/workflows/definitions/a%20b/edit")]
    [InlineData("/studio/workflows/instances")]
    [InlineData("/studio/workflows/instances/01a1fdfb24e56d8ade33b296/view")]
    [InlineData("/studio/alterations/instances/x")]
    [InlineData("/studio/diagnostics/structured-logs?workflowInstanceId=x")]
    public async Task Page_AtEveryAddressOfAView_IsThePageWithItsPolicy(string path)
    {
        using var answer = await _host.SendAsync(path);
        answer.StatusCode.ShouldBe(HttpStatusCode.OK);
        answer.Content.Headers.ContentType!.ToString().ShouldBe("text/html; charset=utf-8");
        var html = await answer.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
        foreach (var id in new[] { "aura-bar", "aura-user", "aura-connection", "view", "blazor-error-ui" })
            html.ShouldContain($"id=\"{id}\"");
        html.ShouldContain("<base href=\"/studio/\">");

        var policy = Header(answer, "Content-Security-Policy").Split(';', StringSplitOptions.TrimEntries);
        policy.ShouldContain("default-src 'self'");
        // No inline script but the two of Studio's own.
        policy.ShouldContain(
            "script-src 'self' 'wasm-unsafe-eval' 'sha256-snlP1jz0gjwc5cTz9ErZcliXuCK63+Mmf68RRCeptgc=' 'sha256-vu6sQrKXQHR4Yn3FMMihA/9TxxfIXnCxKwvLrTPJ5ts='");
        policy.ShouldContain("worker-src 'self' blob:");
        policy.ShouldContain("frame-ancestors 'none'");
        policy.ShouldContain($"connect-src 'self' ws://{_host.Address.Authority} wss://{_host.Address.Authority}");
        Header(answer, "Cross-Origin-Opener-Policy").ShouldBe("same-origin");
        Header(answer, "X-Content-Type-Options").ShouldBe("nosniff");
        Header(answer, "Cache-Control").ShouldBe("no-cache");
    }

    [Fact]
    public async Task Page_WithAHostThatIsNone_DoesNotLandInThePolicy()
    {
        using var answer = await _host.SendAsync("/studio/", headers: ("Host", "a'b_*"));
        if (answer.StatusCode == HttpStatusCode.OK)
            Header(answer, "Content-Security-Policy").ShouldEndWith("connect-src 'self'");
        else
            answer.StatusCode.ShouldBe(HttpStatusCode.BadRequest);
    }

    [Fact]
    public async Task Page_WithoutItsSlash_RedirectsAndKeepsTheQuery()
    {
        using var answer = await _host.SendAsync("/studio?page=2");
        (answer.StatusCode, answer.Headers.Location!.ToString()).ShouldBe((HttpStatusCode.MovedPermanently, "/studio/?page=2"));
    }

    [Fact]
    public async Task LogsLink_FromTheRoot_LeadsBelowStudio()
    {
        using var answer = await _host.SendAsync("/diagnostics/structured-logs?workflowInstanceId=x");
        (answer.StatusCode, answer.Headers.Location!.ToString()).ShouldBe((HttpStatusCode.Found, "/studio/diagnostics/structured-logs?workflowInstanceId=x"));
    }

    [Theory]
    [InlineData("_framework/dotnet.js", "text/javascript; charset=utf-8", false)]
    [InlineData("_framework/blazor.webassembly.js", "text/javascript; charset=utf-8", false)]
    [InlineData("_framework/System.Private.CoreLib.uf9wea3fgm.wasm", "application/wasm", true)]
    [InlineData("_framework/icudt_no_CJK.lfu7j35m59.dat", "application/octet-stream", true)]
    [InlineData("_content/Elsa.Studio.Workflows/Elsa.Studio.Workflows.3ifuhex2gd.bundle.scp.css", "text/css; charset=utf-8", true)]
    [InlineData("_content/Radzen.Blazor/fonts/RobotoFlex.woff2", "font/woff2", false)]
    [InlineData("main.js", "text/javascript; charset=utf-8", false)]
    [InlineData("palette.css", "text/css; charset=utf-8", false)]
    public async Task Asset_OfEachKind_HasItsTypeAndTime(string path, string type, bool isImmutable)
    {
        using var answer = await _host.SendAsync("/studio/" + path);
        answer.StatusCode.ShouldBe(HttpStatusCode.OK);
        answer.Content.Headers.ContentType!.ToString().ShouldBe(type);
        Header(answer, "Cache-Control").ShouldBe(isImmutable ? "public, max-age=31536000, immutable" : "no-cache");
        Header(answer, "Content-Security-Policy").ShouldBe("default-src 'self'; frame-ancestors 'none'");
        // All files of an npm package are of 1985; a browser must not take that for news.
        answer.Content.Headers.LastModified.ShouldBeNull();
        answer.Headers.ETag!.IsWeak.ShouldBeFalse();
    }

    [Theory]
    [InlineData("br", true)]
    [InlineData("gzip, deflate, br, zstd", true)]
    [InlineData("br;q=0.5, gzip", true)]
    [InlineData("br;q=0", false)]
    [InlineData("gzip", false)]
    [InlineData("", false)]
    public async Task Asset_ByAcceptEncoding_IsBrotliOrTheFileItself(string accepted, bool isBrotli)
    {
        using var answer = await _host.SendAsync("/studio/_framework/dotnet.js", headers: ("Accept-Encoding", accepted));
        answer.Content.Headers.ContentEncoding.ShouldBe(isBrotli ? ["br"] : []);
        Header(answer, "Vary").ShouldBe("Accept-Encoding");
        await using var body = await answer.Content.ReadAsStreamAsync(TestContext.Current.CancellationToken);
        using var reader = new StreamReader(isBrotli ? new BrotliStream(body, CompressionMode.Decompress) : body);
        (await reader.ReadToEndAsync(TestContext.Current.CancellationToken)).ShouldBe(StudioHost.Script);
    }

    [Theory]
    [InlineData("br")]
    [InlineData("identity")]
    public async Task Asset_ThatTheBrowserHas_IsNotSentAgain(string accepted)
    {
        using var first = await _host.SendAsync("/studio/_framework/dotnet.js", headers: ("Accept-Encoding", accepted));
        using var again = await _host.SendAsync(
            "/studio/_framework/dotnet.js", headers: [("Accept-Encoding", accepted), ("If-None-Match", first.Headers.ETag!.Tag)]);
        again.StatusCode.ShouldBe(HttpStatusCode.NotModified);
        (await again.Content.ReadAsByteArrayAsync(TestContext.Current.CancellationToken)).ShouldBeEmpty();
        again.Headers.ETag.ShouldBe(first.Headers.ETag);
    }

    [Fact]
    public async Task Asset_InTwoForms_HasTwoTags()
    {
        using var brotli = await _host.SendAsync("/studio/_framework/dotnet.js", headers: ("Accept-Encoding", "br"));
        using var plain = await _host.SendAsync("/studio/_framework/dotnet.js");
        brotli.Headers.ETag.ShouldNotBe(plain.Headers.ETag);
    }

    [Fact]
    public async Task Asset_Head_TellsTheLengthAndSendsNothing()
    {
        using var answer = await _host.SendAsync("/studio/_framework/dotnet.js", HttpMethod.Head);
        (answer.StatusCode, answer.Content.Headers.ContentLength).ShouldBe((HttpStatusCode.OK, StudioHost.Script.Length));
        (await answer.Content.ReadAsByteArrayAsync(TestContext.Current.CancellationToken)).ShouldBeEmpty();
    }

    [Fact]
    public async Task Asset_Range_IsAPartOfTheFileItself()
    {
        using var part = await _host.SendAsync("/studio/_framework/dotnet.js", headers: [("Range", "bytes=6-11"), ("Accept-Encoding", "br")]);
        part.StatusCode.ShouldBe(HttpStatusCode.PartialContent);
        (await part.Content.ReadAsStringAsync(TestContext.Current.CancellationToken)).ShouldBe("studio");
        part.Content.Headers.ContentEncoding.ShouldBeEmpty();
        using var beyond = await _host.SendAsync("/studio/_framework/dotnet.js", headers: ("Range", "bytes=900-"));
        beyond.StatusCode.ShouldBe(HttpStatusCode.RequestedRangeNotSatisfiable);
    }

    [Theory]
    [InlineData("/studio/_framework/nothing.js")]
    [InlineData("/studio/_framework/dotnet.js.br")]
    [InlineData("/studio/_framework/dotnet.js.gz")]
    [InlineData("/studio/_content/Designer/designer.entry.js.map")]
    [InlineData("/studio/index.html")]
    [InlineData("/studio/missing.html")]
    [InlineData("/studio/package.json")]
    [InlineData("/studio/_FRAMEWORK/dotnet.js")]
    [InlineData("/studio/_framework")]
    [InlineData("/studio/workflows")]
    [InlineData("/studio/workflows/definitions/a/b/edit")]
    [InlineData("/studio/workflows/definitions//edit")]
    [InlineData("/studio/../secret.txt")]
    [InlineData("/studio/%2e%2e/secret.txt")]
    [InlineData("/studio/..%2fsecret.txt")]
    [InlineData("/studio/_framework/..%2f..%2f..%2fsecret.txt")]
    [InlineData("/studio/..%5csecret.txt")]
    [InlineData("/studio//etc/passwd")]
    [InlineData("/studio/%00")]
    [InlineData("/studio/_framework/dotnet.js%00.br")]
    public async Task Path_ThatIsNoFile_IsNotFoundAndNeverThePage(string path)
    {
        var (status, text) = await _host.SendRawAsync(path);
        status.ShouldBeOneOf(400, 404);
        text.ShouldNotContain("aura-bar");
        text.ShouldNotContain("secret");
    }

    [Fact]
    public async Task Write_ToAnAsset_IsRefused()
    {
        using var answer = await _host.SendAsync("/studio/main.js", HttpMethod.Post);
        answer.StatusCode.ShouldBe(HttpStatusCode.MethodNotAllowed);
    }

    [Fact]
    public void Files_OfThePage_HoldNothingInlineAndNothingFromElsewhere()
    {
        var folder = Path.Combine(StaticPages.Folder, "studio");
        foreach (var file in Directory.EnumerateFiles(folder))
        {
            var text = File.ReadAllText(file);
            Elsewhere().Matches(text).Select(m => m.Value).ShouldAllBe(m => m == "http://www.w3.org", file);
            if (file.EndsWith(".html", StringComparison.Ordinal))
                Inline().Matches(text).ShouldBeEmpty(file);
        }
    }

    [Fact]
    public void Modules_OfThePage_AreAllThere()
    {
        foreach (var file in Directory.EnumerateFiles(Path.Combine(StaticPages.Folder, "studio"), "*.js"))
        {
            foreach (var address in Import().Matches(File.ReadAllText(file)).Select(m => m.Groups["address"].Value))
                File.Exists(Path.Combine(StaticPages.Folder, address.StartsWith('/') ? address[1..] : Path.Combine("studio", address))).ShouldBeTrue(address);
        }
    }

    private static string Header(HttpResponseMessage answer, string name) => string.Join(", ", answer.Headers.GetValues(name));

    [GeneratedRegex("""https?://[A-Za-z0-9.-]+""", RegexOptions.None, 1000)]
    private static partial Regex Elsewhere();

    [GeneratedRegex("""<script(?![^>]*\ssrc=)|<style|\sstyle=|\son[a-z]+=""", RegexOptions.IgnoreCase | RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex Inline();

    [GeneratedRegex("""^import [^"]*"(?<address>[^"]+)";""", RegexOptions.Multiline | RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex Import();
}

/// <summary>A host whose package is not there, and then comes.</summary>
public sealed class MissingStudioTests(StudioHost host) : IClassFixture<StudioHost>
{
    [Fact]
    public async Task Page_WithoutThePackage_SaysWhatToDoUntilItComes()
    {
        using var missing = await host.SendAsync("/studio/workflows/definitions/a/edit");
        missing.StatusCode.ShouldBe(HttpStatusCode.ServiceUnavailable);
        var html = await missing.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
        html.ShouldContain("./aura doctor");
        html.ShouldContain("AURA_STUDIO");
        using (var style = await host.SendAsync("/studio/page.css"))
            style.StatusCode.ShouldBe(HttpStatusCode.OK);
        using (var asset = await host.SendAsync("/studio/_framework/dotnet.js"))
            asset.StatusCode.ShouldBe(HttpStatusCode.NotFound);
        missing.Headers.CacheControl!.ToString().ShouldBe("no-store");
        missing.Headers.ETag.ShouldBeNull();

        host.BringPackage();

        using var there = await host.SendAsync("/studio/");
        there.StatusCode.ShouldBe(HttpStatusCode.OK);
    }
}
