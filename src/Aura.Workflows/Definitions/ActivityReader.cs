using System.Collections;
using System.Reflection;
using System.Text.Json;
using Aura.Workflows.Activities;
using Aura.Workflows.Expressions;

namespace Aura.Workflows.Definitions;

/// <summary>What came out of reading one definition.</summary>
/// <param name="Paths">Where each activity of the definition's own document stands in it, for example <c>root.activities[2]</c>.</param>
/// <param name="References">The workflow versions that its own activities resolved to, by reference key.</param>
/// <param name="Unresolved">References to workflows of which none is published.</param>
/// <param name="Unloaded">Version ids that the reader needs and was not given; read again with them.</param>
/// <param name="HasUnknownTypes">True when an activity stands for a type that is not installed, here or in a used workflow.</param>
internal sealed record ReadDefinition(
    WorkflowGraph Graph, IReadOnlyDictionary<IActivity, string> Paths, IReadOnlyDictionary<string, WorkflowActivitySource> References,
    IReadOnlyList<WorkflowReference> Unresolved, IReadOnlySet<string> Unloaded, bool HasUnknownTypes, IReadOnlyList<string> Warnings);

/// <summary>
/// Builds a workflow's activities from a definition's JSON. A workflow that is used as an activity is read into its user's tree,
/// from the version that the user's reference resolves to.
/// </summary>
/// <param name="loaded">The definitions of used workflows, by version id.</param>
/// <param name="newest">Versions that are being published now: references to their definitions mean them.</param>
internal sealed class ActivityReader(
    ActivityRegistry registry, IReadOnlyDictionary<string, WorkflowDefinition>? loaded = null, IReadOnlyList<WorkflowDefinition>? newest = null)
{
    private readonly Dictionary<string, ActivityDescriptor> _newest =
        (newest ?? []).ToDictionary(d => d.DefinitionId, d => new ActivityDescriptor(WorkflowActivitySource.Of(d)), StringComparer.Ordinal);
    private readonly Dictionary<IActivity, string> _paths = new(ReferenceEqualityComparer.Instance);
    private readonly Dictionary<string, WorkflowActivitySource> _references = new(StringComparer.Ordinal);
    private readonly List<WorkflowReference> _unresolved = [];
    private readonly HashSet<string> _unloaded = new(StringComparer.Ordinal);
    private readonly List<string> _warnings = [];
    private readonly Stack<WorkflowDefinition> _within = new();
    private bool _hasUnknownTypes;

    /// <exception cref="InvalidDefinitionException">A member has a form that no activity of that type can have, or a workflow uses itself.</exception>
    public ReadDefinition Read(WorkflowDefinition definition)
    {
        _within.Push(definition);
        var workflow = new Workflow
        {
            Id = "Workflow1",
            Name = definition.Name,
            Root = ReadActivity(definition.Json.Member("root")!.Value, "root"),
            Variables = [.. VariablesOf(definition)],
        };
        _within.Pop();
        ActivityIds.Assign(workflow, registry);
        return new(new(definition, workflow, registry), _paths, _references, _unresolved, _unloaded, _hasUnknownTypes, _warnings);
    }

    private IEnumerable<Variable> VariablesOf(WorkflowDefinition definition) =>
        definition.Json.Member("variables").Items().Select(v => VariableReader.Read(v, _warnings));

    private IActivity ReadActivity(JsonElement json, string path)
    {
        var typeName = json.Text("type") ?? throw new InvalidDefinitionException($"{path} has no 'type'.");
        var reference = WorkflowReference.Of(json, typeName);
        var descriptor = PinnedOf(reference) ?? registry.Find(reference);
        if (descriptor?.Source is { } found && _newest.TryGetValue(found.DefinitionId, out var fresh))
            descriptor = fresh;
        if (descriptor is null)
        {
            _hasUnknownTypes = true;
            if (reference.VersionId is not null || reference.DefinitionId is not null)
                _unresolved.Add(reference);
            return WithIdentity(
                new NotFoundActivity { MissingTypeName = typeName, MissingTypeVersion = reference.Version, OriginalActivityJson = JsonSerializer.Serialize(json, WorkflowJson.Options) },
                json, typeName, path);
        }

        var activity = WithIdentity((IActivity)Activator.CreateInstance(descriptor.ClrType)!, json, typeName, path);
        // Whatever descriptor was found says which version runs.
        activity.Version = descriptor.Version;
        if (activity is WorkflowDefinitionActivity composite && descriptor.Source is { } source)
            ReadWorkflow(composite, descriptor, source, reference, path);
        foreach (var input in descriptor.Inputs.Where(i => i.IsWrapped))
        {
            if (json.Member(Camel(input.Name)) is { } value && ReadInput(value, $"{path}.{Camel(input.Name)}") is { } expression)
                input.Write(activity, expression);
        }

        foreach (var output in descriptor.Outputs)
            output.Create(activity).MemoryReferenceId = json.Member(Camel(output.Name))?.Member("memoryReference")?.Text("id");
        // The inside of a used workflow comes from that workflow, never from the user's file.
        if (descriptor.Source is null)
            ReadMembers(activity, descriptor.Members, json, path);
        return activity;
    }

    /// <summary>A published version keeps to the versions that it was published with.</summary>
    private ActivityDescriptor? PinnedOf(WorkflowReference reference) =>
        _within.Peek().References.TryGetValue(reference.Key, out var versionId) ? registry.FindWorkflowVersion(versionId) : null;

    private void ReadWorkflow(
        WorkflowDefinitionActivity composite, ActivityDescriptor descriptor, WorkflowActivitySource source, WorkflowReference reference, string path)
    {
        if (_within.FirstOrDefault(d => d.DefinitionId == source.DefinitionId) is not null)
        {
            var way = _within.Reverse().Select(d => d.Name ?? d.DefinitionId).Append(source.Name);
            throw new InvalidDefinitionException($"{path}: a workflow cannot use itself as an activity ({string.Join(" → ", way)}).");
        }

        if (_within.Count == 1)
            _references[reference.Key] = source;
        composite.Source = source;
        composite.Descriptor = descriptor;
        composite.WorkflowDefinitionId = source.DefinitionId;
        composite.WorkflowDefinitionVersionId = source.VersionId;
        if (loaded is null || !loaded.TryGetValue(source.VersionId, out var definition))
        {
            _unloaded.Add(source.VersionId);
            return;
        }

        _within.Push(definition);
        composite.Root = ReadActivity(definition.Json.Member("root")!.Value, $"{path}({source.TypeName})");
        ActivityIds.Assign(composite.Root, registry);
        composite.InnerVariables = [.. VariablesOf(definition)];
        _within.Pop();
    }

    private IActivity WithIdentity(IActivity activity, JsonElement json, string typeName, string path)
    {
        if (_within.Count == 1)
            _paths[activity] = path;
        activity.Id = json.Text("id") ?? "";
        activity.Name = json.Text("name");
        activity.Type = typeName;
        activity.Version = json.Number("version") ?? 1;
        if (json.Member("customProperties") is { ValueKind: JsonValueKind.Object } custom)
        {
            foreach (var property in custom.EnumerateObject())
                activity.CustomProperties.TryAdd(property.Name, property.Value);
        }

        // Older files keep these two flags beside the inputs.
        foreach (var flag in new[] { "canStartWorkflow", "runAsynchronously" })
        {
            if (json.Member(flag) is { } value)
                activity.CustomProperties.TryAdd(flag, value);
        }

        return activity;
    }

    /// <summary>Everything of an activity, or of a record inside one, that is neither input nor output.</summary>
    private void ReadMembers(object holder, ActivityMembers members, JsonElement json, string path)
    {
        foreach (var member in members.Embedded)
            ReadEmbedded(holder, member, json.Member(Camel(member.Property.Name)), $"{path}.{Camel(member.Property.Name)}");
        foreach (var property in members.Plain)
            ReadPlain(holder, property, json.Member(Camel(property.Name)), $"{path}.{Camel(property.Name)}");
    }

    private void ReadEmbedded(object holder, EmbeddedMember member, JsonElement? value, string path)
    {
        if (value is not { ValueKind: JsonValueKind.Object or JsonValueKind.Array } json)
            return;
        if (member.Shape == EmbeddedShape.Single)
        {
            if (json.ValueKind != JsonValueKind.Object)
                throw new InvalidDefinitionException($"{path} must be one activity, not a list.");
            member.Property.SetValue(holder, ReadActivity(json, path));
            return;
        }

        var type = member.Item?.Type ?? typeof(IActivity);
        var list = member.Property.GetValue(holder) is IList { IsFixedSize: false } existing
            ? existing
            : (IList)Activator.CreateInstance(typeof(List<>).MakeGenericType(type))!;
        var index = 0;
        foreach (var item in value.Items())
            list.Add(member.Item is null ? ReadActivity(item, $"{path}[{index++}]") : ReadRecord(member.Item, item, $"{path}[{index++}]"));
        if (member.Property.GetSetMethod() is not null)
            member.Property.SetValue(holder, list);
    }

    private object ReadRecord(ActivityMembers members, JsonElement json, string path)
    {
        var record = Activator.CreateInstance(members.Type)!;
        foreach (var property in members.Inputs)
        {
            if (json.Member(Camel(property.Name)) is { } value && ReadInput(value, $"{path}.{Camel(property.Name)}") is { } expression)
                property.SetValue(record, Activator.CreateInstance(property.PropertyType, expression));
        }

        ReadMembers(record, members, json, path);
        return record;
    }

    private void ReadPlain(object holder, PropertyInfo property, JsonElement? value, string path)
    {
        if (value is not { ValueKind: not (JsonValueKind.Null or JsonValueKind.Undefined) } json)
            return;
        try
        {
            property.SetValue(holder, PlainValue(property.PropertyType, json, path));
        }
        catch (Exception e) when (e is JsonException or NotSupportedException or ValueConversionException)
        {
            throw new InvalidDefinitionException($"{path} cannot be read as {TypeAliases.AliasOf(property.PropertyType)}: {e.Message}", e);
        }
    }

    private object? PlainValue(Type type, JsonElement json, string path)
    {
        if (type == typeof(ICollection<Variable>))
            return ((JsonElement?)json).Items().Select(v => VariableReader.Read(v, _warnings)).ToList();
        if (typeof(Variable).IsAssignableFrom(type))
            return json.ValueKind == JsonValueKind.Object ? VariableReader.Read(json, _warnings) : null;
        if (type == typeof(ICollection<Connection>))
            return ((JsonElement?)json).Items().Select(Connection.Read).OfType<Connection>().ToList();
        if (type == typeof(Expression))
            return ReadExpression(json, path);
        if (json.ValueKind is JsonValueKind.Object or JsonValueKind.Array)
            return (json.Member("$values") ?? json).Deserialize(type, WorkflowJson.Options);
        // Editors write numbers and flags as text.
        return ObjectConverter.ConvertTo(json, type);
    }

    /// <summary>
    /// An input object, or a primitive which stands for a literal. Null leaves the input unset, and so does an object without
    /// <c>typeName</c>: Elsa ignores those. Studio writes the member, but leaves it null when a person fills an input for the first time.
    /// </summary>
    private static Expression? ReadInput(JsonElement value, string path)
    {
        if (value.ValueKind is JsonValueKind.Null or JsonValueKind.Undefined)
            return null;
        if (value.ValueKind != JsonValueKind.Object)
            return new("Literal", value);
        return value.Member("typeName") is null || value.Member("expression") is not { ValueKind: JsonValueKind.Object } expression
            ? null
            : ReadExpression(expression, $"{path}.expression");
    }

    private static Expression? ReadExpression(JsonElement value, string path)
    {
        if (value.ValueKind != JsonValueKind.Object)
            return new("Literal", value);
        var type = value.Text("type") ?? throw new InvalidDefinitionException($"{path} has no 'type'.");
        return value.Member("value") is { ValueKind: not JsonValueKind.Null } content ? new(type, content) : null;
    }

    private static string Camel(string name) => JsonNamingPolicy.CamelCase.ConvertName(name);
}

/// <summary>
/// Ids for activities that have none: <c>{TypeName}{n}</c>, the same at every reading of the same document, whoever uses it.
/// </summary>
internal static class ActivityIds
{
    public static void Assign(IActivity root, ActivityRegistry registry)
    {
        var all = new List<IActivity>();
        Collect(root);
        var used = all.Select(a => a.Id).ToHashSet(StringComparer.Ordinal);
        var counters = new Dictionary<string, int>(StringComparer.Ordinal);
        foreach (var activity in all.Where(a => a.Id.Length == 0))
        {
            var name = activity is NotFoundActivity ? activity.Type[(activity.Type.LastIndexOf('.') + 1)..] : registry.Describe(activity).Name;
            do
            {
                counters[name] = counters.GetValueOrDefault(name) + 1;
                activity.Id = $"{name}{counters[name]}";
            }
            while (!used.Add(activity.Id));
        }

        void Collect(IActivity activity)
        {
            all.Add(activity);
            // What a used workflow holds has its ids from that workflow.
            if (activity is WorkflowDefinitionActivity)
                return;
            foreach (var child in registry.Describe(activity).ChildrenOf(activity))
                Collect(child);
        }
    }
}
