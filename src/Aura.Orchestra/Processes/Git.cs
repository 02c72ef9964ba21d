namespace Aura.Orchestra.Processes;

/// <summary>A git command that failed where it must not. The message holds the command and what git said.</summary>
public sealed class GitException(string message) : Exception(message);

/// <summary>The git CLI, with the user's and the system's configuration, hooks and prompts shut out.</summary>
public sealed class Git(ProcessRunner processes)
{
    private static readonly Dictionary<string, string?> Environment = new()
    {
        ["GIT_CONFIG_NOSYSTEM"] = "1",
        ["GIT_CONFIG_GLOBAL"] = "/dev/null",
        ["GIT_TERMINAL_PROMPT"] = "0",
        ["GIT_AUTHOR_NAME"] = "Aura",
        ["GIT_AUTHOR_EMAIL"] = "aura@localhost",
        ["GIT_COMMITTER_NAME"] = "Aura",
        ["GIT_COMMITTER_EMAIL"] = "aura@localhost",
        ["LC_ALL"] = "C.UTF-8",
        ["GIT_DIR"] = null,
        ["GIT_WORK_TREE"] = null,
        ["GIT_INDEX_FILE"] = null,
        ["GIT_OBJECT_DIRECTORY"] = null,
        ["GIT_ALTERNATE_OBJECT_DIRECTORIES"] = null,
        ["GIT_OPTIONAL_LOCKS"] = "0",
    };

    /// <summary>Runs git and returns its result whatever the exit code is.</summary>
    /// <param name="environment">Further variables, for example <c>GIT_INDEX_FILE</c>, <c>GIT_WORK_TREE</c> or a fixed <c>GIT_AUTHOR_DATE</c>.</param>
    public Task<ProcessResult> TryAsync(
        string directory, IReadOnlyList<string> arguments, string? input = null,
        IReadOnlyDictionary<string, string?>? environment = null, CancellationToken cancellationToken = default)
    {
        var variables = new Dictionary<string, string?>(Environment);
        foreach (var (name, value) in environment ?? new Dictionary<string, string?>())
            variables[name] = value;
        return processes.RunAsync(new()
        {
            FileName = "git",
            // safe.directory: the trees belong to Aura even when another user id owns the files.
            Arguments = ["-c", "core.hooksPath=/dev/null", "-c", "safe.directory=*", "-c", "gc.auto=0", "-c", "core.quotePath=false", .. arguments],
            WorkingDirectory = directory,
            Environment = variables,
            StandardInput = input,
            MaxOutputBytes = 64 << 20,
        }, cancellationToken);
    }

    /// <summary>Runs git and returns its standard output with trailing newlines removed.</summary>
    /// <exception cref="GitException">git ended with another exit code than 0.</exception>
    public async Task<string> RunAsync(
        string directory, IReadOnlyList<string> arguments, string? input = null,
        IReadOnlyDictionary<string, string?>? environment = null, CancellationToken cancellationToken = default)
    {
        var result = await TryAsync(directory, arguments, input, environment, cancellationToken);
        return result.Succeeded
            ? result.StandardOutput.TrimEnd('\n')
            : throw new GitException($"git {string.Join(' ', arguments)} failed in {directory} with exit code {result.ExitCode}: {result.StandardError.Trim()}");
    }
}
