using System.Collections.Concurrent;
using System.Diagnostics;
using System.Text;

namespace Aura.Orchestra.Processes;

/// <summary>What to run. Arguments are passed as a list, never through a shell.</summary>
public sealed record ProcessSpec
{
    public required string FileName { get; init; }
    public IReadOnlyList<string> Arguments { get; init; } = [];
    public string? WorkingDirectory { get; init; }

    /// <summary>Added to the environment; a null value removes the variable.</summary>
    public IReadOnlyDictionary<string, string?> Environment { get; init; } = new Dictionary<string, string?>();

    /// <summary>When true the child starts with only <see cref="Environment"/>.</summary>
    public bool ClearEnvironment { get; init; }

    public string? StandardInput { get; init; }

    /// <summary>The whole process tree is killed when this has passed.</summary>
    public TimeSpan Timeout { get; init; } = TimeSpan.FromMinutes(2);

    /// <summary>Bytes kept of each stream; the rest is read and thrown away, so a flood can neither block nor fill memory.</summary>
    public int MaxOutputBytes { get; init; } = 1 << 20;

    /// <summary>When the two streams together pass this many bytes the whole process tree is killed.</summary>
    public long MaxTotalOutputBytes { get; init; } = long.MaxValue;

    /// <summary>Called with each piece of either stream as it arrives (from two threads at most), for live display.</summary>
    public Action<ReadOnlyMemory<byte>>? OnOutput { get; init; }
}

/// <param name="ExitCode">The child's exit code; 128 + signal when a signal ended it.</param>
/// <param name="OutputTruncated">True when a stream was longer than <see cref="ProcessSpec.MaxOutputBytes"/>.</param>
public sealed record ProcessResult(
    int ExitCode, string StandardOutput, string StandardError, bool TimedOut, bool OutputTruncated, TimeSpan Duration)
{
    public bool Succeeded => ExitCode == 0 && !TimedOut && !Flooded;

    /// <summary>True when the tree was killed because it wrote more than <see cref="ProcessSpec.MaxTotalOutputBytes"/>.</summary>
    public bool Flooded { get; init; }

    /// <summary>Standard output as it came, for output that need not be UTF-8.</summary>
    public ReadOnlyMemory<byte> OutputBytes { get; init; }
}

/// <summary>
/// The one place that starts child processes. They are spawned from a dedicated long-lived thread, because
/// "die with the parent" (bwrap, setpriv) fires when the spawning <em>thread</em> ends, not the process.
/// </summary>
public sealed class ProcessRunner : IDisposable
{
    private readonly BlockingCollection<Action> _spawns = [];

    public ProcessRunner()
    {
        new Thread(() =>
        {
            foreach (var spawn in _spawns.GetConsumingEnumerable())
                spawn();
        })
        { IsBackground = true, Name = "aura-spawner" }.Start();
    }

    /// <summary>Runs to the end, the time limit or cancellation; in the last two the whole tree is killed first.</summary>
    /// <exception cref="System.ComponentModel.Win32Exception">The program cannot be started (for example: not installed).</exception>
    public async Task<ProcessResult> RunAsync(ProcessSpec spec, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(spec);
        var watch = Stopwatch.StartNew();
        using var process = await StartAsync(spec, cancellationToken);
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(spec.Timeout);
        using var flood = CancellationTokenSource.CreateLinkedTokenSource(limit.Token);

        var total = new OutputMeter(spec.MaxTotalOutputBytes, spec.OnOutput, flood);
        var output = new BoundedOutput(spec.MaxOutputBytes, total);
        var error = new BoundedOutput(spec.MaxOutputBytes, total);
        var reading = Task.WhenAll(
            output.ReadAsync(process.StandardOutput.BaseStream), error.ReadAsync(process.StandardError.BaseStream));
        var timedOut = false;
        try
        {
            if (spec.StandardInput is { } input)
                await WriteInputAsync(process, input, flood.Token);
            process.StandardInput.Close();
            await process.WaitForExitAsync(flood.Token);
        }
        catch (OperationCanceledException)
        {
            Kill(process);
            await process.WaitForExitAsync(CancellationToken.None);
            cancellationToken.ThrowIfCancellationRequested();
            timedOut = limit.IsCancellationRequested && !total.Exceeded;
        }

        // A grandchild that left the tree may hold the pipes open: take what has come and go on.
        try
        {
            await reading.WaitAsync(TimeSpan.FromSeconds(2), CancellationToken.None);
        }
        catch (TimeoutException)
        {
            output.Abandon();
            error.Abandon();
        }

        var bytes = output.Take();
        return new(
            process.ExitCode, Encoding.UTF8.GetString(bytes), Encoding.UTF8.GetString(error.Take()), timedOut,
            output.Truncated || error.Truncated, watch.Elapsed)
        { OutputBytes = bytes, Flooded = total.Exceeded };
    }

