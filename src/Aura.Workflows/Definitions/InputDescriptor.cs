using System.Collections;
using System.ComponentModel.DataAnnotations;
using System.Net;
using System.Reflection;
using System.Text.Json;
using System.Text.Json.Serialization;
using Aura.Workflows.Expressions;

namespace Aura.Workflows.Definitions;

/// <summary>One input of an activity type. Its JSON form is what Studio reads.</summary>
public sealed class InputDescriptor
{
    private readonly Func<IActivity, object?> _read;
    private readonly Action<IActivity, Input> _write;
    private readonly PropertyInfo? _property;

    /// <param name="place">Its place among the activity's inputs, from 0.</param>
    internal InputDescriptor(PropertyInfo property, int place)
    {
        _property = property;
        _read = property.GetValue;
        _write = property.SetValue;
        var attribute = property.GetCustomAttribute<InputAttribute>() ?? new InputAttribute();
        Name = property.Name;
        IsWrapped = typeof(Input).IsAssignableFrom(property.PropertyType);
        Type = IsWrapped ? property.PropertyType.GetGenericArguments()[0] : property.PropertyType;
        DisplayName = attribute.DisplayName ?? DisplayNames.Of(property.Name);
        Description = attribute.Description ?? "";
        Category = attribute.Category;
        DefaultValue = attribute.DefaultValue;
        Order = place;
        AutoEvaluate = attribute.AutoEvaluate;
        IsBrowsable = attribute.IsBrowsable;
        IsReadOnly = attribute.IsReadOnly;
        IsSerializable = attribute.IsSerializable;
        IsSensitive = attribute.IsSensitive;
        UIHint = attribute.UIHint ?? UIHints.Of(Type);
        DefaultSyntax = attribute.DefaultSyntax ?? UIHints.SyntaxOf(UIHint);
        SupportedSyntaxes = attribute.SupportedSyntaxes;
        UIHandler = attribute.UIHandler;
        UISpecifications = UIHandler is null ? UIHints.SpecificationsOf(UIHint, Type, attribute.Options) : UIHints.AskedFor(UIHint);
        IsRequired = property.IsDefined(typeof(RequiredAttribute));
    }

    /// <summary>An input of a workflow that is used as an activity.</summary>
    internal InputDescriptor(WorkflowArgument argument, string memberName, int place)
    {
        Order = place;
        _read = activity => ((Activities.WorkflowDefinitionActivity)activity).Inputs.GetValueOrDefault(memberName);
        _write = (activity, input) => ((Activities.WorkflowDefinitionActivity)activity).Inputs[memberName] = input;
        Name = memberName;
        IsWrapped = true;
        IsSynthetic = true;
        Type = argument.Type;
        DisplayName = argument.DisplayName ?? argument.Name;
        Description = argument.Description ?? "";
        Category = argument.Category;
        UIHint = argument.UIHint ?? UIHints.Of(Type);
        DefaultSyntax = UIHints.SyntaxOf(UIHint);
        UISpecifications = UIHints.SpecificationsOf(UIHint, Type, null);
        StorageDriverType = argument.StorageDriverType;
        AutoEvaluate = true;
        IsBrowsable = true;
        IsSerializable = true;
    }

    /// <summary>The .NET property's name; in JSON its camelCase form.</summary>
    public string Name { get; }

    [JsonIgnore]
    public Type Type { get; }

    /// <summary>The type's alias.</summary>
    public string TypeName => TypeAliases.AliasOf(Type);

    public string DisplayName { get; }
    public string Description { get; }

    /// <summary>The place among the activity's inputs, from 0; each has its own.</summary>
    public float Order { get; }

    public bool IsBrowsable { get; }
    public bool IsSerializable { get; }

    /// <summary>True: there is no .NET property; the activity is another workflow.</summary>
    public bool IsSynthetic { get; }

    /// <summary>True: an expression in JSON; false: a plain value.</summary>
    public bool IsWrapped { get; }

    [JsonPropertyName("uiHint")]
    public string UIHint { get; }

    public string? Category { get; }

    /// <summary>True: the activity cannot run without it (<see cref="RequiredAttribute"/> on the property). Publishing says so.</summary>
    public bool IsRequired { get; }

    public object? DefaultValue { get; }
    public string DefaultSyntax { get; }
    public IReadOnlyList<string>? SupportedSyntaxes { get; }
    public bool IsReadOnly { get; }
    public bool IsSensitive { get; }
    public string? StorageDriverType { get; }
    public bool AutoEvaluate { get; }

    [JsonPropertyName("uiSpecifications")]
    public IReadOnlyDictionary<string, object>? UISpecifications { get; }

    [JsonIgnore]
    public Type? UIHandler { get; }

    /// <summary>The specification for the activity's current values; the fixed one when the input has no <see cref="IPropertyUIHandler"/>.</summary>
    /// <param name="services">Makes the handler; its constructor may take services.</param>
    /// <param name="context">The current values by camelCase input name.</param>
    public async ValueTask<IReadOnlyDictionary<string, object>?> GetUISpecificationsAsync(
        IServiceProvider services, object? context, CancellationToken cancellationToken = default)
    {
        if (UIHandler is null || _property is null)
            return UISpecifications;
        var handler = (IPropertyUIHandler)Microsoft.Extensions.DependencyInjection.ActivatorUtilities.GetServiceOrCreateInstance(services, UIHandler);
        // A handler that does not say so is asked again all the same: that is what it is there for.
        return new Dictionary<string, object>(await handler.GetUIPropertiesAsync(_property, context, cancellationToken), StringComparer.Ordinal)
        {
            ["Refresh"] = true,
        };
    }

