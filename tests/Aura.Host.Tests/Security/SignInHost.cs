using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using Aura.Host.Configuration;
using Aura.Host.Hosting;
using Aura.Testing;

namespace Aura.Host.Tests.Security;

/// <summary>A whole host in this process, as <c>aura up</c> starts it with the role manager, on a database of its own.</summary>
public sealed class SignInHost : IAsyncLifetime
{
    public const string Key = HostSettings.DirectorKey;
    public const string WorkerKey = HostSettings.WorkerKey;
    public const string Password = "correct horse battery";
    private readonly TestDatabase _database = new();
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("aura-sign-in-");
    private readonly HttpClient _http = new(new SocketsHttpHandler { UseCookies = false, AllowAutoRedirect = false });

    public AuraHost Host { get; private set; } = null!;

    public TestDatabase Database => _database;

    public static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        await _database.InitializeAsync();
        Host = await StartAsync(Key);
    }

    public async ValueTask DisposeAsync()
    {
        _http.Dispose();
        await Host.DisposeAsync();
        await _database.DisposeAsync();
        _folder.Delete(recursive: true);
    }

    /// <summary>Another host on the same database; with a root, in folders of its own.</summary>
    public Task<AuraHost> StartAsync(string key, string? root = null)
    {
        var settings = HostSettings.In(root ?? _folder.FullName, _database.ConnectionString);
        settings["AURA_ROLES"] = "manager";
        settings["MANAGER_PORT"] = "0";
        settings["DIRECTOR_API_KEY"] = key;
        return AuraHost.StartAsync(AuraOptions.Load(settings.GetValueOrDefault), LogStyle.FileOnly, Cancel);
    }

    /// <summary>A request with the headers given as pairs; the body is JSON.</summary>
    public async Task<Answer> SendAsync(string method, string path, string? json = null, string? url = null, params (string Name, string Value)[] headers)
    {
        using var request = new HttpRequestMessage(new(method), (url ?? Host.Url) + path);
        if (json is not null)
            request.Content = new StringContent(json, Encoding.UTF8, new MediaTypeHeaderValue("application/json"));
        foreach (var (name, value) in headers)
            request.Headers.TryAddWithoutValidation(name, value);
        using var response = await _http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, Cancel);
        var type = response.Content.Headers.ContentType?.MediaType;
        var text = type == "text/event-stream" ? "" : await response.Content.ReadAsStringAsync(Cancel);
        return new(
            (int)response.StatusCode, type, text,
            response.Headers.Concat(response.Content.Headers).ToDictionary(h => h.Key, h => string.Join('\n', h.Value), StringComparer.OrdinalIgnoreCase));
    }

    public Task<Answer> SendAsync(string method, string path, string? json, string bearer) =>
        SendAsync(method, path, json, null, ("Authorization", "Bearer " + bearer));

    public Task<Answer> LoginAsync(string name, string password = Password) =>
        SendAsync("POST", "/auth/login", JsonSerializer.Serialize(new { username = name, password }));

    public Task<Answer> RefreshAsync(string? cookie, string? url = null) => SendAsync(
        "POST", "/auth/refresh", null, url, [("Origin", url ?? Host.Url), ("Sec-Fetch-Site", "same-origin"), .. Cookie(cookie)]);

    public static (string Name, string Value)[] Cookie(string? cookie) => cookie is null ? [] : [("Cookie", "other=1; aura_refresh=" + cookie)];

    public async Task AddUserAsync(string name, params string[] roles)
    {
        var added = await SendAsync("POST", "/users", JsonSerializer.Serialize(new { name, password = Password, roles }), Key);
        added.Status.ShouldBe(201, added.Text);
    }

    public async Task<Answer> ChangeUserAsync(string name, string json)
    {
        var changed = await SendAsync("PATCH", "/users/" + name, json, Key);
        changed.Status.ShouldBe(200, changed.Text);
        return changed;
    }

    public Task ExecuteAsync(string sql) => _database.ExecuteAsync(sql);

    public Task<T?> ScalarAsync<T>(string sql) => _database.ScalarAsync<T>(sql);
}

/// <summary>What came back.</summary>
public sealed record Answer(int Status, string? Type, string Text, IReadOnlyDictionary<string, string> Headers)
{
    public JsonElement Json => JsonElement.Parse(Text);

    public string AccessToken => Json.GetProperty("access_token").GetString()!;

    /// <summary>The refresh token of the cookie that was set; empty when it was taken away, null when none came.</summary>
    public string? RefreshCookie => Headers.GetValueOrDefault("Set-Cookie") is { } set && set.StartsWith("aura_refresh=", StringComparison.Ordinal)
        ? set["aura_refresh=".Length..set.IndexOf(';', StringComparison.Ordinal)]
        : null;

    public IEnumerable<string?> Texts(params string[] path)
    {
        var element = Json;
        foreach (var name in path)
            element = element.GetProperty(name);
        return element.EnumerateArray().Select(e => e.GetString());
    }
}
