using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;
using Aura.Orchestra.Storage;

namespace Aura.Orchestra.Employees.Cli;

/// <summary>Reads <c>employees.json</c>. The format is described in docs/employees.md.</summary>
public static partial class CliAgents
{
    private static readonly string[] Known =
        ["preset", "command", "arguments", "model", "changes", "network", "mounts", "environment", "secrets", "exit_codes", "time_limit_seconds",
            "memory_mb", "cpu_seconds", "processes", "about"];

    private static readonly string[] Placeholders = ["prompt", "prompt_file", "model", "workspace", "job_id", "attempt"];

    // Showing these would show everything, or the machine's own secrets.
    private static readonly string[] TooMuch = ["/", "/dev", "/etc", "/home", "/proc", "/root", "/run", "/sys", "/tmp", "/var", "/workspace"];

    // Left out of a preset's arguments when the agent names no model.
    private static readonly string[] ModelSwitch = ["--model", "{model}"];

    internal static IReadOnlyList<string> SearchPath { get; } = ["/usr/local/bin", "/usr/bin", "/bin"];

    /// <summary>The agents that need only their name, with the switches of their non-interactive modes. All call a provider or a server: they need
    /// the network.</summary>
    public static IReadOnlyDictionary<string, CliAgent> Presets { get; } = new CliAgent[]
    {
        // Edits need no approval; commands that it would have to ask for are refused.
        new() { Name = "claude", Command = "claude", Arguments = ["-p", .. ModelSwitch, "--output-format", "text", "--permission-mode", "acceptEdits"] },

        // Its own sandbox cannot be built inside ours, which is the stricter one.
        new() { Name = "codex", Command = "codex",
            Arguments = ["exec", .. ModelSwitch, "--skip-git-repo-check", "--ephemeral", "--color", "never", "--dangerously-bypass-approvals-and-sandbox", "-"] },
        new()
        {
            Name = "gemini",
            Command = "gemini",
            Arguments = ["--approval-mode=yolo", .. ModelSwitch],
            // In an untrusted folder every other approval mode falls back to asking.
            Environment = new Dictionary<string, string> { ["GEMINI_CLI_TRUST_WORKSPACE"] = "true", ["NO_COLOR"] = "1" },
            ExitCodes = new Dictionary<int, EmployeeFinish> { [42] = EmployeeFinish.Misconfigured, [53] = EmployeeFinish.TurnLimit },
        },
        new()
        {
            Name = "aider",
            Command = "aider",
            Arguments =
                ["--message-file", "{prompt_file}", .. ModelSwitch, "--yes-always", "--no-git", "--no-auto-commits", "--no-stream", "--no-pretty",
                "--no-check-update", "--analytics-disable"],
        },
        new()
        {
            Name = "ollama",
            Command = "ollama",
            Arguments = ["run", "{model}"],
            Changes = AgentChanges.Patch,
        },
    }.ToDictionary(p => p.Name, StringComparer.Ordinal);

    /// <summary>Null means that <paramref name="errors"/> says why: each names the file and the JSON path.</summary>
    /// <param name="text">The file's text.</param>
    /// <param name="file">For the errors.</param>
    /// <param name="secret">Looks a secret's value up by its name.</param>
    /// <param name="errors">All problems together.</param>
    public static IReadOnlyList<CliAgent>? Parse(string text, string file, Func<string, string?> secret, out IReadOnlyList<string> errors) =>
        new Reader(file, secret).Parse(text, out errors);

    [GeneratedRegex(@"\A[A-Za-z0-9][A-Za-z0-9._:-]{0,63}\z", RegexOptions.NonBacktracking)]
    private static partial Regex AgentName();

    [GeneratedRegex(@"\A[A-Za-z_][A-Za-z0-9_]*\z", RegexOptions.NonBacktracking)]
    private static partial Regex VariableName();

    [GeneratedRegex(@"\{(?<name>[a-z_]+)\}", RegexOptions.ExplicitCapture | RegexOptions.NonBacktracking)]
    internal static partial Regex Placeholder();

