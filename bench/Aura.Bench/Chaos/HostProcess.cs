using System.Diagnostics;
using System.Runtime.InteropServices;

namespace Aura.Bench.Chaos;

/// <summary>A child process that runs <see cref="ChaosHost"/>. It ends when this one does: its standard input is then closed.</summary>
internal sealed class HostProcess : IAsyncDisposable
{
    private const int Stop = 19;
    private const int Continue = 18;

    private readonly Process _process;
    private readonly Task _log;

    private HostProcess(Process process, Task log)
    {
        _process = process;
        _log = log;
    }

    public int Id => _process.Id;

    public bool HasExited => _process.HasExited;

    public bool IsStopped { get; private set; }

    public static HostProcess Start(string database, ChaosHostOptions options, string logFile)
    {
        var start = new ProcessStartInfo(Environment.ProcessPath!)
        {
            UseShellExecute = false,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        // Started as `dotnet Aura.Bench.dll` or by the program's own name.
        if (Path.GetFileNameWithoutExtension(Environment.ProcessPath!) == "dotnet")
            start.ArgumentList.Add(typeof(HostProcess).Assembly.Location);
        start.ArgumentList.Add("host");
        foreach (var argument in options.ToArguments())
            start.ArgumentList.Add(argument);
        start.Environment[ChaosHostOptions.DatabaseVariable] = database;
        // Several on few cores: compiled quickly is better than compiled well.
        start.Environment["DOTNET_TieredPGO"] = "0";
        start.Environment["DOTNET_gcServer"] = "0";
        var process = Process.Start(start)!;
        return new(process, Task.WhenAll(CopyAsync(process.StandardOutput, logFile), CopyAsync(process.StandardError, logFile + ".err")));
    }

    public void Kill() => _process.Kill();

    public void Pause()
    {
        IsStopped = true;
        _ = Signal(Id, Stop);
    }

    public void Resume()
    {
        _ = Signal(Id, Continue);
        IsStopped = false;
    }

    /// <summary>Lets it stop in order; false when it had to be killed after that time.</summary>
    public async Task<bool> EndAsync(TimeSpan within)
    {
        if (IsStopped)
            Resume();
        if (_process.HasExited)
            return true;
        _process.StandardInput.Close();
        using var limit = new CancellationTokenSource(within);
        try
        {
            await _process.WaitForExitAsync(limit.Token);
            return true;
        }
        catch (OperationCanceledException)
        {
            _process.Kill();
            return false;
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited)
            _process.Kill();
        await _process.WaitForExitAsync();
        await _log;
        _process.Dispose();
    }

    private static async Task CopyAsync(StreamReader from, string file)
    {
        await using var to = new StreamWriter(file);
        while (await from.ReadLineAsync() is { } line)
            await to.WriteLineAsync(line);
    }

#pragma warning disable SYSLIB1054, CA5392 // Two integers need no generated marshalling; libc is the C library.
    [DllImport("libc", EntryPoint = "kill")]
    private static extern int Signal(int process, int signal);
#pragma warning restore SYSLIB1054, CA5392
}
