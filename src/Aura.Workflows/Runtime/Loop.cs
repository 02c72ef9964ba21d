using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Aura.Workflows.Runtime;

/// <summary>One thing done over and over. Timing, jitter, logging and stopping are the runner's.</summary>
public interface ILoop
{
    string Name { get; }

    /// <summary>The pause after a run that found nothing.</summary>
    TimeSpan Interval { get; }

    /// <summary>Whether a pulse ends the pause early. False for what only the clock brings.</summary>
    bool HearsPulse => true;

    /// <summary>Does what there is to do now. Returns how much that was; above 0 the next run follows at once.</summary>
    Task<int> RunOnceAsync(CancellationToken cancellationToken);

    /// <summary>Waits for work that runs on after <see cref="RunOnceAsync"/>; called once, at the stop.</summary>
    Task DrainAsync() => Task.CompletedTask;
}

/// <summary>Ends the pauses of this host's loops early. A missed pulse costs one pause, nothing else.</summary>
public sealed class Pulse
{
    private TaskCompletionSource _next = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public void Beat() => Interlocked.Exchange(ref _next, new(TaskCreationOptions.RunContinuationsAsynchronously)).TrySetResult();

    /// <summary>Take it before looking for work, so that a beat during the look is not lost.</summary>
    public Task Next => Volatile.Read(ref _next).Task;
}

/// <summary>Runs one loop as a hosted service and says whether it is alive.</summary>
public sealed partial class LoopRunner(ILoop loop, Pulse pulse, TimeProvider time, ILogger<LoopRunner> logger) : BackgroundService
{
    private const double ShortestPause = 0.8;
    private const double LongestPause = 1.2;

    private static readonly TimeSpan MaxPause = TimeSpan.FromSeconds(15);
    private long _lastRun;
    private bool _running;

    public string Name => loop.Name;

    /// <summary>Whether a run is under way, or ended without an error within that time and the longest pause of the loop's own.</summary>
    public bool IsAlive(TimeSpan within) => Volatile.Read(ref _running)
        || (Volatile.Read(ref _lastRun) is var last and not 0 && time.GetElapsedTime(last) < within + (loop.Interval * LongestPause));

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        var failures = 0;
        while (!stoppingToken.IsCancellationRequested)
        {
            var beat = loop.HearsPulse ? pulse.Next : Task.Delay(Timeout.InfiniteTimeSpan, time, stoppingToken);
            var pause = loop.Interval;
            try
            {
                Volatile.Write(ref _running, true);
                var done = await loop.RunOnceAsync(stoppingToken);
                Volatile.Write(ref _lastRun, time.GetTimestamp());
                failures = 0;
                if (done > 0)
                    continue;
            }
            catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
            {
                break;
            }
            // The edge of the loop: a lost database or a bug must not end it, it must be seen and tried again.
            catch (Exception e)
            {
                LogFailed(logger, e, loop.Name, ++failures);
                pause = TimeSpan.FromMilliseconds(Math.Min(200 * Math.Pow(2, Math.Min(failures, 10)), MaxPause.TotalMilliseconds));
                beat = Task.Delay(Timeout.InfiniteTimeSpan, time, stoppingToken);
            }

            finally
            {
                Volatile.Write(ref _running, false);
            }

            // Jitter keeps the loops of many hosts from marching in step.
            pause *= ShortestPause + ((LongestPause - ShortestPause) * Random.Shared.NextDouble());
            await Task.WhenAny(beat, Task.Delay(pause, time, stoppingToken));
        }

        await loop.DrainAsync();
    }

    [LoggerMessage(1100, LogLevel.Error, "Loop {Loop} failed ({Failures} in a row); it goes on after a pause.")]
    private static partial void LogFailed(ILogger logger, Exception exception, string loop, int failures);
}
