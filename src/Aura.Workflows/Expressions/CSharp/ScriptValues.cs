using System.Collections;
using System.Dynamic;
using System.Reflection;
using System.Runtime.CompilerServices;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Aura.Workflows.Expressions.CSharp;

/// <summary>
/// Takes values over the border of a script. Inside, an object is an <see cref="ExpandoObject"/>; outside, values are plain, so that nothing of
/// the script's own assembly outlives it.
/// </summary>
internal static class ScriptValues
{
    private const int MaxDepth = 64;

    /// <summary>Names stay as the script wrote them.</summary>
    private static readonly JsonSerializerOptions NamesKept = new(WorkflowJson.Options) { PropertyNamingPolicy = null };

    /// <summary>Copies of objects and lists; everything else as it is.</summary>
    public static object? Enter(object? value)
    {
        switch (value)
        {
            case IDictionary<string, object?> members:
                IDictionary<string, object?> copy = new ExpandoObject();
                foreach (var (name, member) in members)
                    copy[name] = Enter(member);
                return copy;
            case List<object?> items:
                return items.ConvertAll(Enter);
            default:
                return value;
        }
    }

    /// <summary>Whether a script that holds the value can change it.</summary>
    public static bool IsMutable(object? value) => value is IEnumerable and not string;

    /// <summary>Equal for values that look the same outside.</summary>
    public static string Fingerprint(object? value) => JsonSerializer.Serialize(Leave(value), WorkflowJson.Options);

    /// <summary>
    /// A result for a known type. What has that type already stays as it is, unless it could still be running or belongs to the script.
    /// </summary>
    public static object? Leave(object? value, Type target) =>
        value is not null and not IEnumerable && target != typeof(object) && target.IsInstanceOfType(value) && !value.GetType().IsCollectible
            ? value
            : Leave(value);

    /// <summary>A plain copy. Sequences are run to their end.</summary>
    /// <exception cref="InvalidOperationException">The value cannot leave.</exception>
    public static object? Leave(object? value) => Leave(value, 0);

    private static object? Leave(object? value, int depth)
    {
        if (depth > MaxDepth)
            throw new InvalidOperationException($"A value is nested deeper than {MaxDepth}: does it hold itself?");
        return value switch
        {
            null or string or JsonElement => value,
            byte[] bytes => bytes.Clone(),
            Enum name when name.GetType().IsCollectible => name.ToString(),
            Task => throw new InvalidOperationException("The value is a task: await it."),
            Delegate => throw new InvalidOperationException("The value is a function: call it."),
            JsonNode node => WorkflowJson.ToPlain(JsonSerializer.SerializeToElement(node)),
            IDictionary<string, object?> members => members.ToDictionary(m => m.Key, m => Leave(m.Value, depth + 1), StringComparer.Ordinal),
            IDictionary entries => entries.Cast<object>().Select(Entry)
                .ToDictionary(e => e.Key, e => Leave(e.Value, depth + 1), StringComparer.Ordinal),
            IEnumerable items => items.Cast<object?>().Select(i => Leave(i, depth + 1)).ToList(),
            ITuple tuple => Enumerable.Range(0, tuple.Length).Select(i => Leave(tuple[i], depth + 1)).ToList(),
            _ when value.GetType().IsCollectible => MembersOf(value)
                .ToDictionary(m => m.Name, m => Leave(m.Value, depth + 1), StringComparer.Ordinal),
            _ when IsScalar(value) => value,
            _ => FromJson(value),
        };
    }

    private static bool IsScalar(object value) => value.GetType().IsPrimitive
        || value is decimal or Enum or Guid or DateTime or DateTimeOffset or TimeSpan or DateOnly or TimeOnly or Uri;

    // The interface IDictionary enumerates its entries; the generic ones, which Cast sees, enumerate pairs.
    private static (string Key, object? Value) Entry(object entry) => entry is DictionaryEntry plain
        ? (Convert.ToString(plain.Key) ?? "", plain.Value)
        : (Convert.ToString(entry.GetType().GetProperty("Key")!.GetValue(entry)) ?? "", entry.GetType().GetProperty("Value")!.GetValue(entry));

    /// <summary>Read here and not by the JSON serialiser: that remembers every type it has seen, and the script could not be unloaded.</summary>
    private static IEnumerable<(string Name, object? Value)> MembersOf(object value)
    {
        var type = value.GetType();
        var properties = type.GetProperties(BindingFlags.Instance | BindingFlags.Public)
            .Where(p => p.GetIndexParameters().Length == 0 && p.GetMethod is { IsPublic: true })
            .Select(p => (p.Name, p.GetValue(value)));
        return properties.Concat(type.GetFields(BindingFlags.Instance | BindingFlags.Public).Select(f => (f.Name, f.GetValue(value))));
    }

    private static object? FromJson(object value)
    {
        try
        {
            return WorkflowJson.ToPlain(JsonSerializer.SerializeToElement(value, value.GetType(), NamesKept));
        }
        catch (Exception e) when (e is NotSupportedException or JsonException)
        {
            throw new InvalidOperationException($"A value of type {value.GetType().Name} cannot leave the script: {e.Message}", e);
        }
    }
}
