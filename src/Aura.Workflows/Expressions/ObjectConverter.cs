using System.Collections;
using System.Collections.ObjectModel;
using System.ComponentModel;
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
            case string text when type != target && string.IsNullOrWhiteSpace(text):
                return null;
        }

        if (type.IsInstanceOfType(value))
            return value;
        try
        {
            return value is string s ? FromText(s, type) : FromValue(value, type);
        }
        catch (Exception e) when (e is FormatException or OverflowException or InvalidCastException or JsonException or NotSupportedException or ArgumentException)
        {
            throw new ValueConversionException($"A value of type {value.GetType().Name} cannot be converted to {type.Name}: {e.Message}", e);
        }
    }

    private static object? FromValue(object value, Type type) => value switch
    {
        DateTime date when type == typeof(DateOnly) => DateOnly.FromDateTime(date),
        DateTime date when type == typeof(DateTimeOffset) => new DateTimeOffset(date.Kind == DateTimeKind.Unspecified ? DateTime.SpecifyKind(date, DateTimeKind.Utc) : date),
        DateTimeOffset moment when type == typeof(DateTime) => moment.UtcDateTime,
        DateTimeOffset moment when type == typeof(DateOnly) => DateOnly.FromDateTime(moment.UtcDateTime),
        DateOnly day when type == typeof(DateTime) => day.ToDateTime(TimeOnly.MinValue),
        byte[] bytes when type == typeof(string) => Convert.ToBase64String(bytes),
        Enum name when type == typeof(string) => name.ToString(),
        IConvertible number when type.IsEnum => Enum.ToObject(type, Convert.ToInt64(number, CultureInfo.InvariantCulture)),
        IConvertible number when type.IsPrimitive || type == typeof(decimal) => Convert.ChangeType(number, type, CultureInfo.InvariantCulture),
        IConvertible scalar when type == typeof(string) => scalar is bool b ? (b ? "true" : "false") : scalar.ToString(CultureInfo.InvariantCulture),
        Guid or TimeSpan or DateTimeOffset or DateOnly or TimeOnly or Uri when type == typeof(string) =>
            JsonSerializer.SerializeToElement(value, value.GetType()).GetString(),
        IDictionary<string, object?> entries when ValueTypeOf(type) is { } member => ToDictionary(entries, member, type),
        not IDictionary when value is IEnumerable items && ElementTypeOf(type) is { } element => ToCollection(items.Cast<object?>(), element, type),
        _ when type == typeof(string) => JsonSerializer.Serialize(value, value.GetType(), WorkflowJson.Options),
        _ => JsonSerializer.SerializeToElement(value, value.GetType(), WorkflowJson.Options).Deserialize(type, WorkflowJson.Options),
    };

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
        if (type == typeof(DateTime))
            return DateTime.Parse(text, CultureInfo.InvariantCulture, DateTimeStyles.RoundtripKind);
        if (type == typeof(DateOnly))
            return DateOnly.FromDateTime(DateTime.Parse(text, CultureInfo.InvariantCulture, DateTimeStyles.RoundtripKind));
        if (type.IsPrimitive || type == typeof(decimal))
            return Convert.ChangeType(text, type, CultureInfo.InvariantCulture);
        if (type == typeof(byte[]))
            return Convert.FromBase64String(text);
        var trimmed = text.AsSpan().TrimStart();
        if (trimmed.StartsWith("{") || trimmed.StartsWith("["))
            return ConvertTo(JsonSerializer.Deserialize<JsonElement>(text), type);
        // A single text where a list is wanted is a list of one.
        if (ElementTypeOf(type) is { } element && type != typeof(string))
            return text.Length == 0 ? null : ToCollection([text], element, type);
        var converter = TypeDescriptor.GetConverter(type);
        return converter.CanConvertFrom(typeof(string))
            ? converter.ConvertFromInvariantString(text)
            : JsonSerializer.SerializeToElement(text).Deserialize(type, WorkflowJson.Options);
    }

    /// <summary>The element type of an array or of a collection that this class can build; null for all others.</summary>
    private static Type? ElementTypeOf(Type type)
    {
        if (type.IsArray)
            return type.GetElementType();
        if (!type.IsGenericType || type.GetGenericArguments() is not [var element])
            return null;
        var definition = type.GetGenericTypeDefinition();
        return definition == typeof(HashSet<>) || definition == typeof(ISet<>) || definition == typeof(Collection<>)
            || type.IsAssignableFrom(typeof(List<>).MakeGenericType(element))
            ? element
            : null;
    }

    private static Type? ValueTypeOf(Type type) =>
        type.IsGenericType && type.GetGenericArguments() is [var key, var value] && key == typeof(string)
        && type.IsAssignableFrom(typeof(Dictionary<,>).MakeGenericType(key, value))
            ? value
            : null;

    private static object ToCollection(IEnumerable<object?> items, Type element, Type type)
    {
        var list = (IList)Activator.CreateInstance(typeof(List<>).MakeGenericType(element))!;
        foreach (var item in items)
            list.Add(ConvertTo(item, element));
        if (type.IsInstanceOfType(list))
            return list;
        if (type.IsArray)
        {
            var array = Array.CreateInstance(element, list.Count);
            list.CopyTo(array, 0);
            return array;
        }

        return type.GetGenericTypeDefinition() == typeof(Collection<>)
            ? Activator.CreateInstance(type, list)!
            : Activator.CreateInstance(typeof(HashSet<>).MakeGenericType(element), list)!;
    }

    private static object ToDictionary(IDictionary<string, object?> entries, Type member, Type type)
    {
        var result = (IDictionary)Activator.CreateInstance(typeof(Dictionary<,>).MakeGenericType(typeof(string), member))!;
        foreach (var (key, value) in entries)
            result[key] = ConvertTo(value, member);
        return type.IsInstanceOfType(result) ? result : throw new InvalidCastException($"{type.Name} is no dictionary that can be built.");
    }
}
