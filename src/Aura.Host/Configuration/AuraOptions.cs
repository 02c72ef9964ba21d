using System.Globalization;
using System.Net;
using System.Security.Cryptography;
using Aura.Host.Roles;
using Aura.Orchestra.Employees;
using Aura.Orchestra.Employees.Cli;
using Aura.Orchestra.Employees.Ledger;
using Aura.Orchestra.Employees.Prompting;
using Aura.Orchestra.Sandboxes;
using Aura.Orchestra.Validation;
using Npgsql;

namespace Aura.Host.Configuration;

/// <summary>The settings cannot be used. Holds every problem, each with the variable's name and what to do.</summary>
public sealed class InvalidOptionsException(IReadOnlyList<string> problems)
    : Exception("The configuration cannot be used:\n" + string.Join('\n', problems.Select(p => "  - " + p)))
{
    public IReadOnlyList<string> Problems { get; } = problems;
}

/// <summary>All settings of a process, read once from the environment and the command line.</summary>
public sealed record AuraOptions
{
    /// <summary>The folder that holds projects, workflows and run-time folders. <c>AURA_ROOT</c>, default the working directory.</summary>
    public required string Root { get; init; }

    /// <summary>Where the process keeps what it makes for itself. <c>AURA_STATE</c>, default <c>.aura</c>.</summary>
    public required string State { get; init; }

    public required string ProjectsDirectory { get; init; }
    public required string WorkflowsDirectory { get; init; }
    public required string SandboxBase { get; init; }
    public required string SnapshotDirectory { get; init; }

    /// <summary>
    /// The folder of Elsa Studio's npm package. <c>AURA_STUDIO</c>, default where the launcher brings it to: below the state folder.
    /// Where there is none, <c>/studio/</c> says so.
    /// </summary>
    public required string StudioDirectory { get; init; }

    /// <summary>A connection string; null means the embedded PostgreSQL.</summary>
    public string? Database { get; init; }

    /// <summary>The manager's port; 0 takes a free one.</summary>
    public required int ManagerPort { get; init; }

    /// <summary>
    /// The MCP service's port; 0 takes a free one. <c>MCP_PORT</c>, default 9000; a host that takes a free port for the manager takes one here too.
    /// </summary>
    public required int McpPort { get; init; }

    /// <summary>
    /// Names besides the loopback ones under which the MCP service may be addressed and from whose pages it may be called.
    /// <c>MCP_ALLOWED_HOSTS</c>, a list without ports.
    /// </summary>
    public IReadOnlyList<string> McpAllowedHosts { get; init; } = [];

    /// <summary>The address the process listens on. <c>AURA_LISTEN</c>, default loopback.</summary>
    public required IPAddress ListenAddress { get; init; }

    public required IReadOnlyList<Role> Roles { get; init; }

    /// <summary>The backend of PRDs that name none.</summary>
    public required string Backend { get; init; }

    public required string DirectorKey { get; init; }

    /// <summary>A second secret behind the keys of tokens, the same on all hosts of a database. <c>AURA_TOKEN_KEY</c>, optional.</summary>
    public string? TokenKey { get; init; }

    /// <summary>What workers in processes of their own come with. <c>AURA_WORKER_KEY</c>, default the one of this state folder.</summary>
    public required string WorkerKey { get; init; }

    /// <summary>Employees that work at once on all hosts and workers together. <c>AURA_MAX_EMPLOYEES</c>, default 3; the same on all hosts.</summary>
    public int MaxEmployees { get; init; } = 3;

    /// <summary>How long a task stays with whoever claimed it without a sign of life. <c>AURA_LEASE_SECONDS</c>, default 60.</summary>
    public TimeSpan TaskLease { get; init; } = TimeSpan.FromSeconds(60);

    public string? OllamaHost { get; init; }

    /// <summary>Tokens for question and answer at Ollama. <c>OLLAMA_CONTEXT_LENGTH</c>, default 16384.</summary>
    public required int OllamaContext { get; init; }
    public string? OpenAiKey { get; init; }
    public string? OpenAiBaseUrl { get; init; }
    public string? GeminiKey { get; init; }
    public string? GeminiBaseUrl { get; init; }

    /// <summary>Command-line agents. <c>AURA_EMPLOYEES</c>, default <c>employees.json</c> of the root when there is one.</summary>
    public IReadOnlyList<CliAgent> Agents { get; init; } = [];

