using System.Collections.Concurrent;
using System.Reflection;

namespace Aura.Workflows.Definitions;

/// <summary>The activity types of this host, by type name and version.</summary>
public sealed class ActivityRegistry
{
    private readonly ConcurrentDictionary<Type, ActivityDescriptor> _byClrType = new();
    private readonly ConcurrentDictionary<string, ActivityDescriptor> _byName = new(StringComparer.Ordinal);

    public ActivityRegistry() => AddFrom(typeof(ActivityRegistry).Assembly);

    public IEnumerable<ActivityDescriptor> Descriptors => _byName.Values.OrderBy(d => d.TypeName, StringComparer.Ordinal);

    /// <summary>Adds every public concrete activity class of an assembly.</summary>
    public ActivityRegistry AddFrom(Assembly assembly)
    {
        ArgumentNullException.ThrowIfNull(assembly);
        foreach (var type in assembly.GetExportedTypes())
        {
            if (type is { IsAbstract: false, IsGenericTypeDefinition: false } && typeof(IActivity).IsAssignableFrom(type) && type.GetConstructor([]) is not null)
                Add(type);
        }

        return this;
    }

    /// <exception cref="InvalidOperationException">Another class already has this type name.</exception>
    public void Add(Type type)
    {
        var descriptor = _byClrType.GetOrAdd(type, t => new(t));
        if (_byName.GetOrAdd(descriptor.TypeName, descriptor) != descriptor)
            throw new InvalidOperationException($"Two classes are registered as activity '{descriptor.TypeName}': {type} and {_byName[descriptor.TypeName].ClrType}.");
    }

    public ActivityDescriptor? Find(string typeName) => _byName.GetValueOrDefault(typeName);

    internal ActivityDescriptor Describe(IActivity activity)
    {
        var descriptor = _byClrType.GetOrAdd(activity.GetType(), t => new(t));
        if (activity.Type.Length == 0)
            activity.Type = descriptor.TypeName;
        return descriptor;
    }
}
