using System.Net.Http.Json;
using System.Text.Json;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Aura.Orchestra.Employees;

/// <summary>Whether a backend can be used here.</summary>
/// <param name="Kind"><c>local</c> or <c>cloud</c>, as in the table of models.</param>
/// <param name="Detail">What it uses; or why it cannot be used and how to change that.</param>
/// <param name="Endpoint">Null when it needs none or has none.</param>
/// <param name="Models">To choose from, the preferred first; empty when it is not available.</param>
public sealed record BackendStatus(string Name, string Kind, bool IsAvailable, string Detail, Uri? Endpoint, IReadOnlyList<string> Models);

/// <summary>All backends, by name, and what each needs.</summary>
public sealed class EmployeeBackends
{
    public const string OpenAi = "openai";
    public const string Ollama = "ollama";
    public const string Gemini = "gemini";

    private const string DefaultOpenAiModel = "gpt-5-mini";
    private const string DefaultGeminiModel = "gemini-2.5-flash";
    private static readonly TimeSpan ProbeTimeout = TimeSpan.FromSeconds(3);

    private readonly EmployeeOptions _options;
    private readonly TimeProvider _time;
    private readonly IReadOnlyDictionary<string, IEmployeeAdapter> _adapters;

    public EmployeeBackends(EmployeeOptions options, TimeProvider time, ILoggerFactory? loggers = null)
    {
        ArgumentNullException.ThrowIfNull(options);
        (_options, _time) = (options, time);
        var logger = (loggers ?? NullLoggerFactory.Instance).CreateLogger<ChatEmployee>();
        IEmployeeAdapter[] adapters =
        [
            new ScriptedEmployee(options, time),
            .. new[] { Ollama, OpenAi, Gemini }.Select(name => new ChatEmployee(name, this, options, time, logger)),
        ];
        _adapters = adapters.ToDictionary(a => a.Backend, StringComparer.Ordinal);
    }

    /// <summary>All names, the one that needs nothing first.</summary>
    public static IReadOnlyList<string> Names { get; } = [ScriptedEmployee.BackendName, Ollama, OpenAi, Gemini];

    /// <exception cref="ArgumentException">There is no such backend.</exception>
    public IEmployeeAdapter Adapter(string backend) => _adapters.TryGetValue(backend, out var adapter)
        ? adapter
        : throw new ArgumentException($"There is no backend '{backend}'. Known: {string.Join(", ", Names)}.", nameof(backend));

    public async Task<IReadOnlyList<BackendStatus>> CheckAllAsync(CancellationToken cancellationToken = default) =>
        await Task.WhenAll(Names.Select(n => CheckAsync(n, cancellationToken)));

    /// <summary>Looks whether a backend can be used. Asks only a local server; a key is not tried out.</summary>
    public async Task<BackendStatus> CheckAsync(string backend, CancellationToken cancellationToken = default)
    {
        _ = Adapter(backend);
        if (backend == ScriptedEmployee.BackendName)
            return new(backend, "local", true, "Plays script files; no model is called.", null, [ScriptedEmployee.ModelName]);
        var kind = backend == Ollama ? "local" : "cloud";
        var (endpoint, missing) = EndpointOf(backend);
        if (endpoint is null)
            return new(backend, kind, false, missing, null, []);
        if (backend == Ollama)
            return await CheckOllamaAsync(endpoint, cancellationToken);
        var (settings, fallback) = backend == OpenAi ? (_options.OpenAi, DefaultOpenAiModel) : (_options.Gemini, DefaultGeminiModel);
        return new(backend, kind, true, $"{endpoint}.", endpoint.BaseUrl, settings.Models is { Count: > 0 } models ? models : [fallback]);
    }

