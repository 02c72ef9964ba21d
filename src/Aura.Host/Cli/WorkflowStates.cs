using System.Text.Json;

namespace Aura.Host.Cli;

/// <summary>The database's side of a definition, as the manager gives it.</summary>
internal sealed record StoredWorkflow(
    string DefinitionId, string? Name, int LatestVersion, string LatestHash, bool IsEdited, int? PublishedVersion, IReadOnlyDictionary<string, int> Known)
{
    public static StoredWorkflow Of(JsonElement item) => new(
        item.GetProperty("definition_id").GetString()!,
        item.GetProperty("name").GetString(),
        item.GetProperty("latest_version").GetInt32(),
        item.GetProperty("latest_hash").GetString()!,
        item.GetProperty("is_edited").GetBoolean(),
        item.GetProperty("published_version") is { ValueKind: JsonValueKind.Number } published ? published.GetInt32() : null,
        item.GetProperty("known").EnumerateObject().ToDictionary(p => p.Name, p => p.Value.GetInt32(), StringComparer.Ordinal));
}

/// <summary>How a file and the database stand to each other.</summary>
internal static class WorkflowStates
{
    public const string Same = "same";
    public const string FileNewer = "file newer";
    public const string DatabaseEdited = "database edited";
    public const string BothEdited = "both edited";
    public const string OnlyFile = "only file";
    public const string OnlyDatabase = "only database";

    /// <param name="fileHash">Null without a file.</param>
    /// <param name="seen">The content of the latest version when the file was last exported or imported; null when not known.</param>
    public static string Of(string? fileHash, StoredWorkflow? stored, string? seen)
    {
        if (stored is null)
            return OnlyFile;
        if (fileHash is null)
            return OnlyDatabase;
        if (fileHash == stored.LatestHash)
            return Same;
        // The database stands where the file was taken from, or was brought to: only the file has changed.
        if (stored.LatestHash == seen)
            return FileNewer;
        // What the file holds was a version once: only the database has gone on.
        if (stored.Known.ContainsKey(fileHash))
            return DatabaseEdited;
        return stored.IsEdited ? BothEdited : FileNewer;
    }

    /// <summary>Whether writing over the file loses nothing: what it holds stands in the database.</summary>
    public static bool MayOverwrite(string fileHash, StoredWorkflow stored) => fileHash == stored.LatestHash || stored.Known.ContainsKey(fileHash);
}
