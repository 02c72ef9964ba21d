using System.Collections;
using System.Reflection;
using System.Text.Json;
using Aura.Workflows.Activities;

namespace Aura.Workflows.Definitions;

/// <summary>Builds a workflow's activities from a definition's JSON.</summary>
internal sealed class ActivityReader(ActivityRegistry registry)
{
    /// <exception cref="InvalidDefinitionException">A member has a form that no activity of that type can have.</exception>
    public WorkflowGraph Read(WorkflowDefinition definition)
    {
        var workflow = new Workflow
        {
            Id = "Workflow1",
            Name = definition.Name,
            Root = ReadActivity(definition.Json.Member("root")!.Value, "root"),
            Variables = [.. definition.Json.Member("variables").Items().Select(ReadVariable)],
        };
        return new(definition, workflow, registry);
    }

    private IActivity ReadActivity(JsonElement json, string path)
    {
        var typeName = json.Text("type") ?? throw new InvalidDefinitionException($"{path} has no 'type'.");
        var descriptor = registry.Find(typeName);
        if (descriptor is null)
            return WithIdentity(new NotFoundActivity { MissingType = typeName }, json, typeName);

        var activity = WithIdentity((IActivity)Activator.CreateInstance(descriptor.ClrType)!, json, typeName);
        foreach (var input in descriptor.Inputs.Where(i => i.IsWrapped))
        {
            if (json.Member(Camel(input.Name)) is { } value && ReadExpression(value, $"{path}.{Camel(input.Name)}") is { } expression)
                input.Write(activity, expression);
        }

        foreach (var output in descriptor.Outputs)
            output.Create(activity).MemoryReferenceId = json.Member(Camel(output.Name))?.Member("memoryReference")?.Text("id");
        foreach (var port in descriptor.Ports)
            ReadPort(activity, port, json.Member(Camel(port.Name)), $"{path}.{Camel(port.Name)}");
        foreach (var property in descriptor.PlainProperties)
            ReadPlain(activity, property, json.Member(Camel(property.Name)), $"{path}.{Camel(property.Name)}");
        return activity;
    }

    private static IActivity WithIdentity(IActivity activity, JsonElement json, string typeName)
    {
        activity.Id = json.Text("id") ?? "";
        activity.Name = json.Text("name");
        activity.Type = typeName;
        activity.Version = json.Member("version") is { ValueKind: JsonValueKind.Number } version ? version.GetInt32() : 1;
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

    private void ReadPort(IActivity activity, PropertyInfo port, JsonElement? value, string path)
    {
        if (value is not { ValueKind: JsonValueKind.Object or JsonValueKind.Array })
            return;
        if (typeof(IActivity).IsAssignableFrom(port.PropertyType))
        {
            port.SetValue(activity, ReadActivity(value.Value, path));
            return;
        }

        var list = (IList)port.GetValue(activity)!;
        var index = 0;
        foreach (var item in value.Items())
            list.Add(ReadActivity(item, $"{path}[{index++}]"));
    }

    private static void ReadPlain(IActivity activity, PropertyInfo property, JsonElement? value, string path)
    {
        if (value is not { ValueKind: not (JsonValueKind.Null or JsonValueKind.Undefined) } json)
            return;
        try
        {
            if (property.PropertyType == typeof(ICollection<Variable>))
                property.SetValue(activity, value.Items().Select(ReadVariable).ToList());
            else if (property.PropertyType == typeof(Variable))
                property.SetValue(activity, ReadVariable(json));
            else if (property.PropertyType == typeof(ICollection<Connection>))
                property.SetValue(activity, value.Items().Select(Connection.Read).OfType<Connection>().ToList());
            else
                property.SetValue(activity, json.Deserialize(property.PropertyType, WorkflowJson.Options));
        }
        catch (Exception e) when (e is JsonException or NotSupportedException)
        {
            throw new InvalidDefinitionException($"{path} cannot be read as {property.PropertyType.Name}: {e.Message}", e);
        }
    }

    /// <summary>An input object, or a primitive which stands for a literal. Null leaves the input unset.</summary>
    private static Expression? ReadExpression(JsonElement value, string path)
    {
        if (value.ValueKind is JsonValueKind.Null or JsonValueKind.Undefined)
            return null;
        if (value.ValueKind != JsonValueKind.Object)
            return new("Literal", value);
        if (value.Member("expression") is not { ValueKind: JsonValueKind.Object } expression)
            return null;
        var type = expression.Text("type") ?? throw new InvalidDefinitionException($"{path}.expression has no 'type'.");
        return expression.Member("value") is { ValueKind: not JsonValueKind.Null } content ? new(type, content) : null;
    }

    private static Variable ReadVariable(JsonElement json)
    {
        var isArray = json.Member("isArray") is { ValueKind: JsonValueKind.True };
        var typeName = json.Text("typeName") ?? "Object";
        return new()
        {
            Id = json.Text("id") ?? json.Text("name") ?? "",
            Name = json.Text("name") ?? "",
            TypeName = typeName,
            IsArray = isArray,
            StorageDriverTypeName = json.Text("storageDriverTypeName"),
            Value = json.Member("value") is { } value ? InitialValue(value, isArray || typeName == "Object") : null,
        };
    }

    /// <summary>Studio stores initial values as text; for objects and arrays the text is JSON.</summary>
    private static object? InitialValue(JsonElement value, bool mayBeJson)
    {
        if (!mayBeJson || value.ValueKind != JsonValueKind.String || value.GetString() is not { Length: > 0 } text || text[0] is not ('{' or '['))
            return WorkflowJson.ToPlain(value);
        try
        {
            return WorkflowJson.ToPlain(JsonSerializer.Deserialize<JsonElement>(text));
        }
        catch (JsonException)
        {
            return text;
        }
    }

    private static string Camel(string name) => JsonNamingPolicy.CamelCase.ConvertName(name);
}
