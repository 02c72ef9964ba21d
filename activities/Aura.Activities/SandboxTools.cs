using System.Text.Json;
using Aura.Orchestra.Employees;
using Aura.Orchestra.Tools;

namespace Aura.Activities;

/// <summary>The employee's hands: the tools over its sandbox, with every call in the job's timeline and every snapshot on record at once.</summary>
internal sealed class SandboxTools(ToolSession session) : IEmployeeTools
{
    public IReadOnlyList<ToolDefinition> Definitions => ToolCatalog.OfEmployees;

    public Task<ToolResult> CallAsync(string tool, JsonElement arguments, CancellationToken cancellationToken) =>
        session.CallAsync(tool, arguments, null, cancellationToken);
}
