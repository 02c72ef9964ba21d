using System.Globalization;
using System.Text;

namespace Aura.Orchestra.Sandboxes;

/// <summary>
/// A path that an employee named, checked as text: relative, no way up, no git directory in any disguise, nothing that
/// another layer could read differently. What the file system holds at that path is checked when it is opened.
/// </summary>
public sealed class SandboxPath
{
    private const int MaxLength = 1024;
    private const int MaxComponentBytes = 200;

    private SandboxPath(string[] components) => Components = components;

    /// <summary>The names from the sandbox's root down; never empty.</summary>
    public IReadOnlyList<string> Components { get; }

    public override string ToString() => string.Join('/', Components);

    /// <summary>Checks the text of a path. <c>./a//b</c> is read as <c>a/b</c>; everything doubtful is refused.</summary>
    public static SandboxResult<SandboxPath> Parse(string? path)
    {
        if (string.IsNullOrWhiteSpace(path))
            return Outside("The path is empty. Name a file relative to the project's root, for example \"app/main.py\".");
        var shown = Shown(path);
        if (path.Length > MaxLength)
            return Outside($"The path is longer than {MaxLength} characters.");
        if (path.StartsWith('/') || path.StartsWith('~') || (path.Length > 1 && path[1] == ':'))
            return Outside($"The path '{shown}' is absolute. Name a file relative to the project's root.");
        if (path.Contains('\\', StringComparison.Ordinal))
            return Outside($"The path '{shown}' holds a backslash. Use '/' between folders.");
        if (path.Any(Unwelcome) || !path.IsNormalized(NormalizationForm.FormC))
            return Outside($"The path '{shown}' holds control or invisible characters, or is not in Unicode's composed form.");

        var components = path.Split('/').Where(c => c is not ("" or ".")).ToArray();
        if (components.Length == 0)
            return Outside($"The path '{shown}' names the root, not a file.");
        foreach (var component in components)
        {
            if (component == "..")
                return Outside($"The path '{shown}' goes up with '..'. Only files inside the sandbox can be used.");
            if (IsGit(component))
                return new Refusal(RefusalCodes.GitDirectory, $"The path '{shown}' names a git directory. It is not part of the work.");
            if (Encoding.UTF8.GetByteCount(component) > MaxComponentBytes)
                return Outside($"A name in the path '{shown}' is longer than {MaxComponentBytes} bytes.");
        }

        return new SandboxPath(components);
    }

    // ".git", ".GIT", ".git. ", "git~1": names that some file system takes for .git.
    private static bool IsGit(string component)
    {
        var name = component.TrimEnd('.', ' ');
        return name.Equals(".git", StringComparison.OrdinalIgnoreCase) || name.StartsWith("git~", StringComparison.OrdinalIgnoreCase)
            || name.StartsWith(".git:", StringComparison.OrdinalIgnoreCase);
    }

    private static bool Unwelcome(char c) => char.IsControl(c) || char.IsSurrogate(c)
        || char.GetUnicodeCategory(c) is UnicodeCategory.Format or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator
            or UnicodeCategory.PrivateUse or UnicodeCategory.OtherNotAssigned;

    private static string Shown(string path)
    {
        var cut = path.Length > 120 ? path[..120] + "…" : path;
        return string.Concat(cut.Select(c => char.IsControl(c) || char.IsSurrogate(c) ? '?' : c));
    }

    private static Refusal Outside(string message) => new(RefusalCodes.OutsideSandbox, message);
}
