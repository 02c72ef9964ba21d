using Aura.Orchestra.Sandboxes;
using Aura.Workflows.Runtime;

namespace Aura.Host.Roles;

/// <summary>Has the sandboxes swept, on one host of a database at a time.</summary>
internal sealed class SandboxSweepLoop(SandboxSweeper sweeper, ILogger<SandboxSweepLoop> logger) : ILoop
{
    public string Name => "sandbox-sweeper";

    public TimeSpan Interval => TimeSpan.FromMinutes(10);

    public bool HearsPulse => false;

    public async Task<int> RunOnceAsync(CancellationToken cancellationToken)
    {
        var swept = await sweeper.RunOnceAsync(cancellationToken);
        if (swept.Sandboxes + swept.Forgotten + swept.Leftovers + swept.Collected.Objects > 0)
            SweepLog.Swept(logger, swept.Sandboxes, swept.Forgotten, swept.Leftovers, swept.Collected.Objects, swept.Collected.Bytes);
        return 0;
    }
}

internal static partial class SweepLog
{
    [LoggerMessage(
        2301, LogLevel.Information,
        "Swept {Sandboxes} sandboxes, the snapshots of {Forgotten}, {Leftovers} leftovers and {Objects} objects of {Bytes} bytes.")]
    public static partial void Swept(ILogger logger, int sandboxes, int forgotten, int leftovers, int objects, long bytes);
}
