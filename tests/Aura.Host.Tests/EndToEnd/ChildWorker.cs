using System.Diagnostics;
using System.Globalization;
using System.Text;

namespace Aura.Host.Tests.EndToEnd;

/// <summary>
/// A real worker in a process of its own: it has the manager's and the MCP service's addresses and the workers' key, and nothing that leads to
/// the database or to a sandbox.
/// </summary>
internal sealed class ChildWorker : IAsyncDisposable
{
    private readonly Process _process;
    private readonly StringBuilder _output = new();

    private ChildWorker(Process process) => _process = process;

    public string Output
    {
        get
        {
            lock (_output)
                return _output.ToString();
        }
    }

    public static ChildWorker Start(Workplace place, ChildHost host, string backend, string name, params (string Name, string Value)[] settings)
    {
        var info = new ProcessStartInfo(
            "dotnet",
            [Path.Combine(AppContext.BaseDirectory, "Aura.Host.dll"), "worker", "--backend", backend, "--name", name,
                "--manager", host.Http.BaseAddress!.AbsoluteUri, "--mcp", host.Mcp!])
        {
            UseShellExecute = false,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        // A folder of its own: what the host has there is out of its sight.
        var folder = Directory.CreateDirectory(Path.Combine(place.Root, "workers", name)).FullName;
        info.WorkingDirectory = folder;
        info.Environment["AURA_ROOT"] = folder;
        info.Environment.Remove("AURA_DATABASE");
        info.Environment["AURA_WORKER_KEY"] = Workplace.WorkerKey;
        foreach (var (variable, value) in settings)
            info.Environment[variable] = value;
        var worker = new ChildWorker(Process.Start(info)!);
        worker._process.OutputDataReceived += (_, e) => worker.Take(e.Data);
        worker._process.ErrorDataReceived += (_, e) => worker.Take(e.Data);
        worker._process.BeginOutputReadLine();
        worker._process.BeginErrorReadLine();
        return worker;
    }

    /// <summary>SIGKILL: nothing in the process gets a chance to tidy up.</summary>
    public async Task KillAsync()
    {
        _process.Kill();
        await _process.WaitForExitAsync();
    }

    /// <summary>SIGTERM, and the exit code.</summary>
    public async Task<int> StopAsync()
    {
        using var kill = Process.Start("kill", ["-TERM", _process.Id.ToString(CultureInfo.InvariantCulture)]);
        await kill.WaitForExitAsync();
        return await EndedAsync();
    }

    /// <summary>Waits until the process has ended by itself.</summary>
    public async Task<int> EndedAsync()
    {
        await _process.WaitForExitAsync().WaitAsync(TimeSpan.FromSeconds(60));
        return _process.ExitCode;
    }

    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited)
            await KillAsync();
        _process.Dispose();
    }

    private void Take(string? line)
    {
        if (line is null)
            return;
        lock (_output)
            _output.AppendLine(line);
    }
}
