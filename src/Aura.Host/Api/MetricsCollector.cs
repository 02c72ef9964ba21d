using System.Collections.Concurrent;
using System.Diagnostics.Metrics;

namespace Aura.Host.Api;

/// <summary>
/// Listens to this process's meters (Aura's own, ASP.NET, the runtime, Npgsql) and keeps their current values for <c>/metrics</c>.
/// No exporter package restores on the platforms Aura builds on; the text format is small.
/// </summary>
internal sealed class MetricsCollector : IDisposable
{
    /// <summary>Beyond this, new label combinations are dropped (and counted): a hostile client must not fill the memory.</summary>
    private const int MaxSeries = 4000;
    private static readonly string[] Meters =
        ["Aura.", "Microsoft.AspNetCore.Hosting", "Microsoft.AspNetCore.Server.Kestrel", "System.Runtime", "Npgsql"];

    // Upper bounds in seconds: from a quick request to a slow test run.
    private static readonly double[] Bounds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300];
    private readonly ConcurrentDictionary<(Instrument Instrument, string Labels), Series> _series = new();
    private readonly MeterListener _listener = new();
    private long _dropped;

    public MetricsCollector()
    {
        _listener.InstrumentPublished = (instrument, listener) =>
        {
            if (Meters.Any(m => instrument.Meter.Name.StartsWith(m, StringComparison.Ordinal)))
                listener.EnableMeasurementEvents(instrument);
        };
        _listener.SetMeasurementEventCallback<byte>((i, v, t, _) => Record(i, v, t));
        _listener.SetMeasurementEventCallback<short>((i, v, t, _) => Record(i, v, t));
        _listener.SetMeasurementEventCallback<int>((i, v, t, _) => Record(i, v, t));
        _listener.SetMeasurementEventCallback<long>((i, v, t, _) => Record(i, v, t));
        _listener.SetMeasurementEventCallback<float>((i, v, t, _) => Record(i, v, t));
        _listener.SetMeasurementEventCallback<double>((i, v, t, _) => Record(i, v, t));
        _listener.SetMeasurementEventCallback<decimal>((i, v, t, _) => Record(i, (double)v, t));
        _listener.Start();
    }

    public void Dispose() => _listener.Dispose();

    /// <summary>Every family with its samples as they stand now.</summary>
    public IReadOnlyList<MetricFamily> Collect()
    {
        _listener.RecordObservableInstruments();
        var families = new List<MetricFamily>
        {
            new("aura_metric_series_dropped_total", "Measurements dropped because there are too many label combinations.",
                MetricKind.Counter, [new([], Interlocked.Read(ref _dropped))]),
        };
        foreach (var family in _series.GroupBy(s => (Name: PrometheusText.NameOf(s.Key.Instrument), Kind: PrometheusText.KindOf(s.Key.Instrument))))
        {
            // The same instrument of several meters (one a host) is one series: the values add up.
            var samples = family.GroupBy(s => s.Key.Labels).Select(g => g.Select(s => s.Value.Read()).Aggregate(Add));
            families.Add(new(family.Key.Name, family.First().Key.Instrument.Description ?? family.First().Key.Instrument.Name,
                family.Key.Kind, [.. samples]));
        }

        return families;
    }

    private static MetricSample Add(MetricSample a, MetricSample b) => a with
    {
        Value = a.Value + b.Value,
        Buckets = a.Buckets?.Zip(b.Buckets!, (x, y) => x with { Count = x.Count + y.Count }).ToArray(),
        Count = a.Count + b.Count,
    };

    private void Record(Instrument instrument, double value, ReadOnlySpan<KeyValuePair<string, object?>> tags)
    {
        var labels = PrometheusText.LabelsOf(tags);
        var key = (instrument, PrometheusText.WriteLabels(labels));
        if (!_series.TryGetValue(key, out var series))
        {
            if (_series.Count >= MaxSeries)
            {
                Interlocked.Increment(ref _dropped);
                return;
            }

            series = _series.GetOrAdd(key, static (_, l) => new Series(l), labels);
        }

        series.Record(value, PrometheusText.KindOf(instrument), absolute: instrument.IsObservable || instrument is Gauge<long> or Gauge<double> or Gauge<int>);
    }

    private sealed class Series(IReadOnlyList<MetricLabel> labels)
    {
        private readonly Lock _gate = new();
        private double _value;
        private long _count;
        private long[]? _buckets;

        public void Record(double value, MetricKind kind, bool absolute)
        {
            lock (_gate)
            {
                if (kind == MetricKind.Histogram)
                {
                    _buckets ??= new long[Bounds.Length];
                    for (var i = 0; i < Bounds.Length; i++)
                    {
                        if (value <= Bounds[i])
                            _buckets[i]++;
                    }

                    _count++;
                }

                _value = absolute ? value : _value + value;
            }
        }

        public MetricSample Read()
        {
            lock (_gate)
                return new(labels, _value) { Count = _count, Buckets = _buckets?.Select((n, i) => new MetricBucket(Bounds[i], n)).ToArray() };
        }
    }
}