    private sealed class Reader(string file, Func<string, string?> secret) : HandWrittenJson<IReadOnlyList<CliAgent>>(file)
    {
        protected override IReadOnlyList<CliAgent> Read(JsonElement root)
        {
            if (!IsObject(root, "$", "agents", "about") || !root.TryGetProperty("agents", out var agents))
            {
                Error("$.agents", "must be an object with one entry for each agent");
                return [];
            }

            return IsObject(agents, "$.agents")
                ? [.. agents.EnumerateObject().Select(a => Agent(a.Name, a.Value, $"$.agents['{a.Name}']")).OfType<CliAgent>()] : [];
        }

        private CliAgent? Agent(string name, JsonElement json, string path)
        {
            if (!AgentName().IsMatch(name))
                Error(path, "has a name that is not of letters, digits, '.', '_', ':' and '-', at most 64");
            if (!IsObject(json, path, Known))
                return null;
            CliAgent? preset = null;
            if (Text(json, path, "preset") is { } chosen && !Presets.TryGetValue(chosen, out preset))
                Error($"{path}.preset", $"is '{chosen}'; it must be one of {string.Join(", ", Presets.Keys)}");
            var hostNetwork = OneOf(json, path, "network", "none", "host") == "host";
            if (preset is not null && !hostNetwork)
                Error($"{path}.network",
                    $"must be \"host\": preset '{preset.Name}' calls a model over the network, and the jail has none unless you say so");
            var agent = new CliAgent
            {
                Name = name,
                Command = Text(json, path, "command") ?? preset?.Command ?? "",
                Arguments = Texts(json, path, "arguments") ?? ArgumentsOf(preset, json.TryGetProperty("model", out _)),
                Model = Text(json, path, "model"),
                Changes = json.TryGetProperty("changes", out _) || preset is null
                    ? OneOf(json, path, "changes", "files", "patch") == "patch" ? AgentChanges.Patch : AgentChanges.Files
                    : preset.Changes,
                HostNetwork = hostNetwork,
                Mounts = Mounts(json, path),
                Environment = Environment(json, path, preset),
                Secrets = (Texts(json, path, "secrets") ?? []).Distinct(StringComparer.Ordinal).Where(s => IsVariable(s, $"{path}.secrets"))
                    .ToDictionary(s => s, secret, StringComparer.Ordinal),
                ExitCodes = ExitCodes(json, path) ?? preset?.ExitCodes ?? new Dictionary<int, EmployeeFinish>(),
                TimeLimit = Seconds(json, path, "time_limit_seconds"),
                MemoryBytes = Whole(json, path, "memory_mb", 16, 1_048_576, "megabytes") * 1_048_576L,
                CpuTime = Seconds(json, path, "cpu_seconds"),
                MaxProcesses = Whole(json, path, "processes", 1, 65_536, "processes"),
            };
            if (agent.Command.Length == 0 && !json.TryGetProperty("preset", out _) && !json.TryGetProperty("command", out _))
                Error($"{path}.command", "is missing: give a command or a preset");
            else if (!Path.IsPathRooted(agent.Command) && agent.Command.Contains('/', StringComparison.Ordinal))
                Error($"{path}.command", $"is '{agent.Command}'; it must be an absolute path or a plain name");
            foreach (var unknown in agent.Arguments.SelectMany(a => Placeholder().Matches(a)).Select(m => m.Groups["name"].Value)
                .Where(p => !Placeholders.Contains(p, StringComparer.Ordinal)))
                Error($"{path}.arguments", $"holds the placeholder {{{unknown}}}; known: {string.Join(", ", Placeholders.Select(p => $"{{{p}}}"))}");
            if (agent.Model is null && agent.Arguments.Any(a => a.Contains("{model}", StringComparison.Ordinal)))
                Error($"{path}.model", "is missing: the arguments hold {model}");
            return agent;
        }

        private static IReadOnlyList<string> ArgumentsOf(CliAgent? preset, bool hasModel)
        {
            var arguments = preset?.Arguments ?? [];
            var at = arguments.ToList().IndexOf(ModelSwitch[0]);
            return hasModel || at < 0 ? arguments : [.. arguments.Take(at), .. arguments.Skip(at + ModelSwitch.Length)];
        }

