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
}

/// <param name="ExitCode">The child's exit code; 128 + signal when a signal ended it.</param>
/// <param name="OutputTruncated">True when a stream was longer than <see cref="ProcessSpec.MaxOutputBytes"/>.</param>
public sealed record ProcessResult(
    int ExitCode, string StandardOutput, string StandardError, bool TimedOut, bool OutputTruncated, TimeSpan Duration)
{
    public bool Succeeded => ExitCode == 0 && !TimedOut;
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

        var output = ReadBoundedAsync(process.StandardOutput.BaseStream, spec.MaxOutputBytes);
        var error = ReadBoundedAsync(process.StandardError.BaseStream, spec.MaxOutputBytes);
        var timedOut = false;
        try
        {
            if (spec.StandardInput is { } input)
                await WriteInputAsync(process, input, limit.Token);
            process.StandardInput.Close();
            await process.WaitForExitAsync(limit.Token);
        }
        catch (OperationCanceledException)
        {
            process.Kill(entireProcessTree: true);
            await process.WaitForExitAsync(CancellationToken.None);
            cancellationToken.ThrowIfCancellationRequested();
            timedOut = true;
        }

        // A grandchild that left the tree may hold the pipes open: take what has come and go on.
        await Task.WhenAny(Task.WhenAll(output, error), Task.Delay(TimeSpan.FromSeconds(2), CancellationToken.None));
        var (outText, outCut) = output.IsCompletedSuccessfully ? await output : ("", true);
        var (errText, errCut) = error.IsCompletedSuccessfully ? await error : ("", true);
        return new(process.ExitCode, outText, errText, timedOut, outCut || errCut, watch.Elapsed);
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

    private static async Task WriteInputAsync(Process process, string input, CancellationToken cancellationToken)
    {
        try
        {
            await process.StandardInput.WriteAsync(input.AsMemory(), cancellationToken);
        }
        catch (IOException)
        {
            // The child closed its input early: its exit code tells the story.
        }
    }

    private static async Task<(string Text, bool Truncated)> ReadBoundedAsync(Stream stream, int limit)
    {
        using var kept = new MemoryStream();
        var buffer = new byte[16 * 1024];
        var truncated = false;
        int read;
        while ((read = await stream.ReadAsync(buffer)) > 0)
        {
            var room = (int)Math.Min(read, limit - kept.Length);
            await kept.WriteAsync(buffer.AsMemory(0, room));
            truncated |= room < read;
        }

        return (Encoding.UTF8.GetString(kept.GetBuffer(), 0, (int)kept.Length), truncated);
    }
}
