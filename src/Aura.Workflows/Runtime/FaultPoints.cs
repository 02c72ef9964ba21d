using System.Diagnostics;
using System.Globalization;
using Microsoft.Extensions.Options;

namespace Aura.Workflows.Runtime;

/// <summary>
/// Named places just before something becomes durable. Armed by <see cref="WorkflowsOptions.FaultPoint"/>, the process
/// kills itself there the way a power cut would; otherwise a pass costs one comparison. The points: <c>burst-commit</c> and
/// <c>burst-committed</c>, the same with <c>checkpoint</c> and <c>start</c>, <c>task-commit:TYPE</c> and <c>task-committed:TYPE</c> with an
/// activity's type name.
/// </summary>
public sealed class FaultPoints
{
    private readonly string? _armed;
    private readonly int _pass;
    private int _passes;

    public FaultPoints(IOptions<WorkflowsOptions> options)
    {
        var parts = (options?.Value.FaultPoint ?? "").Split('@', 2);
        _armed = parts[0].Length > 0 ? parts[0] : null;
        _pass = parts.Length == 2 ? int.Parse(parts[1], CultureInfo.InvariantCulture) : 1;
    }

    /// <summary>Whether any point is armed at all.</summary>
    public bool IsArmed => _armed is not null;

    public void Pass(string name)
    {
        if (_armed == name && Interlocked.Increment(ref _passes) == _pass)
            Process.GetCurrentProcess().Kill();
    }
}
