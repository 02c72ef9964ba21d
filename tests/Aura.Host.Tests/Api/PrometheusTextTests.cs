using System.Diagnostics.Metrics;
using Aura.Host.Api;

namespace Aura.Host.Tests.Api;

public sealed class PrometheusTextTests
{
    [Fact]
    public void Write_EveryKind_IsTheTextFormat() => PrometheusText.Write([
        new("b_total", "Line\nand \\", MetricKind.Counter, [new([new("path", "a\"b\\c\nd")], 3)]),
        new("a", "A gauge.", MetricKind.Gauge, [new([], 1.5)]),
        new("a", "Its double.", MetricKind.Gauge, [new([], 9)]),
        new("h_seconds", "A histogram.", MetricKind.Histogram, [new([new("x", "1")], 2.5) { Count = 3, Buckets = [new(0.5, 1), new(1, 2)] }]),
    ]).ShouldBe("""
        # HELP a A gauge.
        # TYPE a gauge
        a 1.5
        # HELP b_total Line\nand \\
        # TYPE b_total counter
        b_total{path="a\"b\\c\nd"} 3
        # HELP h_seconds A histogram.
        # TYPE h_seconds histogram
        h_seconds_bucket{x="1",le="0.5"} 1
        h_seconds_bucket{x="1",le="1"} 2
        h_seconds_bucket{x="1",le="+Inf"} 3
        h_seconds_sum{x="1"} 2.5
        h_seconds_count{x="1"} 3

        """);

    [Fact]
    public void NameOf_Instruments_FollowsPrometheusRules()
    {
        using var meter = new Meter("Aura.Naming");
        PrometheusText.NameOf(meter.CreateCounter<long>("aura.prds.submitted", "{prd}")).ShouldBe("aura_prds_submitted_total");
        PrometheusText.NameOf(meter.CreateCounter<double>("gc.pause.time", "s")).ShouldBe("gc_pause_time_seconds_total");
        PrometheusText.NameOf(meter.CreateUpDownCounter<long>("thread.count")).ShouldBe("thread_current");
        PrometheusText.NameOf(meter.CreateHistogram<double>("http.duration", "s")).ShouldBe("http_duration_seconds");
        PrometheusText.NameOf(meter.CreateObservableGauge("memory", () => 1L, "By")).ShouldBe("memory_bytes");
    }

    [Fact]
    public void Collect_Measurements_AddUpByLabels()
    {
        using var collector = new MetricsCollector();
        using var meter = new Meter("Aura.Collecting");
        var counter = meter.CreateCounter<int>("aura.collecting", null, "Things.");
        var histogram = meter.CreateHistogram<double>("aura.collecting.time", "s", "Time.");
        counter.Add(2, new KeyValuePair<string, object?>("a", 1), new("b", "x"));
        counter.Add(3, new KeyValuePair<string, object?>("b", "x"), new("a", 1));
        histogram.Record(0.02);
        histogram.Record(1000);
        var families = collector.Collect();
        families.Single(f => f.Name == "aura_collecting_total").Samples.ShouldHaveSingleItem().Value.ShouldBe(5);
        var times = families.Single(f => f.Name == "aura_collecting_time_seconds").Samples.ShouldHaveSingleItem();
        (times.Count, times.Value, times.Buckets![^1].Count, times.Buckets[0].Count).ShouldBe((2, 1000.02, 1, 0));
    }

    [Fact]
    public void Collect_TooManyLabels_DropsAndSaysSo()
    {
        using var collector = new MetricsCollector();
        using var meter = new Meter("Aura.Flood");
        var counter = meter.CreateCounter<int>("aura.flood");
        for (var i = 0; i < 5000; i++)
            counter.Add(1, new KeyValuePair<string, object?>("n", i));
        var families = collector.Collect();
        families.Single(f => f.Name == "aura_flood_total").Samples.Count.ShouldBeLessThanOrEqualTo(4000);
        families.Single(f => f.Name == "aura_metric_series_dropped_total").Samples[0].Value.ShouldBeGreaterThanOrEqualTo(1000);
    }
}
