using System.Text;
using System.Text.Json;
using Aura.Workflows.Expressions;

namespace Aura.Workflows.Definitions;

/// <summary>An input or output that a workflow declares.</summary>
public sealed record WorkflowArgument
{
    public required string Name { get; init; }

    /// <summary>The CLR type, arrays included.</summary>
    public required Type Type { get; init; }

    public string? DisplayName { get; init; }
    public string? Description { get; init; }
    public string? Category { get; init; }
    public string? UIHint { get; init; }
    public string? StorageDriverType { get; init; }

    internal static WorkflowArgument? Read(JsonElement json)
    {
        if (json.Text("name") is not { Length: > 0 } name)
            return null;
        var type = TypeAliases.TypeOf(json.Text("type") ?? json.Text("typeName"));
        return new()
        {
            Name = name,
            Type = json.Flag("isArray") ? type.MakeArrayType() : type,
            DisplayName = json.Text("displayName") is { Length: > 0 } display ? display : null,
            Description = json.Text("description"),
            Category = json.Text("category"),
            UIHint = json.Text("uiHint") is { Length: > 0 } hint ? hint : null,
            StorageDriverType = json.Text("storageDriverType"),
        };
    }
}

/// <summary>A workflow version that other workflows can use as an activity.</summary>
internal sealed record WorkflowActivitySource
{
    // Members that every activity object has; an input of such a name is written with "_" before it.
    private static readonly string[] Reserved =
    [
        "id", "nodeId", "name", "type", "version", "customProperties", "metadata", "root", "inputs", "outputs", "variables",
        "workflowDefinitionId", "workflowDefinitionVersionId", "latestAvailablePublishedVersion", "latestAvailablePublishedVersionId",
        "canStartWorkflow", "runAsynchronously", "source", "kind",
    ];

    public required string DefinitionId { get; init; }
    public required string VersionId { get; init; }
    public required int Version { get; init; }
    public required string Name { get; init; }
    public required string TypeName { get; init; }
    public string? Description { get; init; }
    public string? Category { get; init; }
    public bool IsPublished { get; init; }
    public IReadOnlyList<WorkflowArgument> Inputs { get; init; } = [];
    public IReadOnlyList<WorkflowArgument> Outputs { get; init; } = [];
    public IReadOnlyList<string> Outcomes { get; init; } = [];

    public static WorkflowActivitySource Of(WorkflowDefinition definition)
    {
        var name = definition.Name is { Length: > 0 } given ? given : definition.DefinitionId;
        return new()
        {
            DefinitionId = definition.DefinitionId,
            VersionId = definition.Id,
            Version = definition.Version,
            Name = name,
            TypeName = TypeNameOf(name),
            Description = definition.Description,
            Category = definition.Json.Member("options")?.Text("activityCategory") is { Length: > 0 } category ? category : null,
            IsPublished = definition.IsPublished,
            Inputs = definition.Inputs,
            Outputs = definition.Outputs,
            Outcomes = [.. definition.Json.Member("outcomes").Items()
                .Where(o => o.ValueKind == JsonValueKind.String)
                .Select(o => o.GetString()!)
                .Distinct(StringComparer.Ordinal)],
        };
    }

    /// <summary>PascalCase: blanks, underscores and hyphens go, the letter behind each becomes a capital.</summary>
    public static string TypeNameOf(string name)
    {
        var text = new StringBuilder(name.Length);
        var startsWord = true;
        foreach (var c in name)
        {
            if (c is ' ' or '_' or '-' or '\t')
            {
                startsWord = true;
                continue;
            }

            text.Append(startsWord ? char.ToUpperInvariant(c) : c);
            startsWord = false;
        }

        return text.ToString();
    }

    /// <summary>The name of the argument's member on the activity, in .NET spelling.</summary>
    public string MemberNameOf(WorkflowArgument argument)
    {
        // An output may have the name of an input; a JSON object has room for one of them.
        var isTaken = Reserved.Contains(argument.Name, StringComparer.OrdinalIgnoreCase)
            || (Outputs.Contains(argument) && Inputs.Any(i => i.Name.Equals(argument.Name, StringComparison.OrdinalIgnoreCase)));
        return isTaken ? "_" + argument.Name : argument.Name;
    }
}
