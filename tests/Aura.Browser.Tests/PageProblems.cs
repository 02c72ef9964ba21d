using System.Text.RegularExpressions;
using Microsoft.Playwright;

namespace Aura.Browser.Tests;

/// <summary>
/// Everything a page complained of: errors on the console (violations of the content policy are among them), exceptions nobody
/// caught, requests that failed and answers of 400 and above.
/// </summary>
public sealed class PageProblems
{
    public const string None = "no problems";

    private readonly List<string> _problems = [];
    private readonly List<Regex> _expected =
    [
        // The sign-in page asks whether there is a sign-in already.
        new("^401 POST /auth/refresh", RegexOptions.None, TimeSpan.FromSeconds(1)),
    ];

    public PageProblems(IPage page)
    {
        ArgumentNullException.ThrowIfNull(page);
        page.Console += (_, message) =>
        {
            // What failed to load is told with more detail below.
            if (message.Type == "error" && !message.Text.StartsWith("Failed to load resource", StringComparison.Ordinal))
                Add("console: " + message.Text);
        };
        page.PageError += (_, error) => Add("exception: " + error);
        page.RequestFailed += (_, request) =>
        {
            // A page that is left gives up its requests.
            if (request.Failure != "net::ERR_ABORTED")
                Add($"{request.Failure} {request.Method} {PageTraffic.PathOf(request.Url)}");
        };
        page.Response += (_, response) =>
        {
            if (response.Status >= 400)
                Add($"{response.Status} {response.Request.Method} {PageTraffic.PathOf(response.Url)}");
        };
    }

    /// <summary>Takes problems that match for part of the story, for example <c>^400 POST /elsa/api/workflow-definitions</c>.</summary>
    public void Expect(string pattern)
    {
        lock (_problems)
            _expected.Add(new(pattern, RegexOptions.None, TimeSpan.FromSeconds(1)));
    }

    /// <summary>All that was not expected, one a line, or <see cref="None"/>.</summary>
    public string Story()
    {
        lock (_problems)
        {
            var unexpected = _problems.Where(p => !_expected.Exists(e => e.IsMatch(p))).ToList();
            return unexpected.Count == 0 ? None : string.Join('\n', unexpected);
        }
    }

    private void Add(string problem)
    {
        lock (_problems)
            _problems.Add(problem);
    }
}

/// <summary>The requests that a page made, the web sockets that it opened and what came through them, the first first.</summary>
public sealed class PageTraffic
{
    private readonly List<string> _requests = [];
    private readonly List<string> _pushed = [];
    private readonly List<IWebSocket> _sockets = [];

    public PageTraffic(IPage page)
    {
        ArgumentNullException.ThrowIfNull(page);
        page.Request += (_, request) => Add(_requests, $"{request.Method} {PathOf(request.Url)}");
        page.WebSocket += (_, socket) =>
        {
            Add(_sockets, socket);
            socket.FrameReceived += (_, frame) => Add(_pushed, frame.Text ?? "");
        };
    }

    /// <summary>Method, path and query, such as <c>GET /elsa/api/descriptors/activities?Refresh=True</c>.</summary>
    public IReadOnlyList<string> Requests => Copy(_requests);

    /// <summary>The messages that the server sent through web sockets.</summary>
    public IReadOnlyList<string> Pushed => Copy(_pushed);

    /// <summary>The web sockets that are open now: paths without the query, which holds a token.</summary>
    public IReadOnlyList<string> OpenSockets => [.. Copy(_sockets).Where(s => !s.IsClosed).Select(s => PathOf(s.Url).Split('?')[0])];

    internal static string PathOf(string url) => Uri.TryCreate(url, UriKind.Absolute, out var address) ? address.PathAndQuery : url;

    private void Add<T>(List<T> list, T item)
    {
        lock (_requests)
            list.Add(item);
    }

    private List<T> Copy<T>(List<T> list)
    {
        lock (_requests)
            return [.. list];
    }
}
