using System.Runtime.CompilerServices;
using Aura.Browser.Tests;
using Microsoft.Playwright;

// Memory and cores are few: one browser, one host and one test at a time.
[assembly: CollectionBehavior(DisableTestParallelization = true)]
[assembly: AssemblyFixture(typeof(Chromium))]

namespace Aura.Browser.Tests;

/// <summary>
/// The one browser of this assembly, Debian's Chromium. A test is one user's visit to one host:
/// <code>
/// public sealed class MyTests(Chromium chromium, StudioHost host) : IClassFixture&lt;StudioHost&gt;
/// {
///     [Fact]
///     public Task Method_Condition_Result() => chromium.VisitAsync(host, async studio =>
///     {
///         await studio.SignInAsync();                             // director and key, on the sign-in page
///         await studio.OpenDefinitionsAsync();
///         await studio.ShotAsync("01-definitions");               // 1400x900, for people
///         var definition = await host.GetAsync("/elsa/api/workflow-definitions/by-definition-id/prd-pipeline");
///     });
/// }
/// </code>
/// A visit has a context of its own (cookies, storage). It fails when the page reported anything: see <see cref="PageProblems"/>;
/// what a test provokes on purpose it announces with <c>studio.Problems.Expect(...)</c>. On failure the last picture is kept as
/// <c>failed-[test].png</c>.
/// </summary>
public sealed class Chromium : IAsyncLifetime
{
    /// <summary>Generous, since build machines are slow; nothing waits longer than it must.</summary>
    public const float Patience = 60_000;

    private const string Program = "/usr/bin/chromium";
    private IPlaywright? _playwright;
    private IBrowser? _browser;

    /// <summary>Where pictures go: <c>AURA_SCREENSHOTS</c>, by default beside the test results.</summary>
    public static string Screenshots { get; } = Environment.GetEnvironmentVariable("AURA_SCREENSHOTS") is { Length: > 0 } folder
        ? folder
        : Path.Combine(StudioHost.StateFolder, "test-results", "screenshots");

    public async ValueTask InitializeAsync()
    {
        if (!File.Exists(Program))
            throw new InvalidOperationException($"{Program} is missing. ./aura test installs it; by hand: apt-get install chromium.");
        // Nothing may be fetched: the browser is the system's.
        Environment.SetEnvironmentVariable("PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD", "1");
        Directory.CreateDirectory(Screenshots);
        _playwright = await Playwright.CreateAsync();
        _browser = await _playwright.Chromium.LaunchAsync(new()
        {
            ExecutablePath = Program,
            Args =
            [
                "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
                "--disable-component-update", "--disable-sync",
            ],
        });
        Assertions.SetDefaultExpectTimeout(Patience);
    }

    /// <summary>Runs a test's story on a new page, and fails when the page reported a problem.</summary>
    public async Task VisitAsync(StudioHost host, Func<StudioPage, Task> story, [CallerMemberName] string test = "")
    {
        ArgumentNullException.ThrowIfNull(host);
        ArgumentNullException.ThrowIfNull(story);
        await using var context = await _browser!.NewContextAsync(new()
        {
            BaseURL = host.Url,
            ViewportSize = new() { Width = 1400, Height = 900 },
            ReducedMotion = ReducedMotion.Reduce,
        });
        context.SetDefaultTimeout(Patience);
        var page = await context.NewPageAsync();
        var studio = new StudioPage(page, host, new PageProblems(page), new PageTraffic(page));
        try
        {
            await story(studio);
        }
        catch (Exception e)
        {
            // Whatever went wrong, the picture and the page's own words tell more.
            await studio.ShotAsync("failed-" + test);
            throw new InvalidOperationException(
                $"{e.Message}\n\nThe page stood at {page.Url}\n{studio.Problems.Story()}\n"
                + $"Picture: {Path.Combine(Screenshots, $"failed-{test}.png")}\nThe last requests:\n{string.Join('\n', studio.Traffic.Requests.TakeLast(12))}", e);
        }

        studio.Problems.Story().ShouldBe(PageProblems.None);
    }

    public async ValueTask DisposeAsync()
    {
        if (_browser is not null)
            await _browser.DisposeAsync();
        _playwright?.Dispose();
    }
}
