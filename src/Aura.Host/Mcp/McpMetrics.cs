using System.Diagnostics.Metrics;

namespace Aura.Host.Mcp;

/// <summary>What the MCP service counts of itself (meter <c>Aura.Mcp</c>).</summary>
internal sealed class McpMetrics
{
    private readonly Counter<long> _calls;
    private readonly Counter<long> _refused;
    private readonly Histogram<double> _duration;
    private readonly UpDownCounter<long> _sessions;

    public McpMetrics(IMeterFactory meters)
    {
        var meter = meters.Create("Aura.Mcp");
        _calls = meter.CreateCounter<long>("aura.mcp.calls", "{call}", "Tool calls, by tool and outcome.");
        _refused = meter.CreateCounter<long>("aura.mcp.refused", "{call}", "Calls that were refused, by the refusal's code.");
        _duration = meter.CreateHistogram<double>("aura.mcp.call.duration", "s", "How long a tool call took.");
        _sessions = meter.CreateUpDownCounter<long>("aura.mcp.sessions", "{session}", "Sessions of Streamable HTTP that are open.");
    }

    /// <param name="code">Null when it was done.</param>
    public void Called(string tool, string? code, TimeSpan duration)
    {
        _calls.Add(1, new("tool", tool), new("outcome", code is null ? "done" : "refused"));
        _duration.Record(duration.TotalSeconds, new KeyValuePair<string, object?>("tool", tool));
        if (code is not null)
            Refused(code);
    }

    public void Refused(string code) => _refused.Add(1, new KeyValuePair<string, object?>("code", code));

    public void SessionsChanged(int change) => _sessions.Add(change);
}
