using System.Text;
using System.Text.Json.Serialization;

namespace Aura.Workflows.Http;

/// <summary>
/// What an <see cref="HttpEndpoint"/> listens for, and the rules that a request must keep. It stands in the payload of its trigger or
/// bookmark, so that every host applies the rules before it wakes the workflow. Only path and method make the hash.
/// </summary>
public sealed record HttpEndpointPayload
{
    internal const string StimulusName = "Elsa.HttpEndpoint";

    /// <summary>A path is part of an index entry, which must not become too large.</summary>
    private const int MaxPathLength = 500;

    /// <summary>The route template below the base path, normalised by <see cref="NormalisePath"/>.</summary>
    [JsonPropertyName("path")]
    public required string Path { get; init; }

    /// <summary>The HTTP method in lower case.</summary>
    [JsonPropertyName("method")]
    public required string Method { get; init; }

    /// <summary>Only authenticated users may call; the policy, when named, must hold too.</summary>
    [ExcludeFromHash, JsonPropertyName("authorize")]
    public bool Authorize { get; init; }

    [ExcludeFromHash, JsonPropertyName("policy")]
    public string? Policy { get; init; }

    /// <summary>How long the client waits for an answer; null for the host's default.</summary>
    [ExcludeFromHash, JsonPropertyName("requestTimeout")]
    public TimeSpan? RequestTimeout { get; init; }

    /// <summary>The largest body in bytes; null for the host's default.</summary>
    [ExcludeFromHash, JsonPropertyName("requestSizeLimit")]
    public long? RequestSizeLimit { get; init; }

    /// <summary>The largest single file in bytes.</summary>
    [ExcludeFromHash, JsonPropertyName("fileSizeLimit")]
    public long? FileSizeLimit { get; init; }

    [ExcludeFromHash, JsonPropertyName("allowedFileExtensions")]
    public IReadOnlyList<string> AllowedFileExtensions { get; init; } = [];

    [ExcludeFromHash, JsonPropertyName("blockedFileExtensions")]
    public IReadOnlyList<string> BlockedFileExtensions { get; init; } = [];

    [ExcludeFromHash, JsonPropertyName("allowedMimeTypes")]
    public IReadOnlyList<string> AllowedMimeTypes { get; init; } = [];

    /// <summary>The breaches that the workflow wants to hear of; all others are answered without waking it.</summary>
    [ExcludeFromHash, JsonPropertyName("exposedOutcomes")]
    public IReadOnlyList<string> ExposedOutcomes { get; init; } = [];

    /// <summary>No slash at either end, no empty segments, lower case except inside constraints and default values.</summary>
    /// <exception cref="ArgumentException">The path is too long.</exception>
    internal static string NormalisePath(string? path)
    {
        var text = new StringBuilder();
        var depth = 0;
        var isVerbatim = false;
        foreach (var c in path?.Trim() ?? "")
        {
            if (depth == 0 && c == '/' && (text.Length == 0 || text[^1] == '/'))
                continue;
            depth += c switch { '{' => 1, '}' => -1, _ => 0 };
            isVerbatim = depth > 0 && (isVerbatim || c is ':' or '=');
            text.Append(isVerbatim ? c : char.ToLowerInvariant(c));
        }

        var normal = text.ToString().TrimEnd('/');
        if (normal.Length > MaxPathLength)
            throw new ArgumentException($"The path is {normal.Length} characters long; at most {MaxPathLength} are possible.", nameof(path));
        return normal;
    }
}

/// <summary>The outcomes of an endpoint, word for word as files connect them.</summary>
internal static class HttpEndpointOutcomes
{
    public const string Done = "Done";
    public const string RequestTooLarge = "Request too large";
    public const string FileTooLarge = "File too large";
    public const string InvalidFileExtension = "Invalid file extension";
    public const string InvalidFileMimeType = "Invalid file MIME type";
}
