using System.Text.Json;
using Aura.Workflows.Definitions;
using Aura.Workflows.Expressions.CSharp;
using Aura.Workflows.Expressions.JavaScript;

namespace Aura.Workflows.Expressions;

/// <summary>An input whose expression could not be evaluated. The inner exception holds the cause.</summary>
public sealed class InputEvaluationException(string inputName, Exception inner)
    : Exception($"Failed to evaluate activity input '{inputName}': {inner.Message}", inner);

/// <summary>Evaluates the expression types that definitions may hold: Literal, Object, Variable, Input, JavaScript.</summary>
internal static class ExpressionEvaluator
{
    /// <returns>The value converted to <paramref name="target"/>.</returns>
    /// <exception cref="NotSupportedException">This host has no such expression type. (Elsa yields null here, which hides the mistake.)</exception>
    public static object? Evaluate(Expression? expression, Type target, ActivityExecutionContext context)
    {
        if (expression is null)
            return null;
        var value = expression.Type switch
        {
            "Literal" => WorkflowJson.ToPlain(expression.Value),
            "Object" or "Json" => FromObject(expression.Value, target),
            "Variable" => FromVariable(expression.Value, context),
            "Input" => FromInput(expression.Value, context),
            CSharpEvaluator.ExpressionType => CSharpEvaluator.Evaluate(expression.Value, target, context),
            "JavaScript" => JavaScriptEvaluator.Evaluate(expression.Value, target, context),
            _ => throw new NotSupportedException(
                $"The expression type '{expression.Type}' is not available on this host. Available: Literal, Object, Variable, Input, JavaScript, CSharp."),
        };
        return ObjectConverter.ConvertTo(value, target);
    }

    /// <summary>The value of a Literal or Object expression, which no run can change.</summary>
    /// <exception cref="ValueConversionException">The value does not fit.</exception>
    /// <exception cref="JsonException">The text of an Object expression is not JSON.</exception>
    internal static object? Constant(Expression expression, Type target) => ObjectConverter.ConvertTo(
        expression.Type == "Literal" ? WorkflowJson.ToPlain(expression.Value) : FromObject(expression.Value, target), target);

    private static object? FromObject(JsonElement value, Type target)
    {
        if (value.ValueKind != JsonValueKind.String)
            return WorkflowJson.ToPlain(value);
        var text = value.GetString()!;
        if (target == typeof(string))
            return text;
        return string.IsNullOrWhiteSpace(text) ? null : WorkflowJson.ToPlain(JsonSerializer.Deserialize<JsonElement>(text));
    }

    private static object? FromVariable(JsonElement value, ActivityExecutionContext context)
    {
        var (id, name) = Reference(value);
        var slot = context.FindVariable(id, name)
            ?? throw new InvalidOperationException($"No variable '{name ?? id}' is in scope of activity '{context.Activity.Id}'.");
        return slot.Value;
    }

    private static object? FromInput(JsonElement value, ActivityExecutionContext context)
    {
        var (_, name) = Reference(value);
        return name is not null && context.WorkflowInput.TryGetValue(name, out var input) ? input : null;
    }

    private static NamedReference Reference(JsonElement value) =>
        NamedReference.Of(value) ?? throw new InvalidOperationException("The expression names no variable or input.");
}

/// <summary>The variable or input that an expression names.</summary>
internal readonly record struct NamedReference(string? Id, string? Name)
{
    /// <summary>Studio writes the whole variable, as an object or as a JSON text of it; a bare name is taken too.</summary>
    /// <returns>Null for any other form.</returns>
    public static NamedReference? Of(JsonElement value)
    {
        if (value.ValueKind == JsonValueKind.String)
        {
            var text = value.GetString()!;
            if (!text.AsSpan().TrimStart().StartsWith("{"))
                return new(text, text);
            try
            {
                value = JsonElement.Parse(text);
            }
            catch (JsonException)
            {
                return null;
            }
        }

        return value.ValueKind == JsonValueKind.Object ? new(value.Text("id"), value.Text("name")) : null;
    }
}
