using Aura.Workflows.Runtime;

namespace Aura.Host.Roles;

/// <summary>What a process with this role does.</summary>
/// <param name="RunsWorkflows">Whether it runs bursts of workflows.</param>
/// <param name="Queues">The task queues it works on, and how many tasks of each at a time.</param>
/// <param name="ServesMcp">Whether it serves the employees' tools on a port of their own.</param>
/// <param name="Sweeps">Whether it removes what ended work left behind.</param>
public sealed record Role(
    string Name, string Description, bool RunsWorkflows, IReadOnlyList<TaskQueue> Queues, bool ServesMcp = false, bool Sweeps = false);

/// <summary>The roles. Nobody asks for a role elsewhere: a process is the sum of its lines here.</summary>
public static class RoleTable
{
    public static IReadOnlyList<Role> All { get; } =
    [
        new("manager", "HTTP API for Directors and workers.", false, []),
        new("engine", "Runs workflows, plans, opens sandboxes, integrates and merges.", true, [new("default", 4), new("integrator", 1)]),
        new("worker", "Lets employees work on jobs.", false, [new(Composition.EmployeeQueues, 3)]),
        new("mcp", "Serves the employees' tools: Model Context Protocol and plain JSON.", false, [], ServesMcp: true),
        new("validator", "Proves results in the jail.", false, [new("validator", 2)]),
        new("watchdog", "Removes sandboxes whose job has ended, and what dead processes left.", false, [], Sweeps: true),
    ];

    public static Role? Find(string name) => All.FirstOrDefault(r => r.Name.Equals(name, StringComparison.OrdinalIgnoreCase));
}
