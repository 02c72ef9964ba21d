using System.Collections.Frozen;
using System.Collections.ObjectModel;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Aura.Workflows.Expressions;

/// <summary>
/// The type names that definitions use, both ways: aliases (<c>Int32</c>), arrays (<c>String[]</c>), collections
/// (<c>List&lt;String&gt;</c>, <c>IDictionary&lt;String, Object&gt;</c>), nullables (<c>Int32?</c>) and the assembly-qualified names of
/// older files. A name never loads an assembly: what stands in no table is unknown.
/// </summary>
public static class TypeAliases
{
    // The first alias of a type is the one that is written.
    private static readonly (string Alias, Type Type)[] Known =
    [
        ("Object", typeof(object)),
        ("String", typeof(string)),
        ("Boolean", typeof(bool)),
        ("Byte", typeof(byte)),
        ("Char", typeof(char)),
        ("Int16", typeof(short)),
        ("Int32", typeof(int)),
        ("Int64", typeof(long)),
        ("Long", typeof(long)),
        ("Single", typeof(float)),
        ("Double", typeof(double)),
        ("Decimal", typeof(decimal)),
        ("ByteArray", typeof(byte[])),
        ("Guid", typeof(Guid)),
        ("DateTime", typeof(DateTime)),
        ("DateTimeOffset", typeof(DateTimeOffset)),
        ("DateOnly", typeof(DateOnly)),
        ("TimeOnly", typeof(TimeOnly)),
        ("TimeSpan", typeof(TimeSpan)),
        ("Uri", typeof(Uri)),
        ("Stream", typeof(Stream)),
        // Dynamic objects are plain dictionaries here.
        ("JSON", typeof(object)),
        ("ExpandoObject", typeof(object)),
        ("JsonElement", typeof(JsonElement)),
        ("JsonNode", typeof(JsonNode)),
        ("JsonObject", typeof(JsonObject)),
        ("JsonArray", typeof(JsonArray)),
        ("StringDictionary", typeof(IDictionary<string, string>)),
        ("StringMap", typeof(IDictionary<string, string>)),
        ("ObjectDictionary", typeof(IDictionary<string, object?>)),
        ("ObjectMap", typeof(IDictionary<string, object?>)),
        ("HttpHeaders", typeof(IDictionary<string, string[]>)),
        ("HttpRequest", typeof(object)),
        ("HttpResponse", typeof(object)),
        ("HttpResponseMessage", typeof(object)),
        ("RouteData", typeof(object)),
        ("IFormFile", typeof(object)),
        ("FormFile", typeof(object)),
        ("HttpFile", typeof(object)),
        ("Downloadable", typeof(object)),
    ];

    private static readonly FrozenDictionary<string, Type> Generic = new Dictionary<string, Type>(StringComparer.OrdinalIgnoreCase)
    {
        ["List"] = typeof(List<>),
        ["IList"] = typeof(IList<>),
        ["Collection"] = typeof(Collection<>),
        ["ICollection"] = typeof(ICollection<>),
        ["IEnumerable"] = typeof(IEnumerable<>),
        ["IReadOnlyList"] = typeof(IReadOnlyList<>),
        ["IReadOnlyCollection"] = typeof(IReadOnlyCollection<>),
        ["HashSet"] = typeof(HashSet<>),
        ["ISet"] = typeof(ISet<>),
        ["Dictionary"] = typeof(Dictionary<,>),
        ["IDictionary"] = typeof(IDictionary<,>),
        ["IReadOnlyDictionary"] = typeof(IReadOnlyDictionary<,>),
    }.ToFrozenDictionary(StringComparer.OrdinalIgnoreCase);

    private static readonly FrozenDictionary<string, Type> ByAlias = Known.ToFrozenDictionary(k => k.Alias, k => k.Type, StringComparer.OrdinalIgnoreCase);

    private static readonly FrozenDictionary<Type, string> ByType = Known.DistinctBy(k => k.Type).ToFrozenDictionary(k => k.Type, k => k.Alias);

