using System.Diagnostics.Metrics;
using System.Globalization;
using System.Text;

namespace Aura.Host.Api;

internal enum MetricKind
{
    Counter,
    Gauge,
    Histogram,
}

internal sealed record MetricLabel(string Name, string Value);

internal sealed record MetricBucket(double UpperBound, long Count);

/// <summary>One series. A histogram's value is the sum of what was measured.</summary>
internal sealed record MetricSample(IReadOnlyList<MetricLabel> Labels, double Value)
{
    public long Count { get; init; }
    public IReadOnlyList<MetricBucket>? Buckets { get; init; }
}

internal sealed record MetricFamily(string Name, string Help, MetricKind Kind, IReadOnlyList<MetricSample> Samples);

/// <summary>Prometheus' text format 0.0.4 and its rules for names. Pure.</summary>
internal static class PrometheusText
{
    /// <summary>The whole document. Of two families with one name the first stands.</summary>
    public static string Write(IReadOnlyList<MetricFamily> families)
    {
        var text = new StringBuilder();
        foreach (var family in families.DistinctBy(f => f.Name).OrderBy(f => f.Name, StringComparer.Ordinal))
        {
            text.Append("# HELP ").Append(family.Name).Append(' ').Append(Escape(family.Help, quotes: false)).Append('\n');
            text.Append("# TYPE ").Append(family.Name).Append(' ').Append(family.Kind.ToString().ToLowerInvariant()).Append('\n');
            foreach (var sample in family.Samples)
                Write(text, family, sample);
        }

        return text.ToString();
    }

    /// <summary>Labels as they stand in the document: <c>{a="1",b="2"}</c>, or nothing.</summary>
    public static string WriteLabels(IReadOnlyList<MetricLabel> labels) => labels.Count == 0
        ? ""
        : "{" + string.Join(',', labels.Select(l => $"{l.Name}=\"{Escape(l.Value, quotes: true)}\"")) + "}";

    public static MetricKind KindOf(Instrument instrument)
    {
        var type = instrument.GetType().Name;
        return type.StartsWith("Histogram", StringComparison.Ordinal) ? MetricKind.Histogram
            : type.StartsWith("Counter", StringComparison.Ordinal) || type.StartsWith("ObservableCounter", StringComparison.Ordinal) ? MetricKind.Counter
            : MetricKind.Gauge;
    }

    /// <summary>The instrument's name by Prometheus' rules: unit spelled out, counters end in <c>_total</c>, nothing else in <c>_count</c>.</summary>
    public static string NameOf(Instrument instrument)
    {
        var name = Sanitize(instrument.Name);
        var unit = instrument.Unit switch { "s" => "_seconds", "By" => "_bytes", _ => "" };
        if (!name.EndsWith(unit, StringComparison.Ordinal))
            name += unit;
        if (KindOf(instrument) == MetricKind.Counter)
            return name.EndsWith("_total", StringComparison.Ordinal) ? name : name + "_total";
        foreach (var reserved in (string[])["_count", "_total", "_sum", "_bucket"])
        {
            if (name.EndsWith(reserved, StringComparison.Ordinal))
                return name[..^reserved.Length] + "_current";
        }

        return name;
    }

    public static IReadOnlyList<MetricLabel> LabelsOf(ReadOnlySpan<KeyValuePair<string, object?>> tags)
    {
        var labels = new List<MetricLabel>(tags.Length);
        foreach (var (key, value) in tags)
        {
            var name = Sanitize(key);
            if (value is not null && !labels.Exists(l => l.Name == name))
                labels.Add(new(name == "le" ? "le_" : name, Convert.ToString(value, CultureInfo.InvariantCulture) ?? ""));
        }

        labels.Sort((a, b) => string.CompareOrdinal(a.Name, b.Name));
        return labels;
    }

    private static void Write(StringBuilder text, MetricFamily family, MetricSample sample)
    {
        if (family.Kind != MetricKind.Histogram)
        {
            Line(family.Name, sample.Labels, sample.Value);
            return;
        }

        foreach (var bucket in sample.Buckets ?? [])
            Line(family.Name + "_bucket", [.. sample.Labels, new("le", Number(bucket.UpperBound))], bucket.Count);
        Line(family.Name + "_bucket", [.. sample.Labels, new("le", "+Inf")], sample.Count);
        Line(family.Name + "_sum", sample.Labels, sample.Value);
        Line(family.Name + "_count", sample.Labels, sample.Count);

        void Line(string name, IReadOnlyList<MetricLabel> labels, double value) =>
            text.Append(name).Append(WriteLabels(labels)).Append(' ').Append(Number(value)).Append('\n');
    }

    private static string Number(double value) =>
        double.IsPositiveInfinity(value) ? "+Inf" : double.IsNegativeInfinity(value) ? "-Inf" : value.ToString("R", CultureInfo.InvariantCulture);

    private static string Sanitize(string name)
    {
        var clean = new string([.. name.Select(c => char.IsAsciiLetterOrDigit(c) ? char.ToLowerInvariant(c) : '_')]);
        return char.IsAsciiDigit(clean[0]) ? "_" + clean : clean;
    }

    private static string Escape(string text, bool quotes)
    {
        var escaped = text.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\n", "\\n", StringComparison.Ordinal);
        return quotes ? escaped.Replace("\"", "\\\"", StringComparison.Ordinal) : escaped;
    }
}
