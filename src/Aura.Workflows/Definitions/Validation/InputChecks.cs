using System.Collections;
using System.Text.Json;
using Aura.Workflows.Activities;
using Aura.Workflows.Expressions;
using Aura.Workflows.Scheduling;

namespace Aura.Workflows.Definitions;

/// <summary>Inputs by themselves: those that are missing, and literals that do not fit.</summary>
internal static class InputChecks
{
    public static void Check(ActivityNode node, ValidationFindings findings)
    {
        var activity = node.Activity;
        foreach (var input in node.Descriptor.Inputs)
        {
            if (input.IsRequired && input.DefaultValue is null && IsMissing(input.Read(activity)))
            {
                findings.Error(ValidationCodes.RequiredInput, activity, "A value is required. Give one, or remove the activity.", input);
                continue;
            }

            if (input.Read(activity) is Input { Expression: { } expression } wrapped && LiteralOf(expression) is { } literal)
                CheckLiteral(activity, input, wrapped.Type, literal, findings);
        }
    }

    /// <summary>The value that an expression has whenever it is evaluated; null when only a run can tell.</summary>
    public static JsonElement? LiteralOf(Expression? expression) => expression?.Type is "Literal" or "Object" or "Json" ? expression.Value : null;

    /// <summary>The texts of a literal, a list or JSON text of a list; null when it is none.</summary>
    public static IReadOnlyList<string>? TextsOf(JsonElement literal)
    {
        try
        {
            return literal.ValueKind is JsonValueKind.Number or JsonValueKind.True or JsonValueKind.False
                ? [literal.GetRawText()]
                : ObjectConverter.ConvertTo<List<string>>(WorkflowJson.ToPlain(literal)) ?? [];
        }
        catch (Exception e) when (e is ValueConversionException or JsonException)
        {
            return null;
        }
    }

    /// <summary>The values of a dropdown, radio list or check list; null when the input offers none.</summary>
    public static IReadOnlyList<string>? OptionsOf(IReadOnlyDictionary<string, object>? specifications)
    {
        foreach (var (hint, list) in new[] { ("dropdown", "selectList"), ("radiolist", "radioList"), ("checklist", "checkList") })
        {
            if (specifications?.GetValueOrDefault(hint) is { } specification)
            {
                var json = specification as JsonElement? ?? JsonSerializer.SerializeToElement(specification, WorkflowJson.Options);
                return [.. (json.Member(list)?.Member("items")).Items().Select(i => i.Text("value")).OfType<string>()];
            }
        }

        return null;
    }

    /// <summary>A value that the editor would not have offered. The activity may know it all the same: a warning.</summary>
    public static void CheckOptions(IActivity activity, InputDescriptor input, IReadOnlyList<string> options, ValidationFindings findings)
    {
        // A list without anything in it says nothing of what is right.
        if (options.Count == 0 || input.Read(activity) is not Input { Expression: { } expression } || LiteralOf(expression) is not { } literal)
            return;
        foreach (var value in TextsOf(literal) ?? [])
        {
            if (value.Length > 0 && !options.Contains(value, StringComparer.OrdinalIgnoreCase))
            {
                findings.Warning(
                    ValidationCodes.UnknownOption, activity, $"'{value}' is not among the options {Listed(options)}. Choose one of them.", input);
            }
        }
    }

    private static bool IsMissing(object? value) => value switch
    {
        null => true,
        Input { Expression: null } => true,
        Input { Expression: { Type: "Literal", Value: { ValueKind: JsonValueKind.String } text } } => string.IsNullOrWhiteSpace(text.GetString()),
        Variable variable => variable.Id.Length == 0 && variable.Name.Length == 0,
        Input => false,
        string text => string.IsNullOrWhiteSpace(text),
        ICollection items => items.Count == 0,
        _ => false,
    };

    private static void CheckLiteral(IActivity activity, InputDescriptor input, Type type, JsonElement literal, ValidationFindings findings)
    {
        try
        {
            _ = ExpressionEvaluator.Constant(((Input)input.Read(activity)!).Expression!, type);
        }
        catch (Exception e) when (e is ValueConversionException or JsonException)
        {
            var value = input.IsSensitive ? "The value" : $"The value '{Short(literal)}'";
            findings.Error(
                ValidationCodes.InvalidValue, activity, $"{value} cannot be read as {TypeAliases.AliasOf(type)}. {Hint(type)}", input);
            return;
        }

        if (activity is Cron && input.Name == nameof(Cron.CronExpression))
            CheckCron(activity, input, literal, findings);
        else if (input.UIHandler is null && !(Nullable.GetUnderlyingType(type) ?? type).IsEnum && OptionsOf(input.UISpecifications) is { } options)
            CheckOptions(activity, input, options, findings);
    }

    private static void CheckCron(IActivity activity, InputDescriptor input, JsonElement literal, ValidationFindings findings)
    {
        try
        {
            _ = new CronSchedule(literal.ValueKind == JsonValueKind.String ? literal.GetString()! : literal.GetRawText());
        }
        catch (FormatException e)
        {
            findings.Error(ValidationCodes.InvalidCron, activity, e.Message, input);
        }
    }

    private static string Hint(Type declared)
    {
        var type = Nullable.GetUnderlyingType(declared) ?? declared;
        if (type.IsEnum)
            return $"Write one of {Listed(Enum.GetNames(type))}.";
        if (type == typeof(TimeSpan))
            return "Write a length of time as d.hh:mm:ss.";
        if (type == typeof(bool))
            return "Write true or false.";
        if (type == typeof(DateTimeOffset) || type == typeof(DateTime))
            return "Write a time as 2026-01-31T12:00:00Z.";
        return "Correct it, or choose another kind of expression.";
    }

    private static string Listed(IReadOnlyList<string> options) =>
        string.Join(", ", options.Take(8)) + (options.Count > 8 ? $" and {options.Count - 8} more" : "");

    private static string Short(JsonElement value)
    {
        var text = value.ValueKind == JsonValueKind.String ? value.GetString()! : value.GetRawText();
        return text.Length > 60 ? text[..60] + "…" : text;
    }
}
