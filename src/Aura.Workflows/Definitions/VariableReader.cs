using System.Text.Json;
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
