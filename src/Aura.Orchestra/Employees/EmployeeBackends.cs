using System.Net.Http.Json;
using System.Text.Json;
using Aura.Orchestra.Employees.Chat;
using Aura.Orchestra.Employees.Cli;
using Aura.Orchestra.Employees.Ledger;
using Aura.Orchestra.Employees.Prompting;
using Aura.Orchestra.Processes;
using Aura.Orchestra.Validation;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Aura.Orchestra.Employees;

/// <summary>Whether a backend can be used here.</summary>
/// <param name="Kind"><c>local</c>, <c>cloud</c> or <c>cli</c>, as in the table of models; <c>any</c> for all together.</param>
/// <param name="Detail">What it uses; or why it cannot be used and how to change that.</param>
/// <param name="Endpoint">Null when it needs none or has none.</param>
/// <param name="Models">To choose from, the preferred first; empty when it is not available.</param>
public sealed record BackendStatus(string Name, string Kind, bool IsAvailable, string Detail, Uri? Endpoint, IReadOnlyList<string> Models)
{
    /// <summary>Models that are asked for and are not there: not fetched, not installed or not complete; each with what to do.</summary>
    public IReadOnlyDictionary<string, string> Missing { get; init; } = new Dictionary<string, string>();
}

/// <summary>All backends, by name, and what each needs.</summary>
public sealed class EmployeeBackends
{
    public const string OpenAi = "openai";
    public const string Ollama = "ollama";
    public const string Gemini = "gemini";
    public const string Cli = "cli";

    /// <summary>What a PRD or the host says that leaves the choice to roles, scores and costs: every backend but the scripted one.</summary>
    public const string Any = "any";

    /// <summary>What the queue of every backend begins with; its name follows.</summary>
    public const string QueuePrefix = "employee:";

    private const string DefaultOpenAiModel = "gpt-5-mini";
    private const string DefaultGeminiModel = "gemini-2.5-flash";
    private static readonly TimeSpan ProbeTimeout = TimeSpan.FromSeconds(3);

    private readonly EmployeeOptions _options;
    private readonly TimeProvider _time;
    private readonly IReadOnlyDictionary<string, IEmployeeAdapter> _adapters;

    public EmployeeBackends(
        EmployeeOptions options, TimeProvider time, ILoggerFactory? loggers = null, IModelLedger? ledger = null, ProcessRunner? processes = null)
    {
        ArgumentNullException.ThrowIfNull(options);
        (_options, _time) = (options, time);
        loggers ??= NullLoggerFactory.Instance;
        Redactor = new([options.OpenAi.ApiKey, options.Gemini.ApiKey, .. options.Secrets, .. options.Agents.SelectMany(a => a.Secrets.Values)]);
        Calls = new(options, options.Prices ?? PriceTable.BuiltIn(), Redactor, time, loggers.CreateLogger<ModelCalls>(), ledger);
        var logger = loggers.CreateLogger<ChatEmployee>();
        // Only who runs agents needs the thread that starts processes.
        var jail = new Lazy<Jail>(() => new(options.AgentJail, processes ?? new(), time));
        IEmployeeAdapter[] adapters =
        [
            new ScriptedEmployee(options, time),
            .. new[] { Ollama, OpenAi, Gemini }.Select(name => new ChatEmployee(name, this, options, Calls, Redactor, time, logger)),
            new CliEmployee(options, jail, Calls, Redactor, time, loggers.CreateLogger<CliEmployee>()),
        ];
        _adapters = adapters.ToDictionary(a => a.Backend, StringComparer.Ordinal);
    }

    internal ModelCalls Calls { get; }

    internal SecretRedactor Redactor { get; }

    /// <summary>All names, the one that needs nothing first.</summary>
    public static IReadOnlyList<string> Names { get; } = [ScriptedEmployee.BackendName, Ollama, OpenAi, Gemini, Cli];

    /// <summary>What a PRD or the host may say.</summary>
    public static IReadOnlyList<string> Choices { get; } = [.. Names, Any];

    /// <exception cref="ArgumentException">There is no such backend.</exception>
    public IEmployeeAdapter Adapter(string backend) => _adapters.TryGetValue(backend, out var adapter)
        ? adapter
        : throw new ArgumentException($"There is no backend '{backend}'. Known: {string.Join(", ", Names)}.", nameof(backend));

    /// <summary>The queue on which a backend's work waits.</summary>
    public static string QueueOf(string backend) => QueuePrefix + backend;

    /// <summary>The backend that a queue belongs to.</summary>
    /// <exception cref="ArgumentException">The queue is none of employees.</exception>
    public static string OfQueue(string? queue) =>
        queue is not null && queue.StartsWith(QueuePrefix, StringComparison.Ordinal) && queue.Length > QueuePrefix.Length
            ? queue[QueuePrefix.Length..]
            : throw new ArgumentException(
                $"The queue '{queue}' is none of employees. Set it to {QueuePrefix}<backend>, for example {QueueOf(Ollama)}. "
                + $"Backends: {string.Join(", ", Names)}.",
                nameof(queue));

