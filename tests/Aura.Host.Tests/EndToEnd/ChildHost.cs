using System.Diagnostics;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using Aura.Testing;

namespace Aura.Host.Tests.EndToEnd;

/// <summary>The folders of one organisation; several hosts may share them, as they share the database.</summary>
internal sealed class Workplace : IAsyncDisposable
{
    public const string Key = HostSettings.DirectorKey;
    public const string WorkerKey = HostSettings.WorkerKey;
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("aura-e2e-");

    public string Root => _folder.FullName;

    public string MirrorOf(string project) => Path.Combine(Root, "state", "repositories", project + ".git");

    public static string Fixture(params string[] path) => Repository.Path(["tests", "fixtures", .. path]);

    /// <summary>A verb of the host in these folders on that database.</summary>
    public ProcessStartInfo Command(TestDatabase database, params string[] arguments)
    {
        var info = new ProcessStartInfo("dotnet", [Path.Combine(AppContext.BaseDirectory, "Aura.Host.dll"), .. arguments])
        {
            UseShellExecute = false,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            WorkingDirectory = Root,
        };
        foreach (var (name, value) in HostSettings.In(Root, database.ConnectionString))
            info.Environment[name] = value;
        return info;
    }

    /// <summary>Runs a verb to its end.</summary>
    /// <param name="input">What it reads on standard input.</param>
    public async Task<(int ExitCode, string Output, string Error)> RunAsync(TestDatabase database, string[] arguments, string input = "")
    {
        using var process = Process.Start(Command(database, arguments))!;
        await process.StandardInput.WriteAsync(input);
        process.StandardInput.Close();
        var output = process.StandardOutput.ReadToEndAsync();
        var error = process.StandardError.ReadToEndAsync();
        await process.WaitForExitAsync().WaitAsync(TimeSpan.FromSeconds(120));
        return (process.ExitCode, await output, await error);
    }

    /// <summary>The command lines of live processes that name these folders.</summary>
    public IReadOnlyList<string> Processes() => [.. ProcessesWith(Root).Where(c => c.Contains(Root, StringComparison.Ordinal))];

    /// <summary>The command lines of live processes that have that text in them or in their environment.</summary>
    public static IReadOnlyList<string> ProcessesWith(string mark)
    {
        var found = new List<string>();
        foreach (var folder in Directory.EnumerateDirectories("/proc").Where(d => char.IsAsciiDigit(Path.GetFileName(d)[0])))
        {
            try
            {
                var command = File.ReadAllText(Path.Combine(folder, "cmdline")).Replace('\0', ' ');
                if (command.Contains(mark, StringComparison.Ordinal)
                    || File.ReadAllText(Path.Combine(folder, "environ")).Contains(mark, StringComparison.Ordinal))
                    found.Add(command);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                // It ended while we looked, or it is somebody else's.
            }
        }

        return found;
    }

    public ValueTask DisposeAsync()
    {
        _folder.Delete(recursive: true);
        return ValueTask.CompletedTask;
    }
}

/// <summary>A real host in a process of its own, which may be killed like any process.</summary>
internal sealed class ChildHost : ChildProcess
{
    private readonly TaskCompletionSource<string> _ready = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private ChildHost(ProcessStartInfo info)
        : base(info)
    {
    }

    public HttpClient Http { get; private set; } = null!;

    /// <summary>Where the employees' tools are; null when this host does not serve them.</summary>
    public string? Mcp { get; private set; }

    public static async Task<ChildHost> StartAsync(Workplace place, TestDatabase database, params (string Name, string Value)[] settings)
    {
        var info = place.Command(database, "up", "--json");
        info.Environment["MANAGER_PORT"] = "0";
        foreach (var (name, value) in settings)
            info.Environment[name] = value;
        var host = new ChildHost(info);
        var ended = host.Process.WaitForExitAsync();
        if (await Task.WhenAny(host._ready.Task, ended).WaitAsync(TimeSpan.FromSeconds(60)) == ended)
            throw new InvalidOperationException("The host ended before it was ready:\n" + host.Output);
        host.Http = new() { BaseAddress = new(await host._ready.Task) };
        host.Http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", Workplace.Key);
        return host;
    }

    /// <summary>Waits until the process has ended by itself (at an armed fault point).</summary>
    public Task DiedAsync() => EndedAsync(seconds: 120);

    public async Task<string> SubmitAsync(string file)
    {
        using var content = new StringContent(await File.ReadAllTextAsync(file), Encoding.UTF8, "application/json");
        using var response = await Http.PostAsync("/prds", content);
        var body = await response.Content.ReadAsStringAsync();
        response.IsSuccessStatusCode.ShouldBeTrue(body);
        return JsonSerializer.Deserialize<JsonElement>(body).GetProperty("id").GetString()!;
    }

    public async Task<JsonElement> GetAsync(string path) => JsonSerializer.Deserialize<JsonElement>(await Http.GetStringAsync(path));

    public async Task<JsonElement> PrdReachesAsync(string id, params string[] statuses)
    {
        JsonElement prd = default;
        await Until.TrueAsync(async () =>
        {
            prd = await GetAsync($"/prds/{id}");
            var status = prd.GetProperty("status").GetString()!;
            if (!statuses.Contains(status) && status is ("ARCHIVED" or "ESCALATED" or "REJECTED" or "CANCELLED"))
                throw new InvalidOperationException($"{id} ended {status}: {prd.GetProperty("status_reason")}\n{Output}");
            return statuses.Contains(status);
        }, () => $"{id} stands at {prd.GetProperty("status")}\n{prd}\n{Output}");
        return prd;
    }

    public async Task ApproveAsync(string id)
    {
        var prd = await PrdReachesAsync(id, "AWAITING_APPROVAL");
        using var content = new StringContent(
            JsonSerializer.Serialize(new { diff_hash = prd.GetProperty("diff_hash").GetString() }), Encoding.UTF8, "application/json");
        using var response = await Http.PostAsync($"/prds/{id}/approve", content);
        response.IsSuccessStatusCode.ShouldBeTrue(await response.Content.ReadAsStringAsync());
    }

    public override async ValueTask DisposeAsync()
    {
        Http?.Dispose();
        try
        {
            if (!Process.HasExited)
                await StopAsync(seconds: 20);
        }
        catch (TimeoutException e)
        {
            Process.Kill(entireProcessTree: true);
            throw new TimeoutException("The host did not stop within 20 s of SIGTERM:\n" + Output, e);
        }
        finally
        {
            await base.DisposeAsync();
        }
    }

    protected override void OnLine(string line)
    {
        if (line.StartsWith("{\"event\":\"ready\"", StringComparison.Ordinal))
        {
            var said = JsonSerializer.Deserialize<JsonElement>(line);
            Mcp = said.GetProperty("mcp").GetString();
            _ready.TrySetResult(said.GetProperty("url").GetString()!);
        }
    }
}
