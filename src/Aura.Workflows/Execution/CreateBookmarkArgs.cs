using System.Security.Cryptography;
using System.Text;
using System.Text.Json;

namespace Aura.Workflows;

/// <summary>A method of the activity that runs when its bookmark is resumed.</summary>
public delegate ValueTask ExecuteActivityDelegate(ActivityExecutionContext context);

/// <summary>A method of the owner that runs when a scheduled child has completed.</summary>
public delegate ValueTask ActivityCompletionCallback(ActivityCompletedContext context);

/// <summary>Passed to an owner when its child has completed.</summary>
public sealed record ActivityCompletedContext(
    ActivityExecutionContext TargetContext, ActivityExecutionContext ChildContext, object? Result);

/// <summary>What a bookmark waits for and what happens on resume. Without a callback, resuming completes the activity.</summary>
public sealed class CreateBookmarkArgs
{
    /// <summary>What a stimulus must equal, by its hash.</summary>
    public object? Stimulus { get; set; }

    /// <summary>What is stored with the bookmark instead of the stimulus: more than what it is matched by.</summary>
    public object? Payload { get; set; }

    public ExecuteActivityDelegate? Callback { get; set; }

    /// <summary>Defaults to the activity's type name.</summary>
    public string? BookmarkName { get; set; }

    public bool AutoBurn { get; set; } = true;
    public bool IncludeActivityInstanceId { get; set; }
    public bool AutoComplete { get; set; } = true;
}

/// <summary>The hash by which stimuli find bookmarks.</summary>
internal static class StimulusHash
{
    // Property order of a payload type is its declaration order, the same on every host of one version.
    private static readonly JsonSerializerOptions Options = new()
    {
        DefaultIgnoreCondition = System.Text.Json.Serialization.JsonIgnoreCondition.WhenWritingNull,
        TypeInfoResolver = Http.ExcludeFromHashAttribute.Resolver,
    };

    public static string Of(string name, object? payload, string? activityInstanceId = null)
    {
        var text = payload switch
        {
            null => null,
            string s => s,
            _ => JsonSerializer.Serialize(payload, payload.GetType(), Options),
        };
        var joined = string.Join('|', new[] { name, text, activityInstanceId }.Where(p => !string.IsNullOrWhiteSpace(p)));
        return Convert.ToHexString(SHA256.HashData(Encoding.UTF8.GetBytes(joined)));
    }
}
