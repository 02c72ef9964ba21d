using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace Aura.Orchestra.Events;

/// <summary>How often the feed looks by itself.</summary>
public sealed class EventFeedOptions
{
    /// <summary>Readers look again after this long without an announcement: a NOTIFY is a hint that may be lost. Default half a second.</summary>
    public TimeSpan PollInterval { get; set; } = TimeSpan.FromMilliseconds(500);

    /// <summary>How long to wait before the listening connection is opened again. Default two seconds.</summary>
    public TimeSpan ReconnectDelay { get; set; } = TimeSpan.FromSeconds(2);
}

/// <summary>Wakes every reader of the feed when PostgreSQL announces new events. One listening connection for the whole process.</summary>
public sealed partial class EventSignal(
    NpgsqlDataSource dataSource, EventFeedOptions options, TimeProvider time, ILogger<EventSignal> logger) : BackgroundService
{
    private TaskCompletionSource _next = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Completes at the next announcement.</summary>
    internal Task Next() => Volatile.Read(ref _next).Task;

    /// <summary>Waits for the announcement or for the poll interval, whichever comes first.</summary>
    internal async Task WaitAsync(Task announced, CancellationToken cancellationToken)
    {
        using var done = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        await Task.WhenAny(announced, Task.Delay(options.PollInterval, time, done.Token));
        await done.CancelAsync();
        cancellationToken.ThrowIfCancellationRequested();
    }

    /// <inheritdoc />
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                await ListenAsync(stoppingToken);
            }
            catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
            {
                return;
            }
            catch (Exception e) when (e is NpgsqlException or IOException or TimeoutException)
            {
                // Readers go on by polling.
                LogLost(logger, e);
                await Task.Delay(options.ReconnectDelay, time, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
    }

    private async Task ListenAsync(CancellationToken cancellationToken)
    {
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        connection.Notification += (_, _) => Announce();
        await using (var listen = new NpgsqlCommand("LISTEN aura_events", connection))
            await listen.ExecuteNonQueryAsync(cancellationToken);
        // Whatever was announced before LISTEN took hold.
        Announce();
        while (true)
            await connection.WaitAsync(cancellationToken);
    }

    private void Announce() =>
        Interlocked.Exchange(ref _next, new(TaskCreationOptions.RunContinuationsAsynchronously)).TrySetResult();

    [LoggerMessage(EventId = 3001, Level = LogLevel.Warning,
        Message = "The connection that listens for events is lost; readers poll until it is back.")]
    private static partial void LogLost(ILogger logger, Exception exception);
}
