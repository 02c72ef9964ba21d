namespace Aura.Workflows.Definitions;

/// <summary>Where a variable's value lives between bursts, as Studio lists it.</summary>
public sealed record StorageDriverDescriptor(string TypeName, string DisplayName, double Priority, bool Deprecated);

/// <summary>
/// The storage drivers of variables. Values live in the instance's state; only an explicit memory driver loses them at a suspend.
/// </summary>
public static class StorageDrivers
{
    public const string WorkflowInstance = "WorkflowInstanceStorageDriver";
    public const string Memory = "MemoryStorageDriver";
    private const string Workflow = "WorkflowStorageDriver";

    public static IReadOnlyList<StorageDriverDescriptor> Descriptors { get; } =
    [
        new(WorkflowInstance, "Workflow instance", 5, false),
        new(Memory, "Memory (lost when the workflow suspends)", 0, false),
        new(Workflow, "Workflow", 10, true),
    ];

    /// <summary>Takes aliases, short names and the assembly-qualified class names of older files. An unknown name keeps the value.</summary>
    public static bool IsPersistent(string? typeName) => typeName is null
        || (!typeName.Equals("Memory", StringComparison.OrdinalIgnoreCase) && !typeName.Contains(Memory, StringComparison.OrdinalIgnoreCase));
}
