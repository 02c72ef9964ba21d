using System.Collections;
using System.Reflection;
using System.Text.Json;
using Aura.Workflows.Activities;
using Aura.Workflows.Expressions;
using Aura.Workflows.Expressions.CSharp;
using Aura.Workflows.Expressions.JavaScript;

namespace Aura.Workflows.Definitions;

/// <summary>
/// What expressions name, and whether they parse. A name counts as known when it is declared anywhere in the workflow: scope is left to
/// the run.
/// </summary>
internal sealed class ExpressionChecks
{
    private readonly ValidationFindings _findings;
    private readonly ExpressionTypes _types;
    private readonly HashSet<string> _variableIds = new(StringComparer.Ordinal) { LoopActivity.CurrentValueName, LoopActivity.CurrentIndexName };
    private readonly HashSet<string> _variables;
    private readonly HashSet<string> _inputs;
    private readonly HashSet<string> _outputs;
    private readonly HashSet<string> _accessors;
    private readonly Dictionary<string, (ScriptNames? Names, ScriptSyntaxException? Error)> _scripts = new(StringComparer.Ordinal);

    /// <summary>True: a script computes the names of variables that it makes, so an undeclared one may be among them.</summary>
    private readonly bool _anyVariable;

    public ExpressionChecks(ReadDefinition read, IReadOnlyList<ActivityNode> nodes, ExpressionTypes types, ValidationFindings findings)
    {
        (_types, _findings) = (types, findings);
        var definition = read.Graph.Definition;
        _inputs = [.. definition.Inputs.Select(i => i.Name)];
        _outputs = [.. definition.Outputs.Select(o => o.Name)];
        _variables = [.. _variableIds, .. _inputs, .. _outputs];
        foreach (var variable in nodes.Select(n => n.Activity).Append(read.Graph.Root.Activity).OfType<IVariableContainer>().SelectMany(c => c.Variables))
        {
            _variableIds.Add(variable.Id);
            _variables.UnionWith([variable.Id, variable.Name]);
        }

        foreach (var bulk in nodes.Select(n => n.Activity).OfType<BulkDispatchWorkflows>())
            _variables.UnionWith(["ChildInstanceId", "ChildOutput", "ChildIncident", .. ItemNamesOf(bulk)]);
        foreach (var use in nodes.SelectMany(UsesOf))
        {
            if (SourceOf(use) is not { } source || ScriptOf(source).Names is not { } names)
                continue;
            _variables.UnionWith(names.Made);
            _anyVariable |= names.MakesAny;
        }

        _accessors = AccessorsOf(nodes);
    }

    public void Check(ActivityNode node)
    {
        foreach (var use in UsesOf(node))
            Check(use);
        foreach (var output in node.Descriptor.Outputs)
        {
            // Ids with a colon are made by Elsa for outputs that are bound to nothing.
            if (output.Read(node.Activity)?.MemoryReferenceId is { Length: > 0 } target && !target.Contains(':', StringComparison.Ordinal)
                && !_variableIds.Contains(target) && !_outputs.Contains(target))
            {
                _findings.Error(
                    ValidationCodes.UnknownVariable, node.Activity,
                    $"Its output '{output.DisplayName}' goes to '{target}', which is neither a variable nor an output of the workflow. "
                    + "Choose another target, or declare it.");
            }
        }

        if (node.Activity is SetVariable { Variable: { } variable } && !_variables.Contains(variable.Id) && !_variables.Contains(variable.Name))
            UnknownVariable(node.Activity, node.Descriptor.Inputs.First(i => i.Name == nameof(SetVariable.Variable)), variable.Name);
    }

