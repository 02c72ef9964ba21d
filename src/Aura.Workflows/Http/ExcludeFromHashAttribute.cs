using System.Text.Json.Serialization.Metadata;

namespace Aura.Workflows.Http;

/// <summary>A member of a stimulus' payload that is stored with it but does not take part in matching.</summary>
[AttributeUsage(AttributeTargets.Property)]
internal sealed class ExcludeFromHashAttribute : Attribute
{
    public static DefaultJsonTypeInfoResolver Resolver { get; } = new()
    {
        Modifiers =
        {
            static type =>
            {
                for (var i = type.Properties.Count - 1; i >= 0; i--)
                {
                    if (type.Properties[i].AttributeProvider?.IsDefined(typeof(ExcludeFromHashAttribute), inherit: false) == true)
                        type.Properties.RemoveAt(i);
                }
            },
        },
    };
}
