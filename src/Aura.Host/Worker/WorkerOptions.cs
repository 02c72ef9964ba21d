using Aura.Host.Api;
using Aura.Host.Configuration;
using Aura.Orchestra.Employees;

namespace Aura.Host.Worker;

/// <summary>What a worker in a process of its own needs to know.</summary>
internal sealed record WorkerOptions
{
    public required string Backend { get; init; }

    /// <summary>The only model it serves; null: those that the backend has.</summary>
    public string? Model { get; init; }
    public required Uri Manager { get; init; }

    /// <summary>The MCP service without its path.</summary>
    public required Uri Mcp { get; init; }
    public required string Key { get; init; }

    /// <summary>Under which it reports; several may have the same.</summary>
    public required string Name { get; init; }

    /// <summary>Ends after one job.</summary>
    public bool Once { get; init; }

    /// <summary>How long a request for work waits at the manager.</summary>
    public TimeSpan ClaimWait { get; init; } = TimeSpan.FromSeconds(25);

    /// <summary>Longest pause between two tries while the manager or the backend is away.</summary>
    public TimeSpan LongestPause { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>How long an employee that was told to stop is waited for.</summary>
    public TimeSpan StopTimeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>The employees of this worker. Its key may come from a file, and then the host's options do not know it.</summary>
    public EmployeeOptions EmployeesOf(AuraOptions host) => Composition.EmployeesOf(host, Key);

    /// <summary>Reads everything and reports all problems together.</summary>
    /// <param name="variable">Looks up an environment variable.</param>
    /// <param name="given">Values of the command line, by variable name; they win.</param>
    /// <param name="host">The options of a host on this machine, which keeps the workers' key in its state folder.</param>
    /// <param name="once">End after one job.</param>
    /// <exception cref="InvalidOptionsException">At least one setting cannot be used.</exception>
    public static WorkerOptions Load(Func<string, string?> variable, IReadOnlyDictionary<string, string?> given, AuraOptions host, bool once)
    {
        var problems = new List<string>();
        var backend = Text("AURA_WORKER_BACKEND");
        if (backend is null)
            problems.Add($"--backend (or AURA_WORKER_BACKEND) is missing. Known: {string.Join(", ", EmployeeBackends.Names)}.");
        else if (!EmployeeBackends.Names.Contains(backend, StringComparer.Ordinal))
            problems.Add($"--backend '{backend}' is no backend. Known: {string.Join(", ", EmployeeBackends.Names)}.");
        var manager = Address("--manager", "AURA_MANAGER_URL", $"http://127.0.0.1:{host.ManagerPort}");
        // Beside the manager, on its usual port, unless it was said otherwise.
        var mcp = Address("--mcp", "AURA_MCP_URL", manager is null ? null : new UriBuilder(manager) { Port = host.McpPort, Path = "" }.Uri.AbsoluteUri);
        var name = Text("AURA_WORKER_NAME") ?? $"{Environment.MachineName}-{Environment.ProcessId}";
        if (!WorkerNames.IsName(name))
            problems.Add($"AURA_WORKER_NAME is '{name}'; it must be at most {WorkerNames.MaxLength} letters, digits, '.', '_' and '-'.");
        var key = host.WorkerKey.Length > 0 ? host.WorkerKey : File.Exists(host.WorkerKeyFile) ? File.ReadAllText(host.WorkerKeyFile).Trim() : "";
        if (key.Length == 0)
        {
            problems.Add($"AURA_WORKER_KEY is not set, and there is no {host.WorkerKeyFile}. Set it (or AURA_WORKER_KEY_FILE) to the manager's: "
                + "a manager without the variable keeps it in the file worker.key of its state folder.");
        }

        if (problems.Count > 0)
            throw new InvalidOptionsException(problems);
        return new()
        {
            Backend = backend!,
            Model = Text("AURA_WORKER_MODEL"),
            Manager = manager!,
            Mcp = mcp!,
            Key = key,
            Name = name,
            Once = once,
        };

        string? Text(string variableName) =>
            (given.GetValueOrDefault(variableName) ?? variable(variableName)) is { } text && !string.IsNullOrWhiteSpace(text) ? text.Trim() : null;

        Uri? Address(string option, string variableName, string? fallback)
        {
            if ((Text(variableName) ?? fallback) is not { } text)
                return null;
            if (Uri.TryCreate(text, UriKind.Absolute, out var url) && url.Scheme is "http" or "https" && url.UserInfo.Length == 0)
                return url.AbsolutePath is "/mcp" or "/mcp/" ? new(url, "/") : url;
            problems.Add($"{option} (or {variableName}) is '{text}'; it must be an http or https address, for example http://127.0.0.1:8000.");
            return null;
        }
    }
}