    private void Check(Use use)
    {
        var (activity, input, expression) = (use.Activity, use.Input, use.Expression);
        if (_types.WhyOff(expression.Type) is { } reason)
        {
            // Of an activity that is off as a whole it is said once.
            if (activity is not RunCSharp)
                _findings.Error(ValidationCodes.ExpressionTypeOff, activity, $"{use.Where}uses the expression type '{expression.Type}'. {reason}", input);
        }
        else if (!_types.IsKnown(expression.Type))
        {
            _findings.Error(
                ValidationCodes.UnknownExpressionType, activity,
                $"{use.Where}uses the expression type '{expression.Type}', which this host does not have. "
                + $"Available: {string.Join(", ", _types.Descriptors.Select(d => d.Type))}.",
                input);
        }
        else if (expression.Type == "Variable" && NamesOf(expression.Value) is { } variable && !_variables.Overlaps(variable))
        {
            UnknownVariable(activity, input, variable[^1]);
        }
        else if (expression.Type == "Input" && NamesOf(expression.Value) is { } named && !_inputs.Contains(named[^1]))
        {
            _findings.Error(
                ValidationCodes.UnknownWorkflowInput, activity,
                $"{use.Where}names the workflow input '{named[^1]}', which the workflow does not declare. {Declared("inputs", _inputs)}",
                input);
        }
        else if (SourceOf(use) is { } script)
        {
            CheckScript(use, script);
        }
        else if (IsCSharp(use) && _types.IsKnown(CSharpEvaluator.ExpressionType)
            && CSharpCompiler.SyntaxErrorOf(TextOf(expression.Value)) is { } error)
        {
            _findings.Error(
                ValidationCodes.Syntax, activity, $"{use.Where}is no C#, line {error.Line}, column {error.Column}: {error.Message}", input);
        }
    }

    private void CheckScript(Use use, string source)
    {
        var (names, error) = ScriptOf(source);
        if (error is not null)
        {
            _findings.Error(
                ValidationCodes.Syntax, use.Activity,
                $"{use.Where}is no JavaScript, line {error.Line}, column {error.Column}: {Sentence(error)}.", use.Input);
            return;
        }

        if (_anyVariable || names is null)
            return;
        foreach (var variable in names.Variables.Where(v => !IsDeclared(v.Name)))
        {
            _findings.Warning(
                ValidationCodes.UnknownScriptVariable, use.Activity,
                $"{use.Where}uses variables.{variable.Name} (line {variable.Line}, column {variable.Column}), which the workflow does not declare: "
                + $"it is undefined there. {Declared("variables", _variables)}",
                use.Input);
        }

        foreach (var call in names.Calls.Where(c => IsAccessor(c.Name) && !_accessors.Contains(c.Name)))
        {
            _findings.Warning(
                ValidationCodes.UnknownScriptVariable, use.Activity,
                $"{use.Where}calls {call.Name} (line {call.Line}, column {call.Column}), but the workflow has neither a variable nor an input nor an "
                + $"output '{call.Name[3..]}'. Declare it, or correct the name.",
                use.Input);
        }
    }

    private void UnknownVariable(IActivity activity, InputDescriptor? input, string name) => _findings.Add(
        _anyVariable ? ValidationSeverity.Warning : ValidationSeverity.Error, ValidationCodes.UnknownVariable, activity,
        $"It names the variable '{name}', which the workflow does not declare. Declare it, or choose another.", input);

    private bool IsDeclared(string name) => _variables.Contains(name)
        || _variables.Any(v => AccessorNames.AreSimilar(v, name));

    private static bool IsAccessor(string name) => AccessorNames.MemberOf(name) is { } member && char.IsUpper(member[0]);

    /// <summary>The functions that a script of this workflow sees.</summary>
    private HashSet<string> AccessorsOf(IReadOnlyList<ActivityNode> nodes)
    {
        var found = new HashSet<string>([.. JavaScriptGlobals.FunctionNames, "setOutcome", "setOutcomes"], StringComparer.Ordinal);
        foreach (var name in _variables.Where(v => v.Length > 0))
            found.UnionWith([$"get{AccessorNames.Capital(name)}", $"set{AccessorNames.Capital(name)}"]);
        foreach (var node in nodes)
        {
            foreach (var output in node.Descriptor.Outputs)
                found.UnionWith([$"get{output.Name}From{node.Activity.Name}", $"get{output.Name}From{node.Activity.Id}"]);
        }

        return found;
    }

