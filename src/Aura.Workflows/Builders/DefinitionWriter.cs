using System.Collections;
using System.Reflection;
using System.Text.Json;
using System.Text.Json.Nodes;
using Aura.Workflows.Activities;
using Aura.Workflows.Definitions;
using Aura.Workflows.Expressions;

namespace Aura.Workflows;

/// <summary>
/// Writes a workflow that was built in code as an Elsa 3 definition. The same code gives the same text: it is published anew only when
/// it says something new.
/// </summary>
internal sealed class DefinitionWriter(ActivityRegistry registry)
{
    /// <param name="className">Names the workflow where the builder does not.</param>
    /// <exception cref="InvalidDefinitionException">The workflow has no root, or uses an activity twice.</exception>
    public WorkflowDefinition Write(WorkflowBuilder builder, string className)
    {
        var root = builder.Root ?? throw new InvalidDefinitionException($"Workflow '{className}' sets no Root.");
        ActivityIds.Assign(root, registry);
        var definitionId = builder.DefinitionId ?? className;
        var options = builder.WorkflowOptions;
        var document = new JsonObject
        {
            ["$schema"] = "https://elsaworkflows.io/schemas/workflow-definition/v3.0.0/schema.json",
            ["id"] = builder.Id,
            ["definitionId"] = definitionId,
            ["name"] = builder.Name ?? className,
            ["description"] = builder.Description,
            ["version"] = builder.Version,
            ["toolVersion"] = "3.8.0.0",
            ["variables"] = new JsonArray([.. builder.Variables.Select(WriteVariable)]),
            ["inputs"] = new JsonArray([.. builder.Inputs.Select(i => WriteArgument(i, i.UIHint ?? UIHints.Of(i.Type), i.StorageDriverType))]),
            ["outputs"] = new JsonArray([.. builder.Outputs.Select(o => WriteArgument(o, null, null))]),
            ["outcomes"] = new JsonArray([.. builder.Outcomes.Select(o => (JsonNode)o)]),
            ["customProperties"] = JsonSerializer.SerializeToNode(builder.CustomProperties, WorkflowJson.Options),
            ["isReadonly"] = builder.IsReadonly,
            ["isSystem"] = builder.IsSystem,
            ["isLatest"] = true,
            ["isPublished"] = true,
            ["options"] = new JsonObject
            {
                ["activationStrategyType"] = options.ActivationStrategyType?.Name,
                ["usableAsActivity"] = options.UsableAsActivity ?? false,
                ["autoUpdateConsumingWorkflows"] = options.AutoUpdateConsumingWorkflows,
                ["activityCategory"] = options.ActivityCategory,
                ["incidentStrategyType"] = options.IncidentStrategyType?.Name,
                ["commitStrategyName"] = options.CommitStrategyName,
            },
            ["root"] = WriteActivity(root, "Workflow1"),
        };
        if (builder.TenantId is not null)
            document["tenantId"] = builder.TenantId;
        return WorkflowDefinition.Parse(document.ToJsonString(WorkflowJson.Options), className);
    }

    private JsonObject WriteActivity(IActivity activity, string parent)
    {
        // A file has no word for a chart's start but this flag. On a trigger it would also start the workflow from outside.
        if (activity is Flowchart { Start: Activity start and not ITrigger })
            start.CanStartWorkflow = true;
        var descriptor = registry.Describe(activity);
        if (registry.Find(descriptor.TypeName, descriptor.Version)?.ClrType != descriptor.ClrType)
            throw new InvalidDefinitionException($"The activity class {descriptor.ClrType} is not registered: a host that reads the workflow could not build it.");
        var nodeId = $"{parent}:{activity.Id}";
        var json = new JsonObject
        {
            ["id"] = activity.Id,
            ["nodeId"] = nodeId,
            ["name"] = activity.Name ?? activity.Id,
            ["type"] = descriptor.TypeName,
            ["version"] = descriptor.Version,
            ["customProperties"] = JsonSerializer.SerializeToNode(activity.CustomProperties, WorkflowJson.Options),
            ["metadata"] = new JsonObject(),
        };
        foreach (var input in descriptor.Inputs.Where(i => i.IsWrapped))
        {
            if ((input.Read(activity) as Input)?.Expression is { } expression)
                json[Camel(input.Name)] = new JsonObject { ["typeName"] = input.TypeName, ["expression"] = WriteExpression(expression) };
        }

        foreach (var output in descriptor.Outputs)
        {
            if (output.Read(activity)?.MemoryReferenceId is { Length: > 0 } target)
                json[Camel(output.Name)] = new JsonObject { ["typeName"] = output.TypeName, ["memoryReference"] = new JsonObject { ["id"] = target } };
        }

        WriteMembers(json, activity, descriptor.Members, nodeId);
        return json;
    }

