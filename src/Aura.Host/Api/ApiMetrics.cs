using System.Diagnostics.Metrics;

namespace Aura.Host.Api;

/// <summary>What the API counts of itself (meter <c>Aura.Host</c>).</summary>
internal sealed class ApiMetrics
{
    private readonly Counter<long> _submitted;
    private readonly Counter<long> _decisions;
    private readonly UpDownCounter<long> _streams;
    private readonly UpDownCounter<long> _observers;

    public ApiMetrics(IMeterFactory meters)
    {
        var meter = meters.Create("Aura.Host");
        _submitted = meter.CreateCounter<long>("aura.prds.submitted", "{prd}", "PRDs handed in through this process.");
        _decisions = meter.CreateCounter<long>("aura.decisions", "{decision}", "Decisions of the Director taken through this process.");
        _streams = meter.CreateUpDownCounter<long>("aura.event_streams", "{stream}", "Event streams that are open.");
        _observers = meter.CreateUpDownCounter<long>("aura.workflow_observers", "{observer}", "Workflow instances that somebody watches through this process.");
    }

    public void PrdSubmitted() => _submitted.Add(1);

    public void Decided(string decision) => _decisions.Add(1, new KeyValuePair<string, object?>("decision", decision));

    /// <summary>Counts the stream until it is disposed.</summary>
    public IDisposable StreamOpened()
    {
        _streams.Add(1);
        return new Open(this);
    }

    /// <param name="change">1 for each that begins to watch an instance, -1 for each that has stopped.</param>
    public void ObserversChanged(int change) => _observers.Add(change);

    private sealed class Open(ApiMetrics metrics) : IDisposable
    {
        public void Dispose() => metrics._streams.Add(-1);
    }
}