    internal (ChatEndpoint? Endpoint, string Missing) EndpointOf(string backend)
    {
        if (backend == Ollama)
        {
            if (string.IsNullOrWhiteSpace(_options.Ollama.Host))
                return (null, "OLLAMA_HOST is not set. Start Ollama and set it, for example OLLAMA_HOST=http://127.0.0.1:11434.");
            return OllamaUrl(_options.Ollama.Host) is { } url
                ? (new(Ollama, url, null, ModernTokenLimit: false), "")
                : (null, $"OLLAMA_HOST '{_options.Ollama.Host}' is neither a host with a port nor an http(s) address.");
        }

        var (settings, official, key, address) = backend == OpenAi
            ? (_options.OpenAi, "api.openai.com", "OPENAI_API_KEY", "OPENAI_BASE_URL")
            : (_options.Gemini, "generativelanguage.googleapis.com", "GEMINI_API_KEY", "Aura:Employees:Gemini:BaseUrl");
        if (!Uri.TryCreate(settings.BaseUrl, UriKind.Absolute, out var baseUrl) || baseUrl.Scheme is not ("http" or "https"))
            return (null, $"{address} is not an http(s) address.");
        // A server of one's own often wants no key; the official one always does.
        if (string.IsNullOrEmpty(settings.ApiKey) && baseUrl.Host == official)
            return (null, $"{key} is not set.");
        if (!string.IsNullOrEmpty(settings.ApiKey) && baseUrl.Scheme == "http" && !baseUrl.IsLoopback)
            return (null, $"{address} is plain http to another machine: the key would travel unprotected. Use https.");
        return (new(backend, baseUrl, settings.ApiKey, ModernTokenLimit: baseUrl.Host == "api.openai.com"), "");
    }

    /// <summary>Reads OLLAMA_HOST as Ollama does: scheme http, port 11434, and the all-interfaces address means this machine.</summary>
    internal static Uri? OllamaUrl(string host)
    {
        var text = host.Trim();
        var withScheme = text.Contains("://", StringComparison.Ordinal);
        if (!withScheme)
            text = "http://" + (text.StartsWith(':') ? "127.0.0.1" + text : text);
        if (!Uri.TryCreate(text, UriKind.Absolute, out var url) || url.Scheme is not ("http" or "https") || url.Host.Length == 0)
            return null;
        var address = new UriBuilder(url) { Path = url.AbsolutePath.TrimEnd('/') is var path && path.EndsWith("/v1", StringComparison.Ordinal) ? path : path + "/v1", Query = "", Fragment = "" };
        if (!withScheme && !HasPort(text))
            address.Port = 11434;
        if (address.Host is "0.0.0.0" or "[::]")
            address.Host = "127.0.0.1";
        return address.Uri;
    }

    private static bool HasPort(string url)
    {
        var authority = url["http://".Length..].Split('/')[0];
        return authority.LastIndexOf(':') > authority.LastIndexOf(']');
    }

    private async Task<BackendStatus> CheckOllamaAsync(ChatEndpoint endpoint, CancellationToken cancellationToken)
    {
        using var limit = new CancellationTokenSource(ProbeTimeout, _time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
        using var handler = new SocketsHttpHandler { UseProxy = !endpoint.BaseUrl.IsLoopback, AllowAutoRedirect = false };
        using var client = new HttpClient(handler);
        try
        {
            var answer = await client.GetFromJsonAsync<JsonElement>(new Uri(endpoint.BaseUrl.AbsoluteUri.TrimEnd('/') + "/models"), either.Token);
            var installed = answer.GetProperty("data").EnumerateArray().Select(m => m.GetProperty("id").GetString() ?? "").Where(m => m.Length > 0).ToList();
            IReadOnlyList<string> models = _options.Ollama.Models is { Count: > 0 } preferred ? preferred : installed;
            return models.Count > 0
                ? new(Ollama, "local", true, $"{endpoint}, {installed.Count} models.", endpoint.BaseUrl, models)
                : new(Ollama, "local", false, $"{endpoint} has no models. Fetch one with 'ollama pull'.", endpoint.BaseUrl, []);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return Unreachable($"did not answer within {ProbeTimeout.TotalSeconds:0} s");
        }
        catch (Exception e) when (e is HttpRequestException or JsonException or InvalidOperationException or KeyNotFoundException)
        {
            return Unreachable(e.Message);
        }

        BackendStatus Unreachable(string why) => new(
            Ollama, "local", false, $"{endpoint} cannot be used: {why}. Is Ollama running there?", endpoint.BaseUrl, []);
    }
}
