using Aura.Host.Api;
using Aura.Workflows.Runtime;

namespace Aura.Host.Elsa;

/// <summary>How live views are kept up to date.</summary>
public sealed class InstanceObserverOptions
{
    /// <summary>How often the observed instances' marks are looked at, all in one query. Nothing is looked at while nobody watches.</summary>
    public TimeSpan Interval { get; set; } = TimeSpan.FromMilliseconds(200);

    /// <summary>Instances that one connection may watch.</summary>
    public int MaxPerConnection { get; set; } = 32;

    /// <summary>Watched instances, counted once for each who watches, in this process.</summary>
    public int MaxObservers { get; set; } = 2000;
}

/// <summary>
/// Who watches which instance through this process, and what they have been told. Any host may run the instances: one query a tick reads
/// the marks of those that are watched, and who has not been told of an instance's mark yet is told. One message a tick and watcher
/// at most; a watcher who reads slowly is left out until it has taken the last one, and then hears of the latest state.
/// </summary>
internal sealed class InstanceObservers(InstanceStore instances, ApiMetrics metrics, TimeProvider time, InstanceObserverOptions options) : ILoop
{
    private readonly Lock _gate = new();
    private readonly Dictionary<string, Observed> _observed = new(StringComparer.Ordinal);
    private readonly Dictionary<string, HashSet<string>> _connections = new(StringComparer.Ordinal);
    private readonly SemaphoreSlim _wanted = new(0, 1);
    private int _count;

    public string Name => "instance-observers";

    public TimeSpan Interval => options.Interval;

    public bool HearsPulse => false;

    /// <summary>Begins to watch. The watcher is told at once, whatever happened before it came: a view that was read earlier may be old.</summary>
    /// <returns>Why it may not, or null.</returns>
    public string? Add(string connectionId, string instanceId, Func<InstanceUpdate, Task> tell)
    {
        lock (_gate)
        {
            if (!_connections.TryGetValue(connectionId, out var mine))
                _connections[connectionId] = mine = new(StringComparer.Ordinal);
            if (!mine.Contains(instanceId))
            {
                if (mine.Count >= options.MaxPerConnection)
                    return $"A connection may observe {options.MaxPerConnection} instances. Open another one.";
                if (_count >= options.MaxObservers)
                    return $"This host has {options.MaxObservers} observers, as many as it takes. Try again later.";
                mine.Add(instanceId);
                _count++;
                metrics.ObserversChanged(1);
            }

            if (!_observed.TryGetValue(instanceId, out var observed))
                _observed[instanceId] = observed = new();
            // Who asks again is told again, after what is still on its way to it.
            if (observed.Watchers.TryGetValue(connectionId, out var known))
                known.Told = null;
            else
                observed.Watchers[connectionId] = new(tell);
            if (_wanted.CurrentCount == 0)
                _wanted.Release();
            return null;
        }
    }

    /// <summary>The connection is gone.</summary>
    public void Remove(string connectionId)
    {
        lock (_gate)
        {
            if (!_connections.Remove(connectionId, out var mine))
                return;
            foreach (var instanceId in mine)
            {
                if (_observed.TryGetValue(instanceId, out var observed) && observed.Watchers.Remove(connectionId) && observed.Watchers.Count == 0)
                    _observed.Remove(instanceId);
            }

            _count -= mine.Count;
            metrics.ObserversChanged(-mine.Count);
        }
    }

    /// <summary>Waits for somebody who watches, then looks once and tells those who are behind.</summary>
    public async Task<int> RunOnceAsync(CancellationToken cancellationToken)
    {
        if (Watched().Count == 0)
        {
            // Woken by the next who comes; until then nobody asks the database anything.
            return await _wanted.WaitAsync(TimeSpan.FromSeconds(10), cancellationToken) ? 1 : 0;
        }

        foreach (var revision in await instances.ReadRevisionsAsync(Watched(), cancellationToken))
            await TellAsync(revision, cancellationToken);
        return 0;
    }

    private List<string> Watched()
    {
        lock (_gate)
            return [.. _observed.Keys];
    }

    private async Task TellAsync(InstanceRevision revision, CancellationToken cancellationToken)
    {
        if (TakeBehind(revision) is not { Count: > 0 } behind)
            return;
        var started = time.GetTimestamp();
        var stats = await instances.ReadStatsAsync(revision.Id, cancellationToken: cancellationToken);
        var update = new InstanceUpdate(revision.Id, [.. stats.Select(InstanceViews.Stats)]);
        var cost = time.GetElapsedTime(started);
        foreach (var watcher in behind)
        {
            watcher.Told = revision;
            // Not awaited: who reads slowly keeps nobody waiting.
            watcher.Telling = watcher.Tell(update);
        }

        lock (_gate)
        {
            // An instance with a long history takes its time to sum up: at most a fifth of this loop's time goes into one of them.
            if (_observed.TryGetValue(revision.Id, out var observed))
                observed.NotBefore = time.GetTimestamp() + (long)(cost.TotalSeconds * 4 * time.TimestampFrequency);
        }
    }

    private List<Watcher>? TakeBehind(InstanceRevision revision)
    {
        lock (_gate)
        {
            return _observed.TryGetValue(revision.Id, out var observed) && time.GetTimestamp() >= observed.NotBefore
                ? [.. observed.Watchers.Values.Where(w => w.Told != revision && w.Telling.IsCompleted)]
                : null;
        }
    }

    private sealed class Observed
    {
        public Dictionary<string, Watcher> Watchers { get; } = new(StringComparer.Ordinal);

        public long NotBefore { get; set; }
    }

    private sealed class Watcher(Func<InstanceUpdate, Task> tell)
    {
        public Func<InstanceUpdate, Task> Tell { get; } = tell;

        public InstanceRevision? Told { get; set; }

        public Task Telling { get; set; } = Task.CompletedTask;
    }
}

/// <summary>What a watcher is told: that there is news, and how each activity stands now.</summary>
internal sealed record InstanceUpdate(string InstanceId, IReadOnlyList<object> Stats);