    /// <summary>What models cost. <c>AURA_PRICES</c>, a file; null for the table that comes with Aura.</summary>
    public PriceTable? Prices { get; init; }

    /// <summary>Limits of one attempt: answers, tokens (0 for none), cost (0 for none), time. <c>AURA_EMPLOYEE_TURNS</c>, <c>_TOKENS</c>,
    /// <c>_COST</c>, <c>_SECONDS</c>.</summary>
    public required (int Turns, int Tokens, decimal Cost, TimeSpan Time) EmployeeLimits { get; init; }

    /// <summary>Values that must stand in no prompt, protocol or log.</summary>
    public IReadOnlyList<string> Secrets { get; init; } = [];

    /// <summary>Whether traces hold prompts and answers. <c>AURA_TRACE_CONTENT</c>, default false.</summary>
    public bool TraceContent { get; init; }

    /// <summary>Model names by backend, the preferred first; empty for the backend's own choice.</summary>
    public required IReadOnlyDictionary<string, IReadOnlyList<string>> Models { get; init; }

    /// <summary>Looked into for employee scripts before a project's own.</summary>
    public string? ScriptsDirectory { get; init; }

    public required Isolation Isolation { get; init; }

    /// <summary>The longest a test run in the jail may take.</summary>
    public required TimeSpan ValidationTime { get; init; }

    /// <summary>
    /// Whether workflows may hold C#, which runs with all the power of this process: for trusted authors only.
    /// <c>AURA_ALLOW_CSHARP</c>, default false; the same on all hosts of a database.
    /// </summary>
    public bool AllowCSharp { get; init; }

    /// <summary>Finished workflow instances older than this go; null keeps them. <c>AURA_WORKFLOW_RETENTION_DAYS</c>, default 365, 0 for null.</summary>
    public TimeSpan? WorkflowRetention { get; init; }

    /// <summary>
    /// Of the finished instances of a workflow only the newest so many stay; null sets no limit. <c>AURA_WORKFLOW_RETENTION_COUNT</c>,
    /// default 0 for null.
    /// </summary>
    public int? WorkflowRetentionCount { get; init; }

    /// <summary>How long the sandbox of a job that has ended stays; its snapshots stay with the archive. <c>AURA_SANDBOX_RETENTION_DAYS</c>, default 7.</summary>
    public required TimeSpan SandboxRetention { get; init; }

    /// <summary>Where the HTTP endpoints of workflows live. <c>AURA_HTTP_WORKFLOWS_PATH</c>, default <c>/workflows</c>.</summary>
    public string HttpWorkflowsPath { get; init; } = "/workflows";

    /// <summary>Tests of crash safety only; see <c>FaultPoints</c>.</summary>
    public string? FaultPoint { get; init; }

    public string DirectorKeyFile => Path.Combine(State, "director.key");

    public string WorkerKeyFile => Path.Combine(State, "worker.key");

    public string HostFile => Path.Combine(State, "host.json");

