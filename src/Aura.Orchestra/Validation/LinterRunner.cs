using System.Globalization;
using Aura.Orchestra.Sandboxes;

namespace Aura.Orchestra.Validation;

/// <param name="Code">flake8's, for example <c>F401</c>.</param>
public sealed record LintMessage(string Path, int Line, string Code, string Text)
{
    /// <summary>Syntax errors, undefined names and the like: these break programs, they are no matter of taste.</summary>
    public bool IsSerious => Code.StartsWith("E9", StringComparison.Ordinal) || Code.StartsWith("F7", StringComparison.Ordinal)
        || Code.StartsWith("F82", StringComparison.Ordinal);
}

/// <param name="Messages">At most 200 of them.</param>
/// <param name="Total">All that there were.</param>
/// <param name="Problem">Why flake8 gave no answer; null when it did.</param>
public sealed record LintVerdict(IReadOnlyList<LintMessage> Messages, int Total, string? Problem, TimeSpan Duration);

/// <summary>flake8 in the jail, with Aura's own settings and none of the project's.</summary>
public sealed class LinterRunner(Jail jail)
{
    private const int Kept = 200;
    private const char Separator = '\u001f';

    /// <summary>Lints the Python files that the diff added or changed.</summary>
    public async Task<LintVerdict> RunAsync(ValidationTree tree, RunLog? log = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(tree);
        var files = tree.ChangedPythonFiles;
        if (files.Count == 0)
            return new([], 0, null, TimeSpan.Zero);
        var result = await jail.RunAsync(
            new()
            {
                Mounts = [new(tree.TreeDirectory, "source")],
                Command = paths => ["/usr/bin/python3", "-I", "-m", "flake8", "--isolated", "--jobs=1", "--exit-zero", "--max-line-length=120",
                    "--max-complexity=15", "--select=E,W,F,C90", "--extend-ignore=E203,W503,W504",
                    $"--format=%(path)s{Separator}%(row)d{Separator}%(code)s{Separator}%(text)s", "--disable-noqa",
                    .. files.Select(f => $"{paths.Mounts["source"]}/{f}")],
            },
            cancellationToken);
        if (log is not null)
        {
            await log.AppendAsync(
                new("flake8 (in the jail)", tree.TreeDirectory, result.ExitCode, result.Duration, result.StandardOutput.Replace(Separator, ':') + result.StandardError, result.Detail),
                cancellationToken);
        }

        var messages = Parse(result.StandardOutput, files);
        var problem = result is { End: JailEnd.Exited, ExitCode: 0 } ? null : $"flake8 gave no verdict: {result.Detail} {result.StandardError.Trim()}";
        return new([.. messages.Take(Kept)], messages.Count, problem, result.Duration);
    }

    internal static IReadOnlyList<LintMessage> Parse(string output, IReadOnlyList<string> files)
    {
        var messages = new List<LintMessage>();
        foreach (var line in output.Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            if (line.Split(Separator) is [var path, var row, var code, var text]
                && int.TryParse(row, NumberStyles.None, CultureInfo.InvariantCulture, out var number)
                && files.FirstOrDefault(f => path.EndsWith("/" + f, StringComparison.Ordinal)) is { } file)
                messages.Add(new(file, number, code, text));
        }

        return messages;
    }
}
