using System.Text.Json;
using Aura.Orchestra.Sandboxes;
using Aura.Orchestra.Storage;

namespace Aura.Orchestra.Tools;

/// <summary>
/// That an employee called <c>submit</c>, with its own words. It stands beside the working copy, out of the employee's reach, and goes
/// with it: an attempt that starts again has submitted nothing.
/// </summary>
/// <param name="DiffHash">Of the changes at that moment.</param>
public sealed record Submission(string Explanation, double? SelfConfidence, string DiffHash, int Files, DateTimeOffset At)
{
    /// <summary>Null while nothing was submitted.</summary>
    public static async Task<Submission?> OfAsync(Sandbox sandbox, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(sandbox);
        try
        {
            await using var file = File.OpenRead(FileOf(sandbox));
            return await JsonSerializer.DeserializeAsync<Submission>(file, StorableText.Options, cancellationToken);
        }
        catch (FileNotFoundException)
        {
            return null;
        }
    }

    internal async Task SaveAsync(Sandbox sandbox, CancellationToken cancellationToken)
    {
        var temporary = $"{FileOf(sandbox)}.{Guid.NewGuid():N}";
        await File.WriteAllTextAsync(temporary, JsonSerializer.Serialize(this, StorableText.Options), cancellationToken);
        File.Move(temporary, FileOf(sandbox), overwrite: true);
    }

    private static string FileOf(Sandbox sandbox) => Path.Combine(sandbox.HomeDirectory, "submission.json");
}
