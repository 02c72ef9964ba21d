using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using Aura.Host.Configuration;
using Aura.Host.Hosting;
using Aura.Testing;

namespace Aura.Browser.Tests;

/// <summary>
/// The whole host in this process, with all its roles, the repository's workflows, the real Elsa Studio package, scripted employees,
/// and a database and folders of its own. One a test class: <c>IClassFixture&lt;StudioHost&gt;</c>.
/// </summary>
public sealed class StudioHost : IAsyncLifetime
{
    /// <summary>The Director's key, which is user <c>director</c>'s password, too.</summary>
    public const string Key = HostSettings.DirectorKey;

    private readonly TestDatabase _database = new();
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("aura-browser-");
    private AuraHost? _host;

    /// <summary>The launcher's state folder, where its tools lie and test results go.</summary>
    public static string StateFolder { get; } =
        Environment.GetEnvironmentVariable("AURA_STATE") is { Length: > 0 } state ? state : Repository.Path(".aura");

    /// <summary>Without a slash at its end.</summary>
    public string Url { get; private set; } = "";

    /// <summary>The Director's client, for everything below <see cref="Url"/>.</summary>
    public HttpClient Http { get; private set; } = new();

    public string ConnectionString => _database.ConnectionString;

    public async ValueTask InitializeAsync()
    {
        await _database.InitializeAsync();
        await StartAsync(port: 0);
    }

    /// <summary>Stops the host, as for a new version; the page in the browser stays.</summary>
    public async Task StopAsync()
    {
        if (_host is not null)
            await _host.DisposeAsync();
        _host = null;
    }

    /// <summary>Starts it again on the same port, database and folders.</summary>
    public Task StartAgainAsync() => StartAsync(new Uri(Url).Port);

    /// <summary>The JSON at a path, which must answer 200.</summary>
    public async Task<JsonElement> GetAsync(string path)
    {
        using var response = await Http.GetAsync(path);
        return await JsonAsync(response, path);
    }

    /// <summary>Posts JSON text; the answer must be a success.</summary>
    public async Task<JsonElement> PostAsync(string path, string json)
    {
        using var content = new StringContent(json, Encoding.UTF8, "application/json");
        using var response = await Http.PostAsync(path, content);
        return await JsonAsync(response, path);
    }

    /// <summary>Asks until the condition holds, and answers with what was found then.</summary>
    public Task<JsonElement> EventuallyAsync(Func<Task<JsonElement>> ask, Func<JsonElement, bool> condition) =>
        Until.FoundAsync(ask, condition, found => $"It did not come about. Last seen: {found}", (int)(Chromium.Patience / 1000));

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        Http.Dispose();
        await _database.DisposeAsync();
        _folder.Delete(recursive: true);
    }

    private static string StudioFolder()
    {
        var folder = Environment.GetEnvironmentVariable("AURA_STUDIO") is { Length: > 0 } given
            ? given
            : Path.Combine(StateFolder, "tools", "studio", "node_modules", "@elsa-workflows", "elsa-studio-wasm");
        return File.Exists(Path.Combine(folder, "_framework", "blazor.webassembly.js"))
            ? folder
            : throw new InvalidOperationException(
                $"Elsa Studio is not at {folder}. ./aura test brings it (needs npm); or let AURA_STUDIO name the folder of the npm package.");
    }

    private async Task StartAsync(int port)
    {
        var settings = new Dictionary<string, string?>(HostSettings.In(_folder.FullName, _database.ConnectionString))
        {
            ["AURA_SCRIPTS"] = Repository.Path("tests", "fixtures", "prds"),
            ["AURA_STUDIO"] = StudioFolder(),
            ["MANAGER_PORT"] = port.ToString(System.Globalization.CultureInfo.InvariantCulture),
        };
        _host = await AuraHost.StartAsync(AuraOptions.Load(settings.GetValueOrDefault), LogStyle.FileOnly, CancellationToken.None);
        Url = _host.Url;
        Http.Dispose();
        Http = new() { BaseAddress = new(Url) };
        Http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", Key);
    }

    private static async Task<JsonElement> JsonAsync(HttpResponseMessage response, string path)
    {
        var text = await response.Content.ReadAsStringAsync();
        response.IsSuccessStatusCode.ShouldBeTrue($"{(int)response.StatusCode} from {path}: {text}");
        return text.Length == 0 ? default : JsonElement.Parse(text);
    }
}
