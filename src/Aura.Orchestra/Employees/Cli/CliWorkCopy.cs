using Aura.Orchestra.Sandboxes;
using Aura.Orchestra.Tools;

namespace Aura.Orchestra.Employees.Cli;

/// <summary>A copy of the sandbox's files that a jail's unprivileged user can read. What cannot be copied (links; binary files and endless
/// lines where there are only tools) is simply not there, and so never deleted.</summary>
internal sealed class CliWorkCopy : IDisposable
{
    private const UnixFileMode Readable = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.OtherRead;
    private const UnixFileMode Executable = UnixFileMode.UserExecute | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute;

    private readonly string _root = Directory.CreateTempSubdirectory("aura-agent-").FullName;

    private CliWorkCopy()
    {
        File.SetUnixFileMode(_root, Readable | Executable);
        System.IO.Directory.CreateDirectory(Folder, Readable | Executable);
    }

    public string Folder => Path.Combine(_root, "project");

    /// <summary>Paths with <c>/</c>, in their order.</summary>
    public IReadOnlyList<string> Files { get; private set; } = [];

    /// <summary>Files that the tools list and do not give as text.</summary>
    public int LeftOut { get; private set; }

    /// <summary>Why the copy is not whole and must not be worked on; null when it is.</summary>
    public string? Problem { get; private set; }

    public static async Task<CliWorkCopy> CreateAsync(string? workDirectory, IEmployeeTools tools, CancellationToken cancellationToken)
    {
        var copy = new CliWorkCopy();
        try
        {
            copy.Files = workDirectory is null ? await copy.FillAsync(tools, cancellationToken) : copy.Fill(workDirectory, cancellationToken);
            return copy;
        }
        catch
        {
            copy.Dispose();
            throw;
        }
    }

    public void Dispose() => SandboxStore.DeleteTree(_root);

    private List<string> Fill(string source, CancellationToken cancellationToken)
    {
        var files = new List<string>();
        var everything = new EnumerationOptions { RecurseSubdirectories = true, AttributesToSkip = FileAttributes.ReparsePoint };
        foreach (var file in Directory.EnumerateFiles(source, "*", everything))
        {
            cancellationToken.ThrowIfCancellationRequested();
            var path = Path.GetRelativePath(source, file);
            var target = Target(path);
            File.Copy(file, target);
            File.SetUnixFileMode(target, Readable | (File.GetUnixFileMode(file).HasFlag(UnixFileMode.UserExecute) ? Executable : UnixFileMode.None));
            files.Add(path);
        }

        files.Sort(StringComparer.Ordinal);
        return files;
    }

    private async Task<List<string>> FillAsync(IEmployeeTools tools, CancellationToken cancellationToken)
    {
        var files = new List<string>();
        var (paths, refusal) = await tools.AllFilesAsync(cancellationToken);
        Problem = refusal?.Text;
        foreach (var path in paths)
        {
            // What a manager elsewhere answers is not taken at its word either.
            var read = SandboxPath.Parse(path) is { Refusal: { } no }
                ? ToolResult.Refused(no.Code, no.Message)
                : await tools.WholeFileAsync(path, cancellationToken);
            if (read.IsRefused && !IsOfTheFile(read.RefusalCode))
            {
                Problem = $"{path}: {read.Text}";
                break;
            }

            if (read.IsRefused)
            {
                LeftOut++;
                continue;
            }

            var target = Target(path);
            await File.WriteAllTextAsync(target, read.Text, cancellationToken);
            File.SetUnixFileMode(target, Readable);
            files.Add(path);
        }

        return files;
    }

    /// <summary>Whether the file itself cannot be read, rather than the service asked at the moment.</summary>
    private static bool IsOfTheFile(string? code) => code is RefusalCodes.NotText or RefusalCodes.TooLarge or RefusalCodes.NotAFile
        or RefusalCodes.NotFound or RefusalCodes.Symlink or RefusalCodes.HardLink or RefusalCodes.GitDirectory or RefusalCodes.OutsideSandbox
        or ToolCodes.InvalidArguments;

    private string Target(string path)
    {
        var target = Path.Combine(Folder, path);
        Directory.CreateDirectory(Path.GetDirectoryName(target)!, Readable | Executable);
        return target;
    }
}