    private void WriteMembers(JsonObject json, object holder, ActivityMembers members, string nodeId)
    {
        foreach (var property in members.Plain)
            json[Camel(property.Name)] = WritePlain(property, property.GetValue(holder));
        foreach (var member in members.Embedded)
        {
            json[Camel(member.Property.Name)] = (member.Shape, member.Property.GetValue(holder)) switch
            {
                (_, null) => null,
                (EmbeddedShape.Single, IActivity child) => WriteActivity(child, nodeId),
                (EmbeddedShape.List, IEnumerable children) => new JsonArray([.. children.OfType<IActivity>().Select(c => WriteActivity(c, nodeId))]),
                (_, var records) => new JsonArray([.. ((IEnumerable)records).Cast<object>().Select(r => WriteRecord(r, member.Item!, nodeId))]),
            };
        }
    }

    private JsonObject WriteRecord(object record, ActivityMembers members, string nodeId)
    {
        var json = new JsonObject();
        foreach (var property in members.Inputs)
        {
            if ((property.GetValue(record) as Input) is { Expression: { } expression } input)
                json[Camel(property.Name)] = new JsonObject { ["typeName"] = TypeAliases.AliasOf(input.Type), ["expression"] = WriteExpression(expression) };
        }

        WriteMembers(json, record, members, nodeId);
        return json;
    }

    private static JsonNode? WritePlain(PropertyInfo property, object? value) => value switch
    {
        null => null,
        IEnumerable<Variable> variables => new JsonArray([.. variables.Select(WriteVariable)]),
        Variable variable => WriteVariable(variable),
        IEnumerable<Connection> connections => new JsonArray([.. connections.Select(WriteConnection)]),
        Expression expression => WriteExpression(expression),
        _ => JsonSerializer.SerializeToNode(value, property.PropertyType, WorkflowJson.Options),
    };

    private static JsonObject WriteConnection(Connection connection) => new()
    {
        ["source"] = new JsonObject { ["activity"] = connection.Source, ["port"] = connection.Port },
        ["target"] = new JsonObject { ["activity"] = connection.Target, ["port"] = "In" },
        ["vertices"] = new JsonArray(),
    };

    private static JsonObject WriteExpression(Expression expression) => new()
    {
        ["type"] = expression.Type,
        ["value"] = JsonSerializer.SerializeToNode(expression.Value),
    };

    /// <summary>As Studio stores it: the initial value as text, for lists and objects the text of their JSON.</summary>
    private static JsonObject WriteVariable(Variable variable) => new()
    {
        ["id"] = variable.Id,
        ["name"] = variable.Name,
        ["typeName"] = variable.TypeName,
        ["isArray"] = variable.IsArray,
        ["value"] = variable.Value is null ? null : (string?)ObjectConverter.ConvertTo(variable.Value, typeof(string)),
        ["storageDriverTypeName"] = variable.StorageDriverTypeName ?? StorageDrivers.WorkflowInstance,
    };

    private static JsonObject WriteArgument(ArgumentDefinition argument, string? uiHint, string? storageDriverType)
    {
        var json = new JsonObject
        {
            ["type"] = TypeAliases.AliasOf(argument.Type),
            ["isArray"] = argument.IsArray,
            ["name"] = argument.Name,
            ["displayName"] = argument.DisplayName ?? argument.Name,
            ["description"] = argument.Description ?? "",
            ["category"] = argument.Category ?? "Primitives",
        };
        if (uiHint is null)
            return json;
        json["uiHint"] = uiHint;
        json["storageDriverType"] = storageDriverType;
        return json;
    }

    private static string Camel(string name) => JsonNamingPolicy.CamelCase.ConvertName(name);
}