    /// <summary>Reads everything and reports all problems together.</summary>
    /// <param name="variable">Looks up an environment variable.</param>
    /// <param name="given">Values of the command line, by variable name; they win.</param>
    /// <exception cref="InvalidOptionsException">At least one setting cannot be used.</exception>
    public static AuraOptions Load(Func<string, string?> variable, IReadOnlyDictionary<string, string?>? given = null)
    {
        ArgumentNullException.ThrowIfNull(variable);
        var reader = new Reader(name => given?.GetValueOrDefault(name) ?? variable(name));
        var root = reader.Folder("AURA_ROOT", Directory.GetCurrentDirectory(), Directory.GetCurrentDirectory());
        var state = reader.Folder("AURA_STATE", root, ".aura");
        var managerPort = reader.Port("MANAGER_PORT", 8000);
        var options = new AuraOptions
        {
            Root = root,
            State = state,
            ProjectsDirectory = reader.Folder("AURA_PROJECTS", root, "real_projects"),
            WorkflowsDirectory = reader.Folder("AURA_WORKFLOWS", root, "workflows"),
            SandboxBase = reader.Folder("SANDBOX_BASE", root, "sandboxes"),
            SnapshotDirectory = reader.Folder("AURA_SNAPSHOTS", root, "snapshots"),
            StudioDirectory = reader.Folder("AURA_STUDIO", root, Path.Combine(state, "tools", "studio", "node_modules", "@elsa-workflows", "elsa-studio-wasm")),
            Database = reader.Database(),
            ManagerPort = managerPort,
            McpPort = reader.Port("MCP_PORT", managerPort == 0 ? 0 : 9000),
            McpAllowedHosts = reader.HostNames("MCP_ALLOWED_HOSTS"),
            ListenAddress = reader.IpAddress("AURA_LISTEN"),
            Roles = reader.Roles(),
            Backend = reader.OneOf("AURA_BACKEND", EmployeeBackends.Choices, ScriptedEmployee.BackendName),
            DirectorKey = reader.Secret("DIRECTOR_API_KEY") ?? "",
            TokenKey = reader.Secret("AURA_TOKEN_KEY"),
            WorkerKey = reader.Secret("AURA_WORKER_KEY") ?? "",
            MaxEmployees = reader.Whole("AURA_MAX_EMPLOYEES", 3, 1000, smallest: 1),
            TaskLease = reader.Seconds("AURA_LEASE_SECONDS", 60, smallest: 3),
            OllamaHost = reader.Text("OLLAMA_HOST"),
            OllamaContext = reader.Whole("OLLAMA_CONTEXT_LENGTH", 16_384, 10_000_000),
            OpenAiKey = reader.Secret("OPENAI_API_KEY"),
            OpenAiBaseUrl = reader.Address("OPENAI_BASE_URL"),
            GeminiKey = reader.Secret("GEMINI_API_KEY"),
            GeminiBaseUrl = reader.Address("GEMINI_BASE_URL"),
            Agents = reader.Agents("AURA_EMPLOYEES", root),
            Prices = reader.Prices("AURA_PRICES", root),
            EmployeeLimits = (
                reader.Whole("AURA_EMPLOYEE_TURNS", 40, 1000), reader.Whole("AURA_EMPLOYEE_TOKENS", 2_000_000, int.MaxValue),
                reader.Amount("AURA_EMPLOYEE_COST"), reader.Seconds("AURA_EMPLOYEE_SECONDS", 900)),
            Secrets = SecretRedactor.SecretsOf(Environment.GetEnvironmentVariables()),
            TraceContent = reader.Flag("AURA_TRACE_CONTENT"),
            Models = new Dictionary<string, IReadOnlyList<string>>
            {
                [EmployeeBackends.Ollama] = reader.List("OLLAMA_MODEL"),
                [EmployeeBackends.OpenAi] = reader.List("OPENAI_MODEL"),
                [EmployeeBackends.Gemini] = reader.List("GEMINI_MODEL"),
            },
            ScriptsDirectory = reader.Text("AURA_SCRIPTS"),
            Isolation = Enum.Parse<Isolation>(reader.OneOf("AURA_ISOLATION", ["bubblewrap", "none"], "bubblewrap"), ignoreCase: true),
            ValidationTime = reader.Seconds("AURA_VALIDATION_SECONDS", 120),
            AllowCSharp = reader.Flag("AURA_ALLOW_CSHARP"),
            WorkflowRetention = reader.Whole("AURA_WORKFLOW_RETENTION_DAYS", 365, 36_500) is var days and > 0 ? TimeSpan.FromDays(days) : null,
            WorkflowRetentionCount = reader.Whole("AURA_WORKFLOW_RETENTION_COUNT", 0, int.MaxValue) is var count and > 0 ? count : null,
            SandboxRetention = TimeSpan.FromDays(reader.Whole("AURA_SANDBOX_RETENTION_DAYS", 7, 36_500)),
            HttpWorkflowsPath = reader.RoutePath("AURA_HTTP_WORKFLOWS_PATH", "/workflows"),
            FaultPoint = reader.Text("AURA_FAULT_POINT"),
        };
        _ = reader.Port("UI_PORT", 5173);
        if (options.OllamaContext < 2048)
            reader.Problem("OLLAMA_CONTEXT_LENGTH", "is smaller than 2048: the instructions and tools alone need more.");
        if (options.EmployeeLimits.Turns == 0)
            reader.Problem("AURA_EMPLOYEE_TURNS", "is 0; an employee needs at least one answer.");
        if (options.DirectorKey is { Length: > 0 and < 16 })
            reader.Problem("DIRECTOR_API_KEY", "is shorter than 16 characters. Use a longer one, or unset it to have one made.");
        if (options.WorkerKey is { Length: > 0 and < 16 })
            reader.Problem("AURA_WORKER_KEY", "is shorter than 16 characters. Use a longer one, or unset it to have one made.");
        if (options.WorkerKey.Length > 0 && options.WorkerKey == options.DirectorKey)
            reader.Problem("AURA_WORKER_KEY", "is the Director's key. Workers must not come with it: make another one with: openssl rand -hex 32");
        if (options.TokenKey is { Length: < 32 })
            reader.Problem("AURA_TOKEN_KEY", "is shorter than 32 characters. Make one with: openssl rand -hex 32");
        if (reader.Problems.Count > 0)
            throw new InvalidOptionsException(reader.Problems);
        return options;
    }

