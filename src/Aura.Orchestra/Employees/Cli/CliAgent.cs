namespace Aura.Orchestra.Employees.Cli;

/// <summary>How an agent's changes are told.</summary>
public enum AgentChanges
{
    /// <summary>It edits the files of its working directory.</summary>
    Files,

    /// <summary>It writes a unified diff to its output (a bare model such as <c>ollama run</c>).</summary>
    Patch,
}

/// <summary>A command-line agent of <c>employees.json</c>. Its name is the model's name.</summary>
public sealed record CliAgent
{
    public required string Name { get; init; }

    /// <summary>An absolute path, or a name that is looked up in /usr/local/bin, /usr/bin and /bin.</summary>
    public required string Command { get; init; }

    /// <summary>
    /// With placeholders: <c>{prompt}</c>, <c>{prompt_file}</c>, <c>{model}</c>, <c>{workspace}</c>, <c>{job_id}</c>, <c>{attempt}</c>. The
    /// prompt goes to standard input unless one of the first two stands here.
    /// </summary>
    public IReadOnlyList<string> Arguments { get; init; } = [];

    /// <summary>What <c>{model}</c> stands for.</summary>
    public string? Model { get; init; }
    public AgentChanges Changes { get; init; }

    /// <summary>True: the jail shares this machine's network, loopback included. Only by <c>"network": "host"</c>.</summary>
    public bool HostNetwork { get; init; }

    /// <summary>Absolute paths of this machine that the jail shows at the same place, read-only.</summary>
    public IReadOnlyList<string> Mounts { get; init; } = [];

    /// <summary>Plain settings.</summary>
    public IReadOnlyDictionary<string, string> Environment { get; init; } = new Dictionary<string, string>();

    /// <summary>Names and values of the secrets that this agent gets in its environment; a null value is missing here.</summary>
    public IReadOnlyDictionary<string, string?> Secrets { get; init; } = new Dictionary<string, string?>();

    /// <summary>What exit codes mean; those that are not here: 0 completed, 124 time limit, 126 and 127 misconfigured, all others failed.</summary>
    public IReadOnlyDictionary<int, EmployeeFinish> ExitCodes { get; init; } = new Dictionary<int, EmployeeFinish>();

    /// <summary>Instead of <see cref="EmployeeOptions.TimeLimit"/>.</summary>
    public TimeSpan? TimeLimit { get; init; }

    /// <summary>Instead of what <see cref="EmployeeOptions.AgentJail"/> allows: the whole tree's memory in bytes.</summary>
    public long? MemoryBytes { get; init; }

    /// <summary>Likewise: processor time of each process.</summary>
    public TimeSpan? CpuTime { get; init; }

    /// <summary>Likewise: processes and threads at once.</summary>
    public int? MaxProcesses { get; init; }

    internal bool PromptOnInput =>
        !Arguments.Any(a => a.Contains("{prompt}", StringComparison.Ordinal) || a.Contains("{prompt_file}", StringComparison.Ordinal));

    /// <summary>Never shows a secret.</summary>
    public override string ToString() => $"{Name}: {Command} ({(HostNetwork ? "host network" : "no network")})";

    /// <summary>Where the command is on this machine, or null.</summary>
    internal string? Found => Path.IsPathRooted(Command)
        ? File.Exists(Command) ? Command : null
        : CliAgents.SearchPath.Select(p => Path.Combine(p, Command)).FirstOrDefault(File.Exists);

    /// <summary>Why it cannot be used here, or null.</summary>
    internal string? Problem()
    {
        if (Secrets.Where(s => string.IsNullOrEmpty(s.Value)).Select(s => s.Key).ToList() is { Count: > 0 } missing)
            return $"{string.Join(", ", missing)} is not set.";
        if (Found is not { } command)
            return $"The command '{Command}' is not installed ({(Path.IsPathRooted(Command) ? "no such file" : $"not in {string.Join(", ", CliAgents.SearchPath)}")}).";
        var isVisible = command.StartsWith("/usr/", StringComparison.Ordinal) || command.StartsWith("/bin/", StringComparison.Ordinal)
            || Mounts.Any(m => command == m || command.StartsWith(m.TrimEnd('/') + "/", StringComparison.Ordinal));
        return isVisible ? null : $"The jail does not show '{command}': add its folder to 'mounts'.";
    }
}
