using System.Diagnostics;
using System.Text.RegularExpressions;
using Aura.Host.Hosting;
using Aura.Testing;

namespace Aura.Host.Tests.Security;

public sealed partial class StaticPagesTests(SignInHost host) : IClassFixture<SignInHost>
{
    [Theory]
    [InlineData("/", "text/html")]
    [InlineData("/sign-in", "text/html")]
    [InlineData("/sign-in?return=/studio/", "text/html")]
    [InlineData("/session.js", "text/javascript")]
    [InlineData("/sign-in/sign-in.js", "text/javascript")]
    [InlineData("/aura.css", "text/css")]
    [InlineData("/favicon.svg", "image/svg+xml")]
    public async Task Page_WithoutToken_ComesWithItsHeaders(string path, string type)
    {
        var page = await host.SendAsync("GET", path);
        (page.Status, page.Type).ShouldBe((200, type));
        page.Headers["Content-Security-Policy"].ShouldBe(SecurityHeaders.Page);
        page.Headers["X-Content-Type-Options"].ShouldBe("nosniff");
        page.Headers["Referrer-Policy"].ShouldBe("same-origin");
        var again = await host.SendAsync("GET", path, null, null, ("If-None-Match", page.Headers["ETag"]));
        (again.Status, again.Text).ShouldBe((304, ""));
    }

    [Theory]
    [InlineData("/index.html")]
    [InlineData("/sign-in/index.html")]
    [InlineData("/../Aura.Host.dll")]
    [InlineData("/%2e%2e/Aura.Host.dll")]
    [InlineData("/sign-in/..%2f..%2fAura.Host.dll")]
    [InlineData("/appsettings.json")]
    public async Task Page_ThatIsNotListed_IsNotThere(string path) => (await host.SendAsync("GET", path)).Status.ShouldBe(404);

    [Theory]
    [InlineData("/health")]
    [InlineData("/prds")]
    [InlineData("/nothing")]
    public async Task Answer_ThatIsNoPage_MayLoadNothing(string path)
    {
        var answer = await host.SendAsync("GET", path);
        answer.Headers["Content-Security-Policy"].ShouldBe("default-src 'none'; frame-ancestors 'none'");
        answer.Headers["X-Content-Type-Options"].ShouldBe("nosniff");
    }

    [Fact]
    public async Task Answer_OfAWorkflow_IsInASandbox() =>
        (await host.SendAsync("GET", "/workflows/anything")).Headers["Content-Security-Policy"].ShouldStartWith("sandbox ");

    [Fact]
    public void Files_OfThePages_HoldNothingInlineAndNothingFromElsewhere()
    {
        foreach (var file in Directory.EnumerateFiles(StaticPages.Folder, "*.html", SearchOption.AllDirectories).Where(f => !f.Contains("studio", StringComparison.Ordinal)))
        {
            var html = File.ReadAllText(file);
            Inline().Matches(html).ShouldBeEmpty(file);
            Reference().Matches(html).Select(m => m.Groups["address"].Value).ShouldAllBe(r => r.StartsWith('/') && !r.StartsWith("//"));
        }
    }

    [Theory]
    [InlineData("/studio/x?y=1#z", "http://a.example:8000/studio/x?y=1#z")]
    [InlineData("/", "http://a.example:8000/")]
    [InlineData("//evil.example", "http://a.example:8000/")]
    [InlineData("/\\evil.example", "http://a.example:8000/")]
    [InlineData("/\t/evil.example", "http://a.example:8000/")]
    [InlineData("/\n/[", "http://a.example:8000/")]
    [InlineData("/.//evil.example", "http://a.example:8000//evil.example")]
    [InlineData("https://evil.example", "http://a.example:8000/")]
    [InlineData("javascript:alert(1)", "http://a.example:8000/")]
    [InlineData("studio", "http://a.example:8000/")]
    [InlineData("/sign-in?return=/", "http://a.example:8000/")]
    public async Task ReturnAddress_OfAPath_StaysOnThisOrigin(string path, string expected)
    {
        Assert.SkipUnless(File.Exists("/usr/bin/node"), "Node.js is not installed (Debian package nodejs).");
        var source = await File.ReadAllTextAsync(Repository.Path("src", "Aura.Host", "wwwroot", "sign-in", "return-path.js"), SignInHost.Cancel);
        using var node = Process.Start(new ProcessStartInfo(
            "/usr/bin/node", ["--input-type=module", "-e", source + "\nprocess.stdout.write(returnAddress(process.argv[1], 'http://a.example:8000'));", path])
        {
            UseShellExecute = false,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;
        var output = await node.StandardOutput.ReadToEndAsync(SignInHost.Cancel);
        var error = await node.StandardError.ReadToEndAsync(SignInHost.Cancel);
        await node.WaitForExitAsync(SignInHost.Cancel);
        output.ShouldBe(expected, error);
    }

    [GeneratedRegex("""<script(?![^>]*\ssrc=)|<style|\sstyle=|\son[a-z]+=|javascript:""", RegexOptions.IgnoreCase | RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex Inline();

    [GeneratedRegex("(src|href|action)=\"(?<address>[^\"]*)\"", RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex Reference();
}