    internal object? Read(IActivity activity) => _read(activity);

    internal void Write(IActivity activity, Expression expression)
    {
        var input = (Input)Activator.CreateInstance(typeof(Input<>).MakeGenericType(Type), expression)!;
        input.Name = Name;
        _write(activity, input);
    }
}

/// <summary>Which editor fits a type, and what it offers.</summary>
internal static class UIHints
{
    public static string Of(Type declared)
    {
        var type = Nullable.GetUnderlyingType(declared) ?? declared;
        if (type == typeof(bool))
            return InputUIHints.Checkbox;
        if (type.IsEnum)
            return InputUIHints.DropDown;
        if (typeof(Variable).IsAssignableFrom(type))
            return InputUIHints.VariablePicker;
        if (type == typeof(Type))
            return InputUIHints.TypePicker;
        if (type == typeof(DateTime) || type == typeof(DateTimeOffset))
            return InputUIHints.DateTimePicker;
        if (type == typeof(string) || type == typeof(byte[]) || !typeof(IEnumerable).IsAssignableFrom(type) || type.Namespace == "System.Text.Json.Nodes")
            return InputUIHints.SingleLine;
        return type.IsGenericType && type.GetGenericArguments().Length == 2 ? InputUIHints.Dictionary : InputUIHints.MultiText;
    }

    /// <summary>Editors of lists write JSON text of syntax Object, all others a literal.</summary>
    public static string SyntaxOf(string hint) => hint is InputUIHints.CheckList or InputUIHints.MultiText or InputUIHints.Dictionary
        or InputUIHints.DynamicOutcomes or InputUIHints.HttpStatusCodes
        ? "Object"
        : "Literal";

    public static IReadOnlyDictionary<string, object>? SpecificationsOf(string hint, Type declared, object? options)
    {
        var type = Nullable.GetUnderlyingType(declared) ?? declared;
        var items = options switch
        {
            IEnumerable<string> texts => texts.Select(t => new SelectListItem(t, t)).ToList(),
            // Numbers are what people know of these; some have several names.
            null when type == typeof(HttpStatusCode) => [.. Enum.GetValues<HttpStatusCode>().Distinct()
                .Select(c => new SelectListItem($"{(int)c} {DisplayNames.Of(c.ToString())}", c.ToString()))],
            null when type.IsEnum => [.. Enum.GetNames(type).Select(n => new SelectListItem(DisplayNames.Of(n), n))],
            _ => null,
        };
        if (items is null)
            return options is null ? null : Hint(hint, options is string json ? JsonSerializer.Deserialize<JsonElement>(json) : options);
        return hint switch
        {
            InputUIHints.DropDown or InputUIHints.RadioList or InputUIHints.CheckList =>
                Choices(hint, items, refresh: false, type.IsDefined(typeof(FlagsAttribute), inherit: false)),
            InputUIHints.DynamicOutcomes => Hint("DynamicOutcomesOptions", new { fixedOutcomes = items.Select(i => i.Value) }),
            _ => Hint(hint, items.Select(i => i.Value)),
        };
    }

    /// <summary>Nothing to choose from yet: the editor asks for what there is when the activity is selected.</summary>
    public static IReadOnlyDictionary<string, object> AskedFor(string hint) => Choices(hint, [], refresh: true);

    /// <summary>What a dropdown, radio list or check list offers.</summary>
    /// <param name="refresh">The editor asks again each time that the activity is selected.</param>
    public static Dictionary<string, object> Choices(string hint, IEnumerable<SelectListItem> items, bool refresh, bool isFlagsEnum = false)
    {
        var specifications = Hint(hint, hint switch
        {
            InputUIHints.RadioList => new { radioList = new { items, isFlagsEnum } },
            InputUIHints.CheckList => new { checkList = new { items = items.Select(i => new { i.Text, i.Value, isChecked = false }), isFlagsEnum } },
            _ => (object)new { selectList = new { items, isFlagsEnum, sortItems = false } },
        });
        if (refresh)
            specifications["Refresh"] = true;
        return specifications;
    }

    /// <summary>Kept as JSON: the same bytes for every reader, and no type of ours in it.</summary>
    private static Dictionary<string, object> Hint(string name, object value) =>
        new(StringComparer.Ordinal) { [name] = JsonSerializer.SerializeToElement(value, WorkflowJson.Options) };
}

/// <summary>Words for people from a name in code: <c>EventName</c> becomes <c>Event Name</c>.</summary>
internal static class DisplayNames
{
    public static string Of(string name)
    {
        var text = new System.Text.StringBuilder(name.Length + 8);
        for (var i = 0; i < name.Length; i++)
        {
            var startsWord = i > 0 && char.IsUpper(name[i]) && (!char.IsUpper(name[i - 1]) || (i + 1 < name.Length && char.IsLower(name[i + 1])));
            if (startsWord)
                text.Append(' ');
            text.Append(name[i]);
        }

        return text.ToString();
    }
}
