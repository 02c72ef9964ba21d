using System.Security.Cryptography;
using System.Text;
using System.Text.RegularExpressions;
using Aura.Orchestra.Processes;

namespace Aura.Orchestra.Sandboxes;

/// <summary>A diff between two trees that <c>git apply</c> turns back into the very same bytes.</summary>
/// <param name="Text">Valid Unicode without NUL: what is not UTF-8 text stands as a git binary patch. Empty when nothing changed.</param>
/// <param name="Files">The changed files in path order.</param>
public sealed record UnifiedDiff(string Text, IReadOnlyList<ChangedFile> Files)
{
    public static UnifiedDiff Empty { get; } = new("", []);

    public bool IsEmpty => Text.Length == 0;

    /// <summary>SHA-256 of the text's UTF-8 bytes, lower-case hexadecimal. Approvals bind to it.</summary>
    public string Hash { get; } = HashOf(Text);

    public int Added => Files.Sum(f => f.Added);

    public int Deleted => Files.Sum(f => f.Deleted);

    public static string HashOf(string text) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text)));

    /// <summary>The diff from one tree or commit to another.</summary>
    /// <param name="git">The git CLI.</param>
    /// <param name="repository">A bare repository that holds both; without a work tree no <c>.gitattributes</c> of the employee has a say.</param>
    /// <param name="from">Tree or commit.</param>
    /// <param name="to">Tree or commit.</param>
    /// <param name="environment">For example an object directory of its own.</param>
    /// <param name="cancellationToken">Ends git.</param>
    public static async Task<UnifiedDiff> BetweenAsync(
        Git git, string repository, string from, string to,
        IReadOnlyDictionary<string, string?>? environment = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(git);
        var files = await ChangedFile.BetweenAsync(git, repository, from, to, environment, cancellationToken);
        if (files.Count == 0)
            return Empty;
        string[] arguments =
            ["diff-tree", "-r", "-p", "--binary", "--full-index", "--no-renames", "--no-ext-diff", "--no-textconv", "--no-color", from, to];
        if (AsText(await RawAsync(git, repository, arguments, environment, cancellationToken)) is { } text)
            return new(text, files);

        // Some file is text to git but not UTF-8 (or holds a late NUL): those are written as binary patches.
        var attributes = Path.Combine(Path.GetTempPath(), $"aura-attributes-{Guid.NewGuid():N}");
        try
        {
            var binary = new List<string>();
            foreach (var file in files)
            {
                if (AsText(await RawAsync(git, repository, [.. arguments, "--", $":(literal){file.Path}"], environment, cancellationToken)) is null)
                    binary.Add(file.Path);
            }

            await File.WriteAllLinesAsync(attributes, binary.Select(p => $"\"/{AttributePattern(p)}\" -diff"), cancellationToken);
            text = AsText(await RawAsync(git, repository, ["-c", $"core.attributesFile={attributes}", .. arguments], environment, cancellationToken));
            return text is not null
                ? new(text, files)
                : throw new GitException($"The diff {from}..{to} in {repository} cannot be written as text.");
        }
        finally
        {
            File.Delete(attributes);
        }
    }

    private static async Task<ReadOnlyMemory<byte>> RawAsync(
        Git git, string repository, IReadOnlyList<string> arguments, IReadOnlyDictionary<string, string?>? environment, CancellationToken cancellationToken)
    {
        var result = await git.TryAsync(repository, arguments, null, environment, cancellationToken);
        if (!result.Succeeded)
            throw new GitException($"git {string.Join(' ', arguments)} failed in {repository} with exit code {result.ExitCode}: {result.StandardError.Trim()}");
        return !result.OutputTruncated
            ? result.OutputBytes
            : throw new GitException($"The diff in {repository} is larger than 64 MB and cannot be used.");
    }

    private static string? AsText(ReadOnlyMemory<byte> bytes)
    {
        if (bytes.Span.Contains((byte)0))
            return null;
        try
        {
            return new UTF8Encoding(false, throwOnInvalidBytes: true).GetString(bytes.Span);
        }
        catch (DecoderFallbackException)
        {
            return null;
        }
    }

    // An attribute pattern is a glob inside a C-quoted string: both kinds of escapes are needed.
    private static string AttributePattern(string path) =>
        Regex.Replace(path, @"[\\*?\[\]!]", @"\$0", RegexOptions.None, TimeSpan.FromSeconds(1))
            .Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal);
}

/// <summary>One file that differs between two trees. A mode or object id of zeros means: not there.</summary>
public sealed record ChangedFile(string Path, string OldMode, string NewMode, string OldObject, string NewObject, int Added, int Deleted)
{
    private const string LinkMode = "120000";
    private const string SubmoduleMode = "160000";
    private const string NoMode = "000000";

    public bool IsAdded => OldMode == NoMode;

    public bool IsDeleted => NewMode == NoMode;

    public bool TouchesLink => OldMode == LinkMode || NewMode == LinkMode;

    public bool TouchesSubmodule => OldMode == SubmoduleMode || NewMode == SubmoduleMode;

    internal static async Task<IReadOnlyList<ChangedFile>> BetweenAsync(
        Git git, string repository, string from, string to,
        IReadOnlyDictionary<string, string?>? environment, CancellationToken cancellationToken)
    {
        var raw = await git.RunAsync(
            repository, ["diff-tree", "-r", "-z", "--raw", "--no-abbrev", "--numstat", "--no-renames", from, to], null, environment, cancellationToken);
        var files = new Dictionary<string, ChangedFile>(StringComparer.Ordinal);
        var fields = raw.Split('\0');
        for (var i = 0; i < fields.Length; i++)
        {
            var field = fields[i];
            if (field.StartsWith(':'))
            {
                var parts = field[1..].Split(' ');
                files[fields[i + 1]] = new(fields[i + 1], parts[0], parts[1], parts[2], parts[3], 0, 0);
                i++;
            }
            else if (field.Split('\t', 3) is [var added, var deleted, var path] && files.TryGetValue(path, out var file))
            {
                // "-" stands for a binary file.
                files[path] = file with { Added = int.TryParse(added, out var a) ? a : 0, Deleted = int.TryParse(deleted, out var d) ? d : 0 };
            }
        }

        return [.. files.Values.OrderBy(f => f.Path, StringComparer.Ordinal)];
    }
}