    public SandboxOptions Sandboxes() => new() { BaseDirectory = SandboxBase, SnapshotDirectory = SnapshotDirectory, Retention = SandboxRetention };

    /// <summary>The Director's and the workers' keys: those given, else those of this state folder, made at the first start.</summary>
    public AuraOptions WithKeys() => this with
    {
        DirectorKey = DirectorKey.Length > 0 ? DirectorKey : KeyOf(DirectorKeyFile, "dk_"),
        WorkerKey = WorkerKey.Length > 0 ? WorkerKey : KeyOf(WorkerKeyFile, "wk_"),
    };

    private string KeyOf(string file, string prefix)
    {
        Directory.CreateDirectory(State);
        if (!File.Exists(file))
        {
            var made = file + "." + Guid.NewGuid().ToString("N");
            using (var stream = new FileStream(made, new FileStreamOptions
            {
                Mode = FileMode.CreateNew,
                Access = FileAccess.Write,
                UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
            }))
            using (var writer = new StreamWriter(stream))
            {
                writer.Write(prefix + Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(24)));
            }

            // The first of two processes that start together wins; both read what stands there then.
            try
            {
                File.Move(made, file, overwrite: false);
            }
            catch (IOException)
            {
                File.Delete(made);
            }
        }

        return File.ReadAllText(file).Trim();
    }

    private sealed class Reader(Func<string, string?> variable)
    {
        public List<string> Problems { get; } = [];

        public void Problem(string name, string problem) => Problems.Add($"{name} {problem}");

        public string? Text(string name) => variable(name) is { } text && !string.IsNullOrWhiteSpace(text) ? text.Trim() : null;

        public IReadOnlyList<string> List(string name) =>
            [.. (Text(name) ?? "").Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries)];

        public string Folder(string name, string root, string fallback) => Path.GetFullPath(Text(name) ?? fallback, root);

        public string OneOf(string name, IReadOnlyList<string> values, string fallback)
        {
            var value = Text(name) ?? fallback;
            if (values.Contains(value, StringComparer.OrdinalIgnoreCase))
                return value.ToLowerInvariant();
            Problem(name, $"is '{value}'; it must be one of {string.Join(", ", values)}.");
            return fallback;
        }

        public bool Flag(string name)
        {
            if (Text(name) is not { } text)
                return false;
            if (bool.TryParse(text, out var flag))
                return flag;
            Problem(name, $"is '{text}'; it must be true or false.");
            return false;
        }

        /// <summary>A path of one or more plain segments, without a slash at its end.</summary>
        public string RoutePath(string name, string fallback)
        {
            if (Text(name) is not { } text)
                return fallback;
            var path = text.TrimEnd('/');
            if (path.Length > 1 && path[0] == '/' && path[1..].Split('/').All(s => s.Length > 0 && s.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_')))
                return path;
            Problem(name, $"is '{text}'; it must be a path such as /workflows, of letters, digits, hyphens and underscores.");
            return fallback;
        }

        public int Port(string name, int fallback)
        {
            if (Text(name) is not { } text)
                return fallback;
            if (int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var port) && port <= 65535)
                return port;
            Problem(name, $"is '{text}'; it must be a port from 0 (a free one) to 65535.");
            return fallback;
        }

        public TimeSpan Seconds(string name, int fallback, int smallest = 1)
        {
            if (Text(name) is not { } text)
                return TimeSpan.FromSeconds(fallback);
            if (int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var seconds) && seconds >= smallest && seconds <= 86_400)
                return TimeSpan.FromSeconds(seconds);
            Problem(name, $"is '{text}'; it must be whole seconds from {smallest} to 86400.");
            return TimeSpan.FromSeconds(fallback);
        }

        public int Whole(string name, int fallback, int largest, int smallest = 0)
        {
            if (Text(name) is not { } text)
                return fallback;
            if (int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number >= smallest && number <= largest)
                return number;
            Problem(name, $"is '{text}'; it must be a whole number from {smallest} to {largest}.");
            return fallback;
        }

        /// <summary>An amount of money; 0 when it is not given.</summary>
        public decimal Amount(string name)
        {
            if (Text(name) is not { } text)
                return 0;
            if (decimal.TryParse(text, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var amount) && amount <= 1_000_000)
                return amount;
            Problem(name, $"is '{text}'; it must be an amount such as 1.50, in the price table's currency.");
            return 0;
        }

        public IReadOnlyList<CliAgent> Agents(string name, string root)
        {
            var file = Folder(name, root, "employees.json");
            // Without the variable the file is only looked for.
            if (Text(name) is null && !File.Exists(file))
                return [];
            if (Contents(name, file) is not { } text)
                return [];
            var agents = CliAgents.Parse(text, file, Secret, out var errors);
            foreach (var error in errors)
                Problem(name, $"cannot be used: {error}");
            return agents ?? [];
        }

        public PriceTable? Prices(string name, string root)
        {
            if (Text(name) is null || Contents(name, Folder(name, root, "")) is not { } text)
                return null;
            var table = PriceTable.Parse(text, Text(name)!, out var errors);
            foreach (var error in errors)
                Problem(name, $"cannot be used: {error}");
            return table;
        }

        private string? Contents(string name, string file)
        {
            try
            {
                return File.ReadAllText(file);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                Problem(name, $"names '{file}', which cannot be read: {e.Message}");
                return null;
            }
        }

        public IPAddress IpAddress(string name)
        {
            if (Text(name) is not { } text)
                return IPAddress.Loopback;
            if (IPAddress.TryParse(text, out var address))
                return address;
            Problem(name, $"is '{text}'; it must be an IP address, for example 127.0.0.1 or 0.0.0.0.");
            return IPAddress.Loopback;
        }

        public IReadOnlyList<string> HostNames(string name)
        {
            var names = List(name);
            foreach (var host in names.Where(h => Uri.CheckHostName(h) is UriHostNameType.Unknown))
                Problem(name, $"names '{host}'; it must be a list of host names or addresses without ports, for example aura,mcp.example.org.");
            return names;
        }

        public string? Address(string name)
        {
            if (Text(name) is not { } text)
                return null;
            if (!Uri.TryCreate(text, UriKind.Absolute, out var url) || url.Scheme is not ("http" or "https"))
                Problem(name, $"is '{text}'; it must be an http or https address.");
            return text;
        }

        /// <summary>A secret from the variable or from the file that NAME_FILE names.</summary>
        public string? Secret(string name)
        {
            if (Text(name) is { } value)
                return value;
            if (Text(name + "_FILE") is not { } file)
                return null;
            try
            {
                var text = File.ReadAllText(file).Trim();
                if (text.Length > 0)
                    return text;
                Problem(name + "_FILE", $"names '{file}', which is empty.");
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                Problem(name + "_FILE", $"names '{file}', which cannot be read: {e.Message}");
            }

            return null;
        }

        public string? Database()
        {
            if (Text("AURA_DATABASE") is { } given)
            {
                try
                {
                    return new NpgsqlConnectionStringBuilder(given).ConnectionString;
                }
                catch (ArgumentException e)
                {
                    Problem("AURA_DATABASE", $"is no connection string ({e.Message}). Example: Host=127.0.0.1;Port=5432;Database=aiorg;Username=aiorg;Password=…");
                    return null;
                }
            }

            if (Text("POSTGRES_HOST") is not { } host)
                return null;
            return new NpgsqlConnectionStringBuilder
            {
                Host = host,
                Port = Port("POSTGRES_PORT", 5432),
                Database = Text("POSTGRES_DB") ?? "aiorg",
                Username = Text("POSTGRES_USER") ?? "aiorg",
                Password = Secret("POSTGRES_PASSWORD"),
            }.ConnectionString;
        }

        public IReadOnlyList<Role> Roles()
        {
            var roles = new List<Role>();
            foreach (var name in (Text("AURA_ROLES") ?? "all").Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries))
            {
                if (name.Equals("all", StringComparison.OrdinalIgnoreCase))
                    roles.AddRange(RoleTable.All);
                else if (RoleTable.Find(name) is { } role)
                    roles.Add(role);
                else
                    Problem("AURA_ROLES", $"names '{name}'; known are all, {string.Join(", ", RoleTable.All.Select(r => r.Name))}.");
            }

            return [.. roles.Distinct()];
        }
    }
}
