using System.Text.Json;

namespace Aura.Host.Studio;

/// <summary>Elsa Studio's npm package in its folder, which may come while the host runs.</summary>
internal sealed class StudioPackage(string folder)
{
    private readonly Lock _gate = new();
    private volatile AssetFolder? _assets;

    /// <summary>The version that the page, its scripts and its stylesheets are made for and tested with.</summary>
    public const string Version = "3.8.2";

    /// <summary>The package's files, or null while it is not there.</summary>
    public AssetFolder? Assets
    {
        get
        {
            if (_assets is not null || !IsThere(folder))
                return _assets;
            lock (_gate)
                return _assets ??= AssetFolder.Read(folder, IsServed, IsFingerprinted);
        }
    }

    public static bool IsThere(string folder) => File.Exists(Path.Combine(folder, "_framework", "blazor.webassembly.js"));

    /// <summary>The version that the package says it has, or null where none can be read.</summary>
    public static string? VersionIn(string folder)
    {
        try
        {
            using var package = JsonDocument.Parse(File.ReadAllText(Path.Combine(folder, "package.json")));
            return package.RootElement.TryGetProperty("version", out var version) ? version.GetString() : null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or JsonException)
        {
            return null;
        }
    }

    /// <summary>The package's own page is of no use, and its other forms of a file are not files of their own.</summary>
    private static bool IsServed(string path) =>
        path is not ("index.html" or "package.json") && Path.GetExtension(path) is not (".br" or ".gz" or ".map" or ".scss");

    /// <summary>Ten characters before the extension below <c>_framework</c>, or before the end of a bundle of scoped styles.</summary>
    private static bool IsFingerprinted(string path) => path.Split('/')[^1].Split('.') is { Length: >= 3 } parts
        && (path.StartsWith("_framework/", StringComparison.Ordinal) && IsFingerprint(parts[^2])
            || parts is [.., var fingerprint, "bundle", "scp", "css"] && IsFingerprint(fingerprint));

    private static bool IsFingerprint(string part) => part.Length == 10 && part.All(c => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c));
}
