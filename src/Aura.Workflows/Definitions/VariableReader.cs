using System.Text.Json;
using System.Text.Json.Nodes;
using Aura.Workflows.Expressions;

namespace Aura.Workflows.Definitions;

/// <summary>Reads a declared variable. What cannot be kept of it becomes a warning, never a failure.</summary>
internal static class VariableReader
{
    public static Variable Read(JsonElement json, ICollection<string> warnings)
    {
        var name = json.Text("name") ?? json.Text("id") ?? "";
        var typeName = json.Text("typeName") ?? "Object";
        var isArray = json.Flag("isArray");
        // Elsa drops such a variable; every expression that names it would then fail for a reason that nobody sees.
        if (!TypeAliases.TryTypeOf(typeName, out var type))
            warnings.Add($"Variable '{name}' has the unknown type '{typeName}'; it is treated as Object.");
        if (isArray)
            type = type.MakeArrayType();
        else if (type.IsArray && type != typeof(byte[]))
            isArray = true;
        return new()
        {
            Id = json.Text("id") ?? name,
            Name = name,
            // Legacy names become aliases: the type must be found again after a resume on any host.
            TypeName = TypeAliases.AliasOf(isArray && type.IsArray ? type.GetElementType()! : type),
            IsArray = isArray,
            StorageDriverTypeName = json.Text("storageDriverTypeName"),
            Value = InitialValue(json.Member("value"), type, name, warnings),
        };
    }

    /// <summary>
    /// Declared variables with their values as text, which is the only form that Studio imports. What text would turn into something else
    /// (a number in a variable of any type) stays as it is.
    /// </summary>
    public static JsonNode? WithTextValues(JsonNode? variables)
    {
        var copy = variables?.DeepClone();
        foreach (var variable in (copy as JsonArray)?.OfType<JsonObject>() ?? [])
        {
            var value = variable["value"];
            var isObject = variable.TextOf("typeName") is null or "Object";
            if (value is JsonObject or JsonArray
                || (!isObject && value?.GetValueKind() is JsonValueKind.Number or JsonValueKind.True or JsonValueKind.False))
                variable["value"] = value!.ToJsonString();
        }

        return copy;
    }

    /// <summary>Studio stores initial values as text; for objects, lists and dictionaries the text is JSON.</summary>
    private static object? InitialValue(JsonElement? value, Type type, string name, ICollection<string> warnings)
    {
        if (value is not { ValueKind: not (JsonValueKind.Null or JsonValueKind.Undefined) } json)
            return null;
        if (json.ValueKind == JsonValueKind.String && type != typeof(string) && string.IsNullOrWhiteSpace(json.GetString()))
            return null;
        try
        {
            return type == typeof(object) ? Parsed(json) : ObjectConverter.ConvertTo(json, type);
        }
        catch (ValueConversionException e)
        {
            warnings.Add($"The default value of variable '{name}' was ignored: {e.Message}");
            return null;
        }
    }

    private static object? Parsed(JsonElement json)
    {
        if (json.ValueKind != JsonValueKind.String || json.GetString()!.AsSpan().TrimStart() is not ['{' or '[', ..])
            return WorkflowJson.ToPlain(json);
        try
        {
            return WorkflowJson.ToPlain(JsonSerializer.Deserialize<JsonElement>(json.GetString()!));
        }
        catch (JsonException)
        {
            return json.GetString();
        }
    }
}
