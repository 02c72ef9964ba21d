using System.Collections.Concurrent;

namespace Aura.Workflows.Definitions;

/// <summary>Keeps the values that were used last, up to a number. Reading takes no lock; dropping happens in bulk, rarely.</summary>
internal sealed class RecentCache<T>(int capacity)
    where T : class
{
    private readonly ConcurrentDictionary<string, Entry> _entries = new(StringComparer.Ordinal);
    private readonly Lock _trimming = new();
    private long _clock;

    public int Count => _entries.Count;

    public T? Find(string key)
    {
        if (!_entries.TryGetValue(key, out var entry))
            return null;
        // Not exact under contention, and need not be: it only has to tell old from new.
        entry.LastUsed = ++_clock;
        return entry.Value;
    }

    public void Set(string key, T value)
    {
        _entries[key] = new(value) { LastUsed = Interlocked.Increment(ref _clock) };
        if (_entries.Count > capacity)
            Trim();
    }

    public void Remove(string key) => _entries.TryRemove(key, out _);

    public void RemoveWhere(Func<T, bool> condition)
    {
        foreach (var (key, entry) in _entries)
        {
            if (condition(entry.Value))
                _entries.TryRemove(key, out _);
        }
    }

    /// <summary>Drops a tenth more than it must, so that the next additions are cheap.</summary>
    private void Trim()
    {
        lock (_trimming)
        {
            var surplus = _entries.Count - (capacity - (capacity / 10));
            if (_entries.Count <= capacity)
                return;
            foreach (var (key, _) in _entries.OrderBy(e => e.Value.LastUsed).Take(surplus).ToList())
                _entries.TryRemove(key, out _);
        }
    }

    private sealed class Entry(T value)
    {
        public T Value { get; } = value;
        public long LastUsed { get; set; }
    }
}
