using System.Collections.Concurrent;
using System.Reflection;
using System.Text.Json;
using Aura.Workflows.Activities;
using Aura.Workflows.Expressions;

namespace Aura.Workflows.Definitions;

/// <summary>The activity types of this host by type name and version: classes, and workflows that are usable as activities.</summary>
public sealed class ActivityRegistry
{
    private readonly ConcurrentDictionary<Type, ActivityDescriptor> _byClrType = new();
    private readonly ConcurrentDictionary<(string TypeName, int Version), ActivityDescriptor> _byVersion = new();
    private readonly ConcurrentDictionary<string, ActivityDescriptor> _byName = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, Type> _generics = new(StringComparer.Ordinal);
    private volatile WorkflowActivities _workflows = new([]);
    private long _version;

    public ActivityRegistry() => AddFrom(typeof(ActivityRegistry).Assembly);

    /// <summary>Another number each time that <see cref="Descriptors"/> may have changed.</summary>
    public long Version => Interlocked.Read(ref _version);

    /// <summary>Every type and version once: classes first, then workflows.</summary>
    public IEnumerable<ActivityDescriptor> Descriptors => _byVersion.Values
        .Concat(_workflows.Descriptors)
        .DistinctBy(d => (d.TypeName, d.Version))
        .OrderBy(d => d.TypeName, StringComparer.Ordinal)
        .ThenBy(d => d.Version);

    /// <summary>Adds every public concrete activity class of an assembly.</summary>
    public ActivityRegistry AddFrom(Assembly assembly)
    {
        ArgumentNullException.ThrowIfNull(assembly);
        foreach (var type in assembly.GetExportedTypes())
        {
            if (type is { IsAbstract: false } && typeof(IActivity).IsAssignableFrom(type) && type.GetConstructor([]) is not null)
                Add(type);
        }

        return this;
    }

    /// <summary>Adds one class. An open generic one is found by its closed names, for example <c>Elsa.SetVariable&lt;Int32&gt;</c>.</summary>
    /// <exception cref="InvalidOperationException">Another class already has this type name and version.</exception>
    public void Add(Type type)
    {
        ArgumentNullException.ThrowIfNull(type);
        if (type.IsGenericTypeDefinition)
        {
            var attribute = type.GetCustomAttribute<ActivityAttribute>();
            _generics[$"{attribute?.Namespace ?? "Elsa"}.{attribute?.Type ?? type.Name.Split('`')[0]}"] = type;
            return;
        }

        var descriptor = _byClrType.GetOrAdd(type, t => new(t));
        var first = _byVersion.GetOrAdd((descriptor.TypeName, descriptor.Version), descriptor);
        if (first != descriptor)
        {
            throw new InvalidOperationException(
                $"Two classes are registered as activity '{descriptor.TypeName}' version {descriptor.Version}: {type} and {first.ClrType}.");
        }

        _byName.AddOrUpdate(descriptor.TypeName, descriptor, (_, other) => other.Version > descriptor.Version ? other : descriptor);
        Interlocked.Increment(ref _version);
    }

    /// <summary>The class of that type with the highest version, or the published workflow of that name.</summary>
    public ActivityDescriptor? Find(string typeName) =>
        _byName.GetValueOrDefault(typeName) ?? FindGeneric(typeName) ?? _workflows.Find(typeName, null, null, null);

    /// <summary>That version when there is one, else the highest.</summary>
    public ActivityDescriptor? Find(string typeName, int version) =>
        _byVersion.GetValueOrDefault((typeName, version)) ?? _byName.GetValueOrDefault(typeName) ?? FindGeneric(typeName)
        ?? _workflows.Find(typeName, version, null, null);

    /// <summary>The descriptor of an activity object in a definition: by class, or as a reference to a workflow.</summary>
    internal ActivityDescriptor? Find(WorkflowReference reference)
    {
        // The members that name a workflow count only as strings: ExecuteWorkflow has an input of the same name.
        if (reference.VersionId is null && reference.DefinitionId is null)
            return Find(reference.TypeName, reference.Version);
        return _workflows.Find(reference.TypeName, reference.Version, reference.DefinitionId, reference.VersionId)
            ?? _byVersion.GetValueOrDefault((reference.TypeName, reference.Version)) ?? _byName.GetValueOrDefault(reference.TypeName);
    }