    private static IEnumerable<string> ItemNamesOf(BulkDispatchWorkflows bulk) =>
        [bulk.DefaultItemInputKey?.Expression is { Type: "Literal", Value.ValueKind: JsonValueKind.String } key ? key.Value.GetString()! : "Item"];

    private (ScriptNames? Names, ScriptSyntaxException? Error) ScriptOf(string source)
    {
        if (_scripts.TryGetValue(source, out var known))
            return known;
        try
        {
            known = (string.IsNullOrWhiteSpace(source) ? null : ScriptNames.Of(source), null);
        }
        catch (ScriptSyntaxException e)
        {
            known = (null, e);
        }

        return _scripts[source] = known;
    }

    /// <summary>The text of a JavaScript; null for all else. RunJavaScript's script may stand there as a literal.</summary>
    private static string? SourceOf(Use use) =>
        use.Expression.Type == "JavaScript" || (use is { Activity: RunJavaScript, Input.Name: nameof(RunJavaScript.Script), Expression.Type: "Literal" })
            ? TextOf(use.Expression.Value)
            : null;

    private static bool IsCSharp(Use use) => use.Expression.Type == CSharpEvaluator.ExpressionType
        || use is { Activity: RunCSharp, Input.Name: nameof(RunCSharp.Script), Expression.Type: "Literal" };

    private static string TextOf(JsonElement value) => value.ValueKind == JsonValueKind.String ? value.GetString()! : value.GetRawText();

    /// <summary>The message without the position at its end.</summary>
    private static string Sentence(ScriptSyntaxException error)
    {
        var suffix = $" ({error.Line}:{error.Column})";
        return error.Message.EndsWith(suffix, StringComparison.Ordinal) ? error.Message[..^suffix.Length] : error.Message;
    }

    private static string Declared(string what, IReadOnlyCollection<string> names) => names.Count == 0
        ? $"It declares no {what}."
        : $"Declare it, or choose one of: {string.Join(", ", names.Order(StringComparer.Ordinal).Take(10))}.";

    private static IEnumerable<Use> UsesOf(ActivityNode node)
    {
        var (activity, descriptor) = (node.Activity, node.Descriptor);
        foreach (var input in descriptor.Inputs)
        {
            if (input.Read(activity) is Input { Expression: { } expression })
                yield return new(activity, input, "It ", expression);
        }

        // Expressions in lists of records, such as the conditions of a switch.
        var records = descriptor.Members.Embedded.Where(e => e.Shape == EmbeddedShape.Records).Select(e => e.Property);
        foreach (var property in records.Concat(descriptor.Members.Plain))
        {
            if (property.PropertyType == typeof(string) || property.GetValue(activity) is not IEnumerable items)
                continue;
            var input = descriptor.Inputs.FirstOrDefault(i => i.Name == property.Name);
            foreach (var item in items)
            {
                var members = item?.GetType().GetProperties(BindingFlags.Instance | BindingFlags.Public) ?? [];
                var label = members.FirstOrDefault(m => m.Name == "Label")?.GetValue(item) as string;
                foreach (var member in members.Where(p => p.PropertyType == typeof(Expression)))
                {
                    if (member.GetValue(item) is Expression expression)
                        yield return new(activity, input, label is null ? "It " : $"The case '{label}' ", expression);
                }
            }
        }
    }

    /// <summary>The id and the name, as far as given; null when the expression's form is not known.</summary>
    private static string[]? NamesOf(JsonElement value) =>
        NamedReference.Of(value) is { } reference && new[] { reference.Id, reference.Name }.OfType<string>().ToArray() is { Length: > 0 } names
            ? names
            : null;

    /// <summary>One expression of an activity.</summary>
    /// <param name="Where">How a sentence about it begins.</param>
    private sealed record Use(IActivity Activity, InputDescriptor? Input, string Where, Expression Expression);
}
