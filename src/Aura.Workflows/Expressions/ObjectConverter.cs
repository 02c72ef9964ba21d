using System.Collections;
using System.Globalization;
using System.Text.Json;

namespace Aura.Workflows.Expressions;

/// <summary>A value that does not fit the type it is asked for.</summary>
public sealed class ValueConversionException(string message, Exception? inner = null) : Exception(message, inner);

/// <summary>Converts values between plain JSON forms and CLR types. Strict: what does not fit throws, and says why.</summary>
public static class ObjectConverter
{
    public static T? ConvertTo<T>(object? value) => (T?)ConvertTo(value, typeof(T));

    /// <exception cref="ValueConversionException">The value does not fit <paramref name="target"/>.</exception>
    public static object? ConvertTo(object? value, Type target)
    {
        ArgumentNullException.ThrowIfNull(target);
        var type = Nullable.GetUnderlyingType(target) ?? target;
        switch (value)
        {
            case null:
                return target.IsValueType && type == target ? Activator.CreateInstance(target) : null;
            case JsonElement element when type != typeof(JsonElement):
                return ConvertTo(WorkflowJson.ToPlain(element), target);
        }

        if (type.IsInstanceOfType(value))
            return value;
        try
        {
            return value switch
            {
                string text => FromText(text, type),
                IConvertible number when type.IsPrimitive || type == typeof(decimal) => Convert.ChangeType(number, type, CultureInfo.InvariantCulture),
                IConvertible number when type.IsEnum => Enum.ToObject(type, Convert.ToInt64(number, CultureInfo.InvariantCulture)),
                IConvertible scalar when type == typeof(string) => scalar is bool b ? (b ? "true" : "false") : scalar.ToString(CultureInfo.InvariantCulture),
                _ when type == typeof(string) => JsonSerializer.Serialize(value, value.GetType(), WorkflowJson.Options),
                _ => JsonSerializer.SerializeToElement(value, value.GetType(), WorkflowJson.Options).Deserialize(type, WorkflowJson.Options),
            };
        }
        catch (Exception e) when (e is FormatException or OverflowException or InvalidCastException or JsonException or NotSupportedException or ArgumentException)
        {
            throw new ValueConversionException($"A value of type {value.GetType().Name} cannot be converted to {type.Name}: {e.Message}", e);
        }
    }

    private static object? FromText(string text, Type type)
    {
        if (type.IsEnum)
            return Enum.Parse(type, text, ignoreCase: true);
        if (type == typeof(bool))
            return bool.Parse(text);
        if (type == typeof(Guid))
            return Guid.Parse(text);
        if (type == typeof(TimeSpan))
            return TimeSpan.Parse(text, CultureInfo.InvariantCulture);
        if (type == typeof(DateTimeOffset))
            return DateTimeOffset.Parse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal);
        if (type.IsPrimitive || type == typeof(decimal))
            return Convert.ChangeType(text, type, CultureInfo.InvariantCulture);
        if (type == typeof(byte[]))
            return Convert.FromBase64String(text);
        var trimmed = text.AsSpan().TrimStart();
        if (trimmed.StartsWith("{") || trimmed.StartsWith("["))
            return JsonSerializer.Deserialize(text, type, WorkflowJson.Options);
        if (typeof(IEnumerable).IsAssignableFrom(type))
            return text.Length == 0 ? null : JsonSerializer.SerializeToElement(new[] { text }, WorkflowJson.Options).Deserialize(type, WorkflowJson.Options);
        return JsonSerializer.SerializeToElement(text).Deserialize(type, WorkflowJson.Options);
    }
}

/// <summary>The type names that definitions use, both ways. Unknown names mean <see cref="object"/>.</summary>
public static class TypeAliases
{
    private static readonly Dictionary<string, Type> Types = new(StringComparer.OrdinalIgnoreCase)
    {
        ["Object"] = typeof(object),
        ["String"] = typeof(string),
        ["Boolean"] = typeof(bool),
        ["Int16"] = typeof(short),
        ["Int32"] = typeof(int),
        ["Int64"] = typeof(long),
        ["Long"] = typeof(long),
        ["Single"] = typeof(float),
        ["Double"] = typeof(double),
        ["Decimal"] = typeof(decimal),
        ["Guid"] = typeof(Guid),
        ["DateTime"] = typeof(DateTime),
        ["DateTimeOffset"] = typeof(DateTimeOffset),
        ["TimeSpan"] = typeof(TimeSpan),
        ["JSON"] = typeof(object),
        ["ObjectDictionary"] = typeof(IDictionary<string, object?>),
        ["StringDictionary"] = typeof(IDictionary<string, string>),
    };

    public static Type TypeOf(string? alias) => alias is not null && Types.TryGetValue(alias, out var type) ? type : typeof(object);

    public static string AliasOf(Type type)
    {
        ArgumentNullException.ThrowIfNull(type);
        foreach (var (alias, candidate) in Types)
        {
            if (candidate == type)
                return alias;
        }

        return type.IsArray ? AliasOf(type.GetElementType()!) + "[]" : "Object";
    }
}