    /// <summary>The type of an alias; <see cref="object"/> when the name is null, empty or unknown.</summary>
    public static Type TypeOf(string? alias) => TryTypeOf(alias, out var type) ? type : typeof(object);

    /// <returns>False when the name is unknown.</returns>
    public static bool TryTypeOf(string? alias, out Type type)
    {
        type = typeof(object);
        if (string.IsNullOrWhiteSpace(alias) || Resolve(alias.Trim()) is not { } found)
            return false;
        type = found;
        return true;
    }

    /// <summary>The alias that Studio shows; for types without one their plain name.</summary>
    public static string AliasOf(Type type)
    {
        ArgumentNullException.ThrowIfNull(type);
        if (ByType.TryGetValue(type, out var alias))
            return alias;
        if (Nullable.GetUnderlyingType(type) is { } value)
            return AliasOf(value) + "?";
        if (type.IsArray)
            return AliasOf(type.GetElementType()!) + "[]";
        if (!type.IsGenericType)
            return type.Name;
        var name = type.Name[..type.Name.IndexOf('`', StringComparison.Ordinal)];
        return $"{name}<{string.Join(", ", type.GetGenericArguments().Select(AliasOf))}>";
    }

    private static Type? Resolve(string name)
    {
        if (ByAlias.TryGetValue(name, out var type))
            return type;
        if (name.EndsWith('?'))
            return Resolve(name[..^1]) is { IsValueType: true } value ? typeof(Nullable<>).MakeGenericType(value) : Resolve(name[..^1]);
        if (name.EndsWith("[]", StringComparison.Ordinal))
            return Resolve(name[..^2])?.MakeArrayType();
        if (name.EndsWith('>') && name.IndexOf('<', StringComparison.Ordinal) is > 0 and var open)
            return Compose(name[..open], SplitTop(name[(open + 1)..^1]));
        return ResolveLegacy(name);
    }

    /// <summary>Reads <c>Namespace.Name`1[[Argument, Assembly]], Assembly, Version=…</c> by its plain name only.</summary>
    private static Type? ResolveLegacy(string name)
    {
        var full = SplitTop(name)[0];
        if (full.IndexOf('`', StringComparison.Ordinal) is > 0 and var tick && full.IndexOf('[', tick) is > 0 and var open && full.EndsWith(']'))
        {
            var arguments = SplitTop(full[(open + 1)..^1]).Select(a => a.StartsWith('[') && a.EndsWith(']') ? a[1..^1] : a);
            return Compose(full[..tick], [.. arguments]);
        }

        var plain = full[(full.LastIndexOfAny(['.', '+']) + 1)..];
        return plain == name ? null : Resolve(plain);
    }

    private static Type? Compose(string name, IReadOnlyList<string> arguments)
    {
        var plain = name[(name.LastIndexOf('.') + 1)..];
        var types = arguments.Select(Resolve).ToArray();
        if (types.Contains(null))
            return null;
        if (plain.Equals("Nullable", StringComparison.OrdinalIgnoreCase) && types is [{ IsValueType: true } value])
            return typeof(Nullable<>).MakeGenericType(value);
        return Generic.TryGetValue(plain, out var open) && open.GetGenericArguments().Length == types.Length && (types.Length == 1 || types[0] == typeof(string))
            ? open.MakeGenericType(types!)
            : null;
    }

    /// <summary>Splits at commas that stand in no brackets.</summary>
    private static List<string> SplitTop(string text)
    {
        var parts = new List<string>();
        var depth = 0;
        var start = 0;
        for (var i = 0; i < text.Length; i++)
        {
            depth += text[i] switch { '<' or '[' => 1, '>' or ']' => -1, _ => 0 };
            if (text[i] != ',' || depth != 0)
                continue;
            parts.Add(text[start..i].Trim());
            start = i + 1;
        }

        parts.Add(text[start..].Trim());
        return parts;
    }
}