    public void Dispose() => _spawns.CompleteAdding();

    private async Task<Process> StartAsync(ProcessSpec spec, CancellationToken cancellationToken)
    {
        var info = new ProcessStartInfo(spec.FileName)
        {
            WorkingDirectory = spec.WorkingDirectory ?? "",
            UseShellExecute = false,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        foreach (var argument in spec.Arguments)
            info.ArgumentList.Add(argument);
        if (spec.ClearEnvironment)
            info.Environment.Clear();
        foreach (var (name, value) in spec.Environment)
            info.Environment[name] = value;

        var started = new TaskCompletionSource<Process>(TaskCreationOptions.RunContinuationsAsynchronously);
        _spawns.Add(() =>
        {
            try
            {
                started.SetResult(Process.Start(info)!);
            }
            // The spawner thread must survive whatever one start throws; the caller gets it.
            catch (Exception e)
            {
                started.SetException(e);
            }
        }, cancellationToken);
        return await started.Task;
    }

    private static void Kill(Process process)
    {
        try
        {
            process.Kill(entireProcessTree: true);
        }
        catch (Exception e) when (e is InvalidOperationException or System.ComponentModel.Win32Exception or AggregateException)
        {
            // It ended by itself in this moment, or a child of it did; the wait that follows finds out.
        }
    }

    private static async Task WriteInputAsync(Process process, string input, CancellationToken cancellationToken)
    {
        try
        {
            // Bytes, not the StreamWriter: its encoding follows the locale.
            await process.StandardInput.BaseStream.WriteAsync(Encoding.UTF8.GetBytes(input), cancellationToken);
        }
        catch (IOException)
        {
            // The child closed its input early: its exit code tells the story.
        }
    }

    private sealed class OutputMeter(long limit, Action<ReadOnlyMemory<byte>>? listener, CancellationTokenSource kill)
    {
        private long _bytes;

        public bool Exceeded => Interlocked.Read(ref _bytes) > limit;

        public void Add(ReadOnlyMemory<byte> piece)
        {
            listener?.Invoke(piece);
            if (Interlocked.Add(ref _bytes, piece.Length) <= limit)
                return;
            try
            {
                kill.Cancel();
            }
            catch (ObjectDisposedException)
            {
                // The run is over; there is nobody left to kill.
            }
        }
    }

    private sealed class BoundedOutput(int limit, OutputMeter meter)
    {
        private readonly MemoryStream _kept = new();
        private readonly Lock _lock = new();

        public bool Truncated { get; private set; }

        public async Task ReadAsync(Stream stream)
        {
            var buffer = new byte[16 * 1024];
            int read;
            try
            {
                while ((read = await stream.ReadAsync(buffer)) > 0)
                {
                    Keep(buffer.AsSpan(0, read));
                    meter.Add(buffer.AsMemory(0, read));
                }
            }
            catch (Exception e) when (e is ObjectDisposedException or IOException)
            {
                // The pipe was closed on this side after the run: what came until then counts.
                Abandon();
            }
        }

        private void Keep(ReadOnlySpan<byte> piece)
        {
            lock (_lock)
            {
                var room = (int)Math.Min(piece.Length, limit - _kept.Length);
                _kept.Write(piece[..room]);
                Truncated |= room < piece.Length;
            }
        }

        public void Abandon()
        {
            lock (_lock)
                Truncated = true;
        }

        public byte[] Take()
        {
            lock (_lock)
                return _kept.ToArray();
        }
    }
}
