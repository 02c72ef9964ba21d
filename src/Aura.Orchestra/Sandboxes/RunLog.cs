using System.Text;
using Aura.Orchestra.Processes;

namespace Aura.Orchestra.Sandboxes;

/// <param name="Command">The command as a person would read it.</param>
/// <param name="Output">What it wrote; the log keeps its head and tail.</param>
public sealed record RunLogEntry(
    string Command, string WorkingDirectory, int? ExitCode, TimeSpan Duration, string Output, string? Note = null);

/// <summary>
/// The job's <c>runlog.txt</c>: every command with time, folder, exit code, duration and output. Any number of processes may
/// append at once (a lock file keeps entries whole).
/// </summary>
public sealed class RunLog(string path, TimeProvider time, int maxEntryBytes = 64 * 1024, long maxLogBytes = 16 * 1024 * 1024)
{
    private const string Full = "# The log is full; later entries are not kept.\n";

    public string FilePath => path;

    public async Task AppendAsync(RunLogEntry entry, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(entry);
        var at = time.GetUtcNow();
        var exit = entry.ExitCode is { } code ? $"exit {code}" : "no exit code";
        var text = new StringBuilder()
            .Append($"[{at:yyyy-MM-ddTHH:mm:ss.fffZ}] $ {Line(entry.Command)}\n")
            .Append($"  in {Line(entry.WorkingDirectory)} · {exit} · {entry.Duration.TotalSeconds:0.000} s")
            .Append(entry.Note is null ? "\n" : $" · {Line(entry.Note)}\n");
        foreach (var line in Bounded(entry.Output).Split('\n', StringSplitOptions.RemoveEmptyEntries))
            text.Append("  | ").Append(Line(line)).Append('\n');

        await AppendTextAsync(text.Append('\n').ToString(), cancellationToken);
    }

    /// <summary>Lines of something that still runs, as they come; its entry follows when it has ended.</summary>
    public Task AppendLinesAsync(string lines, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(lines);
        return AppendTextAsync(string.Concat(Bounded(lines).Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(l => $"  > {Line(l)}\n")),
            cancellationToken);
    }

    public Task AppendAsync(string command, string workingDirectory, ProcessResult result, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(result);
        return AppendAsync(
            new(command, workingDirectory, result.ExitCode, result.Duration, result.StandardOutput + result.StandardError,
                result.TimedOut ? "killed at its time limit" : result.Flooded ? "killed for its output" : null),
            cancellationToken);
    }

    /// <summary>The last part of the log, at most <paramref name="maxBytes"/>; empty when nothing ran yet.</summary>
    public async Task<string> ReadTailAsync(int maxBytes = 256 * 1024, CancellationToken cancellationToken = default)
    {
        if (!File.Exists(path))
            return "";
        await using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        file.Seek(Math.Max(0, file.Length - maxBytes), SeekOrigin.Begin);
        using var reader = new StreamReader(file, Encoding.UTF8);
        return await reader.ReadToEndAsync(cancellationToken);
    }

    private async Task AppendTextAsync(string text, CancellationToken cancellationToken)
    {
        using (await FileLock.AcquireAsync(path + ".lock", time, cancellationToken))
        {
            await using var file = new FileStream(path, FileMode.OpenOrCreate, FileAccess.Write, FileShare.ReadWrite);
            if (file.Length >= maxLogBytes)
                return;
            file.Seek(0, SeekOrigin.End);
            await file.WriteAsync(Encoding.UTF8.GetBytes(text), cancellationToken);
            if (file.Length >= maxLogBytes)
                await file.WriteAsync(Encoding.UTF8.GetBytes(Full), cancellationToken);
        }
    }

    /// <summary>The text when it is short enough; else its beginning and its end, and between them how much is missing.</summary>
    /// <param name="limit">In characters, without the line about what is missing.</param>
    /// <param name="head">How many of them are of the beginning.</param>
    internal static string Bounded(string text, int limit, int head) => text.Length <= limit
        ? text
        : $"{text[..head]}\n… {text.Length - limit} characters left out …\n{text[^(limit - head)..]}";

    private string Bounded(string output) => Bounded(output, maxEntryBytes, maxEntryBytes / 2);

    // An output must not be able to write lines that look like entries, or move a terminal's cursor.
    private static string Line(string text) =>
        string.Concat(text.Select(c => c == '\t' ? ' ' : char.IsControl(c) ? '·' : c));
}