    public async Task<IReadOnlyList<BackendStatus>> CheckAllAsync(CancellationToken cancellationToken = default) =>
        await Task.WhenAll(Names.Select(n => CheckAsync(n, cancellationToken)));

    /// <summary>Looks whether a backend can be used. Asks only a local server; a key is not tried out.</summary>
    public async Task<BackendStatus> CheckAsync(string backend, CancellationToken cancellationToken = default)
    {
        if (backend == Any)
        {
            var all = await Task.WhenAll(Names.Where(n => n != ScriptedEmployee.BackendName).Select(n => CheckAsync(n, cancellationToken)));
            var good = all.Where(s => s.IsAvailable).ToList();
            return new(
                Any, "any", good.Count > 0, string.Join(' ', (good.Count > 0 ? good : [.. all]).Select(s => $"{s.Name}: {s.Detail}")), null,
                [.. good.SelectMany(s => s.Models)]);
        }

        _ = Adapter(backend);
        if (backend == ScriptedEmployee.BackendName)
            return new(backend, "local", true, "Plays script files; no model is called.", null, [ScriptedEmployee.ModelName]);
        if (backend == Cli)
            return CheckAgents();
        var kind = backend == Ollama ? "local" : "cloud";
        var (endpoint, missing) = EndpointOf(backend);
        if (endpoint is null)
            return new(backend, kind, false, missing, null, []);
        if (backend == Ollama)
            return await CheckOllamaAsync(endpoint, cancellationToken);
        var (settings, fallback) = backend == OpenAi ? (_options.OpenAi, DefaultOpenAiModel) : (_options.Gemini, DefaultGeminiModel);
        return new(backend, kind, true, $"{endpoint}.", endpoint.BaseUrl, settings.Models is { Count: > 0 } models ? models : [fallback]);
    }

    /// <summary>The configured endpoint, or another one that was asked for; then without a key that belongs to a different host.</summary>
    internal (ChatEndpoint? Endpoint, string Missing) EndpointOf(string backend, Uri? own)
    {
        var (configured, missing) = EndpointOf(backend);
        if (own is null)
            return (configured, missing);
        var isSameHost = configured?.BaseUrl.GetLeftPart(UriPartial.Authority) == own.GetLeftPart(UriPartial.Authority);
        return (new(backend, own, isSameHost ? configured!.ApiKey : null, isSameHost && configured!.ModernTokenLimit), "");
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
            : (_options.Gemini, "generativelanguage.googleapis.com", "GEMINI_API_KEY", "GEMINI_BASE_URL");
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
        // Some people know it by its OpenAI-compatible address.
        var path = url.AbsolutePath.TrimEnd('/');
        var address = new UriBuilder(url) { Path = path.EndsWith("/v1", StringComparison.Ordinal) ? path[..^3] : path, Query = "", Fragment = "" };
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
        try
        {
            var answer = await ModelHttp.For(endpoint.BaseUrl)
                .GetFromJsonAsync<JsonElement>(OllamaWire.Address(endpoint.BaseUrl, "api/tags"), either.Token);
            var installed = answer.GetProperty("models").EnumerateArray().Select(m => m.GetProperty("name").GetString() ?? "")
                .Where(m => m.Length > 0).ToList();
            if (_options.Ollama.Models is not { Count: > 0 } preferred)
            {
                return installed.Count > 0
                    ? new(Ollama, "local", true, $"{endpoint}, {installed.Count} models.", endpoint.BaseUrl, installed)
                    : new(Ollama, "local", false, $"{endpoint} has no models. Fetch one with 'ollama pull'.", endpoint.BaseUrl, []);
            }

            List<string> pulled =
                [.. preferred.Where(p => installed.Contains(p, StringComparer.Ordinal) || installed.Contains(p + ":latest", StringComparer.Ordinal))];
            var missing = preferred.Except(pulled, StringComparer.Ordinal).ToDictionary(m => m, m => $"Not pulled: run 'ollama pull {m}'.");
            var detail =
                $"{endpoint}, {installed.Count} models{string.Concat(missing.Select(m => $"; '{m.Key}' is not among them: run 'ollama pull {m.Key}'"))}.";
            return new(Ollama, "local", pulled.Count > 0, detail, endpoint.BaseUrl, pulled) { Missing = missing };
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

    private BackendStatus CheckAgents()
    {
        if (_options.Agents.Count == 0)
            return new(Cli, "cli", false, "No agents are described: write employees.json (see docs/employees.md).", null, []);
        var problems = _options.Agents.Select(a => (a.Name, Problem: a.Problem())).Where(a => a.Problem is not null)
            .ToDictionary(a => a.Name, a => a.Problem!);
        IReadOnlyList<string> usable = [.. _options.Agents.Select(a => a.Name).Where(n => !problems.ContainsKey(n))];
        var detail =
            string.Join(' ',
            [usable.Count > 0 ? $"Agents: {string.Join(", ", usable)}." : "No agent can be used.", .. problems.Select(p => $"{p.Key}: {p.Value}")]);
        return new(Cli, "cli", usable.Count > 0, detail, null, usable) { Missing = problems };
    }
}
