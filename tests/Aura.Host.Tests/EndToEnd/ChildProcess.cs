using System.Diagnostics;
using System.Globalization;
using System.Text;

namespace Aura.Host.Tests.EndToEnd;

/// <summary>A process of a test, and all that it has said.</summary>
internal abstract class ChildProcess : IAsyncDisposable
{
    private readonly StringBuilder _output = new();

    protected ChildProcess(ProcessStartInfo info)
    {
        Process = Process.Start(info)!;
        Process.OutputDataReceived += (_, e) => Take(e.Data);
        Process.ErrorDataReceived += (_, e) => Take(e.Data);
        Process.BeginOutputReadLine();
        Process.BeginErrorReadLine();
    }

    public string Output
    {
        get
        {
            lock (_output)
                return _output.ToString();
        }
    }

    protected Process Process { get; }

    /// <summary>SIGKILL, as a power cut; nothing in the process gets a chance to tidy up.</summary>
    public async Task KillAsync()
    {
        Process.Kill();
        await Process.WaitForExitAsync();
    }

    /// <summary>Waits until the process has ended by itself, and gives its exit code.</summary>
    public async Task<int> EndedAsync(int seconds = 60)
    {
        await Process.WaitForExitAsync().WaitAsync(TimeSpan.FromSeconds(seconds));
        return Process.ExitCode;
    }

    /// <summary>SIGTERM, and the exit code.</summary>
    public async Task<int> StopAsync(int seconds = 60)
    {
        using var kill = Process.Start("kill", ["-TERM", Process.Id.ToString(CultureInfo.InvariantCulture)]);
        await kill.WaitForExitAsync();
        return await EndedAsync(seconds);
    }

    public virtual async ValueTask DisposeAsync()
    {
        if (!Process.HasExited)
            await KillAsync();
        Process.Dispose();
    }

    /// <summary>Is told of each line.</summary>
    protected virtual void OnLine(string line)
    {
    }

    private void Take(string? line)
    {
        if (line is null)
            return;
        lock (_output)
            _output.AppendLine(line);
        OnLine(line);
    }
}