        private List<string> Mounts(JsonElement json, string path)
        {
            var mounts = new List<string>();
            foreach (var given in Texts(json, path, "mounts") ?? [])
            {
                var mount = given.Length > 1 ? given.TrimEnd('/') : given;
                if (!Path.IsPathRooted(mount) || Path.GetFullPath(mount) != mount)
                    Error($"{path}.mounts", $"holds '{given}'; it must be an absolute path without '..'");
                else if (TooMuch.Contains(mount, StringComparer.Ordinal))
                    Error($"{path}.mounts", $"holds '{given}', which would show too much; name the agent's own folder");
                else if (!Path.Exists(mount))
                    Error($"{path}.mounts", $"holds '{given}', which does not exist");
                else
                    mounts.Add(mount);
            }

            return mounts;
        }

        private Dictionary<string, string> Environment(JsonElement json, string path, CliAgent? preset)
        {
            var variables = new Dictionary<string, string>(preset?.Environment ?? new Dictionary<string, string>(), StringComparer.Ordinal);
            if (!json.TryGetProperty("environment", out var given) || !IsObject(given, $"{path}.environment"))
                return variables;
            foreach (var variable in given.EnumerateObject().Where(v => IsVariable(v.Name, $"{path}.environment")))
            {
                if (variable.Value.ValueKind == JsonValueKind.String)
                    variables[variable.Name] = variable.Value.GetString()!;
                else
                    Error($"{path}.environment.{variable.Name}", "must be a text");
            }

            return variables;
        }

        private Dictionary<int, EmployeeFinish>? ExitCodes(JsonElement json, string path)
        {
            if (!json.TryGetProperty("exit_codes", out var given) || !IsObject(given, $"{path}.exit_codes"))
                return null;
            var codes = new Dictionary<int, EmployeeFinish>();
            foreach (var code in given.EnumerateObject())
            {
                var name = code.Value.ValueKind == JsonValueKind.String ? code.Value.GetString()!.Replace("_", "", StringComparison.Ordinal) : "";
                if (!int.TryParse(code.Name, NumberStyles.None, CultureInfo.InvariantCulture, out var number) || number > 255)
                    Error($"{path}.exit_codes", $"holds '{code.Name}'; exit codes go from 0 to 255");
                else if (!name.All(char.IsAsciiLetter) || !Enum.TryParse<EmployeeFinish>(name, ignoreCase: true, out var finish))
                    Error($"{path}.exit_codes['{code.Name}']",
                        $"must be one of {string.Join(", ", Enum.GetNames<EmployeeFinish>().Select(JsonNamingPolicy.SnakeCaseLower.ConvertName))}");
                else
                    codes[number] = finish;
            }

            return codes;
        }

        private TimeSpan? Seconds(JsonElement json, string path, string name) =>
            Whole(json, path, name, 1, 86_400, "seconds") is { } seconds ? TimeSpan.FromSeconds(seconds) : null;

        private int? Whole(JsonElement json, string path, string name, int least, int most, string unit)
        {
            if (!json.TryGetProperty(name, out var given))
                return null;
            if (given.ValueKind == JsonValueKind.Number && given.TryGetInt32(out var number) && number >= least && number <= most)
                return number;
            Error($"{path}.{name}", $"must be whole {unit} from {least} to {most}");
            return null;
        }

        private bool IsVariable(string name, string path)
        {
            // The loader's variables would reach the programs that build the jail, too.
            if (VariableName().IsMatch(name) && !name.StartsWith("LD_", StringComparison.Ordinal))
                return true;
            Error(path, $"holds '{name}', which is not a variable's name that an agent can have");
            return false;
        }

        private string OneOf(JsonElement json, string path, string name, params string[] values)
        {
            var value = Text(json, path, name) ?? values[0];
            if (values.Contains(value, StringComparer.Ordinal))
                return value;
            Error($"{path}.{name}", $"is '{value}'; it must be one of {string.Join(", ", values)}");
            return values[0];
        }

        private string[]? Texts(JsonElement json, string path, string name)
        {
            if (!json.TryGetProperty(name, out var value))
                return null;
            if (value.ValueKind == JsonValueKind.Array && value.EnumerateArray().All(v => v.ValueKind == JsonValueKind.String))
                return [.. value.EnumerateArray().Select(v => v.GetString()!)];
            Error($"{path}.{name}", "must be a list of texts");
            return null;
        }
    }
}
