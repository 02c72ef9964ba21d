using System.Text;
using Aura.Workflows.Activities;
using Aura.Workflows.Definitions;

namespace Aura.Workflows.Expressions.CSharp;

/// <summary>
/// Writes the declarations of <c>Variables</c> and <c>Inputs</c>: a typed property for every variable and input in scope whose name stands
/// in the script. Only those: then workflows that differ elsewhere share the compiled script.
/// </summary>
internal static class CSharpMembers
{
    /// <summary>What the classes have anyway; such a name is read with <c>Get</c>.</summary>
    private static readonly string[] Taken =
    [
        "Get", "Set", "Equals", "Finalize", "GetHashCode", "GetType", "MemberwiseClone", "ReferenceEquals", "ToString",
        "WorkflowVariables", "WorkflowInputs",
    ];

    public static string Declare(string source, ActivityExecutionContext context)
    {
        var text = new StringBuilder();
        DeclareClass(text, "WorkflowVariables", nameof(ScriptVariables), Mentioned(source, VariablesOf(context)), canSet: true);
        DeclareClass(text, "WorkflowInputs", nameof(ScriptInputs), Mentioned(source, InputsOf(context)), canSet: false);
        foreach (var name in new[] { "Variable", "Variables" })
            text.Append($"WorkflowVariables {name} => new WorkflowVariables(ExecutionContext);\n");
        foreach (var name in new[] { "Input", "Inputs" })
            text.Append($"WorkflowInputs {name} => new WorkflowInputs(ExecutionContext);\n");
        return text.ToString();
    }

    /// <summary>The nearest of each name.</summary>
    private static IEnumerable<(string Name, Type Type)> VariablesOf(ActivityExecutionContext context)
    {
        for (var scope = context; scope is not null; scope = scope.ParentActivityExecutionContext)
        {
            var declared = (scope.Activity as IVariableContainer)?.Variables ?? [];
            foreach (var slot in scope.Slots)
            {
                var variable = declared.FirstOrDefault(v => v.Name == slot.Name);
                yield return (slot.Name, variable is null ? TypeAliases.TypeOf(slot.TypeName) : TypeOf(variable));
            }
        }
    }

    private static IEnumerable<(string Name, Type Type)> InputsOf(ActivityExecutionContext context)
    {
        for (var scope = context; scope is not null; scope = scope.ParentActivityExecutionContext)
        {
            foreach (var input in (scope.Activity as WorkflowDefinitionActivity)?.Source?.Inputs ?? [])
                yield return (input.Name, input.Type);
        }

        foreach (var input in context.WorkflowExecutionContext.Graph.Definition.Inputs)
            yield return (input.Name, input.Type);
    }

    private static Type TypeOf(Variable variable)
    {
        var type = TypeAliases.TypeOf(variable.TypeName);
        return variable.IsArray ? type.MakeArrayType() : type;
    }

    private static IEnumerable<(string Name, Type Type)> Mentioned(string source, IEnumerable<(string Name, Type Type)> members) => members
        .Where(m => IsIdentifier(m.Name) && !Taken.Contains(m.Name) && source.Contains(m.Name, StringComparison.Ordinal))
        .DistinctBy(m => m.Name)
        .OrderBy(m => m.Name, StringComparer.Ordinal);

    private static bool IsIdentifier(string name) =>
        name.Length > 0 && (char.IsLetter(name[0]) || name[0] == '_') && name.All(c => char.IsLetterOrDigit(c) || c == '_');

    private static void DeclareClass(StringBuilder text, string name, string parent, IEnumerable<(string Name, Type Type)> members, bool canSet)
    {
        text.Append($"public sealed class {name} : {typeof(CSharpMembers).Namespace}.{parent} {{\n");
        text.Append($"public {name}({typeof(CSharpMembers).Namespace}.{nameof(CSharpExecutionContext)} context) : base(context) {{ }}\n");
        foreach (var (member, type) in members)
        {
            var setter = canSet ? $" set => Set(\"{member}\", value);" : "";
            text.Append($"public {NameOf(type)} @{member} {{ get => Get<{NameOf(type)}>(\"{member}\");{setter} }}\n");
        }

        text.Append("}\n");
    }

    private static string NameOf(Type type)
    {
        if (type == typeof(object))
            return "dynamic";
        if (type.IsArray)
            return NameOf(type.GetElementType()!) + "[]";
        if (!type.IsGenericType)
            return "global::" + type.FullName!.Replace('+', '.');
        var name = type.Name[..type.Name.IndexOf('`', StringComparison.Ordinal)];
        return $"global::{type.Namespace}.{name}<{string.Join(", ", type.GetGenericArguments().Select(NameOf))}>";
    }
}
