using System.Collections;
using System.Text;
using System.Text.Json;
using Aura.Workflows.Activities;
using Aura.Workflows.Definitions;

namespace Aura.Workflows.Expressions.JavaScript;

/// <summary>
/// What scripts of a workflow see, in TypeScript: the functions that all have, and those that its variables, inputs and outputs give them.
/// For editors only; nothing is checked by it.
/// </summary>
internal static class ScriptDeclarations
{
    private const string Common = """
        /** The id that all versions of this workflow share. */
        declare function getWorkflowDefinitionId(): string;
        /** The id of this version of the workflow. */
        declare function getWorkflowDefinitionVersionId(): string;
        declare function getWorkflowDefinitionVersion(): number;
        /** The id of this run. */
        declare function getWorkflowInstanceId(): string;
        declare function getCorrelationId(): string | null;
        declare function setCorrelationId(value: string | null): void;
        declare function getWorkflowInstanceName(): string | null;
        declare function setWorkflowInstanceName(value: string | null): void;
        /** The result of the activity that completed last. */
        declare function getLastResult(): any;
        declare function isNullOrWhiteSpace(value: string | null | undefined): boolean;
        declare function isNullOrEmpty(value: string | null | undefined): boolean;
        declare function toJson(value: any): string;
        declare function parseGuid(value: string): string;
        declare function newGuid(): string;
        declare function newGuidString(): string;
        declare function newShortGuid(): string;
        /** @deprecated Use newGuidString. */
        declare function getGuidString(): string;
        /** @deprecated Use newShortGuid. */
        declare function getShortGuid(): string;
        declare function bytesToString(bytes: number[]): string;
        declare function bytesFromString(text: string): number[];
        declare function bytesToBase64(bytes: number[]): string;
        declare function bytesFromBase64(text: string): number[];
        declare function stringToBase64(text: string): string;
        declare function stringFromBase64(text: string): string;
        /** The arguments of this expression, where its activity gives some. */
        declare const args: { [name: string]: any };

        """;

    private const string Outcomes = """
        /** The outcome that the activity completes with. */
        declare function setOutcome(name: string): void;
        /** The outcomes that the activity completes with. */
        declare function setOutcomes(...names: (string | string[])[]): void;

        """;

    /// <param name="read">Null when the document cannot be built: then without its containers and activities.</param>
    public static string Of(WorkflowDefinition definition, ReadDefinition? read, string? activityTypeName)
    {
        var text = new StringBuilder(Common);
        if (activityTypeName is null or "Elsa.RunJavaScript")
            text.Append(Outcomes);
        var seen = new HashSet<string>(JavaScriptGlobals.FunctionNames, StringComparer.Ordinal);
        Variables(text, seen, VariablesOf(read));
        Inputs(text, seen, definition.Inputs);
        Activities(text, seen, read);
        return text.ToString();
    }

    private static IReadOnlyList<Variable> VariablesOf(ReadDefinition? read)
    {
        if (read is null)
            return [];
        var containers = read.Paths.Keys.OfType<IVariableContainer>();
        var declared = containers.Prepend((Workflow)read.Graph.Root.Activity).SelectMany(c => c.Variables);
        var loops = read.Paths.Keys.OfType<LoopActivity>().Any()
            ? new[] { new Variable(LoopActivity.CurrentValueName), new Variable<int>(LoopActivity.CurrentIndexName) }
            : [];
        return [.. declared.Concat(loops).Where(v => v.Name.Length > 0).DistinctBy(v => v.Name)];
    }

    private static void Variables(StringBuilder text, HashSet<string> seen, IReadOnlyList<Variable> variables)
    {
        text.Append("/** The variables in scope: read them, or set them. */\ndeclare const variables: {\n");
        foreach (var variable in variables)
            text.Append("  ").Append(Member(variable.Name)).Append(": ").Append(TypeOf(variable)).Append(";\n");
        text.Append("  [name: string]: any;\n};\n");
        foreach (var variable in variables)
        {
            Function(text, seen, $"get{AccessorNames.Capital(variable.Name)}", "", TypeOf(variable));
            Function(text, seen, $"set{AccessorNames.Capital(variable.Name)}", $"value: {TypeOf(variable)}", "void");
            text.Append($"declare function getVariable(name: {Quoted(variable.Name)}): {TypeOf(variable)};\n");
            text.Append($"declare function setVariable(name: {Quoted(variable.Name)}, value: {TypeOf(variable)}): void;\n");
        }

        text.Append("declare function getVariable(name: string): any;\ndeclare function setVariable(name: string, value: any): void;\n");
    }

