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
    private volatile bool _isReady;

    private HostProcess(Process process, string logFile)
    {
        _process = process;
        _log = Task.WhenAll(CopyAsync(process.StandardOutput, logFile), CopyAsync(process.StandardError, logFile + ".err"));
    }

    /// <summary>Its engine runs.</summary>
    public bool IsReady => _isReady;

    public int Id => _process.Id;

    public bool HasExited => _process.HasExited;

    public bool IsStopped { get; private set; }

    public static HostProcess Start(string database, ChaosHostOptions options, string logFile)
    {
        // Whatever program holds this code (the benchmarks, a test): the child is always this assembly's own.
        var dotnet = Path.GetFileNameWithoutExtension(Environment.ProcessPath!) == "dotnet" ? Environment.ProcessPath! : "dotnet";
        var start = new ProcessStartInfo(dotnet)
        {
            ArgumentList = { typeof(HostProcess).Assembly.Location, "host" },
            UseShellExecute = false,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        foreach (var argument in options.ToArguments())
            start.ArgumentList.Add(argument);
        start.Environment[ChaosHostOptions.DatabaseVariable] = database;
        // Several on few cores: compiled quickly is better than compiled well.
        start.Environment["DOTNET_TieredPGO"] = "0";
        start.Environment["DOTNET_gcServer"] = "0";
        return new(Process.Start(start)!, logFile);
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

    /// <returns>How it ended: 137 when something killed it.</returns>
    public async Task<int> ExitAsync(CancellationToken cancellationToken)
    {
        await _process.WaitForExitAsync(cancellationToken);
        return _process.ExitCode;
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

    private async Task CopyAsync(StreamReader from, string file)
    {
        await using var to = new StreamWriter(file) { AutoFlush = true };
        while (await from.ReadLineAsync() is { } line)
        {
            await to.WriteLineAsync(line);
            _isReady |= line.StartsWith(ChaosHost.ReadyMark, StringComparison.Ordinal);
        }
    }

#pragma warning disable SYSLIB1054, CA5392 // Two integers need no generated marshalling; libc is the C library.
    [DllImport("libc", EntryPoint = "kill")]
    private static extern int Signal(int process, int signal);
#pragma warning restore SYSLIB1054, CA5392
}