    internal ActivityDescriptor? FindWorkflowVersion(string versionId) => _workflows.FindVersion(versionId);

    /// <summary>The versions that are known already, so that only news must be read.</summary>
    internal IReadOnlyDictionary<string, WorkflowActivitySource> Workflows => _workflows.Sources;

    /// <summary>Puts the workflows that are usable as activities in the place of those before.</summary>
    internal void SetWorkflows(IEnumerable<WorkflowActivitySource> sources)
    {
        _workflows = new(sources);
        Interlocked.Increment(ref _version);
    }

    internal ActivityDescriptor Describe(IActivity activity)
    {
        if (activity is WorkflowDefinitionActivity { Descriptor: { } own })
            return own;
        var descriptor = _byClrType.GetOrAdd(activity.GetType(), t => new(t));
        if (activity.Type.Length == 0)
            activity.Type = descriptor.TypeName;
        return descriptor;
    }

    private ActivityDescriptor? FindGeneric(string typeName)
    {
        if (!typeName.EndsWith('>') || typeName.IndexOf('<', StringComparison.Ordinal) is not (> 0 and var open))
            return null;
        if (!_generics.TryGetValue(typeName[..open], out var type) || type.GetGenericArguments().Length != 1
            || !TypeAliases.TryTypeOf(typeName[(open + 1)..^1], out var argument))
            return null;
        return _byClrType.GetOrAdd(type.MakeGenericType(argument), t => new(t));
    }
}

/// <summary>How an activity object names its type.</summary>
internal sealed record WorkflowReference(string TypeName, int Version, string? DefinitionId, string? VersionId)
{
    /// <summary>The same for all objects that name the same thing.</summary>
    public string Key => $"{TypeName}|{Version}|{DefinitionId}|{VersionId}";

    public static WorkflowReference Of(JsonElement activity, string typeName) => new(
        typeName,
        activity.Number("version") ?? 0,
        activity.Text("workflowDefinitionId"),
        activity.Text("workflowDefinitionVersionId"));
}

/// <summary>The workflows that are usable as activities, at one moment.</summary>
internal sealed class WorkflowActivities
{
    private readonly Dictionary<string, ActivityDescriptor> _byVersionId;
    private readonly ILookup<string, ActivityDescriptor> _byDefinition;
    private readonly ILookup<string, ActivityDescriptor> _byType;

    public WorkflowActivities(IEnumerable<WorkflowActivitySource> sources)
    {
        Sources = sources.ToDictionary(s => s.VersionId, StringComparer.Ordinal);
        // Published ones first: of two with one name and version the list must show the one that runs.
        Descriptors = [.. Sources.Values
            .OrderByDescending(s => s.IsPublished)
            .ThenBy(s => s.DefinitionId, StringComparer.Ordinal)
            .Select(s => new ActivityDescriptor(s))];
        _byVersionId = Descriptors.ToDictionary(d => d.Source!.VersionId, StringComparer.Ordinal);
        _byDefinition = Descriptors.ToLookup(d => d.Source!.DefinitionId, StringComparer.Ordinal);
        _byType = Descriptors.ToLookup(d => Plain(d.TypeName), StringComparer.Ordinal);
    }

    public IReadOnlyDictionary<string, WorkflowActivitySource> Sources { get; }
    public IReadOnlyList<ActivityDescriptor> Descriptors { get; }

    public ActivityDescriptor? FindVersion(string versionId) => _byVersionId.GetValueOrDefault(versionId);

    /// <summary>By version id; else by definition id; else by name, so that files whose ids exist nowhere still find their workflow.</summary>
    public ActivityDescriptor? Find(string typeName, int? version, string? definitionId, string? versionId)
    {
        if (versionId is not null && _byVersionId.TryGetValue(versionId, out var exact))
            return exact;
        var candidates = definitionId is null ? [] : _byDefinition[definitionId].Where(d => d.Source!.IsPublished || d.Version == version).ToList();
        if (candidates.Count == 0)
            candidates = [.. _byType[Plain(typeName)].Where(d => d.Source!.IsPublished || d.Version == version)];
        return candidates.Find(d => d.Version == version) ?? candidates.MaxBy(d => d.Version);
    }

    private static string Plain(string typeName) => string.Concat(typeName.Where(char.IsLetterOrDigit)).ToUpperInvariant();
}
