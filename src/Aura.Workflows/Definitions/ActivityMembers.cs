using System.Collections;
using System.Reflection;

namespace Aura.Workflows.Definitions;

/// <summary>A property that holds activities, directly or within small records such as the cases of a switch.</summary>
internal sealed record EmbeddedMember(PropertyInfo Property, EmbeddedShape Shape, ActivityMembers? Item);

internal enum EmbeddedShape
{
    /// <summary>One activity.</summary>
    Single,

    /// <summary>A list of activities.</summary>
    List,

    /// <summary>A list of records which hold activities.</summary>
    Records,
}

/// <summary>The public properties of an activity class (or of a record inside one), sorted by what JSON may hold for them.</summary>
internal sealed class ActivityMembers
{
    public ActivityMembers(Type type)
        : this(type, [])
    {
    }

    private ActivityMembers(Type type, IReadOnlyList<Type> within)
    {
        Type = type;
        var properties = type.GetProperties(BindingFlags.Instance | BindingFlags.Public)
            .Where(p => p.GetIndexParameters().Length == 0 && p.GetGetMethod() is not null
                && p.GetCustomAttribute<System.Text.Json.Serialization.JsonIgnoreAttribute>() is null)
            .ToList();
        Inputs = [.. properties.Where(p => typeof(Input).IsAssignableFrom(p.PropertyType))];
        Outputs = [.. properties.Where(p => typeof(Output).IsAssignableFrom(p.PropertyType))];
        Embedded = [.. properties.Select(p => Embed(p, [.. within, type])).OfType<EmbeddedMember>()];
        Plain = [.. properties.Where(p =>
            p.GetSetMethod() is not null && p.DeclaringType != typeof(Activity) && !typeof(Delegate).IsAssignableFrom(p.PropertyType)
            && !Inputs.Contains(p) && !Outputs.Contains(p) && !Embedded.Any(e => e.Property == p))];
    }

    public Type Type { get; }
    public IReadOnlyList<PropertyInfo> Inputs { get; }
    public IReadOnlyList<PropertyInfo> Outputs { get; }
    public IReadOnlyList<EmbeddedMember> Embedded { get; }
    public IReadOnlyList<PropertyInfo> Plain { get; }

    /// <summary>The activities that this object holds, in the order of its properties.</summary>
    public IEnumerable<IActivity> ChildrenOf(object holder)
    {
        foreach (var member in Embedded)
        {
            var value = member.Property.GetValue(holder);
            var children = member.Shape switch
            {
                EmbeddedShape.Single => value is IActivity child ? [child] : [],
                EmbeddedShape.List => (value as IEnumerable)?.OfType<IActivity>() ?? [],
                _ => (value as IEnumerable)?.Cast<object>().SelectMany(member.Item!.ChildrenOf) ?? [],
            };
            foreach (var child in children)
                yield return child;
        }
    }

    /// <summary>The name of the port that holds a child: its property, or the label of the record it stands in.</summary>
    public string? PortOf(object holder, IActivity child)
    {
        foreach (var member in Embedded)
        {
            var value = member.Property.GetValue(holder);
            if (member.Shape == EmbeddedShape.Records)
            {
                if ((value as IEnumerable)?.Cast<object>().FirstOrDefault(r => member.Item!.ChildrenOf(r).Contains(child)) is { } record)
                    return member.Item!.Type.GetProperty("Label")?.GetValue(record) as string ?? member.Item.PortOf(record, child);
            }
            else if (ReferenceEquals(value, child) || (value as IEnumerable)?.OfType<IActivity>().Contains(child) == true)
            {
                return member.Property.Name;
            }
        }

        return null;
    }

    private static EmbeddedMember? Embed(PropertyInfo property, IReadOnlyList<Type> within)
    {
        var type = property.PropertyType;
        if (typeof(IActivity).IsAssignableFrom(type))
            return new(property, EmbeddedShape.Single, null);
        if (type == typeof(string) || !type.IsGenericType || !typeof(IEnumerable).IsAssignableFrom(type) || type.GetGenericArguments() is not [var item])
            return null;
        if (typeof(IActivity).IsAssignableFrom(item))
            return new(property, EmbeddedShape.List, null);
        if (item.Assembly == typeof(string).Assembly || !item.IsClass || within.Contains(item) || item.GetConstructor([]) is null)
            return null;
        var members = new ActivityMembers(item, within);
        return members.Embedded.Count > 0 ? new(property, EmbeddedShape.Records, members) : null;
    }
}