    private static void Inputs(StringBuilder text, HashSet<string> seen, IReadOnlyList<WorkflowArgument> inputs)
    {
        foreach (var input in inputs)
        {
            Comment(text, input.Description);
            text.Append($"declare function getInput(name: {Quoted(input.Name)}): {TypeOf(input.Type)};\n");
            Function(text, seen, $"get{AccessorNames.Capital(input.Name)}", "", TypeOf(input.Type));
        }

        text.Append("declare function getInput(name: string): any;\n");
    }

    private static void Activities(StringBuilder text, HashSet<string> seen, ReadDefinition? read)
    {
        foreach (var activity in read?.Paths.Keys.AsEnumerable() ?? [])
        {
            var node = read!.Graph.NodeOf(activity);
            var name = activity.Name is { Length: > 0 } given ? given : activity.Id;
            foreach (var output in node.Descriptor.Outputs)
            {
                Comment(text, output.Description);
                var type = TypeOf(output.Type);
                text.Append($"declare function getOutputFrom(activity: {Quoted(name)}, output: {Quoted(output.Name)}): {type};\n");
                Function(text, seen, $"get{output.Name}From{name}", "", type);
            }
        }

        text.Append("declare function getOutputFrom(activity: string, output?: string): any;\n");
    }

    /// <summary>Nothing for names that are no identifiers, and nothing twice: the first is the one that a script gets.</summary>
    private static void Function(StringBuilder text, HashSet<string> seen, string name, string parameters, string result)
    {
        if (IsIdentifier(name) && seen.Add(name))
            text.Append($"declare function {name}({parameters}): {result};\n");
    }

    private static void Comment(StringBuilder text, string? comment)
    {
        if (!string.IsNullOrWhiteSpace(comment))
            text.Append("/** ").Append(comment.ReplaceLineEndings(" ").Replace("*/", "* /", StringComparison.Ordinal)).Append(" */\n");
    }

    private static string TypeOf(Variable variable)
    {
        var type = TypeOf(TypeAliases.TypeOf(variable.TypeName));
        return variable.IsArray ? type + "[]" : type;
    }

    /// <summary>The form in which a script meets values of a type.</summary>
    private static string TypeOf(Type declared)
    {
        var type = Nullable.GetUnderlyingType(declared) ?? declared;
        if (type != declared)
            return TypeOf(type) + " | null";
        if (type == typeof(string) || type == typeof(char) || type == typeof(Guid) || type == typeof(Uri) || type == typeof(TimeSpan)
            || type == typeof(TimeOnly) || type == typeof(DateOnly))
            return "string";
        if (type.IsEnum)
            return string.Join(" | ", Enum.GetNames(type).Select(Quoted));
        if (type == typeof(bool))
            return "boolean";
        if (type == typeof(DateTime) || type == typeof(DateTimeOffset))
            return "Date";
        if (type.IsPrimitive || type == typeof(decimal))
            return "number";
        if (type == typeof(byte[]))
            return "number[]";
        if (type.IsArray)
            return ListOf(type.GetElementType()!);
        if (!type.IsGenericType || !typeof(IEnumerable).IsAssignableFrom(type))
            return "any";
        return type.GetGenericArguments() switch
        {
            [var item] => ListOf(item),
            [_, var value] => $"{{ [name: string]: {TypeOf(value)} }}",
            _ => "any",
        };
    }

    private static string ListOf(Type item) => TypeOf(item) is var type && type.Contains('|', StringComparison.Ordinal) ? $"({type})[]" : type + "[]";

    private static string Member(string name) => IsIdentifier(name) ? name : Quoted(name);

    private static string Quoted(string text) => JsonSerializer.Serialize(text);

    private static bool IsIdentifier(string name) =>
        name.Length > 0 && (char.IsLetter(name[0]) || name[0] is '_' or '$') && name.All(c => char.IsLetterOrDigit(c) || c is '_' or '$');
}
