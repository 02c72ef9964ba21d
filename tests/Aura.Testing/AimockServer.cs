using System.Net.Http.Json;
using System.Text.Json;
using System.Text.RegularExpressions;
using Aura.Orchestra.Employees;
using Aura.Orchestra.Processes;
using Xunit;

namespace Aura.Testing;

/// <summary>
/// An independent server that speaks OpenAI's API (npm @copilotkit/aimock), on loopback, with answers from
/// <c>tests/fixtures/aimock</c>. The launcher's <c>test</c> verb brings it into the state folder. Models are the names of the cases.
/// </summary>
public partial class AimockServer : IAsyncLifetime
{
    public const string Key = "test-key-123456";
    private const string Package = "@copilotkit/aimock";
    private const string Version = "1.43.0";

    private readonly ProcessRunner _processes = new();
    private readonly CancellationTokenSource _stop = new();
    private readonly HttpClient _client = new(new SocketsHttpHandler { UseProxy = false });
    private Task<ProcessResult>? _server;

    /// <summary>Null where no key is asked for, as at an Ollama.</summary>
    protected virtual string? RequiredKey => Key;

    public Uri Address { get; private set; } = new("http://127.0.0.1");

    public async ValueTask InitializeAsync()
    {
        var module = Installed();
        var listening = new TaskCompletionSource<Uri>(TaskCreationOptions.RunContinuationsAsynchronously);
        var said = "";
        _server = _processes.RunAsync(
            new()
            {
                FileName = "node",
                Arguments =
                [
                    Path.Combine(module, "dist", "cli.js"), "--port", "0", "--strict",
                    "--fixtures", Repository.Path("tests", "fixtures", "aimock", "employees.json"),
                    "--fixtures", Repository.Path("tests", "fixtures", "aimock", "contract.json"),
                    "--fixtures", Repository.Path("tests", "fixtures", "aimock", "planner.json"),
                    "--fixtures", Repository.Path("tests", "fixtures", "aimock", "pipeline.json"),
                ],
                Environment = new Dictionary<string, string?> { ["AIMOCK_API_KEYS"] = RequiredKey },
                Timeout = TimeSpan.FromMinutes(10),
                OnOutput = piece =>
                {
                    said += System.Text.Encoding.UTF8.GetString(piece.Span);
                    if (AddressPattern().Match(said) is { Success: true } match)
                        listening.TrySetResult(new(match.Value));
                },
            },
            _stop.Token);
        if (await Task.WhenAny(listening.Task, _server, Task.Delay(TimeSpan.FromSeconds(30))) != listening.Task)
            throw new InvalidOperationException($"aimock did not start: {said}");
        Address = await listening.Task;
        _client.DefaultRequestHeaders.Authorization = new("Bearer", Key);
    }

    /// <summary>Backend openai pointed at this server, with short waits.</summary>
    public EmployeeOptions Options(string path = "/v1", string key = Key) => new()
    {
        OpenAi = new() { BaseUrl = new Uri(Address, path).AbsoluteUri, ApiKey = key },
        Gemini = new() { BaseUrl = new Uri(Address, "/v1beta/openai/").AbsoluteUri, ApiKey = key },
        Ollama = new() { Host = Address.Authority },
        MaxRetryDelay = TimeSpan.FromMilliseconds(20),
        MaxRetries = 2,
        MaxTurns = 6,
    };

    /// <summary>The bodies of the requests for a model, the first first.</summary>
    public async Task<IReadOnlyList<JsonElement>> RequestsAsync(string model)
    {
        var journal = await _client.GetFromJsonAsync<JsonElement>(new Uri(Address, "/__aimock/journal"));
        var entries = journal.ValueKind == JsonValueKind.Array ? journal : journal.GetProperty("entries");
        return [.. entries.EnumerateArray()
            .Where(e => e.TryGetProperty("body", out var b) && b.ValueKind == JsonValueKind.Object && b.TryGetProperty("model", out var m) && m.GetString() == model)
            .Select(e => e.GetProperty("body").Clone())];
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        if (_server is not null)
            await _server.ContinueWith(_ => { }, CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default);
        _client.Dispose();
        _stop.Dispose();
        _processes.Dispose();
        GC.SuppressFinalize(this);
    }

    private static string Installed()
    {
        var state = Environment.GetEnvironmentVariable("AURA_STATE") is { Length: > 0 } given ? given : Repository.Path(".aura");
        var module = Path.Combine(state, "tools", "aimock", "node_modules", "@copilotkit", "aimock");
        var description = Path.Combine(module, "package.json");
        var version = File.Exists(description) ? JsonElement.Parse(File.ReadAllText(description)).GetProperty("version").GetString() : null;
        return version == Version
            ? module
            : throw new InvalidOperationException(
                $"{Package} {Version} is not in {module}{(version is null ? "" : $" ({version} is)")}. './aura test' brings it; or run 'npm ci --ignore-scripts' on a copy of eng/aimock in {Path.Combine(state, "tools", "aimock")}.");
    }

    [GeneratedRegex(@"http://127\.0\.0\.1:\d+", RegexOptions.None, matchTimeoutMilliseconds: 1000)]
    private static partial Regex AddressPattern();
}

/// <summary>The same server as an Ollama is met: without a key.</summary>
public sealed class KeylessAimockServer : AimockServer
{
    protected override string? RequiredKey => null;
}
