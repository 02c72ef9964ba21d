using System.Collections;
using System.Reflection;
using System.Text.Json;
using Aura.Workflows.Activities;
using Aura.Workflows.Expressions.CSharp;

namespace Aura.Workflows.Definitions;

/// <summary>Finds what would fail for certain when the workflow runs. Pure: what needs the database is checked by the store.</summary>
internal static class DefinitionValidator
{
    public static IEnumerable<DefinitionValidationError> Validate(ReadDefinition read, ExpressionTypes expressionTypes)
    {
        var declared = DeclaredNames(read);
        foreach (var activity in read.Paths.Keys)
        {
            foreach (var (name, expression) in ExpressionsOf(activity, read.Graph.NodeOf(activity).Descriptor))
            {
                if (expressionTypes.WhyOff(expression.Type) is { } reason)
                {
                    // Of an activity that is off as a whole it is said once.
                    if (activity is not RunCSharp)
                        yield return new(activity.Id, $"'{name}' uses the expression type '{expression.Type}'. {reason}");
                }
                else if (!expressionTypes.IsKnown(expression.Type))
                {
                    yield return new(activity.Id, $"'{name}' uses the expression type '{expression.Type}', which this host does not have. "
                        + $"Available: {string.Join(", ", expressionTypes.Descriptors.Select(d => d.Type))}.");
                }
                else if (expression.Type == "Variable" && NameOf(expression.Value) is { } variable && !declared.Overlaps(variable))
                {
                    yield return new(activity.Id, $"'{name}' names the variable '{variable[^1]}', which the workflow does not declare.");
                }
            }

            if (activity is SetVariable { Variable: { } target } && !declared.Contains(target.Id) && !declared.Contains(target.Name))
                yield return new(activity.Id, $"It sets the variable '{target.Name}', which the workflow does not declare.");
            if (activity is RunCSharp && expressionTypes.WhyOff(CSharpEvaluator.ExpressionType) is { } off)
                yield return new(activity.Id, off);
            if (activity is NotFoundActivity missing && read.Unresolved.FirstOrDefault(r => r.TypeName == missing.Type) is { } reference)
            {
                yield return new(
                    activity.Id, $"It uses the workflow '{reference.DefinitionId ?? reference.VersionId}', of which no version is published as an activity.");
            }

            if (activity is Flowchart chart)
            {
                foreach (var error in DanglingConnections(chart))
                    yield return error;
            }
        }
    }

    private static IEnumerable<DefinitionValidationError> DanglingConnections(Flowchart chart)
    {
        var ids = chart.Activities.Select(a => a.Id).ToHashSet(StringComparer.Ordinal);
        foreach (var connection in chart.Connections.Where(c => !ids.Contains(c.Source) || !ids.Contains(c.Target)))
        {
            var missing = ids.Contains(connection.Source) ? connection.Target : connection.Source;
            yield return new(chart.Id, $"The connection from '{connection.Source}' to '{connection.Target}' names '{missing}', which is not in the flowchart.");
        }
    }

    /// <summary>Ids and names of everything that a Variable expression can mean somewhere in the workflow. Scope is left to the run.</summary>
    private static HashSet<string> DeclaredNames(ReadDefinition read)
    {
        var definition = read.Graph.Definition;
        var names = new HashSet<string>(StringComparer.Ordinal) { "CurrentValue", "CurrentIndex" };
        names.UnionWith(definition.Inputs.Concat(definition.Outputs).Select(a => a.Name));
        var containers = read.Paths.Keys.Append(read.Graph.Root.Activity).OfType<IVariableContainer>();
        foreach (var variable in containers.SelectMany(c => c.Variables))
        {
            names.Add(variable.Id);
            names.Add(variable.Name);
        }

        return names;
    }

    private static IEnumerable<(string Name, Expression Expression)> ExpressionsOf(IActivity activity, ActivityDescriptor descriptor)
    {
        foreach (var input in descriptor.Inputs)
        {
            if (input.Read(activity) is Input { Expression: { } expression })
                yield return (input.DisplayName, expression);
        }

        // Expressions in lists of records, such as the conditions of a switch.
        var records = descriptor.Members.Embedded.Where(e => e.Shape == EmbeddedShape.Records).Select(e => e.Property);
        foreach (var property in records.Concat(descriptor.Members.Plain))
        {
            if (property.PropertyType == typeof(string) || property.GetValue(activity) is not IEnumerable items)
                continue;
            foreach (var item in items)
            {
                var members = item?.GetType().GetProperties(BindingFlags.Instance | BindingFlags.Public) ?? [];
                foreach (var member in members.Where(p => p.PropertyType == typeof(Expression)))
                {
                    if (member.GetValue(item) is Expression expression)
                        yield return (property.Name, expression);
                }
            }
        }
    }

    /// <summary>The id and the name, as far as given; null when the expression's form is not known.</summary>
    private static string[]? NameOf(JsonElement value)
    {
        if (value.ValueKind == JsonValueKind.String && value.GetString() is { } text)
        {
            if (!text.AsSpan().TrimStart().StartsWith("{"))
                return [text];
            try
            {
                value = JsonSerializer.Deserialize<JsonElement>(text);
            }
            catch (JsonException)
            {
                return null;
            }
        }

        string[] names = [.. new[] { value.Text("id"), value.Text("name") }.OfType<string>()];
        return names.Length == 0 ? null : names;
    }
}
